package adsync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-adsync/adsync/internal/userindex"
)

// reader reads both sides of a Syncer.
type reader struct {
	dir   Directory
	store caller
	opts  *Options
	steps steps
	now   func() time.Time

	sessions func(context.Context) iter.Seq2[Directory, error] // nil: those of dir
}

// both indexes the store and compares the directory with it. Where the directory is Apart,
// it is asked what has changed since a mark while the store is read; and when it is certain
// that it must be listed, that begins before all of the store is there.
func (s reader) both(ctx context.Context, who scope, selected bool, from resumption) (*reading, error) {
	both, cancel := context.WithCancel(ctx)
	s.sessions = s.resuming(&from)
	users := newGrowing(who)
	if from.wanted && mayTell(s.dir) {
		users.host.tally = newTally(from.mark)
	}
	r := &reading{reader: s, scope: who, resumption: from, growing: users, hosts: make(chan *host, 1)}
	asking := &starter{run: func() error {
		defer cancel() // if it went well, the store was read before
		return s.eachController(both, r.read)
	}}
	defer func() {
		cancel()
		_ = asking.end().wait()
	}()
	apart := traitsOf(s.dir).Apart
	if apart && from.goesOn() {
		asking.start()
	}
	h, err := s.users(both, users, func(managed int) {
		if apart && who.lists(managed) {
			asking.start()
		}
	})
	began := asking.end()
	if err != nil && both.Err() != nil && ctx.Err() == nil {
		return nil, began.wait() // the directory's error, which came first
	}
	if err != nil {
		return nil, err
	}
	if err := h.checkSelection(selected); err != nil {
		return nil, err
	}
	if began == nil {
		r.host = h
		return r, s.eachController(ctx, r.read)
	}
	r.hosts <- h
	return r, began.wait()
}

// locked runs f under the store's lock, where it has one.
func (s reader) locked(ctx context.Context, f func() error) (err error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	return f()
}

func (s reader) lock(ctx context.Context) (unlock func() error, err error) {
	if _, ok := s.store.store.(Locker); ok {
		var span *phaseSpan
		ctx, span = s.opts.begin(ctx, PhaseLock)
		defer span.done(&err)
	}
	return s.store.lock(ctx, s.opts.Rules.Source)
}

// starter starts a function in the background, once, and not after its end. The store
// may still be at work when nobody waits for it any more.
type starter struct {
	run   func() error
	mu    sync.Mutex
	began bool // as only whoever starts it sees it
	over  bool
	back  *background
}

func (s *starter) start() {
	if s.began {
		return
	}
	s.began = true
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.back = inBackground(s.run)
	}
}

// end returns what was started, or nil, which it will be for good.
func (s *starter) end() *background {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	return s.back
}

// background is a function that runs concurrently with its caller. There may be none.
type background struct {
	done   chan struct{}
	err    error
	thrown any // what it panicked with
}

func inBackground(run func() error) *background {
	b := &background{done: make(chan struct{}), err: incomplete(errors.New("adsync: a goroutine that read one of both sides was ended"))}
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

// users indexes the store. Between users it calls meanwhile, unless that is nil,
// with the number of managed ones so far.
func (s reader) users(ctx context.Context, g *growing, meanwhile func(managed int)) (h *host, err error) {
	ctx, span := s.opts.begin(ctx, PhaseUsers)
	defer span.done(&err)
	x := indexing(g)
	defer func() { _ = x.end() }()
	read := <-x.empty
	err = s.store.eachUser(ctx, func(u *User) error {
		if len(read) == s.steps.users {
			var err error
			if read, err = x.take(read); err != nil {
				return err
			}
		}
		if meanwhile != nil {
			meanwhile(int(x.managed.Load()))
		}
		read = append(read, validUser(*u))
		return nil
	})
	if err := cmp.Or(x.end(), err); err != nil {
		return nil, err
	}
	g.add(read)
	span.count(g.rows.Len())
	return g.host, nil
}

// indexer takes users in while the store reads the next ones: what is done with a row
// would otherwise be waited for, a few hundred nanoseconds each.
type indexer struct {
	full, empty chan []User
	over        chan struct{} // closed when no more come
	managed     atomic.Int64
	back        *background
	end         func() error
}

func indexing(g *growing) *indexer {
	x := &indexer{full: make(chan []User, 1), empty: make(chan []User, 3), over: make(chan struct{})}
	for range cap(x.empty) {
		x.empty <- nil
	}
	x.back = inBackground(func() error {
		for {
			select {
			case users := <-x.full:
				x.add(g, users)
				continue
			case <-x.over:
			}
			select {
			case users := <-x.full: // the last ones
				x.add(g, users)
			default:
			}
			return nil
		}
	})
	x.end = sync.OnceValue(func() error {
		close(x.over)
		return x.back.wait()
	})
	return x
}

func (x *indexer) add(g *growing, users []User) {
	g.add(users)
	x.managed.Store(int64(g.host.managed))
	x.empty <- users[:0]
}

// take hands users over, and returns room for as many. A store that was given up may
// still call it.
func (x *indexer) take(users []User) (room []User, err error) {
	select {
	case x.full <- users:
	case <-x.back.done:
		return users, errNotIndexed
	}
	select {
	case room = <-x.empty:
		return room, nil
	case <-x.back.done:
		return users, errNotIndexed
	}
}

var errNotIndexed = errors.New("adsync: the users are not taken in any more") // end says why

// growing is a host side that is still being read, and that can be asked in the meantime.
// Only one goroutine reads and only one asks.
type growing struct {
	mu   sync.Mutex // of what both look at
	rows arenaRows
	host *host
}

func newGrowing(who scope) *growing {
	rows := arenaRows{new(userindex.Arena)}
	return &growing{rows: rows, host: newHost(rows, who)}
}

func (g *growing) add(users []User) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range users {
		g.rows.append(&users[i])
		g.host.add(&users[i])
	}
}

// match finds the rows which hold just what one of the entries says. It returns the
// other entries, in place of all: what is missing now may yet be read.
func (g *growing) match(batch []Entry, found *bitmap) (rest []Entry) {
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

// takeCensus reads the store again, because the plan's own word is not taken for it.
func (s reader) takeCensus(ctx context.Context, p *Plan) (n *census, err error) {
	ctx, span := s.opts.begin(ctx, PhaseUsers)
	defer span.done(&err)
	n = &census{users: map[string]*User{}, linked: map[ObjectID]string{}, roles: p.revoked()}
	for role := range n.roles {
		n.roles[role] = 0
	}
	for i := range p.Changes {
		switch c := &p.Changes[i]; {
		case c.Op == OpCreate:
			n.linked[c.ObjectID] = ""
		case c.writes():
			n.users[c.UserID] = nil
			n.adopts = n.adopts || c.adopts()
		}
	}
	ids, users := map[string]bool{}, 0
	take := func(u *User) error {
		users++
		return n.count(u, &s.opts.Rules, ids)
	}
	if err := s.store.eachUser(ctx, take); err != nil {
		return nil, err
	}
	span.count(users)
	n.countRoles(p)
	for i := range p.Changes {
		if c := &p.Changes[i]; c.Op == OpDelete && n.users[c.UserID] == nil {
			n.managed++
		}
	}
	return n, nil
}

// lookUpNow asks one controller what there is to the accounts. Many are listed, and
// only those that the listing lacks are looked up; see lookUpMost. Of the confirmed ones
// another controller is asked too, where the directory has several; and of those that
// losing returns, whether they have lost their roles.
func (s reader) lookUpNow(ctx context.Context, scope *scope, ids, confirmed []ObjectID, clock *clock, losing func(*findings) []ObjectID) (found *findings, err error) {
	all := slices.Concat(ids, confirmed)
	for _, list := range []*[]ObjectID{&all, &confirmed} {
		slices.SortFunc(*list, ObjectID.Compare)
		*list = slices.Compact(*list)
	}
	err = s.eachController(ctx, func(ctx context.Context, dir Directory) error {
		found = newFindings(scope, all)
		var err error
		if *clock, err = s.readClock(ctx, dir); err != nil {
			return err
		}
		apart := confirmed
		if _, ok := dir.(Confirmer); !ok {
			apart = nil // to look up with the others
		}
		switch final := traitsOf(dir).Final; {
		case final && s.opts.Limits.AllowEmpty:
			dir = emptiable{dir}
		case !final && len(ids) > lookUpMost:
			if err := s.addListed(ctx, found, dir, apart); err != nil {
				return err
			}
		}
		if err := s.lookUp(ctx, confirming{dir}, apart, found.add); err != nil {
			return err
		}
		if err := s.lookUp(ctx, dir, found.silent(), found.add); err != nil {
			return err
		}
		if _, ok := dir.(RoleProver); !ok {
			return nil
		}
		return s.lookUp(ctx, provingRoles{dir}, losing(found), func(e *Entry) error { return found.addProof(e, s.opts.Rules.Roles) })
	})
	return found, err
}

// eachController calls read with one controller after the other, until it
// succeeds.
func (s reader) eachController(ctx context.Context, read func(context.Context, Directory) error) error {
	each := s.sessions
	if sessions, ok := s.dir.(Sessions); ok && each == nil {
		each = sessions.Sessions
	}
	if each == nil {
		if err := s.controller(ctx, s.dir, read); err != nil {
			return incomplete(err)
		}
		return nil
	}
	var errs []error
	for dir, err := range each(ctx) {
		if err == nil {
			err = s.controller(ctx, dir, read)
		}
		if err == nil {
			return nil
		}
		if len(errs) == 0 || errs[len(errs)-1].Error() != err.Error() { // what ends the sequence may have been reported
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

func (s reader) controller(ctx context.Context, dir Directory, read func(context.Context, Directory) error) (err error) {
	ctx, span := s.opts.begin(ctx, PhaseDirectory)
	defer span.done(&err)
	return read(ctx, dir)
}

// reading reads the directory side of a plan from one controller. It may begin
// before the host side is there.
type reading struct {
	reader
	resumption
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
	access   Access // what the directory tells of itself
	clock    clock
}

// lookUpMost is up to how many users a look-up by ObjectID is preferred to a
// listing, whose cost follows the size of the directory. Where a listing is
// cheapest, looking up one account costs about as much as listing four: so at
// worst a directory of just these users is read as if it had 20,000 people.
const lookUpMost = 5000

func (r *reading) read(ctx context.Context, dir Directory) error {
	r.batch, r.held, r.early, r.view, r.warnings, r.waited = r.batch[:0], nil, entries{}, nil, nil, false
	if r.host != nil {
		if err := r.awaitHost(ctx); err != nil {
			return err
		}
		if r.nobody() {
			return nil
		}
	}
	var err error
	if r.clock, err = r.readClock(ctx, dir); err != nil {
		return err
	}
	if r.clock.apart {
		r.warnings = append(r.warnings, warnClocks)
	}
	if r.host != nil {
		r.clock.set(&r.host.scope.rules)
	}
	if err := r.begin(ctx, dir); err != nil {
		return err
	}
	early := r.host == nil && r.goesOn()
	if early {
		if err := r.awaitHost(ctx); err != nil || r.nobody() {
			return err
		}
	}
	if done, err := r.goOn(ctx, dir); done || err != nil {
		return err
	}
	if r.finished && early {
		return r.read(ctx, dir) // the server may have timed out; now there is nothing left to wait for
	}
	if r.finished { // and was not one reading
		r.mark, r.due = nil, ""
		return r.read(ctx, dir)
	}
	return r.readAll(ctx, dir)
}

// nobody reports that there is no account to read.
func (r *reading) nobody() bool { return r.view.knowsAll() && !r.host.scope.importing() }

// readAll reads everybody whom the plan is about.
func (r *reading) readAll(ctx context.Context, dir Directory) error {
	final := traitsOf(dir).Final
	if r.host == nil || final || r.scope.lists(r.host.managed) {
		err := r.list(ctx, dir, final)
		if err != nil && r.waited && ctx.Err() == nil {
			return r.read(ctx, dir) // the server may have timed out; now there is nothing left to wait for
		}
		if err != nil {
			return err
		}
	}
	wanted := slices.Collect(r.view.unseen())
	for id := range r.host.scope.imports {
		if !r.view.knows(id) {
			wanted = append(wanted, id)
		}
	}
	if final {
		r.view.addAbsent(wanted)
		return r.proveRoles(ctx, dir)
	}
	if err := r.lookUp(ctx, dir, wanted, r.view.add); err != nil {
		return err
	}
	if err := r.proveRoles(ctx, dir); err != nil {
		return err
	}
	if r.changes != nil { // before what else there is to read, which may take another connection
		var err error
		if r.next, err = r.changes.Mark(ctx); err != nil {
			return err
		}
		r.finished = true
	}
	return r.inspect(ctx, dir)
}

// awaitHost waits for the host side, and then takes what was listed before.
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
	r.clock.set(&r.host.scope.rules)
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

// list takes all accounts in scope.
func (r *reading) list(ctx context.Context, dir Directory, final bool) (err error) {
	ctx, span := r.opts.begin(ctx, PhaseList)
	defer span.done(&err)
	listed := 0
	defer func() { span.count(listed) }()
	for e, err := range dir.Entries(ctx) {
		if err != nil {
			return err
		}
		listed++
		if !final && !e.Present() {
			continue // a listing proves nobody's absence; the look-up does
		}
		if err := r.takeIn(ctx, &e); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.awaitHost(ctx); err != nil {
		return err
	}
	if err := r.takeAll(ctx); err != nil {
		return err
	}
	if listed == 0 && r.host.managed > 0 && !r.opts.Limits.AllowEmpty {
		return errListedNobody
	}
	return nil
}

// takeIn takes an entry sooner or later; takeAll is the latest.
func (r *reading) takeIn(ctx context.Context, e *Entry) error {
	r.batch = append(r.batch, *e)
	if len(r.batch) < r.steps.entries {
		return nil
	}
	return r.takeAll(ctx)
}

// takeAll compares the batch with the host side as far as that is there. When too many
// entries wait it stands still until all of it is.
func (r *reading) takeAll(ctx context.Context) error {
	batch := r.batch
	r.batch = batch[:0]
	if r.view == nil && len(r.hosts) == 0 {
		if r.hasRoom() {
			r.shelve(batch)
			return nil
		}
		r.waited = true
	}
	if err := r.awaitHost(ctx); err != nil {
		return err
	}
	return r.view.addAll(batch)
}

// shelve keeps the entries that no row holds as yet.
func (r *reading) shelve(batch []Entry) {
	for _, e := range r.growing.match(batch, &r.held) {
		r.early.keep(&e)
	}
}

// hasRoom reports whether more entries can be kept. If not, those go whose rows have
// been read in the meantime, as long as that is worth the effort.
func (r *reading) hasRoom() bool {
	most := r.steps.early
	if r.early.Size() < most {
		return true
	}
	waiting := r.early
	r.early = entries{}
	_ = waiting.each(func(batch []Entry) error {
		r.shelve(batch)
		return nil
	})
	return r.early.Size() < most-most/16
}

// provenance tells how the plan came about. Seconds are enough, and survive JSON.
func (r *reading) provenance(begun time.Time) *Provenance {
	p := &Provenance{At: begun.UTC().Truncate(time.Second), Witnesses: r.access.Witnesses, Silent: r.access.Silent}
	if r.access.Controller != "" {
		p.Controllers = strings.Split(r.access.Controller, ", ") // as Join joins them
	}
	return p
}

// inspect notes what the service account cannot read.
func (r *reading) inspect(ctx context.Context, dir Directory) error {
	inspector, ok := dir.(Inspector)
	if !ok {
		return nil
	}
	access, err := inspector.Inspect(ctx)
	if err != nil {
		return err
	}
	r.hear(&access)
	return nil
}

// hear notes what the directory tells of itself.
func (r *reading) hear(access *Access) {
	r.access = *access
	if !access.Tombstones {
		r.warnings = append(r.warnings, warnTombstones)
	}
	r.warnings = append(r.warnings, access.missing(r.scope.synced)...)
}

// reconcile makes the plan when both sides are read.
func (r *reading) reconcile(ctx context.Context) (plan *Plan, err error) {
	_, span := r.opts.begin(ctx, PhaseReconcile)
	defer span.done(&err)
	if plan, err = r.view.plan(); err != nil {
		return nil, incomplete(err)
	}
	span.count(len(plan.Changes))
	return plan, nil
}

func (s reader) addListed(ctx context.Context, found *findings, dir Directory, except []ObjectID) (err error) {
	ctx, span := s.opts.begin(ctx, PhaseList)
	defer span.done(&err)
	listed, err := found.addListed(ctx, dir, except)
	span.count(listed)
	return err
}

// lookUp takes what became of the accounts. Each is answered, and one that several accounts
// share maybe several times.
func (s reader) lookUp(ctx context.Context, dir Directory, ids []ObjectID, add func(*Entry) error) (err error) {
	if len(ids) == 0 {
		return nil
	}
	ctx, span := s.opts.begin(ctx, PhaseLookUp)
	defer span.done(&err)
	span.count(len(ids))
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
			return fmt.Errorf("adsync: the directory did not say what became of account %s; Find must yield an entry for each; prove it with CheckDirectory", id)
		}
	}
	return nil
}

const warnTombstones = "The service account cannot read deleted accounts, so no deletion can be proven and no leaver is ever deleted. In Active Directory, let an administrator grant it list and read on CN=Deleted Objects."
