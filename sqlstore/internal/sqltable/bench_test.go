package sqltable

import (
	"database/sql"
	"fmt"
	"testing"

	"github.com/go-adsync/adsync/internal/adattr"
)

// benchTypes are those of a usual table of users.
var benchTypes = Types{
	"id": {Name: "bigint"}, "ad_guid": {Name: "uuid"}, "login": {Name: "text"}, "email": {Name: "text"}, "status": {Name: "text"},
}

func benchTable(b *testing.B, name string) *Table {
	columns := []Column{{"ad_guid", Native}, {"login", Text}, {"email", Text}, {"status", Raw}}
	table, err := NewTable(dialect(b, name), "users", "id", columns, Where{})
	if err != nil {
		b.Fatal(err)
	}
	return table
}

// A row of six texts, as drivers give it that give all texts as bytes.
func BenchmarkRowScan(b *testing.B) {
	row := NewRow(6)
	values := []any{[]byte("4711"), []byte("anna.berg"), []byte("Anna"), []byte("Berg"), []byte("anna.berg@corp.example"), []byte("+1 555 0100")}
	rows := scanFunc(func(dest ...any) error {
		for i := range dest {
			if err := dest[i].(sql.Scanner).Scan(values[i]); err != nil {
				return err
			}
		}
		return nil
	})
	b.ReportAllocs()
	for b.Loop() {
		if err := row.Scan(rows); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadGUID(b *testing.B) {
	g := adattr.GUID{0: 0xe1, 15: 0x10}
	for _, f := range []GUIDFormat{GUIDText, GUIDNative, GUIDBytes, GUIDADBytes} {
		b.Run(string(f), func(b *testing.B) {
			cell := CellOf(f.Write(g))
			b.ReportAllocs()
			for b.Loop() {
				if got, ok := f.Read(cell); !ok || got != g {
					b.Fatal(got, ok)
				}
			}
		})
	}
}

func BenchmarkParseWhere(b *testing.B) {
	d := dialect(b, "postgresql")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.ParseWhere("kind = $2 AND name <> 'a?' AND tenant = $1 -- people", 2); err != nil {
			b.Fatal(err)
		}
	}
}

// The texts of the statements that a batch makes once.
func BenchmarkStatements(b *testing.B) {
	set := []string{"login", "email"}
	for _, name := range []string{"postgresql", "mysql", "sqlite"} {
		table := benchTable(b, name)
		for _, statement := range []struct {
			kind string
			text func() string
		}{
			{"update", func() string { return table.Update(set, true) }},
			{"insert 500 rows", func() string { return table.InsertRows(set, 500) }},
			{"update in bulk", func() string { return table.UpdateMany(benchTypes, set).Text }},
		} {
			b.Run(name+", "+statement.kind, func(b *testing.B) {
				if statement.kind == "update in bulk" && !table.d.HasBulk() {
					b.Skip("the dialect has none")
				}
				b.ReportAllocs()
				for b.Loop() {
					if statement.text() == "" {
						b.Fatal("no text")
					}
				}
			})
		}
	}
}

// The arguments of one statement for many rows: texts, numbers and what must be
// escaped.
func BenchmarkBulkArguments(b *testing.B) {
	const rows = 500
	table := benchTable(b, "postgresql")
	values := make([][]any, rows)
	for i := range values {
		values[i] = []any{int64(i), fmt.Sprintf(`user "%d"`, i), fmt.Sprintf("user%d@corp.example", i),
			"e124855b-371a-41be-9f05-3c1a9b7d2e10", "user", "user@corp.example", "active"}
	}
	b.ReportAllocs()
	for b.Loop() {
		bulk := table.UpdateMany(benchTypes, []string{"login", "email"})
		bulk.Grow(rows)
		for _, row := range values {
			if err := bulk.Add(row); err != nil {
				b.Fatal(err)
			}
		}
		if len(bulk.Args()) != len(values[0]) {
			b.Fatal("an argument for each list")
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
}
