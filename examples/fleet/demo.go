package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// dayInAMinute is how long an hour of the demonstration takes.
const dayInAMinute = 2500 * time.Millisecond

// demo is a day of twenty tenants on three machines.
type demo struct {
	out      io.Writer
	hour     time.Duration
	begun    time.Time
	world    *world
	database *postgres
	desk     *fleet // where the administrator sits
	machines []*machine
}

// machine is one of those that work on the syncs.
type machine struct {
	stop func()
	done chan error
}

// demonstrate shows a day whose hours take so long.
func demonstrate(ctx context.Context, out io.Writer, hour time.Duration) (err error) {
	d := &demo{out: out, hour: hour}
	fmt.Fprintln(out, "Twenty tenants with a directory each, a PostgreSQL and three machines, all in this process.")
	if d.database, err = newPostgres(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.database.close()) }()
	if d.world, err = newWorld(20, 40, 1); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.world.close()) }()
	s := settings{tick: hour / 10, workers: 3, secret: d.world.secret,
		logger: slog.New(slog.DiscardHandler)} // River would tell at length how its database went away
	if d.desk, err = open(ctx, d.database.dsn(), s); err != nil {
		return err
	}
	defer d.desk.close()
	if err := d.desk.migrate(ctx); err != nil {
		return err
	}
	d.begun = time.Now()
	if err := d.world.register(ctx, d.desk, hour, d.begun); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stopMachines()) }()
	for range 3 {
		if err := d.startMachine(ctx, s); err != nil {
			return err
		}
	}
	for _, event := range d.day(ctx) {
		if err := d.at(ctx, event); err != nil {
			return err
		}
	}
	return d.figures(ctx)
}

// event is something that happens at an hour of the day.
type event struct {
	hour float64
	what string
	do   func() error
}

// day is what happens in one.
func (d *demo) day(ctx context.Context) []event {
	t := d.world.tenants
	return []event{
		{1.5, "Everybody has been imported.", func() error { return d.count(ctx) }},
		{2, "In tenant001 somebody leaves, somebody comes, and somebody gets another number.", func() error {
			return errors.Join(t[0].leave(), t[0].hire(), t[0].call(3, "+45 9999"))
		}},
		{3.5, "It has arrived:", func() error { return d.last(ctx, t[0]) }},
		{4, "The directory of tenant002 goes down.", func() error { t[1].controller.Stop(); return nil }},
		{6.5, "It is tried again, with growing pauses:", func() error { return d.last(ctx, t[1]) }},
		{7, "It is back.", func() error { t[1].controller.Restart(); return nil }},
		{8, "In tenant003 a script deletes thirty people.", func() error {
			for range 30 {
				if err := t[2].leave(); err != nil {
					return err
				}
			}
			return nil
		}},
		{9.5, "Nobody is deleted here: the plan waits for a person.", func() error { return d.last(ctx, t[2]) }},
		{10, "The password of the service account of tenant004 is changed, and nobody tells the fleet.", func() error {
			return t[3].controller.SetPassword(t[3].account, "another password")
		}},
		{11.5, "It is not tried again, so that the account does not get locked:", func() error { return d.last(ctx, t[3]) }},
		{12, "Somebody tells it, and says go on.", func() error {
			d.world.setSecret(t[3].name, "another password")
			return d.desk.resume(ctx, t[3].name, source)
		}},
		{13, "The thirty really left. An administrator approves just that plan.", func() error { return d.approve(ctx, t[2]) }},
		{14.5, "It has been carried out:", func() error { return d.last(ctx, t[2]) }},
		{15, "One of the three machines is stopped.", func() error { return d.stopMachine() }},
		{17, "The database crashes, and is started again.", func() error {
			d.database.stop()
			return d.database.start(ctx)
		}},
		{20, "How it stands:", func() error { return d.desk.list(ctx, d.out) }},
		{24, "A day is over.", func() error { return nil }},
	}
}

// at waits for the hour of the event, and lets it happen.
func (d *demo) at(ctx context.Context, e event) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(d.begun.Add(time.Duration(e.hour * float64(d.hour))))):
	}
	minutes := int(e.hour * 60)
	fmt.Fprintf(d.out, "%02d:%02d  %s\n", minutes/60, minutes%60, e.what)
	return e.do()
}

// count waits for the last of the tenants, on a machine that has much else to do.
func (d *demo) count(ctx context.Context) error {
	var users, tenants int
	err := until(ctx, func() (bool, error) {
		err := d.desk.pool.QueryRow(ctx, `SELECT count(*), count(DISTINCT tenant) FROM users WHERE ad_guid IS NOT NULL`).Scan(&users, &tenants)
		return tenants == len(d.world.tenants), err
	})
	fmt.Fprintf(d.out, "       %d users of %d tenants\n", users, tenants)
	return err
}

// until asks again until it is so, for five minutes at most.
func until(ctx context.Context, so func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for {
		if is, err := so(); is || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// last says what the last runs of a tenant said.
func (d *demo) last(ctx context.Context, t *tenant) error {
	rows, err := d.desk.pool.Query(ctx, `
		SELECT state, said FROM fleet_runs WHERE tenant = $1 AND NOT (state = 'done' AND report #>> '{results}' = '[]') ORDER BY id DESC LIMIT 2`, t.name)
	if err != nil {
		return err
	}
	var state, said string
	_, err = pgx.ForEachRow(rows, []any{&state, &said}, func() error {
		_, err := fmt.Fprintf(d.out, "       %s: %s\n", state, said)
		return err
	})
	return err
}

func (d *demo) approve(ctx context.Context, t *tenant) error {
	var digest string
	if err := until(ctx, func() (bool, error) {
		err := d.desk.pool.QueryRow(ctx, `SELECT held_digest FROM fleet_syncs WHERE tenant = $1`, t.name).Scan(&digest)
		return digest != "", err
	}); err != nil {
		return err
	}
	return d.desk.approve(ctx, t.name, source, digest, "the administrator on duty")
}

func (d *demo) startMachine(ctx context.Context, s settings) error {
	f, err := open(ctx, d.database.dsn(), s)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	m := &machine{stop: cancel, done: make(chan error, 1)}
	go func() {
		defer f.close()
		m.done <- f.serve(ctx)
	}()
	d.machines = append(d.machines, m)
	return nil
}

func (d *demo) stopMachine() error {
	m := d.machines[len(d.machines)-1]
	d.machines = d.machines[:len(d.machines)-1]
	m.stop()
	return <-m.done
}

func (d *demo) stopMachines() error {
	var all sync.WaitGroup
	errs := make([]error, len(d.machines))
	for i, m := range d.machines {
		all.Go(func() {
			m.stop()
			errs[i] = <-m.done
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// figures says how the day went.
func (d *demo) figures(ctx context.Context) error {
	n, err := d.desk.tally(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(d.out, n)
	return err
}
