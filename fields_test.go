package adsync_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// tellsOnly is a directory that tells these details.
type tellsOnly struct {
	adsync.StaticDirectory
	fields []adsync.Field
}

func (d tellsOnly) Traits() adsync.Traits { return adsync.Traits{Fields: d.fields} }

// A store that names nothing holds the five details, so any of them may be chosen, by the
// rules or by what the directory tells.
func TestFields_OfAStoreThatNamesNone(t *testing.T) {
	people := adsync.StaticDirectory{{ObjectID: id(1), Profile: adsync.Profile{Username: "ann2", Email: "ann@x", Phone: "+1"}}}
	for name, test := range map[string]struct {
		dir   adsync.Directory
		rules adsync.Rules
		want  []adsync.Field
	}{
		"all that there are":       {people, adsync.Rules{}, []adsync.Field{adsync.FieldUsername, adsync.FieldEmail, adsync.FieldPhone}},
		"chosen by the rules":      {people, adsync.Rules{Fields: []adsync.Field{adsync.FieldPhone}}, []adsync.Field{adsync.FieldPhone}},
		"chosen by what is told":   {tellsOnly{people, []adsync.Field{adsync.FieldUsername}}, adsync.Rules{}, []adsync.Field{adsync.FieldUsername}},
		"a status beside a detail": {people, adsync.Rules{Fields: []adsync.Field{adsync.FieldEmail, adsync.FieldStatus}}, []adsync.Field{adsync.FieldEmail}},
	} {
		store := bareStore{adsync.NewMemoryStore(user("1", 1, "ann", ""))}
		plan, err := newSyncer(t, test.dir, store, &adsync.Options{Rules: test.rules}).Plan(t.Context())
		require.NoError(t, err, name)
		require.Len(t, plan.Changes, 1, name)
		assert.Equal(t, test.want, plan.Changes[0].Fields, name)
	}
}

// What a store can tell of a status is written in its way, also where the rules name only
// the details; and their own list stays as it is.
func TestFields_TheStatusIsWrittenAsTheStoreHoldsIt(t *testing.T) {
	dir := adsync.StaticDirectory{entry(1, "ann", "")}
	dir[0].Disabled = true
	for want, hide := range map[adsync.Status]func(*adsync.MemoryStore) adsync.UserStore{
		adsync.StatusInactive:    func(s *adsync.MemoryStore) adsync.UserStore { return twoValued{s} },
		adsync.StatusDeactivated: func(s *adsync.MemoryStore) adsync.UserStore { return s },
	} {
		fields := append(make([]adsync.Field, 0, 4), adsync.FieldUsername)
		store := adsync.NewMemoryStore(user("1", 1, "ann", ""))
		opts := &adsync.Options{Rules: adsync.Rules{Fields: fields, OnDisabled: adsync.Deactivate}}
		report, err := newSyncer(t, dir, hide(store), opts).Sync(t.Context())
		require.NoError(t, err)
		require.NoError(t, report.Err())
		ann, _ := store.Get("1")
		assert.Equal(t, want, ann.Status)
		assert.Equal(t, want == adsync.StatusDeactivated, ann.DeactivatedAt != 0, want)
		assert.Equal(t, []adsync.Field{adsync.FieldUsername, "", "", ""}, fields[:4])
	}
}
