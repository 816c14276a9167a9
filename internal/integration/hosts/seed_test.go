package hosts

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// A table that anybody may be using is never filled for a test, whatever Where leaves out.
func TestSeed_RefusesATableWithRows(t *testing.T) {
	d := &databases{t: t}
	for _, h := range All() {
		t.Run(h.Name, func(t *testing.T) {
			db := d.open(t, h.Dialect, h.Schema, h.Added, h.Local)
			count := func() (n int) {
				require.NoError(t, db.QueryRow("SELECT count(*) FROM "+h.quoted()).Scan(&n))
				return n
			}
			before := count()
			for _, where := range []string{h.Table.Where, "1 = 0"} {
				table := h.Table
				table.Where, table.Delete = where, nil
				if where == "1 = 0" {
					table.Args = nil
				}
				store, err := sqlstore.New(db, h.Dialect, table)
				require.NoError(t, err)
				err = store.Seed(t.Context(), []adsync.User{{Profile: adsync.Profile{Username: "one"}}})
				assert.ErrorContains(t, err, "holds rows, and only an empty one is filled for a test")
			}
			assert.Equal(t, before, count())
		})
	}
}
