package adsync_test

import (
	"context"
	"fmt"
	"time"

	"github.com/go-adsync/adsync"
)

// runs is a ledger for one process. Package sqlstore has one that all share.
type runs map[string]struct {
	source string
	at     time.Time
	tally  adsync.Tally
	used   string
}

func (r runs) Recent(_ context.Context, source string, since time.Time) (all adsync.Tally, err error) {
	for _, run := range r {
		if run.source == source && !run.at.Before(since) {
			all.Add(run.tally)
		}
	}
	return all, nil
}

func (r runs) Note(_ context.Context, source, runID string, t adsync.Tally, used *adsync.Approval) error {
	run := r[runID]
	run.source, run.at, run.tally, run.used = source, time.Now(), t, ""
	if used != nil {
		run.used = used.Digest
	}
	for id, other := range r {
		if used != nil && id != runID && other.source == source && other.used == run.used {
			return adsync.ErrUsed
		}
	}
	r[runID] = run
	return nil
}

// A directory loses two people each half hour. Each run is within the limits, but not both.
func ExampleLedger() {
	var people adsync.StaticDirectory
	var users []adsync.User
	for i := range 30 {
		id := adsync.ObjectID{15: byte(i + 1)}
		p := adsync.Profile{Username: fmt.Sprintf("user%d", i)}
		people = append(people, adsync.Entry{ObjectID: id, Profile: p})
		users = append(users, adsync.User{ID: fmt.Sprint(i), ObjectID: id, Profile: p})
	}
	syncer, err := adsync.New(people, adsync.NewMemoryStore(users...), &adsync.Options{Ledger: runs{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for run := range 2 {
		people[2*run].State, people[2*run+1].State = adsync.StateDeleted, adsync.StateDeleted
		report, err := syncer.Sync(context.Background())
		fmt.Println(report.Counts().Deleted, err)
	}
	// Output:
	// 2 <nil>
	// 0 adsync: the plan removes 2 of 28 managed users, after 2 others within 24h0m0s, and MaxRemovalRatio allows 3; nothing was changed. Review the plan, then approve its digest or change the limit
}
