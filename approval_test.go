package adsync_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

func TestApproval_IsGoodForATime(t *testing.T) {
	const day = 24 * time.Hour
	for name, test := range map[string]struct {
		age, most time.Duration // of the approval, and of Options
		says      string        // of the error
	}{
		"fresh":                       {0, 0, ""},
		"a week":                      {7 * day, 0, ""},
		"more than a week":            {7*day + 1, 0, "one is good for 168h0m0s"},
		"within the host's age":       {time.Hour, 2 * time.Hour, ""},
		"beyond it":                   {3 * time.Hour, 2 * time.Hour, "one is good for 2h0m0s"},
		"for ever":                    {1000 * day, -1, ""},
		"of a clock that is ahead":    {-5 * time.Minute, 0, ""},
		"of one that is too far":      {-5*time.Minute - 1, 0, "still to come"},
		"still to come":               {-time.Hour, 0, "still to come"},
		"still to come, for ever":     {-time.Hour, -1, "still to come"},
		"without a time":              {-1, 0, "does not say when"},
		"without a time and for ever": {-1, -1, "does not say when"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, users := crowd(20)
			for i := range 5 {
				dir[i].State = adsync.StateDeleted
			}
			store := adsync.NewMemoryStore(users...)
			now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
			s := newSyncer(t, dir, store, &adsync.Options{MaxApprovalAge: test.most})
			s.SetClock(func() time.Time { return now })
			plan, err := s.Plan(t.Context())
			require.NoError(t, err)
			approval := adsync.Approval{Digest: plan.Digest(), At: now.Add(-test.age)}
			if test.says == "does not say when" {
				approval.At = time.Time{}
			}
			other := adsync.Approval{Digest: "of another plan"}
			report, err := s.Apply(t.Context(), plan, other, approval)
			if test.says == "" {
				require.NoError(t, err)
				assert.Equal(t, 5, report.Counts().Deleted)
				return
			}
			require.ErrorIs(t, err, adsync.ErrUnsafe)
			require.ErrorContains(t, err, test.says)
			assert.Equal(t, users, allUsers(t, store))
			assert.Contains(t, report.Summary()[0], "not carried out")

			// Of several, one that is good is enough.
			_, err = s.Apply(t.Context(), plan, approval, adsync.Approval{Digest: plan.Digest(), At: now})
			require.NoError(t, err)
		})
	}
}

func TestApproval_AsJSON(t *testing.T) {
	out, err := json.Marshal(adsync.Approval{Digest: "ab", At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)})
	require.NoError(t, err)
	assert.Equal(t, `{"digest":"ab","at":"2026-01-02T03:04:05Z"}`, string(out))
}

// TestReport_SaysWhoApproved holds what an audit asks of a run: who let it pass, and which
// plan that was.
func TestReport_SaysWhoApproved(t *testing.T) {
	dir, users := crowd(20)
	for i := range 5 {
		dir[i].State = adsync.StateDeleted
	}
	s := newSyncer(t, dir, adsync.NewMemoryStore(users...), nil)
	plan, err := s.Plan(t.Context())
	require.NoError(t, err)
	other := adsync.Approval{Digest: "of another plan", At: time.Now(), By: "somebody else"}

	refused, err := s.Apply(t.Context(), plan, other)
	require.ErrorIs(t, err, adsync.ErrUnsafe)
	assert.Nil(t, refused.Approval)

	approval := adsync.Approval{Digest: plan.Digest(), At: time.Now().UTC().Truncate(time.Second), By: "the administrator on duty"}
	report, err := s.Apply(t.Context(), plan, other, approval)
	require.NoError(t, err)
	out, err := json.Marshal(report)
	require.NoError(t, err)
	var kept adsync.Report
	require.NoError(t, json.Unmarshal(out, &kept))
	assert.Equal(t, &approval, kept.Approval)
	assert.Equal(t, kept.Plan.Digest(), kept.Approval.Digest)
}
