package adsync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func dirID(n byte) ObjectID { return ObjectID{15: n} }

func dirEntry(n byte, state State) Entry {
	return Entry{ObjectID: dirID(n), Profile: Profile{Username: fmt.Sprintf("u%d", n)}, State: state}
}

// gather reads a sequence by hand and fails the test if it goes on after an error.
func gather(t *testing.T, sequence iter.Seq2[Entry, error]) (entries []Entry, err error) {
	t.Helper()
	sequence(func(e Entry, failure error) bool {
		require.NoError(t, err, "the sequence went on after its error")
		if failure != nil {
			err = failure
			assert.Equal(t, Entry{}, e)
			return true
		}
		entries = append(entries, e)
		return true
	})
	return entries, err
}

func TestObjectID_Text(t *testing.T) {
	const printed = "e124855b-1a37-41be-9f05-3c1a9b7d2e10"
	id, err := ParseObjectID("{" + strings.ToUpper(printed) + "}")
	require.NoError(t, err)
	wire, err := ObjectIDFromBytes([]byte("\x5b\x85\x24\xe1\x37\x1a\xbe\x41\x9f\x05\x3c\x1a\x9b\x7d\x2e\x10"))
	require.NoError(t, err)
	assert.Equal(t, id, wire)
	assert.Equal(t, printed, id.String())

	text, err := json.Marshal(map[string]ObjectID{"id": id})
	require.NoError(t, err)
	assert.JSONEq(t, `{"id":"`+printed+`"}`, string(text))
	var back map[string]ObjectID
	require.NoError(t, json.Unmarshal(text, &back))
	assert.Equal(t, id, back["id"])
	require.NoError(t, json.Unmarshal([]byte(`{"id":""}`), &back))
	assert.True(t, back["id"].IsZero())
	assert.Error(t, json.Unmarshal([]byte(`{"id":"ada"}`), &back))
}

func TestObjectID_InADatabase(t *testing.T) {
	const printed = "e124855b-1a37-41be-9f05-3c1a9b7d2e10"
	id, err := ParseObjectID(printed)
	require.NoError(t, err)
	value, err := id.Value()
	require.NoError(t, err)
	assert.Equal(t, printed, value)
	null, err := ObjectID{}.Value()
	require.NoError(t, err)
	assert.Nil(t, null)

	for _, src := range []any{printed, []byte(printed), id[:], [16]byte(id)} {
		var got ObjectID
		require.NoError(t, got.Scan(src), "%T", src)
		assert.Equal(t, id, got, "%T", src)
	}
	for _, none := range []any{nil, "", []byte{}} {
		got := id
		require.NoError(t, got.Scan(none), "%T", none)
		assert.True(t, got.IsZero(), "%T: nothing is left of what was there", none)
	}
	var got ObjectID
	assert.Error(t, got.Scan(7))
	assert.Error(t, got.Scan("ada"))
}

func TestProfile_GetAndWith(t *testing.T) {
	var p Profile
	for _, f := range details {
		changed := p.With(f, "new "+string(f))
		assert.Equal(t, "new "+string(f), changed.Get(f))
		for _, other := range details {
			if other != f {
				assert.Empty(t, changed.Get(other), "%s changes %s", f, other)
			}
		}
	}
	assert.Zero(t, p, "the profile itself stays")
	assert.Empty(t, p.Get(FieldStatus))
	assert.Equal(t, p, p.With(FieldStatus, "x"))
}

func TestStaticDirectory(t *testing.T) {
	d := StaticDirectory{dirEntry(2, ""), dirEntry(1, StatePresent), dirEntry(3, StateOutOfScope), dirEntry(4, StateDeleted), dirEntry(5, StateUnproven)}
	entries, err := gather(t, d.Entries(t.Context()))
	require.NoError(t, err)
	assert.Equal(t, []Entry(d[:2]), entries, "in their order")

	ids := []ObjectID{dirID(9), dirID(5), dirID(4), dirID(3), dirID(2), dirID(2)}
	before := slices.Clone(ids)
	found, err := gather(t, d.Find(t.Context(), ids))
	require.NoError(t, err)
	assert.ElementsMatch(t, []Entry{d[0], d[2], d[3], d[4], {ObjectID: dirID(9), State: StateDeleted}}, found)
	assert.Equal(t, before, ids, "the caller's ids are left alone")
}

func TestStaticDirectory_WithOneIDTwice(t *testing.T) {
	moved, renamed := dirEntry(1, StatePresent), dirEntry(1, "")
	moved.DN, renamed.Username = "CN=elsewhere", "other"
	gone := dirEntry(1, StateDeleted)
	d := StaticDirectory{dirEntry(1, ""), moved, renamed, gone}
	found, err := gather(t, d.Find(t.Context(), []ObjectID{dirID(1)}))
	require.NoError(t, err)
	assert.Equal(t, []Entry{d[0], renamed, gone}, found, "the DN is no difference, the name and the state are")
}

// A literal tells of the details and the roles that are in it, each once and in order.
func TestStaticDirectory_TellsWhatIsInIt(t *testing.T) {
	const lang, team, zone = Field("lang"), Field("team"), Field("zone")
	with := func(e Extra) Entry { return Entry{Profile: Profile{Extra: e}} }
	five := func(more ...Field) []Field { return append(slices.Clone(details[:]), more...) }
	for _, tt := range []struct {
		name string
		dir  StaticDirectory
		want Traits
	}{
		{"nobody", nil, Traits{}},
		{"the five alone", StaticDirectory{dirEntry(1, "")}, Traits{}},
		{"a text", StaticDirectory{with(Extra{}.With(team, "a"))}, Traits{Fields: five(team)}},
		{"a set", StaticDirectory{with(Extra{}.With(team, "a", "b"))}, Traits{Fields: five(team), Sets: []Field{team}}},
		{"a set of one and of several", StaticDirectory{with(Extra{}.With(team, "a")), with(Extra{}.With(team, "a", "b")), with(Extra{}.With(team, "c", "d"))},
			Traits{Fields: five(team), Sets: []Field{team}}},
		{"in any order", StaticDirectory{with(Extra{}.With(zone, "a", "b")), with(Extra{}.With(lang, "a", "b")), with(Extra{}.With(team, "a"))},
			Traits{Fields: five(lang, team, zone), Sets: []Field{lang, zone}}},
		{"roles alone", StaticDirectory{with(withRoles("b", "c")), with(withRoles("a", "b"))}, Traits{Roles: []string{"a", "b", "c"}}},
		{"roles among others", StaticDirectory{with(withRoles("a").With(lang, "a").With(team, "a"))}, Traits{Roles: []string{"a"}, Fields: five(lang, team)}},
		{"one of several values", StaticDirectory{{Others: withRoles("a", "b").With(FieldEmail, "a", "b").With(team, "a", "b")}}, Traits{Fields: five(team)}},
	} {
		assert.Equal(t, tt.want, tt.dir.Traits(), tt.name)
	}
}

func TestFind_ZeroIDIsAnError(t *testing.T) {
	static := StaticDirectory{dirEntry(1, "")}
	for _, d := range []Directory{static, Listing(static.Entries), Join(static)} {
		found, err := gather(t, d.Find(t.Context(), []ObjectID{dirID(1), {}}))
		assert.ErrorContains(t, err, "zero ObjectID", "%T", d)
		assert.Empty(t, found)
	}
}

func TestListing(t *testing.T) {
	runs := 0
	l := Listing(func(ctx context.Context) iter.Seq2[Entry, error] {
		runs++
		return StaticDirectory{dirEntry(1, ""), dirEntry(2, "")}.Entries(ctx)
	})
	found, err := gather(t, l.Find(t.Context(), []ObjectID{dirID(2), dirID(3)}))
	require.NoError(t, err)
	assert.ElementsMatch(t, []Entry{dirEntry(2, ""), dirEntry(3, StateDeleted)}, withoutNames(found, 3))
	assert.Equal(t, 1, runs)
}

// withoutNames gives answers for nobody the name that dirEntry gives.
func withoutNames(entries []Entry, n byte) []Entry {
	for i := range entries {
		if entries[i].ObjectID == dirID(n) {
			entries[i].Username = fmt.Sprintf("u%d", n)
		}
	}
	return entries
}

func TestListing_ThatFailsCallsNobodyDeleted(t *testing.T) {
	broken := errors.New("broken")
	l := Listing(func(context.Context) iter.Seq2[Entry, error] {
		return func(yield func(Entry, error) bool) {
			if yield(dirEntry(1, ""), nil) {
				yield(Entry{}, broken)
			}
		}
	})
	found, err := gather(t, l.Find(t.Context(), []ObjectID{dirID(1), dirID(2)}))
	assert.ErrorIs(t, err, broken)
	assert.Empty(t, found)
	_, err = gather(t, l.Entries(t.Context()))
	assert.ErrorIs(t, err, broken)
}

// A listing that just stops when it is cancelled must not look complete.
func TestListing_ThatStopsSilentlyIsNotComplete(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l := Listing(func(context.Context) iter.Seq2[Entry, error] {
		return func(yield func(Entry, error) bool) {
			yield(dirEntry(1, ""), nil)
			cancel()
		}
	})
	_, err := gather(t, l.Entries(ctx))
	assert.ErrorIs(t, err, context.Canceled)
	found, err := gather(t, l.Find(ctx, []ObjectID{dirID(2)}))
	assert.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, found)
}

func TestJoin(t *testing.T) {
	j := Join(
		StaticDirectory{dirEntry(1, ""), dirEntry(2, StateOutOfScope), dirEntry(3, StateUnproven), dirEntry(4, StateUnproven), dirEntry(5, StateDeleted), dirEntry(6, StateOutOfScope)},
		StaticDirectory{dirEntry(1, StateUnproven), dirEntry(2, StateUnproven), dirEntry(3, StateDeleted), dirEntry(4, StateUnproven), dirEntry(5, StatePresent), dirEntry(6, StateDeleted)},
	)
	entries, err := gather(t, j.Entries(t.Context()))
	require.NoError(t, err)
	assert.Equal(t, []Entry{dirEntry(1, ""), dirEntry(5, StatePresent)}, entries)
	found, err := gather(t, j.Find(t.Context(), []ObjectID{dirID(1), dirID(2), dirID(3), dirID(4), dirID(5), dirID(6), dirID(6)}))
	require.NoError(t, err)
	assert.ElementsMatch(t, []Entry{dirEntry(1, ""), dirEntry(2, StateOutOfScope), dirEntry(3, StateDeleted),
		dirEntry(4, StateUnproven), dirEntry(5, StatePresent), dirEntry(6, StateOutOfScope)}, found)
}

func TestJoin_OfTwoThatShowOneAccount(t *testing.T) {
	same, other := dirEntry(1, StatePresent), dirEntry(1, "")
	same.DN, other.Phone = "CN=elsewhere", "1"
	first := StaticDirectory{dirEntry(1, "")}
	found, err := gather(t, Join(first, StaticDirectory{same}).Find(t.Context(), []ObjectID{dirID(1)}))
	require.NoError(t, err)
	assert.Equal(t, []Entry(first), found)
	found, err = gather(t, Join(first, StaticDirectory{other}).Find(t.Context(), []ObjectID{dirID(1)}))
	require.NoError(t, err)
	assert.Equal(t, []Entry{first[0], other}, found)
}

func TestJoin_FailsAsAWhole(t *testing.T) {
	broken := failing{errors.New("broken")}
	silent := directoryFuncs{find: func(context.Context, []ObjectID) iter.Seq2[Entry, error] { return yields(dirEntry(1, "")) }}
	good := StaticDirectory{dirEntry(1, "")}
	ids := []ObjectID{dirID(1), dirID(2)}
	for name, j := range map[string]Directory{
		"of none": Join(), "of a nil": Join(good, nil), "the first broken": Join(broken, good),
		"the last broken": Join(good, broken), "one that leaves out answers": Join(silent, good),
	} {
		found, err := gather(t, j.Find(t.Context(), ids))
		assert.Error(t, err, name)
		assert.Empty(t, found, name)
		if name != "one that leaves out answers" {
			_, err = gather(t, j.Entries(t.Context()))
			assert.Error(t, err, name)
		}
	}
}

func TestJoin_Inspects(t *testing.T) {
	plain := StaticDirectory{dirEntry(1, "")}
	_, is := Join(plain).(Inspector)
	assert.False(t, is)
	_, is = Join(plain).(Sessions)
	assert.False(t, is)
	a := inspected{plain, Access{Controller: "dc1", BaseDN: "DC=a", Tombstones: true, Missing: []string{"x"}, Witnesses: []string{"w1"}, Silent: []string{"s1"}}, nil}
	b := inspected{plain, Access{Controller: "dc2", BaseDN: "DC=b", Missing: []string{"y"}, Witnesses: []string{"w2"}, Silent: []string{"s2"}}, nil}
	got, err := Join(a, plain, b).(Inspector).Inspect(t.Context())
	require.NoError(t, err)
	assert.Equal(t, Access{Controller: "dc1, dc2", BaseDN: "DC=a; DC=b", Missing: []string{"x", "y"},
		Witnesses: []string{"w1", "w2"}, Silent: []string{"s1", "s2"}}, got)
	got, err = Join(a, a).(Inspector).Inspect(t.Context())
	require.NoError(t, err)
	assert.True(t, got.Tombstones)
	_, err = Join(a, inspected{plain, Access{}, errors.New("broken")}).(Inspector).Inspect(t.Context())
	assert.ErrorContains(t, err, "broken")
	_, err = Join(a, nil).(Inspector).Inspect(t.Context())
	assert.Error(t, err)
}

type inspected struct {
	Directory
	access Access
	err    error
}

func (i inspected) Inspect(context.Context) (Access, error) { return i.access, i.err }

type failing struct{ err error }

func (f failing) Entries(context.Context) iter.Seq2[Entry, error] { return fails(f.err) }

func (f failing) Find(context.Context, []ObjectID) iter.Seq2[Entry, error] { return fails(f.err) }

func fails(err error) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) { yield(Entry{}, err) }
}

func yields(entries ...Entry) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

type directoryFuncs struct {
	entries func(context.Context) iter.Seq2[Entry, error]
	find    func(context.Context, []ObjectID) iter.Seq2[Entry, error]
}

func (d directoryFuncs) Entries(ctx context.Context) iter.Seq2[Entry, error] { return d.entries(ctx) }

func (d directoryFuncs) Find(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
	return d.find(ctx, ids)
}

// clocked is a directory with a time of its own, and one way to confirm.
type clocked struct {
	StaticDirectory
	now        Moment
	tombstones time.Duration
	err        error
}

func (c clocked) Time(context.Context) (Moment, time.Duration, error) {
	return c.now, c.tombstones, c.err
}

func (c clocked) Confirm(context.Context, []ObjectID) iter.Seq2[Entry, error] {
	return yields(dirEntry(1, StateDeleted))
}

func TestJoin_TellsTheEarliestTime(t *testing.T) {
	early, late, none := clocked{now: 5, tombstones: 9}, clocked{now: 7, tombstones: 3}, clocked{}
	for _, dirs := range [][]Directory{{early, late}, {late, early}, {none, early, StaticDirectory{}, late}, {late, early, none}} {
		now, tombstones, err := Join(dirs...).(Timekeeper).Time(t.Context())
		require.NoError(t, err)
		assert.Equal(t, Moment(5), now)
		assert.Equal(t, time.Duration(3), tombstones)
	}
	_, _, err := Join(early, clocked{err: errors.New("broken")}).(Timekeeper).Time(t.Context())
	assert.ErrorContains(t, err, "broken")
}

func TestJoin_ConfirmsWhereADirectoryCan(t *testing.T) {
	unproven := StaticDirectory{dirEntry(1, StateUnproven)}
	ids := []ObjectID{dirID(1)}
	j := Join(unproven, clocked{StaticDirectory: unproven})
	found, err := gather(t, j.Find(t.Context(), ids))
	require.NoError(t, err)
	assert.Equal(t, []Entry(unproven), found)
	found, err = gather(t, j.(Confirmer).Confirm(t.Context(), ids))
	require.NoError(t, err)
	assert.Equal(t, []Entry{dirEntry(1, StateDeleted)}, found)
}

func TestJoin_TakesTheStrongerAnswerAndTheLaterDeletion(t *testing.T) {
	early, late := dirEntry(1, StateDeleted), dirEntry(1, StateDeleted)
	early.DeletedAt, late.DeletedAt = 1, 2
	for _, tt := range []struct{ one, other, want Entry }{
		{early, late, late},
		{early, dirEntry(1, StateDisputed), dirEntry(1, StateDisputed)},
		{dirEntry(1, StateDisputed), dirEntry(1, StateOutOfScope), dirEntry(1, StateOutOfScope)},
	} {
		for _, dirs := range [][]Directory{{StaticDirectory{tt.one}, StaticDirectory{tt.other}}, {StaticDirectory{tt.other}, StaticDirectory{tt.one}}} {
			found, err := gather(t, Join(dirs...).Find(t.Context(), []ObjectID{dirID(1)}))
			require.NoError(t, err)
			assert.Equal(t, []Entry{tt.want}, found)
		}
	}
}

// Of two that know as much of an account that is not listed, the first speaks, unless only the
// other may know whether it is disabled, and any of them may be the one that gave a role.
func TestJoin_OfTwoThatKnowAsMuch(t *testing.T) {
	in := func(dn string, state State, roles ...string) Entry {
		e := dirEntry(1, state)
		e.DN, e.Extra = dn, withRoles(roles...)
		return e
	}
	having := func(e Entry, change func(*Entry)) Entry {
		change(&e)
		return e
	}
	deletedAt := func(e *Entry) { e.DeletedAt = 7 }
	perhaps := func(e *Entry) { e.DisabledUnknown = true }
	unknown := func(roles ...string) func(*Entry) { return func(e *Entry) { e.Unknown = withRoles(roles...) } }
	for _, tt := range []struct {
		name             string
		one, other, want Entry
	}{
		{"deleted at one moment", having(in("a", StateDeleted), deletedAt), having(in("b", StateDeleted), deletedAt), having(in("a", StateDeleted), deletedAt)},
		{"unproven", in("a", StateUnproven, "r1"), in("b", StateUnproven, "r2"), in("a", StateUnproven, "r1")},
		{"disputed", in("a", StateDisputed), in("b", StateDisputed, "r2"), in("a", StateDisputed)},
		{"unlike roles", in("a", StateOutOfScope, "r2", "r3"), in("b", StateOutOfScope, "r1", "r2"), in("a", StateOutOfScope, "r1", "r2", "r3")},
		{"roles of one", in("a", StateOutOfScope), in("b", StateOutOfScope, "r1"), in("a", StateOutOfScope, "r1")},
		{"roles that are unknown", having(in("a", StateOutOfScope), unknown("r2")), having(in("b", StateOutOfScope), unknown("r1", "r2")),
			having(in("a", StateOutOfScope), unknown("r1", "r2"))},
		{"the first may be disabled", having(in("a", StateOutOfScope, "r1"), perhaps), in("b", StateOutOfScope, "r2"), in("b", StateOutOfScope, "r1", "r2")},
		{"the other may be disabled", in("a", StateOutOfScope, "r1"), having(in("b", StateOutOfScope, "r2"), perhaps), in("a", StateOutOfScope, "r1", "r2")},
	} {
		found, err := gather(t, Join(StaticDirectory{tt.one}, StaticDirectory{tt.other}).Find(t.Context(), []ObjectID{dirID(1)}))
		require.NoError(t, err, tt.name)
		assert.Equal(t, []Entry{tt.want}, found, tt.name)
	}
}

// factual is a directory with facts of its own.
type factual struct {
	Directory
	traits Traits
}

func (f factual) Traits() Traits { return f.traits }

// A fact of a Join is one of all its directories.
func TestJoin_PromisesWhatAllDo(t *testing.T) {
	const lang, team = Field("lang"), Field("team")
	final, apart, both := Traits{Final: true}, Traits{Apart: true}, Traits{Final: true, Apart: true}
	five := func(facts Traits) Traits {
		facts.Fields = details[:]
		return facts
	}
	telling := func(fields, sets []Field) Traits { return Traits{Fields: fields, Sets: sets} }
	for _, tt := range []struct {
		name string
		dirs []Traits
		want Traits
	}{
		{"none", nil, Traits{}},
		{"one that is final", []Traits{final}, five(final)},
		{"one that is apart", []Traits{apart}, five(apart)},
		{"both in each", []Traits{both, both}, five(both)},
		{"final in the first", []Traits{both, apart}, five(apart)},
		{"final in the last", []Traits{apart, both}, five(apart)},
		{"apart in the first", []Traits{both, final}, five(final)},
		{"apart in the last", []Traits{final, both}, five(final)},
		{"details of both", []Traits{telling([]Field{FieldPhone, lang, FieldEmail}, nil), telling([]Field{FieldEmail, team, FieldPhone}, nil)},
			telling([]Field{FieldPhone, FieldEmail}, nil)},
		{"the five and more", []Traits{{}, telling([]Field{FieldEmail, team}, nil)}, telling([]Field{FieldEmail}, nil)},
		{"more and the five", []Traits{telling([]Field{team, FieldEmail}, nil), {}}, telling([]Field{FieldEmail}, nil)},
		{"sets of both", []Traits{telling([]Field{lang, team}, []Field{lang, team}), telling([]Field{lang, team}, []Field{lang, team})},
			telling([]Field{lang, team}, []Field{lang, team})},
		{"a set of the first that is a text of the last", []Traits{telling([]Field{lang, team}, []Field{lang, team}), telling([]Field{lang, team}, []Field{lang})},
			telling([]Field{lang}, []Field{lang})},
		{"a text of the first that is a set of the last", []Traits{telling([]Field{lang, team}, []Field{lang}), telling([]Field{lang, team}, []Field{lang, team})},
			telling([]Field{lang}, []Field{lang})},
		{"roles of both", []Traits{{Roles: []string{"c", "a", "b"}}, {Roles: []string{"b", "c", "d"}}}, five(Traits{Roles: []string{"c", "b"}})},
	} {
		dirs := make([]Directory, len(tt.dirs))
		for i, facts := range tt.dirs {
			dirs[i] = factual{StaticDirectory{}, facts}
		}
		got := Join(dirs...).(Traiter).Traits()
		if len(got.Sets) == 0 {
			got.Sets = nil
		}
		assert.Equal(t, tt.want, got, tt.name)
	}
}

// A look-up that was stopped may lack what would have followed, even where there is an answer
// for everybody.
func TestJoin_StopsWhenItIsTold(t *testing.T) {
	for name, answers := range map[string][]Entry{"before the first answer": nil, "after the last one": {dirEntry(1, StateUnproven)}} {
		ctx, cancel := context.WithCancel(t.Context())
		stops := directoryFuncs{find: func(context.Context, []ObjectID) iter.Seq2[Entry, error] {
			cancel()
			return yields(answers...)
		}}
		found, err := gather(t, Join(stops).Find(ctx, []ObjectID{dirID(1)}))
		assert.ErrorIs(t, err, context.Canceled, name)
		assert.Empty(t, found, name)
	}
}

func TestStaticDirectory_StopsWhenItIsTold(t *testing.T) {
	dir := StaticDirectory{dirEntry(1, ""), dirEntry(2, ""), dirEntry(3, "")}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var seen []Entry
	var end error
	for e, err := range dir.Entries(ctx) {
		if cancel(); err != nil {
			end = err
			continue
		}
		seen = append(seen, e)
	}
	assert.ErrorIs(t, end, context.Canceled)
	assert.Equal(t, []Entry(dir[:1]), seen)
	for range dir.Entries(t.Context()) {
		break
	}
}

func TestEntry_DescribesWhatIsKnown(t *testing.T) {
	e := Entry{ObjectID: dirID(1), State: StateOutOfScope}
	plain := e.describe()
	e.Expires, e.Disabled = MomentOf(time.Unix(1, 0)), true
	assert.Equal(t, plain+", whose time ends at 1970-01-01T00:00:01Z, disabled", e.describe())
	e.Expires, e.DeletedAt, e.DisabledUnknown = 0, MomentOf(time.Unix(2, 0)), true
	assert.Equal(t, plain+", at 1970-01-01T00:00:02Z, perhaps disabled, which could not be read", e.describe())

	e = Entry{ObjectID: dirID(1), State: StatePresent, Profile: Profile{Username: "ada"}}
	plain = e.describe()
	assert.NotContains(t, plain, "several values")
	e.Others = Extra{}.With(FieldEmail, "a@x", "b@x")
	assert.Equal(t, plain+", of several values: email a@x, b@x", e.describe())
}

// What is left of an entry while others are read is all of it.
func TestEntries_KeepEachField(t *testing.T) {
	full := Entry{ObjectID: dirID(1), State: StatePresent, DN: "dn", Others: Extra{}.With("title", "a", "b"), Unknown: withRoles("r"), Disabled: true,
		Profile: Profile{Username: "u", FirstName: "f", LastName: "l", Email: "e", Phone: "p", Extra: Extra{}.With("title", "a")}}
	ends, gone, unknown := full, dirEntry(2, StateDeleted), full
	ends.Expires, gone.DeletedAt = 7, 8
	unknown.Disabled, unknown.DisabledUnknown = false, true
	var kept entries
	for i, e := range []Entry{full, ends, gone, unknown} {
		require.Equal(t, i, kept.keep(&e))
		assert.Equal(t, e, kept.own(i))
	}
	both := gone
	both.Expires = 7
	assert.Equal(t, gone, kept.own(kept.keep(&both)), "there is one place for both, and who is deleted has no end to come")
}

func TestEntries_LaterEndsComeFirst(t *testing.T) {
	for _, tt := range []struct{ more, less Entry }{
		{Entry{}, Entry{DisabledUnknown: true, DeletedAt: 9}},
		{Entry{DeletedAt: 2}, Entry{DeletedAt: 1, Expires: 9}},
		{Entry{Expires: 2}, Entry{Expires: 1}},
		{Entry{}, Entry{Unknown: withRoles("r"), DN: ""}},
		{Entry{Unknown: withRoles("a")}, Entry{Unknown: withRoles("b")}},
		{Entry{DN: "a"}, Entry{DN: "b"}},
	} {
		assert.True(t, saysMore(&tt.more, &tt.less), "%+v", tt)
		assert.False(t, saysMore(&tt.less, &tt.more), "%+v", tt)
		assert.False(t, saysMore(&tt.less, &tt.less), "%+v", tt)
	}
}

// accessible is a reading that knows what it can read.
type accessible struct {
	unaware
	access Access
}

func (a accessible) Access() Access { return a.access }

func TestJoin_KnowsOfReadingsWhatEachKnows(t *testing.T) {
	one := accessible{access: Access{Controller: "dc1", Tombstones: true, Missing: []string{"x"}, Witnesses: []string{"editor"}}}
	two := accessible{access: Access{Controller: "dc2", Tombstones: true, Missing: []string{"y"}, Unread: map[Field][]string{FieldPhone: {"y"}}, Silent: []string{"admin"}}}
	blind := accessible{access: Access{Controller: "dc3"}}
	want := Access{Controller: "dc1, dc2", Tombstones: true, Missing: []string{"x", "y"}, Unread: map[Field][]string{FieldPhone: {"y"}},
		Witnesses: []string{"editor"}, Silent: []string{"admin"}}
	assert.Equal(t, want, joinedReading{one, unaware{}, two}.Access())
	assert.False(t, joinedReading{blind, one}.Access().Tombstones)
	assert.False(t, joinedReading{one, blind}.Access().Tombstones)
}
