package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-adsync/adsync/internal/fakead"
)

// go test ./fleet -run TestDay -v -args -tenants 500 -people 2000 -machines 3 -day 24m
var (
	tenants  = flag.Int("tenants", 6, "tenants of the day")
	people   = flag.Int("people", 40, "people of each")
	machines = flag.Int("machines", 2, "processes that work on the syncs")
	day      = flag.Duration("day", 24*time.Second, "how long the day takes; each sync is due 24 times in it")
)

// asMachine lets the test binary be one of the machines.
const asMachine = "FLEET_AS_MACHINE"

func TestMain(m *testing.M) {
	if os.Getenv(asMachine) != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		if err := run(ctx, os.Args[1:], io.Discard, io.Discard); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// TestDay_LosesNothing lets machines be killed, directories go away, and the database crash
// twice, and wants of it that nobody was deleted who had not left, nobody was imported
// twice, no two runs of one sync overlapped, and no schedule was lost.
func TestDay_LosesNothing(t *testing.T) {
	d := newDay(t)
	d.live()
	d.settle()

	n, err := d.desk.tally(t.Context())
	require.NoError(t, err)
	t.Logf("%s", n)
	t.Logf("%d machines were killed; the one that was not held %s of memory", d.killed, strings.Join(d.memory, ", "))
	assert.Zero(t, n.Overlaps)
	assert.GreaterOrEqual(t, n.Done, len(d.world.tenants))
	d.wantNoWrongWrite()
	for _, tenant := range d.world.tenants {
		d.wantInStep(tenant)
	}
}

// livingDay is a day that goes by.
type livingDay struct {
	*testing.T
	world    *world
	database *postgres
	desk     *fleet
	every    time.Duration
	procs    []*process
	killed   int
	memory   []string
	left     map[fakead.GUID]bool
}

func newDay(t *testing.T) *livingDay {
	d := &livingDay{T: t, every: *day / 24, left: map[fakead.GUID]bool{}}
	d.database = startDatabase(t)
	var err error
	d.world, err = newWorld(*tenants, *people, max(1, *tenants/20))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.world.close()) })
	d.desk, err = open(t.Context(), d.database.dsn(), settings{tick: d.tick(), workers: 1, logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(d.desk.close)
	require.NoError(t, d.desk.migrate(t.Context()))
	require.NoError(t, d.world.register(t.Context(), d.desk, d.every, time.Now()))
	_, err = d.desk.pool.Exec(t.Context(), `
		CREATE TABLE written (what text, ad_guid uuid);
		CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO written VALUES (TG_OP, COALESCE(NEW.ad_guid, OLD.ad_guid)); RETURN NULL; END $$;
		CREATE TRIGGER note AFTER INSERT OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION note()`)
	require.NoError(t, err)
	for range *machines {
		d.startMachine()
	}
	t.Cleanup(func() {
		for _, p := range d.procs {
			p.kill()
		}
	})
	return d
}

func startDatabase(t *testing.T) *postgres {
	p, err := newPostgres(t.Context())
	if err != nil && strings.Contains(err.Error(), "there is no ") {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.close()) })
	return p
}

func (d *livingDay) tick() time.Duration { return max(100*time.Millisecond, *day/24/60) } // a minute of the day

// live lets the day go by: something happens in the directories all the time, a machine is
// killed every ten minutes of it, and the database crashes at eight and at four.
func (d *livingDay) live() {
	begun := time.Now()
	events := time.NewTicker(d.every / 20)
	defer events.Stop()
	kills := time.NewTicker(*day / 144)
	defer kills.Stop()
	crash := []time.Time{begun.Add(*day / 3), begun.Add(*day * 2 / 3)}
	down := map[*fakead.Server]bool{}
	for now := begun; now.Sub(begun) < *day; {
		select {
		case now = <-events.C:
			d.happen(d.world.tenants[rand.N(len(d.world.tenants))])
			c := d.world.controllers[rand.N(len(d.world.controllers))]
			if down[c] {
				c.Restart()
				down[c] = false
			} else if rand.N(40) == 0 {
				c.Stop()
				down[c] = true
			}
		case now = <-kills.C:
			d.killOne()
		}
		d.revive()
		if len(crash) > 0 && now.After(crash[0]) {
			crash = crash[1:]
			d.database.stop()
			require.NoError(d, d.database.start(d.Context()))
			d.memory = append(d.memory, d.procs[0].memory())
		}
	}
	d.memory = append(d.memory, d.procs[0].memory())
	for c := range down {
		c.Restart()
	}
}

// happen is an event in a directory: mostly a new phone number. At most three of a tenant
// leave, so that no limit stands in the way.
func (d *livingDay) happen(t *tenant) {
	switch roll := rand.N(10); {
	case roll == 0 && t.hired-len(t.people) < 3:
		d.left[t.people[0]] = true
		require.NoError(d, t.leave())
	case roll == 1:
		require.NoError(d, t.hire())
	default:
		require.NoError(d, t.call(rand.N(len(t.people)), fmt.Sprintf("+45 %08d", rand.N(100_000_000))))
	}
}

// settle waits until each sync has run once more.
func (d *livingDay) settle() {
	quiet := time.Now()
	for {
		d.revive()
		var waiting int
		err := d.desk.pool.QueryRow(d.Context(), `
			SELECT count(*) FROM fleet_syncs s WHERE NOT EXISTS (
				SELECT FROM fleet_runs r WHERE r.tenant = s.tenant AND r.source = s.source AND r.state = 'done' AND r.begun_at > $1)`, quiet).Scan(&waiting)
		if err == nil && waiting == 0 {
			return
		}
		select {
		case <-d.Context().Done():
			d.Fatal("the day did not settle")
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// wantNoWrongWrite looks at every row that was ever deleted or made.
func (d *livingDay) wantNoWrongWrite() {
	rows, err := d.desk.pool.Query(d.Context(), `SELECT what, ad_guid, count(*) FROM written GROUP BY what, ad_guid`)
	require.NoError(d, err)
	var what string
	var id *[16]byte
	var times int
	_, err = pgx.ForEachRow(rows, []any{&what, &id, &times}, func() error {
		if assert.NotNil(d, id, "a local user was written") {
			assert.Equal(d, 1, times, "%s of %x", what, *id)
			if what == "DELETE" {
				assert.True(d, d.left[fakead.GUID(*id)], "deleted, and had not left: %x", *id)
			}
		}
		return nil
	})
	require.NoError(d, err)
}

// wantInStep compares a tenant's users with its directory.
func (d *livingDay) wantInStep(t *tenant) {
	rows, err := d.desk.pool.Query(d.Context(), `SELECT ad_guid FROM users WHERE tenant = $1 AND ad_guid IS NOT NULL`, t.name)
	require.NoError(d, err)
	linked, err := pgx.CollectRows(rows, pgx.RowTo[[16]byte])
	require.NoError(d, err)
	var got []fakead.GUID
	for _, id := range linked {
		got = append(got, fakead.GUID(id))
	}
	assert.ElementsMatch(d, t.people, got, t.name)
	var locals int
	require.NoError(d, d.desk.pool.QueryRow(d.Context(), `SELECT count(*) FROM users WHERE tenant = $1 AND ad_guid IS NULL`, t.name).Scan(&locals))
	assert.Equal(d, 1, locals, "the owner")
}

// process is a machine as a process of its own.
type process struct {
	cmd  *exec.Cmd
	over chan struct{}
}

func (d *livingDay) startMachine() {
	cmd := exec.Command(os.Args[0], "-database", d.database.dsn(), "-tick", d.tick().String(), "-workers", "4")
	cmd.Env = append(os.Environ(), asMachine+"=1")
	for _, t := range d.world.tenants {
		password, err := d.world.secret(t.name)
		require.NoError(d, err)
		cmd.Env = append(cmd.Env, "FLEET_SECRET_"+t.name+"="+password)
	}
	require.NoError(d, d.database.reaper.Start(cmd))
	p := &process{cmd: cmd, over: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(p.over)
	}()
	d.procs = append(d.procs, p)
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.over
}

// killOne kills any machine but the first, whose memory is watched.
func (d *livingDay) killOne() {
	d.procs[1+rand.N(len(d.procs)-1)].kill()
	d.killed++
}

// revive starts a machine for each that has ended, as whoever supervises them would.
func (d *livingDay) revive() {
	living := d.procs[:0:0]
	for _, p := range d.procs {
		select {
		case <-p.over:
		default:
			living = append(living, p)
		}
	}
	dead := len(d.procs) - len(living)
	d.procs = living
	for range dead {
		d.startMachine()
	}
}

// memory is what the process holds, in the words of Linux.
func (p *process) memory() string {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	for line := range strings.Lines(string(status)) {
		if held, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			return strings.TrimSpace(held)
		}
	}
	return "unknown"
}
