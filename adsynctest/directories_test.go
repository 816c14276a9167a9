package adsynctest_test

import (
	"context"
	"fmt"
	"iter"

	"github.com/go-adsync/adsync"
)

func dirID(n byte) adsync.ObjectID { return adsync.ObjectID{15: n} }

func dirEntry(n byte, state adsync.State) adsync.Entry {
	return adsync.Entry{ObjectID: dirID(n), Profile: adsync.Profile{Username: fmt.Sprintf("u%d", n)}, State: state}
}

func fails(err error) iter.Seq2[adsync.Entry, error] {
	return func(yield func(adsync.Entry, error) bool) { yield(adsync.Entry{}, err) }
}

func yields(entries ...adsync.Entry) iter.Seq2[adsync.Entry, error] {
	return func(yield func(adsync.Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func collect(sequence iter.Seq2[adsync.Entry, error]) (entries []adsync.Entry, err error) {
	for e, err := range sequence {
		if err != nil {
			return entries, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

type directoryFuncs struct {
	entries func(context.Context) iter.Seq2[adsync.Entry, error]
	find    func(context.Context, []adsync.ObjectID) iter.Seq2[adsync.Entry, error]
}

func (d directoryFuncs) Entries(ctx context.Context) iter.Seq2[adsync.Entry, error] {
	return d.entries(ctx)
}

func (d directoryFuncs) Find(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	return d.find(ctx, ids)
}
