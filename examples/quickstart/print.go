package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/go-adsync/adsync"
)

// printer is where a run tells what it does: results on standard output, everything
// else on standard error.
type printer struct {
	stdout, stderr io.Writer
	json           bool
}

func (p printer) line(format string, args ...any) { fmt.Fprintf(p.stdout, format+"\n", args...) }

func (p printer) plan(plan *adsync.Plan) error {
	_, err := plan.WriteTo(p.stdout)
	return err
}

func (p printer) comparison(comparison *adsync.Comparison) error {
	if p.json {
		return p.asJSON(comparison)
	}
	_, err := comparison.WriteTo(p.stdout)
	return err
}

func (p printer) report(report *adsync.Report) error {
	if p.json {
		return p.asJSON(report)
	}
	for _, line := range report.Summary() {
		p.line("%s", line)
	}
	return nil
}

// asJSON prints one document and nothing else.
func (p printer) asJSON(v any) error {
	e := json.NewEncoder(p.stdout)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// aside prints what is not a result and must not get into the JSON.
func (p printer) aside(format string, args ...any) { fmt.Fprintf(p.stderr, format+"\n", args...) }

func (p printer) access(a adsync.Access) {
	p.line("The controller %s answers, and the password is right.", a.Controller)
	p.line("People are looked for under %s.", a.BaseDN)
	if a.Tombstones {
		p.line("Deleted accounts can be read: whoever leaves is proven to have left.")
	} else {
		p.line("Deleted accounts cannot be read: no leaver will ever be deleted. Grant List Contents and Read Property on CN=Deleted Objects.")
	}
	for _, missing := range a.Missing {
		p.line("But %s.", missing)
	}
	if len(a.Missing) == 0 {
		p.line("All five details can be read, and whether an account is disabled.")
	}
}

// progress counts the results on a terminal; otherwise it is nil, and nothing is
// called.
func (p printer) progress() func(context.Context, adsync.Change, adsync.Result) {
	if !isTerminal(p.stderr) {
		return nil
	}
	told := 0
	return func(_ context.Context, _ adsync.Change, r adsync.Result) {
		told++
		p.working(fmt.Sprintf("Change %d: %s", told, r.Outcome))
	}
}

// working replaces the line that says what is being done; "" removes it.
func (p printer) working(text string) {
	if isTerminal(p.stderr) {
		fmt.Fprintf(p.stderr, "\r\x1b[K%s", text)
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
