package userindex

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestShared_FindsAllThatMatters(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		k := NewKeys()
		texts := make([]string, r.IntN(500))
		holders := map[string][]uint32{}
		for row := range texts {
			texts[row] = fmt.Sprint(r.IntN(400))
			if r.IntN(10) == 0 {
				texts[row] = ""
			}
			k.Add(k.Hash([]byte(texts[row])))
			if texts[row] != "" {
				holders[texts[row]] = append(holders[texts[row]], uint32(row))
			}
		}
		askedFor := map[string]bool{fmt.Sprint(r.IntN(400)): true, "nobody's": true}
		var asked []uint32
		for text := range askedFor {
			asked = append(asked, k.Hash([]byte(text)))
		}
		shared := k.Shared(asked)
		assert.IsIncreasing(t, append([]uint32{0}, addOne(shared)...))
		for text, rows := range holders {
			if len(rows) > 1 || askedFor[text] {
				for _, row := range rows {
					if !slices.Contains(shared, row) {
						t.Fatalf("row %d of %q", row, text)
					}
				}
			}
		}
		assert.LessOrEqual(t, len(shared), len(texts))
	}
}

func addOne(rows []uint32) []uint32 {
	out := make([]uint32, len(rows))
	for i, row := range rows {
		out[i] = row + 1
	}
	return out
}

func TestShared_LeavesTheRestAlone(t *testing.T) {
	k := NewKeys()
	for row := range 100_000 {
		k.Add(k.Hash([]byte(fmt.Sprint(row))))
	}
	assert.Less(t, len(k.Shared(nil)), 100, "of unique keys, only those whose hashes collide")
}

// An office has one address, and as many users as a byte can count, or more.
func TestShared_ByManyHolders(t *testing.T) {
	for _, n := range []int{2, 3, 254, 255, 256, 257, 512, 513} {
		k := NewKeys()
		for range n {
			k.Add(k.Hash([]byte("office")))
		}
		k.Add(k.Hash([]byte("another")))
		assert.Len(t, k.Shared(nil), n)
		assert.Len(t, k.Shared([]uint32{k.Hash([]byte("office"))}), n, "also asked for")
	}
}

func TestKeys_HaveWhatWasEntered(t *testing.T) {
	k := NewKeys()
	k.Add(k.Hash([]byte("anna")))
	k.Add(k.Hash(nil))
	assert.True(t, k.Has(0))
	assert.False(t, k.Has(1))
	assert.Equal(t, byte(k.Hash([]byte("anna"))), k.Touch(0))
	assert.Equal(t, k.Hash([]byte("anna")), k.Hash([]byte("anna")))
	assert.NotEqual(t, k.Hash([]byte("anna")), NewKeys().Hash([]byte("anna")), "a seed of its own")
}

// The suspects are few, since each of them is counted in a map.
func TestSuspects_AreFew(t *testing.T) {
	k := NewKeys()
	for row := range 10_000 {
		k.Add(k.Hash([]byte(fmt.Sprint(row))))
	}
	asked := []uint32{k.Hash([]byte("7"))}
	assert.Equal(t, asked[0], k.suspects(asked)[0])
	assert.Less(t, len(k.suspects(nil)), 2000, "one of sixteen at most seems to be another")
}

func TestBitmap_IsTheLeastPowerOfTwo(t *testing.T) {
	for n, words := range map[int]int{0: 1, 1: 1, 64: 1, 65: 2, 128: 2, 129: 4, 1 << 20: 1 << 14} {
		b := newBitmap(n)
		assert.Len(t, b.words, words, "%d bits", n)
		b.set(7)
		assert.True(t, b.has(7))
		assert.False(t, b.has(9))
	}
}

func TestShared_NoKeyIsNotShared(t *testing.T) {
	k := NewKeys()
	k.Add(k.Hash(nil))
	k.Add(k.Hash([]byte{}))
	assert.Empty(t, k.Shared([]uint32{0}))
}
