package userindex

import "hash/maphash"

// Links finds rows by ObjectID. It keeps row numbers only and asks the rows for
// the rest: an open-addressing table, at most half full.
type Links struct {
	objectID func(row int) [16]byte
	seed     maphash.Seed
	slots    []uint32 // row + 1; 0: empty
	rows     int
	twins    map[uint32][]uint32 // by the first row of an ObjectID: the later ones
}

// NewLinks returns an empty table over the rows that objectID tells of.
func NewLinks(objectID func(row int) [16]byte) *Links {
	return &Links{objectID: objectID, seed: maphash.MakeSeed(), slots: make([]uint32, 16)}
}

// Add enters a row.
func (l *Links) Add(row int) {
	if 2*(l.rows+1) > len(l.slots) {
		l.grow()
	}
	id := l.objectID(row)
	slot := l.slot(id)
	if first := l.slots[slot]; first != 0 {
		if l.twins == nil {
			l.twins = map[uint32][]uint32{}
		}
		l.twins[first-1] = append(l.twins[first-1], uint32(row))
		return
	}
	l.slots[slot] = uint32(row) + 1
	l.rows++
}

// First returns the first row entered that has the ObjectID.
func (l *Links) First(id [16]byte) (row int, ok bool) {
	found := l.slots[l.slot(id)]
	return int(found) - 1, found != 0
}

// Twins returns the rows entered later than the given first one that have the
// same ObjectID.
func (l *Links) Twins(first int) []uint32 { return l.twins[uint32(first)] }

// HasTwins reports whether any ObjectID has more than one row.
func (l *Links) HasTwins() bool { return len(l.twins) > 0 }

// slot is where the ObjectID is, or where it would be.
func (l *Links) slot(id [16]byte) int {
	mask := len(l.slots) - 1
	for i := int(maphash.Bytes(l.seed, id[:])) & mask; ; i = (i + 1) & mask {
		if found := l.slots[i]; found == 0 || l.objectID(int(found)-1) == id {
			return i
		}
	}
}

func (l *Links) grow() {
	old := l.slots
	l.slots = make([]uint32, 2*len(old))
	for _, row := range old {
		if row != 0 {
			l.slots[l.slot(l.objectID(int(row)-1))] = row
		}
	}
}
