package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/go-adsync/adsync"
)

// errNoSync is a mistake in the name.
var errNoSync = errors.New("fleet: there is no such tenant and source; list shows what there is")

// list prints every sync, those first that somebody should look at.
func (f *fleet) list(ctx context.Context, out io.Writer) error {
	rows, err := f.pool.Query(ctx, `
		SELECT tenant, source, CASE WHEN paused THEN 'paused, ' ELSE '' END || state, every::text, due_at, COALESCE(ended_at, 'epoch'), said
		FROM fleet_syncs ORDER BY state = 'done', paused, tenant, source`)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "TENANT\tSOURCE\tSTATE\tEVERY\tDUE\tLAST RUN\tIT SAID")
	var tenant, source, state, every, said string
	var due, ended time.Time
	if _, err := pgx.ForEachRow(rows, []any{&tenant, &source, &state, &every, &due, &ended, &said}, func() error {
		_, err := fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", tenant, source, state, every, clock(due), clock(ended), said)
		return err
	}); err != nil {
		return err
	}
	return table.Flush()
}

func clock(t time.Time) string {
	if t.Unix() == 0 {
		return "never"
	}
	return t.Format(time.DateTime)
}

// pause lets the schedule of one sync rest. A run that goes on is not ended.
func (f *fleet) pause(ctx context.Context, tenant, source string) error {
	return f.change(ctx, `UPDATE fleet_syncs SET paused = true WHERE tenant = $1 AND source = $2`, tenant, source)
}

// resume goes on with the schedule, whatever stopped it. A plan that was held is dropped: it
// is made anew.
func (f *fleet) resume(ctx context.Context, tenant, source string) error {
	return f.change(ctx, `UPDATE fleet_syncs SET paused = false, tries = 0, held = NULL, held_digest = '', approval = NULL, due_at = clock_timestamp()
		WHERE tenant = $1 AND source = $2`, tenant, source)
}

// runNow does not wait for the schedule.
func (f *fleet) runNow(ctx context.Context, tenant, source string) error {
	return f.change(ctx, `UPDATE fleet_syncs SET due_at = clock_timestamp() WHERE tenant = $1 AND source = $2 AND NOT paused`, tenant, source)
}

// show prints the plan that waits for a person, and its digest.
func (f *fleet) show(ctx context.Context, out io.Writer, tenant, source string) error {
	var plan *adsync.Plan
	err := f.pool.QueryRow(ctx, `SELECT held FROM fleet_syncs WHERE tenant = $1 AND source = $2`, tenant, source).Scan(&plan)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return errNoSync
	case err != nil:
		return err
	case plan == nil:
		_, err := fmt.Fprintln(out, "No plan waits for anybody.")
		return err
	}
	if _, err := plan.WriteTo(out); err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, "digest:", plan.Digest())
	return err
}

// approve lets the plan of just this digest pass the limits, once, in the name of a person
// who has seen it.
func (f *fleet) approve(ctx context.Context, tenant, source, digest, by string) error {
	approval := adsync.Approval{Digest: digest, At: time.Now(), By: by}
	err := f.change(ctx, `UPDATE fleet_syncs SET approval = $4, paused = false, due_at = clock_timestamp()
		WHERE tenant = $1 AND source = $2 AND held_digest = $3 AND held_digest <> ''`, tenant, source, digest, jsonOf(&approval))
	if errors.Is(err, errNoSync) {
		return errors.New("fleet: no plan of this digest waits there; show prints the one that does")
	}
	return err
}

func (f *fleet) change(ctx context.Context, text string, args ...any) error {
	done, err := f.pool.Exec(ctx, text, args...)
	if err == nil && done.RowsAffected() == 0 {
		return errNoSync
	}
	return err
}
