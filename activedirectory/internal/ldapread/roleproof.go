package ldapread

import (
	"context"
	"encoding/binary"
	"slices"
	"strconv"

	"github.com/go-adsync/adsync/internal/adattr"
)

// Nothing proves that an account lacks a role but its own tokenGroups, which the
// controller computes with its own rights: hidden groups, and those whose member may not be
// read, are in it too. Only distribution groups and groups of other domains never are.

// RoleProof is what is certain of one account and the roles asked about, by their place.
type RoleProof struct {
	Has   []bool // it is in a group of that role
	Lacks []bool // it is in none
}

// RoleQuestion are the roles that tokenGroups can speak of. Any controller of the domain
// can be asked.
type RoleQuestion struct {
	Names []string
	sids  [][]groupSID
	roles *Roles // of a directory whose groups are taken at their word
}

// Question are the roles of which it can be proven that somebody lacks them.
func (r *Roles) Question() RoleQuestion {
	q := RoleQuestion{}
	for _, s := range r.status {
		if s.problem == "" && (s.open == "" || r.listed) {
			q.Names = append(q.Names, s.name)
			q.sids = append(q.sids, s.sids)
		}
	}
	if r.listed {
		q.roles = r
	}
	return q
}

// TokensUnread is what to do about accounts whose tokenGroups cannot be read.
const TokensUnread = "tokenGroups of %d account(s) cannot be read, so nothing proves that they lost a role, and they keep it: grant the service account Read on tokenGroups, as membership of Windows Authorization Access Group does"

const (
	openNoTokens     = "role %q: this directory has no tokenGroups, so nothing proves that somebody lost the role, and it is kept: set TrustMembers if the members of the groups are proof enough"
	openDistribution = "role %q: one of its groups is a distribution group, of which tokenGroups say nothing, so nothing proves that somebody lost the role, and it is kept: make it a security group"
	openForeign      = "role %q: one of its groups is of another domain, of which tokenGroups do not tell all, so nothing proves that somebody lost the role, and it is kept: configure a group of the accounts' own domain"
)

// Prove asks the controller about accounts, one by one. Those of which it tells nothing are
// left out. The error is one of the connection.
func (c *Controller) Prove(ctx context.Context, q RoleQuestion, ids []adattr.GUID) (map[adattr.GUID]RoleProof, error) {
	proofs := make(map[adattr.GUID]RoleProof, len(ids))
	if len(q.Names) == 0 || len(ids) == 0 {
		return proofs, nil
	}
	if q.roles != nil {
		return c.proveByMembers(ctx, q, ids)
	}
	err := c.use(ctx, func(s *session) error {
		names, err := s.namesOf(ctx, ids)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if names[id] == "" {
				continue
			}
			proof, err := s.prove(ctx, q, names[id])
			if err != nil {
				return err
			}
			if proof != nil {
				proofs[id] = *proof
			}
		}
		return nil
	})
	return proofs, err
}

// proveByMembers reads the groups of this controller.
func (c *Controller) proveByMembers(ctx context.Context, q RoleQuestion, ids []adattr.GUID) (map[adattr.GUID]RoleProof, error) {
	roles, err := c.Roles(ctx)
	if err != nil {
		return nil, err
	}
	sets := roles.Sets()
	unknown := roles.Unknown()
	proofs := make(map[adattr.GUID]RoleProof, len(ids))
	for _, id := range ids {
		proof := RoleProof{Has: make([]bool, len(q.Names)), Lacks: make([]bool, len(q.Names))}
		for i, name := range q.Names {
			proof.Has[i] = slices.Contains(sets[roles.Of(id)], name)
			proof.Lacks[i] = !proof.Has[i] && !slices.Contains(unknown, name)
		}
		proofs[id] = proof
	}
	return proofs, nil
}

// namesOf are what stands for the accounts as the base of a search.
func (s *session) namesOf(ctx context.Context, ids []adattr.GUID) (map[adattr.GUID]string, error) {
	names := make(map[adattr.GUID]string, len(ids))
	if s.cfg.Identity.IsObjectGUID() {
		for _, id := range ids {
			names[id] = "<GUID=" + id.String() + ">"
		}
		return names, nil
	}
	missing, err := ids, error(nil)
	for _, base := range s.contexts() {
		missing, err = s.lookUp(ctx, missing, lookUp{base: base, state: OutOfScope, bare: true}, func(a *Account) error {
			names[a.GUID] = a.DN
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return names, nil
}

var tokenAttributes = []string{"objectSid", "primaryGroupID", "tokenGroups"}

// prove reads one account's tokenGroups. What does not even hold its primary group is not
// believed.
func (s *session) prove(ctx context.Context, q RoleQuestion, name string) (*RoleProof, error) {
	e, err := s.readOne(ctx, "reading tokenGroups", name, tokenAttributes...)
	if e == nil || err != nil {
		return nil, err
	}
	tokens := map[string]bool{}
	for _, sid := range e.GetEqualFoldRawAttributeValues("tokenGroups") {
		tokens[string(sid)] = true
	}
	account := string(e.GetEqualFoldRawAttributeValue("objectSid"))
	rid, err := strconv.ParseUint(e.GetEqualFoldAttributeValue("primaryGroupID"), 10, 32)
	if err != nil || !isAccountSID(account) {
		return nil, nil
	}
	primary := binary.LittleEndian.AppendUint32([]byte(account[:len(account)-4]), uint32(rid))
	if !tokens[string(primary)] {
		return nil, nil
	}
	proof := &RoleProof{Has: make([]bool, len(q.Names)), Lacks: make([]bool, len(q.Names))}
	for i, sids := range q.sids {
		known := len(sids) > 0
		for _, group := range sids {
			isIn := tokens[group.sid]
			proof.Has[i] = proof.Has[i] || isIn && !group.direct
			known = known && !(isIn && group.direct) && (!isAccountSID(group.sid) || domainOf(group.sid) == domainOf(account))
		}
		proof.Lacks[i] = known && !proof.Has[i]
	}
	return proof, nil
}
