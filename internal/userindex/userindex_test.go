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

func TestList_KeepsWhatItIsGiven(t *testing.T) {
	for _, n := range []int{0, 1, listChunk - 1, listChunk, listChunk + 1, 3*listChunk + 7} {
		var l list[int]
		for i := range n {
			require.Equal(t, i, l.len())
			l.add(i)
		}
		require.Equal(t, n, l.len())
		seen := 0
		for i, v := range l.all() {
			require.Equal(t, seen, i)
			require.Equal(t, i, v)
			require.Equal(t, i, l.at(i))
			seen++
		}
		require.Equal(t, n, seen)
	}
	for range new(list[int]).all() {
		t.Error("an empty list")
	}
}

func TestArena_ReturnsWhatItWasGiven(t *testing.T) {
	var a Arena
	var want []Record
	for i := range 30_000 {
		r := Record{
			ObjectID: objectID(i),
			Flags:    uint8(i),
			Words:    [2]string{fmt.Sprint("source", i%3), fmt.Sprint("status", i%200)},
			Texts:    [6]string{fmt.Sprint(i), "", strings.Repeat("ü", i%300), "a", strings.Repeat("x", i%5*1000), "z"},
		}
		want = append(want, r)
		a.Append(&r)
	}
	large := Record{Texts: [6]string{3: strings.Repeat("y", 3*chunkSize)}}
	want = append(want, large)
	a.Append(&large)
	require.Equal(t, len(want), a.Len())
	for i := range want {
		require.Equal(t, want[i], a.Record(i), "record %d", i)
		require.Equal(t, want[i].ObjectID, a.ObjectID(i))
	}
}

func TestArena_ReadsWithoutAllocating(t *testing.T) {
	var a Arena
	a.Append(&Record{Words: [2]string{"ad", "active"}, Texts: [6]string{"1", "anna", "Anna", "Berg", "anna@x", "+1"}})
	var sink Record
	assert.Zero(t, testing.AllocsPerRun(100, func() { sink = a.Record(0) }))
	assert.Equal(t, "anna@x", sink.Texts[4])
}

// Whatever the order of rows and questions, and whoever has the same ObjectID, the
// answers are those of a map.
func TestLinks_AnswerAsAMapDoes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		rows := make([][16]byte, 1+r.IntN(300))
		l := NewLinks(func(row int) [16]byte { return rows[row] })
		want := map[[16]byte][]uint32{}
		distinct := 1 + r.IntN(2*len(rows))
		for row := range rows {
			rows[row] = objectID(r.IntN(distinct))
			if r.IntN(20) > 0 { // the others are not entered, though they have the same ObjectIDs
				l.Add(row, rows[row])
				want[rows[row]] = append(want[rows[row]], uint32(row))
			}
			if asked := rows[r.IntN(row+1)]; r.IntN(10) == 0 { // the table grows from question to question
				first, ok := l.First(asked)
				require.Equal(t, len(want[asked]) > 0, ok)
				if ok {
					require.Equal(t, want[asked][0], uint32(first))
					require.Equal(t, want[asked][1:], append([]uint32{}, l.Twins(first)...))
				}
			}
		}
		twins := false
		ask := func(id [16]byte) {
			first, ok := l.First(id)
			require.Equal(t, len(want[id]) > 0, ok)
			if ok {
				require.Equal(t, int(want[id][0]), first)
				require.Equal(t, want[id][1:], append([]uint32{}, l.Twins(first)...))
				twins = twins || len(want[id]) > 1
			}
		}
		for id := range want {
			ask(id)
		}
		require.Equal(t, twins, l.HasTwins())
		for _, id := range rows { // in order, and again where there are twins
			ask(id)
		}
		for i := range 3 * len(rows) { // in order, but for some in between
			ask(rows[i%len(rows)])
			if r.IntN(4) == 0 {
				ask(objectID(r.IntN(distinct + 5)))
			}
		}
		for _, sameID := range want {
			for _, row := range sameID {
				require.Equal(t, int(sameID[0]), l.FirstOf(int(row)))
			}
		}
	}
}

// In order, the table is not searched: whatever it holds.
func TestLinks_TryTheNextRowFirst(t *testing.T) {
	const n = 100
	l := NewLinks(objectID)
	for row := range n {
		l.Add(row, objectID(row))
	}
	l.First(objectID(0))
	l.First(objectID(1))
	clear(l.slots)
	for row := 2; row < n; row++ {
		first, ok := l.First(objectID(row))
		require.True(t, ok)
		require.Equal(t, row, first)
	}
	_, ok := l.First(objectID(n))
	assert.False(t, ok)
}

// The rows that are touched are those that First finds, as long as no hashes collide.
func TestLinks_TouchedRowsAreThoseOfFirst(t *testing.T) {
	const n = 1000
	l := NewLinks(objectID)
	for row := range n {
		l.Add(row, objectID(row))
	}
	var ids [Batch][16]byte
	var want []int
	for i := range ids {
		ids[i] = objectID(17 * i) // some of them beyond n
		if first, ok := l.First(ids[i]); ok {
			want = append(want, first)
		}
	}
	var first, second []int
	note := func(rows *[]int) func(int) byte {
		return func(row int) byte {
			*rows = append(*rows, row)
			return 1
		}
	}
	l.Touch(ids[:], note(&first), note(&second))
	assert.Equal(t, first, second)
	assert.Subset(t, first, want)
	assert.Less(t, len(first), len(want)+3, "there is hardly any other")
	assert.False(t, l.InOrder())
	l.First(objectID(5))
	l.First(objectID(6))
	assert.True(t, l.InOrder())
}

// A later twin behind the row found last is not the first of its ObjectID, and a
// row that was not entered is not linked at all.
func TestLinks_DoNotTakeTheNextRowForMoreThanItIs(t *testing.T) {
	rows := [][16]byte{objectID(7), objectID(1), objectID(2), objectID(7), objectID(9), objectID(1)}
	l := NewLinks(func(row int) [16]byte { return rows[row] })
	for row := range 4 {
		l.Add(row, rows[row])
	}
	for _, want := range []int{0, 1, 2, 0} { // the last: row 3 comes next, and has a twin before it
		first, ok := l.First(rows[want])
		require.True(t, ok)
		require.Equal(t, want, first)
	}
	l.Add(5, rows[5]) // row 4 is left out
	for _, want := range []int{1, 2} {
		first, _ := l.First(rows[want])
		require.Equal(t, want, first)
	}
	l.next = 4
	_, ok := l.First(objectID(9))
	assert.False(t, ok)
}

// Rows that were left out, as local users are, are nobody's twins.
func TestLinks_LeaveRowsOut(t *testing.T) {
	rows := [][16]byte{objectID(1), {}, {}, {}, objectID(2)}
	l := NewLinks(func(row int) [16]byte { return rows[row] })
	l.Add(0, rows[0])
	l.Add(4, rows[4])
	assert.False(t, l.HasTwins())
	_, ok := l.First([16]byte{})
	assert.False(t, ok)
}

// Hashes that collide in the half that a slot keeps must not confuse rows.
func TestLinks_CompareTheRows(t *testing.T) {
	rows := [][16]byte{objectID(1), objectID(2), objectID(2)}
	l := NewLinks(func(row int) [16]byte { return rows[row] })
	l.hashes.chunks = [][]uint32{{7, 7, 7}}
	l.ready()
	assert.Equal(t, 0, l.rowOf(l.slots[l.find(rows[0], 7)]))
	assert.Equal(t, 1, l.rowOf(l.slots[l.find(rows[1], 7)]))
	assert.Zero(t, l.slots[l.find(objectID(3), 7)])
	assert.Equal(t, []uint32{2}, l.Twins(1))
	assert.Empty(t, l.Twins(0))
}

// However many rows there are, a slot holds the number of each and some of its hash.
func TestLinks_OfManyRows(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 4, 7, 8, Batch - 1, Batch, Batch + 1, 1000, 1 << 16} {
		l := NewLinks(objectID)
		for row := range n {
			l.Add(row, objectID(row))
		}
		for i := range n {
			row := i * 7919 % n // a prime beyond the factors of n
			first, ok := l.First(objectID(row))
			require.True(t, ok, "%d of %d", row, n)
			require.Equal(t, row, first)
		}
		_, ok := l.First(objectID(n))
		assert.False(t, ok)
		assert.False(t, l.HasTwins())
		assert.LessOrEqual(t, 3*n, 2*len(l.slots), "at most two thirds full")
	}
}

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

func TestShared_LeavesTheRestAlone(t *testing.T) {
	k := NewKeys()
	for row := range 100_000 {
		k.Add(k.Hash([]byte(fmt.Sprint(row))))
	}
	assert.Less(t, len(k.Shared(nil)), 100, "of unique keys, only those whose hashes collide")
}

func TestShared_NoKeyIsNotShared(t *testing.T) {
	k := NewKeys()
	k.Add(k.Hash(nil))
	k.Add(k.Hash([]byte{}))
	assert.Empty(t, k.Shared([]uint32{0}))
}
