package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/go-ldap/ldap/v3"

	"github.com/go-adsync/adsync"
)

// mostFound is how many people -find lists.
const mostFound = 50

// findPeople lists people to choose from.
func (j *job) findPeople(ctx context.Context) (int, error) {
	found, err := j.sides.directory.Search(ctx, j.find, mostFound)
	if err != nil {
		return exitError, err
	}
	if j.json {
		return exitDone, j.out.asJSON(found)
	}
	j.out.people(found)
	return exitDone, nil
}

func (p printer) people(found []adsync.Entry) {
	for _, e := range found {
		p.line("%s", describe(e))
	}
	p.line("%s found.", people(len(found)))
}

func people(n int) string {
	switch n {
	case 0:
		return "Nobody was"
	case 1:
		return "1 person was"
	}
	return fmt.Sprintf("%d people were", n)
}

// planImport plans users for the people whom the flags choose.
func (j *job) planImport(ctx context.Context) (*adsync.Plan, error) {
	var ids []adsync.ObjectID
	for _, text := range j.importIDs {
		id, err := adsync.ParseObjectID(text)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	if j.importGroup != "" || j.importOU != "" {
		chosen, err := j.newIn(ctx, j.importOU, j.importGroup)
		if err != nil {
			return nil, err
		}
		ids = append(ids, chosen...)
	}
	return j.syncer.Plan(ctx, adsync.ImportEntries(ids...))
}

// newIn lists the people of a unit and of a group who have no user yet. "" does
// not narrow.
func (j *job) newIn(ctx context.Context, unit, group string) ([]adsync.ObjectID, error) {
	linked := map[adsync.ObjectID]bool{}
	users, err := collect(j.sides.store.Users(ctx))
	if err != nil {
		return nil, err
	}
	for _, u := range users {
		linked[u.ObjectID] = true
	}
	filter := ""
	if group != "" {
		filter = membersOf(group)
	}
	part, err := j.sides.narrowed(cmp.Or(unit, j.base), filter)
	if err != nil {
		return nil, err
	}
	entries, err := collect(part.Entries(ctx))
	if err != nil {
		return nil, err
	}
	var ids []adsync.ObjectID
	for _, e := range entries {
		if !linked[e.ObjectID] {
			ids = append(ids, e.ObjectID)
		}
	}
	return ids, nil
}

// membersOf finds the people in a group and in all groups in it, by the matching
// rule LDAP_MATCHING_RULE_IN_CHAIN ([MS-ADTS] 3.1.1.3.4.4.3). A user's primary
// group, mostly Domain Users, is not among its groups.
func membersOf(group string) string {
	return "(&(sAMAccountType=805306368)(memberOf:1.2.840.113556.1.4.1941:=" + ldap.EscapeFilter(group) + "))"
}
