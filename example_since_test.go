package adsync_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/go-adsync/adsync"
)

// A sync that reads only what has changed since the one before. The mark is kept in a
// file here; a row beside the user table is as good.
func ExampleSince() {
	var people adsync.StaticDirectory // stands for a directory of package activedirectory
	syncer, err := adsync.New(people, adsync.NewMemoryStore(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	const file = "adsync.mark"
	mark, err := readMark(file)
	if err != nil {
		fmt.Println(err) // and the plan is a full one
	}
	report, err := syncer.Sync(context.Background(), adsync.Since(mark))
	if err := writeMark(file, report.Mark()); err != nil { // also after an error: it knows what is left to do
		fmt.Println(err)
	}
	fmt.Println(err)
	fmt.Println("everything was read:", report.Plan.Reading.Full)
	// Output:
	// <nil>
	// everything was read: there is no mark of an earlier run
}

func readMark(file string) (*adsync.Mark, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	mark := new(adsync.Mark)
	if err := json.Unmarshal(text, mark); err != nil {
		return nil, err
	}
	return mark, nil
}

func writeMark(file string, mark *adsync.Mark) error {
	if mark == nil { // the next plan is a full one
		return ignoreMissing(os.Remove(file))
	}
	text, err := json.Marshal(mark)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
