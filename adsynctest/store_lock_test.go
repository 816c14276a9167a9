package adsynctest_test

import (
	"context"
	"errors"
	"sync"
	"testing"
)

func TestCheckStore_Locks(t *testing.T) {
	testBroken(t, []brokenCase{
		{"Lock must keep a second run out", func(b *broken) { // only as long as the context lasts
			m := make(mutex, 1)
			b.lock = func(ctx context.Context) (func() error, error) {
				unlock, err := m.lock(ctx)
				if err != nil {
					return nil, err
				}
				free := sync.OnceValue(unlock)
				stop := context.AfterFunc(ctx, func() { _ = free() })
				return func() error { stop(); return free() }, nil
			}
		}},
		{"Lock must keep a second run out", func(b *broken) { // cannot be given back after the context
			m := make(mutex, 1)
			b.lock = func(ctx context.Context) (func() error, error) {
				unlock, err := m.lock(ctx)
				return func() error { return errors.Join(ctx.Err(), unlock()) }, err
			}
		}},
		{"Lock must keep a second run out", func(b *broken) { // is never given back
			m := make(mutex, 1)
			b.lock = func(ctx context.Context) (func() error, error) {
				_, err := m.lock(ctx)
				return func() error { return nil }, err
			}
		}},
		{"Lock must keep a second run out", func(b *broken) { // waits whatever the context says
			m := make(mutex, 1)
			b.lock = func(ctx context.Context) (func() error, error) {
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				return m.lock(context.Background())
			}
		}},
		{"Lock must keep a second run out", func(b *broken) { // and not say why
			m := make(mutex, 1)
			b.lock = func(ctx context.Context) (func() error, error) {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				select {
				case m <- struct{}{}:
					return func() error { <-m; return nil }, nil
				default:
					return nil, errors.New("busy")
				}
			}
		}},
		{"Lock must fail when the context has ended", func(b *broken) {
			m := make(mutex, 1)
			b.lock = func(ctx context.Context) (func() error, error) {
				select {
				case m <- struct{}{}:
					return func() error { <-m; return nil }, nil
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
		}},
		{"Lock must keep a second run out", func(b *broken) {
			b.lock = func(context.Context) (func() error, error) { return func() error { return nil }, nil }
		}},
		{"Lock must keep a second run out", func(b *broken) { // never lets go
			b.lock = func(ctx context.Context) (func() error, error) {
				_, err := mutex(nil).lock(ctx)
				return nil, err
			}
		}},
	})
}

// mutex is a lock that honours its context.
type mutex chan struct{}

func (m mutex) lock(ctx context.Context) (func() error, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case m <- struct{}{}:
		return func() error { <-m; return nil }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
