package sqltable

import "strconv"

// Ledger writes the statements of the table in which runs note what they do.
type Ledger struct {
	d      Dialect
	quoted string
}

// NewLedger checks the name of the table, which is table or schema.table.
func NewLedger(d Dialect, name string) (*Ledger, error) {
	t, err := NewTable(d, name, "run_id", nil, Where{})
	if err != nil {
		return nil, err
	}
	return &Ledger{d: d, quoted: t.quoted}, nil
}

// of names the source, whose arguments are the first two: tenant and source.
func (l *Ledger) of() string {
	return " WHERE " + l.is("tenant", 1) + " AND " + l.is("source", 2)
}

func (l *Ledger) is(column string, n int) string { return l.d.Quote(column) + " = " + l.arg(n) }

// arg is the nth placeholder, from 1.
func (l *Ledger) arg(n int) string {
	if l.d.numbered {
		return "$" + strconv.Itoa(n)
	}
	return "?"
}

// Recent reads what was noted. Arguments: tenant, source, the earliest second.
func (l *Ledger) Recent() string {
	return "SELECT " + l.d.Quote("tally") + " FROM " + l.quoted + l.of() + " AND " + l.d.Quote("noted_at") + " >= " + l.arg(3)
}

// Used reads the runs that used an approval. Arguments: tenant, source, digest.
func (l *Ledger) Used() string {
	return "SELECT " + l.d.Quote("run_id") + " FROM " + l.quoted + l.of() + " AND " + l.is("approval", 3)
}

// Noted reads what one run noted. Arguments: tenant, source, run.
func (l *Ledger) Noted() string {
	return "SELECT " + l.d.Quote("tally") + " FROM " + l.quoted + l.of() + " AND " + l.is("run_id", 3)
}

// Forget removes what one run noted. Arguments: tenant, source, run.
func (l *Ledger) Forget() string {
	return "DELETE FROM " + l.quoted + l.of() + " AND " + l.is("run_id", 3)
}

// Note adds a row. Arguments: tenant, source, run, second, digest, tally.
func (l *Ledger) Note() string {
	text, args := "INSERT INTO "+l.quoted+" (", ") VALUES ("
	for i, column := range []string{"tenant", "source", "run_id", "noted_at", "approval", "tally"} {
		if i > 0 {
			text, args = text+", ", args+", "
		}
		text, args = text+l.d.Quote(column), args+l.arg(i+1)
	}
	return text + args + ")"
}
