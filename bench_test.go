package adsync_test

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"

	"github.com/go-adsync/adsync"
)

// bigWorld is n users and their n entries, of whom one in a hundred has changed.
func bigWorld(n int) ([]adsync.Entry, []adsync.User) {
	entries, users := make([]adsync.Entry, n), make([]adsync.User, n)
	for i := range n {
		var id adsync.ObjectID
		binary.BigEndian.PutUint64(id[:], uint64(i)*0x9e3779b97f4a7c15)
		binary.BigEndian.PutUint64(id[8:], uint64(i)+1)
		p := adsync.Profile{
			Username:  fmt.Sprintf("user%07d", i),
			FirstName: fmt.Sprintf("First%d", i%5000),
			LastName:  fmt.Sprintf("Last%d", i%30000),
			Email:     fmt.Sprintf("user%07d@corp.example", i),
			Phone:     fmt.Sprintf("+1 555 %07d", i),
		}
		users[i] = adsync.User{ID: fmt.Sprint(i), ObjectID: id, Profile: p}
		if i%100 == 0 {
			p.Phone += "9"
			p.Username += "x"
		}
		entries[i] = adsync.Entry{ObjectID: id, Profile: p}
	}
	return entries, users
}

func BenchmarkReconcile(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprintf("%d users, 1%% changed", n), func(b *testing.B) {
			entries, users := bigWorld(n)
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			b.ReportAllocs()
			for b.Loop() {
				plan, err := adsync.Reconcile(entries, users, adsync.Rules{})
				if err != nil || len(plan.Changes) != n/100 {
					b.Fatal(len(plan.Changes), err)
				}
			}
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/user")
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(b.N)/float64(n), "B/user")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N)/float64(n), "allocs/user")
		})
	}
}

// An unchanged user costs no allocation: ten times as many cost no more, but for
// the few times that a table is made larger.
func TestUnchangedUsersCostNoAllocation(t *testing.T) {
	allocations := func(n int) float64 {
		entries, users := bigWorld(n)
		for i := range entries {
			users[i].Profile = entries[i].Profile
		}
		return testing.AllocsPerRun(2, func() {
			if plan, err := adsync.Reconcile(entries, users, adsync.Rules{}); err != nil || len(plan.Changes) > 0 {
				t.Error(len(plan.Changes), err)
			}
		})
	}
	few, many := allocations(1000), allocations(10_000)
	if many > few+100 {
		t.Errorf("1,000 unchanged users cost %v allocations, and 10,000 cost %v", few, many)
	}
}
