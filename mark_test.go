package adsync

import (
	"crypto/sha256"
	"encoding/json"
	"reflect"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A detail that were not in the digest could be edited unnoticed.
func TestMark_DigestIsOfAllOfARow(t *testing.T) {
	var digest rowDigest
	seen := map[sum]string{}
	note := func(u User, what string) {
		d := digest.of(&u)
		assert.Empty(t, seen[d], what)
		seen[d] = what
	}
	note(User{}, "nothing")
	var each func(v reflect.Value, u *User, path string)
	each = func(v reflect.Value, u *User, path string) {
		for i := range v.NumField() {
			name := path + v.Type().Field(i).Name
			switch f := v.Field(i); {
			case name == "Source": // all managed rows have the same
			case f.Type() == reflect.TypeFor[Extra]():
				f.Set(reflect.ValueOf(Extra{}.With("department", "Sales")))
				note(*u, name)
				f.SetZero()
			case f.Kind() == reflect.Struct:
				each(f, u, name+".")
			case f.Kind() == reflect.String:
				f.SetString("x")
				note(*u, name)
				f.SetZero()
			case f.Kind() == reflect.Int64:
				f.SetInt(1)
				note(*u, name)
				f.SetZero()
			case f.Kind() == reflect.Bool:
				f.SetBool(true)
				note(*u, name)
				f.SetZero()
			default:
				f.Set(reflect.ValueOf(ObjectID{1}))
				note(*u, name)
				f.SetZero()
			}
		}
	}
	var u User
	each(reflect.ValueOf(&u).Elem(), &u, "")
	assert.GreaterOrEqual(t, len(seen), 11)
	assert.Equal(t, digest.of(&User{ID: "1"}), digest.of(&User{ID: "1", Status: StatusActive}))
	assert.NotEqual(t, digest.of(&User{ID: "1", Profile: Profile{Username: "ab"}}), digest.of(&User{ID: "1", Profile: Profile{Username: "a", FirstName: "b"}}))
}

func TestMark_SumsAreOfAnyOrder(t *testing.T) {
	var digest rowDigest
	a, b := digest.of(&User{ID: "a"}), digest.of(&User{ID: "b"})
	var one, two sum
	one.add(a)
	one.add(b)
	two.add(b)
	two.add(a)
	assert.Equal(t, one, two)
	one.sub(a)
	one.sub(b)
	assert.Zero(t, one)
	for _, rows := range []int{0, 1, 64, 65, 100_000, 10_000_000} {
		s := make(sums, bucketsFor(rows))
		assert.Len(t, s, map[int]int{0: 1, 1: 1, 64: 1, 65: 2, 100_000: 2048, 10_000_000: maxBuckets}[rows], rows)
		used := map[int]bool{}
		for i := range 4 * len(s) {
			used[s.place(ObjectID{0: byte(i), 1: byte(i >> 8), 9: byte(i >> 16)})] = true
		}
		assert.Greater(t, len(used), len(s)/2, "the rows are spread")
	}
}

// How many rows there are is known only when all have been summed up.
func TestMark_SumsFold(t *testing.T) {
	var digest rowDigest
	many := make(sums, maxBuckets)
	var users []User
	for i := range 1000 {
		u := User{ID: strconv.Itoa(i), ObjectID: ObjectID{byte(i), byte(i >> 8), 9: byte(i)}}
		users = append(users, u)
		many.of(u.ObjectID).add(digest.of(&u))
	}
	for n := 1; n <= maxBuckets; n *= 2 {
		want := make(sums, n)
		for i := range users {
			want.of(users[i].ObjectID).add(digest.of(&users[i]))
		}
		assert.Equal(t, want, many.folded(n), n)
	}
}

// Whoever cannot read the mark must not be able to find rows with equal sums.
func TestMark_DigestsHaveAKeyOfTheirOwn(t *testing.T) {
	one, other := newTally(nil), newTally(nil)
	assert.NotEqual(t, make([]byte, keySize), one.digest.key)
	again := newTally(&Mark{Key: one.digest.key})
	u := User{ID: "1", ObjectID: ObjectID{1}, Source: "corp"}
	for _, tally := range []*tally{one, other, again} {
		tally.add(&u, true, true)
	}
	assert.Equal(t, one.buckets, again.buckets)
	assert.Equal(t, one.links, again.links)
	assert.NotEqual(t, one.buckets, other.buckets)
	assert.NotEqual(t, one.links, other.links)
}

// Whom the plan is not about makes no difference, and a set is in order.
func TestMark_SumsAreOfTheChosen(t *testing.T) {
	tally := newTally(nil)
	tally.add(&User{ID: "1", ObjectID: ObjectID{1}}, false, false)
	assert.Equal(t, make(sums, maxBuckets), tally.buckets)
	tally.add(&User{ID: "2"}, false, true)
	assert.Zero(t, tally.links, "who is linked to nobody")
	set, want := idSet{}, []byte(nil)
	for i := range byte(100) {
		set.add(ObjectID{i})
		want = append(append(want, i), make([]byte, 15)...)
	}
	assert.Equal(t, want, set.packed())
}

// A mark is data from outside.
func TestMark_IsRefusedWhenItIsNone(t *testing.T) {
	whole := func() Mark {
		return Mark{Version: markVersion, Key: make([]byte, keySize), Buckets: make([]byte, 16), Directory: []DirectoryMark{{Controller: "a"}}, Others: [][]byte{nil}}
	}
	for name, spoil := range map[string]func(*Mark){
		"no key":               func(m *Mark) { m.Key = nil },
		"buckets missing":      func(m *Mark) { m.Buckets = nil },
		"buckets of three":     func(m *Mark) { m.Buckets = make([]byte, 48) },
		"half a bucket":        func(m *Mark) { m.Buckets = make([]byte, 24) },
		"too many buckets":     func(m *Mark) { m.Buckets = make([]byte, 32*maxBuckets) },
		"half an ID":           func(m *Mark) { m.Look = make([]byte, 8) },
		"half an ID of others": func(m *Mark) { m.Others[0] = make([]byte, 8) },
		"others of no one":     func(m *Mark) { m.Others = nil },
		"half a sum":           func(m *Mark) { m.Links = make([]byte, 8) },
		"too many controllers": func(m *Mark) { m.Directory = make([]DirectoryMark, 99); m.Others = make([][]byte, 99) },
	} {
		m := whole()
		spoil(&m)
		text, err := json.Marshal(m)
		require.NoError(t, err)
		assert.ErrorIs(t, json.Unmarshal(text, &m), errMark, name)
	}
	most := whole()
	most.Directory, most.Others = make([]DirectoryMark, maxControllers), make([][]byte, maxControllers)
	for i := range most.Directory {
		most.Directory[i].Data = json.RawMessage("1")
	}
	most.Buckets, most.Links, most.Look = make([]byte, 16*maxBuckets), make([]byte, 16), make([]byte, 32)
	text, err := json.Marshal(most)
	require.NoError(t, err)
	var again Mark
	require.NoError(t, json.Unmarshal(text, &again))
	assert.Equal(t, most, again)
	assert.ErrorContains(t, again.UnmarshalJSON([]byte(`{"version": "x"}`)), "no mark")
	big := make([]byte, maxMark+1)
	assert.ErrorContains(t, again.UnmarshalJSON(big[1:]), "no mark")
	assert.ErrorContains(t, again.UnmarshalJSON(big), "too big")
	require.NoError(t, json.Unmarshal([]byte(`{"version": 99}`), &again), "another version says so in the plan")
}

// A rule that were not in the fingerprint could be changed unnoticed.
func TestMark_FingerprintIsOfAllRules(t *testing.T) {
	const elsewhere = "OnUnproven AdoptBy Now untimed" // the first needs full plans, the second is for none, and the others are the run's
	seen := map[string]string{(&Rules{}).fingerprint(): "none"}
	for i := range reflect.TypeFor[Rules]().NumField() {
		field := reflect.TypeFor[Rules]().Field(i)
		if strings.Contains(elsewhere, field.Name) {
			continue
		}
		var r Rules
		switch f := reflect.ValueOf(&r).Elem().Field(i); {
		case field.Name == "statusless":
			r.statusless = true
		case f.Kind() == reflect.Int64:
			f.SetInt(1)
		case f.Kind() == reflect.String:
			f.SetString("x")
		case f.Kind() == reflect.Bool:
			f.SetBool(true)
		case f.Kind() == reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		case f.Kind() == reflect.Func:
			f.Set(reflect.MakeFunc(f.Type(), nil))
		default:
			t.Errorf("Rules.%s: say here how it is set, and put it into the fingerprint", field.Name)
			continue
		}
		print := r.fingerprint()
		assert.Empty(t, seen[print], "Rules.%s", field.Name)
		seen[print] = field.Name
	}
	assert.NotEqual(t, (&Rules{}).fingerprint(), (&Rules{Only: []string{}}).fingerprint())
}

// A weak digest would let rows be found that change together without a trace.
func TestMark_DigestsAreStrong(t *testing.T) {
	var digest rowDigest
	row := digest.of(&User{ID: "1", ObjectID: ObjectID{1}, Profile: Profile{Username: "ann"}})
	text := append(append(make([]byte, 0, 64), 1), make([]byte, 15)...)
	text = append(text, 0, 0)                 // no flags, and not deactivated
	text = append(text, "\x011\x06active"...) // each text after its length
	text = append(text, "\x03ann\x00\x00\x00\x00\x00"...)
	want := sha256.Sum256(text)
	assert.Equal(t, want[:16], row[:])
	link := digest.link(ObjectID{1}, "AD")
	want = sha256.Sum256(append(append([]byte{1}, make([]byte, 15)...), "AD"...))
	assert.Equal(t, want[:16], link[:])
}

// Another program may plan otherwise.
func TestMark_FingerprintIsOfTheProgram(t *testing.T) {
	was := program
	defer func() { program = was }()
	program = func() string { return "this" }
	this := (&Rules{}).fingerprint()
	program = func() string { return "that" }
	assert.NotEqual(t, this, (&Rules{}).fingerprint())
	assert.Contains(t, was(), "go1.")

	info := &debug.BuildInfo{GoVersion: "go1.99", Main: debug.Module{Path: "host.example/bi", Version: "(devel)"}, Deps: []*debug.Module{
		{Path: "golang.org/x/text", Version: "v1", Sum: "h1:t"}, {Path: "golang.org/x/net", Version: "v2"},
		{Path: "github.com/go-adsync/adsync", Version: "v3", Sum: "h1:a"}, {Path: "github.com/go-adsync/adsync/examples", Version: "v4"},
	}}
	assert.Equal(t, "go1.99 golang.org/x/text v1 h1:t github.com/go-adsync/adsync v3 h1:a github.com/go-adsync/adsync/examples v4 ", programOf(info), "not what other modules are")
}

// A mark is as small as its documentation says, whatever the number of users.
func TestMark_IsNoLargerThanSaid(t *testing.T) {
	text, err := json.Marshal(&Mark{Buckets: make([]byte, maxBuckets*len(sum{}))})
	require.NoError(t, err)
	assert.Less(t, len(text), 350<<10)
	assert.Equal(t, maxBuckets, bucketsFor(100_000_000))
}
