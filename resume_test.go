package adsync_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// manned is a directory of several servers that can tell what it can read, and notes how its
// servers were chosen.
type manned struct {
	*logbook
	access adsync.Access
	open   []func() (adsync.Directory, error)
	chosen *[]string
}

func (d manned) Inspect(context.Context) (adsync.Access, error) { return d.access, nil }

func (d manned) servers(by string) iter.Seq2[adsync.Directory, error] {
	*d.chosen = append(*d.chosen, by)
	return func(yield func(adsync.Directory, error) bool) {
		for _, open := range d.open {
			if !yield(open()) {
				return
			}
		}
	}
}

func (d manned) Sessions(context.Context) iter.Seq2[adsync.Directory, error] {
	return d.servers("as ever")
}

func (d manned) SessionsFrom(context.Context, []adsync.DirectoryMark) iter.Seq2[adsync.Directory, error] {
	return d.servers("from marks")
}

// inspectedLog is one of its servers.
type inspectedLog struct {
	*logbook
	access adsync.Access
}

func (d inspectedLog) Inspect(context.Context) (adsync.Access, error) { return d.access, nil }

// newManned is a directory of one account, which these servers know, the first first.
func newManned(controller string, n byte, name string) manned {
	log := &logbook{StaticDirectory: adsync.StaticDirectory{entry(n, name, "")}, controller: controller}
	access := adsync.Access{Controller: controller, Tombstones: true}
	return manned{log, access, []func() (adsync.Directory, error){func() (adsync.Directory, error) { return inspectedLog{log, access}, nil }}, new([]string)}
}

// Only a plan that is to go on from a mark asks for the servers of one.
func TestResumer_IsAskedByPlansByMarkAlone(t *testing.T) {
	dir := newManned("a", 1, "ann")
	s := newSyncer(t, dir, adsync.NewMemoryStore(user("1", 1, "ann", "")), nil)
	for _, want := range []string{"as ever", "from marks"} {
		var selected []adsync.Selection
		if want == "from marks" {
			selected = append(selected, adsync.Since(nil))
		}
		plan, err := s.Plan(t.Context(), selected...)
		require.NoError(t, err)
		assert.Equal(t, []string{want}, *dir.chosen)
		assert.Equal(t, []string{"a"}, plan.Reading.Controllers)
		*dir.chosen = nil
	}
}

// The servers of a Join tell what they can read as without a mark, and each directory that
// has servers is pinned to one.
func TestJoin_OfServersIsInspectedInAPlanByMark(t *testing.T) {
	first, second := newManned("a", 1, "ann"), newManned("b", 2, "bob")
	s := newSyncer(t, adsync.Join(first, second), adsync.NewMemoryStore(user("1", 1, "ann", ""), user("2", 2, "bob", "")), &adsync.Options{Rules: adsync.Rules{OnDeleted: adsync.Keep}})
	plan, err := s.Plan(t.Context(), adsync.Since(nil))
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b"}, plan.Reading.Controllers)
	assert.Equal(t, [][]string{{"from marks"}, {"from marks"}}, [][]string{*first.chosen, *second.chosen})
}

// When a directory of a Join has no other server to go on to, or may not, the plan ends with
// the errors of those it had.
func TestJoin_EndsWithTheServersOfOneDirectory(t *testing.T) {
	errRefused := errors.New("password refused")
	down := func() (adsync.Directory, error) {
		return scripted{find: func(_ []adsync.ObjectID, yield func(adsync.Entry, error) bool) { yield(adsync.Entry{}, errDown) }}, nil
	}
	refused := func() (adsync.Directory, error) { return nil, errRefused }
	for name, test := range map[string]struct {
		open []func() (adsync.Directory, error)
		want []error
	}{
		"no other":         {[]func() (adsync.Directory, error){down}, []error{errDown}},
		"another, refused": {[]func() (adsync.Directory, error){down, refused}, []error{errDown, errRefused}},
		"refused at once":  {[]func() (adsync.Directory, error){refused}, []error{errRefused}},
	} {
		first := newManned("a", 1, "ann")
		first.open = test.open
		s := newSyncer(t, adsync.Join(first, adsync.StaticDirectory{}), adsync.NewMemoryStore(user("1", 1, "ann", "")), nil)
		_, err := s.Plan(t.Context(), adsync.Since(nil))
		require.ErrorIs(t, err, adsync.ErrIncomplete, name)
		for _, want := range test.want {
			require.ErrorIs(t, err, want, name)
		}
		assert.NotContains(t, err.Error(), "no controller to ask", name)
	}
}

// A Join of nothing, or of nobody, is refused by every plan, and begins no reading.
func TestJoin_OfNothingReadsNothing(t *testing.T) {
	for _, dir := range []adsync.Directory{adsync.Join(), adsync.Join(adsync.StaticDirectory{}, nil)} {
		s := newSyncer(t, dir, adsync.NewMemoryStore(user("1", 1, "ann", "")), nil)
		for _, selected := range [][]adsync.Selection{nil, {adsync.Since(nil)}} {
			_, err := s.Plan(t.Context(), selected...)
			require.ErrorIs(t, err, adsync.ErrIncomplete)
			require.ErrorContains(t, err, "Join needs at least one directory")
		}
		_, err := dir.(adsync.Changes).Reading(t.Context())
		require.ErrorContains(t, err, "Join needs at least one directory")
	}
}

// A reading of a Join goes on from a mark of just its own servers, and says what each of them
// says.
func TestJoin_ReadingGoesOnFromItsOwnMark(t *testing.T) {
	one, two := &logbook{controller: "one"}, &logbook{controller: "two"}
	one.set(entry(1, "ann", ""))
	begin := func(dirs ...adsync.Directory) adsync.Reading {
		r, err := adsync.Join(dirs...).(adsync.Changes).Reading(t.Context())
		require.NoError(t, err)
		return r
	}
	both := begin(one, two)
	mark, err := both.Mark(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "one+two", mark.Controller)
	one.set(entry(1, "ann2", ""))
	two.set(entry(2, "bob", ""))
	ids, full, err := both.Since(t.Context(), mark)
	require.NoError(t, err)
	assert.Empty(t, full)
	assert.Equal(t, []adsync.ObjectID{id(1), id(2)}, ids)

	anothers := mark
	anothers.Controller = "one"
	damaged := adsync.DirectoryMark{Controller: mark.Controller, Data: json.RawMessage(`{}`)}
	for _, m := range []adsync.DirectoryMark{anothers, damaged, {}} {
		_, full, err = both.Since(t.Context(), m)
		require.NoError(t, err)
		assert.Equal(t, adsync.NoMarkOfController, full)
	}
	_, full, err = begin(one, two, one).Since(t.Context(), mark)
	require.NoError(t, err)
	assert.Equal(t, adsync.NoMarkOfController, full, "of more than the mark knows")

	two.says = "it was restored"
	ids, full, err = both.Since(t.Context(), mark)
	require.NoError(t, err)
	assert.Empty(t, ids)
	assert.Equal(t, two.says, full)
	two.says, two.failsSince = "", errDown
	_, _, err = both.Since(t.Context(), mark)
	require.ErrorIs(t, err, errDown)
}

// Whoever reads a plan sees which controllers it was made from.
func TestPlan_NamesItsControllers(t *testing.T) {
	for controller, want := range map[string][]string{"": nil, "dc1": {"dc1"}, "dc1, dc2": {"dc1", "dc2"}} {
		dir := inspected{StaticDirectory: adsync.StaticDirectory{entry(1, "ann", "")}, access: adsync.Access{Controller: controller, Tombstones: true}}
		plan, err := newSyncer(t, dir, adsync.NewMemoryStore(user("1", 1, "ann", "")), nil).Plan(t.Context())
		require.NoError(t, err)
		assert.Equal(t, want, plan.Reading.Controllers)
	}
}
