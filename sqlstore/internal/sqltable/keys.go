package sqltable

import (
	"encoding/hex"
	"strings"

	"github.com/go-adsync/adsync/internal/adattr"
)

// IsBinary reports whether a database's type name is one of raw bytes.
func IsBinary(typeName string) bool {
	t := strings.ToUpper(typeName)
	return strings.Contains(t, "BINARY") || strings.Contains(t, "BLOB") || strings.Contains(t, "BYTEA")
}

// BinaryKey writes a primary key of raw bytes as text: 16 bytes as a UUID, others
// in hex.
func BinaryKey(b string) string {
	if len(b) == 16 {
		return adattr.GUID([]byte(b)).String()
	}
	return hex.EncodeToString([]byte(b))
}

// ParseBinaryKey is the opposite of BinaryKey, and whether the text is one. PostgreSQL
// writes such a key itself, with a prefix.
func ParseBinaryKey(text string) ([]byte, bool) {
	text = strings.TrimPrefix(text, `\x`)
	if g, err := adattr.ParseGUID(text); err == nil {
		return g[:], true
	}
	b, err := hex.DecodeString(text)
	return b, err == nil
}

// GUIDFormat is how a column holds an objectGUID.
type GUIDFormat string

// The formats.
const (
	GUIDText    GUIDFormat = "text"
	GUIDNative  GUIDFormat = "uuid"
	GUIDBytes   GUIDFormat = "bytes"    // in printed order
	GUIDADBytes GUIDFormat = "ad-bytes" // in the order of the wire
)

// Valid reports whether there is such a format.
func (f GUIDFormat) Valid() bool {
	return f == GUIDText || f == GUIDNative || f.Binary()
}

// Binary reports whether the column holds 16 bytes.
func (f GUIDFormat) Binary() bool { return f == GUIDBytes || f == GUIDADBytes }

// Read reads an objectGUID; NULL and an empty text are the zero one. ok is false for
// any other value.
func (f GUIDFormat) Read(c *Cell) (g adattr.GUID, ok bool) {
	switch {
	case c.Bad:
		return adattr.GUID{}, false
	case c.Text == "":
		return adattr.GUID{}, true
	case f.Binary():
		if len(c.Text) != len(g) {
			return adattr.GUID{}, false
		}
		g = adattr.GUID([]byte(c.Text))
		if f == GUIDADBytes {
			g = g.Wire()
		}
		return g, true
	}
	return readGUIDText(strings.TrimSpace(c.Text))
}

// readGUIDText also takes 32 digits without dashes.
func readGUIDText(s string) (adattr.GUID, bool) {
	if len(s) == 32 {
		var g adattr.GUID
		_, err := hex.Decode(g[:], []byte(s))
		return g, err == nil
	}
	g, err := adattr.ParseGUID(s)
	return g, err == nil
}

// Write is what the column holds for an objectGUID that is not zero.
func (f GUIDFormat) Write(g adattr.GUID) any {
	switch f {
	case GUIDBytes:
		return g[:]
	case GUIDADBytes:
		wire := g.Wire()
		return wire[:]
	}
	return g.String()
}

// Own reports whether what Read has read as an objectGUID is spelled as Write
// spells it, or is none.
func (f GUIDFormat) Own(c *Cell) bool {
	if f != GUIDText || c.Text == "" {
		return true
	}
	return len(c.Text) == 36 && !strings.ContainsAny(c.Text, "ABCDEF")
}

// Spellings are all the values under which Read finds the objectGUID, so that a
// look-up can use an index.
func (f GUIDFormat) Spellings(g adattr.GUID) []any {
	if f != GUIDText {
		return []any{f.Write(g)}
	}
	dashed := g.String()
	var all []any
	for _, s := range []string{dashed, "{" + dashed + "}", strings.ReplaceAll(dashed, "-", "")} {
		all = append(all, s, strings.ToUpper(s))
	}
	return all
}
