package userindex

import (
	"hash/maphash"
	"math/bits"
)

// Keys knows a hash of the key of each row, four bytes a row, and tells which
// rows a closer look is due to. Hashes only narrow the search: the caller
// compares the keys themselves.
type Keys struct {
	seed   maphash.Seed
	hashes list[uint32] // by row; 0: no key
}

// NewKeys returns Keys of no rows, with a seed of its own so that nobody can make
// keys whose hashes collide.
func NewKeys() *Keys { return &Keys{seed: maphash.MakeSeed()} }

// Hash returns the hash of a folded key; an empty one is no key, and 0.
func (k *Keys) Hash(folded []byte) uint32 {
	if len(folded) == 0 {
		return 0
	}
	return uint32(maphash.Bytes(k.seed, folded)) | 1
}

// Add enters the next row.
func (k *Keys) Add(hash uint32) { k.hashes.add(hash) }

// Has reports whether the row has a key.
func (k *Keys) Has(row int) bool { return k.hashes.at(row) != 0 }

// Touch reads what Has will look at.
func (k *Keys) Touch(row int) byte { return byte(k.hashes.at(row)) }

// Shared returns the rows, in ascending order, whose hash another row has too or
// is among those asked for.
func (k *Keys) Shared(asked []uint32) []uint32 {
	if k.hashes.len() == 0 {
		return nil
	}
	suspects := k.suspects(asked)
	count := make(map[uint32]uint8, len(suspects)) // up to two: shared, or asked for
	for _, h := range suspects {
		count[h] = 0
	}
	for _, h := range asked {
		count[h] = 1
	}
	filter := newBitmap(16 * len(count))
	for h := range count {
		filter.set(h)
	}
	var rows []uint32
	for row, h := range k.hashes.all() {
		if h != 0 && filter.has(h) {
			if n, ok := count[h]; ok {
				count[h] = min(n+1, 2)
				rows = append(rows, uint32(row))
			}
		}
	}
	kept := rows[:0]
	for _, row := range rows {
		if count[k.hashes.at(int(row))] > 1 {
			kept = append(kept, row)
		}
	}
	return kept
}

// suspects returns the hashes that may be some other row's too. It passes once
// over the rows with a bitmap that stays in the cache, where a table of all keys
// would not.
func (k *Keys) suspects(asked []uint32) []uint32 {
	seen := newBitmap(16 * k.hashes.len())
	suspects := append([]uint32(nil), asked...)
	for _, h := range k.hashes.all() {
		if h == 0 {
			continue
		}
		if seen.has(h) {
			suspects = append(suspects, h)
		}
		seen.set(h)
	}
	return suspects
}

// bitmap is a set of hashes that may claim too many: those that share their low
// bits with a member.
type bitmap struct {
	words []uint64
	mask  uint32
}

// newBitmap returns a bitmap of at least n bits, up to one for each hash.
func newBitmap(n int) bitmap {
	size := uint64(1) << bits.Len(uint(max(n, 64)-1))
	size = min(size, 1<<32)
	return bitmap{words: make([]uint64, size/64), mask: uint32(size - 1)}
}

func (b *bitmap) set(h uint32)      { b.words[(h>>1&b.mask)/64] |= 1 << (h >> 1 & b.mask % 64) }
func (b *bitmap) has(h uint32) bool { return b.words[(h>>1&b.mask)/64]&(1<<(h>>1&b.mask%64)) != 0 }
