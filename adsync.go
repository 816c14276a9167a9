// Package adsync keeps the users that a host application imported from Active
// Directory in step with that directory, and shows what it is going to do before
// it does it.
//
//	syncer, err := adsync.New(directory, users, nil) // safe defaults; Rules{Import: true} adds new people, too
//
//	plan, err := syncer.Plan(ctx)           // reads both sides, writes nothing
//	plan.WriteTo(os.Stdout)                 // for a person to review
//	report, err := syncer.Apply(ctx, plan)  // does that, and nothing else
//	fmt.Println(strings.Join(report.Summary(), "\n"))
//
// It exists because of one accident. A permission changes, and a search for people
// still succeeds; it just finds fewer of them. A sync that takes absence for departure
// then deletes everybody it did not find. This one, unless told otherwise, deletes a user
// only when it has read the tombstone of that very account; it keeps all others and says
// so.
//
// # What it does
//
// A sync brings username, first name, last name, email address and phone number
// in line with the directory, deletes the users that were deleted there, and
// marks as duplicate, with the reason and the rivals, those whose username or
// email belongs to another user. Local users and those of other directories are
// never touched. A user is known by the objectGUID of its account: a rename, a
// move or a new address is an update, and a re-created account is not the old one.
//
// # What it never does
//
// It never takes absence in Active Directory for a deletion. An account that its listing lacks
// is looked up; only a tombstone with the same objectGUID proves a deletion, and in all other
// cases the user is kept, unless [Rules] say otherwise, and the plan says why. (A [Listing] of
// your own has no tombstones: whoever is missing there is deleted.) A directory or a store that cannot be
// read whole is [ErrIncomplete], and there is no plan. A plan that would remove or
// clear more than [Limits] allow is refused whole, before the first write, unless
// somebody approves the digest of that very plan. A row that has changed since the plan
// was made is left alone.
//
// # The parts
//
// A [Directory] tells which accounts there are: the one of package activedirectory, a
// [Listing] or [StaticDirectory] of your own, or several with [Join]. A [UserStore] is
// the host's user table: the one of package sqlstore over an existing table,
// [MemoryStore], or your own. Package adsynctest proves implementations of both.
// [Reconcile] compares both and is pure: the same input gives the same [Plan] in any
// order. A plan is plain data, which survives JSON. [Rules] say how users follow the
// directory, and a [Report] has one [Result] for each [Change]. Hosts whose users were
// imported before they kept objectGUIDs start with [Adopt].
//
// Nothing in this package logs unless it was given a logger, and no error or log
// record of its own holds a password, a name, an address or a phone number: users
// are named by their ID.
package adsync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-adsync/adsync/internal/plantext"
	"github.com/go-adsync/adsync/internal/schedule"
	"github.com/go-adsync/adsync/internal/userindex"
)

// The errors that callers tell apart with errors.Is.
var (
	// ErrIncomplete: one side could not be read whole, or the users not be locked for
	// another reason than ErrLocked, so there is no plan, or nothing was written.
	ErrIncomplete = errors.New("adsync: could not read everything, so nothing was changed")
	// ErrUnsafe: the plan was refused before the first write.
	ErrUnsafe = errors.New("adsync: the plan was refused, and nothing was changed")
	// ErrStale: the row is not as the plan saw it.
	ErrStale = errors.New("adsync: the user is not as it was when the plan was made; plan again")
	// ErrAlready: the row is as the plan wants it.
	ErrAlready = errors.New("adsync: written already")
	// ErrConflict: another row holds the key.
	ErrConflict = errors.New("adsync: another user holds this username or email; rename one of them, or have it done in the directory")
	// ErrLocked: another run holds the lock of the users, so nothing was read or
	// written; try again when it has ended.
	ErrLocked = errors.New("adsync: another run holds the lock on the users; try again when it has ended")
	// ErrLockLost: the run has ended as its report says, but its lock was lost before, or
	// could not be given back, so another run may have been at work at the same time. That
	// does no harm where each write compares the row, as it must.
	ErrLockLost = errors.New("adsync: the lock on the users was lost before the end of the run, or could not be given back, so another may have run at the same time; look at both reports")
	// ErrNotWritten: certainly nothing of the change was written, and no other change
	// will fare better, for example because the database went away before the commit, or the
	// run's context ended. A store returns it to end the run.
	ErrNotWritten = errors.New("adsync: nothing of this was written; apply the plan again when the users can be written")
	// ErrUnknown: a store cannot tell whether the write happened, for example because
	// the connection was lost during a commit. It ends the run; applying the plan
	// again settles it.
	ErrUnknown = errors.New("adsync: it is unknown whether this was written; apply the plan again")
)

// The defaults of Limits and Options.
const (
	defaultLimit     = 500 // users, of each limit
	defaultRatio     = 0.1
	defaultBatchSize = 500

	defaultApprovalAge = 7 * 24 * time.Hour
	defaultIncrements  = 24 * time.Hour
	defaultWindow      = 24 * time.Hour
	defaultTimeout     = 5 * time.Minute
)

// Options are a Syncer's settings; the zero value of each is a safe default.
type Options struct {
	Rules     Rules
	Limits    Limits
	Logger    *slog.Logger                          // nil: silent
	OnResult  func(context.Context, Change, Result) // progress: each final result, in order, on the caller's goroutine
	Tracer    Tracer                                // follows the phases of each run; nil: nobody
	BatchSize int                                   // changes given to a BatchStore at once; default 500, or as many new users as the store's Traits say

	// MaxApprovalAge is how long an Approval is valid; default seven days, -1 for ever.
	MaxApprovalAge time.Duration

	// Ledger remembers what runs have done, so that Limits are about all runs within Window
	// together, each user counted once for each limit. The ratio is then of the managed users
	// and those who were deleted within it; one is always let through only while nobody else
	// is counted. What a person approved, or had taken back, does not count for later runs,
	// and an Approval is good for one run. nil: each run is limited by itself.
	//
	// It is asked before a plan is carried out, and told before the first write what is
	// about to be written, then what was: a run that crashes counts too much, never too little.
	Ledger Ledger
	Window time.Duration // of Ledger; default a day

	// MaxIncrements is how long plans may go on from marks (Since) before one is a full one
	// again; default a day, -1 for ever. It bounds how late an unproven notice can be.
	MaxIncrements time.Duration

	// Timeout bounds each call of the store and of Ledger: a write or a batch, the lock and its
	// release, and, while users are read, the wait for the next one. Default five minutes, -1
	// for none. When it has passed, the context of the call ends. A store that does not return
	// soon after that (ten seconds, or Timeout if that is less) is given up: the run ends
	// with an error that names the call, and the outcome of what it was to write is unknown.
	// The goroutine of that one call stays until the store returns, with the connection and
	// whatever else the store holds; an answer that comes then is dropped, and a lock that
	// is granted then is released.
	//
	// Two things are done even when the run's context has ended, and their own context ends
	// after ten seconds, also with a longer Timeout or none: temporary usernames and emails are
	// taken back after a failure, and Ledger is told at the end what was written.
	Timeout time.Duration
}

// Syncer joins a directory and a store. It is safe for concurrent use.
type Syncer struct {
	dir   Directory
	store UserStore
	opts  Options
	steps steps
	now   func() time.Time

	storeWarnings atomic.Pointer[[]string] // what the store's Check said; nil: it was not asked
}

// steps are how much is read before both sides are compared.
type steps struct {
	users   int // that are indexed at a time, so that reading and asking seldom wait for each other
	entries int // that are compared with users at a time: userindex.Batch at most
	early   int // bytes of entries that may wait for users, those of some hundred thousand people
	turns   int // how often more accounts are looked up because of what others say
}

// New checks the options against the store. opts may be nil.
func New(dir Directory, store UserStore, opts *Options) (*Syncer, error) {
	if dir == nil || store == nil {
		return nil, errors.New("adsync: New needs a Directory and a UserStore")
	}
	s := &Syncer{dir: dir, store: store, now: time.Now, steps: steps{users: 256, entries: userindex.Batch, early: 16 << 20, turns: 8}}
	if opts != nil {
		s.opts = *opts
	}
	if s.opts.Logger == nil {
		s.opts.Logger = slog.New(slog.DiscardHandler)
	}
	if s.opts.BatchSize < 0 {
		return nil, errors.New("adsync: Options.BatchSize is a number of changes, or 0 for the default")
	}
	if s.opts.MaxApprovalAge < -1 {
		return nil, errors.New("adsync: Options.MaxApprovalAge is how long an approval is good for, 0 for the default, or -1 for ever")
	}
	if s.opts.MaxIncrements < -1 {
		return nil, errors.New("adsync: Options.MaxIncrements is the longest time between full readings, 0 for the default, or -1 for ever")
	}
	if s.opts.Window < 0 {
		return nil, errors.New("adsync: Options.Window is the time in which runs are counted together, or 0 for the default")
	}
	if s.opts.Timeout < -1 {
		return nil, errors.New("adsync: Options.Timeout is how long a call of the store may take, 0 for the default, or -1 for none")
	}
	if err := errors.Join(s.opts.Rules.Check(), s.opts.Limits.check()); err != nil {
		return nil, err
	}
	if err := s.fit(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Syncer) reader() reader {
	return reader{dir: s.dir, store: caller{s.store, cmp.Or(s.opts.Timeout, defaultTimeout)}, opts: &s.opts, steps: s.steps, now: s.now}
}

// fit checks the rules against what the store can do.
func (s *Syncer) fit() error {
	rules := &s.opts.Rules
	var errs []error
	if _, ok := s.store.(Creator); rules.Import && !ok {
		errs = append(errs, errors.New("adsync: Rules.Import needs a store that is a Creator"))
	}
	errs = append(errs, s.fitFields()...)
	if held := traitsOf(s.store).Fields; len(held) > 0 {
		if slices.Contains(held, FieldActive) && !slices.Contains(rules.Fields, FieldActive) {
			rules.Fields = append(slices.Clone(rules.Fields), FieldActive)
		}
		if slices.Contains(held, FieldDeactivatedAt) && !rules.stamps() {
			rules.Fields = append(slices.Clone(rules.Fields), FieldDeactivatedAt)
		}
		rules.statusless = !slices.Contains(held, FieldStatus) && !(slices.Contains(held, FieldActive) && rules.stamps())
		reactions := []Reaction{rules.OnDeleted, rules.OnDisabled, rules.OnOutOfScope, rules.OnUnproven}
		if slices.Contains(reactions, Deactivate) && rules.statusless && !slices.Contains(held, FieldActive) {
			errs = append(errs, errors.New("adsync: a rule deactivates users, but the store holds no status; map a column to it or choose Keep or Remove"))
		}
		errs = append(errs, rules.Check())
	}
	errs = append(errs, s.fitRoles())
	if held := traitsOf(s.store).Fields; rules.waits() && !slices.Contains(held, FieldDeactivatedAt) {
		errs = append(errs, errors.New("adsync: Rules.RemoveAfter needs a store that holds when somebody was deactivated, and names FieldDeactivatedAt in its Traits"))
	}
	return errors.Join(errs...)
}

// fitFields checks the details to synchronise against what both sides tell of themselves,
// and chooses those that both have where Rules.Fields names none.
func (s *Syncer) fitFields() []error {
	rules := &s.opts.Rules
	directory, store := traitsOf(s.dir), traitsOf(s.store)
	listed, held := directory.listed(), store.Fields
	if len(held) == 0 {
		held = append(slices.Clone(details[:]), FieldStatus)
	}
	var errs []error
	if len(rules.Fields) == 0 {
		rules.Fields = slices.DeleteFunc(slices.Clone(held), func(f Field) bool { return f == FieldStatus || f.isDetail() && !slices.Contains(listed, f) })
		if !slices.ContainsFunc(rules.Fields, func(f Field) bool { return slices.Contains(details[:], f) }) {
			errs = append(errs, errors.New("adsync: the store holds none of the five details that the directory tells"))
		}
	}
	for _, f := range rules.Fields {
		less := f == FieldActive && slices.Contains(held, FieldStatus) // which can hold it
		switch {
		case !less && !slices.Contains(held, f):
			errs = append(errs, fmt.Errorf("adsync: Rules.Fields: the store does not hold %q; map a column to it or leave it out", f))
		case f.isDetail() && !slices.Contains(listed, f):
			errs = append(errs, fmt.Errorf("adsync: Rules.Fields: the directory does not tell %q; map an attribute to it or leave it out", f))
		case slices.Contains(directory.Sets, f) && !slices.Contains(store.Sets, f):
			errs = append(errs, fmt.Errorf("adsync: %q is a set in the directory and a single text in the store; give the store a place for several values, or leave it out of Rules.Fields", f))
		}
	}
	return errs
}

// Selection says what a plan is about, instead of all: some users or entries, or, as
// [Since] does, what has changed.
type Selection struct {
	users   []string
	entries []ObjectID
	since   bool
	mark    *Mark
}

// OnlyUsers chooses just these users, of those that Rules.Only lets a sync be about;
// OnlyUsers() chooses nobody. An ID that is unknown or not managed is an error.
func OnlyUsers(userIDs ...string) Selection { return Selection{users: userIDs} }

// ImportEntries creates users for just these entries, which are looked up, whatever
// Rules.Import says; the store must be a [Creator]. By itself it chooses no user that
// is there already.
func ImportEntries(ids ...ObjectID) Selection { return Selection{entries: ids} }

// split takes what Since gave from the others.
func split(selections []Selection) (narrow []Selection, since *Selection, err error) {
	for i := range selections {
		if !selections[i].since {
			narrow = append(narrow, selections[i])
			continue
		}
		if since != nil {
			return nil, nil, errors.New("adsync: a plan goes on from one mark; give Since once")
		}
		since = &selections[i]
	}
	if since != nil && len(narrow) > 0 {
		return nil, nil, errors.New("adsync: Since is for plans about all users; leave the selection out, or Since")
	}
	return narrow, since, nil
}

// scope is whom the rules and the selections are about.
func (s *Syncer) scope(selections []Selection) (scope, error) {
	who := scopeOf(s.opts.Rules)
	if len(selections) == 0 {
		return who, nil
	}
	only, imports := map[string]bool{}, map[ObjectID]bool{}
	for _, sel := range selections {
		for _, id := range sel.users {
			if who.only != nil && !who.only[id] {
				return who, fmt.Errorf("adsync: user %q is not among those of Rules.Only", id)
			}
			only[id] = true
		}
		for _, id := range sel.entries {
			if id.IsZero() {
				return who, errors.New("adsync: ImportEntries needs the ObjectID of an entry")
			}
			imports[id] = true
		}
	}
	if _, ok := s.store.(Creator); len(imports) > 0 && !ok {
		return who, errors.New("adsync: ImportEntries needs a store that is a Creator")
	}
	who.only, who.imports, who.rules.Import = only, imports, false
	return who, nil
}

// Plan reads both sides and returns what a sync would do. It writes nothing. Any
// read error is [ErrIncomplete], and there is no plan then.
func (s *Syncer) Plan(ctx context.Context, sel ...Selection) (plan *Plan, err error) {
	ctx, span := s.opts.begin(ctx, PhasePlan)
	defer span.done(&err)
	plan, err = s.plan(ctx, sel)
	span.plan(plan)
	s.opts.logFailure(ctx, "adsync: not planned", err)
	return plan, err
}

func (s *Syncer) plan(ctx context.Context, sel []Selection) (*Plan, error) {
	sel, since, err := split(sel)
	if err != nil {
		return nil, err
	}
	who, err := s.scope(sel)
	if err != nil {
		return nil, err
	}
	begun := s.now()
	storeWarnings, err := s.checkStore(ctx)
	if err != nil {
		return nil, err
	}
	r, err := s.reader().both(ctx, who, len(sel) > 0, s.resumption(since, len(sel) > 0, begun))
	if err != nil {
		return nil, err
	}
	plan := r.plan
	if plan == nil {
		if plan, err = r.reconcile(ctx); err != nil {
			return nil, err
		}
	}
	plan.Warnings = slices.Concat(storeWarnings, plan.Warnings, r.warnings)
	plan.StoreWarnings = len(storeWarnings)
	plan.Reading = r.provenance(begun)
	r.resume(plan, s.opts.Rules.fingerprint())
	for _, warning := range plan.Warnings {
		s.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "adsync: "+warning)
	}
	s.opts.Logger.LogAttrs(ctx, slog.LevelInfo, "adsync: planned", slog.Int("users", plan.Stats.Users),
		slog.Int("managed", plan.Stats.Managed), slog.Int("chosen", plan.Stats.Chosen), slog.Int("changes", len(plan.Changes)))
	return plan, nil
}

// checkStore asks the store about its table, until it has answered once.
func (s *Syncer) checkStore(ctx context.Context) ([]string, error) {
	if known := s.storeWarnings.Load(); known != nil {
		return *known, nil
	}
	warnings, err := s.reader().store.check(ctx)
	if err != nil {
		return nil, err
	}
	s.storeWarnings.Store(&warnings)
	return warnings, nil
}

// incomplete is ErrIncomplete with its cause.
func incomplete(cause error) error {
	if errors.Is(cause, ErrIncomplete) {
		return cause
	}
	return &wrapped{ErrIncomplete, cause}
}

// wrapped is an error and its cause, of which only the first begins with the name
// of this package.
type wrapped struct{ err, cause error }

func (w *wrapped) Error() string {
	return w.err.Error() + ": " + strings.ReplaceAll(w.cause.Error(), "adsync: ", "")
}

func (w *wrapped) Unwrap() []error { return []error{w.err, w.cause} }

// Explain says in a few lines what the host and the directory hold for one user,
// what a sync would do with it and why, which roles it gives, keeps and takes and why,
// and what would have to change for another outcome. It reads both sides and writes nothing. The lines are safe to print: what a
// terminal would obey is escaped.
func (s *Syncer) Explain(ctx context.Context, userID string) ([]string, error) {
	lines, err := s.explain(ctx, userID)
	for i, line := range lines {
		lines[i] = plantext.Printable(line)
	}
	return lines, err
}

func (s *Syncer) explain(ctx context.Context, userID string) ([]string, error) {
	both := s.reader()
	host, err := both.users(ctx, newGrowing(scopeOf(s.opts.Rules)), nil) // of a whole sync, as rivals matter
	if err != nil {
		return nil, err
	}
	row := host.rowOf(userID)
	if row < 0 {
		return nil, fmt.Errorf("adsync: user %q is unknown to the host", userID)
	}
	u := host.rows.Keep(row)
	lines := []string{"The host has " + u.describe() + "."}
	switch {
	case u.ObjectID.IsZero():
		return append(lines, "It has no ObjectID: a local user, who is never changed.", "To have it follow the directory, link it with Adopt."), nil
	case !host.scope.rules.manages(&u):
		return append(lines, "It is linked by another source, so it is never changed here."), nil
	case !host.scope.chooses(&u):
		return append(lines, "It is not among those of Rules.Only, so it is left alone."), nil
	}
	directory := reading{reader: both, scope: host.scope, host: host}
	if err := both.eachController(ctx, directory.read); err != nil {
		return nil, err
	}
	plan, err := directory.reconcile(ctx)
	if err != nil {
		return nil, err
	}
	entry := directory.view.entryOf(host.firstOf(row))
	lines = append(lines, "The directory has "+host.scope.rules.chosen(&u, &entry).describe()+".")
	lines = append(lines, directory.view.explainRoles(plan, &u, host.firstOf(row))...)
	return append(lines, plan.explain(userID)...), nil
}

// Sync is [Syncer.Plan] and [Syncer.Apply] in a row, under one lock where the
// store is a [Locker]. As both sides were read a moment ago, it looks again only at
// removals, reactivations and roles to be taken, which it does not do on the word of one reading. A plan
// beyond the limits is refused with a *LimitError that holds it.
func (s *Syncer) Sync(ctx context.Context, sel ...Selection) (report *Report, err error) {
	ctx, span := s.opts.begin(ctx, PhaseSync)
	defer span.done(&err)
	planned := true
	err = s.reader().locked(ctx, func() error {
		plan, err := s.Plan(ctx, sel...)
		if planned = err == nil; !planned {
			return err
		}
		run := s.newRun(plan)
		report = run.report
		return run.own(ctx)
	})
	if planned {
		s.opts.logFailure(ctx, "adsync: not carried out, or not to the end", err)
	}
	if report == nil {
		report = &Report{Results: []Result{}}
	}
	span.report(report)
	return report, err
}

// Apply runs the plan: it writes what the plan says and nothing else. It returns
// an error when the plan was refused ([ErrUnsafe], before the first write), when
// a look-up failed ([ErrIncomplete], before the first write) or when the run was
// cut short. What failed for one user is in [Report.Err]. The Report is never
// nil.
//
// The plan is not trusted, since others may have had it in their hands. Its changes are
// checked for consistency, and counted again for the limits, which an [Approval] of
// just this plan lifts. Then each is checked against the store and the directory as they
// are now, whatever was approved:
//
//   - an update, unless it says what the rules and the account give for the user before,
//     or the status alone that they give, is stale;
//   - so is a new user that is not just what the account gives, or whose account is not
//     there or not known to be enabled;
//   - so is a deletion, a deactivation or a reactivation that is no longer called for;
//   - links are planned anew, as by [Adopt], and one that would not be made now is stale; a
//     user who is protected or not active is linked only if Rules.Only of the Syncer names it
//     or the plan is approved;
//   - what is written already is reported as such; what is about a user whom the store did
//     not yield, to the byte of its ID, never reaches the store;
//   - a user may be parked under no name but its own, and only if its final change is
//     called for;
//   - what takes a run back ([Syncer.Inverse]) can be confirmed by no directory: a plan
//     with any such change is refused without its Approval.
//
// That takes one reading of the users, and a look-up of all accounts that are written to;
// where they are many, or any is to be linked, a listing.
func (s *Syncer) Apply(ctx context.Context, p *Plan, approvals ...Approval) (report *Report, err error) {
	ctx, span := s.opts.begin(ctx, PhaseApply)
	defer span.done(&err)
	if p == nil {
		return &Report{Results: []Result{}}, fmt.Errorf("%w: there is none", ErrUnsafe)
	}
	run := s.newRun(p)
	err = run.locked(ctx, func() error { return run.any(ctx, approvals) })
	s.opts.logFailure(ctx, "adsync: not carried out, or not to the end", err)
	span.report(run.report)
	return run.report, err
}

func (s *Syncer) newRun(p *Plan) *run {
	return &run{reader: s.reader(), plan: p, report: refusedReport(p), rounds: schedule.New(p.schedule())}
}
