package directory

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

var histories = flag.Int("histories", 1, "how many random histories of a real domain are tried")

// A plan that goes on from a mark says what a full plan says, whatever happened in the
// meantime.
func testChangesSince(t *testing.T, s *scene) {
	var plans, full int
	for seed := range uint64(*histories) {
		h := newPast(t, s, seed)
		for range 6 {
			for range 1 + h.rng.IntN(2) {
				h.event(h.rng.IntN(16))
			}
			h.compare()
			if t.Failed() {
				t.Fatalf("history %d: %v", seed, h.log)
			}
		}
		plans, full = plans+h.plans, full+h.full
	}
	t.Logf("%d plans, of which %d were full ones", plans, full)
	assert.Greater(t, plans, full, "or nothing was tested")
}

// past is a random history of some people and their users.
type past struct {
	*scene
	t           *testing.T
	rng         *rand.Rand
	log         []string
	unit        string // below the base or not, with people in it
	group       string // that the account that reads may be in
	souls       []*soul
	store       *adsync.MemoryStore
	rules       adsync.Rules
	mark        *adsync.Mark
	plans, full int
}

// soul is a person who may be gone.
type soul struct {
	person
	gone bool
}

func newPast(t *testing.T, s *scene, seed uint64) *past {
	h := &past{scene: s, t: t, rng: rand.New(rand.NewPCG(seed, 5)), unit: fmt.Sprintf("OU=h%d,%s", seed, s.people)}
	s.addUnit(t, h.unit)
	h.group = s.addGroup(t, s.elsewhere, fmt.Sprintf("group%d", seed))
	var users []adsync.User
	for i := range 5 {
		p := s.addIn(t, []string{s.people, h.unit}[i%2], fmt.Sprintf("h%d-%d", seed, i))
		h.souls = append(h.souls, &soul{person: p})
		if i < 4 {
			users = append(users, imported(fmt.Sprint(i), p))
		}
	}
	h.store = adsync.NewMemoryStore(users...)
	reaction := func() adsync.Reaction {
		return []adsync.Reaction{adsync.Keep, adsync.Deactivate, adsync.Remove}[h.rng.IntN(3)]
	}
	h.rules = adsync.Rules{OnDisabled: reaction(), OnOutOfScope: reaction(), OnDeleted: reaction()}
	return h
}

// inUnit reports whether the person is in the unit.
func (h *past) inUnit(p *soul) bool { return p.dn == "CN="+p.cn+","+h.unit }

// event is one change; one that makes no sense is none.
func (h *past) event(kind int) {
	t, p := h.t, h.souls[h.rng.IntN(len(h.souls))]
	h.log = append(h.log, fmt.Sprint(kind, " ", p.cn))
	mail := fmt.Sprintf("%d@example.test", h.rng.IntN(4))
	switch {
	case kind == 0: // the table
		h.edit(mail)
	case kind == 1 && p.gone:
		restore(t, h.conn, p.person)
		p.gone = false
	case p.gone:
	case kind < 5:
		h.set(t, p.person, "mail", mail)
	case kind == 5:
		h.disable(t, p.person)
	case kind == 6:
		h.enable(t, p.person)
	case kind == 7 && !h.inUnit(p):
		p.person = h.move(t, p.person, []string{h.people, h.elsewhere}[h.rng.IntN(2)], p.cn)
	case kind == 8 && !h.inUnit(p):
		h.delete(t, p.person)
		p.gone = true
	case kind == 9:
		h.moveUnit()
	case kind == 10:
		h.set(t, p.person, "sn")
	case kind == 11:
		h.set(t, p.person, "telephoneNumber", mail[:1])
	case kind == 12 && h.rng.IntN(4) == 0:
		h.hide(t, h.reader, h.unit)
	case kind == 13 && h.rng.IntN(2) == 0:
		h.deny(t, h.reader, p.dn, "telephoneNumber")
	case kind == 14 && !slices.Contains(values(t, h.conn, h.group, "member"), h.reader.dn):
		h.join(t, h.group, h.reader.dn)
	case kind == 15 && slices.Contains(values(t, h.conn, h.group, "member"), h.reader.dn):
		h.leave(t, h.group, h.reader.dn)
	}
}

// moveUnit takes the unit out of the base, or back.
func (h *past) moveUnit() {
	name, _, _ := strings.Cut(h.unit, ",")
	to := h.elsewhere
	if h.unit != name+","+h.people {
		to = h.people
	}
	require.NoError(h.t, h.conn.ModifyDN(ldap.NewModifyDNRequest(h.unit, name, true, to)))
	was := h.unit
	h.unit = name + "," + to
	for _, p := range h.souls {
		if p.dn == "CN="+p.cn+","+was {
			p.dn = "CN=" + p.cn + "," + h.unit
		}
	}
}

// edit changes a row as the host does.
func (h *past) edit(mail string) {
	rows := users(h.t, h.store)
	n, i := h.rng.IntN(max(len(rows), 1)), 0
	var left []adsync.User
	for _, u := range rows {
		if i == n {
			switch h.rng.IntN(3) {
			case 0:
				u.Email = mail
			case 1:
				u.Status = adsync.StatusDeactivated
			case 2:
				u.Protected = !u.Protected
			}
		}
		left = append(left, u)
		i++
	}
	h.store = adsync.NewMemoryStore(left...)
}

// compare makes both plans, and carries one out.
func (h *past) compare() {
	t := h.t
	s := newSyncer(t, h.directory(t), h.store, h.rules)
	short, err := s.Plan(t.Context(), adsync.Since(h.mark))
	require.NoError(t, err, h.log)
	full, err := s.Plan(t.Context())
	require.NoError(t, err, h.log)
	h.plans++
	if short.Reading.Full != "" {
		h.full++
	}
	unproven := map[string]bool{}
	for _, c := range full.Changes {
		if c.Op == adsync.OpNotice && c.Reason == adsync.ReasonUnproven {
			unproven[c.UserID] = true
		}
	}
	promised := func(p *adsync.Plan) []adsync.Change {
		return slices.DeleteFunc(slices.Clone(p.Changes), func(c adsync.Change) bool { return c.Op == adsync.OpNotice && unproven[c.UserID] })
	}
	assert.Equal(t, promised(full), promised(short), "full: %q", short.Reading.Full)
	report, err := s.Sync(t.Context(), adsync.Since(h.mark))
	require.NoError(t, err, h.log)
	text, err := json.Marshal(report.Mark())
	require.NoError(t, err)
	h.mark = new(adsync.Mark)
	require.NoError(t, json.Unmarshal(text, h.mark))
}
