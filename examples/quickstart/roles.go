package main

import (
	"context"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
	"github.com/go-adsync/adsync/internal/fakead"
	"github.com/go-adsync/adsync/sqlstore"
)

// roleSchema is a host's table of roles. A row of another origin is an administrator's.
const roleSchema = `
CREATE TABLE account_roles (
	account INTEGER NOT NULL REFERENCES accounts (id),
	role    TEXT NOT NULL,
	origin  TEXT NOT NULL,
	PRIMARY KEY (account, role)
)`

// roles are given by groups, which are named by what stays of them.
func (d *demo) roles() []activedirectory.Role {
	if d.publishers == (fakead.GUID{}) {
		return nil
	}
	return []activedirectory.Role{{Name: "publisher", Group: adsync.ObjectID(d.publishers).String()}}
}

// accounts maps the table of roles too, where there is one.
func (d *demo) accounts() sqlstore.Table {
	table := accounts()
	if d.publishers != (fakead.GUID{}) {
		table.Roles = &sqlstore.Membership{
			Table: "account_roles", User: "account", Role: "role",
			Roles: map[string]any{"publisher": "publish"}, Values: map[string]any{"origin": domain},
		}
	}
	return table
}

// giveRoles makes the group, whose members have the role on both sides.
func (d *demo) giveRoles(ctx context.Context, logins ...string) (err error) {
	if _, err := d.db.ExecContext(ctx, roleSchema); err != nil {
		return err
	}
	group := fakead.Group{Name: "Publishers"}
	for _, login := range logins {
		group.Members = append(group.Members, d.guids[login])
		const insert = `INSERT INTO account_roles (account, role, origin) SELECT id, 'publish', ? FROM accounts WHERE login = ?`
		if _, err := d.db.ExecContext(ctx, insert, domain, login); err != nil {
			return err
		}
	}
	d.publishers, err = d.controller.CreateGroup(group)
	return err
}
