package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
	"github.com/go-adsync/adsync/sqlstore"
)

// syncArgs name one interval of one sync. Claim tells apart the jobs of an interval, of
// which there are several if a machine dies.
type syncArgs struct {
	Tenant string    `json:"tenant"`
	Source string    `json:"source"`
	Due    time.Time `json:"due"`
	Claim  int64     `json:"claim"`
}

// Kind names the jobs in River's tables.
func (syncArgs) Kind() string { return "adsync" }

// worker works on the jobs.
type worker struct {
	river.WorkerDefaults[syncArgs]
	*fleet
}

// syncRow is a row of fleet_syncs, as a run needs it.
type syncRow struct {
	Tenant, Source              string
	URL, CA, Base, User, Secret string
	Import                      bool
	Every                       time.Duration
	Due                         time.Time
	Tries                       int
	Held                        *adsync.Plan
	Approval                    *adsync.Approval
	Mark                        *adsync.Mark // from which to go on; nil: read everything
}

// Work runs one sync while it holds the row, and keeps what became of it in the
// transaction that completes the job.
func (w *worker) Work(ctx context.Context, job *river.Job[syncArgs]) error {
	keep := context.WithoutCancel(ctx) // a run that is asked to stop still keeps its report
	tx, err := w.pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(keep, time.Minute)
		defer cancel()
		_ = tx.Rollback(ctx)
	}()
	s, err := hold(ctx, tx, job.Args)
	if s == nil || err != nil {
		return err // nil: another machine has it, or it is done
	}
	begun := time.Now()
	report, err := w.run(ctx, s)
	v := judge(s, report, err, time.Now(), w.tick)
	ctx, cancel := context.WithTimeout(keep, time.Minute)
	defer cancel()
	if err := record(ctx, tx, s, v, report, begun); err != nil {
		return err
	}
	if _, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// hold takes the row of the job; nil: another run has it, it was paused, or the interval is over.
func hold(ctx context.Context, tx pgx.Tx, args syncArgs) (*syncRow, error) {
	var s syncRow
	err := tx.QueryRow(ctx, `
		SELECT tenant, source, url, ca, base_dn, bind_user, secret, import, every, due_at, tries, held, approval, mark
		FROM fleet_syncs
		WHERE tenant = $1 AND source = $2 AND due_at = $3 AND NOT paused
		FOR UPDATE SKIP LOCKED`, args.Tenant, args.Source, args.Due).
		Scan(&s.Tenant, &s.Source, &s.URL, &s.CA, &s.Base, &s.User, &s.Secret, &s.Import, &s.Every, &s.Due, &s.Tries, &s.Held, &s.Approval, &s.Mark)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return &s, err
}

// run is the sync itself: all that is adsync's in this program.
func (w *worker) run(ctx context.Context, s *syncRow) (*adsync.Report, error) {
	syncer, err := w.syncer(s)
	if err != nil {
		return nil, err
	}
	if s.Held != nil && s.Approval != nil {
		return syncer.Apply(ctx, s.Held, *s.Approval)
	}
	return syncer.Sync(ctx, adsync.Since(s.Mark))
}

func (w *worker) syncer(s *syncRow) (*adsync.Syncer, error) {
	roots, err := rootsOf(s)
	if err != nil {
		return nil, err
	}
	// A new one for each run forgets a password that was refused: the table remembers it.
	directory, err := activedirectory.New(activedirectory.Config{
		URLs: []string{s.URL}, BaseDN: s.Base, TLS: roots,
		Bind: activedirectory.PasswordFunc(s.User, func(context.Context) (string, error) { return w.secret(s.Secret) }),
	})
	if err != nil {
		return nil, err
	}
	users, err := sqlstore.New(w.db, sqlstore.PostgreSQL, usersOf(s.Tenant))
	if err != nil {
		return nil, err
	}
	ledger, err := sqlstore.NewLedger(w.db, sqlstore.PostgreSQL, "adsync_ledger")
	if err != nil {
		return nil, err
	}
	return adsync.New(directory, users, &adsync.Options{
		Rules:  adsync.Rules{Source: s.Source, Import: s.Import},
		Ledger: ledger.For(s.Tenant), // as the sources of all tenants have one name
		Logger: w.logger,
	})
}

func rootsOf(s *syncRow) (*tls.Config, error) {
	if s.CA == "" {
		return nil, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(s.CA)) {
		return nil, fmt.Errorf("fleet: the certificate of %s/%s cannot be read", s.Tenant, s.Source)
	}
	return &tls.Config{RootCAs: pool}, nil
}

// usersOf is the table as one tenant's runs see it.
func usersOf(tenant string) sqlstore.Table {
	return sqlstore.Table{
		Name: "users", Where: "tenant = ?", Args: []any{tenant},
		Columns: sqlstore.Columns{
			ID: "id", Source: "source", ObjectID: "ad_guid", Username: "login",
			FirstName: "first_name", LastName: "last_name", Email: "email", Phone: "phone", Status: "status",
		},
		ObjectIDs: sqlstore.ObjectIDNative,
		Defaults:  map[string]any{"tenant": tenant},
	}
}

// record keeps what became of a run: in the row that is held, and in the trail. A run that
// leaves no mark, such as one that read nothing, takes nothing from the one before.
func record(ctx context.Context, tx pgx.Tx, s *syncRow, v verdict, report *adsync.Report, begun time.Time) error {
	var digest string
	if v.held != nil {
		digest = v.held.Digest()
	}
	if _, err := tx.Exec(ctx, `
		UPDATE fleet_syncs SET state = $3, said = $4, due_at = $5, tries = $6, held = $7, held_digest = $8, approval = $9,
			paused = $10, mark = COALESCE($11, mark), ended_at = clock_timestamp()
		WHERE tenant = $1 AND source = $2`,
		s.Tenant, s.Source, v.state, v.said, v.next, v.tries, jsonOf(v.held), digest, jsonOf(v.approval), v.pause, jsonOf(report.Mark())); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO fleet_runs (tenant, source, due_at, begun_at, ended_at, state, said, report)
		VALUES ($1, $2, $3, $4, clock_timestamp(), $5, $6, $7)`,
		s.Tenant, s.Source, s.Due, begun, v.state, v.said, jsonOf(report))
	return err
}

// jsonOf is a value as text; nil for none.
func jsonOf[T any](v *T) *string {
	if v == nil {
		return nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil // plans and reports always can be
	}
	s := string(text)
	return &s
}
