package main

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/go-adsync/adsync"
)

// planAdoption plans to link the users from before. What else a reviewer needs goes
// below the plan.
func (j *job) planAdoption(ctx context.Context) (*adsync.Plan, error) {
	entries, err := collect(j.sides.directory.Entries(ctx))
	if err != nil {
		return nil, err
	}
	users, err := collect(j.sides.store.Users(ctx))
	if err != nil {
		return nil, err
	}
	rules := j.rules(j.sides.source)
	plan, err := adsync.Adopt(entries, users, rules)
	if err != nil {
		return nil, err
	}
	j.below = append(heldBack(plan, entries), j.strangers(plan, users)...)
	return plan, nil
}

// collect is a whole sequence. An error means that it is not whole.
func collect[T any](sequence iter.Seq2[T, error]) ([]T, error) {
	var all []T
	for v, err := range sequence {
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// heldBack shows what the directory says of the accounts that were not linked.
func heldBack(plan *adsync.Plan, entries []adsync.Entry) []string {
	byID := map[adsync.ObjectID]adsync.Entry{}
	for _, e := range entries {
		byID[e.ObjectID] = e
	}
	var lines []string
	for _, c := range plan.Changes {
		if c.Reason == adsync.ReasonAmbiguous {
			lines = append(lines, fmt.Sprintf("  %-4s is not linked to %s", c.UserID, describe(byID[c.ObjectID])))
		}
	}
	if lines == nil {
		return nil
	}
	return append([]string{"", "What the directory has where something speaks against it:"}, lines...)
}

func describe(e adsync.Entry) string {
	words := []string{e.Username}
	for _, word := range []string{strings.TrimSpace(e.FirstName + " " + e.LastName), e.Email} {
		if word != "" {
			words = append(words, word)
		}
	}
	return e.ObjectID.String() + "  " + strings.Join(words, ", ")
}

// strangers names the users without an account in sight, who stay local.
func (j *job) strangers(plan *adsync.Plan, users []adsync.User) []string {
	told := map[string]bool{}
	for _, c := range plan.Changes {
		told[c.UserID] = true
	}
	var ids []string
	for _, u := range users {
		chosen := j.only == nil || slices.Contains(j.only, u.ID)
		if chosen && u.ObjectID.IsZero() && !told[u.ID] {
			ids = append(ids, u.ID)
		}
	}
	if ids == nil {
		return nil
	}
	return []string{"", "No account is like these users; they stay local: " + strings.Join(ids, ", ") + "."}
}
