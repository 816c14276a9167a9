package activedirectory

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/internal/fakead"
)

var benchPeople = flag.Int("bench-people", 10_000, "how many people BenchmarkSince has")

// BenchmarkSince tells what plans by mark cost beyond reading the table, beside a full one.
func BenchmarkSince(b *testing.B) {
	dc, err := fakead.Start(fakead.Config{})
	require.NoError(b, err)
	defer dc.Close()
	people, err := dc.AddOU("People", "")
	require.NoError(b, err)
	_, err = dc.AddUser(fakead.User{Username: "svc", UPN: since, Password: "S3rvice-of-the-test!"})
	require.NoError(b, err)
	require.NoError(b, dc.GrantTombstones(since))
	n := *benchPeople
	users, ids := make([]adsync.User, n), make([]fakead.GUID, n)
	for i := range n {
		p := adsync.Profile{Username: "p" + strconv.Itoa(i), FirstName: "First", LastName: "Last", Email: fmt.Sprintf("p%d@x.test", i), Phone: "1"}
		ids[i], err = dc.AddUser(fakead.User{Parent: people, Username: p.Username, FirstName: p.FirstName, LastName: p.LastName, Email: p.Email, Phone: p.Phone})
		require.NoError(b, err)
		users[i] = adsync.User{ID: strconv.Itoa(i), ObjectID: adsync.ObjectID(ids[i]), Profile: p}
	}
	dir, err := New(Config{URLs: []string{dc.URL()}, TLS: dc.ClientTLS(), Bind: SimpleBind(since, "S3rvice-of-the-test!"), BaseDN: people})
	require.NoError(b, err)
	s, err := adsync.New(dir, adsync.NewMemoryStore(users...), &adsync.Options{Limits: adsync.Limits{MaxRekeyed: -1}})
	require.NoError(b, err)
	first, err := s.Sync(b.Context())
	require.NoError(b, err)
	nobody, err := adsync.New(adsync.StaticDirectory{}, adsync.NewMemoryStore(users...), &adsync.Options{Rules: adsync.Rules{Only: []string{}}})
	require.NoError(b, err)
	mark := first.Mark()
	measure := func(name string, s *adsync.Syncer, sel ...adsync.Selection) {
		b.Run(name, func(b *testing.B) {
			dc.ForgetRequests()
			for b.Loop() {
				p, err := s.Plan(context.Background(), sel...)
				require.NoError(b, err)
				require.True(b, len(sel) == 0 || p.Reading.Full == "", "%v", p.Reading)
			}
			b.ReportMetric(float64(len(dc.Requests()))/float64(b.N), "requests/op")
		})
	}
	measure("table alone", nobody)
	measure("full", s)
	measure("nothing changed", s, adsync.Since(mark))
	for i := 0; i < n; i += 100 {
		require.NoError(b, dc.SetAttribute(ids[i], "mail", fmt.Sprintf("new%d@x.test", i)))
	}
	measure("1% changed", s, adsync.Since(mark))
}
