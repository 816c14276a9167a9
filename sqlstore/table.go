package sqlstore

import (
	"context"
	"database/sql"

	"github.com/go-adsync/adsync"
)

// Dialect names a family of databases.
type Dialect string

// The dialects that [New] speaks.
const (
	PostgreSQL Dialect = "postgresql"
	MySQL      Dialect = "mysql" // and MariaDB
	SQLite     Dialect = "sqlite"
)

// ObjectIDs is how the column of the ObjectID holds one.
type ObjectIDs string

// The spellings of an ObjectID in a table.
const (
	ObjectIDText    ObjectIDs = "text"     // dashed and lower-case: the default
	ObjectIDNative  ObjectIDs = "uuid"     // the database's own type for UUIDs
	ObjectIDBytes   ObjectIDs = "bytes"    // 16 bytes in the order in which it is printed
	ObjectIDADBytes ObjectIDs = "ad-bytes" // 16 bytes as Active Directory sends them ([MS-DTYP] 2.3.4.2)
)

// Table says how a host's user table is laid out.
//
// Where is put into every statement, so that a row outside it is not a user. Its
// placeholders are ? in order, or $1, $2 … by number, whatever the dialect; where
// there is a $n, each ? is left alone (PostgreSQL has operators of that name).
//
// Texts are compared to the byte, whatever the column's collation, and NULL and an empty text
// are the same. The padding of a char(n) is no part of its text. A value that
// cannot be read, such as a malformed ObjectID, ends the reading with an error
// that names the row: a sync must not take such a user for a local one.
//
// ObjectIDs in text are read in any case, with or without braces and dashes, and
// written dashed and lower-case. Two rows must not have one username or one
// email, nor one Source and ObjectID: the table's unique indexes see to that, and
// the store reports them as [adsync.ErrConflict]; without an index over the ObjectID, an
// import reads the whole table for each batch. An email that is empty is written as
// NULL where the column allows it, because a unique index allows only one empty text;
// other empty details of the five are written as empty texts.
//
// Statuses may map to one value each, or to [Null], [NotNull], [Now] and [NowUnix]. A value
// that is unmapped, or mapped by two of them, reads as StatusBlocked. Where all that the
// column can say is whether a user is active, such as a boolean, 0 and 1, or a time that is
// NULL or not, whoever is not active reads as [adsync.StatusInactive], also where the map
// calls it StatusDeactivated: nobody knows whether a sync or the host did it, and so no
// sync lifts it. With a third value of the host's, the column can tell, and so can a row
// with Columns.DeactivatedAt.
//
// The values are fitted to the column's type at the first reading: 1 and 0 to a boolean or a
// bit, true and false to a number, a number to a text, a word to the spelling in which an
// ENUM of MySQL lists it. What the column would refuse, cut off, round or take for another
// is refused then, and by [Store.Check]: a word that an enum does not list, a number out
// of range, a value in a column of times, which takes [Null], [NotNull] and [Now].
//
// Delete marks a row instead of removing it, and then Where must exclude the
// marked rows. Their username and email become NULL where the columns allow it,
// and otherwise a text with the row's ID.
//
// Defaults may name the ID column, with a driver.Valuer that makes a new ID for
// each row.
//
// Derived are columns that are computed from the user, such as a lower-cased shadow of a key,
// a full name, or a time of the last change, and written with each creation, update and
// soft deletion, also while a user is parked. The functions must be pure; they are given
// what the row will hold, and for a soft deletion the keys that it is left with. They may
// return [Null], [Now] and [NowUnix]. Defaults and Delete may hold those, too.
//
// OnWrite is called in the transaction of each change, with the row's ID: after a creation
// or an update, and before a deletion. It is for rows of other tables that belong to the
// user, an audit, an outbox. An error undoes that one change, and is reported in its own
// words, but for addresses, the values of the change, and those that a driver quotes. OnWrite may be called again for the same change, after a rollback. With it,
// changes are written one by one.
//
// View is for users whose details are in several tables: a view that shows them as one, with
// the mapped columns and those of Where. Users are read from it, and locked by reading it;
// the table is written, in the columns that it has itself, and OnWrite writes the others.
// Each row is then read through the view again, so that a change which OnWrite left out is
// undone. MySQL locks the rows of all tables that the view joins, and none that it asks for
// in a query of its own: let it join them. PostgreSQL does not lock the rows of an outer
// join; there, let a trigger write for a view that is mapped as the table itself.
type Table struct {
	Name      string                                                                  // table or schema.table
	View      string                                                                  // where users are read, if not from the table; view or schema.view
	Columns   Columns                                                                 // "" = the table has none
	Where     string                                                                  // which rows are users at all, with placeholders
	Args      []any                                                                   // for Where
	Source    string                                                                  // for all rows, where there is no Source column
	Statuses  map[adsync.Status]any                                                   // how Status is stored, by default as its own name
	Defaults  map[string]any                                                          // other columns of a created row
	ObjectIDs ObjectIDs                                                               // how the ObjectID is stored; default ObjectIDText
	Delete    map[string]any                                                          // soft delete: set these instead; both keys are released. Name the ObjectID too, with nil, if it is unique
	Derived   map[string]func(adsync.User) any                                        // other columns, computed from the user
	Roles     *Membership                                                             // which user has which role; nil: no roles
	OnWrite   func(ctx context.Context, tx *sql.Tx, c adsync.Change, id string) error // what else belongs to the change, in the same transaction; an error undoes it
}

// Columns names the columns. ID, ObjectID and Username are required. ID is the
// primary key, of any type; a Protected column holds a flag or a number.
type Columns struct {
	ID, ObjectID, Source, Username, FirstName, LastName, Email, Phone, Status, Protected string

	// DeactivatedAt is for when a sync deactivated the user, a moment that the store takes
	// from the clock of its host: a column of times to the second, in UTC, that allows NULL
	// (timestamp, with a time zone or without, or datetime), or a number of seconds since
	// 1970, where 0 is never, too. It is not the column of the status, and needs one. Where
	// that only tells who is active, this one makes three states of two: whoever is not
	// active and has a moment was deactivated by a sync, and is made active by one again;
	// whoever has none was made inactive by the host. Let the host clear it where it makes
	// somebody active or inactive. MySQL: open it with parseTime=true where loc is not UTC.
	DeactivatedAt string

	// Extra names the columns of further details, of one text each. One that is empty is
	// written as NULL where the column allows it.
	Extra map[adsync.Field]string
}
