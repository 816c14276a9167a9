package sqlstore_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// readOnly is an error after which a database takes no writes.
func readOnly(d sqlstore.Dialect) error {
	switch d {
	case sqlstore.PostgreSQL:
		return stateError{"25006", "cannot execute UPDATE in a read-only transaction"}
	case sqlstore.MySQL:
		return errors.New("Error 1792 (25006): Cannot execute statement in a READ ONLY transaction")
	}
	return errors.New("attempt to write a readonly database")
}

// mayBeRefused reports whether a statement only asks whether a faster way is open.
func mayBeRefused(text string) bool {
	return strings.HasPrefix(text, "EXPLAIN") || text == "SAVEPOINT adsync_counted" || strings.HasSuffix(text, " WHERE 0") || strings.HasPrefix(text, "(refused)")
}

// Whichever statement of a batch fails, at once or at the end of what it returns, nothing
// is kept and nothing is reported as written. What it returns and cannot be read is undone.
func TestFaults_OfEachStatementEndTheBatch(t *testing.T) {
	for _, d := range dialects {
		for _, st := range slices.Concat(stories(), rareStories(), oddStories(), returnedStories()) {
			if st.only != "" && st.only != d || slices.ContainsFunc(st.want, func(err error) bool { return errors.Is(err, adsync.ErrConflict) || errors.Is(err, adsync.ErrUnknown) }) {
				continue
			}
			for _, how := range []string{"at once", "at its end", "unreadable"} {
				for n := 1; ; n++ {
					r := newStory(d, st)
					r.failAt, r.failHow, r.failWith = n, how, readOnly(d)
					s, _ := openRecorder(t, r, d, st.tableOf())
					written := s.ApplyChanges(t.Context(), st.changes)
					if r.failed == "" {
						break // there is no such statement
					}
					log := r.statements()
					if mayBeRefused(r.failed) {
						continue
					}
					require.Contains(t, log, "ROLLBACK\n", "%s %s: %s of %s", d, st.name, how, r.failed)
					if how == "unreadable" {
						continue // which is one row's fault, and the others are tried again
					}
					require.NotContains(t, log, "COMMIT", "%s %s: %s of %s", d, st.name, how, r.failed)
					for i, w := range written {
						require.ErrorIs(t, w.Err, adsync.ErrNotWritten, "%s %s: %s of %s: change %d", d, st.name, how, r.failed, i)
					}
				}
			}
		}
	}
}

// A server that answers what it was not asked for is not believed.
func TestFaults_OfNewRowsThatAreNotReturned(t *testing.T) {
	ann, bob := person(1, "ann"), person(2, "bob")
	for _, d := range dialects {
		for _, changes := range [][]adsync.Change{{createOf(ann)}, {createOf(ann), createOf(bob)}} {
			r := &recorder{types: peopleTypes(d), after: storedAll(bob)} // which is never ann's
			s, _ := openRecorder(t, r, d, peopleTable())
			written := s.ApplyChanges(t.Context(), changes)
			assert.ErrorContains(t, written[0].Err, "adsync: the new row was not kept, as its ID or the row itself is not to be found", d)
		}
	}
}

// A computed column that cannot be set to what the host computes fails that one change.
func TestFaults_OfDerivedValues(t *testing.T) {
	ann, bob, cid := person(1, "ann"), person(2, "bob"), person(3, "cid")
	for _, d := range dialects {
		for _, value := range []any{sqlstore.NowUnix, sqlstore.NotNull} {
			table := peopleTable()
			delete(table.Defaults, "note")
			table.Delete = map[string]any{"tenant": 8}
			table.Derived["note"] = func(u adsync.User) any {
				if u.Phone == "odd" {
					return value
				}
				return "fine"
			}
			odd := func(u adsync.User) adsync.User { return edited(u, func(u *adsync.User) { u.Phone = "odd" }) }
			r := &recorder{types: peopleTypes(d), before: storedAll(ann, odd(bob)), after: storedAll(renamed(ann, "anna"))}
			s, _ := openRecorder(t, r, d, table)
			for _, changes := range [][]adsync.Change{{updateTo(ann, odd(ann))}, {storeDelete(odd(bob))}, {createOf(odd(cid))}, {updateTo(ann, renamed(ann, "anna")), storeDelete(odd(bob)), createOf(odd(cid))}} {
				for i, w := range s.ApplyChanges(t.Context(), changes) {
					if len(changes) > 1 && i == 0 {
						assert.NoError(t, w.Err)
						continue
					}
					assert.ErrorContains(t, w.Err, "adsync: the column note of type ", "%s: %v", d, changes[i].Op)
					assert.ErrorContains(t, w.Err, "cannot be set to Now, NowUnix or NotNull")
				}
			}
		}
	}
}
