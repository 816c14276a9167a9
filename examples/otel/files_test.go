package otel

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.yaml.in/yaml/v3"

	"github.com/go-adsync/adsync"
)

var encoder = attribute.DefaultEncoder()

// known are the metrics that a Prometheus server would scrape after runs of all kinds,
// with their labels and the values of these.
func known(t *testing.T) map[string]map[string][]string {
	registry := prometheus.NewRegistry()
	reader, err := exporter.New(exporter.WithRegisterer(registry))
	require.NoError(t, err)
	w := watch(t, reader)
	require.NoError(t, w.sync(t, day(), people(5), unlimited))
	require.NoError(t, w.sync(t, day(), refusing{people(5)}, unlimited))
	require.Error(t, w.sync(t, broken{}, people(1), adsync.Limits{}))
	families, err := registry.Gather()
	require.NoError(t, err)
	metrics := map[string]map[string][]string{}
	for _, family := range families {
		labels := map[string][]string{}
		for _, m := range family.GetMetric() {
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = append(labels[l.GetName()], l.GetValue())
			}
		}
		name := family.GetName()
		metrics[name] = labels
		if family.GetType().String() == "HISTOGRAM" {
			withLe := maps.Clone(labels)
			withLe["le"] = nil
			metrics[name+"_bucket"], metrics[name+"_sum"], metrics[name+"_count"] = withLe, labels, labels
			delete(metrics, name)
		}
	}
	return metrics
}

var (
	metricNames = regexp.MustCompile(`\badsync_\w+`)
	matchers    = regexp.MustCompile(`(\w+)\s*(=~|!=|=)\s*"([^"]*)"`)
	groupings   = regexp.MustCompile(`\bby \(([^)]*)\)`)
	shownLabels = regexp.MustCompile(`\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}`)
)

// checkQuery fails for a metric, a label or a label's value that there is not, and returns
// the metrics. The shown texts are what is made of the query's results.
func checkQuery(t *testing.T, metrics map[string]map[string][]string, query string, shown ...string) []string {
	t.Helper()
	names := metricNames.FindAllString(query, -1)
	require.NotEmpty(t, names, query)
	labels := map[string][]string{}
	for _, name := range names {
		require.Contains(t, metrics, name, query)
		maps.Copy(labels, metrics[name])
	}
	for _, m := range matchers.FindAllStringSubmatch(query, -1) {
		require.Contains(t, labels, m[1], query)
		if m[2] == "=" {
			require.Contains(t, labels[m[1]], m[3], query)
		}
	}
	left := labels
	if by := groupings.FindStringSubmatch(query); by != nil {
		left = map[string][]string{}
		for name := range strings.SplitSeq(by[1], ", ") {
			require.Contains(t, labels, name, query)
			left[name] = nil
		}
	}
	for _, text := range shown {
		for _, m := range shownLabels.FindAllStringSubmatch(text, -1) {
			assert.Contains(t, left, m[1], "%s shows %s", query, text)
		}
	}
	assert.Equal(t, strings.Count(query, "("), strings.Count(query, ")"), query)
	return names
}

// A query for a metric that does not exist is no error: it is a panel that stays empty, and
// an alert that never comes.
func TestFiles_NameOnlyMetricsThatExist(t *testing.T) {
	metrics := known(t)
	used := map[string]bool{}
	note := func(names []string) {
		for _, name := range names {
			used[name] = true
		}
	}

	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr, LegendFormat string }
		}
		Templating struct {
			List []struct{ Name, Type, Query string }
		}
	}
	read(t, "dashboard.json", json.Unmarshal, &dashboard)
	require.Len(t, dashboard.Panels, 10)
	for _, panel := range dashboard.Panels {
		require.NotEmpty(t, panel.Targets, panel.Title)
		for _, target := range panel.Targets {
			note(checkQuery(t, metrics, target.Expr, target.LegendFormat))
		}
	}
	for _, v := range dashboard.Templating.List {
		if v.Type == "query" {
			metric, label, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(v.Query, "label_values("), ")"), ", ")
			require.Contains(t, metrics, metric)
			require.Contains(t, metrics[metric], label)
		}
	}

	var alerts struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Labels      struct{ Severity string }
				Annotations map[string]string
			}
		}
	}
	read(t, "alerts.yaml", yaml.Unmarshal, &alerts)
	require.Len(t, alerts.Groups, 1)
	require.Len(t, alerts.Groups[0].Rules, 10)
	for _, rule := range alerts.Groups[0].Rules {
		require.NotEmpty(t, rule.Annotations["summary"], rule.Alert)
		assert.Contains(t, []string{"page", "ticket", "info"}, rule.Labels.Severity, rule.Alert)
		note(checkQuery(t, metrics, rule.Expr, slices.Collect(maps.Values(rule.Annotations))...))
	}

	for name := range metrics {
		if strings.HasPrefix(name, "adsync_") {
			assert.True(t, used[name], "%s is shown nowhere", name)
		}
	}
}

func read(t *testing.T, name string, unmarshal func([]byte, any) error, into any) {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	require.NoError(t, unmarshal(data, into), name)
}
