// Package userindex is a compact index of accounts: no pointer per account, so
// that a million of them cost the garbage collector nothing, and about a hundred
// bytes each.
package userindex

import "strings"

// Record is one account as an [Arena] keeps it. What the parts mean is the
// caller's affair.
type Record struct {
	ObjectID [16]byte
	Flags    uint8
	Words    [2]string // of a small vocabulary: each distinct word is kept once
	Texts    [6]string
	More     [3]string // texts that hardly any account has: all take one byte where it has none
	Number   uint64    // takes nothing where it is 0
}

// Arena holds records one after the other in large chunks. The zero value is
// empty.
type Arena struct {
	chunks  []*strings.Builder
	places  list[place]
	size    int
	words   []string
	wordIDs map[string]uint64
}

// place is where a record starts.
type place struct{ chunk, offset uint32 }

// chunkSize is small compared with a million records and large compared with one.
const chunkSize = 1 << 20

// Len returns the number of records.
func (a *Arena) Len() int { return a.places.len() }

// Size returns how many bytes of texts there is room for.
func (a *Arena) Size() int { return a.size }

// Append adds a record. Its number is Len before the call.
func (a *Arena) Append(r *Record) {
	chunk := a.room(r.size())
	a.places.add(place{uint32(len(a.chunks) - 1), uint32(chunk.Len())})
	chunk.Write(r.ObjectID[:])
	chunk.WriteByte(r.Flags)
	for _, word := range r.Words {
		writeNumber(chunk, a.wordID(word))
	}
	for _, text := range r.Texts {
		writeText(chunk, text)
	}
	chunk.WriteByte(r.which())
	for _, text := range r.More {
		if text != "" {
			writeText(chunk, text)
		}
	}
	if r.Number != 0 {
		writeNumber(chunk, r.Number)
	}
}

// Record returns record i. Its texts are parts of the arena, not copies: a
// caller that keeps one beyond the arena's life should clone it.
func (a *Arena) Record(i int) Record {
	var r Record
	rest := a.at(i)
	rest = rest[copy(r.ObjectID[:], rest):]
	r.Flags, rest = rest[0], rest[1:]
	for w := range r.Words {
		var id uint64
		id, rest = readNumber(rest)
		r.Words[w] = a.words[id]
	}
	for t := range r.Texts {
		var length uint64
		length, rest = readNumber(rest)
		r.Texts[t], rest = rest[:length], rest[length:]
	}
	which, rest := rest[0], rest[1:]
	if which == 0 {
		return r
	}
	for t := range r.More {
		if which&(1<<t) != 0 {
			var length uint64
			length, rest = readNumber(rest)
			r.More[t], rest = rest[:length], rest[length:]
		}
	}
	if which&(1<<len(r.More)) != 0 {
		r.Number, _ = readNumber(rest)
	}
	return r
}

// ObjectID returns the ObjectID of record i.
func (a *Arena) ObjectID(i int) (id [16]byte) {
	copy(id[:], a.at(i))
	return id
}

// Touch reads something of record i behind its ObjectID.
func (a *Arena) Touch(i int) byte {
	rest := a.at(i)
	return rest[min(cacheLine, len(rest)-1)]
}

// cacheLine is how much comes from memory at a time.
const cacheLine = 64

// at returns the chunk from record i on. A Builder hands out its bytes as a
// string without copying, and what has been written to it never changes.
func (a *Arena) at(i int) string {
	p := a.places.at(i)
	return a.chunks[p.chunk].String()[p.offset:]
}

// room returns a chunk that takes n more bytes without growing.
func (a *Arena) room(n int) *strings.Builder {
	if last := len(a.chunks) - 1; last >= 0 {
		if c := a.chunks[last]; c.Cap()-c.Len() >= n {
			return c
		}
	}
	c := new(strings.Builder)
	c.Grow(max(chunkSize, n))
	a.chunks = append(a.chunks, c)
	a.size += c.Cap()
	return c
}

func (a *Arena) wordID(word string) uint64 {
	id, ok := a.wordIDs[word]
	if !ok {
		if a.wordIDs == nil {
			a.wordIDs = map[string]uint64{}
		}
		id = uint64(len(a.words))
		word = strings.Clone(word)
		a.words = append(a.words, word)
		a.wordIDs[word] = id
	}
	return id
}

// size is the most bytes the record can take.
func (r *Record) size() int {
	n := len(r.ObjectID) + 2 + maxNumber*(len(r.Words)+len(r.Texts)+len(r.More)+1)
	for _, text := range r.Texts {
		n += len(text)
	}
	for _, text := range r.More {
		n += len(text)
	}
	return n
}

// which has a bit for each of More that there is, and one for a Number.
func (r *Record) which() (bits byte) {
	for i, text := range r.More {
		if text != "" {
			bits |= 1 << i
		}
	}
	if r.Number != 0 {
		bits |= 1 << len(r.More)
	}
	return bits
}

func writeText(b *strings.Builder, text string) {
	writeNumber(b, uint64(len(text)))
	b.WriteString(text)
}

// maxNumber is the most bytes that writeNumber takes.
const maxNumber = 10

// writeNumber writes seven bits a byte, the lowest first; the high bit says that
// more follow.
func writeNumber(b *strings.Builder, n uint64) {
	for n >= 0x80 {
		b.WriteByte(byte(n) | 0x80)
		n >>= 7
	}
	b.WriteByte(byte(n))
}

func readNumber(s string) (n uint64, rest string) {
	for i, shift := 0, 0; ; i, shift = i+1, shift+7 {
		n |= uint64(s[i]&0x7f) << shift
		if s[i] < 0x80 {
			return n, s[i+1:]
		}
	}
}
