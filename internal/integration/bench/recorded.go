package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
)

// figures are what a change is held to: how they stand does not depend on how fast
// the machine is.
type figures struct {
	CPU  float64 `json:"cpu"`      // processor time relative to ldapsearch's, of the same run
	Peak float64 `json:"peak_mib"` // memory
}

// What is more than so many times the recorded figure is a change for the worse.
// Both allow for the noise of a shared machine, so they miss what is lost bit by bit.
// Where that is allocations, tests next to the code hold it to figures of their own:
// an entry off the wire, a row read, a plan, its JSON, Apply. What an SQL store spends
// on writing is held to nothing but these.
const (
	mostCPU  = 3
	mostPeak = 1.5
)

func (t *table) figures() map[string]figures {
	all := map[string]figures{}
	for _, r := range t.rows {
		all[fmt.Sprintf("%d: %s", r.people, r.name)] = figures{math.Round(r.cpu()*100) / 100, math.Round(r.peak()*10) / 10}
	}
	return all
}

// record writes the figures down. Rows that were not measured keep theirs.
func (t *table) record(file string) error {
	all, err := recorded(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if all == nil {
		all = map[string]figures{}
	}
	maps.Copy(all, t.figures())
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// compare compares the figures with those that were recorded.
func (t *table) compare(file string) error {
	recorded, err := recorded(file)
	if err != nil {
		return err
	}
	var worse []error
	for name, now := range t.figures() {
		then, ok := recorded[name]
		switch {
		case !ok:
			worse = append(worse, fmt.Errorf("%s: %s has no figures for it; take them with -record", name, file))
		case now.CPU > mostCPU*then.CPU:
			worse = append(worse, fmt.Errorf("%s: %.2f times ldapsearch's processor time; %.2f was recorded", name, now.CPU, then.CPU))
		case now.Peak > mostPeak*then.Peak:
			worse = append(worse, fmt.Errorf("%s: a peak of %.0f MiB; %.0f was recorded", name, now.Peak, then.Peak))
		}
	}
	return errors.Join(worse...)
}

// recorded reads a file of figures, by the names of the rows.
func recorded(file string) (map[string]figures, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	all := map[string]figures{}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return all, nil
}
