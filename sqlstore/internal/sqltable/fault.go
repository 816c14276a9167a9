package sqltable

import (
	"cmp"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
)

// FaultKind says what can be done about a database's error.
type FaultKind int

// The kinds of fault.
const (
	Other      FaultKind = iota
	Unique               // another row has the key
	Constraint           // the row breaks another rule of the table
	Reference            // a rule between tables: other rows refer to this one, or it to none
	Retry                // the transaction lost against another one, and may be tried again
	Full                 // there was no room for it
	ReadOnly             // nothing can be written at all
)

// Fault is a database's error, told apart without any driver's types.
type Fault struct {
	Kind       FaultKind
	Constraint string // by name, or by its columns, where the database tells
	Reason     string // the database's words, without the values that it quotes; never those of the host's own code in it
}

// anyEmail also finds the address of another user than the one at hand, because a
// trigger may name the one who is in the way.
var anyEmail = regexp.MustCompile(`[^\s"'()<>\[\]=,;:]+@[^\s"'()<>\[\]=,;:]+\.[^\s"'()<>\[\]=,;:.]+`)

// Away reports that nobody answered, as where the server is down, shuts down, or takes no
// more connections: that says nothing about what it was asked. It knows no driver's types.
func Away(err error) bool {
	if err == nil {
		return false
	}
	var network net.Error
	if errors.As(err, &network) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return true
	}
	var stater sqlStater
	if errors.As(err, &stater) {
		state := stater.SQLState()
		return strings.HasPrefix(state, "08") || strings.HasPrefix(state, "57P") || state == "53300"
	}
	switch number, _ := strconv.Atoi(submatch(mySQLNumber, err.Error())); number {
	case 1040, 1053, 1203, 1927:
		return true
	}
	return strings.Contains(err.Error(), "invalid connection") // of MySQL's driver
}

// sqlStater is what pgx's and pq's errors offer. Their texts leave out the detail,
// which is where PostgreSQL puts the row.
type sqlStater interface{ SQLState() string }

func postgreSQLFault(err error) Fault {
	f := Fault{Reason: err.Error()}
	var stater sqlStater
	if !errors.As(err, &stater) {
		return f
	}
	state := stater.SQLState()
	f.Constraint = submatch(pgConstraint, f.Reason)
	if postgreSQLRaised(stater, state) {
		f.Constraint, f.Reason = cmp.Or(textOf(stater, "ConstraintName"), textOf(stater, "Constraint")), raised("SQLSTATE "+state)
	}
	switch {
	case state == "23505":
		f.Kind = Unique
	case state == "23503" || state == "23001":
		f.Kind = Reference
	case strings.HasPrefix(state, "23"):
		f.Kind = Constraint
	case state == "40001" || state == "40P01":
		f.Kind = Retry
	case state == "25006":
		f.Kind = ReadOnly
	case strings.HasPrefix(state, "22"): // data exceptions quote the value
		f.Reason = pgQuotedValue.ReplaceAllString(f.Reason, ": …")
	}
	return f
}

// pgConstraint: the name is quoted in every language that the server speaks, though not
// always by "".
var pgConstraint = regexp.MustCompile(`(?:constraint|Constraint)\D{0,3}["«„»]\s*([^"»“«]+?)\s*["»“«]`)
var pgQuotedValue = regexp.MustCompile(`(?s): ["«„].*["»“]`)

func mySQLFault(err error) Fault {
	f := Fault{Reason: mySQLQuotedValue.ReplaceAllString(err.Error(), "$1$3 …$2$4")}
	number, _ := strconv.Atoi(submatch(mySQLNumber, f.Reason))
	if mySQLRaised(number, f.Reason) {
		f.Reason = raised("error " + strconv.Itoa(number))
	}
	switch number {
	case 1062, 1586, 1859:
		f.Kind = Unique
		f.Constraint = submatch(mySQLKey, f.Reason)
	case 1216, 1217, 1451, 1452:
		f.Kind = Reference
		f.Constraint = submatch(mySQLConstraint, f.Reason)
	case 1048, 1364, 3819, 4025:
		f.Kind = Constraint
		f.Constraint = submatch(mySQLConstraint, f.Reason)
	case 1020, 1205, 1213:
		f.Kind = Retry
	case 1290, 1792, 1836:
		if strings.Contains(strings.ToLower(f.Reason), "read") { // 1290 is returned for other options too
			f.Kind = ReadOnly
		}
	}
	return f
}

var mySQLNumber = regexp.MustCompile(`\bError (\d+)\b`)
var mySQLKey = regexp.MustCompile(`for key '([^']*)'[^']*$`)

// mySQLQuotedValue: MySQL quotes the value after "entry" or "value", unescaped, and then
// says what it was for.
var mySQLQuotedValue = regexp.MustCompile(`(?s)\b([Ee]ntry) '.*'( for key )|\b(value:?) '.*'( for (?:column|function) |$)`)
var mySQLConstraint = regexp.MustCompile("(?:[Cc]onstraint|CONSTRAINT) [`']([^`']+)[`']")

// coder is what most drivers' SQLite errors offer; the low byte is the primary
// result code.
type coder interface{ Code() int }

func sqliteFault(err error) Fault {
	f := Fault{Reason: err.Error()}
	f.Constraint = submatch(sqliteConstraint, f.Reason)
	code := 0
	var c coder
	if errors.As(err, &c) {
		code = c.Code()
	}
	if code == sqliteTrigger || numberOf(err, "ExtendedCode") == sqliteTrigger {
		return Fault{Kind: Constraint, Reason: raised("SQLITE_CONSTRAINT_TRIGGER")}
	}
	switch {
	case code&0xff == 8 || strings.Contains(f.Reason, "attempt to write a readonly database"):
		f.Kind = ReadOnly
	case code&0xff == 13 || strings.Contains(f.Reason, "database or disk is full"):
		f.Kind = Full
	case strings.Contains(f.Reason, "UNIQUE constraint failed"):
		f.Kind = Unique
	case code == 787 || strings.Contains(f.Reason, "FOREIGN KEY constraint failed"):
		f.Kind = Reference
	case code&0xff == 19 || strings.Contains(f.Reason, "constraint failed"):
		f.Kind = Constraint
	case code&0xff == 5 || code&0xff == 6 || strings.Contains(f.Reason, "database is locked") || strings.Contains(f.Reason, "database table is locked"):
		f.Kind = Retry
	}
	return f
}

var sqliteConstraint = regexp.MustCompile(`(?:UNIQUE|CHECK|NOT NULL) constraint failed: (.+?)(?: \(\d+\))?$`)

func submatch(re *regexp.Regexp, s string) string {
	if m := re.FindStringSubmatch(s); m != nil {
		return m[1]
	}
	return ""
}
