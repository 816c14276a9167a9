package main

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/go-adsync/adsync"
)

// importList shows everybody in scope of the directory.
func (a *app) importList() list {
	return list{path: "/import", title: "Import users", look: a.comparePeople, source: a.source, preset: "new"}
}

// comparePeople lists everybody in scope, and asks a plan who of them could be
// imported.
func (a *app) comparePeople(ctx context.Context) error {
	reading, cancel := context.WithTimeout(ctx, a.planTimeout)
	defer cancel()
	runs, entries := a.runs.Load(), []adsync.Entry{}
	for e, err := range a.directory.Entries(reading) {
		if err != nil {
			return fmt.Errorf("%w: %w", adsync.ErrIncomplete, err)
		}
		entries = append(entries, e)
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

// units lists all of them, and those above.
func (s *store) units(ctx context.Context) (units []string, err error) {
	paths, err := s.texts(ctx, `SELECT DISTINCT unit FROM people ORDER BY unit`)
	for _, path := range paths {
		for i, r := range path {
			if r == '/' && !slices.Contains(units, path[:i+1]) {
				units = append(units, path[:i+1])
			}
		}
	}
	return units, err
}
