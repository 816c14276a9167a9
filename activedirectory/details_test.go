package activedirectory

import (
	"crypto/tls"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
	"github.com/go-adsync/adsync/internal/fakead"
)

const (
	department = adsync.Field("department")
	manager    = adsync.Field("manager")
	phones     = adsync.Field("phones")
)

// staff is a controller with one person, u1, and who she works for.
type staff struct {
	*fakead.Server
	boss, u1 fakead.GUID
}

func newStaff(t *testing.T, cfg fakead.Config) *staff {
	t.Helper()
	dc, err := fakead.Start(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dc.Close()) })
	_, err = dc.AddUser(fakead.User{Username: "svc", UPN: corpUser, Password: corpPassword})
	require.NoError(t, err)
	require.NoError(t, dc.GrantTombstones(corpUser))
	ou, err := dc.AddOU("People", "")
	require.NoError(t, err)
	s := &staff{Server: dc}
	s.boss, err = dc.AddUser(fakead.User{Username: "boss"})
	require.NoError(t, err)
	s.u1, err = dc.AddUser(fakead.User{Parent: ou, Name: "Ada, Countess", Username: "u1", Email: "u1@x", Attributes: map[string][]string{
		"department": {"R&D"}, "manager": {dc.DN(s.boss)}, "otherTelephone": {"3", "1", "2"}, "description": {" "},
	}})
	require.NoError(t, err)
	return s
}

func (s *staff) directory(t *testing.T, change func(*Config)) *Directory {
	t.Helper()
	cfg := Config{
		URLs: []string{s.URL()}, TLS: &tls.Config{RootCAs: s.RootCAs()}, Bind: SimpleBind(corpUser, corpPassword),
		BaseDN: "OU=People," + s.BaseDN(), Timeout: time.Minute,
		Attributes: map[adsync.Field]string{department: "department"},
	}
	if change != nil {
		change(&cfg)
	}
	d, err := New(cfg)
	require.NoError(t, err)
	return d
}

// only is the one entry of a listing, which a look-up gives too.
func only(t *testing.T, d *Directory) adsync.Entry {
	t.Helper()
	entries, err := gather(t, d.Entries(t.Context()))
	require.NoError(t, err)
	require.Len(t, entries, 1)
	found, err := gather(t, d.Find(t.Context(), []adsync.ObjectID{entries[0].ObjectID}))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(entries, found))
	return entries[0]
}

func TestDetails_AreReadFromAnyAttribute(t *testing.T) {
	s := newStaff(t, fakead.Config{})
	d := s.directory(t, func(cfg *Config) {
		cfg.Attributes["note"] = "description"
		cfg.Sets = map[adsync.Field]string{phones: "otherTelephone"}
		cfg.References = map[adsync.Field]string{manager: "manager"}
	})
	e := only(t, d)
	want := adsync.NewExtra(map[adsync.Field][]string{department: {"R&D"}, phones: {"1", "2", "3"}, manager: {s.boss.String()}})
	assert.Empty(t, cmp.Diff(want, e.Extra))
	assert.Equal(t, s.DN(s.u1), e.DN, "also where the server was asked for extended DNs")
	assert.Equal(t, adsync.Traits{
		Apart:  true,
		Fields: append(details[:len(details):len(details)], department, manager, "note", phones),
		Sets:   []adsync.Field{phones},
	}, d.Traits())
	assert.Equal(t, adsync.Traits{Apart: true}, s.directory(t, func(cfg *Config) { cfg.Attributes = nil }).Traits(), "nothing further")
	alone := only(t, s.directory(t, func(cfg *Config) {
		cfg.Attributes, cfg.Sets = nil, map[adsync.Field]string{phones: "otherTelephone"}
	}))
	assert.Equal(t, []string{"1", "2", "3"}, alone.Extra.Set(phones), "a set that is the first further detail")
	assert.Empty(t, alone.Others)
	for dir, err := range d.Sessions(t.Context()) {
		require.NoError(t, err)
		assert.Equal(t, d.Traits(), dir.(adsync.Traiter).Traits())
	}
	require.ErrorContains(t, adsynctest.CheckDirectory(t.Context(), d), `"note", and no account has a value`)
	require.NoError(t, s.SetAttribute(s.u1, "description", "new"))
	require.NoError(t, adsynctest.CheckDirectory(t.Context(), d))
}

// Values that a server sends in parts are read to the end, those of a single text too.
func TestDetails_FollowRanges(t *testing.T) {
	s := newStaff(t, fakead.Config{MaxValRange: 4})
	for _, n := range []int{4, 5, 8, 9, 30} {
		var numbers []string
		for i := range n {
			numbers = append(numbers, fmt.Sprintf("%03d", i))
		}
		require.NoError(t, s.SetAttribute(s.u1, "otherTelephone", numbers...))
		e := only(t, s.directory(t, func(cfg *Config) {
			cfg.Sets = map[adsync.Field]string{phones: "otherTelephone"}
			cfg.Attributes[adsync.FieldPhone] = "otherTelephone"
		}))
		assert.Equal(t, numbers, e.Extra.Set(phones))
		assert.Equal(t, numbers, e.Others.Set(adsync.FieldPhone))
		assert.Empty(t, e.Phone)
	}
}

func TestDetails_OfSeveralValues(t *testing.T) {
	s := newStaff(t, fakead.Config{})
	require.NoError(t, s.SetAttribute(s.u1, "proxyAddresses", "smtp:b@x", "SMTP:main@x", "X500:/o=corp", "smtp:a@x", "smtp: "))
	phone := func(attribute string) func(*Config) {
		return func(cfg *Config) {
			cfg.Attributes[adsync.FieldEmail], cfg.Attributes[department] = attribute, attribute
		}
	}
	e := only(t, s.directory(t, phone("otherTelephone")))
	assert.Empty(t, e.Email)
	assert.Empty(t, e.Extra)
	assert.Equal(t, []string{"1", "2", "3"}, e.Others.Set(adsync.FieldEmail))
	assert.Equal(t, []string{"1", "2", "3"}, e.Others.Set(department))

	e = only(t, s.directory(t, phone("proxyAddresses")))
	assert.Equal(t, "main@x", e.Email, "the one that the directory marks")
	assert.Equal(t, "main@x", e.Get(department))
	assert.Equal(t, []string{"a@x", "b@x", "main@x"}, e.Others.Set(adsync.FieldEmail))
	require.NoError(t, s.SetAttribute(s.u1, "proxyAddresses", "smtp:only@x", "X500:/o=corp"))
	e = only(t, s.directory(t, phone("proxyAddresses")))
	assert.Equal(t, "only@x", e.Email)
	assert.Empty(t, e.Others)
}

// A manager is followed to a new name, and what he is deleted with is nobody's any more.
func TestDetails_AManagerIsTheSameAfterARename(t *testing.T) {
	s := newStaff(t, fakead.Config{})
	d := s.directory(t, func(cfg *Config) {
		cfg.Attributes = nil
		cfg.References = map[adsync.Field]string{manager: "manager"}
	})
	before := only(t, d)
	require.NoError(t, s.Rename(s.boss, "New Name"))
	assert.Empty(t, cmp.Diff(before, only(t, d)))
	require.NoError(t, s.Delete(s.boss))
	assert.Empty(t, only(t, d).Extra)
}

func TestDetails_AReferenceNeedsADN(t *testing.T) {
	s := newStaff(t, fakead.Config{})
	d := s.directory(t, func(cfg *Config) { cfg.References = map[adsync.Field]string{manager: "mail"} })
	_, err := gather(t, d.Entries(t.Context()))
	require.ErrorContains(t, err, "came without the objectGUID")
	d = s.directory(t, func(cfg *Config) { cfg.References = map[adsync.Field]string{manager: "managre"} })
	_, err = gather(t, d.Entries(t.Context()))
	require.ErrorContains(t, err, `the directory has no attribute "managre"`)
	s.Order(fakead.Fault{Kind: fakead.FaultNoControl, Text: "1.2.840.113556.1.4.529"})
	d = s.directory(t, func(cfg *Config) { cfg.References = map[adsync.Field]string{manager: "manager"} })
	_, err = gather(t, d.Entries(t.Context()))
	require.ErrorContains(t, err, "does not tell the objectGUID of what a DN names")
}

// One further detail all the way: read over LDAP, planned, written, followed, and taken back.
func TestDetails_GoAllTheWay(t *testing.T) {
	s := newStaff(t, fakead.Config{})
	d := s.directory(t, func(cfg *Config) { cfg.Sets = map[adsync.Field]string{phones: "otherTelephone"} })
	u := adsync.User{ID: "1", ObjectID: adsync.ObjectID(s.u1), Profile: adsync.Profile{Username: "u1", Email: "u1@x"}.With(department, "Sales")}
	store := adsync.NewMemoryStore(u).Hold(department, phones)
	syncer, err := adsync.New(d, store, nil)
	require.NoError(t, err)
	sync := func() *adsync.Report {
		report, err := syncer.Sync(t.Context())
		require.NoError(t, errors.Join(err, report.Err()))
		return report
	}
	report := sync()
	require.Len(t, report.Plan.Changes, 1)
	assert.Equal(t, []adsync.Field{department, phones}, report.Plan.Changes[0].Fields)
	now, _ := store.Get("1")
	assert.Equal(t, "R&D", now.Get(department))
	assert.Equal(t, []string{"1", "2", "3"}, now.Extra.Set(phones))
	require.Empty(t, sync().Plan.Changes, "a second run has nothing to do")
	require.NoError(t, s.SetAttribute(s.u1, "department"))
	require.Len(t, sync().Plan.Changes, 1)
	now, _ = store.Get("1")
	assert.Empty(t, now.Get(department), "which the account lacks now")
	back, err := syncer.Inverse(t.Context(), report)
	require.NoError(t, err)
	assert.Equal(t, adsync.OpNotice, back.Changes[0].Op, "it has changed since")
}

// A search for somebody to choose reads no groups, and so takes nobody's roles.
func TestSearch_RolesAreUnknown(t *testing.T) {
	c := oneDomain(t, 1, 1)
	group, err := c.controllers[0].CreateGroup(fakead.Group{Name: "editors", Members: c.ids[0]})
	require.NoError(t, err)
	d := c.directory(t, func(cfg *Config) {
		cfg.Roles = []Role{{Name: "editor", Group: adsync.ObjectID(group).String()}}
	})
	found, err := d.Search(t.Context(), "ua", 5)
	require.NoError(t, err)
	require.Len(t, found, 1)
	assert.Equal(t, []string{"editor"}, found[0].Unknown.Set(adsync.FieldRoles))
	_, err = New(Config{URLs: []string{"ldaps://dc.example"}, BaseDN: "DC=example", Bind: SimpleBind("u", "p"), Attributes: map[adsync.Field]string{adsync.FieldHostRoles: "title"}})
	assert.ErrorContains(t, err, "roles come from groups")
}
