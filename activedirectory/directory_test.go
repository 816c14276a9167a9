package activedirectory

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory/internal/ldapread"
	"github.com/go-adsync/adsync/adsynctest"
	"github.com/go-adsync/adsync/internal/fakead"
)

// corp is a domain with some controllers, all alike.
type corp struct {
	controllers []*fakead.Server
	ids         [][]fakead.GUID // by controller
}

const corpUser, corpPassword = "svc@ad.example.test", "S3rvice-of-the-test!"

func newCorp(t *testing.T, controllers, people int) *corp {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	c := &corp{}
	for range controllers {
		dc, err := fakead.Start(fakead.Config{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, dc.Close()) })
		ou, err := dc.AddOU("People", "")
		require.NoError(t, err)
		_, err = dc.AddUser(fakead.User{Username: "svc", UPN: corpUser, Password: corpPassword})
		require.NoError(t, err)
		require.NoError(t, dc.GrantTombstones(corpUser))
		var ids []fakead.GUID
		for n := range people {
			name := "u" + strconv.Itoa(n+1)
			id, err := dc.AddUser(fakead.User{Parent: ou, Username: name, FirstName: "F", LastName: "L", Email: name + "@x", Phone: "1"})
			require.NoError(t, err)
			ids = append(ids, id)
		}
		c.controllers, c.ids = append(c.controllers, dc), append(c.ids, ids)
	}
	return c
}

// directory reads the controllers in order.
func (c *corp) directory(t *testing.T, change func(*Config)) *Directory {
	t.Helper()
	roots := c.controllers[0].RootCAs()
	cfg := Config{Bind: SimpleBind(corpUser, corpPassword), BaseDN: "OU=People," + c.controllers[0].BaseDN(), PageSize: 10, Timeout: time.Minute}
	for _, dc := range c.controllers {
		cfg.URLs = append(cfg.URLs, dc.URL())
		roots.AppendCertsFromPEM(dc.CACert())
	}
	cfg.TLS = &tls.Config{RootCAs: roots}
	if change != nil {
		change(&cfg)
	}
	d, err := New(cfg)
	require.NoError(t, err)
	return d
}

func TestDirectory_KeepsItsDuties(t *testing.T) {
	c := newCorp(t, 1, 25)
	dc, ids := c.controllers[0], c.ids[0]
	require.NoError(t, dc.Disable(ids[1]))
	require.NoError(t, dc.Delete(ids[2]))
	require.NoError(t, dc.Move(ids[3], "CN=Users,"+dc.BaseDN()))
	want := []adsync.Entry{
		{ObjectID: adsync.ObjectID(ids[0]), Profile: adsync.Profile{Username: "u1", FirstName: "F", LastName: "L", Email: "u1@x", Phone: "1"}},
		{ObjectID: adsync.ObjectID(ids[1]), Profile: adsync.Profile{Username: "u2", FirstName: "F", LastName: "L", Email: "u2@x", Phone: "1"}, Disabled: true},
		{ObjectID: adsync.ObjectID(ids[2]), State: adsync.StateDeleted},
		{ObjectID: adsync.ObjectID(ids[3]), State: adsync.StateOutOfScope},
		{ObjectID: dirID(1), State: adsync.StateUnproven},
	}
	d := c.directory(t, nil)
	assert.NoError(t, adsynctest.CheckDirectory(t.Context(), d, want...))
	assert.NoError(t, adsynctest.CheckDirectory(t.Context(), adsync.Join(d), want...))
	users := adsync.NewMemoryStore(adsync.User{ID: "1"})
	assert.NoError(t, adsynctest.CheckApart(t.Context(), d, users))
	for session, err := range d.Sessions(t.Context()) {
		require.NoError(t, err)
		assert.NoError(t, adsynctest.CheckDirectory(t.Context(), session, want...))
		assert.NoError(t, adsynctest.CheckApart(t.Context(), session, users))
	}
	plain := c.directory(t, nil)
	plain.reader.Plain = true // leaves the entries to go-ldap
	assert.NoError(t, adsynctest.CheckDirectory(t.Context(), plain, want...))
	assert.True(t, plain.reader.Plain)
	assert.False(t, d.reader.Plain)
	entries, err := gather(t, d.Entries(t.Context()))
	require.NoError(t, err)
	read, err := gather(t, plain.Entries(t.Context()))
	require.NoError(t, err)
	assert.ElementsMatch(t, entries, read)
	i := slices.IndexFunc(entries, func(e adsync.Entry) bool { return e.Username == "u1" })
	assert.Empty(t, cmp.Diff(adsync.Entry{ObjectID: adsync.ObjectID(ids[0]), Profile: want[0].Profile, State: adsync.StatePresent, DN: dc.DN(ids[0])}, entries[i]))
	assert.Eventually(t, func() bool { return dc.Connections() == 0 }, time.Minute, time.Millisecond)
}

// One plan never mixes two controllers: each of these holds half of the people.
func TestFailover_StartsAPlanOver(t *testing.T) {
	c := newCorp(t, 2, 25)
	require.NoError(t, c.controllers[1].SetAttribute(c.ids[1][0], "mail", "second@x"))
	c.controllers[0].Order(fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpSearch, Page: 2})
	store := adsync.NewMemoryStore()
	syncer, err := adsync.New(c.directory(t, nil), store, &adsync.Options{Rules: adsync.Rules{Import: true}})
	require.NoError(t, err)
	report, err := syncer.Sync(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 25, report.Counts().Created)
	for _, created := range report.Plan.Changes {
		assert.Contains(t, c.ids[1], fakead.GUID(created.ObjectID), "only of the second")
	}
}

// A server that refers to another must not get us to sign in there.
func TestDirectory_NeverFollowsAReferral(t *testing.T) {
	elsewhere, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	called := make(chan bool, 1)
	go func() {
		conn, err := elsewhere.Accept()
		if err == nil {
			conn.Close()
		}
		called <- err == nil
	}()
	dc, err := fakead.Start(fakead.Config{ReferralHost: elsewhere.Addr().String()})
	require.NoError(t, err)
	defer dc.Close()
	_, err = dc.AddUser(fakead.User{Username: "svc", UPN: corpUser, Password: corpPassword})
	require.NoError(t, err)
	d, err := New(Config{
		URLs: []string{dc.URL()}, TLS: dc.ClientTLS(), Bind: SimpleBind(corpUser, corpPassword), Timeout: time.Minute,
	})
	require.NoError(t, err)
	dc.Order(fakead.Fault{Kind: fakead.FaultResult, Op: fakead.OpSearch, Page: 1, Code: 10})
	_, err = gather(t, d.Entries(t.Context()))
	require.ErrorContains(t, err, "another domain")
	_, err = gather(t, d.Find(t.Context(), []adsync.ObjectID{dirID(1)}))
	require.Error(t, err)
	require.NoError(t, elsewhere.Close())
	assert.False(t, <-called, "the other server was called")
}

// Whoever permits it is warned with each plan, and in the host's log.
func TestDirectory_WarnsOfPlaintext(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	dc, err := fakead.Start(fakead.Config{AllowUnsafe: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dc.Close()) })
	ada, err := dc.AddUser(fakead.User{Username: "ada"})
	require.NoError(t, err)
	clearly := func(startTLS bool, bind Bind) (warnings []string, log string) {
		d, err := New(Config{URLs: []string{dc.PlainURL()}, StartTLS: startTLS, AllowPlaintext: true, TLS: dc.ClientTLS(), Bind: bind})
		require.NoError(t, err)
		access, err := d.Inspect(t.Context())
		require.NoError(t, err)
		assert.Equal(t, !startTLS, strings.Contains(strings.Join(access.Missing, "\n"), "in the clear"))
		var text strings.Builder
		s, err := adsync.New(d, adsync.NewMemoryStore(adsync.User{ID: "1", ObjectID: adsync.ObjectID(ada), Profile: adsync.Profile{Username: "ada"}}), &adsync.Options{Logger: slog.New(slog.NewTextHandler(&text, nil))})
		require.NoError(t, err)
		plan, err := s.Plan(t.Context())
		require.NoError(t, err)
		report, err := s.Sync(t.Context())
		require.NoError(t, err)
		later, err := s.Plan(t.Context(), adsync.Since(report.Mark()))
		require.NoError(t, err)
		require.Empty(t, later.Reading.Full)
		assert.Equal(t, !startTLS, strings.Contains(strings.Join(later.Warnings, "\n"), "in the clear"), "from a mark, too")
		return plan.Warnings, text.String()
	}
	for name, bind := range map[string]Bind{
		"SimpleBind": SimpleBind(dc.AdminDN(), dc.AdminPassword()),
		"BindFunc": BindFunc(func(_ context.Context, _ string, conn *ldap.Conn) error {
			return conn.Bind(dc.AdminDN(), dc.AdminPassword())
		}),
	} {
		warnings, log := clearly(false, bind)
		assert.Contains(t, strings.Join(warnings, "\n"), "in the clear", name)
		assert.Contains(t, log, "in the clear", name)
		warnings, log = clearly(true, bind)
		assert.NotContains(t, strings.Join(warnings, "\n"), "in the clear", name)
		assert.NotContains(t, log, "in the clear", name)
	}
}

func TestSessions(t *testing.T) {
	c := newCorp(t, 3, 3)
	d := c.directory(t, nil)
	c.controllers[1].Order(fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpConnect})
	var kept []adsync.Directory
	var failed []int
	for session, err := range d.Sessions(t.Context()) {
		require.NoError(t, err)
		n := len(kept)
		kept = append(kept, session)
		for range 2 { // a pinned directory reads its controller and no other
			entries, err := gather(t, session.Entries(t.Context()))
			if err != nil {
				failed = append(failed, n)
				break
			}
			assert.Len(t, entries, 3)
			found, err := gather(t, session.Find(t.Context(), []adsync.ObjectID{adsync.ObjectID(c.ids[n][0])}))
			require.NoError(t, err)
			assert.Equal(t, adsync.StatePresent, found[0].State)
			access, err := session.(adsync.Inspector).Inspect(t.Context())
			require.NoError(t, err)
			assert.True(t, access.Tombstones)
		}
	}
	assert.Len(t, kept, 3)
	assert.Equal(t, []int{1}, failed)
	assert.Equal(t, 1, c.controllers[0].Opened(), "one connection for the session")
	assert.Equal(t, 1, c.controllers[2].Opened())
	_, err := gather(t, kept[0].Entries(t.Context()))
	assert.ErrorContains(t, err, "over")
	for _, dc := range c.controllers {
		assert.Eventually(t, func() bool { return dc.Connections() == 0 }, time.Minute, time.Millisecond)
	}
}

func TestSessions_EndWithTheirContext(t *testing.T) {
	c := newCorp(t, 2, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sessions := 0
	var last error
	for _, err := range c.directory(t, nil).Sessions(ctx) {
		if last = err; err == nil {
			sessions++
			cancel()
		}
	}
	assert.Equal(t, 1, sessions)
	assert.ErrorIs(t, last, context.Canceled)
}

func TestFailover_NotForACallerWhoStops(t *testing.T) {
	c := newCorp(t, 2, 1)
	ctx, cancel := context.WithCancel(t.Context())
	c.controllers[0].Before(func(fakead.Request) { cancel() })
	c.controllers[0].Order(fakead.Fault{Kind: fakead.FaultSilence})
	_, err := gather(t, c.directory(t, nil).Entries(ctx))
	assert.ErrorIs(t, err, context.Canceled)
	assert.Zero(t, c.controllers[1].Opened())
}

// Nor is it forgotten that a controller failed, when a caller stops.
func TestFailover_ACallerWhoStopsTellsNothing(t *testing.T) {
	c := newCorp(t, 1, 1)
	d := c.directory(t, nil)
	d.health.note(d.servers[0], true)
	ctx, cancel := context.WithCancel(t.Context())
	c.controllers[0].Before(func(fakead.Request) { cancel() })
	c.controllers[0].Order(fakead.Fault{Kind: fakead.FaultSilence})
	_, err := gather(t, d.Entries(ctx))
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, 1, d.health.failed[d.servers[0]].count)
	c.controllers[0].Before(nil)
	c.controllers[0].ClearFaults()
	_, err = gather(t, d.Entries(t.Context()))
	require.NoError(t, err)
	assert.Empty(t, d.health.failed)
}

func TestDirectory_CheckAndSearch(t *testing.T) {
	c := newCorp(t, 2, 25)
	d := c.directory(t, func(cfg *Config) { cfg.URLs = append([]string{"ldaps://127.0.0.1:1"}, cfg.URLs...) })
	access, err := d.Inspect(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "OU=People,"+c.controllers[0].BaseDN(), access.BaseDN)
	assert.True(t, access.Tombstones)
	assert.Empty(t, access.Missing)
	assert.Empty(t, access.Unread)
	unmapped := c.directory(t, func(cfg *Config) {
		cfg.Attributes = map[adsync.Field]string{adsync.FieldPhone: "facsimileTelephoneNumber"}
	})
	access, err = unmapped.Inspect(t.Context())
	require.NoError(t, err)
	require.Len(t, access.Missing, 1)
	assert.Equal(t, map[adsync.Field][]string{adsync.FieldPhone: access.Missing}, access.Unread)

	found, err := d.Search(t.Context(), "u2", 100)
	require.NoError(t, err)
	assert.Len(t, found, 7)
	found, err = d.Search(t.Context(), "", 1_000_000)
	require.NoError(t, err)
	assert.Len(t, found, 25)
	_, err = d.Search(t.Context(), "u", 0)
	assert.ErrorContains(t, err, "max")
}

// Whatever is asked of a directory, the next controller answers where the first does not.
func TestDirectory_AsksTheNextControllerWhereTheFirstFails(t *testing.T) {
	c := newCorp(t, 2, 3)
	c.controllers[0].Order(fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpConnect})
	for name, ask := range map[string]func(*Directory) error{
		"Inspect": func(d *Directory) error { _, err := d.Inspect(t.Context()); return err },
		"Time":    func(d *Directory) error { _, _, err := d.Time(t.Context()); return err },
		"Search": func(d *Directory) error {
			found, err := d.Search(t.Context(), "u", 5)
			assert.Len(t, found, 3)
			return err
		},
	} {
		c.controllers[1].ForgetRequests()
		require.NoError(t, ask(c.directory(t, nil)), name)
		assert.Equal(t, 1, c.controllers[1].Count(fakead.OpBind), name)
	}
}

func TestFind_ZeroIDIsAnError(t *testing.T) {
	d, err := New(goodConfig())
	require.NoError(t, err)
	found, err := gather(t, d.Find(t.Context(), []adsync.ObjectID{dirID(1), {}}))
	assert.ErrorContains(t, err, "zero ObjectID")
	assert.Empty(t, found)
}

// All that no account shows is told of each detail, and what is wrong with the roles too.
func TestInspect_TellsOfEachDetailAndRole(t *testing.T) {
	c := newCorp(t, 1, 2)
	d := c.directory(t, func(cfg *Config) {
		cfg.Attributes = map[adsync.Field]string{adsync.FieldPhone: "facsimileTelephoneNumber", adsync.FieldFirstName: "initials", "title": "title"}
		cfg.Roles = []Role{{Name: "editor", Group: fakead.GUID{1}.String()}}
	})
	access, err := d.Inspect(t.Context())
	require.NoError(t, err)
	require.Len(t, access.Missing, 4)
	for i, f := range []adsync.Field{adsync.FieldFirstName, adsync.FieldPhone, "title"} {
		assert.Equal(t, access.Missing[i:i+1], access.Unread[f], f)
	}
	assert.Len(t, access.Unread, 3)
	assert.Contains(t, access.Missing[3], `role "editor": its group was not found`)
}

// What was heard of other controllers is told by the next Inspect that succeeds, and by no
// other.
func TestInspect_TellsWhatWasHeardOnce(t *testing.T) {
	c := oneDomain(t, 2, 2)
	require.NoError(t, c.controllers[0].Delete(c.ids[0][0]))
	d := c.directory(t, nil)
	assert.Equal(t, adsync.StateDisputed, stateOf(t, d, c.ids[0][0]))
	for _, dc := range c.controllers {
		dc.Order(fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpBind})
	}
	_, err := d.Inspect(t.Context())
	require.Error(t, err)
	for _, dc := range c.controllers {
		dc.ClearFaults()
	}
	d.health.failed = map[ldapread.Server]failures{}
	access, err := d.Inspect(t.Context())
	require.NoError(t, err)
	assert.Len(t, access.Witnesses, 1)
	access, err = d.Inspect(t.Context())
	require.NoError(t, err)
	assert.Empty(t, access.Witnesses)
}

func TestTime_IsOfTheFirstThatAnswers(t *testing.T) {
	there := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	dc, err := fakead.Start(fakead.Config{Now: func() time.Time { return there }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dc.Close()) })
	d, err := New(Config{URLs: []string{"ldaps://127.0.0.1:1", dc.URL()}, TLS: dc.ClientTLS(), Bind: SimpleBind(dc.AdminDN(), dc.AdminPassword())})
	require.NoError(t, err)
	now, kept, err := d.Time(t.Context())
	require.NoError(t, err)
	assert.Equal(t, adsync.MomentOf(there), now)
	assert.Equal(t, 180*24*time.Hour, kept)
	for session, err := range d.Sessions(t.Context()) {
		require.NoError(t, err)
		now, kept, err := session.(adsync.Timekeeper).Time(t.Context())
		if session.(pinned).controller.Server().Port == "1" {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, adsync.MomentOf(there), now)
		assert.Equal(t, 180*24*time.Hour, kept)
	}
}

func TestSearch_IsOfOnePageAtMost(t *testing.T) {
	c := newCorp(t, 1, 3)
	d := c.directory(t, nil)
	for limit, want := range map[int]int{1: 1, 2: 2, 3: 3, 1000: 1000, 1001: 1000} {
		c.controllers[0].ForgetRequests()
		found, err := d.Search(t.Context(), "u", limit)
		require.NoError(t, err)
		assert.Len(t, found, min(limit, 3))
		requests := c.controllers[0].Requests()
		assert.Equal(t, want, requests[len(requests)-1].PageSize)
	}
	_, err := d.Search(t.Context(), "u", -1)
	assert.Error(t, err)
}
