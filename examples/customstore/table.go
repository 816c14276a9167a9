package customstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/go-adsync/adsync"
)

// layout is the host's table. The unique indexes keep two users from having one key,
// whoever writes.
const layout = `CREATE TABLE accounts (
	id        INTEGER PRIMARY KEY,
	ad_guid   TEXT,
	source    TEXT NOT NULL DEFAULT '',
	login     TEXT COLLATE NOCASE UNIQUE,
	first     TEXT NOT NULL DEFAULT '',
	last      TEXT NOT NULL DEFAULT '',
	email     TEXT COLLATE NOCASE UNIQUE,
	phone     TEXT NOT NULL DEFAULT '',
	status    TEXT NOT NULL DEFAULT 'active',
	protected INTEGER NOT NULL DEFAULT 0
)`

const selectAccounts = `SELECT CAST(id AS TEXT), ad_guid, source, COALESCE(login, ''), first, last, COALESCE(email, ''), phone, status, protected FROM accounts`

// Table is an adsync.UserStore in SQL by hand, for a host that wants to see each statement
// or whose users are no one table; package sqlstore does this and more for one that are.
// This one is SQLite, opened with _txlock=immediate, so that a transaction that has read
// a row may write it. Elsewhere its SELECT needs a FOR UPDATE.
type Table struct{ db *sql.DB }

// Users yields all rows, and an error last if they could not all be read.
func (t Table) Users(ctx context.Context) iter.Seq2[adsync.User, error] {
	return func(yield func(adsync.User, error) bool) {
		rows, err := t.db.QueryContext(ctx, selectAccounts)
		if err != nil {
			yield(adsync.User{}, err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			u, err := scan(rows)
			if !yield(u, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(adsync.User{}, err)
		}
	}
}

// scan reads one row. An ObjectID that cannot be read is an error: the user must not pass
// for a local one.
func scan(row interface{ Scan(...any) error }) (u adsync.User, err error) {
	var guid *adsync.ObjectID
	err = row.Scan(&u.ID, &guid, &u.Source, &u.Username, &u.FirstName, &u.LastName, &u.Email, &u.Phone, &u.Status, &u.Protected)
	if guid != nil {
		u.ObjectID = *guid
	}
	return u, err
}

// UpdateUser writes the details, the link and the status.
func (t Table) UpdateUser(ctx context.Context, c adsync.Change) error {
	u := c.After
	return t.write(ctx, c, `UPDATE accounts SET ad_guid = ?, source = ?, login = ?, first = ?, last = ?, email = ?, phone = ?, status = ? WHERE id = ?`,
		guid(u.ObjectID), u.Source, null(u.Username), u.FirstName, u.LastName, null(u.Email), u.Phone, cmp.Or(u.Status, adsync.StatusActive), c.UserID)
}

// DeleteUser removes the row, and with it frees both keys.
func (t Table) DeleteUser(ctx context.Context, c adsync.Change) error {
	return t.write(ctx, c, `DELETE FROM accounts WHERE id = ?`, c.UserID)
}

// write does it in a transaction in which Guard has seen the row as it is.
func (t Table) write(ctx context.Context, c adsync.Change, text string, args ...any) error {
	tx, err := t.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var current *adsync.User
	switch u, err := scan(tx.QueryRowContext(ctx, selectAccounts+` WHERE CAST(id AS TEXT) = ?`, c.UserID)); {
	case err == nil:
		current = &u
	case !errors.Is(err, sql.ErrNoRows):
		return err
	}
	if err := c.Guard(current); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, text, args...); err != nil {
		if refused := (*sqlite.Error)(nil); errors.As(err, &refused) && refused.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE {
			return adsync.ErrConflict // and not the database's text, which may hold values
		}
		return err
	}
	return committed(ctx, tx.Commit())
}

// committed tells a commit that was not answered, after which nobody knows, from one that
// was never sent because the context had ended.
func committed(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrTxDone), err == ctx.Err():
		return fmt.Errorf("rolled back: %w", cmp.Or(ctx.Err(), err))
	}
	return fmt.Errorf("%w: %w", adsync.ErrUnknown, err)
}

// null is how an empty key is stored: a unique index takes any number of NULLs, but only
// one empty text.
func null(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func guid(id adsync.ObjectID) any {
	if id.IsZero() {
		return nil
	}
	return id.String()
}
