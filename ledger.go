package adsync

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Ledger remembers what runs did that [Limits] are about, so that many small runs count
// like one large one: without it, a fault that takes a tenth of the users each half hour
// passes each time. Package sqlstore has one over a small table.
//
// Both methods are called while the store is locked. An error of Recent, or of the Note before
// the first write, is [ErrIncomplete], and nothing is written then; one of the Note after the
// last is logged, and the first stands. What one ledger is told of a source must be about the same
// users: two tenants, or two user tables, need one each, even if they share a database.
type Ledger interface {
	// Recent returns together what the source's runs noted since then, by the ledger's own
	// clock, which may be a little off. A user may be in a list more than once.
	Recent(ctx context.Context, source string, since time.Time) (Tally, error)

	// Note keeps durably what a run is about to write, before its first write, and used, the
	// approval that lets it pass; nil: none. A second Note of the same run takes the place of
	// the first, and says what was written; where that was nothing, used is nil, and the
	// approval as good as before. Between the two a run may have crashed: the first stands.
	//
	// Where another run of the source has used an approval of the same Digest, whenever that
	// was, nothing is kept and the error is [ErrUsed].
	Note(ctx context.Context, source, runID string, t Tally, used *Approval) error
}

// ErrUsed: the approval has let another run of its plan pass, and is good for one. It is
// [ErrUnsafe]. What is left to do stands in a new plan.
var ErrUsed = fmt.Errorf("%w: its approval was used by a run before, and is good for one; make a new plan, and have that reviewed", ErrUnsafe)

// Tally holds the IDs of the users to whom something was done that [Limits] are about. A
// kind whose limits are lifted is left out, and so are runs that had an approval, so
// that a Tally is never larger than the limits let it become.
type Tally struct {
	Removed     []string `json:"removed,omitempty"` // deleted or deactivated
	Deleted     []string `json:"deleted,omitempty"` // those of Removed who certainly were deleted
	Cleared     []string `json:"cleared,omitempty"` // lost a non-empty value
	Rekeyed     []string `json:"rekeyed,omitempty"` // got another username or email
	Reactivated []string `json:"reactivated,omitempty"`
	Granted     []string `json:"granted,omitempty"` // were given a role
	Revoked     []string `json:"revoked,omitempty"` // lost a role
}

// Add adds the users of another Tally, each once in each list, which it sorts.
func (t *Tally) Add(more Tally) {
	lists := more.lists()
	for i, list := range t.lists() {
		*list = append(slices.Clone(*list), *lists[i]...)
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
}

// IsEmpty reports whether nobody is in it.
func (t *Tally) IsEmpty() bool {
	return !slices.ContainsFunc(t.lists(), func(list *[]string) bool { return len(*list) > 0 })
}

func (t *Tally) lists() []*[]string {
	return []*[]string{&t.Removed, &t.Deleted, &t.Cleared, &t.Rekeyed, &t.Reactivated, &t.Granted, &t.Revoked}
}

// tally holds each user once in each list, of the changes that count.
func (p *Plan) tally(counts func(i int) bool) (t Tally) {
	var gone, deleted, emptied, renamed, back, given, taken userSet
	for i := range p.Changes {
		if !counts(i) {
			continue
		}
		c := &p.Changes[i]
		gone.add(c.UserID, c.removes(), &t.Removed)
		deleted.add(c.UserID, c.Op == OpDelete, &t.Deleted)
		if c.rewrites() {
			emptied.add(c.UserID, clears(&c.Before.Profile, &c.After.Profile), &t.Cleared)
			renamed.add(c.UserID, rekeys(&c.Before.Profile, &c.After.Profile), &t.Rekeyed)
			back.add(c.UserID, c.reactivates(), &t.Reactivated)
			given.add(c.UserID, c.grants(), &t.Granted)
			taken.add(c.UserID, c.revokes(), &t.Revoked)
		}
	}
	return t
}

func everyChange(int) bool { return true }

// userSet is a set of user IDs.
type userSet map[string]bool

// add lists the user if the plan does it to that one, and has not before.
func (s *userSet) add(id string, does bool, list *[]string) {
	if !does || (*s)[id] {
		return
	}
	if *s == nil {
		*s = userSet{}
	}
	(*s)[id] = true
	*list = append(*list, id)
}

// others counts the users of one list that are not in another, each once.
func others(list, but []string) (n int) {
	if len(list) == 0 {
		return 0
	}
	seen := make(userSet, len(but))
	for _, id := range but {
		seen[id] = true
	}
	for _, id := range list {
		if !seen[id] {
			seen[id] = true
			n++
		}
	}
	return n
}

// limited is what the limits are about; the rest need not be remembered.
func (l Limits) limited(t Tally) Tally {
	if l.MaxRemovals == -1 && l.MaxRemovalRatio == -1 {
		t.Removed, t.Deleted = nil, nil
	}
	for list, limit := range map[*[]string]int{
		&t.Cleared: l.MaxCleared, &t.Rekeyed: l.MaxRekeyed, &t.Reactivated: l.MaxReactivated, &t.Granted: l.MaxGranted, &t.Revoked: l.MaxRevoked,
	} {
		if limit == -1 {
			*list = nil
		}
	}
	return t
}

// recent asks what runs have done within the window.
func (r *run) recent(ctx context.Context) (Tally, error) {
	if r.opts.Ledger == nil || !r.plan.writes() {
		return Tally{}, nil
	}
	since := r.now().Add(-cmp.Or(r.opts.Window, defaultWindow))
	return r.askLedger(ctx, "Recent", func(ctx context.Context) (Tally, error) {
		return r.opts.Ledger.Recent(ctx, r.plan.Source, since)
	})
}

// noted applies the changes, and tells the ledger before and after. A run that a person
// has approved is used up by that, and does not count for later ones.
func (r *run) noted(ctx context.Context, used *Approval) error {
	if r.opts.Ledger == nil {
		return r.all(ctx)
	}
	open := make([]bool, len(r.plan.Changes))
	for i := range open {
		open[i] = r.plan.Changes[i].writes() && !r.rounds.Settled(i)
	}
	planned := r.counted(used, func(i int) bool { return open[i] })
	planned.Deleted = nil // until it is certain, as it adds to what the ratio is of
	if planned.IsEmpty() && used == nil {
		return r.all(ctx)
	}
	id := rand.Text()
	if err := r.note(ctx, id, planned, used); err != nil {
		r.report.Approval = nil
		return err
	}
	err := r.all(ctx)
	wrote := false
	for i := range open {
		open[i] = open[i] && r.mayBeWritten(i)
		wrote = wrote || open[i]
	}
	written := r.counted(used, func(i int) bool { return open[i] })
	written.Deleted = r.counted(used, func(i int) bool { return open[i] && r.report.Results[i].Outcome == OutcomeApplied }).Deleted
	if !wrote {
		used = nil
	}
	r.correct(ctx, id, written, used)
	return err
}

// counted is what later runs have to know of the changes.
func (r *run) counted(used *Approval, counts func(i int) bool) Tally {
	if used != nil {
		return Tally{}
	}
	return r.opts.Limits.limited(r.plan.tally(counts))
}

// correct tells the ledger what was written, also when the run's context has ended. Where
// it cannot, too much stands there, which is safe.
func (r *run) correct(ctx context.Context, id string, written Tally, used *Approval) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), putBackTimeout)
	defer cancel()
	if err := r.note(ctx, id, written, used); err != nil {
		r.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "adsync: the ledger could not be told what was written, and keeps what was to be", slog.Any("error", err))
	}
}

// mayBeWritten reports whether this run has, or may have, written the change.
func (r *run) mayBeWritten(i int) bool {
	switch r.report.Results[i].Outcome {
	case OutcomeApplied, OutcomeAlready, OutcomeUnknown:
		return true
	}
	return false
}

func (r *run) note(ctx context.Context, id string, t Tally, used *Approval) error {
	t.Add(Tally{}) // sorts
	_, err := r.askLedger(ctx, "Note", func(ctx context.Context) (Tally, error) {
		return Tally{}, r.opts.Ledger.Note(ctx, r.plan.Source, id, t, used)
	})
	return err
}

// askLedger calls the ledger, as long as Options.Timeout lets it. An answer that comes
// later is dropped.
func (r *run) askLedger(ctx context.Context, method string, ask func(context.Context) (Tally, error)) (Tally, error) {
	type answer struct {
		tally Tally
		err   error
	}
	ctx, call := r.store.begin(ctx, method)
	call.party = "ledger"
	defer call.cancel(nil)
	a, failed := await(call, func() (a answer) {
		a.tally, a.err = ask(ctx)
		return a
	}, nil)
	err := a.err
	switch {
	case errors.Is(err, ErrUsed):
		return Tally{}, ErrUsed
	case err != nil:
		err = fmt.Errorf("adsync: the ledger: %w", err)
	}
	if err = errors.Join(failed, call.late, err); err != nil {
		return Tally{}, incomplete(err)
	}
	return a.tally, nil
}
