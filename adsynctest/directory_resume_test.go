package adsynctest_test

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
)

type fromFunc = func(context.Context, []adsync.DirectoryMark) iter.Seq2[adsync.Directory, error]

// resuming is a directory of three servers that tell what has changed.
type resuming struct {
	*powerful
	servers []adsync.Directory
	from    fromFunc
}

func (r *resuming) Sessions(ctx context.Context) iter.Seq2[adsync.Directory, error] {
	return serves(nil, r.servers...)(ctx)
}

func (r *resuming) SessionsFrom(ctx context.Context, marks []adsync.DirectoryMark) iter.Seq2[adsync.Directory, error] {
	if r.from != nil {
		return r.from(ctx, marks)
	}
	return r.inOrder(ctx, marks)
}

func (r *resuming) inOrder(ctx context.Context, marks []adsync.DirectoryMark) iter.Seq2[adsync.Directory, error] {
	place := func(d adsync.Directory) int {
		for i, m := range marks {
			if p, ok := d.(*powerful); ok && m.Controller == p.name {
				return i
			}
		}
		return len(marks)
	}
	return serves(nil, slices.SortedStableFunc(slices.Values(r.servers), func(a, b adsync.Directory) int { return cmp.Compare(place(a), place(b)) })...)(ctx)
}

func newResuming() *resuming {
	r := &resuming{powerful: newPowerful()}
	for _, name := range []string{"dc1", "dc2", "dc3"} {
		server := newPowerful()
		server.name = name
		r.servers = append(r.servers, server)
	}
	return r
}

// unserved can resume sessions that it does not have.
type unserved struct {
	*powerful
	from fromFunc
}

func (u unserved) SessionsFrom(ctx context.Context, marks []adsync.DirectoryMark) iter.Seq2[adsync.Directory, error] {
	return u.from(ctx, marks)
}

func TestCheckDirectory_NamesTheDutyOfSessionsFrom(t *testing.T) {
	r := newResuming()
	assert.NoError(t, adsynctest.CheckDirectory(t.Context(), r, r.StaticDirectory...))
	err := adsynctest.CheckDirectory(t.Context(), unserved{r.powerful, r.inOrder})
	assert.ErrorContains(t, err, "adsync: CheckDirectory: SessionsFrom yields what Sessions does: the directory has no Sessions")
	const same, order = "SessionsFrom yields what Sessions does: ", "SessionsFrom begins with the servers that the marks are of: "
	unordered := func(change func([]adsync.Directory) []adsync.Directory) func(*resuming) fromFunc {
		return func(r *resuming) fromFunc {
			return func(ctx context.Context, _ []adsync.DirectoryMark) iter.Seq2[adsync.Directory, error] {
				return serves(nil, change(slices.Clone(r.servers))...)(ctx)
			}
		}
	}
	marked := func(of func(marks []adsync.DirectoryMark) []adsync.DirectoryMark) func(*resuming) fromFunc {
		return func(r *resuming) fromFunc {
			return func(ctx context.Context, marks []adsync.DirectoryMark) iter.Seq2[adsync.Directory, error] {
				return r.inOrder(ctx, of(marks))
			}
		}
	}
	for _, test := range []struct {
		duty string
		from func(r *resuming) fromFunc
	}{
		{same + "it yields 2, and Sessions 3", unordered(func(all []adsync.Directory) []adsync.Directory { return all[:2] })},
		{same + "it yields 4, and Sessions 3", unordered(func(all []adsync.Directory) []adsync.Directory { return append(all, all[0]) })},
		{same + "there is none, and no error", unordered(func([]adsync.Directory) []adsync.Directory { return nil })},
		{same + "it yields 0, and Sessions 3", func(r *resuming) fromFunc { // none but those of the marks
			return func(ctx context.Context, marks []adsync.DirectoryMark) iter.Seq2[adsync.Directory, error] {
				kept := slices.DeleteFunc(slices.Clone(r.servers), func(d adsync.Directory) bool {
					return len(marks) > 0 && !slices.ContainsFunc(marks, func(m adsync.DirectoryMark) bool { return m.Controller == d.(*powerful).name })
				})
				return serves(nil, kept...)(ctx)
			}
		}},
		{same + "number 2 is none", unordered(func(all []adsync.Directory) []adsync.Directory { all[1] = nil; return all })},
		{same + "number 1 cannot Confirm, as the whole can", unordered(func(all []adsync.Directory) []adsync.Directory {
			all[0] = pinned{all[0], newPowerful().Traits()}
			return all
		})},
		{same + "it failed: the line is down", func(*resuming) fromFunc {
			return func(context.Context, []adsync.DirectoryMark) iter.Seq2[adsync.Directory, error] {
				return serves(errDown)(context.Background())
			}
		}},
		{same + "number 1 failed: the line is down", unordered(func(all []adsync.Directory) []adsync.Directory {
			all[0].(*powerful).find = func(context.Context, []adsync.ObjectID) iter.Seq2[adsync.Entry, error] { return fails(errDown) }
			return all
		})},
		{same + "it panicked at directory_resume_test.go", marked(func(marks []adsync.DirectoryMark) []adsync.DirectoryMark { return marks[:1] })},
		{order + "number 1 is not that of mark 1", unordered(func(all []adsync.Directory) []adsync.Directory { return all })},
		{order + "number 2 is not that of mark 2", marked(func(marks []adsync.DirectoryMark) []adsync.DirectoryMark { return marks[:min(1, len(marks))] })},
		{order + "number 1 is not that of mark 1", marked(func(marks []adsync.DirectoryMark) []adsync.DirectoryMark {
			turned := slices.Clone(marks)
			slices.Reverse(turned)
			return turned
		})},
		{"SessionsFrom stops when the loop does: it went on after the first", func(r *resuming) fromFunc {
			return func(ctx context.Context, marks []adsync.DirectoryMark) iter.Seq2[adsync.Directory, error] {
				return func(yield func(adsync.Directory, error) bool) {
					r.inOrder(ctx, marks)(func(d adsync.Directory, err error) bool { yield(d, err); return true })
				}
			}
		}},
		{"SessionsFrom of a context that has ended yields nothing that can be read: it went on after the error", func(r *resuming) fromFunc {
			return func(ctx context.Context, marks []adsync.DirectoryMark) iter.Seq2[adsync.Directory, error] {
				return func(yield func(adsync.Directory, error) bool) {
					if err := ctx.Err(); err != nil {
						yield(nil, err)
					}
					r.inOrder(ctx, marks)(yield)
				}
			}
		}},
	} {
		t.Run(test.duty, func(t *testing.T) {
			r := newResuming()
			r.from = test.from(r)
			assert.ErrorContains(t, adsynctest.CheckDirectory(t.Context(), r), "adsync: CheckDirectory: "+test.duty)
		})
	}
}

// A plan reads a session and nothing else, so that it needs each power of the whole.
func TestCheckDirectory_SessionsHaveThePowersOfTheWhole(t *testing.T) {
	r := newResuming()
	r.servers = []adsync.Directory{pinned{r.servers[0], r.Traits()}}
	err := adsynctest.CheckDirectory(t.Context(), r)
	for _, power := range []string{"Confirm", "ProveRoles", "tell the Time", "begin a Reading"} {
		assert.ErrorContains(t, err, "adsync: CheckDirectory: Sessions yields a Directory for each server: number 1 cannot "+power+", as the whole can")
	}
	assert.NotContains(t, err.Error(), "cannot Inspect")
}
