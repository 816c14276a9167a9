package main

import (
	"context"
	"errors"

	"github.com/go-adsync/adsync"
)

// tellFirstDay runs the first day of an application whose users are there already,
// a chapter after the other.
func (j *job) tellFirstDay(ctx context.Context) (int, error) {
	j.keepOnEmpty = list{string(adsync.FieldEmail)} // as some have no address in the directory
	j.introduceFirstDay()
	chapters := []func(context.Context) error{j.checkFirst, j.adoptCertain}
	if !j.dryRun {
		chapters = append(chapters, j.settlePairs, j.nameSome, j.importSome, j.firstSync)
	}
	for _, chapter := range chapters {
		if err := chapter(ctx); err != nil {
			return exitError, err
		}
	}
	if !j.dryRun {
		j.farewellFirstDay()
	}
	return exitDone, nil
}

// surveyFirstDay is the part of a first day that writes nothing.
func (j *job) surveyFirstDay(ctx context.Context) (int, error) {
	j.heading("What the service account can read")
	code, err := j.checkAccess(ctx)
	if err != nil && !errors.Is(err, errCannotRead) {
		return code, err
	}
	j.heading("Who could be linked")
	plan, failed := j.planAdoption(ctx)
	if failed != nil {
		return exitError, failed
	}
	if failed := j.printPlan(plan); failed != nil {
		return exitError, failed
	}
	j.heading("Go on")
	j.tellSteps()
	return code, err
}

func (j *job) tellSteps() {
	for _, step := range []string{
		"-adopt -dry-run                      the plan to link who is there; without -dry-run: do it",
		"-adopt -adopt-by username -dry-run   by username alone, where nothing speaks against it",
		"-adopt -only ID,ID -dry-run          those who are protected or not active, named",
		"-find TEXT                           look for people",
		"-import-group DN -dry-run            users for the members of a group",
		"-dry-run                             the first sync",
		"-json > report.json                  a run whose report is kept",
		"-undo report.json -dry-run           the way back",
	} {
		j.out.line("  %s", step)
	}
}

func (j *job) introduceFirstDay() {
	d := j.sides.demo
	j.heading("A directory, and users from before")
	j.out.line("A domain controller in this process answers at %s: LDAP over TLS.", d.controller.URL())
	j.out.line("The table %s has %d users and no objectGUID: it knows them by login and address.", j.sides.table, d.rows)
	j.out.line("Since they were imported:")
	for _, text := range d.happened {
		j.out.line("  · %s", text)
	}
}

// checkFirst meets a service account that lacks a right, as most do at first.
func (j *job) checkFirst(ctx context.Context) error {
	j.heading("1. What may the service account read?   -check")
	if _, err := j.checkAccess(ctx); !errors.Is(err, errCannotRead) {
		return errors.Join(errors.New("quickstart: a right should be missing"), err)
	}
	j.out.line("\nAn administrator grants that. Again:")
	if err := j.sides.demo.controller.GrantTombstones(serviceAccount); err != nil {
		return err
	}
	_, err := j.checkAccess(ctx)
	return err
}

// adoptCertain links those about whom there is no doubt.
func (j *job) adoptCertain(ctx context.Context) error {
	j.heading("2. Who is who?   -adopt")
	j.out.line("A first plan links whom username and email both name:\n")
	return j.adoptAndTell(ctx)
}

// adoptAndTell plans, prints and, unless this is a dry run, carries out an
// adoption by the rules of the job.
func (j *job) adoptAndTell(ctx context.Context) error {
	j.adopt = true
	defer func() { j.adopt = false }()
	if err := j.renew(); err != nil {
		return err
	}
	plan, err := j.planAdoption(ctx)
	if err != nil {
		return err
	}
	return j.tellAndApply(ctx, plan)
}

// renew has the job go by its rules as they are by now.
func (j *job) renew() (err error) {
	j.syncer, err = adsync.New(j.sides.directory, j.sides.store, j.options(j.sides, j.out))
	return err
}

func (j *job) tellAndApply(ctx context.Context, plan *adsync.Plan) error {
	if err := j.printPlan(plan); err != nil || j.dryRun {
		return err
	}
	j.below = nil
	report, err := j.syncer.Apply(ctx, plan)
	if err != nil {
		return err
	}
	j.out.line("\nApplied: %d modified, %d created.", report.Counts().Modified, report.Counts().Created)
	return report.Err()
}

// settlePairs is what people do about the rest.
func (j *job) settlePairs(ctx context.Context) error {
	j.heading("3. The doubtful, one by one   -adopt -adopt-by username")
	j.out.line("Łukasz's new address and Kwame's new login are entered in the table, and the second account")
	j.out.line("of Tunde loses its address in the directory. Bjarki is not Björn: nothing is done about him.")
	j.out.line("A second plan takes the username alone, where no address and no last name speaks against it:\n")
	if err := j.sides.demo.settle(ctx); err != nil {
		return err
	}
	j.adoptBy = list{string(adsync.FieldUsername)}
	return j.adoptAndTell(ctx)
}

// settle is done by hand, on both sides.
func (d *demo) settle(ctx context.Context) error {
	entered := d.exec(ctx, `UPDATE accounts SET email = 'lukasz.wojcik-nowak@`+domain+`' WHERE login = 'lwojcik'`,
		`UPDATE accounts SET login = 'kwame' WHERE login = 'kmensah'`)
	return errors.Join(entered, d.set("adm-tbakare", "mail"))
}

// nameSome links those for whom a rule is not enough.
func (j *job) nameSome(ctx context.Context) error {
	j.heading("4. The owner, and who is blocked   -adopt -only 103,105")
	j.adoptBy, j.only = nil, list{"103", "105"}
	defer func() { j.only = nil }()
	return j.adoptAndTell(ctx)
}

// importSome creates users in three ways.
func (j *job) importSome(ctx context.Context) error {
	j.heading("5. New people   -find, -import-ids, -import-group, -import-ou")
	if err := j.renew(); err != nil {
		return err
	}
	d := j.sides.demo
	found, err := j.sides.directory.Search(ctx, "Eze", mostFound)
	if err != nil {
		return err
	}
	j.out.line("-find Eze")
	j.out.people(found)
	for _, choice := range []struct {
		text      string
		ids       []adsync.Entry
		group, ou string
	}{
		{text: "-import-ids with her objectGUID", ids: found},
		{text: "-import-group with the DN of App Users, in which the Lagos Team is", group: d.groups["App Users"]},
		{text: "-import-ou with the DN of Reykjavík", ou: d.offices["Reykjavík"]},
	} {
		j.out.line("\n%s", choice.text)
		j.importIDs, j.importGroup, j.importOU = idsOf(choice.ids), choice.group, choice.ou
		plan, err := j.planImport(ctx)
		if err != nil {
			return err
		}
		if err := j.tellAndApply(ctx, plan); err != nil {
			return err
		}
	}
	j.importIDs, j.importGroup, j.importOU = nil, "", ""
	j.out.line("\nBjarki cannot have the login of Björn as long as Björn's account is in the table.")
	j.out.line("Ifeoma has no address in the directory, so she has none here; -mail-domain would make one.")
	return nil
}

func idsOf(entries []adsync.Entry) list {
	var ids list
	for _, e := range entries {
		ids = append(ids, e.ObjectID.String())
	}
	return ids
}

// firstSync is what all this was for, and the way back from it.
func (j *job) firstSync(ctx context.Context) error {
	j.heading("6. The first sync")
	plan, err := j.plan(ctx)
	if err != nil {
		return err
	}
	if err := j.out.plan(plan); err != nil {
		return err
	}
	report, err := j.syncer.Apply(ctx, plan)
	if err != nil {
		return err
	}
	j.out.line("")
	if err := errors.Join(j.out.report(report), report.Err()); err != nil {
		return err
	}
	if err := j.again(ctx); err != nil {
		return err
	}
	j.heading("7. The way back   -undo")
	j.out.line("The sync could be taken back, by a plan like any other. It is only shown here:\n")
	back, err := j.syncer.Inverse(ctx, report)
	if err != nil {
		return err
	}
	return j.out.plan(back)
}

func (j *job) farewellFirstDay() {
	j.heading("Go on")
	j.out.line("docs/FIRST-DAY.md takes you through it with your own directory and table:")
	j.tellSteps()
}
