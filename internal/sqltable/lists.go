package sqltable

// ListColumn is a column that UpdateRows sets. Same says that all rows get one
// value.
type ListColumn struct {
	Name string
	Same bool
}

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

// DeleteRows removes n rows. Arguments: the IDs.
func (t *Table) DeleteRows(n int) string {
	s := t.begin("DELETE FROM ", t.quoted)
	t.addRows(s, n)
	return s.String()
}

// UpdateRows sets the columns of n rows. Arguments: for each column its one value,
// or each row's ID and value; then the IDs. A row that no ID equals gets NULL, as
// the column in an ELSE would lend its character set to the values.
func (t *Table) UpdateRows(set []ListColumn, n int) string {
	s := t.begin("UPDATE ", t.quoted, " SET ")
	s.list(len(set), ", ", func(i int) string {
		column := t.d.Quote(set[i].Name) + " = "
		if set[i].Same {
			return column + s.arg()
		}
		s.add(column, "CASE ", t.id)
		for range n {
			s.add(" WHEN ", s.arg(), " THEN ", s.arg())
		}
		return " END"
	})
	t.addRows(s, n)
	return s.String()
}

func (t *Table) addRows(s *statement, n int) {
	s.add(" WHERE ", t.id, " IN (")
	s.list(n, ", ", func(int) string { return s.arg() })
	s.add(")")
	t.addAndWhere(s)
}
