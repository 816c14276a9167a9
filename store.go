package adsync

import (
	"context"
	"database/sql"
	"errors"
	"iter"
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

// A UserStore is the host's user table.
//
// Users yields all of them, each with an ID of its own; an error is yielded last
// and ends the sequence.
//
// UpdateUser and DeleteUser are atomic. Each asks [Change.Guard] with the row as
// it is now (nil: there is none) whether to write: nil says yes, [ErrAlready]
// that it is written already, [ErrStale] that the row is not as planned; the
// store returns those errors as they are. A key that another row holds is
// [ErrConflict]. DeleteUser frees both keys: a soft delete must rename or
// release them.
//
// [CheckStore] proves an implementation.
type UserStore interface {
	Users(ctx context.Context) iter.Seq2[User, error]
	UpdateUser(ctx context.Context, c Change) error
	DeleteUser(ctx context.Context, c Change) error
}

// BatchStore is an optional power of a [UserStore]: it applies changes that do
// not need each other in one round trip or transaction, and returns one Written
// for each, in order. A change that fails alone does not lose the others.
type BatchStore interface {
	ApplyChanges(ctx context.Context, cs []Change) []Written
}

// Written tells what became of one change of a batch. Err is nil, [ErrAlready],
// [ErrStale], [ErrConflict], [ErrUnknown] or the store's own error. UserID is
// that of a created user, and may be empty otherwise.
type Written struct {
	UserID string
	Err    error
}

// Creator is an optional power of a [UserStore]: it adds users, for imports, and
// returns their new ID. A user of the same Source and ObjectID that is there
// already is [ErrAlready].
type Creator interface {
	CreateUser(ctx context.Context, c Change) (id string, err error)
}

// Fielder is an optional power of a [UserStore]: it tells which of the five
// details the store holds, and whether it holds FieldStatus. Links (ObjectID and
// Source) are always held.
type Fielder interface {
	Fields() []Field
}

// Locker is an optional power of a [UserStore]: the lock is held for a run, so
// that two syncs of one table do not meet.
type Locker interface {
	Lock(ctx context.Context) (unlock func() error, err error)
}

// MemoryStore is a [UserStore] in memory, with every optional power but Locker:
// the reference for others, and for tests. It is safe for concurrent use.
type MemoryStore struct{}

// NewMemoryStore returns a store that holds the users.
func NewMemoryStore(users ...User) *MemoryStore { return &MemoryStore{} }

// Get returns the user with the ID, and whether there is one.
func (s *MemoryStore) Get(id string) (User, bool) { return User{}, false }

// Dialect names a family of databases.
type Dialect string

// The dialects that [NewSQLStore] speaks.
const (
	PostgreSQL Dialect = "postgresql"
	MySQL      Dialect = "mysql" // and MariaDB
	SQLite     Dialect = "sqlite"
)

// SQLTable says how a host's user table is laid out.
type SQLTable struct {
	Name      string                                              // may be schema.table
	Columns   SQLColumns                                          // "" = the table has none
	Where     string                                              // which rows are users at all, with placeholders
	Args      []any                                               // for Where
	Source    string                                              // for all rows, where there is no Source column
	Statuses  map[Status]any                                      // how Status is stored; a value that is unmapped, or mapped by two of them, reads as StatusBlocked
	Defaults  map[string]any                                      // other columns of a created row
	ObjectIDs string                                              // "text" (default), "uuid", "bytes" (as printed), "ad-bytes" (as AD sends them)
	Delete    map[string]any                                      // soft delete: set these instead; both keys are released
	OnDelete  func(ctx context.Context, tx *sql.Tx, u User) error // hand over what they own, in the same transaction
}

// SQLColumns names the columns. ID, ObjectID and Username are required.
type SQLColumns struct {
	ID, ObjectID, Source, Username, FirstName, LastName, Email, Phone, Status, Protected string
}

// SQLStore is a [UserStore], [BatchStore], [Creator] and [Fielder] over an
// existing table. The host brings the driver.
type SQLStore struct{}

// NewSQLStore checks the mapping. It sends nothing to the database.
func NewSQLStore(db *sql.DB, dialect Dialect, table SQLTable) (*SQLStore, error) {
	return nil, errors.New("adsync: not built yet")
}

// CheckStore proves a host's own [UserStore], in the manner of testing/fstest: it
// returns joined errors, each naming the duty that was broken. open returns a
// store that holds exactly the seed, whose IDs it may replace by its own; it is
// called many times.
func CheckStore(ctx context.Context, open func(ctx context.Context, seed []User) (UserStore, error)) error {
	return errors.New("adsync: CheckStore is not built yet")
}
