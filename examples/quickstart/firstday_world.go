package main

import (
	"context"
	"errors"

	"github.com/go-adsync/adsync/internal/fakead"
)

// oldOffices are where the application was used before it kept objectGUIDs.
func oldOffices() []office {
	all := offices()
	return []office{all[0], all[1], all[5]}
}

// newPeople were hired since, and are not in the table.
var newPeople = []struct {
	office string
	person
}{
	{"Lagos", person{"Adaeze", "Eze", "aeze", "adaeze.eze"}},
	{"Lagos", person{"Ifeoma", "Obi", "iobi", "ifeoma.obi"}},
	{"Lagos", person{"Chinedu", "Okafor", "cokafor2", "chinedu.okafor2"}},
	{"Reykjavík", person{"Jón", "Karlsson", "jkarlsson", "jon.karlsson"}},
	{"Reykjavík", person{"Bjarki", "Þórsson", "bthorsson", "bjarki.thorsson"}},
	{"Berlin", person{"Elif", "Demir", "edemir", "elif.demir"}},
}

// beforeTheFirstDay founds the company and fills the table with people whom it
// knows by login and address alone.
func (d *demo) beforeTheFirstDay(ctx context.Context) error {
	if err := d.found(oldOffices()); err != nil {
		return err
	}
	if err := d.fillOldTable(ctx); err != nil {
		return err
	}
	if err := d.letHappen(d.oldEvents()); err != nil {
		return err
	}
	return errors.Join(d.hireNewPeople(), d.formGroups())
}

// fillOldTable imports everybody as it was done then.
func (d *demo) fillOldTable(ctx context.Context) error {
	if err := d.fillTable(ctx, oldOffices()); err != nil {
		return err
	}
	return d.exec(ctx, `UPDATE accounts SET directory = '', ad_guid = NULL`,
		`UPDATE accounts SET state = 'blocked' WHERE login = 'ayilmaz'`)
}

func (d *demo) exec(ctx context.Context, statements ...string) error {
	for _, statement := range statements {
		if _, err := d.db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// oldEvents are why not everybody can be found by login and address.
func (d *demo) oldEvents() []event {
	return []event{
		{"Zoë Müller married: a new last name. Guðrún Ólafsdóttir has a new phone.", func() error {
			return errors.Join(d.set("zmueller", "sn", "Schröder"), d.set("golafsdottir", "telephoneNumber", "+354 555 177"))
		}},
		{"Łukasz Wójcik has a new address, Kwame Mensah a new login.", func() error {
			return errors.Join(
				d.set("lwojcik", "mail", "lukasz.wojcik-nowak@"+domain), d.set("kmensah", "sAMAccountName", "kwame"))
		}},
		{"Björn Þórsson and Amina Bello left. Bjarki Þórsson was hired and got the login that Björn had.", func() error {
			return d.leave("bthorsson", "abello")
		}},
		{"Emeka Nwosu has no address in the directory.", func() error { return d.set("enwosu", "mail") }},
		{"Tunde Bakare has a second account for administration, with the same address.", func() error {
			id, err := d.controller.AddUser(fakead.User{
				Parent: d.offices["Lagos"], Name: "Tunde Bakare (admin)", Username: "adm-tbakare",
				FirstName: "Tunde", LastName: "Bakare", Email: "tunde.bakare@" + domain,
			})
			d.guids["adm-tbakare"] = id
			return err
		}},
		{"Sigríður Jónsdóttir is on leave, her account disabled.", func() error {
			return d.controller.Disable(d.guids["sjonsdottir"])
		}},
		{"In the application, Margarethe von Ahn is the owner and Ayşe Yılmaz is blocked.", func() error { return nil }},
	}
}

func (d *demo) hireNewPeople() error {
	for _, p := range newPeople {
		u := fakead.User{
			Parent: d.offices[p.office], Name: p.first + " " + p.last, Username: p.login,
			FirstName: p.first, LastName: p.last, Email: p.email(),
		}
		switch p.login {
		case "iobi":
			u.Email = ""
		case "cokafor2":
			u.Name += " 2" // a namesake in the same unit
		}
		id, err := d.controller.AddUser(u)
		if err != nil {
			return err
		}
		d.guids[p.login] = id
	}
	return nil
}

// formGroups makes a group for the application, and a team in it.
func (d *demo) formGroups() error {
	team, err := d.controller.AddUser(fakead.User{Class: "group", Name: "Lagos Team", Username: "lagos-team"})
	if err != nil {
		return err
	}
	if err := d.controller.SetAttribute(team, "member", d.controller.DN(d.guids["iobi"]), d.controller.DN(d.guids["nokonkwo"])); err != nil {
		return err
	}
	d.groups["App Users"], err = d.controller.AddGroup("App Users", team, d.guids["edemir"])
	return err
}
