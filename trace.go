package adsync

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Phase is a part of a run that a [Tracer] follows.
type Phase string

// The phases. A sync, a plan and an apply are whole calls of a [Syncer]; the others lie
// within them, or within [Syncer.Explain] and [Syncer.Inverse]. The users are read
// while the directory is listed, where both can be.
const (
	PhaseSync      Phase = "sync"      // all of Syncer.Sync; a plan is within it
	PhasePlan      Phase = "plan"      // all of Syncer.Plan
	PhaseApply     Phase = "apply"     // all of Syncer.Apply
	PhaseLock      Phase = "lock"      // waiting for the store's lock, where it has one
	PhaseUsers     Phase = "users"     // reading the store; Count: users
	PhaseDirectory Phase = "directory" // asking one controller; lists and look-ups are within it
	PhaseList      Phase = "list"      // listing all accounts in scope; Count: accounts
	PhaseLookUp    Phase = "look-up"   // asking about accounts by ObjectID; Count: accounts
	PhaseReconcile Phase = "reconcile" // what is left of the comparison when both sides are read; Count: changes
	PhaseConfirm   Phase = "confirm"   // asking the directory again before anything is written; Count: changes
	PhaseWrite     Phase = "write"     // one batch, or a parking taken back that came to nothing; Count: changes
)

// A Tracer follows the phases of each run, for traces and metrics. It gets numbers, and
// never a person's data: no name, no address, no ID, and no text of a store or a directory.
//
// PhaseStart returns the context of the phase, which derives from the one it is given,
// such as one that holds a span; what the phase asks of the directory and the store gets
// that one. PhaseEnd is called once for each PhaseStart, with the context that it
// returned, even if the phase failed or panicked.
//
// A run calls it from several goroutines at once, and waits for it: it must be safe for
// concurrent use, and quick. It is called for phases and batches, not for users. A panic of
// its own is logged, and the run goes on.
type Tracer interface {
	PhaseStart(ctx context.Context, s PhaseStart) context.Context
	PhaseEnd(ctx context.Context, e PhaseEnd)
}

// PhaseStart is what a [Tracer] is told when a phase begins.
type PhaseStart struct {
	Phase  Phase
	Source string // Rules.Source
}

// PhaseEnd is what a [Tracer] is told when a phase has ended.
type PhaseEnd struct {
	Phase  Phase
	Source string // Rules.Source
	Count  int    // of what the Phase says; of a phase that failed, perhaps less

	// Err is nil, or which of this package's and the context's errors the phase ended
	// with, for errors.Is. Its text is theirs alone: that of a cause may hold anything.
	Err   error
	Limit string // of a run that was refused: the limit that the plan is beyond, as in [LimitError]

	// Of a plan, an apply or a sync that came so far:
	Stats    Stats         // of the plan
	Warnings int           // of the plan
	Since    time.Time     // of a plan that went on from a mark ([Since]): when that was made; zero: all was read
	Changes  []ChangeCount // what the plan does, and what became of it
}

// ChangeCount counts changes that are alike. Interim ones are not counted.
type ChangeCount struct {
	Op      Op
	Reason  Reason
	Outcome Outcome // "" where nothing has been applied: in a plan
	Count   int
}

// phaseSpan is a phase that is under way. It may be nil: nobody traces.
type phaseSpan struct {
	opts *Options
	ctx  context.Context
	end  PhaseEnd
}

// begin starts a phase. Without a Tracer that costs a comparison.
func (o *Options) begin(ctx context.Context, p Phase) (context.Context, *phaseSpan) {
	if o.Tracer == nil {
		return ctx, nil
	}
	s := &phaseSpan{opts: o, ctx: ctx, end: PhaseEnd{Phase: p, Source: o.Rules.Source}}
	o.untroubled(ctx, func() {
		if of := o.Tracer.PhaseStart(ctx, PhaseStart{Phase: p, Source: o.Rules.Source}); of != nil {
			s.ctx = of
		}
	})
	return s.ctx, s
}

// untroubled calls the Tracer. What it does wrong must not end a run that writes.
func (o *Options) untroubled(ctx context.Context, call func()) {
	defer func() {
		if v := recover(); v != nil {
			o.Logger.LogAttrs(ctx, slog.LevelWarn, "adsync: "+panicWords("tracer", v))
		}
	}()
	call()
}

func (s *phaseSpan) count(n int) {
	if s != nil {
		s.end.Count = n
	}
}

// done ends the phase. It is deferred, so that a panic ends it as well.
func (s *phaseSpan) done(err *error) {
	if s == nil {
		return
	}
	if v := recover(); v != nil {
		defer panic(v)
		s.end.Err = errPhaseFailed
	}
	if *err != nil {
		s.end.Err = traced(*err)
		if limit := (*LimitError)(nil); errors.As(*err, &limit) {
			s.end.Limit = limit.Limit
		}
	}
	s.opts.untroubled(s.ctx, func() { s.opts.Tracer.PhaseEnd(s.ctx, s.end) })
}

// plan tells what was planned.
func (s *phaseSpan) plan(p *Plan) {
	if s != nil && p != nil {
		if p.Reading != nil && p.Reading.Full == "" {
			s.end.Since = p.Reading.Since
		}
		s.end.Stats, s.end.Warnings, s.end.Changes = p.Stats, len(p.Warnings), changeCounts(p, nil)
	}
}

// report tells what was planned and done.
func (s *phaseSpan) report(r *Report) {
	if s != nil && r != nil && r.Plan != nil {
		s.plan(r.Plan)
		s.end.Changes = changeCounts(r.Plan, r.Results)
	}
}

func changeCounts(p *Plan, results []Result) []ChangeCount {
	counted := map[ChangeCount]int{}
	for i := range p.Changes {
		c := &p.Changes[i]
		if c.Interim {
			continue
		}
		kind := ChangeCount{Op: c.Op, Reason: c.Reason}
		if i < len(results) {
			kind.Outcome = results[i].Outcome
		}
		counted[kind]++
	}
	counts := make([]ChangeCount, 0, len(counted))
	for kind, n := range counted {
		kind.Count = n
		counts = append(counts, kind)
	}
	slices.SortFunc(counts, func(a, b ChangeCount) int {
		return cmp.Or(cmp.Compare(a.Op, b.Op), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Outcome, b.Outcome))
	})
	return counts
}

var errPhaseFailed = errors.New("adsync: the phase failed; the error of the call says why")

// logFailure logs which kind of error a call ended with, and what the limits are about. The
// words of a store or a directory are for the caller.
func (o *Options) logFailure(ctx context.Context, what string, err error) {
	if err == nil {
		return
	}
	attrs := []slog.Attr{slog.String("error", strings.ReplaceAll(traced(err).Error(), "\n", "; "))}
	var beyond *LimitError
	if errors.As(err, &beyond) {
		attrs = append(attrs, slog.String("limit", beyond.Limit), slog.Int("count", beyond.Count), slog.Int("allowed", beyond.Allowed))
	}
	o.Logger.LogAttrs(ctx, slog.LevelWarn, what, attrs...)
}

// traced is what a Tracer, and a log, may know of an error.
func traced(err error) error {
	var known []error
	for _, kind := range [...]error{
		ErrLocked, ErrLockLost, ErrUnsafe, ErrIncomplete, ErrNotWritten, ErrUnknown, errCutShort, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, kind) {
			known = append(known, kind)
		}
	}
	if known == nil {
		return errPhaseFailed
	}
	return errors.Join(known...)
}
