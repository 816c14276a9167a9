package customstore

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
)

// The check makes a store with its own users for each duty, and breaks the rules in
// every way that a sync could.
func TestAccounts_KeepEveryDuty(t *testing.T) {
	err := adsynctest.CheckStore(t.Context(), func(_ context.Context, seed []adsync.User) (adsync.UserStore, error) {
		accounts := &Accounts{rows: map[string]*adsync.User{}}
		for _, u := range seed {
			accounts.rows[u.ID] = &u
		}
		return accounts, nil
	})
	require.NoError(t, err)
}

func TestAccounts_Sync(t *testing.T) {
	id, err := adsync.ParseObjectID("e124855b-371a-41be-9f05-3c1a9b7d2e10")
	require.NoError(t, err)
	accounts := &Accounts{rows: map[string]*adsync.User{
		"1": {ID: "1", ObjectID: id, Source: "corp", Profile: adsync.Profile{Username: "ann"}},
	}}
	dir := adsync.StaticDirectory{{ObjectID: id, Profile: adsync.Profile{Username: "ann", Email: "ann@corp.example"}}}
	syncer, err := adsync.New(dir, accounts, &adsync.Options{Rules: adsync.Rules{Source: "corp"}})
	require.NoError(t, err)
	report, err := syncer.Sync(t.Context())
	require.NoError(t, err)
	require.NoError(t, report.Err())
	assert.Equal(t, "ann@corp.example", accounts.rows["1"].Email)
	assert.NotContains(t, strings.Join(report.Summary(), "\n"), "@")
}
