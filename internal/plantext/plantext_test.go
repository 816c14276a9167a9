package plantext

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWidth(t *testing.T) {
	for s, want := range map[string]int{"": 0, "anna": 4, "Jürgen": 6, "Ju\u0308rgen": 6, "王小明": 6, "ｶﾅ": 2, "Ａ": 2} {
		assert.Equal(t, want, Width(s), "%q", s)
	}
}

func TestPrintable_Disarms(t *testing.T) {
	for s, want := range map[string]string{
		"plain, ü 王":   "plain, ü 王",
		"\x1b[31mred":  `\u{1b}[31mred`,
		"a\nb\tc\rd":   `a\u{a}b\u{9}c\u{d}d`,
		"abc\u202edef": `abc\u{202e}def`,
		"zero\u200bw":  `zero\u{200b}w`,
		"\u0085\u2028": `\u{85}\u{2028}`,
	} {
		assert.Equal(t, want, Printable(s))
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("anna")
	f.Add("\x1b]0;title\x07")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range Printable(s) {
			require.False(t, unsafe(r), "%q", s)
		}
	})
}

func items() []Item {
	return []Item{
		{Mark: '~', ID: "1", Name: "王小明", Text: "update", Details: []Detail{{Label: "phone", Old: "a", New: "b", Arrow: true}}},
		{Mark: '!', ID: "22", Name: "anna", Text: "duplicate", Details: []Detail{{Label: "email", New: "x"}}},
	}
}

func TestWrite_AlignsColumns(t *testing.T) {
	var out strings.Builder
	n, err := Write(&out, []string{"head"}, items(), []string{"foot"})
	require.NoError(t, err)
	assert.Equal(t, int64(out.Len()), n)
	assert.Equal(t, `head

~ 1   王小明  update
      phone  a  →  b
! 22  anna    duplicate
      email  x

foot
`, out.String())
}

func TestWrite_ColumnsAreAsWideAsTheirLongestValue(t *testing.T) {
	var out strings.Builder
	_, err := Write(&out, nil, []Item{
		{Mark: '+', ID: "1\n", Name: "anna", Text: "new", Details: []Detail{
			{Label: "first name", Old: "a", New: "b", Arrow: true},
			{Label: "email", Old: "somebody", New: "c", Arrow: true},
			{Label: "phone", Old: "not shown, so it takes no room", New: "d"},
		}},
	}, nil)
	require.NoError(t, err)
	assert.Equal(t, `
+ 1\u{a}  anna  new
          first name  a         →  b
          email       somebody  →  c
          phone       d
`, out.String())
}

func TestWrite_PrintsNothingOfNothing(t *testing.T) {
	var out strings.Builder
	_, err := Write(&out, []string{"head"}, nil, nil)
	require.NoError(t, err)
	assert.Equal(t, "head\n", out.String())
}

func TestReason(t *testing.T) {
	assert.Equal(t, "create: new in the directory", Reason("create", "new"))
	assert.Equal(t, "create: of another version", Reason("create", "of another version"))
	assert.Equal(t, "another: new", Reason("another", "new"))
}

func TestAdvice(t *testing.T) {
	assert.Contains(t, Advice("taken"), "rename")
	assert.Contains(t, Advice("deleted"), "Rules.OnDeleted")
}

func TestWrite_LongValueDoesNotPushTheOthersAway(t *testing.T) {
	var out strings.Builder
	long := strings.Repeat("x", 500)
	_, err := Write(&out, nil, []Item{{Mark: '-', ID: long}, {Mark: '-', ID: "1", Name: "anna"}}, nil)
	require.NoError(t, err)
	assert.Contains(t, out.String(), "- 1"+strings.Repeat(" ", widest-1)+"  anna\n")
}

func TestWrite_ColoursForTerminals(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer file.Close()
	assert.False(t, wantsColour(file), "a file is no terminal")
	assert.False(t, wantsColour(&strings.Builder{}))

	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	require.NoError(t, err)
	defer device.Close()
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	assert.True(t, wantsColour(device), "a character device counts as one")
	t.Setenv("NO_COLOR", "1")
	assert.False(t, wantsColour(device))
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "dumb")
	assert.False(t, wantsColour(device))

	assert.Equal(t, "\x1b[31m-\x1b[0m", (&printer{colour: true}).paint('-'))
	assert.Equal(t, "-", (&printer{}).paint('-'))
}

func TestWrite_ReturnsTheError(t *testing.T) {
	_, err := Write(brokenWriter{}, []string{"head"}, nil, nil)
	require.ErrorIs(t, err, errBroken)
}

var errBroken = errors.New("broken")

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }
