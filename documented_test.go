package adsync_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// The tables of docs/RECONCILE.md say what Reconcile does; -update writes them.
func TestDocs_Tables(t *testing.T) {
	const page = "docs/RECONCILE.md"
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	documented := string(text)
	for _, k := range knots {
		t.Run(k.name, func(t *testing.T) {
			require.NoError(t, reconcileAndCheck(k.world))
			p, err := reconcile(k.world)
			require.NoError(t, err)
			mark := "<!-- table: " + k.name + " -->\n"
			before, rest, found := strings.Cut(documented, mark)
			require.True(t, found, "no table of this name")
			got, after, _ := strings.Cut(rest, "<!-- end -->")
			want := newPlanCheck(k.world, p).table(t)
			if *update {
				documented = before + mark + want + "<!-- end -->" + after
				return
			}
			assert.Equal(t, want, got)
		})
	}
	assert.Equal(t, len(knots), strings.Count(documented, "<!-- table: "))
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(documented), 0o644))
	}
}

// table shows the world of a plan, and what becomes of everybody, as Markdown.
func (c *planCheck) table(t *testing.T) string {
	r := c.newRun()
	require.NoError(t, r.play(func(int) bool { return false }))
	var b strings.Builder
	b.WriteString("| user | has | directory says | after the sync | told |\n| --- | --- | --- | --- | --- |\n")
	for _, u := range c.w.users {
		after := "deleted"
		if row, ok := r.rows[u.ID]; ok {
			after = keysText(row.Profile)
			if row.Status == adsync.StatusDeactivated {
				after += ", deactivated"
			}
		}
		name := u.ID
		if u.Protected {
			name += " (protected)"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", name, keysText(u.Profile), c.entriesText(u), after, c.toldText(u.ID, adsync.ObjectID{}))
	}
	for _, e := range c.w.entries {
		if slices.ContainsFunc(c.w.users, func(u adsync.User) bool { return u.ObjectID == e.ObjectID }) {
			continue
		}
		after := "not created"
		if row, ok := r.rows["new "+e.ObjectID.String()]; ok {
			after = keysText(row.Profile)
		}
		fmt.Fprintf(&b, "| %s | – | %s | %s | %s |\n", partyText(e.ObjectID.String()), keysText(e.Profile), after, c.toldText("", e.ObjectID))
	}
	b.WriteString(c.stepsText())
	return b.String()
}

func keysText(p adsync.Profile) string {
	if p.Email == "" {
		return p.Username
	}
	return p.Username + ", " + p.Email
}

func (c *planCheck) entriesText(u adsync.User) string {
	var texts []string
	for _, e := range c.w.entries {
		switch {
		case u.ObjectID.IsZero() || e.ObjectID != u.ObjectID:
			continue
		case e.State != "":
			texts = append(texts, string(e.State))
		case e.Disabled:
			texts = append(texts, keysText(e.Profile)+", disabled")
		default:
			texts = append(texts, keysText(e.Profile))
		}
	}
	if u.ObjectID.IsZero() {
		return "– (local)"
	}
	return strings.Join(texts, "; and: ")
}

func (c *planCheck) toldText(userID string, id adsync.ObjectID) string {
	var texts []string
	for _, change := range c.plan.Changes {
		if writes(change) || change.UserID != userID || userID == "" && change.ObjectID != id {
			continue
		}
		text := string(change.Op) + ", " + string(change.Reason)
		between := ": "
		for _, conflict := range change.Conflicts {
			if conflict.Field == adsync.FieldObjectID && len(conflict.With) == 0 {
				continue
			}
			with := []string{}
			for _, name := range conflict.With {
				with = append(with, partyText(name))
			}
			text += between + string(conflict.Field)
			between = " and "
			if conflict.Field != adsync.FieldObjectID {
				text += " " + conflict.Value
			}
			text += " with " + strings.Join(with, ", ")
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "; ")
}

// partyText names a new entry by the first byte of its ObjectID.
func partyText(name string) string {
	if id, err := adsync.ParseObjectID(name); err == nil {
		return fmt.Sprintf("entry %d", id[0])
	}
	return name
}

// stepsText lists what is written, in order.
func (c *planCheck) stepsText() string {
	var b strings.Builder
	for i, change := range c.plan.Changes {
		if !writes(change) {
			break
		}
		who, does := change.UserID, map[adsync.Op]string{adsync.OpDelete: "delete", adsync.OpUpdate: "update", adsync.OpCreate: "create from"}[change.Op]
		if change.Interim {
			does = "park"
		}
		if who == "" {
			who = partyText(change.ObjectID.String())
		}
		fmt.Fprintf(&b, "%d. %s %s", i+1, does, who)
		for k, need := range change.Needs {
			fmt.Fprintf(&b, "%s %d", []string{", needs", " and"}[min(k, 1)], need+1)
		}
		b.WriteString("\n")
	}
	if b.Len() == 0 {
		return "\nNothing is written.\n"
	}
	return "\n" + b.String()
}
