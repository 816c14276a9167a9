//go:build linux

package slapd

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
	"github.com/go-adsync/adsync/adsynctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// directory reads the people as an OpenLDAP directory is read.
func (s *server) directory(t *testing.T, change func(*activedirectory.Config)) *activedirectory.Directory {
	t.Helper()
	cfg := activedirectory.Config{
		URLs: []string{s.url}, BaseDN: people, Bind: activedirectory.SimpleBind(service, secret), PageSize: 10, Timeout: 20 * time.Second,
		TLS: &tls.Config{RootCAs: s.roots},
		Attributes: map[adsync.Field]string{
			adsync.FieldObjectID: "entryUUID", adsync.FieldUsername: "uid", adsync.FieldPhone: "mobile",
		},
		DisabledBy: activedirectory.DisabledBy{Attribute: "employeeType", Values: []string{"Left"}},
	}
	if change != nil {
		change(&cfg)
	}
	d, err := activedirectory.New(cfg)
	require.NoError(t, err)
	return d
}

// listed is all people by username.
func listed(t *testing.T, d *activedirectory.Directory) map[string]adsync.Entry {
	t.Helper()
	entries := map[string]adsync.Entry{}
	for e, err := range d.Entries(t.Context()) {
		require.NoError(t, err)
		entries[e.Username] = e
	}
	return entries
}

func TestOpenLDAP(t *testing.T) {
	s := start(t)
	t.Run("reading", func(t *testing.T) { testReading(t, s) })
	t.Run("check", func(t *testing.T) { testCheck(t, s) })
	t.Run("size limit", func(t *testing.T) { testSizeLimit(t, s) })
	t.Run("limit without pages", func(t *testing.T) { testPages(t, s) })
	t.Run("wrong password", func(t *testing.T) { testWrongPassword(t, s) })
	t.Run("aliases", func(t *testing.T) { testAliases(t, s) })
	t.Run("another identity", func(t *testing.T) { testNoIdentity(t, s) })
	t.Run("who is disabled", func(t *testing.T) { testDisabled(t, s) })
	t.Run("roles", func(t *testing.T) { testRoles(t, s) })
	t.Run("memberOf", func(t *testing.T) { testMemberOf(t, s) })
	t.Run("changes", func(t *testing.T) { testChanges(t, s) })
	t.Run("life of accounts", func(t *testing.T) { testLives(t, s) })
}

// A directory that does not number its changes is read in full each time, and the plan
// says why.
func testChanges(t *testing.T, s *server) {
	syncer, err := adsync.New(s.directory(t, nil), adsync.NewMemoryStore(), &adsync.Options{Rules: adsync.Rules{Import: true}})
	require.NoError(t, err)
	report, err := syncer.Sync(t.Context(), adsync.Since(nil))
	require.NoError(t, err)
	require.NotEmpty(t, report.Plan.Changes)
	plan, err := syncer.Plan(t.Context(), adsync.Since(report.Mark()))
	require.NoError(t, err)
	assert.Equal(t, "the directory does not number its changes as a domain controller does", plan.Reading.Full)
}

// Nobody is made active or imported unless the configuration says how the directory tells
// who is disabled.
func testDisabled(t *testing.T, s *server) {
	admin := s.admin(t)
	modify := ldap.NewModifyRequest(personDN(8), nil)
	modify.Add("employeeType", []string{"intern", "left"})
	require.NoError(t, admin.Modify(modify))
	t.Cleanup(func() {
		back := ldap.NewModifyRequest(personDN(8), nil)
		back.Replace("employeeType", nil)
		require.NoError(t, admin.Modify(back))
	})
	entries := listed(t, s.directory(t, nil))
	deactivated := func(id string, e adsync.Entry) adsync.User {
		return adsync.User{ID: id, ObjectID: e.ObjectID, Profile: e.Profile, Status: adsync.StatusDeactivated}
	}
	for _, tt := range []struct {
		name      string
		change    func(*activedirectory.Config)
		want      []string
		creations int
		warning   string
	}{
		{"an attribute", nil, []string{"u7 reactivated", "u8 disabled"}, population - 2, ""},
		{"none", func(cfg *activedirectory.Config) { cfg.DisabledBy = activedirectory.DisabledBy{} },
			[]string{"u7 unknown", "u8 unknown"}, 0, "set DisabledBy, or NoDisabled"},
		{"nobody", func(cfg *activedirectory.Config) { cfg.DisabledBy, cfg.NoDisabled = activedirectory.DisabledBy{}, true },
			[]string{"u7 reactivated", "u8 reactivated"}, population - 2, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := adsync.NewMemoryStore(deactivated("u7", entries["u7"]), deactivated("u8", entries["u8"]))
			syncer, err := adsync.New(s.directory(t, tt.change), store, &adsync.Options{Rules: adsync.Rules{Import: true}})
			require.NoError(t, err)
			plan, err := syncer.Plan(t.Context())
			require.NoError(t, err)
			var got []string
			creations := 0
			for _, c := range plan.Changes {
				if c.Op == adsync.OpCreate {
					creations++
				} else {
					got = append(got, c.UserID+" "+string(c.Reason))
				}
			}
			assert.Equal(t, tt.want, got)
			assert.Equal(t, tt.creations, creations)
			assert.Contains(t, strings.Join(plan.Warnings, "\n"), tt.warning)
			assert.Equal(t, tt.warning == "", !strings.Contains(strings.Join(plan.Warnings, "\n"), "DisabledBy"))
		})
	}
}

func testReading(t *testing.T, s *server) {
	for name, change := range map[string]func(*activedirectory.Config){
		"ldaps":    nil,
		"StartTLS": func(cfg *activedirectory.Config) { cfg.URLs, cfg.StartTLS = []string{s.plainURL}, true },
	} {
		t.Run(name, func(t *testing.T) {
			d := s.directory(t, change)
			entries := listed(t, d)
			require.Len(t, entries, population)
			e := entries["u7"]
			assert.Equal(t, adsync.Profile{Username: "u7", FirstName: "First7", LastName: "Last7", Email: "u7@example.test", Phone: "+49 7"}, e.Profile)
			assert.False(t, e.Disabled)

			found, err := s.admin(t).Search(ldap.NewSearchRequest(personDN(7), ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{"entryUUID"}, nil))
			require.NoError(t, err)
			assert.Equal(t, found.Entries[0].GetAttributeValue("entryUUID"), e.ObjectID.String())
			assert.NoError(t, adsynctest.CheckDirectory(t.Context(), d, e, adsync.Entry{ObjectID: adsync.ObjectID{1}, State: adsync.StateUnproven}))

			some, err := d.Search(t.Context(), "first2", 100)
			require.NoError(t, err)
			assert.Len(t, some, 7)
		})
	}
}

func testCheck(t *testing.T, s *server) {
	access, err := s.directory(t, nil).Inspect(t.Context())
	require.NoError(t, err)
	assert.False(t, access.Tombstones)
	require.Len(t, access.Missing, 1)
	assert.Contains(t, access.Missing[0], "set Rules.OnUnproven")

	access, err = s.directory(t, func(cfg *activedirectory.Config) { cfg.BaseDN = "ou=nowhere," + suffix }).Inspect(t.Context())
	require.NoError(t, err)
	assert.Contains(t, strings.Join(access.Missing, "\n"), "BaseDN was not found")
	_, err = s.directory(t, func(cfg *activedirectory.Config) { cfg.BaseDN = "" }).Inspect(t.Context())
	assert.ErrorContains(t, err, "set BaseDN")
}

// A limit that ends a listing must not look like its end.
func testSizeLimit(t *testing.T, s *server) {
	d := s.directory(t, func(cfg *activedirectory.Config) {
		cfg.Bind, cfg.PageSize = activedirectory.SimpleBind(limited, secret), 2
	})
	count := 0
	var last error
	for _, err := range d.Entries(t.Context()) {
		if last = err; err == nil {
			count++
		}
	}
	require.ErrorContains(t, last, "raise that limit for the service account")
	assert.Less(t, count, population)
}

// A look-up goes without pages, unless the server then sends too few.
func testPages(t *testing.T, s *server) {
	d := s.directory(t, func(cfg *activedirectory.Config) {
		cfg.Bind, cfg.PageSize = activedirectory.SimpleBind(paged, secret), 500
	})
	var ids []adsync.ObjectID
	for _, e := range listed(t, d) {
		ids = append(ids, e.ObjectID)
	}
	found := 0
	for e, err := range d.Find(t.Context(), ids) {
		require.NoError(t, err)
		assert.Equal(t, adsync.StatePresent, e.State)
		found++
	}
	assert.Equal(t, population, found)
}

func testWrongPassword(t *testing.T, s *server) {
	d := s.directory(t, func(cfg *activedirectory.Config) { cfg.Bind = activedirectory.SimpleBind(service, "hunter2") })
	_, err := d.Inspect(t.Context())
	require.ErrorContains(t, err, "refused the name or password")
	_, err = d.Inspect(t.Context())
	assert.ErrorContains(t, err, "is not sent again")
}

// What is no UUID must not become an identity.
func testNoIdentity(t *testing.T, s *server) {
	for attribute, want := range map[string]string{
		"objectGUID": `the directory has no attribute "objectGUID"`, "mail": "mail, is a text that is no UUID", "employeeNumber": "without its identity",
	} {
		d := s.directory(t, func(cfg *activedirectory.Config) {
			cfg.Attributes[adsync.FieldObjectID], cfg.Filter = attribute, "(objectClass=person)"
		})
		assert.ErrorContains(t, listingError(d), want, attribute)
	}
}

// listingError is the error that a listing ends in.
func listingError(d *activedirectory.Directory) (last error) {
	for _, err := range d.Entries(context.Background()) {
		last = err
	}
	return last
}

// The server answers under the first of the names that its schema has, whatever other
// name it was asked with.
func testAliases(t *testing.T, s *server) {
	aliases := func(cfg *activedirectory.Config) {
		cfg.Attributes = map[adsync.Field]string{
			adsync.FieldObjectID: "1.3.6.1.1.16.4", adsync.FieldUsername: "userid", adsync.FieldFirstName: "2.5.4.42",
			adsync.FieldLastName: "Surname", adsync.FieldEmail: "rfc822Mailbox", adsync.FieldPhone: "mobileTelephoneNumber",
		}
	}
	assert.Equal(t, listed(t, s.directory(t, nil)), listed(t, s.directory(t, aliases)))

	d := s.directory(t, func(cfg *activedirectory.Config) { cfg.Attributes[adsync.FieldPhone] = "cellphone" })
	assert.ErrorContains(t, listingError(d), `the directory has no attribute "cellphone"; correct Attributes`)

	// Without the schema, names are taken as they are, with a warning.
	blindly := func(cfg *activedirectory.Config) { cfg.Bind = activedirectory.SimpleBind(blind, secret) }
	assert.Equal(t, listed(t, s.directory(t, nil)), listed(t, s.directory(t, blindly)))
	access, err := s.directory(t, blindly).Inspect(t.Context())
	require.NoError(t, err)
	assert.Contains(t, strings.Join(access.Missing, "\n"), "subschemaSubentry")
}

func testLives(t *testing.T, s *server) {
	admin, d := s.admin(t), s.directory(t, nil)
	entries := listed(t, d)
	var users []adsync.User
	for n := 1; n <= population; n++ {
		e := entries[fmt.Sprintf("u%d", n)]
		users = append(users, adsync.User{ID: fmt.Sprintf("id-%d", n), ObjectID: e.ObjectID, Profile: e.Profile})
	}
	store := adsync.NewMemoryStore(users...)
	user := func(n int) adsync.User {
		t.Helper()
		u, there := store.Get(fmt.Sprintf("id-%d", n))
		require.True(t, there, n)
		return u
	}
	sync := func(rules adsync.Rules) *adsync.Report {
		t.Helper()
		syncer, err := adsync.New(d, store, &adsync.Options{Rules: rules})
		require.NoError(t, err)
		report, err := syncer.Sync(t.Context())
		require.NoError(t, err)
		require.NoError(t, report.Err())
		return report
	}
	assert.Empty(t, sync(adsync.Rules{}).Plan.Changes, "nothing is different")

	require.NoError(t, admin.ModifyDN(ldap.NewModifyDNRequest(personDN(1), "uid=renamed", true, "")))
	require.NoError(t, admin.ModifyDN(ldap.NewModifyDNRequest(personDN(2), "uid=u2", true, elsewhere)))
	require.NoError(t, admin.Del(ldap.NewDelRequest(personDN(3), nil)))
	require.NoError(t, admin.Del(ldap.NewDelRequest(personDN(4), nil)))
	again := ldap.NewAddRequest(personDN(4), nil)
	for _, line := range attributesOf(4) {
		name, value, _ := strings.Cut(line, ": ")
		again.Attribute(name, []string{value})
	}
	require.NoError(t, admin.Add(again))
	modify := ldap.NewModifyRequest(personDN(5), nil)
	modify.Replace("mobile", nil)
	require.NoError(t, admin.Modify(modify))

	// By look-up and by listing.
	for _, rules := range []adsync.Rules{{}, {Import: true}} {
		report := sync(rules)
		assert.Zero(t, report.Counts().Deleted)
		assert.Contains(t, strings.Join(report.Plan.Warnings, "\n"), "keeps nothing of a deleted account")
	}
	assert.Equal(t, "renamed", user(1).Username)
	assert.Equal(t, "u2", user(2).Username, "out of scope, and kept")
	assert.Equal(t, adsync.StatusActive, orActive(user(3).Status), "gone, which proves nothing")
	assert.Equal(t, users[3].ObjectID, user(4).ObjectID, "the account of the same name is another")
	assert.Empty(t, user(5).Phone)

	report := sync(adsync.Rules{OnUnproven: adsync.Deactivate})
	assert.Equal(t, 2, report.Counts().Deactivated, "if the host takes absence for proof")
	assert.Equal(t, adsync.StatusDeactivated, user(3).Status)
	assert.Equal(t, adsync.StatusDeactivated, user(4).Status)
	assert.Equal(t, adsync.StatusActive, orActive(user(2).Status))
}

func orActive(s adsync.Status) adsync.Status {
	if s == "" {
		return adsync.StatusActive
	}
	return s
}
