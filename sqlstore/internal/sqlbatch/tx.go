package sqlbatch

import (
	"context"
	"database/sql"
)

// Tx is a transaction that keeps its prepared statements.
type Tx struct {
	*sql.Tx
	prepare bool
	stmts   map[string]*sql.Stmt
}

// Exec runs a statement and returns how many rows it changed.
func (tx *Tx) Exec(ctx context.Context, text string, args ...any) (int64, error) {
	res, err := tx.Result(ctx, text, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Result is Exec for callers who need more than the count.
func (tx *Tx) Result(ctx context.Context, text string, args ...any) (sql.Result, error) {
	stmt, err := tx.stmt(ctx, text)
	if err != nil {
		return nil, err
	}
	if stmt == nil {
		return tx.ExecContext(ctx, text, args...)
	}
	return stmt.ExecContext(ctx, args...)
}

// Rows runs a query.
func (tx *Tx) Rows(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	stmt, err := tx.stmt(ctx, text)
	if err != nil {
		return nil, err
	}
	if stmt == nil {
		return tx.QueryContext(ctx, text, args...)
	}
	return stmt.QueryContext(ctx, args...)
}

// Prepare asks whether the server takes a statement, without running it.
func (tx *Tx) Prepare(ctx context.Context, text string) error {
	_, err := tx.prepared(ctx, text)
	return err
}

// stmt is the prepared statement; nil where that does not pay.
func (tx *Tx) stmt(ctx context.Context, text string) (*sql.Stmt, error) {
	if !tx.prepare {
		return nil, nil
	}
	return tx.prepared(ctx, text)
}

// prepared prepares a statement once for the transaction.
func (tx *Tx) prepared(ctx context.Context, text string) (*sql.Stmt, error) {
	if s := tx.stmts[text]; s != nil {
		return s, nil
	}
	s, err := tx.PrepareContext(ctx, text)
	if err == nil {
		tx.stmts[text] = s
	}
	return s, err
}
