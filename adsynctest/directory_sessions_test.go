package adsynctest_test

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
)

// served is a directory of several servers, each of which a test may break.
type served struct {
	adsync.StaticDirectory
	sessions func(ctx context.Context) iter.Seq2[adsync.Directory, error]
	traits   adsync.Traits
	inspect  func(ctx context.Context) (adsync.Access, error)
}

func (s served) Sessions(ctx context.Context) iter.Seq2[adsync.Directory, error] {
	return s.sessions(ctx)
}

func (s served) Traits() adsync.Traits { return s.traits }

func (s served) Inspect(ctx context.Context) (adsync.Access, error) {
	if s.inspect != nil {
		return s.inspect(ctx)
	}
	return adsync.Access{}, ctx.Err()
}

// pinned is one server.
type pinned struct {
	adsync.Directory
	traits adsync.Traits
}

func (p pinned) Traits() adsync.Traits { return p.traits }

func (p pinned) Inspect(ctx context.Context) (adsync.Access, error) {
	return adsync.Access{}, ctx.Err()
}

// uninspected is one server that cannot tell what it sees.
type uninspected struct{ adsync.Directory }

// serves yields the servers, and then the error if there is one.
func serves(err error, servers ...adsync.Directory) func(context.Context) iter.Seq2[adsync.Directory, error] {
	return func(ctx context.Context) iter.Seq2[adsync.Directory, error] {
		return func(yield func(adsync.Directory, error) bool) {
			for _, d := range servers {
				if !yield(d, nil) {
					return
				}
			}
			if err = cmp.Or(err, ctx.Err()); err != nil {
				yield(nil, err)
			}
		}
	}
}

func TestCheckDirectory_Sessions(t *testing.T) {
	good := adsync.StaticDirectory{dirEntry(1, ""), dirEntry(2, ""), dirEntry(3, adsync.StateOutOfScope)}
	one := pinned{Directory: good}
	assert.NoError(t, adsynctest.CheckDirectory(t.Context(), served{StaticDirectory: good, sessions: serves(nil, one, one)}, good...))
	down := errors.New("the line is down")
	deaf := directoryFuncs{
		func(context.Context) iter.Seq2[adsync.Entry, error] { return good.Entries(context.Background()) },
		func(_ context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
			return good.Find(context.Background(), ids)
		},
	}
	for duty, dir := range map[string]served{
		"session 2: Entries lists the accounts in scope: it failed": {sessions: serves(nil, one, pinned{Directory: directoryFuncs{
			func(context.Context) iter.Seq2[adsync.Entry, error] { return fails(down) }, good.Find}})},
		"session 2: Find gives the entries wanted their state: " + dirID(3).String() + ` is "deleted", want "out-of-scope"`: {
			sessions: serves(nil, one, pinned{Directory: good[:2]})},
		"session 1: Entries ends with an error when its context has ended":             {sessions: serves(nil, pinned{Directory: deaf})},
		"Sessions yields a Directory for each server: it failed: the line is down":     {sessions: serves(down)},
		"Sessions yields a Directory for each server: number 2 is none":                {sessions: serves(nil, one, nil)},
		"Sessions yields a Directory for each server: there is none, and no error":     {sessions: serves(nil)},
		"Sessions yields a Directory for each server: number 1 has other Traits":       {sessions: serves(nil, pinned{good, adsync.Traits{Apart: true}})},
		"Sessions yields a Directory for each server: number 2 cannot Inspect":         {sessions: serves(nil, one, uninspected{good})},
		"Sessions yields a Directory for each server: it panicked at directory_sessio": {sessions: func(context.Context) iter.Seq2[adsync.Directory, error] { panic("at once") }},
		"Sessions stops when the loop does: it went on": {sessions: func(ctx context.Context) iter.Seq2[adsync.Directory, error] {
			return func(yield func(adsync.Directory, error) bool) {
				serves(nil, one, one)(ctx)(func(d adsync.Directory, err error) bool { yield(d, err); return true })
			}
		}},
		"Sessions of a context that has ended yields nothing that can be read: there was none": {sessions: func(ctx context.Context) iter.Seq2[adsync.Directory, error] {
			if ctx.Err() != nil {
				return serves(nil, pinned{Directory: deaf})(context.Background())
			}
			return serves(nil, one)(ctx)
		}},
		"Sessions of a context that has ended yields nothing that can be read: it went on after the error": {sessions: func(ctx context.Context) iter.Seq2[adsync.Directory, error] {
			return func(yield func(adsync.Directory, error) bool) {
				if err := ctx.Err(); err != nil {
					yield(nil, err)
				}
				yield(one, nil)
			}
		}},
		"Inspect answers: it failed: the line is down": {sessions: serves(nil, one), inspect: func(context.Context) (adsync.Access, error) { return adsync.Access{}, down }},
		"Inspect fails when its context has ended: it answered": {sessions: serves(nil, one), inspect: func(context.Context) (adsync.Access, error) {
			return adsync.Access{}, nil
		}},
	} {
		t.Run(duty, func(t *testing.T) {
			dir.StaticDirectory = good
			assert.ErrorContains(t, adsynctest.CheckDirectory(t.Context(), dir, good...), "adsync: CheckDirectory: "+duty)
		})
	}
}

// finally is a directory that says its word is final, true or not.
type finally struct{ adsync.Directory }

func (finally) Traits() adsync.Traits { return adsync.Traits{Final: true} }

func TestCheckDirectory_Final(t *testing.T) {
	static := adsync.StaticDirectory{dirEntry(1, ""), dirEntry(2, adsync.StateDeleted)}
	assert.NoError(t, adsynctest.CheckDirectory(t.Context(), finally{static}, static...))
	const duty = "adsync: CheckDirectory: Traits.Final is true only where whoever is not listed is deleted: "
	moved := append(static, dirEntry(3, adsync.StateOutOfScope))
	assert.ErrorContains(t, adsynctest.CheckDirectory(t.Context(), finally{moved}, moved...), duty+dirID(3).String()+` is wanted "out-of-scope"`)
	assert.ErrorContains(t, adsynctest.CheckDirectory(t.Context(), finally{moved}, dirEntry(3, adsync.StateDeleted)), duty+dirID(3).String()+` is not listed, and is "out-of-scope"`)
	assert.NoError(t, adsynctest.CheckDirectory(t.Context(), moved, moved...), "whoever promises nothing need not keep it")
	elsewhere := directoryFuncs{static.Entries, func(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
		found, err := collect(static.Find(ctx, ids))
		if err != nil {
			return fails(err)
		}
		for i := range found {
			if found[i].Username == "" {
				found[i].State = adsync.StateUnproven
			}
		}
		return yields(found...)
	}}
	err := adsynctest.CheckDirectory(t.Context(), finally{elsewhere})
	assert.ErrorContains(t, err, duty)
	assert.ErrorContains(t, err, `who never was, is "unproven"`)
}
