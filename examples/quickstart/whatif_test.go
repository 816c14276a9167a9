package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

func TestWhatIf_ComparesAndWritesNothing(t *testing.T) {
	w := newWorld(t)
	before := w.rows(t)

	got := w.run(t, "-what-if", "(sAMAccountName=zschroeder)")
	assert.Equal(t, exitChanges, got.code, got.stderr)
	assert.Empty(t, got.stderr)
	assert.Contains(t, got.stdout, "Plan a: 40 of 42 users are managed, 40 are chosen, 34 were found in the directory.\n")
	assert.Contains(t, got.stdout, "Plan b: 40 of 42 users are managed, 40 are chosen, 1 were found in the directory.\n")
	assert.Contains(t, got.stdout, "leaves: nothing to do → kept: outside the base or filter")
	assert.NotContains(t, got.stdout, "- 101", "the filter lists her")
	assert.NotContains(t, got.stdout, "- 107", "whoever is deleted is deleted in both")
	assert.Contains(t, got.stdout, "33 leave, 0 enter, 0 clash, 0 no longer clash, 0 change,")
	assert.Equal(t, before, w.rows(t))

	same := w.run(t, "-what-if", "(sAMAccountType=805306368)", "-what-if-base", w.people)
	assert.Equal(t, exitDone, same.code, same.stderr)
	assert.Contains(t, same.stdout, "Both plans do the same.")

	bad := w.run(t, "-what-if", "(mail=")
	assert.Equal(t, exitError, bad.code)
	assert.Empty(t, bad.stdout)
	nowhere := w.run(t, "-what-if-base", "OU=Nowhere,"+w.people, "-import")
	assert.Equal(t, exitError, nowhere.code)
	assert.Contains(t, nowhere.stderr, "with -what-if: adsync: ")
	assert.Equal(t, before, w.rows(t))
}

func TestWhatIf_KeepsTheOtherFlags(t *testing.T) {
	w := newWorld(t)
	narrow := []string{"-filter", "(sAMAccountName=zschroeder)", "-json"}

	wider := w.run(t, append(narrow, "-import", "-what-if", "(sAMAccountType=805306368)")...)
	require.Equal(t, exitChanges, wider.code, wider.stderr)
	var comparison adsync.Comparison
	decode(t, wider.stdout, &comparison)
	assert.Equal(t, 33, comparison.Counts[adsync.KindEnters]-1, "and Bjarki, who is new")
	assert.Zero(t, comparison.Counts[adsync.KindLeaves])

	base := w.run(t, append(narrow, "-what-if-base", w.offices["Lagos"])...) // where she does not work
	require.Equal(t, exitChanges, base.code, base.stderr)
	var leaves adsync.Comparison
	decode(t, base.stdout, &leaves)
	require.Len(t, leaves.Differences, 1, "the filter stays")
	assert.Equal(t, "101", leaves.Differences[0].UserID)
	assert.Equal(t, adsync.KindLeaves, leaves.Differences[0].Kind)

	one := w.run(t, "-json", "-only", "102", "-what-if", "(mail=nobody)")
	require.Equal(t, exitChanges, one.code, one.stderr)
	var chosen adsync.Comparison
	decode(t, one.stdout, &chosen)
	require.Len(t, chosen.Differences, 1)
	assert.Equal(t, "102", chosen.Differences[0].UserID)
}

func TestWhatIf_InTheDemonstration(t *testing.T) {
	got := runWith(t.Context(), "-what-if-base", "OU=Reykjavík,OU=People,DC=corp,DC=example")
	assert.Equal(t, exitChanges, got.code, got.stderr)
	assert.Contains(t, got.stdout, "leaves: nothing to do → kept: outside the base or filter")
}

func TestWhatIf_ExcludesWhatIsNoSync(t *testing.T) {
	directory := []string{"-url", "ldaps://dc1.corp.example", "-what-if", "(mail=*)"}
	for _, args := range [][]string{
		{"-check"}, {"-first-day"}, {"-adopt"}, {"-adopt", "-only", "1"}, {"-find", "x"}, {"-import-group", "x"},
		{"-undo", "x"}, {"-explain", "1"}, {"-import", "-only", "1"},
	} {
		got := runWith(t.Context(), append(directory, args...)...)
		assert.Equal(t, exitUsage, got.code, args)
		assert.Contains(t, got.stderr, "exclude each other", args)
	}
}
