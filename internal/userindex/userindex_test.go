package userindex

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unsafe"

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
			if l.len() != i {
				t.Fatalf("%d of %d", l.len(), i)
			}
			l.add(i)
		}
		require.Equal(t, n, l.len())
		seen := 0
		for i, v := range l.all() {
			if i != seen || v != i || l.at(i) != i {
				t.Fatalf("%d is %d by the loop and %d by its place", i, v, l.at(i))
			}
			seen++
		}
		require.Equal(t, n, seen)
	}
	for range new(list[int]).all() {
		t.Error("an empty list")
	}
}

// What comes in batches leaves nobody out, and takes nobody twice.
func TestList_GivesBatchesUpToTheEndOfAChunk(t *testing.T) {
	var l list[int]
	for i := range listChunk + 10 {
		l.add(i)
	}
	assert.Equal(t, []int{5, 6, 7}, l.from(5, 3))
	assert.Equal(t, []int{listChunk - 2, listChunk - 1}, l.from(listChunk-2, 3))
	assert.Equal(t, []int{listChunk}, l.from(listChunk, 1))
	assert.Len(t, l.from(listChunk, 64), 10)
	for i := range l.all() {
		if i == listChunk+3 {
			break
		}
		require.Less(t, i, listChunk+3, "a loop that is left is over")
	}
}

// A short list takes little, and a long one nothing that it outgrew.
func TestList_GrowsByChunks(t *testing.T) {
	var l list[byte]
	l.add(1)
	assert.Less(t, cap(l.chunks[0]), 100)
	for range 2 * listChunk {
		l.add(2)
	}
	require.Len(t, l.chunks, 3)
	assert.Equal(t, []int{listChunk, listChunk}, []int{cap(l.chunks[1]), cap(l.chunks[2])})
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
			More:     [3]string{strings.Repeat("m", i%7*i%3), strings.Repeat("n", i%2*i%300)},
			Number:   []uint64{0, 1, 63_900_000_000, 1<<64 - 1}[i%4],
		}
		want = append(want, r)
		a.Append(&r)
	}
	large := Record{Texts: [6]string{3: strings.Repeat("y", 3*chunkSize)}}
	want = append(want, large)
	a.Append(&large)
	require.Equal(t, len(want), a.Len())
	for i := range want {
		if got := a.Record(i); got != want[i] || a.ObjectID(i) != want[i].ObjectID {
			t.Fatalf("record %d is %v", i, got)
		}
	}
	assert.Len(t, a.words, 3+200+1, "each word is kept once")
}

// Nothing is copied when there is more: each chunk is as large as it was made, filled as
// far as a record may go, and Size is the sum.
func TestArena_FillsChunksThatStayAsTheyAre(t *testing.T) {
	var a Arena
	assert.Zero(t, a.Size())
	most := Record{Texts: [6]string{strings.Repeat("x", chunkSize/4)}}
	for range 7 { // three in a chunk: a fourth might not have room
		a.Append(&most)
	}
	require.Len(t, a.chunks, 3)
	large := Record{Texts: [6]string{strings.Repeat("y", 2*chunkSize)}}
	a.Append(&large)
	require.Len(t, a.chunks, 4)
	room := 0
	for i, c := range a.chunks {
		assert.Equal(t, i == 3, c.Cap() > 2*chunkSize, "chunk %d", i)
		assert.GreaterOrEqual(t, c.Cap(), chunkSize)
		room += c.Cap()
	}
	assert.Equal(t, room, a.Size())
	var exact Arena
	small := Record{Texts: [6]string{strings.Repeat("z", 30)}}
	exact.Append(&small)
	left := exact.chunks[0].Cap() - exact.chunks[0].Len()
	exact.Append(&Record{Texts: [6]string{strings.Repeat("z", left-(&Record{}).size())}})
	assert.Len(t, exact.chunks, 1, "there is just enough room")
}

// A record takes its ObjectID, a byte of flags, one that says which texts more there are,
// its texts, and ten bytes at most for each of its numbers.
func TestRecord_SizeIsTheMostItCanTake(t *testing.T) {
	r := Record{Words: [2]string{"ad", "active"}, Texts: [6]string{"1", "anna", "", "Berg", "anna@x", "+1"}, More: [3]string{2: "more"}}
	assert.Equal(t, 16+2+10*12+17+4, r.size())
	var b strings.Builder
	writeNumber(&b, 1<<64-1)
	assert.Equal(t, maxNumber, b.Len())
	n, rest := readNumber(b.String() + "rest")
	assert.Equal(t, uint64(1<<64-1), n)
	assert.Equal(t, "rest", rest)
}

// A host's texts are often parts of something larger, which a word must not keep alive.
func TestArena_KeepsWordsOfItsOwn(t *testing.T) {
	var a Arena
	word := strings.Repeat("ad", 3)
	a.Append(&Record{Words: [2]string{word, word}})
	assert.Equal(t, []string{"adadad"}, a.words)
	assert.NotSame(t, unsafe.StringData(word), unsafe.StringData(a.words[0]))
}

// What is touched is some way behind the ObjectID, or the end of a short record.
func TestArena_TouchesWhatComesNextFromMemory(t *testing.T) {
	var a Arena
	a.Append(&Record{Texts: [6]string{strings.Repeat("x", 100)}})
	a.Append(&Record{Texts: [6]string{5: "y"}, More: [3]string{2: "z"}})
	assert.Equal(t, byte('x'), a.Touch(0))
	assert.Equal(t, byte('z'), a.Touch(1))
}

func TestArena_ReadsWithoutAllocating(t *testing.T) {
	var a Arena
	a.Append(&Record{Words: [2]string{"ad", "active"}, Texts: [6]string{"1", "anna", "Anna", "Berg", "anna@x", "+1"}})
	var sink Record
	assert.Zero(t, testing.AllocsPerRun(100, func() { sink = a.Record(0) }))
	assert.Equal(t, "anna@x", sink.Texts[4])
}

func TestArena_TakesAByteForMoreTextsThatThereAreNot(t *testing.T) {
	taken := func(r Record) int {
		var a Arena
		a.Append(&r)
		return a.chunks[0].Len()
	}
	assert.Equal(t, 16+1+2+6+1, taken(Record{}))
	assert.Equal(t, taken(Record{})+1+4, taken(Record{More: [3]string{1: "more"}}))
	assert.Equal(t, taken(Record{})+1, taken(Record{Number: 127}))
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
			if ok != (len(want[id]) > 0) || ok && (first != int(want[id][0]) || !slices.Equal(want[id][1:], l.Twins(first))) {
				t.Fatalf("%d with the twins %v, not %v", first, l.Twins(first), want[id])
			}
			twins = twins || len(want[id]) > 1
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
				if first := l.FirstOf(int(row)); first != int(sameID[0]) {
					t.Fatalf("%d is the first of %v", first, sameID)
				}
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

// Only twins of earlier rows are looked up, and there is a bit for each row up to them.
func TestLinks_TryTheNextRowFirstThoughThereAreTwins(t *testing.T) {
	const n = 100
	rows := make([][16]byte, n)
	for row := range rows {
		rows[row] = objectID(row)
	}
	rows[70] = rows[3]
	l := NewLinks(func(row int) [16]byte { return rows[row] })
	for row := range rows {
		l.Add(row, rows[row])
	}
	l.First(rows[0])
	l.First(rows[1])
	assert.Len(t, l.later, 2)
	slots := slices.Clone(l.slots)
	clear(l.slots)
	for row := 2; row < 70; row++ {
		first, ok := l.First(rows[row])
		require.True(t, ok && first == row, "%d is %d", row, first)
	}
	copy(l.slots, slots)
	first, _ := l.First(rows[70])
	assert.Equal(t, 3, first)
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

// Each question may be the first, or come after rows that the table does not know yet.
func TestLinks_EnterRowsBeforeAnyAnswer(t *testing.T) {
	rows := [][16]byte{objectID(1), objectID(2), objectID(1), objectID(3)}
	for name, ask := range map[string]func(*Links) any{
		"First":    func(l *Links) any { row, _ := l.First(objectID(2)); return row },
		"FirstOf":  func(l *Links) any { return l.FirstOf(2) + 1 },
		"Twins":    func(l *Links) any { return len(l.Twins(0)) },
		"HasTwins": func(l *Links) any { return map[bool]int{true: 1}[l.HasTwins()] },
		"Touch": func(l *Links) any {
			n := 0
			l.Touch(rows[1:2], func(row int) byte { n += row; return 0 })
			return n
		},
	} {
		l := NewLinks(func(row int) [16]byte { return rows[row] })
		for row := range 3 { // the last is left out
			l.Add(row, rows[row])
		}
		assert.Equal(t, 1, ask(l), name)
		assert.False(t, l.stale, name)
		assert.Equal(t, 3, l.FirstOf(3), "a row that was left out is the first of its own")
		slots := l.slots
		l.Add(3, rows[3])
		assert.True(t, l.stale)
		first, ok := l.First(rows[3])
		assert.True(t, ok && first == 3, name)
		assert.Same(t, &slots[0], &l.slots[0], "a table is kept as long as it is large enough")
	}
}

func TestSizeFor_IsTheLeastPowerOfTwo(t *testing.T) {
	for n, size := range map[int]int{0: 16, 5: 16, 6: 32, 1000: 2048, 1 << 16: 1 << 17} {
		assert.Equal(t, size, sizeFor(n), "%d rows", n)
	}
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
			if !ok || first != row {
				t.Fatalf("%d is %d of %d", row, first, n)
			}
		}
		_, ok := l.First(objectID(n))
		assert.False(t, ok)
		assert.False(t, l.HasTwins())
		assert.LessOrEqual(t, 3*n, 2*len(l.slots), "at most two thirds full")
	}
}
