package adsync

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/go-adsync/adsync/internal/keyfold"
)

// Extra holds details of a person beyond the five, each under its [Field]: a sorted set
// of distinct texts, none of them empty. It does not change, the zero value holds
// nothing, and two of them are equal by == exactly when they hold the same.
//
// Whether a field is a single text or a set is the field's, as Traits.Sets tells it, and
// not the value's: a text is a set of one, so that nobody can write the wrong kind.
//
// In JSON it is an object of arrays, in order of the names: {"department":["Sales"]}. A
// bare text is read as an array of one.
type Extra struct {
	// packed has, for each field in ascending order, its name and its values, each
	// preceded by its length; the values of a field are preceded by the length of all of
	// them too. One string is compared with ==, takes 16 bytes in a User and one in an
	// index where there is nothing in it, and a field is found in it without an allocation.
	packed string
}

// NewExtra makes an Extra of values in any order, which may be repeated. Those that are
// empty are none, and a field without a value, or without a name, is left out.
func NewExtra(values map[Field][]string) Extra {
	var b extraBuilder
	for _, f := range slices.Sorted(maps.Keys(values)) {
		b.values(f, slices.Clone(values[f]))
	}
	return b.extra()
}

// Text returns the only value of the field; "" if it has none, or several.
func (e Extra) Text(f Field) string {
	only, rest := splitText(e.block(f))
	if rest != "" {
		return ""
	}
	return only
}

// Set returns the values of the field, sorted; nil if it has none.
func (e Extra) Set(f Field) []string { return slices.Collect(textsOf(e.block(f))) }

// With returns an Extra with these values of the field in place of those that it has.
// No value clears it.
func (e Extra) With(f Field, values ...string) Extra {
	var b extraBuilder
	values = slices.Clone(values)
	for name, block := range e.blocks() {
		if name >= f && values != nil {
			b.values(f, values)
			values = nil
		}
		if name != f {
			b.block(name, block)
		}
	}
	b.values(f, values)
	return b.extra()
}

// Fields returns the fields that have a value, in ascending order.
func (e Extra) Fields() []Field {
	var fields []Field
	for f := range e.blocks() {
		fields = append(fields, f)
	}
	return fields
}

// Equal is ==, for packages that compare by a method.
func (e Extra) Equal(other Extra) bool { return e == other }

// MarshalJSON writes an object of arrays.
func (e Extra) MarshalJSON() ([]byte, error) {
	values := map[Field][]string{}
	for f, block := range e.blocks() {
		values[f] = slices.Collect(textsOf(block))
	}
	return json.Marshal(values)
}

// UnmarshalJSON reads an object of arrays of texts, or of bare texts. null, in place of
// an array too, is nothing.
func (e *Extra) UnmarshalJSON(data []byte) error {
	var read map[Field]json.RawMessage
	if err := json.Unmarshal(data, &read); err != nil {
		return errExtraJSON
	}
	values := make(map[Field][]string, len(read))
	for f, raw := range read {
		var text string
		var texts []string
		switch {
		case json.Unmarshal(raw, &text) == nil:
			texts = []string{text}
		case json.Unmarshal(raw, &texts) != nil:
			return fmt.Errorf("adsync: the extra detail %q is neither a text nor an array of texts", f)
		}
		values[f] = texts
	}
	*e = NewExtra(values)
	return nil
}

var errExtraJSON = errors.New(`adsync: extra details are not an object like {"department":["Sales"]}`)

// block returns the values of the field as they are packed; "" if it has none. Two
// blocks are equal exactly when the values are.
func (e Extra) block(f Field) string {
	for name, block := range e.blocks() {
		if name == f {
			return block
		}
	}
	return ""
}

// blocks goes through the fields in ascending order.
func (e Extra) blocks() iter.Seq2[Field, string] {
	return func(yield func(Field, string) bool) {
		for rest := e.packed; rest != ""; {
			var name, block string
			name, rest = splitText(rest)
			block, rest = splitText(rest)
			if !yield(Field(name), block) {
				return
			}
		}
	}
}

// textsOf goes through the values of a block.
func textsOf(block string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for block != "" {
			var text string
			if text, block = splitText(block); !yield(text) {
				return
			}
		}
	}
}

// splitText splits off the first text of what extraBuilder packed.
func splitText(packed string) (text, rest string) {
	length, shift := 0, 0
	for i := range len(packed) {
		length |= int(packed[i]&0x7f) << shift
		if packed[i] < 0x80 {
			rest = packed[i+1:]
			return rest[:length], rest[length:]
		}
		shift += 7
	}
	return "", ""
}

// print is the field's values for people.
func (e Extra) print(f Field) string { return strings.Join(e.Set(f), ", ") }

// describe names the fields with their values.
func (e Extra) describe() (words []string) {
	for f := range e.blocks() {
		words = append(words, string(f)+" "+e.print(f))
	}
	return words
}

// isSet reports whether the field is, or looks like, one of several values.
func (e Extra) isSet(f Field) bool {
	_, rest := splitText(e.block(f))
	return f == FieldRoles || rest != ""
}

// agrees reports whether both hold the same under these fields.
func (e Extra) agrees(other Extra, fields []Field) bool {
	if e == other {
		return true
	}
	for _, f := range fields {
		if e.block(f) != other.block(f) {
			return false
		}
	}
	return true
}

// taking returns e with what the other holds under these fields, which ascend, in place of
// its own. Those that the other lacks are cleared, except for some.
func (e Extra) taking(fields []Field, other Extra, keepOnEmpty []Field) Extra {
	if e.agrees(other, fields) {
		return e
	}
	var b extraBuilder
	for f, block := range e.blocks() {
		for len(fields) > 0 && fields[0] < f {
			b.block(fields[0], other.block(fields[0]))
			fields = fields[1:]
		}
		if len(fields) > 0 && fields[0] == f {
			if fresh := other.block(f); fresh != "" || !slices.Contains(keepOnEmpty, f) {
				block = fresh
			}
			fields = fields[1:]
		}
		b.block(f, block)
	}
	for _, f := range fields {
		b.block(f, other.block(f))
	}
	return b.extra()
}

// only returns what it holds under these fields.
func (e Extra) only(fields []Field) Extra {
	has := func(f Field) bool { return slices.Contains(fields, f) }
	if e.every(func(f Field, _ string) bool { return has(f) }) {
		return e
	}
	var b extraBuilder
	for f, block := range e.blocks() {
		if has(f) {
			b.block(f, block)
		}
	}
	return b.extra()
}

// differing are the fields under which both do not hold the same, in ascending order.
func (e Extra) differing(other Extra) []Field {
	if e == other {
		return nil
	}
	var fields []Field
	for f, block := range e.blocks() {
		if block != other.block(f) {
			fields = append(fields, f)
		}
	}
	for f := range other.blocks() {
		if e.block(f) == "" {
			fields = append(fields, f)
		}
	}
	slices.Sort(fields)
	return fields
}

// loses reports whether a field, other than the roles, loses values and gains none.
func (e Extra) loses(after Extra) bool {
	return e != after && !e.every(func(f Field, block string) bool {
		left := after.block(f)
		return f == FieldRoles || left == block || len(beyond(left, block, anyRole)) > 0
	})
}

// every reports whether all fields pass.
func (e Extra) every(pass func(f Field, block string) bool) bool {
	for f, block := range e.blocks() {
		if !pass(f, block) {
			return false
		}
	}
	return true
}

// hasBlanks reports whether one of its values is of white space alone.
func (e Extra) hasBlanks() bool {
	return !e.every(func(_ Field, block string) bool {
		for text := range textsOf(block) {
			if keyfold.Blank(text) {
				return false
			}
		}
		return true
	})
}

// withoutBlanks leaves out the values of white space alone, which say nothing.
func (e Extra) withoutBlanks() Extra {
	if !e.hasBlanks() {
		return e
	}
	var b extraBuilder
	for f := range e.blocks() {
		b.values(f, slices.DeleteFunc(e.Set(f), keyfold.Blank))
	}
	return b.extra()
}

// valid reports whether all its texts are valid UTF-8.
func (e Extra) valid() bool {
	for f, block := range e.blocks() {
		if !keyfold.Valid(string(f)) {
			return false
		}
		for text := range textsOf(block) {
			if !keyfold.Valid(text) {
				return false
			}
		}
	}
	return true
}

// validExtra makes the texts valid UTF-8.
func validExtra(e Extra) Extra {
	if e.valid() {
		return e
	}
	values := map[Field][]string{}
	for f, block := range e.blocks() {
		f = Field(validText(string(f)))
		for text := range textsOf(block) {
			values[f] = append(values[f], validText(text))
		}
	}
	return NewExtra(values)
}

// extraBuilder packs fields, which come in ascending order.
type extraBuilder struct{ packed []byte }

func (b *extraBuilder) extra() Extra { return Extra{string(b.packed)} }

// values packs the field's, which it puts in order.
func (b *extraBuilder) values(f Field, values []string) {
	slices.Sort(values)
	values = slices.Compact(values)
	if len(values) > 0 && values[0] == "" {
		values = values[1:]
	}
	if len(values) == 0 || f == "" {
		return
	}
	size := 0
	for _, text := range values {
		size += packedSize(text)
	}
	b.name(f)
	b.packed = binary.AppendUvarint(b.packed, uint64(size))
	for _, text := range values {
		b.text(text)
	}
}

// block packs values that were packed before.
func (b *extraBuilder) block(f Field, block string) {
	if block != "" {
		b.name(f)
		b.text(block)
	}
}

func (b *extraBuilder) name(f Field) { b.text(string(f)) }

func (b *extraBuilder) text(text string) {
	b.packed = binary.AppendUvarint(b.packed, uint64(len(text)))
	b.packed = append(b.packed, text...)
}

// packedSize is how many bytes a text takes with its length.
func packedSize(text string) int {
	var length [binary.MaxVarintLen64]byte
	return binary.PutUvarint(length[:], uint64(len(text))) + len(text)
}
