package ldapread

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// long4 is an element with a length of four octets that need not be true.
func long4(tag byte, n uint32, content string) string {
	return string(binary.BigEndian.AppendUint32([]byte{tag, 0x84}, n)) + content
}

// What an element is, and what is left to others.
func TestElement_SplitsOff(t *testing.T) {
	wide := strings.Repeat("x", 200)
	for name, tt := range map[string]struct {
		b, content, rest string
		ok               bool
	}{
		"short":                       {"\x04\x02abc", "ab", "c", true},
		"empty":                       {"\x04\x00", "", "", true},
		"just as long as there is":    {"\x04\x02ab", "ab", "", true},
		"the longest of one octet":    {"\x04\x7f" + wide, wide[:127], wide[127:], true},
		"of a length of one more":     {"\x04\x81\xc8" + wide + "y", wide, "y", true},
		"of one of four":              {long4(4, 200, wide+"y"), wide, "y", true},
		"of three with a zero":        {"\x04\x83\x00\x00\x01ab", "a", "b", true},
		"another tag":                 {"\x30\x02ab", "", "", false},
		"nothing":                     {"", "", "", false},
		"a tag alone":                 {"\x04", "", "", false},
		"longer than there is":        {"\x04\x03ab", "", "", false},
		"of an open length":           {"\x04\x80ab", "", "", false},
		"of one, with much behind":    {"\x04\x80" + wide, "", "", false},
		"of a length of five":         {"\x04\x85\x00\x00\x00\x00\x01a", "", "", false},
		"of a length that breaks off": {"\x04\x84\x00\x00\x00", "", "", false},
		"longer than any message":     {long4(4, maxWide+1, "a"), "", "", false},
		"far longer":                  {long4(4, 1<<31, "a"), "", "", false},
	} {
		content, rest, ok := berElement([]byte(tt.b), 4)
		assert.Equal(t, tt.ok, ok, name)
		assert.Equal(t, tt.content, string(content), name)
		assert.Equal(t, tt.rest, string(rest), name)
	}
	most := make([]byte, 6+maxWide)
	copy(most, long4(4, maxWide, ""))
	content, _, ok := berElement(most, 4)
	assert.True(t, ok, "as long as any message")
	assert.Len(t, content, maxWide)
}

func TestMessageID_IsPositive(t *testing.T) {
	for number, want := range map[string]uint32{
		"\x00": 0, "\x01": 1, "\x7f": 127, "\x00\x80": 128, "\x01\x02": 0x0102, "\x7f\xff\xff\xff": 1<<31 - 1, "\x00\x00\x00\x01": 1,
	} {
		id, rest, ok := messageID([]byte(short(2, number) + "rest"))
		assert.True(t, ok, "%x", number)
		assert.Equal(t, want, id)
		assert.Equal(t, "rest", string(rest))
	}
	for _, other := range []string{short(2), short(2, "\x80"), short(2, "\xff\x00"), short(2, "\x00\x00\x00\x00\x01"), short(4, "\x01"), ""} {
		id, rest, ok := messageID([]byte(other))
		assert.False(t, ok, "%x", other)
		assert.Zero(t, id)
		assert.Nil(t, rest)
	}
}

// The values of an attribute as they stand in a message.
func TestAttribute_IsReadOrLeftToOthers(t *testing.T) {
	a, rest, ok := nextAttribute([]byte(tlv(0x30, short(4, "mail"), tlv(0x31, short(4, " "), short(4, "a"), short(4), short(4, "b"), short(4, "\t"))) + "rest"))
	require.True(t, ok)
	assert.Equal(t, "rest", string(rest))
	assert.Equal(t, "mail", string(a.name))
	assert.Equal(t, " ", string(a.first))
	assert.Equal(t, "a", string(a.text), "the first that says something")
	assert.True(t, a.several)
	assert.Equal(t, 5, a.count)
	assert.Equal(t, [][]byte{[]byte(" "), []byte("a"), {}, []byte("b"), []byte("\t")}, a.all())
	a, _, ok = nextAttribute([]byte(tlv(0x30, short(4, "mail"), tlv(0x31, short(4, " "), short(4, "a"), short(4)))))
	require.True(t, ok)
	assert.False(t, a.several)
	a, _, ok = nextAttribute([]byte(tlv(0x30, short(4, "mail"), tlv(0x31))))
	require.True(t, ok)
	assert.True(t, a.first == nil && a.text == nil && !a.several && a.count == 0)
	for name, b := range map[string]string{
		"no sequence":       tlv(0x31, short(4, "mail"), tlv(0x31)),
		"no name":           tlv(0x30, tlv(0x31)),
		"beyond ASCII":      tlv(0x30, short(4, "mai\x80"), tlv(0x31)),
		"no set":            tlv(0x30, short(4, "mail"), tlv(0x30)),
		"more than a set":   tlv(0x30, short(4, "mail"), tlv(0x31), short(4)),
		"a value of a kind": tlv(0x30, short(4, "mail"), tlv(0x31, short(4, "a"), short(2, "\x01"))),
	} {
		_, _, ok := nextAttribute([]byte(b))
		assert.False(t, ok, name)
	}
}

func TestEqualFold_IsOfASCII(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"", "", true}, {"mail", "MAIL", true}, {"AZaz", "azAZ", true}, {"a@", "a`", false}, {"[", "{", false}, {"@", "`", false},
		{"mail", "mai", false}, {"mail", "mall", false}, {"\u017f", "S", false},
	} {
		assert.Equal(t, tt.want, equalFold([]byte(tt.a), tt.b), "%q %q", tt.a, tt.b)
		assert.Equal(t, tt.want, equalFold([]byte(tt.b), tt.a), "%q %q", tt.b, tt.a)
	}
	assert.True(t, isASCII([]byte("a\x7f")))
	assert.False(t, isASCII([]byte("a\x80")))
}

// An element's header, as go-ldap's decoder reads it.
func TestHeader_OfAnElement(t *testing.T) {
	for name, tt := range map[string]struct {
		b              string
		header, length int
		bad            bool
	}{
		"short":                 {"\x04\x02", 2, 2, false},
		"the longest of one":    {"\x04\x7f", 2, 127, false},
		"open":                  {"\x30\x80", 2, -1, false},
		"of one octet":          {"\x04\x81\x80", 3, 128, false},
		"of eight":              {"\x04\x88\x00\x00\x00\x00\x00\x00\x01\x00", 10, 256, false},
		"of nine":               {"\x04\x89\x00\x00\x00\x00\x00\x00\x00\x01\x00", 0, 0, true},
		"of eight, breaking":    {"\x04\x88\x00\x00\x00\x00\x00\x00\x01", 0, 0, true},
		"the longest":           {long4(4, maxWide, ""), 6, maxWide, false},
		"longer":                {long4(4, maxWide+1, ""), 0, 0, true},
		"far longer":            {"\x04\x88\xff\xff\xff\xff\xff\xff\xff\xff", 0, 0, true},
		"a tag of many octets":  {"\x1f\x01", 0, 0, true},
		"with others in it":     {"\x3f\x01", 0, 0, true},
		"the tag of the 30th":   {"\x1e\x01", 2, 1, false},
		"a tag without a count": {"\x04", 0, 0, true},
		"nothing":               {"", 0, 0, true},
	} {
		header, length, err := elementHeader([]byte(tt.b))
		assert.Equal(t, tt.header, header, name)
		assert.Equal(t, tt.length, length, name)
		if tt.bad {
			assert.ErrorIs(t, err, errFrame, name)
		} else {
			assert.NoError(t, err, name)
		}
	}
}

// How many elements there are, how deep, and how long the first one is.
func TestMeasure_FollowsTheDecoder(t *testing.T) {
	for name, tt := range map[string]struct {
		b              string
		size, elements int
		want           error
	}{
		"a value":                       {short(4, "ab") + "rest", 4, 1, nil},
		"an empty list":                 {"\x30\x00", 2, 1, nil},
		"a list":                        {short(0x30, short(4), short(4, "a")) + "rest", 7, 3, nil},
		"an open list":                  {"\x30\x80" + short(4, "a") + "\x00\x00" + "rest", 7, 3, nil},
		"one in another":                {"\x30\x80\x30\x80\x00\x00\x00\x00", 8, 4, nil},
		"just as long":                  {"\x04\x02ab", 4, 1, nil},
		"too long":                      {"\x04\x03ab", 0, 1, errFrame},
		"open, but a value":             {"\x04\x80\x00\x00", 0, 1, errFrame},
		"an end where none may be":      {short(0x30, "\x00\x00"), 0, 2, errFrame},
		"beyond the list":               {"\x30\x03\x04\x02ab", 0, 2, errFrame},
		"no end":                        {"\x30\x80" + short(4, "a"), 0, 3, errFrame},
		"a mark with a length of two":   {"\x30\x80\x00\x81\x00" + "\x00\x00", 5, 2, nil},
		"a value like a mark, with one": {"\x30\x80\x00\x01x" + "\x00\x00", 7, 3, nil},
	} {
		var i inspector
		size, err := i.measure([]byte(tt.b), 1)
		assert.ErrorIs(t, err, tt.want, name)
		assert.Equal(t, tt.size, size, name)
		assert.Equal(t, tt.elements, i.elements, name)
	}
	i := inspector{elements: maxElements - 1}
	_, err := i.measure([]byte("\x04\x00"), maxDepth)
	assert.NoError(t, err, "the last, and the deepest")
	_, err = i.measure([]byte("\x04\x00"), 1)
	assert.ErrorIs(t, err, errElements)
	_, err = new(inspector).measure([]byte("\x04\x00"), maxDepth+1)
	assert.ErrorIs(t, err, errDepth)
}

// All that a message consists of counts, its controls and their values too.
func TestInspect_CountsAllElements(t *testing.T) {
	for name, tt := range map[string]struct {
		op       string
		elements int
	}{
		"an operation": {short(0x65, success), 2 + 4},
		"a control":    {short(0x65, success) + short(0xa0, short(0x30, short(4, "1.2.3"), short(4, nested(2)))), 2 + 4 + 4},
		"two":          {short(0x65, success) + short(0xa0, short(0x30, short(4, "1.2.3")), short(0x30, short(4, "1.2.4"), "\x01\x01\xff")), 2 + 4 + 8},
		"a known one":  {short(0x65, success) + short(0xa0, pagingControl(nested(3))), 2 + 4 + 4 + 3},
	} {
		var i inspector
		require.NoError(t, i.inspect(1, []byte(tt.op)), name)
		assert.Equal(t, tt.elements, i.elements, name)
	}
	known := short(0x65, success) + short(0xa0, pagingControl(nested(3)))
	i := inspector{elements: maxElements - 8}
	assert.ErrorIs(t, i.inspect(1, []byte(known)), errElements, "in a control's value")
}

func TestResult_HasACode(t *testing.T) {
	for code, want := range map[string]uint16{"\x0a\x01\x31": 49, "\x0a\x02\x00\x80": 128, "\x0a\x02\x10\x00": 4096, "\x0a\x03\x00\xff\xff": 0xffff, "\x0a\x04\x00\x00\x00\x01": 1} {
		got, rest, err := resultOf([]byte(short(0x65, code, "rest")))
		require.NoError(t, err, "%x", code)
		assert.Equal(t, want, got)
		assert.Equal(t, "rest", string(rest))
	}
	_, _, err := resultOf([]byte("\x65\x80" + success + "\x00\x00"))
	assert.ErrorIs(t, err, errResult, "of an open length")
	for rest, want := range map[string]string{
		short(4) + short(4) + short(0x8a, "1.2"): "1.2", short(0x8a, "1.2"): "1.2", short(4): "", "": "", short(4) + "\x04\x7f": "", "\x8a": "",
	} {
		assert.Equal(t, want, responseName([]byte(rest)), "%x", rest)
	}
}
