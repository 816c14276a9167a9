package hosts

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/sqlstore"
)

// What a table wants and a mapping lacks is said before the first write, by New or by
// Check, in a sentence that names it.
func TestRefused_SaysWhatIsMissing(t *testing.T) {
	d := &databases{t: t}
	for _, test := range []struct {
		name, says string
		host       Host
		edit       func(*Host)
	}{
		{"an ID that nobody makes", "a new row of the table ab_user needs a value for id", superset(), func(h *Host) {
			_, h.Added, _ = strings.Cut(h.Added, ";")
		}},
		{"IDs of the program", "a new row of the table users needs a value for uuid", vaultwarden(), func(h *Host) { delete(h.Table.Defaults, "uuid") }},
		{"columns without a default", "a new row of the table users needs a value for api_key, created_at", redash(), func(h *Host) {
			delete(h.Table.Defaults, "api_key")
			delete(h.Table.Defaults, "created_at")
		}},
		{"a row of another table first", "a new row of the table res_users needs a value for company_id, notification_type, partner_id", odoo(), func(h *Host) {
			h.Table.Name = "res_users"
			h.Table.Columns.FirstName, h.Table.Columns.Email, h.Table.Columns.Phone = "", "", ""
		}},
		{"one column for two things", "names the column name twice", laravel(), func(h *Host) { h.Table.Columns.LastName = "name" }},
		{"words where there are numbers", "which the column deleteat of type bigint cannot hold", mattermost(), func(h *Host) { h.Table.Statuses = nil }},
		{"a mark that hides nothing", "sqlstore.Table.Delete needs a Where", snipeIT(), func(h *Host) { h.Table.Where = "" }},
		{"no column for the objectGUID", "has no column ad_guid", django(), func(h *Host) { h.Added = "" }},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := test.host
			test.edit(&h)
			db := d.open(t, h.Dialect, h.Schema, h.Added)
			var said []string
			store, err := sqlstore.New(db, h.Dialect, h.Table)
			if err == nil {
				said, err = store.Check(t.Context())
			}
			if err != nil {
				said = append(said, err.Error())
			}
			assert.Contains(t, strings.Join(said, "\n"), test.says)
			n := 0
			require.NoError(t, db.QueryRow("SELECT count(*) FROM "+h.quoted()).Scan(&n))
			assert.Zero(t, n)
		})
	}
}
