//go:build linux

package firstday

import (
	"fmt"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/internal/integration/samba"
)

// kind is what became of a person since the application imported them.
type kind string

const (
	plain       kind = "the same as ever"
	moved       kind = "a new address"
	mailless    kind = "no address in the directory"
	reusedMail  kind = "gone, and the name went to somebody with another address"
	reusedName  kind = "gone, and the name went to somebody without an address"
	left        kind = "gone"
	leavingSoon kind = "the same as ever, and about to leave"
	owner       kind = "protected in the application"
	blocked     kind = "blocked in the application"
)

// kinds say how many there are of each: three hundred in all.
var kinds = []struct {
	kind  kind
	count int
}{
	{plain, 215}, {moved, 5}, {mailless, 20}, {reusedMail, 10}, {reusedName, 10}, {left, 20}, {leavingSoon, 15}, {owner, 2}, {blocked, 3},
}

// person is one of them, as the application has them.
type person struct {
	kind
	id                 int
	first, last, login string
	guid               adsync.ObjectID // of their own account
}

func (p person) email() string { return p.login + "@corp.example" }

func everybody() []person {
	firsts := []string{"Ada", "Björn", "Chinedu", "Đức", "Ελένη", "Fatma", "Guðrún", "Hakob", "Ivan", "Jürgen"}
	lasts := []string{"Adéyẹmí", "Berg", "Çelik", "Dahl", "Eze", "Fischer", "Guimarães", "Hayashi", "Iyer", "Jónsdóttir", "Київ", "Lê"}
	var all []person
	for _, k := range kinds {
		for range k.count {
			n := len(all)
			all = append(all, person{
				kind: k.kind, id: 1000 + n,
				first: firsts[n%len(firsts)], last: lasts[n/2%len(lasts)], login: fmt.Sprintf("user%03d", n),
			}) // 120 names for 300 people: namesakes
		}
	}
	return all
}

// directory is the domain, written to by its administrator.
type directory struct {
	*samba.Controller
	conn   *ldap.Conn
	people string // the base
}

// account is what the administrator enters for somebody.
type account struct{ unit, cn, login, first, last, mail string }

func (d *directory) add(t *testing.T, a account) (dn string) {
	t.Helper()
	dn = "CN=" + a.cn + "," + a.unit
	add := ldap.NewAddRequest(dn, nil)
	add.Attribute("objectClass", []string{"user"})
	add.Attribute("sAMAccountName", []string{a.login})
	add.Attribute("givenName", []string{a.first})
	add.Attribute("sn", []string{a.last})
	add.Attribute("userAccountControl", []string{"544"}) // enabled, and without a password
	if a.mail != "" {
		add.Attribute("mail", []string{a.mail})
	}
	require.NoError(t, d.conn.Add(add))
	return dn
}

func (d *directory) addUnit(t *testing.T, name, parent string) (dn string) {
	t.Helper()
	dn = "OU=" + name + "," + parent
	add := ldap.NewAddRequest(dn, nil)
	add.Attribute("objectClass", []string{"organizationalUnit"})
	require.NoError(t, d.conn.Add(add))
	return dn
}

func (d *directory) addGroup(t *testing.T, name string, members ...string) (dn string) {
	t.Helper()
	dn = "CN=" + name + ",CN=Users," + d.BaseDN
	add := ldap.NewAddRequest(dn, nil)
	add.Attribute("objectClass", []string{"group"})
	add.Attribute("sAMAccountName", []string{name})
	add.Attribute("member", members)
	require.NoError(t, d.conn.Add(add))
	return dn
}

func (d *directory) dn(p person) string { return "CN=" + p.login + "," + d.people }

func (d *directory) set(t *testing.T, dn, attribute string, values ...string) {
	t.Helper()
	change := ldap.NewModifyRequest(dn, nil)
	change.Replace(attribute, values)
	require.NoError(t, d.conn.Modify(change))
}

func (d *directory) delete(t *testing.T, dn string) {
	t.Helper()
	require.NoError(t, d.conn.Del(ldap.NewDelRequest(dn, nil)))
}

// populate enters everybody as they were, and then lets happen what happened.
func (d *directory) populate(t *testing.T, all []person) {
	t.Helper()
	for _, p := range all {
		d.add(t, account{d.people, p.login, p.login, p.first, p.last, p.email()})
	}
	guids := d.guids(t)
	for i := range all {
		all[i].guid = guids[all[i].login]
		require.NotZero(t, all[i].guid)
		d.age(t, all[i])
	}
}

func (d *directory) age(t *testing.T, p person) {
	t.Helper()
	next := account{d.people, "next " + p.login, p.login, p.first, "Next", ""}
	switch p.kind {
	case moved:
		d.set(t, d.dn(p), "mail", "new."+p.email())
	case mailless:
		d.set(t, d.dn(p), "mail")
	case left:
		d.delete(t, d.dn(p))
	case reusedMail:
		d.delete(t, d.dn(p))
		next.last, next.mail = p.last, "next."+p.email() // only the address tells them apart
		d.add(t, next)
	case reusedName:
		d.delete(t, d.dn(p))
		d.add(t, next)
	}
}

func (d *directory) guids(t *testing.T) map[string]adsync.ObjectID {
	t.Helper()
	found, err := d.conn.SearchWithPaging(ldap.NewSearchRequest(d.people, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases,
		0, 0, false, "(sAMAccountType=805306368)", []string{"sAMAccountName", "objectGUID"}, nil), 500)
	require.NoError(t, err)
	guids := map[string]adsync.ObjectID{}
	for _, e := range found.Entries {
		id, err := adsync.ObjectIDFromBytes(e.GetEqualFoldRawAttributeValue("objectGUID"))
		require.NoError(t, err)
		guids[e.GetEqualFoldAttributeValue("sAMAccountName")] = id
	}
	return guids
}
