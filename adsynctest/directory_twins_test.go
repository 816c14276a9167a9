package adsynctest_test

import (
	"context"
	"iter"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
)

// Accounts that share an ObjectID are told by one answer or by several, and each is one of
// those that are listed. Whoever is there a single time is told once.
func TestCheckDirectory_TakesSeveralAnswersForAccountsThatShareAnID(t *testing.T) {
	twin := dirEntry(1, "")
	twin.Username = "twin"
	outside, another := dirEntry(3, adsync.StateOutOfScope), dirEntry(3, adsync.StateOutOfScope)
	another.Disabled = true
	static := adsync.StaticDirectory{dirEntry(1, ""), dirEntry(2, ""), twin, outside, another}
	assert.NoError(t, adsynctest.CheckDirectory(t.Context(), static, static...))
	assert.NoError(t, adsynctest.CheckDirectory(t.Context(), adsync.Join(static, static[:1]), static...))
	assert.NoError(t, adsynctest.CheckDirectory(t.Context(), static, twin, dirEntry(2, "")), "one of them will do")
	first := directoryFuncs{static.Entries, func(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
		return static[:2].Find(ctx, ids)
	}}
	assert.NoError(t, adsynctest.CheckDirectory(t.Context(), first), "and so will one answer")

	another.ObjectID, another.State = dirID(1), ""
	for duty, test := range map[string]struct {
		dir  adsync.Directory
		want []adsync.Entry
	}{
		"Find answers for an account that is listed several times: it has no answer for " + dirID(1).String(): {
			dir: directoryFuncs{static.Entries, changed(static.Find, func(found []adsync.Entry) []adsync.Entry {
				if len(found) > 0 && found[0].ObjectID == dirID(1) {
					return nil
				}
				return found
			})}},
		"Find answers for an account that is listed several times: " + dirID(1).String() + " is told as none of those that are listed": {
			dir: directoryFuncs{static.Entries, append(static[:2:2], another).Find}},
		"Find gives the entries wanted their state: none of several answers for " + dirID(1).String() + " is as wanted": {
			dir: static, want: []adsync.Entry{another}},
		"Find gives the entries wanted their state: it answers more than once for " + dirID(3).String(): {
			dir: static, want: []adsync.Entry{outside}},
	} {
		t.Run(duty, func(t *testing.T) {
			assert.ErrorContains(t, adsynctest.CheckDirectory(t.Context(), test.dir, test.want...), "adsync: CheckDirectory: "+duty)
		})
	}
}
