package sqltable

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
)

type stateError struct{ state, text string }

func (e stateError) Error() string    { return e.text }
func (e stateError) SQLState() string { return e.state }

type codeError struct {
	code int
	text string
}

func (e codeError) Error() string { return e.text }
func (e codeError) Code() int     { return e.code }

func TestFault(t *testing.T) {
	for _, test := range []struct {
		dialect string
		err     error
		want    Fault
	}{
		{"postgresql", stateError{"23505", `ERROR: duplicate key value violates unique constraint "users_mail_key" (SQLSTATE 23505)`},
			Fault{Unique, "users_mail_key", `ERROR: duplicate key value violates unique constraint "users_mail_key" (SQLSTATE 23505)`}},
		{"postgresql", stateError{"23505", `FEHLER: doppelter Schlüsselwert verletzt Unique-Constraint »users_mail_key«`},
			Fault{Unique, "users_mail_key", `FEHLER: doppelter Schlüsselwert verletzt Unique-Constraint »users_mail_key«`}},
		{"postgresql", stateError{"23503", `ERROR: update or delete on table "users" violates foreign key constraint "docs_owner_fkey" on table "docs"`},
			Fault{Reference, "docs_owner_fkey", `ERROR: update or delete on table "users" violates foreign key constraint "docs_owner_fkey" on table "docs"`}},
		{"postgresql", stateError{"23001", "restrict_violation"}, Fault{Reference, "", "restrict_violation"}},
		{"postgresql", stateError{"22P02", `ERROR: invalid input syntax for type integer: "a "b" c" (SQLSTATE 22P02)`},
			Fault{Other, "", "ERROR: invalid input syntax for type integer: … (SQLSTATE 22P02)"}},
		{"postgresql", fmt.Errorf("wrapped: %w", stateError{"40001", "could not serialize"}), Fault{Retry, "", "wrapped: could not serialize"}},
		{"postgresql", stateError{"40P01", "deadlock detected"}, Fault{Retry, "", "deadlock detected"}},
		{"postgresql", stateError{"25006", "cannot execute UPDATE in a read-only transaction"}, Fault{ReadOnly, "", "cannot execute UPDATE in a read-only transaction"}},
		{"mysql", errors.New("Error 1290 (HY000): The MariaDB server is running with the --read-only option so it cannot execute this statement"),
			Fault{ReadOnly, "", "Error 1290 (HY000): The MariaDB server is running with the --read-only option so it cannot execute this statement"}},
		{"mysql", errors.New("Error 1290 (HY000): The MySQL server is running with the --secure-file-priv option so it cannot execute this statement"),
			Fault{Other, "", "Error 1290 (HY000): The MySQL server is running with the --secure-file-priv option so it cannot execute this statement"}},
		{"mysql", errors.New("Error 1792 (25006): Cannot execute statement in a READ ONLY transaction"),
			Fault{ReadOnly, "", "Error 1792 (25006): Cannot execute statement in a READ ONLY transaction"}},
		{"sqlite", codeError{8, "attempt to write a readonly database (8)"}, Fault{ReadOnly, "", "attempt to write a readonly database (8)"}},
		{"sqlite", codeError{1032, "attempt to write a readonly database (1032)"}, Fault{ReadOnly, "", "attempt to write a readonly database (1032)"}},
		{"sqlite", codeError{13, "database or disk is full (13)"}, Fault{Full, "", "database or disk is full (13)"}},
		{"postgresql", errors.New("connection refused"), Fault{Other, "", "connection refused"}},
		{"mysql", errors.New("Error 1062 (23000): Duplicate entry 'o'hara' for key 'x' for key 'users.mail'"),
			Fault{Unique, "users.mail", "Error 1062 (23000): Duplicate entry … for key 'users.mail'"}},
		{"mysql", errors.New("Error 1366 (22007): Incorrect string value: '\\xF0\\x9F' for column `h`.`users`.`mail` at row 1"),
			Fault{Other, "", "Error 1366 (22007): Incorrect string value: … for column `h`.`users`.`mail` at row 1"}},
		{"mysql", errors.New("Error 1292 (22007): Truncated incorrect DOUBLE value: 'ann'"), Fault{Other, "", "Error 1292 (22007): Truncated incorrect DOUBLE value: …"}},
		{"mysql", errors.New("Error 1451 (23000): Cannot delete or update a parent row: a foreign key constraint fails (`h`.`docs`, CONSTRAINT `docs_owner` FOREIGN KEY (`owner`) REFERENCES `users` (`id`))"),
			Fault{Reference, "docs_owner", "Error 1451 (23000): Cannot delete or update a parent row: a foreign key constraint fails (`h`.`docs`, CONSTRAINT `docs_owner` FOREIGN KEY (`owner`) REFERENCES `users` (`id`))"}},
		{"mysql", errors.New("Error 1213 (40001): Deadlock found"), Fault{Retry, "", "Error 1213 (40001): Deadlock found"}},
		{"mysql", errors.New("Error 1205 (HY000): Lock wait timeout exceeded; try restarting transaction"),
			Fault{Retry, "", "Error 1205 (HY000): Lock wait timeout exceeded; try restarting transaction"}},
		{"mysql", errors.New("Error 1020 (HY000): Record has changed since last read in table 'users'"),
			Fault{Retry, "", "Error 1020 (HY000): Record has changed since last read in table 'users'"}},
		{"mysql", errors.New("Error 1048 (23000): Column 'mail' cannot be null"), Fault{Constraint, "", "Error 1048 (23000): Column 'mail' cannot be null"}},
		{"mysql", errors.New("Error 1364 (HY000): Field 'kind' doesn't have a default value"), Fault{Constraint, "", "Error 1364 (HY000): Field 'kind' doesn't have a default value"}},
		{"mysql", errors.New("Error 3819 (HY000): Check constraint 'no_beast' is violated."), Fault{Constraint, "no_beast", "Error 3819 (HY000): Check constraint 'no_beast' is violated."}},
		{"mysql", errors.New("Error 4025 (23000): CONSTRAINT `no_beast` failed for `h`.`users`"),
			Fault{Constraint, "no_beast", "Error 4025 (23000): CONSTRAINT `no_beast` failed for `h`.`users`"}},
		{"mysql", errors.New("Error 1452 (23000): Cannot add or update a child row: a foreign key constraint fails (`h`.`users`, CONSTRAINT `users_team` FOREIGN KEY (`team`) REFERENCES `teams` (`id`))"),
			Fault{Reference, "users_team", "Error 1452 (23000): Cannot add or update a child row: a foreign key constraint fails (`h`.`users`, CONSTRAINT `users_team` FOREIGN KEY (`team`) REFERENCES `teams` (`id`))"}},
		{"mysql", errors.New("Error 1216 (23000): Cannot add or update a child row: a foreign key constraint fails"),
			Fault{Reference, "", "Error 1216 (23000): Cannot add or update a child row: a foreign key constraint fails"}},
		{"mysql", errors.New("Error 1217 (23000): Cannot delete or update a parent row: a foreign key constraint fails"),
			Fault{Reference, "", "Error 1217 (23000): Cannot delete or update a parent row: a foreign key constraint fails"}},
		{"mysql", errors.New("Error 1586 (23000): Duplicate entry 'ann' for key 'users.mail'"), Fault{Unique, "users.mail", "Error 1586 (23000): Duplicate entry … for key 'users.mail'"}},
		{"mysql", errors.New("Error 1859 (23000): Duplicate entry for key 'users.mail'"), Fault{Unique, "users.mail", "Error 1859 (23000): Duplicate entry for key 'users.mail'"}},
		{"sqlite", codeError{2067, "constraint failed: UNIQUE constraint failed: users.mail (2067)"},
			Fault{Unique, "users.mail", "constraint failed: UNIQUE constraint failed: users.mail (2067)"}},
		{"sqlite", errors.New("UNIQUE constraint failed: users.source, users.object_id"),
			Fault{Unique, "users.source, users.object_id", "UNIQUE constraint failed: users.source, users.object_id"}},
		{"sqlite", codeError{275, "CHECK constraint failed: no_digits"}, Fault{Constraint, "no_digits", "CHECK constraint failed: no_digits"}},
		{"sqlite", codeError{787, "FOREIGN KEY constraint failed (787)"}, Fault{Reference, "", "FOREIGN KEY constraint failed (787)"}},
		{"sqlite", codeError{517, "snapshot"}, Fault{Retry, "", "snapshot"}},
		{"sqlite", errors.New("database is locked"), Fault{Retry, "", "database is locked"}},
		{"sqlite", errors.New("this account is locked"), Fault{Other, "", "this account is locked"}},
	} {
		got := dialect(t, test.dialect).Fault(test.err)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Error(test.dialect, diff)
		}
	}
}

// Some drivers of SQLite give a code alone, and others a text alone.
func TestFault_OfSQLiteByCodeOrText(t *testing.T) {
	for _, test := range []struct {
		kind  FaultKind
		codes []int
		text  string
	}{
		{ReadOnly, []int{8, 8 | 5<<8}, "attempt to write a readonly database"},
		{Full, []int{13, 13 | 1<<8}, "database or disk is full"},
		{Constraint, []int{19, 19 | 4<<8}, "CHECK constraint failed: x"},
		{Reference, []int{19 | 3<<8}, "FOREIGN KEY constraint failed"},
		{Retry, []int{5, 5 | 2<<8}, "database is locked"},
		{Retry, []int{6, 6 | 1<<8}, "database table is locked: users"},
		{Other, []int{0, 1, 7, 9, 10, 12, 14, 18, 20, 26, 0xffff}, "SQL logic error"},
	} {
		d := dialect(t, "sqlite")
		assert.Equal(t, test.kind, d.Fault(errors.New(test.text)).Kind, test.text)
		for _, code := range test.codes {
			assert.Equal(t, test.kind, d.Fault(codeError{code, "of the driver's own"}).Kind, code)
		}
	}
}

func TestFault_NamesNobody(t *testing.T) {
	f := dialect(t, "sqlite").Fault(errors.New("the host: taken by Bob.B@mail.corp.example, who left (see <eve@corp.example>)."))
	assert.Equal(t, "the host: taken by …, who left (see <…>).", f.Reason)
	f = dialect(t, "mysql").Fault(errors.New("Error 1045 (28000): Access denied for user 'app'@'10.0.0.1'"))
	assert.Contains(t, f.Reason, "'app'@'10.0.0.1'")
}

// pgError, pqError, cgoError and wasmError are as the drivers' own, which this package does not know.
type pgError struct {
	stateError
	File, ConstraintName string
}

type pqError struct {
	File, Constraint string
	stateError
}

type cgoError struct {
	ExtendedCode uint16
	text         string
}

func (e cgoError) Error() string { return e.text }

type wasmError struct{ text string }

func (e *wasmError) Error() string        { return e.text }
func (e *wasmError) ExtendedCode() uint16 { return 1811 }

// What a trigger or a constraint's function raises may name anybody, and is left out. The
// code and the constraint stay.
func TestFault_LeavesOutWhatATriggerSays(t *testing.T) {
	const says = `the login is bob's, by constraint "of bob"`
	for code, errs := range map[string][]error{
		"SQLSTATE P0001": {
			stateError{"P0001", says}, fmt.Errorf("x: %w", stateError{"P0001", says}), &pgError{stateError{"P0001", says}, "pl_exec.c", ""}, &pqError{"pl_exec.c", "", stateError{"P0001", says}},
		},
		"SQLSTATE P0004": {stateError{"P0004", says}},
		"SQLSTATE U0001": {stateError{"U0001", says}},
		"SQLSTATE 22023": {&pgError{stateError{"22023", says}, "plpy_elog.c", ""}, &pqError{"plperl.c", "", stateError{"22023", says}}},
		"error 1644":     {errors.New("Error 1644 (45000): " + says), errors.New("Error 1644 (23000): " + says), errors.New("Error 1644 (U0001): " + says)},
		"error 1062":     {errors.New("Error 1062 (45000): " + says)},
		"error 30001":    {errors.New("Error 30001 (HY000): " + says)},
		"SQLITE_CONSTRAINT_TRIGGER": {
			codeError{1811, says}, fmt.Errorf("x: %w", codeError{1811, says}), cgoError{1811, says}, &wasmError{says}, fmt.Errorf("x: %w", &wasmError{says}),
			codeError{1811, "UNIQUE constraint failed: bob"},
		},
	} {
		name := map[string]string{"SQLSTA": "postgresql", "error ": "mysql", "SQLITE": "sqlite"}[code[:6]]
		for _, err := range errs {
			f := dialect(t, name).Fault(err)
			assert.Equal(t, "a trigger or function raised it, in words that may name somebody and are left out ("+code+")", f.Reason, err)
			assert.Empty(t, f.Constraint, err)
		}
	}
	for want, err := range map[string]error{
		"no_guests": &pgError{stateError{"23514", says}, "pl_exec.c", "no_guests"},
		"no_guest":  &pqError{"pl_exec.c", "no_guest", stateError{"23514", says}},
	} {
		f := dialect(t, "postgresql").Fault(err)
		assert.Equal(t, Constraint, f.Kind)
		assert.Equal(t, want, f.Constraint)
		assert.Contains(t, f.Reason, "left out (SQLSTATE 23514)")
	}
	for _, own := range []struct {
		dialect string
		err     error
	}{
		{"postgresql", &pgError{stateError{"0A000", "cached plan must not change result type"}, "plancache.c", ""}},
		{"postgresql", &pgError{stateError{"23502", `null value in column "x" violates not-null constraint`}, "execMain.c", ""}},
		{"postgresql", stateError{"42501", "permission denied for table users"}},
		{"mysql", errors.New("Error 3819 (HY000): Check constraint 'x' is violated.")},
		{"mysql", errors.New("Error 1641 (42000): Duplicate condition information item")},
		{"sqlite", codeError{275, "CHECK constraint failed: x"}}, {"sqlite", cgoError{275, "CHECK constraint failed: x"}},
	} {
		assert.Equal(t, own.err.Error(), dialect(t, own.dialect).Fault(own.err).Reason)
	}
	var none *pqError
	assert.Empty(t, textOf(none, "File"), "an error of no value")
	assert.Zero(t, numberOf(codeError{1, "x"}, "Error"), "a method of another kind")
}

// What nobody answered is told apart from what a server refused, with any driver.
func TestAway(t *testing.T) {
	assert.False(t, Away(nil))
	for _, err := range []error{
		driver.ErrBadConn, io.EOF, fmt.Errorf("x: %w", io.ErrUnexpectedEOF), &net.OpError{Op: "read", Err: errors.New("reset")}, errors.New("invalid connection"),
		stateError{"08006", "gone"}, stateError{"57P01", "terminating connection"}, stateError{"57P03", "starting up"}, stateError{"53300", "too many clients"},
		errors.New("Error 1040 (08004): Too many connections"), errors.New("Error 1053 (08S01): Server shutdown in progress"),
		errors.New("Error 1203 (42000): User has too many connections"), errors.New("Error 1927 (70100): Connection was killed"),
	} {
		assert.True(t, Away(err), err)
	}
	for _, err := range []error{
		errors.New("no such table: users"), stateError{"42501", "permission denied"}, stateError{"57014", "canceling statement"}, stateError{"53100", "disk full"},
		stateError{"42601", "Error 1040"}, errors.New("Error 1142 (42000): SELECT command denied"), errors.New("database is locked (5)"),
	} {
		assert.False(t, Away(err), err)
	}
}

func TestRedact(t *testing.T) {
	assert.Equal(t, "no … and … please, but anne stays; …",
		Redact("no Ann and o'hara please, but anne stays; ann", "ann", "O'Hara", "", " "))
	assert.Equal(t, "a", Redact("a", "abc"))
	assert.Equal(t, "xann …", Redact("xann ann", "ann"))
	assert.Equal(t, "… is taken, as … is", Redact("ann is taken, as Bob is", "", "ann", "bob"), "at the beginning, and after one that is empty")
	assert.Equal(t, "…", Redact("ann", "ann"))
}
