package activedirectory

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/internal/fakead"
)

var (
	histories = flag.Int("histories", 100, "how many random histories of a domain are tried")
	history   = flag.Uint64("history", 0, "try just the history of that number")
)

// At any time in any history of a domain and a table, a plan by mark writes what a full
// plan writes, and names the same duplicates; or it is a full plan, and says why.
func TestSince_EqualsAFullPlanInAnyHistory(t *testing.T) {
	n, first := uint64(*histories), uint64(1)
	if *history != 0 {
		n, first = 1, *history
	}
	var all tally
	for seed := first; seed < first+n; seed++ {
		w := newWorld(t, seed)
		w.run()
		w.close()
		all.plans += w.plans
		all.full += w.full
		all.writes += w.writes
		all.duplicates += w.duplicates
		if t.Failed() {
			t.Fatalf("history %d: %v", seed, w.log)
		}
	}
	t.Logf("%d plans, of which %d were full ones; %d writes and %d duplicates by mark", all.plans, all.full, all.writes, all.duplicates)
	if *history == 0 {
		require.Greater(t, all.plans-all.full, all.plans/3, "or else nothing is tested")
		require.NotZero(t, all.writes)
		require.NotZero(t, all.duplicates)
	}
}

// tally counts what was tested.
type tally struct{ plans, full, writes, duplicates int }

// world is a small domain of one or two controllers, and a table.
type world struct {
	t   *testing.T
	rng *rand.Rand
	tally
	log []string

	clock     atomic.Int64
	dcs       []*fakead.Server
	snapshots []*fakead.Snapshot // by controller
	stopped   int                // which controller is down; -1: none
	base      string
	units     []string // the objectGUIDs of units that may move, as base names
	group     string   // that the service account may be in
	ids       []fakead.GUID

	expiring bool // accounts that have expired count as disabled

	rules adsync.Rules
	users []adsync.User
	mark  *adsync.Mark
	marks []*adsync.Mark
}

const worldPeople = 6

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 17)), stopped: -1}
	w.clock.Store(1_790_000_000)
	dc, err := fakead.Start(fakead.Config{RecycleBin: w.chance(2), AllowUnsafe: true, Now: func() time.Time { return time.Unix(w.clock.Add(1), 0) }})
	require.NoError(t, err)
	w.dcs = []*fakead.Server{dc}
	w.base, err = dc.AddOU("People", "")
	require.NoError(t, err)
	for _, name := range []string{"A", "B"} {
		dn, err := dc.AddOU(name, w.base)
		require.NoError(t, err)
		w.units = append(w.units, "<GUID="+dc.ID(dn).String()+">")
	}
	dn, err := dc.AddOU("Elsewhere", "")
	require.NoError(t, err)
	w.units = append(w.units, "<GUID="+dc.ID(dn).String()+">")
	svc, err := dc.AddUser(fakead.User{Username: "svc", UPN: since, Password: "S3rvice-of-the-test!"})
	require.NoError(t, err)
	require.NoError(t, dc.GrantTombstones(since))
	w.group, err = dc.AddGroup("Readers", svc)
	require.NoError(t, err)
	for i := range worldPeople {
		w.addPerson(dc, i)
	}
	if w.chance(2) {
		second, err := dc.AddController()
		require.NoError(t, err)
		w.dcs = append(w.dcs, second)
	}
	w.snapshots = make([]*fakead.Snapshot, len(w.dcs))
	w.rules, w.expiring = w.someRules(), w.chance(2)
	return w
}

func (w *world) close() {
	for _, dc := range w.dcs {
		require.NoError(w.t, dc.Close())
	}
}

func (w *world) chance(n int) bool         { return w.rng.IntN(n) == 0 }
func pick[T any](w *world, list ...T) T    { return list[w.rng.IntN(len(list))] }
func (w *world) dc() *fakead.Server        { return pick(w, w.dcs...) }
func (w *world) person() fakead.GUID       { return pick(w, w.ids...) }
func (w *world) someName() string          { return pick(w, "ann", "bob", "cat", "dan", "eve") }
func (w *world) someMail() string          { return pick(w, "", "a@x.test", "b@x.test", "c@x.test", "d@x.test") }
func (w *world) say(f string, args ...any) { w.log = append(w.log, fmt.Sprintf(f, args...)) }

func (w *world) addPerson(dc *fakead.Server, i int) {
	name := "p" + strconv.Itoa(i)
	id, err := dc.AddUser(fakead.User{Parent: dc.DN(dc.ID(pick(w, w.units[0], w.units[0], w.units[1], w.units[2]))), Name: name, Username: name,
		Email: w.someMail(), LastName: "L"})
	if err != nil {
		return // as when its place is hidden or gone
	}
	w.ids = append(w.ids, id)
	if !w.chance(4) {
		w.users = append(w.users, adsync.User{ID: strconv.Itoa(len(w.users) + 1), ObjectID: adsync.ObjectID(id),
			Profile: adsync.Profile{Username: name, LastName: "L"}, Protected: w.chance(8)})
	}
}

func (w *world) someRules() adsync.Rules {
	reaction := func() adsync.Reaction { return pick(w, adsync.Keep, adsync.Deactivate, adsync.Remove) }
	r := adsync.Rules{OnDeleted: reaction(), OnDisabled: reaction(), OnOutOfScope: reaction(), Import: w.chance(3), PinProtected: w.chance(4)}
	if w.chance(4) {
		r.KeepOnEmpty = []adsync.Field{adsync.FieldEmail}
	}
	if w.chance(4) {
		r.Require = []adsync.Field{adsync.FieldEmail}
	}
	if w.chance(3) {
		r.Version = "1"
		r.Map = func(e adsync.Entry) (adsync.Profile, error) {
			p := e.Profile
			if p.Email == "d@x.test" {
				return p, fmt.Errorf("refused")
			}
			p.FirstName = e.DN // what is above the account shows in it
			return p, nil
		}
	}
	return r
}

// event is something that happens in the domain or the table.
func (w *world) event() {
	dc := w.dc()
	id := w.person()
	name := dc.DN(id)
	var err error
	switch n := w.rng.IntN(36); n {
	case 0, 1, 2:
		err = dc.SetAttribute(id, "mail", values(w.someMail())...)
		w.say("mail of %s", name)
	case 3, 4, 5:
		err = dc.SetAttribute(id, "sAMAccountName", w.someName())
		w.say("username of %s", name)
	case 6:
		err = dc.Rename(id, w.someName())
		w.say("rename %s", name)
	case 7, 8:
		to := dc.DN(dc.ID(pick(w, w.units...)))
		err = dc.Move(id, to)
		w.say("move %s to %s", name, to)
	case 9:
		unit := dc.ID(pick(w, w.units[:2]...))
		to := pick(w, w.base, dc.DN(dc.ID(w.units[2])))
		w.say("move unit %s to %s", dc.DN(unit), to)
		err = dc.Move(unit, to)
	case 10:
		err = dc.Hide(since, name)
		w.say("hide %s", name)
	case 11:
		unit := dc.DN(dc.ID(pick(w, w.units[:2]...)))
		err = dc.Hide(since, unit)
		w.say("hide unit %s", unit)
	case 12:
		err = dc.Unhide(since)
		w.say("unhide")
	case 13:
		where := pick(w, name, dc.DN(dc.ID(w.units[0])))
		err = dc.Deny(since, where, pick(w, "mail", "userAccountControl", "sAMAccountName", "accountExpires"))
		w.say("deny at %s", where)
	case 14:
		where := pick(w, name, dc.DN(dc.ID(w.units[0])))
		err = dc.ResetRights(since, where)
		w.say("reset rights at %s", where)
	case 15:
		svc := dc.ID("CN=svc,CN=Users,DC=ad,DC=example,DC=test")
		members := pick(w, []fakead.GUID{svc}, nil)
		err = dc.SetMembers(w.group, members...)
		w.say("%d readers", len(members))
	case 16:
		group := w.group
		err = dc.Deny(group, pick(w, name, dc.DN(dc.ID(w.units[1]))))
		w.say("deny readers %s", name)
	case 17, 18:
		err = dc.Disable(id)
		w.say("disable %s", name)
	case 19:
		err = dc.Enable(id)
		w.say("enable %s", name)
	case 20, 21:
		err = dc.Delete(id)
		w.say("delete %s", name)
	case 22:
		err = dc.Restore(id)
		w.say("restore %s", name)
	case 23:
		err = dc.Recycle(id)
		w.say("recycle %s", name)
	case 24:
		w.clock.Add(pick[int64](w, 40, 100, 200) * 86400)
		dc.ExpireTombstones()
		w.say("time passes")
	case 25:
		w.addPerson(dc, len(w.ids)+10)
		w.say("a new person")
	case 26, 27:
		if len(w.dcs) > 1 {
			from := w.dcs[0]
			if from == dc {
				from = w.dcs[1]
			}
			err = dc.Pull(from)
			w.say("pull")
		}
	case 28:
		w.stopOne()
	case 29, 30:
		w.travel()
	case 31:
		err = dc.SetConfidential("mail", w.chance(2))
		w.say("confidential")
	default:
		w.editTable()
	}
	_ = err // what cannot be done now does not happen
}

// end has an account end, or a day pass: never while two plans are made.
func (w *world) end() {
	if w.chance(2) {
		w.clock.Add(86400)
		w.say("a day passes")
		return
	}
	dc, id, days := w.dc(), w.person(), pick[int64](w, -1, 0, 0, 0, 30)
	_ = dc.SetAttribute(id, "accountExpires", fakead.FileTime(time.Unix(w.clock.Load()+days*86400+43200, 0)))
	w.say("%s ends in %d days and a half", dc.DN(id), days)
}

func values(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// stopOne has one of two controllers stop or start again.
func (w *world) stopOne() {
	if len(w.dcs) < 2 {
		return
	}
	if w.stopped >= 0 {
		w.dcs[w.stopped].Restart()
		w.stopped = -1
	} else {
		w.stopped = w.rng.IntN(2)
		w.dcs[w.stopped].Stop()
	}
	w.say("stopped: %d", w.stopped)
}

// travel takes a controller back in time, or keeps its state for that.
func (w *world) travel() {
	i := w.rng.IntN(len(w.dcs))
	switch {
	case w.snapshots[i] == nil || w.chance(3):
		w.snapshots[i] = w.dcs[i].Snapshot()
		w.say("snapshot of %d", i)
	case w.chance(3):
		w.dcs[i].RestoreBackup(w.snapshots[i])
		w.say("backup of %d", i)
	default:
		w.dcs[i].RollBack(w.snapshots[i])
		w.say("rollback of %d", i)
	}
}

func (w *world) editTable() {
	if len(w.users) == 0 {
		return
	}
	i := w.rng.IntN(len(w.users))
	u := &w.users[i]
	w.say("edit of user %s", u.ID)
	switch w.rng.IntN(8) {
	case 0:
		u.Username = w.someName()
	case 1:
		u.Email = w.someMail()
	case 2:
		u.Status = pick(w, adsync.StatusActive, adsync.StatusBlocked, adsync.StatusDeactivated)
	case 3:
		u.Protected = !u.Protected
	case 4:
		w.users = slices.Delete(w.users, i, i+1)
	case 5:
		u.ObjectID = adsync.ObjectID{}
	case 6:
		u.ObjectID = adsync.ObjectID(w.person())
	case 7:
		w.users = append(w.users, adsync.User{ID: "l" + strconv.Itoa(len(w.log)), Profile: adsync.Profile{Username: w.someName(), Email: w.someMail()}})
	}
}

// syncer reads the controllers in order, or that of the name first: two need not agree.
func (w *world) syncer(store adsync.UserStore, first ...string) *adsync.Syncer {
	cfg := Config{BaseDN: w.base, AllowPlaintext: true, Bind: SimpleBind(since, "S3rvice-of-the-test!"), Witnesses: -1, ExpiredIsDisabled: w.expiring}
	for _, dc := range w.dcs {
		cfg.URLs = append(cfg.URLs, dc.PlainURL())
	}
	if slices.Contains(first, "dc2.ad.example.test") {
		slices.Reverse(cfg.URLs)
	}
	dir, err := New(cfg)
	require.NoError(w.t, err)
	s, err := adsync.New(dir, store, &adsync.Options{Rules: w.rules, MaxIncrements: -1,
		Limits: adsync.Limits{MaxRemovals: -1, MaxRemovalRatio: -1, MaxCleared: -1, MaxRekeyed: -1, MaxReactivated: -1, AllowEmpty: true}})
	require.NoError(w.t, err)
	return s
}

func (w *world) run() {
	for range 6 + w.rng.IntN(6) {
		for range w.rng.IntN(4) {
			w.event()
		}
		for w.expiring && w.chance(2) {
			w.end()
		}
		if !w.step() {
			return
		}
	}
}

// step compares both plans, and runs one.
func (w *world) step() bool {
	store := &breaking{MemoryStore: adsync.NewMemoryStore(w.users...), after: -1}
	s := w.syncer(store)
	ctx := context.Background()
	short, err := s.Plan(ctx, adsync.Since(w.mark))
	require.NoError(w.t, err, w.log)
	full, err := w.syncer(store, short.Reading.Controllers...).Plan(ctx)
	require.NoError(w.t, err, w.log)
	require.Equal(w.t, short.Reading.Controllers, full.Reading.Controllers, w.log)
	w.plans++
	if short.Reading.Full != "" {
		w.full++
	} else {
		w.count(short)
	}
	if diff := cmp.Diff(promised(full, full), promised(short, full)); diff != "" {
		w.t.Errorf("full: %q\n%s\nafter %v", short.Reading.Full, diff, w.log)
		return false
	}
	if w.chance(4) {
		store.after, store.how = w.rng.IntN(3), w.rng.IntN(3)
	}
	var report *adsync.Report
	if w.chance(3) {
		report, _ = s.Apply(ctx, short)
	} else {
		report, _ = s.Sync(ctx, adsync.Since(w.mark))
	}
	w.users = w.users[:0]
	store.after = -1
	for u, err := range store.MemoryStore.Users(ctx) {
		require.NoError(w.t, err)
		w.users = append(w.users, u)
	}
	w.keep(report.Mark())
	w.say("run")
	return true
}

// keep takes the mark through JSON, and at times an older one.
func (w *world) keep(m *adsync.Mark) {
	w.mark = nil
	if m != nil {
		text, err := json.Marshal(m)
		require.NoError(w.t, err)
		w.mark = new(adsync.Mark)
		require.NoError(w.t, json.Unmarshal(text, w.mark))
		w.marks = append(w.marks, w.mark)
	}
	if w.chance(12) {
		w.mark = nil
		if len(w.marks) > 0 {
			w.mark = pick(w, w.marks...)
		}
		w.say("another mark")
	}
}

func (w *world) count(p *adsync.Plan) {
	for _, c := range p.Changes {
		switch c.Op {
		case adsync.OpCreate, adsync.OpDelete, adsync.OpUpdate:
			w.writes++
		case adsync.OpDuplicate:
			w.duplicates++
		}
	}
}

// promised is what both plans must have in common: all but notices of whom the full plan
// calls unproven.
func promised(p, full *adsync.Plan) []adsync.Change {
	unproven := map[string]bool{}
	for _, c := range full.Changes {
		if c.Op == adsync.OpNotice && c.Reason == adsync.ReasonUnproven {
			unproven[c.UserID] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(p.Changes), func(c adsync.Change) bool {
		return c.Op == adsync.OpNotice && unproven[c.UserID]
	})
}

// breaking is a store that goes away after some writes.
type breaking struct {
	*adsync.MemoryStore
	after, how int
}

func (b *breaking) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	out := make([]adsync.Written, len(cs))
	for i, c := range cs {
		if b.after >= 0 {
			b.after--
			if b.after < 0 {
				if b.how == 1 {
					b.MemoryStore.ApplyChanges(ctx, []adsync.Change{c})
				}
				out[i].Err = []error{adsync.ErrNotWritten, adsync.ErrUnknown, adsync.ErrUnknown}[b.how]
				for k := i + 1; k < len(cs); k++ {
					out[k].Err = adsync.ErrNotWritten
				}
				return out
			}
		}
		out[i] = b.MemoryStore.ApplyChanges(ctx, []adsync.Change{c})[0]
	}
	return out
}
