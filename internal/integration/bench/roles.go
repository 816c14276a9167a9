package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
	"github.com/go-adsync/adsync/sqlstore"
)

// Everybody has one role of each band, so that there are a thousand different sets.
const (
	roleBands = 5
	roleBand  = 4 // roles in a band
)

// rolesTable holds the roles of the users, for every database.
const rolesTable = `CREATE TABLE members (user_id BIGINT NOT NULL, role_id INTEGER NOT NULL, source VARCHAR(20) NOT NULL, PRIMARY KEY (user_id, role_id))`

// fillRoles gives each user the roles of its number, which is one less than its ID.
func fillRoles(ctx context.Context, db *sql.DB) error {
	texts := []string{rolesTable}
	for band := range roleBands {
		texts = append(texts, fmt.Sprintf("INSERT INTO members (user_id, role_id, source) SELECT id, %d + ((id - 1) >> %d) %% %d, 'ad' FROM users", band*roleBand, 2*band, roleBand))
	}
	return execAll(ctx, db, texts...)
}

// rolesOf are the roles of person number i.
func rolesOf(i int) (names []string) {
	for key := range roleBands * roleBand {
		if hasRole(i, key) {
			names = append(names, roleName(key))
		}
	}
	return names
}

// hasRole reports whether person number i has the role of that key.
func hasRole(i, key int) bool { return (i>>(2*(key/roleBand)))%roleBand == key%roleBand }

// groupDN is the group that gives the role of that key.
func groupDN(key int) string { return "cn=" + roleName(key) + "," + groupsDN }

func roleName(key int) string { return fmt.Sprintf("role%02d", key) }

// membership maps the table to the roles.
func membership() *sqlstore.Membership {
	m := &sqlstore.Membership{Table: "members", User: "user_id", Role: "role_id", Roles: map[string]any{}, Values: map[string]any{"source": "ad"}}
	for key := range roleBands * roleBand {
		m.Roles[roleName(key)] = key
	}
	return m
}

// listRoles lists everybody with the roles that their groups give them. slapd has no extended
// DNs, and so no groups that are read as those of a domain, but as those of other directories.
func (t task) listRoles(ctx context.Context) error {
	cfg := t.config()
	cfg.Attributes = map[adsync.Field]string{adsync.FieldObjectID: "entryUUID", adsync.FieldUsername: "sAMAccountName", adsync.FieldPhone: "telephoneNumber"}
	cfg.Filter, cfg.NoDisabled = filter, true
	for key := range roleBands * roleBand {
		cfg.Roles = append(cfg.Roles, activedirectory.Role{Name: roleName(key), Group: groupDN(key)})
	}
	dir, err := activedirectory.New(cfg)
	if err != nil {
		return err
	}
	n, given := 0, 0
	for e, err := range dir.Entries(ctx) {
		if err != nil {
			return err
		}
		if e.Unknown == (adsync.Extra{}) {
			given += len(e.Extra.Set(adsync.FieldRoles))
		}
		n++
	}
	if given != roleBands*t.People {
		return fmt.Errorf("%d roles came, want %d", given, roleBands*t.People)
	}
	return t.counted(n)
}

// roleDirectory tells the roles of people by their numbers, so that a sync with roles differs
// from one without by what they take beyond the directory.
type roleDirectory struct {
	adsync.Directory
	sets []adsync.Extra // by the bits of the number that count
}

func newRoleDirectory(d adsync.Directory) *roleDirectory {
	r := &roleDirectory{Directory: d}
	for i := range 1 << (2 * roleBands) {
		r.sets = append(r.sets, adsync.Extra{}.With(adsync.FieldRoles, rolesOf(i)...))
	}
	return r
}

// Traits tells which roles there are.
func (r *roleDirectory) Traits() adsync.Traits {
	t := adsync.Traits{}
	if d, ok := r.Directory.(adsync.Traiter); ok {
		t = d.Traits()
	}
	for key := range roleBands * roleBand {
		t.Roles = append(t.Roles, roleName(key))
	}
	return t
}

// Entries yields everybody with their roles.
func (r *roleDirectory) Entries(ctx context.Context) iter.Seq2[adsync.Entry, error] {
	return r.withRoles(r.Directory.Entries(ctx))
}

// Find does so, too: the users of a small table are looked up.
func (r *roleDirectory) Find(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	return r.withRoles(r.Directory.Find(ctx, ids))
}

func (r *roleDirectory) withRoles(all iter.Seq2[adsync.Entry, error]) iter.Seq2[adsync.Entry, error] {
	return func(yield func(adsync.Entry, error) bool) {
		for e, err := range all {
			n := 0
			for _, digit := range []byte(strings.TrimPrefix(e.Username, "user")) {
				n = 10*n + int(digit-'0')
			}
			e.Extra = r.sets[n%len(r.sets)]
			if !yield(e, err) {
				return
			}
		}
	}
}

// floorReadRoles reads all rows of roles, and does nothing with them.
func (t task) floorReadRoles(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, "SELECT user_id, role_id, source FROM members")
	if err != nil {
		return err
	}
	defer rows.Close()
	var texts [3]sql.NullString
	n := 0
	for ; rows.Next(); n++ {
		if err := rows.Scan(&texts[0], &texts[1], &texts[2]); err != nil {
			return err
		}
	}
	if n != roleBands*t.Rows {
		return errors.Join(rows.Err(), fmt.Errorf("%d rows of roles came, want %d", n, roleBands*t.Rows))
	}
	return rows.Err()
}

const (
	nothingChanged = "nothing changed"
	withRoles      = nothingChanged + ", 5 roles each"
	listing        = "listing"
	listingRoles   = listing + ", 5 roles each"
)

// besideRoles says how many times as much a sync takes in which everybody has roles.
func (t *table) besideRoles() (lines []string) {
	for _, r := range t.rows {
		on, what, without := "", "a listing", listing
		if r.name != listingRoles {
			var isOne bool
			if on, isOne = strings.CutPrefix(r.name, withRoles); !isOne {
				continue
			}
			what, without = "a sync without changes", nothingChanged+on
		}
		for _, bare := range t.rows {
			if bare.people == r.people && bare.name == without {
				lines = append(lines, fmt.Sprintf("- %d people%s: with 5 roles each, %s took %.2f times as long, %.2f times the processor time and %.2f times the memory",
					r.people, on, what, r.wall()/bare.wall(), r.seconds()/bare.seconds(), r.peak()/bare.peak()))
			}
		}
	}
	return lines
}
