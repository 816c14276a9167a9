package directory

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
)

// source is where all users of the tests come from.
const source = "ad"

// scene is one case's part of the directory: two units of its own, of which the
// first is the base of the search.
type scene struct {
	*bed
	conn      *ldap.Conn // of the administrator
	people    string     // the base
	elsewhere string
	prefix    string // of account names, which are unique in the whole domain
}

func newScene(t *testing.T, b *bed, number int) *scene {
	t.Helper()
	s := &scene{bed: b, conn: b.bind(t, b.admin), prefix: fmt.Sprintf("s%d-", number)}
	top := fmt.Sprintf("OU=scene %d,%s", number, b.baseDN)
	s.people, s.elsewhere = "OU=people,"+top, "OU=elsewhere,"+top
	for _, dn := range []string{top, s.people, s.elsewhere} {
		s.addUnit(t, dn)
	}
	return s
}

func (s *scene) addUnit(t *testing.T, dn string) {
	t.Helper()
	add := ldap.NewAddRequest(dn, nil)
	add.Attribute("objectClass", []string{"organizationalUnit"})
	require.NoError(t, s.conn.Add(add))
}

// person is an account in the directory.
type person struct {
	id  adsync.ObjectID
	cn  string
	dn  string
	was adsync.Profile // when it was made
}

// add makes an enabled account below the base, with all five details.
func (s *scene) add(t *testing.T, name string) person {
	t.Helper()
	return s.addIn(t, s.people, name)
}

func (s *scene) addIn(t *testing.T, parent, name string) person {
	t.Helper()
	p := s.describe(parent, name)
	s.write(t, p)
	p.id = objectIDOf(t, s.conn, p.dn)
	return p
}

func (s *scene) describe(parent, name string) person {
	return person{
		cn: name,
		dn: "CN=" + name + "," + parent,
		was: adsync.Profile{
			Username: s.prefix + name, FirstName: "First " + name, LastName: "Last " + name,
			Email: s.prefix + name + "@example.test", Phone: "+49 30 1234",
		},
	}
}

// write adds the account. 544 is an enabled one that needs no password.
func (s *scene) write(t *testing.T, p person) {
	t.Helper()
	add := ldap.NewAddRequest(p.dn, nil)
	add.Attribute("objectClass", []string{"user"})
	add.Attribute("sAMAccountName", []string{p.was.Username})
	add.Attribute("givenName", []string{p.was.FirstName})
	add.Attribute("sn", []string{p.was.LastName})
	add.Attribute("mail", []string{p.was.Email})
	add.Attribute("telephoneNumber", []string{p.was.Phone})
	add.Attribute("userAccountControl", []string{"544"})
	require.NoError(t, s.conn.Add(add))
}

// set replaces one attribute; no values take it away.
func (s *scene) set(t *testing.T, p person, attribute string, values ...string) {
	t.Helper()
	change := ldap.NewModifyRequest(p.dn, nil)
	change.Replace(attribute, values)
	require.NoError(t, s.conn.Modify(change))
}

func (s *scene) disable(t *testing.T, p person) { s.set(t, p, "userAccountControl", "546") }
func (s *scene) enable(t *testing.T, p person)  { s.set(t, p, "userAccountControl", "544") }

func (s *scene) delete(t *testing.T, p person) {
	t.Helper()
	require.NoError(t, s.conn.Del(ldap.NewDelRequest(p.dn, nil)))
}

// move puts the account below another parent, which may be the same one, under a
// common name.
func (s *scene) move(t *testing.T, p person, parent, cn string) person {
	t.Helper()
	require.NoError(t, s.conn.ModifyDN(ldap.NewModifyDNRequest(p.dn, "CN="+cn, true, parent)))
	p.cn, p.dn = cn, "CN="+cn+","+parent
	require.Equal(t, p.id, objectIDOf(t, s.conn, p.dn), "a move keeps the objectGUID")
	return p
}

// imported is the host's user of the account, as it was when it was made.
func imported(userID string, p person) adsync.User {
	return adsync.User{ID: userID, ObjectID: p.id, Source: source, Profile: p.was}
}

// config is how the reader, who may do all that a sync needs, reads the base.
func (s *scene) config() activedirectory.Config {
	return activedirectory.Config{
		URLs:    []string{s.url},
		BaseDN:  s.people,
		Bind:    activedirectory.SimpleBind(s.reader.name, s.reader.password),
		TLS:     &tls.Config{RootCAs: s.roots},
		Timeout: 2 * time.Minute,
	}
}

func (s *scene) directory(t *testing.T) *activedirectory.Directory {
	t.Helper()
	return open(t, s.config())
}

func open(t *testing.T, cfg activedirectory.Config) *activedirectory.Directory {
	t.Helper()
	dir, err := activedirectory.New(cfg)
	require.NoError(t, err)
	return dir
}

// newSyncer lifts the limits on how much one run may change: they are tested elsewhere,
// and a few users are soon all of them.
func newSyncer(t *testing.T, dir adsync.Directory, store adsync.UserStore, rules adsync.Rules) *adsync.Syncer {
	t.Helper()
	rules.Source = source
	syncer, err := adsync.New(dir, store, &adsync.Options{
		Rules:  rules,
		Limits: adsync.Limits{MaxRemovals: -1, MaxRemovalRatio: -1, MaxCleared: -1, MaxRekeyed: -1, MaxReactivated: -1, MaxGranted: -1, MaxRevoked: -1},
	})
	require.NoError(t, err)
	return syncer
}

// sync runs once, and again to see that the second plan writes nothing.
func (s *scene) sync(t *testing.T, store adsync.UserStore, rules adsync.Rules) *adsync.Report {
	t.Helper()
	syncer := newSyncer(t, s.directory(t), store, rules)
	report, err := syncer.Sync(t.Context())
	require.NoError(t, err)
	require.NoError(t, report.Err())
	again, err := syncer.Plan(t.Context())
	require.NoError(t, err)
	for _, c := range again.Changes {
		assert.NotContains(t, []adsync.Op{adsync.OpUpdate, adsync.OpDelete, adsync.OpCreate}, c.Op, "a second run changes nothing")
	}
	return report
}

// told is the plan in short: operation, reason and user of each change.
func told(p *adsync.Plan) []string {
	lines := []string{}
	for _, c := range p.Changes {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s", c.Op, c.Reason, c.UserID)))
	}
	return lines
}

func users(t *testing.T, store adsync.UserStore) map[string]adsync.User {
	t.Helper()
	all := map[string]adsync.User{}
	for u, err := range store.Users(context.Background()) {
		require.NoError(t, err)
		all[u.ID] = u
	}
	return all
}

// requireNoPlan shows that the directory cannot be read: no plan, whatever the
// host holds, and an error that tells and gives nothing away.
func (s *scene) requireNoPlan(t *testing.T, dir adsync.Directory, store *adsync.MemoryStore) error {
	t.Helper()
	before := users(t, store)
	syncer := newSyncer(t, dir, store, adsync.Rules{Import: true})
	plan, err := syncer.Plan(t.Context())
	require.ErrorIs(t, err, adsync.ErrIncomplete)
	require.Nil(t, plan)
	_, err = syncer.Sync(t.Context())
	require.ErrorIs(t, err, adsync.ErrIncomplete)
	assert.Equal(t, before, users(t, store))
	s.assertDiscreet(t, err)
	return err
}

// assertDiscreet shows that an error names nobody and holds no secret.
func (s *scene) assertDiscreet(t *testing.T, err error) {
	t.Helper()
	assert.True(t, strings.HasPrefix(err.Error(), "adsync:"), "%v", err)
	for _, private := range []string{
		s.reader.password, s.reader.name, s.ordinary.name, "CN=", "OU=", s.prefix, "@example.test", "@ad.example.test",
	} {
		assert.NotContains(t, err.Error(), private)
	}
}

func hostOf(t *testing.T, rawURL string) (host, address string) {
	t.Helper()
	u, err := url.Parse(rawURL)
	require.NoError(t, err)
	port := u.Port()
	if port == "" {
		port = map[string]string{"ldap": "389", "ldaps": "636"}[u.Scheme]
	}
	return u.Hostname(), u.Hostname() + ":" + port
}
