package sqlstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// lockAsked is what MySQL is asked for a lock on the people of these arguments of Where.
func lockAsked(t *testing.T, source string, edit func(*sqlstore.Table), indexes reply) string {
	t.Helper()
	table := peopleTable()
	if edit != nil {
		edit(&table)
	}
	indexes.to, indexes.columns = askIndexes, []string{"text"}
	r := &recorder{types: peopleTypes(sqlstore.MySQL), replies: []reply{
		indexes, {to: "SELECT COALESCE(GET_LOCK", columns: []string{"ok"}, rows: texts("1")}, {to: "SELECT COALESCE(RELEASE_LOCK", columns: []string{"ok"}, rows: texts("1")},
	}}
	s, _ := openRecorder(t, r, sqlstore.MySQL, table)
	unlock, err := s.Lock(t.Context(), source)
	require.NoError(t, err)
	asked := r.statements()
	require.NoError(t, unlock())
	return asked
}

// Runs are kept apart by what they write: the source, and what Where says of the tenant.
func TestLock_IsOfTheSourceAndTheTenant(t *testing.T) {
	unique := reply{rows: texts("login", "mail")}
	args := func(all ...any) func(*sqlstore.Table) {
		return func(table *sqlstore.Table) { table.Args = all }
	}
	at := time.Date(2026, 7, 8, 9, 10, 11, 12, time.UTC)
	whole := lockAsked(t, "", func(table *sqlstore.Table) { table.Where, table.Args = "", nil }, unique)
	locks := map[string]string{"the whole table": whole}
	for name, asked := range map[string]string{
		"a tenant":             lockAsked(t, "", args("robot", 7), unique),
		"another":              lockAsked(t, "", args("robot", 8), unique),
		"a tenant of texts":    lockAsked(t, "", args("robot", "7"), unique),
		"one of two arguments": lockAsked(t, "", args("robot 7", 7), unique),
		"a source of one":      lockAsked(t, "ad", args("robot", 7), unique),
		"a source":             lockAsked(t, "ad", func(table *sqlstore.Table) { table.Where, table.Args = "", nil }, unique),
		"a time":               lockAsked(t, "", args("robot", at), unique),
		"a later time":         lockAsked(t, "", args("robot", at.Add(1)), unique),
	} {
		for other, taken := range locks {
			assert.NotEqual(t, taken, asked, "%s, %s", other, name)
		}
		locks[name] = asked
	}
	assert.Equal(t, locks["a tenant"], lockAsked(t, "", args("robot", int32(7)), unique), "a number of another type")
	assert.Equal(t, locks["a time"], lockAsked(t, "", args("robot", at.In(time.FixedZone("", 7200))), unique), "the time of another zone")
	assert.Equal(t, locks["a source of one"], lockAsked(t, "", func(table *sqlstore.Table) { table.Columns.Source, table.Source = "", "ad" }, unique), "the source of the table")

	assert.Equal(t, whole, lockAsked(t, "", nil, reply{rows: texts("login")}), "an email that two tenants may take")
	assert.Equal(t, whole, lockAsked(t, "", nil, reply{err: errGone}), "indexes that the account may not see")
	assert.Equal(t, whole, lockAsked(t, "", args("robot", []string{"seven"}), unique), "an argument that only the driver can read")
}

// Each part that runs of one Store hold is held until its own end.
func TestLock_OfEachSourceIsHeldByItself(t *testing.T) {
	r := &recorder{types: peopleTypes(sqlstore.MySQL), replies: []reply{{to: askIndexes, times: 9, columns: []string{"text"}, rows: texts("login", "mail")}}}
	s, db := openRecorder(t, r, sqlstore.MySQL, peopleTable())
	db.SetMaxOpenConns(1) // so that only the Store itself keeps its runs apart
	unlock, err := s.Lock(t.Context(), "one")
	require.NoError(t, err)
	unlockOther, err := s.Lock(t.Context(), "other")
	require.NoError(t, err)
	for _, held := range []string{"one", "other"} {
		_, err = s.Lock(t.Context(), held)
		assert.ErrorIs(t, err, adsync.ErrLocked)
	}
	require.NoError(t, unlockOther())
	_, err = s.Lock(t.Context(), "one")
	assert.ErrorIs(t, err, adsync.ErrLocked)
	_, err = s.Lock(t.Context(), "other")
	assert.NoError(t, err)
	require.NoError(t, unlock())
}

// A table that does not fit is told by the lock, too, as it comes first.
func TestLock_SaysWhatIsAmissWithTheTable(t *testing.T) {
	s, _ := openRecorder(t, &recorder{}, sqlstore.MySQL, peopleTable())
	_, err := s.Lock(t.Context(), "ad")
	assert.EqualError(t, err, "adsync: the database has no table people, or does not show it to this account; check sqlstore.Table.Name")
	assert.NotErrorIs(t, err, adsync.ErrLocked)
}
