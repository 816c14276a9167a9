package userindex

import (
	"hash/maphash"
	"math/bits"
)

// Links finds rows by ObjectID: an open-addressing table, at most two thirds
// full, of eight bytes a slot. A slot holds a row's number and half of its hash,
// so that the rows themselves are only asked when it is nearly certain that the
// answer is yes.
type Links struct {
	objectID func(row int) [16]byte
	seed     maphash.Seed
	slots    []slot
	rows     int
	twins    map[uint32][]uint32 // by the first row of an ObjectID: the later ones
}

// slot is row + 1, or 0 where it is empty, below the hash's upper half.
type slot uint64

func slotOf(row int, hash uint64) slot { return slot(hash&^0xffffffff | uint64(row+1)) }

func (s slot) row() int               { return int(s&0xffffffff) - 1 }
func (s slot) empty() bool            { return s == 0 }
func (s slot) maybe(hash uint64) bool { return uint64(s)>>32 == hash>>32 }
func (s slot) home(size int) int      { return home(uint64(s)>>32, size) }

// home is where in a table of the size (a power of two) the search begins. It
// needs the upper half of the hash only, so that growing asks no row.
func home(upper uint64, size int) int { return int(upper) & (size - 1) }

// NewLinks returns an empty table over the rows that objectID tells of, with room
// for n.
func NewLinks(n int, objectID func(row int) [16]byte) *Links {
	return &Links{objectID: objectID, seed: maphash.MakeSeed(), slots: make([]slot, sizeFor(n))}
}

// sizeFor is the smallest power of two that n rows fill to two thirds at most.
func sizeFor(n int) int { return 1 << bits.Len(uint(n+n/2+8)) }

// Add enters a row and reports whether an earlier one has the same ObjectID.
func (l *Links) Add(row int) (twin bool) {
	if sizeFor(l.rows+1) > len(l.slots) {
		l.grow()
	}
	id := l.objectID(row)
	hash := l.hash(id)
	i := l.find(id, hash)
	if first := l.slots[i]; !first.empty() {
		if l.twins == nil {
			l.twins = map[uint32][]uint32{}
		}
		l.twins[uint32(first.row())] = append(l.twins[uint32(first.row())], uint32(row))
		return true
	}
	l.slots[i] = slotOf(row, hash)
	l.rows++
	return false
}

// First returns the first row entered that has the ObjectID.
func (l *Links) First(id [16]byte) (row int, ok bool) {
	found := l.slots[l.find(id, l.hash(id))]
	return found.row(), !found.empty()
}

// Twins returns the rows entered later than the given first one that have the
// same ObjectID.
func (l *Links) Twins(first int) []uint32 { return l.twins[uint32(first)] }

// HasTwins reports whether any ObjectID has more than one row.
func (l *Links) HasTwins() bool { return len(l.twins) > 0 }

func (l *Links) hash(id [16]byte) uint64 { return maphash.Bytes(l.seed, id[:]) }

// find is the slot where the ObjectID is, or the empty one where it would be.
func (l *Links) find(id [16]byte, hash uint64) int {
	for i := home(hash>>32, len(l.slots)); ; i = (i + 1) & (len(l.slots) - 1) {
		if s := l.slots[i]; s.empty() || s.maybe(hash) && l.objectID(s.row()) == id {
			return i
		}
	}
}

func (l *Links) grow() {
	old := l.slots
	l.slots = make([]slot, 2*len(old))
	for _, s := range old {
		if s.empty() {
			continue
		}
		i := s.home(len(l.slots))
		for !l.slots[i].empty() {
			i = (i + 1) & (len(l.slots) - 1)
		}
		l.slots[i] = s
	}
}
