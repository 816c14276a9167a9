package adsync

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-adsync/adsync/internal/adattr"
	"github.com/go-adsync/adsync/internal/keyfold"
	"github.com/go-adsync/adsync/internal/sqlbatch"
	"github.com/go-adsync/adsync/internal/sqltable"
)

// Status is whether a host account may be used.
type Status string

// The statuses of a [User].
const (
	StatusActive      Status = "active"      // "" means the same
	StatusBlocked     Status = "blocked"     // by the host: a sync never sets or lifts it
	StatusDeactivated Status = "deactivated" // by a sync; lifted when the entry is Present and not Disabled
)

// User is one host account. It is comparable.
//
// A user is managed when it has an ObjectID and its Source equals Rules.Source.
// Others are never changed, yet hold their username and email.
type User struct {
	ID       string   `json:"id"`               // the host's primary key
	ObjectID ObjectID `json:"object_id"`        // zero: a local account
	Source   string   `json:"source,omitempty"` // which directory it was imported from
	Profile
	Status    Status `json:"status,omitempty"`
	Protected bool   `json:"protected,omitempty"` // owner, last admin…: updated, never deleted or deactivated
}

// Same reports whether two states of a user are equal as [Change.Guard] compares
// them: the whole row, with "" and StatusActive as one. Bytes that are not UTF-8
// cannot survive a plan's JSON, so they count as what JSON makes of them.
func (u User) Same(other User) bool { return normalUser(u) == normalUser(other) }

func normalUser(u User) User {
	u = validUser(u)
	if u.Status == "" {
		u.Status = StatusActive
	}
	return u
}

// A UserStore is the host's user table.
//
// Users yields all of them, each with an ID of its own; an error is yielded last
// and ends the sequence.
//
// UpdateUser and DeleteUser are both atomic: of writes made at once from one
// Before, only one is written. Each asks [Change.Guard] with the row as it is now
// (nil: there is none) whether to write: nil says yes, [ErrAlready] that it is
// written already, [ErrStale] that the row is not as planned; the store returns
// those errors as they are. A key that another row holds is [ErrConflict].
// DeleteUser frees both keys: a soft delete must rename or release them.
//
// After any error nothing of the change is written, with one exception:
// [ErrUnknown] says that the store cannot tell, as when a commit was not answered,
// and ends the run. [ErrNotWritten] ends it too: nothing was written, and no later
// change would be. When ctx has ended, a write fails, and with none of the three
// verdicts above. The Change belongs to a plan, and is left as it is.
//
// [CheckStore] proves an implementation.
type UserStore interface {
	Users(ctx context.Context) iter.Seq2[User, error]
	UpdateUser(ctx context.Context, c Change) error
	DeleteUser(ctx context.Context, c Change) error
}

// BatchStore is an optional power of a [UserStore]: it applies changes that do
// not need each other in one round trip or transaction, and returns one Written
// for each, in order. A change that fails alone does not lose the others. Each is
// guarded and answered as the single write is.
type BatchStore interface {
	ApplyChanges(ctx context.Context, cs []Change) []Written
}

// Written tells what became of one change of a batch. Err is nil, [ErrAlready],
// [ErrStale], [ErrConflict], [ErrUnknown] or the store's own error. UserID is
// that of a created user; otherwise it is the user's, or empty.
type Written struct {
	UserID string
	Err    error
}

// Creator is an optional power of a [UserStore]: it adds users, for imports, and
// returns their new ID. A user of the same Source and ObjectID that is there
// already is [ErrAlready], with that user's ID or none; one of another Source is
// another user, and at most an [ErrConflict]. CreateUser is atomic, and errors mean
// what they do to a [UserStore].
type Creator interface {
	CreateUser(ctx context.Context, c Change) (id string, err error)
}

// Locker is an optional power of a [UserStore]: the lock is held for a run, so
// that two syncs of one table do not meet. While another has it, Lock fails or
// waits, but not longer than ctx lasts; with a ctx that has ended it fails. A lock
// is held until unlock is called, which happens once, even if ctx ends before.
type Locker interface {
	Lock(ctx context.Context) (unlock func() error, err error)
}

// MemoryStore is a [UserStore] in memory, with every optional power but Locker:
// the reference for others, and for tests. It is safe for concurrent use.
//
// Usernames and emails are compared like the keys of a plan: in NFKC, case-folded
// and trimmed. Rows that clash from the start are let be; no write adds a clash.
type MemoryStore struct {
	mu        sync.Mutex
	users     map[string]User
	usernames map[string]int // how many rows hold a key
	emails    map[string]int
	links     map[link][]string // the IDs of the rows that are linked to an entry
	lastID    int
}

// link is what ties a row to an entry.
type link struct {
	source string
	id     ObjectID
}

// NewMemoryStore returns a store that holds the users. One without an ID is given
// one; of two with the same ID, the later is held.
func NewMemoryStore(users ...User) *MemoryStore {
	s := &MemoryStore{
		users:     make(map[string]User, len(users)),
		usernames: make(map[string]int, len(users)),
		emails:    make(map[string]int, len(users)),
		links:     make(map[link][]string, len(users)),
	}
	for _, u := range users {
		if u.ID != "" {
			s.put(u)
			if n, err := strconv.Atoi(u.ID); err == nil {
				s.lastID = max(s.lastID, n)
			}
		}
	}
	for _, u := range users {
		if u.ID == "" {
			u.ID = s.newID()
			s.put(u)
		}
	}
	return s
}

// Get returns the user with the ID, and whether there is one.
func (s *MemoryStore) Get(id string) (User, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.users[id]
	return u, ok
}

// Users yields the users as they are when the loop begins, in order of ID.
func (s *MemoryStore) Users(ctx context.Context) iter.Seq2[User, error] {
	return func(yield func(User, error) bool) {
		err := notRead(ctx)
		for _, u := range s.snapshot() {
			if err != nil || !yield(u, nil) {
				break
			}
			err = notRead(ctx)
		}
		if err != nil {
			yield(User{}, err)
		}
	}
}

func (s *MemoryStore) snapshot() []User {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.users), func(a, b User) int { return strings.Compare(a.ID, b.ID) })
}

// UpdateUser writes c.After.
func (s *MemoryStore) UpdateUser(ctx context.Context, c Change) error {
	if err := cmp.Or(notWritten(ctx), c.CheckShape(OpUpdate)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.find(c.UserID)
	if err := c.Guard(now); err != nil {
		return err
	}
	if err := s.checkKeys(now.Profile, c.After.Profile); err != nil {
		return err
	}
	s.put(*c.After)
	return nil
}

// DeleteUser removes the row.
func (s *MemoryStore) DeleteUser(ctx context.Context, c Change) error {
	if err := cmp.Or(notWritten(ctx), c.CheckShape(OpDelete)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := c.Guard(s.find(c.UserID)); err != nil {
		return err
	}
	s.remove(c.UserID)
	return nil
}

// CreateUser adds c.After under a new ID.
func (s *MemoryStore) CreateUser(ctx context.Context, c Change) (string, error) {
	if err := cmp.Or(notWritten(ctx), c.CheckShape(OpCreate)); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u := *c.After
	if same := s.links[link{u.Source, u.ObjectID}]; len(same) > 0 {
		return same[0], ErrAlready
	}
	if err := cmp.Or(c.Guard(nil), s.checkKeys(Profile{}, u.Profile)); err != nil {
		return "", err
	}
	u.ID = s.newID()
	s.put(u)
	return u.ID, nil
}

// ApplyChanges writes the changes one after the other.
func (s *MemoryStore) ApplyChanges(ctx context.Context, cs []Change) []Written {
	out := make([]Written, len(cs))
	for i, c := range cs {
		switch c.writeOp() {
		case OpDelete:
			out[i].Err = s.DeleteUser(ctx, c)
		case OpCreate:
			out[i].UserID, out[i].Err = s.CreateUser(ctx, c)
		default:
			out[i].Err = s.UpdateUser(ctx, c)
		}
	}
	return out
}

// Traits tells that the store holds the five details and a status.
func (s *MemoryStore) Traits() Traits {
	return Traits{Fields: []Field{FieldUsername, FieldFirstName, FieldLastName, FieldEmail, FieldPhone, FieldStatus}}
}

func (s *MemoryStore) find(id string) *User {
	if u, ok := s.users[id]; ok {
		return &u
	}
	return nil
}

// checkKeys refuses a key that the row does not hold yet and another does.
func (s *MemoryStore) checkKeys(now, after Profile) error {
	username, email := keyfold.Fold(after.Username), keyfold.Fold(after.Email)
	if username != "" && username != keyfold.Fold(now.Username) && s.usernames[username] > 0 {
		return fmt.Errorf("%w (username)", ErrConflict)
	}
	if email != "" && email != keyfold.Fold(now.Email) && s.emails[email] > 0 {
		return fmt.Errorf("%w (email)", ErrConflict)
	}
	return nil
}

func (s *MemoryStore) put(u User) {
	s.remove(u.ID)
	s.users[u.ID] = u
	s.usernames[keyfold.Fold(u.Username)]++
	s.emails[keyfold.Fold(u.Email)]++
	if !u.ObjectID.IsZero() {
		l := link{u.Source, u.ObjectID}
		s.links[l] = append(s.links[l], u.ID)
	}
}

func (s *MemoryStore) remove(id string) {
	u, ok := s.users[id]
	if !ok {
		return
	}
	delete(s.users, id)
	release(s.usernames, keyfold.Fold(u.Username))
	release(s.emails, keyfold.Fold(u.Email))
	l := link{u.Source, u.ObjectID}
	s.links[l] = slices.DeleteFunc(s.links[l], func(other string) bool { return other == id })
	if len(s.links[l]) == 0 {
		delete(s.links, l)
	}
}

func release(holders map[string]int, key string) {
	if holders[key]--; holders[key] == 0 {
		delete(holders, key)
	}
}

// newID counts up, so that no ID is used twice, even after a deletion.
func (s *MemoryStore) newID() string {
	for {
		s.lastID++
		id := strconv.Itoa(s.lastID)
		if _, taken := s.users[id]; !taken {
			return id
		}
	}
}

// notWritten is nil while the context stands.
func notWritten(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return notDone{fmt.Errorf("adsync: the run was ended, and this was not written: %w", err)}
	}
	return nil
}

// notRead is nil while the context stands.
func notRead(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("adsync: the run was ended before all users were read: %w", err)
	}
	return nil
}

// Dialect names a family of databases.
type Dialect string

// The dialects that [NewSQLStore] speaks.
const (
	PostgreSQL Dialect = "postgresql"
	MySQL      Dialect = "mysql" // and MariaDB
	SQLite     Dialect = "sqlite"
)

// SQLTable says how a host's user table is laid out.
//
// Where is put into every statement, so that a row outside of it is no user. Its
// placeholders are ? in order, or $1, $2 … by number, whatever the dialect; where
// there is a $n, each ? is left alone (PostgreSQL has operators of that name).
//
// Texts are compared to the byte, whatever the column's collation, and NULL and ”
// are the same. The padding of a char(n) is no part of its text. A value that
// cannot be read, as an ObjectID that is none, ends the reading with an error
// that names the row: a sync must not take such a user for a local one.
//
// ObjectIDs in text are read in any case, with or without braces and dashes, and
// written dashed and lower-case. Two rows must not have one username or one
// email, nor one Source and ObjectID: the table's unique indexes see to that, and
// the store reports them as [ErrConflict]; without an index over the ObjectID, an
// import reads the whole table for each batch. An email that is empty is written as
// NULL where the column allows it, as a unique index allows only one empty text;
// other empty details are written as empty texts.
//
// Delete marks a row instead of removing it, and then Where must exclude the
// marked rows. Their username and email become NULL where the columns allow it,
// and else a text with the row's ID.
//
// Defaults may name the ID column, with a driver.Valuer that makes a new ID for
// each row. OnDelete may be called again for the same user, after a rollback.
type SQLTable struct {
	Name      string                                              // table or schema.table
	Columns   SQLColumns                                          // "" = the table has none
	Where     string                                              // which rows are users at all, with placeholders
	Args      []any                                               // for Where
	Source    string                                              // for all rows, where there is no Source column
	Statuses  map[Status]any                                      // how Status is stored, by default as its own name; a value that is unmapped, or mapped by two of them, reads as StatusBlocked
	Defaults  map[string]any                                      // other columns of a created row
	ObjectIDs string                                              // "text" (default), "uuid", "bytes" (as printed), "ad-bytes" (as AD sends them)
	Delete    map[string]any                                      // soft delete: set these instead; both keys are released. Name the ObjectID too, with nil, if it is unique
	OnDelete  func(ctx context.Context, tx *sql.Tx, u User) error // hand over what they own, in the same transaction; an error keeps the user
}

// SQLColumns names the columns. ID, ObjectID and Username are required. ID is the
// primary key, of any type; a Protected column holds a flag or a number.
type SQLColumns struct {
	ID, ObjectID, Source, Username, FirstName, LastName, Email, Phone, Status, Protected string
}

// SQLStore is a [UserStore], [BatchStore], [Creator], [Traiter] and [Locker] over
// an existing table. The host brings the driver.
//
// Each write compares the row with the change's Before in the statement itself. A
// batch is one transaction, in which a row that the database refuses fails alone.
// Transactions that lose against others are tried again for a few seconds. What the
// host's triggers write is undone with them, save in tables without transactions,
// as of MyISAM, where a row that was tried again leaves two traces.
type SQLStore struct {
	db         *sql.DB
	dialect    sqltable.Dialect
	table      SQLTable
	guids      sqltable.GUIDFormat
	columns    []sqlColumn // the mapped ones but the ID
	linkNames  []string    // those that link a user to an entry
	newColumns []string    // those that a new row gets: the mapped ones, then the defaults
	text       *sqltable.Table
	where      []any // the arguments of Where, in the order of the text
	statuses   map[sqltable.Code]Status
	codes      map[Status]any
	statusKind sqltable.Kind
	matches    bool // a statement can compare the whole row

	mu       sync.Mutex
	known    *knownTable // what the database says of the table, once it was asked
	locked   bool        // by a run of this store
	ownSince time.Time   // when a reading of all users began that saw only objectGUIDs as this store spells them
	foreign  int         // readings that saw others
}

// sqlColumn is a mapped column and what it holds.
type sqlColumn struct {
	name  string
	field Field
}

// fieldProtected is no [Field] that a plan names.
const fieldProtected Field = "protected"

// NewSQLStore checks the mapping. It sends nothing to the database.
func NewSQLStore(db *sql.DB, dialect Dialect, table SQLTable) (*SQLStore, error) {
	if db == nil {
		return nil, errors.New("adsync: NewSQLStore needs a database; pass the *sql.DB that your driver opened")
	}
	d, ok := sqltable.ForName(string(dialect))
	if !ok {
		return nil, fmt.Errorf("adsync: there is no dialect %q; use PostgreSQL, MySQL or SQLite", dialect)
	}
	table.Args = slices.Clone(table.Args)
	table.Statuses, table.Defaults, table.Delete = maps.Clone(table.Statuses), maps.Clone(table.Defaults), maps.Clone(table.Delete)
	s := &SQLStore{db: db, dialect: d, table: table}
	for _, prepare := range []func() error{s.mapColumns, s.mapObjectIDs, s.mapStatuses, s.checkDelete, s.checkDefaults, s.makeText} {
		if err := prepare(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *SQLStore) mapColumns() error {
	c := s.table.Columns
	switch {
	case c.ID == "":
		return errors.New("adsync: SQLColumns.ID is missing; name the primary key")
	case c.ObjectID == "":
		return errors.New("adsync: SQLColumns.ObjectID is missing; name the column that links a user to the directory, and add one if there is none")
	case c.Username == "":
		return errors.New("adsync: SQLColumns.Username is missing; name the column of the login name")
	case c.Source != "" && s.table.Source != "":
		return errors.New("adsync: SQLTable has both a Source and a Source column; give one of them")
	}
	seen := map[string]bool{c.ID: true}
	for _, column := range []sqlColumn{
		{c.ObjectID, FieldObjectID}, {c.Source, FieldSource}, {c.Username, FieldUsername},
		{c.FirstName, FieldFirstName}, {c.LastName, FieldLastName}, {c.Email, FieldEmail},
		{c.Phone, FieldPhone}, {c.Status, FieldStatus}, {c.Protected, fieldProtected},
	} {
		if column.name == "" {
			continue
		}
		if seen[column.name] {
			return fmt.Errorf("adsync: SQLColumns names the column %s twice; each holds one thing", column.name)
		}
		seen[column.name] = true
		s.columns = append(s.columns, column)
		s.newColumns = append(s.newColumns, column.name)
		if column.field == FieldObjectID || column.field == FieldSource {
			s.linkNames = append(s.linkNames, column.name)
		}
	}
	s.newColumns = slices.AppendSeq(s.newColumns, slices.Values(slices.Sorted(maps.Keys(s.table.Defaults))))
	return nil
}

func (s *SQLStore) mapObjectIDs() error {
	s.guids = sqltable.GUIDFormat(cmp.Or(s.table.ObjectIDs, string(sqltable.GUIDText)))
	if !s.guids.Valid() {
		return fmt.Errorf("adsync: SQLTable.ObjectIDs is %q; use text, uuid, bytes or ad-bytes", s.table.ObjectIDs)
	}
	if s.guids == sqltable.GUIDNative && !s.dialect.NativeUUID() {
		s.guids = sqltable.GUIDText // how the others show a uuid
	}
	return nil
}

func (s *SQLStore) mapStatuses() error {
	if s.table.Columns.Status == "" {
		if len(s.table.Statuses) > 0 {
			return errors.New("adsync: SQLTable.Statuses is given without a Status column; name the column or leave the map out")
		}
		s.matches = true
		return nil
	}
	given := s.table.Statuses
	if given == nil {
		given = map[Status]any{StatusActive: string(StatusActive), StatusBlocked: string(StatusBlocked), StatusDeactivated: string(StatusDeactivated)}
	}
	s.statuses, s.codes = make(map[sqltable.Code]Status), make(map[Status]any)
	for status, value := range given {
		if err := s.mapStatus(status, value); err != nil {
			return err
		}
	}
	if _, ok := s.codes[StatusActive]; !ok {
		return errors.New("adsync: SQLTable.Statuses has no value for StatusActive; say how an active user is stored")
	}
	return s.checkCodes()
}

// mapStatus enters one status. A value that two statuses share is no longer known
// to be either, and the safe reading is that the host has blocked the user.
func (s *SQLStore) mapStatus(status Status, value any) error {
	status = cmp.Or(status, StatusActive)
	if status != StatusActive && status != StatusBlocked && status != StatusDeactivated {
		return fmt.Errorf("adsync: SQLTable.Statuses maps %q, which is no Status", status)
	}
	if _, twice := s.codes[status]; twice {
		return errors.New(`adsync: SQLTable.Statuses maps both "" and StatusActive, which are the same; give one of them`)
	}
	stored, err := driver.DefaultParameterConverter.ConvertValue(value)
	cell := sqltable.CellOf(stored)
	if err != nil || cell.Bad {
		return fmt.Errorf("adsync: SQLTable.Statuses maps %s to a %T; use a text, a number or a flag", status, value)
	}
	s.codes[status] = stored
	if _, shared := s.statuses[cell.Code()]; shared {
		status = StatusBlocked
	}
	s.statuses[cell.Code()] = status
	return nil
}

// checkCodes chooses how a status is compared: as text, or by the column's type.
func (s *SQLStore) checkCodes() error {
	texts := 0
	for _, code := range s.codes {
		switch code := code.(type) {
		case string:
			if code == "" {
				return errors.New("adsync: SQLTable.Statuses maps to an empty text, which is the same as NULL; use nil, or a word")
			}
			texts++
		case []byte:
			return errors.New("adsync: SQLTable.Statuses maps to bytes; use a text, a number or a flag")
		}
	}
	s.statusKind = sqltable.Raw
	if texts == len(s.codes) {
		s.statusKind = sqltable.Text
	}
	s.matches = s.table.Columns.Status == "" || texts == 0 || texts == len(s.codes)
	return nil
}

func (s *SQLStore) checkDelete() error {
	if s.table.Delete == nil {
		return nil
	}
	if len(s.table.Delete) == 0 {
		return errors.New("adsync: SQLTable.Delete names no column; name what marks a row as deleted, or leave it nil to remove rows")
	}
	if strings.TrimSpace(s.table.Where) == "" {
		return errors.New("adsync: SQLTable.Delete needs a Where that excludes the rows it marks")
	}
	c := s.table.Columns
	for name := range s.table.Delete {
		if name == "" || name == c.ID || name == c.Username || name == c.Email {
			return fmt.Errorf("adsync: SQLTable.Delete must not set the column %q; the store itself releases the keys", name)
		}
	}
	return nil
}

func (s *SQLStore) checkDefaults() error {
	for name := range s.table.Defaults {
		mapped := slices.ContainsFunc(s.columns, func(c sqlColumn) bool { return c.name == name })
		if name == "" || mapped {
			return fmt.Errorf("adsync: SQLTable.Defaults must not set the column %q; it is for columns that SQLColumns does not map", name)
		}
	}
	return nil
}

func (s *SQLStore) makeText() error {
	where, err := s.dialect.ParseWhere(s.table.Where, len(s.table.Args))
	if err != nil {
		return err
	}
	s.where = where.Args(s.table.Args)
	columns := make([]sqltable.Column, len(s.columns))
	for i, c := range s.columns {
		columns[i] = sqltable.Column{Name: c.name, Kind: s.kind(c)}
	}
	s.text, err = sqltable.NewTable(s.dialect, s.table.Name, s.table.Columns.ID, columns, where)
	return err
}

func (s *SQLStore) kind(c sqlColumn) sqltable.Kind {
	switch {
	case c.field == FieldStatus:
		return s.statusKind
	case c.field == fieldProtected:
		return sqltable.Bool
	case c.field == FieldObjectID && s.guids.Binary():
		return sqltable.Raw
	case c.field == FieldObjectID && s.guids == sqltable.GUIDNative:
		return sqltable.Native
	}
	return sqltable.Text
}

// createsAtOnce makes fewer and longer transactions of an import. Its rows come in
// no order, so that each transaction writes most pages of the indexes anew, and
// nobody waits for rows that are not there yet. SQLite's one lock is held for a
// tenth of a second.
const createsAtOnce = 5000

// Traits tells which details have a column, and of FieldStatus where an active and a
// deactivated user can be stored and told apart from all others. New users are best
// written 5,000 at once.
func (s *SQLStore) Traits() Traits {
	return Traits{Fields: s.held(), CreatesAtOnce: createsAtOnce}
}

func (s *SQLStore) held() []Field {
	var held []Field
	for _, c := range s.columns {
		switch c.field {
		case FieldUsername, FieldFirstName, FieldLastName, FieldEmail, FieldPhone:
			held = append(held, c.field)
		case FieldStatus:
			if s.tells(StatusActive) && s.tells(StatusDeactivated) {
				held = append(held, FieldStatus)
			}
		}
	}
	return held
}

// Lock keeps other runs off the table, and fails at once when one has it. It holds
// an advisory lock of PostgreSQL or MySQL on a connection of its own, which ends
// with the process. It does so for the whole table, whatever Where says. Behind a
// pooler that gives a connection to others between transactions, such a lock keeps
// nobody off.
//
// SQLite has no such lock, and a pool of a single connection has none to spare:
// there it keeps apart only the runs of this SQLStore. Runs that meet all the same
// do no harm, as each write compares the row: the later one finds it stale, or
// written already.
func (s *SQLStore) Lock(ctx context.Context) (unlock func() error, err error) {
	if err := notWritten(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.locked {
		return nil, s.lockError(sqlbatch.ErrHeld)
	}
	release, err := s.takeLock(ctx)
	if err != nil {
		return nil, s.lockError(err)
	}
	s.locked = true
	return sync.OnceValue(func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.locked = false
		return release()
	}), nil
}

// takeLock takes the lock of the database, where there is one to take.
func (s *SQLStore) takeLock(ctx context.Context) (release func() error, err error) {
	take, args, ok := s.text.TakeLock()
	if !ok || s.db.Stats().MaxOpenConnections == 1 {
		return func() error { return nil }, nil
	}
	hold, err := sqlbatch.Take(ctx, s.db, take, args...)
	if err != nil {
		return nil, err
	}
	return func() error {
		text, args, _ := s.text.ReleaseLock()
		if err := hold.Release(text, args...); err != nil {
			return fmt.Errorf("adsync: the lock on the table %s was lost before the end of the run, so another may have run beside it; look at both reports: %s", s.table.Name, s.dialect.Fault(err).Reason)
		}
		return nil
	}, nil
}

func (s *SQLStore) lockError(err error) error {
	if errors.Is(err, sqlbatch.ErrHeld) {
		return fmt.Errorf("adsync: another run holds the lock on the table %s; try again when it has ended", s.table.Name)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("adsync: the run was ended before it had the lock on the table %s: %w", s.table.Name, err)
	}
	return fmt.Errorf("adsync: cannot lock the table %s: %s", s.table.Name, s.dialect.Fault(err).Reason)
}

// tells reports whether a status that is written reads as itself.
func (s *SQLStore) tells(status Status) bool {
	code, ok := s.codes[status]
	return ok && s.statuses[sqltable.CellOf(code).Code()] == status
}

// Users reads all users with one query. While others keep the table locked, as
// happens with SQLite, it waits a few seconds for the first row.
func (s *SQLStore) Users(ctx context.Context) iter.Seq2[User, error] {
	return func(yield func(User, error) bool) {
		for try := 1; ; try++ {
			begun, err := s.readAll(ctx, yield)
			busy := err != nil && !begun && s.dialect.Fault(err).Kind == sqltable.Retry
			if busy && sqlbatch.Wait(ctx, try) {
				continue
			}
			if err != nil {
				yield(User{}, s.readError(ctx, err))
			}
			return
		}
	}
}

// readAll reports whether a row was reached, and why the reading failed.
func (s *SQLStore) readAll(ctx context.Context, yield func(User, error) bool) (begun bool, err error) {
	s.mu.Lock()
	foreign, start := s.foreign, time.Now()
	s.mu.Unlock()
	rows, err := s.db.QueryContext(ctx, s.text.Select(), s.where...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	row := s.newRow()
	for rows.Next() {
		begun = true
		u, err := row.read(rows)
		if err != nil {
			return true, ownFault{err}
		}
		if !yield(u, nil) {
			return true, nil
		}
	}
	if err := rows.Err(); err != nil {
		return begun, err
	}
	if !row.foreign {
		s.noteOwn(foreign, start)
	}
	return begun, nil
}

func (s *SQLStore) readError(ctx context.Context, err error) error {
	if ended := notRead(ctx); ended != nil {
		return ended
	}
	var own ownFault
	if errors.As(err, &own) {
		return own.error
	}
	return fmt.Errorf("adsync: cannot read the users of the table %s: %s", s.table.Name, s.dialect.Fault(err).Reason)
}

// sqlRow reads one row after the other.
type sqlRow struct {
	*sqltable.Row
	s        *SQLStore
	idType   string
	askedFor bool // idType
	foreign  bool // an objectGUID was spelled as others do
}

func (s *SQLStore) newRow() *sqlRow {
	return &sqlRow{Row: sqltable.NewRow(1 + len(s.columns)), s: s}
}

func (r *sqlRow) read(rows *sql.Rows) (User, error) {
	if err := r.Scan(rows); err != nil {
		return User{}, fmt.Errorf("adsync: cannot read a row of the table %s; check the mapping", r.s.table.Name)
	}
	id, err := r.id(rows)
	if err != nil {
		return User{}, err
	}
	u := User{ID: id, Source: r.s.table.Source}
	for i, c := range r.s.columns {
		if !r.s.readCell(&u, c.field, r.Cell(i+1)) {
			return User{}, fmt.Errorf("adsync: the column %s of user %s cannot be read as its %s; correct the row, or the mapping", c.name, id, c.field)
		}
		if c.field == FieldObjectID && !r.foreign && !r.s.guids.Own(r.Cell(i+1)) {
			r.foreign = true
			r.s.noteForeign()
		}
	}
	return u, nil
}

// id asks for the column's type only where the driver gave bytes, which some do
// for texts too.
func (r *sqlRow) id(rows *sql.Rows) (string, error) {
	cell := r.Cell(0)
	if cell.Bytes && !r.askedFor {
		r.askedFor = true
		if types, err := rows.ColumnTypes(); err == nil {
			r.idType = types[0].DatabaseTypeName()
		}
	}
	return r.s.idText(cell, r.idType)
}

func (s *SQLStore) idText(cell *sqltable.Cell, typeName string) (string, error) {
	if cell.Bad || cell.Text == "" {
		return "", fmt.Errorf("adsync: a row of the table %s has no ID in its column %s; map the primary key", s.table.Name, s.table.Columns.ID)
	}
	if cell.Bytes && sqltable.IsBinary(typeName) {
		return sqltable.BinaryKey(cell.Text), nil
	}
	return cell.Text, nil
}

// readCell puts a value into the user, and reports whether it could be read.
func (s *SQLStore) readCell(u *User, f Field, cell *sqltable.Cell) bool {
	switch f {
	case FieldObjectID:
		id, ok := s.guids.Read(cell)
		u.ObjectID = ObjectID(id)
		return ok
	case FieldStatus:
		status, known := s.statuses[cell.Code()]
		if !known || cell.Bad {
			status = StatusBlocked
		}
		u.Status = status
		return true
	case fieldProtected:
		flag, ok := cell.Flag()
		u.Protected = flag
		return ok
	}
	*u.stored(f) = cell.Text
	return !cell.Bad
}

// UpdateUser writes what differs between c.Before and c.After.
func (s *SQLStore) UpdateUser(ctx context.Context, c Change) error {
	return s.applyOne(ctx, c, OpUpdate).Err
}

// DeleteUser removes the row, or marks it as SQLTable.Delete says.
func (s *SQLStore) DeleteUser(ctx context.Context, c Change) error {
	return s.applyOne(ctx, c, OpDelete).Err
}

// CreateUser adds c.After, with SQLTable.Defaults in the other columns.
func (s *SQLStore) CreateUser(ctx context.Context, c Change) (string, error) {
	w := s.applyOne(ctx, c, OpCreate)
	return w.UserID, w.Err
}

func (s *SQLStore) applyOne(ctx context.Context, c Change, op Op) Written {
	if err := c.CheckShape(op); err != nil {
		return Written{Err: err}
	}
	return s.ApplyChanges(ctx, []Change{c})[0]
}

// ApplyChanges writes all changes in one transaction. One that the database or
// OnDelete refuses is undone alone; in a batch of more than 500 the others are then
// written in transactions of 500. When the context ends before a commit, nothing of
// that transaction is written; when the commit is not answered, each is [ErrUnknown].
func (s *SQLStore) ApplyChanges(ctx context.Context, cs []Change) []Written {
	out := make([]Written, len(cs))
	if len(cs) == 0 {
		return out
	}
	known, err := s.look(ctx)
	if err != nil {
		for i := range out {
			out[i].Err = err
		}
		return out
	}
	copy(out, s.writeBatch(ctx, known, cs))
	for i, c := range cs {
		// The key may be held by the row of this very entry, which another run has
		// just created. A second look finds it, if it comes to that.
		if c.Op == OpCreate && errors.Is(out[i].Err, ErrConflict) {
			if again := s.writeBatch(ctx, known, cs[i:i+1])[0]; !errors.Is(again.Err, ErrNotWritten) {
				out[i] = again
			}
		}
	}
	return out
}

func (s *SQLStore) writeBatch(ctx context.Context, known *knownTable, cs []Change) []Written {
	b := &sqlBatch{SQLStore: s, knownTable: known, changes: cs, ids: make([]string, len(cs))}
	return b.explain(b.batch().Run(ctx))
}

// knownTable is what the database says of the table.
type knownTable struct {
	types sqltable.Types  // of the columns that are used
	sql   *sqltable.Table // the statements, which heed its quirks
}

// look asks the database once what the table is like, and checks that all columns are
// there.
func (s *SQLStore) look(ctx context.Context) (*knownTable, error) {
	s.mu.Lock()
	known := s.known
	s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	known, err := s.lookPatiently(ctx)
	if err != nil {
		return nil, err
	}
	if known.types, err = s.usedTypes(known.types); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = known
	return known, nil
}

func (s *SQLStore) lookPatiently(ctx context.Context) (*knownTable, error) {
	for try := 1; ; try++ {
		known, err := s.ask(ctx)
		if err == nil {
			return known, nil
		}
		if s.dialect.Fault(err).Kind != sqltable.Retry || !sqlbatch.Wait(ctx, try) {
			return nil, s.typesError(ctx, err)
		}
	}
}

func (s *SQLStore) ask(ctx context.Context) (*knownTable, error) {
	text, args := s.text.Catalogue()
	rows, err := s.db.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	types, err := sqltable.ReadTypes(rows)
	if err != nil || len(types) == 0 {
		return &knownTable{types, s.text}, err
	}
	text, args, has := s.text.Quirks()
	if !has {
		return &knownTable{types, s.text}, nil
	}
	if rows, err = s.db.QueryContext(ctx, text, args...); err != nil {
		return nil, err
	}
	heeding, err := s.text.Heed(rows)
	return &knownTable{types, heeding}, err
}

func (s *SQLStore) typesError(ctx context.Context, err error) error {
	if ended := notWritten(ctx); ended != nil {
		return ended
	}
	return notDone{fmt.Errorf("adsync: cannot ask the database for the columns of the table %s, so nothing was written: %s", s.table.Name, s.dialect.Fault(err).Reason)}
}

// usedTypes picks the columns that are mapped, by the names that the host gave them.
func (s *SQLStore) usedTypes(types sqltable.Types) (sqltable.Types, error) {
	if len(types) == 0 {
		return nil, fmt.Errorf("adsync: the database has no table %s, or does not show it to this account; check SQLTable.Name", s.table.Name)
	}
	used := make(sqltable.Types)
	for _, name := range slices.Concat([]string{s.table.Columns.ID}, s.newColumns, slices.Sorted(maps.Keys(s.table.Delete))) {
		t, ok := types.Find(name)
		if !ok {
			return nil, fmt.Errorf("adsync: the table %s has no column %s; correct SQLTable", s.table.Name, name)
		}
		used[name] = t
	}
	if used[s.table.Columns.ID].Name == "" {
		return nil, fmt.Errorf("adsync: the column %s of the table %s has no type, and so a number in it never equals its own text; declare one, as INTEGER or TEXT", s.table.Columns.ID, s.table.Name)
	}
	return used, nil
}

// sqlBatch writes the changes of one transaction.
type sqlBatch struct {
	*SQLStore
	*knownTable
	changes []Change
	ids     []string // of the users that are created, or were there already

	tx    *sqlbatch.Tx    // the one that links was read in
	links map[link]string // the rows that the changes would create again, by ID
	added map[link]string // the rows that tx added ahead, by ID

	countedTx *sqlbatch.Tx // the one that done is of
	done      map[int]bool // the changes that countedTx wrote ahead

	updates []updateText // that were needed so far
}

// updateText is the text of a statement, which is longer in the making than some
// databases take to run it.
type updateText struct {
	set   []string
	match bool
	text  string
}

func (b *sqlBatch) updateText(set []string, match bool) string {
	for _, u := range b.updates {
		if u.match == match && slices.Equal(u.set, set) {
			return u.text
		}
	}
	text := b.sql.Update(set, match)
	b.updates = append(b.updates, updateText{set, match, text})
	return text
}

func (b *sqlBatch) batch() sqlbatch.Batch {
	return sqlbatch.Batch{
		DB:    b.db,
		Lock:  b.sql.LockWrites(),
		Len:   len(b.changes),
		Apply: b.apply,
		Bulk:  b.bulkWriter(),
		Ahead: b.ahead,
		Part: func(from, to int) sqlbatch.Batch {
			return (&sqlBatch{SQLStore: b.SQLStore, knownTable: b.knownTable, changes: b.changes[from:to], ids: b.ids[from:to]}).batch()
		},
		Retry:   func(err error) bool { return b.dialect.Fault(err).Kind == sqltable.Retry },
		Refused: func(err error) bool { return b.dialect.Fault(err).Kind != sqltable.Other },
		Ended:   b.dialect.NoTransaction,
		Stop:    func(err error) bool { return b.dialect.Fault(err).Kind == sqltable.ReadOnly },
	}
}

// ownFault is a fault in the words of this package, or of the host's OnDelete.
type ownFault struct{ error }

func (e ownFault) Unwrap() error { return e.error }

func (b *sqlBatch) apply(ctx context.Context, tx *sqlbatch.Tx, i int) (verdict, fault error) {
	c := b.changes[i]
	b.ids[i] = ""
	if b.countedTx == tx && b.done[i] {
		return nil, nil
	}
	if err := c.CheckShape(c.writeOp()); err != nil {
		return err, nil
	}
	switch c.Op {
	case OpDelete:
		return b.delete(ctx, tx, c)
	case OpCreate:
		return b.create(ctx, tx, i)
	}
	return b.update(ctx, tx, c)
}

// update first writes where the row is to the byte as planned. Only when it is
// not does it read the row, and lets Guard judge: a row may read the same and
// still be stored otherwise, as an objectGUID in another spelling.
func (b *sqlBatch) update(ctx context.Context, tx *sqlbatch.Tx, c Change) (verdict, fault error) {
	if c.Before == nil {
		return ErrStale, nil
	}
	set, values, err := b.assignments(c.Before, c.After)
	if err != nil {
		return err, nil
	}
	write := func(match []any) (int64, error) {
		args := slices.Concat(values, []any{b.bindID(c.UserID)}, match, b.where)
		return one(tx.Exec(ctx, b.updateText(set, match != nil), args...))
	}
	if match, ok := b.matchArgs(nil, c); ok && len(set) > 0 {
		if n, fault := write(match); n > 0 || fault != nil {
			return nil, fault
		}
	}
	now, fault := b.lockRow(ctx, tx, c.UserID)
	if fault != nil {
		return nil, fault
	}
	if err := c.Guard(now); err != nil || len(set) == 0 {
		return err, nil
	}
	n, fault := write(nil)
	return nil, b.took(ctx, tx, c, n, fault)
}

// took makes sure of a write after which the database says that no row was written,
// as MySQL does of one that changes nothing, and any other where a trigger swallowed
// it.
func (b *sqlBatch) took(ctx context.Context, tx *sqlbatch.Tx, c Change, n int64, fault error) error {
	if n > 0 || fault != nil {
		return fault
	}
	now, fault := b.lockRow(ctx, tx, c.UserID)
	if fault == nil && !errors.Is(c.Guard(now), ErrAlready) {
		fault = ownFault{fmt.Errorf("adsync: the database left user %s as it was, and gave no reason; look for a trigger, a rule or a policy on the table %s", c.UserID, b.table.Name)}
	}
	return fault
}

// delete does the same, but where OnDelete is to be asked the row is read first.
func (b *sqlBatch) delete(ctx context.Context, tx *sqlbatch.Tx, c Change) (verdict, fault error) {
	if match, ok := b.matchArgs(nil, c); ok && b.table.OnDelete == nil {
		n, fault := b.remove(ctx, tx, c.UserID, match)
		if n > 0 || fault != nil {
			return nil, fault
		}
	}
	now, fault := b.lockRow(ctx, tx, c.UserID)
	if fault != nil {
		return nil, fault
	}
	if err := c.Guard(now); err != nil {
		return err, nil
	}
	if b.table.OnDelete != nil {
		if err := b.table.OnDelete(ctx, tx.Tx, *now); err != nil {
			return nil, ownFault{fmt.Errorf("adsync: OnDelete kept user %s: %w", c.UserID, err)}
		}
	}
	n, fault := b.remove(ctx, tx, c.UserID, nil)
	return nil, b.took(ctx, tx, c, n, fault)
}

// remove deletes the row, or marks it and frees its keys.
func (b *sqlBatch) remove(ctx context.Context, tx *sqlbatch.Tx, id string, match []any) (int64, error) {
	if b.table.Delete == nil {
		args := slices.Concat([]any{b.bindID(id)}, match, b.where)
		return one(tx.Exec(ctx, b.sql.Delete(match != nil), args...))
	}
	set, values := b.removal(id)
	args := slices.Concat(values, []any{b.bindID(id)}, match, b.where)
	n, err := one(tx.Exec(ctx, b.updateText(set, match != nil), args...))
	if n == 0 || err != nil {
		return n, err
	}
	if still, err := b.lockRow(ctx, tx, id); err != nil || still == nil {
		return n, err
	}
	return 0, b.stillThere(id)
}

// removal lists what marks a row as deleted and frees its keys; nothing where rows
// are removed.
func (b *sqlBatch) removal(id string) (set []string, values []any) {
	if b.table.Delete == nil {
		return nil, nil
	}
	set = slices.Sorted(maps.Keys(b.table.Delete))
	for _, name := range set {
		values = append(values, b.table.Delete[name])
	}
	for _, key := range [][2]string{{b.table.Columns.Username, "~deleted-" + id}, {b.table.Columns.Email, "~deleted-" + id + "@adsync.invalid"}} {
		if key[0] != "" {
			set = append(set, key[0])
			values = append(values, b.nullOr(key[0], key[1]))
		}
	}
	return set, values
}

func (b *sqlBatch) stillThere(id string) error {
	return ownFault{fmt.Errorf("adsync: user %s is still a user after the deletion, and was kept; make SQLTable.Where exclude the rows that Delete marks", id)}
}

// one refuses to write several rows for one ID.
func one(n int64, err error) (int64, error) {
	if err == nil && n > 1 {
		err = ownFault{errors.New("adsync: several rows have this ID, and none was written; map the primary key as SQLColumns.ID")}
	}
	return n, err
}

// lockRow reads the row as it is now and holds it; nil when there is none.
func (b *sqlBatch) lockRow(ctx context.Context, tx *sqlbatch.Tx, id string) (*User, error) {
	users, err := b.readUsers(ctx, tx, b.sql.SelectRow(), slices.Concat([]any{b.bindID(id)}, b.where))
	if err != nil || len(users) == 0 {
		return nil, err
	}
	_, err = one(int64(len(users)), nil)
	return &users[0], err
}

func (b *sqlBatch) readUsers(ctx context.Context, tx *sqlbatch.Tx, text string, args []any) ([]User, error) {
	rows, err := tx.Rows(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	return b.collect(rows)
}

func (b *sqlBatch) collect(rows *sql.Rows) ([]User, error) {
	defer rows.Close()
	row := b.newRow()
	var users []User
	for rows.Next() {
		u, err := row.read(rows)
		if err != nil {
			return nil, ownFault{err}
		}
		users = append(users, u)
	}
	return users, rows.Err()
}

// create adds a row, unless the entry has one.
func (b *sqlBatch) create(ctx context.Context, tx *sqlbatch.Tx, i int) (verdict, fault error) {
	if fault := b.begin(ctx, tx); fault != nil {
		return nil, fault
	}
	c := b.changes[i]
	l := link{c.After.Source, c.After.ObjectID}
	if id, ok := b.added[l]; ok {
		b.ids[i] = id
		b.links[l] = id
		delete(b.added, l)
		return nil, nil
	}
	if id, ok := b.links[l]; ok {
		b.ids[i] = id
		return ErrAlready, nil
	}
	if err := c.Guard(nil); err != nil {
		return err, nil
	}
	values, err := b.newValues(c.After)
	if err != nil {
		return err, nil
	}
	id, fault := b.insert(ctx, tx, l, values)
	if fault != nil {
		return nil, fault
	}
	b.ids[i] = id
	if !l.id.IsZero() {
		b.links[l] = id
	}
	return nil, nil
}

// begin looks, once in each transaction, for what is there already.
func (b *sqlBatch) begin(ctx context.Context, tx *sqlbatch.Tx) (fault error) {
	if b.tx == tx {
		return nil
	}
	b.added = map[link]string{}
	if b.links, fault = b.findLinks(ctx, tx); fault == nil {
		b.tx = tx
	}
	return fault
}

// createAhead adds rows with one statement for many, which is several times as
// fast where the server is another process. It leaves all that takes a closer look
// to create.
func (b *sqlBatch) createAhead(ctx context.Context, tx *sqlbatch.Tx) error {
	var fresh []*User
	for _, i := range b.order() {
		c := b.changes[i]
		if c.CheckShape(OpCreate) == nil && c.Guard(nil) == nil && !c.After.ObjectID.IsZero() {
			fresh = append(fresh, c.After)
		}
	}
	if len(fresh) < 2 {
		return nil
	}
	if fault := b.begin(ctx, tx); fault != nil {
		return fault
	}
	fresh = slices.DeleteFunc(fresh, func(u *User) bool { return b.links[link{u.Source, u.ObjectID}] != "" })
	return b.insertAhead(ctx, tx, fresh)
}

// insertAhead adds rows that are not there.
func (b *sqlBatch) insertAhead(ctx context.Context, tx *sqlbatch.Tx, users []*User) error {
	var many insertText
	for rows := range slices.Chunk(users, b.rowsAtOnce()) {
		if len(rows) != many.rows {
			var fault error
			if many, fault = b.insertText(ctx, tx, len(rows)); fault != nil {
				return fault
			}
		}
		if fault := b.insertMany(ctx, tx, many, rows); fault != nil {
			return fault
		}
	}
	return nil
}

// rowsAtOnce is how many rows one statement adds: as many as pay, few enough for the
// arguments that a statement may have, and fewer where the host makes each of them long,
// so that no packet gets too large.
func (b *sqlBatch) rowsAtOnce() int {
	const arguments, fewest = 32000, 100
	most := b.dialect.RowsAtOnce()
	for _, v := range b.table.Defaults {
		if len(sqltable.CellOf(v).Text) > textMost {
			most = fewest
		}
	}
	return max(1, min(most, arguments/len(b.newColumns)))
}

// insertText is a statement that adds so many rows.
type insertText struct {
	text    string
	rows    int
	returns bool // the ID and link of each row
	judges  bool // and whether it is one of the host's users
}

// insertText asks a server that may return new rows to prepare such a statement, which
// writes nothing. Where it does not like it, the rows are looked for afterwards.
func (b *sqlBatch) insertText(ctx context.Context, tx *sqlbatch.Tx, n int) (many insertText, fault error) {
	if b.dialect.Returning() {
		return insertText{text: b.sql.InsertRows(b.newColumns, n, b.linkNames...), rows: n, returns: true}, nil
	}
	if text, ok := b.sql.InsertReturning(b.newColumns, n, b.linkNames...); ok {
		refusal := tx.Prepare(ctx, text)
		if refusal == nil {
			return insertText{text: text, rows: n, returns: true, judges: true}, nil
		}
		fault = b.unlessRefused(ctx, refusal)
	}
	return insertText{text: b.sql.InsertRows(b.newColumns, n), rows: n}, fault
}

// order lists the changes with the new users at the end, by name. Addresses mostly
// follow names, so an import goes along the indexes and not to and fro in them: with
// SQLite's usual cache that saves a quarter of the work.
func (b *sqlBatch) order() []int {
	var order, creates []int
	for i, c := range b.changes {
		if c.Op == OpCreate && c.After != nil {
			creates = append(creates, i)
		} else {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(creates, func(i, k int) int {
		return strings.Compare(b.changes[i].After.Username, b.changes[k].After.Username)
	})
	return append(order, creates...)
}

// insertMany notes the new rows' IDs by what the database says that it has added.
func (b *sqlBatch) insertMany(ctx context.Context, tx *sqlbatch.Tx, many insertText, rows []*User) error {
	all := make([]any, 0, len(rows)*len(b.newColumns))
	for _, u := range rows {
		values, err := b.newValues(u)
		if err != nil {
			return ownFault{err} // create says whose it is
		}
		all = append(all, values...)
	}
	known := len(b.added)
	if err := b.insertAndRead(ctx, tx, many, all, rows); err != nil {
		return err
	}
	if len(b.added)-known != len(rows) {
		return ownFault{errNoNewID}
	}
	return nil
}

// insertAndRead notes what the statement returns, or what is to be found afterwards.
func (b *sqlBatch) insertAndRead(ctx context.Context, tx *sqlbatch.Tx, many insertText, values []any, rows []*User) error {
	if many.returns {
		if many.judges {
			values = append(values, b.where...)
		}
		added, err := tx.Rows(ctx, many.text, values...)
		if err != nil {
			return err
		}
		return b.readAdded(added, many.judges)
	}
	if _, err := tx.Exec(ctx, many.text, values...); err != nil {
		return err
	}
	bySource := make(map[string][]ObjectID)
	for _, u := range rows {
		bySource[u.Source] = append(bySource[u.Source], u.ObjectID)
	}
	for source, ids := range bySource {
		if err := b.addLinks(ctx, tx, b.added, b.ownSpelled, source, ids...); err != nil {
			return err
		}
	}
	return nil
}

// readAdded reads the IDs and links of new rows; of those that are users, if it is told.
func (b *sqlBatch) readAdded(rows *sql.Rows, judged bool) error {
	defer rows.Close()
	size := 1 + len(b.linkNames)
	if judged {
		size++
	}
	row := sqltable.NewRow(size)
	for rows.Next() {
		if err := row.Scan(rows); err != nil {
			return err
		}
		if judged {
			if user, _ := row.Cell(size - 1).Flag(); !user {
				continue
			}
		}
		id, err := b.idText(row.Cell(0), b.idType())
		if err != nil {
			return ownFault{errNoNewID}
		}
		l, ok := b.readLink(row)
		if !ok {
			return ownFault{errNoNewID}
		}
		b.added[l] = id
	}
	return cmp.Or(rows.Close(), rows.Err())
}

// readLink reads the link that stands behind the ID of a new row.
func (b *sqlBatch) readLink(row *sqltable.Row) (l link, ok bool) {
	u, at := User{Source: b.table.Source}, 1
	for _, c := range b.columns {
		if slices.Contains(b.linkNames, c.name) {
			if !b.readCell(&u, c.field, row.Cell(at)) {
				return link{}, false
			}
			at++
		}
	}
	return link{u.Source, u.ObjectID}, true
}

// findLinks finds the rows of all entries of the batch at once: where the column
// has no index, one search for each would read the table as often.
func (b *sqlBatch) findLinks(ctx context.Context, tx *sqlbatch.Tx) (map[link]string, error) {
	wanted := make(map[string][]ObjectID)
	for _, c := range b.changes {
		if c.Op == OpCreate && c.After != nil && !c.After.ObjectID.IsZero() {
			wanted[c.After.Source] = append(wanted[c.After.Source], c.After.ObjectID)
		}
	}
	found := make(map[link]string)
	const most = 5000 // an entry is up to 6 arguments, of which SQLite takes 32,766
	for source, all := range wanted {
		for ids := range slices.Chunk(all, most) {
			if err := b.addLinks(ctx, tx, found, b.spellings, source, ids...); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

func (b *sqlBatch) addLinks(ctx context.Context, tx *sqlbatch.Tx, found map[link]string, spell func(ObjectID) []any, source string, ids ...ObjectID) error {
	var values, args []any
	for _, id := range ids {
		values = append(values, spell(id)...)
	}
	if b.table.Columns.Source != "" {
		args = append(args, source)
	}
	text, values := b.selectLinks(source, values)
	users, err := b.readUsers(ctx, tx, text, slices.Concat(args, values, b.where))
	for _, u := range users {
		found[link{u.Source, u.ObjectID}] = u.ID
	}
	return err
}

// selectLinks looks for objectGUIDs: with an array, where there are arrays, as thousands
// of arguments cost more than to look for them.
func (b *sqlBatch) selectLinks(source string, values []any) (text string, args []any) {
	column, sources := b.table.Columns.ObjectID, b.table.Columns.Source
	if !b.dialect.HasBulk() {
		return b.sql.SelectLinks(sources, source == "", column, len(values)), values
	}
	all := sqltable.Array{Type: b.types[column].Name}
	for _, v := range values {
		all.Add(v)
	}
	return b.sql.SelectLinksMany(b.types, sources, source == "", column), []any{all.String()}
}

// spellings are what to look for. Six of them for each entry cost SQLite as much as
// the inserts; so a batch, which comes from a run that has just read all users,
// trusts that where nobody spelled otherwise, nobody does so now. A row that another
// program adds meanwhile, spelled otherwise, is found as the holder of the same keys:
// ApplyChanges looks again then, for one entry, and so in all spellings. With other
// keys it is missed, and the next sync reports both as linked to one entry.
func (b *sqlBatch) spellings(id ObjectID) []any {
	if len(b.changes) > 1 && b.spellsAlone() {
		return b.ownSpelled(id)
	}
	return b.guids.Spellings(adattr.GUID(id))
}

// spellingFor is how long a reading of all users is taken for news: a run takes
// minutes, and reads them first.
const spellingFor = 15 * time.Minute

// spellsAlone reports whether all users were read lately, and no objectGUID was
// spelled otherwise than this store spells it.
func (s *SQLStore) spellsAlone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.ownSince) < spellingFor
}

func (s *SQLStore) noteForeign() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.foreign, s.ownSince = s.foreign+1, time.Time{}
}

// noteOwn notes a reading that began at start, unless another saw other spellings
// since.
func (s *SQLStore) noteOwn(foreign int, start time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.foreign == foreign {
		s.ownSince = start
	}
}

func (b *sqlBatch) ownSpelled(id ObjectID) []any { return []any{b.guids.Write(adattr.GUID(id))} }

// insert returns the new row's ID, in the way that the dialect has.
func (b *sqlBatch) insert(ctx context.Context, tx *sqlbatch.Tx, l link, values []any) (string, error) {
	text := b.sql.Insert(b.newColumns)
	if b.dialect.Returning() {
		return b.insertReturning(ctx, tx, text, values)
	}
	res, err := tx.Result(ctx, text, values...)
	if err != nil {
		return "", err
	}
	if _, own := b.table.Defaults[b.table.Columns.ID]; !own {
		if id, err := res.LastInsertId(); err == nil && id > 0 {
			return strconv.FormatInt(id, 10), nil
		}
	}
	found := make(map[link]string)
	if err := b.addLinks(ctx, tx, found, b.ownSpelled, l.source, l.id); err != nil {
		return "", err
	}
	if id := found[l]; id != "" {
		return id, nil
	}
	return "", ownFault{errNoNewID}
}

var errNoNewID = errors.New("adsync: the new row was not kept, as its ID or the row itself is not to be found; give the ID column a default, and make SQLTable.Defaults fit SQLTable.Where")

func (b *sqlBatch) insertReturning(ctx context.Context, tx *sqlbatch.Tx, text string, values []any) (string, error) {
	rows, err := tx.Rows(ctx, text, values...)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	row := sqltable.NewRow(1)
	if rows.Next() {
		if err := row.Scan(rows); err != nil {
			return "", err
		}
	}
	if err := cmp.Or(rows.Close(), rows.Err()); err != nil {
		return "", err
	}
	id, err := b.idText(row.Cell(0), b.idType())
	if err != nil {
		return "", ownFault{errNoNewID}
	}
	return id, nil
}

// assignments lists the columns that differ, and their new values.
func (b *sqlBatch) assignments(before, after *User) (set []string, values []any, err error) {
	for _, f := range storedFields {
		if sameIn(f, before, after) {
			continue
		}
		i := slices.IndexFunc(b.columns, func(c sqlColumn) bool { return c.field == f })
		if i < 0 {
			return nil, nil, b.noColumn(f)
		}
		value, err := b.storedValue(b.columns[i], after)
		if err != nil {
			return nil, nil, err
		}
		set, values = append(set, b.columns[i].name), append(values, value)
	}
	return set, values, nil
}

// newValues are what a new row holds in newColumns.
func (b *sqlBatch) newValues(u *User) ([]any, error) {
	if f := b.unmapped(u); f != "" {
		return nil, b.noColumn(f)
	}
	values := make([]any, len(b.newColumns))
	for i, c := range b.columns {
		value, err := b.storedValue(c, u)
		if err != nil {
			return nil, err
		}
		values[i] = value
	}
	for i := len(b.columns); i < len(values); i++ {
		values[i] = b.table.Defaults[b.newColumns[i]]
	}
	return values, nil
}

// storedFields are all that a row holds beside its ID.
var storedFields = append([]Field{FieldObjectID, FieldSource, FieldStatus, fieldProtected}, details[:]...)

// sameIn reports whether a store has nothing to write for the field.
func sameIn(f Field, before, after *User) bool {
	switch f {
	case FieldObjectID:
		return before.ObjectID == after.ObjectID
	case FieldStatus:
		return cmp.Or(before.Status, StatusActive) == cmp.Or(after.Status, StatusActive)
	case fieldProtected:
		return before.Protected == after.Protected
	}
	return *before.stored(f) == *after.stored(f)
}

// unmapped names a thing that the user has and the table has no column for.
func (s *SQLStore) unmapped(u *User) Field {
	base := User{Source: s.table.Source}
	for _, f := range storedFields {
		if !sameIn(f, &base, u) && !slices.ContainsFunc(s.columns, func(c sqlColumn) bool { return c.field == f }) {
			return f
		}
	}
	return ""
}

func (s *SQLStore) noColumn(f Field) error {
	return fmt.Errorf("adsync: the table %s has no column for %s; map one, or leave it out of the plan", s.table.Name, f)
}

// storedValue is what the column is to hold.
func (b *sqlBatch) storedValue(c sqlColumn, u *User) (any, error) {
	switch c.field {
	case FieldObjectID:
		if !u.ObjectID.IsZero() {
			return b.guids.Write(adattr.GUID(u.ObjectID)), nil
		}
		if b.guids == sqltable.GUIDText {
			return b.nullOr(c.name, ""), nil
		}
		return b.nullOr(c.name, b.guids.Write(adattr.GUID{})), nil
	case FieldStatus:
		code, ok := b.codes[cmp.Or(u.Status, StatusActive)]
		if !ok {
			return nil, fmt.Errorf("adsync: SQLTable.Statuses has no value for %q; add one", u.Status)
		}
		return code, nil
	case fieldProtected:
		if b.types[c.name].Name == "boolean" {
			return u.Protected, nil
		}
		if u.Protected {
			return 1, nil
		}
		return 0, nil
	case FieldEmail:
		if u.Email == "" {
			return b.nullOr(c.name, ""), nil
		}
	}
	return *u.stored(c.field), nil
}

// nullOr is NULL where the column allows it.
func (b *sqlBatch) nullOr(column string, otherwise any) any {
	if b.types[column].Nullable {
		return nil
	}
	return otherwise
}

func (b *sqlBatch) idType() string { return b.types[b.table.Columns.ID].Name }

// bindID is the ID as the driver is to send it: all databases turn a text into
// the type of the column, save for bytes.
func (b *sqlBatch) bindID(id string) any {
	if sqltable.IsBinary(b.idType()) {
		if key, ok := sqltable.ParseBinaryKey(id); ok {
			return key
		}
	}
	return id
}

// matchArgs appends the arguments that compare the row with Before; not ok where the
// statement cannot tell, and the row has to be read.
func (b *sqlBatch) matchArgs(args []any, c Change) (_ []any, ok bool) {
	u := c.Before
	if u == nil || u.ID != c.UserID || !b.matches || b.sql.Uncounted() {
		return args, false
	}
	if b.unmapped(u) != "" {
		return args, false // no row reads like that
	}
	args = slices.Grow(args, len(b.columns)+1)
	for _, col := range b.columns {
		switch col.field {
		case FieldObjectID:
			args = append(args, b.matchObjectID(u.ObjectID))
		case FieldStatus:
			status := cmp.Or(u.Status, StatusActive)
			if !b.tells(status) {
				return args, false
			}
			args = append(args, b.codes[status])
		case fieldProtected:
			if u.Protected {
				args = append(args, "1", "true")
			} else {
				args = append(args, "0", "false")
			}
		default:
			args = append(args, *u.stored(col.field))
		}
	}
	return args, true
}

func (b *sqlBatch) matchObjectID(id ObjectID) any {
	switch {
	case !id.IsZero():
		return b.guids.Write(adattr.GUID(id))
	case b.guids == sqltable.GUIDText:
		return ""
	}
	return nil
}

// bulkWriter is nil where the changes have to be written one by one: two changes
// of one row or entry, or a dialect without statements for many rows.
func (b *sqlBatch) bulkWriter() func(context.Context, *sqlbatch.Tx) ([]error, error) {
	if !b.dialect.HasBulk() || !b.touchApart() {
		return nil
	}
	return func(ctx context.Context, tx *sqlbatch.Tx) ([]error, error) {
		verdicts := make([]error, len(b.changes))
		return verdicts, (&bulkWriter{sqlBatch: b, tx: tx, verdicts: verdicts}).writeAll(ctx)
	}
}

// touchApart reports whether no two changes touch one row or entry.
func (b *sqlBatch) touchApart() bool {
	users, entries := make(map[string]bool, len(b.changes)), make(map[ObjectID]bool)
	for _, c := range b.changes {
		switch {
		case c.Op != OpCreate:
			if users[c.UserID] {
				return false
			}
			users[c.UserID] = true
		case c.After != nil:
			if c.After.ObjectID.IsZero() || entries[c.After.ObjectID] {
				return false
			}
			entries[c.After.ObjectID] = true
		}
	}
	return true
}

// bulkWriter writes changes that do not touch the same rows with one statement
// for each kind.
type bulkWriter struct {
	*sqlBatch
	tx       *sqlbatch.Tx
	verdicts []error
	groups   []*bulkGroup
	unsure   []int // changes whose rows have to be read
	values   []any // of one row at a time
}

// bulkGroup is changes that write the same columns.
type bulkGroup struct {
	*sqltable.Bulk
	op      Op
	set     []string
	changes []int
}

func (w *bulkWriter) newGroup(op Op, set []string) *bulkGroup {
	g := &bulkGroup{op: op, set: set}
	switch {
	case op == OpCreate:
		g.Bulk = w.sql.InsertMany(w.types, set, w.table.Columns.ObjectID)
	case op == OpDelete && w.table.Delete == nil:
		g.Bulk = w.sql.DeleteMany(w.types)
	default:
		g.Bulk = w.sql.UpdateMany(w.types, set)
	}
	return g
}

func (w *bulkWriter) writeAll(ctx context.Context) error {
	for _, i := range w.order() {
		if err := w.sort(ctx, i); err != nil {
			return err
		}
	}
	for _, g := range w.groups {
		if err := w.write(ctx, g); err != nil {
			return err
		}
	}
	return w.settle(ctx)
}

// sort puts a change into its group, or where it cannot be written at once.
func (w *bulkWriter) sort(ctx context.Context, i int) (fault error) {
	c := w.changes[i]
	w.ids[i] = ""
	if w.verdicts[i] = c.CheckShape(c.writeOp()); w.verdicts[i] != nil {
		return nil
	}
	var set []string
	var values []any
	switch c.Op {
	case OpCreate:
		set, values, fault = w.newRow(ctx, i)
	case OpDelete:
		if w.table.OnDelete != nil {
			w.verdicts[i], fault = w.delete(ctx, w.tx, c)
			return fault
		}
		set, values = w.removal(c.UserID)
	default:
		if c.Before == nil {
			w.verdicts[i] = ErrStale
			return nil
		}
		set, values, w.verdicts[i] = w.assignments(c.Before, c.After)
	}
	if fault != nil || w.verdicts[i] != nil {
		return fault
	}
	if c.Op != OpCreate {
		w.values = append(append(w.values[:0], w.bindID(c.UserID)), values...)
		var ok bool
		if w.values, ok = w.matchArgs(w.values, c); !ok || c.Op == OpUpdate && len(set) == 0 {
			w.unsure = append(w.unsure, i)
			return nil
		}
		values = w.values
	}
	return w.enter(i, set, values)
}

// newRow is create up to the writing.
func (w *bulkWriter) newRow(ctx context.Context, i int) (set []string, values []any, fault error) {
	if w.sqlBatch.tx != w.tx {
		if w.links, fault = w.findLinks(ctx, w.tx); fault != nil {
			return nil, nil, fault
		}
		w.sqlBatch.tx = w.tx
	}
	c := w.changes[i]
	id, there := w.links[link{c.After.Source, c.After.ObjectID}]
	if there {
		w.ids[i], w.verdicts[i] = id, ErrAlready
		return nil, nil, nil
	}
	if w.verdicts[i] = c.Guard(nil); w.verdicts[i] != nil {
		return nil, nil, nil
	}
	values, w.verdicts[i] = w.newValues(c.After)
	return w.newColumns, values, nil
}

// enter adds the change to the group of its kind.
func (w *bulkWriter) enter(i int, set []string, values []any) error {
	op := w.changes[i].Op
	at := slices.IndexFunc(w.groups, func(g *bulkGroup) bool { return g.op == op && slices.Equal(g.set, set) })
	if at < 0 {
		at = len(w.groups)
		w.groups = append(w.groups, w.newGroup(op, set))
		w.groups[at].Grow(min(len(w.changes)-i, defaultBatchSize))
	}
	g := w.groups[at]
	g.changes = append(g.changes, i)
	return g.Add(values)
}

// write runs the statement of a group. The rows that it does not find as planned
// are left to settle.
func (w *bulkWriter) write(ctx context.Context, g *bulkGroup) error {
	if g.op == OpCreate {
		return w.insertAll(ctx, g)
	}
	written, err := w.ordinals(ctx, g.Text, slices.Concat(g.Args(), w.where), len(g.changes))
	if err != nil {
		return err
	}
	var gone []int
	for k, i := range g.changes {
		switch {
		case !written[k]:
			w.unsure = append(w.unsure, i)
		case g.op == OpDelete && w.table.Delete != nil:
			gone = append(gone, i)
		}
	}
	return w.checkGone(ctx, gone)
}

// ordinals runs a statement that returns which of n rows it wrote.
func (w *bulkWriter) ordinals(ctx context.Context, text string, args []any, n int) ([]bool, error) {
	rows, err := w.tx.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	written := make([]bool, n)
	for rows.Next() {
		var k int
		if err := rows.Scan(&k); err != nil {
			return nil, err
		}
		if written[k-1] {
			_, err := one(2, nil)
			return nil, err
		}
		written[k-1] = true
	}
	return written, rows.Err()
}

// insertAll adds the rows of a group.
func (w *bulkWriter) insertAll(ctx context.Context, g *bulkGroup) error {
	rows, err := w.tx.QueryContext(ctx, g.Text, g.Args()...)
	if err != nil {
		return err
	}
	defer rows.Close()
	added := make(map[ObjectID]string, len(g.changes))
	row := sqltable.NewRow(2)
	for rows.Next() {
		if err := row.Scan(rows); err != nil {
			return err
		}
		guid, _ := w.guids.Read(row.Cell(1))
		if added[ObjectID(guid)], err = w.idText(row.Cell(0), w.idType()); err != nil {
			return ownFault{errNoNewID}
		}
	}
	if err := cmp.Or(rows.Close(), rows.Err()); err != nil {
		return err
	}
	for _, i := range g.changes {
		id, ok := added[w.changes[i].ObjectID]
		if !ok {
			return ownFault{errNoNewID}
		}
		w.ids[i] = id
	}
	return nil
}

// settle reads the rows that were not as planned, and lets Guard judge.
func (w *bulkWriter) settle(ctx context.Context) error {
	now, err := w.lockRows(ctx, w.unsure)
	if err != nil {
		return err
	}
	for _, i := range w.unsure {
		c := w.changes[i]
		if w.verdicts[i] = c.Guard(now[c.UserID]); w.verdicts[i] != nil {
			continue
		}
		if err := w.overwrite(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// overwrite writes a row that is as planned, though stored in another way.
func (w *bulkWriter) overwrite(ctx context.Context, c Change) error {
	if c.Op == OpDelete {
		n, err := w.remove(ctx, w.tx, c.UserID, nil)
		return w.took(ctx, w.tx, c, n, err)
	}
	set, values, err := w.assignments(c.Before, c.After)
	if err != nil || len(set) == 0 {
		return err
	}
	n, err := one(w.tx.Exec(ctx, w.updateText(set, false), slices.Concat(values, []any{w.bindID(c.UserID)}, w.where)...))
	return w.took(ctx, w.tx, c, n, err)
}

// lockRows is lockRow for the users of many changes, by ID.
func (w *bulkWriter) lockRows(ctx context.Context, changes []int) (map[string]*User, error) {
	if len(changes) == 0 {
		return nil, nil
	}
	ids := sqltable.Array{Type: w.idType()}
	for _, i := range changes {
		ids.Add(w.bindID(w.changes[i].UserID))
	}
	rows, err := w.tx.QueryContext(ctx, w.sql.SelectMany(w.types), slices.Concat([]any{ids.String()}, w.where)...)
	if err != nil {
		return nil, err
	}
	users, err := w.collect(rows)
	if err != nil {
		return nil, err
	}
	return byID(users)
}

func byID(users []User) (map[string]*User, error) {
	found := make(map[string]*User, len(users))
	for i := range users {
		if found[users[i].ID] != nil {
			_, err := one(2, nil)
			return nil, err
		}
		found[users[i].ID] = &users[i]
	}
	return found, nil
}

// checkGone makes sure that the users who were marked as deleted are none now.
func (w *bulkWriter) checkGone(ctx context.Context, changes []int) error {
	still, err := w.lockRows(ctx, changes)
	for id := range still {
		return w.stillThere(id)
	}
	return err
}

// ahead writes what many rows can be written of with one statement. The rest, and
// all that is not as planned, is left to apply.
func (b *sqlBatch) ahead(ctx context.Context, tx *sqlbatch.Tx) error {
	if fault := b.writeAhead(ctx, tx); fault != nil {
		return fault
	}
	return b.createAhead(ctx, tx)
}

// writeAhead updates and deletes where a statement tells no more than how many rows
// it wrote. If that is as many as it was given, each was as planned; if not, it is
// undone, and its changes are done and judged one by one. That takes transactions, an
// ID that is one row's alone, and rows that no two changes touch.
func (b *sqlBatch) writeAhead(ctx context.Context, tx *sqlbatch.Tx) error {
	if !b.dialect.HasCounted() || !b.types[b.table.Columns.ID].Key || !b.touchApart() {
		return nil
	}
	w := &countedWriter{sqlBatch: b, tx: tx, proven: make(map[string]bool)}
	b.countedTx, b.done = tx, make(map[int]bool, len(b.changes))
	for i, c := range b.changes {
		if c.Op == OpDelete && b.table.OnDelete != nil {
			return nil // the host's own statements must find what they would have found
		}
		w.sort(i)
	}
	for _, g := range w.groups {
		for part := range slices.Chunk(g.changes, countedMost) {
			if fault := w.write(ctx, g, part); fault != nil {
				return fault
			}
		}
	}
	return nil
}

const (
	countedMost = 50  // rows: each looks for its values in lists of as many
	textMost    = 255 // bytes of a value, so that no packet gets too large
	shortMost   = 2   // statements that found less than they were given, after which a batch goes on one by one
)

// countedWriter writes the changes of each countedGroup with few statements.
type countedWriter struct {
	*sqlBatch
	tx     *sqlbatch.Tx
	groups []*countedGroup
	proven map[string]bool // texts of statements that read by the key
	short  int             // statements that found less than they were given
}

// countedGroup is changes that write the same columns, and agree in all values that
// are no texts.
type countedGroup struct {
	op      Op
	set     []string
	changes []countedChange
}

// countedChange is one change and its values: the ID, the new ones, and those to compare.
type countedChange struct {
	at     int
	values []any
}

// sort puts a change into its group, if it may be written together with others.
func (w *countedWriter) sort(i int) {
	c := w.changes[i]
	if c.Op == OpCreate || c.CheckShape(c.writeOp()) != nil || c.Before == nil {
		return
	}
	key, exact := w.types[w.table.Columns.ID].ExactKey(c.UserID)
	if !exact {
		return
	}
	set, values := w.removal(c.UserID)
	if c.Op == OpUpdate {
		var err error
		if set, values, err = w.assignments(c.Before, c.After); err != nil || len(set) == 0 {
			return
		}
	}
	values, told := w.matchArgs(slices.Concat([]any{key}, values), c)
	if !told || slices.ContainsFunc(values, unfit) {
		return
	}
	change := countedChange{i, values}
	at := slices.IndexFunc(w.groups, func(g *countedGroup) bool { return g.takes(c.Op, set, change) })
	if at < 0 {
		at = len(w.groups)
		w.groups = append(w.groups, &countedGroup{op: c.Op, set: set})
	}
	w.groups[at].changes = append(w.groups[at].changes, change)
}

// unfit reports a value that makes the statement too large, or that is asked for anew
// each time.
func unfit(v any) bool {
	_, valuer := v.(driver.Valuer)
	text, _ := v.(string)
	return valuer || len(text) > textMost
}

// takes reports whether the change fits into the group.
func (g *countedGroup) takes(op Op, set []string, c countedChange) bool {
	if g.op != op || !slices.Equal(g.set, set) {
		return false
	}
	return slices.EqualFunc(g.changes[0].values[1:], c.values[1:], func(a, b any) bool {
		switch a.(type) {
		case string:
			_, text := b.(string)
			return text
		case []byte:
			_, isBytes := b.([]byte)
			return isBytes
		}
		return sqltable.SameValue(a, b)
	})
}

// write runs one statement, where it is sure to read no row but those of the part.
func (w *countedWriter) write(ctx context.Context, g *countedGroup, part []countedChange) error {
	if len(part) < 2 || w.short == shortMost {
		return nil
	}
	many, ok := w.statement(g, part)
	if !ok {
		return nil
	}
	if proven, fault := w.prove(ctx, many, len(part)); fault != nil || !proven {
		return fault
	}
	if _, fault := w.tx.ExecContext(ctx, "SAVEPOINT adsync_counted"); fault != nil {
		return w.unlessRefused(ctx, fault) // the table's engine may have been changed
	}
	n, fault := w.tx.Exec(ctx, many.Text, many.Args...)
	if fault != nil {
		return fault
	}
	all := n == int64(len(part))
	if all && g.op == OpDelete && w.table.Delete != nil {
		if all, fault = w.gone(ctx, part); fault != nil {
			return fault
		}
	}
	if !all {
		w.short++
		_, fault := w.tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT adsync_counted")
		return fault
	}
	for _, c := range part {
		w.done[c.at] = true
	}
	return nil
}

func (w *countedWriter) statement(g *countedGroup, part []countedChange) (many sqltable.Counted, ok bool) {
	rows := make([][]any, len(part))
	for i, c := range part {
		rows[i] = c.values
	}
	if g.op == OpDelete && w.table.Delete == nil {
		many, ok = w.sql.DeleteCounted(w.types, rows)
	} else {
		many, ok = w.sql.UpdateCounted(g.set, rows)
	}
	many.Args = append(many.Args, w.where...)
	return many, ok
}

// prove asks once in a transaction how the statement would be run. A server that
// would read other rows, and so lock them until the end, writes one by one; and so
// does one that does not answer the question.
func (w *countedWriter) prove(ctx context.Context, many sqltable.Counted, n int) (proven bool, fault error) {
	if proven, known := w.proven[many.Text]; known {
		return proven, nil
	}
	rows, err := w.tx.QueryContext(ctx, sqltable.Plan(many.Text), many.Args...)
	if err == nil {
		proven, err = sqltable.ReadsByKey(rows, n)
	}
	w.proven[many.Text] = proven && err == nil
	return w.proven[many.Text], w.unlessRefused(ctx, err)
}

// unlessRefused is the fault that ends the transaction; not one of a question that
// the server did not like.
func (b *sqlBatch) unlessRefused(ctx context.Context, fault error) error {
	if fault != nil && ctx.Err() == nil && b.dialect.Fault(fault).Kind != sqltable.Retry {
		return nil
	}
	return fault
}

// gone reports whether the users who were marked as deleted are none now.
func (w *countedWriter) gone(ctx context.Context, part []countedChange) (bool, error) {
	ids := make([]any, len(part))
	for i, c := range part {
		ids[i] = c.values[0]
	}
	rows, err := w.tx.Rows(ctx, w.sql.CountRows(len(ids)), slices.Concat(ids, w.where)...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	still := -1
	if rows.Next() {
		if err := rows.Scan(&still); err != nil {
			return false, err
		}
	}
	return still == 0, cmp.Or(rows.Close(), rows.Err())
}

// explain turns the outcomes into what a store returns.
func (b *sqlBatch) explain(outcomes []sqlbatch.Outcome) []Written {
	out := make([]Written, len(outcomes))
	for i, o := range outcomes {
		out[i] = Written{UserID: b.ids[i], Err: o.Err}
		switch {
		case i > 0 && o.State == sqlbatch.RolledBack && b.dialect.Fault(o.Err).Kind == sqltable.ReadOnly:
			out[i] = Written{Err: ErrNotWritten} // the first says why
		case o.State != sqlbatch.Done:
			out[i] = Written{Err: b.explainFault(o, b.changes[i])}
		}
	}
	return out
}

func (b *sqlBatch) explainFault(o sqlbatch.Outcome, c Change) error {
	fault := b.dialect.Fault(o.Err)
	reason := sqltable.Redact(fault.Reason, personalTexts(c)...)
	var own ownFault
	switch {
	case o.State == sqlbatch.Unknown:
		return fmt.Errorf("%w (the commit was not answered: %s)", ErrUnknown, reason)
	case o.State == sqlbatch.RolledBack && (errors.Is(o.Err, context.Canceled) || errors.Is(o.Err, context.DeadlineExceeded)):
		return notDone{fmt.Errorf("adsync: the run was ended, and this was rolled back with its batch: %w", o.Err)}
	case o.State == sqlbatch.RolledBack && fault.Kind == sqltable.Retry:
		return fmt.Errorf("adsync: this was rolled back with its batch, as others kept the table busy; apply the plan again: %s", reason)
	case fault.Kind == sqltable.ReadOnly:
		return notDone{fmt.Errorf("adsync: the database takes no writes, so nothing of this batch was written; connect to one that does, or let this account write: %s", reason)}
	case o.State == sqlbatch.RolledBack:
		return notDone{fmt.Errorf("adsync: this was rolled back with its batch, as the database failed; apply the plan again: %s", reason)}
	case errors.As(o.Err, &own):
		return own.error
	case fault.Kind == sqltable.Unique:
		return fmt.Errorf("%w (unique constraint %s)", ErrConflict, cmp.Or(fault.Constraint, "unnamed"))
	case fault.Kind == sqltable.Constraint && fault.Constraint != "":
		return fmt.Errorf("adsync: the database refused this row by its constraint %s; correct the user, or the constraint: %s", fault.Constraint, reason)
	}
	return fmt.Errorf("adsync: the database refused this row; correct the user, or the table: %s", reason)
}

// notDone is an error after which nothing was written and nothing will be. It is
// [ErrNotWritten], so that the run ends.
type notDone struct{ error }

func (e notDone) Is(target error) bool { return target == ErrNotWritten }
func (e notDone) Unwrap() error        { return e.error }

// personalTexts are what must not stand in an error.
func personalTexts(c Change) []string {
	var texts []string
	for _, u := range []*User{c.After, c.Before} {
		if u != nil {
			texts = append(texts, u.Email, u.Username, u.FirstName, u.LastName, u.Phone, u.ObjectID.String())
		}
	}
	return texts
}

// stored points to the text that a field holds: the source or a detail.
func (u *User) stored(f Field) *string {
	if f == FieldSource {
		return &u.Source
	}
	return u.Profile.detail(f)
}

// text is the value of a field as people read it.
func (u *User) text(f Field) string {
	switch f {
	case FieldStatus:
		if u.Status == "" {
			return string(StatusActive)
		}
		return string(u.Status)
	case FieldObjectID:
		if u.ObjectID.IsZero() {
			return ""
		}
		return u.ObjectID.String()
	case FieldSource:
		return u.Source
	}
	if !slices.Contains(details[:], f) {
		return "" // a damaged plan is printed all the same
	}
	return *u.detail(f)
}

// describe tells what a user holds, for people.
func (u *User) describe() string {
	words := []string{"user " + u.ID + " with " + u.Profile.describe(), "status " + u.text(FieldStatus)}
	if u.Protected {
		words = append(words, "protected")
	}
	return strings.Join(words, ", ")
}

func (u *User) active() bool { return u.Status == "" || u.Status == StatusActive }

// valid reports whether there is nothing to repair, as nearly always.
func (u *User) valid() bool {
	return keyfold.Valid(u.ID) && keyfold.Valid(u.Source) && keyfold.Valid(string(u.Status)) && u.Profile.valid()
}

// validUser makes the texts valid UTF-8.
func validUser(u User) User {
	if u.valid() {
		return u
	}
	u.ID, u.Source, u.Status = validText(u.ID), validText(u.Source), Status(validText(string(u.Status)))
	u.Profile = validProfile(u.Profile)
	return u
}
