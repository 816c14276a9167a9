package adsync_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/go-adsync/adsync"
)

// stopwatch tells how long each phase took.
type stopwatch struct{}

type begunKey struct{}

func (stopwatch) PhaseStart(ctx context.Context, _ adsync.PhaseStart) context.Context {
	return context.WithValue(ctx, begunKey{}, time.Now())
}

func (stopwatch) PhaseEnd(ctx context.Context, e adsync.PhaseEnd) {
	begun, _ := ctx.Value(begunKey{}).(time.Time)
	switch took := time.Since(begun); {
	case e.Err != nil:
		fmt.Printf("%s: %v\n", e.Phase, e.Err)
	case took < time.Minute:
		fmt.Println(e.Phase, e.Count)
	}
	for _, c := range e.Changes {
		fmt.Println(strings.TrimSpace(fmt.Sprint("- ", c.Count, " ", c.Op, " ", c.Reason, " ", c.Outcome)))
	}
}

// A host watches how long the parts of a run take, and what became of it. Directory
// examples/otel has a Tracer for OpenTelemetry.
func ExampleTracer() {
	syncer, err := adsync.New(exampleDirectory(), exampleStore(), &adsync.Options{
		Limits: adsync.Limits{MaxRemovals: 20},
		Tracer: stopwatch{},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := syncer.Sync(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// users 4
	// look-up 3
	// directory 0
	// reconcile 3
	// plan 0
	// - 1 delete deleted
	// - 1 duplicate taken
	// - 1 update changed
	// look-up 1
	// directory 0
	// confirm 1
	// write 2
	// sync 0
	// - 1 delete deleted applied
	// - 1 duplicate taken skipped
	// - 1 update changed applied
}
