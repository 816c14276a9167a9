package adsync

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"time"
)

// locked runs f under the store's lock, where it has one.
func (s *Syncer) locked(ctx context.Context, f func() error) (err error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	return f()
}

// applyOwn runs a plan that was made a moment ago under the same lock.
func (s *Syncer) applyOwn(ctx context.Context, p *Plan) (*Report, error) {
	run := s.newRun(p)
	if err := s.opts.Limits.hold(p, p.Stats.Managed); err != nil {
		return run.report, err
	}
	if err := run.lookAgain(ctx, grave); err != nil {
		return run.report, err
	}
	return run.report, run.all(ctx)
}

// applyAny runs a plan from anywhere.
func (s *Syncer) applyAny(ctx context.Context, p *Plan, approvals []Approval) (*Report, error) {
	run := s.newRun(p)
	if err := p.validate(s.opts.Rules); err != nil {
		return run.report, err
	}
	if !p.writes() {
		return run.report, run.all(ctx)
	}
	approved, err := s.opts.approved(p, approvals, time.Now())
	if err != nil {
		return run.report, err
	}
	if p.undoes() && !approved {
		return run.report, errUndo
	}
	now, err := s.readNow(ctx, p)
	if err != nil {
		return run.report, err
	}
	if !approved {
		if err := s.opts.Limits.hold(p, now.managed); err != nil {
			return run.report, err
		}
	}
	run.settleDone(now)
	if err := run.lookAgain(ctx, anyWrite); err != nil {
		return run.report, err
	}
	return run.report, run.all(ctx)
}

var errUndo = fmt.Errorf("%w: it takes back what a run did, which no directory can bear out; have a person review it, and approve its digest", ErrUnsafe)

// run is one application of a plan.
type run struct {
	*Syncer
	plan     *Plan
	report   *Report
	settled  []bool           // whose result is final
	parkings map[int]*parking // that are open, by index of the Interim
	closing  []int            // Interims for which nobody waits any more
	parked   int              // users who are parked now
	first    int              // the first change that is not settled
	told     int              // results given to OnResult
	hangs    bool             // the store has not returned from a call that was given up
}

// parking is an Interim and what became of those that wait for it.
type parking struct {
	takers []int
	final  int
	waits  int // how many of them are not settled
}

func (s *Syncer) newRun(p *Plan) *run {
	return &run{
		Syncer:   s,
		plan:     p,
		report:   refusedReport(p),
		settled:  make([]bool, len(p.Changes)),
		parkings: p.parkings(),
	}
}

// all applies the changes, in batches of those that do not need each other.
func (r *run) all(ctx context.Context) error {
	r.report.Refused = false
	err := r.each(ctx)
	r.putBack(ctx, slices.Sorted(maps.Keys(r.parkings))) // what is not settled by now never will be
	for i := range r.settled {
		r.settled[i] = true
	}
	err = errors.Join(err, r.tell(ctx))
	counts := r.report.Counts()
	r.opts.Logger.LogAttrs(ctx, slog.LevelInfo, "adsync: applied",
		slog.Int("modified", counts.Modified), slog.Int("deleted", counts.Deleted), slog.Int("created", counts.Created),
		slog.Int("deactivated", counts.Deactivated), slog.Int("duplicated", counts.Duplicated), slog.Int("failed", counts.Failed))
	return err
}

func (r *run) each(ctx context.Context) error {
	for {
		for r.first < len(r.settled) && r.settled[r.first] {
			r.first++
		}
		if r.first == len(r.settled) {
			return nil
		}
		if err := r.flush(ctx, r.nextBatch()); err != nil {
			return err
		}
	}
}

// aheadMost is how far past the first change that is still open another may be
// written before it, so that OnResult, which is told in order, does not lag far behind.
const aheadMost = 5000

// parkedMost is how many users may be parked at a time, unless one circle takes
// more: so few are left parked if the run is cut short.
const parkedMost = 10

// nextBatch takes changes all of whose needs are settled, in order, and settles
// those whose need did not succeed and those that write nothing. The first that is
// open never waits, so each call gets further.
func (r *run) nextBatch() []int {
	var batch []int
	size, parked := r.batchSizes(), r.parked
	creates := 0
	end := len(r.settled)
	for i := r.first; i < end; i++ {
		c := &r.plan.Changes[i]
		switch {
		case r.settled[i]:
		case !c.writes():
			r.settled[i] = true
		case r.awaits(c), c.Interim && parked >= parkedMost && i > r.first:
			end = min(end, r.first+aheadMost)
		default:
			if need := r.failedNeed(c); need >= 0 {
				r.settle(i, OutcomeBlocked, fmt.Errorf("adsync: change %d, which it needs, did not succeed", need))
				continue
			}
			if c.Op == OpCreate {
				creates++
			}
			if size.full(len(batch), creates) {
				return batch
			}
			batch = append(batch, i)
			if c.Interim {
				parked++
			}
		}
	}
	return batch
}

func (r *run) batchSizes() batchSizes {
	_, batches := r.store.(BatchStore)
	creates := traitsOf(r.store).CreatesAtOnce
	switch size := r.opts.BatchSize; {
	case !batches:
		return batchSizes{1, 1}
	case size > 0:
		return batchSizes{size, size}
	case creates > 0:
		return batchSizes{defaultBatchSize, creates}
	}
	return batchSizes{defaultBatchSize, defaultBatchSize}
}

// awaits reports whether a need of the change is still open.
func (r *run) awaits(c *Change) bool {
	return slices.ContainsFunc(c.Needs, func(need int) bool { return !r.settled[need] })
}

// failedNeed returns a need that did not succeed, or -1.
func (r *run) failedNeed(c *Change) int {
	for _, need := range c.Needs {
		if !r.succeeded(need) {
			return need
		}
	}
	return -1
}

func (r *run) succeeded(i int) bool { return r.report.succeeded(i) }

// flush writes the batch, and does and tells what follows from it.
func (r *run) flush(ctx context.Context, batch []int) error {
	if len(batch) > 0 {
		if err := r.writeBatch(ctx, batch); err != nil {
			return err
		}
	}
	closing := r.closing
	r.closing = nil
	r.putBack(ctx, closing)
	return r.tell(ctx)
}

// writeBatch settles the changes of the batch. An error ends the run.
func (r *run) writeBatch(ctx context.Context, batch []int) (end error) {
	if err := ctx.Err(); err != nil {
		return cutShort(err)
	}
	changes := make([]Change, len(batch))
	for k, i := range batch {
		changes[k] = r.plan.Changes[i]
	}
	written, hangs := r.written(ctx, changes)
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

func (r *run) settle(i int, outcome Outcome, err error) {
	if outcome == OutcomeApplied || outcome == OutcomeAlready {
		err = nil
	}
	r.report.Results[i].Outcome, r.report.Results[i].Err = outcome, err
	r.settled[i] = true
	if parking := r.parkings[i]; parking != nil && parking.waits > 0 && r.succeeded(i) {
		r.parked++
	}
	for _, need := range r.plan.Changes[i].Needs {
		if parking := r.parkings[need]; parking != nil {
			if parking.waits--; parking.waits == 0 {
				r.closing = append(r.closing, need)
				if r.succeeded(need) {
					r.parked--
				}
			}
		}
	}
	if outcome != OutcomeApplied && outcome != OutcomeAlready {
		r.opts.Logger.LogAttrs(context.Background(), slog.LevelWarn, "adsync: not applied",
			slog.String("outcome", string(outcome)), slog.Any("change", r.plan.Changes[i]))
	}
}

// putBack undoes those of the parkings that nobody made use of. It is certain of each
// that nobody will.
func (r *run) putBack(ctx context.Context, parkings []int) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), putBackTimeout)
	defer cancel()
	for _, i := range parkings {
		if r.succeeded(i) {
			r.putBackOne(ctx, i, r.parkings[i])
		}
	}
}

func (r *run) putBackOne(ctx context.Context, i int, parking *parking) {
	delete(r.parkings, i)
	result := &r.report.Results[i]
	unknown := func(k int) bool { return r.report.Results[k].Outcome == OutcomeUnknown }
	used := func(k int) bool { return r.succeeded(k) || unknown(k) }
	switch {
	case parking.final >= 0 && r.succeeded(parking.final):
		return
	case parking.final >= 0 && unknown(parking.final):
		result.Outcome, result.Err = OutcomeUnknown, errPerhapsParked
		return
	case slices.ContainsFunc(parking.takers, used),
		result.Outcome == OutcomeAlready: // what the user was before is then the plan's word alone
		result.Err = errParked
		return
	}
	parked := &r.plan.Changes[i]
	if r.hangs {
		result.Err = errParked
		return
	}
	back := NewUpdate(ReasonParked, parked.After, parked.Before)
	var err error
	err, r.hangs = r.update(ctx, back)
	switch outcome, _ := outcomeOf(err); outcome {
	case OutcomeApplied, OutcomeAlready:
		result.Outcome = OutcomeSkipped
	case OutcomeUnknown:
		result.Outcome, result.Err = OutcomeUnknown, errors.Join(errPerhapsParked, err)
	default:
		result.Err = errors.Join(errParked, err)
	}
}

// tell gives OnResult the results that are final, in order. An Interim is final
// when nobody waits for it any more.
func (r *run) tell(ctx context.Context) (err error) {
	if r.opts.OnResult == nil {
		return nil
	}
	defer func() {
		if v := recover(); v != nil {
			err = cutShort(panicked("callback OnResult", v))
		}
	}()
	for r.told < len(r.settled) && r.settled[r.told] {
		if _, open := r.parkings[r.told]; open && r.succeeded(r.told) {
			return nil
		}
		r.told++
		r.opts.OnResult(ctx, r.plan.Changes[r.told-1], r.report.Results[r.told-1])
	}
	return nil
}

// batchSizes are how many changes a store is given at once.
type batchSizes struct{ changes, creates int }

// full reports whether there is no room for one more in addition to n, when creates of
// all of them are OpCreates.
func (s batchSizes) full(n, creates int) bool {
	if creates == n+1 {
		return n >= s.creates
	}
	return n >= s.changes
}

var errCutShort = errors.New("adsync: the run was cut short; apply the plan again or make a new one")

func cutShort(cause error) error { return &wrapped{errCutShort, cause} }

// outcomeOf tells what a store's error means, and whether it ends the run.
func outcomeOf(err error) (outcome Outcome, last bool) {
	var network interface { // as net.Error
		error
		Timeout() bool
		Temporary() bool
	}
	notDone := errors.Is(err, ErrNotWritten) || errors.Is(err, driver.ErrBadConn) // which promises the same
	ended := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	switch {
	case err == nil:
		return OutcomeApplied, false
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

// errParked is told of a user whom a run left parked.
var errParked = errors.New("adsync: the user was left with a temporary username or email, because a later change did not succeed; the next sync finishes the work")

// errPerhapsParked is told of a user who may be parked: nobody knows, because the write
// that would have ended it was not answered.
var errPerhapsParked = fmt.Errorf("%w: the user may have a temporary username or email, and if so, the next sync finishes the work", ErrUnknown)
