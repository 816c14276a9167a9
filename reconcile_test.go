package adsync_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

var update = flag.Bool("update", false, "write the golden files anew")

// id makes an ObjectID that is easy to read in a failure.
func id(n byte) adsync.ObjectID { return adsync.ObjectID{15: n} }

func profile(username, email string) adsync.Profile {
	return adsync.Profile{Username: username, Email: email}
}

func user(key string, n byte, username, email string) adsync.User {
	return adsync.User{ID: key, ObjectID: id(n), Profile: profile(username, email)}
}

func entry(n byte, username, email string) adsync.Entry {
	return adsync.Entry{ObjectID: id(n), Profile: profile(username, email)}
}

func mustReconcile(t *testing.T, entries []adsync.Entry, users []adsync.User, rules adsync.Rules) *adsync.Plan {
	t.Helper()
	plan, err := adsync.Reconcile(entries, users, rules)
	require.NoError(t, err)
	return plan
}

// busyWorld has something of everything that a plan can say.
func busyWorld() ([]adsync.Entry, []adsync.User, adsync.Rules) {
	users := []adsync.User{
		user("u01", 1, "amina", "amina@corp.example"),
		user("u02", 2, "bjorn", "bjorn@corp.example"),
		user("u03", 3, "chen", "chen@corp.example"),
		user("u04", 4, "dora", "dora@corp.example"),
		user("u05", 5, "emil", "emil@corp.example"),
		user("u06", 6, "fatou", "fatou@corp.example"),
		user("u07", 7, "goran", "goran@corp.example"),
		user("u08", 8, "hana", "hana@corp.example"),
		user("u09", 9, "ivan", "ivan@corp.example"),
		user("u10", 10, "jun", "jun@corp.example"),
		user("u11", 11, "王小明", "wang@corp.example"),
		user("u12", 12, "kofi", "kofi@corp.example"),
		{ID: "u13", Profile: profile("local", "local@corp.example")},
		user("u14", 14, "lena", "lena@corp.example"),
		user("u15", 14, "lena2", "lena2@corp.example"),
		user("u16", 16, "mira", "mira@corp.example"),
	}
	users[8].Protected = true
	users[9].Status = adsync.StatusDeactivated
	users[2].Phone = "+46 8 123"
	entries := []adsync.Entry{
		entry(1, "bjorn", "amina@corp.example"), // a swap
		entry(2, "amina", "bjorn@corp.example"), // of two names
		entry(3, "chen", "chen@corp.example"),   // who loses the phone number
		entry(4, "LOCAL", "dora@corp.example"),  // which the local user has
		entry(5, "emil.e", "same@corp.example"), // who wants the address
		entry(6, "fatou", "same@corp.example"),  // that another wants too
		{ObjectID: id(7), State: adsync.StateUnproven},
		{ObjectID: id(8), State: adsync.StateDeleted},
		{ObjectID: id(9), State: adsync.StateDeleted},
		entry(10, "jun", "jun@corp.example"),
		entry(11, "王小華", "wang@corp.example"),
		entry(12, "kofi", "kofi@corp.example"),
		entry(14, "lena", "lena@corp.example"),
		entry(16, "", "mira@corp.example"),
		entry(20, "nils", "nils@corp.example"),
		entry(21, "emilia", "EMIL@corp.example"),
	}
	entries[2].FirstName = "Ch\x1b[2Jen\u202e" // what a terminal would obey
	entries[11].Disabled = true
	return entries, users, adsync.Rules{Import: true}
}

func TestPlan_InPrint(t *testing.T) {
	plan := planOf(t, busyWorld)
	plan.Warnings = append(plan.Warnings, "something to know")
	var out bytes.Buffer
	n, err := plan.WriteTo(&out)
	require.NoError(t, err)
	assert.Equal(t, int64(out.Len()), n)
	assert.NotContains(t, out.String(), "\x1b", "what a terminal would obey must be escaped")
	golden(t, "plan.txt", out.Bytes())
}

// What a plan in print says of sets, of accounts without a user, and of a plan that somebody
// has damaged.
func TestPlan_DetailsInPrint(t *testing.T) {
	rules := withExtra("languages", "zone")
	rules.Import = true
	said := userWith("u1", 1, extra("zone", "1"))
	twice := []adsync.Entry{entry(2, "eva", ""), entry(2, "eve", "")}
	plan := mustReconcile(t, append(twice, entryWith(1, "u1", extra("languages", "de", "languages", "fr", "zone", "2"))), []adsync.User{said}, rules)
	plan.Changes = append(plan.Changes, adsync.Change{Op: adsync.OpUpdate, UserID: "u9", After: &said, Fields: []adsync.Field{adsync.FieldPhone}},
		adsync.Change{Op: adsync.OpNotice, Reason: adsync.ReasonDisabled, ObjectID: id(7)})
	var out bytes.Buffer
	_, err := plan.WriteTo(&out)
	require.NoError(t, err)
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"languages + de languages + fr zone 1 → 2", id(2).String() + ", listed twice with different details", "u9", id(7).String(),
	} {
		assert.Contains(t, text, want)
	}
	assert.Equal(t, 1, strings.Count(text, "listed twice with different details"))
}

// How much was read stands at the head of a plan in print.
func TestPlan_ReadingInPrint(t *testing.T) {
	since := time.Date(2026, 11, 30, 17, 4, 5, 0, time.UTC)
	head := "0 of 0 users are managed, 0 are chosen, 0 were found in the directory.\n"
	for name, test := range map[string]struct {
		reading *adsync.Provenance
		want    string
	}{
		"none":           {nil, ""},
		"a full one":     {&adsync.Provenance{At: since, Controllers: []string{"dc1"}}, ""},
		"by mark":        {&adsync.Provenance{Since: since, Looked: 3}, "Only what has changed since 2026-11-30T17:04:05Z was read: 3 accounts were looked up.\n"},
		"full all right": {&adsync.Provenance{Full: "the mark is too old"}, "Everything was read: the mark is too old.\n"},
		"found late": {&adsync.Provenance{Full: "it was time", Late: 3, LateWrites: 1},
			"Everything was read: it was time.\nOf 3 users, plans that read only what has changed had not found what this one says, which writes 1 of them.\n"},
	} {
		var out bytes.Buffer
		_, err := (&adsync.Plan{Version: 1, Reading: test.reading}).WriteTo(&out)
		require.NoError(t, err)
		assert.Equal(t, head+test.want, out.String()[:min(out.Len(), len(head+test.want))], name)
		if test.want == "" {
			assert.NotContains(t, out.String(), "read", name)
		}
	}
}

func TestPlan_AsJSON(t *testing.T) {
	keepsAsJSON(t, planOf(t, busyWorld), "plan.json", func(c *adsync.Change) { c.Reason = "forged" })
}

// keepsAsJSON compares a plan with the golden file, and wants it back from there as it was,
// and another digest once its first change has been forged.
func keepsAsJSON(t *testing.T, plan *adsync.Plan, file string, forge func(*adsync.Change)) {
	t.Helper()
	out, err := json.MarshalIndent(plan, "", "\t")
	require.NoError(t, err)
	golden(t, file, append(out, '\n'))

	var back adsync.Plan
	require.NoError(t, json.Unmarshal(out, &back))
	assert.Empty(t, cmp.Diff(plan, &back))
	assert.Equal(t, plan.Digest(), back.Digest())
	forge(&back.Changes[0])
	assert.NotEqual(t, plan.Digest(), back.Digest())
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Empty(t, cmp.Diff(string(want), string(got)), "run go test -update if this is what you want")
}

func planOf(t *testing.T, world func() ([]adsync.Entry, []adsync.User, adsync.Rules)) *adsync.Plan {
	t.Helper()
	entries, users, rules := world()
	return mustReconcile(t, entries, users, rules)
}

func TestPlan_EmptyOneIsALiteral(t *testing.T) {
	plan := mustReconcile(t, nil, nil, adsync.Rules{Source: "corp"})
	plan.Warnings = nil
	out, err := json.Marshal(plan)
	require.NoError(t, err)
	assert.Equal(t, `{"version":1,"source":"corp","stats":{"entries":0,"users":0,"managed":0,"chosen":0,"unchanged":0},"changes":[]}`, string(out))
}

// A value of white space alone is none, whether the directory or Rules.Map tells it.
func TestReconcile_BlankIsEmpty(t *testing.T) {
	const blank = "\u00a0 \t"
	before := user("1", 1, "anna", "a@x")
	cleared := user("1", 1, "anna", "")
	newcomer := adsync.User{ObjectID: id(2), Profile: profile("bo", "")}
	toBlank := func(e adsync.Entry) (adsync.Profile, error) { e.Email = blank; return e.Profile, nil }
	for name, tt := range map[string]struct {
		rules adsync.Rules
		email string
	}{"the directory": {adsync.Rules{}, blank}, "Rules.Map": {adsync.Rules{Map: toBlank}, "a@x"}} {
		t.Run(name, func(t *testing.T) {
			tt.rules.Import = true
			plan := mustReconcile(t, []adsync.Entry{entry(1, "anna", tt.email), entry(2, "bo", tt.email)}, []adsync.User{before}, tt.rules)
			require.Len(t, plan.Changes, 2)
			assert.Equal(t, &cleared, plan.Changes[0].After)
			assert.Equal(t, &newcomer, plan.Changes[1].After)

			tt.rules.KeepOnEmpty = []adsync.Field{adsync.FieldEmail}
			assert.Empty(t, mustReconcile(t, []adsync.Entry{entry(1, "anna", tt.email)}, []adsync.User{before}, tt.rules).Changes)
		})
	}

	// Nobody loses a value that counts for less.
	var entries []adsync.Entry
	var users []adsync.User
	for n := byte(1); n <= 20; n++ {
		name := fmt.Sprintf("u%d", n)
		entries = append(entries, entry(n, name, blank))
		users = append(users, user(name, n, name, name+"@x"))
	}
	assert.ErrorContains(t, mustReconcile(t, entries, users, adsync.Rules{}).Check(adsync.Limits{MaxCleared: 5}), "MaxCleared")

	// Several without an address have none in common.
	nobodys := mustReconcile(t, []adsync.Entry{entry(1, "anna", blank), entry(2, "bo", blank)}, nil, adsync.Rules{Import: true})
	for _, c := range nobodys.Changes {
		assert.Equal(t, adsync.OpCreate, c.Op)
		assert.Empty(t, c.After.Email)
	}
	assert.Len(t, nobodys.Changes, 2)

	// What is blank in the host too is cleared, and whoever has no username is reported.
	blankRow := user("1", 1, "anna", blank)
	plan := mustReconcile(t, []adsync.Entry{entry(1, "anna", blank)}, []adsync.User{blankRow}, adsync.Rules{})
	require.Len(t, plan.Changes, 1)
	assert.Equal(t, &cleared, plan.Changes[0].After)
	plan = mustReconcile(t, []adsync.Entry{entry(1, blank, "a@x")}, nil, adsync.Rules{Import: true})
	require.Len(t, plan.Changes, 1)
	assert.Equal(t, adsync.OpInvalid, plan.Changes[0].Op)
}

func TestReconcile_NobodyManagedIsAWarning(t *testing.T) {
	local := []adsync.User{{ID: "1", Profile: profile("local", "")}}
	assert.NotEmpty(t, mustReconcile(t, nil, local, adsync.Rules{}).Warnings)
	assert.Empty(t, mustReconcile(t, nil, local, adsync.Rules{Import: true}).Warnings)
	assert.Empty(t, mustReconcile(t, nil, []adsync.User{user("1", 1, "a", "")}, adsync.Rules{}).Warnings)
}

func TestGuard(t *testing.T) {
	before, after := user("1", 1, "old", "a@x"), user("1", 1, "new", "a@x")
	other := user("1", 1, "other", "a@x")
	active := before
	active.Status = adsync.StatusActive
	broken := user("1", 1, "old\xff", "a@x")
	repaired := user("1", 1, "old\uFFFD", "a@x")
	created := user("9", 1, "new", "a@x")
	wanted := created
	wanted.ID = ""
	change := adsync.Change{Op: adsync.OpUpdate, Before: &before, After: &after}
	for name, test := range map[string]struct {
		change adsync.Change
		now    *adsync.User
		want   error
	}{
		"update":                       {change, &before, nil},
		"update, active said":          {change, &active, nil},
		"update again":                 {change, &after, adsync.ErrAlready},
		"update of another state":      {change, &other, adsync.ErrStale},
		"update of nobody":             {change, nil, adsync.ErrStale},
		"update without a before":      {adsync.Change{Op: adsync.OpUpdate, After: &after}, &before, adsync.ErrStale},
		"update of broken text":        {adsync.Change{Op: adsync.OpUpdate, Before: &repaired, After: &after}, &broken, nil},
		"delete":                       {adsync.Change{Op: adsync.OpDelete, Before: &before}, &before, nil},
		"delete again":                 {adsync.Change{Op: adsync.OpDelete, Before: &before}, nil, adsync.ErrAlready},
		"delete of another state":      {adsync.Change{Op: adsync.OpDelete, Before: &before}, &other, adsync.ErrStale},
		"delete without a before":      {adsync.Change{Op: adsync.OpDelete}, &other, adsync.ErrStale},
		"create":                       {adsync.Change{Op: adsync.OpCreate, After: &wanted}, nil, nil},
		"create again":                 {adsync.Change{Op: adsync.OpCreate, After: &wanted}, &created, adsync.ErrAlready},
		"create of one who is another": {adsync.Change{Op: adsync.OpCreate, After: &wanted}, &other, adsync.ErrStale},
		"what only tells":              {adsync.Change{Op: adsync.OpNotice, Before: &before}, &before, adsync.ErrStale},
	} {
		t.Run(name, func(t *testing.T) { assert.ErrorIs(t, test.change.Guard(test.now), test.want) })
	}
}

func TestLog_HoldsNoPersonalData(t *testing.T) {
	plan := planOf(t, busyWorld)
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	for _, c := range plan.Changes {
		log.Info("change", "change", c)
	}
	text := strings.ToLower(out.String())
	assert.Contains(t, text, `"user_id":"u04"`)
	for _, c := range plan.Changes {
		for _, u := range []*adsync.User{c.Before, c.After} {
			if u == nil {
				continue
			}
			for _, secret := range []string{u.Username, u.Email, u.Phone, u.FirstName, u.LastName} {
				if secret != "" {
					assert.NotContains(t, text, `"`+strings.ToLower(secret)+`"`)
					assert.NotContains(t, text, strings.ToLower(secret)+"@")
				}
			}
		}
	}
	assert.NotContains(t, text, "@")
	assert.NotContains(t, text, "+46")
}

func TestRules_Check(t *testing.T) {
	for name, rules := range map[string]adsync.Rules{
		"unknown field":         {Fields: []adsync.Field{"object_id"}},
		"a link is no detail":   {Fields: []adsync.Field{adsync.FieldObjectID}},
		"KeepOnEmpty of status": {KeepOnEmpty: []adsync.Field{adsync.FieldStatus}},
		"AdoptBy phone":         {AdoptBy: []adsync.Field{adsync.FieldPhone}},
		"OnDeleted":             {OnDeleted: "explode"},
		"OnDisabled":            {OnDisabled: "explode"},
		"OnOutOfScope":          {OnOutOfScope: "explode"},
		"OnUnproven":            {OnUnproven: "explode"},
		"a role without a name": {Roles: []string{"admin", ""}},
		"any role":              {Roles: []string{"admin", adsync.AnyRole}},
		"import without a name": {Import: true, Fields: []adsync.Field{adsync.FieldEmail}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Error(t, rules.Check())
			plan, err := adsync.Reconcile(nil, nil, rules)
			assert.Error(t, err)
			assert.Nil(t, plan)
		})
	}
	assert.NoError(t, adsync.Rules{}.Check())
	assert.NoError(t, adsync.Rules{
		Fields: []adsync.Field{adsync.FieldPhone, adsync.FieldStatus}, KeepOnEmpty: []adsync.Field{adsync.FieldPhone},
		AdoptBy: []adsync.Field{adsync.FieldEmail}, OnDeleted: adsync.Deactivate, OnUnproven: adsync.Remove,
	}.Check())
}

func TestReconcile_RefusesWhatHasNoIdentity(t *testing.T) {
	_, err := adsync.Reconcile([]adsync.Entry{{Profile: profile("a", "")}}, nil, adsync.Rules{})
	assert.ErrorContains(t, err, "ObjectID")
	_, err = adsync.Reconcile([]adsync.Entry{{ObjectID: id(1), State: "asleep"}}, nil, adsync.Rules{})
	assert.ErrorContains(t, err, "asleep")
	_, err = adsync.Reconcile(nil, []adsync.User{user("1", 1, "a", ""), user("1", 2, "b", "")}, adsync.Rules{})
	assert.ErrorContains(t, err, "two users")
}

// Members of a shared mailbox must not make a plan of a million names.
func TestReconcile_NamesFewRivals(t *testing.T) {
	var entries []adsync.Entry
	var users []adsync.User
	for i := range 150 {
		n := byte(i)
		users = append(users, user(string([]byte{'u', 'a' + n/26, 'a' + n%26}), n+1, fmt.Sprint("name", i), ""))
		entries = append(entries, adsync.Entry{ObjectID: id(n + 1), Profile: adsync.Profile{Username: users[i].Username, Email: "desk@x"}})
	}
	plan := mustReconcile(t, entries, users, adsync.Rules{})
	require.Len(t, plan.Changes, 150)
	assert.Len(t, plan.Changes[0].Conflicts[0].With, 100)
	assert.Contains(t, plan.Changes[0].Detail, "100 of 149")
}

func TestMap_ErrorIsTold(t *testing.T) {
	rules := adsync.Rules{Map: func(adsync.Entry) (adsync.Profile, error) { return adsync.Profile{}, errors.New("no such branch") }}
	plan := mustReconcile(t, []adsync.Entry{entry(1, "b", "")}, []adsync.User{user("1", 1, "a", "")}, rules)
	require.Len(t, plan.Changes, 1)
	assert.Equal(t, adsync.OpInvalid, plan.Changes[0].Op)
	assert.Equal(t, adsync.ReasonRefused, plan.Changes[0].Reason)
	assert.Equal(t, "no such branch", plan.Changes[0].Detail)
}

// What Map returns is repaired like what a directory tells.
func TestMap_MayReturnWhatIsNotUTF8(t *testing.T) {
	rules := adsync.Rules{Map: func(e adsync.Entry) (adsync.Profile, error) {
		e.LastName, e.Phone = "M\xfcller", " "
		return e.Profile, nil
	}}
	plan := mustReconcile(t, []adsync.Entry{entry(1, "a", "")}, []adsync.User{user("1", 1, "a", "")}, rules)
	require.Len(t, plan.Changes, 1)
	assert.Equal(t, []adsync.Field{adsync.FieldLastName}, plan.Changes[0].Fields)
	assert.Equal(t, "M\ufffdller", plan.Changes[0].After.LastName)
}

// Rows are looked for in ways that depend on the order of the entries, and on what
// lies between the rows: whichever it is, and whether from slices or streams, the
// plan is the oracle's.
func TestReconcile_LongListsInManyOrders(t *testing.T) {
	w := longWorld(400)
	reversed := slices.Clone(w.entries)
	slices.Reverse(reversed)
	half := len(w.entries) / 2
	for name, entries := range map[string][]adsync.Entry{
		"as the rows":           w.entries,
		"reversed":              reversed,
		"any":                   shuffled(seededDice(1), w.entries),
		"in order, then any":    slices.Concat(w.entries[:half], shuffled(seededDice(2), w.entries[half:])),
		"any, then in order":    slices.Concat(shuffled(seededDice(3), w.entries[:half]), w.entries[half:]),
		"the second half first": slices.Concat(w.entries[half:], w.entries[:half]),
		"all twice":             slices.Concat(w.entries, w.entries),
		"half of them":          w.entries[half:],
	} {
		t.Run(name, func(t *testing.T) {
			w := world{entries, w.users, w.rules}
			require.NoError(t, reconcileEqualsOracle(w))
			want, err := reconcile(w)
			require.NoError(t, err)
			dir := adsync.Listing(func(context.Context) iter.Seq2[adsync.Entry, error] { return stream(entries) })
			s, err := adsync.New(dir, tableOf(w.users), &adsync.Options{Rules: w.rules.adsync()})
			require.NoError(t, err)
			got, err := s.Plan(t.Context())
			require.NoError(t, err)
			require.NoError(t, samePlan(want, got))
		})
	}
}

// longWorld is n users and an entry for most of them in the same order; between the
// managed rows lie local ones, some of another source, and twins of rows before and
// behind; between the entries, some of nobody.
func longWorld(n int) world {
	w := world{rules: worldRules{source: "ad"}}
	account := func(i int) adsync.ObjectID {
		return adsync.ObjectID{0: byte(i), 1: byte(i >> 8), 15: 1}
	}
	for i := range n {
		name := fmt.Sprintf("user%d", i)
		u := adsync.User{ID: fmt.Sprint(i), ObjectID: account(i), Source: "ad", Profile: profile(name, name+"@x")}
		e := adsync.Entry{ObjectID: u.ObjectID, Profile: u.Profile}
		switch i % 23 {
		case 3:
			u.ObjectID, u.Source = adsync.ObjectID{}, "" // local
		case 4:
			u.ObjectID = adsync.ObjectID{} // like that, but for the source
		case 7:
			u.Source = "another"
		case 11:
			u.ObjectID = account(i - 5) // a later twin: its own entry is nobody's
		case 12:
			u.ObjectID = account(i + 5) // an earlier twin
		case 15:
			e.Username += "x"
		case 16:
			e.State = adsync.StateDeleted
		case 19:
			e.Username = fmt.Sprintf("user%d", i+1) // taken
		}
		w.users = append(w.users, u)
		if i%23 != 21 { // gone
			w.entries = append(w.entries, e)
		}
	}
	return w
}

// Texts that are not valid are repaired in a copy of the users, and one copy is
// enough for all of them.
func TestReconcile_DoesNotRepairUsersInPlace(t *testing.T) {
	const n = 200
	users := make([]adsync.User, n)
	for i := range users {
		users[i] = user(fmt.Sprint(i), byte(i)+1, fmt.Sprintf("user%d", i), "")
		users[i].LastName = "M\xfcller"
	}
	was := slices.Clone(users)
	entries := []adsync.Entry(nil)
	for _, u := range users {
		p := u.Profile
		p.LastName = "M\ufffdller"
		entries = append(entries, adsync.Entry{ObjectID: u.ObjectID, Profile: p})
	}
	perUser := testing.AllocsPerRun(3, func() {
		require.Empty(t, mustReconcile(t, entries, users, adsync.Rules{}).Changes)
	}) / n
	assert.Equal(t, was, users)
	assert.Less(t, perUser, 1.6, "one for the text, and a few for all")
}

// One account that is listed three times, twice as the user has it, is listed twice
// with different details, in whichever order it comes.
func TestReconcile_AccountThatIsListedThreeTimes(t *testing.T) {
	id := adsync.ObjectID{1}
	held := adsync.Profile{Username: "ann", Phone: "1"}
	users := []adsync.User{{ID: "1", ObjectID: id, Profile: held}}
	listed := []adsync.Entry{{ObjectID: id, Profile: held, DN: "CN=b"}, {ObjectID: id, Profile: adsync.Profile{Username: "ann"}, DN: "CN=c"}, {ObjectID: id, Profile: held, DN: "CN=a"}}
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		plan, err := adsync.Reconcile([]adsync.Entry{listed[order[0]], listed[order[1]], listed[order[2]]}, users, adsync.Rules{})
		require.NoError(t, err)
		require.Len(t, plan.Changes, 1, order)
		assert.Equal(t, adsync.ReasonListedTwice, plan.Changes[0].Reason)
		assert.Zero(t, plan.Stats.Unchanged)
	}
}
