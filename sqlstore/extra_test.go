package sqlstore_test

import (
	"database/sql/driver"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

const department adsync.Field = "department"

// of is the user of a department, without a phone.
func of(u adsync.User, departments ...string) adsync.User {
	return edited(u, func(u *adsync.User) { u.Phone, u.Extra = "", u.Extra.With(department, departments...) })
}

// departmental is such a user as a row in which the department is the last column.
func departmental(u adsync.User) [][]driver.Value {
	row := stored(u)
	return [][]driver.Value{append(append(row[:7:7], row[8:]...), u.Extra.Text(department))}
}

// A further detail is read, compared and written as one of the five is.
func TestExtra_IsWrittenAsAnyDetail(t *testing.T) {
	sales, legal := of(person(1, "ann"), "Sales"), of(person(1, "ann"), "Legal")
	for _, d := range dialects {
		table := peopleTable()
		table.Columns.Phone, table.Columns.Extra = "", map[adsync.Field]string{department: "phone"}
		r := &recorder{types: peopleTypes(d), before: departmental(sales), after: departmental(legal)}
		s, _ := openRecorder(t, r, d, table)
		for u, err := range s.Users(t.Context()) {
			require.NoError(t, err)
			assert.Equal(t, sales, u)
		}
		require.NoError(t, s.UpdateUser(t.Context(), updateTo(sales, legal)))
		assert.Equal(t, "Legal", r.sent[0].Value)
		none := of(legal)
		r.before, r.after, r.wrote = departmental(legal), departmental(none), nil
		for i := range r.types {
			r.types[i].nullable = true
		}
		s, _ = openRecorder(t, r, d, table)
		require.NoError(t, s.UpdateUser(t.Context(), updateTo(legal, none)))
		assert.Nil(t, r.sent[0].Value, "NULL where the column allows it")
		both := of(legal, "Legal", "Sales")
		assert.ErrorContains(t, s.UpdateUser(t.Context(), updateTo(legal, both)), "adsync: the table people has no column for department, or holds a single text of it")

		r = &recorder{types: peopleTypes(d), after: departmental(sales)}
		s, _ = openRecorder(t, r, d, table)
		_, err := s.CreateUser(t.Context(), createOf(sales))
		require.NoError(t, err)
		_, err = s.CreateUser(t.Context(), createOf(of(person(2, "bob"), "Legal", "Sales")))
		assert.ErrorContains(t, err, "adsync: the table people has no column for department, or holds a single text of it")

		r = &recorder{types: peopleTypes(d), before: departmental(sales), after: departmental(renamed(sales, "anna"))}
		s, _ = openRecorder(t, r, d, table)
		assert.ErrorContains(t, s.UpdateUser(t.Context(), updateTo(sales, renamed(legal, "anna"))), "adsync: the database changed what was to be written as department")
	}
}
