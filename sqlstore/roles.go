package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore/internal/sqlbatch"
	"github.com/go-adsync/adsync/sqlstore/internal/sqltable"
)

// Membership is the table that says which user has which role: one row for each.
//
// Values marks the rows that are the sync's own: it writes them, and removes no others. A
// row of the same user and role without them is the host's, as of an administrator who
// gave the role by hand. Such a user has the role ([adsync.FieldHostRoles]), and no sync
// gives it again or takes it. Without Values, all rows of the roles in Roles are the sync's.
//
// Rows of other roles are never written, also where the collation of a column takes them
// for equal: texts are compared to the byte. The rows of a user are read and written after
// its own row is locked, in the same transaction, and go before it when it is deleted, or
// marked as deleted.
//
// The host's own rows stay then. Where their foreign key refuses the deletion, that user is
// kept, with an error that says so: let the key be ON DELETE CASCADE, or remove the rows in
// Table.OnWrite, if they are to go with the user.
type Membership struct {
	Table  string         // table or schema.table
	User   string         // the column of the user's ID
	Role   string         // the column of the role
	Roles  map[string]any // the key of each role in that column, by the role's name
	Values map[string]any // what the sync's own rows hold in other columns, such as source: "ad"; Null is NULL
}

// memberships reads and writes the rows of roles.
type memberships struct {
	table *sqltable.Membership
	name  string   // of the table, as the host gives it
	names []string // of the roles, sorted
	keys  []any    // of names
	byKey map[sqltable.Code]int
}

func newMemberships(d sqltable.Dialect, given *Membership, users Table) (*memberships, error) {
	if given == nil {
		return nil, nil
	}
	m := &memberships{name: given.Table, byKey: map[sqltable.Code]int{}}
	switch {
	case given.Table == "" || given.User == "" || given.Role == "" || given.User == given.Role:
		return nil, errors.New("adsync: sqlstore.Membership needs its Table, and the columns User and Role")
	case len(given.Roles) == 0:
		return nil, errors.New("adsync: sqlstore.Membership.Roles is empty; say which key each role has in the column Role")
	case given.Table == users.Name:
		return nil, errors.New("adsync: sqlstore.Membership.Table is the table of the users; roles need one of their own")
	}
	m.names = slices.Sorted(maps.Keys(given.Roles))
	for i, name := range m.names {
		key, code, err := plainValue(given.Roles[name])
		if err != nil || key == nil || name == "" || name == adsync.AnyRole {
			return nil, fmt.Errorf("adsync: sqlstore.Membership.Roles[%q] is not the key of a role", name)
		}
		if _, twice := m.byKey[code]; twice {
			return nil, fmt.Errorf("adsync: sqlstore.Membership.Roles gives two roles one key, of which %q is one", name)
		}
		m.keys, m.byKey[code] = append(m.keys, key), i
	}
	marks := map[string]any{}
	for _, column := range slices.Sorted(maps.Keys(given.Values)) {
		mark, _, err := plainValue(given.Values[column])
		if err != nil || column == given.User || column == given.Role || column == "" {
			return nil, fmt.Errorf("adsync: sqlstore.Membership.Values[%q] is no plain value of a column besides User and Role", column)
		}
		marks[column] = mark
	}
	var err error
	if m.table, err = sqltable.NewMembership(d, given.Table, given.User, given.Role, marks); err != nil {
		return nil, errors.New("adsync: sqlstore.Membership.Table must be table or schema.table")
	}
	return m, nil
}

// plainValue is what the driver is given for a value of the host's.
func plainValue(v any) (any, sqltable.Code, error) {
	if v == Null {
		v = nil
	}
	plain, err := driver.DefaultParameterConverter.ConvertValue(v)
	cell := sqltable.CellOf(plain)
	if err == nil && cell.Bad {
		err = errors.New("adsync: not a plain value")
	}
	return plain, cell.Code(), err
}

// querier is a database, or a transaction.
type querier interface {
	QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error)
}

// held are the roles of users. Those of the same roles share a set.
type held struct {
	users  map[string]uint32 // numbers, by ID
	sets   []uint32          // by the user's number
	extras []adsync.Extra    // by set
	own    [][]string        // by set: those of the sync's own rows
}

// set is that of the user; 0, the empty one, if it has no row.
func (h *held) set(id string) uint32 {
	if user, known := h.users[id]; known {
		return h.sets[user]
	}
	return 0
}

// of returns what the user's Extra holds of roles.
func (h *held) of(id string) adsync.Extra {
	return h.extras[h.set(id)]
}

// readAll reads the roles of all users.
func (m *memberships) readAll(ctx context.Context, db querier, l *layout, idType string) (*held, error) {
	if m == nil {
		return nil, nil
	}
	r := m.newReading(l, idType)
	text, args := m.table.Select(m.keys)
	err := r.read(ctx, db, text, args)
	return r.held(), err
}

// readOf reads the roles of some users, and holds the rows.
func (m *memberships) readOf(ctx context.Context, tx querier, bind *binder, ids []string) (*held, error) {
	const most = 500 // arguments that every server takes
	r := m.newReading(bind.layout, bind.idType().Name)
	for part := range slices.Chunk(ids, most) {
		users := make([]any, len(part))
		for i, id := range part {
			users[i] = bind.bindID(id)
		}
		text, args := m.table.SelectOf(m.keys, users)
		if err := r.read(ctx, tx, text, args); err != nil {
			return nil, err
		}
	}
	return r.held(), nil
}

// rolesReading notes the rows of each user, and then gives one number to all users of the
// same ones, since users mostly have the same ones.
type rolesReading struct {
	*memberships
	layout *layout
	idType string
	users  map[string]uint32
	bits   roleBits
}

func (m *memberships) newReading(l *layout, idType string) *rolesReading {
	return &rolesReading{memberships: m, layout: l, idType: idType, users: map[string]uint32{}, bits: roleBits{width: (2*len(m.names) + 7) / 8}}
}

// read notes the rows of a query: the user, the role, and where there are marks, something in
// those that are not the sync's own.
func (r *rolesReading) read(ctx context.Context, db querier, text string, args []any) error {
	rows, err := db.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	row := sqltable.NewRow(2)
	if r.table.HasMarks() {
		row = sqltable.NewRow(3)
	}
	last, user := "", uint32(0)
	for rows.Next() {
		if err := row.Scan(rows); err != nil {
			return err
		}
		role, mapped := r.byKey[row.Cell(1).Code()]
		if !mapped {
			continue
		}
		id, err := r.layout.idText(row.Cell(0), r.idType)
		if err != nil {
			continue // no user has it
		}
		if id != last { // rows of one user often follow each other
			last, user = id, r.number(id)
		}
		r.bits.note(user, role, !r.table.HasMarks() || row.Cell(2).Null)
	}
	return rows.Err()
}

// number is that of the user in bits.
func (r *rolesReading) number(id string) uint32 {
	user, known := r.users[id]
	if !known {
		user = r.bits.add()
		r.users[id] = user
	}
	return user
}

func (r *rolesReading) held() *held {
	h := &held{users: r.users, sets: make([]uint32, len(r.users)), extras: []adsync.Extra{{}}, own: [][]string{nil}}
	numbers := map[string]uint32{}
	for user := range h.sets {
		bits := r.bits.of(uint32(user))
		set, known := numbers[string(bits)]
		if !known {
			set = uint32(len(h.extras))
			numbers[string(bits)] = set
			extra, own := r.extra(bits)
			h.extras, h.own = append(h.extras, extra), append(h.own, own)
		}
		h.sets[user] = set
	}
	return h
}

// roleBits are two bits for each role of each user: a row of the host's own, and one of the
// sync's.
type roleBits struct {
	width int // bytes of a user
	bits  []byte
}

func (b *roleBits) add() (user uint32) {
	user = uint32(len(b.bits) / b.width)
	b.bits = append(b.bits, make([]byte, b.width)...)
	return user
}

func (b *roleBits) of(user uint32) roleSet {
	return b.bits[int(user)*b.width:][:b.width]
}

func (b *roleBits) note(user uint32, role int, own bool) {
	at := bitOf(role, own)
	b.of(user)[at/8] |= 1 << (at % 8)
}

func bitOf(role int, own bool) int {
	if own {
		return 2*role + 1
	}
	return 2 * role
}

// roleSet are the bits of one user.
type roleSet []byte

func (s roleSet) has(role int, own bool) bool {
	at := bitOf(role, own)
	return s[at/8]>>(at%8)&1 != 0
}

// extra is what a user of these rows holds. A role that the host gave too is the host's.
func (m *memberships) extra(set roleSet) (extra adsync.Extra, own []string) {
	var roles, hosts []string
	for role, name := range m.names {
		if set.has(role, true) {
			roles, own = append(roles, name), append(own, name)
		}
		if set.has(role, false) {
			roles, hosts = append(roles, name), append(hosts, name)
		}
	}
	return adsync.NewExtra(map[adsync.Field][]string{adsync.FieldRoles: roles, adsync.FieldHostRoles: hosts}), own
}

// roleNames are the roles that the store has a place for.
func (m *memberships) roleNames() []string {
	if m == nil {
		return nil
	}
	return slices.Clone(m.names)
}

// fit asks the database for the table and its columns, and for no row. It returns what
// reads and writes columns of these types.
func (m *memberships) fit(ctx context.Context, db *sql.DB, d sqltable.Dialect) (*memberships, error) {
	if m == nil {
		return nil, nil
	}
	types, err := m.types(ctx, db)
	if err != nil {
		return nil, m.fault(d, err, "the columns of the table %s cannot be read; check sqlstore.Table.Roles.Table", m.name)
	}
	if len(types) == 0 {
		return nil, m.fault(d, nil, "the database has no table %s, or does not show it to this account; check sqlstore.Table.Roles.Table", m.name)
	}
	for _, name := range m.table.Columns() {
		if _, ok := types.Find(name); !ok {
			return nil, m.fault(d, nil, "the table %s has no column %s; correct sqlstore.Table.Roles", m.name, name)
		}
	}
	fitted := *m
	fitted.table = m.table.Heed(types)
	text, args := fitted.table.Select(m.keys)
	rows, err := db.QueryContext(ctx, text+" AND 1 = 0", args...)
	if err == nil {
		err = errors.Join(rows.Err(), rows.Close())
	}
	if err != nil {
		return nil, m.fault(d, err, "the roles of the table %s cannot be read; check sqlstore.Table.Roles, what its keys are in the column %s, and the rights of this account", m.name, m.table.Columns()[1])
	}
	return &fitted, nil
}

func (m *memberships) types(ctx context.Context, db *sql.DB) (sqltable.Types, error) {
	text, args := m.table.Table().Catalogue()
	rows, err := db.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	return sqltable.ReadTypes(rows)
}

// fault is what no run of the store can do without; but an error that another try may not
// meet is the driver's.
func (m *memberships) fault(d sqltable.Dialect, cause error, format string, args ...any) error {
	if cause != nil {
		f := d.Fault(cause)
		if f.Kind == sqltable.Retry || sqltable.Away(cause) {
			return cause
		}
		format, args = format+": %s", append(args, f.Reason)
	}
	return ownFault{notDone{fmt.Errorf("adsync: "+format, args...)}}
}

// write makes the sync's own rows those of the roles that the change leaves to the user.
func (m *memberships) write(ctx context.Context, tx *sqlbatch.Tx, bind *binder, c adsync.Change, id string) error {
	if m == nil {
		return nil
	}
	now, err := m.readOf(ctx, tx, bind, []string{id})
	if err != nil {
		return err
	}
	has, own := now.of(id).Set(adsync.FieldRoles), now.own[now.set(id)]
	var wanted []string
	if c.Op != adsync.OpDelete {
		wanted = c.After.Extra.Set(adsync.FieldRoles)
	}
	for _, role := range own {
		if !slices.Contains(wanted, role) {
			if err := m.remove(ctx, tx, bind, id, role); err != nil {
				return err
			}
		}
	}
	for _, role := range wanted {
		if slices.Contains(has, role) {
			continue
		}
		at, mapped := slices.BinarySearch(m.names, role)
		if !mapped {
			return ownFault{fmt.Errorf("adsync: sqlstore.Membership.Roles has no role %q, so nothing of the change was written; map it", role)}
		}
		text, args := m.table.Insert(bind.bindID(id), m.keys[at])
		if _, err := tx.Exec(ctx, text, args...); err != nil {
			return err
		}
	}
	return nil
}

func (m *memberships) remove(ctx context.Context, tx *sqlbatch.Tx, bind *binder, id, role string) error {
	at, _ := slices.BinarySearch(m.names, role)
	text, args := m.table.Delete(bind.bindID(id), m.keys[at])
	_, err := tx.Exec(ctx, text, args...)
	return err
}

// attach gives the users the roles that they have, in the transaction that holds their rows.
func (m *memberships) attach(ctx context.Context, tx querier, bind *binder, users []adsync.User) error {
	if m == nil || len(users) == 0 {
		return nil
	}
	ids := make([]string, len(users))
	for i := range users {
		ids[i] = users[i].ID
	}
	now, err := m.readOf(ctx, tx, bind, ids)
	if err != nil {
		return err
	}
	for i := range users {
		addRoles(&users[i], now)
	}
	return nil
}

// addRoles gives the user what it holds of roles.
func addRoles(u *adsync.User, h *held) {
	extra := h.of(u.ID)
	for _, f := range extra.Fields() {
		if u.Extra == (adsync.Extra{}) {
			u.Extra = extra
			return
		}
		u.Extra = u.Extra.With(f, extra.Set(f)...)
	}
}
