package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// yard is a small fleet whose schedule is slow, so that only what a test asks for runs.
type yard struct {
	*testing.T
	world *world
	desk  *fleet
	again func() // starts a machine
	stop  func() // stops it
}

func newYard(t *testing.T) *yard {
	database := startDatabase(t)
	w, err := newWorld(2, 20, 1)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.close()) })
	s := settings{tick: 100 * time.Millisecond, workers: 2, secret: w.secret, logger: slog.New(slog.DiscardHandler)}
	desk, err := open(t.Context(), database.dsn(), s)
	require.NoError(t, err)
	t.Cleanup(desk.close)
	require.NoError(t, desk.migrate(t.Context()))
	require.NoError(t, desk.migrate(t.Context()), "it may be run by each machine")
	require.NoError(t, w.register(t.Context(), desk, 24*time.Hour, time.Now().Add(-12*time.Hour)))
	y := &yard{T: t, world: w, desk: desk}
	y.again = func() {
		f, err := open(t.Context(), database.dsn(), s)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			defer f.close()
			done <- f.serve(ctx)
		}()
		y.stop = func() {
			cancel()
			require.NoError(t, <-done)
			y.stop = func() {}
		}
	}
	t.Cleanup(func() { y.stop() })
	y.again()
	for _, tenant := range w.tenants {
		y.becomes(tenant, stateDone)
	}
	return y
}

// becomes waits until the last run of the tenant ended like this, and returns what it said.
func (y *yard) becomes(t *tenant, want string) (said string) {
	y.Helper()
	for {
		var state string
		require.NoError(y, y.desk.pool.QueryRow(y.Context(), `SELECT state, said FROM fleet_syncs WHERE tenant = $1`, t.name).Scan(&state, &said))
		if state == want {
			return said
		}
		select {
		case <-y.Context().Done():
			y.Fatalf("%s does not become %q; it is %q: %s", t.name, want, state, said)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (y *yard) command(args ...string) string {
	y.Helper()
	var out strings.Builder
	require.NoError(y, y.desk.command(y.Context(), &out, args))
	return out.String()
}

func (y *yard) users(t *tenant) (n int) {
	require.NoError(y, y.desk.pool.QueryRow(y.Context(), `SELECT count(*) FROM users WHERE tenant = $1 AND ad_guid IS NOT NULL`, t.name).Scan(&n))
	return n
}

// last is the report of the tenant's last run.
func (y *yard) last(t *tenant) *adsync.Report {
	var text []byte
	require.NoError(y, y.desk.pool.QueryRow(y.Context(), `SELECT report FROM fleet_runs WHERE tenant = $1 ORDER BY id DESC LIMIT 1`, t.name).Scan(&text))
	var report adsync.Report
	require.NoError(y, json.Unmarshal(text, &report))
	return &report
}

func TestFleet_HoldsAPlanUntilItIsApproved(t *testing.T) {
	y := newYard(t)
	who, other := y.world.tenants[0], y.world.tenants[1]
	for range 10 {
		require.NoError(t, who.leave())
	}
	y.command("run", who.name, source)
	assert.Contains(t, y.becomes(who, stateHeld), "removes 10 of 20")
	assert.Equal(t, 20, y.users(who))
	assert.Contains(t, y.command("list"), "paused, held")
	assert.Contains(t, y.command("show", other.name, source), "No plan waits")

	shown := y.command("show", who.name, source)
	assert.Contains(t, shown, "10 to delete")
	_, digest, _ := strings.Cut(strings.TrimSpace(shown), "digest: ")
	require.ErrorContains(t, y.desk.command(t.Context(), nil, []string{"approve", who.name, source, "another"}), "no plan of this digest")
	require.Error(t, y.desk.command(t.Context(), nil, []string{"approve", other.name, source, ""}), "nothing waits, so nothing can be approved")
	y.command("approve", who.name, source, digest)
	assert.Equal(t, "10 deleted", y.becomes(who, stateDone))
	assert.Equal(t, 10, y.users(who))
	report := y.last(who)
	assert.Equal(t, digest, report.Approval.Digest)
	assert.NotEmpty(t, report.Approval.By)
	assert.Contains(t, y.command("show", who.name, source), "No plan waits")
}

// TestFleet_StopsADrip lets runs that are each within the limits be too many together, of one
// tenant and of no other.
func TestFleet_StopsADrip(t *testing.T) {
	y := newYard(t)
	who, other := y.world.tenants[0], y.world.tenants[1]
	leave := func(t *tenant) {
		require.NoError(y, t.leave())
		y.command("run", t.name, source)
	}
	leave(who)
	y.comes(who, 19)
	leave(who)
	y.comes(who, 18)
	leave(who)
	assert.Contains(t, y.becomes(who, stateHeld), "removes 1 of 18 managed users, after 2 others within 24h0m0s, and MaxRemovalRatio allows 2")
	leave(other)
	y.comes(other, 19)
}

func TestFleet_LeavesARefusedAccountInPeace(t *testing.T) {
	y := newYard(t)
	who := y.world.tenants[0]
	require.NoError(t, who.controller.SetPassword(who.account, "another password"))
	before := who.controller.BindAttempts(who.account)
	y.command("run", who.name, source)
	y.becomes(who, stateRefused)
	assert.Equal(t, before+1, who.controller.BindAttempts(who.account))
	var pause time.Duration
	require.NoError(t, y.desk.pool.QueryRow(t.Context(), `SELECT due_at - ended_at FROM fleet_syncs WHERE tenant = $1`, who.name).Scan(&pause))
	assert.Greater(t, pause, refusedPause-time.Hour)

	y.world.setSecret(who.name, "another password")
	y.command("resume", who.name, source)
	y.becomes(who, stateDone)
}

// TestFleet_TriesAgainWhenTheSecretIsBack tells a secret store that is away from a password
// that a controller refused.
func TestFleet_TriesAgainWhenTheSecretIsBack(t *testing.T) {
	y := newYard(t)
	who := y.world.tenants[0]
	password, err := y.world.secret(who.name)
	require.NoError(t, err)
	y.world.setSecret(who.name, "")
	require.NoError(t, who.hire())
	y.command("run", who.name, source)
	y.becomes(who, stateRetrying)
	y.world.setSecret(who.name, password)
	assert.Equal(t, "1 imported", y.becomes(who, stateDone))
}

func TestFleet_TriesAgainWhenTheDirectoryIsBack(t *testing.T) {
	y := newYard(t)
	who := y.world.tenants[0]
	who.controller.Stop()
	require.NoError(t, who.hire())
	y.command("run", who.name, source)
	y.becomes(who, stateRetrying)
	who.controller.Restart()
	assert.Equal(t, "1 imported", y.becomes(who, stateDone))
}

// TestFleet_GoesOnFromTheMark wants of the second run that it did not list the directory.
func TestFleet_GoesOnFromTheMark(t *testing.T) {
	y := newYard(t)
	who := y.world.tenants[0]
	assert.Empty(t, y.last(who).Plan.Reading.Since)
	require.NoError(t, who.call(3, "+45 99"))
	y.command("run", who.name, source)
	y.says(who, "1 modified")
	reading := y.last(who).Plan.Reading
	assert.Empty(t, reading.Full)
	assert.NotEmpty(t, reading.Since)
	assert.Less(t, reading.Looked, 20)
}

// says waits until the last run of the tenant said this.
func (y *yard) says(t *tenant, want string) {
	y.Helper()
	for y.becomes(t, stateDone) != want {
		select {
		case <-y.Context().Done():
			y.Fatalf("%s does not say %q", t.name, want)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestFleet_RestsWhilePaused(t *testing.T) {
	y := newYard(t)
	who := y.world.tenants[0]
	require.NoError(t, who.hire())
	y.command("pause", who.name, source)
	require.ErrorIs(t, y.desk.command(t.Context(), nil, []string{"run", who.name, source}), errNoSync)
	require.ErrorIs(t, y.desk.command(t.Context(), nil, []string{"pause", "nobody", source}), errNoSync)
	require.ErrorContains(t, y.desk.command(t.Context(), nil, []string{"dance"}), "no command")
	// A sync that is due is not begun either, while the machine finds others.
	_, err := y.desk.pool.Exec(t.Context(), `UPDATE fleet_syncs SET due_at = clock_timestamp() - interval '1 minute' WHERE tenant = $1`, who.name)
	require.NoError(t, err)
	other := y.world.tenants[1]
	require.NoError(t, other.hire())
	y.command("run", other.name, source)
	y.comes(other, 21)
	assert.Equal(t, 20, y.users(who))

	y.command("resume", who.name, source)
	y.comes(who, 21)
}

// comes waits until the tenant has so many users.
func (y *yard) comes(t *tenant, want int) {
	y.Helper()
	for y.users(t) != want {
		select {
		case <-y.Context().Done():
			y.Fatalf("%s has %d users", t.name, y.users(t))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// TestFleet_StopsInTheMiddle stops a machine whose run waits for a row, and wants to know
// what was not reached, and the rest from the next machine.
func TestFleet_StopsInTheMiddle(t *testing.T) {
	y := newYard(t)
	who := y.world.tenants[0]
	for i := range who.people {
		require.NoError(t, who.call(i, "+45 99"))
	}
	tx, err := y.desk.pool.Begin(t.Context())
	require.NoError(t, err)
	defer tx.Rollback(context.WithoutCancel(t.Context()))
	_, err = tx.Exec(t.Context(), `LOCK TABLE users IN EXCLUSIVE MODE`) // readers may pass, writers wait
	require.NoError(t, err)
	y.command("run", who.name, source)
	for waits := 0; waits == 0; {
		require.NoError(t, y.desk.pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'users'::regclass`).Scan(&waits))
	}
	y.stop()
	y.becomes(who, stateStopped)
	notReached := 0
	for _, result := range y.last(who).Results {
		if result.Outcome != adsync.OutcomeApplied {
			notReached++
		}
	}
	assert.Equal(t, 20, notReached)

	require.NoError(t, tx.Rollback(t.Context()))
	y.again()
	assert.Equal(t, "20 modified", y.becomes(who, stateDone))
}

func TestFleet_ShowsADay(t *testing.T) {
	startDatabase(t) // or skip
	var out strings.Builder
	require.NoError(t, demonstrate(t.Context(), &out, 500*time.Millisecond))
	for _, says := range []string{"01:30  Everybody", "08:00  In tenant003", "17:00  The database crashes", "24:00  A day is over.", "0 runs overlapped"} {
		assert.Contains(t, out.String(), says)
	}
}
