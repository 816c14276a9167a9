package activedirectory

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory/internal/ldapread"
	"github.com/go-adsync/adsync/internal/fakead"
)

// looked follows, and tells how many accounts were looked up.
func (b *bed) looked() int {
	b.t.Helper()
	return b.follows().Plan.Reading.Looked
}

// What a run has written, or what nobody is linked to, costs no look-up the next time.
func TestSince_LooksNobodyElseUp(t *testing.T) {
	b := newBed(t)
	b.opts.Rules.Import = true
	ids := b.add("p1", "p2", "p3", "p4")
	b.link(fakead.GUID{}, "local")
	b.sync()
	assert.Zero(t, b.looked())

	new, err := b.dc.AddUser(fakead.User{Parent: b.people, Username: "new"})
	require.NoError(t, err)
	assert.Equal(t, 1, b.looked(), "created")
	assert.Zero(t, b.looked())
	require.NoError(t, b.dc.SetAttribute(new, "sn", "New"))
	assert.Equal(t, 1, b.looked(), "updated")
	assert.Zero(t, b.looked())
	require.NoError(t, b.dc.Delete(new))
	assert.Equal(t, 1, b.looked(), "deleted")
	assert.Equal(t, 1, b.looked(), "of whom there could have been a user left")
	assert.Zero(t, b.looked())

	require.NoError(t, b.dc.SetAttribute(ids[0], "sAMAccountName", "spare"))
	require.NoError(t, b.dc.SetAttribute(ids[1], "sAMAccountName", "p1"))
	require.NoError(t, b.dc.SetAttribute(ids[0], "sAMAccountName", "p2"))
	swap := b.follows()
	assert.True(t, slices.ContainsFunc(swap.Plan.Changes, func(c adsync.Change) bool { return c.Interim }))
	assert.Zero(t, b.looked(), "nobody is left parked")

	b.opts.Rules.Import = false
	b.sync()
	require.NoError(t, b.dc.SetAttribute(ids[2], "mail", "local@x.test"))
	assert.Equal(t, 1, b.looked(), "a duplicate")
	assert.Equal(t, 1, b.looked(), "alone, though it is in no bucket")
	b.edit("u-p3", func(u *adsync.User) { u.Phone = "9" })
	assert.Equal(t, 1, b.looked(), "which is not to be told by its bucket")
	_, err = b.dc.AddUser(fakead.User{Parent: b.people, Username: "stranger"})
	require.NoError(t, err)
	assert.Equal(t, 1, b.looked(), "nobody is to be imported")
}

// Two controllers know different things at one time. What was asked of one of them since is
// asked of the other again.
func TestSince_KnowsWhatOthersWereAskedSince(t *testing.T) {
	b := newBed(t)
	ids := b.add("p1", "p2", "p3")
	second := b.second()
	b.sync()
	first := *b.mark
	b.dc.Stop()
	b.sync()
	b.dc.Restart()
	b.mark.Directory, b.mark.Others = append(b.mark.Directory, first.Directory...), append(b.mark.Others, nil)

	require.NoError(t, second.SetAttribute(ids[0], "mail", "new@x.test"))
	assert.Equal(t, 1, b.sync().Counts().Modified)
	second.Stop()
	back := b.sync()
	require.Empty(t, back.Plan.Reading.Full)
	assert.Equal(t, 1, back.Counts().Modified, "as the first has not heard of it")
	require.Len(t, b.mark.Directory, 2)
	b.mark.Full = b.mark.Full.Add(-48 * time.Hour)
	require.NotEmpty(t, b.sync().Plan.Reading.Full)
	assert.Len(t, b.mark.Directory, 1, "a full plan asks about everybody, which is too many to be asked of the other again")
}

// However many plans are made by mark, the time counts from the last full one.
func TestSince_IsDueAfterTheLastFullReading(t *testing.T) {
	b := newBed(t)
	b.add("p1")
	b.sync()
	full := b.mark.Full
	b.mark.Full = full.Add(-23 * time.Hour)
	assert.Empty(t, b.sync().Plan.Reading.Full)
	assert.Equal(t, full.Add(-23*time.Hour), b.mark.Full)
	assert.True(t, b.mark.At.After(full) || b.mark.At.Equal(full))
	b.mark.Full = b.mark.Full.Add(-2 * time.Hour)
	assert.NotEmpty(t, b.sync().Plan.Reading.Full)
	assert.Equal(t, b.mark.At, b.mark.Full)
}

// A mark that says of somebody what is not so has nobody written: whoever would be is
// looked up.
func TestSince_LooksUpWhomTheRulesWouldWrite(t *testing.T) {
	for name, forge := range map[string]func(m *adsync.Mark, id adsync.ObjectID){
		"disabled":     func(m *adsync.Mark, id adsync.ObjectID) { m.Disabled = id[:] },
		"out of scope": func(m *adsync.Mark, id adsync.ObjectID) { m.Outside = id[:] },
	} {
		for _, reaction := range []adsync.Reaction{adsync.Deactivate, adsync.Remove} {
			b := newBed(t)
			b.opts.Rules.OnDisabled, b.opts.Rules.OnOutOfScope = reaction, reaction
			ids := b.add("p1", "p2")
			b.sync()
			forge(b.mark, adsync.ObjectID(ids[0]))
			assert.Empty(t, b.follows().Plan.Changes, "%s %s", name, reaction)
		}
	}
}

// Map is for what the directory says. What the host has went through it already.
func TestSince_HasMapSeeEntriesAlone(t *testing.T) {
	b := newBed(t)
	seen := 0
	b.opts.Rules.Version = "1"
	b.opts.Rules.Map = func(e adsync.Entry) (adsync.Profile, error) {
		seen++
		return e.Profile.With(adsync.FieldFirstName, e.FirstName+"+"), nil
	}
	ids := b.add("p1", "p2", "p3")
	require.NoError(t, b.dc.Disable(ids[2]))
	b.sync()
	seen = 0
	quiet := b.sync()
	require.Empty(t, quiet.Plan.Reading.Full)
	assert.Zero(t, quiet.Plan.Reading.Looked)
	assert.Len(t, quiet.Plan.Changes, 1)
	assert.Zero(t, seen)
}

// Of a deactivated user whose account is disabled there is nothing to say, and of one that
// is to be kept there is a notice each time. Neither is looked up.
func TestSince_RemembersWhoseAccountIsDisabled(t *testing.T) {
	for _, reaction := range []adsync.Reaction{adsync.Deactivate, adsync.Keep} {
		b := newBed(t)
		b.opts.Rules.OnDisabled = reaction
		ids := b.add("p1", "p2")
		require.NoError(t, b.dc.Disable(ids[0]))
		b.sync()
		b.sync()
		assert.Zero(t, b.looked(), reaction)
		b.edit("u-p2", func(u *adsync.User) { u.Status = adsync.StatusDeactivated })
		assert.Equal(t, 1, b.follows().Counts().Modified, reaction)
		require.NoError(t, b.dc.Enable(ids[0]))
		b.follows()
		assert.Equal(t, 0, b.looked(), reaction)
	}
}

// It is the same for users whose accounts are out of scope.
func TestSince_RemembersWhoIsOutOfScope(t *testing.T) {
	for _, reaction := range []adsync.Reaction{adsync.Deactivate, adsync.Keep} {
		b := newBed(t)
		b.opts.Rules.OnOutOfScope = reaction
		ids := b.add("p1", "p2")
		require.NoError(t, b.dc.Move(ids[0], "CN=Users,DC=ad,DC=example,DC=test"))
		b.sync()
		b.sync()
		assert.Zero(t, b.looked(), reaction)
		require.NoError(t, b.dc.Move(ids[0], b.people))
		b.follows()
		assert.Zero(t, b.looked(), reaction)
	}
}

// Whether a user is invalid may be up to the host.
func TestSince_TellsInvalidUsersEachTime(t *testing.T) {
	b := newBed(t)
	b.opts.Rules.Require = []adsync.Field{adsync.FieldEmail}
	ids := b.add("p1", "p2")
	b.sync()
	require.NoError(t, b.dc.SetAttribute(ids[0], "mail"))
	for range 3 {
		report := b.follows()
		require.Len(t, report.Plan.Changes, 1)
		assert.Equal(t, adsync.OpInvalid, report.Plan.Changes[0].Op)
	}
}

// With an import, what the sync itself has created or deleted is no trace of others.
func TestSince_TellsItsOwnLinksFromOthers(t *testing.T) {
	b := newBed(t)
	b.opts.Rules.Import = true
	b.add("p1", "p2")
	b.sync()
	id, err := b.dc.AddUser(fakead.User{Parent: b.people, Username: "new"})
	require.NoError(t, err)
	assert.Equal(t, 1, b.follows().Counts().Created)
	assert.Empty(t, b.follows().Plan.Changes)
	require.NoError(t, b.dc.Delete(id))
	assert.Equal(t, 1, b.follows().Counts().Deleted)
	assert.Empty(t, b.follows().Plan.Changes)
}

// An object that is no container may have people below it. Once one is known, it counts.
func TestSince_CountsContainersOfUnusualClasses(t *testing.T) {
	b := newBed(t)
	ids := b.add("p1", "p2")
	box, err := b.dc.AddUser(fakead.User{Parent: b.people, Name: "box", Username: "box$", Class: "computer"})
	require.NoError(t, err)
	require.NoError(t, b.dc.Move(ids[0], b.dc.DN(box)))
	b.sync()
	assert.NotEmpty(t, b.sync().Plan.Reading.Full, "it was not counted before")
	assert.Empty(t, b.sync().Plan.Reading.Full)
	require.NoError(t, b.dc.Hide(since, b.dc.DN(box)))
	assert.Equal(t, "a container was changed, moved, shown or hidden", b.sync().Plan.Reading.Full)

	group, err := b.dc.AddGroup("Harmless", ids[1])
	require.NoError(t, err)
	require.NotEmpty(t, group)
	assert.Empty(t, b.sync().Plan.Reading.Full, "nobody is below a group")
	require.NoError(t, b.dc.SetAttribute(b.dc.ID("CN=Directory Service,CN=Windows NT,CN=Services,CN=Configuration,DC=ad,DC=example,DC=test"), "tombstoneLifetime", "179"))
	assert.Empty(t, b.sync().Plan.Reading.Full, "that is another partition")
}

// whileItReads has something happen before the n-th request of a run.
func (b *bed) whileItReads(n int, do func()) *adsync.Report {
	b.t.Helper()
	b.dc.Before(func(r fakead.Request) {
		if n--; n == 0 {
			b.dc.Before(nil)
			do()
		}
	})
	report, err := b.syncer().Sync(b.t.Context(), adsync.Since(b.mark))
	b.dc.Before(nil)
	require.NoError(b.t, err)
	require.LessOrEqual(b.t, n, 0, "it happened")
	b.mark = report.Mark()
	return report
}

// requestsOf counts those of a quiet run, the last of which asks for what the mark needs.
func (b *bed) requestsOf() int {
	b.t.Helper()
	b.dc.ForgetRequests()
	b.sync()
	return len(b.dc.Requests())
}

// What changes while a plan is made is found by the next, wherever in the reading that was.
func TestSince_FindsWhatChangesWhileItReads(t *testing.T) {
	b := newBed(t)
	ids := b.add("p1", "p2", "p3")
	b.sync()
	n := b.requestsOf()
	require.Greater(t, n, 5)
	for at := 1; at < n; at++ {
		b.whileItReads(at, func() {
			require.NoError(t, b.dc.SetAttribute(ids[at%3], "telephoneNumber", strconv.Itoa(at)))
		})
		require.NotNil(t, b.mark)
		b.follows()
		now, _ := b.store.Get("u-p" + strconv.Itoa(at%3+1))
		assert.Equal(t, strconv.Itoa(at), now.Phone, at)
	}
	for at := 1; at < n; at++ { // of a full reading
		b.mark = nil
		b.whileItReads(at, func() {
			require.NoError(t, b.dc.SetAttribute(ids[at%3], "telephoneNumber", "full"+strconv.Itoa(at)))
		})
		b.follows()
		now, _ := b.store.Get("u-p" + strconv.Itoa(at%3+1))
		assert.Equal(t, "full"+strconv.Itoa(at), now.Phone, at)
	}
}

// A mark is of one set of rights and of one schema, or there is none.
func TestSince_IsOfOneReading(t *testing.T) {
	for name, do := range map[string]func(b *bed){
		"another connection": func(b *bed) { b.dc.Stop(); b.dc.Restart() },
		"other groups":       func(b *bed) { b.regroup() },
		"another schema":     func(b *bed) { require.NoError(b.t, b.dc.SetConfidential("mail", true)) },
	} {
		for _, full := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " full ", full), func(t *testing.T) {
				b := newBed(t)
				b.add("p1", "p2")
				b.sync()
				for at := 2; ; at++ {
					if full {
						b.mark = nil
					}
					var n atomic.Int64 // a connection that is lost on the way may still count
					n.Store(int64(at))
					b.dc.Before(func(fakead.Request) {
						if n.Add(-1) == 0 {
							do(b)
						}
					})
					report, err := b.syncer().Sync(t.Context(), adsync.Since(b.mark))
					b.dc.Before(nil)
					if n.Load() > 0 {
						require.Greater(t, at, 6)
						break
					}
					if err == nil && report.Mark() != nil {
						b.mark = report.Mark()
					}
					assert.Equal(t, b.plan().Changes, b.plan(adsync.Since(b.mark)).Changes, at)
					require.NoError(t, b.dc.SetConfidential("mail", false))
					b.sync()
					b.sync()
				}
			})
		}
	}
}

// interrupting has something happen before the accounts are asked for.
type interrupting struct{ do func() }

func (i *interrupting) PhaseStart(ctx context.Context, p adsync.PhaseStart) context.Context {
	if p.Phase == adsync.PhaseLookUp && i.do != nil {
		i.do()
		i.do = nil
	}
	return ctx
}

func (*interrupting) PhaseEnd(context.Context, adsync.PhaseEnd) {}

// After a connection was lost, another one may have other rights, for as long as it lasts:
// what was read over both is no ground to go on from.
func TestSince_IsOfOneConnection(t *testing.T) {
	b := newBed(t)
	ids := b.add("p1", "p2")
	group, err := b.dc.CreateGroup(fakead.Group{Name: "Blind"})
	require.NoError(t, err)
	require.NoError(t, b.dc.Deny(b.dc.DN(group), b.dc.DN(ids[0]), "mail"))
	run := func(between func()) *adsync.Report {
		dir := mustNew(t, b.cfg)
		dir.reader.Open = func(context.Context, ldapread.Server) (net.Conn, ldapread.Searcher, error) {
			return openLocal(b.dc, since, worldSecret)
		}
		s, err := adsync.New(dir, b.store, &adsync.Options{Tracer: &interrupting{between}, Limits: adsync.Limits{MaxCleared: -1, MaxRekeyed: -1}})
		require.NoError(t, err)
		report, err := s.Sync(t.Context(), adsync.Since(b.mark))
		require.NoError(t, err)
		b.mark = report.Mark()
		return report
	}
	blinded := run(func() {
		require.NoError(t, b.dc.Join(group, b.svc))
		b.dc.Stop()
		b.dc.Restart()
	})
	require.Equal(t, 1, blinded.Counts().Modified, "what cannot be read is empty")
	require.NoError(t, b.dc.Leave(group, b.svc))
	assert.Nil(t, b.mark)
	assert.Equal(t, 1, run(nil).Counts().Modified, "it is read again")
}

// regroup has the service account be in another group than before, which has other rights.
func (b *bed) regroup() {
	name := "G" + strconv.Itoa(int(b.dc.USN()))
	_, err := b.dc.AddGroup(name, b.svc)
	require.NoError(b.t, err)
}

// A controller that was put back from an old copy has a lower number than it had.
func TestSince_SeesAControllerPutBackAndCountedOn(t *testing.T) {
	b := newBed(t)
	b.add("p1", "p2", "p3")
	b.sync() // which notes the time of the service account's logon
	b.kept = b.dc.Snapshot()
	b.add("p4")
	b.sync()
	b.dc.RollBack(b.kept)
	assert.Equal(t, "the controller was put back from an old copy", b.plan(adsync.Since(b.mark)).Reading.Full)

	// The same, and it has counted on: all that is remembered was changed once more.
	b = newBed(t)
	ids := b.add("p1", "p2", "p3")
	b.sync()
	b.kept = b.dc.Snapshot()
	require.NoError(t, b.dc.SetAttribute(ids[0], "telephoneNumber", "9"))
	var more []fakead.GUID
	for i := range 2 * mostLatest {
		id, err := b.dc.AddUser(fakead.User{Username: "more" + strconv.Itoa(i)})
		require.NoError(t, err)
		more = append(more, id)
	}
	for _, id := range more {
		require.NoError(t, b.dc.SetAttribute(id, "description", "so that it is remembered"))
	}
	b.sync()
	highest := b.dc.USN()
	b.dc.RollBack(b.kept)
	for b.dc.USN() <= highest {
		require.NoError(t, b.dc.SetAttribute(ids[1], "description", strconv.Itoa(int(b.dc.USN()))))
	}
	p := b.plan(adsync.Since(b.mark))
	assert.Equal(t, "nothing of what was changed last is as it was, so the controller may have been put back from an old copy", p.Reading.Full)
	assert.Equal(t, b.plan().Changes, p.Changes)
}

// It may have been put back to a time in the middle of the reading.
func TestSince_SeesAControllerPutBackToWithinTheReading(t *testing.T) {
	b := newBed(t)
	b.add("p1", "p2")
	b.sync()
	n := b.requestsOf()
	for at := 3; at < n-1; at++ {
		var kept *fakead.Snapshot
		b.whileItReads(at, func() {
			kept = b.dc.Snapshot()
			_, err := b.dc.AddUser(fakead.User{Parent: b.people, Username: "late" + strconv.Itoa(at)})
			require.NoError(t, err)
		})
		b.dc.RollBack(kept)
		assert.Equal(t, "the controller was put back from an old copy", b.sync().Plan.Reading.Full, at)
	}
}

// A controller that was put back, and has given the numbers to others, is searched from the
// last object that is surely what it was.
func TestSince_SearchesFromWhatIsSurelyTheSame(t *testing.T) {
	b := newBed(t)
	b.opts.Rules.Import = true
	b.add("p1", "p2", "p3")
	b.kept = b.dc.Snapshot()
	b.add("gone")
	b.sync()
	marked := b.dc.USN()
	b.dc.RollBack(b.kept)
	for i := 0; b.dc.USN() <= marked+1; i++ {
		_, err := b.dc.AddUser(fakead.User{Parent: b.people, Username: "new" + strconv.Itoa(i)})
		require.NoError(t, err)
	}
	report := b.follows()
	assert.Equal(t, adsync.ReasonUnproven, report.Plan.Changes[slices.IndexFunc(report.Plan.Changes, func(c adsync.Change) bool { return c.Op == adsync.OpNotice })].Reason)
	assert.NotZero(t, report.Counts().Created)
}

// The same object can get the same number twice, for different changes.
func TestSince_TellsTwoChangesOfOneNumberApart(t *testing.T) {
	b := newBed(t)
	ids := b.add("p1", "p2")
	b.sync() // which notes the time of the service account's logon
	b.kept = b.dc.Snapshot()
	require.NoError(t, b.dc.SetAttribute(ids[0], "telephoneNumber", "2"))
	b.sync()
	usn := b.dc.USN()
	b.dc.RollBack(b.kept)
	require.NoError(t, b.dc.SetAttribute(ids[0], "telephoneNumber", "3"))
	require.Equal(t, usn, b.dc.USN())
	p := b.plan(adsync.Since(b.mark))
	assert.Equal(t, "the controller was put back from an old copy", p.Reading.Full)
	assert.Len(t, p.Changes, 1)
}
