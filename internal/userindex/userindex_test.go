package userindex

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func objectID(n int) (id [16]byte) {
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func TestArenaReturnsWhatItWasGiven(t *testing.T) {
	var a Arena
	var want []Record
	for i := range 5000 {
		r := Record{
			ObjectID: objectID(i),
			Flags:    uint8(i),
			Words:    [2]string{fmt.Sprint("source", i%3), fmt.Sprint("status", i%200)},
			Texts:    [7]string{fmt.Sprint(i), "", strings.Repeat("ü", i%300), "a", "", strings.Repeat("x", i%5*1000), "z"},
		}
		want = append(want, r)
		a.Append(&r)
	}
	large := Record{Texts: [7]string{3: strings.Repeat("y", 3*chunkSize)}}
	want = append(want, large)
	a.Append(&large)
	require.Equal(t, len(want), a.Len())
	for i := range want {
		require.Equal(t, want[i], a.Record(i), "record %d", i)
		require.Equal(t, want[i].ObjectID, a.ObjectID(i))
	}
}

func TestArenaReadsWithoutAllocating(t *testing.T) {
	var a Arena
	a.Append(&Record{Words: [2]string{"ad", "active"}, Texts: [7]string{"1", "anna", "Anna", "Berg", "anna@x", "+1", ""}})
	var sink Record
	assert.Zero(t, testing.AllocsPerRun(100, func() { sink = a.Record(0) }))
	assert.Equal(t, "anna@x", sink.Texts[4])
}

func TestLinks(t *testing.T) {
	const n = 3000
	rows := make([][16]byte, n)
	for i := range rows {
		rows[i] = objectID(i % 1000)
	}
	for _, room := range []int{0, n} {
		l := NewLinks(room, func(row int) [16]byte { return rows[row] })
		assert.False(t, l.HasTwins())
		for row := range rows {
			require.Equal(t, row >= 1000, l.Add(row))
		}
		assert.True(t, l.HasTwins())
		for i := range 1000 {
			first, ok := l.First(objectID(i))
			require.True(t, ok)
			require.Equal(t, i, first)
			require.Equal(t, []uint32{uint32(i + 1000), uint32(i + 2000)}, l.Twins(first))
		}
		_, ok := l.First(objectID(n))
		assert.False(t, ok)
	}
}

// Hashes that collide in the half that a slot keeps must not confuse rows.
func TestLinksCompareTheRows(t *testing.T) {
	rows := [][16]byte{objectID(1), objectID(2)}
	l := NewLinks(2, func(row int) [16]byte { return rows[row] })
	l.Add(0)
	const hash = 7 << 32
	l.slots = make([]slot, len(l.slots))
	l.slots[home(hash>>32, len(l.slots))] = slotOf(0, hash)
	assert.Equal(t, home(hash>>32, len(l.slots)), l.find(rows[0], hash))
	assert.Equal(t, home(hash>>32, len(l.slots))+1, l.find(rows[1], hash))
}

func TestSharedFindsAllThatMatters(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		k := NewKeys(0)
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
				assert.Subset(t, shared, rows, "rows of %q", text)
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

func TestSharedLeavesTheRestAlone(t *testing.T) {
	k := NewKeys(100_000)
	for row := range 100_000 {
		k.Add(k.Hash([]byte(fmt.Sprint(row))))
	}
	assert.Less(t, len(k.Shared(nil)), 100, "of unique keys, only those whose hashes collide")
}

func TestNoKeyIsNotShared(t *testing.T) {
	k := NewKeys(0)
	k.Add(k.Hash(nil))
	k.Add(k.Hash([]byte{}))
	assert.Empty(t, k.Shared([]uint32{0}))
}
