package sqlstore_test

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/sqlstore"
)

var writeStatements = flag.Bool("write-statements", false, "write testdata/statements anew instead of comparing")

// recorder is a database/sql driver that keeps what it is asked, and answers from a few
// rows: it understands no SQL, and tells a statement by what it begins with. Each row is
// what a test says it is before it is written, and after that.
type recorder struct {
	types         []columnType
	before, after [][]driver.Value  // rows: the ID, then the mapped columns
	beforeAgain   [][]driver.Value  // before, once a transaction was rolled back
	idType        string            // of the first column of what is read
	replies       []reply           // that come before the usual ones
	whole         bool              // the table has no condition
	noReturning   bool              // refuses to prepare an INSERT … RETURNING, as MySQL does
	plan          func() [][]string // what EXPLAIN answers, without its header
	failAt        int               // the number of the statement that fails, from 1
	failHow       string            // at once, at its end, or unreadable
	failWith      error

	mu     sync.Mutex
	log    strings.Builder
	wrote  map[string]bool     // the IDs of rows that are as after has them
	saved  map[string]bool     // wrote, at the last savepoint
	asked  int                 // statements so far
	sent   []driver.NamedValue // with the last that was no query
	failed string              // the one that did
}

// columnType is a row of the catalogue.
type columnType struct {
	name, kind string
	nullable   bool
	key        bool // of MySQL
	collate    string
	whole      string // of PostgreSQL
}

// reply is the answer to the next statements that begin with a text; to so many of them, or
// one if it is 0.
type reply struct {
	to       string
	times    int
	err      error
	affected int64
	columns  []string
	rows     [][]driver.Value
	rowsErr  error // after the rows
}

func (r *recorder) Connect(context.Context) (driver.Conn, error) { return &recordedConn{r}, nil }
func (r *recorder) Driver() driver.Driver                        { return nil }

func (r *recorder) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(&r.log, format+"\n", args...)
}

// statements are what was asked since the last call.
func (r *recorder) statements() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.log.Reset()
	return r.log.String()
}

// planned is the reply that a test has asked for, if any.
func (r *recorder) planned(text string) (reply, bool) {
	i := slices.IndexFunc(r.replies, func(p reply) bool {
		return strings.HasPrefix(text, p.to) && !strings.HasSuffix(text, " WHERE 0")
	})
	if i < 0 {
		return reply{}, false
	}
	found := r.replies[i]
	if r.replies[i].times--; r.replies[i].times <= 0 {
		r.replies = slices.Delete(r.replies, i, i+1)
	}
	return found, true
}

// noteWritten notes the rows that a write names.
func (r *recorder) noteWritten(args []driver.NamedValue) {
	if r.wrote == nil {
		r.wrote = map[string]bool{}
	}
	for _, row := range r.find(slices.Concat(r.before, r.after), args) {
		r.wrote[cellText(row[0])] = true
	}
}

// table is its rows as they are now.
func (r *recorder) table() (rows [][]driver.Value) {
	for _, row := range r.before {
		if !r.wrote[cellText(row[0])] {
			rows = append(rows, row)
		}
	}
	for _, row := range r.after {
		if r.wrote[cellText(row[0])] {
			rows = append(rows, row)
		}
	}
	return rows
}

// shown is an argument as the log has it.
func shown(v driver.Value) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case string:
		return fmt.Sprintf("%q", v)
	case []byte:
		return "x'" + hex.EncodeToString(v) + "'"
	case time.Time:
		return "a time"
	}
	return fmt.Sprint(v)
}

func shownAll(args []driver.NamedValue) string {
	texts := make([]string, len(args))
	for i, a := range args {
		texts[i] = shown(a.Value)
	}
	return strings.Join(texts, ", ")
}

func isQuestion(text string) bool {
	for _, of := range []string{"information_schema", "pg_catalog", "pragma_", "sqlite_master", "sql_mode", "'Muller'"} {
		if strings.Contains(text, of) {
			return true
		}
	}
	return false
}

// run answers a statement.
func (r *recorder) run(text string, args []driver.NamedValue, prepared, query bool) (reply, error) {
	if !isQuestion(text) {
		line := strings.ReplaceAll(text, "\n", "↵")
		if prepared {
			line = "(prepared) " + line
		}
		if len(args) > 0 {
			line += "\n    " + shownAll(args)
		}
		r.note("%s", line)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !isQuestion(text) {
		r.asked++
	}
	if !query {
		r.sent = args
	}
	if isQuestion(text) || r.asked != r.failAt {
		return r.answer(text, args)
	}
	p, err := reply{}, r.failWith
	if r.failHow != "at once" {
		if p, err = r.answer(text, args); err != nil || !query {
			return p, err
		}
		if r.failHow == "at its end" {
			p.rowsErr = r.failWith
		} else {
			p.columns, p.rows = []string{"one", "too", "many"}, [][]driver.Value{{"x", "y", "z"}}
		}
	}
	r.failed = text
	return p, err
}

// answer is what the statement does.
func (r *recorder) answer(text string, args []driver.NamedValue) (reply, error) {
	if p, ok := r.planned(text); ok {
		if p.affected > 0 {
			r.noteWritten(args)
			for _, row := range p.rows {
				r.wrote[cellText(row[0])] = true
			}
		}
		return p, p.err
	}
	switch {
	case isQuestion(text):
		return r.catalogue(text), nil
	case strings.HasPrefix(text, "EXPLAIN"):
		return r.explain(), nil
	case strings.HasPrefix(text, "SELECT"):
		return reply{columns: make([]string, 1+r.width()), rows: r.find(r.table(), args)}, nil
	case strings.HasPrefix(text, "SAVEPOINT"):
		r.saved = maps.Clone(r.wrote)
		return reply{}, nil
	case strings.HasPrefix(text, "ROLLBACK TO"):
		r.wrote = r.saved
		return reply{}, nil
	case strings.HasSuffix(text, " WHERE 0"), strings.HasPrefix(text, "RELEASE"), strings.HasPrefix(text, "CALL"):
		return reply{}, nil
	}
	r.noteWritten(args)
	return r.written(text, args), nil
}

func (r *recorder) width() int {
	for _, row := range append(slices.Clone(r.before), r.after...) {
		return len(row) - 1
	}
	return 0
}

// find picks the rows whose ID or objectGUID is among the arguments; all where these are
// just those of peopleTable's condition.
func (r *recorder) find(rows [][]driver.Value, args []driver.NamedValue) (found [][]driver.Value) {
	var lists strings.Builder
	for _, a := range args {
		lists.WriteString("," + strings.Trim(strings.ReplaceAll(cellText(a.Value), `"`, ""), "{}") + ",\n")
	}
	for _, row := range rows {
		asked := len(args) <= 2 && !r.whole || slices.ContainsFunc(row[:2], func(key driver.Value) bool {
			return cellText(key) != "" && strings.Contains(lists.String(), ","+cellText(key)+",")
		})
		if asked {
			found = append(found, row)
		}
	}
	return found
}

// cellText is a value of a row or an argument, whatever its type; bytes in hex, as they
// are in an array.
func cellText(v driver.Value) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []byte:
		return hex.EncodeToString(v)
	case string:
		return strings.ReplaceAll(v, `\\x`, "")
	}
	return fmt.Sprint(v)
}

// written answers a write: with the ordinals of the rows, with the new rows, or with how
// many there were.
func (r *recorder) written(text string, args []driver.NamedValue) reply {
	switch {
	case strings.HasSuffix(text, `RETURNING "adsync n"`):
		p := reply{columns: []string{"n"}}
		for i := range 1 + strings.Count(args[0].Value.(string), ",") {
			p.rows = append(p.rows, []driver.Value{int64(i + 1)})
		}
		return p
	case strings.HasPrefix(text, "INSERT"):
		_, returned, returning := strings.Cut(text, " RETURNING ")
		added := r.find(r.after, args)
		p := reply{affected: int64(len(added)), columns: make([]string, 1+strings.Count(returned, ", "))}
		for _, row := range added {
			if returning {
				p.rows = append(p.rows, row[:len(p.columns)])
			}
		}
		return p
	case strings.Contains(text, "FORCE INDEX"):
		_, list, _ := strings.Cut(text, " WHERE `id` IN (")
		list, _, _ = strings.Cut(list, ")")
		if strings.HasPrefix(text, "DELETE") {
			list = strings.Repeat("?", strings.Count(text, "UNION ALL")+1)
		}
		return reply{affected: int64(strings.Count(list, "?"))}
	}
	return reply{affected: 1}
}

func (r *recorder) explain() reply {
	p := reply{columns: []string{"table", "type", "key", "rows"}}
	rows := [][]string{{"users", "range", "PRIMARY", "2"}}
	if r.plan != nil {
		rows = r.plan()
	}
	for _, row := range rows {
		p.rows = append(p.rows, []driver.Value{row[0], row[1], row[2], row[3]})
	}
	return p
}

// catalogue answers the questions about the table.
func (r *recorder) catalogue(text string) reply {
	switch {
	case strings.Contains(text, "pg_attribute a JOIN"), strings.Contains(text, "notnull` = 0"), strings.Contains(text, "column_type"):
		p := reply{columns: []string{"name", "type", "nullable"}}
		switch {
		case strings.Contains(text, "column_type"):
			p.columns = append(p.columns, "key", "collate")
		case strings.Contains(text, "pg_attribute"):
			p.columns = append(p.columns, "key", "collate", "whole")
		}
		for _, t := range r.types {
			p.rows = append(p.rows, []driver.Value{t.name, t.kind, t.nullable, t.key, t.collate, t.whole}[:len(p.columns)])
		}
		return p
	case strings.Contains(text, "pg_rewrite"), strings.Contains(text, "sqlite_temp_master"):
		return reply{columns: []string{"type", "name", "sql"}}
	}
	return reply{columns: []string{"name"}}
}

// recordedConn is a connection to a recorder.
type recordedConn struct{ r *recorder }

func (c *recordedConn) Prepare(text string) (driver.Stmt, error) {
	if p, ok := c.r.planned("PREPARE " + text); ok {
		return nil, p.err
	}
	if c.r.noReturning && strings.Contains(text, " RETURNING ") {
		c.r.note("(refused) %s", text)
		return nil, errors.New("Error 1064 (42000): You have an error in your SQL syntax")
	}
	return &recordedStmt{c, text}, nil
}

func (c *recordedConn) Close() error { return nil }

func (c *recordedConn) Begin() (driver.Tx, error) {
	c.r.note("BEGIN")
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	p, _ := c.r.planned("BEGIN")
	return c, p.err
}

func (c *recordedConn) end(how string) error {
	c.r.note("%s", how)
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	if how == "ROLLBACK" {
		c.r.wrote = nil
		if c.r.beforeAgain != nil {
			c.r.before = c.r.beforeAgain
		}
	}
	p, _ := c.r.planned(how)
	return p.err
}

func (c *recordedConn) Commit() error   { return c.end("COMMIT") }
func (c *recordedConn) Rollback() error { return c.end("ROLLBACK") }

func (c *recordedConn) ExecContext(_ context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	return c.exec(text, args, false)
}

func (c *recordedConn) exec(text string, args []driver.NamedValue, prepared bool) (driver.Result, error) {
	p, err := c.r.run(text, args, prepared, false)
	if err != nil {
		return nil, err
	}
	return recordedResult{c.r, p.affected, args}, nil
}

func (c *recordedConn) QueryContext(_ context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	return c.query(text, args, false)
}

func (c *recordedConn) query(text string, args []driver.NamedValue, prepared bool) (driver.Rows, error) {
	p, err := c.r.run(text, args, prepared, true)
	if err != nil {
		return nil, err
	}
	return &recordedRows{p, c.r.idType}, nil
}

// recordedResult has the ID of the row that was added.
type recordedResult struct {
	r        *recorder
	affected int64
	args     []driver.NamedValue
}

func (x recordedResult) RowsAffected() (int64, error) { return x.affected, nil }

func (x recordedResult) LastInsertId() (int64, error) {
	for _, row := range x.r.find(x.r.after, x.args) {
		if id, ok := row[0].(int64); ok {
			return id, nil
		}
	}
	return 0, nil
}

type recordedStmt struct {
	c    *recordedConn
	text string
}

func (s *recordedStmt) Close() error  { return nil }
func (s *recordedStmt) NumInput() int { return -1 }

func named(args []driver.Value) []driver.NamedValue {
	all := make([]driver.NamedValue, len(args))
	for i, v := range args {
		all[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return all
}

func (s *recordedStmt) Exec(args []driver.Value) (driver.Result, error) {
	return s.c.exec(s.text, named(args), true)
}

func (s *recordedStmt) Query(args []driver.Value) (driver.Rows, error) {
	return s.c.query(s.text, named(args), true)
}

type recordedRows struct {
	reply
	idType string
}

func (r *recordedRows) ColumnTypeDatabaseTypeName(int) string { return r.idType }

func (r *recordedRows) Columns() []string { return r.columns }

// Close reads to the end, as drivers do, and tells what went wrong there.
func (r *recordedRows) Close() error { return r.rowsErr }

func (r *recordedRows) Next(dest []driver.Value) error {
	if len(r.rows) == 0 {
		return cmp.Or(r.rowsErr, io.EOF)
	}
	copy(dest, r.rows[0])
	r.rows = r.rows[1:]
	return nil
}

// openRecorder is a store that sends its statements to a recorder.
func openRecorder(t *testing.T, r *recorder, dialect sqlstore.Dialect, table sqlstore.Table) (*sqlstore.Store, *sql.DB) {
	t.Helper()
	db := sql.OpenDB(r)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	s, err := sqlstore.New(db, dialect, table)
	require.NoError(t, err)
	return s, db
}

// assertStatements compares what was sent with testdata/statements/NAME.sql.
func assertStatements(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "statements", strings.NewReplacer(" ", "-", "'", "").Replace(name)+".sql")
	if *writeStatements {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run: go test ./sqlstore -args -write-statements, and read what it wrote")
	if diff := gocmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (what the store sends has changed: if that is meant, run go test ./sqlstore -args -write-statements, and read what it wrote)\n%s", path, diff)
	}
}
