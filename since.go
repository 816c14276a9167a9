package adsync

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Changes is an optional power of a [Directory], and of each that Sessions yields: it
// tells what has changed. A reading is begun before anything is listed or looked up.
type Changes interface {
	Reading(ctx context.Context) (Reading, error)
}

// Reading is one reading of one server, over one connection.
//
// Since yields all accounts that may have changed since the mark was made, their roles
// included, too many rather than too few; full says why nobody can be left out: it is
// [NoMarkOfController] for a mark of another server, and [GroupsChanged] where anybody may
// have other roles. It is asked before anything is listed or looked up, once for each mark at
// most.
//
// Mark is asked after the last look-up. It is the zero DirectoryMark where the reading
// was not one, as when the connection was lost on the way.
type Reading interface {
	Since(ctx context.Context, m DirectoryMark) (ids []ObjectID, full string, err error)
	Mark(ctx context.Context) (DirectoryMark, error)
}

// NoMarkOfController is why a plan is a full one when it reads a server that the mark does
// not know.
const NoMarkOfController = "the server that is read is none that the mark knows"

// GroupsChanged is why a plan is a full one when groups that give roles have changed, of which
// no account tells. A Reading that can tell who has each role now, all roles included, says so
// in a method Members() map[string][]ObjectID: then whoever would get or lose a role is looked
// up, together with the accounts that Since has yielded, and nobody else.
const GroupsChanged = "groups that give roles have changed"

// Since has [Syncer.Plan] and [Syncer.Sync] go on from the mark of an earlier run
// ([Report.Mark]), and read only what has changed since in the directory and in the
// table. With nil it is a full plan.
//
// Such a plan has the same writes and duplicates as a full one, or it is a full one: why, is
// in Plan.Reading.Full. Three things may be late, until the next full plan: an unproven notice,
// as an account that goes out of sight by itself leaves no trace; changes to an account whose
// own access list hides only its uSNChanged from the service account; and what becomes of an
// account that was out of sight and is shown again by a controller that was rolled back without
// its knowing, if nothing in sight was undone with it. Options.MaxIncrements says how long that may take.
// It goes together with Rules.Import, and not with a selection.
func Since(m *Mark) Selection { return Selection{since: true, mark: m} }

// unusable is why the mark is no ground to go on from, as far as that is known before
// anything is read.
func (s *Syncer) unusable(m *Mark) string {
	rules := &s.opts.Rules
	switch {
	case m == nil:
		return "there is no mark of an earlier run"
	case m.Version != markVersion:
		return "the mark was made by another version of this library"
	case m.check() != nil:
		return "the mark is damaged"
	case m.Fingerprint != rules.fingerprint():
		return "the rules, the fields of the store or the program are not what they were"
	case (rules.Map != nil || rules.Fold != nil) && rules.Version == "":
		return "Rules.Map or Rules.Fold may have changed; give them a Rules.Version"
	case orDefault(rules.OnUnproven, Keep) != Keep:
		return "Rules.OnUnproven is not Keep, and an account that goes out of sight leaves no trace"
	}
	return ""
}

// due is why it is time for a full plan.
func (s *Syncer) due(m *Mark, now time.Time) string {
	most := s.opts.MaxIncrements
	if most == 0 {
		most = defaultIncrements
	}
	switch age := now.Sub(m.Full); {
	case most == -1:
	case age > most:
		return fmt.Sprintf("the last full reading is over %s ago", most)
	case age < -time.Minute:
		return "the host's clock was put back"
	}
	return ""
}

// resumption is what a reading knows of the one before.
type resumption struct {
	wanted bool   // the plan is to leave a mark
	asked  bool   // it is to go on from one
	mark   *Mark  // nil: none that is of use
	due    string // why it is time for a full reading all the same
	full   string // why it is a full one

	changes  Reading // of the controller that is read; nil: it cannot tell
	ids      []ObjectID
	members  map[string][]ObjectID // who has which role now, where groups have changed
	known    int                   // which of the mark's directories answered
	looked   idSet
	overdue  bool // it is a full one for no other reason
	next     DirectoryMark
	plan     *Plan // of an increment
	finished bool  // next is known
}

// resumption is what a plan has to go on from.
func (s *Syncer) resumption(since *Selection, selected bool, now time.Time) (r resumption) {
	r.wanted = !selected
	if since == nil {
		return r
	}
	r.asked = true
	if r.full = s.unusable(since.mark); r.full == "" {
		r.mark, r.due = since.mark, s.due(since.mark, now)
	}
	return r
}

// goesOn reports whether the plan is to go on from its mark, as far as that is known before
// the directory is asked.
func (r *resumption) goesOn() bool { return r.mark != nil && r.due == "" }

// mayTell reports whether the directory, or one that its sessions yield, may be able to
// tell what has changed.
func mayTell(d Directory) bool {
	switch d.(type) {
	case Changes, Sessions, Resumer:
		return true
	}
	return false
}

// begin opens the directory's reading, and asks what has changed.
func (r *reading) begin(ctx context.Context, dir Directory) error {
	r.members = nil
	r.changes, r.ids, r.known, r.looked, r.overdue, r.next, r.plan, r.finished = nil, nil, 0, nil, false, DirectoryMark{}, nil, false
	if !r.wanted {
		return nil
	}
	c, ok := dir.(Changes)
	if !ok {
		if r.mark != nil {
			r.full = cannotTell
		}
		return nil
	}
	var err error
	if r.changes, err = c.Reading(ctx); err != nil || r.mark == nil {
		return err
	}
	r.full = NoMarkOfController
	for i, m := range r.mark.Directory {
		ids, full, err := r.changes.Since(ctx, m)
		if err != nil {
			return err
		}
		if full == NoMarkOfController {
			continue
		}
		r.ids, r.full, r.known = ids, full, i
		if full == GroupsChanged {
			r.regroup()
		}
		break
	}
	return nil
}

// goOn reads what has changed, where that is enough.
func (r *reading) goOn(ctx context.Context, dir Directory) (done bool, err error) {
	if r.mark == nil || r.changes == nil || r.full != "" {
		return false, nil
	}
	if r.due != "" {
		r.full, r.overdue = r.due, true
		return false, nil
	}
	look, full := r.toLookUp()
	if full == "" && len(look) > lookUpMost && len(look) > r.host.managed/4 {
		full = fmt.Sprintf("%d accounts are to be looked up, for which a listing costs less", len(look))
	}
	if full != "" {
		r.full = full
		return false, nil
	}
	done, err = r.increment(ctx, dir, look)
	if !done {
		r.view, r.plan = newView(r.host), nil // nothing of it counts
	}
	return done, err
}

// toLookUp is who may have changed.
func (r *reading) toLookUp() (look idSet, full string) {
	m, h := r.mark, r.host
	look = idSet{}
	for _, id := range r.ids {
		look.add(id)
	}
	look.addPacked(m.Look)
	look.addPacked(m.Others[r.known])
	if h.scope.importing() && string(h.tally.links[:]) != string(m.Links) {
		return look, "users were added, removed or linked by others, and with Rules.Import anybody may be free to import"
	}
	r.addEdited(look)
	r.addRegrouped(look)
	if !h.scope.importing() {
		for id := range look {
			if first, linked := h.links.First(id); !linked || !h.choosesGroup(first) {
				delete(look, id)
			}
		}
	}
	return look, ""
}

// addEdited adds those whose rows are in a bucket that is not what the mark has.
func (r *reading) addEdited(look idSet) {
	h, before := r.host, sumsOf(r.mark.Buckets)
	now := h.tally.buckets.folded(len(before))
	remembered := idSet{}
	remembered.addPacked(r.mark.Look)
	h.without(remembered, now)
	if slices.Equal(now, before) {
		return
	}
	for row, kind := range h.kinds {
		if kind&rowChosen == 0 {
			continue
		}
		id := ObjectID(h.rows.ObjectID(row))
		if place := now.place(id); now[place] != before[place] {
			look.add(id)
		}
	}
}

// regroup goes on although groups have changed, where it is known who is in them now.
func (r *reading) regroup() {
	m, ok := r.changes.(interface{ Members() map[string][]ObjectID })
	switch {
	case r.scope.rules.Map != nil:
		r.full = GroupsChanged + ", and Rules.Map may look at roles"
	case ok:
		if r.members = m.Members(); r.members != nil {
			r.full = ""
		}
	}
}

// addRegrouped adds those who would get or lose a role by what the directory says now.
func (r *reading) addRegrouped(look idSet) {
	if r.members == nil {
		return
	}
	says := map[ObjectID][]string{}
	for role, members := range r.members {
		for _, id := range members {
			says[id] = append(says[id], role)
		}
	}
	h := r.host
	for row, kind := range h.kinds {
		if kind&rowChosen == 0 {
			continue
		}
		u := h.rows.User(row)
		e := Entry{State: StatePresent}
		if roles := says[u.ObjectID]; len(roles) > 0 {
			e.Extra = e.Extra.With(FieldRoles, roles...)
		}
		if c := h.scope.rolesOf(&u, &e); len(c.granted)+len(c.revoked)+len(c.shielded) > 0 {
			look.add(h.rows.ObjectID(row))
		}
	}
}

// increment looks the accounts up, and takes the others for what they were. Nobody is
// written, or called a duplicate, who was not looked up.
func (r *reading) increment(ctx context.Context, dir Directory, look idSet) (done bool, err error) {
	var answers entries
	r.looked = idSet{}
	for range r.steps.turns {
		r.view = r.assume(look)
		var ids []ObjectID
		for id := range look {
			if !r.looked.has(id) {
				ids = append(ids, id)
				r.looked.add(id)
			}
		}
		slices.SortFunc(ids, ObjectID.Compare)
		if err := r.lookUp(ctx, dir, ids, func(e *Entry) error {
			clean := cleanEntry(e)
			answers.keep(&clean)
			return nil
		}); err != nil {
			return false, err
		}
		if err := answers.each(r.view.addAll); err != nil {
			return false, err
		}
		if err := r.proveRoles(ctx, dir); err != nil {
			return false, err
		}
		if r.plan, err = r.reconcile(ctx); err != nil {
			return false, err
		}
		suspects := r.view.suspects(r.plan)
		if len(suspects) == 0 {
			return r.finish(ctx)
		}
		for _, id := range suspects {
			look.add(id)
		}
	}
	r.full = "too many accounts depend on each other"
	return false, nil
}

// finish takes the directory's mark, without which the reading was not one.
func (r *reading) finish(ctx context.Context) (done bool, err error) {
	r.next, err = r.changes.Mark(ctx)
	if err != nil {
		return false, err
	}
	r.finished = true
	if r.next.Controller == "" {
		r.full = "the connection was lost while the directory was read"
		return false, nil
	}
	if a, ok := r.changes.(interface{ Access() Access }); ok {
		access := a.Access()
		r.hear(&access)
	}
	return true, nil
}

// assume is a view in which all that are not looked up are what the mark remembers.
func (r *reading) assume(look idSet) *view {
	h := r.host
	v := newView(h)
	for row := range h.kinds {
		if h.choosesGroup(row) && h.firstOf(row) == row && !look.has(h.rows.ObjectID(row)) {
			v.found[row] = asHeld
			v.assumed.add(row)
		}
	}
	disabled, outside := idSet{}, idSet{}
	disabled.addPacked(r.mark.Disabled)
	outside.addPacked(r.mark.Outside)
	remembered := slices.Concat(r.mark.Outside, r.mark.Disabled)
	for packed := range slices.Chunk(remembered, len(ObjectID{})) {
		id := ObjectID(packed)
		first, linked := h.links.First(id)
		if !linked || v.found[first] != asHeld { // but was looked up, or is remembered for another reason
			continue
		}
		e := Entry{ObjectID: id, Profile: h.rows.User(first).Profile, State: StatePresent, Disabled: disabled.has(id)}
		if outside.has(id) {
			e.State = StateOutOfScope
		}
		v.found[first] = uint32(v.entries.keep(&e)) + firstKept
	}
	return v
}

// suspects are those of whom the plan says more than the mark remembers, and who were not
// looked up.
func (v *view) suspects(p *Plan) []ObjectID {
	var ids []ObjectID
	for i := range p.Changes {
		c := &p.Changes[i]
		first, linked := v.host.links.First(c.ObjectID)
		if !linked || !v.assumed.has(first) {
			continue
		}
		if c.writes() || c.Op == OpDuplicate || c.Op == OpInvalid {
			ids = append(ids, c.ObjectID)
		}
	}
	return ids
}

// resume tells in the plan how it came about, and keeps what the next one goes on from.
func (r *reading) resume(p *Plan, fingerprint string) {
	into := p.Reading
	into.Full = r.full
	if r.plan != nil {
		into.Since, into.Looked = r.mark.At, len(r.looked)
	}
	into.Late, into.LateWrites = r.tooLate(p)
	if !r.finished || r.next.Controller == "" {
		return
	}
	d := r.newDraft(p)
	d.mark = Mark{Version: markVersion, Fingerprint: fingerprint, Key: r.host.tally.digest.key, At: into.At, Full: into.At,
		Directory: []DirectoryMark{r.next}, Others: [][]byte{nil}}
	if r.plan != nil {
		d.mark.Full = r.mark.Full
		r.keepOthers(&d.mark)
	}
	into.draft = d
}

// keepOthers keeps what is known of the other controllers, with whom they have not been
// asked about.
func (r *reading) keepOthers(m *Mark) {
	for i, other := range r.mark.Directory {
		if i == r.known {
			continue
		}
		ids := idSet{}
		ids.addPacked(r.mark.Others[i])
		for id := range r.looked {
			ids.add(id)
		}
		if len(ids) <= maxOthers {
			m.Directory, m.Others = append(m.Directory, other), append(m.Others, ids.packed())
		}
	}
}

// tooLate counts the users and accounts of whom a full plan says what plans by mark would
// not have found, and those of them who are written or duplicates.
func (r *reading) tooLate(p *Plan) (late, writes int) {
	if !r.overdue {
		return 0, 0
	}
	looked, full := r.toLookUp()
	if full != "" {
		return 0, 0
	}
	counted, worse := idSet{}, idSet{}
	remembered := idSet{}
	remembered.addPacked(r.mark.Disabled)
	remembered.addPacked(r.mark.Outside)
	for i := range p.Changes {
		c := &p.Changes[i]
		if looked.has(c.ObjectID) || c.Op == OpNotice && c.UserID != "" && remembered.has(c.ObjectID) {
			continue
		}
		counted.add(c.ObjectID)
		if c.Op != OpNotice {
			worse.add(c.ObjectID)
		}
	}
	return len(counted), len(worse)
}
