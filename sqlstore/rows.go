package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore/internal/sqlbatch"
	"github.com/go-adsync/adsync/sqlstore/internal/sqltable"
)

// rowStatements reads and writes rows by their IDs, within a transaction.
type rowStatements struct {
	bind     *binder
	spelling *spelling
	updates  []updateText // that were needed so far
}

// updateText is the text of a statement, which takes longer to make than some databases
// take to run it.
type updateText struct {
	set   []string
	match bool
	text  string
}

func (r *rowStatements) updateFor(set []string, match bool) string {
	for _, u := range r.updates {
		if u.match == match && slices.Equal(u.set, set) {
			return u.text
		}
	}
	text := r.bind.sql.Update(set, match)
	r.updates = append(r.updates, updateText{set, match, text})
	return text
}

// update sets the columns of a row, where it matches; whatever it is like, where match
// is nil. Where all of them are only the view's, there is nothing to do here.
func (r *rowStatements) update(ctx context.Context, tx *sqlbatch.Tx, id string, set []string, values, match []any) (int64, error) {
	if set, values = r.bind.writable(set, values); len(set) == 0 {
		return 1, nil
	}
	args := slices.Concat(values, r.bind.target(id, match), r.bind.where)
	return oneRow(tx.Exec(ctx, r.updateFor(set, match != nil), args...))
}

// remove deletes the row, or marks it and frees its keys, with the match of update.
func (r *rowStatements) remove(ctx context.Context, tx *sqlbatch.Tx, c adsync.Change, match []any) (int64, error) {
	if r.bind.table.Delete != nil {
		set, values, err := r.bind.removal(c)
		if err != nil {
			return 0, ownFault{err}
		}
		return r.update(ctx, tx, c.UserID, set, values, match)
	}
	args := slices.Concat(r.bind.target(c.UserID, match), r.bind.where)
	return oneRow(tx.Exec(ctx, r.bind.sql.Delete(match != nil), args...))
}

// lockRow reads the row as it is now and holds it; nil when there is none.
func (r *rowStatements) lockRow(ctx context.Context, tx *sqlbatch.Tx, id string) (*adsync.User, error) {
	users, err := r.readRow(ctx, tx, id)
	if err == nil {
		err = r.bind.roles.attach(ctx, tx, r.bind, users)
	}
	if err != nil || len(users) == 0 {
		return nil, err
	}
	_, err = oneRow(int64(len(users)), nil)
	return &users[0], err
}

// lockRows is lockRow for many, by ID.
func (r *rowStatements) lockRows(ctx context.Context, tx *sqlbatch.Tx, ids []string) (map[string]*adsync.User, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := tx.QueryContext(ctx, r.bind.sql.SelectMany(r.bind.types), slices.Concat([]any{r.array(ids)}, r.bind.where)...)
	if err != nil {
		return nil, err
	}
	users, err := r.collect(rows)
	if err != nil {
		return nil, err
	}
	return byID(users)
}

// judged is what Guard says of a row, after a statement that was to write it found none
// as planned, if one was tried. Where a trigger may have changed the row in that very
// statement and then left it out, the change is stale by its own doing: that is a fault,
// so that it is undone.
func (r *rowStatements) judged(verdict error, tried bool) (_, fault error) {
	if tried && r.bind.sql.Swallows() && errors.Is(verdict, adsync.ErrStale) {
		return nil, ownFault{verdict}
	}
	return verdict, nil
}

// array is an argument that holds many IDs.
func (r *rowStatements) array(ids []string) string {
	all := sqltable.Array{Type: r.bind.idType().Name}
	for _, id := range ids {
		all.Add(r.bind.bindID(id))
	}
	return all.String()
}

func (r *rowStatements) readRow(ctx context.Context, tx *sqlbatch.Tx, id string) ([]adsync.User, error) {
	return r.readUsers(ctx, tx, r.bind.sql.SelectRow(), slices.Concat([]any{r.bind.bindID(id)}, r.bind.where))
}

func (r *rowStatements) readUsers(ctx context.Context, tx *sqlbatch.Tx, text string, args []any) ([]adsync.User, error) {
	rows, err := tx.Rows(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	return r.collect(rows)
}

func (r *rowStatements) collect(rows *sql.Rows) ([]adsync.User, error) {
	defer rows.Close()
	row := newUserRow(r.bind.knownTable, r.spelling)
	var users []adsync.User
	for rows.Next() {
		u, err := row.read(rows)
		if err != nil {
			return nil, ownFault{err}
		}
		users = append(users, u)
	}
	return users, rows.Err()
}

// oneRow refuses to write several rows for one ID.
func oneRow(n int64, err error) (int64, error) {
	if err == nil && n > 1 {
		err = ownFault{errSeveralRows}
	}
	return n, err
}

var errSeveralRows = errors.New("adsync: several rows have this ID, and none was written; map the primary key as sqlstore.Columns.ID")

// byID refuses several rows of one ID.
func byID(users []adsync.User) (map[string]*adsync.User, error) {
	found := make(map[string]*adsync.User, len(users))
	for i := range users {
		if found[users[i].ID] != nil {
			return nil, ownFault{errSeveralRows}
		}
		found[users[i].ID] = &users[i]
	}
	return found, nil
}
