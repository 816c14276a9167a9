package otel

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/go-adsync/adsync"
)

// watched is a host whose spans and metrics stay in memory.
type watched struct {
	spans  *tracetest.InMemoryExporter
	reader metric.Reader
	tracer *Tracer
}

func watch(t testing.TB, reader metric.Reader) watched {
	w := watched{spans: tracetest.NewInMemoryExporter(), reader: reader}
	traces := sdktrace.NewTracerProvider(sdktrace.WithSyncer(w.spans))
	metrics := metric.NewMeterProvider(metric.WithReader(reader))
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		assert.NoError(t, traces.Shutdown(ctx))
		assert.NoError(t, metrics.Shutdown(ctx))
	})
	var err error
	w.tracer, err = New(traces, metrics)
	require.NoError(t, err)
	return w
}

func id(n byte) adsync.ObjectID { return adsync.ObjectID{15: n} }

// people are managed users, linked to the accounts 1 to n.
func people(n byte) *adsync.MemoryStore {
	var users []adsync.User
	for i := byte(1); i <= n; i++ {
		name := fmt.Sprintf("secret%d", i)
		users = append(users, adsync.User{ID: fmt.Sprint(i), ObjectID: id(i), Source: "corp", Profile: adsync.Profile{Username: name, Email: name + "@corp.example"}})
	}
	return adsync.NewMemoryStore(users...)
}

func account(n byte, phone string) adsync.Entry {
	name := fmt.Sprintf("secret%d", n)
	return adsync.Entry{ObjectID: id(n), Profile: adsync.Profile{Username: name, Email: name + "@corp.example", Phone: phone}}
}

// day is what a directory of five says: one has a new phone, one is deleted, one out of
// sight, one disputed, and one as the host has it.
func day() adsync.StaticDirectory {
	return adsync.StaticDirectory{account(1, "5"), {ObjectID: id(2), State: adsync.StateDeleted},
		{ObjectID: id(3), State: adsync.StateUnproven}, {ObjectID: id(4), State: adsync.StateDisputed}, account(5, "")}
}

func (w watched) sync(t testing.TB, dir adsync.Directory, store adsync.UserStore, limits adsync.Limits) error {
	syncer, err := adsync.New(dir, store, &adsync.Options{Tracer: w.tracer, Rules: adsync.Rules{Source: "corp"}, Limits: limits})
	require.NoError(t, err)
	_, err = syncer.Sync(t.Context())
	return err
}

// unlimited lets the day through.
var unlimited = adsync.Limits{MaxRemovalRatio: -1}

func TestTracer_MakesASpanOfEachPhase(t *testing.T) {
	w := watch(t, metric.NewManualReader())
	require.NoError(t, w.sync(t, day(), people(5), unlimited))
	names := map[string]string{}
	spans := w.spans.GetSpans()
	for _, s := range spans {
		names[s.SpanContext.SpanID().String()] = s.Name
	}
	var got []string
	for _, s := range spans {
		assert.Equal(t, codes.Unset, s.Status.Code)
		got = append(got, strings.TrimPrefix(names[s.Parent.SpanID().String()]+" > "+s.Name, " > "))
	}
	assert.Equal(t, []string{
		"adsync plan > adsync users",
		"adsync directory > adsync look-up", "adsync plan > adsync directory",
		"adsync plan > adsync reconcile", "adsync sync > adsync plan",
		"adsync directory > adsync look-up", "adsync confirm > adsync directory", "adsync sync > adsync confirm",
		"adsync sync > adsync write", "adsync sync",
	}, got)
	assert.NotContains(t, fmt.Sprintf("%+v", spans), "secret", "nobody's data")
}

// collected are the sums and the last values, by name and attributes.
func (w watched) collected(t testing.TB) map[string]float64 {
	var all metricdata.ResourceMetrics
	require.NoError(t, w.reader.Collect(t.Context(), &all))
	values := map[string]float64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				keep(values, m.Name, data.DataPoints)
			case metricdata.Gauge[int64]:
				keep(values, m.Name, data.DataPoints)
			case metricdata.Gauge[float64]:
				keep(values, m.Name, data.DataPoints)
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					values[m.Name+" "+p.Attributes.Encoded(encoder)] = float64(p.Count)
				}
			default:
				t.Fatalf("%s is a %T", m.Name, m.Data)
			}
		}
	}
	return values
}

func keep[N int64 | float64](values map[string]float64, name string, points []metricdata.DataPoint[N]) {
	for _, p := range points {
		values[name+" "+p.Attributes.Encoded(encoder)] = float64(p.Value)
	}
}

func TestTracer_MeasuresTheAgeOfTheMark(t *testing.T) {
	w := watch(t, metric.NewManualReader())
	plan := adsync.PhaseEnd{Phase: adsync.PhasePlan, Source: "corp"}
	w.tracer.PhaseEnd(w.tracer.PhaseStart(t.Context(), adsync.PhaseStart{Phase: plan.Phase}), plan)
	got := w.collected(t)
	full := got["adsync.full source=corp"]
	assert.InDelta(t, time.Now().Unix(), full, 3600)
	assert.Zero(t, got["adsync.mark.age source=corp"])
	assert.Contains(t, got, "adsync.mark.age source=corp")

	plan.Since = time.Now().Add(-48 * time.Hour)
	w.tracer.PhaseEnd(w.tracer.PhaseStart(t.Context(), adsync.PhaseStart{Phase: plan.Phase}), plan)
	got = w.collected(t)
	assert.Equal(t, full, got["adsync.full source=corp"], "a plan from a mark is none")
	assert.InDelta(t, 48*3600, got["adsync.mark.age source=corp"], 3600)
}

func TestTracer_MeasuresWhatBecameOfTheUsers(t *testing.T) {
	w := watch(t, metric.NewManualReader())
	begun := time.Now()
	require.NoError(t, w.sync(t, day(), people(5), unlimited))
	got := w.collected(t)
	for _, moment := range []string{"adsync.success source=corp", "adsync.full source=corp"} {
		assert.GreaterOrEqual(t, got[moment], float64(begun.Unix()))
		delete(got, moment)
	}
	assert.Equal(t, map[string]float64{
		"adsync.changes op=delete,outcome=applied,reason=deleted,source=corp":  1,
		"adsync.changes op=update,outcome=applied,reason=changed,source=corp":  1,
		"adsync.changes op=notice,outcome=skipped,reason=unproven,source=corp": 1,
		"adsync.changes op=update,outcome=applied,reason=disputed,source=corp": 1,

		"adsync.managed source=corp": 5, "adsync.mark.age source=corp": 0, "adsync.unproven source=corp": 1, "adsync.disputed source=corp": 1, "adsync.duplicates source=corp": 0,
		"adsync.warnings source=corp": 0, "adsync.failed source=corp": 0, "adsync.refused source=corp": 0,

		"adsync.phase.duration phase=sync,source=corp": 1, "adsync.phase.duration phase=plan,source=corp": 1,
		"adsync.phase.duration phase=users,source=corp": 1, "adsync.phase.duration phase=directory,source=corp": 2,
		"adsync.phase.duration phase=look-up,source=corp": 2, "adsync.phase.duration phase=reconcile,source=corp": 1,
		"adsync.phase.duration phase=confirm,source=corp": 1, "adsync.phase.duration phase=write,source=corp": 1,
	}, got)
}

// Whom a plan gives no username or address, as another has it.
func TestTracer_MeasuresDuplicates(t *testing.T) {
	w := watch(t, metric.NewManualReader())
	rival := account(1, "")
	rival.Username = account(2, "").Username
	require.NoError(t, w.sync(t, adsync.StaticDirectory{rival, account(2, "")}, people(2), unlimited))
	assert.Equal(t, 1.0, w.collected(t)["adsync.duplicates source=corp"])
	require.NoError(t, w.sync(t, adsync.StaticDirectory{account(1, ""), account(2, "")}, people(2), unlimited))
	assert.Zero(t, w.collected(t)["adsync.duplicates source=corp"])
}

// broken is a directory that cannot be read.
type broken struct{ adsync.StaticDirectory }

func (broken) Find(context.Context, []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	return func(yield func(adsync.Entry, error) bool) {
		yield(adsync.Entry{}, errors.New("secret"))
	}
}

func (broken) Traits() adsync.Traits { return adsync.Traits{} }

// refusing is a table that takes nothing.
type refusing struct{ *adsync.MemoryStore }

func (refusing) ApplyChanges(_ context.Context, cs []adsync.Change) []adsync.Written {
	return slices.Repeat([]adsync.Written{{Err: errors.New("secret")}}, len(cs))
}

// A plan that waits for a person is told until a run goes well, whatever fails in the
// meantime, and of a run that failed it is said why.
func TestTracer_MeasuresHowRunsEnd(t *testing.T) {
	w := watch(t, metric.NewManualReader())
	require.ErrorIs(t, w.sync(t, adsync.StaticDirectory{{ObjectID: id(1), State: adsync.StateDeleted}, {ObjectID: id(2), State: adsync.StateDeleted}}, people(2), adsync.Limits{}), adsync.ErrUnsafe)
	require.ErrorIs(t, w.sync(t, broken{}, people(2), adsync.Limits{}), adsync.ErrIncomplete)
	got := w.collected(t)
	assert.Equal(t, 1.0, got["adsync.refused source=corp"])
	assert.Equal(t, 2.0, got["adsync.managed source=corp"], "of a plan that was not made, nothing is known")
	assert.Equal(t, 2.0, got["adsync.changes op=delete,outcome=not-attempted,reason=deleted,source=corp"])
	assert.Equal(t, 1.0, got["adsync.phase.duration error.type=refused,phase=sync,source=corp"])
	assert.Equal(t, 1.0, got["adsync.phase.duration error.type=incomplete,phase=sync,source=corp"])
	assert.NotContains(t, got, "adsync.success source=corp")
	for _, s := range w.spans.GetSpans() {
		if s.Status.Code == codes.Error {
			assert.NotContains(t, s.Status.Description, "secret")
		}
	}

	require.NoError(t, w.sync(t, day(), refusing{people(5)}, unlimited))
	got = w.collected(t)
	assert.Zero(t, got["adsync.refused source=corp"])
	assert.Contains(t, got, "adsync.refused source=corp")
	assert.Equal(t, 3.0, got["adsync.failed source=corp"])
}

// The SDK's own work included. docs/PERFORMANCE.md says what it gave.
func BenchmarkTracer_Phase(b *testing.B) {
	traces := sdktrace.NewTracerProvider(sdktrace.WithBatcher(nowhere{}))
	metrics := metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()))
	tracer, err := New(traces, metrics)
	require.NoError(b, err)
	for b.Loop() {
		ctx := tracer.PhaseStart(context.Background(), adsync.PhaseStart{Phase: adsync.PhaseWrite, Source: "corp"})
		tracer.PhaseEnd(ctx, adsync.PhaseEnd{Phase: adsync.PhaseWrite, Source: "corp", Count: 500})
	}
	require.NoError(b, traces.Shutdown(context.Background()))
}

// nowhere takes spans and drops them.
type nowhere struct{}

func (nowhere) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (nowhere) Shutdown(context.Context) error                             { return nil }
