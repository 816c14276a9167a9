package otel

import (
	"errors"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// instruments are what is measured. The gauges say how the last run of a source ended, so
// that an alert ends with its cause.
type instruments struct {
	duration metric.Float64Histogram
	changes  metric.Int64Counter
	success  metric.Float64Gauge
	full     metric.Float64Gauge
	markAge  metric.Float64Gauge

	managed, unproven, disputed, duplicates, warnings, failed, refused metric.Int64Gauge
}

// New makes a Tracer for adsync.Options.
func New(spans trace.TracerProvider, metrics metric.MeterProvider) (*Tracer, error) {
	const name = "github.com/go-adsync/adsync"
	m := metrics.Meter(name)
	t := &Tracer{spans: spans.Tracer(name)}
	var errs [5]error
	t.duration, errs[0] = m.Float64Histogram("adsync.phase.duration", metric.WithUnit("s"),
		metric.WithDescription("How long the phases of a run took."),
		metric.WithExplicitBucketBoundaries(.01, .05, .1, .5, 1, 5, 10, 30, 60, 300, 900, 3600))
	t.changes, errs[1] = m.Int64Counter("adsync.changes", metric.WithUnit("{change}"),
		metric.WithDescription("Changes that runs were to make, and what became of each."))
	t.success, errs[2] = m.Float64Gauge("adsync.success", metric.WithUnit("s"),
		metric.WithDescription("When the last run ended that was neither refused nor cut short, in Unix time."))
	t.full, errs[3] = m.Float64Gauge("adsync.full", metric.WithUnit("s"),
		metric.WithDescription("When the last plan was made that read everything, in Unix time."))
	t.markAge, errs[4] = m.Float64Gauge("adsync.mark.age", metric.WithUnit("s"),
		metric.WithDescription("How old the mark was that the last plan went on from; 0: it read everything."))
	err := errors.Join(errs[:]...)
	for _, g := range []struct {
		gauge             *metric.Int64Gauge
		name, description string
	}{
		{&t.managed, "managed", "Users who follow the source."},
		{&t.unproven, "unproven", "Users whose account was found nowhere, and who are kept."},
		{&t.disputed, "disputed", "Users whose deletion another controller contradicts."},
		{&t.duplicates, "duplicates", "Accounts that want a username or an address which another has."},
		{&t.warnings, "warnings", "Warnings of the last plan."},
		{&t.failed, "failed", "Changes that the last run could not write."},
		{&t.refused, "refused", "1 while a refused plan waits for a person."},
	} {
		var failed error
		*g.gauge, failed = m.Int64Gauge("adsync."+g.name, metric.WithDescription(g.description))
		err = errors.Join(err, failed)
	}
	return t, err
}
