package activedirectory

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
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
	units     []string      // the objectGUIDs of units that may move, as base names
	group     string        // that the service account may be in
	groups    []fakead.GUID // that give roles, or are in one that does
	ids       []fakead.GUID

	roles    []Role
	expiring bool // accounts that have expired count as disabled

	rules   adsync.Rules
	users   []adsync.User
	blocked []adsync.Change   // the duplicates of the last plan
	freed   []adsync.ObjectID // those of them whose rival was renamed since
	mark    *adsync.Mark
	marks   []kept
}

// kept is a mark, and which accounts were in sight when it was made, by controller.
type kept struct {
	mark *adsync.Mark
	saw  [][]fakead.GUID
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
	for i := range worldPeople {
		w.addPerson(dc, i)
	}
	if w.chance(2) {
		w.addRoles(dc)
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

// addRoles has groups give roles: one by way of another group, and one to its own members
// alone.
func (w *world) addRoles(dc *fakead.Server) {
	for i, name := range []string{"Inner", "Staff", "Temps"} {
		g := fakead.Group{Name: name, Distribution: w.chance(8), Members: []fakead.GUID{w.person()}}
		if i == 1 {
			g.Members = append(g.Members, w.groups[0])
		}
		id, err := dc.CreateGroup(g)
		w.must(err)
		w.groups = append(w.groups, id)
	}
	w.roles = []Role{{Name: "staff", Group: w.groups[1].String()}, {Name: "temp", Group: w.groups[2].String(), Direct: true}}
	if w.chance(4) {
		w.roles[0].Group = "Staff"
	}
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
	cfg := Config{BaseDN: w.base, AllowPlaintext: true, Bind: SimpleBind(since, worldSecret), Witnesses: -1, ExpiredIsDisabled: w.expiring, Roles: w.roles}
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
		Limits: adsync.Limits{MaxRemovals: -1, MaxRemovalRatio: -1, MaxCleared: -1, MaxRekeyed: -1, MaxReactivated: -1, MaxGranted: -1, MaxRevoked: -1, AllowEmpty: true}})
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

// tally counts what was tested.
type tally struct {
	plans, full, mixed, writes, duplicates, notices, dissolved, withRoles int

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
	t.withRoles += o.withRoles
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
	text := fmt.Sprintf("%d plans, of which %d were full ones; %d more were made while something changed\n"+
		"by mark: %d plans with roles, %d writes, %d duplicates, %d notices; %d duplicates dissolved when a local user was renamed\ncrashed: %v\n",
		t.plans, t.full, t.mixed, t.withRoles, t.writes, t.duplicates, t.notices, t.dissolved, t.broken)
	for i, h := range happenings {
		text += fmt.Sprintf("%9d %9d %s\n", t.happened[i], t.during[i], h.name)
	}
	for _, reason := range slices.Sorted(maps.Keys(t.reasons)) {
		text += fmt.Sprintf("%9d full: %s\n", t.reasons[reason], reason)
	}
	return text
}
