package adsync_test

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-adsync/adsync"
)

// A world is the whole input of one reconciliation, small enough to print. Rules
// that are functions are given by name, so that a world can be kept as a literal.
type world struct {
	entries []adsync.Entry
	users   []adsync.User
	rules   worldRules
}

type worldRules struct {
	source              string
	only                []string
	fields, keepOnEmpty []adsync.Field
	keys, require       []adsync.Field
	onDeleted           adsync.Reaction
	onDisabled          adsync.Reaction
	onOutOfScope        adsync.Reaction
	onUnproven          adsync.Reaction
	imports, pin        bool
	roles               []string
	mapping, fold       string // keys of worldMaps and worldFolds
	removeAfter         time.Duration
	now                 adsync.Moment
}

var worldMaps = map[string]func(adsync.Entry) (adsync.Profile, error){
	"lower-mail": func(e adsync.Entry) (adsync.Profile, error) {
		e.Email = strings.ToLower(e.Email)
		return e.Profile, nil
	},
	"refuse-phone-0": func(e adsync.Entry) (adsync.Profile, error) {
		if e.Phone == "0" {
			return e.Profile, errors.New("phone 0 is refused")
		}
		return e.Profile, nil
	},
	"the-five": func(e adsync.Entry) (adsync.Profile, error) {
		e.Extra = adsync.Extra{}
		return e.Profile, nil
	},
	"no-team": func(e adsync.Entry) (adsync.Profile, error) { return e.With(fieldTeam, " "), nil },
	"mail-from-name": func(e adsync.Entry) (adsync.Profile, error) {
		if e.Email == "" && e.Username != "" {
			e.Email = strings.TrimSpace(e.Username) + "@x"
		}
		return e.Profile, nil
	},
}

var worldFolds = map[string]func(string) string{
	"lower": strings.ToLower,
	"upper": strings.ToUpper,
}

// adsync gives the rules as the package takes them.
func (r worldRules) adsync() adsync.Rules {
	return adsync.Rules{
		Source: r.source, Only: slices.Clone(r.only), Fields: slices.Clone(r.fields), KeepOnEmpty: slices.Clone(r.keepOnEmpty),
		Keys: slices.Clone(r.keys), Require: slices.Clone(r.require), Roles: slices.Clone(r.roles),
		OnDeleted: r.onDeleted, OnDisabled: r.onDisabled, OnOutOfScope: r.onOutOfScope, OnUnproven: r.onUnproven,
		Import: r.imports, PinProtected: r.pin, Fold: worldFolds[r.fold], Map: worldMaps[r.mapping],
		RemoveAfter: r.removeAfter, Now: r.now,
	}
}

// dice draws a number below n. It is a random source, or the bytes of a fuzzer.
type dice func(n int) int

func seededDice(seed uint64) dice {
	return rand.New(rand.NewPCG(seed, 7)).IntN
}

// byteDice draws 0 when the bytes are used up, so that every input is a world.
func byteDice(b []byte) dice {
	return func(n int) int {
		if len(b) == 0 {
			return 0
		}
		drawn := int(b[0]) % n
		b = b[1:]
		return drawn
	}
}

// oneIn is true once in n draws, and false when a fuzzer's bytes are used up.
func (d dice) oneIn(n int) bool { return d(n) == n-1 }

func pick[T any](d dice, from ...T) T { return from[d(len(from))] }

func shuffled[T any](d dice, in []T) []T {
	out := slices.Clone(in)
	for i := len(out) - 1; i > 0; i-- {
		j := i - d(i+1)
		out[i], out[j] = out[j], out[i]
	}
	return out
}

// oid is a short way to write an ObjectID.
func oid(n byte) adsync.ObjectID { return adsync.ObjectID{n, 0xad} }

// The keys are few, so that users meet; the variants fold to the same key.
var (
	worldNames  = [][]string{{"ann", "Ann"}, {"bob", "bob "}, {"\u00e9ve", "e\u0301ve", "\u00c9VE"}, {"dan", "DAN", "d\u200ban", "ｄａｎ"}, {"eli", "Eli", "e\u202eli"}, {"stra\u00dfe", "STRASSE"}, {"gus", " gus"}}
	worldEmails = [][]string{{"a@x", "A@x"}, {"b@x", "b@X"}, {"c@x", "c@x "}, {"d@x", "D@X"}, {"e@x", "E@x"}, {"f@x", "F@x"}, {"g@x", "G@x"}}
	worldIDs    = []string{"1", "10", "2", "A", "a", "b", "u3"}
)

// The details of a rich world beyond the five: a text and a set.
const (
	fieldTeam  adsync.Field = "a team"
	fieldLangs adsync.Field = "langs"
)

// worldTraits are those of a directory or a store that knows all that worlds have.
var worldTraits = adsync.Traits{
	Fields: append(slices.Clone(detailFields), adsync.FieldStatus, fieldTeam, fieldLangs),
	Sets:   []adsync.Field{fieldLangs}, Roles: []string{"r1", "r2", "r3"},
}

func newWorld(d dice) world {
	g := &worldGen{dice: d, keys: 2 + d(6)}
	g.permute = !d.oneIn(3)
	g.calm = g.permute && !d.oneIn(3)
	g.mails, g.rich = d.oneIn(2), d.oneIn(2)
	g.w.rules = g.newRules()
	g.addUsers()
	g.addEntries()
	g.narrow()
	g.w.users = shuffled(d, g.w.users)
	g.w.entries = shuffled(d, g.w.entries)
	return g.w
}

type worldGen struct {
	dice
	w       world
	keys    int  // how many different keys of each kind
	permute bool // users have keys of their own, and entries shuffle them: chains and cycles
	calm    bool // little else happens, so that the cycles are not cut
	mails   bool // in a calm world, emails are shuffled too
	rich    bool // there are further details and roles
}

// among is a number of cases, of which the odd ones are rare in a calm world.
func (g *worldGen) among(n int) int {
	if g.calm {
		return 6 * n
	}
	return n
}

func (g *worldGen) newRules() worldRules {
	r := worldRules{source: pick(g.dice, "ad", "ad", "ad", "")}
	reactions := []adsync.Reaction{"", "", adsync.Keep, adsync.Deactivate, adsync.Remove}
	r.onDeleted = pick(g.dice, reactions...)
	r.onDisabled = pick(g.dice, reactions...)
	r.onOutOfScope = pick(g.dice, reactions...)
	r.onUnproven = pick(g.dice, reactions...)
	r.imports, r.pin = g.oneIn(3), g.oneIn(4)
	if g.oneIn(5) {
		r.fields = g.someFields(2)
		if r.imports && !slices.Contains(r.fields, adsync.FieldUsername) {
			r.fields = append(r.fields, adsync.FieldUsername)
		}
	}
	if g.oneIn(6) { // a store that tells who is active, and no more
		r.fields = append(slices.Clone(r.fields), adsync.FieldActive)
		if len(r.fields) == 1 {
			r.fields = append(r.fields, detailFields...)
		}
	}
	if g.oneIn(4) {
		r.keepOnEmpty = g.someFields(3)
	}
	if g.rich {
		g.enrich(&r)
	}
	if g.oneIn(6) {
		r.keys = []adsync.Field{adsync.FieldUsername}
	}
	if g.oneIn(6) {
		r.require = []adsync.Field{pick(g.dice, detailFields...)}
		if some := slices.DeleteFunc(slices.Clone(r.fields), func(f adsync.Field) bool { return f == adsync.FieldActive }); len(some) > 0 {
			r.require = []adsync.Field{pick(g.dice, some...)}
		}
	}
	if g.oneIn(4) {
		r.mapping = pick(g.dice, "lower-mail", "refuse-phone-0", "mail-from-name", "the-five", "no-team")
	}
	if g.oneIn(10) {
		r.fold = pick(g.dice, "lower", "upper")
	}
	return r
}

// enrich has the rules synchronise further details, and give and take roles.
func (g *worldGen) enrich(r *worldRules) {
	if extras := g.some(fieldTeam, fieldLangs); len(extras) > 0 {
		if len(r.fields) == 0 {
			r.fields = detailFields
		}
		r.fields = append(slices.Clone(r.fields), extras...)
	}
	if len(r.keepOnEmpty) > 0 {
		r.keepOnEmpty = append(r.keepOnEmpty, g.some(fieldTeam, fieldLangs)...)
	}
	r.roles = texts(g.some("r1", "r2"))
}

// some are each of the fields, or not.
func (g *worldGen) some(of ...adsync.Field) []adsync.Field {
	return slices.DeleteFunc(of, func(adsync.Field) bool { return g.oneIn(2) })
}

func texts(fields []adsync.Field) (list []string) {
	for _, f := range fields {
		list = append(list, string(f))
	}
	return list
}

// newExtra are further details and roles.
func (g *worldGen) newExtra() (e adsync.Extra) {
	if !g.rich {
		return e
	}
	return e.With(fieldTeam, pick(g.dice, "Sales", "R&D", "", " ")).
		With(fieldLangs, texts(g.some("de", "en", "fr"))...).
		With(adsync.FieldRoles, texts(g.some("r1", "r2", "r3"))...)
}

func (g *worldGen) someFields(oneIn int) []adsync.Field {
	fields := []adsync.Field{}
	for _, f := range detailFields {
		if g.oneIn(oneIn) {
			fields = append(fields, f)
		}
	}
	if len(fields) == 0 {
		fields = append(fields, pick(g.dice, detailFields...))
	}
	return shuffled(g.dice, fields)
}

func (g *worldGen) addUsers() {
	ids := shuffled(g.dice, worldIDs)
	n := 2 + g.dice(6)
	for i := range n {
		u := adsync.User{ID: ids[i], Profile: g.newProfile(i)}
		switch g.dice(g.among(12)) {
		case 10: // local
		case 11:
			u.ObjectID, u.Source = oid(byte(1+i)), "other"
		case 9: // two users on one entry
			u.ObjectID, u.Source = oid(byte(1+g.dice(i+1))), g.w.rules.source
		default:
			u.ObjectID, u.Source = oid(byte(1+i)), g.w.rules.source
		}
		if g.oneIn(4) {
			u.Extra = u.Extra.With(adsync.FieldHostRoles, u.Extra.Set(adsync.FieldRoles)...)
		}
		u.Status = pick(g.dice, "", "", "", adsync.StatusActive, adsync.StatusBlocked, adsync.StatusDeactivated, adsync.StatusInactive)
		u.Protected = g.oneIn(7)
		g.w.users = append(g.w.users, u)
	}
}

func (g *worldGen) newProfile(i int) adsync.Profile {
	name, mail := i, i
	if !g.permute {
		name, mail = g.dice(g.keys), g.dice(g.keys)
	}
	p := adsync.Profile{
		Username: worldNames[name][0], Email: worldEmails[mail][0],
		FirstName: pick(g.dice, "", "Al"), Phone: pick(g.dice, "5", "5", "0", "", " "), Extra: g.newExtra(),
	}
	if g.dice(g.among(8)) == 7 {
		p.Username = pick(g.dice, worldNames[name]...)
	}
	if g.oneIn(8) {
		p.Email = pick(g.dice, worldEmails[mail]...)
	}
	if g.dice(g.among(8)) == 7 {
		p.Email = ""
	}
	return p
}

func (g *worldGen) addEntries() {
	n := len(g.w.users) + g.dice(4)
	order := make([]int, len(worldNames)+4)
	for i := range order {
		order[i] = i
	}
	names := shuffled(g.dice, order[:min(n, len(worldNames))])
	mails := shuffled(g.dice, order[:min(n, len(worldNames))])
	for i := range n {
		e := adsync.Entry{ObjectID: oid(byte(1 + i)), DN: "CN=" + strconv.Itoa(i)}
		e.Profile = g.newProfile(i % len(worldNames))
		g.swapKeys(&e, names, mails, i)
		if i < len(g.w.users) && g.oneIn(6) {
			e.Profile = g.w.users[i].Profile
		}
		if i < len(g.w.users) && g.oneIn(2) {
			e.Extra = g.w.users[i].Extra
		}
		e.Extra = e.Extra.With(adsync.FieldHostRoles)
		if g.rich && g.oneIn(3) {
			e.Unknown = e.Unknown.With(adsync.FieldRoles, texts(g.some("r1", "r2"))...)
		}
		if g.dice(g.among(16)) == 15 {
			e.Username = pick(g.dice, "", " ")
		}
		if g.oneIn(20) {
			e.LastName = "M\xfcller" // Latin-1, as some old clients write it
		}
		g.multiply(&e)
		g.addWithState(e)
	}
}

// multiply gives the entry several values of some details, none or one of them marked: those
// that it would have had, that its user has, and any others.
func (g *worldGen) multiply(e *adsync.Entry) {
	if !g.oneIn(3) {
		return
	}
	of := slices.IndexFunc(g.w.users, func(u adsync.User) bool { return u.ObjectID == e.ObjectID })
	for _, f := range []adsync.Field{adsync.FieldUsername, adsync.FieldEmail, adsync.FieldPhone, fieldTeam} {
		if f == fieldTeam && !g.rich || f != adsync.FieldEmail && g.dice(g.among(3)) != 2 {
			continue
		}
		values := []string{e.Get(f)}
		if of >= 0 && g.oneIn(2) {
			values = append(values, g.w.users[of].Get(f))
		}
		for range 1 + g.dice(2) {
			values = append(values, map[adsync.Field]string{
				adsync.FieldUsername: pick(g.dice, pick(g.dice, worldNames...)...), adsync.FieldEmail: pick(g.dice, pick(g.dice, worldEmails...)...),
				adsync.FieldPhone: pick(g.dice, "5", "6", "0", " "), fieldTeam: pick(g.dice, "Sales", "R&D", "Legal"),
			}[f])
		}
		e.Others = e.Others.With(f, values...)
		if !g.oneIn(4) {
			e.Profile = e.With(f, "")
		}
	}
}

// swapKeys gives the entry other keys than the user who is linked to it has:
// in a permuting world those of other users.
func (g *worldGen) swapKeys(e *adsync.Entry, names, mails []int, i int) {
	if !g.permute || i >= len(names) {
		return
	}
	if !g.oneIn(4) || g.calm {
		e.Username = pick(g.dice, worldNames[names[i]]...)
	}
	if g.mails && g.calm || !g.calm && g.oneIn(2) {
		e.Email = pick(g.dice, worldEmails[mails[i]]...)
	}
}

func (g *worldGen) addWithState(e adsync.Entry) {
	e.State = pick(g.dice, "", adsync.StatePresent)
	switch g.dice(g.among(19)) {
	case 9:
		return // absent
	case 18:
		e.State, e.Disabled = adsync.StateDisputed, g.oneIn(4)
	case 16, 17:
		e.DisabledUnknown, e.Disabled = true, g.oneIn(3)
	case 10, 11:
		e.Disabled = true
	case 12:
		e.State, e.Disabled, e.DisabledUnknown = adsync.StateOutOfScope, g.oneIn(2), g.oneIn(4)
	case 13:
		e.State, e.Disabled = adsync.StateDeleted, g.oneIn(2)
	case 14:
		e.State, e.Disabled = adsync.StateUnproven, g.oneIn(4)
	case 15:
		again := e
		again.DN = "CN=again"
		if g.oneIn(3) {
			pick(g.dice, &e, &again).DisabledUnknown = true
		}
		switch g.dice(8) {
		case 5, 6:
			other := adsync.Entry{ObjectID: e.ObjectID, Profile: e.Profile}
			g.multiply(&other)
			again.Profile, again.Others = other.Profile, other.Others
		case 7:
			again.Extra = g.newExtra()
		case 1:
			again.Phone += "1"
		case 2:
			again.Username = strings.ToUpper(again.Username)
		case 3:
			again.Disabled = true
		case 4:
			again.State = adsync.StateDeleted
		}
		g.w.entries = append(g.w.entries, again)
	}
	g.w.entries = append(g.w.entries, e)
}

func (g *worldGen) narrow() {
	if !g.oneIn(4) {
		return
	}
	g.w.rules.only = []string{}
	for _, u := range g.w.users {
		if !g.oneIn(3) {
			g.w.rules.only = append(g.w.rules.only, u.ID)
		}
	}
}

// leavingWorld is a world whose leavers wait, or whose host notes at least when somebody was
// deactivated.
func leavingWorld(d dice) world {
	w := newWorld(d)
	if w.rules.fields != nil {
		w.rules.fields = slices.DeleteFunc(slices.Clone(w.rules.fields), func(f adsync.Field) bool { return f == adsync.FieldActive })
	}
	if !d.oneIn(5) {
		w.rules.removeAfter = 30 * day
	}
	if d.oneIn(4) || w.rules.removeAfter == 0 {
		if w.rules.fields == nil {
			w.rules.fields = detailFields
		}
		w.rules.fields = append(slices.Clone(w.rules.fields), adsync.FieldDeactivatedAt)
	}
	if d.oneIn(2) {
		w.rules.onDisabled, w.rules.onOutOfScope, w.rules.onUnproven = adsync.Remove, adsync.Remove, adsync.Remove
	}
	w.rules.now = pick(d, 0, at(29), at(30), at(31), at(40), at(1000))
	moments := []adsync.Moment{0, at(0), at(0) + 1, at(1), at(10), at(31)}
	for i := range w.users {
		u := &w.users[i]
		if d.oneIn(3) {
			u.Status = adsync.StatusDeactivated
		}
		if u.Status != "" && u.Status != adsync.StatusActive || d.oneIn(6) {
			u.DeactivatedAt = pick(d, moments...)
		}
	}
	for i := range w.entries {
		if w.entries[i].State == adsync.StateDeleted {
			w.entries[i].DeletedAt = pick(d, moments...)
		}
	}
	return w
}

// bigKnot is a world of users who shuffle their usernames, and their emails.
func bigKnot(d dice) world {
	w := world{rules: worldRules{source: "ad", imports: true}}
	n := 5 + d(12)
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i
	}
	names, mails := shuffled(d, numbers), shuffled(d, numbers)
	for i := range n {
		profile := func(name, mail int) adsync.Profile {
			return adsync.Profile{Username: "n" + strconv.Itoa(name), Email: strconv.Itoa(mail) + "@x"}
		}
		u := adsync.User{ID: strconv.Itoa(i), ObjectID: oid(byte(i + 1)), Source: "ad", Profile: profile(i, i), Protected: d.oneIn(4)}
		e := adsync.Entry{ObjectID: u.ObjectID, Profile: profile(names[i], mails[i])}
		switch d(12) {
		case 0:
			e.Email = u.Email
		case 1:
			e.Email = ""
		case 2:
			e.Username = "n" + strconv.Itoa(n+i)
		}
		if d.oneIn(6) {
			u.Email = ""
		}
		w.users, w.entries = append(w.users, u), append(w.entries, e)
	}
	return w
}

// String prints the world as the Go literal to keep among keptWorlds.
func (w world) String() string {
	var b strings.Builder
	b.WriteString("world{\n\tentries: []adsync.Entry{\n")
	for _, e := range w.entries {
		fmt.Fprintf(&b, "\t\t{ObjectID: oid(%d), Profile: %s%s},\n", e.ObjectID[0], literalProfile(e.Profile),
			literalFields("State", string(e.State), "Disabled", e.Disabled, "DisabledUnknown", e.DisabledUnknown, "DN", e.DN, "Others", e.Others, "Unknown", e.Unknown, "DeletedAt", int64(e.DeletedAt)))
	}
	b.WriteString("\t},\n\tusers: []adsync.User{\n")
	for _, u := range w.users {
		link := ""
		if !u.ObjectID.IsZero() {
			link = fmt.Sprintf(", ObjectID: oid(%d)", u.ObjectID[0])
		}
		fmt.Fprintf(&b, "\t\t{ID: %q%s%s, Profile: %s%s},\n", u.ID, link, literalFields("Source", u.Source), literalProfile(u.Profile),
			literalFields("Status", string(u.Status), "Protected", u.Protected, "DeactivatedAt", int64(u.DeactivatedAt)))
	}
	fmt.Fprintf(&b, "\t},\n\trules: %s,\n}", w.rules)
	return b.String()
}

func literalProfile(p adsync.Profile) string {
	fields := literalFields("Username", p.Username, "FirstName", p.FirstName, "LastName", p.LastName, "Email", p.Email, "Phone", p.Phone, "Extra", p.Extra)
	return "adsync.Profile{" + strings.TrimPrefix(fields, ", ") + "}"
}

func (r worldRules) String() string {
	fields := literalFields("source", r.source, "only", r.only, "fields", r.fields, "keepOnEmpty", r.keepOnEmpty, "keys", r.keys, "require", r.require,
		"onDeleted", string(r.onDeleted), "onDisabled", string(r.onDisabled), "onOutOfScope", string(r.onOutOfScope),
		"onUnproven", string(r.onUnproven), "imports", r.imports, "pin", r.pin, "roles", r.roles, "mapping", r.mapping, "fold", r.fold,
		"removeAfter", int64(r.removeAfter), "now", int64(r.now))
	return "worldRules{" + strings.TrimPrefix(fields, ", ") + "}"
}

// literalFields writes pairs of name and value, leaving out zero values.
func literalFields(pairs ...any) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		switch v := pairs[i+1].(type) {
		case adsync.Extra:
			if (v != adsync.Extra{}) {
				fmt.Fprintf(&b, ", %s: %s", pairs[i], literalExtra(v))
			}
			continue
		case string:
			if v == "" {
				continue
			}
		case bool:
			if !v {
				continue
			}
		case int64:
			if v == 0 {
				continue
			}
		case []string:
			if v == nil {
				continue
			}
		case []adsync.Field:
			if v == nil {
				continue
			}
		}
		fmt.Fprintf(&b, ", %s: %#v", pairs[i], pairs[i+1])
	}
	return b.String()
}

// literalExtra writes a call of extra.
func literalExtra(e adsync.Extra) string {
	var pairs []string
	for _, f := range e.Fields() {
		for _, text := range e.Set(f) {
			pairs = append(pairs, strconv.Quote(string(f)), strconv.Quote(text))
		}
	}
	return "extra(" + strings.Join(pairs, ", ") + ")"
}

// shrink makes a failing world smaller while it still fails.
func shrink(w world, fails func(world) bool) world {
	for again := true; again; {
		again = false
		for _, smaller := range smallerWorlds(w) {
			if fails(smaller) {
				w, again = smaller, true
				break
			}
		}
	}
	return w
}

func smallerWorlds(w world) []world {
	var out []world
	add := func(change func(*world)) {
		smaller := w
		smaller.users, smaller.entries = slices.Clone(w.users), slices.Clone(w.entries)
		change(&smaller)
		if smaller.String() != w.String() {
			out = append(out, smaller)
		}
	}
	for i := range w.users {
		add(func(s *world) { s.users = slices.Delete(s.users, i, i+1) })
	}
	for i := range w.entries {
		add(func(s *world) { s.entries = slices.Delete(s.entries, i, i+1) })
	}
	add(func(s *world) { s.rules = worldRules{source: s.rules.source} })
	add(func(s *world) { s.rules.only = nil })
	add(func(s *world) { s.rules.fields, s.rules.require = nil, nil })
	add(func(s *world) { s.rules.roles = nil })
	add(func(s *world) { s.rules.keepOnEmpty = nil })
	add(func(s *world) { s.rules.keys = nil })
	add(func(s *world) { s.rules.require = nil })
	add(func(s *world) { s.rules.mapping = "" })
	add(func(s *world) { s.rules.fold = "" })
	add(func(s *world) { s.rules.imports = false })
	add(func(s *world) { s.rules.pin = false })
	add(func(s *world) { s.rules.removeAfter = 0 })
	add(func(s *world) { s.rules.now = 0 })
	for i := range w.users {
		add(func(s *world) { s.users[i].Status = "" })
		add(func(s *world) { s.users[i].DeactivatedAt = 0 })
		add(func(s *world) { s.users[i].Protected = false })
		add(func(s *world) { s.users[i].Email = "" })
		add(func(s *world) { p := &s.users[i]; p.FirstName, p.LastName, p.Phone = "", "", "" })
		for _, f := range w.users[i].Extra.Fields() {
			add(func(s *world) { s.users[i].Extra = s.users[i].Extra.With(f) })
		}
	}
	for i := range w.entries {
		add(func(s *world) { s.entries[i].State = "" })
		add(func(s *world) { s.entries[i].Disabled = false })
		add(func(s *world) { s.entries[i].DeletedAt = 0 })
		add(func(s *world) { s.entries[i].DisabledUnknown = false })
		add(func(s *world) { s.entries[i].Email = "" })
		add(func(s *world) { s.entries[i].DN = "" })
		add(func(s *world) { p := &s.entries[i]; p.FirstName, p.LastName, p.Phone = "", "", "" })
		add(func(s *world) { s.entries[i].Unknown = adsync.Extra{} })
		for _, f := range w.entries[i].Extra.Fields() {
			add(func(s *world) { s.entries[i].Extra = s.entries[i].Extra.With(f) })
		}
		for _, f := range w.entries[i].Others.Fields() {
			add(func(s *world) { s.entries[i].Others = s.entries[i].Others.With(f) })
			for _, v := range w.entries[i].Others.Set(f) {
				add(func(s *world) {
					left := slices.DeleteFunc(s.entries[i].Others.Set(f), func(text string) bool { return text == v })
					s.entries[i].Others = s.entries[i].Others.With(f, left...)
				})
			}
		}
	}
	return out
}

// worldCount is how many worlds a test tries: ADSYNC_WORLDS, or the default.
func worldCount(t testing.TB, normal int) int {
	text := cmp.Or(os.Getenv("ADSYNC_WORLDS"), strconv.Itoa(normal))
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("ADSYNC_WORLDS: want a number, not %q", text)
	}
	return n
}

// inWorlds runs the check in the kept worlds and in random ones, and prints the
// first that fails, made small, as a literal to keep.
func inWorlds(t *testing.T, normal int, check func(world) error) {
	t.Helper()
	inWorldsOf(t, normal, newWorld, check)
}

func inWorldsOf(t *testing.T, normal int, draw func(dice) world, check func(world) error) {
	t.Helper()
	for _, kept := range keptWorlds {
		if err := check(kept.world); err != nil {
			t.Errorf("kept world %q: %v", kept.name, err)
		}
	}
	for seed := range uint64(worldCount(t, normal)) {
		w := draw(seededDice(seed))
		if check(w) == nil {
			continue
		}
		small := shrink(w, func(w world) bool { return check(w) != nil })
		t.Fatalf("seed %d: %v\n%v", seed, check(small), small)
	}
}
