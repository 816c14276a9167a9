package hosts

import (
	"cmp"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// The people of the directory, by what becomes of them.
const (
	renamed = iota
	swaps
	swapped
	leaver
	disabled
	cleared
	duplicate // of the host's own user
	longPhone
	people
)

// story is one host and its directory through a year.
type story struct {
	*testing.T
	host   Host
	db     *sql.DB
	store  *sqlstore.Store
	syncer *adsync.Syncer
	dir    adsync.StaticDirectory
	local  adsync.User
}

func newStory(t *testing.T, h Host, db *sql.DB) *story {
	s := &story{T: t, host: h, db: db, dir: make(adsync.StaticDirectory, people)}
	for i := range s.dir {
		e := &s.dir[i]
		e.ObjectID = adsync.ObjectID{1, 2, 3, 15: byte(i + 1)}
		e.Username, e.Email = fmt.Sprint("user", i), fmt.Sprint("user", i, "@corp.example")
		e.FirstName, e.LastName, e.Phone = fmt.Sprint("Zoë", i), "O'Hara", fmt.Sprint("+49 30 ", i)
	}
	mustExec(t, db, h.Local)
	var err error
	s.store, err = sqlstore.New(db, h.Dialect, h.Table)
	require.NoError(t, err)
	rules := h.Rules
	rules.Source, rules.Import = Source, true
	if s.holds(adsync.FieldStatus) || s.holds(adsync.FieldActive) {
		rules.OnDisabled = adsync.Deactivate
	}
	s.syncer, err = adsync.New(s.dir, s.store, &adsync.Options{Rules: rules, Limits: adsync.Limits{
		MaxRemovals: -1, MaxRemovalRatio: -1, MaxCleared: -1, MaxRekeyed: -1, MaxReactivated: -1,
	}})
	require.NoError(t, err)
	users := s.users()
	require.Len(t, users, 1, "only the host's own user")
	s.local = users[adsync.ObjectID{}]
	require.Contains(t, []string{"local", "local@corp.example"}, s.local.Username)
	return s
}

func mustExec(t *testing.T, db *sql.DB, text string) {
	t.Helper()
	_, err := db.Exec(text)
	require.NoError(t, err, text)
}

func (s *story) holds(f adsync.Field) bool { return slices.Contains(s.store.Traits().Fields, f) }

// users are the table's, by their ObjectID.
func (s *story) users() map[adsync.ObjectID]adsync.User {
	s.Helper()
	users := map[adsync.ObjectID]adsync.User{}
	for u, err := range s.store.Users(s.Context()) {
		require.NoError(s, err)
		_, twice := users[u.ObjectID]
		require.False(s, twice, "a second row of one account")
		users[u.ObjectID] = u
	}
	return users
}

// due is what the table is to say of a person, as far as it has columns for it.
func (s *story) due(i int) (p adsync.Profile) {
	full := s.dir[i].Profile
	if s.host.Rules.Map != nil {
		full, _ = s.host.Rules.Map(s.dir[i])
	}
	for _, f := range s.store.Traits().Fields {
		if f != adsync.FieldStatus && f != adsync.FieldActive {
			p = p.With(f, full.Get(f))
		}
	}
	return p
}

// TestStory_Whole is in hosts_test.go, which starts the servers.
func (s *story) tell() {
	s.importPeople()
	imported := s.users()
	s.change()
	report := s.sync()
	s.checkChanged(imported, report)
	s.undo(imported, report)
	s.checkChanged(imported, s.sync())
	s.comeBack()
}

func (s *story) sync() *adsync.Report {
	s.Helper()
	report, err := s.syncer.Sync(s.Context())
	require.NoError(s, err)
	for _, condition := range s.host.Never {
		n := 0
		require.NoError(s, s.db.QueryRow("SELECT count(*) FROM "+condition).Scan(&n), condition)
		assert.Zero(s, n, condition)
	}
	assert.Equal(s, s.local, s.users()[adsync.ObjectID{}], "the host's own user is as it was")
	return report
}

// planned are the changes that a further plan would write.
func (s *story) planned() (writes []adsync.Change) {
	s.Helper()
	plan, err := s.syncer.Plan(s.Context())
	require.NoError(s, err)
	assert.Equal(s, len(s.host.Warns), plan.StoreWarnings, "a plan says what Check warns of: %q", plan.Warnings)
	for _, c := range plan.Changes {
		if c.Op == adsync.OpUpdate || c.Op == adsync.OpDelete || c.Op == adsync.OpCreate {
			writes = append(writes, c)
		}
	}
	return writes
}

func (s *story) importPeople() {
	report := s.sync()
	require.NoError(s, report.Err())
	users := s.users()
	require.Len(s, users, people+1)
	for i := range s.dir {
		u := users[s.dir[i].ObjectID]
		assert.Equal(s, s.due(i), u.Profile)
		assert.Equal(s, Source, u.Source)
		assert.Equal(s, adsync.StatusActive, cmp.Or(u.Status, adsync.StatusActive))
	}
	assert.Empty(s, s.planned(), "a second plan finds nothing")
}

// change is what happens in the directory.
func (s *story) change() {
	s.dir[renamed].Username, s.dir[renamed].Email, s.dir[renamed].LastName = "renamed", "renamed@corp.example", "Müller"
	a, b := &s.dir[swaps].Profile, &s.dir[swapped].Profile
	a.Username, a.Email, b.Username, b.Email = b.Username, b.Email, a.Username, a.Email
	s.dir[leaver].State = adsync.StateDeleted
	s.dir[disabled].Disabled = true
	s.dir[cleared].Email = ""
	s.dir[duplicate].Username, s.dir[duplicate].Email = "Local", "Local@corp.example"
	s.dir[longPhone].Phone = strings.Repeat("+49 30 1234 ", 25) + "9"
}

func (s *story) checkChanged(imported map[adsync.ObjectID]adsync.User, report *adsync.Report) {
	s.Helper()
	users := s.users()
	is := func(i int, p adsync.Profile, why string) {
		s.Helper()
		assert.Equal(s, p, users[s.dir[i].ObjectID].Profile, why)
		assert.Equal(s, imported[s.dir[i].ObjectID].ID, users[s.dir[i].ObjectID].ID, "the same user")
	}
	was := func(i int) adsync.Profile { return imported[s.dir[i].ObjectID].Profile }
	is(renamed, s.due(renamed), "follows")
	is(swaps, s.due(swaps), "has the other's name")
	is(swapped, s.due(swapped), "has the other's name")
	is(duplicate, was(duplicate), "the name is taken")
	if s.due(cleared).Username == "" || slices.Contains(s.host.Rules.Require, adsync.FieldEmail) {
		is(cleared, was(cleared), "cannot do without an email")
	} else {
		is(cleared, s.due(cleared), "has no email any more")
	}
	assert.NotContains(s, users, s.dir[leaver].ObjectID)
	assert.Equal(s, s.off(), users[s.dir[disabled].ObjectID].Status)
	assert.Len(s, users, people)

	writes := s.planned()
	if err := report.Err(); err != nil {
		assert.Len(s, failed(report), 1, "of all changes one fails: %v", err)
		is(longPhone, was(longPhone), "a phone that does not fit leaves the user alone")
		require.Len(s, writes, 1, "a second plan tries that one again")
		assert.Equal(s, s.dir[longPhone].ObjectID, writes[0].ObjectID)
		return
	}
	is(longPhone, s.due(longPhone), "a phone of any length fits")
	assert.Empty(s, writes, "a second plan finds nothing")
}

func failed(report *adsync.Report) (all []adsync.Result) {
	for _, r := range report.Results {
		if r.Outcome == adsync.OutcomeFailed {
			all = append(all, r)
		}
	}
	return all
}

// off is the status of whom a sync has deactivated, or of everybody where there is none.
func (s *story) off() adsync.Status {
	switch {
	case s.holds(adsync.FieldStatus):
		return adsync.StatusDeactivated
	case s.holds(adsync.FieldActive):
		return adsync.StatusInactive
	}
	return s.local.Status
}

// undo takes the run back: the leaver returns as another row.
func (s *story) undo(imported map[adsync.ObjectID]adsync.User, report *adsync.Report) {
	plan, err := s.syncer.Inverse(s.Context(), report)
	require.NoError(s, err)
	undone, err := s.syncer.Apply(s.Context(), plan, adsync.Approval{Digest: plan.Digest(), At: time.Now()})
	require.NoError(s, err)
	require.NoError(s, undone.Err())
	users := s.users()
	left := s.dir[leaver].ObjectID
	assert.NotEqual(s, imported[left].ID, users[left].ID)
	again := users[left]
	again.ID = imported[left].ID
	users[left] = again
	assert.Equal(s, imported, users)
}

// comeBack enables whom the directory had disabled, and gives the last one a phone that
// fits.
func (s *story) comeBack() {
	s.dir[disabled].Disabled, s.dir[longPhone].Phone = false, "0"
	report := s.sync()
	require.NoError(s, report.Err())
	status := s.users()[s.dir[disabled].ObjectID].Status
	if s.holds(adsync.FieldActive) {
		assert.Equal(s, adsync.StatusInactive, status, "nobody knows who deactivated the user, so no sync lifts it")
	} else {
		assert.Equal(s, s.local.Status, status)
	}
	assert.Equal(s, s.due(longPhone), s.users()[s.dir[longPhone].ObjectID].Profile)
	assert.Empty(s, s.planned())
}
