// Package hosts holds the user tables of well-known products, each with its mapping, and
// tests that every one is synchronised as a whole: they are what docs/TABLES.md shows. The
// layouts are written anew from the products' public definitions, and hold only what
// matters to a sync: the types, what must not be NULL, the unique indexes, the statuses,
// the columns that follow others, and the tables beside the users.
package hosts

import (
	"crypto/rand"
	"database/sql/driver"
	"strings"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// Host is one product.
type Host struct {
	Name    string
	Dialect sqlstore.Dialect
	Shows   string         // what its mapping is an example of
	Schema  string         // what the product has
	Added   string         // what is added to it for the sync
	Table   sqlstore.Table // how to map it
	Rules   adsync.Rules   // what its Syncer needs besides a Source
	Filled  []string       // the tables that users have rows in, those first that refer to others; by default Table.Name
	Local   string         // adds the product's own user "local", with local@corp.example
	Beside  string         // how the product changes a detail that is in another table than the users
	Never   []string       // conditions that no row meets, as "table WHERE …"
	Warns   []string       // what Check warns of, in part
}

// Source is that of the users who are imported in the gallery.
const Source = "ad"

// All are the products, by name.
func All() []Host {
	return []Host{
		devise(), discourse(), django(), gitLab(), gogs(), grafana(), keycloak(), laravel(), listmonk(), mattermost(), memos(), metabase(),
		miniflux(), moodle(), odoo(), osTicket(), redash(), redmine(), snipeIT(), superset(), vaultwarden(), wordPress(),
	}
}

// ids makes the IDs of new rows, where the database does not. It stands in
// Table.Defaults, and is asked anew for each row.
type ids func() string

// Value is a new ID.
func (id ids) Value() (driver.Value, error) { return id(), nil }

// changed, among Table.Derived, is the time at which a sync wrote the row.
func changed(adsync.User) any { return sqlstore.Now }

// changedUnix is the same in seconds, whatever the size of the number.
func changedUnix(adsync.User) any { return sqlstore.NowUnix }

// lowerText is 26 letters and digits.
func lowerText() string { return strings.ToLower(rand.Text()) }

// byEmail, as Rules.Map, is for a table without usernames: people log in by their email.
func byEmail(e adsync.Entry) (adsync.Profile, error) {
	return e.Profile.With(adsync.FieldUsername, e.Email), nil
}

// byEmailAndFullName is both.
func byEmailAndFullName(e adsync.Entry) (adsync.Profile, error) {
	p, err := fullName(e)
	return p.With(adsync.FieldUsername, e.Email), err
}

// fullName, as Rules.Map, is for a table with one column for the name, mapped as FirstName.
func fullName(e adsync.Entry) (adsync.Profile, error) {
	return e.Profile.With(adsync.FieldFirstName, strings.TrimSpace(e.FirstName+" "+e.LastName)), nil
}
