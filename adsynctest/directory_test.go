package adsynctest_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
)

func TestCheckDirectory_PassesOurs(t *testing.T) {
	static := adsync.StaticDirectory{dirEntry(1, ""), dirEntry(2, ""), dirEntry(3, adsync.StateOutOfScope), dirEntry(4, adsync.StateDeleted), dirEntry(5, adsync.StateUnproven)}
	assert.NoError(t, adsynctest.CheckDirectory(t.Context(), static, static...))
	assert.NoError(t, adsynctest.CheckDirectory(t.Context(), adsync.Listing(static.Entries), static[:2]...))
	assert.NoError(t, adsynctest.CheckDirectory(t.Context(), adsync.Join(static, adsync.StaticDirectory{dirEntry(6, "")}), dirEntry(6, "")))
}

// Each of these directories breaks one duty, and the check must name that one.
func TestCheckDirectory_NamesTheDuty(t *testing.T) {
	good := adsync.StaticDirectory{dirEntry(1, ""), dirEntry(2, ""), dirEntry(3, adsync.StateOutOfScope)}
	find := func(change func([]adsync.Entry) []adsync.Entry) func(context.Context, []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
		return func(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
			found, err := collect(good.Find(ctx, ids))
			if err != nil {
				return fails(err)
			}
			return yields(change(found)...)
		}
	}
	ranged, called := false, 0
	ignoreContext := func(adsync.Directory) directoryFuncs {
		return directoryFuncs{
			func(context.Context) iter.Seq2[adsync.Entry, error] { return good.Entries(context.Background()) },
			func(_ context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
				return good.Find(context.Background(), ids)
			},
		}
	}
	tests := []struct {
		duty string
		dir  adsync.Directory
		want []adsync.Entry
	}{
		{"Entries lists the accounts in scope: it failed", directoryFuncs{entries: func(context.Context) iter.Seq2[adsync.Entry, error] { return fails(errors.New("broken")) }, find: good.Find}, nil},
		{"Entries lists the accounts in scope: it yields nobody", adsync.StaticDirectory{}, nil},
		{"Entries lists the accounts in scope: an entry has no ObjectID", append(adsync.StaticDirectory{{}}, good...), nil},
		{"Entries lists the accounts in scope: " + dirID(3).String() + " has the state", directoryFuncs{func(context.Context) iter.Seq2[adsync.Entry, error] { return yields(good...) }, good.Find}, nil},
		{"Entries starts afresh: ranged a second time", directoryFuncs{func(ctx context.Context) iter.Seq2[adsync.Entry, error] {
			return func(yield func(adsync.Entry, error) bool) {
				if ranged = !ranged; ranged {
					good.Entries(ctx)(yield)
				}
			}
		}, good.Find}, nil},
		{"Entries starts afresh: called a second time", directoryFuncs{func(ctx context.Context) iter.Seq2[adsync.Entry, error] {
			if called++; called > 1 {
				return good[:1].Entries(ctx)
			}
			return good.Entries(ctx)
		}, good.Find}, nil},
		{"Find knows whom Entries lists: it failed", directoryFuncs{good.Entries, func(context.Context, []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
			return fails(errors.New("broken"))
		}}, nil},
		{"Find knows whom Entries lists: it has no answer for " + dirID(2).String(), directoryFuncs{good.Entries, find(func(found []adsync.Entry) []adsync.Entry {
			return slices.DeleteFunc(found, func(e adsync.Entry) bool { return e.ObjectID == dirID(2) })
		})}, nil},
		{"Find knows whom Entries lists: " + dirID(1).String() + " is \"deleted\"", directoryFuncs{good.Entries, find(func(found []adsync.Entry) []adsync.Entry {
			for i := range found {
				found[i].State = adsync.StateDeleted
			}
			return found
		})}, nil},
		{"Find knows whom Entries lists: " + dirID(1).String() + " has another profile", directoryFuncs{good.Entries, find(func(found []adsync.Entry) []adsync.Entry {
			for i := range found {
				found[i].Email = "x"
			}
			return found
		})}, nil},
		{"Find knows whom Entries lists: " + dirID(1).String() + " has Disabled true", directoryFuncs{good.Entries, find(func(found []adsync.Entry) []adsync.Entry {
			for i := range found {
				found[i].Disabled = true
			}
			return found
		})}, nil},
		{"Find knows whom Entries lists: " + dirID(1).String() + " has DisabledUnknown", directoryFuncs{good.Entries, find(func(found []adsync.Entry) []adsync.Entry {
			for i := range found {
				found[i].DisabledUnknown = true
			}
			return found
		})}, nil},
		{"Find knows whom Entries lists: " + dirID(1).String() + " expires at another time", directoryFuncs{good.Entries, find(func(found []adsync.Entry) []adsync.Entry {
			for i := range found {
				found[i].Expires = 1
			}
			return found
		})}, nil},
		{"Find answers for an account that never was: it panicked at directory_test.go:", directoryFuncs{good.Entries, find(func(found []adsync.Entry) []adsync.Entry {
			if len(found) == 1 && found[0].Username == "" {
				panic("never was")
			}
			return found
		})}, nil},
		{"Entries lists the accounts in scope: it panicked at directory_test.go:", directoryFuncs{func(context.Context) iter.Seq2[adsync.Entry, error] { panic("at once") }, good.Find}, nil},
		{"Find answers for an account that never was: it has no answer", directoryFuncs{good.Entries, find(func(found []adsync.Entry) []adsync.Entry {
			return slices.DeleteFunc(found, func(e adsync.Entry) bool { return e.Username == "" })
		})}, nil},
		{"Find answers for an account that never was", directoryFuncs{good.Entries, find(func(found []adsync.Entry) []adsync.Entry {
			for i := range found {
				found[i].State = adsync.StatePresent
			}
			return found
		})}, nil},
		{"Find answers once for an id that is asked for twice: it answers more than once", directoryFuncs{good.Entries, func(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
			return func(yield func(adsync.Entry, error) bool) {
				for _, id := range ids {
					for e, err := range good.Find(ctx, []adsync.ObjectID{id}) {
						if !yield(e, err) {
							return
						}
					}
				}
			}
		}}, nil},
		{"Find of no ids yields nothing: it answers for", directoryFuncs{good.Entries, func(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
			if len(ids) == 0 {
				return good.Entries(ctx)
			}
			return good.Find(ctx, ids)
		}}, nil},
		{"Find gives the entries wanted their state: " + dirID(3).String() + " is \"out-of-scope\", want \"deleted\"", good, []adsync.Entry{dirEntry(3, adsync.StateDeleted)}},
		{"Find gives the entries wanted their state: " + dirID(1).String() + " has another profile", good, []adsync.Entry{{ObjectID: dirID(1)}}},
		{"Entries lists the accounts in scope: " + dirID(2).String() + " is wanted \"present\"; listed: false", directoryFuncs{good[:1].Entries, good.Find}, []adsync.Entry{dirEntry(2, "")}},
		{"Entries stops when the loop does", directoryFuncs{func(ctx context.Context) iter.Seq2[adsync.Entry, error] {
			return func(yield func(adsync.Entry, error) bool) {
				good.Entries(ctx)(func(e adsync.Entry, err error) bool { yield(e, err); return true })
			}
		}, good.Find}, nil},
		{"Find stops when the loop does", directoryFuncs{good.Entries, func(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
			return func(yield func(adsync.Entry, error) bool) {
				good.Find(ctx, ids)(func(e adsync.Entry, err error) bool { yield(e, err); return true })
			}
		}}, nil},
		{"Entries ends with an error when its context has ended", ignoreContext(good), nil},
		{"Find ends with an error when its context has ended: there was none", ignoreContext(good), nil},
		{"Entries ends with an error when its context has ended: it went on after the error", directoryFuncs{func(ctx context.Context) iter.Seq2[adsync.Entry, error] {
			return func(yield func(adsync.Entry, error) bool) {
				for _, e := range good[:2] {
					if !yield(e, ctx.Err()) {
						return
					}
				}
			}
		}, good.Find}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.duty, func(t *testing.T) {
			assert.ErrorContains(t, adsynctest.CheckDirectory(t.Context(), tt.dir, tt.want...), "adsync: CheckDirectory: "+tt.duty)
		})
	}
	assert.Error(t, adsynctest.CheckDirectory(t.Context(), nil))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, adsynctest.CheckDirectory(ended, good), context.Canceled)
}
