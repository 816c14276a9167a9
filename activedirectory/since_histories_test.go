package activedirectory

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"iter"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/internal/fakead"
)

var (
	histories     = flag.Uint64("histories", usualHistories, "how many random histories of a domain are tried")
	firstHistory  = flag.Uint64("first-history", 1, "the number of the first of them, from which all that happens in it follows")
	ldapHistories = flag.Uint64("ldap-histories", 15, "how many of them are tried over LDAP too")
)

const usualHistories = 300

// At any time in any history of a domain and a table, a plan by mark writes what a full
// plan writes, and names the same duplicates; or it is a full plan, and says why.
func TestSince_EqualsAFullPlanInAnyHistory(t *testing.T) {
	all := tryHistories(t, *firstHistory, *histories, true)
	t.Logf("histories %d to %d: %v", *firstHistory, *firstHistory+*histories-1, &all)
	if *histories < usualHistories {
		return
	}
	for i, h := range happenings {
		assert.NotZero(t, all.happened[i], "never tried: %s", h.name)
	}
	for _, kind := range midway {
		if *histories < 40*usualHistories {
			break
		}
		assert.NotZero(t, all.during[kind], "never tried while a plan is made: %s", happenings[kind].name)
	}
	assert.Greater(t, all.plans-all.full, all.plans/3, "or else nothing is tested")
	for _, n := range append(all.broken[:], all.withRoles, all.writes, all.duplicates, all.notices, all.dissolved) {
		assert.NotZero(t, n)
	}
}

// Over LDAP it is the same.
func TestSince_EqualsAFullPlanOverLDAP(t *testing.T) {
	all := tryHistories(t, 1, *ldapHistories, false)
	t.Log(&all)
}

// tryHistories runs on all processors. One that fails is told as short as it can be.
func tryHistories(t *testing.T, first, n uint64, local bool) tally {
	var next atomic.Uint64
	var mu sync.Mutex
	var running sync.WaitGroup
	all := newTally()
	begun := time.Now()
	for range runtime.GOMAXPROCS(0) {
		running.Go(func() {
			for i := next.Add(1) - 1; i < n; i = next.Add(1) - 1 {
				w := newWorld(first+i, local, nil)
				err := w.run()
				mu.Lock()
				all.add(&w.tally)
				mu.Unlock()
				if err != nil {
					t.Error(shortest(w, err))
					next.Store(n)
				}
				if i%10_000 == 9999 {
					t.Logf("history %d, after %v", first+i, time.Since(begun).Round(time.Second))
				}
			}
		})
	}
	running.Wait()
	return all
}

// shortest leaves out of a history that fails whatever it fails without.
func shortest(w *world, err error) string {
	left := map[int]bool{}
	for shorter := true; shorter; {
		shorter = false
		for i := w.events; i > 0; i-- {
			if left[i] {
				continue
			}
			left[i] = true
			if without := newWorld(w.number, w.local, left); true {
				if why := without.run(); why != nil {
					err, shorter = why, true
					w.log = without.log
					continue
				}
			}
			delete(left, i)
		}
	}
	return fmt.Sprintf("history %d (make histories SEED=%d N=1): %v\n%s", w.number, w.number, err, strings.Join(w.log, "\n"))
}

// run lives the history.
func (w *world) run() (err error) {
	defer w.close()
	defer func() {
		switch r := recover().(type) {
		case nil:
		case wrong:
			err = errors.New(r.words)
		default:
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	w.begin()
	for turn := range 3 + w.rng.IntN(3) {
		w.again(2, turn)
		for range w.rng.IntN(4) {
			w.event()
		}
		w.again(3, turn)
		w.step(turn)
	}
	return nil
}

// step plans and runs a sync by mark, and compares the plan with a full one of the same.
func (w *world) step(turn int) {
	before := slices.Clone(w.users)
	store := &breaking{MemoryStore: adsync.NewMemoryStore(w.users...), after: -1}
	if w.chance(4) {
		store.after, store.how = w.rng.IntN(3), w.rng.IntN(3)
	}
	s := w.syncer(store)
	ctx := context.Background()
	mixed := turn > 0 && w.chance(8)
	if mixed {
		w.interrupt(turn)
	}
	var report *adsync.Report
	var err error
	if w.chance(3) {
		var p *adsync.Plan
		if p, err = s.Plan(ctx, adsync.Since(w.mark)); err == nil {
			report, _ = s.Apply(ctx, p)
		}
	} else if report, err = s.Sync(ctx, adsync.Since(w.mark)); report != nil && report.Plan != nil {
		err = nil // the table is what breaks
	}
	for _, dc := range w.dcs {
		dc.Before(nil)
	}
	switch {
	case mixed:
		w.mixed++
	case err != nil:
		w.must(err)
	case turn > 0: // the first is a full one
		w.compare(report.Plan, before)
	}
	if err == nil {
		w.say("run: full %q", report.Plan.Reading.Full)
		w.keep(report, store)
	}
}

// interrupt has something happen in the middle of the reading, so that it is none of any one
// time. The next one by mark makes up for it.
func (w *world) interrupt(turn int) {
	kind, at, n := midway[w.rng.IntN(len(midway))], w.rng.IntN(14), 0
	for _, dc := range w.dcs {
		dc.Before(func(fakead.Request) {
			if n++; n-1 != at {
				return
			}
			w.again(4, turn)
			said := len(w.log)
			if happenings[kind].do(w) {
				w.during[kind]++
				w.say("while reading: %s", happenings[kind].name)
			} else {
				w.log = w.log[:said]
			}
		})
	}
}

// compare holds a plan to what is promised of it. The table was as before.
func (w *world) compare(short *adsync.Plan, before []adsync.User) {
	w.plans++
	if why := short.Reading.Full; why != "" {
		w.full++
		w.reasons[why]++
		if !w.chance(8) {
			return // it is one of the kind that it would be compared with
		}
	}
	dir, store := w.directory(short.Reading.Controllers...), adsync.NewMemoryStore(before...)
	s := w.syncerOf(unmarked{dir}, store)
	marked := w.chance(8)
	if marked {
		s = w.syncerOf(dir, store)
	}
	full, err := s.Plan(context.Background())
	w.must(err)
	if marked && !slices.Equal(short.Reading.Controllers, full.Reading.Controllers) {
		panic(wrong{fmt.Sprintf("read %v, and in full %v", short.Reading.Controllers, full.Reading.Controllers)})
	}
	if want, got := promised(full, full), promised(short, full); !reflect.DeepEqual(want, got) {
		panic(wrong{fmt.Sprintf("full: %q\n%s", short.Reading.Full, cmp.Diff(want, got))})
	}
	if short.Reading.Full != "" {
		return
	}
	w.count(short)
	if len(w.roles) > 0 {
		w.withRoles++
	}
}

// unmarked leaves no mark, for which a full plan takes as long again.
type unmarked struct{ *Directory }

// Sessions are those of the directory.
func (u unmarked) Sessions(ctx context.Context) iter.Seq2[adsync.Directory, error] {
	return func(yield func(adsync.Directory, error) bool) {
		for d, err := range u.Directory.Sessions(ctx) {
			prover, _ := d.(adsync.RoleProver)
			if !yield(struct {
				adsync.Directory
				adsync.RoleProver
			}{d, prover}, err) {
				return
			}
		}
	}
}

// keep takes over what the run has left.
func (w *world) keep(report *adsync.Report, store *breaking) {
	w.blocked = w.blocked[:0]
	for _, c := range report.Plan.Changes {
		if c.Op == adsync.OpDuplicate {
			w.blocked = append(w.blocked, c)
		}
	}
	if store.broke {
		w.broken[store.how]++
	}
	w.users = w.users[:0]
	for u, err := range store.MemoryStore.Users(context.Background()) {
		w.must(err)
		w.users = append(w.users, u)
	}
	m := report.Mark()
	if m == nil {
		return // an older one is as good
	}
	if w.chance(8) {
		text, err := json.Marshal(m)
		w.must(err)
		m = new(adsync.Mark)
		w.must(json.Unmarshal(text, m))
	}
	k := kept{mark: m}
	for i := range w.dcs {
		k.saw = append(k.saw, w.inSight(i))
	}
	w.mark, w.marks = m, append(w.marks, k)
}

func (w *world) count(p *adsync.Plan) {
	still := map[adsync.ObjectID]bool{}
	for _, c := range p.Changes {
		switch c.Op {
		case adsync.OpCreate, adsync.OpDelete, adsync.OpUpdate:
			w.writes++
		case adsync.OpDuplicate:
			w.duplicates++
			still[c.ObjectID] = true
		case adsync.OpNotice:
			w.notices++
		}
	}
	for _, id := range w.freed {
		if !still[id] {
			w.dissolved++
		}
	}
	w.freed = w.freed[:0]
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
	broke      bool
}

func (b *breaking) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	out := make([]adsync.Written, len(cs))
	for i, c := range cs {
		if b.after >= 0 {
			b.after--
			if b.after < 0 {
				b.broke = true
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

// A connection without a network tells what LDAP does: the plans and marks of the same
// world are the same.
func TestSince_LocalConnectionsTellWhatLDAPDoes(t *testing.T) {
	compared := 0
	for number := range *ldapHistories {
		w := newWorld(number, false, nil)
		w.begin()
		for turn := range 5 {
			w.again(2, turn)
			for range w.rng.IntN(4) {
				w.event()
			}
			var told [2][]byte
			var report *adsync.Report
			var store *breaking
			for i := range told {
				w.local = i == 1
				store = &breaking{MemoryStore: adsync.NewMemoryStore(w.users...), after: -1}
				var err error
				report, err = w.syncer(store).Sync(t.Context(), adsync.Since(w.mark))
				require.NoError(t, err)
				told[i] = timeless(t, report)
			}
			require.Empty(t, cmp.Diff(string(told[0]), string(told[1])), "history %d: %v", number, w.log)
			compared++
			w.keep(report, store)
		}
		w.close()
	}
	t.Logf("%d plans and marks compared", compared)
}

// timeless is what a run tells, and its mark, without times, addresses and digests.
func timeless(t *testing.T, r *adsync.Report) []byte {
	mark := *r.Mark()
	mark.At, mark.Full = time.Time{}, time.Time{}
	mark.Key, mark.Buckets, mark.Links = nil, nil, nil // the digests are of a key that each mark draws
	mark.Directory = slices.Clone(mark.Directory)
	for i := range mark.Directory {
		var data markData
		require.NoError(t, json.Unmarshal(mark.Directory[i].Data, &data))
		data.Server, data.Time, data.AsOf = "", time.Time{}, time.Time{}
		var err error
		mark.Directory[i].Data, err = json.Marshal(data)
		require.NoError(t, err)
	}
	text, err := json.MarshalIndent(struct {
		Changes []adsync.Change
		Full    string
		Looked  int
		Mark    adsync.Mark
	}{r.Plan.Changes, r.Plan.Reading.Full, r.Plan.Reading.Looked, mark}, "", " ")
	require.NoError(t, err)
	return text
}
