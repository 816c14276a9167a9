package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/go-adsync/adsync"
)

// compareScopes prints who would enter, leave, clash or change with the filter and base of
// -what-if, compared with those of today. It plans twice and writes nothing.
func (j *job) compareScopes(ctx context.Context) (int, error) {
	today, err := j.plan(ctx)
	if err != nil {
		return exitError, err
	}
	other, err := j.inOtherScope()
	if err != nil {
		return exitError, err
	}
	then, err := other.plan(ctx)
	if err != nil {
		return exitError, fmt.Errorf("quickstart: with -what-if: %w", err)
	}
	comparison, err := adsync.Compare(today, then)
	if err != nil {
		return exitError, err
	}
	if err := j.out.comparison(comparison); err != nil {
		return exitError, err
	}
	if len(comparison.Differences) > 0 {
		return exitChanges, nil
	}
	return exitDone, nil
}

// inOtherScope is the same job over the part of the directory that -what-if names.
func (j *job) inOtherScope() (*job, error) {
	directory, err := j.sides.narrowed(cmp.Or(j.whatIfBase, j.base), cmp.Or(j.whatIf, j.filter))
	if err != nil {
		return nil, err
	}
	sides := *j.sides
	sides.directory = directory
	syncer, err := adsync.New(directory, sides.store, j.options(&sides, j.out))
	if err != nil {
		return nil, err
	}
	other := *j
	other.sides, other.syncer = &sides, syncer
	return &other, nil
}
