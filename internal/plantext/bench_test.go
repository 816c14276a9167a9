package plantext

import (
	"fmt"
	"io"
	"testing"
)

func BenchmarkWrite(b *testing.B) {
	items := make([]Item, 1000)
	for i := range items {
		items[i] = Item{
			Mark: '~', ID: fmt.Sprint(i), Name: fmt.Sprintf("jürgen%d", i), Text: "is renamed",
			Details: []Detail{{Label: "email", Old: "j@corp.example", New: "jm@corp.example", Arrow: true}},
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Write(io.Discard, []string{"A plan"}, items, []string{"The end"}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(items)), "ns/item")
}
