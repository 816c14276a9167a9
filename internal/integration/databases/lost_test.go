package databases

import (
	"bytes"
	"context"
	"database/sql"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// testTerminated ends the connection in the middle of each try of a batch: nothing
// is written, each result says so, and applying it again settles it.
func testTerminated(t *testing.T, d database) {
	if d.dialect == sqlstore.SQLite {
		t.Skip("SQLite has no connection to lose")
	}
	var end func()
	table := sqlstore.Table{OnWrite: onDelete(func(context.Context, *sql.Tx, adsync.User) error {
		end()
		return nil
	})}
	db, s, now := d.filled(t, table, "ann", "bob", "cid")
	admin := d.open(t)
	end = func() { d.killOthers(t, admin) }
	ann := with(now["ann"], func(u *adsync.User) { u.Phone = "1" })
	cs := []adsync.Change{update(now["ann"], ann), remove(now["bob"]), remove(now["cid"])}
	for _, batch := range [][]adsync.Change{cs, cs[1:2]} { // one that is alone is not blamed either
		for i, w := range s.ApplyChanges(t.Context(), batch) {
			assert.ErrorContains(t, w.Err, "adsync: this was rolled back with its batch", i)
			assert.ErrorIs(t, w.Err, adsync.ErrNotWritten, "the run is to end")
		}
	}
	s = newStore(t, db, d.dialect, sqlstore.Table{Name: "users", Columns: allColumns})
	assert.Equal(t, now, list(t, s))
	for i, w := range s.ApplyChanges(t.Context(), cs) {
		assert.NoError(t, w.Err, i)
	}
	assert.Equal(t, map[string]adsync.User{"ann": ann}, list(t, s))
}

// testCutAtCommit cuts the connection when a commit is on its way, or when its
// answer is. The outcome of that batch is unknown, and reported as such; everything else
// is known, and applying the plan again settles the rest.
func testCutAtCommit(t *testing.T, d database) {
	if d.dialect == sqlstore.SQLite {
		t.Skip("SQLite has no connection to lose")
	}
	c := newCrashes(t, d)
	for name, answered := range map[string]bool{"before the server has it": false, "before the client has the answer": true} {
		t.Run(name, func(t *testing.T) {
			c.T = t
			c.refill()
			proxy := newProxy(t, c.dsn, answered)
			store := newStore(t, open(t, d.driver, proxy.dsn), d.dialect, sqlstore.Table{Name: "users", Columns: allColumns})
			proxy.cutAt.Store(5)
			report, err := c.newSyncer(store).Apply(t.Context(), c.plan)
			assert.ErrorContains(t, err, "adsync: the run was cut short")
			assert.ErrorIs(t, err, adsync.ErrUnknown)
			c.checkRows()
			c.checkAgain(report, answered)
			c.settle(true)
		})
	}
}

// checkAgain applies the plan again, and compares with what the first report said.
func (c *crashes) checkAgain(first *adsync.Report, committed bool) {
	c.Helper()
	second, err := c.syncer.Apply(c.Context(), c.plan)
	require.NoError(c, err)
	unknown := 0
	for i, r := range first.Results {
		want := adsync.OutcomeApplied
		switch r.Outcome {
		case adsync.OutcomeApplied:
			want = adsync.OutcomeAlready
		case adsync.OutcomeUnknown:
			unknown++
			parked := strings.Contains(r.Err.Error(), "temporary") // the parking was written, and the end of it is unknown
			if committed || parked {
				want = adsync.OutcomeAlready
			}
		default:
			assert.Equal(c, adsync.Outcome("not-attempted"), r.Outcome)
		}
		assert.Equal(c, want, second.Results[i].Outcome, "change %d was %s before", i, r.Outcome)
	}
	assert.Positive(c, unknown)
}

// proxy stands between a driver and its server, and cuts one connection at a
// commit.
type proxy struct {
	dsn      string
	server   string
	answered bool         // cut when the server has answered
	cutAt    atomic.Int64 // how many commits are left
	sent     atomic.Int64 // messages of the drivers
	atCommit func()       // where not nil, before a commit is passed on
	all      sync.WaitGroup
}

var socketIn = map[string]*regexp.Regexp{
	"/.s.PGSQL.5432": regexp.MustCompile(`host=(\S+)`),
	"/s":             regexp.MustCompile(`unix\((\S+)/s\)`),
}

func newProxy(t *testing.T, dsn string, answered bool) *proxy {
	t.Helper()
	dir, err := os.MkdirTemp("", "adsync-proxy")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	p := &proxy{answered: answered}
	socket := dir
	for name, at := range socketIn {
		if m := at.FindStringSubmatch(dsn); m != nil {
			p.dsn, p.server = strings.Replace(dsn, m[1], dir, 1), m[1]+name
			socket = filepath.Join(dir, name)
		}
	}
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, listener.Close())
		p.all.Wait()
	})
	p.all.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			p.all.Go(func() { p.join(client) })
		}
	})
	return p
}

// join carries bytes both ways until either side is done.
func (p *proxy) join(client net.Conn) {
	server, err := net.Dial("unix", p.server)
	if err != nil {
		_ = client.Close()
		return
	}
	var both sync.WaitGroup
	var cut atomic.Bool
	carry := func(to, from net.Conn, watch func([]byte) bool) {
		defer to.Close()
		defer from.Close()
		buffer := make([]byte, 64<<10)
		for {
			n, err := from.Read(buffer)
			if err != nil || !watch(buffer[:n]) {
				return
			}
			if _, err := io.Copy(to, bytes.NewReader(buffer[:n])); err != nil {
				return
			}
		}
	}
	both.Go(func() {
		carry(server, client, func(data []byte) bool {
			p.sent.Add(1)
			if !bytes.Contains(bytes.ToLower(data), []byte("commit")) {
				return true
			}
			if p.atCommit != nil {
				p.atCommit()
			}
			if p.cutAt.Add(-1) == 0 {
				cut.Store(true)
				return p.answered
			}
			return true
		})
	})
	both.Go(func() { carry(client, server, func([]byte) bool { return !cut.Load() }) })
	both.Wait()
}
