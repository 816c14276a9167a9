package adsync_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-adsync/adsync"
)

// A roleWorld is one user with roles and a further detail, its account, and the rules. All
// of them are numbered, so that every one can be tried.
type roleWorld struct {
	has, hosts, says, unknown, known []string // roles
	protected, deactivated, disabled bool
	state                            adsync.State
	details                          string // "same", "changed", "taken" or "nameless"
	heldDept, dept                   string // of the account: "0 a" are two values
}

var (
	roleStates  = []adsync.State{adsync.StatePresent, adsync.StateOutOfScope, adsync.StateDeleted, adsync.StateUnproven, adsync.StateDisputed}
	roleDetails = []string{"same", "changed", "taken", "nameless"}
	roleKnown   = [][]string{{"r1", "r2"}, {"r1"}, nil}
)

// roleWorlds is how many there are.
const roleWorlds = 8 * 2 * 2 * 5 * 8 * 4 * 4 * 2 * 4 * 3 * 2 * 2

func roleWorldOf(n int) (w roleWorld) {
	draw := func(among int) int {
		digit := n % among
		n /= among
		return digit
	}
	some := func(of ...string) (list []string) {
		mask := draw(1 << len(of))
		for i, text := range of {
			if mask>>i&1 == 1 {
				list = append(list, text)
			}
		}
		return list
	}
	w.has = some("r1", "r2", "x")
	w.protected = draw(2) == 1
	w.state = roleStates[draw(5)]
	w.says, w.unknown = some("r1", "r2", "y"), some("r1", "r2")
	w.details = roleDetails[draw(4)]
	w.heldDept, w.dept = []string{"", "a"}[draw(2)], []string{"", "a", "b", "0 a"}[draw(4)]
	w.known = roleKnown[draw(3)]
	w.deactivated, w.disabled = draw(2) == 1, draw(2) == 1
	if draw(2) == 1 && slices.Contains(w.has, "r1") {
		w.hosts = []string{"r1"}
	}
	return w
}

const fieldDept adsync.Field = "department"

func extraOf(roles, hosts []string, dept string) adsync.Extra {
	values := map[adsync.Field][]string{adsync.FieldRoles: roles, adsync.FieldHostRoles: hosts}
	if dept != "" {
		values[fieldDept] = []string{dept}
	}
	return adsync.NewExtra(values)
}

func (w roleWorld) plan(t *testing.T) *adsync.Plan {
	user := adsync.User{ID: "u", ObjectID: adsync.ObjectID{15: 1}, Source: "s", Protected: w.protected,
		Profile: adsync.Profile{Username: "u", Extra: extraOf(w.has, w.hosts, w.heldDept)}}
	if w.deactivated {
		user.Status = adsync.StatusDeactivated
	}
	entry := adsync.Entry{ObjectID: user.ObjectID, State: w.state, Disabled: w.disabled,
		Profile: adsync.Profile{Username: "u", Extra: extraOf(w.says, nil, w.dept)}, Unknown: adsync.Extra{}.With(adsync.FieldRoles, w.unknown...)}
	if values := strings.Fields(w.dept); len(values) > 1 {
		entry.Extra, entry.Others = extraOf(w.says, nil, ""), adsync.Extra{}.With(fieldDept, values...)
	}
	switch w.details {
	case "changed":
		entry.Phone = "1"
	case "taken":
		entry.Username, entry.Phone = "rival", "1"
	case "nameless":
		entry.Username, entry.Phone = "", "1"
	}
	rival := adsync.User{ID: "v", Profile: adsync.Profile{Username: "rival"}}
	plan, err := adsync.Reconcile([]adsync.Entry{entry}, []adsync.User{user, rival}, adsync.Rules{
		Source: "s", Roles: w.known, OnDeleted: adsync.Keep,
		Fields: []adsync.Field{adsync.FieldUsername, adsync.FieldPhone, fieldDept},
	})
	if err != nil {
		t.Fatalf("%+v: %v", w, err)
	}
	return plan
}

// want is what becomes of the user, by the words of the design alone.
func (w roleWorld) want() (roles []string, dept, phone string, status adsync.Status, shielded bool) {
	alive := w.state == adsync.StatePresent || w.state == adsync.StateOutOfScope
	follows := w.state == adsync.StatePresent && (w.details == "same" || w.details == "changed")
	for _, role := range []string{"r1", "r2", "x", "y"} {
		has, says := slices.Contains(w.has, role), slices.Contains(w.says, role)
		decides := alive && slices.Contains(w.known, role) && !slices.Contains(w.unknown, role) && !slices.Contains(w.hosts, role)
		switch {
		case !decides || has == says:
		case has && w.protected:
			shielded = true
		case has:
			has = false
		default:
			has = follows
		}
		if has {
			roles = append(roles, role)
		}
	}
	dept = w.heldDept
	if follows {
		dept = w.dept
		if w.dept == "0 a" { // the one that it has, else the least
			dept = map[string]string{"a": "a", "": "0"}[w.heldDept]
		}
		if w.details == "changed" {
			phone = "1"
		}
	}
	status = adsync.StatusActive
	if w.deactivated && !(w.state == adsync.StatePresent && !w.disabled) {
		status = adsync.StatusDeactivated
	}
	return roles, dept, phone, status, shielded
}

// TestRoles_InEverySmallWorld compares plans with the design's words. ADSYNC_WORLDS=3000000
// tries them all.
func TestRoles_InEverySmallWorld(t *testing.T) {
	count := min(worldCount(t, 20_000), roleWorlds)
	changed := 0
	for i := range count {
		n := i * (roleWorlds / count)
		if count < roleWorlds {
			n += i % 97 // so that no digit stands still
		}
		w := roleWorldOf(n % roleWorlds)
		plan := w.plan(t)
		roles, dept, phone, status, shielded := w.want()
		u := adsync.User{ID: "u", Profile: adsync.Profile{Extra: extraOf(w.has, w.hosts, w.heldDept)}, Status: adsync.StatusActive}
		if w.deactivated {
			u.Status = adsync.StatusDeactivated
		}
		told := false
		for _, c := range plan.Changes {
			told = told || c.Op == adsync.OpNotice && c.Reason == adsync.ReasonProtected
			if c.Op == adsync.OpUpdate {
				u = *c.After
				changed++
			}
			if c.Op == adsync.OpDelete || c.Op == adsync.OpCreate {
				t.Fatalf("world %d: %+v: %s", n, w, c.Op)
			}
		}
		if u.Status == "" {
			u.Status = adsync.StatusActive
		}
		got := fmt.Sprint(u.Extra, u.Phone, u.Status, told)
		if want := fmt.Sprint(extraOf(roles, w.hosts, dept), phone, status, shielded); got != want {
			t.Fatalf("world %d: %+v\ngot  %s\nwant %s", n, w, got, want)
		}
	}
	if changed < count/10 {
		t.Fatalf("only %d of %d worlds change anything", changed, count)
	}
}
