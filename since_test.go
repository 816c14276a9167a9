package adsync_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// logbook is a directory that numbers its changes, and tells of each controller that it
// plays which accounts have changed since.
type logbook struct {
	adsync.StaticDirectory
	changed    map[adsync.ObjectID]int // by which change
	number     int                     // of the last change
	controller string
	says       string // instead of whom Since yields: why that is not enough
	lost       bool   // the connection is, before the mark is asked for
	failsSince error
	failsMark  error
	members    map[string][]adsync.ObjectID // who has which role, if it tells
}

func (n *logbook) Reading(context.Context) (adsync.Reading, error) { return n, nil }

func (n *logbook) Since(_ context.Context, m adsync.DirectoryMark) (ids []adsync.ObjectID, full string, err error) {
	if m.Controller != n.controller {
		return nil, adsync.NoMarkOfController, nil
	}
	if n.says != "" || n.failsSince != nil {
		return nil, n.says, n.failsSince
	}
	then, _ := strconv.Atoi(string(m.Data))
	for id, number := range n.changed {
		if number > then {
			ids = append(ids, id)
		}
	}
	return ids, "", nil
}

func (n *logbook) Mark(context.Context) (adsync.DirectoryMark, error) {
	if n.lost || n.failsMark != nil {
		return adsync.DirectoryMark{}, n.failsMark
	}
	return adsync.DirectoryMark{Controller: n.controller, Data: []byte(strconv.Itoa(n.number))}, nil
}

// set changes one entry, or adds it.
func (n *logbook) set(e adsync.Entry) {
	if n.changed == nil {
		n.changed = map[adsync.ObjectID]int{}
	}
	n.number++
	n.changed[e.ObjectID] = n.number
	n.StaticDirectory = slices.Clone(n.StaticDirectory)
	if i := slices.IndexFunc(n.StaticDirectory, func(x adsync.Entry) bool { return x.ObjectID == e.ObjectID }); i >= 0 {
		n.StaticDirectory[i] = e
		return
	}
	n.StaticDirectory = append(n.StaticDirectory, e)
}

// regrouping is one that tells who has each role when groups have changed.
type regrouping struct{ *logbook }

func (r regrouping) Reading(context.Context) (adsync.Reading, error) { return r, nil }

func (r regrouping) Members() map[string][]adsync.ObjectID { return r.members }

func TestSince_SaysWhyAPlanIsAFullOne(t *testing.T) {
	rules := adsync.Rules{Source: "corp"}
	mapped := rules
	mapped.Map = func(e adsync.Entry) (adsync.Profile, error) { return e.Profile, nil }
	proving := rules
	proving.OnUnproven = adsync.Deactivate
	for name, tt := range map[string]struct {
		rules adsync.Rules
		dir   func(*logbook)
		mark  func(*adsync.Mark)
		after time.Duration
		most  time.Duration
		want  string
	}{
		"none":                        {rules: rules},
		"another version":             {rules: rules, mark: func(m *adsync.Mark) { m.Version++ }, want: "the mark was made by another version of this library"},
		"a damaged one":               {rules: rules, mark: func(m *adsync.Mark) { m.Key = nil }, want: "the mark is damaged"},
		"other rules":                 {rules: rules, mark: func(m *adsync.Mark) { m.Fingerprint = "x" }, want: "the rules, the fields of the store or the program are not what they were"},
		"a Map without a version":     {rules: mapped, want: "Rules.Map or Rules.Fold may have changed; give them a Rules.Version"},
		"OnUnproven":                  {rules: proving, want: "Rules.OnUnproven is not Keep, and an account that goes out of sight leaves no trace"},
		"just not too old":            {rules: rules, after: time.Hour, most: time.Hour},
		"too old":                     {rules: rules, after: time.Hour + time.Second, most: time.Hour, want: "the last full reading is over 1h0m0s ago"},
		"never too old":               {rules: rules, after: 100 * 365 * day, most: -1},
		"a day by default":            {rules: rules, after: 24*time.Hour + time.Second, want: "the last full reading is over 24h0m0s ago"},
		"a clock put back":            {rules: rules, after: -time.Minute - time.Second, want: "the host's clock was put back"},
		"a clock put back by little":  {rules: rules, after: -time.Minute},
		"another controller":          {rules: rules, dir: func(n *logbook) { n.controller = "two" }, want: adsync.NoMarkOfController},
		"what the directory says":     {rules: rules, dir: func(n *logbook) { n.says = "it was restored" }, want: "it was restored"},
		"groups that are not told of": {rules: rules, dir: func(n *logbook) { n.says = adsync.GroupsChanged }, want: adsync.GroupsChanged},
		"a connection that was lost":  {rules: rules, dir: func(n *logbook) { n.lost = true }, want: "the connection was lost while the directory was read"},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
			dir := &logbook{StaticDirectory: adsync.StaticDirectory{entry(1, "ann", "")}, controller: "one"}
			u := user("u1", 1, "ann", "")
			u.Source = "corp"
			s := newSyncer(t, dir, adsync.NewMemoryStore(u), &adsync.Options{Rules: tt.rules, MaxIncrements: tt.most})
			s.SetClock(func() time.Time { return now })
			report, err := s.Sync(t.Context())
			require.NoError(t, err)
			mark := report.Mark()
			if tt.mark != nil {
				tt.mark(mark)
			}
			if tt.dir != nil {
				tt.dir(dir)
			}
			now = now.Add(tt.after)
			plan, err := s.Plan(t.Context(), adsync.Since(mark))
			require.NoError(t, err)
			assert.Equal(t, tt.want, plan.Reading.Full)
			assert.Equal(t, tt.want != "", plan.Reading.Since.IsZero(), "a full plan goes on from nothing")
			assert.Empty(t, plan.Changes)
		})
	}
}

func TestSince_EndsWithTheErrorsOfTheDirectory(t *testing.T) {
	dir := &logbook{StaticDirectory: adsync.StaticDirectory{entry(1, "ann", "")}, controller: "one"}
	s := newSyncer(t, dir, adsync.NewMemoryStore(user("u1", 1, "ann", "")), nil)
	report, err := s.Sync(t.Context())
	require.NoError(t, err)
	broken := errors.New("broken")
	for _, field := range []*error{&dir.failsSince, &dir.failsMark} {
		*field = broken
		_, err = s.Plan(t.Context(), adsync.Since(report.Mark()))
		require.ErrorIs(t, err, broken)
		*field = nil
	}
	dir.failsMark = broken
	_, err = s.Plan(t.Context())
	require.ErrorIs(t, err, broken, "a full plan asks for a mark, too")
}

// In random histories of a directory with two controllers and of a table, a plan by mark
// is what a full plan is.
func TestSince_IsAsGoodAsAFullPlan(t *testing.T) {
	increments := 0
	for seed := range uint64(worldCount(t, 50)) {
		random := rand.New(rand.NewPCG(seed, 9))
		dir := &logbook{controller: "one"}
		store := adsync.NewMemoryStore()
		for n := range byte(6) {
			dir.set(entry(n+1, "name"+strconv.Itoa(int(n)), ""))
		}
		if random.IntN(3) == 0 { // so many others that not everybody is in one bucket
			for n := byte(20); n < 170; n++ {
				dir.set(entry(n, "other"+strconv.Itoa(int(n)), ""))
				u := user("", n, "other"+strconv.Itoa(int(n)), "")
				_, err := store.CreateUser(t.Context(), adsync.Change{Op: adsync.OpCreate, ObjectID: u.ObjectID, After: &u})
				require.NoError(t, err)
			}
		}
		rules := adsync.Rules{
			Import:     random.IntN(2) == 0,
			OnDisabled: []adsync.Reaction{adsync.Keep, adsync.Deactivate, adsync.Remove}[random.IntN(3)],
		}
		rules.OnOutOfScope = rules.OnDisabled
		s := newSyncer(t, dir, store, &adsync.Options{Rules: rules, Limits: adsync.Limits{MaxRemovalRatio: -1, MaxReactivated: -1, MaxRekeyed: -1, MaxCleared: -1}})
		var mark *adsync.Mark
		for step := range 8 {
			for range random.IntN(3) {
				changeAccount(random, dir)
				changeRow(t, random, store)
			}
			if random.IntN(5) == 0 {
				dir.controller = []string{"one", "two"}[random.IntN(2)]
			}
			full, err := s.Plan(t.Context())
			require.NoError(t, err)
			report, err := s.Sync(t.Context(), adsync.Since(mark))
			require.NoError(t, err)
			require.Equal(t, full.Changes, report.Plan.Changes, "seed %d, step %d, full: %q", seed, step, report.Plan.Reading.Full)
			if report.Plan.Reading.Full == "" {
				increments++
			}
			mark = report.Mark()
		}
	}
	assert.Greater(t, increments, 40, "that is, there were some")
}

// changeAccount changes, disables, moves, deletes or shows one of eight accounts.
func changeAccount(random *rand.Rand, dir *logbook) {
	n := byte(random.IntN(8)) + 1
	e := entry(n, "name"+strconv.Itoa(random.IntN(8)), []string{"", "a@x", "b@x"}[random.IntN(3)])
	switch random.IntN(8) {
	case 0:
		e.Disabled = true
	case 1:
		e.State = adsync.StateOutOfScope
	case 2:
		e.State, e.Disabled = adsync.StateOutOfScope, true
	case 3:
		e.State = adsync.StateDeleted
	case 4:
		e.DisabledUnknown = true
	case 5:
		e.Username = ""
	}
	dir.set(e)
}

// changeRow edits, deletes or adds a row, as a host may at any time.
func changeRow(t *testing.T, random *rand.Rand, store *adsync.MemoryStore) {
	var users []adsync.User
	for u := range store.Users(t.Context()) {
		users = append(users, u)
	}
	if len(users) == 0 || random.IntN(6) == 0 {
		n := byte(random.IntN(8)) + 1
		u := user("", n, fmt.Sprint("new", random.IntN(1000)), "")
		_, err := store.CreateUser(t.Context(), adsync.Change{Op: adsync.OpCreate, ObjectID: u.ObjectID, After: &u})
		require.True(t, err == nil || errors.Is(err, adsync.ErrAlready), err)
		return
	}
	before := users[random.IntN(len(users))]
	after := before
	switch random.IntN(8) {
	case 0:
		after.Phone = strconv.Itoa(random.IntN(3))
	case 1:
		after.Username = fmt.Sprint("own", random.IntN(1000))
	case 2:
		after.Status = adsync.StatusDeactivated
	case 3:
		after.Protected = !before.Protected
	case 4:
		require.NoError(t, store.DeleteUser(t.Context(), adsync.Change{Op: adsync.OpDelete, UserID: before.ID, ObjectID: before.ObjectID, Before: &before}))
		return
	default:
		return
	}
	require.NoError(t, store.UpdateUser(t.Context(), adsync.NewUpdate(adsync.ReasonChanged, &before, &after)))
}

// Where groups have changed, of which no account tells, whoever gets or loses a role is
// looked up, if it is known who has which.
func TestSince_LooksUpWhoseRolesHaveChanged(t *testing.T) {
	admins := extra("roles", "admin")
	log := &logbook{StaticDirectory: adsync.StaticDirectory{entryWith(1, "ann", admins), entryWith(2, "bob", adsync.Extra{}), entryWith(3, "cat", admins)}, controller: "one"}
	log.set(entryWith(4, "dan", admins))
	users := []adsync.User{userWith("a local one", 0, admins), userWith("ann", 1, admins), userWith("bob", 2, adsync.Extra{}), userWith("cat", 3, admins), userWith("dan", 4, admins)}
	users[0].ObjectID, users[0].Source = adsync.ObjectID{}, ""
	users[4].Protected = true // and so its role would not be taken
	mapped := adsync.Rules{Version: "1", Map: func(e adsync.Entry) (adsync.Profile, error) { return e.Profile, nil }}
	for _, tt := range []struct {
		rules   adsync.Rules
		members map[string][]adsync.ObjectID
		full    string
		looked  int
	}{
		{members: map[string][]adsync.ObjectID{"admin": {id(1), id(2), id(4)}}, looked: 2},
		{members: map[string][]adsync.ObjectID{"admin": {id(1), id(3), id(4)}}},
		{members: map[string][]adsync.ObjectID{"admin": {id(1), id(3)}}, looked: 1},
		{members: map[string][]adsync.ObjectID{}, looked: 3},
		{full: adsync.GroupsChanged},
		{rules: adsync.Rules{Import: true}, members: map[string][]adsync.ObjectID{"admin": {id(1), id(3), id(4)}}},
		{rules: mapped, members: map[string][]adsync.ObjectID{"admin": {id(1), id(2), id(4)}}, full: adsync.GroupsChanged + ", and Rules.Map may look at roles"},
	} {
		log.says = ""
		s := newSyncer(t, regrouping{log}, adsync.NewMemoryStore(users...).Hold(adsync.FieldRoles), &adsync.Options{Rules: tt.rules})
		report, err := s.Sync(t.Context())
		require.NoError(t, err)
		require.Empty(t, report.Plan.Changes)
		log.says, log.members = adsync.GroupsChanged, tt.members
		plan, err := s.Plan(t.Context(), adsync.Since(report.Mark()))
		require.NoError(t, err)
		assert.Equal(t, tt.full, plan.Reading.Full)
		assert.Equal(t, tt.looked, plan.Reading.Looked)
	}
}

// servers are a directory of several servers, which are asked in the order of the marks.
type servers struct {
	*logbook
	others []adsync.Directory // asked before it, unless a mark says otherwise
	opened *int
}

func (s servers) SessionsFrom(_ context.Context, marks []adsync.DirectoryMark) iter.Seq2[adsync.Directory, error] {
	return func(yield func(adsync.Directory, error) bool) {
		all := append(slices.Clone(s.others), s.logbook)
		if len(marks) > 0 && marks[0].Controller == s.controller {
			slices.Reverse(all)
		}
		for _, d := range all {
			if *s.opened++; !yield(d, nil) {
				return
			}
		}
	}
}

// A plan goes on with the servers that its mark is of, and those of a Join each go on with
// theirs: where one fails, the next of that directory is read, and no other is.
func TestSince_GoesOnWithTheServersOfTheMark(t *testing.T) {
	down := scripted{find: func(_ []adsync.ObjectID, yield func(adsync.Entry, error) bool) { yield(adsync.Entry{}, errDown) }}
	first := servers{&logbook{StaticDirectory: adsync.StaticDirectory{entry(1, "ann", "")}, controller: "a"}, nil, new(int)}
	second := servers{&logbook{StaticDirectory: adsync.StaticDirectory{entry(2, "bob", "")}, controller: "b"}, []adsync.Directory{down}, new(int)}
	for _, tt := range []struct {
		dir          adsync.Directory
		opened       [2]int // without a mark
		changesFirst bool
	}{{adsync.Join(first, second), [2]int{1, 2}, true}, {second, [2]int{0, 2}, false}} {
		store := adsync.NewMemoryStore(user("1", 1, "ann", ""), user("2", 2, "bob", ""))
		s := newSyncer(t, tt.dir, store, &adsync.Options{Rules: adsync.Rules{OnDeleted: adsync.Keep}})
		*first.opened, *second.opened = 0, 0
		report, err := s.Sync(t.Context(), adsync.Since(nil))
		require.NoError(t, err)
		assert.Equal(t, tt.opened, [2]int{*first.opened, *second.opened})
		require.NotNil(t, report.Mark())
		second.set(entry(2, "bob", "new@x"))
		*first.opened, *second.opened = 0, 0
		report, err = s.Sync(t.Context(), adsync.Since(report.Mark()))
		require.NoError(t, err)
		assert.Empty(t, report.Plan.Reading.Full)
		assert.Equal(t, min(1, tt.opened[0]), *first.opened)
		assert.Equal(t, 1, *second.opened, "the server that the mark is of")
		assert.Equal(t, "2 update changed", inBrief(report.Plan)[0])
		second.set(entry(2, "bob", ""))
	}
}

func TestSelection_RefusesWhatMakesNoSense(t *testing.T) {
	s := newSyncer(t, adsync.StaticDirectory{}, adsync.NewMemoryStore(), nil)
	for want, selected := range map[string][]adsync.Selection{
		"give Since once":         {adsync.Since(nil), adsync.Since(nil)},
		"leave the selection out": {adsync.OnlyUsers("1"), adsync.Since(nil)},
		"needs the ObjectID":      {adsync.ImportEntries(adsync.ObjectID{})},
	} {
		_, err := s.Plan(t.Context(), selected...)
		assert.ErrorContains(t, err, want)
	}
	_, err := adsync.New(adsync.StaticDirectory{}, adsync.NewMemoryStore(), &adsync.Options{MaxIncrements: -2})
	assert.ErrorContains(t, err, "MaxIncrements")
}

// halting is a server that fails in one of two ways before anything is listed.
type halting struct {
	*logbook
	time error
}

func (h halting) Time(context.Context) (adsync.Moment, time.Duration, error) { return 0, 0, h.time }

func (h halting) Reading(ctx context.Context) (adsync.Reading, error) {
	if h.time == nil {
		return nil, errDown
	}
	return h.logbook.Reading(ctx)
}

// Of a Join only the directory whose server failed goes on to its next, however it failed.
func TestSince_GoesOnToTheNextServerOfAJoin(t *testing.T) {
	for _, failure := range []error{errDown, nil} {
		first := servers{&logbook{StaticDirectory: adsync.StaticDirectory{entry(1, "ann", "")}, controller: "a"}, nil, new(int)}
		second := servers{&logbook{controller: "b"}, nil, new(int)}
		second.others = []adsync.Directory{halting{second.logbook, failure}}
		s := newSyncer(t, adsync.Join(first, second), adsync.NewMemoryStore(user("1", 1, "ann", "")), &adsync.Options{Rules: adsync.Rules{RemoveAfter: day}})
		plan, err := s.Plan(t.Context(), adsync.Since(nil))
		require.NoError(t, err)
		assert.Empty(t, plan.Changes)
		assert.Equal(t, [2]int{1, 2}, [2]int{*first.opened, *second.opened})
	}
}

// A directory without servers to go on to is read once.
func TestSince_EndsWithAJoinThatHasNoOtherServer(t *testing.T) {
	asked := 0
	down := scripted{entries: func(yield func(adsync.Entry, error) bool) { asked++; yield(adsync.Entry{}, errDown) },
		find: func(_ []adsync.ObjectID, yield func(adsync.Entry, error) bool) {
			asked++
			yield(adsync.Entry{}, errDown)
		}}
	s := newSyncer(t, adsync.Join(adsync.StaticDirectory{entry(1, "ann", "")}, down), adsync.NewMemoryStore(user("1", 1, "ann", "")), nil)
	_, err := s.Plan(t.Context(), adsync.Since(nil))
	require.ErrorIs(t, err, errDown)
	assert.Equal(t, 1, asked)
}

// Where one side of a Join, or all of the directory, cannot tell what has changed, there is
// no mark, and an earlier one is of no use.
func TestSince_NeedsADirectoryThatCanTell(t *testing.T) {
	log := &logbook{StaticDirectory: adsync.StaticDirectory{entry(1, "ann", "")}, controller: "a"}
	store := adsync.NewMemoryStore(user("1", 1, "ann", ""))
	report, err := newSyncer(t, log, store, nil).Sync(t.Context())
	require.NoError(t, err)
	mark := report.Mark()
	require.NotNil(t, mark)
	for _, tt := range []struct {
		dir  adsync.Directory
		want string
	}{
		{log.StaticDirectory, "the directory cannot tell what has changed"},
		{adsync.Join(log, adsync.StaticDirectory{}), adsync.NoMarkOfController},
	} {
		report, err := newSyncer(t, tt.dir, store, nil).Sync(t.Context(), adsync.Since(mark))
		require.NoError(t, err)
		assert.Equal(t, tt.want, report.Plan.Reading.Full)
		assert.Nil(t, report.Mark())
	}
}

// inquirer is a logbook that remembers who was looked up.
type inquirer struct {
	*logbook
	asked []adsync.ObjectID
}

func (q *inquirer) Find(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	q.asked = append(q.asked, ids...)
	return q.logbook.Find(ctx, ids)
}

// A second user has come to have somebody's name, in the table and in the directory, which
// makes no difference until a third asks for it: then the first is a duplicate, too, of whom
// nothing has changed.
func TestSince_FindsTheDuplicatesOfANameThatTwoHave(t *testing.T) {
	for name, tt := range map[string]struct {
		first    func(*adsync.Entry)
		lookedUp bool
	}{
		"of two in scope":            {func(*adsync.Entry) {}, true},
		"of one whom it remembers":   {func(e *adsync.Entry) { e.Disabled = true }, true},
		"of one who is out of scope": {func(e *adsync.Entry) { e.State = adsync.StateOutOfScope }, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := &inquirer{logbook: &logbook{controller: "one"}}
			var users []adsync.User
			for n := byte(3); n < 150; n++ { // so many that not everybody is in the second's bucket
				name := "name" + strconv.Itoa(int(n))
				dir.set(entry(n, name, ""))
				users = append(users, user(name, n, name, ""))
			}
			first := entry(1, "ann", "")
			tt.first(&first)
			dir.set(first)
			dir.set(entry(2, "bob", ""))
			ann, bob := user("u1", 1, "ann", ""), user("u2", 2, "bob", "")
			report, err := newSyncer(t, dir, adsync.NewMemoryStore(append(users, ann, bob)...), nil).Sync(t.Context())
			require.NoError(t, err)
			mark := report.Mark()

			bob.Username = "ann"
			dir.set(entry(2, "ann", ""))
			dir.set(entry(3, "ann", ""))
			s := newSyncer(t, dir, adsync.NewMemoryStore(append(users, ann, bob)...), nil)
			full, err := s.Plan(t.Context())
			require.NoError(t, err)
			dir.asked = nil
			plan, err := s.Plan(t.Context(), adsync.Since(mark))
			require.NoError(t, err)
			assert.Empty(t, plan.Reading.Full)
			assert.Equal(t, full.Changes, plan.Changes)
			assert.Equal(t, tt.lookedUp, slices.Contains(dir.asked, id(1)), "only if it is a duplicate")
			slices.SortFunc(dir.asked, adsync.ObjectID.Compare)
			assert.Len(t, slices.Compact(slices.Clone(dir.asked)), len(dir.asked), "nobody twice")
		})
	}
}

// Who is looked up each time does not count in a bucket, so that an edit of its row has nobody
// else looked up: neither that of another user of its account, nor where many who have no
// user are looked up each time.
func TestSince_AnEditOfWhoIsLookedUpEachTimeIsItsOwn(t *testing.T) {
	dir := &inquirer{logbook: &logbook{controller: "one"}}
	var users []adsync.User
	var only []string
	for n := byte(1); n < 200; n++ {
		name := "name" + strconv.Itoa(int(n))
		e := entry(n, name, "")
		e.DisabledUnknown = n == 7
		dir.set(e)
		users, only = append(users, user(name, n, name, "")), append(only, name)
	}
	twins := []adsync.User{user("twin", 9, "twin", ""), user("other", 9, "other", "")}
	users, only = append(users, twins...), append(only, "twin")
	for n := byte(200); n < 250; n++ { // accounts that are listed twice
		e := entry(n, "name"+strconv.Itoa(int(n)), "")
		dir.set(e)
		e.Phone = "2"
		dir.StaticDirectory = append(dir.StaticDirectory, e)
	}
	opts := &adsync.Options{Rules: adsync.Rules{Import: true, Only: only}}
	report, err := newSyncer(t, dir, adsync.NewMemoryStore(users...), opts).Sync(t.Context())
	require.NoError(t, err)
	for name, edit := range map[string]func(){
		"nobody":                   func() {},
		"who cannot be told of":    func() { users[6].Phone = "1" },
		"of two users of one":      func() { users[199].Phone = "1" },
		"whom no plan is to write": func() { users[200].Phone = "1" },
	} {
		edit()
		dir.asked = nil
		plan, err := newSyncer(t, dir, adsync.NewMemoryStore(users...), opts).Plan(t.Context(), adsync.Since(report.Mark()))
		require.NoError(t, err)
		require.Empty(t, plan.Reading.Full)
		assert.Subset(t, dir.asked, []adsync.ObjectID{id(7), id(9), id(200), id(249)}, name)
		assert.Len(t, dir.asked, 52, name)
		assert.True(t, slices.IsSortedFunc(dir.asked, adsync.ObjectID.Compare), "the same is asked in the same order")
	}
}
