package userindex

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

const benchRows = 100_000

// perRow reports what each of the rows takes.
func perRow(b *testing.B, rows int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
}

func benchRecord() *Record {
	return &Record{Words: [2]string{"corp", "active"}, Texts: [6]string{"anna.berg", "Anna", "Berg", "anna.berg@corp.example", "+1 555 0100", "4711"}}
}

func BenchmarkArenaAppend(b *testing.B) {
	r := benchRecord()
	b.ReportAllocs()
	for b.Loop() {
		var a Arena
		for i := range benchRows {
			r.ObjectID = objectID(i)
			a.Append(r)
		}
	}
	perRow(b, benchRows)
}

func BenchmarkArenaRecord(b *testing.B) {
	var a Arena
	r := benchRecord()
	for range benchRows {
		a.Append(r)
	}
	b.ReportAllocs()
	for b.Loop() {
		for i := range benchRows {
			a.Record(i)
		}
	}
	perRow(b, benchRows)
}

// Each round enters all rows and asks for all of them.
func BenchmarkLinks(b *testing.B) {
	for _, name := range []string{"same order", "any order"} {
		b.Run(name, func(b *testing.B) {
			order := rand.New(rand.NewPCG(1, 2)).Perm(benchRows)
			if name == "same order" {
				slices.Sort(order)
			}
			b.ReportAllocs()
			for b.Loop() {
				l := NewLinks(objectID)
				for i := range benchRows {
					l.Add(i, objectID(i))
				}
				for _, i := range order {
					if row, ok := l.First(objectID(i)); !ok || row != i {
						b.Fatal(row, ok)
					}
				}
			}
			perRow(b, benchRows)
		})
	}
}

// All keys differ, but for one pair in a hundred rows. Now and then two hashes are
// equal though their keys are not.
func BenchmarkKeysShared(b *testing.B) {
	k := NewKeys()
	for i := range benchRows {
		k.Add(k.Hash(fmt.Appendf(nil, "user%d", i-i%100/99)))
	}
	b.ReportAllocs()
	for b.Loop() {
		if n := len(k.Shared(nil)); n < 2*benchRows/100 {
			b.Fatal(n, "rows share a key")
		}
	}
	perRow(b, benchRows)
}
