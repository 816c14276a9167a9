// Package otel follows the runs of a sync with OpenTelemetry: a span for each phase, and
// metrics that say what became of the users. A host copies it. dashboard.json (Grafana)
// and alerts.yaml (Prometheus) use its metrics as the Prometheus exporter names them.
package otel

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/go-adsync/adsync"
)

// Tracer is an adsync.Tracer.
type Tracer struct {
	spans trace.Tracer
	instruments
}

type begunKey struct{}

// PhaseStart begins a span.
func (t *Tracer) PhaseStart(ctx context.Context, s adsync.PhaseStart) context.Context {
	ctx, _ = t.spans.Start(context.WithValue(ctx, begunKey{}, time.Now()), "adsync "+string(s.Phase))
	return ctx
}

// PhaseEnd ends it, and measures.
func (t *Tracer) PhaseEnd(ctx context.Context, e adsync.PhaseEnd) {
	span, source := trace.SpanFromContext(ctx), attribute.String("source", e.Source)
	about := []attribute.KeyValue{source, attribute.String("phase", string(e.Phase))}
	if e.Err != nil {
		about = append(about, attribute.String("error.type", errorType(e.Err)))
		span.SetStatus(codes.Error, e.Err.Error())
	}
	begun, _ := ctx.Value(begunKey{}).(time.Time)
	t.duration.Record(ctx, time.Since(begun).Seconds(), metric.WithAttributes(about...))
	span.SetAttributes(append(about, attribute.Int("count", e.Count), attribute.String("limit", e.Limit))...)
	span.End()

	of, n := metric.WithAttributes(source), sums(e.Changes)
	switch whole := e.Phase == adsync.PhaseSync || e.Phase == adsync.PhaseApply; {
	case e.Phase == adsync.PhasePlan && e.Err == nil:
		t.managed.Record(ctx, int64(e.Stats.Managed), of)
		t.unproven.Record(ctx, n[adsync.ReasonUnproven], of)
		t.disputed.Record(ctx, n[adsync.ReasonDisputed], of)
		t.duplicates.Record(ctx, n[adsync.OpDuplicate], of)
		t.warnings.Record(ctx, int64(e.Warnings), of)
		t.measureMark(ctx, e.Since, of)
	case whole && errors.Is(e.Err, adsync.ErrUnsafe):
		t.refused.Record(ctx, 1, of)
	case whole && e.Err == nil:
		t.refused.Record(ctx, 0, of)
		t.failed.Record(ctx, n[adsync.OutcomeFailed], of)
		t.success.Record(ctx, float64(time.Now().UnixMilli())/1000, of)
	}
	for _, c := range e.Changes {
		if e.Phase != adsync.PhasePlan { // which counts what has yet to be done
			t.changes.Add(ctx, int64(c.Count), of, metric.WithAttributes(attribute.String("op", string(c.Op)),
				attribute.String("reason", string(c.Reason)), attribute.String("outcome", string(c.Outcome))))
		}
	}
}

// measureMark says how old the mark was that a plan went on from, or that it read everything.
func (t *Tracer) measureMark(ctx context.Context, since time.Time, of metric.RecordOption) {
	if since.IsZero() {
		t.full.Record(ctx, float64(time.Now().UnixMilli())/1000, of)
		t.markAge.Record(ctx, 0, of)
		return
	}
	t.markAge.Record(ctx, time.Since(since).Seconds(), of)
}

// sums counts changes by their operation, by their reason, and by their outcome.
func sums(changes []adsync.ChangeCount) map[any]int64 {
	n := map[any]int64{}
	for _, c := range changes {
		n[c.Op] += int64(c.Count)
		n[c.Reason] += int64(c.Count)
		n[c.Outcome] += int64(c.Count)
	}
	return n
}

// errorType is one of a few words, as metrics want them.
func errorType(err error) string {
	for _, kind := range []struct {
		err  error
		word string
	}{
		{context.Canceled, "cancelled"}, {context.DeadlineExceeded, "timeout"}, {adsync.ErrLocked, "locked"},
		{adsync.ErrUnsafe, "refused"}, {adsync.ErrIncomplete, "incomplete"},
	} {
		if errors.Is(err, kind.err) {
			return kind.word
		}
	}
	return "failed"
}
