package adsync_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

const (
	department = adsync.Field("department")
	languages  = adsync.Field("languages")
)

func TestExtra_HoldsSortedDistinctTexts(t *testing.T) {
	e := adsync.NewExtra(map[adsync.Field][]string{
		languages: {"fr", "de", "", "fr"}, department: {"Sales"}, "empty": {}, "void": {""}, "": {"nameless"},
	})
	assert.Equal(t, []adsync.Field{department, languages}, e.Fields())
	assert.Equal(t, []string{"de", "fr"}, e.Set(languages))
	assert.Equal(t, []string{"Sales"}, e.Set(department))
	assert.Equal(t, "Sales", e.Text(department))
	assert.Empty(t, e.Text(languages), "several values are no text")
	assert.Empty(t, e.Text("none"))
	assert.Nil(t, e.Set("none"))
	assert.Nil(t, adsync.Extra{}.Fields())
}

func TestExtra_DoesNotHoldOnToWhatItIsMadeOf(t *testing.T) {
	values := []string{"fr", "de"}
	e := adsync.NewExtra(map[adsync.Field][]string{languages: values})
	with := adsync.Extra{}.With(languages, values...)
	assert.Equal(t, []string{"fr", "de"}, values, "neither sorts what it was given")
	values[0], values[1] = "x", "y"
	e.Set(languages)[0] = "z"
	assert.Equal(t, []string{"de", "fr"}, e.Set(languages))
	assert.True(t, with == e)
}

func TestExtra_WithReplacesOneField(t *testing.T) {
	e := adsync.Extra{}.With(languages, "fr", "de").With(department, "Sales").With("zone", "1")
	changed := e.With(languages, "it")
	assert.Equal(t, []string{"it"}, changed.Set(languages))
	assert.Equal(t, "Sales", changed.Text(department))
	assert.Equal(t, "1", changed.Text("zone"))
	assert.Equal(t, []string{"de", "fr"}, e.Set(languages), "it does not change itself")
	assert.Equal(t, []adsync.Field{department, "zone"}, e.With(languages).Fields(), "no value clears")
	assert.True(t, e == e.With(languages, "").With(languages, "de", "fr", "de"))
	assert.True(t, e == e.With("", "nameless"))
	assert.True(t, adsync.Extra{} == e.With(languages).With(department, "").With("zone", []string{}...))
}

func TestExtra_IsAnObjectOfArraysInJSON(t *testing.T) {
	e := adsync.Extra{}.With(languages, "fr", "de").With(department, "R&D")
	text, err := json.Marshal(e)
	require.NoError(t, err)
	assert.Equal(t, `{"department":["R\u0026D"],"languages":["de","fr"]}`, string(text))
	text, err = json.Marshal(adsync.Extra{})
	require.NoError(t, err)
	assert.Equal(t, `{}`, string(text))

	read := adsync.Extra{}.With("before", "it")
	require.NoError(t, json.Unmarshal([]byte(`{"languages":["fr","de","fr"],"department":"R&D","none":null,"empty":[""]}`), &read))
	assert.True(t, e == read, "also of bare texts, and nothing of before is left")
	for _, wrong := range []string{`[]`, `"Sales"`, `{"department":1}`, `{"department":[1]}`, `{"department":[["Sales"]]}`} {
		assert.ErrorContains(t, json.Unmarshal([]byte(wrong), &read), "adsync: ", wrong)
	}
}

// A profile without further details looks as it did before there were any, so that the
// digests of plans stand. What embeds it keeps its own JSON.
func TestExtra_IsAbsentFromJSONWhenEmpty(t *testing.T) {
	text, err := json.Marshal(adsync.User{ID: "1", Profile: adsync.Profile{Username: "anna"}})
	require.NoError(t, err)
	assert.Equal(t, `{"id":"1","object_id":"00000000-0000-0000-0000-000000000000",`+
		`"username":"anna","first_name":"","last_name":"","email":"","phone":""}`, string(text))
	text, err = json.Marshal(adsync.Entry{Others: adsync.Extra{}.With(adsync.FieldEmail, "a@x", "b@x"), Profile: adsync.Profile{}.With(department, "Sales")})
	require.NoError(t, err)
	assert.Contains(t, string(text), `"extra":{"department":["Sales"]}`)
	assert.Contains(t, string(text), `"others":{"email":["a@x","b@x"]}`)
	_, marshals := any(adsync.Profile{}).(json.Marshaler)
	assert.False(t, marshals, "a User would inherit it")
	_, checks := any(adsync.Extra{}).(interface{ IsZero() bool })
	assert.False(t, checks, "omitzero would allocate for it")
}

func TestExtra_CostsNothingWhereItIsNotUsed(t *testing.T) {
	type without struct{ Username string }
	type with struct {
		Username string
		Extra    adsync.Extra `json:",omitzero"`
	}
	assert.Equal(t, allocationsOfJSON(&without{"anna"}), allocationsOfJSON(&with{Username: "anna"}))
	e := adsync.Extra{}.With(department, "Sales").With(languages, "de", "fr")
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if e.Text(department) != "Sales" || !e.Equal(e) {
			t.Fail()
		}
	}), "and a field is found without an allocation")
}

// The fewest of many runs, as the race detector sometimes keeps json's buffer from it,
// which then makes a new one.
func allocationsOfJSON(v any) float64 {
	fewest := math.Inf(1)
	for range 100 {
		fewest = min(fewest, testing.AllocsPerRun(1, func() { _, _ = json.Marshal(v) }))
	}
	return fewest
}

func TestProfile_GetsAndSetsExtraDetails(t *testing.T) {
	p := adsync.Profile{Username: "anna"}.With(department, "Sales").With(adsync.FieldEmail, "anna@x")
	assert.Equal(t, "Sales", p.Get(department))
	assert.Equal(t, "anna@x", p.Get(adsync.FieldEmail))
	assert.Equal(t, adsync.Profile{Username: "anna", Email: "anna@x"}, p.With(department, ""))
	for _, f := range []adsync.Field{adsync.FieldStatus, adsync.FieldActive, adsync.FieldObjectID, adsync.FieldSource, ""} {
		assert.Equal(t, p, p.With(f, "x"), "%q is no detail", f)
		assert.Empty(t, p.Get(f))
	}
	p.Extra = p.Extra.With(adsync.FieldUsername, "hidden")
	assert.Equal(t, "anna", p.Get(adsync.FieldUsername))
}

// model is what an Extra holds, in a form that is obviously right.
type model map[adsync.Field][]string

func randomModel(r *rand.Rand) model {
	m := model{}
	for range r.IntN(4) {
		f := adsync.Field(randomText(r))
		m[f] = append(m[f], randomText(r), randomText(r))
	}
	return m
}

// randomText has lengths about those at which their packing changes.
func randomText(r *rand.Rand) string {
	return strings.Repeat(string(rune('a'+r.IntN(3))), []int{0, 1, 2, 126, 127, 128, 129, 16383, 16384}[r.IntN(9)*r.IntN(2)])
}

// canonical drops what is empty, sorts the rest and names each once.
func (m model) canonical() model {
	clean := model{}
	for f, values := range m {
		values = slices.DeleteFunc(slices.Clone(values), func(s string) bool { return s == "" })
		slices.Sort(values)
		if values = slices.Compact(values); len(values) > 0 && f != "" {
			clean[f] = values
		}
	}
	return clean
}

func contents(e adsync.Extra) model {
	m := model{}
	for _, f := range e.Fields() {
		m[f] = e.Set(f)
	}
	return m
}

// However it is made, an Extra holds what went in, and equals any that holds the same.
func TestExtra_IsCanonical(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 3000 {
		m := randomModel(r)
		e := adsync.NewExtra(m)
		require.Equal(t, m.canonical(), contents(e), "round %d", i)
		require.True(t, slices.IsSorted(e.Fields()))

		built := adsync.Extra{}.With("a", "to be replaced")
		fields := []adsync.Field{"a"}
		for f := range m {
			fields = append(fields, f)
		}
		r.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
		for _, f := range fields {
			values := slices.Clone(m[f])
			slices.Reverse(values)
			built = built.With(f, values...)
		}
		require.True(t, e == built, "round %d: made field by field in another order", i)
		checkRoundTrip(t, e)

		other := randomModel(r)
		same := fmt.Sprint(m.canonical()) == fmt.Sprint(other.canonical())
		require.Equal(t, same, e == adsync.NewExtra(other), "round %d: equal exactly when the contents are", i)
	}
}

func checkRoundTrip(t *testing.T, e adsync.Extra) {
	t.Helper()
	text, err := json.Marshal(e)
	require.NoError(t, err)
	var back adsync.Extra
	require.NoError(t, json.Unmarshal(text, &back))
	require.True(t, e == back)
}

func FuzzExtra_HoldsWhatItIsGiven(f *testing.F) {
	f.Add("department", "Sales", "languages", "de", "fr")
	f.Add("a", strings.Repeat("x", 200), strings.Repeat("n", 128), "", "\xff")
	f.Add("", "x", "a", "\x00", "\x00")
	f.Fuzz(func(t *testing.T, name, only, set, one, other string) {
		m := model{}
		m[adsync.Field(name)] = append(m[adsync.Field(name)], only)
		m[adsync.Field(set)] = append(m[adsync.Field(set)], one, other)
		e := adsync.NewExtra(m)
		if got, want := fmt.Sprintf("%q", contents(e)), fmt.Sprintf("%q", m.canonical()); got != want {
			t.Errorf("holds %s, was given %s", got, want)
		}
		if e != (adsync.Extra{}).With(adsync.Field(set), m[adsync.Field(set)]...).With(adsync.Field(name), m[adsync.Field(name)]...) {
			t.Error("two ways to make it differ")
		}
		if utf8.ValidString(name + "|" + only + "|" + set + "|" + one + "|" + other) {
			checkRoundTrip(t, e)
		}
	})
}

// What reads foreign JSON never fails in another way than by an error.
func FuzzExtra_ReadsAnyJSON(f *testing.F) {
	f.Add([]byte(`{"department":"Sales","languages":["fr","de"]}`))
	f.Add([]byte(`{"a":null,"":[""]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var e adsync.Extra
		if json.Unmarshal(text, &e) == nil {
			checkRoundTrip(t, e)
		}
	})
}
