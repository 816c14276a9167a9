package adattr_test

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/adattr"
)

// A GUID as a domain controller sent it, and as its tools print it.
const (
	wireGUID    = "\x5b\x85\x24\xe1\x37\x1a\xbe\x41\x9f\x05\x3c\x1a\x9b\x7d\x2e\x10"
	printedGUID = "e124855b-1a37-41be-9f05-3c1a9b7d2e10"
)

func TestGUID_Order(t *testing.T) {
	g, err := adattr.GUIDFromWire([]byte(wireGUID))
	require.NoError(t, err)
	assert.Equal(t, printedGUID, g.String())
	wire := g.Wire()
	assert.Equal(t, wireGUID, string(wire[:]))
}

func TestGUIDFromWire_WantsSixteenBytes(t *testing.T) {
	for _, b := range [][]byte{nil, {}, make([]byte, 15), make([]byte, 17)} {
		_, err := adattr.GUIDFromWire(b)
		assert.Error(t, err, "%d bytes", len(b))
	}
}

func TestParseGUID(t *testing.T) {
	tests := []struct {
		in string
		ok bool
	}{
		{printedGUID, true},
		{strings.ToUpper(printedGUID), true},
		{"{" + printedGUID + "}", true},
		{"", false},
		{printedGUID + " ", false},
		{"{" + printedGUID, false},
		{printedGUID + "}", false},
		{strings.ReplaceAll(printedGUID, "-", ""), false},
		{strings.ReplaceAll(printedGUID, "-", "0"), false},
		{"e124855b1-a37-41be-9f05-3c1a9b7d2e10", false},
		{"g124855b-1a37-41be-9f05-3c1a9b7d2e10", false},
	}
	for _, tt := range tests {
		g, err := adattr.ParseGUID(tt.in)
		if !tt.ok {
			assert.Error(t, err, tt.in)
			continue
		}
		require.NoError(t, err, tt.in)
		assert.Equal(t, printedGUID, g.String())
	}
}

func TestErrors_DoNotRepeatTheInput(t *testing.T) {
	const secret = "ada@example.test"
	_, guid := adattr.ParseGUID(secret)
	_, filetime := adattr.ParseFiletime(secret)
	_, generalized := adattr.ParseGeneralizedTime(secret)
	for _, err := range []error{guid, filetime, generalized} {
		require.Error(t, err)
		assert.NotContains(t, err.Error(), secret)
	}
}

func TestIsDisabled(t *testing.T) {
	tests := []struct {
		in       string
		disabled bool
		ok       bool
	}{
		{"512", false, true},
		{"514", true, true},
		{"66048", false, true}, // password never expires
		{"66050", true, true},
		{"2", true, true},
		{"-2147483646", true, true}, // the sign bit is in use too
		{"-2147483648", false, true},
		{"", false, false},
		{"disabled", false, false},
		{"514x", false, false},
	}
	for _, tt := range tests {
		disabled, ok := adattr.IsDisabled(tt.in)
		assert.Equal(t, tt.disabled, disabled, tt.in)
		assert.Equal(t, tt.ok, ok, tt.in)
	}
}

func TestParseFiletime(t *testing.T) {
	tests := []struct {
		in   string
		want time.Time
	}{
		{"0", time.Time{}},
		{strconv.FormatInt(math.MaxInt64, 10), time.Time{}},
		{"1", time.Date(1601, 1, 1, 0, 0, 0, 100, time.UTC)},
		{"116444736000000000", time.Unix(0, 0).UTC()},
		{"133485408000000000", time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)},
	}
	for _, tt := range tests {
		got, err := adattr.ParseFiletime(tt.in)
		require.NoError(t, err, tt.in)
		assert.Equal(t, tt.want, got, tt.in)
	}
	for _, bad := range []string{"", "-1", "x", "9223372036854775808"} {
		_, err := adattr.ParseFiletime(bad)
		assert.Error(t, err, bad)
	}
}

func TestParseGeneralizedTime(t *testing.T) {
	got, err := adattr.ParseGeneralizedTime("20261122194522.0Z")
	require.NoError(t, err)
	assert.Equal(t, time.Date(2026, 11, 22, 19, 45, 22, 0, time.UTC), got)
	for _, bad := range []string{"", "20261122194522", "20261122194522,0Z", "20261322194522.0Z", "20261122194522.0Zx"} {
		_, err := adattr.ParseGeneralizedTime(bad)
		assert.Error(t, err, bad)
	}
}

func FuzzParseGUID(f *testing.F) {
	f.Add(printedGUID)
	f.Add("{" + printedGUID + "}")
	f.Add(strings.Repeat("-", 36))
	f.Fuzz(func(t *testing.T, s string) {
		g, err := adattr.ParseGUID(s)
		if err != nil {
			return
		}
		assert.Equal(t, strings.ToLower(strings.Trim(s, "{}")), g.String())
	})
}

func FuzzGUIDFromWire(f *testing.F) {
	f.Add([]byte(wireGUID))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := adattr.GUIDFromWire(b)
		if err != nil {
			return
		}
		wire := g.Wire()
		assert.Equal(t, b, wire[:])
		again, err := adattr.ParseGUID(g.String())
		require.NoError(t, err)
		assert.Equal(t, g, again)
	})
}

func FuzzIsDisabled(f *testing.F) {
	f.Add("514")
	f.Add("-2147483646")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := strconv.ParseInt(s, 10, 64)
		disabled, ok := adattr.IsDisabled(s)
		assert.Equal(t, err == nil, ok)
		assert.Equal(t, ok && n&2 == 2, disabled)
	})
}

func FuzzParseFiletime(f *testing.F) {
	f.Add("133485408000000000")
	f.Add("9223372036854775807")
	f.Add("9223372036854775806")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := adattr.ParseFiletime(s)
		if err != nil || got.IsZero() {
			return
		}
		ticks, err := strconv.ParseInt(s, 10, 64)
		require.NoError(t, err)
		assert.Equal(t, ticks, got.Unix()*1e7+int64(got.Nanosecond()/100)+116444736000000000)
	})
}

func FuzzParseGeneralizedTime(f *testing.F) {
	f.Add("20261122194522.0Z")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := adattr.ParseGeneralizedTime(s)
		if err == nil {
			assert.Equal(t, s, got.Format("20060102150405.0Z"))
		}
	})
}
