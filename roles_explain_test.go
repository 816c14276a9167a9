package adsync

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each role of either side is told in a line, with what the plan does with it and why.
func TestExplain_TellsRoles(t *testing.T) {
	edited := func(u User, edit func(*User)) User {
		edit(&u)
		return u
	}
	protected := edited(userWith("ann", "admin", "editor"), func(u *User) { u.Protected = true })
	byHand := edited(userWith("ann", "admin", "editor"), func(u *User) { u.Extra = u.Extra.With(FieldHostRoles, "admin") })
	silent, unproven := entryWith("ann"), entryWith("ann", "editor")
	silent.Unknown, unproven.Unknown = withRoles("admin", "editor"), withRoles("admin")
	away, gone, lost := entryWith("ann", "editor"), entryWith("ann"), entryWith("ann")
	away.State, gone.State, lost.State = StateOutOfScope, StateDeleted, StateUnproven
	torn := entryWith("ann", "editor")
	torn.Phone = "1"
	nameless := entryWith("ann", "editor")
	nameless.Username = ""
	for name, tt := range map[string]struct {
		user    User
		entries []Entry
		proof   *Entry
		want    []string
	}{
		"given, taken, kept": {user: userWith("ann", "admin", "vip"), entries: []Entry{entryWith("ann", "editor", "root")}, want: []string{
			"admin: taken, as the account does not have it.",
			"editor: given, as the account has it.",
			"root: not given, as it is not among those that both sides know",
			"vip: kept, as it is not among those that both sides know"}},
		"both have it":   {user: userWith("ann", "admin"), entries: []Entry{entryWith("ann", "admin")}, want: []string{"admin: kept, as the account has it, too."}},
		"by hand":        {user: byHand, entries: []Entry{entryWith("ann")}, want: []string{"admin: kept, as the host itself gave it", "editor: taken, "}},
		"protected":      {user: protected, entries: []Entry{entryWith("ann", "editor")}, want: []string{"admin: kept, as the user is protected", "editor: kept, as the account has it, too."}},
		"not told":       {user: userWith("ann", "admin"), entries: []Entry{silent}, want: []string{"admin: kept, as the directory does not tell", "editor: not given, as the directory does not tell"}},
		"not proven":     {user: userWith("ann", "admin"), entries: []Entry{entryWith("ann", "editor")}, proof: &unproven, want: []string{"admin: kept, as nothing proves", "editor: given, "}},
		"out of scope":   {user: userWith("ann", "admin"), entries: []Entry{away}, want: []string{"admin: taken, ", "editor: not given, though the account has it"}},
		"deleted":        {user: userWith("ann", "admin"), entries: []Entry{gone}, want: []string{"admin: goes with the user."}},
		"not found":      {user: userWith("ann", "admin"), entries: []Entry{lost}, want: []string{"admin: kept, as nothing is known of the roles of an account that is unproven."}},
		"listed twice":   {user: userWith("ann", "admin"), entries: []Entry{entryWith("ann", "editor"), torn}, want: []string{"admin: kept, as the sync leaves the user alone", "editor: not given, though"}},
		"invalid":        {user: userWith("ann", "admin"), entries: []Entry{nameless}, want: []string{"admin: taken, ", "editor: not given, though"}},
		"without any":    {user: userWith("ann"), entries: []Entry{entryWith("ann")}},
		"host's own too": {user: byHand, entries: []Entry{entryWith("ann", "admin")}, want: []string{"admin: kept, as the host itself gave it", "editor: taken, "}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := newProving(append(tt.entries, entryWith("aaron"), entryWith("zoe"))...) // whose users change first
			if tt.proof != nil {
				dir.proofs[roleID("ann")] = *tt.proof
			}
			store := NewMemoryStore(userWith("aaron", "editor", "admin"), tt.user)
			lines, err := roleSyncer(t, dir, store).Explain(t.Context(), "ann")
			require.NoError(t, err)
			var told []string
			for _, line := range lines {
				if role, isRole := strings.CutPrefix(line, "Role "); isRole {
					told = append(told, role)
				}
			}
			require.Len(t, told, len(tt.want), strings.Join(lines, "\n"))
			for i, want := range tt.want {
				assert.True(t, strings.HasPrefix(told[i], want), told[i])
			}
		})
	}
}
