package adsync

import (
	"context"
	"time"
)

// ReadInSteps has both sides read in steps that small worlds have several of.
func (s *Syncer) ReadInSteps(users, entries, early int) {
	s.steps.users, s.steps.entries, s.steps.early = users, entries, early
}

// LookUpInTurns has a plan by mark look more accounts up so many times at most.
func (s *Syncer) LookUpInTurns(n int) { s.steps.turns = n }

// Phase begins a phase and ends it.
func (o *Options) Phase(ctx context.Context, p Phase) {
	var err error
	_, span := o.begin(ctx, p)
	defer span.done(&err)
	span.count(1)
}

// SetClock has the host's clock show another time.
func (s *Syncer) SetClock(now func() time.Time) { s.now = now }

// SetClock has the store's clock show another time.
func (s *MemoryStore) SetClock(now func() time.Time) { s.now = now }
