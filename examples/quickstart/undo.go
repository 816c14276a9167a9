package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/go-adsync/adsync"
)

// planUndo plans the way back from the run whose report was saved.
func (j *job) planUndo(ctx context.Context) (*adsync.Plan, error) {
	text, err := os.ReadFile(j.undo)
	if err != nil {
		return nil, err
	}
	var report adsync.Report
	if err := json.Unmarshal(text, &report); err != nil || report.Plan == nil {
		return nil, fmt.Errorf("quickstart: %s is not the report of a run; save what a run with -json prints", j.undo)
	}
	return j.syncer.Inverse(ctx, &report)
}
