package adsync

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"

	"github.com/go-adsync/adsync/internal/schedule"
)

// run is one application of a plan.
type run struct {
	reader
	plan      *Plan
	report    *Report
	rounds    *schedule.Run
	delivered int  // results given to OnResult
	over      bool // no result changes any more
	hangs     bool // the store has not returned from a call that was given up
}

// own runs a plan that was made a moment ago under the same lock.
func (r *run) own(ctx context.Context) error {
	if err := r.hold(ctx, r.plan.Stats.Managed, r.plan.Stats.Roles); err != nil {
		return err
	}
	if err := r.lookAgain(ctx, grave); err != nil {
		return err
	}
	return r.noted(ctx, nil)
}

// any runs a plan from anywhere.
func (r *run) any(ctx context.Context, approvals []Approval) error {
	if err := r.plan.validate(r.opts.Rules); err != nil {
		return err
	}
	if !r.plan.writes() {
		return r.all(ctx)
	}
	approval, err := r.opts.approved(r.plan, approvals, r.now())
	if err != nil {
		return err
	}
	if r.plan.undoes() && approval == nil {
		return errUndo
	}
	r.report.Approval = approval
	count, err := r.takeCensus(ctx, r.plan)
	if err != nil {
		return err
	}
	if approval == nil {
		if err := r.hold(ctx, count.managed, count.roles); err != nil {
			return err
		}
	}
	r.settleDone(count)
	if err := r.adoptAgain(ctx, count.all, approval != nil); err != nil {
		return err
	}
	if err := r.lookAgain(ctx, anyWrite); err != nil {
		return err
	}
	return r.noted(ctx, approval)
}

// hold checks the plan against the limits, with what other runs have done.
func (r *run) hold(ctx context.Context, managed int, holders map[string]int) error {
	recent, err := r.recent(ctx)
	if err != nil {
		return err
	}
	return r.opts.Limits.hold(r.plan, managed, holders, &past{recent, cmp.Or(r.opts.Window, defaultWindow)})
}

var errUndo = fmt.Errorf("%w: it takes back what a run did, which no directory can bear out; have a person review it, and approve its digest", ErrUnsafe)

var (
	errNoLonger = fmt.Errorf("%w: the directory no longer bears out this change", ErrStale)
	errNoUser   = fmt.Errorf("%w: the host has no user of this ID", ErrStale)
)

// settleDone settles what needs no write, or can have none: what is written already, as
// when a finished plan is applied again, and what is about users that the store did not
// yield. An ID that is only spelled like another's never reaches the store, which might
// take it for that one.
func (r *run) settleDone(count *census) {
	for i := range r.plan.Changes {
		c := &r.plan.Changes[i]
		u := count.users[c.UserID]
		switch {
		case !c.writes():
		case c.Op == OpCreate:
			if id := count.linked[c.ObjectID]; id != "" {
				r.report.Results[i].UserID = id
				r.settle(i, OutcomeAlready, nil)
			}
		case u == nil && c.Op == OpDelete:
			r.settle(i, OutcomeAlready, nil)
		case u == nil:
			r.settle(i, OutcomeStale, errNoUser)
		case c.Op == OpUpdate && u.Same(*r.done(i)):
			r.settle(i, OutcomeAlready, nil)
		}
	}
}

// done is the user when the plan is done with it: for a parking, after the change that
// ends it.
func (r *run) done(i int) *User {
	if end := r.rounds.End(i); end >= 0 {
		i = end
	}
	return r.plan.Changes[i].After
}

// adoptAgain plans the links that are still to be written anew, from both sides as they are
// now: one that would not be planned is stale. Whom nobody links without being told to has to
// be named by the rules, or by an approval of the plan.
func (r *run) adoptAgain(ctx context.Context, users []User, approved bool) (err error) {
	open := map[string]int{}
	for i := range r.plan.Changes {
		if c := &r.plan.Changes[i]; c.adopts() && !r.rounds.Settled(i) {
			open[c.UserID] = i
		}
	}
	if len(open) == 0 {
		return nil
	}
	ctx, span := r.opts.begin(ctx, PhaseConfirm)
	defer span.done(&err)
	span.count(len(open))
	rules := r.opts.Rules
	if approved {
		rules.Only = slices.Collect(maps.Keys(open))
	}
	var entries []Entry
	err = r.eachController(ctx, func(ctx context.Context, dir Directory) error {
		entries = entries[:0]
		for e, err := range dir.Entries(ctx) {
			if err != nil {
				return err
			}
			entries = append(entries, e)
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	now, err := Adopt(entries, users, rules)
	if err != nil {
		return incomplete(err)
	}
	for i := range now.Changes {
		if c := &now.Changes[i]; c.adopts() && c.ObjectID == r.plan.Changes[open[c.UserID]].ObjectID {
			delete(open, c.UserID)
		}
	}
	for _, i := range open {
		r.settle(i, OutcomeStale, errNoLonger)
	}
	return nil
}

// lookAgain asks the directory about the changes that are doubted; one that it does not
// confirm is stale, and so is the parking before it.
func (r *run) lookAgain(ctx context.Context, doubted func(*Change) bool) (err error) {
	var open []int
	var ids, confirmed []ObjectID
	for i := range r.plan.Changes {
		switch c := &r.plan.Changes[i]; {
		case r.rounds.Settled(i) || !doubted(c):
			continue
		case c.reactivates():
			confirmed = append(confirmed, c.ObjectID)
		default:
			ids = append(ids, c.ObjectID)
		}
		open = append(open, i)
	}
	if len(open) == 0 {
		return nil
	}
	ctx, span := r.opts.begin(ctx, PhaseConfirm)
	defer span.done(&err)
	span.count(len(open))
	scope := scopeOf(r.opts.Rules)
	var clock clock
	answers, err := r.lookUpNow(ctx, &scope, ids, confirmed, &clock, func(f *findings) []ObjectID { return r.losing(&scope, f, open) })
	if err != nil {
		return err
	}
	clock.set(&scope.rules)
	for _, i := range open {
		c := &r.plan.Changes[i]
		if e := answers.of(c); e == nil || !scope.callsFor(c, e, r.plan.ends(i) >= 0) {
			r.settle(i, OutcomeStale, errNoLonger)
		}
	}
	for _, i := range r.rounds.Left() {
		end := r.rounds.End(i)
		if !r.rounds.Settled(i) && end >= 0 && r.report.Results[end].Outcome == OutcomeStale {
			r.settle(i, OutcomeStale, errNoLonger)
		}
	}
	return nil
}

// losing are the accounts whose users would lose a role by what was found.
func (r *run) losing(scope *scope, found *findings, open []int) (ids []ObjectID) {
	for _, i := range open {
		c := &r.plan.Changes[i]
		e := found.of(c)
		if e == nil || !c.rewrites() {
			continue
		}
		if roles := scope.rolesOf(c.Before, e); len(roles.revoked) > 0 {
			ids = append(ids, c.ObjectID)
		}
	}
	slices.SortFunc(ids, ObjectID.Compare)
	return slices.Compact(ids)
}

// all applies the changes, in batches of those that do not need each other.
func (r *run) all(ctx context.Context) error {
	r.report.Refused = false
	err := r.each(ctx)
	r.putBack(ctx, r.rounds.Left())
	r.over = true
	err = errors.Join(err, r.deliver(ctx))
	counts := r.report.Counts()
	r.opts.Logger.LogAttrs(ctx, slog.LevelInfo, "adsync: applied",
		slog.Int("modified", counts.Modified), slog.Int("deleted", counts.Deleted), slog.Int("created", counts.Created),
		slog.Int("deactivated", counts.Deactivated), slog.Int("duplicated", counts.Duplicated), slog.Int("failed", counts.Failed))
	return err
}

// each writes one batch after the other.
func (r *run) each(ctx context.Context) error {
	sizes := r.batchSizes()
	for {
		batch, blocked, err := r.rounds.Next(sizes)
		if err != nil {
			return fmt.Errorf("%w: %w; make a new plan", ErrUnsafe, err)
		}
		if len(batch) == 0 && len(blocked) == 0 {
			return nil
		}
		for _, b := range blocked {
			r.record(b.Step, OutcomeBlocked, fmt.Errorf("adsync: change %d, which it needs, did not succeed", b.Need))
		}
		if err := r.writeBatch(ctx, batch); err != nil {
			return err
		}
		r.putBack(ctx, r.rounds.Closed())
		if err := r.deliver(ctx); err != nil {
			return err
		}
	}
}

// batchSizes are how many changes the store is given at once.
func (r *run) batchSizes() schedule.Sizes {
	_, batches := r.store.store.(BatchStore)
	creates := traitsOf(r.store.store).CreatesAtOnce
	switch size := r.opts.BatchSize; {
	case !batches:
		return schedule.Sizes{Changes: 1, Creates: 1}
	case size > 0:
		return schedule.Sizes{Changes: size, Creates: size}
	case creates > 0:
		return schedule.Sizes{Changes: defaultBatchSize, Creates: creates}
	}
	return schedule.Sizes{Changes: defaultBatchSize, Creates: defaultBatchSize}
}

// writeBatch settles the changes of the batch. An error ends the run.
func (r *run) writeBatch(ctx context.Context, batch []int) (end error) {
	if len(batch) == 0 {
		return nil
	}
	if err := notWritten(ctx); err != nil {
		return cutShort(err)
	}
	ctx, span := r.opts.begin(ctx, PhaseWrite)
	defer span.done(&end)
	span.count(len(batch))
	changes := make([]Change, len(batch))
	for k, i := range batch {
		changes[k] = r.plan.Changes[i]
	}
	written, hangs := r.store.written(ctx, changes)
	r.hangs = hangs
	for k, i := range batch {
		outcome, last := outcomeOf(written[k].Err)
		if written[k].UserID != "" {
			r.report.Results[i].UserID = written[k].UserID
		}
		r.settle(i, outcome, written[k].Err)
		if last && end == nil {
			end = cutShort(written[k].Err)
		}
	}
	return end
}

// settle keeps what became of a change, for the report and for those that need it.
func (r *run) settle(i int, outcome Outcome, err error) {
	r.record(i, outcome, err)
	switch outcome {
	case OutcomeApplied, OutcomeAlready:
		r.rounds.Settle(i, schedule.Succeeded)
	case OutcomeUnknown:
		r.rounds.Settle(i, schedule.Unknown)
	default:
		r.rounds.Settle(i, schedule.Failed)
	}
}

func (r *run) record(i int, outcome Outcome, err error) {
	if outcome == OutcomeApplied || outcome == OutcomeAlready {
		err = nil
	} else {
		r.opts.Logger.LogAttrs(context.Background(), slog.LevelWarn, "adsync: not applied",
			slog.String("outcome", string(outcome)), slog.Any("change", r.plan.Changes[i]))
	}
	r.report.Results[i].Outcome, r.report.Results[i].Err = outcome, err
}

// putBack undoes those of the parkings that nobody made use of. It is certain of each
// that nobody will.
func (r *run) putBack(ctx context.Context, parkings []int) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), putBackTimeout)
	defer cancel()
	for _, i := range parkings {
		result := &r.report.Results[i]
		fate := r.rounds.Judge(i)
		switch {
		case fate == schedule.Ended:
		case fate == schedule.Doubtful:
			result.Outcome, result.Err = OutcomeUnknown, errPerhapsParked
		case fate == schedule.Stranded, r.hangs,
			result.Outcome == OutcomeAlready: // what the user was before is then the plan's word alone
			result.Err = errParked
		default:
			r.putBackOne(ctx, &r.plan.Changes[i], result)
		}
	}
}

func (r *run) putBackOne(ctx context.Context, parked *Change, result *Result) {
	back := NewUpdate(ReasonParked, parked.After, parked.Before)
	var err error
	ctx, span := r.opts.begin(ctx, PhaseWrite)
	defer span.done(&err)
	span.count(1)
	err, r.hangs = r.store.update(ctx, back)
	switch outcome, _ := outcomeOf(err); outcome {
	case OutcomeApplied, OutcomeAlready:
		result.Outcome = OutcomeSkipped
	case OutcomeUnknown:
		result.Outcome, result.Err = OutcomeUnknown, errors.Join(errPerhapsParked, err)
	default:
		result.Err = errors.Join(errParked, err)
	}
}

// deliver gives OnResult the results that are final, in order. An Interim is final
// when nobody waits for it any more.
func (r *run) deliver(ctx context.Context) (err error) {
	if r.opts.OnResult == nil {
		return nil
	}
	defer func() {
		if v := recover(); v != nil {
			err = cutShort(errors.New(panicWords("callback OnResult", v)))
		}
	}()
	for r.delivered < len(r.plan.Changes) && (r.over || r.rounds.Final(r.delivered)) {
		r.delivered++
		r.opts.OnResult(ctx, r.plan.Changes[r.delivered-1], r.report.Results[r.delivered-1])
	}
	return nil
}

var errCutShort = errors.New("adsync: the run was cut short; apply the plan again or make a new one")

func cutShort(cause error) error { return &wrapped{errCutShort, cause} }

// outcomeOf tells what a store's error means, and whether it ends the run.
func outcomeOf(err error) (outcome Outcome, last bool) {
	if err == nil {
		return OutcomeApplied, false
	}
	var network interface { // as net.Error
		error
		Timeout() bool
		Temporary() bool
	}
	notDone := errors.Is(err, ErrNotWritten) || errors.Is(err, driver.ErrBadConn) // which promises the same
	ended := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	switch {
	case errors.Is(err, ErrUnknown):
		return OutcomeUnknown, true
	case errors.Is(err, ErrAlready):
		return OutcomeAlready, false
	case errors.Is(err, ErrStale):
		return OutcomeStale, false
	case errors.Is(err, ErrConflict):
		return OutcomeFailed, false
	case notDone && ended:
		return OutcomeNotAttempted, true
	case notDone:
		return OutcomeFailed, true
	case ended,
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &network):
		return OutcomeUnknown, true
	}
	return OutcomeFailed, false
}

// errParked is reported for a user whom a run left parked.
var errParked = errors.New("adsync: the user was left with a temporary username or email, because a later change did not succeed; the next sync finishes the work")

// errPerhapsParked is reported for a user who may be parked: nobody knows, because the
// write that would have ended it was not answered.
var errPerhapsParked = fmt.Errorf("%w: the user may have a temporary username or email, and if so, the next sync finishes the work", ErrUnknown)
