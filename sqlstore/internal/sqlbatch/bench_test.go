package sqlbatch

import (
	"context"
	"testing"
)

// What a transaction of many changes costs in addition to its statements: the database
// does nothing.
func BenchmarkRun(b *testing.B) {
	const changes = 500
	oneText := func(ctx context.Context, tx *Tx, _ int) (error, error) {
		_, err := tx.Exec(ctx, "write")
		return nil, err
	}
	for _, way := range []struct {
		name    string
		refused int // how many writes fail, and are tried again
		batch   func(f *fakeDB) Batch
	}{
		{"one by one", 0, func(f *fakeDB) Batch { return f.batch(b, changes) }},
		{"in bulk", 0, func(f *fakeDB) Batch { return f.bulk(b, make([]error, changes)...) }},
		{"with savepoints", 1, func(f *fakeDB) Batch { return f.batch(b, changes) }},
	} {
		b.Run(way.name, func(b *testing.B) {
			f := &fakeDB{}
			batch := way.batch(f)
			batch.Apply = oneText
			b.ReportAllocs()
			for b.Loop() {
				f.log, f.answer = f.log[:0], times(way.refused, "write", errBad)
				for _, o := range batch.Run(b.Context()) {
					if o.Err != nil {
						b.Fatal(o.Err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*changes), "ns/change")
		})
	}
}
