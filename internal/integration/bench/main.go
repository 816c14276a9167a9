package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/go-adsync/adsync/internal/integration/reaper"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := bench(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context) error {
	people := flag.String("people", "10000,100000", "sizes of the directory")
	runs := flag.Int("runs", 5, "how often each is measured")
	list := flag.String("databases", names(databases()), "measure with these")
	only := flag.String("only", "", "measure only what has this in its name")
	gitea := flag.String("gitea", "", "measure this Gitea too, a program next to its options and templates")
	record := flag.String("record", "", "write the figures that do not depend on the machine to this file")
	recorded := flag.String("recorded", "", "fail where they are much worse than in this file")
	profiles := flag.String("profiles", "", "write a CPU profile of each task into this directory")
	cpu := flag.String("cpuprofile", "", "with -task: write a CPU profile there")
	encoded := flag.String("task", "", "do one task, given as JSON, and end: for the bench itself")
	flag.Parse()
	if *encoded != "" {
		var t task
		if err := json.Unmarshal([]byte(*encoded), &t); err != nil {
			return err
		}
		err := profiled(*cpu, func() error { return t.run(ctx) })
		fmt.Println(peak())
		return err
	}
	ds, err := named(*list)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "adsync-bench")
	if err != nil {
		return err
	}
	standby, err := reaper.New(dir)
	if err != nil {
		return err
	}
	defer func() { _ = errors.Join(os.RemoveAll(dir), standby.Close()) }()
	if err := os.Chmod(dir, 0o755); err != nil { // the account postgres must reach its part
		return err
	}
	b := &round{dir: dir, databases: ds, runs: *runs, only: *only, profiles: *profiles}
	if *gitea != "" {
		if b.gitea, err = filepath.Abs(*gitea); err != nil {
			return err
		}
	}
	for size := range strings.SplitSeq(*people, ",") {
		n, err := strconv.Atoi(size)
		if err != nil || n < chosen || *runs < 1 {
			return fmt.Errorf("-people is a list of numbers, %d at least, and -runs is 1 at least", chosen)
		}
		b.sizes = append(b.sizes, n)
	}
	if err := b.all(ctx); err != nil {
		return err
	}
	b.table.print(os.Stdout)
	if *record != "" {
		return b.table.record(*record)
	}
	if *recorded != "" {
		return b.table.compare(*recorded)
	}
	return nil
}

// round measures everything, and prints it.
type round struct {
	dir       string
	databases []database
	runs      int
	only      string
	profiles  string
	gitea     string // the program, if it is to be measured
	sizes     []int
	table     table
}

func (b *round) all(ctx context.Context) error {
	present, lacking, err := installed(b.databases)
	if err != nil {
		return err
	}
	for _, why := range lacking {
		fmt.Fprintln(os.Stderr, why)
	}
	b.databases = present
	b.table.begin(b.runs, present, lacking)
	for _, people := range b.sizes {
		if err := b.size(ctx, people); err != nil {
			return err
		}
	}
	return nil
}

func (b *round) size(ctx context.Context, people int) (err error) {
	fmt.Fprintf(os.Stderr, "loading %d people\n", people)
	slapd, err := startDirectory(ctx, filepath.Join(b.dir, fmt.Sprint("slapd", people)), people)
	if err != nil {
		return err
	}
	defer slapd.stop()
	m := &measuring{round: b, ctx: ctx, people: people, directory: slapd}
	defer func() {
		if m.numbering != nil {
			err = errors.Join(err, m.numbering.stop())
		}
	}()
	if err := m.reading(); err != nil {
		return err
	}
	for _, d := range b.databases {
		if err := m.syncs(d); err != nil {
			return err
		}
	}
	return m.besideGitea()
}

// measuring is one size of the directory.
type measuring struct {
	*round
	*directory
	ctx       context.Context
	people    int
	numbering *controller // started when it is needed
}

// job is what is done with one database for a row of the table.
type job struct {
	name   string
	kind   string
	floors []string
	state  state
	want   counts
	before string // a command for the controller
}

// jobs are those that are wanted.
func (m *measuring) jobs(d database) (wanted []job) {
	changed := counts{Modified: ones(m.people, 100, 1), Deleted: ones(m.people, 200, 2)}
	for _, j := range []job{
		{"1,000 chosen, nothing changed", "sync", []string{"floor read"}, stateChosen, counts{}, ""},
		{nothingChanged, "sync", []string{"floor read"}, stateFull, counts{}, ""},
		{withRoles, "sync roles", []string{"floor read", "floor read roles"}, stateRoles, counts{}, ""},
		{"1% changed, 0.5% gone", "sync", []string{"floor read", "floor write"}, stateChanged, changed, ""},
		{"first import", "import", []string{"floor import"}, stateEmpty, counts{Created: m.people}, ""},
	} {
		j.name += ", " + d.name
		if strings.Contains(j.name, m.only) {
			wanted = append(wanted, j)
		}
	}
	return wanted
}

// syncs measures what is done with one database, whose server runs no longer than
// that, so as not to disturb the others.
func (m *measuring) syncs(d database) (err error) {
	jobs, since := m.jobs(d), m.sinceJobs(d)
	if len(jobs)+len(since) == 0 {
		return nil
	}
	h, err := openHosts(m.ctx, filepath.Join(m.dir, "host"), d, m.people)
	if err != nil {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	defer func() { err = errors.Join(err, h.close()) }()
	for _, j := range jobs {
		if err := m.job(h, j, task{URL: m.url}); err != nil {
			return err
		}
	}
	return m.since(h, since)
}

// job measures one row.
func (m *measuring) job(h *hosts, j job, t task) error {
	row := m.table.row(j.name, m.people)
	t.People, t.Rows, t.Want = m.people, j.state.rows(m.people), j.want
	for range m.runs {
		for _, kind := range append(j.floors, j.kind) {
			t.Kind = kind
			err := h.lend(m.ctx, j.state, func(copied host) error {
				t.Host = copied
				return m.pair(row, t)
			})
			if err != nil {
				return fmt.Errorf("%s: %s: %w", j.name, kind, err)
			}
		}
		row.turn()
	}
	row.report()
	return nil
}

// ones counts the numbers below n that leave the rest.
func ones(n, divisor, rest int) (count int) {
	for i := rest; i < n; i += divisor {
		count++
	}
	return count
}

// reading measures what needs no database.
func (m *measuring) reading() error {
	err := errors.Join(
		m.compare(listing, task{Kind: "list"}),
		m.compare(listingRoles, task{Kind: "list roles"}),
		m.compare("listing over TLS", task{Kind: "list", URL: m.encrypted, Authority: m.authority}),
		m.compare("listing by go-ldap alone", task{Kind: "go-ldap"}))
	for _, n := range []int{1000, 5000, 20_000} {
		if n <= m.people {
			err = errors.Join(err, m.compare(fmt.Sprintf("look-up of %d", n), task{Kind: "find", Find: n}))
		}
	}
	return err
}

// compare measures one task without a database.
func (m *measuring) compare(name string, t task) error {
	if !strings.Contains(name, m.only) {
		return nil
	}
	row := m.table.row(name, m.people)
	for range m.runs {
		t.URL, t.People = cmp.Or(t.URL, m.url), m.people
		if err := m.pair(row, t); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		row.turn()
	}
	row.report()
	return nil
}

// pair measures a task, and ldapsearch right before it, unless it is a floor.
func (m *measuring) pair(row *row, t task) error {
	if strings.HasPrefix(t.Kind, "floor") {
		used, err := m.self(t)
		row.floor.wall, row.floor.cpu = row.floor.wall+used.wall, row.floor.cpu+used.cpu
		return err
	}
	searched := t.URL
	if t.Mark != "" { // the other directory has a controller's own cost
		searched = m.url
	}
	before, err := m.ldapsearch(searched)
	if err != nil {
		return err
	}
	if t.Mark != "" {
		if _, err := m.numbering.ask(countRequests); err != nil {
			return err
		}
	}
	used, err := m.self(t)
	if err == nil && t.Mark != "" {
		used.requests, err = m.numbering.ask(countRequests)
	}
	row.add(before, used)
	return err
}

func (m *measuring) self(t task) (usage, error) {
	encoded, err := json.Marshal(t)
	if err != nil {
		return usage{}, err
	}
	path, err := os.Executable()
	if err != nil {
		return usage{}, err
	}
	args := []string{"-task", string(encoded)}
	if m.profiles != "" {
		scheme, _, _ := strings.Cut(t.URL, ":")
		name := fmt.Sprintf("%d %s %s %d %s %+v.prof", t.People, scheme, t.Kind, t.Find, t.Host.Database, t.Want)
		args = append(args, "-cpuprofile", filepath.Join(m.profiles, strings.ReplaceAll(name, " ", "-")))
	}
	var peak strings.Builder
	used, err := measure(m.ctx, &peak, path, args...)
	if err != nil {
		return used, err
	}
	kib, err := strconv.ParseInt(strings.TrimSpace(peak.String()), 10, 64)
	used.peak = kib << 10
	return used, err
}

func (m *measuring) ldapsearch(url string) (usage, error) {
	args := []string{"-x", "-H", url, "-o", "TLS_CACERT=" + m.authority, "-D", adminDN, "-w", adminPass, "-b", suffix, "-LLL", "-E", "pr=1000/noprompt", filter}
	return measure(m.ctx, nil, "ldapsearch", append(args, attributes...)...)
}
