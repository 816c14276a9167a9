package main

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
)

// importList shows everybody in scope of the directory.
func (a *app) importList() list {
	return list{path: "/import", title: "Import users", look: a.comparePeople, source: a.source, preset: "new"}
}

// comparePeople lists everybody in scope, and asks a plan who of them could be
// imported.
func (a *app) comparePeople(ctx context.Context) error {
	runs := a.runs.Load()
	entries, err := everybody(ctx, a.directory)
	if err != nil {
		return err
	}
	groups, err := a.findGroups(ctx, "")
	if err != nil {
		return err
	}
	plan, err := a.plan(ctx, adsync.Rules{Import: true})
	if err != nil || a.runs.Load() != runs {
		return err
	}
	held := map[adsync.ObjectID]adsync.Change{}
	for _, c := range plan.Changes {
		if c.UserID == "" && c.Op != adsync.OpCreate {
			held[c.ObjectID] = c
		}
	}
	return a.store.inTx(ctx, func(t *tx) {
		t.exec(`DELETE FROM people`)
		t.exec(`DELETE FROM import_groups`)
		t.keepGroups(groups)
		for _, e := range entries {
			state, change := "new", sql.NullString{}
			if c, ok := held[e.ObjectID]; ok {
				state, change = string(c.Op), sql.NullString{String: asJSON(c), Valid: true}
			}
			if e.Disabled || e.DisabledUnknown { // neither is imported
				state = "disabled"
			}
			t.exec(`INSERT INTO people (object_id, directory, username, first_name, last_name, email, unit, state, change) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
				e.ObjectID.String(), a.source, e.Username, e.FirstName, e.LastName, e.Email, unitOf(e.DN), state, change)
		}
		t.keepComparison("/import", plan.Warnings)
	})
}

// everybody lists the accounts in scope.
func everybody(ctx context.Context, dir adsync.Directory) (entries []adsync.Entry, err error) {
	for e, err := range dir.Entries(ctx) {
		if err != nil {
			return nil, fmt.Errorf("%w: %w", adsync.ErrIncomplete, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// groupList is a look at who of the import list is in a group, if there is one.
func (a *app) groupList(group string) list {
	if group == "" {
		return list{}
	}
	return list{path: "/import " + group, look: func(ctx context.Context) error { return a.compareGroup(ctx, group) }}
}

// compareGroup reads who is in a group, by way of other groups, too: whoever would have a
// role by it.
func (a *app) compareGroup(ctx context.Context, group string) error {
	found, err := a.findGroups(ctx, group)
	if err != nil {
		return err
	}
	var entries []adsync.Entry
	warnings := []string{"There is no group of this name. Those whose names begin so are suggested now"}
	if at := slices.IndexFunc(found, func(g adsync.Entry) bool { return strings.EqualFold(g.Username, group) }); at >= 0 {
		of := a.ad
		of.Roles, warnings = []activedirectory.Role{{Name: "member", Group: found[at].ObjectID.String()}}, nil
		dir, err := activedirectory.New(of)
		if err != nil {
			return err
		}
		if entries, err = everybody(ctx, dir); err != nil {
			return err
		}
	}
	return a.store.inTx(ctx, func(t *tx) {
		t.keepGroups(found)
		t.exec(`DELETE FROM import_members WHERE in_group = ?`, group)
		for _, e := range entries {
			if e.Extra.Set(adsync.FieldRoles) != nil {
				t.exec(`INSERT INTO import_members (in_group, object_id) VALUES (?, ?) ON CONFLICT DO NOTHING`, group, e.ObjectID.String())
			}
			if e.Unknown.Set(adsync.FieldRoles) != nil {
				warnings = []string{"The service account cannot see all members of this group, or of a group in it. Nobody is shown, as some would be missing"}
			}
		}
		t.keepComparison("/import "+group, warnings)
	})
}

// maxGroups is how many groups are suggested. Any other is found by its name.
const maxGroups = 100

// findGroups finds those of the whole domain whose name begins with the text, but for
// those that came with it.
func (a *app) findGroups(ctx context.Context, text string) ([]adsync.Entry, error) {
	dir, err := a.groups()
	if err != nil {
		return nil, err
	}
	return dir.Search(ctx, text, maxGroups)
}

func (a *app) openGroups() (*activedirectory.Directory, error) {
	return activedirectory.New(activedirectory.Config{
		URLs: a.ad.URLs, TLS: a.ad.TLS, Bind: a.ad.Bind, Filter: "(&(objectCategory=group)(!(groupType:1.2.840.113556.1.4.803:=1)))", NoDisabled: true,
	})
}

func (t *tx) keepGroups(groups []adsync.Entry) {
	for _, g := range groups {
		t.exec(`INSERT INTO import_groups (name) VALUES (?) ON CONFLICT DO NOTHING`, g.Username)
	}
}

// unitOf is the way from the domain down to the container of an account, as in
// "People/Berlin/".
func unitOf(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return ""
	}
	path := ""
	for _, rdn := range parsed.RDNs[min(1, len(parsed.RDNs)):] {
		if kind := rdn.Attributes[0]; !strings.EqualFold(kind.Type, "DC") {
			path = strings.ReplaceAll(kind.Value, "/", "∕") + "/" + path
		}
	}
	return path
}

// Units are all of them, and those above.
func (l lookup) Units() (units []string, err error) {
	paths, err := l.store.texts(l.ctx, `SELECT DISTINCT unit FROM people ORDER BY unit`)
	for _, path := range paths {
		for i, r := range path {
			if r == '/' && !slices.Contains(units, path[:i+1]) {
				units = append(units, path[:i+1])
			}
		}
	}
	return units, err
}

// Groups are those that are suggested.
func (l lookup) Groups() ([]string, error) {
	return l.store.texts(l.ctx, `SELECT name FROM import_groups ORDER BY lower(name)`)
}
