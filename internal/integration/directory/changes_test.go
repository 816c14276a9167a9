package directory

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
)

var (
	histories    = flag.Uint64("histories", 6, "how many random histories of a real domain are tried")
	firstHistory = flag.Uint64("first-history", 1, "the number of the first of them, from which all that happens in it follows")
)

// A plan that goes on from a mark says what a full plan says, whatever happened in the
// meantime.
func testChangesSince(t *testing.T, s *scene) {
	h := newPast(t, s)
	for n := range *histories {
		h.begin(*firstHistory + n)
		for range 4 {
			for range 1 + h.rng.IntN(2) {
				h.event()
			}
			h.compare()
			if t.Failed() {
				t.Fatalf("history %d: %v", *firstHistory+n, h.log)
			}
		}
		h.end()
		if n%10 == 9 {
			t.Logf("history %d: %v", *firstHistory+n, h.tally())
		}
	}
	t.Log(h.tally())
	assert.Greater(t, h.plans, 2*h.full, "or little was tested")
	if *histories >= 50 {
		for kind, e := range pastEvents {
			assert.NotZero(t, h.happened[kind], e.name)
		}
		assert.NotZero(t, h.writes)
		assert.NotZero(t, h.duplicates)
	}
}

// past is a random history of some people and their users. The next one has the same unit
// and group, and other people.
type past struct {
	*scene
	t     *testing.T
	rng   *rand.Rand
	log   []string
	made  int       // units
	unit  string    // below the base or not, with people in it
	veil  bool      // the unit has been hidden
	group string    // that the account that reads may be in
	in    bool      // it is
	gives [2]string // groups, the second of which gives a role and has the first in it
	roles bool      // it does
	souls []*soul
	store *adsync.MemoryStore
	rules adsync.Rules
	mark  *adsync.Mark

	plans, full, writes, duplicates int
	happened                        []int
}

// soul is a person who may be gone.
type soul struct {
	person
	gone bool
}

func newPast(t *testing.T, s *scene) *past {
	h := &past{scene: s, t: t, happened: make([]int, len(pastEvents))}
	h.group = s.addGroup(t, s.elsewhere, "group")
	h.gives[0] = s.addGroup(t, s.elsewhere, "inner")
	h.gives[1] = s.addGroup(t, s.elsewhere, "outer", h.gives[0])
	h.addPastUnit()
	return h
}

func (h *past) addPastUnit() {
	h.made++
	h.unit, h.veil = fmt.Sprintf("OU=unit%d,%s", h.made, h.people), false
	h.addUnit(h.t, h.unit)
}

func (h *past) begin(number uint64) {
	h.rng, h.log, h.souls, h.mark = rand.New(rand.NewPCG(number, 5)), nil, nil, nil
	var users []adsync.User
	for i := range 5 {
		p := h.addSoul([]string{h.people, h.unit}[i%2], fmt.Sprintf("h%d-%d", number, i))
		if i < 4 {
			users = append(users, imported(fmt.Sprint(i), p))
		}
	}
	users = append(users, adsync.User{ID: "local", Profile: adsync.Profile{Username: "local", Email: "0@example.test"}})
	h.store = adsync.NewMemoryStore(users...)
	reaction := func() adsync.Reaction {
		return []adsync.Reaction{adsync.Keep, adsync.Deactivate, adsync.Remove}[h.rng.IntN(3)]
	}
	h.roles = h.rng.IntN(2) == 0
	h.rules = adsync.Rules{OnDisabled: reaction(), OnOutOfScope: reaction(), OnDeleted: reaction(), Import: h.rng.IntN(3) == 0}
	h.sync()
}

func (h *past) addSoul(parent, name string) person {
	p := h.addIn(h.t, parent, name)
	h.souls = append(h.souls, &soul{person: p})
	return p
}

// end leaves nobody to the next one.
func (h *past) end() {
	for _, p := range h.souls {
		if !p.gone {
			h.delete(h.t, p.person)
		}
	}
	if h.in {
		h.leave(h.t, h.group, h.reader.dn)
		h.in = false
	}
	if h.unit != fmt.Sprintf("OU=unit%d,%s", h.made, h.people) {
		h.moveUnit()
	}
	if h.veil {
		h.moveUnit()
		h.addPastUnit()
	}
}

func (h *past) tally() string {
	text := fmt.Sprintf("%d plans, of which %d were full ones; %d writes and %d duplicates by mark\n", h.plans, h.full, h.writes, h.duplicates)
	for kind, e := range pastEvents {
		text += fmt.Sprintf("%6d %s\n", h.happened[kind], e.name)
	}
	return text
}

// event is one change, of a kind that makes sense now.
func (h *past) event() {
	for {
		kind := h.rng.IntN(len(pastEvents))
		p := h.souls[h.rng.IntN(len(h.souls))]
		if pastEvents[kind].do(h, p) {
			h.happened[kind]++
			h.log = append(h.log, fmt.Sprint(pastEvents[kind].name, " ", p.cn))
			return
		}
	}
}

func (h *past) someMail() string { return fmt.Sprintf("%d@example.test", h.rng.IntN(4)) }

// member puts somebody into one of the groups that give a role, or takes her out.
func (h *past) member(p *soul, joins bool) {
	group := h.gives[h.rng.IntN(2)]
	is := slices.ContainsFunc(values(h.t, h.conn, group, "member"), func(dn string) bool { return strings.EqualFold(dn, p.dn) })
	switch {
	case joins && !is:
		h.join(h.t, group, p.dn)
	case !joins && is:
		h.leave(h.t, group, p.dn)
	}
}

// domain is the directory, with a role in some histories.
func (h *past) domain() *activedirectory.Directory {
	cfg := h.config()
	if h.roles {
		cfg.Roles = []activedirectory.Role{{Name: "staff", Group: objectIDOf(h.t, h.conn, h.gives[1]).String()}}
	}
	return open(h.t, cfg)
}

// alive is an event for people who are there.
func alive(do func(h *past, p *soul)) func(*past, *soul) bool {
	return func(h *past, p *soul) bool {
		if p.gone {
			return false
		}
		do(h, p)
		return true
	}
}

var pastEvents = []struct {
	name string
	do   func(h *past, p *soul) bool
}{
	{"create", func(h *past, p *soul) bool {
		h.addSoul(h.people, fmt.Sprintf("%s-%d", p.cn, len(h.log)))
		return true
	}},
	{"mail", alive(func(h *past, p *soul) { h.set(h.t, p.person, "mail", h.someMail()) })},
	{"mail again", alive(func(h *past, p *soul) { h.set(h.t, p.person, "mail", h.someMail()) })},
	{"username", alive(func(h *past, p *soul) {
		h.set(h.t, p.person, "sAMAccountName", fmt.Sprintf("%s-%d", p.cn, h.rng.IntN(1000)))
	})},
	{"clear the last name", alive(func(h *past, p *soul) { h.set(h.t, p.person, "sn") })},
	{"rename", alive(func(h *past, p *soul) {
		_, parent, _ := strings.Cut(p.dn, ",")
		p.person = h.move(h.t, p.person, parent, fmt.Sprintf("%s-%d", p.cn, len(h.log)))
	})},
	{"move", alive(func(h *past, p *soul) {
		p.person = h.move(h.t, p.person, []string{h.people, h.elsewhere, h.unit}[h.rng.IntN(3)], p.cn)
	})},
	{"move the unit", func(h *past, _ *soul) bool { h.moveUnit(); return true }},
	{"disable", alive(func(h *past, p *soul) { h.disable(h.t, p.person) })},
	{"enable", alive(func(h *past, p *soul) { h.enable(h.t, p.person) })},
	{"delete", alive(func(h *past, p *soul) { h.delete(h.t, p.person); p.gone = true })},
	{"restore", func(h *past, _ *soul) bool {
		i := slices.IndexFunc(h.souls, func(p *soul) bool { return p.gone })
		if i < 0 {
			return false
		}
		restore(h.t, h.conn, h.souls[i].person)
		h.souls[i].gone = false
		return true
	}},
	{"hide the unit", func(h *past, _ *soul) bool {
		if h.veil || h.rng.IntN(4) > 0 {
			return false
		}
		h.veil = true
		h.hide(h.t, h.reader, h.unit)
		return true
	}},
	{"rights on an account", func(h *past, p *soul) bool {
		if p.gone || h.rng.IntN(4) > 0 {
			return false
		}
		h.deny(h.t, h.reader, p.dn, "telephoneNumber")
		return true
	}},
	{"the reader joins or leaves a group", func(h *past, _ *soul) bool {
		if h.in {
			h.leave(h.t, h.group, h.reader.dn)
		} else {
			h.join(h.t, h.group, h.reader.dn)
		}
		h.in = !h.in
		return true
	}},
	{"join a group", alive(func(h *past, p *soul) { h.member(p, true) })},
	{"leave a group", alive(func(h *past, p *soul) { h.member(p, false) })},
	{"edit a row", func(h *past, _ *soul) bool { return h.edit(func(u *adsync.User) { u.Email = h.someMail() }) }},
	{"the status of a row", func(h *past, _ *soul) bool {
		return h.edit(func(u *adsync.User) { u.Status = adsync.StatusDeactivated })
	}},
	{"protect a row, or not", func(h *past, _ *soul) bool { return h.edit(func(u *adsync.User) { u.Protected = !u.Protected }) }},
	{"unlink a row", func(h *past, _ *soul) bool {
		return h.edit(func(u *adsync.User) { u.ObjectID, u.Source = adsync.ObjectID{}, "" })
	}},
	{"delete a row", func(h *past, _ *soul) bool { return h.edit(func(u *adsync.User) { u.ID = "" }) }},
	{"lose the mark", func(h *past, _ *soul) bool {
		if h.rng.IntN(2) == 0 {
			return false
		}
		h.mark = nil
		return true
	}},
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

// edit changes a row as the host does; one without an ID is deleted.
func (h *past) edit(change func(*adsync.User)) bool {
	var rows []adsync.User
	for u, err := range h.store.Users(h.t.Context()) {
		require.NoError(h.t, err)
		rows = append(rows, u)
	}
	if len(rows) == 0 {
		return false
	}
	i := h.rng.IntN(len(rows))
	change(&rows[i])
	if rows[i].ID == "" {
		rows = slices.Delete(rows, i, i+1)
	}
	h.store = adsync.NewMemoryStore(rows...)
	return true
}

// unmarked leaves no marks, for which a full plan reads all of the schema.
type unmarked struct{ *activedirectory.Directory }

// Sessions are those of the directory.
func (u unmarked) Sessions(ctx context.Context) iter.Seq2[adsync.Directory, error] {
	return func(yield func(adsync.Directory, error) bool) {
		for d, err := range u.Directory.Sessions(ctx) {
			prover, _ := d.(adsync.RoleProver)
			if !yield(struct {
				adsync.Directory
				adsync.RoleProver
			}{d, prover}, err) {
				return
			}
		}
	}
}

// compare runs a sync by mark, and compares its plan with a full one of the same.
func (h *past) compare() {
	t := h.t
	full, err := newSyncer(t, unmarked{h.domain()}, h.store, h.rules).Plan(t.Context())
	require.NoError(t, err, h.log)
	asked := h.mark != nil
	short := h.sync()
	if asked {
		h.plans++
		if short.Reading.Full != "" {
			h.full++
		} else {
			h.count(short)
		}
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
}

// sync runs by mark, and keeps the next one.
func (h *past) sync() *adsync.Plan {
	report, err := newSyncer(h.t, h.domain(), h.store, h.rules).Sync(h.t.Context(), adsync.Since(h.mark))
	require.NoError(h.t, err, h.log)
	text, err := json.Marshal(report.Mark())
	require.NoError(h.t, err)
	h.mark = new(adsync.Mark)
	require.NoError(h.t, json.Unmarshal(text, h.mark))
	return report.Plan
}

func (h *past) count(p *adsync.Plan) {
	for _, c := range p.Changes {
		switch c.Op {
		case adsync.OpCreate, adsync.OpDelete, adsync.OpUpdate:
			h.writes++
		case adsync.OpDuplicate:
			h.duplicates++
		}
	}
}
