package adsynctest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-adsync/adsync"
)

var errNoUnlock = errors.New("a Lock returned no unlock and no error")

var errLockWaits = errors.New("a second Lock went on waiting when its context had ended; wait for ctx.Done too")

const (
	lockWait     = 100 * time.Millisecond // how long a second Lock may wait for the first
	lockPatience = 30 * time.Second       // and how late it may notice that its context has ended
)

// checkLock ends the context of the run before its lock is given back, as happens
// to a run that is cut short.
func (b *bench) checkLock() error {
	store, ok := b.store.(adsync.Locker)
	if !ok {
		return nil
	}
	run, end := context.WithTimeout(b.ctx, lockPatience)
	defer end()
	unlock, err := store.Lock(run, seedSource)
	if err != nil {
		return fmt.Errorf("the first Lock failed: %w", err)
	}
	if unlock == nil {
		return errNoUnlock
	}
	end()
	if err := b.checkLockedOut(store, unlock); err != nil {
		return err
	}
	if err := unlock(); err != nil {
		return fmt.Errorf("unlock failed, after the context of Lock had ended: %w", err)
	}
	ctx, cancel := context.WithTimeout(b.ctx, lockPatience)
	defer cancel()
	again, err := store.Lock(ctx, seedSource)
	if err != nil {
		return fmt.Errorf("it could not be locked again: %w", err)
	}
	return again()
}

// checkLockedOut tries a second Lock. One that waits past its context is let in at
// last, so that nothing is left running.
func (b *bench) checkLockedOut(store adsync.Locker, unlock func() error) error {
	ctx, cancel := context.WithTimeout(b.ctx, lockWait)
	defer cancel()
	second, failed := make(chan func() error, 1), make(chan error, 1)
	var thrown error // what the second Lock panicked with
	go func() {
		var unlock func() error
		var err error
		if thrown = panicOf(func() { unlock, err = store.Lock(ctx, seedSource) }); thrown != nil || err != nil {
			failed <- err
		} else {
			second <- unlock
		}
	}()
	late, held := time.After(lockWait+lockPatience), true
	for {
		select {
		case err := <-failed:
			switch {
			case thrown != nil:
				return thrown
			case !held:
				return errLockWaits
			case ctx.Err() == nil && !errors.Is(err, adsync.ErrLocked):
				return fmt.Errorf("a second Lock failed while the first was held, and not with ErrLocked: %w", err)
			}
			return nil
		case again := <-second:
			if held {
				return errors.Join(errors.New("a second Lock succeeded while the first was held"), again(), unlock())
			}
			return errors.Join(errLockWaits, again())
		case <-late:
			if !held {
				return errLockWaits
			}
			if err := unlock(); err != nil {
				return errors.Join(errLockWaits, err)
			}
			late, held = time.After(lockPatience), false
		}
	}
}

// checkLockContext tries often, as a select with two ready cases takes any.
func (b *bench) checkLockContext() error {
	store, ok := b.store.(adsync.Locker)
	if !ok {
		return nil
	}
	for range 20 {
		if unlock, err := store.Lock(b.ended(), seedSource); err == nil {
			return errors.Join(errors.New("it succeeded"), unlock())
		}
	}
	return nil
}
