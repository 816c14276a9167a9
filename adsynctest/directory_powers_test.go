package adsynctest_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
)

type findFunc = func(context.Context, []adsync.ObjectID) iter.Seq2[adsync.Entry, error]

// powerful is one server with all optional powers, of which a test breaks one.
type powerful struct {
	adsync.StaticDirectory
	name    string
	roles   []string // of its Traits; those of its entries by default
	entries func(context.Context) iter.Seq2[adsync.Entry, error]
	find    findFunc
	confirm findFunc
	prove   findFunc
	time    func(context.Context) (adsync.Moment, time.Duration, error)
	reading func(context.Context) (adsync.Reading, error)
}

func newPowerful() *powerful {
	ada, bo, cy := dirEntry(1, ""), dirEntry(2, ""), dirEntry(3, adsync.StateOutOfScope)
	ada.Extra = ada.Extra.With(adsync.FieldRoles, "editor")
	bo.Unknown = bo.Unknown.With(adsync.FieldRoles, "editor")
	cy.Extra = cy.Extra.With(adsync.FieldRoles, "editor")
	return &powerful{StaticDirectory: adsync.StaticDirectory{ada, bo, cy, dirEntry(4, adsync.StateDeleted)}, name: "dc1"}
}

func (p *powerful) Traits() adsync.Traits {
	if p.roles != nil {
		return adsync.Traits{Roles: p.roles}
	}
	return p.StaticDirectory.Traits()
}

func (p *powerful) Entries(ctx context.Context) iter.Seq2[adsync.Entry, error] {
	if p.entries != nil {
		return p.entries(ctx)
	}
	return p.StaticDirectory.Entries(ctx)
}

func (p *powerful) Find(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	if p.find != nil {
		return p.find(ctx, ids)
	}
	return p.StaticDirectory.Find(ctx, ids)
}

func (p *powerful) Confirm(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	if p.confirm != nil {
		return p.confirm(ctx, ids)
	}
	return p.Find(ctx, ids)
}

func (p *powerful) ProveRoles(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	if p.prove != nil {
		return p.prove(ctx, ids)
	}
	return p.Find(ctx, ids)
}

func (p *powerful) Time(ctx context.Context) (adsync.Moment, time.Duration, error) {
	if p.time != nil {
		return p.time(ctx)
	}
	return adsync.MomentOf(time.Now()), 180 * 24 * time.Hour, ctx.Err()
}

func (p *powerful) Inspect(ctx context.Context) (adsync.Access, error) {
	return adsync.Access{Controller: p.name}, ctx.Err()
}

func (p *powerful) Reading(ctx context.Context) (adsync.Reading, error) {
	if p.reading != nil {
		return p.reading(ctx)
	}
	return &told{name: p.name}, ctx.Err()
}

// told is a reading of a server on which nothing changes, of which a test breaks one thing.
type told struct {
	name    string
	since   func(context.Context, adsync.DirectoryMark) ([]adsync.ObjectID, string, error)
	mark    func(context.Context) (adsync.DirectoryMark, error)
	members map[string][]adsync.ObjectID
}

func (r *told) Since(ctx context.Context, m adsync.DirectoryMark) ([]adsync.ObjectID, string, error) {
	if r.since != nil {
		return r.since(ctx, m)
	}
	return r.plainSince(ctx, m)
}

func (r *told) plainSince(ctx context.Context, m adsync.DirectoryMark) ([]adsync.ObjectID, string, error) {
	switch {
	case m.Controller != r.name:
		return nil, adsync.NoMarkOfController, nil
	case string(m.Data) != `{"usn":7}`:
		return nil, "the mark cannot be read", nil
	}
	return []adsync.ObjectID{dirID(1)}, "", ctx.Err()
}

func (r *told) Mark(ctx context.Context) (adsync.DirectoryMark, error) {
	if r.mark != nil {
		return r.mark(ctx)
	}
	return adsync.DirectoryMark{Controller: r.name, Data: json.RawMessage(`{"usn":7}`)}, ctx.Err()
}

func (r *told) Members() map[string][]adsync.ObjectID { return r.members }

// brokenPower breaks a good directory in one way, and the check must name the duty.
type brokenPower struct {
	duty string // how its sentence begins
	harm func(p *powerful)
}

func testPowers(t *testing.T, cases []brokenPower) {
	for _, test := range cases {
		t.Run(test.duty, func(t *testing.T) {
			p := newPowerful()
			want := p.StaticDirectory
			test.harm(p)
			assert.ErrorContains(t, adsynctest.CheckDirectory(t.Context(), p, want...), "adsync: CheckDirectory: "+test.duty)
		})
	}
}

var errDown = errors.New("the line is down")

func TestCheckDirectory_PassesAllPowers(t *testing.T) {
	p := newPowerful()
	assert.NoError(t, adsynctest.CheckDirectory(t.Context(), p, p.StaticDirectory...))
	assert.NoError(t, adsynctest.CheckDirectory(t.Context(), adsync.Join(p), p.StaticDirectory...))
	assert.NoError(t, adsynctest.CheckDirectory(t.Context(), adsync.Join(p, newPowerful()), p.StaticDirectory...))
}

// changed is a look-up whose answers a test changes.
func changed(find findFunc, change func([]adsync.Entry) []adsync.Entry) findFunc {
	return func(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
		found, err := collect(find(ctx, ids))
		if err != nil {
			return fails(err)
		}
		return yields(change(found)...)
	}
}

// each is a look-up of which a test changes each answer.
func each(find findFunc, change func(*adsync.Entry)) findFunc {
	return changed(find, func(found []adsync.Entry) []adsync.Entry {
		for i := range found {
			change(&found[i])
		}
		return found
	})
}

// What Find must do, and what answers as Find does.
func TestCheckDirectory_NamesTheDutyOfEachLookUp(t *testing.T) {
	one, two := dirID(1).String(), dirID(2).String()
	for name, set := range map[string]func(*powerful, findFunc){
		"Find":       func(p *powerful, f findFunc) { p.find = f },
		"Confirm":    func(p *powerful, f findFunc) { p.confirm = f },
		"ProveRoles": func(p *powerful, f findFunc) { p.prove = f },
	} {
		var cases []brokenPower
		add := func(duty string, harm func(good findFunc) findFunc) {
			cases = append(cases, brokenPower{name + " " + duty, func(p *powerful) { set(p, harm(p.StaticDirectory.Find)) }})
		}
		add("knows whom Entries lists: it failed: the line is down", func(findFunc) findFunc {
			return func(context.Context, []adsync.ObjectID) iter.Seq2[adsync.Entry, error] { return fails(errDown) }
		})
		add("knows whom Entries lists: it panicked at directory_powers_test.go", func(findFunc) findFunc {
			return func(context.Context, []adsync.ObjectID) iter.Seq2[adsync.Entry, error] { panic("at once") }
		})
		add("knows whom Entries lists: it has no answer for "+two, func(good findFunc) findFunc {
			return changed(good, func(found []adsync.Entry) []adsync.Entry { return found[:min(1, len(found))] })
		})
		add("knows whom Entries lists: it has no answer for "+one, func(good findFunc) findFunc { // none at all
			return changed(good, func([]adsync.Entry) []adsync.Entry { return nil })
		})
		add("knows whom Entries lists: it answers more than once for "+one, func(good findFunc) findFunc {
			return changed(good, func(found []adsync.Entry) []adsync.Entry { return append(found, found...) })
		})
		add("knows whom Entries lists: it answers for "+dirID(9).String()+", which was not asked for", func(good findFunc) findFunc {
			return changed(good, func(found []adsync.Entry) []adsync.Entry { return append(found, dirEntry(9, "")) })
		})
		add("knows whom Entries lists: "+one+` is "deleted", want "present"`, func(good findFunc) findFunc {
			return each(good, func(e *adsync.Entry) { e.State = adsync.StateDeleted })
		})
		add("knows whom Entries lists: "+one+" has another profile", func(good findFunc) findFunc {
			return each(good, func(e *adsync.Entry) { e.Email = "x" })
		})
		add("knows whom Entries lists: "+one+" has Disabled true", func(good findFunc) findFunc {
			return each(good, func(e *adsync.Entry) { e.Disabled = true })
		})
		add("answers for an account that never was: it has no answer", func(good findFunc) findFunc {
			return changed(good, func(found []adsync.Entry) []adsync.Entry {
				if len(found) == 1 && found[0].Username == "" {
					return nil
				}
				return found
			})
		})
		add("answers once for an id that is asked for twice: it answers more than once", func(good findFunc) findFunc {
			return func(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
				if len(ids) == 2 && ids[0] == ids[1] {
					again, err := collect(good(ctx, ids))
					if err != nil {
						return fails(err)
					}
					return yields(append(again, again...)...)
				}
				return good(ctx, ids)
			}
		})
		add("of no ids yields nothing: it answers for", func(good findFunc) findFunc {
			return func(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
				if len(ids) == 0 {
					return yields(dirEntry(1, ""))
				}
				return good(ctx, ids)
			}
		})
		add("gives the entries wanted their state: "+dirID(4).String()+` is "unproven", want "deleted"`, func(good findFunc) findFunc {
			return each(good, func(e *adsync.Entry) {
				if e.State == adsync.StateDeleted {
					e.State = adsync.StateUnproven
				}
			})
		})
		add("stops when the loop does: it went on", func(good findFunc) findFunc {
			return func(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
				return func(yield func(adsync.Entry, error) bool) {
					good(ctx, ids)(func(e adsync.Entry, err error) bool { yield(e, err); return true })
				}
			}
		})
		add("stops when the loop does: afterwards, it failed: the line is down", func(good findFunc) findFunc {
			held := false // as a connection that whoever stops early never gives back
			return func(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
				return func(yield func(adsync.Entry, error) bool) {
					if held {
						yield(adsync.Entry{}, errDown)
						return
					}
					good(ctx, ids)(func(e adsync.Entry, err error) bool { held = !yield(e, err); return !held })
				}
			}
		})
		add("ends with an error when its context has ended: there was none", func(good findFunc) findFunc {
			return func(_ context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
				return good(context.Background(), ids)
			}
		})
		add("ends with an error when its context has ended: it went on after the error", func(good findFunc) findFunc {
			return func(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
				return func(yield func(adsync.Entry, error) bool) {
					if ctx.Err() != nil && yield(adsync.Entry{}, ctx.Err()) {
						yield(adsync.Entry{}, ctx.Err())
						return
					}
					good(ctx, ids)(yield)
				}
			}
		})
		add("is complete or ends with an error when its context ends on the way: it ended without an error, and without "+two, func(good findFunc) findFunc {
			return func(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
				return quietly(ctx, good(ctx, ids))
			}
		})
		t.Run(name, func(t *testing.T) { testPowers(t, cases) })
	}
	testPowers(t, []brokenPower{
		{"Entries is complete or ends with an error when its context ends on the way: it ended without an error, and without " + two, func(p *powerful) {
			p.entries = func(ctx context.Context) iter.Seq2[adsync.Entry, error] {
				return quietly(ctx, p.StaticDirectory.Entries(ctx))
			}
		}},
		{"Entries stops when the loop does: afterwards, it failed", func(p *powerful) {
			stopped := false
			p.entries = func(ctx context.Context) iter.Seq2[adsync.Entry, error] {
				if stopped {
					return fails(errDown)
				}
				return func(yield func(adsync.Entry, error) bool) {
					p.StaticDirectory.Entries(ctx)(func(e adsync.Entry, err error) bool { stopped = !yield(e, err); return !stopped })
				}
			}
		}},
	})
}

// quietly is a sequence that just ends when its context does within it.
func quietly(ctx context.Context, sequence iter.Seq2[adsync.Entry, error]) iter.Seq2[adsync.Entry, error] {
	return func(yield func(adsync.Entry, error) bool) {
		began := false
		for e, err := range sequence {
			if began && ctx.Err() != nil || !yield(e, err) {
				return
			}
			began = true
		}
	}
}

// What a look-up may know beyond Find, and what it may not.
func TestCheckDirectory_NamesTheDutyOfProofs(t *testing.T) {
	one := dirID(1).String()
	roles := func(has ...string) func(e *adsync.Entry) {
		return func(e *adsync.Entry) {
			if e.Present() || e.State == adsync.StateOutOfScope {
				e.Extra = e.Extra.With(adsync.FieldRoles, has...)
			}
		}
	}
	testPowers(t, []brokenPower{
		{"Confirm knows whom Entries lists: " + one + ` has another "roles"`, func(p *powerful) { p.confirm = each(p.StaticDirectory.Find, roles()) }},
		{"Confirm knows whom Entries lists: " + dirID(2).String() + " leaves other roles unknown", func(p *powerful) {
			p.confirm = each(p.StaticDirectory.Find, func(e *adsync.Entry) { e.Unknown = adsync.Extra{} })
		}},
		{"Confirm answers for an account that never was: ", func(p *powerful) {
			p.confirm = each(p.StaticDirectory.Find, func(e *adsync.Entry) {
				if e.Username == "" {
					e.State = adsync.StateUnproven // and by Find, Deleted
				}
			})
		}},
		{"ProveRoles knows whom Entries lists: " + one + ` is "disputed", want "present"`, func(p *powerful) {
			p.prove = each(p.StaticDirectory.Find, func(e *adsync.Entry) { e.State = adsync.StateDisputed })
		}},
		{"ProveRoles knows whom Entries lists: " + one + ` has the role "editor", and is said to have lost it`, func(p *powerful) { p.prove = each(p.StaticDirectory.Find, roles()) }},
		{"ProveRoles gives the entries wanted their state: " + dirID(3).String() + ` has the role "editor", and is said to have lost it`, func(p *powerful) {
			p.prove = each(p.StaticDirectory.Find, roles())
		}},
		{"ProveRoles knows whom Entries lists: " + one + ` has the role "reader", which Traits.Roles lacks`, func(p *powerful) {
			p.prove = each(p.StaticDirectory.Find, roles("editor", "reader"))
		}},
	})
	for _, fine := range []func(p *powerful){
		func(p *powerful) { // another server shows all of them disabled
			p.confirm = each(p.StaticDirectory.Find, func(e *adsync.Entry) {
				if e.Present() {
					*e = adsync.Entry{ObjectID: e.ObjectID, State: adsync.StateDisputed}
				}
			})
		},
		func(p *powerful) { // nothing is proven
			p.prove = each(p.StaticDirectory.Find, func(e *adsync.Entry) {
				roles()(e)
				e.Unknown = e.Unknown.With(adsync.FieldRoles, "editor")
			})
		},
		func(p *powerful) { // more is
			p.roles = []string{"editor", "reader"}
			p.prove = each(p.StaticDirectory.Find, roles("editor", "reader"))
		},
	} {
		p := newPowerful()
		fine(p)
		assert.NoError(t, adsynctest.CheckDirectory(t.Context(), p, p.StaticDirectory...))
	}
}

func TestCheckDirectory_NamesTheDutyOfTheTime(t *testing.T) {
	tells := func(now adsync.Moment, tombstones time.Duration) func(p *powerful) {
		return func(p *powerful) {
			p.time = func(ctx context.Context) (adsync.Moment, time.Duration, error) { return now, tombstones, ctx.Err() }
		}
	}
	now := adsync.MomentOf(time.Now())
	const duty = "Time tells the directory's time, and for how long it keeps tombstones: "
	testPowers(t, []brokenPower{
		{duty + "it failed: the line is down", func(p *powerful) {
			p.time = func(context.Context) (adsync.Moment, time.Duration, error) { return 0, 0, errDown }
		}},
		{duty + "it panicked at directory_powers_test.go", func(p *powerful) {
			p.time = func(context.Context) (adsync.Moment, time.Duration, error) { panic("at once") }
		}},
		{duty + "it tells AtWrite", tells(adsync.AtWrite, 0)},
		{duty + "it tells 00", tells(adsync.Moment(time.Now().Unix()), 0)}, // of another epoch
		{duty + "it tells 2", tells(now+3600, 0)},                          // of another zone
		{duty + "it keeps tombstones for -1ns", tells(now, -1)},
		{duty + "it keeps tombstones for no more than 180ns, as if", tells(now, 180)},
		{"Time fails or tells nothing when its context has ended: it answered", func(p *powerful) {
			p.time = func(context.Context) (adsync.Moment, time.Duration, error) { return now, 0, nil }
		}},
		{"Time fails or tells nothing when its context has ended: it answered", func(p *powerful) {
			p.time = func(context.Context) (adsync.Moment, time.Duration, error) { return 0, time.Hour, nil }
		}},
	})
	for _, fine := range []func(p *powerful){tells(0, 0), tells(now, 0), tells(0, time.Hour), tells(now-120, 0), tells(now+120, 0), func(p *powerful) {
		p.time = func(context.Context) (adsync.Moment, time.Duration, error) { return 0, 0, nil }
	}} {
		p := newPowerful()
		fine(p)
		assert.NoError(t, adsynctest.CheckDirectory(t.Context(), p))
	}
}
