package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"
)

// usage is what a process took.
type usage struct {
	wall, cpu time.Duration
	peak      int64 // bytes
	requests  int   // to a domain controller
}

// measure runs a process to its end. What it prints is thrown away, unless there
// is somebody to take it.
func measure(ctx context.Context, prints io.Writer, name string, args ...string) (usage, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = prints, &said
	begun := time.Now()
	err := cmd.Run()
	used := usage{wall: time.Since(begun)}
	if err != nil {
		return used, fmt.Errorf("%w: %s", err, said.String())
	}
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		used.cpu = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	return used, nil
}

// peak is the most memory that this process had. The system's count for a child
// that has ended will not do: it begins with the parent's.
func peak() string { return strings.TrimSuffix(told("/proc/self/status", "VmHWM"), " kB") }

// profiled writes a CPU profile of f, if a file is named.
func profiled(name string, f func() error) error {
	if name == "" {
		return f()
	}
	to, err := os.Create(name)
	if err != nil {
		return err
	}
	defer to.Close()
	if err := pprof.StartCPUProfile(to); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return f()
}

// row is one line of the table.
type row struct {
	name   string
	people int
	pairs  []pair
	floor  usage // of this turn
	floors []usage
	again  time.Duration // of a run in a process that has made one before, beyond the database's own
}

type pair struct{ search, used usage }

func (r *row) add(search, used usage) { r.pairs = append(r.pairs, pair{search, used}) }

func (r *row) turn() {
	r.floors = append(r.floors, r.floor)
	r.floor = usage{}
}

// median of what f tells of the pairs.
func (r *row) median(f func(pair) float64) float64 {
	all := make([]float64, len(r.pairs))
	for i, p := range r.pairs {
		all[i] = f(p)
	}
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// floorMedian is what the database alone took.
func (r *row) floorMedian() (wall, cpu time.Duration) {
	var walls, cpus []time.Duration
	for _, f := range r.floors {
		walls, cpus = append(walls, f.wall), append(cpus, f.cpu)
	}
	slices.Sort(walls)
	slices.Sort(cpus)
	return walls[len(walls)/2], cpus[len(cpus)/2]
}

func (r *row) cells() []string {
	wall, _ := r.floorMedian()
	floor, beside, bare := wall.Seconds(), "–", "–"
	if floor > 0 {
		bare = fmt.Sprintf("%.2f", floor)
		beside = fmt.Sprintf("%.2f", r.median(func(p pair) float64 { return p.used.wall.Seconds() / (p.search.wall.Seconds() + floor) }))
	}
	return []string{
		fmt.Sprint(r.people), r.name,
		fmt.Sprintf("%.2f", r.wall()),
		fmt.Sprintf("%.2f", r.seconds()),
		fmt.Sprintf("%.0f", r.peak()),
		fmt.Sprintf("%.2f", r.median(func(p pair) float64 { return p.search.wall.Seconds() })),
		fmt.Sprintf("%.2f", r.median(func(p pair) float64 { return p.used.wall.Seconds() / p.search.wall.Seconds() })),
		fmt.Sprintf("%.2f", r.cpu()),
		bare, beside,
	}
}

// wall and seconds are the wall time and the processor time, in seconds.
func (r *row) wall() float64 {
	return r.median(func(p pair) float64 { return p.used.wall.Seconds() })
}

func (r *row) seconds() float64 {
	return r.median(func(p pair) float64 { return p.used.cpu.Seconds() })
}

// cpu is the processor time relative to ldapsearch's.
func (r *row) cpu() float64 {
	return r.median(func(p pair) float64 { return p.used.cpu.Seconds() / p.search.cpu.Seconds() })
}

// peak is in MiB.
func (r *row) peak() float64 {
	return r.median(func(p pair) float64 { return float64(p.used.peak) / (1 << 20) })
}

var headings = []string{"people", "what", "wall s", "CPU s", "peak MiB", "ldapsearch s", "wall ×", "CPU ×", "database s", "× both"}

// report tells how it goes.
func (r *row) report() { fmt.Fprintln(os.Stderr, strings.Join(r.cells(), " | ")) }

// table gathers the rows.
type table struct {
	machine []string
	rows    []*row
}

func (t *table) begin(runs int, ds []database, lacking []string) {
	t.machine = []string{
		fmt.Sprintf("%d cores (%s), %s, %s", runtime.NumCPU(), processor(), memory(), runtime.Version()),
		version("slapd", "-VV"),
	}
	for _, d := range ds {
		if d.version != nil {
			t.machine = append(t.machine, version(d.version[0], d.version[1:]...))
		}
	}
	t.machine = append(append(t.machine, lacking...),
		fmt.Sprintf("medians of %d runs, %s, load average before: %s", runs, time.Now().UTC().Format(time.DateOnly), load()))
}

func (t *table) row(name string, people int) *row {
	r := &row{name: name, people: people}
	t.rows = append(t.rows, r)
	return r
}

func (t *table) print(w io.Writer) {
	for _, line := range append(t.machine, "load average after: "+load()) {
		fmt.Fprintf(w, "- %s\n", line)
	}
	fmt.Fprintf(w, "\n| %s |\n|%s\n", strings.Join(headings, " | "), strings.Repeat(" --- |", len(headings)))
	for _, r := range t.rows {
		fmt.Fprintf(w, "| %s |\n", strings.Join(r.cells(), " | "))
	}
	if lines := slices.Concat(t.besideRoles(), t.besideTables(), t.besideGitea()); len(lines) > 0 {
		fmt.Fprintf(w, "\n%s\n", strings.Join(lines, "\n"))
	}
}

// processor, memory and load are what the system tells of itself.
func processor() string { return told("/proc/cpuinfo", "model name") }
func memory() string    { return told("/proc/meminfo", "MemTotal") }

func told(file, key string) string {
	b, _ := os.ReadFile(file)
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func load() string {
	b, _ := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(b))
	return strings.Join(fields[:min(3, len(fields))], " ")
}
