package sqlstore_test

import (
	"database/sql/driver"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

const binaryKey = "30313233-3435-3637-3839-61626364656f" // "0123456789abcdeo"

// binaryKeys is a table whose ID and objectGUID are bytes, as one of a database shows them.
func binaryKeys(d sqlstore.Dialect, ids sqlstore.ObjectIDs) (*recorder, sqlstore.Table) {
	key := map[sqlstore.Dialect]string{sqlstore.PostgreSQL: "bytea", sqlstore.MySQL: "binary(16)", sqlstore.SQLite: "BLOB"}[d]
	r := &recorder{idType: strings.ToUpper(key), types: []columnType{
		{name: "id", kind: key, key: true}, {name: "guid", kind: key}, {name: "login", kind: peopleTypes(d)[3].kind}, {name: "mail", kind: peopleTypes(d)[3].kind},
	}}
	return r, sqlstore.Table{Name: "people", Source: "ad", ObjectIDs: ids, Columns: sqlstore.Columns{ID: "id", ObjectID: "guid", Username: "login", Email: "mail"}}
}

// binaryRow is a user as a row of it.
func binaryRow(u adsync.User, guid []byte) []driver.Value {
	return []driver.Value{[]byte("0123456789abcdeo"), guid, u.Username, u.Email}
}

func TestStatements_OfKeysOfBytes(t *testing.T) {
	ann := adsync.User{ID: binaryKey, ObjectID: personID(1), Source: "ad", Status: adsync.StatusActive, Profile: adsync.Profile{Username: "ann"}}
	anna := renamed(ann, "anna")
	unlinked := edited(anna, func(u *adsync.User) { u.ObjectID = adsync.ObjectID{} })
	printed, wire := append([]byte(nil), ann.ObjectID[:]...), append([]byte{0x5b, 0x85, 0x24, 0xe1}, ann.ObjectID[4:]...)
	for _, d := range dialects {
		for ids, guid := range map[sqlstore.ObjectIDs][]byte{sqlstore.ObjectIDBytes: printed, sqlstore.ObjectIDADBytes: wire} {
			r, table := binaryKeys(d, ids)
			r.before, r.after = [][]driver.Value{binaryRow(ann, guid)}, [][]driver.Value{binaryRow(anna, guid)}
			s, _ := openRecorder(t, r, d, table)
			require.NoError(t, s.UpdateUser(t.Context(), updateTo(ann, anna)))

			r.before, r.after, r.wrote = r.after, [][]driver.Value{binaryRow(unlinked, make([]byte, 16))}, nil
			r.after[0][1] = []byte{}
			require.NoError(t, s.UpdateUser(t.Context(), updateTo(anna, unlinked)))

			r.before, r.after, r.wrote = r.after, nil, nil
			require.NoError(t, s.DeleteUser(t.Context(), storeDelete(unlinked)))
			assertStatements(t, string(d)+"/keys in "+string(ids), r.statements())

			r.after, r.before, r.wrote = [][]driver.Value{binaryRow(ann, guid)}, nil, nil
			id, err := s.CreateUser(t.Context(), createOf(ann))
			require.NoError(t, err)
			assert.Equal(t, binaryKey, id)
			assertStatements(t, string(d)+"/new key in "+string(ids), r.statements())
		}
	}
}

// A key in another spelling is no user's.
func TestStatements_OfKeysInAnotherSpelling(t *testing.T) {
	for _, d := range dialects {
		for _, id := range []string{"{" + binaryKey + "}", strings.ToUpper(binaryKey), "3031323334353637383961626364656f0", "not a key"} {
			r, table := binaryKeys(d, sqlstore.ObjectIDBytes)
			other := adsync.User{ID: id, ObjectID: personID(1), Source: "ad", Status: adsync.StatusActive, Profile: adsync.Profile{Username: "ann"}}
			r.before = [][]driver.Value{binaryRow(other, other.ObjectID[:])}
			if d == sqlstore.PostgreSQL {
				r.replies = []reply{{to: "UPDATE"}} // which compares the text of the key itself
			}
			s, _ := openRecorder(t, r, d, table)
			err := s.UpdateUser(t.Context(), updateTo(other, renamed(other, "anna")))
			assert.ErrorIs(t, err, adsync.ErrStale, "%s: %s", d, id)
			if id == "not a key" || len(id)%2 == 1 {
				assert.Contains(t, r.statements(), `"`+id+`"`, "and not what of it is one")
			}
		}
	}
}
