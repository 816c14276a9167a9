package activedirectory

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory/internal/ldapread"
	"github.com/go-adsync/adsync/internal/adattr"
	"github.com/go-adsync/adsync/internal/fakead"
)

// oneDomain has controllers that hold the same accounts, each for itself, as between
// two replications.
func oneDomain(t *testing.T, controllers, people int) *corp {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	first, err := fakead.Start(fakead.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, first.Close()) })
	ou, err := first.AddOU("People", "")
	require.NoError(t, err)
	_, err = first.AddUser(fakead.User{Username: "svc", UPN: corpUser, Password: corpPassword})
	require.NoError(t, err)
	require.NoError(t, first.GrantTombstones(corpUser))
	var ids []fakead.GUID
	for n := range people {
		id, err := first.AddUser(fakead.User{Parent: ou, Username: "u" + string(rune('a'+n)), LastName: "L"})
		require.NoError(t, err)
		ids = append(ids, id)
	}
	c := &corp{controllers: []*fakead.Server{first}, ids: [][]fakead.GUID{ids}}
	for len(c.controllers) < controllers {
		another, err := first.AddController()
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, another.Close()) })
		c.controllers, c.ids = append(c.controllers, another), append(c.ids, ids)
	}
	return c
}

// stateOf looks one account up.
func stateOf(t *testing.T, d adsync.Directory, id fakead.GUID) adsync.State {
	t.Helper()
	found, err := collect(d.Find(t.Context(), []adsync.ObjectID{adsync.ObjectID(id)}))
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0].State
}

// Deleted and restored on one controller, and the other still has the tombstone.
func TestWitnesses_DisputeAStaleTombstone(t *testing.T) {
	c := oneDomain(t, 2, 3)
	stale, id := c.controllers[0], c.ids[0][0]
	require.NoError(t, stale.Delete(id))
	assert.Equal(t, adsync.StateDisputed, stateOf(t, c.directory(t, nil), id))
	alone := c.directory(t, func(cfg *Config) { cfg.Witnesses = -1 })
	assert.Equal(t, adsync.StateDeleted, stateOf(t, alone, id), "nobody was to be asked")
}

func TestWitnesses_BearADeletionOut(t *testing.T) {
	c := oneDomain(t, 2, 3)
	id := c.ids[0][0]
	require.NoError(t, c.controllers[0].Delete(id))
	require.NoError(t, c.controllers[1].Delete(id))
	assert.Equal(t, adsync.StateDeleted, stateOf(t, c.directory(t, nil), id))
}

// A tombstone still counts where the other controller has purged its own, or may not
// show it.
func TestWitnesses_ThatKnowNothingDisputeNothing(t *testing.T) {
	c := oneDomain(t, 2, 3)
	id := c.ids[0][0]
	for _, dc := range c.controllers {
		require.NoError(t, dc.Delete(id))
	}
	require.NoError(t, c.controllers[1].Purge(id))
	assert.Equal(t, adsync.StateDeleted, stateOf(t, c.directory(t, nil), id))
}

// In a failover the controller that knows better may be the one that is down.
func TestWitnesses_ThatAreSilentDisputeATombstone(t *testing.T) {
	c := oneDomain(t, 3, 3)
	id := c.ids[0][0]
	for _, dc := range c.controllers {
		require.NoError(t, dc.Delete(id))
	}
	c.controllers[0].Order(fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpBind})
	c.controllers[2].Order(fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpBind})
	d := c.directory(t, nil)
	assert.Equal(t, adsync.StateDisputed, stateOf(t, d, id), "neither of the others answers")
	c.controllers[2].ClearFaults()
	assert.Equal(t, adsync.StateDeleted, stateOf(t, d, id), "one of them does")
}

func TestWitnesses_AreAskedAboutTombstonesAlone(t *testing.T) {
	c := oneDomain(t, 2, 5)
	d := c.directory(t, nil)
	ids := make([]adsync.ObjectID, 0, 6)
	for _, id := range c.ids[0] {
		ids = append(ids, adsync.ObjectID(id))
	}
	ids = append(ids, dirID(99)) // whom nobody knows
	_, err := collect(d.Find(t.Context(), ids))
	require.NoError(t, err)
	assert.Zero(t, c.controllers[1].Count(fakead.OpBind))
	require.NoError(t, c.controllers[0].Delete(c.ids[0][0]))
	_, err = collect(d.Find(t.Context(), ids))
	require.NoError(t, err)
	assert.Equal(t, 1, c.controllers[1].Count(fakead.OpBind))
}

func TestWitnesses_AreAtMostSoMany(t *testing.T) {
	c := oneDomain(t, 5, 1)
	id := c.ids[0][0]
	for _, dc := range c.controllers {
		require.NoError(t, dc.Delete(id))
	}
	for given, want := range map[int]int{0: 3, 2: 2, 4: 4, 9: 4, -1: 0} {
		for _, dc := range c.controllers {
			dc.ForgetRequests()
		}
		stateOf(t, c.directory(t, func(cfg *Config) { cfg.Witnesses = given }), id)
		asked := 0
		for _, dc := range c.controllers[1:] {
			asked += dc.Count(fakead.OpBind)
		}
		assert.Equal(t, want, asked, given)
	}
	_, err := New(Config{URLs: []string{"ldaps://dc1.corp.example"}, Bind: SimpleBind("u", "p"), Witnesses: -2})
	assert.ErrorContains(t, err, "Witnesses")
}

// Where not all are asked, those that failed lately are the last.
func TestWitnesses_AreThoseThatAnswered(t *testing.T) {
	c := oneDomain(t, 3, 1)
	id := c.ids[0][0]
	require.NoError(t, c.controllers[0].Delete(id))
	d := c.directory(t, func(cfg *Config) { cfg.Witnesses = 1 })
	d.health.note(d.servers[1], true)
	assert.Equal(t, adsync.StateDisputed, stateOf(t, d, id))
	assert.Zero(t, c.controllers[1].Opened())
	assert.Equal(t, 1, c.controllers[2].Opened())
}

// A sync never deletes anybody who is alive on another controller, and says who was asked.
func TestWitnesses_KeepAUser(t *testing.T) {
	c := oneDomain(t, 2, 3)
	require.NoError(t, c.controllers[0].Delete(c.ids[0][0]))
	d := c.directory(t, nil)
	store := hosted(c.ids[0]...)
	s, err := adsync.New(d, store, &adsync.Options{Limits: adsync.Limits{MaxRemovalRatio: -1}})
	require.NoError(t, err)
	plan, err := s.Plan(t.Context())
	require.NoError(t, err)
	assert.Len(t, plan.Reading.Witnesses, 1)
	assert.Empty(t, plan.Reading.Silent)
	report, err := s.Sync(t.Context())
	require.NoError(t, err)
	assert.Zero(t, report.Counts().Deleted)
	assert.Len(t, usersOf(t, store), 3)
	require.NoError(t, c.controllers[1].Delete(c.ids[0][0]))
	report, err = s.Sync(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, report.Counts().Deleted, "now they agree")
}

// Before a reactivation the others are asked about those who are present, too.
func TestWitnesses_ConfirmReactivations(t *testing.T) {
	c := oneDomain(t, 2, 4)
	ids := c.ids[0]
	require.NoError(t, c.controllers[1].Delete(ids[0]))
	require.NoError(t, c.controllers[1].Disable(ids[1]))
	require.NoError(t, c.controllers[0].Disable(ids[3]))
	d := c.directory(t, nil)
	confirmed := func(dir adsync.Confirmer) map[adsync.ObjectID]adsync.State {
		asked := make([]adsync.ObjectID, len(ids))
		for i, id := range ids {
			asked[i] = adsync.ObjectID(id)
		}
		found, err := collect(dir.Confirm(t.Context(), asked))
		require.NoError(t, err)
		states := map[adsync.ObjectID]adsync.State{}
		for _, e := range found {
			states[e.ObjectID] = e.State
		}
		return states
	}
	want := map[adsync.ObjectID]adsync.State{
		adsync.ObjectID(ids[0]): adsync.StateDisputed, // deleted there
		adsync.ObjectID(ids[1]): adsync.StateDisputed, // disabled there
		adsync.ObjectID(ids[2]): adsync.StatePresent,
		adsync.ObjectID(ids[3]): adsync.StatePresent, // disabled here, whatever the other says
	}
	assert.Equal(t, want, confirmed(d))
	assert.Equal(t, want, confirmed(adsync.Join(d).(adsync.Confirmer)))
	for session, err := range d.Sessions(t.Context()) {
		require.NoError(t, err)
		assert.Equal(t, want, confirmed(session.(adsync.Confirmer)))
		break
	}
	assert.Equal(t, adsync.StatePresent, stateOf(t, d, ids[0]), "Find does not ask")
}

// An old copy may know an old password: that must neither lock the account nor end the
// reading of the others.
func TestWitnesses_ThatRefuseThePasswordAreNotAskedAgain(t *testing.T) {
	c := oneDomain(t, 2, 2)
	id := c.ids[0][0]
	require.NoError(t, c.controllers[0].Delete(id))
	c.controllers[1].Order(fakead.Fault{Kind: fakead.FaultResult, Op: fakead.OpBind, Code: ldap.LDAPResultInvalidCredentials, Times: 10})
	d := c.directory(t, nil)
	for range 3 {
		assert.Equal(t, adsync.StateDisputed, stateOf(t, d, id))
	}
	assert.Equal(t, 1, c.controllers[1].Count(fakead.OpBind))
	_, err := collect(d.Entries(t.Context()))
	require.NoError(t, err, "the password is right where it counts")
}

// Nor is another one asked on with a password that one has refused.
func TestWitnesses_StopWhereOneRefusesThePassword(t *testing.T) {
	c := oneDomain(t, 3, 1)
	id := c.ids[0][0]
	require.NoError(t, c.controllers[0].Delete(id))
	c.controllers[1].Order(fakead.Fault{Kind: fakead.FaultResult, Op: fakead.OpBind, Code: ldap.LDAPResultInvalidCredentials})
	c.controllers[2].Order(fakead.Fault{Kind: fakead.FaultSilence, Op: fakead.OpConnect})
	d := c.directory(t, func(cfg *Config) { cfg.Timeout = time.Hour }) // so that the silent one ends by that alone
	d.health.note(d.servers[2], true)
	assert.Equal(t, adsync.StateDisputed, stateOf(t, d, id))
	assert.Zero(t, c.controllers[2].Count(fakead.OpBind))
	assert.Equal(t, 1, d.health.failed[d.servers[2]].count, "nothing is known of one that was not waited for")
	assert.Equal(t, 1, d.health.failed[d.servers[1]].count)
}

// Two controllers that do not tell their names are two.
func TestWitnesses_MayHaveNoNames(t *testing.T) {
	c := oneDomain(t, 2, 1)
	id := c.ids[0][0]
	require.NoError(t, c.controllers[0].Delete(id))
	for _, dc := range c.controllers {
		dc.Order(fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{"dnsHostName"}})
	}
	assert.Equal(t, adsync.StateDisputed, stateOf(t, c.directory(t, nil), id))
}

// Nobody is asked for a caller who has stopped.
func TestWitnesses_AreNotAskedInVain(t *testing.T) {
	c := oneDomain(t, 2, 1)
	require.NoError(t, c.controllers[0].Delete(c.ids[0][0]))
	for e, err := range c.directory(t, nil).Find(t.Context(), []adsync.ObjectID{adsync.ObjectID(c.ids[0][0]), dirID(99)}) {
		require.NoError(t, err)
		assert.Equal(t, adsync.StateUnproven, e.State, "who has to be confirmed comes last")
		break
	}
	assert.Zero(t, c.controllers[1].Opened())
}

func TestWitnesses_EndWithTheirContext(t *testing.T) {
	c := oneDomain(t, 2, 1)
	id := c.ids[0][0]
	require.NoError(t, c.controllers[0].Delete(id))
	ctx, cancel := context.WithCancel(t.Context())
	var once sync.Once
	c.controllers[1].Before(func(fakead.Request) { once.Do(cancel) })
	_, err := collect(c.directory(t, nil).Find(ctx, []adsync.ObjectID{adsync.ObjectID(id)}))
	assert.ErrorIs(t, err, context.Canceled)
}

func TestWitnesses_PanicInTheirCaller(t *testing.T) {
	c := oneDomain(t, 2, 1)
	id := c.ids[0][0]
	require.NoError(t, c.controllers[0].Delete(id))
	binds := 0
	d := c.directory(t, func(cfg *Config) {
		cfg.Bind = BindFunc(func(_ context.Context, _ string, conn *ldap.Conn) error {
			if binds++; binds > 1 {
				panic("the host's")
			}
			return conn.Bind(corpUser, corpPassword)
		})
	})
	assert.PanicsWithValue(t, "the host's", func() { stateOf(t, d, id) })
}

// A dispute that replication should have settled long ago is reported.
func TestWitnesses_WarnOfAnOldDispute(t *testing.T) {
	c := oneDomain(t, 2, 1)
	id := c.ids[0][0]
	require.NoError(t, c.controllers[0].Delete(id))
	d := c.directory(t, nil)
	warnings := func() []string {
		for session, err := range d.Sessions(t.Context()) {
			require.NoError(t, err)
			assert.Equal(t, adsync.StateDisputed, stateOf(t, session, id))
			access, err := session.(adsync.Inspector).Inspect(t.Context())
			require.NoError(t, err)
			return access.Missing
		}
		return nil
	}
	for _, w := range warnings() {
		assert.NotContains(t, w, "more than a day ago")
	}
	deleted, err := d.controllerOf(t).DeletedAt(t.Context(), []adattr.GUID{adattr.GUID(id)})
	require.NoError(t, err)
	d.health.now = func() time.Time { return deleted[adattr.GUID(id)].Add(24 * time.Hour) }
	for _, w := range warnings() {
		assert.NotContains(t, w, "more than a day ago", "just a day")
	}
	d.health.now = func() time.Time { return deleted[adattr.GUID(id)].Add(24*time.Hour + 1) }
	old := slices.DeleteFunc(warnings(), func(w string) bool { return !strings.Contains(w, "more than a day ago") })
	require.Len(t, old, 1)
	assert.Contains(t, old[0], "1 account(s)")
	assert.Contains(t, old[0], strings.TrimPrefix(c.controllers[1].URL(), "ldaps://"), "it names the controllers")
}

// One controller under two names can confirm nothing: it is the only one.
func TestWitnesses_AreOthersThanTheOneThatIsRead(t *testing.T) {
	c := oneDomain(t, 1, 1)
	id := c.ids[0][0]
	require.NoError(t, c.controllers[0].Delete(id))
	d := c.directory(t, func(cfg *Config) {
		cfg.URLs = append(cfg.URLs, strings.Replace(cfg.URLs[0], "127.0.0.1", "localhost", 1))
	})
	require.NotEqual(t, d.servers[0], d.servers[1])
	for session, err := range d.Sessions(t.Context()) {
		require.NoError(t, err)
		assert.Equal(t, adsync.StateDeleted, stateOf(t, session, id), "as where it is known by one name")
		access, err := session.(adsync.Inspector).Inspect(t.Context())
		require.NoError(t, err)
		assert.Empty(t, access.Witnesses)
		assert.Empty(t, access.Silent)
		break
	}
}

// Whoever stops early is left alone, and where nobody can be asked nothing is said.
func TestWitnesses_OfALookUpThatEnds(t *testing.T) {
	c := oneDomain(t, 2, 3)
	ids := make([]adsync.ObjectID, len(c.ids[0]))
	for i, id := range c.ids[0] {
		require.NoError(t, c.controllers[0].Delete(id))
		ids[i] = adsync.ObjectID(id)
	}
	d := c.directory(t, nil)
	seen := 0
	for _, err := range d.Find(t.Context(), ids) {
		require.NoError(t, err)
		seen++
		break
	}
	assert.Equal(t, 1, seen)

	p := d.pin(d.controllerOf(t), new(hearing))
	d.health.now = func() time.Time { return time.Now().Add(48 * time.Hour) }
	fault := fakead.Fault{Kind: fakead.FaultResult, Code: 51, Op: fakead.OpSearch}
	c.controllers[1].Before(func(fakead.Request) { // when it was asked, before it was asked how old they are
		if fault.Code != 0 {
			c.controllers[0].Order(fault)
			fault.Code = 0
		}
	})
	found, err := collect(p.Find(t.Context(), ids))
	assert.ErrorContains(t, err, "busy")
	assert.Empty(t, found)
	c.controllers[0].ClearFaults()

	d.servers = nil
	d.srv = srvRecords{domain: "corp.example", lookup: func(context.Context, string) ([]*net.SRV, error) { return nil, errors.New("no answer") }}
	found, err = collect(p.Find(t.Context(), ids))
	assert.ErrorContains(t, err, "DNS names no controller")
	assert.Empty(t, found)
}

// DNS that answers in part may keep back the very controller that knows better.
func TestWitnesses_ThatDNSKeepsBackAreSilent(t *testing.T) {
	c := oneDomain(t, 1, 1)
	id := c.ids[0][0]
	require.NoError(t, c.controllers[0].Delete(id))
	d := c.directory(t, nil)
	w := d.witnessesOf(ldapread.NewController(&d.reader, d.servers[0]), new(hearing))
	defer w.read.Close()
	d.srv = srvRecords{domain: "corp.example", site: "Berlin", lookup: func(_ context.Context, name string) ([]*net.SRV, error) {
		if strings.Contains(name, "Berlin") {
			return []*net.SRV{{Target: "dc1.corp.example."}}, nil
		}
		return nil, errors.New("no answer")
	}}
	d.servers = nil
	account := []ldapread.Account{{GUID: adattr.GUID(id), State: ldapread.Deleted}}
	d.witnesses = 1
	d.witnessReader.Timeout = time.Second
	// The one that DNS names cannot be reached, and others may be missing.
	require.NoError(t, w.judge(t.Context(), account))
	assert.Equal(t, ldapread.Disputed, account[0].State)
	assert.Zero(t, c.controllers[0].Opened(), "nobody contradicts, so it is not asked when the deletion was")
	account[0].State, d.witnesses = ldapread.Deleted, 0 // not even that one
	require.NoError(t, w.judge(t.Context(), account))
	assert.Equal(t, ldapread.Disputed, account[0].State)
	for fault, want := range map[error]bool{errors.New("no answer"): false, &net.DNSError{IsTimeout: true}: false, &net.DNSError{IsNotFound: true}: true} {
		d.srv.lookup = func(_ context.Context, name string) ([]*net.SRV, error) {
			if strings.Contains(name, "Berlin") {
				return nil, fault
			}
			return []*net.SRV{{Target: "dc1.corp.example."}}, nil
		}
		_, all, err := d.srv.locate(t.Context())
		require.NoError(t, err)
		assert.Equal(t, want, all, "a site may have no record: %v", fault)
	}
}

// A Join is no Sessions, and yet tells whom its directories asked.
func TestWitnesses_AreToldByAJoin(t *testing.T) {
	c := oneDomain(t, 2, 1)
	require.NoError(t, c.controllers[0].Delete(c.ids[0][0]))
	joined := adsync.Join(c.directory(t, nil))
	assert.Equal(t, adsync.StateDisputed, stateOf(t, joined, c.ids[0][0]))
	access, err := joined.(adsync.Inspector).Inspect(t.Context())
	require.NoError(t, err)
	assert.Len(t, access.Witnesses, 1)
	access, err = joined.(adsync.Inspector).Inspect(t.Context())
	require.NoError(t, err)
	assert.Empty(t, access.Witnesses, "of the next reading")
}

// Who reviews a plan sees which controllers were asked about tombstones, and which of them
// did not answer: each once, in order, and only of that reading.
func TestWitnesses_AreNamed(t *testing.T) {
	c := oneDomain(t, 4, 2)
	for _, dc := range c.controllers {
		require.NoError(t, dc.Delete(c.ids[0][0]))
	}
	c.controllers[2].Order(fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpBind})
	c.controllers[3].Order(fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpBind})
	d := c.directory(t, func(cfg *Config) { cfg.Witnesses = 3 })
	joined := adsync.Join(d)
	for range 2 { // what is asked again is named once
		assert.Equal(t, adsync.StateDeleted, stateOf(t, joined, c.ids[0][0]))
	}
	access, err := joined.(adsync.Inspector).Inspect(t.Context())
	require.NoError(t, err)
	var others []string
	for _, dc := range c.controllers[1:] {
		others = append(others, strings.TrimPrefix(dc.URL(), "ldaps://"))
	}
	silent := slices.Clone(others[1:])
	slices.Sort(others)
	slices.Sort(silent)
	assert.Equal(t, others, access.Witnesses)
	assert.Equal(t, silent, access.Silent)

	w := d.witnessesOf(d.controllerOf(t), new(hearing))
	for _, host := range []string{"dc3", "dc1", "dc2", "dc1"} {
		w.note(ldapread.Server{Host: host, Port: "636"}, false)
	}
	access = adsync.Access{}
	w.tell(&access)
	assert.Equal(t, []string{"dc1:636", "dc2:636", "dc3:636"}, access.Witnesses)
	assert.Equal(t, access.Witnesses, access.Silent)
}
