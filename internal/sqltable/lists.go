package sqltable

// HasLists tells whether many rows are best written with lists of arguments, after
// SelectRows has locked them: where each statement is a round trip, and none that
// writes can say which rows it wrote.
func (d Dialect) HasLists() bool { return d.lists }

// SelectRows is SelectRow for n rows. Arguments: the IDs.
func (t *Table) SelectRows(n int) string {
	s := t.selectAll()
	t.addRows(s, n)
	s.add(t.d.lock)
	return s.String()
}

// Lists are values of many rows of which the same columns are set; of none, where
// the rows are to be removed.
type Lists struct {
	Set    []string
	IDs    []any
	values [][]any // for each column
}

// Add appends a row, with a value for each column.
func (l *Lists) Add(id any, values []any) {
	if l.values == nil {
		l.values = make([][]any, len(l.Set))
	}
	l.IDs = append(l.IDs, id)
	for i, v := range values {
		l.values[i] = append(l.values[i], v)
	}
}

// WriteRows is the statement for the lists, and its arguments but those of the
// Where. A value that all rows get is given once. Of the others, a row that no ID
// equals would get NULL, as the column in an ELSE lends its character set to the
// values.
func (t *Table) WriteRows(l *Lists) (text string, args []any) {
	if len(l.Set) == 0 {
		s := t.begin("DELETE FROM ", t.quoted)
		t.addRows(s, len(l.IDs))
		return s.String(), l.IDs
	}
	s := t.begin("UPDATE ", t.quoted, " SET ")
	s.list(len(l.Set), ", ", func(i int) string {
		s.add(t.d.Quote(l.Set[i]), " = ")
		if allSame(l.values[i]) {
			args = append(args, l.values[i][0])
			return s.arg()
		}
		s.add("CASE ", t.id)
		for k, v := range l.values[i] {
			args = append(args, l.IDs[k], v)
			s.add(" WHEN ", s.arg(), " THEN ", s.arg())
		}
		return " END"
	})
	t.addRows(s, len(l.IDs))
	return s.String(), append(args, l.IDs...)
}

func allSame(values []any) bool {
	for _, v := range values {
		switch v.(type) {
		case nil, string, int, int64, bool:
		default:
			return false // it may not be comparable
		}
		if v != values[0] {
			return false
		}
	}
	return true
}

func (t *Table) addRows(s *statement, n int) {
	s.add(" WHERE ", t.id, " IN (")
	s.list(n, ", ", func(int) string { return s.arg() })
	s.add(")")
	t.addAndWhere(s)
}
