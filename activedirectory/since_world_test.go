package activedirectory

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory/internal/ldapread"
	"github.com/go-adsync/adsync/internal/fakead"
)

// world is a small domain of one or two controllers, a table, and the sync of both.
//
// All in it follows from the number of the history, so that one that fails can be
// repeated, and shortened: each event has a random source of its own, so that leaving one
// out changes no other.
type world struct {
	number uint64
	random *rand.PCG
	rng    *rand.Rand
	left   map[int]bool // the events that are left out
	events int          // so far
	tally
	log []string

	clock     atomic.Int64 // seconds
	local     bool         // without a network
	dcs       []*fakead.Server
	snapshots []*fakead.Snapshot // by controller
	stopped   int                // which controller is down; -1: none
	base      string
	units     []string // the objectGUIDs of units that may move, as base names
	group     string   // that the service account may be in
	staff     string   // that people may be in
	ids       []fakead.GUID

	expiring bool // accounts that have expired count as disabled

	rules   adsync.Rules
	users   []adsync.User
	blocked []adsync.Change   // the duplicates of the last plan
	freed   []adsync.ObjectID // those of them whose rival was renamed since
	mark    *adsync.Mark
	marks   []*adsync.Mark
}

const (
	worldPeople = 6
	worldSecret = "S3rvice-of-the-test!"
)

// wrong is why a history fails.
type wrong struct{ words string }

func (w *world) must(err error) {
	if err != nil {
		panic(wrong{err.Error()})
	}
}

func newWorld(number uint64, local bool, left map[int]bool) *world {
	w := &world{number: number, random: rand.NewPCG(number, 17), stopped: -1, local: local, left: left, tally: newTally()}
	w.rng = rand.New(w.random)
	w.clock.Store(1_790_000_000)
	return w
}

// begin makes the domain and the table.
func (w *world) begin() {
	guids := [32]byte{}
	for i := range 8 {
		guids[i] = byte(w.number >> (8 * i))
	}
	dc, err := fakead.Start(fakead.Config{RecycleBin: w.chance(2), AllowUnsafe: true, Portless: w.local, Random: rand.NewChaCha8(guids),
		Now: func() time.Time { return time.Unix(w.clock.Add(1), 0) }})
	w.must(err)
	w.dcs = []*fakead.Server{dc}
	w.base, err = dc.AddOU("People", "")
	w.must(err)
	for _, unit := range []struct{ name, parent string }{{"A", w.base}, {"B", w.base}, {"Elsewhere", ""}} {
		dn, err := dc.AddOU(unit.name, unit.parent)
		w.must(err)
		w.units = append(w.units, "<GUID="+dc.ID(dn).String()+">")
	}
	svc, err := dc.AddUser(fakead.User{Username: "svc", UPN: since, Password: worldSecret})
	w.must(err)
	w.must(dc.GrantTombstones(since))
	w.group, err = dc.AddGroup("Readers", svc)
	w.must(err)
	w.staff, err = dc.AddGroup("Staff")
	w.must(err)
	for i := range worldPeople {
		w.addPerson(dc, i)
	}
	if w.chance(2) {
		second, err := dc.AddController()
		w.must(err)
		w.dcs = append(w.dcs, second)
	}
	w.snapshots = make([]*fakead.Snapshot, len(w.dcs))
	if w.chance(3) {
		w.snapshots[0] = dc.Snapshot()
	}
	for i := range w.rng.IntN(3) {
		w.addLocal("local" + strconv.Itoa(i))
	}
	w.rules, w.expiring = w.someRules(), w.chance(2)
}

func (w *world) close() {
	for _, dc := range w.dcs {
		_ = dc.Close()
	}
}

// again begins a random source that is the n-th of its kind.
func (w *world) again(kind, n int) { w.random.Seed(w.number, uint64(kind)<<32+uint64(n)) }

func (w *world) chance(n int) bool      { return w.rng.IntN(n) == 0 }
func pick[T any](w *world, list ...T) T { return list[w.rng.IntN(len(list))] }
func (w *world) dc() *fakead.Server     { return pick(w, w.dcs...) }
func (w *world) person() fakead.GUID    { return pick(w, w.ids...) }
func (w *world) someName() string {
	return pick(w, "ann", "bob", "cat", "dan", "eve", "flo", "gus", "hal")
}
func (w *world) someMail() string {
	return pick(w, "", "a@x.test", "b@x.test", "c@x.test", "d@x.test", "e@x.test", "f@x.test")
}
func (w *world) say(f string, args ...any) { w.log = append(w.log, fmt.Sprintf(f, args...)) }

func (w *world) addPerson(dc *fakead.Server, i int) bool {
	name := "p" + strconv.Itoa(i)
	id, err := dc.AddUser(fakead.User{Parent: dc.DN(dc.ID(pick(w, w.units[0], w.units[0], w.units[1], w.units[2]))), Name: name, Username: name,
		Email: w.someMail(), LastName: "L"})
	if err != nil {
		return false // as when its place is hidden or gone
	}
	w.ids = append(w.ids, id)
	if !w.chance(4) {
		w.users = append(w.users, adsync.User{ID: strconv.Itoa(len(w.users) + 1), ObjectID: adsync.ObjectID(id),
			Profile: adsync.Profile{Username: name, LastName: "L"}, Protected: w.chance(8)})
	}
	return true
}

// addLocal adds a user whom no account is linked to.
func (w *world) addLocal(id string) {
	w.users = append(w.users, adsync.User{ID: id, Profile: adsync.Profile{Username: w.someName(), Email: w.someMail()}})
}

func (w *world) someRules() adsync.Rules {
	reaction := func() adsync.Reaction { return pick(w, adsync.Keep, adsync.Deactivate, adsync.Remove) }
	r := adsync.Rules{OnDeleted: reaction(), OnDisabled: reaction(), OnOutOfScope: reaction(), Import: w.chance(3), PinProtected: w.chance(4)}
	if w.chance(4) {
		r.KeepOnEmpty = []adsync.Field{adsync.FieldEmail}
	}
	if w.chance(4) {
		r.Require = []adsync.Field{adsync.FieldEmail}
	}
	if w.chance(3) {
		r.Version = "1"
		r.Map = func(e adsync.Entry) (adsync.Profile, error) {
			p := e.Profile
			if p.Email == "d@x.test" {
				return p, fmt.Errorf("refused")
			}
			p.FirstName = e.DN // what is above the account shows in it
			return p, nil
		}
	}
	return r
}

// syncer reads the controllers in order.
func (w *world) syncer(store adsync.UserStore) *adsync.Syncer {
	return w.syncerOf(w.directory(), store)
}

// directory reads the controllers in order, or that of the name first: two need not agree.
func (w *world) directory(first ...string) *Directory {
	cfg := Config{BaseDN: w.base, AllowPlaintext: true, Bind: SimpleBind(since, worldSecret), Witnesses: -1, ExpiredIsDisabled: w.expiring}
	for i, dc := range w.dcs {
		if w.local {
			cfg.URLs = append(cfg.URLs, "ldap://"+strconv.Itoa(i)+".test")
		} else {
			cfg.URLs = append(cfg.URLs, dc.PlainURL())
		}
	}
	if slices.Contains(first, "dc2.ad.example.test") {
		slices.Reverse(cfg.URLs)
	}
	dir, err := New(cfg)
	w.must(err)
	if w.local {
		dir.reader.Open = func(_ context.Context, server ldapread.Server) (net.Conn, ldapread.Searcher, error) {
			return openLocal(w.dcs[server.Host[0]-'0'], since, worldSecret)
		}
	}
	return dir
}

func (w *world) syncerOf(dir adsync.Directory, store adsync.UserStore) *adsync.Syncer {
	s, err := adsync.New(dir, store, &adsync.Options{Rules: w.rules, MaxIncrements: -1,
		Limits: adsync.Limits{MaxRemovals: -1, MaxRemovalRatio: -1, MaxCleared: -1, MaxRekeyed: -1, MaxReactivated: -1, AllowEmpty: true}})
	w.must(err)
	return s
}

// event is one thing that happens in the domain or the table. What cannot be done now does
// not happen, and does not count.
func (w *world) event() {
	w.events++
	w.again(1, w.events)
	if w.left[w.events] {
		return
	}
	kind := weighted[w.rng.IntN(len(weighted))]
	said := len(w.log)
	if !happenings[kind].do(w) {
		w.log = w.log[:said]
		return
	}
	if len(w.log) == said {
		w.say("%s", happenings[kind].name)
	}
	w.log[said] = fmt.Sprintf("#%d %s", w.events, w.log[said])
	w.happened[kind]++
}

// happening is a kind of event.
type happening struct {
	name   string
	weight int
	do     func(*world) bool
}

// midway are the kinds that may happen in the middle of a reading: not to the table, and no
// time passes.
var midway = func() (some []int) {
	for i, h := range inTheDomain {
		if h.name != "an account expires" && h.name != "a day passes" && h.name != "tombstones expire" {
			some = append(some, i)
		}
	}
	for i := range toControllers {
		some = append(some, len(inTheDomain)+i)
	}
	return some
}()

// weighted has the number of each kind as often as it weighs.
var weighted = func() (all []int) {
	for i, h := range happenings {
		all = append(all, slices.Repeat([]int{i}, h.weight)...)
	}
	return all
}()

var happenings = slices.Concat(inTheDomain, toControllers, inTheTable)

// toAPerson is a change of one account by one controller.
func toAPerson(name string, weight int, do func(*world, *fakead.Server, fakead.GUID) error) happening {
	return happening{name, weight, func(w *world) bool {
		dc, id := w.dc(), w.person()
		w.say("%s %s", name, dc.DN(id))
		return do(w, dc, id) == nil
	}}
}

// toAUnit is a change of one unit by one controller.
func toAUnit(name string, weight int, do func(w *world, dc *fakead.Server, unit fakead.GUID) error) happening {
	return happening{name, weight, func(w *world) bool {
		dc := w.dc()
		unit := dc.ID(pick(w, w.units[:2]...))
		w.say("%s %s", name, dc.DN(unit))
		return do(w, dc, unit) == nil
	}}
}

// toATombstone is a change of one that one of the controllers has.
func toATombstone(name string, weight int, do func(*fakead.Server, fakead.GUID) error) happening {
	return happening{name, weight, func(w *world) bool {
		dc := w.dc()
		buried := slices.DeleteFunc(slices.Clone(w.ids), func(id fakead.GUID) bool { return !strings.Contains(dc.DN(id), "DEL:") })
		if len(buried) == 0 {
			return false
		}
		id := pick(w, buried...)
		w.say("%s %s", name, dc.DN(id))
		return do(dc, id) == nil
	}}
}

var inTheDomain = []happening{
	{"create an account", 1, func(w *world) bool { return w.addPerson(w.dc(), len(w.ids)+10) }},
	toAPerson("change a detail", 3, func(w *world, dc *fakead.Server, id fakead.GUID) error {
		return dc.SetAttribute(id, "mail", values(w.someMail())...)
	}),
	toAPerson("change a username", 3, func(w *world, dc *fakead.Server, id fakead.GUID) error {
		return dc.SetAttribute(id, "sAMAccountName", w.someName())
	}),
	toAPerson("rename", 1, func(w *world, dc *fakead.Server, id fakead.GUID) error { return dc.Rename(id, w.someName()) }),
	toAPerson("move", 2, func(w *world, dc *fakead.Server, id fakead.GUID) error {
		return dc.Move(id, dc.DN(dc.ID(pick(w, w.units...))))
	}),
	toAUnit("move a unit", 1, func(w *world, dc *fakead.Server, unit fakead.GUID) error {
		return dc.Move(unit, pick(w, w.base, dc.DN(dc.ID(w.units[2]))))
	}),
	toAUnit("rename a unit", 1, func(w *world, dc *fakead.Server, unit fakead.GUID) error { return dc.Rename(unit, "U-"+w.someName()) }),
	toAPerson("hide an account", 1, func(w *world, dc *fakead.Server, id fakead.GUID) error { return dc.Hide(since, dc.DN(id)) }),
	toAUnit("hide a unit", 1, func(w *world, dc *fakead.Server, unit fakead.GUID) error { return dc.Hide(since, dc.DN(unit)) }),
	{"show again", 1, func(w *world) bool { return w.dc().Unhide(since) == nil }},
	toAPerson("deny at an account", 1, func(w *world, dc *fakead.Server, id fakead.GUID) error {
		return dc.Deny(since, dc.DN(id), pick(w, plainAttributes...))
	}),
	toAUnit("deny at a unit", 1, func(w *world, dc *fakead.Server, unit fakead.GUID) error {
		return dc.Deny(since, dc.DN(unit), pick(w, append([]string{"uSNChanged"}, plainAttributes...)...))
	}),
	toAPerson("reset the rights at an account", 1, func(w *world, dc *fakead.Server, id fakead.GUID) error { return dc.ResetRights(since, dc.DN(id)) }),
	toAUnit("reset the rights at a unit", 1, func(w *world, dc *fakead.Server, unit fakead.GUID) error { return dc.ResetRights(since, dc.DN(unit)) }),
	{"the service account joins or leaves a group", 1, func(w *world) bool {
		dc := w.dc()
		svc := dc.ID("CN=svc,CN=Users,DC=ad,DC=example,DC=test")
		return dc.SetMembers(w.group, pick(w, []fakead.GUID{svc}, nil)...) == nil
	}},
	toAPerson("deny a group", 1, func(w *world, dc *fakead.Server, id fakead.GUID) error {
		return dc.Deny(w.group, pick(w, dc.DN(id), dc.DN(dc.ID(w.units[1]))))
	}),
	toAPerson("join a group", 1, func(w *world, dc *fakead.Server, id fakead.GUID) error { return dc.Join(dc.ID(w.staff), id) }),
	toAPerson("disable", 2, func(_ *world, dc *fakead.Server, id fakead.GUID) error { return dc.Disable(id) }),
	toAPerson("enable", 1, func(_ *world, dc *fakead.Server, id fakead.GUID) error { return dc.Enable(id) }),
	toAPerson("delete", 3, func(_ *world, dc *fakead.Server, id fakead.GUID) error { return dc.Delete(id) }),
	toATombstone("restore", 5, (*fakead.Server).Restore),
	toATombstone("recycle", 3, (*fakead.Server).Recycle),
	{"tombstones expire", 1, func(w *world) bool {
		w.clock.Add(pick[int64](w, 40, 100, 200) * 86400)
		w.dc().ExpireTombstones()
		return true
	}},
	{"make an attribute confidential, or not", 1, func(w *world) bool { return w.dc().SetConfidential("mail", w.chance(2)) == nil }},
	{"an account expires", 2, func(w *world) bool { // never while plans are made
		dc, id, days := w.dc(), w.person(), pick[int64](w, -1, 0, 0, 0, 30)
		w.say("%s expires in %d days and a half", dc.DN(id), days)
		return w.expiring && dc.SetAttribute(id, "accountExpires", fakead.FileTime(time.Unix(w.clock.Load()+days*86400+43200, 0))) == nil
	}},
	{"a day passes", 1, func(w *world) bool { w.clock.Add(86400); return w.expiring }},
}

// plainAttributes are such as an account can lose with a trace. Its number is none: see
// TestSince_IsLateWithAnAccountWhoseNumberIsHidden.
var plainAttributes = []string{"mail", "userAccountControl", "sAMAccountName", "accountExpires"}

func values(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// two is what happens only where there are two controllers.
func two(name string, weight int, do func(w *world) bool) happening {
	return happening{name, weight, func(w *world) bool { return len(w.dcs) == 2 && do(w) }}
}

// back is what puts a controller back to what it was.
func back(name string, weight int, do func(*fakead.Server, *fakead.Snapshot)) happening {
	return happening{name, weight, func(w *world) bool {
		i := w.rng.IntN(len(w.dcs))
		if w.snapshots[i] == nil {
			return false
		}
		w.say("%s %d", name, i+1)
		do(w.dcs[i], w.snapshots[i])
		return true
	}}
}

var toControllers = []happening{
	two("replicate", 3, func(w *world) bool {
		i := w.rng.IntN(2)
		w.say("replicate to %d", i+1)
		return w.dcs[i].Pull(w.dcs[1-i]) == nil
	}),
	two("a controller stops, or starts again", 2, func(w *world) bool {
		if w.stopped >= 0 {
			w.dcs[w.stopped].Restart()
			w.stopped = -1
			w.say("both controllers are up")
			return true
		}
		w.stopped = w.rng.IntN(2)
		w.dcs[w.stopped].Stop()
		w.say("stop %d", w.stopped+1)
		return true
	}),
	{"take a snapshot", 2, func(w *world) bool {
		i := w.rng.IntN(len(w.dcs))
		w.snapshots[i] = w.dcs[i].Snapshot()
		w.say("snapshot of %d", i+1)
		return true
	}},
	back("restore a controller from its backup", 1, (*fakead.Server).RestoreBackup),
	back("roll a controller back", 2, (*fakead.Server).RollBack),
}

// toARow is an edit by the host.
func toARow(name string, weight int, do func(*world, *adsync.User) bool) happening {
	return happening{name, weight, func(w *world) bool {
		if len(w.users) == 0 {
			return false
		}
		u := &w.users[w.rng.IntN(len(w.users))]
		w.say("%s %s", name, u.ID)
		return do(w, u)
	}}
}

var inTheTable = []happening{
	toARow("edit the username of row", 1, func(w *world, u *adsync.User) bool { u.Username = w.someName(); return true }),
	toARow("edit the email of row", 1, func(w *world, u *adsync.User) bool { u.Email = w.someMail(); return true }),
	toARow("edit the status of row", 1, func(w *world, u *adsync.User) bool {
		u.Status = pick(w, adsync.StatusActive, adsync.StatusBlocked, adsync.StatusDeactivated)
		return true
	}),
	toARow("protect, or not, row", 1, func(_ *world, u *adsync.User) bool { u.Protected = !u.Protected; return true }),
	toARow("delete row", 1, func(w *world, u *adsync.User) bool {
		w.users = slices.DeleteFunc(w.users, func(one adsync.User) bool { return one.ID == u.ID })
		return true
	}),
	toARow("unlink row", 1, func(_ *world, u *adsync.User) bool { u.ObjectID = adsync.ObjectID{}; return true }),
	toARow("link to another account row", 1, func(w *world, u *adsync.User) bool { u.ObjectID = adsync.ObjectID(w.person()); return true }),
	{"a local user is added", 1, func(w *world) bool {
		w.addLocal("l" + strconv.Itoa(w.events))
		return true
	}},
	{"the local user in a duplicate's way is renamed", 3, func(w *world) bool {
		for _, c := range w.blocked {
			for _, conflict := range c.Conflicts {
				i := slices.IndexFunc(w.users, func(u adsync.User) bool { return u.ObjectID.IsZero() && slices.Contains(conflict.With, u.ID) })
				if i < 0 {
					continue
				}
				w.users[i].Username, w.users[i].Email = "free"+strconv.Itoa(w.events), ""
				w.freed = append(w.freed, c.ObjectID)
				w.say("rename %s out of the way of %s", w.users[i].ID, c.ObjectID)
				return true
			}
		}
		return false
	}},
	{"the mark is lost", 1, func(w *world) bool { w.mark = nil; return true }},
	{"an older mark is gone on from", 1, func(w *world) bool {
		if len(w.marks) < 2 {
			return false
		}
		w.mark = pick(w, w.marks...)
		return true
	}},
}

// tally counts what was tested.
type tally struct {
	plans, full, mixed, writes, duplicates, notices, dissolved int

	happened []int          // by kind
	during   []int          // in the middle of a reading, by kind
	broken   [3]int         // crashed runs, by how
	reasons  map[string]int // of full plans
}

func newTally() tally {
	return tally{happened: make([]int, len(happenings)), during: make([]int, len(happenings)), reasons: map[string]int{}}
}

func (t *tally) add(o *tally) {
	t.plans, t.full, t.mixed, t.writes = t.plans+o.plans, t.full+o.full, t.mixed+o.mixed, t.writes+o.writes
	t.duplicates, t.notices, t.dissolved = t.duplicates+o.duplicates, t.notices+o.notices, t.dissolved+o.dissolved
	for i := range happenings {
		t.happened[i] += o.happened[i]
		t.during[i] += o.during[i]
	}
	for i := range t.broken {
		t.broken[i] += o.broken[i]
	}
	for reason, n := range o.reasons {
		t.reasons[reason] += n
	}
}

func (t *tally) String() string {
	text := fmt.Sprintf("%d plans compared, of which %d were full ones; %d more were made while something changed\n"+
		"by mark: %d writes, %d duplicates, %d notices; %d duplicates dissolved when a local user was renamed\ncrashed: %v\n",
		t.plans, t.full, t.mixed, t.writes, t.duplicates, t.notices, t.dissolved, t.broken)
	for i, h := range happenings {
		text += fmt.Sprintf("%9d %9d %s\n", t.happened[i], t.during[i], h.name)
	}
	for _, reason := range slices.Sorted(maps.Keys(t.reasons)) {
		text += fmt.Sprintf("%9d full: %s\n", t.reasons[reason], reason)
	}
	return text
}
