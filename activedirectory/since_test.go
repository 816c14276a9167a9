package activedirectory

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/internal/fakead"
)

// bed is a domain, a table and a sync that goes on from marks.
type bed struct {
	t      *testing.T
	dc     *fakead.Server
	people string
	svc    fakead.GUID
	cfg    Config
	store  *adsync.MemoryStore
	opts   adsync.Options
	mark   *adsync.Mark
	clock  atomic.Int64 // seconds
	kept   *fakead.Snapshot
}

const since = "svc@ad.example.test"

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{t: t, store: adsync.NewMemoryStore()}
	b.clock.Store(1_790_000_000)
	var err error
	b.dc, err = fakead.Start(fakead.Config{RecycleBin: true, Now: func() time.Time { return time.Unix(b.clock.Add(1), 0) }})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, b.dc.Close()) })
	b.people, err = b.dc.AddOU("People", "")
	require.NoError(t, err)
	b.svc, err = b.dc.AddUser(fakead.User{Username: "svc", UPN: since, Password: "S3rvice-of-the-test!"})
	require.NoError(t, err)
	require.NoError(t, b.dc.GrantTombstones(since))
	b.cfg = Config{URLs: []string{b.dc.URL()}, TLS: b.dc.ClientTLS(), Bind: SimpleBind(since, "S3rvice-of-the-test!"), BaseDN: b.people}
	return b
}

// add adds people with users.
func (b *bed) add(names ...string) (ids []fakead.GUID) {
	b.t.Helper()
	for _, name := range names {
		id, err := b.dc.AddUser(fakead.User{Parent: b.people, Username: name, Email: name + "@x.test", FirstName: name, LastName: "Last", Phone: "1"})
		require.NoError(b.t, err)
		b.link(id, name)
		ids = append(ids, id)
	}
	return ids
}

func (b *bed) link(id fakead.GUID, name string) {
	users := []adsync.User{{ID: "u-" + name, ObjectID: adsync.ObjectID(id),
		Profile: adsync.Profile{Username: name, Email: name + "@x.test", FirstName: name, LastName: "Last", Phone: "1"}}}
	for u := range b.store.Users(b.t.Context()) {
		users = append(users, u)
	}
	b.store = adsync.NewMemoryStore(users...)
}

func (b *bed) syncer() *adsync.Syncer {
	b.t.Helper()
	dir, err := New(b.cfg)
	require.NoError(b.t, err)
	opts := b.opts
	opts.Limits = adsync.Limits{MaxRemovals: -1, MaxRemovalRatio: -1, MaxCleared: -1, MaxRekeyed: -1, MaxReactivated: -1}
	s, err := adsync.New(dir, b.store, &opts)
	require.NoError(b.t, err)
	return s
}

// sync runs, and keeps the mark.
func (b *bed) sync() *adsync.Report {
	b.t.Helper()
	report, err := b.syncer().Sync(b.t.Context(), adsync.Since(b.mark))
	require.NoError(b.t, err)
	require.NoError(b.t, report.Err())
	b.mark = report.Mark()
	return report
}

func (b *bed) plan(sel ...adsync.Selection) *adsync.Plan {
	b.t.Helper()
	p, err := b.syncer().Plan(context.Background(), sel...)
	require.NoError(b.t, err)
	return p
}

func TestSince_ReadsOnlyWhatHasChanged(t *testing.T) {
	b := newBed(t)
	var names []string
	for i := range 300 {
		names = append(names, "p"+strconv.Itoa(i))
	}
	ids := b.add(names...)
	first := b.sync()
	assert.Equal(t, "there is no mark of an earlier run", first.Plan.Reading.Full)
	require.NotNil(t, b.mark)

	b.dc.ForgetRequests()
	quiet := b.sync()
	require.Empty(t, quiet.Plan.Reading.Full)
	assert.False(t, quiet.Plan.Reading.Since.IsZero())
	assert.Empty(t, quiet.Plan.Changes)
	assert.Equal(t, first.Plan.Stats, quiet.Plan.Stats)
	assert.LessOrEqual(t, len(b.dc.Requests()), 10)
	for _, r := range b.dc.Requests() {
		t.Log(r.Op, r.DN, r.Filter, r.Entries)
	}

	require.NoError(t, b.dc.SetAttribute(ids[3], "mail", "new@x.test"))
	require.NoError(t, b.dc.Delete(ids[4]))
	changed := b.sync()
	require.Empty(t, changed.Plan.Reading.Full)
	assert.Equal(t, adsync.Counts{Modified: 1, Deleted: 1, Unchanged: 298}, changed.Counts())
	assert.Equal(t, 2, changed.Plan.Reading.Looked)
	last := b.sync()
	require.Empty(t, last.Plan.Reading.Full)
	assert.Empty(t, last.Plan.Changes)
	assert.Zero(t, last.Plan.Reading.Looked)
}

// markTracer keeps what a tracer is told of marks.
type markTracer struct{ since []time.Time }

func (t *markTracer) PhaseStart(ctx context.Context, _ adsync.PhaseStart) context.Context { return ctx }

func (t *markTracer) PhaseEnd(_ context.Context, e adsync.PhaseEnd) {
	if e.Phase == adsync.PhasePlan {
		t.since = append(t.since, e.Since)
	}
}

func TestSince_IsToldToTheTracer(t *testing.T) {
	b := newBed(t)
	tracer := &markTracer{}
	b.opts.Tracer = tracer
	ids := b.add("anna", "bert")
	b.sync()
	require.NoError(t, b.dc.SetAttribute(ids[0], "telephoneNumber", "2"))
	second := b.sync()
	b.mark.Version = 0 // as of another release
	b.sync()
	require.Empty(t, second.Plan.Reading.Full)
	assert.Equal(t, []time.Time{{}, second.Plan.Reading.Since, {}}, tracer.since)
	assert.NotZero(t, tracer.since[1])
}
