package activedirectory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory/internal/ldapread"
	"github.com/go-adsync/adsync/internal/adattr"
)

// Role is given by a group. A role with several groups is listed once for each: who is in
// any of them has it.
//
// Who has a role is a union of what can be read: the members of the group, of the groups
// in it, and those who have one of these as their primary group. A group that is not
// found, that is hidden, or that has members which cannot be seen and so may be groups
// themselves, makes its role unknown: it is neither given nor taken, a plan warns of it,
// and everything else goes on.
//
// That somebody has left is not taken from a group, because a group that may not be read
// looks empty. What proves it is the account's own tokenGroups, which the controller
// computes with its own rights, on the controller that is read and on those that are
// asked as witnesses (see Config.Witnesses). They know security groups alone, so nobody
// loses a role that a distribution group gives.
type Role struct {
	// Name is the role's, as the host's store knows it.
	Name string
	// Group is the group's objectGUID, as text in any form, which stays when the group is
	// renamed or moved. It may also be a DN or a name (sAMAccountName; cn in other
	// directories): whoever re-creates a group of that name gives the role, so a plan
	// warns of it.
	Group string
	// Direct leaves out those who are in the group by way of another group. Somebody who had
	// the role and is in it only in that way by now keeps it: tokenGroups do not tell the two
	// apart, so nothing proves the loss.
	Direct bool
}

func (cfg Config) roles() ([]ldapread.Role, error) {
	roles := make([]ldapread.Role, len(cfg.Roles))
	for i, role := range cfg.Roles {
		if isBlank(role.Name) || strings.TrimSpace(role.Name) != role.Name {
			return nil, fmt.Errorf("adsync: activedirectory.Config.Roles[%d].Name is empty, or has white space around it", i)
		}
		group, err := ldapread.ParseGroup(role.Group)
		if err != nil {
			return nil, fmt.Errorf("adsync: activedirectory.Config.Roles[%d].Group: %w", i, err)
		}
		roles[i] = ldapread.Role{Name: role.Name, Group: group, Direct: role.Direct}
	}
	if cfg.TrustMembers && adattr.IdentityOf(cfg.Attributes[adsync.FieldObjectID]).IsActiveDirectory() {
		return nil, errors.New("adsync: activedirectory.Config.TrustMembers is for directories other than Active Directory, whose tokenGroups prove more; leave it out")
	}
	return roles, nil
}

// roles are what one controller says of who has which role. They are read once.
type roles struct {
	controller *ldapread.Controller
	configured []string // the names of all roles
	details    mapping

	mu      sync.Mutex
	said    *ldapread.Roles
	sets    []adsync.Extra // by their number in what was said
	unknown adsync.Extra
}

func (r *roles) read(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.configured) == 0 || r.said != nil {
		return nil
	}
	said, err := r.controller.Roles(ctx)
	if err != nil {
		return err
	}
	r.said = said
	for _, set := range said.Sets() {
		r.sets = append(r.sets, rolesExtra(set))
	}
	r.unknown = rolesExtra(said.Unknown())
	return nil
}

// heard is what was said, or nil if nothing was asked.
func (r *roles) heard() *ldapread.Roles {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said
}

func rolesExtra(names []string) adsync.Extra { return adsync.Extra{}.With(adsync.FieldRoles, names...) }

// entry is what an account says, with its roles if it is alive. They must have been read.
func (r *roles) entry(a *ldapread.Account) adsync.Entry {
	e := r.details.entry(a)
	if len(r.configured) > 0 && isAlive(a) {
		roles := r.sets[r.said.Of(a.GUID)]
		if e.Extra == (adsync.Extra{}) {
			e.Extra = roles // most have no others, and those of one set share the text
		} else {
			e.Extra = e.Extra.With(adsync.FieldRoles, roles.Set(adsync.FieldRoles)...)
		}
		e.Unknown = r.unknown
	}
	return e
}

func isAlive(a *ldapread.Account) bool {
	return a.State == ldapread.Present || a.State == ldapread.OutOfScope
}

// tell adds to what Inspect says.
func (r *roles) tell(a *adsync.Access) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.said == nil {
		return
	}
	a.Missing = append(a.Missing, r.said.Warnings()...)
}

// proveRoles yields the accounts with the roles that they certainly have, and as unknown
// those that they do not certainly lack.
func (p pinned) proveRoles(ctx context.Context, ids []adsync.ObjectID, each eachEntry) error {
	var accounts []ldapread.Account
	var asked []adattr.GUID
	err := p.witnesses.find(ctx, ids, false, func(a *ldapread.Account) bool {
		accounts = append(accounts, *a)
		if isAlive(a) {
			asked = append(asked, a.GUID)
		}
		return true
	})
	if err != nil {
		return err
	}
	question := p.roles.said.Question()
	proofs, err := p.controller.Prove(ctx, question, distinctGUIDs(asked))
	if err != nil {
		return err
	}
	if err := p.witnesses.doubt(ctx, question, proofs); err != nil {
		return err
	}
	for i := range accounts {
		e := p.roles.entry(&accounts[i])
		if isAlive(&accounts[i]) {
			if isUnread := p.roles.weigh(&e, question.Names, proofs); isUnread {
				p.witnesses.noteUnread()
			}
		}
		if !each(e) {
			break
		}
	}
	return nil
}

// weigh adds to the entry what was proven of its account. isUnread reports that something
// would have been, if its tokenGroups could be read.
func (r *roles) weigh(e *adsync.Entry, names []string, proofs map[adattr.GUID]ldapread.RoleProof) (isUnread bool) {
	proof, told := proofs[adattr.GUID(e.ObjectID)]
	has, unknown := e.Extra.Set(adsync.FieldRoles), r.unknown.Set(adsync.FieldRoles)
	for _, role := range r.configured {
		place := slices.Index(names, role)
		switch {
		case slices.Contains(has, role) || slices.Contains(unknown, role):
		case place < 0:
			unknown = append(unknown, role)
		case told && proof.Has[place]:
			has = append(has, role)
		case !told || !proof.Lacks[place]:
			unknown = append(unknown, role)
			isUnread = isUnread || !told
		}
	}
	e.Extra = e.Extra.With(adsync.FieldRoles, has...)
	e.Unknown = e.Unknown.With(adsync.FieldRoles, unknown...)
	return isUnread
}

// doubt takes back what the other controllers do not confirm: replication lags. A role
// that one of them proves the account to have is not lost; and where there are others, of
// which not one can tell, nothing is.
func (w *witnesses) doubt(ctx context.Context, q ldapread.RoleQuestion, proofs map[adattr.GUID]ldapread.RoleProof) error {
	var lacking []adattr.GUID
	for id, proof := range proofs {
		if slices.Contains(proof.Lacks, true) {
			lacking = append(lacking, id)
		}
	}
	ids := distinctGUIDs(lacking)
	if w.dir.witnesses < 0 || len(ids) == 0 {
		return nil
	}
	others, all, err := w.others(ctx)
	if err != nil {
		return err
	}
	answers := askAll(ctx, w, others, func(ctx context.Context, c *ldapread.Controller) (map[adattr.GUID]ldapread.RoleProof, error) {
		return c.Prove(ctx, q, ids)
	})
	if err := stopped(ctx); err != nil {
		return err
	}
	if all && isAlone(answers) {
		return nil
	}
	for _, id := range ids {
		confirm(proofs[id], id, answers)
	}
	return nil
}

// confirm leaves in a proof what one of the answers bears out, and adds what they prove.
func confirm(proof ldapread.RoleProof, id adattr.GUID, answers []witness[map[adattr.GUID]ldapread.RoleProof]) {
	confirmed := make([]bool, len(proof.Lacks))
	for _, a := range answers {
		other, told := a.said[id]
		if !told {
			continue
		}
		for i := range proof.Lacks {
			confirmed[i] = confirmed[i] || other.Lacks[i]
			proof.Has[i] = proof.Has[i] || other.Has[i]
		}
	}
	for i := range proof.Lacks {
		proof.Lacks[i] = proof.Lacks[i] && confirmed[i] && !proof.Has[i]
	}
}
