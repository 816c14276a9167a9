package userindex

import (
	"hash/maphash"
	"math/bits"
)

// Links finds rows by ObjectID. Rows only leave their hashes until the first
// question; then all go at once into an open-addressing table, at most two thirds
// full, of four bytes a slot. A slot is the row's number plus one in the low bits,
// as many as the largest needs, and the hash's upper bits above: so the rows
// themselves are only asked when it is nearly certain that the answer is yes.
type Links struct {
	objectID func(row int) [16]byte
	seed     maphash.Seed
	hashes   []uint32            // by row; 0: not entered
	slots    []uint32            // 0: empty; nil: to be built
	rowBits  uint32              // of a slot
	twins    map[uint32][]uint32 // by the first row of an ObjectID: the later ones
	later    []uint64            // by row, a bit each: an earlier row has the same ObjectID; nil: none
	next     int                 // behind the row found last
	inOrder  bool                // the row found last was behind the one before
	touched  uint32
}

// NewLinks returns no links of the rows that objectID tells of, with room for n.
func NewLinks(n int, objectID func(row int) [16]byte) *Links {
	return &Links{objectID: objectID, seed: maphash.MakeSeed(), hashes: make([]uint32, 0, n)}
}

// Add enters a row and its ObjectID. Rows come in ascending order; some may be left out.
func (l *Links) Add(row int, id [16]byte) {
	for len(l.hashes) < row {
		l.hashes = append(l.hashes, 0)
	}
	l.hashes = append(l.hashes, l.hash(id))
	l.slots = nil
}

// First returns the first row entered that has the ObjectID. Two sides often come
// in one order: so the row behind the one found last is tried before the table,
// which is several times as far away.
func (l *Links) First(id [16]byte) (row int, ok bool) {
	l.ready()
	if l.inOrder && l.next < len(l.hashes) && l.hashes[l.next] != 0 && l.objectID(l.next) == id && !l.isLater(l.next) {
		l.next++
		return l.next - 1, true
	}
	s := l.slots[l.find(id, l.hash(id))]
	if s == 0 {
		return 0, false
	}
	row = l.rowOf(s)
	l.inOrder, l.next = row == l.next, row+1
	return row, true
}

// FirstOf returns the first row that has the ObjectID of the given one.
func (l *Links) FirstOf(row int) int {
	l.ready()
	if l.isLater(row) {
		row, _ = l.First(l.objectID(row))
	}
	return row
}

// Twins returns the rows entered later than the given first one that have the
// same ObjectID.
func (l *Links) Twins(first int) []uint32 {
	l.ready()
	return l.twins[uint32(first)]
}

// HasTwins reports whether any ObjectID has more than one row.
func (l *Links) HasTwins() bool {
	l.ready()
	return len(l.twins) > 0
}

// hash is never 0, which means that there is none.
func (l *Links) hash(id [16]byte) uint32 { return uint32(maphash.Bytes(l.seed, id[:])) | 1 }

// find is the slot where the ObjectID is, or the empty one where it would be.
func (l *Links) find(id [16]byte, hash uint32) uint32 {
	last := uint32(len(l.slots) - 1)
	for i := hash >> 1 & last; ; i = (i + 1) & last {
		if s := l.slots[i]; s == 0 || (s^hash)&^l.rowBits == 0 && l.objectID(l.rowOf(s)) == id {
			return i
		}
	}
}

func (l *Links) rowOf(slot uint32) int { return int(slot&l.rowBits) - 1 }

func (l *Links) isLater(row int) bool {
	return row/64 < len(l.later) && l.later[row/64]&(1<<(row%64)) != 0
}

// ready sees to it that there is a table of all rows.
func (l *Links) ready() {
	if l.slots == nil {
		l.build()
	}
}

// batch is how many slots are asked for at a time.
const batch = 64

func (l *Links) build() {
	n := len(l.hashes)
	l.slots = make([]uint32, sizeFor(n))
	l.rowBits = 1<<bits.Len(uint(n)) - 1
	l.twins, l.later = nil, nil
	for start := 0; start < n; start += batch {
		hashes := l.hashes[start:min(start+batch, n)]
		l.touch(hashes)
		for i, hash := range hashes {
			if hash != 0 {
				l.enter(start+i, hash)
			}
		}
	}
}

// touch reads the slots where the search for the hashes begins, and makes nothing
// of them. Memory delivers them side by side, where the searches would wait for
// one after the other.
func (l *Links) touch(hashes []uint32) {
	last, touched := uint32(len(l.slots)-1), uint32(0)
	for _, hash := range hashes {
		touched |= l.slots[hash>>1&last]
	}
	l.touched = touched // or else the compiler would leave the reading out
}

// sizeFor is the smallest power of two that n rows fill to two thirds at most.
func sizeFor(n int) int { return 1 << bits.Len(uint(n+n/2+8)) }

func (l *Links) enter(row int, hash uint32) {
	last := uint32(len(l.slots) - 1)
	for i := hash >> 1 & last; ; i = (i + 1) & last {
		s := l.slots[i]
		if s == 0 {
			l.slots[i] = hash&^l.rowBits | uint32(row+1)
			return
		}
		if (s^hash)&^l.rowBits == 0 && l.objectID(l.rowOf(s)) == l.objectID(row) {
			l.addTwin(l.rowOf(s), row)
			return
		}
	}
}

func (l *Links) addTwin(first, row int) {
	if l.twins == nil {
		l.twins = map[uint32][]uint32{}
		l.later = make([]uint64, len(l.hashes)/64+1)
	}
	l.twins[uint32(first)] = append(l.twins[uint32(first)], uint32(row))
	l.later[row/64] |= 1 << (row % 64)
}
