package adsync_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

func TestApply_DoesNotBelieveThePlansStatistics(t *testing.T) {
	dir, users := crowd(10)
	dir[0].State, dir[1].State = adsync.StateDeleted, adsync.StateDeleted
	store := adsync.NewMemoryStore(users...)
	s := newSyncer(t, dir, store, nil)
	plan, err := s.Plan(t.Context())
	require.NoError(t, err)
	plan.Stats.Managed = 1000
	require.NoError(t, plan.Check(adsync.Limits{}))
	_, err = s.Apply(t.Context(), plan)
	require.ErrorIs(t, err, adsync.ErrUnsafe)
	assert.Equal(t, users, allUsers(t, store))
}

func TestApply_CountsWhatWasDoneOfAHalfDonePlan(t *testing.T) {
	dir, users := crowd(40)
	for i := range 4 {
		dir[i].State = adsync.StateDeleted
	}
	store := adsync.NewMemoryStore(users...)
	s := newSyncer(t, dir, store, nil)
	plan, err := s.Plan(t.Context())
	require.NoError(t, err)
	for i := range 2 { // as a run that was killed would have left it
		require.NoError(t, store.DeleteUser(t.Context(), plan.Changes[i]))
	}
	report, err := s.Apply(t.Context(), plan)
	require.NoError(t, err, "4 of 40 were let through, so they are when 2 of them are done")
	assert.Equal(t, []adsync.Outcome{"already", "already", "applied", "applied"}, outcomes(report))
}

func TestApply_RefusesForgedPlans(t *testing.T) {
	users := []adsync.User{
		user("1", 1, "anna", "anna@x"), user("2", 2, "ben", "ben@x"), user("3", 3, "cleo", "cleo@x"),
		{ID: "8", Profile: profile("local", "local@x")}, user("9", 9, "foreign", "foreign@x"),
	}
	users[2].Protected = true
	users[4].Source = "elsewhere"
	dir := adsync.StaticDirectory{entry(1, "ben", "anna@x"), entry(2, "anna", "ben@x"), entry(3, "cleo2", "cleo@x")}
	after := func(u adsync.User, change func(*adsync.User)) *adsync.User {
		change(&u)
		return &u
	}
	renamed := func(u adsync.User) *adsync.User { return after(u, func(u *adsync.User) { u.Username = "forged" }) }
	write := func(u adsync.User, after *adsync.User, fields ...adsync.Field) adsync.Change {
		return adsync.Change{Op: adsync.OpUpdate, UserID: u.ID, ObjectID: after.ObjectID, Before: &u, After: after, Fields: fields}
	}
	remove := func(u adsync.User) adsync.Change {
		return adsync.Change{Op: adsync.OpDelete, UserID: u.ID, ObjectID: u.ObjectID, Before: &u}
	}
	username, status := adsync.FieldUsername, adsync.FieldStatus
	for name, forge := range map[string]func(p *adsync.Plan){
		"another version":        func(p *adsync.Plan) { p.Version = 2 },
		"another source":         func(p *adsync.Plan) { p.Source = "elsewhere" },
		"unknown operation":      func(p *adsync.Plan) { p.Changes[0].Op = "explode" },
		"a need that follows":    func(p *adsync.Plan) { p.Changes[0].Needs = []int{1} },
		"a need of itself":       func(p *adsync.Plan) { p.Changes[2].Needs = []int{0, 1, 2} },
		"needs out of order":     func(p *adsync.Plan) { p.Changes[2].Needs = []int{1, 0} },
		"a negative need":        func(p *adsync.Plan) { p.Changes[2].Needs = []int{-1, 0} },
		"no before":              func(p *adsync.Plan) { p.Changes[1].Before = nil },
		"no after":               func(p *adsync.Plan) { p.Changes[1].After = nil },
		"a before of somebody":   func(p *adsync.Plan) { p.Changes[1].UserID = "3" },
		"fields that do not fit": func(p *adsync.Plan) { p.Changes[1].Fields = nil },
		"parked under another name": func(p *adsync.Plan) {
			renamed := *p.Changes[0].After
			renamed.Username = "reception"
			p.Changes[0].After, p.Changes[2].Before = &renamed, &renamed
		},
		"parked under the name of another": func(p *adsync.Plan) {
			renamed := *p.Changes[0].After
			renamed.Username = "~adsync-d4735e3a265e" // which is that of user 2
			p.Changes[0].After, p.Changes[2].Before = &renamed, &renamed
		},
		"an update that takes a run back": func(p *adsync.Plan) { p.Changes[2].Reason = adsync.ReasonUndone },
		"parked for good":                 func(p *adsync.Plan) { p.Changes = p.Changes[:1] },
		"parked and forgotten":            func(p *adsync.Plan) { p.Changes[2].Needs = []int{1} },
		"a need that is not there":        func(p *adsync.Plan) { p.Changes[1].Needs = []int{0, len(p.Changes)} },
		"parked and deleted": func(p *adsync.Plan) {
			gone := remove(*p.Changes[0].After)
			gone.Needs = []int{0}
			p.Changes = append(p.Changes[:1], gone)
		},
		"parked twice": func(p *adsync.Plan) {
			again := adsync.NewUpdate(adsync.ReasonParked, p.Changes[0].After, after(*p.Changes[0].After, func(u *adsync.User) {
				u.Username = fmt.Sprintf("~adsync-%x", sha256.Sum256([]byte("1#1")))[:20] // the user's second name
			}))
			again.Interim, again.Needs = true, []int{0}
			back := adsync.NewUpdate(adsync.ReasonChanged, again.After, p.Changes[2].After)
			back.Needs = []int{1}
			p.Changes = []adsync.Change{p.Changes[0], again, back}
		},
		"changed twice in a row": func(p *adsync.Plan) {
			phoned := func(phone string) func(*adsync.User) { return func(u *adsync.User) { u.Phone = phone } }
			first := write(users[0], after(users[0], phoned("1")), adsync.FieldPhone)
			second := write(*first.After, after(users[0], phoned("2")), adsync.FieldPhone)
			second.Needs = []int{0}
			p.Changes = []adsync.Change{first, second}
		},
		"changed twice": func(p *adsync.Plan) { p.Changes = append(p.Changes, p.Changes[1]) },
		"what only tells waits for its user's parking": func(p *adsync.Plan) {
			u := p.Changes[0].Before
			p.Changes = append(p.Changes, adsync.Change{Op: adsync.OpNotice, UserID: u.ID, ObjectID: u.ObjectID, Before: u, Needs: []int{0}})
		},
		"a notice that writes": func(p *adsync.Plan) { p.Changes[1].Op = adsync.OpNotice },
		"a notice with two states": func(p *adsync.Plan) {
			p.Changes = append(p.Changes, adsync.Change{Op: adsync.OpNotice, UserID: "3", Before: &users[2], After: &users[2]})
		},
		"a notice that parks": func(p *adsync.Plan) {
			p.Changes = append(p.Changes, adsync.Change{Op: adsync.OpNotice, UserID: "3", Before: &users[2], Interim: true})
		},
		"a local user renamed":     func(p *adsync.Plan) { p.Changes = []adsync.Change{write(users[3], renamed(users[3]), username)} },
		"a local user deleted":     func(p *adsync.Plan) { p.Changes = []adsync.Change{remove(users[3])} },
		"a foreign user renamed":   func(p *adsync.Plan) { p.Changes = []adsync.Change{write(users[4], renamed(users[4]), username)} },
		"a foreign user deleted":   func(p *adsync.Plan) { p.Changes = []adsync.Change{remove(users[4])} },
		"a protected user deleted": func(p *adsync.Plan) { p.Changes = []adsync.Change{remove(users[2])} },
		"a protected user deactivated": func(p *adsync.Plan) {
			p.Changes = []adsync.Change{write(users[2], after(users[2], func(u *adsync.User) { u.Status = adsync.StatusDeactivated }), status)}
		},
		"a user blocked": func(p *adsync.Plan) {
			p.Changes = []adsync.Change{write(users[0], after(users[0], func(u *adsync.User) { u.Status = adsync.StatusBlocked }), status)}
		},
		"a protection lifted": func(p *adsync.Plan) {
			p.Changes = []adsync.Change{write(users[2], after(users[2], func(u *adsync.User) { u.Protected, u.Username = false, "x" }), username)}
		},
		"an ID changed": func(p *adsync.Plan) {
			p.Changes = []adsync.Change{write(users[0], after(users[0], func(u *adsync.User) { u.ID, u.Username = "7", "x" }), username)}
		},
		"a username emptied": func(p *adsync.Plan) {
			p.Changes = []adsync.Change{write(users[0], after(users[0], func(u *adsync.User) { u.Username = " " }), username)}
		},
		"a link moved": func(p *adsync.Plan) {
			p.Changes = []adsync.Change{write(users[0], after(users[0], func(u *adsync.User) { u.ObjectID = id(7) }), adsync.FieldObjectID)}
		},
		"an adoption that renames": func(p *adsync.Plan) {
			c := write(users[3], after(users[3], func(u *adsync.User) { u.ObjectID, u.Username = id(7), "x" }), username, adsync.FieldObjectID)
			c.Reason = adsync.ReasonAdopted
			p.Changes = []adsync.Change{c}
		},
		"a creation of the protected": func(p *adsync.Plan) {
			u := adsync.User{ObjectID: id(7), Profile: profile("x", ""), Protected: true}
			p.Changes = []adsync.Change{{Op: adsync.OpCreate, ObjectID: u.ObjectID, After: &u}}
		},
		"a creation without a link": func(p *adsync.Plan) {
			u := adsync.User{Profile: profile("x", "")}
			p.Changes = []adsync.Change{{Op: adsync.OpCreate, After: &u}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := adsync.NewMemoryStore(users...)
			s := newSyncer(t, dir, store, rekeying)
			plan, err := s.Plan(t.Context())
			require.NoError(t, err)
			require.True(t, plan.Changes[0].Interim)
			forge(plan)
			var approvals []adsync.Approval
			if !strings.Contains(name, "takes a run back") {
				approvals = append(approvals, approve(plan)) // which lifts limits and nothing else
			}
			report, err := s.Apply(t.Context(), plan, approvals...)
			require.ErrorIs(t, err, adsync.ErrUnsafe)
			assert.Len(t, report.Results, len(plan.Changes))
			assert.Equal(t, users, allUsers(t, store))
		})
	}
	t.Run("as it was planned", func(t *testing.T) {
		store := adsync.NewMemoryStore(users...)
		s := newSyncer(t, dir, store, rekeying)
		plan, err := s.Plan(t.Context())
		require.NoError(t, err)
		report, err := s.Apply(t.Context(), plan)
		require.NoError(t, err)
		require.NoError(t, report.Err())
	})
}

// Each thing that no plan of a sync says is refused for just that, before anything is read.
func TestApply_RefusesWhatNoPlanSays(t *testing.T) {
	const (
		noNew      = "a new user has no ID and no state before"
		noLink     = "a new user must be linked to an entry of this source"
		notPlain   = "a new user must be a plain, active one"
		nameless   = "a new user needs a username"
		leaves     = "a deletion leaves nothing behind"
		notManaged = "the user is not managed by this source"
		wrongWho   = "it does not say which user it is about"
		wrongField = "its fields are not those that differ"
		wrongState = "the status is not a sync's to change in this way"
		wrongTime  = "when the user was deactivated is not the sync's to change in this way"
		wrongPark  = "a parking gives its user the names that are reserved for it"
		wrongLink  = "or its link would change"
		lostLink   = "its link would be lost"
	)
	ann := user("1", 1, "ann", "ann@x")
	with := func(u adsync.User, edit func(*adsync.User)) adsync.User {
		edit(&u)
		return u
	}
	statusOf := func(s adsync.Status) adsync.User { return with(ann, func(u *adsync.User) { u.Status = s }) }
	off, inactive, blocked := statusOf(adsync.StatusDeactivated), statusOf(adsync.StatusInactive), statusOf(adsync.StatusBlocked)
	protected := with(ann, func(u *adsync.User) { u.Protected, u.Extra = true, extra("roles", "admin") })
	local, foreign := with(ann, func(u *adsync.User) { u.ObjectID = adsync.ObjectID{} }), with(ann, func(u *adsync.User) { u.Source = "other" })
	status := func(s adsync.Status) func(*adsync.User) { return func(u *adsync.User) { u.Status = s } }
	turned := func(s adsync.Status, m adsync.Moment) func(*adsync.User) {
		return func(u *adsync.User) { u.Status, u.DeactivatedAt = s, m }
	}
	since := func(m adsync.Moment) func(*adsync.User) { return func(u *adsync.User) { u.DeactivatedAt = m } }
	stamped := func(u adsync.User) adsync.User { return with(u, since(at(1))) }
	create := func(edit func(*adsync.Change)) adsync.Change {
		c := creationOf(adsync.User{ObjectID: id(7), Profile: profile("x", "x@x")})
		edit(&c)
		return c
	}
	remove := func(edit func(*adsync.Change)) adsync.Change {
		c := deletionOf(ann)
		edit(&c)
		return c
	}
	update := func(reason adsync.Reason, before adsync.User, change func(*adsync.User), edit func(*adsync.Change)) adsync.Change {
		c := updateOf(before, reason, change)
		edit(&c)
		return c
	}
	no := func(*adsync.Change) {}
	parks := func(c *adsync.Change) { c.Interim = true }
	renamed := func(u *adsync.User) { u.Username = "bob" }
	parked := func(u *adsync.User) { u.Username = "~adsync-6b86b273ff34" } // the first name of user 1
	const changed, deleted, lifted, undone, adopted = adsync.ReasonChanged, adsync.ReasonDeleted, adsync.ReasonReactivated, adsync.ReasonUndone, adsync.ReasonAdopted
	const active, deactivated = adsync.StatusActive, adsync.StatusDeactivated
	for name, test := range map[string]struct {
		change adsync.Change
		want   string
	}{
		"created: with a state before":     {create(func(c *adsync.Change) { c.Before = &ann }), noNew},
		"created: nobody":                  {create(func(c *adsync.Change) { c.After = nil }), noNew},
		"created: as a user":               {create(func(c *adsync.Change) { c.UserID = "7" }), noNew},
		"created: with an ID":              {create(func(c *adsync.Change) { c.After.ID = "7" }), noNew},
		"created: parked":                  {create(parks), noNew},
		"created: of another source":       {create(func(c *adsync.Change) { c.After.Source = "other" }), noLink},
		"created: of another account":      {create(func(c *adsync.Change) { c.ObjectID = id(8) }), noLink},
		"created: protected":               {create(func(c *adsync.Change) { c.After.Protected = true }), notPlain},
		"created: blocked":                 {create(func(c *adsync.Change) { c.After.Status = adsync.StatusBlocked }), notPlain},
		"created: long deactivated":        {create(func(c *adsync.Change) { c.After.DeactivatedAt = at(1) }), notPlain},
		"created: without a name":          {create(func(c *adsync.Change) { c.After.Username = " " }), nameless},
		"deleted: and left":                {remove(func(c *adsync.Change) { c.After = &ann }), leaves},
		"deleted: for the time being":      {remove(parks), leaves},
		"deleted: with another account":    {remove(func(c *adsync.Change) { c.ObjectID = id(8) }), notManaged},
		"deleted: of another source":       {deletionOf(foreign), notManaged},
		"deleted: no user":                 {remove(func(c *adsync.Change) { c.UserID = "" }), wrongWho},
		"deleted: another user":            {remove(func(c *adsync.Change) { c.UserID = "2" }), wrongWho},
		"deleted: of whom nothing is said": {remove(func(c *adsync.Change) { c.Before = nil }), wrongWho},
		"deleted: protected":               {deletionOf(protected), "the user is protected"},
		"deleted: to take a run back":      {remove(func(c *adsync.Change) { c.Reason = undone }), "taking a run back removes nobody"},

		"updated: to nothing":              {update(changed, ann, renamed, func(c *adsync.Change) { c.After = nil }), "it does not say what to write"},
		"updated: another ID":              {update(changed, ann, func(u *adsync.User) { u.ID = "2" }, no), "an ID and a protection"},
		"updated: protected from now on":   {update(changed, ann, func(u *adsync.User) { u.Protected = true }, no), "an ID and a protection"},
		"updated: with another account":    {update(changed, ann, renamed, func(c *adsync.Change) { c.ObjectID = id(8) }), notManaged},
		"updated: of another source":       {update(changed, foreign, renamed, no), notManaged},
		"updated: into another source":     {update(changed, ann, func(u *adsync.User) { u.Source = "other" }, no), notManaged},
		"updated: nothing":                 {update(changed, ann, func(*adsync.User) {}, no), wrongField},
		"updated: more than it says":       {update(changed, ann, func(u *adsync.User) { u.Username, u.Phone = "bob", "1" }, func(c *adsync.Change) { c.Fields = c.Fields[:1] }), wrongField},
		"updated: no name":                 {update(changed, ann, func(u *adsync.User) { u.Username = "\t" }, no), "it would leave the user without a username"},
		"updated: a protected one off":     {update(deleted, protected, status(deactivated), no), "the user is protected"},
		"updated: a protected one's roles": {update(changed, protected, func(u *adsync.User) { u.Extra = adsync.Extra{} }, no), "a protected user keeps its roles"},
		"updated: off, to take back":       {update(undone, ann, status(deactivated), no), "taking a run back removes nobody"},

		"status: blocked":                 {update(changed, ann, status(adsync.StatusBlocked), no), wrongState},
		"status: blocked, to take back":   {update(undone, ann, status(adsync.StatusBlocked), no), wrongState},
		"status: no more blocked":         {update(lifted, blocked, status(active), no), wrongState},
		"status: from blocked to off":     {update(deleted, blocked, status(deactivated), no), wrongState},
		"status: from one off to another": {update(deleted, inactive, status(deactivated), no), wrongState},
		"status: inactive, and lifted":    {update(lifted, inactive, status(active), no), wrongState},
		"status: the host's own":          {update(changed, ann, status("on leave"), no), wrongState},

		"moment: before its write":       {update(changed, with(off, since(adsync.AtWrite)), renamed, no), wrongTime},
		"moment: of somebody active":     {update(changed, ann, since(adsync.AtWrite), no), wrongTime},
		"moment: of the forger's":        {update(deleted, ann, turned(deactivated, at(1)), no), wrongTime},
		"moment: an earlier one":         {update(changed, stamped(off), since(at(0)), no), wrongTime},
		"moment: anew":                   {update(changed, stamped(off), since(adsync.AtWrite), no), wrongTime},
		"moment: forgotten":              {update(changed, stamped(off), since(0), no), wrongTime},
		"moment: an old one for a new":   {update(deleted, stamped(ann), status(deactivated), no), wrongTime},
		"moment: of one merely inactive": {update(deleted, ann, turned(adsync.StatusInactive, adsync.AtWrite), no), wrongTime},
		"moment: a new one to take back": {update(undone, off, since(adsync.AtWrite), no), wrongTime},

		"parked: for another reason":     {update(changed, ann, parked, parks), wrongPark},
		"parked: and phoned":             {update(adsync.ReasonParked, ann, func(u *adsync.User) { parked(u); u.Phone = "1" }, parks), wrongPark},
		"parked: under another's name":   {update(adsync.ReasonParked, ann, func(u *adsync.User) { u.Username = "~adsync-d4735e3a265e" }, parks), wrongPark},
		"parked: an address like a name": {update(adsync.ReasonParked, ann, func(u *adsync.User) { u.Email = "~adsync-6b86b273ff34" }, parks), wrongPark},

		"linked: to another account":  {update(adopted, ann, func(u *adsync.User) { u.ObjectID = id(2) }, no), wrongLink},
		"linked: from another source": {update(adopted, foreign, func(u *adsync.User) { u.ObjectID, u.Source = id(2), "" }, no), wrongLink},
		"linked: and not said so":     {update(changed, local, func(u *adsync.User) { u.ObjectID = id(2) }, no), wrongLink},
		"linked: and renamed":         {update(adopted, local, func(u *adsync.User) { u.ObjectID = id(2); renamed(u) }, no), wrongLink},
		"renamed: a local one":        {update(adopted, local, renamed, no), notManaged},
		"unlinked: by a sync":         {update(changed, ann, func(u *adsync.User) { u.ObjectID = adsync.ObjectID{} }, no), lostLink},
		"unlinked: and renamed":       {update(undone, ann, func(u *adsync.User) { u.ObjectID = adsync.ObjectID{}; renamed(u) }, no), lostLink},
		"unlinked: of another source": {update(undone, foreign, func(u *adsync.User) { u.ObjectID = adsync.ObjectID{} }, no), lostLink},
		"unlinked: but not said so":   {update(undone, ann, func(u *adsync.User) { u.ObjectID = adsync.ObjectID{} }, func(c *adsync.Change) { c.Fields = nil }), lostLink},
	} {
		t.Run(name, func(t *testing.T) {
			plan := planFrom(test.change)
			s := newSyncer(t, failing{}, brokenReads{}, nil)
			_, err := s.Apply(t.Context(), plan, approve(plan))
			require.ErrorIs(t, err, adsync.ErrUnsafe)
			require.ErrorContains(t, err, test.want)
		})
	}
}

// What a plan of a sync does say is not refused: who trade addresses are parked by them alone,
// and a duplicate is told of.
func TestApply_TakesWhatAPlanSays(t *testing.T) {
	users := []adsync.User{user("1", 1, "ann", "a@x"), user("2", 2, "bob", "b@x"), user("3", 3, "cat", "")}
	dir := adsync.StaticDirectory{entry(1, "ann", "b@x"), entry(2, "bob", "a@x"), entry(3, "ann", "")}
	plan := mustReconcile(t, dir, users, adsync.Rules{})
	require.Equal(t, []adsync.Field{adsync.FieldEmail}, plan.Changes[0].Fields)
	store := adsync.NewMemoryStore(users...)
	report, err := newSyncer(t, dir, store, rekeying).Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, []adsync.Outcome{"applied", "applied", "applied", "skipped"}, outcomes(report))
	users[0].Email, users[1].Email = "b@x", "a@x"
	assert.Equal(t, users, allUsers(t, store))
}

// Whom Adopt links under the name of a source belongs to it from then on.
func TestApply_AdoptsUnderASource(t *testing.T) {
	rules := adsync.Rules{Source: "ad"}
	local := adsync.User{ID: "1", Profile: profile("ann", "ann@x")}
	plan := adopt(t, []adsync.Entry{entry(1, "ann", "ann@x")}, []adsync.User{local}, rules)
	require.Equal(t, []adsync.Field{adsync.FieldObjectID, adsync.FieldSource}, plan.Changes[0].Fields)
	store := adsync.NewMemoryStore(local)
	report, err := newSyncer(t, adsync.StaticDirectory{entry(1, "ann", "ann@x")}, store, &adsync.Options{Rules: rules}).Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, []adsync.Outcome{adsync.OutcomeApplied}, outcomes(report))
	local.ObjectID, local.Source = id(1), "ad"
	assert.Equal(t, []adsync.User{local}, allUsers(t, store))
}

// A plan may lie about a row, but then the row is not as planned.
func TestApply_ForgedBeforeIsStale(t *testing.T) {
	owner := user("1", 1, "anna", "anna@x")
	owner.Protected = true
	store := adsync.NewMemoryStore(owner, user("2", 2, "ben", "ben@x"))
	s := newSyncer(t, adsync.StaticDirectory{entry(2, "ben", "ben@x")}, store, nil)
	lie := owner
	lie.Protected = false
	plan := &adsync.Plan{Version: 1, Changes: []adsync.Change{
		{Op: adsync.OpDelete, Reason: adsync.ReasonDeleted, UserID: "1", ObjectID: id(1), Before: &lie},
	}}
	report, err := s.Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, []adsync.Outcome{adsync.OutcomeStale}, outcomes(report))
	assert.Len(t, allUsers(t, store), 2)
}

func TestApply_LooksUpRemovalsAgain(t *testing.T) {
	dir, users := crowd(40)
	dir[0].State = adsync.StateDeleted
	dir[1].Disabled = true
	store := adsync.NewMemoryStore(users...)
	opts := &adsync.Options{Rules: adsync.Rules{OnDisabled: adsync.Deactivate}}
	plan, err := newSyncer(t, dir, store, opts).Plan(t.Context())
	require.NoError(t, err)
	require.Len(t, plan.Changes, 2)

	t.Run("the look-up fails", func(t *testing.T) {
		report, err := newSyncer(t, failing{dir}, store, opts).Apply(t.Context(), plan)
		require.ErrorIs(t, err, adsync.ErrIncomplete)
		assert.Equal(t, []adsync.Outcome{"not-attempted", "not-attempted"}, outcomes(report))
		assert.Equal(t, users, allUsers(t, store))
	})
	t.Run("they are back", func(t *testing.T) {
		back, _ := crowd(40)
		report, err := newSyncer(t, back, store, opts).Apply(t.Context(), plan)
		require.NoError(t, err)
		assert.Equal(t, []adsync.Outcome{"stale", "stale"}, outcomes(report))
		require.ErrorIs(t, report.Err(), adsync.ErrStale)
		assert.Equal(t, users, allUsers(t, store))
	})
	t.Run("the rules have become milder", func(t *testing.T) {
		mild := &adsync.Options{Rules: adsync.Rules{OnDeleted: adsync.Keep}}
		report, err := newSyncer(t, dir, store, mild).Apply(t.Context(), plan)
		require.NoError(t, err)
		assert.Equal(t, []adsync.Outcome{"stale", "stale"}, outcomes(report))
	})
	t.Run("they are gone", func(t *testing.T) {
		report, err := newSyncer(t, dir, store, opts).Apply(t.Context(), plan)
		require.NoError(t, err)
		assert.Equal(t, []adsync.Outcome{"applied", "applied"}, outcomes(report))
		assert.Equal(t, adsync.Counts{Deleted: 1, Deactivated: 1, Unchanged: 38}, report.Counts())
	})
}
