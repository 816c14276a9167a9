package main

import (
	"context"
	"fmt"
	"time"
)

// tally is what the trail says of all runs.
type tally struct {
	Runs, Done, Held, Retried int
	Missed                    int // intervals that no run began in
	Overlaps                  int // runs of one sync at the same time
	AfterTick                 int // runs that began more than a tick after their time
	Late, LateMost            time.Duration
}

func (n tally) String() string {
	return fmt.Sprintf("%d runs: %d done, %d held, %d to be tried again. %d intervals were missed, %d runs overlapped. Half of the runs began within %s of their time, %d more than a tick after it, the latest %s.",
		n.Runs, n.Done, n.Held, n.Retried, n.Missed, n.Overlaps, n.Late.Round(time.Millisecond), n.AfterTick, n.LateMost.Round(time.Millisecond))
}

// tally reads the trail. A run of a sync that was to be tried again is not late: it was due
// when the pause was over.
func (f *fleet) tally(ctx context.Context) (n tally, err error) {
	var late, most float64
	err = f.pool.QueryRow(ctx, `
		SELECT count(*), count(*) FILTER (WHERE state = 'done'), count(*) FILTER (WHERE state = 'held'), count(*) FILTER (WHERE state = 'retrying'),
			count(*) FILTER (WHERE begun_at - due_at > make_interval(secs => $1)),
			COALESCE(percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM begun_at - due_at)), 0),
			COALESCE(extract(epoch FROM max(begun_at - due_at)), 0)
		FROM fleet_runs`, f.tick.Seconds()).Scan(&n.Runs, &n.Done, &n.Held, &n.Retried, &n.AfterTick, &late, &most)
	if err != nil {
		return n, err
	}
	n.Late, n.LateMost = time.Duration(late*float64(time.Second)), time.Duration(most*float64(time.Second))
	err = f.pool.QueryRow(ctx, `
		SELECT count(*) FROM fleet_runs a JOIN fleet_runs b ON a.tenant = b.tenant AND a.source = b.source AND a.id < b.id
		WHERE a.begun_at < b.ended_at AND b.begun_at < a.ended_at`).Scan(&n.Overlaps)
	if err != nil {
		return n, err
	}
	err = f.pool.QueryRow(ctx, `
		SELECT COALESCE(sum(greatest(0, floor(extract(epoch FROM r.begun_at - r.due_at) / extract(epoch FROM s.every)))), 0)::int
		FROM fleet_runs r JOIN fleet_syncs s USING (tenant, source)`).Scan(&n.Missed)
	return n, err
}
