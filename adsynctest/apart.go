package adsynctest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/go-adsync/adsync"
)

// CheckApart proves what the [adsync.Traits] of a directory say by Apart: that it takes
// nothing that the store may hold in the meantime, so that a plan may read both
// concurrently.
// It stops within the first entry of the directory and reads the store to its end, and
// then the other way round. Both must hold at least one account or user.
//
// It returns at once when both can be read. Where one waits for the other, it finds that
// out by waiting for half a minute in which nothing comes, and says so.
func CheckApart(ctx context.Context, dir adsync.Directory, store adsync.UserStore) error {
	if dir == nil || store == nil {
		return errors.New("adsync: CheckApart needs a Directory and a UserStore")
	}
	if err := stopped(ctx); err != nil {
		return err
	}
	if !traitsOf(dir).Apart {
		return errors.New("adsync: CheckApart: the directory's Traits do not say Apart, so there is nothing to prove; a plan reads the store first, and then the directory")
	}
	entries := side{"the directory", func(ctx context.Context) iter.Seq[error] { return errorsOf(dir.Entries(ctx)) }}
	users := side{"the store", func(ctx context.Context) iter.Seq[error] { return errorsOf(store.Users(ctx)) }}
	return errors.Join(readWithin(ctx, entries, users), readWithin(ctx, users, entries))
}

// apartPatience is how long a reading may bring nothing.
const apartPatience = 30 * time.Second

// side is one of the two that a plan reads.
type side struct {
	name string
	each func(context.Context) iter.Seq[error] // nil, or why it ended
}

// errorsOf forgets what was yielded.
func errorsOf[T any](sequence iter.Seq2[T, error]) iter.Seq[error] {
	return func(yield func(error) bool) {
		for _, err := range sequence {
			if !yield(err) {
				return
			}
		}
	}
}

// readWithin stops within the first that one side yields, and reads the other. When it
// returns, neither is being read any more.
func readWithin(ctx context.Context, held, other side) error {
	both, cancel := context.WithCancel(ctx)
	defer cancel()
	var r *reading
	broken := fmt.Errorf("adsync: CheckApart: %s yields nobody; the check needs at least one", held.name)
	thrown := panicOf(func() {
		for err := range held.each(both) {
			if err != nil {
				broken = fmt.Errorf("adsync: CheckApart: reading %s: %w", held.name, err)
				return
			}
			r = startReading(both, other)
			broken = r.follow(ctx, held)
			return
		}
	})
	if thrown != nil {
		broken = fmt.Errorf("adsync: CheckApart: reading %s: %w", held.name, thrown)
	}
	cancel()
	return errors.Join(broken, r.end())
}

// reading is a side that is being read to its end.
type reading struct {
	side
	came chan struct{} // for each that comes, while somebody listens
	done chan struct{}
	err  error // once it is done
}

func startReading(ctx context.Context, s side) *reading {
	r := &reading{side: s, came: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(r.done)
		if thrown := panicOf(func() { r.read(ctx) }); thrown != nil {
			r.err = thrown
		}
	}()
	return r
}

func (r *reading) read(ctx context.Context) {
	for err := range r.side.each(ctx) {
		if r.err = err; err != nil {
			return
		}
		select {
		case r.came <- struct{}{}:
		case <-ctx.Done():
		}
	}
}

// follow waits for what comes, and not for how long all takes.
func (r *reading) follow(ctx context.Context, held side) error {
	for {
		patience := time.NewTimer(apartPatience)
		select {
		case <-r.came:
		case <-r.done:
			if r.err != nil {
				return fmt.Errorf("adsync: CheckApart: reading %s: %w", r.name, r.err)
			}
			return nil
		case <-ctx.Done():
			return stopped(ctx)
		case <-patience.C:
			return fmt.Errorf("adsync: CheckApart: while %s is being read, %s brings nothing for %s: they share what only one can hold, such as a connection or a lock; let Traits not say Apart", held.name, r.name, apartPatience)
		}
		patience.Stop()
	}
}

// end waits for a reading whose context has ended, and that waits for nothing any more.
func (r *reading) end() error {
	if r == nil {
		return nil
	}
	select {
	case <-r.done:
		return nil
	case <-time.After(apartPatience):
		return fmt.Errorf("adsync: CheckApart: %s is still being read %s after its context has ended", r.name, apartPatience)
	}
}
