package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-adsync/adsync"
)

// tellStory runs the demonstration, a chapter after the other.
func (j *job) tellStory(ctx context.Context) (int, error) {
	j.introduce()
	j.heading("The plan: what a sync would do")
	plan, err := j.plan(ctx)
	if err != nil {
		return exitError, err
	}
	if j.dryRun {
		return j.showOnly(plan)
	}
	if err := j.out.plan(plan); err != nil {
		return exitError, err
	}
	j.heading("The sync: just that, and nothing else")
	if code, err := j.carryOut(ctx, plan); code != exitDone || j.only != nil {
		return code, err
	}
	for _, chapter := range []func(context.Context) error{j.again, j.loseRights, j.closeOffices} {
		if err := chapter(ctx); err != nil {
			return exitError, err
		}
	}
	j.farewell()
	return exitDone, nil
}

func (j *job) heading(text string) {
	j.out.line("\n%s\n%s", text, strings.Repeat("─", len([]rune(text))))
}

func (j *job) introduce() {
	d := j.sides.demo
	j.heading("A directory, and a table of users")
	j.out.line("A domain controller in this process answers at %s: LDAP over TLS.", d.controller.URL())
	j.out.line("The table %s has %d users: %d were imported from %s a year ago, %d are local.",
		j.sides.table, d.rows, d.employees, domain, d.rows-d.employees)
	j.out.line("Since then, in the directory:")
	for _, text := range d.happened {
		j.out.line("  · %s", text)
	}
}

// again shows that a sync that was done leaves nothing to do.
func (j *job) again(ctx context.Context) error {
	j.heading("A second sync")
	plan, err := j.plan(ctx)
	if err != nil {
		return err
	}
	told := map[adsync.Op]int{}
	for _, c := range plan.Changes {
		told[c.Op]++
	}
	j.out.line("%s to write. %d duplicates and %d notices stand until people settle them.",
		count(writes(plan), "change"), told[adsync.OpDuplicate], told[adsync.OpNotice])
	return nil
}

// loseRights is the accident in which an absence looks like a deletion.
func (j *job) loseRights(ctx context.Context) error {
	j.heading("Two accidents")
	j.out.line("The service account loses its rights. Searches still succeed, and find nobody:")
	if err := j.sides.demo.hideEverybody(); err != nil {
		return err
	}
	plan, err := j.plan(ctx)
	switch {
	case errors.Is(err, adsync.ErrIncomplete): // with -import, which lists the directory
		j.out.line("  %s.", err)
		return nil
	case err != nil:
		return err
	}
	unproven := 0
	for _, c := range plan.Changes {
		if c.Reason == adsync.ReasonUnproven {
			unproven++
		}
	}
	for _, warning := range plan.Warnings {
		j.out.line("  Warning: %s.", warning)
	}
	j.out.line("  %s to write: %s are kept, as no deletion is proven.", count(writes(plan), "change"), count(unproven, "user"))
	return nil
}

// closeOffices is the accident in which everything is proven, and still wrong.
func (j *job) closeOffices(ctx context.Context) error {
	j.out.line("Somebody deletes everyone in Lagos and Bengaluru:")
	if err := j.sides.demo.closeOffices("Lagos", "Bengaluru"); err != nil {
		return err
	}
	_, err := j.syncer.Sync(ctx)
	if !errors.Is(err, adsync.ErrUnsafe) {
		return errors.Join(errors.New("quickstart: the limits did not hold"), err)
	}
	j.out.line("  %s.", err)
	return nil
}

func (j *job) farewell() {
	if j.db != "" {
		j.out.line("\nThe table is kept in %s.", j.db)
	}
	j.heading("Go on")
	j.out.line("  go run ./examples/quickstart -check     what the service account can read")
	j.out.line("  go run ./examples/quickstart -import    create users for new people, too")
	j.out.line("  go run ./examples/quickstart -h         your own directory and database")
}

func count(n int, what string) string {
	switch n {
	case 0:
		return "No " + what
	case 1:
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
