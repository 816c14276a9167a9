package main

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// fleet is one machine's share: it makes jobs for the syncs that are due, and works on
// those that it gets. Any number of them work on one database.
type fleet struct {
	settings
	pool *pgxpool.Pool
	db   *sql.DB // the same pool, for the store
	jobs *river.Client[pgx.Tx]
}

// settings of a fleet.
type settings struct {
	tick    time.Duration                // how long after its time a sync may begin
	workers int                          // syncs at once on this machine
	secret  func(string) (string, error) // the password of a service account by its name
	logger  *slog.Logger
}

// longest is how long one sync may take: far beyond what any has taken.
const longest = 30 * time.Minute

// open connects to the database; close ends that.
func open(ctx context.Context, dsn string, s settings) (*fleet, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("fleet: the address of the database cannot be read")
	}
	// For each sync: the row that it holds, the store's lock, and what it reads and writes by.
	config.MaxConns = int32(4*s.workers + 6)
	f := &fleet{settings: s}
	if f.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, err
	}
	f.db = stdlib.OpenDBFromPool(f.pool)
	all := river.NewWorkers()
	river.AddWorker(all, &worker{fleet: f})
	f.jobs, err = river.NewClient(riverpgxv5.New(f.pool), &river.Config{
		Queues:      map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: s.workers}},
		Workers:     all,
		MaxAttempts: 1, // what comes after a failure is for the schedule to say
		JobTimeout:  longest,
		// A job whose machine died is over as soon as its row is free again; River's own
		// record of it is tidied up later.
		RescueStuckJobsAfter: 2 * longest,
		FetchPollInterval:    max(s.tick/4, river.FetchCooldownDefault),
		Logger:               s.logger,
	})
	if err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *fleet) close() {
	f.db.Close()
	f.pool.Close()
}

//go:embed schema.sql
var schema string

// migrate makes the tables that are missing, River's too.
func (f *fleet) migrate(ctx context.Context) error {
	migrator, err := rivermigrate.New(riverpgxv5.New(f.pool), nil)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("fleet: River's tables: %w", err)
	}
	if _, err := f.pool.Exec(ctx, schema); err != nil {
		return fmt.Errorf("fleet: the tables of the fleet: %w", err)
	}
	return nil
}

// serve makes jobs and works on them until the context ends. Then no further job is begun,
// and those that run are asked to stop: each keeps a report of what it did not reach, and
// its sync is due again at once.
func (f *fleet) serve(ctx context.Context) error {
	keep := context.WithoutCancel(ctx)
	if err := f.jobs.Start(keep); err != nil {
		return err
	}
	var ticking sync.WaitGroup
	ticking.Go(func() { f.tickUntil(ctx) })
	<-ctx.Done()
	ticking.Wait()
	keep, cancel := context.WithTimeout(keep, time.Minute)
	defer cancel()
	return f.jobs.StopAndCancel(keep)
}

// tickUntil looks twice in a tick for what is due, so that the other half is left for
// the job to find a machine.
func (f *fleet) tickUntil(ctx context.Context) {
	ticks := time.NewTicker(f.tick / 2)
	defer ticks.Stop()
	for {
		if err := f.claim(ctx); err != nil && ctx.Err() == nil {
			f.logger.Warn("fleet: could not look for syncs that are due; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

// due are the syncs that nobody works on. A row that is held is one that runs; one whose job
// is running by River's word while nobody holds the row is left by a machine that died.
const due = `
SELECT s.tenant, s.source, s.due_at, s.claims
FROM fleet_syncs s
WHERE NOT s.paused AND s.due_at <= clock_timestamp()
  AND NOT EXISTS (SELECT FROM river_job j WHERE j.id = s.job AND j.state IN ('available', 'scheduled', 'retryable', 'pending'))
ORDER BY s.due_at
LIMIT 500
FOR UPDATE OF s SKIP LOCKED`

// claim makes one job for each sync that is due.
func (f *fleet) claim(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return pgx.BeginFunc(ctx, f.pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, due)
		if err != nil {
			return err
		}
		found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[syncArgs])
		if err != nil {
			return err
		}
		for _, args := range found {
			made, err := f.jobs.InsertTx(ctx, tx, args, &river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true}})
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `UPDATE fleet_syncs SET job = $3, claims = claims + 1 WHERE tenant = $1 AND source = $2`,
				args.Tenant, args.Source, made.Job.ID); err != nil {
				return err
			}
		}
		return nil
	})
}
