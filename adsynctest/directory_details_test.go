package adsynctest_test

import (
	"context"
	"iter"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
)

// detailed is a directory that tells of more than five details, unless a test breaks it.
type detailed struct {
	adsync.StaticDirectory
	traits adsync.Traits
	find   func(*adsync.Entry) // what becomes of an entry in Find
	list   func(*adsync.Entry) // and in Entries
}

func (d detailed) Traits() adsync.Traits { return d.traits }

func (d detailed) Entries(ctx context.Context) iter.Seq2[adsync.Entry, error] {
	return altered(d.StaticDirectory.Entries(ctx), d.list)
}

func (d detailed) Find(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	return altered(d.StaticDirectory.Find(ctx, ids), d.find)
}

func altered(sequence iter.Seq2[adsync.Entry, error], alter func(*adsync.Entry)) iter.Seq2[adsync.Entry, error] {
	return func(yield func(adsync.Entry, error) bool) {
		for e, err := range sequence {
			if alter != nil && err == nil {
				alter(&e)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// newDetailed has a text, a set, a reference, several values, roles, and one that is unknown.
func newDetailed() detailed {
	const manager = adsync.Field("manager")
	ada, bo := dirEntry(1, ""), dirEntry(2, "")
	ada.Extra = adsync.NewExtra(map[adsync.Field][]string{"department": {"Engines"}, "languages": {"en", "fr"}, manager: {dirID(2).String()}, adsync.FieldRoles: {"editor"}})
	bo.Others = adsync.NewExtra(map[adsync.Field][]string{"department": {"Ships", "Tides"}, adsync.FieldEmail: {"a@x", "b@x"}})
	bo.Email = "b@x"
	bo.Unknown = bo.Unknown.With(adsync.FieldRoles, "editor")
	return detailed{StaticDirectory: adsync.StaticDirectory{ada, bo, dirEntry(3, "")}, traits: adsync.Traits{
		Fields: []adsync.Field{adsync.FieldUsername, adsync.FieldEmail, "department", "languages", manager}, Sets: []adsync.Field{"languages"}, Roles: []string{"editor"},
	}}
}

func TestCheckDirectory_PassesFurtherDetails(t *testing.T) {
	d := newDetailed()
	assert.NoError(t, adsynctest.CheckDirectory(t.Context(), d, d.StaticDirectory...))
	assert.NoError(t, adsynctest.CheckDirectory(t.Context(), d.StaticDirectory), "a literal tells its own")
}

// What Traits list is told by a listing and by a look-up alike.
func TestCheckDirectory_NamesTheDutyOfFurtherDetails(t *testing.T) {
	const alike, named = "Find knows whom Entries lists: ", "Traits name the details beyond the five that entries tell: "
	one, two := dirID(1).String(), dirID(2).String()
	without := func(f adsync.Field) func(*adsync.Entry) {
		return func(e *adsync.Entry) { e.Extra = e.Extra.With(f) }
	}
	undeclared := func(d *detailed) {
		d.traits.Fields = []adsync.Field{adsync.FieldUsername, adsync.FieldEmail, "languages", "manager"}
	}
	for duty, harm := range map[string]func(*detailed){
		alike + one + ` has another "department"`: func(d *detailed) { d.find = without("department") },
		alike + one + ` has another "languages"`: func(d *detailed) {
			d.find = func(e *adsync.Entry) {
				e.Extra = e.Extra.With("languages", e.Extra.Set("languages")[:min(1, len(e.Extra.Set("languages")))]...)
			}
		},
		alike + one + ` has another "manager"`:              func(d *detailed) { d.list = without("manager") },
		alike + one + ` has another "roles"`:                func(d *detailed) { d.find = without(adsync.FieldRoles) },
		alike + two + ` has another "department" in Others`: func(d *detailed) { d.find = func(e *adsync.Entry) { e.Others = e.Others.With("department") } },
		alike + two + ` has another "email" in Others`: func(d *detailed) {
			d.find = func(e *adsync.Entry) { e.Others = e.Others.With(adsync.FieldEmail, "b@x", "z@x") }
		},
		alike + two + " leaves other roles unknown": func(d *detailed) { d.find = func(e *adsync.Entry) { e.Unknown = adsync.Extra{} } },

		named + one + ` has "department", which Traits.Fields lacks`:     undeclared,
		named + two + ` has "department", which Traits.Fields lacks`:     undeclared,
		named + one + ` has several values of "languages" in Extra`:      func(d *detailed) { d.traits.Sets = nil },
		named + one + ` has the role "editor", which Traits.Roles lacks`: func(d *detailed) { d.traits.Roles = []string{"other"} },
		named + two + ` has values of the set "department" in Others`:    func(d *detailed) { d.traits.Sets = append(d.traits.Sets, "department") },
		named + two + ` has a value of "email" that is none of Others`:   func(d *detailed) { d.StaticDirectory[1].Email = "c@x" },
		named + `Traits.Sets has "hobbies", which Traits.Fields lacks`:   func(d *detailed) { d.traits.Sets = append(d.traits.Sets, "hobbies") },
		named + `Traits.Fields has "title", and no account has a value`:  func(d *detailed) { d.traits.Fields = append(d.traits.Fields, "title") },
		named + `Traits.Fields has "manager", and no account`:            func(d *detailed) { d.list, d.find = without("manager"), without("manager") },
	} {
		t.Run(duty, func(t *testing.T) {
			d := newDetailed()
			harm(&d)
			assert.ErrorContains(t, adsynctest.CheckDirectory(t.Context(), d), "adsync: CheckDirectory: "+duty)
		})
	}
	d := newDetailed()
	want := d.StaticDirectory[1]
	want.Others = adsync.Extra{}
	assert.ErrorContains(t, adsynctest.CheckDirectory(t.Context(), d, want), "Find gives the entries wanted their state: "+two+` has another "department" in Others`)
}
