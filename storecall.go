package adsync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
)

// Each call of the host's store and of its ledger is made here, on a goroutine of its own, so that a store
// which ignores its context cannot hold up a run for ever.

// graceAtMost is how long a call is waited for whose context was ended because it took
// too long: so that a store that listens can say what became of its writes.
const graceAtMost = 10 * time.Second

// storeCall is one call of the store.
type storeCall struct {
	name    string        // of the method
	party   string        // whose it is
	timeout time.Duration // without a sign of life; -1 for none
	cancel  context.CancelCauseFunc
	alive   atomic.Int64 // grows with each sign of life
	given   atomic.Bool  // up: nobody waits any more
	late    error        // why its context was ended, where that was the timeout
}

// caller calls a store.
type caller struct {
	store   UserStore
	timeout time.Duration // as in storeCall
}

func (c caller) begin(ctx context.Context, name string) (context.Context, *storeCall) {
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, &storeCall{name: name, party: "store", timeout: c.timeout, cancel: cancel}
}

// slowError is about a call that took longer than Options.Timeout.
type slowError struct {
	party   string
	name    string
	timeout time.Duration
}

func (e *slowError) Error() string {
	return fmt.Sprintf("adsync: the %s did not return from %s within %s (Options.Timeout); see what its database waits for, or allow more time", e.party, e.name, e.timeout)
}

// thrown is a panic of the store's or the ledger's, as an error.
type thrown struct {
	party string
	value any
}

func (t *thrown) Error() string { return panicWords(t.party, t.value) }

// endedError is about a call that ended its goroutine.
type endedError struct{ party string }

func (e *endedError) Error() string {
	return "adsync: the " + e.party + " ended the goroutine that called it"
}

// callEnd is how a call ended.
type callEnd[T any] struct {
	value T
	err   error
}

// await runs the call and waits for its end, or until it is given up. What it returns
// after that goes to dropped, unless that is nil. The error is a *slowError when it was
// given up, a *thrown when it panicked, or an *endedError.
func await[T any](c *storeCall, call func() T, dropped func(T)) (T, error) {
	ends := make(chan callEnd[T], 1)
	var over atomic.Bool // whoever sets it first has the last word
	go func() {
		e := callEnd[T]{err: &endedError{c.party}}
		defer func() {
			if v := recover(); v != nil {
				e.err = &thrown{c.party, v}
			}
			switch {
			case over.CompareAndSwap(false, true):
				ends <- e
			case e.err == nil && dropped != nil:
				defer func() { _ = recover() }() // nobody is left to tell of a panic
				dropped(e.value)
			}
		}()
		e.value = call()
		e.err = nil
	}()
	e := lastWord(c, ends, &over)
	return e.value, e.err
}

// lastWord waits for the end of the call. Without a sign of life its context is ended,
// and without an end after that it is given up.
func lastWord[T any](c *storeCall, ends <-chan callEnd[T], over *atomic.Bool) callEnd[T] {
	if c.timeout == -1 {
		return <-ends
	}
	timer := time.NewTimer(c.timeout)
	defer timer.Stop()
	for seen := int64(0); ; {
		select {
		case e := <-ends:
			return e
		case <-timer.C:
		}
		switch alive := c.alive.Load(); {
		case c.late != nil && over.CompareAndSwap(false, true):
			c.given.Store(true)
			return callEnd[T]{err: c.late}
		case alive != seen:
			seen = alive
			timer.Reset(c.timeout)
		case c.late == nil:
			c.late = &slowError{c.party, c.name, c.timeout}
			c.cancel(c.late)
			timer.Reset(min(c.timeout, graceAtMost))
		}
	}
}

// check asks a store that is a Checker about its table.
func (c caller) check(ctx context.Context) ([]string, error) {
	checker, ok := c.store.(Checker)
	if !ok {
		return nil, nil
	}
	ctx, call := c.begin(ctx, "Check")
	defer call.cancel(nil)
	type answer struct {
		warnings []string
		err      error
	}
	ask := func() (a answer) {
		a.warnings, a.err = checker.Check(ctx)
		return a
	}
	a, failed := await(call, ask, nil)
	if t, ok := failed.(*thrown); ok {
		panic(t.value)
	}
	if err := cmp.Or(failed, a.err, ctx.Err()); err != nil {
		if call.late != nil && failed == nil {
			err = errors.Join(call.late, err)
		}
		return nil, incomplete(fmt.Errorf("checking the users' table: %w", err))
	}
	warnings := make([]string, len(a.warnings)) // the store's stay its own
	for i, warning := range a.warnings {
		warnings[i] = validText(warning)
	}
	return warnings, nil
}

// eachUser calls take with each user of the store, on another goroutine than the
// caller's, which waits in the meantime. The user is take's only during the call. An
// error may come while take is still at work on one; it is not called again.
func (c caller) eachUser(ctx context.Context, take func(*User) error) error {
	ctx, call := c.begin(ctx, "Users")
	defer call.cancel(nil)
	read := func() error {
		var user User
		for u, err := range c.store.Users(ctx) {
			call.alive.Add(1)
			switch {
			case call.given.Load():
				return nil
			case err != nil:
				return fmt.Errorf("reading the users: %w", err)
			}
			user = u
			if err := take(&user); err != nil {
				return err
			}
		}
		return ctx.Err() // a store may take a cancelled context for its end
	}
	err, failed := await(call, read, nil)
	if t, ok := failed.(*thrown); ok {
		panic(t.value)
	}
	if failed != nil {
		return incomplete(failed)
	}
	if err = errors.Join(call.late, err); err != nil {
		return incomplete(err)
	}
	return nil
}

var (
	errIsLocked = errors.New("adsync: could not lock the users, so nothing was changed")
	errNoLock   = errors.New("adsync: could not lock the users")
)

var errNoUnlock = errors.New("adsync: the store's Lock returned neither a function to unlock nor an error; a Locker returns one of them")

// lock locks the source's users in the store, where it is a Locker. An error is ErrLocked
// where another run has them, and otherwise ErrIncomplete, as the store cannot be read either.
func (c caller) lock(ctx context.Context, source string) (unlock func() error, err error) {
	locker, ok := c.store.(Locker)
	if !ok {
		return func() error { return nil }, nil
	}
	type lock struct {
		unlock func() error
		err    error
	}
	ctx, call := c.begin(ctx, "Lock")
	take := func() (l lock) {
		l.unlock, l.err = locker.Lock(ctx, source)
		return l
	}
	release := func(l lock) {
		if l.err == nil && l.unlock != nil {
			_ = l.unlock() // nobody is left to hear of it
		}
	}
	l, err := await(call, take, release)
	if err == nil {
		err = l.err
	}
	if err == nil && l.unlock == nil {
		err = errNoUnlock
	}
	if err != nil {
		call.cancel(nil)
		if errors.Is(err, ErrLocked) {
			return nil, &wrapped{errIsLocked, err}
		}
		return nil, incomplete(&wrapped{errNoLock, errors.Join(call.late, err)})
	}
	return func() error {
		defer call.cancel(nil) // not before, as a lock might end with it
		return c.unlock(l.unlock)
	}, nil
}

// unlock gives the lock back. An error is ErrLockLost.
func (c caller) unlock(unlock func() error) error {
	_, call := c.begin(context.Background(), "the function that unlocks")
	defer call.cancel(nil)
	err, failed := await(call, unlock, nil)
	if err = errors.Join(failed, err); err == nil || errors.Is(err, ErrLockLost) {
		return err
	}
	return &wrapped{ErrLockLost, err}
}

// written hands the changes to the store and returns one Written for each, whatever the
// store does. It reports whether the store is still at it.
func (c caller) written(ctx context.Context, changes []Change) (answers []Written, hangs bool) {
	ctx, call := c.begin(ctx, writeName(c.store, changes))
	defer call.cancel(nil)
	write := func() []Written {
		if store, ok := c.store.(BatchStore); ok {
			return store.ApplyChanges(ctx, changes)
		}
		answers := make([]Written, len(changes))
		for k, change := range changes {
			answers[k] = writeOne(ctx, c.store, change)
		}
		return answers
	}
	answers, failed := await(call, write, nil)
	switch {
	case failed != nil:
		return unknown(len(changes), failed), call.given.Load()
	case len(answers) != len(changes):
		return unknown(len(changes), fmt.Errorf("adsync: the store returned %d results for %d changes; a BatchStore returns one for each, in order", len(answers), len(changes))), false
	}
	answers = checkAnswers(changes, answers)
	for k := range answers {
		if call.late != nil && endedContext(answers[k].Err) {
			answers[k].Err = &wrapped{answers[k].Err, call.late}
		}
		answers[k].Err = classed(answers[k].Err)
	}
	return answers, false
}

// putBackTimeout bounds the writes that undo parkings at one time. They go on when
// the run's context has ended.
const putBackTimeout = 10 * time.Second

// update writes one change to put a user back. It reports whether the store is still at it.
func (c caller) update(ctx context.Context, change Change) (err error, hangs bool) {
	ctx, call := c.begin(ctx, "UpdateUser")
	defer call.cancel(nil)
	if call.timeout == -1 {
		call.timeout = putBackTimeout
	}
	call.timeout = min(call.timeout, putBackTimeout)
	err, failed := await(call, func() error { return c.store.UpdateUser(ctx, change) }, nil)
	if failed != nil {
		return &wrapped{ErrUnknown, failed}, call.given.Load()
	}
	return err, false
}

// unknown are the answers where none can be believed. The reason is given once.
func unknown(n int, cause error) []Written {
	answers := make([]Written, n)
	for k := range answers {
		answers[k].Err = ErrUnknown
	}
	answers[0].Err = &wrapped{ErrUnknown, cause}
	return answers
}

// checkAnswers refuses an answer that is about another user.
func checkAnswers(changes []Change, answers []Written) []Written {
	checked := make([]Written, len(answers))
	var updates map[string]bool
	for k := range changes {
		if changes[k].Op == OpUpdate {
			if updates == nil {
				updates = make(map[string]bool, len(changes))
			}
			updates[changes[k].UserID] = true
		}
	}
	for k, answer := range answers {
		c := &changes[k]
		checked[k] = answer
		switch id := answer.UserID; {
		case id == "", c.Op != OpCreate && id == c.UserID:
		case c.Op == OpCreate && !updates[id]:
		default:
			checked[k] = Written{Err: &wrapped{ErrUnknown, fmt.Errorf("adsync: the store answered with user %q, whom this change is not about", id)}}
		}
	}
	return checked
}

func writeName(store UserStore, changes []Change) string {
	if _, ok := store.(BatchStore); ok {
		return "ApplyChanges"
	}
	switch changes[0].Op {
	case OpUpdate:
		return "UpdateUser"
	case OpDelete:
		return "DeleteUser"
	}
	return "CreateUser"
}

func writeOne(ctx context.Context, store UserStore, c Change) Written {
	switch c.Op {
	case OpUpdate:
		return Written{Err: store.UpdateUser(ctx, c)}
	case OpDelete:
		return Written{Err: store.DeleteUser(ctx, c)}
	}
	creator, ok := store.(Creator)
	if !ok {
		return Written{Err: errors.New("adsync: the store cannot create users; it is no Creator")}
	}
	id, err := creator.CreateUser(ctx, c)
	return Written{UserID: id, Err: err}
}

// classed is the error as the one of those that end a run which its store meant, also where
// that is only a driver's.
func classed(err error) error {
	outcome, last := outcomeOf(err)
	switch {
	case !last:
		return err
	case outcome == OutcomeUnknown && !errors.Is(err, ErrUnknown):
		return &wrapped{ErrUnknown, err}
	case outcome != OutcomeUnknown && !errors.Is(err, ErrNotWritten):
		return &wrapped{ErrNotWritten, err}
	}
	return err
}

func endedContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// panicWords include a runtime error. Any other value may hold a person's data, so only
// its type is given.
func panicWords(where string, v any) string {
	if err, ok := v.(runtime.Error); ok {
		return fmt.Sprintf("the %s panicked: %v", where, err)
	}
	return fmt.Sprintf("the %s panicked with a %T", where, v)
}
