// Package plantext prints lists of changes for people: aligned, safe for a
// terminal, and in colour where one asks for it.
package plantext

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// Item is one change.
type Item struct {
	Mark    byte // + - ~ ! or i
	ID      string
	Name    string
	Text    string
	Details []Detail
}

// Detail is one line below an item: two values side by side, or a remark.
type Detail struct {
	Label    string
	Old, New string
	Arrow    bool // whether Old turns into New
}

// Write prints the items between the lines of head and foot.
func Write(w io.Writer, head []string, items []Item, foot []string) (int64, error) {
	p := printer{colour: wantsColour(w)}
	for _, line := range head {
		p.line(Printable(line))
	}
	if len(items) > 0 {
		p.line("")
	}
	p.measure(items)
	for i := range items {
		p.item(&items[i])
	}
	if len(foot) > 0 {
		p.line("")
	}
	for _, line := range foot {
		p.line(Printable(line))
	}
	n, err := io.WriteString(w, p.out.String())
	return int64(n), err
}

// wantsColour reports whether w is a terminal whose user has not asked for plain
// text (no-color.org).
func wantsColour(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// printer gathers the text.
type printer struct {
	out                    strings.Builder
	colour                 bool
	id, name, label, value int // widths of the columns
}

// widest is how wide a column may make the others start; longer values stick out.
const widest = 40

func (p *printer) measure(items []Item) {
	column := func(width *int, text string) { *width = max(*width, min(Width(Printable(text)), widest)) }
	for i := range items {
		column(&p.id, items[i].ID)
		column(&p.name, items[i].Name)
		for _, d := range items[i].Details {
			column(&p.label, d.Label)
			if d.Arrow {
				column(&p.value, d.Old)
			}
		}
	}
}

func (p *printer) item(item *Item) {
	p.line(fmt.Sprintf("%s %s  %s  %s", p.paint(item.Mark), pad(item.ID, p.id), pad(item.Name, p.name), Printable(item.Text)))
	indent := strings.Repeat(" ", 2+p.id+2)
	for _, d := range item.Details {
		if d.Arrow {
			p.line(fmt.Sprintf("%s%s  %s  →  %s", indent, pad(d.Label, p.label), pad(d.Old, p.value), Printable(d.New)))
		} else {
			p.line(fmt.Sprintf("%s%s  %s", indent, pad(d.Label, p.label), Printable(d.New)))
		}
	}
}

func (p *printer) line(text string) {
	p.out.WriteString(strings.TrimRight(text, " "))
	p.out.WriteByte('\n')
}

// colours are those that terminals users expect: what is added, removed, changed,
// and what wants attention.
var colours = map[byte]string{'+': "32", '-': "31", '~': "33", '!': "35"}

func (p *printer) paint(mark byte) string {
	if code, ok := colours[mark]; ok && p.colour {
		return "\x1b[" + code + "m" + string(mark) + "\x1b[0m"
	}
	return string(mark)
}

// pad makes the text safe and fills it up to the width.
func pad(text string, columns int) string {
	text = Printable(text)
	return text + strings.Repeat(" ", max(0, columns-Width(text)))
}

// Printable makes text safe to print: what a terminal would obey, or what turns
// the direction of the text around it, is shown as an escape.
func Printable(s string) string {
	if strings.IndexFunc(s, unsafe) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unsafe(r) {
			fmt.Fprintf(&b, `\u{%x}`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func unsafe(r rune) bool {
	return r != ' ' && !unicode.IsPrint(r) // Cf, where the bidirectional controls are, is not print
}

// Width is how many columns of a terminal the text takes: two for wide East
// Asian characters (Unicode Standard Annex 11), none for combining marks.
func Width(s string) int {
	columns := 0
	for _, r := range s {
		switch kind := width.LookupRune(r).Kind(); {
		case unicode.In(r, unicode.Mn, unicode.Me):
		case kind == width.EastAsianWide || kind == width.EastAsianFullwidth:
			columns += 2
		default:
			columns++
		}
	}
	return columns
}
