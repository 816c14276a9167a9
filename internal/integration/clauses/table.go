package main

import "slices"

// The tests of the clauses, with their packages.
const (
	library = "."
	domain  = "./activedirectory"

	fulls     = "TestSince_SaysWhyItReadsEverything/"
	groups    = "TestSince_SeesGroupsChange/"
	histories = "TestSince_EqualsAFullPlanInAnyHistory"
)

// clauses are told in the order of the files. Each was put there by a history in which a
// plan by mark and a full one differed.
var clauses = slices.Concat(single, double)

// single are those that stand in one place.
var single = []clause{
	// What the rules and the mark say before anything is read.
	{"an account goes out of sight, and its absence counts", "since.go",
		[]edit{{`orDefault(rules.OnUnproven, Keep) != Keep:`, `false:`}}, domain, fulls + "absence counts"},
	{"a mark of another version is gone on from", "since.go",
		[]edit{{`m.Version != markVersion:`, `false:`}}, domain, fulls + "a mark of another version"},
	{"a damaged mark is gone on from", "since.go",
		[]edit{{`m.check() != nil:`, `false:`}}, domain, fulls + "a damaged mark"},
	{"the rules change", "since.go",
		[]edit{{`m.Fingerprint != rules.fingerprint():`, `false:`}}, domain, fulls + "the rules are others"},
	{"Map changes without a version", "since.go",
		[]edit{{`(rules.Map != nil || rules.Fold != nil) && rules.Version == "":`, `false:`}}, domain, fulls + "Map has no version"},
	{"Map changes with its version", "mark.go",
		[]edit{{`r.Source, r.Version, r.Only`, `r.Source, "", r.Only`}}, domain, fulls + "Map has another version"},
	{"another release plans otherwise", "mark.go",
		[]edit{{`r.Map != nil, program(),`, `r.Map != nil, "",`}}, library, "TestMark_FingerprintIsOfTheProgram"},
	{"other roles are given", "mark.go",
		[]edit{{`r.Only, r.Roles, r.Only != nil,`, `r.Only, nil, r.Only != nil,`}}, domain, groups + "other roles are given"},
	{"notices are late for ever", "since.go",
		[]edit{{`case age > most:`, `case false:`}}, domain, fulls + "a day has passed"},
	{"the host's clock is put back, and notices are late for as long", "since.go",
		[]edit{{`case age < -time.Minute:`, `case false:`}}, domain, fulls + "the host's clock was put back"},

	// What the table tells.
	{"the host edits a managed row", "since.go",
		[]edit{{`now[place] != before[place]`, `now[place] != before[place] && false`}}, domain, "TestSince_FindsWhatHasChanged"},
	{"the host unlinks a row, with an import", "since.go",
		[]edit{{`if h.scope.importing() && string(h.tally.links[:]) != string(m.Links) {`, `if false {`}}, domain, fulls + "an import, and a row is unlinked"},
	{"the host changes Protected", "mark.go",
		[]edit{{`if u.Protected {
		flags = flagProtected
	}
	b = binary`, `b = binary`}}, library, "TestMark_DigestIsOfAllOfARow"},
	{"the host changes a status", "mark.go",
		[]edit{{`u.ID, string(status), u.Username`, `u.ID, "", u.Username`}}, library, "TestMark_DigestIsOfAllOfARow"},
	{"the host changes a further detail", "mark.go",
		[]edit{{`u.Phone, u.Extra.packed}`, `u.Phone}`}}, library, "TestMark_DigestIsOfAllOfARow"},
	{"rows change together so that a weak sum does not", "mark.go",
		[]edit{{`	digest := sha256.Sum256(b)
	return sum(digest[:len(sum{})])
}

// link`, `	var digest sum
	for i, one := range b {
		digest[i%len(digest)] += one
	}
	return digest
}

// link`}}, library, "TestMark_DigestsAreStrong"},
	{"a link is changed so that a weak sum of all links does not", "mark.go",
		[]edit{{`	r.buffer = append(append(append(r.buffer[:0], r.key...), id[:]...), source...)
	digest := sha256.Sum256(r.buffer)
	return sum(digest[:len(sum{})])`, `	return sum(id)`}}, library, "TestMark_DigestsAreStrong"},
	{"whoever has seen a mark finds rows that change together without a trace", "mark.go",
		[]edit{{`append(append(r.buffer[:0], r.key...), u.ObjectID[:]...)`, `append(r.buffer[:0], u.ObjectID[:]...)`}}, library, "TestMark_DigestsHaveAKeyOfTheirOwn"},
	{"a row that is looked up each time changes, which is not to count in its bucket", "mark.go",
		[]edit{{`	r.host.without(d.look, d.buckets)
`, ``}}, domain, "TestSince_LooksNobodyElseUp"},
	{"a row that was looked up each time is not taken out of its bucket", "since.go",
		[]edit{{`	h.without(remembered, now)
`, ``}}, domain, "TestSince_LooksNobodyElseUp"},

	// Who is looked up.
	{"what a run left undone is forgotten", "since.go",
		[]edit{{`look.addPacked(m.Look)`, ``}}, domain, "TestSince_GoesOnAfterARunThatBroke"},
	{"another controller was asked in the meantime", "since.go",
		[]edit{{`look.addPacked(m.Others[r.known])`, ``}}, domain, "TestSince_KnowsWhatOthersWereAskedSince"},
	{"whoever was looked up on one controller changes on another", "since.go",
		[]edit{{`		for id := range r.looked {
			ids.add(id)
		}`, ``}}, domain, "TestSince_KnowsWhatOthersWereAskedSince"},
	{"a full plan on another controller keeps old marks", "since.go",
		[]edit{{`	if r.plan != nil {
		d.mark.Full = r.mark.Full
		r.keepOthers(&d.mark)
	}`, `	if r.plan != nil {
		d.mark.Full = r.mark.Full
	}
	if r.mark != nil {
		r.keepOthers(&d.mark)
	}`}}, domain, "TestSince_KnowsWhatOthersWereAskedSince"},
	{"an increment counts as the last full reading", "since.go",
		[]edit{{`d.mark.Full = r.mark.Full
`, ``}}, domain, "TestSince_IsDueAfterTheLastFullReading"},
	{"somebody whom nobody is linked to changes, without an import", "since.go",
		[]edit{{`			if first, linked := h.links.First(id); !linked || !h.choosesGroup(first) {
				delete(look, id)
			}`, `_ = id`}}, domain, "TestSince_LooksNobodyElseUp"},
	{"somebody is called a duplicate who was not looked up", "since.go",
		[]edit{{`if c.writes() || c.Op == OpDuplicate || c.Op == OpInvalid {`, `if c.writes() || c.Op == OpInvalid {`}}, domain, "TestSince_LooksUpWhomItWouldCallADuplicate"},
	{"an unchanged user is fixed, and another clashes with it one-sidedly", "reconcile.go",
		[]edit{{`		if d.state == StatePresent {
			d.role = claims.Candidate
		}`, ``}}, domain, histories},
	{"Map is run on the host's own values", "reconcile.go",
		[]edit{{`	case p.view.assumed.has(first): // Map is not for what the host has
		if d.state == StatePresent {
			d.role = claims.Candidate
		}
`, ``}}, domain, "TestSince_HasMapSeeEntriesAlone"},
	{"the user of a disabled account is taken for that of an enabled one", "since.go",
		[]edit{{`Disabled: disabled.has(id)}`, `}`}}, domain, "TestSince_RemembersWhoseAccountIsDisabled"},
	{"a user out of scope is taken for one in scope", "since.go",
		[]edit{{`e.State = StateOutOfScope`, `e.State = StatePresent`}}, domain, "TestSince_RemembersWhoIsOutOfScope"},
	{"only those of whom there was a notice are remembered as disabled", "mark.go",
		[]edit{{`		if e.Disabled {
			d.disabled.add(id)
		}`, ``}}, domain, "TestSince_RemembersWhoseAccountIsDisabled"},
	{"only those of whom there was a notice are remembered as out of scope", "mark.go",
		[]edit{{`d.outside.add(id)`, ``}}, domain, "TestSince_RemembersWhoIsOutOfScope"},

	// What a run leaves.
	{"an account whose flag could not be read shows it", "mark.go",
		[]edit{{`case e.DisabledUnknown, e.State`, `case e.State`}}, library, "TestMark_LooksUpWhoIsNotInOrder"},
	{"a deleted account is purged or restored unseen", "mark.go",
		[]edit{{`case e.DisabledUnknown, e.State != StatePresent && e.State != StateOutOfScope:`, `case e.DisabledUnknown:`}}, library, "TestMark_LooksUpWhoIsNotInOrder"},
	{"a new account that was listed twice is so no more", "mark.go",
		[]edit{{`if n.twice || e.Present()`, `if e.Present()`}}, library, "TestMark_LooksUpWhoIsNotInOrder"},
	{"a new account whose flag could not be read shows it", "mark.go",
		[]edit{{`if n.twice || e.Present() && e.DisabledUnknown {`, `if n.twice || e.Present() && false {`}}, library, "TestMark_LooksUpWhoIsNotInOrder"},
	{"a duplicate dissolves because of somebody else", "mark.go",
		[]edit{{`if c := &p.Changes[i]; !c.writes() && !c.tellsState() {`, `if c := &p.Changes[i]; !c.writes() && !c.tellsState() && c.Op != OpDuplicate {`}}, domain, "TestSince_SeesDuplicatesComeAndGo"},
	{"an invalid user becomes valid because of the host", "mark.go",
		[]edit{{`if c := &p.Changes[i]; !c.writes() && !c.tellsState() {`, `if c := &p.Changes[i]; !c.writes() && !c.tellsState() && c.Op != OpInvalid {`}}, domain, "TestSince_TellsInvalidUsersEachTime"},
	{"a write that failed is taken for one that was made", "mark.go",
		[]edit{{`!c.writes() || c.Interim || !r.succeeded(i)`, `!c.writes() || c.Interim`}}, domain, "TestSince_GoesOnAfterARunThatBroke"},
	{"a parked value is taken for the last", "mark.go",
		[]edit{{`!c.writes() || c.Interim || !r.succeeded(i)`, `!c.writes() || !r.succeeded(i)`}}, domain, "TestSince_LooksNobodyElseUp"},
	{"a created user is not known by its ID", "mark.go",
		[]edit{{`			u.ID = r.Results[i].UserID
`, ``}}, domain, "TestSince_LooksNobodyElseUp"},
	{"what is written stays to be looked up, or leaves its bucket wrong", "mark.go",
		[]edit{{`buckets.of(u.ObjectID).add(digest.of(&u))`, `_ = u`}}, domain, "TestSince_LooksNobodyElseUp"},
	{"what one of two users of an account holds is taken for what the account says of the other", "mark.go",
		[]edit{{`shared := twins && len(v.host.links.Twins(first)) > 0`, `shared := twins && false`}}, library, "TestMark_LooksUpWhoseAccountHasTwoUsers"},
	{"a run's own deletion is taken for the host's", "mark.go",
		[]edit{{`links.sub(digest.link(c.Before.ObjectID, c.Before.Source))`, ``}}, domain, "TestSince_TellsItsOwnLinksFromOthers"},
	{"a run's own creation is taken for the host's", "mark.go",
		[]edit{{`links.add(digest.link(c.After.ObjectID, c.After.Source))`, ``}}, domain, "TestSince_TellsItsOwnLinksFromOthers"},
	{"a run of some users leaves a mark of all", "since.go",
		[]edit{{`r.wanted = !selected`, `r.wanted = true`}}, domain, "TestSince_IsNoSelection"},

	// What the controller tells.
	{"a mark of another controller is taken for its own", "activedirectory/changes.go",
		[]edit{{`case m.Controller != r.name():`, `case false:`}}, domain, fulls + "a backup was restored"},
	{"the filter, the base or a mapping changes", "activedirectory/changes.go",
		[]edit{{`case was.Config != r.digest():`, `case false:`}}, domain, fulls + "the filter is another"},
	{"a further detail changes with what it names", "activedirectory/changes.go",
		[]edit{{`case r.witnesses.dir.reader.IsUnnumbered():`, `case false:`}}, domain, "TestSince_FollowsDetailsOfTheAccountsOwn"},
	{"membership decides who is in scope", "activedirectory/internal/ldapread/plain.go",
		[]edit{{`if !isPlain {`, `if !isPlain && false {`}}, domain, fulls + "membership decides"},
	{"a mapped attribute names others", "activedirectory/internal/ldapread/plain.go",
		[]edit{{`names = append(names, s.cfg.Attributes[:]...)`, ``}}, domain, fulls + "a DN is mapped"},
	{"a container is hidden, moved or given other rights", "activedirectory/changes.go",
		[]edit{{`case r.head.Containers != was.Containers:`, `case false:`}}, domain, fulls + "a unit is hidden"},
	{"a container's rights change, which moves its number alone", "activedirectory/internal/ldapread/changes.go",
		[]edit{{`strconv.AppendInt(o.GUID[:len(o.GUID):len(o.GUID)], o.USN, 10)`, `strconv.AppendInt(o.GUID[:len(o.GUID):len(o.GUID)], 0, 10)`}}, domain, fulls + "the right to a detail is inherited"},
	{"a container shows no number", "activedirectory/internal/ldapread/changes.go",
		[]edit{{`} else if o.USN <= 0 && !o.deleted {`, `} else if false {`}}, domain, fulls + "the number of a container cannot be read"},
	{"people are below an object that is no container", "activedirectory/changes.go",
		[]edit{{`case was.Uncounted:`, `case false:`}}, domain, fulls + "a printer has people below it"},
	{"a container of an unusual class is hidden", "activedirectory/changes.go",
		[]edit{{`		if r.head, err = r.controller.Head(ctx, r.unusual); err != nil {
			return nil, "", err
		}`, ``}}, domain, "TestSince_CountsContainersOfUnusualClasses"},
	{"an object is changed that may have people below it", "activedirectory/changes.go",
		[]edit{{`case o.Kind == ldapread.Other && !o.IsDeleted():`, `case false:`}}, domain, fulls + "an object of an unusual class is made"},
	{"the service account loses a group", "activedirectory/changes.go",
		[]edit{{`case r.head.Token != was.Token:`, `case false:`}}, domain, fulls + "the service account leaves a group"},
	{"the connection is lost while a plan is made, and another has other rights", "activedirectory/changes.go",
		[]edit{{`if end.Session != r.head.Session || end.Token != r.head.Token || end.USN < r.head.USN {`, `if end.USN < r.head.USN {`}}, domain, "TestSince_IsOfOneConnection"},
	{"the service account's groups cannot be read", "activedirectory/internal/ldapread/changes.go",
		[]edit{{`case h.Token == "":`, `case false:`}}, domain, fulls + "the service account's groups cannot be read"},
	{"tombstones cannot be read", "activedirectory/internal/ldapread/changes.go",
		[]edit{{`	if !tombstones {
		h.Blind`, `	if !tombstones && false {
		h.Blind`}}, domain, fulls + "tombstones cannot be read"},
	{"a tombstone is purged before it was seen", "activedirectory/changes.go",
		[]edit{{`if age > lifetime/2 {`, `if age > lifetime/2 && false {`}}, domain, fulls + "tombstones could be purged"},
	{"the controller's clock is put back", "activedirectory/changes.go",
		[]edit{{`if age < 0 {`, `if false {`}}, domain, fulls + "the controller's clock was put back"},
	{"an attribute is made confidential", "activedirectory/changes.go",
		[]edit{{`was.Schema != nil && len(schema) == 1 && *was.Schema == numberedOf(&schema[0])`, `was.Schema != nil`}}, domain, fulls + "an attribute is made confidential once more"},
	{"the schema changes while a plan is made", "activedirectory/changes.go",
		[]edit{{`if next.Schema != nil && next.Schema.USN > r.head.USN {`, `if false {`}}, domain, "TestSince_IsOfOneReading"},
	{"an account's own number cannot be read", "activedirectory/changes.go",
		[]edit{{`if r.controller.Unnumbered() {`, `if false {`}}, domain, fulls + "the number of an account cannot be read"},
	{"the mark is of a reading that saw nothing of changes", "activedirectory/changes.go",
		[]edit{{`case was.Blind != "":`, `case false:`}}, domain, fulls + "the number of an account cannot be read"},
	{"an account expires", "activedirectory/changes.go",
		[]edit{{`return append(ids, expired...), cmp.Or(unknown, full), err`, `_ = expired
	return ids, cmp.Or(unknown, full), err`}}, domain, "TestExpiredIsDisabled_IsSeenFromAMark"},
	{"a deleted account is not found by its number", "activedirectory/internal/ldapread/changes.go",
		[]edit{{`s.controls(s.cfg.PageSize, cookie, true)`, `s.controls(s.cfg.PageSize, cookie, false)`}}, domain, "TestSince_FindsWhatHasChanged"},

	// Groups give roles, and change without a trace on their members.
	{"a group that gives a role goes out of sight", "activedirectory/changes.go",
		[]edit{{`!visible || now.IsDeleted() || numberedOf(&now) != g {`, `visible && (now.IsDeleted() || numberedOf(&now) != g) {`}}, domain, groups + "a group goes out of sight"},
	{"a group in one that gives a role is deleted", "activedirectory/internal/ldapread/graph.go",
		[]edit{{`		if !n.read {
			continue
		}
		id := n.id`, `		if !n.read || i > 0 {
			continue
		}
		id := n.id`}}, domain, groups + "a nested group is gone"},
	{"memberships end by themselves", "activedirectory/changes.go",
		[]edit{{`	} else if ends {`, `	} else if ends && false {`}}, domain, "TestSince_SeesMembershipsEnd"},
	{"whoever gets or loses a role is not looked up", "since.go",
		[]edit{{`	r.addRegrouped(look)
`, ``}}, domain, groups + "somebody leaves"},
	{"groups change, and Map looks at roles", "since.go",
		[]edit{{`	case r.scope.rules.Map != nil:
		r.full = GroupsChanged + ", and Rules.Map may look at roles"
`, ``}}, domain, groups + "Map looks at roles"},
	{"groups change in one of several directories", "resume.go",
		[]edit{{`		if full != "" || err != nil {
			return nil, full, err
		}
		ids =`, `		if full != "" && full != GroupsChanged || err != nil {
			return nil, full, err
		}
		ids =`}}, domain, "TestSince_ReadsEverythingWhenGroupsChangeInAJoin"},
	{"a role becomes unknown when a group changes", "activedirectory/changes.go",
		[]edit{{`	if len(said.Unknown()) > 0 {
		return unknownRoles, nil
	}`, ``}}, domain, groups + "a group goes out of sight"},
	{"a group is brought back that is in one that gives a role", "activedirectory/changes.go",
		[]edit{{`r.group = r.group || o.Kind == ldapread.AGroup && !o.IsDeleted()`, ``}}, domain, groups + "a nested group is brought back"},
	{"a role that is unknown becomes known", "activedirectory/changes.go",
		[]edit{{`case said != nil && len(said.Unknown()) > 0:`, `case false:`}}, domain, groups + "the group of a role is unknown"},
	{"the number of a group cannot be read", "activedirectory/changes.go",
		[]edit{{`if g.USN <= 0 || g.GUID == (adattr.GUID{}) {`, `if g.GUID == (adattr.GUID{}) {`}}, domain, groups + "the number of a group cannot be read"},
	{"a role is taken without proof", "since.go",
		[]edit{{`		if err := r.proveRoles(ctx, dir); err != nil {
			return false, err
		}
`, ``}}, domain, "TestSince_TakesNoRoleWithoutProof"},
	{"a role that was kept for want of proof is proven to be lost", "mark.go",
		[]edit{{`		if _, asked := v.unproven[first]; asked {`, `		if _, asked := v.unproven[first]; asked && false {`}}, domain, "TestSince_LooksUpWhoKeepsARole"},

	// A controller that is put back from an old copy keeps its name.
	{"a controller is put back to before the mark", "activedirectory/changes.go",
		[]edit{{`case r.head.USN < was.Highest:`, `case false:`}}, domain, "TestSince_SeesAControllerPutBackAndCountedOn"},
	{"a controller is put back, and gives the numbers once more", "activedirectory/changes.go",
		[]edit{{`if visible && now.USN <= was.Highest {`, `if false {`}}, domain, fulls + "rolled back, and the numbers were given once more"},
	{"nothing that was changed last is as it was", "activedirectory/changes.go",
		[]edit{{`	if !sure {
		return`, `	if !sure && false {
		return`}}, domain, "TestSince_SeesAControllerPutBackAndCountedOn"},
	{"a controller is put back, and what was changed last is out of sight", "activedirectory/changes.go",
		[]edit{{`		ids = append(ids, w.ID)
	}
	if !sure`, `	}
	if !sure`}}, domain, "TestSince_SearchesFromWhatIsSurelyTheSame"},
	{"a controller is put back, and others have the numbers above what is the same", "activedirectory/changes.go",
		[]edit{{`from, sure = min(from, w.USN+1), true`, `sure = true`}}, domain, "TestSince_SearchesFromWhatIsSurelyTheSame"},
	{"the same number was given to the same object at another time", "activedirectory/changes.go",
		[]edit{{`return numbered{ID: adsync.ObjectID(o.GUID), USN: o.USN, When: o.When}`, `return numbered{ID: adsync.ObjectID(o.GUID), USN: o.USN}`}}, domain, "TestSince_TellsTwoChangesOfOneNumberApart"},
	{"something changes while a plan is made", "activedirectory/changes.go",
		[]edit{{`func(o ldapread.Object) bool { return o.USN <= usn }); i >= 0 {`, `func(o ldapread.Object) bool { return true }); i >= 0 {`}}, domain, "TestSince_FindsWhatChangesWhileItReads"},
	{"a controller is put back to within the reading", "activedirectory/changes.go",
		[]edit{{`next.Highest = end.USN`, `next.Highest = r.head.USN`}}, domain, "TestSince_SeesAControllerPutBackToWithinTheReading"},
	{"somebody is written, for what the mark remembers, who was not looked up", "since.go",
		[]edit{{`if c.writes() || c.Op == OpDuplicate || c.Op == OpInvalid {`, `if c.Op == OpDuplicate || c.Op == OpInvalid {`}}, domain, "TestSince_LooksUpWhomTheRulesWouldWrite"},
}

// double are those of which one place makes up for the other: both are taken out.
var double = []clause{
	{why: "an account that was listed twice is so no more", file: "mark.go", edits: []edit{
		{`_, twice := v.listedTwice[first]
		if`, `twice := false
		if`},
		{`if c := &p.Changes[i]; !c.writes() && !c.tellsState() {`, `if c := &p.Changes[i]; !c.writes() && !c.tellsState() && c.Reason != ReasonListedTwice {`},
	}, pkg: library, test: "TestMark_LooksUpWhoIsNotInOrder"},
	{why: "somebody joins a group that gives a role", file: "activedirectory/changes.go", edits: []edit{
		{`!visible || now.IsDeleted() || numberedOf(&now) != g {`, `!visible || now.IsDeleted() {`},
		{`r.group = r.group || o.Kind == ldapread.AGroup && !o.IsDeleted()`, ``},
	}, pkg: domain, test: "TestSince_SeesGroupsChange/somebody joins"},
	{why: "a group changes while a plan by mark is made", file: "activedirectory/changes.go", edits: []edit{
		{`	case r.groups != nil:
		return r.groups, "" // and not those read in the meantime, which may have changed since
`, `	case said == nil && r.groups != nil:
		return r.groups, ""
`},
		{`r.group = r.group || o.Kind == ldapread.AGroup && !o.IsDeleted()`, ``},
	}, pkg: domain, test: "TestSince_SeesGroupsThatChangeWhileItReads"},
	{why: "numbers above the last visible one are given to others", file: "activedirectory/changes.go", edits: []edit{
		{`from = objects[i].USN + 1`, `from = usn + 1`},
		{`from, sure = min(from, w.USN+1), true`, `sure = true`},
	}, pkg: domain, test: "TestSince_SearchesFromWhatIsSurelyTheSame"},
}
