// Command quickstart synchronizes a user table with Active Directory.
//
//	go run ./examples/quickstart
//
// Without flags it brings everything itself: a domain controller inside the
// process, which it reads over real LDAP, and a SQLite file that is removed at
// the end. Flags point the same program at a real directory and a real table:
// see -h.
//
// main.go is the flow, flags.go what the flags mean, rules.go the rules they make,
// open.go how the two sides are opened, and print.go what is printed. adopt.go,
// imports.go and undo.go are the plans that are not a sync, and whatif.go compares two
// that are. The rest is the world
// without flags and its stories: demo.go, people.go and story.go, and for the first
// day firstday_world.go and firstday.go. A host needs nothing of those.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/go-adsync/adsync"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// The exit codes, which -h explains.
const (
	exitDone    = 0
	exitError   = 1
	exitUsage   = 2
	exitRefused = 3
	exitPartly  = 4
	exitChanges = 5
)

// run is the whole program, for main and for tests.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitDone
	case err != nil:
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	code, err := s.run(ctx, printer{stdout: stdout, stderr: stderr, json: s.json})
	if err != nil {
		fmt.Fprintln(stderr, err)
	}
	return code
}

// run opens both sides and does what the flags ask for.
func (s *settings) run(ctx context.Context, out printer) (code int, err error) {
	sides, err := s.open(ctx)
	if err != nil {
		return exitError, err
	}
	defer func() {
		if failed := sides.close(); failed != nil && err == nil {
			code, err = exitError, failed
		}
	}()
	syncer, err := adsync.New(sides.directory, sides.store, s.options(sides, out))
	if err != nil {
		return exitError, err
	}
	job := job{settings: s, sides: sides, syncer: syncer, out: out}
	switch {
	case s.check:
		return job.checkAccess(ctx)
	case s.comparesScopes():
		return job.compareScopes(ctx)
	case s.find != "":
		return job.findPeople(ctx)
	case s.firstDay && sides.demo != nil:
		return job.tellFirstDay(ctx)
	case s.firstDay:
		return job.surveyFirstDay(ctx)
	case s.explain != "":
		return job.explainUser(ctx)
	case sides.demo != nil && !s.json:
		return job.tellStory(ctx)
	}
	return job.sync(ctx)
}

// job is one run of the program.
type job struct {
	*settings
	sides  *sides
	syncer *adsync.Syncer
	out    printer
	below  []string // lines to print below the plan
}

// sync plans and, unless this is a dry run, applies the plan.
func (j *job) sync(ctx context.Context) (int, error) {
	plan, err := j.plan(ctx)
	if err != nil {
		return exitError, err
	}
	if j.dryRun {
		return j.showOnly(plan)
	}
	if err := j.printPlan(plan); err != nil {
		return exitError, err
	}
	if !j.json {
		j.out.line("")
	}
	return j.carryOut(ctx, plan)
}

// printPlan prints the plan for people, and what else there is to tell.
func (j *job) printPlan(plan *adsync.Plan) error {
	if j.json {
		return nil // it is part of the report
	}
	if err := j.out.plan(plan); err != nil {
		return err
	}
	for _, line := range j.below {
		j.out.line("%s", line)
	}
	return nil
}

func (j *job) explainUser(ctx context.Context) (int, error) {
	lines, err := j.syncer.Explain(ctx, j.explain)
	if err != nil {
		return exitError, err
	}
	for _, line := range lines {
		j.out.line("%s", line)
	}
	return exitDone, nil
}

func (j *job) plan(ctx context.Context) (*adsync.Plan, error) {
	j.out.working("Reading both sides …")
	defer j.out.working("")
	switch {
	case j.adopt:
		return j.planAdoption(ctx)
	case j.importsSome():
		return j.planImport(ctx)
	case j.undo != "":
		return j.planUndo(ctx)
	case j.only != nil:
		return j.syncer.Plan(ctx, adsync.OnlyUsers(j.only...))
	}
	return j.syncer.Plan(ctx)
}

// carryOut applies the plan and prints what became of it.
func (j *job) carryOut(ctx context.Context, plan *adsync.Plan) (int, error) {
	if j.approve != "" && j.approve != plan.Digest() {
		j.tellDigest(plan)
		return exitRefused, errNotApproved
	}
	var approvals []adsync.Approval
	if j.approve != "" {
		approvals = append(approvals, adsync.Approval{Digest: j.approve, At: time.Now()}) // by whoever typed it
	}
	report, err := j.syncer.Apply(ctx, plan, approvals...)
	j.out.working("")
	code := exitCode(report, err)
	if printed := j.out.report(report); printed != nil {
		return exitError, errors.Join(err, printed)
	}
	if code == exitRefused {
		j.tellDigest(plan)
	}
	if err == nil {
		err = report.Err() // the error of a run that was cut short says all
	}
	return code, err
}

var errNotApproved = errors.New("quickstart: this is not the plan that -approve names, as something has changed since; nothing was changed")

// showOnly prints the plan. Its exit code says what a real run would meet.
func (j *job) showOnly(plan *adsync.Plan) (int, error) {
	print := j.printPlan
	if j.json {
		print = func(p *adsync.Plan) error { return j.out.asJSON(p) }
	}
	if err := print(plan); err != nil {
		return exitError, err
	}
	j.tellDigest(plan)
	if j.approve != plan.Digest() {
		if err := plan.Check(j.limits()); err != nil {
			return exitRefused, err
		}
	}
	if writes(plan) > 0 {
		return exitChanges, nil
	}
	return exitDone, nil
}

// tellDigest tells how to approve the plan. The demonstration's next plan is of
// another world.
func (j *job) tellDigest(plan *adsync.Plan) {
	if j.sides.demo == nil && writes(plan) > 0 {
		j.out.aside("Digest of this plan: %s", plan.Digest())
	}
}

func exitCode(report *adsync.Report, err error) int {
	switch {
	case errors.Is(err, adsync.ErrUnsafe):
		return exitRefused
	case err != nil:
		return exitError
	case report.Err() != nil:
		return exitPartly
	}
	return exitDone
}

// writes counts the changes that write, rather than only tell.
func writes(plan *adsync.Plan) int {
	n := 0
	for _, c := range plan.Changes {
		switch c.Op {
		case adsync.OpUpdate, adsync.OpDelete, adsync.OpCreate:
			n++
		}
	}
	return n
}

// checkAccess says in words what the service account can read, and what the
// table holds.
func (j *job) checkAccess(ctx context.Context) (int, error) {
	access, err := j.sides.directory.Inspect(ctx)
	if err != nil {
		return exitError, err
	}
	if j.json {
		err = j.out.asJSON(access)
	} else {
		err = j.tellAccess(ctx, access)
	}
	switch {
	case err != nil:
		return exitError, err
	case !access.Tombstones || len(access.Missing) > 0:
		return exitError, errCannotRead
	}
	return exitDone, nil
}

var errCannotRead = errors.New("quickstart: the service account cannot read everything; grant it what is said above")

func (j *job) tellAccess(ctx context.Context, access adsync.Access) error {
	j.out.access(access)
	users, managed := 0, 0
	for u, err := range j.sides.store.Users(ctx) {
		if err != nil {
			return err
		}
		users++
		if !u.ObjectID.IsZero() && u.Source == j.sides.source {
			managed++
		}
	}
	j.out.line("The table %s has %d users; %d of them are linked to this directory.", j.sides.table, users, managed)
	return nil
}
