// Package adsync keeps the users that a host application imported from Active
// Directory in step with that directory, and shows what it is going to do before
// it does it.
//
//	dir, err := adsync.NewActiveDirectory(adsync.ActiveDirectoryConfig{
//		URLs: []string{"ldaps://dc1.corp.example"},
//		Bind: adsync.SimpleBind("svc-sync@corp.example", password),
//	})
//	store, err := adsync.NewSQLStore(db, adsync.PostgreSQL, adsync.SQLTable{
//		Name: "users",
//		Columns: adsync.SQLColumns{
//			ID: "id", ObjectID: "ad_guid", Username: "login", Email: "email",
//		},
//	})
//	syncer, err := adsync.New(dir, store, nil)
//
//	plan, err := syncer.Plan(ctx)           // reads both sides, writes nothing
//	plan.WriteTo(os.Stdout)                 // for a person to review
//	report, err := syncer.Apply(ctx, plan)  // does that, and nothing else
//	fmt.Println(strings.Join(report.Summary(), "\n"))
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
// It never takes absence for a deletion. An account that a listing lacks is looked
// up; only a tombstone with the same objectGUID proves a deletion, and everything
// else is kept and told. A directory or a store that cannot be read whole is
// [ErrIncomplete], and there is no plan. A plan that would remove or clear more
// than [Limits] allow is refused whole, before the first write, unless somebody
// approves the digest of that very plan. A row that has changed since the plan was
// made is left alone.
//
// # The parts
//
// A [Directory] tells which accounts there are: [ActiveDirectory] over LDAP, a
// [Listing] or [StaticDirectory] of your own, or several with [Join]. A [UserStore]
// is the host's user table: [SQLStore] over an existing one, [MemoryStore], or your
// own, proven by [CheckStore]. [Reconcile] compares both and is pure: the same
// input gives the same [Plan] in any order. A plan is plain data, which survives
// JSON. [Rules] say how users follow the directory, and a [Report] has one [Result]
// for each [Change]. Hosts that have users from before start with [Adopt].
//
// Nothing in this package logs unless it was given a logger, and no error or log
// record of its own holds a password, a name, an address or a phone number: users
// are named by their ID.
package adsync

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"math"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-adsync/adsync/internal/claims"
	"github.com/go-adsync/adsync/internal/userindex"
)

// The errors that callers tell apart with errors.Is.
var (
	// ErrIncomplete: one side could not be read whole, so there is no plan, or
	// nothing was written.
	ErrIncomplete = errors.New("adsync: could not read everything, so nothing was changed")
	// ErrUnsafe: the plan was refused before the first write.
	ErrUnsafe = errors.New("adsync: the plan was refused, and nothing was changed")
	// ErrStale: the row is not as the plan saw it.
	ErrStale = errors.New("adsync: the user is not as it was when the plan was made; plan again")
	// ErrAlready: the row is as the plan wants it.
	ErrAlready = errors.New("adsync: written already")
	// ErrConflict: another row holds the key.
	ErrConflict = errors.New("adsync: another user holds this username or email; rename one of them, or have it done in the directory")
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
	MaxCleared      int     // users who lose a non-empty value; default 500, and the ratio applies too unless this is -1
	AllowEmpty      bool    // else a listing (not a look-up) that yields nobody while users are managed is ErrIncomplete
}

// The defaults of Limits and Options.
const (
	defaultRemovals  = 500
	defaultRatio     = 0.1
	defaultCleared   = 500
	defaultBatchSize = 500
)

// LimitError says which limit a plan is beyond. It is [ErrUnsafe].
type LimitError struct {
	Plan    *Plan  `json:"plan"`
	Limit   string `json:"limit"`   // "MaxRemovals", "MaxRemovalRatio" or "MaxCleared"
	Count   int    `json:"count"`   // users that the plan would remove or clear
	Managed int    `json:"managed"` // managed users of the source
	Allowed int    `json:"allowed"` // the most that the limit lets through
}

// Error says what is beyond the limit and how to go on.
func (e *LimitError) Error() string {
	does := "removes"
	if e.Limit == limitCleared {
		does = "clears values of"
	}
	return fmt.Sprintf("adsync: the plan %s %d of %d managed users, and %s allows %d; nothing was changed. Review the plan, then approve its digest or change the limit",
		does, e.Count, e.Managed, e.Limit, e.Allowed)
}

// Is reports that a LimitError is ErrUnsafe.
func (e *LimitError) Is(target error) bool { return target == ErrUnsafe }

const (
	limitRemovals = "MaxRemovals"
	limitRatio    = "MaxRemovalRatio"
	limitCleared  = "MaxCleared"
)

func (l Limits) check() error {
	switch {
	case l.MaxRemovals < -1, l.MaxCleared < -1:
		return errors.New("adsync: a limit is a number of users, 0 for the default, or -1 for none")
	case l.MaxRemovalRatio != -1 && !(0 <= l.MaxRemovalRatio && l.MaxRemovalRatio <= 1): // NaN is in no range
		return errors.New("adsync: Limits.MaxRemovalRatio is from 0 to 1, 0 for the default, or -1 for none")
	}
	return nil
}

// hold holds the plan against the limits, with so many managed users.
func (l Limits) hold(p *Plan, managed int) error {
	removed, cleared := p.tally()
	for _, limit := range []struct {
		name    string
		count   int
		allowed int
	}{
		{limitRemovals, removed, allowed(l.MaxRemovals, defaultRemovals)},
		{limitRatio, removed, l.share(managed)},
		{limitCleared, cleared, allowed(l.MaxCleared, defaultCleared)},
		{limitCleared, cleared, l.clearedShare(managed)},
	} {
		if limit.count > limit.allowed {
			return &LimitError{Plan: p, Limit: limit.name, Count: limit.count, Managed: managed, Allowed: limit.allowed}
		}
	}
	return nil
}

func allowed(limit, def int) int {
	switch limit {
	case -1:
		return math.MaxInt
	case 0:
		return def
	}
	return limit
}

// share is how many users the ratio lets through.
func (l Limits) share(managed int) int {
	ratio := l.MaxRemovalRatio
	switch ratio {
	case -1:
		return math.MaxInt
	case 0:
		ratio = defaultRatio
	}
	const rounding = 1e-9 // 0.29 × 100 is a little under 29
	return max(1, int(ratio*float64(managed)+rounding))
}

func (l Limits) clearedShare(managed int) int {
	if l.MaxCleared == -1 {
		return math.MaxInt
	}
	return l.share(managed)
}

// Options are a Syncer's settings; the zero value of each is a safe default.
type Options struct {
	Rules     Rules
	Limits    Limits
	Logger    *slog.Logger                          // nil: silent
	OnResult  func(context.Context, Change, Result) // progress: each final result, in order, on the caller's goroutine
	BatchSize int                                   // changes given to a BatchStore at once; default 500, and 5,000 new users to an SQLStore
}

// Syncer joins a directory and a store. It is safe for concurrent use.
type Syncer struct {
	dir   Directory
	store UserStore
	opts  Options
	steps steps
}

// steps are how much is read before both sides are compared.
type steps struct {
	users   int // that are indexed at a time, so that reading and asking seldom wait for each other
	entries int // that are laid against users at a time: userindex.Batch at most
	early   int // bytes of entries that may wait for users, those of some hundred thousand people
}

// New checks the options against the store. opts may be nil.
func New(dir Directory, store UserStore, opts *Options) (*Syncer, error) {
	if dir == nil || store == nil {
		return nil, errors.New("adsync: New needs a Directory and a UserStore")
	}
	s := &Syncer{dir: dir, store: store, steps: steps{users: 64, entries: userindex.Batch, early: 16 << 20}}
	if opts != nil {
		s.opts = *opts
	}
	if s.opts.Logger == nil {
		s.opts.Logger = slog.New(slog.DiscardHandler)
	}
	if s.opts.BatchSize < 0 {
		return nil, errors.New("adsync: Options.BatchSize is a number of changes, or 0 for the default")
	}
	if err := errors.Join(s.opts.Rules.Check(), s.opts.Limits.check()); err != nil {
		return nil, err
	}
	if err := s.fit(); err != nil {
		return nil, err
	}
	return s, nil
}

// fit holds the rules against what the store can do.
func (s *Syncer) fit() error {
	rules := &s.opts.Rules
	var errs []error
	if _, ok := s.store.(Creator); rules.Import && !ok {
		errs = append(errs, errors.New("adsync: Rules.Import needs a store that is a Creator"))
	}
	if fielder, ok := s.store.(Fielder); ok {
		held := fielder.Fields()
		if len(rules.Fields) == 0 {
			rules.Fields = slices.DeleteFunc(slices.Clone(held), func(f Field) bool { return f == FieldStatus })
			if len(rules.Fields) == 0 {
				errs = append(errs, errors.New("adsync: the store holds none of the five details"))
			}
		}
		for _, f := range rules.Fields {
			if !slices.Contains(held, f) {
				errs = append(errs, fmt.Errorf("adsync: Rules.Fields: the store does not hold %q; map a column to it or leave it out", f))
			}
		}
		reactions := []Reaction{rules.OnDeleted, rules.OnDisabled, rules.OnOutOfScope, rules.OnUnproven}
		if slices.Contains(reactions, Deactivate) && !slices.Contains(held, FieldStatus) {
			errs = append(errs, errors.New("adsync: a rule deactivates users, but the store holds no status; map a column to it or choose Keep or Remove"))
		}
		errs = append(errs, rules.Check())
	}
	return errors.Join(errs...)
}

// Selection narrows a plan to some users or entries.
type Selection struct {
	users   []string
	only    bool
	entries []ObjectID
}

// Only chooses just these users; Only() chooses nobody. An ID that is unknown or
// not managed is an error.
func Only(userIDs ...string) Selection { return Selection{users: userIDs, only: true} }

// Import creates users for just these entries, which are looked up; the store
// must be a [Creator]. By itself it chooses no user that is there already.
func Import(ids ...ObjectID) Selection { return Selection{entries: ids} }

// scope is whom the rules and the selections are about.
func (s *Syncer) scope(selections []Selection) (scope, error) {
	scope := scopeOf(s.opts.Rules)
	if len(selections) == 0 {
		return scope, nil
	}
	only, imports := map[string]bool{}, map[ObjectID]bool{}
	for _, sel := range selections {
		for _, id := range sel.users {
			if scope.only != nil && !scope.only[id] {
				return scope, fmt.Errorf("adsync: user %q is not among those of Rules.Only", id)
			}
			only[id] = true
		}
		for _, id := range sel.entries {
			if id.IsZero() {
				return scope, errors.New("adsync: Import needs the ObjectID of an entry")
			}
			imports[id] = true
		}
	}
	if _, ok := s.store.(Creator); len(imports) > 0 && !ok {
		return scope, errors.New("adsync: Import needs a store that is a Creator")
	}
	scope.only, scope.imports, scope.Import = only, imports, false
	return scope, nil
}

// Plan reads both sides and returns what a sync would do. It writes nothing. Any
// read error is [ErrIncomplete], and there is no plan then.
func (s *Syncer) Plan(ctx context.Context, sel ...Selection) (*Plan, error) {
	scope, err := s.scope(sel)
	if err != nil {
		return nil, err
	}
	reading, err := s.readBoth(ctx, scope, len(sel) > 0)
	if err != nil {
		return nil, err
	}
	plan, err := reading.view.plan()
	if err != nil {
		return nil, incomplete(err)
	}
	plan.Warnings = append(plan.Warnings, reading.warnings...)
	for _, warning := range plan.Warnings {
		s.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "adsync: "+warning)
	}
	s.opts.Logger.LogAttrs(ctx, slog.LevelInfo, "adsync: planned", slog.Int("users", plan.Stats.Users),
		slog.Int("managed", plan.Stats.Managed), slog.Int("chosen", plan.Stats.Chosen), slog.Int("changes", len(plan.Changes)))
	return plan, nil
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

// arenaRows is the host side without a pointer per user.
type arenaRows struct{ *userindex.Arena }

const flagProtected = 1

func (a arenaRows) append(u *User) {
	record := userindex.Record{
		ObjectID: u.ObjectID,
		Words:    [...]string{u.Source, string(u.Status)},
		Texts:    [...]string{u.Username, u.FirstName, u.LastName, u.Email, u.Phone, u.ID},
	}
	if u.Protected {
		record.Flags = flagProtected
	}
	a.Append(&record)
}

// User returns a user whose texts are parts of the arena.
func (a arenaRows) User(row int) User {
	r := a.Record(row)
	return User{
		ID:        r.Texts[5],
		ObjectID:  r.ObjectID,
		Source:    r.Words[0],
		Profile:   profileOf(&r),
		Status:    Status(r.Words[1]),
		Protected: r.Flags&flagProtected != 0,
	}
}

// Keep returns a user that does not hold on to the arena.
func (a arenaRows) Keep(row int) User {
	u := a.User(row)
	cloneTexts(&u.ID, &u.Username, &u.FirstName, &u.LastName, &u.Email, &u.Phone)
	return u
}

func (a arenaRows) Holds(row int, p Profile) bool {
	r := a.Record(row)
	return profileOf(&r) == p
}

// profileOf returns the details of a record, which are its first texts.
func profileOf(r *userindex.Record) Profile {
	return Profile{
		Username: r.Texts[0], FirstName: r.Texts[1], LastName: r.Texts[2], Email: r.Texts[3], Phone: r.Texts[4],
	}
}

// cloneTexts gives the texts memory of their own, in one piece.
func cloneTexts(texts ...*string) {
	size := 0
	for _, text := range texts {
		size += len(*text)
	}
	var all strings.Builder
	all.Grow(size)
	for _, text := range texts {
		all.WriteString(*text)
	}
	rest := all.String()
	for _, text := range texts {
		*text, rest = rest[:len(*text)], rest[len(*text):]
	}
}

// remote is a [Directory] that shares nothing with the host, so that it can be
// read beside the store. Any other may wait for a connection that the store holds.
type remote interface{ remote() }

// readBoth indexes the store and lays the directory against it. When it is certain
// that a remote directory must be listed, that begins beside the reading of the
// store.
func (s *Syncer) readBoth(ctx context.Context, scope scope, selected bool) (*reading, error) {
	both, cancel := context.WithCancel(ctx)
	var listing *background
	defer func() {
		cancel()
		_ = listing.wait()
	}()
	growing := newGrowing(scope)
	r := &reading{Syncer: s, scope: scope, growing: growing, hosts: make(chan *host, 1)}
	list := func() error {
		defer cancel() // if it went well, the store was read before
		return s.eachController(both, r.read)
	}
	_, apart := s.dir.(remote)
	host, err := s.readUsers(both, growing, func(managed int) {
		if listing == nil && apart && scope.lists(managed) {
			listing = inBackground(list)
		}
	})
	if err != nil && both.Err() != nil && ctx.Err() == nil {
		return nil, listing.wait() // the directory's error, which came first
	}
	if err != nil {
		return nil, err
	}
	if err := host.checkSelection(selected); err != nil {
		return nil, err
	}
	if listing == nil {
		r.host = host
		return r, s.eachController(ctx, r.read)
	}
	r.hosts <- host
	return r, listing.wait()
}

// background is a function that runs beside its caller. There may be none.
type background struct {
	done   chan struct{}
	err    error
	thrown any // what it panicked with
}

func inBackground(run func() error) *background {
	b := &background{done: make(chan struct{}), err: incomplete(errors.New("adsync: the goroutine that read the directory was ended"))}
	go func() {
		defer close(b.done)
		defer func() { b.thrown = recover() }()
		b.err = run()
	}()
	return b
}

// wait waits for the end. A panic becomes the caller's own.
func (b *background) wait() error {
	if b == nil {
		return nil
	}
	<-b.done
	if b.thrown != nil {
		panic(b.thrown)
	}
	return b.err
}

// readUsers indexes the store. Between users it calls meanwhile, unless that is nil,
// with the number of managed ones so far.
func (s *Syncer) readUsers(ctx context.Context, growing *growing, meanwhile func(managed int)) (*host, error) {
	read := make([]User, 0, s.steps.users)
	for u, err := range s.store.Users(ctx) {
		if err != nil {
			return nil, incomplete(fmt.Errorf("reading the users: %w", err))
		}
		if len(read) == cap(read) {
			growing.add(read)
			read = read[:0]
		}
		if meanwhile != nil {
			meanwhile(growing.host.managed)
		}
		read = append(read, validUser(u))
	}
	if err := ctx.Err(); err != nil { // a store may take a cancelled context for its end
		return nil, incomplete(err)
	}
	growing.add(read)
	return growing.host, nil
}

// growing is a host side that is still being read, and that can be asked meanwhile.
// Only one goroutine reads and only one asks.
type growing struct {
	mu   sync.Mutex // of what both look at
	rows arenaRows
	host *host
}

func newGrowing(scope scope) *growing {
	rows := arenaRows{new(userindex.Arena)}
	return &growing{rows: rows, host: newHost(rows, scope)}
}

func (g *growing) add(users []User) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range users {
		g.rows.append(&users[i])
		g.host.add(&users[i])
	}
}

// settle finds the rows which hold just what one of the entries says. It returns the
// other entries, in place of all: what is missing now may yet be read.
func (g *growing) settle(batch []Entry, found *bitmap) (rest []Entry) {
	g.mu.Lock()
	defer g.mu.Unlock()
	rest = batch[:0]
	for i := range batch {
		first, linked := g.host.links.First(batch[i].ObjectID)
		if linked && g.host.kinds[first]&rowChosen != 0 && g.host.isHeld(first, &batch[i]) {
			found.add(first)
		} else {
			rest = append(rest, batch[i])
		}
	}
	return rest
}

// bitmap is a set of rows.
type bitmap []uint64

func (b *bitmap) add(row int) {
	if missing := row/64 + 1 - len(*b); missing > 0 {
		*b = append(*b, make([]uint64, missing)...)
	}
	(*b)[row/64] |= 1 << (row % 64)
}

func (b bitmap) has(row int) bool { return row/64 < len(b) && b[row/64]&(1<<(row%64)) != 0 }

// checkSelection wants every user asked for by ID to be there and managed.
func (h *host) checkSelection(selected bool) error {
	if !selected || h.chosen == len(h.only) {
		return nil
	}
	unknown := map[string]bool{}
	for id := range h.only {
		unknown[id] = true
	}
	for row, kind := range h.kinds {
		if kind&rowChosen != 0 {
			delete(unknown, h.rows.User(row).ID)
		}
	}
	var errs []error
	for id := range unknown {
		errs = append(errs, fmt.Errorf("adsync: user %q is unknown or not managed; choose users who were imported from this directory", id))
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// eachController calls read with one controller after the other, until it
// succeeds.
func (s *Syncer) eachController(ctx context.Context, read func(context.Context, Directory) error) error {
	sessions, ok := s.dir.(Sessions)
	if !ok {
		if err := read(ctx, s.dir); err != nil {
			return incomplete(err)
		}
		return nil
	}
	var errs []error
	for dir, err := range sessions.Sessions(ctx) {
		if err == nil {
			err = read(ctx, dir)
		}
		if err == nil {
			return nil
		}
		if len(errs) == 0 || errs[len(errs)-1].Error() != err.Error() { // what ends the sequence may have been told
			errs = append(errs, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	if len(errs) == 0 {
		errs = append(errs, errors.New("adsync: the directory has no controller to ask"), ctx.Err())
	}
	return incomplete(errors.Join(errs...))
}

// reading reads the directory side of a plan from one controller. It may begin
// before the host side is there.
type reading struct {
	*Syncer
	scope    scope
	growing  *growing   // the host side as far as it is there
	hosts    chan *host // brings all of it, once
	host     *host      // nil: not yet there
	batch    []Entry    // listed, and not yet taken in
	held     bitmap     // rows that an entry was found for before the host side was there
	early    entries    // the others listed before
	view     *view      // from then on
	waited   bool       // the listing stood still until it came
	warnings []string
}

// lookUpMost is up to how many users a look-up by ObjectID is preferred to a
// listing, whose cost follows the size of the directory. Where a listing is
// cheapest, looking up one account costs about as much as listing four: so at
// worst a directory of just these users is read as if it had 20,000 people.
const lookUpMost = 5000

// lists reports whether the directory is to be listed to find out about so many
// managed users.
func (s *scope) lists(managed int) bool {
	return s.Import || s.only == nil && managed > lookUpMost
}

func (r *reading) read(ctx context.Context, dir Directory) error {
	r.batch, r.held, r.early, r.view, r.warnings, r.waited = r.batch[:0], nil, entries{}, nil, nil, false
	if r.host != nil {
		if err := r.awaitHost(ctx); err != nil {
			return err
		}
		if r.view.knowsAll() && !r.host.importing() {
			return nil
		}
	}
	_, final := dir.(Listing)
	if r.host == nil || final || r.scope.lists(r.host.managed) {
		err := r.list(ctx, dir, final)
		if err != nil && r.waited && ctx.Err() == nil {
			return r.read(ctx, dir) // the server may have lost patience; now nothing is left to wait for
		}
		if err != nil {
			return err
		}
	}
	wanted := slices.Collect(r.view.unseen())
	for id := range r.host.imports {
		if !r.view.knows(id) {
			wanted = append(wanted, id)
		}
	}
	if final {
		return r.view.addAbsent(wanted)
	}
	if err := lookUp(ctx, dir, wanted, r.view.add); err != nil {
		return err
	}
	return r.inspect(ctx, dir)
}

// awaitHost waits for the host side, and then takes in what was listed before.
func (r *reading) awaitHost(ctx context.Context) error {
	if r.view != nil {
		return nil
	}
	if r.host == nil {
		select {
		case r.host = <-r.hosts:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.view = newView(r.host)
	for row := range r.view.found {
		if r.held.has(row) {
			r.view.found[row] = asHeld
		}
	}
	early := r.early
	r.held, r.early = nil, entries{}
	return early.each(r.view.addAll)
}

// addAbsent takes in that a listing whose word is final lacks the accounts.
func (v *view) addAbsent(ids []ObjectID) error {
	for _, id := range ids {
		if err := v.add(&Entry{ObjectID: id, State: StateDeleted}); err != nil {
			return err
		}
	}
	return nil
}

// list takes in all accounts in scope.
func (r *reading) list(ctx context.Context, dir Directory, final bool) error {
	listed := 0
	for e, err := range dir.Entries(ctx) {
		if err != nil {
			return err
		}
		listed++
		if !final && !e.present() {
			continue // a listing proves nobody's absence; the look-up does
		}
		if err := r.take(ctx, &e); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.awaitHost(ctx); err != nil {
		return err
	}
	if err := r.flush(ctx); err != nil {
		return err
	}
	if listed == 0 && r.host.managed > 0 && !r.opts.Limits.AllowEmpty {
		return errListedNobody
	}
	return nil
}

// take takes in an entry sooner or later; flush is the latest.
func (r *reading) take(ctx context.Context, e *Entry) error {
	r.batch = append(r.batch, *e)
	if len(r.batch) < r.steps.entries {
		return nil
	}
	return r.flush(ctx)
}

// flush lays the batch against the host side as far as that is there. When too many
// entries wait it stands still until all of it is.
func (r *reading) flush(ctx context.Context) error {
	batch := r.batch
	r.batch = batch[:0]
	if r.view == nil && len(r.hosts) == 0 {
		if r.hasRoom() {
			r.settle(batch)
			return nil
		}
		r.waited = true
	}
	if err := r.awaitHost(ctx); err != nil {
		return err
	}
	return r.view.addAll(batch)
}

// settle keeps the entries that no row holds as yet.
func (r *reading) settle(batch []Entry) {
	for _, e := range r.growing.settle(batch, &r.held) {
		r.early.keep(&e)
	}
}

// hasRoom reports whether more entries can be kept. If not, those go whose rows have
// been read meanwhile, as long as that is worth the effort.
func (r *reading) hasRoom() bool {
	most := r.steps.early
	if r.early.Size() < most {
		return true
	}
	waiting := r.early
	r.early = entries{}
	_ = waiting.each(func(batch []Entry) error {
		r.settle(batch)
		return nil
	})
	return r.early.Size() < most-most/16
}

// lookUp takes in what became of the accounts, each exactly once.
func lookUp(ctx context.Context, dir Directory, ids []ObjectID, add func(*Entry) error) error {
	if len(ids) == 0 {
		return nil
	}
	answered := make(map[ObjectID]bool, len(ids))
	for _, id := range ids {
		answered[id] = false
	}
	for e, err := range dir.Find(ctx, ids) {
		if err != nil {
			return err
		}
		if _, asked := answered[e.ObjectID]; !asked {
			return errors.New("adsync: the directory answered a look-up with an account that was not asked for")
		}
		answered[e.ObjectID] = true
		if err := add(&e); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for id, ok := range answered {
		if !ok {
			return fmt.Errorf("adsync: the directory did not say what became of account %s; Find must yield one entry for each", id)
		}
	}
	return nil
}

// unseen lists the accounts that the plan is about and has not heard of.
func (v *view) unseen() iter.Seq[ObjectID] {
	return func(yield func(ObjectID) bool) {
		for row, kind := range v.kinds {
			if kind&rowManaged != 0 && v.firstOf(row) == row && v.found[row] == unseen && v.choosesGroup(row) && !yield(v.rows.ObjectID(row)) {
				return
			}
		}
	}
}

// knowsAll reports whether there is none.
func (v *view) knowsAll() bool {
	for range v.unseen() {
		return false
	}
	return true
}

// knows reports whether there is no need to look the account up for an import.
func (v *view) knows(id ObjectID) bool {
	if _, linked := v.links.First(id); linked {
		return true
	}
	if _, linked := v.foreign.First(id); linked {
		return true
	}
	_, listed := v.newcomers[id]
	return listed
}

// inspect notes what the service account cannot read.
func (r *reading) inspect(ctx context.Context, dir Directory) error {
	inspector, ok := dir.(Inspector)
	if !ok {
		return nil
	}
	access, err := inspector.Check(ctx)
	if err != nil {
		return err
	}
	if !access.Tombstones {
		r.warnings = append(r.warnings, warnTombstones)
	}
	r.warnings = append(r.warnings, access.Missing...)
	return nil
}

const warnTombstones = "The service account cannot read deleted accounts, so no deletion can be proven and no leaver is ever deleted. In Active Directory, let an administrator grant it list and read on CN=Deleted Objects."

// Explain says in a few lines what the host and the directory hold for one user,
// what a sync would do with it and why, and what would have to change for another
// outcome. It reads both sides and writes nothing.
func (s *Syncer) Explain(ctx context.Context, userID string) ([]string, error) {
	host, err := s.readUsers(ctx, newGrowing(scopeOf(s.opts.Rules)), nil) // of a whole sync, as rivals matter
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
	case !host.manages(&u):
		return append(lines, "It is linked by another source, so it is never changed here."), nil
	case !host.chooses(&u):
		return append(lines, "It is not among those of Rules.Only, so it is left alone."), nil
	}
	reading := reading{Syncer: s, scope: host.scope, host: host}
	if err := s.eachController(ctx, reading.read); err != nil {
		return nil, err
	}
	plan, err := reading.view.plan()
	if err != nil {
		return nil, incomplete(err)
	}
	entry := reading.view.entryOf(host.firstOf(row))
	lines = append(lines, "The directory has "+entry.describe()+".")
	return append(lines, plan.explain(userID)...), nil
}

// rowOf returns the row of the user, or -1.
func (h *host) rowOf(userID string) int {
	for row := range h.rows.Len() {
		if h.rows.User(row).ID == userID {
			return row
		}
	}
	return -1
}

// Approval is the digest of the one plan whose limits it lifts.
type Approval string

// Sync is [Syncer.Plan] and [Syncer.Apply] in a row, under one lock where the
// store is a [Locker]. A plan beyond the limits is refused with a *LimitError
// that holds it.
func (s *Syncer) Sync(ctx context.Context, sel ...Selection) (*Report, error) {
	var report *Report
	err := s.locked(ctx, func() error {
		plan, err := s.Plan(ctx, sel...)
		if err != nil {
			return err
		}
		report, err = s.applyOwn(ctx, plan)
		return err
	})
	if report == nil {
		report = &Report{Results: []Result{}}
	}
	return report, err
}

// Apply runs the plan: it writes what the plan says and nothing else. It returns
// an error when the plan was refused ([ErrUnsafe], before the first write), when
// a look-up failed ([ErrIncomplete], before the first write) or when the run was
// cut short. What failed for one user is in [Report.Err]. The Report is never
// nil.
//
// The plan is not trusted: its changes are checked for consistency, counted anew
// against the limits, and each removal and each adoption is looked up in the
// directory again.
func (s *Syncer) Apply(ctx context.Context, p *Plan, ok ...Approval) (*Report, error) {
	if p == nil {
		return &Report{Results: []Result{}}, fmt.Errorf("%w: there is none", ErrUnsafe)
	}
	report := refusedReport(p)
	err := s.locked(ctx, func() (err error) {
		report, err = s.applyAny(ctx, p, ok)
		return err
	})
	return report, err
}

var errNotLocked = errors.New("adsync: could not lock the users, so nothing was changed; is another sync running?")

// locked runs f under the store's lock, where it has one.
func (s *Syncer) locked(ctx context.Context, f func() error) (err error) {
	locker, ok := s.store.(Locker)
	if !ok {
		return f()
	}
	unlock, err := locker.Lock(ctx)
	if err != nil {
		return &wrapped{errNotLocked, err}
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
	return run.report, run.all(ctx)
}

// applyAny runs a plan from anywhere.
func (s *Syncer) applyAny(ctx context.Context, p *Plan, approvals []Approval) (*Report, error) {
	run := s.newRun(p)
	if err := p.validate(s.opts.Rules); err != nil {
		return run.report, err
	}
	if !slices.ContainsFunc(p.Changes, func(c Change) bool { return c.writes() }) {
		return run.report, run.all(ctx)
	}
	now, err := s.readNow(ctx, p)
	if err != nil {
		return run.report, err
	}
	if !slices.Contains(approvals, Approval(p.Digest())) {
		if err := s.opts.Limits.hold(p, now.managed); err != nil {
			return run.report, err
		}
	}
	if err := run.lookAgain(ctx, now); err != nil {
		return run.report, err
	}
	run.skipDoneParkings(now)
	return run.report, run.all(ctx)
}

// now is how the store stands when a plan is applied.
type now struct {
	users   map[string]*User // those that the plan writes; nil: no longer there
	managed int              // with the users that this plan has deleted before
}

// readNow reads the store again, because the plan's own word is not taken for it.
func (s *Syncer) readNow(ctx context.Context, p *Plan) (*now, error) {
	n := &now{users: map[string]*User{}}
	for i := range p.Changes {
		if c := &p.Changes[i]; c.writes() && c.UserID != "" {
			n.users[c.UserID] = nil
		}
	}
	for u, err := range s.store.Users(ctx) {
		if err != nil {
			return nil, incomplete(fmt.Errorf("reading the users: %w", err))
		}
		if s.opts.Rules.manages(&u) {
			n.managed++
		}
		if _, ok := n.users[u.ID]; ok {
			n.users[u.ID] = &u
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, incomplete(err)
	}
	for i := range p.Changes {
		if c := &p.Changes[i]; c.Op == OpDelete && n.users[c.UserID] == nil {
			n.managed++
		}
	}
	return n, nil
}

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

// newReport has a result for each change before anything is done.
func newReport(p *Plan) *Report {
	r := &Report{Plan: p, Results: make([]Result, len(p.Changes))}
	for i := range p.Changes {
		c := &p.Changes[i]
		r.Results[i] = Result{Index: i, UserID: c.UserID, Outcome: OutcomeNotAttempted}
		if !c.writes() {
			r.Results[i].Outcome = OutcomeSkipped
		}
	}
	return r
}

// refusedReport is that of a run that ends before it begins.
func refusedReport(p *Plan) *Report {
	r := newReport(p)
	r.refused = true
	return r
}

func (c *Change) writes() bool { return c.Op == OpUpdate || c.Op == OpDelete || c.Op == OpCreate }

// removes reports whether the change deletes or deactivates its user.
func (c *Change) removes() bool {
	return c.Op == OpDelete ||
		c.rewrites() && c.After.Status == StatusDeactivated && c.Before.Status != StatusDeactivated
}

// rewrites reports whether the change is an update that says from what to what;
// a damaged one does not.
func (c *Change) rewrites() bool { return c.Op == OpUpdate && c.Before != nil && c.After != nil }

// adopts reports whether the change links its user, or moves the link.
func (c *Change) adopts() bool {
	return c.rewrites() && !c.unlinks() && (c.Before.ObjectID != c.After.ObjectID || c.Before.Source != c.After.Source)
}

// unlinks reports whether the change makes a local user of a linked one.
func (c *Change) unlinks() bool {
	return c.rewrites() && c.After.ObjectID.IsZero() && !c.Before.ObjectID.IsZero()
}

// parkings finds who waits for each Interim.
func (p *Plan) parkings() map[int]*parking {
	parkings := map[int]*parking{}
	for i := range p.Changes {
		if p.Changes[i].Interim {
			parkings[i] = &parking{final: -1}
		}
		for _, need := range p.Changes[i].Needs {
			parking := parkings[need]
			if parking == nil {
				continue
			}
			parking.waits++
			if p.Changes[i].UserID == p.Changes[need].UserID {
				parking.final = i
			} else {
				parking.takers = append(parking.takers, i)
			}
		}
	}
	return parkings
}

// lookAgain asks the directory about each removal and each adoption; one that no
// longer holds is stale.
func (r *run) lookAgain(ctx context.Context, now *now) error {
	var doubtful []int
	var ids []ObjectID
	for i := range r.plan.Changes {
		c := &r.plan.Changes[i]
		if c.writes() && (c.removes() || c.adopts()) && now.users[c.UserID] != nil {
			doubtful = append(doubtful, i)
			ids = append(ids, c.ObjectID)
		}
	}
	if len(doubtful) == 0 {
		return nil
	}
	slices.SortFunc(ids, ObjectID.compare)
	ids = slices.Compact(ids)
	var entries map[ObjectID][]Entry
	err := r.eachController(ctx, func(ctx context.Context, dir Directory) error {
		entries = map[ObjectID][]Entry{}
		if l, ok := dir.(Listing); ok && r.opts.Limits.AllowEmpty {
			dir = emptiable{l}
		}
		return lookUp(ctx, dir, ids, func(e *Entry) error {
			entries[e.ObjectID] = append(entries[e.ObjectID], cleanEntry(e))
			return nil
		})
	})
	if err != nil {
		return err
	}
	for _, i := range doubtful {
		if !r.opts.Rules.holds(&r.plan.Changes[i], entries[r.plan.Changes[i].ObjectID]) {
			r.settle(i, OutcomeStale, errNoLonger)
		}
	}
	return nil
}

// emptiable is a Listing that may list nobody.
type emptiable struct{ Listing }

// Find takes even an empty listing for the final word.
func (l emptiable) Find(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
	return findIn(ctx, l.Entries, ids)
}

var errNoLonger = fmt.Errorf("%w: the directory no longer bears out this change", ErrStale)

// holds reports whether the entries still call for the removal or adoption.
func (r Rules) holds(c *Change, entries []Entry) bool {
	for i := range entries {
		if !sameEntry(&entries[0], &entries[i]) {
			return false
		}
	}
	e := &entries[0]
	if c.adopts() {
		return r.adoptable(c.Before, e)
	}
	reaction, _ := r.reaction(e)
	if c.Op == OpDelete {
		return reaction == Remove
	}
	return reaction == Deactivate || reaction == Remove
}

// skipDoneParkings finds the Interims whose user has its final details already,
// as when a finished plan is applied again.
func (r *run) skipDoneParkings(now *now) {
	for i, parking := range r.parkings {
		if parking.final < 0 {
			continue
		}
		u := now.users[r.plan.Changes[i].UserID]
		if u != nil && sameUser(*u, *r.plan.Changes[parking.final].After) {
			r.settle(i, OutcomeAlready, nil)
		}
	}
}

// all applies the changes, in batches of those that do not need each other.
func (r *run) all(ctx context.Context) error {
	r.report.refused = false
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

// aheadMost is how far behind the first change that is still open another may be
// written before it: so OnResult, which is told in order, is not far behind.
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

// batchSizes are how many changes a store is given at once.
type batchSizes struct{ changes, creates int }

// full reports whether there is no room for one more beside n, when creates of all
// of them are OpCreates.
func (s batchSizes) full(n, creates int) bool {
	if creates == n+1 {
		return n >= s.creates
	}
	return n >= s.changes
}

// importer is a BatchStore that is better given more new users at once than other
// changes. A decorator that hides it costs speed only.
type importer interface{ createsAtOnce() int }

func (r *run) batchSizes() batchSizes {
	_, batches := r.store.(BatchStore)
	store, imports := r.store.(importer)
	switch size := r.opts.BatchSize; {
	case !batches:
		return batchSizes{1, 1}
	case size > 0:
		return batchSizes{size, size}
	case imports:
		return batchSizes{defaultBatchSize, store.createsAtOnce()}
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
	written := r.write(ctx, batch)
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

var errCutShort = errors.New("adsync: the run was cut short; apply the plan again or make a new one")

func cutShort(cause error) error { return &wrapped{errCutShort, cause} }

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

// outcomeOf tells what a store's error means, and whether it ends the run.
func outcomeOf(err error) (outcome Outcome, last bool) {
	var network net.Error
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
	case errors.Is(err, driver.ErrBadConn) && ended: // it promises that nothing was done
		return OutcomeNotAttempted, true
	case errors.Is(err, driver.ErrBadConn):
		return OutcomeFailed, true
	case ended,
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &network):
		return OutcomeUnknown, true
	}
	return OutcomeFailed, false
}

// write hands the changes to the store and returns one Written for each, whatever
// the store does.
func (r *run) write(ctx context.Context, batch []int) (written []Written) {
	written = slices.Repeat([]Written{{Err: ErrUnknown}}, len(batch))
	defer func() {
		if v := recover(); v != nil {
			written[0].Err = panicked("store", v)
		}
	}()
	if store, ok := r.store.(BatchStore); ok {
		changes := make([]Change, len(batch))
		for k, i := range batch {
			changes[k] = r.plan.Changes[i]
		}
		copy(written, store.ApplyChanges(ctx, changes))
		return written
	}
	for k, i := range batch {
		written[k] = r.writeOne(ctx, r.plan.Changes[i])
	}
	return written
}

func (r *run) writeOne(ctx context.Context, c Change) Written {
	switch c.Op {
	case OpUpdate:
		return Written{Err: r.store.UpdateUser(ctx, c)}
	case OpDelete:
		return Written{Err: r.store.DeleteUser(ctx, c)}
	}
	creator, ok := r.store.(Creator)
	if !ok {
		return Written{Err: errors.New("adsync: the store cannot create users; it is no Creator")}
	}
	id, err := creator.CreateUser(ctx, c)
	return Written{UserID: id, Err: err}
}

// panicked is an error for a panic in the host's code. A runtime error is told;
// any other value may hold a person's data, so only its type is.
func panicked(where string, v any) error {
	if err, ok := v.(runtime.Error); ok {
		return fmt.Errorf("%w: the %s panicked: %w", ErrUnknown, where, err)
	}
	return fmt.Errorf("%w: the %s panicked with a %T", ErrUnknown, where, v)
}

// putBackTimeout bounds the writes that undo parkings at one time. They go on when
// the run's context has ended.
const putBackTimeout = 10 * time.Second

// putBack undoes those of the parkings of which nobody made use. It is certain of
// each that nobody will.
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
	used := func(k int) bool { return r.succeeded(k) || r.report.Results[k].Outcome == OutcomeUnknown }
	finished := parking.final >= 0 && r.succeeded(parking.final)
	switch {
	case finished:
		return
	case slices.ContainsFunc(parking.takers, used), parking.final >= 0 && used(parking.final):
		r.report.Results[i].Err = errParked
		return
	}
	parked := &r.plan.Changes[i]
	back := update(ReasonParked, parked.After, parked.Before)
	switch err := r.updateSafely(ctx, back); {
	case err == nil, errors.Is(err, ErrAlready):
		r.report.Results[i].Outcome = OutcomeSkipped
	default:
		r.report.Results[i].Err = errors.Join(errParked, err)
	}
}

func (r *run) updateSafely(ctx context.Context, c Change) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked("store", v)
		}
	}()
	return r.store.UpdateUser(ctx, c)
}

// errParked is told of a user whom a run left parked.
var errParked = errors.New("adsync: the user was left with a temporary username or email, because a later change did not succeed; the next sync finishes the work")

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

// Inverse returns the plan that takes back what a run wrote, from the states
// before: updates are reversed, links removed and deactivations lifted, and deleted
// users created again, under a new ID, where the store is a [Creator]. It reads the
// store and writes nothing; the plan is reviewed, checked and applied like any
// other.
//
// What cannot be taken back is a Notice ([ReasonUndone]): a user that was created
// or reactivated, because removing either would be the removal of somebody who is
// present; a deletion, in a store that cannot create; and a user that has changed
// since. A user whose former username or email is another's by now is a Duplicate.
//
// The next sync does again what the directory calls for.
func (s *Syncer) Inverse(ctx context.Context, r *Report) (*Plan, error) {
	if r == nil || r.Plan == nil || len(r.Results) != len(r.Plan.Changes) {
		return nil, errors.New("adsync: Inverse needs the whole report of a run; one that made no plan wrote nothing")
	}
	nobody := scopeOf(s.opts.Rules)
	nobody.only = map[string]bool{} // no user is up for judgement; all are in the way
	host, err := s.readUsers(ctx, newGrowing(nobody), nil)
	if err != nil {
		return nil, err
	}
	u := undoer{Syncer: s, spans: map[string]*span{}}
	for i := range r.Plan.Changes {
		if r.Results[i].Outcome == OutcomeApplied {
			u.take(&r.Plan.Changes[i], r.Results[i].UserID)
		}
	}
	return u.plan(host)
}

// undoer gathers what a run did to each user.
type undoer struct {
	*Syncer
	spans map[string]*span
	tells []Change
}

// span is a user before the first and after the last change of a run; nil: not
// there.
type span struct{ before, after *User }

func (u *undoer) take(c *Change, id string) {
	switch {
	case c.Op == OpCreate:
		created := withID(*c.After, id)
		u.tell(&created, "it was created and is present")
	case u.spans[c.UserID] == nil:
		u.spans[c.UserID] = &span{c.Before, c.After}
	default:
		u.spans[c.UserID].after = c.After
	}
}

// tell tells that a user cannot be taken back.
func (u *undoer) tell(user *User, why string) {
	u.tells = append(u.tells, Change{
		Op: OpNotice, Reason: ReasonUndone, Detail: why, UserID: user.ID, ObjectID: user.ObjectID, Before: user,
	})
}

// plan orders the way back as a planner orders the way there, so that users who
// traded keys can trade them again.
func (u *undoer) plan(host *host) (*Plan, error) {
	users, newcomers := u.present(host), u.gone(host)
	p := planner{
		view:  newView(host),
		plan:  &Plan{Version: PlanVersion, Source: validText(host.Source), Changes: []Change{}},
		tells: u.tells,
	}
	p.plan.Stats = Stats{Users: host.rows.Len(), Managed: host.managed, Chosen: len(u.spans)}
	if err := p.gather(users, newcomers); err != nil {
		return nil, err
	}
	p.solve()
	p.order()
	p.tell()
	return p.plan, nil
}

// present are the users that the run changed, on their way back.
func (u *undoer) present(host *host) []*party {
	var users []*party
	for row := range host.rows.Len() {
		now := host.rows.User(row)
		span := u.spans[now.ID]
		switch {
		case span == nil || span.after == nil:
		case sameUser(now, *span.after):
			users = append(users, u.back(row, span))
		default:
			u.tell(span.after, "it has changed since")
		}
	}
	return users
}

func (u *undoer) back(row int, span *span) *party {
	after := *span.before
	d := &party{row: row, role: claims.Candidate, user: span.after, after: &after, reason: ReasonUndone}
	if d.after.Status == StatusDeactivated && d.user.active() {
		d.after.Status = d.user.Status
		u.tell(d.user, "it was reactivated and is present")
	}
	return d
}

// gone are the users that the run deleted, as newcomers.
func (u *undoer) gone(host *host) []*party {
	var newcomers []*party
	back := map[ObjectID]bool{}
	for _, id := range slices.Sorted(maps.Keys(u.spans)) {
		span := u.spans[id]
		if span.after != nil {
			continue
		}
		if _, ok := u.store.(Creator); !ok {
			u.tell(span.before, "it was deleted, and the store cannot create users")
			continue
		}
		if _, linked := host.links.First(span.before.ObjectID); linked || back[span.before.ObjectID] {
			u.tell(span.before, "it was deleted, and another user is linked to its account")
			continue
		}
		back[span.before.ObjectID] = true
		after := withID(*span.before, "")
		newcomers = append(newcomers, &party{role: claims.Newcomer, user: nobody, after: &after, reason: ReasonUndone})
	}
	return newcomers
}

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
	Index   int     `json:"index"`             // of the Change in Plan.Changes
	UserID  string  `json:"user_id,omitempty"` // a created user's too
	Outcome Outcome `json:"outcome"`
	Err     error   `json:"-"` // its text is "error" in JSON
}

// resultJSON is a Result with its error as text.
type resultJSON struct {
	plainResult
	Error string `json:"error,omitempty"`
}

type plainResult Result

// MarshalJSON gives the error as text.
func (r Result) MarshalJSON() ([]byte, error) {
	out := resultJSON{plainResult: plainResult(r)}
	if r.Err != nil {
		out.Error = r.Err.Error()
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote; the error is its text only.
func (r *Result) UnmarshalJSON(data []byte) error {
	var in resultJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*r = Result(in.plainResult)
	if in.Error != "" {
		r.Err = errors.New(in.Error)
	}
	return nil
}

// Report is what a run did: one Result for each Change, always. Its methods work
// on nil.
type Report struct {
	Plan    *Plan    `json:"plan,omitempty"` // nil: none could be made
	Results []Result `json:"results"`

	refused bool // the run ended before the first write
}

// Counts counts distinct users by what became of them in this run. A user can
// count in several, as one whose details and status changed.
type Counts struct {
	Modified    int `json:"modified"`    // details, link, or lifted deactivation written
	Deleted     int `json:"deleted"`     // deleted
	Duplicated  int `json:"duplicated"`  // left alone, as another holds or asks for a key; new entries too
	Created     int `json:"created"`     // imported
	Deactivated int `json:"deactivated"` // deactivated
	Unchanged   int `json:"unchanged"`   // as the directory has them, or written already
	Failed      int `json:"failed"`      // refused by the store, or unknown
	Stale       int `json:"stale"`       // changed since the plan was made
	Blocked     int `json:"blocked"`     // for want of a change that did not succeed
}

// Counts counts the outcomes. An Interim is not counted.
func (r *Report) Counts() Counts {
	if r == nil || r.Plan == nil {
		return Counts{}
	}
	users := map[*int]map[string]bool{}
	var n Counts
	add := func(counter *int, c *Change) {
		if users[counter] == nil {
			users[counter] = map[string]bool{}
		}
		who := c.UserID
		if who == "" {
			who = c.ObjectID.String()
		}
		if !users[counter][who] {
			users[counter][who] = true
			*counter++
		}
	}
	n.Unchanged = r.Plan.Stats.Unchanged
	for i, result := range r.Results {
		if i >= len(r.Plan.Changes) || r.Plan.Changes[i].Interim {
			continue
		}
		for _, counter := range n.of(&r.Plan.Changes[i], result.Outcome) {
			add(counter, &r.Plan.Changes[i])
		}
	}
	return n
}

// of returns the counters of one outcome.
func (n *Counts) of(c *Change, outcome Outcome) []*int {
	switch outcome {
	case OutcomeAlready:
		return []*int{&n.Unchanged}
	case OutcomeFailed, OutcomeUnknown:
		return []*int{&n.Failed}
	case OutcomeStale:
		return []*int{&n.Stale}
	case OutcomeBlocked:
		return []*int{&n.Blocked}
	case OutcomeSkipped:
		if c.Op == OpDuplicate {
			return []*int{&n.Duplicated}
		}
	case OutcomeApplied:
		return n.written(c)
	}
	return nil
}

func (n *Counts) written(c *Change) []*int {
	switch {
	case c.Op == OpDelete:
		return []*int{&n.Deleted}
	case c.Op == OpCreate:
		return []*int{&n.Created}
	case !c.removes():
		return []*int{&n.Modified}
	case len(c.Fields) > 1: // details too
		return []*int{&n.Deactivated, &n.Modified}
	}
	return []*int{&n.Deactivated}
}

// Summary is the lines that a message box shows: how it went; how many were
// modified, deleted and duplicated; and what else there is to tell.
func (r *Report) Summary() []string {
	if r == nil || r.Plan == nil {
		return []string{"Synchronizing users with Active Directory was not possible. Nothing was changed."}
	}
	n := r.Counts()
	notAttempted, parked := r.leftOver()
	lines := []string{
		r.headline(notAttempted),
		fmt.Sprintf("%d user(s) details are modified.", n.Modified),
		fmt.Sprintf("%d user(s) are deleted.", n.Deleted),
		fmt.Sprintf("%d user(s) are duplicated.", n.Duplicated),
	}
	for _, more := range []struct {
		count int
		text  string
	}{
		{n.Created, "user(s) are created."},
		{n.Deactivated, "user(s) are deactivated."},
		{n.Failed, "user(s) could not be written."},
		{n.Stale, "user(s) have changed in the meantime and were left alone."},
		{n.Blocked, "user(s) were left alone because a change before them did not succeed."},
		{notAttempted, "change(s) were not attempted."},
	} {
		if more.count > 0 {
			lines = append(lines, fmt.Sprintf("%d %s", more.count, more.text))
		}
	}
	if len(parked) > 0 {
		lines = append(lines, "Left with a temporary name until the next sync: user "+strings.Join(parked, ", ")+".")
	}
	return lines
}

// leftOver counts the writes that were not attempted and names the parked users.
func (r *Report) leftOver() (notAttempted int, parked []string) {
	for _, result := range r.Results {
		if result.Outcome == OutcomeNotAttempted {
			notAttempted++
		}
	}
	parkings := r.Plan.parkings()
	for _, i := range slices.Sorted(maps.Keys(parkings)) {
		if final := parkings[i].final; r.succeeded(i) && final >= 0 && !r.succeeded(final) {
			parked = append(parked, r.Plan.Changes[i].UserID)
		}
	}
	return notAttempted, parked
}

// succeeded reports whether the change is written, by this run or before.
func (r *Report) succeeded(i int) bool {
	return i < len(r.Results) && (r.Results[i].Outcome == OutcomeApplied || r.Results[i].Outcome == OutcomeAlready)
}

func (r *Report) headline(notAttempted int) string {
	writes := 0
	for i := range r.Plan.Changes {
		if r.Plan.Changes[i].writes() {
			writes++
		}
	}
	switch {
	case r.refused, writes > 0 && notAttempted == writes:
		return "Synchronizing users with Active Directory was not carried out. Nothing was changed."
	case r.Err() != nil:
		return "Synchronizing users with Active Directory was not completed."
	}
	return "Synchronizing users with Active Directory has been successful."
}

// Err joins a [*ChangeError] for each change that was to be written and was not,
// and for each user left with a parked value.
func (r *Report) Err() error {
	if r == nil || r.Plan == nil {
		return nil
	}
	var errs []error
	for i, result := range r.Results {
		bad := result.Outcome != OutcomeApplied && result.Outcome != OutcomeAlready && result.Outcome != OutcomeSkipped
		if i < len(r.Plan.Changes) && (bad || result.Err != nil) {
			errs = append(errs, &ChangeError{Change: r.Plan.Changes[i], Outcome: result.Outcome, Err: result.Err})
		}
	}
	return errors.Join(errs...)
}

// ChangeError is a change that did not succeed, and why.
type ChangeError struct {
	Change  Change
	Outcome Outcome
	Err     error // may be nil, as when the change was not attempted
}

// Error names the user by ID, the operation and the reason.
func (e *ChangeError) Error() string {
	who := "user " + e.Change.UserID
	if e.Change.UserID == "" {
		who = "account " + e.Change.ObjectID.String()
	}
	text := fmt.Sprintf("adsync: %s of %s: %s", e.Change.Op, who, e.Outcome)
	if e.Err != nil {
		text += ": " + strings.TrimPrefix(e.Err.Error(), "adsync: ")
	}
	return text
}

// Unwrap returns the store's error.
func (e *ChangeError) Unwrap() error { return e.Err }
