package sqlstore

import (
	"sync"
	"time"
)

// spellingFor is how long a reading of all users counts as recent: a run takes
// minutes, and reads them first.
const spellingFor = 15 * time.Minute

// spelling remembers whether objectGUIDs are spelled as this store spells them, in all
// rows of the table.
type spelling struct {
	mu       sync.Mutex
	ownSince time.Time // when a reading of all users began that saw no other spelling
	foreign  int       // readings that saw others
}

// alone reports whether all users were read lately, and no objectGUID was
// spelled in another way than this store spells it.
func (s *spelling) alone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.ownSince) < spellingFor
}

// startReading is for noteOwn, at the end of a reading that begins now.
func (s *spelling) startReading() (foreign int, start time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.foreign, time.Now()
}

func (s *spelling) noteForeign() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.foreign, s.ownSince = s.foreign+1, time.Time{}
}

// noteOwn notes a reading that began at start, unless another saw other spellings
// since.
func (s *spelling) noteOwn(foreign int, start time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.foreign == foreign {
		s.ownSince = start
	}
}
