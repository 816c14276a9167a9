package sqlstore

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

const benchRows = 100_000

// BenchmarkSQLite shows what one row costs to import, read, change and delete, in
// batches of the default size.
func BenchmarkSQLite(b *testing.B) {
	people := make([]adsync.User, benchRows)
	creates := make([]adsync.Change, benchRows)
	for i := range people {
		people[i] = person(i+1, fmt.Sprint("user", i))
		creates[i] = create(people[i])
	}
	var s *adsync.SQLStore
	b.Run("create", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			s = newStore(b, openSQLite(b, sqliteUsers), adsync.SQLite, adsync.SQLTable{Name: "users", Columns: allColumns})
			b.StartTimer()
			applyAll(b, s, creates)
		}
		perRow(b, benchRows)
	})
	s = newStore(b, openSQLite(b, sqliteUsers), adsync.SQLite, adsync.SQLTable{Name: "users", Columns: allColumns})
	applyAll(b, s, creates)
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			for _, err := range s.Users(context.Background()) {
				require.NoError(b, err)
			}
		}
		perRow(b, benchRows)
	})
	b.Run("update", func(b *testing.B) {
		round := 0
		for b.Loop() {
			round++
			var cs []adsync.Change
			for i := 0; i < benchRows; i += 100 {
				before := people[i]
				people[i].Phone = fmt.Sprint(round)
				cs = append(cs, update(before, people[i]))
			}
			applyAll(b, s, cs)
		}
		perRow(b, benchRows/100)
	})
}

func applyAll(b *testing.B, s *adsync.SQLStore, cs []adsync.Change) {
	b.Helper()
	for len(cs) > 0 {
		n := min(500, len(cs))
		for _, w := range s.ApplyChanges(context.Background(), cs[:n]) {
			if w.Err != nil {
				b.Fatal(w.Err)
			}
		}
		cs = cs[n:]
	}
}

func perRow(b *testing.B, rows int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
}
