package sqltable

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/adattr"
)

func TestGUIDFormats(t *testing.T) {
	const dashed = "e124855b-371a-41be-9f05-3c1a9b7d2e10"
	g, ok := GUIDText.Read(CellOf(dashed))
	require.True(t, ok)
	for _, spelling := range GUIDText.Spellings(g) {
		got, ok := GUIDText.Read(CellOf(spelling))
		assert.True(t, ok, spelling)
		assert.Equal(t, g, got, spelling)
	}
	assert.Len(t, GUIDText.Spellings(g), 6)
	assert.Equal(t, []byte{0xe1, 0x24, 0x85, 0x5b, 0x37, 0x1a, 0x41, 0xbe, 0x9f, 0x05, 0x3c, 0x1a, 0x9b, 0x7d, 0x2e, 0x10}, GUIDBytes.Write(g))
	assert.Equal(t, []byte{0x5b, 0x85, 0x24, 0xe1, 0x1a, 0x37, 0xbe, 0x41, 0x9f, 0x05, 0x3c, 0x1a, 0x9b, 0x7d, 0x2e, 0x10}, GUIDADBytes.Write(g))
	for _, f := range []GUIDFormat{GUIDText, GUIDNative, GUIDBytes, GUIDADBytes} {
		assert.True(t, f.Valid())
		got, ok := f.Read(CellOf(f.Write(g)))
		assert.True(t, ok, f)
		assert.Equal(t, g, got, f)
		for _, empty := range []any{nil, "", []byte{}} {
			got, ok := f.Read(CellOf(empty))
			assert.True(t, ok && got == adattr.GUID{}, "%s %v", f, empty)
		}
		_, ok = f.Read(CellOf("no guid"))
		assert.False(t, ok, f)
		_, ok = f.Read(CellOf(struct{}{}))
		assert.False(t, ok, f)
	}
	assert.False(t, GUIDFormat("hex").Valid())
	_, ok = GUIDText.Read(CellOf(strings.Repeat("x", 32)))
	assert.False(t, ok)
}

func TestBinaryKeys(t *testing.T) {
	for _, key := range []string{"\x00\xff", "0123456789abcdef", "\x01"} {
		b, ok := ParseBinaryKey(BinaryKey(key))
		assert.True(t, ok)
		assert.Equal(t, key, string(b))
	}
	b, ok := ParseBinaryKey(`\x00ff17`)
	assert.True(t, ok, "as PostgreSQL writes it")
	assert.Equal(t, []byte{0, 255, 23}, b)
	_, ok = ParseBinaryKey("xyz")
	assert.False(t, ok)
	for name, binary := range map[string]bool{"BINARY(16)": true, "varbinary(8)": true, "blob": true, "bytea": true, "BIGINT": false, "TEXT": false} {
		assert.Equal(t, binary, IsBinary(name), name)
	}
}

// Own tells whose spelling a text is: only that which Write gives is looked for quickly.
func TestGUIDFormats_KnowTheirOwnSpelling(t *testing.T) {
	const dashed = "e124855b-371a-41be-9f05-3c1a9b7d2e10"
	for text, own := range map[string]bool{
		dashed: true, "": true, strings.ToUpper(dashed): false, "{" + dashed + "}": false, strings.ReplaceAll(dashed, "-", ""): false, dashed + " ": false,
		"E" + dashed[1:]: false,
	} {
		assert.Equal(t, own, GUIDText.Own(CellOf(text)), text)
		for _, f := range []GUIDFormat{GUIDNative, GUIDBytes, GUIDADBytes} {
			assert.True(t, f.Own(CellOf(text)), "a type has one spelling for each")
		}
	}
	assert.True(t, GUIDText.Own(CellOf(nil)))
	g, err := adattr.ParseGUID(dashed)
	require.NoError(t, err)
	assert.Equal(t, []any{dashed}, GUIDNative.Spellings(g))
	assert.Equal(t, []any{GUIDBytes.Write(g)}, GUIDBytes.Spellings(g))
}
