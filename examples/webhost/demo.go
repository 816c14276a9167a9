package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/examples/internal/corp"
)

// openDemo makes the world without flags: a directory, a database, and what happened since
// people were imported from the one into the other. It tells how to sign in.
func (s *settings) openDemo(ctx context.Context, stdout io.Writer) (closeAll func() error, err error) {
	dir, err := os.MkdirTemp("", "adsync-webhost-")
	if err != nil {
		return nil, err
	}
	company, err := corp.Found()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s.ad, s.source, s.removeAfter, s.work, s.sqlite = company.Config, corp.Domain, 14*24*time.Hour, true, filepath.Join(dir, "webhost.db")
	closeDB, err := s.openReal(ctx, stdout)
	if err != nil {
		return nil, errors.Join(err, company.Close(), os.RemoveAll(dir))
	}
	closeAll = func() error { return errors.Join(closeDB(), company.Close(), os.RemoveAll(dir)) }
	if err := s.liveAYear(ctx, company, stdout); err != nil {
		return nil, errors.Join(err, closeAll())
	}
	return closeAll, nil
}

// liveAYear imports people, and lets a year go by. All that the database hears of it is who
// left: a sync of then has deactivated them.
func (s *settings) liveAYear(ctx context.Context, company *corp.Company, stdout io.Writer) error {
	if err := company.Begin(); err != nil {
		return err
	}
	syncer, err := adsync.New(s.directory, s.users, &adsync.Options{Rules: adsync.Rules{Source: s.source}})
	if err != nil {
		return err
	}
	report, err := syncer.Sync(ctx, adsync.ImportEntries(company.Imported...)) // as the import page does
	if err = errors.Join(err, report.Err()); err != nil {
		return err
	}
	for _, role := range []string{administrator, viewer} {
		password := rand.Text()[:12]
		err = errors.Join(err, s.store.addAccount(ctx, role, password, role))
		fmt.Fprintf(stdout, "Sign in as %s with the password %s\n", role, password)
	}
	return errors.Join(err, s.store.inTx(ctx, func(t *tx) {
		const insert = `INSERT INTO users (username, first_name, last_name, email) VALUES (?, ?, ?, ?)`
		t.exec(insert, "reception", "", "Reception", "reception@"+corp.Domain)
		t.exec(insert, "auditor", "Ada", "Quist", "ada.quist@audit.example")
	}), company.Year(func(username string, days int) error {
		_, err := s.store.exec(ctx, `UPDATE users SET status = 'deactivated', deactivated_at = ? WHERE username = ?`, time.Now().AddDate(0, 0, -days).Unix(), username)
		return err
	}))
}
