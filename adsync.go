// Package adsync keeps a host application's users in step with Active Directory.
package adsync

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// The errors that callers tell apart with errors.Is.
var (
	// ErrIncomplete: one side could not be read whole, so there is no plan.
	ErrIncomplete = errors.New("adsync: incomplete")
	// ErrUnsafe: the plan was refused before the first write.
	ErrUnsafe = errors.New("adsync: refused as unsafe")
	// ErrStale: the row is not as the plan saw it.
	ErrStale = errors.New("adsync: the user is not as it was when the plan was made; plan again")
	// ErrAlready: the row is as the plan wants it.
	ErrAlready = errors.New("adsync: written already")
	// ErrConflict: another row holds the key.
	ErrConflict = errors.New("adsync: another user holds this username or email")
	// ErrUnknown: a store cannot tell whether the write happened, as when the
	// connection is lost during a commit. It ends the run; applying the plan
	// again settles it.
	ErrUnknown = errors.New("adsync: it is unknown whether this was written; apply the plan again")
)

// Limits refuse a plan that would change too much. The zero value is safe; -1
// lifts a limit.
type Limits struct {
	MaxRemovals     int     // deletions and deactivations; default 500
	MaxRemovalRatio float64 // of all managed users of the source, also when only some are chosen; default 0.1; one is always let through
	MaxCleared      int     // users who lose a non-empty value; default 500, and the ratio applies too
	AllowEmpty      bool    // else a listing (not a look-up) that yields nobody while users are managed is ErrIncomplete
}

// LimitError says which limit a plan is beyond. It is [ErrUnsafe].
type LimitError struct {
	Plan    *Plan
	Limit   string // "MaxRemovals", "MaxRemovalRatio" or "MaxCleared"
	Count   int    // users that the plan would remove or clear
	Managed int    // managed users of the source
	Allowed int    // the most that the limit lets through
}

func (e *LimitError) Error() string { return fmt.Sprintf("adsync: %s", e.Limit) }

// Is reports that a LimitError is ErrUnsafe.
func (e *LimitError) Is(target error) bool { return target == ErrUnsafe }

// Options are a Syncer's settings; the zero value of each is a safe default.
type Options struct {
	Rules     Rules
	Limits    Limits
	Logger    *slog.Logger                          // nil: silent
	OnResult  func(context.Context, Change, Result) // progress, in order, on the caller's goroutine
	BatchSize int                                   // changes given to a BatchStore at once; default 500
}

// Syncer joins a directory and a store. It is safe for concurrent use.
type Syncer struct{}

// New checks the options against the store.
func New(dir Directory, store UserStore, opts *Options) (*Syncer, error) {
	return nil, errors.New("adsync: not built yet")
}

// Selection narrows a plan.
type Selection struct{}

// Only chooses just these users; Only() chooses nobody.
func Only(userIDs ...string) Selection { return Selection{} }

// Import creates users for just these entries; the store must be a Creator.
func Import(ids ...ObjectID) Selection { return Selection{} }

// Plan reads both sides and returns what a sync would do. It writes nothing.
func (s *Syncer) Plan(ctx context.Context, sel ...Selection) (*Plan, error) { return nil, nil }

// Approval is the digest of the one plan whose limits it lifts.
type Approval string

// Apply runs the plan.
func (s *Syncer) Apply(ctx context.Context, p *Plan, ok ...Approval) (*Report, error) {
	return nil, nil
}

// Sync is Plan and Apply in a row.
func (s *Syncer) Sync(ctx context.Context, sel ...Selection) (*Report, error) { return nil, nil }

// Outcome is what became of a [Change].
type Outcome string

// The outcomes.
const (
	OutcomeApplied      Outcome = "applied"
	OutcomeAlready      Outcome = "already"       // it was written before
	OutcomeStale        Outcome = "stale"         // the user has changed since the plan was made
	OutcomeFailed       Outcome = "failed"        // the store refused
	OutcomeBlocked      Outcome = "blocked"       // a change that it needs did not succeed
	OutcomeSkipped      Outcome = "skipped"       // nothing to write, or no longer needed
	OutcomeNotAttempted Outcome = "not-attempted" // the run ended before
	OutcomeUnknown      Outcome = "unknown"       // the store cannot tell; apply again
)

// Result is the outcome of one Change.
type Result struct {
	Index   int     `json:"index"` // of the Change in Plan.Changes
	UserID  string  `json:"user_id,omitempty"`
	Outcome Outcome `json:"outcome"`
	Err     error   `json:"-"` // its text in JSON
}

// Report is what a run did: one Result for each Change, always.
type Report struct {
	Plan    *Plan    `json:"plan,omitempty"`
	Results []Result `json:"results"`
}

// Counts counts distinct users by what became of them.
type Counts struct {
	Modified    int `json:"modified"`
	Deleted     int `json:"deleted"`
	Duplicated  int `json:"duplicated"`
	Created     int `json:"created"`
	Deactivated int `json:"deactivated"`
	Unchanged   int `json:"unchanged"`
	Failed      int `json:"failed"`
	Stale       int `json:"stale"`
	Blocked     int `json:"blocked"`
}

// Counts counts the outcomes.
func (r *Report) Counts() Counts { return Counts{} }

// Summary is the lines that a message box shows.
func (r *Report) Summary() []string { return nil }

// Err joins a *ChangeError for each change that did not succeed.
func (r *Report) Err() error { return nil }

// ChangeError is a change that did not succeed, and why.
type ChangeError struct {
	Change  Change
	Outcome Outcome
	Err     error
}

func (e *ChangeError) Error() string { return "" }

// Unwrap returns the store's error.
func (e *ChangeError) Unwrap() error { return e.Err }
