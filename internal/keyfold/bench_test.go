package keyfold

import "testing"

// benchmarkTexts does something to keys as directories have them.
func benchmarkTexts(b *testing.B, do func(s string)) {
	for _, keys := range []struct {
		name  string
		texts []string
	}{
		{"ASCII", []string{"anna.berg", "Anna.Berg@Corp.Example", "svc-backup01", " JSmith "}},
		{"Unicode", []string{"jürgen.müller", "Jürgen.Müller@Corp.Example", "Σίσυφος", "王小明"}},
	} {
		b.Run(keys.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, s := range keys.texts {
					do(s)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(keys.texts)), "ns/key")
		})
	}
}

func BenchmarkFold(b *testing.B) { benchmarkTexts(b, func(s string) { Fold(s) }) }

func BenchmarkAppend(b *testing.B) {
	buffer := make([]byte, 0, 64)
	benchmarkTexts(b, func(s string) { buffer = Append(buffer[:0], s) })
}

func BenchmarkValid(b *testing.B) { benchmarkTexts(b, func(s string) { Valid(s) }) }
