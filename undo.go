package adsync

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/go-adsync/adsync/internal/claims"
)

// Inverse returns the plan that takes back what a run wrote, from the states
// before: updates are reversed, links removed and deactivations lifted, and deleted
// users created again, under a new ID, where the store is a [Creator]. It reads the
// store and writes nothing; the plan is reviewed, checked and applied like any
// other.
//
// What cannot be taken back is a Notice ([ReasonUndone]): a user that was created
// or reactivated, because removing either would be the removal of somebody who is
// present; a role that a protected user was given; a deletion, in a store that cannot create; and a user that has changed
// since. What became of a change whose outcome is unknown is read off its row; of a user who
// was perhaps created there is a Notice. A user whose former username or email is another's by now is a Duplicate.
//
// The next sync does again what the directory calls for.
func (s *Syncer) Inverse(ctx context.Context, r *Report) (*Plan, error) {
	if r == nil || r.Plan == nil || len(r.Results) != len(r.Plan.Changes) {
		return nil, errors.New("adsync: Inverse needs the whole report of a run; one that made no plan wrote nothing")
	}
	inTheWay := scopeOf(s.opts.Rules)
	inTheWay.only = map[string]bool{} // no user is up for judgement
	h, err := s.reader().users(ctx, newGrowing(inTheWay), nil)
	if err != nil {
		return nil, err
	}
	_, creates := s.store.(Creator)
	u := undoer{creates: creates, spans: map[string]*span{}}
	for i := range r.Plan.Changes {
		outcome := r.Results[i].Outcome
		if outcome == OutcomeApplied || outcome == OutcomeUnknown && r.Plan.Changes[i].writes() {
			if c := &r.Plan.Changes[i]; c.CheckShape(c.Op) != nil || c.Op != OpCreate && c.Before == nil {
				return nil, fmt.Errorf("adsync: change %d of the report does not say what it wrote; Inverse needs the whole report, as the run returned it", i)
			}
			u.note(&r.Plan.Changes[i], &r.Results[i])
		}
	}
	return u.plan(h)
}

// undoer gathers what a run did to each user.
type undoer struct {
	creates bool // the store can
	spans   map[string]*span
	reports []Change
}

// span is a user before the first and after the last change of a run; nil: not
// there. Whether an unsure one was written, its row says.
type span struct {
	before, after *User
	unsure        bool
}

func (u *undoer) note(c *Change, result *Result) {
	unsure := result.Outcome == OutcomeUnknown
	switch {
	case c.Op == OpCreate && unsure:
		u.excuse(c.After, "nobody knows whether it was created")
	case c.Op == OpCreate:
		created := withID(*c.After, result.UserID)
		u.excuse(&created, "it was created and is present")
	case u.spans[c.UserID] == nil:
		u.spans[c.UserID] = &span{c.Before, c.After, unsure}
	default:
		u.spans[c.UserID].after = c.After
		u.spans[c.UserID].unsure = unsure
	}
}

// excuse reports that a user cannot be taken back.
func (u *undoer) excuse(user *User, why string) {
	u.reports = append(u.reports, Change{
		Op: OpNotice, Reason: ReasonUndone, Detail: why, UserID: user.ID, ObjectID: user.ObjectID, Before: user,
	})
}

// plan orders the way back as a planner orders the way there, so that users who
// traded keys can trade them again.
func (u *undoer) plan(h *host) (*Plan, error) {
	users, newcomers := u.present(h), u.gone(h)
	p := newPlanner(newView(h))
	p.reports = u.reports
	p.plan.Stats = Stats{Users: h.rows.Len(), Managed: h.managed, Chosen: len(u.spans)}
	if err := p.arrange(users, newcomers); err != nil {
		return nil, err
	}
	return p.plan, nil
}

// present are the users that the run changed, on their way back.
func (u *undoer) present(h *host) []*party {
	var users []*party
	there := map[string]bool{}
	for row := range h.rows.Len() {
		now := h.rows.User(row)
		did := u.spans[now.ID]
		switch {
		case did == nil:
		case did.unsure && now.Same(*did.before):
			delete(u.spans, now.ID) // it was not written
		case did.after == nil && did.unsure:
			delete(u.spans, now.ID)
			u.excuse(did.before, "nobody knows whether it was deleted, and it has changed since")
		case did.after == nil:
		case now.Same(*did.after):
			there[now.ID] = true
			users = append(users, u.back(row, &now, did))
		default:
			there[now.ID] = true
			u.excuse(did.after, "it has changed since")
		}
	}
	for _, id := range slices.Sorted(maps.Keys(u.spans)) {
		if did := u.spans[id]; did.after != nil && !there[id] {
			u.excuse(did.after, "it is no longer there")
		}
	}
	return users
}

func (u *undoer) back(row int, now *User, did *span) *party {
	before, after := *did.after, *did.before
	before.DeactivatedAt = now.DeactivatedAt // which no plan can say
	d := &party{row: row, role: claims.Candidate, user: &before, after: &after, reason: ReasonUndone}
	if d.after.off() && d.user.active() {
		d.after.Status = d.user.Status
		u.excuse(d.user, "it was reactivated and is present")
	}
	if d.after.active() {
		d.after.DeactivatedAt = 0
	}
	if given := beyond(before.Extra.block(FieldRoles), after.Extra.block(FieldRoles), anyRole); d.user.Protected && len(given) > 0 {
		d.after.Extra = after.Extra.With(FieldRoles, append(given, after.Extra.Set(FieldRoles)...)...)
		u.excuse(d.user, "it is protected, and keeps "+roleNames(given))
	}
	return d
}

// gone are the users that the run deleted, as newcomers.
func (u *undoer) gone(h *host) []*party {
	var newcomers []*party
	back := map[ObjectID]bool{}
	for _, id := range slices.Sorted(maps.Keys(u.spans)) {
		did := u.spans[id]
		if did.after != nil {
			continue
		}
		if !u.creates {
			u.excuse(did.before, "it was deleted, and the store cannot create users")
			continue
		}
		if _, linked := h.links.First(did.before.ObjectID); linked || back[did.before.ObjectID] {
			u.excuse(did.before, "it was deleted, and another user is linked to its account")
			continue
		}
		back[did.before.ObjectID] = true
		after := withID(*did.before, "")
		after.Extra = revoke(after.Extra, after.Extra.Set(FieldHostRoles)).With(FieldHostRoles) // which the host gives, or not
		newcomers = append(newcomers, &party{role: claims.Newcomer, user: nobody, after: &after, reason: ReasonUndone})
	}
	return newcomers
}
