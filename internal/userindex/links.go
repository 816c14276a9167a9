package userindex

import (
	"hash/maphash"
	"math/bits"
)

// Links finds rows by ObjectID. Rows only leave their hashes until the next
// question; then they go at once into an open-addressing table, at most two thirds
// full, of four bytes a slot. A slot is the row's number plus one in the low bits,
// as many as the table's size has, and the hash's upper bits above: so the rows
// themselves are only asked when it is nearly certain that the answer is yes.
type Links struct {
	objectID func(row int) [16]byte
	seed     maphash.Seed
	hashes   list[uint32]        // by row; 0: not entered
	slots    []uint32            // 0: empty
	rowBits  uint32              // of a slot
	entered  int                 // rows that the table knows
	stale    bool                // it does not know all
	twins    map[uint32][]uint32 // by the first row of an ObjectID: the later ones
	later    []uint64            // by row, a bit each: an earlier row has the same ObjectID
	next     int                 // behind the row found last
	inOrder  bool                // that row was behind the one found before it
	touched  uint32
}

// NewLinks returns empty Links for the rows whose ObjectIDs objectID gives.
func NewLinks(objectID func(row int) [16]byte) *Links {
	return &Links{objectID: objectID, seed: maphash.MakeSeed(), stale: true}
}

// Add enters a row and its ObjectID. Rows come in ascending order; some may be left
// out.
func (l *Links) Add(row int, id [16]byte) {
	for l.hashes.len() < row {
		l.hashes.add(0)
	}
	l.hashes.add(l.hash(id))
	l.stale = true
}

// First returns the first row entered that has the ObjectID. Two sides often come
// in one order: while they do, the row behind the one found last is tried before
// the table, which is much further away.
func (l *Links) First(id [16]byte) (row int, ok bool) {
	l.ready()
	if l.inOrder && l.isFirst(l.next) && l.objectID(l.next) == id {
		l.next++
		return l.next - 1, true
	}
	row = l.rowOf(l.slots[l.find(id, l.hash(id))])
	if row < 0 {
		return 0, false
	}
	l.inOrder, l.next = row == l.next, row+1
	return row, true
}

// InOrder reports whether the rows found last were one behind the other, so that
// there is no need to Touch anything.
func (l *Links) InOrder() bool { return l.inOrder }

// Batch is how much of the table is asked for at a time.
const Batch = 64

// Touch reads all that First will look at for up to Batch ObjectIDs, and then has
// each of the functions read what they know of each row that First will nearly
// certainly find. Reads that do not depend on each other are served concurrently, so all
// of it is in the cache when First and what follows it would otherwise wait for one row
// after the other.
func (l *Links) Touch(ids [][16]byte, touches ...func(row int) byte) {
	var buffer [Batch]int
	rows := l.likely(buffer[:0], ids)
	touched := byte(0)
	for _, row := range rows {
		touched |= l.objectID(row)[0]
	}
	for _, touch := range touches {
		for _, row := range rows {
			touched |= touch(row)
		}
	}
	l.touched = uint32(touched) // the compiler would otherwise leave the reading out
}

// likely appends the rows whose slots seem to have the hashes of the ObjectIDs.
func (l *Links) likely(rows []int, ids [][16]byte) []int {
	l.ready()
	var hashes [Batch]uint32
	for i, id := range ids {
		hashes[i] = l.hash(id)
	}
	l.touch(hashes[:len(ids)])
	for _, hash := range hashes[:len(ids)] {
		if s := l.slots[l.probe(l.home(hash), hash)]; s != 0 {
			rows = append(rows, l.rowOf(s))
		}
	}
	return rows
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

// isFirst reports whether the row was entered, before any other with its ObjectID.
func (l *Links) isFirst(row int) bool {
	return row < l.hashes.len() && l.hashes.at(row) != 0 && !l.isLater(row)
}

func (l *Links) isLater(row int) bool {
	return row/64 < len(l.later) && l.later[row/64]&(1<<(row%64)) != 0
}

// ready sees to it that the table knows all rows.
func (l *Links) ready() {
	if l.stale {
		l.grow(sizeFor(l.hashes.len()))
		l.enterAll()
		l.stale = false
	}
}

// grow makes a new table if this one is too small.
func (l *Links) grow(size int) {
	if size <= len(l.slots) {
		return
	}
	l.slots = make([]uint32, size)
	l.rowBits = uint32(size - 1)
	l.twins, l.later, l.entered = nil, nil, 0
}

func (l *Links) enterAll() {
	for l.entered < l.hashes.len() {
		hashes := l.hashes.from(l.entered, Batch)
		l.touch(hashes)
		for _, hash := range hashes {
			if hash != 0 {
				l.enter(l.entered, hash)
			}
			l.entered++
		}
	}
}

// sizeFor is the smallest power of two that n rows fill to two thirds at most.
func sizeFor(n int) int { return 1 << bits.Len(uint(n+n/2+8)) }

// touch reads the slots where the searches begin, and makes nothing of them. As no
// reading waits for another, the processor has many in flight at a time.
func (l *Links) touch(hashes []uint32) {
	touched := uint32(0)
	for _, hash := range hashes {
		touched |= l.slots[l.home(hash)]
	}
	l.touched = touched // the compiler would otherwise leave the reading out
}

// enter puts the row into the table, unless an earlier one has its ObjectID.
func (l *Links) enter(row int, hash uint32) {
	i := l.probe(l.home(hash), hash)
	for ; l.slots[i] != 0; i = l.probe(l.behind(i), hash) {
		if first := l.rowOf(l.slots[i]); l.objectID(first) == l.objectID(row) {
			l.addTwin(first, row)
			return
		}
	}
	l.slots[i] = hash&^l.rowBits | uint32(row+1)
}

func (l *Links) addTwin(first, row int) {
	if l.twins == nil {
		l.twins = map[uint32][]uint32{}
	}
	if missing := row/64 + 1 - len(l.later); missing > 0 {
		l.later = append(l.later, make([]uint64, missing)...)
	}
	l.twins[uint32(first)] = append(l.twins[uint32(first)], uint32(row))
	l.later[row/64] |= 1 << (row % 64)
}

// find is the slot where the ObjectID is, or the empty one where it would be.
func (l *Links) find(id [16]byte, hash uint32) uint32 {
	i := l.probe(l.home(hash), hash)
	for l.slots[i] != 0 && l.objectID(l.rowOf(l.slots[i])) != id {
		i = l.probe(l.behind(i), hash)
	}
	return i
}

// probe is the slot, from i on, that is empty or seems to have the hash.
func (l *Links) probe(i, hash uint32) uint32 {
	for l.slots[i] != 0 && (l.slots[i]^hash)&^l.rowBits != 0 {
		i = l.behind(i)
	}
	return i
}

// home is where the search for the hash begins. The table's size is a power of two.
func (l *Links) home(hash uint32) uint32 { return hash >> 1 & uint32(len(l.slots)-1) }

func (l *Links) behind(i uint32) uint32 { return (i + 1) & uint32(len(l.slots)-1) }

// rowOf is the row in a slot; -1 if it is empty.
func (l *Links) rowOf(slot uint32) int { return int(slot&l.rowBits) - 1 }

// hash is never 0, which means that there is none.
func (l *Links) hash(id [16]byte) uint32 { return uint32(maphash.Bytes(l.seed, id[:])) | 1 }
