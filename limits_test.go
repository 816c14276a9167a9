package adsync_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// deeds are what Limits hold back, each done to one of a crowd.
var deeds = map[string]func(*adsync.Entry, *adsync.User){
	"deletes":     func(e *adsync.Entry, _ *adsync.User) { e.State = adsync.StateDeleted },
	"deactivates": func(e *adsync.Entry, _ *adsync.User) { e.Disabled = true },
	"clears":      func(_ *adsync.Entry, u *adsync.User) { u.Phone = "+1" },
	"renames":     func(e *adsync.Entry, _ *adsync.User) { e.Username += "x" },
	"readdresses": func(e *adsync.Entry, _ *adsync.User) { e.Email += "x" },
	"addresses":   func(_ *adsync.Entry, u *adsync.User) { u.Email = "" },
	"respells":    func(e *adsync.Entry, _ *adsync.User) { e.Username = "U" + e.Username[1:] },
	"reactivates": func(_ *adsync.Entry, u *adsync.User) { u.Status = adsync.StatusDeactivated },
}

func TestLimits(t *testing.T) {
	type limits = adsync.Limits
	for name, test := range map[string]struct {
		users, n int // of whom it happens to so many
		deed     string
		limits   limits
		want     string // the limit, or none
		allowed  int
	}{
		"a tenth":                {30, 3, "deletes", limits{}, "", 0},
		"more than a tenth":      {30, 4, "deletes", limits{}, "MaxRemovalRatio", 3},
		"one is let through":     {3, 1, "deletes", limits{}, "", 0},
		"but not two":            {3, 2, "deletes", limits{}, "MaxRemovalRatio", 1},
		"lifted":                 {3, 3, "deletes", limits{MaxRemovalRatio: -1}, "", 0},
		"a count":                {30, 3, "deletes", limits{MaxRemovals: 2}, "MaxRemovals", 2},
		"a count, lifted":        {30, 3, "deletes", limits{MaxRemovals: -1}, "", 0},
		"a third":                {30, 10, "deletes", limits{MaxRemovalRatio: 0.34}, "", 0},
		"all, by a ratio of one": {30, 30, "deletes", limits{MaxRemovalRatio: 1}, "", 0},
		"29 of 100":              {100, 29, "deletes", limits{MaxRemovalRatio: 0.29}, "", 0},
		"30 of 100":              {100, 30, "deletes", limits{MaxRemovalRatio: 0.29}, "MaxRemovalRatio", 29},
		"more than the count":    {120, 12, "deletes", limits{MaxRemovals: 11}, "MaxRemovals", 11},
		"deactivations too":      {30, 4, "deactivates", limits{}, "MaxRemovalRatio", 3},
		"deactivations, a count": {30, 3, "deactivates", limits{MaxRemovals: 2}, "MaxRemovals", 2},
		"a tenth deactivated":    {30, 3, "deactivates", limits{}, "", 0},

		"cleared by a tenth":              {30, 3, "clears", limits{}, "", 0},
		"cleared by more":                 {30, 4, "clears", limits{}, "MaxCleared", 3},
		"cleared by count":                {30, 3, "clears", limits{MaxCleared: 2}, "MaxCleared", 2},
		"cleared, lifted":                 {30, 30, "clears", limits{MaxCleared: -1}, "", 0},
		"a count above the ratio":         {30, 4, "clears", limits{MaxCleared: 20}, "MaxCleared", 3},
		"renamed by a tenth":              {30, 3, "renames", limits{}, "", 0},
		"renamed by more":                 {30, 4, "renames", limits{}, "MaxRekeyed", 3},
		"renamed by count":                {30, 3, "renames", limits{MaxRekeyed: 2}, "MaxRekeyed", 2},
		"renamed, lifted":                 {30, 30, "renames", limits{MaxRekeyed: -1}, "", 0},
		"respelled by more":               {30, 4, "respells", limits{}, "MaxRekeyed", 3},
		"readdressed by more":             {30, 4, "readdresses", limits{}, "MaxRekeyed", 3},
		"a first address counts":          {30, 4, "addresses", limits{}, "MaxRekeyed", 3},
		"readdressed, by the ratio alone": {30, 9, "readdresses", limits{MaxRemovalRatio: 0.3}, "", 0},
		"reactivated by a tenth":          {30, 3, "reactivates", limits{}, "", 0},
		"reactivated by more":             {30, 4, "reactivates", limits{}, "MaxReactivated", 3},
		"reactivated by count":            {30, 3, "reactivates", limits{MaxReactivated: 2}, "MaxReactivated", 2},
		"reactivated, lifted":             {30, 30, "reactivates", limits{MaxReactivated: -1}, "", 0},
		"one is reactivated":              {3, 1, "reactivates", limits{}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir, users := crowd(test.users)
			for i := range test.n {
				deeds[test.deed](&dir[i], &users[i])
			}
			store := adsync.NewMemoryStore(users...)
			s := newSyncer(t, dir, store, &adsync.Options{Limits: test.limits, Rules: adsync.Rules{OnDisabled: adsync.Deactivate}})
			plan, err := s.Plan(t.Context())
			require.NoError(t, err)
			require.Len(t, plan.Changes, test.n)
			checked := plan.Check(test.limits)
			report, err := s.Apply(t.Context(), plan)
			if test.want == "" {
				require.NoError(t, checked)
				require.NoError(t, err)
				require.NoError(t, report.Err())
				assert.Len(t, report.Results, test.n)
				return
			}
			for _, err := range []error{checked, err} {
				var limit *adsync.LimitError
				require.ErrorAs(t, err, &limit)
				require.ErrorIs(t, err, adsync.ErrUnsafe)
				assert.Equal(t, adsync.LimitError{Plan: plan, Limit: test.want, Count: test.n, Managed: test.users, Allowed: test.allowed}, *limit)
			}
			assert.Equal(t, users, allUsers(t, store), "nothing of a refused plan is applied")
			assert.NotContains(t, outcomes(report), adsync.OutcomeApplied)
			assert.Contains(t, report.Summary()[0], "not carried out")

			_, err = s.Sync(t.Context())
			require.ErrorIs(t, err, adsync.ErrUnsafe)

			_, err = s.Apply(t.Context(), plan, adsync.Approval{Digest: "another digest"})
			require.ErrorIs(t, err, adsync.ErrUnsafe)
			report, err = s.Apply(t.Context(), plan, approve(plan))
			require.NoError(t, err)
			require.NoError(t, report.Err())
			assert.NotContains(t, outcomes(report), adsync.OutcomeSkipped)
		})
	}
}

// Each of two who trade names counts once, however many changes that takes.
func TestLimits_CountAUserOnce(t *testing.T) {
	dir, users := swap()
	plan := mustReconcile(t, dir, users, adsync.Rules{})
	require.Len(t, plan.Changes, 3)
	var limit *adsync.LimitError
	require.ErrorAs(t, plan.Check(adsync.Limits{}), &limit)
	assert.Equal(t, 2, limit.Count)
}

// The defaults are 500 users, where the ratio is more.
func TestLimits_Defaults(t *testing.T) {
	for deed, want := range map[string]string{"deletes": "MaxRemovals", "clears": "MaxCleared", "renames": "MaxRekeyed", "reactivates": "MaxReactivated"} {
		for n, want := range map[int]string{500: "", 501: want} {
			entries, users := make([]adsync.Entry, 6000), make([]adsync.User, 6000)
			for i := range entries {
				entries[i] = bigPerson(i)
				users[i] = adsync.User{ID: fmt.Sprint(i), ObjectID: entries[i].ObjectID, Profile: entries[i].Profile}
				if deed == "clears" {
					entries[i].Phone, users[i].Phone = "", ""
				}
				if i < n {
					deeds[deed](&entries[i], &users[i])
				}
			}
			err := mustReconcile(t, entries, users, adsync.Rules{}).Check(adsync.Limits{})
			var limit *adsync.LimitError
			switch {
			case want == "":
				require.NoError(t, err, deed)
			case assert.ErrorAs(t, err, &limit, deed):
				assert.Equal(t, want, limit.Limit)
				assert.Equal(t, 500, limit.Allowed)
			}
		}
	}
}

func TestLimits_Words(t *testing.T) {
	for limit, does := range map[string]string{
		"MaxRemovals": "removes", "MaxRemovalRatio": "removes", "MaxCleared": "clears values of",
		"MaxRekeyed": "changes the username or email of", "MaxReactivated": "reactivates",
	} {
		err := &adsync.LimitError{Limit: limit, Count: 3, Managed: 9, Allowed: 1}
		assert.EqualError(t, err, "adsync: the plan "+does+" 3 of 9 managed users, and "+limit+" allows 1; nothing was changed. Review the plan, then approve its digest or change the limit")
	}
}

func TestLimits_ErrorAsJSON(t *testing.T) {
	out, err := json.Marshal(&adsync.LimitError{Limit: "MaxRemovals", Count: 3, Managed: 9, Allowed: 1})
	require.NoError(t, err)
	assert.Equal(t, `{"plan":null,"limit":"MaxRemovals","count":3,"managed":9,"allowed":1}`, string(out))
}

func TestLimits_Refuse(t *testing.T) {
	for _, limits := range []adsync.Limits{{MaxRemovals: -2}, {MaxCleared: -2}, {MaxRekeyed: -2}, {MaxReactivated: -2}, {MaxRemovalRatio: -2}, {MaxRemovalRatio: 1.5}} {
		_, err := adsync.New(adsync.StaticDirectory{}, adsync.NewMemoryStore(), &adsync.Options{Limits: limits})
		require.Error(t, err, "%+v", limits)
	}
}
