// Package hosttest shows how a host tests its own use of adsync: with a fake
// directory of a few lines, and over LDAP with a domain controller in the process of
// the test. The tests are the example; this file is the host's code that they are about.
package hosttest

import (
	"context"
	"errors"
	"strings"

	"github.com/go-adsync/adsync"
)

// SyncUsers is what a host's nightly job and its admin page call. It returns the
// lines to show.
func SyncUsers(ctx context.Context, dir adsync.Directory, users adsync.UserStore) ([]string, error) {
	syncer, err := adsync.New(dir, users, &adsync.Options{Rules: adsync.Rules{
		Source:     "corp",
		OnDisabled: adsync.Deactivate,
		Map:        lowerCaseEmail,
	}})
	if err != nil {
		return nil, err
	}
	report, err := syncer.Sync(ctx)
	return report.Summary(), errors.Join(err, report.Err())
}

// lowerCaseEmail is a rule of this host.
func lowerCaseEmail(e adsync.Entry) (adsync.Profile, error) {
	e.Email = strings.ToLower(e.Email)
	return e.Profile, nil
}
