package adsync

// ReadInSteps has both sides read in steps that small worlds have several of.
func (s *Syncer) ReadInSteps(users, entries, early int) {
	s.steps = steps{users: users, entries: entries, early: early}
}
