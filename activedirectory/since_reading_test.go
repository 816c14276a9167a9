package activedirectory

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory/internal/ldapread"
	"github.com/go-adsync/adsync/internal/adattr"
	"github.com/go-adsync/adsync/internal/fakead"
)

// reader begins readings of a bed's controller.
type reader struct {
	*bed
	dir *Directory
}

func newReader(t *testing.T, people ...string) (*reader, []fakead.GUID) {
	t.Helper()
	b := newBed(t)
	return &reader{bed: b}, b.add(people...)
}

// reading begins one, on a connection of its own.
func (r *reader) reading() *changes {
	r.t.Helper()
	var err error
	r.dir, err = New(r.cfg)
	require.NoError(r.t, err)
	began, err := r.dir.pin(r.dir.controllerOf(r.t), new(hearing)).Reading(r.t.Context())
	require.NoError(r.t, err)
	return began.(*changes)
}

// marked is what a mark of the reading remembers.
func (r *reader) marked(c *changes) (adsync.DirectoryMark, markData) {
	r.t.Helper()
	m, err := c.Mark(r.t.Context())
	require.NoError(r.t, err)
	var data markData
	if len(m.Data) > 0 {
		require.NoError(r.t, json.Unmarshal(m.Data, &data))
	}
	return m, data
}

// since is what a reading tells of a mark that remembers this.
func (r *reader) since(c *changes, data markData) (ids []adsync.ObjectID, full string) {
	r.t.Helper()
	ids, full, err := c.Since(r.t.Context(), markOf(r.t, c, data))
	require.NoError(r.t, err)
	if full != "" {
		require.Empty(r.t, ids)
	}
	return ids, full
}

// markOf is a mark of the controller that remembers this.
func markOf(t *testing.T, c *changes, data markData) adsync.DirectoryMark {
	t.Helper()
	text, err := json.Marshal(data)
	require.NoError(t, err)
	return adsync.DirectoryMark{Controller: c.name(), Data: text}
}

// A mark is taken for what it is only if each thing that it remembers is as it was.
func TestChanges_DoubtAMark(t *testing.T) {
	const oldCopy = "the controller was put back from an old copy"
	const schema, container = "the schema has changed", "a container was changed, moved, shown or hidden"
	for name, tt := range map[string]struct {
		change func(c *changes, was *markData)
		full   string
	}{
		"nothing is different":     {func(*changes, *markData) {}, ""},
		"another configuration":    {func(_ *changes, was *markData) { was.Config = "" }, "the directory's configuration is another"},
		"it was blind":             {func(_ *changes, was *markData) { was.Blind = "as it was" }, "as it was"},
		"something is not counted": {func(_ *changes, was *markData) { was.Uncounted = true }, "there are people below a container of an unusual class, which was not counted before"},
		"a higher number":          {func(c *changes, was *markData) { was.Highest = c.head.USN + 1 }, oldCopy},
		"the same number":          {func(c *changes, was *markData) { was.Highest = c.head.USN }, ""},
		"other groups":             {func(_ *changes, was *markData) { was.Token = "x" }, "the service account's groups have changed"},
		"other containers":         {func(_ *changes, was *markData) { was.Containers = "x" }, container},
		"later by its clock":       {func(c *changes, was *markData) { was.Time = c.head.Time.Add(time.Second) }, "the controller's clock was put back"},
		"the same time":            {func(c *changes, was *markData) { was.Time = c.head.Time }, ""},
		"half the life of a tombstone": {func(c *changes, was *markData) { was.Time = c.head.Time.Add(-90 * 24 * time.Hour) },
			""},
		"more than that": {func(c *changes, was *markData) { was.Time = c.head.Time.Add(-90*24*time.Hour - time.Second) },
			"the mark is older than half the tombstone lifetime"},
		"no schema":              {func(_ *changes, was *markData) { was.Schema = nil }, schema},
		"another object of that": {func(_ *changes, was *markData) { was.Schema.ID = adsync.ObjectID{1} }, schema},
		"changed at another time": {func(_ *changes, was *markData) { was.Schema.When = "x" },
			schema},
		"with a lower number": {func(_ *changes, was *markData) { was.Schema.USN-- }, schema},
		"and with a higher":   {func(_ *changes, was *markData) { was.Schema.USN++ }, schema},
		"nothing was the latest": {func(_ *changes, was *markData) { was.Latest = nil },
			"nothing of what was changed last is as it was, so the controller may have been put back from an old copy"},
		"the latest is not there": {func(_ *changes, was *markData) { was.Latest = []numbered{{ID: adsync.ObjectID{1}, USN: 1}} },
			"nothing of what was changed last is as it was, so the controller may have been put back from an old copy"},
		"the latest has another time, and its number": {func(_ *changes, was *markData) { was.Latest[0].When = "x" }, oldCopy},
		"a clock that goes on":                        {func(c *changes, was *markData) { was.AsOf = c.controller.AsOf().Add(time.Hour) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := newReader(t, "p1", "p2")
			require.NoError(t, r.dc.SetConfidential("mail", true)) // or there is nothing in the schema partition
			_, data := r.marked(r.reading())
			require.NotNil(t, data.Schema)
			c := r.reading()
			tt.change(c, &data)
			_, full := r.since(c, data)
			assert.Equal(t, tt.full, full)
		})
	}
}

func TestChanges_AMarkIsBounded(t *testing.T) {
	r, _ := newReader(t, "p1")
	m, data := r.marked(r.reading())
	c := r.reading()
	for length, want := range map[int]string{maxMarkData: "", maxMarkData + 1: "the mark cannot be read"} {
		m.Data = append(slices.Clone(m.Data), bytes.Repeat([]byte(" "), length-len(m.Data))...)
		_, full, err := c.Since(t.Context(), m)
		require.NoError(t, err)
		assert.Equal(t, want, full)
		assert.Equal(t, map[bool][]string{true: {data.Server}}[want == ""], addresses([]adsync.DirectoryMark{m}))
		m.Data = bytes.TrimSpace(m.Data)
	}
	m.Controller = "dc:other"
	_, full, err := c.Since(t.Context(), m)
	require.NoError(t, err)
	assert.Equal(t, adsync.NoMarkOfController, full)
	assert.Empty(t, addresses([]adsync.DirectoryMark{{Data: []byte("{}")}, {Data: []byte("[")}}))
}

// The forest is asked how long it keeps tombstones only where that may matter.
func TestChanges_AskForTheLifetimeAfterADay(t *testing.T) {
	for age, want := range map[time.Duration]int{settled: 0, settled + time.Second: 1} {
		r, _ := newReader(t, "p1")
		_, data := r.marked(r.reading())
		c := r.reading()
		data.Time = c.head.Time.Add(-age)
		r.dc.ForgetRequests()
		_, full := r.since(c, data)
		require.Empty(t, full)
		asked := 0
		for _, q := range r.dc.Requests() {
			if slices.Contains(q.Attributes, "tombstoneLifetime") {
				asked++
			}
		}
		assert.Equal(t, want, asked)
	}
}

// Those that were the latest are looked for again: what is gone, or has another number, may
// have changed.
func TestChanges_BeginWhereSomethingIsAsItWas(t *testing.T) {
	r, ids := newReader(t, "p1", "p2", "p3", "p4")
	_, data := r.marked(r.reading())
	require.NotEmpty(t, data.Latest)
	at := slices.IndexFunc(data.Latest, func(n numbered) bool { return n.ID == adsync.ObjectID(ids[3]) })
	require.GreaterOrEqual(t, at, 0)
	require.NoError(t, r.dc.Hide(since, r.dc.DN(ids[3])))
	require.NoError(t, r.dc.SetAttribute(ids[0], "mail", "new@x.test"))
	c := r.reading()
	data.Latest = data.Latest[at:]
	found, full := r.since(c, data)
	require.Empty(t, full)
	assert.Contains(t, found, adsync.ObjectID(ids[3]), "who is hidden")
	assert.Contains(t, found, adsync.ObjectID(ids[0]))
	assert.NotContains(t, found, adsync.ObjectID(ids[1]))
	for _, id := range found {
		assert.NotEqual(t, adsync.ObjectID(r.dc.ID(r.people)), id, "a container is counted elsewhere")
	}

	// What came after the one that is as it was is read again, also below where the mark ended.
	data.From += 1000
	again, full := r.since(r.reading(), data)
	require.Empty(t, full)
	assert.ElementsMatch(t, found, again)

	// What is found only then is remembered, too.
	late := r.add("late")[0]
	c = r.reading()
	found, full = r.since(c, data)
	require.Empty(t, full)
	require.Contains(t, found, adsync.ObjectID(late))
	_, next := r.marked(c)
	require.NotEmpty(t, next.Latest)
	assert.Equal(t, adsync.ObjectID(late), next.Latest[0].ID)
	assert.Equal(t, next.Latest[0].USN+1, next.From)
}

// What people could be below must not have changed; what is deleted has nobody below it.
func TestChanges_OfOtherThings(t *testing.T) {
	r, _ := newReader(t, "p1")
	site, err := r.dc.AddUser(fakead.User{Parent: r.people, Name: "contact", Class: "contact"})
	require.NoError(t, err)
	_, data := r.marked(r.reading())
	class := fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{"objectClass"}, Objects: []fakead.GUID{site}, Op: fakead.OpSearch, Match: "uSNChanged>="}
	require.NoError(t, r.dc.SetAttribute(site, "mail", "x@x.test"))
	c := r.reading()
	cancel := r.dc.Order(class) // so that it is of no known class
	_, full := r.since(c, data)
	assert.Equal(t, "an object was changed that may have people below it", full)
	cancel()
	require.NoError(t, r.dc.Delete(site))
	c = r.reading()
	r.dc.Order(class)
	found, full := r.since(c, data)
	assert.Empty(t, full)
	assert.Contains(t, found, adsync.ObjectID(site))
	r.dc.ClearFaults()
}

// Too much to look up is a full reading, whatever it is of.
func TestChanges_AreFew(t *testing.T) {
	const many = "more than 200000 objects have changed"
	var names []string
	for n := range 12 {
		names = append(names, "p"+strconv.Itoa(n))
	}
	r, ids := newReader(t, names...)
	r.cfg.ExpiredIsDisabled = true
	few := func() { r.dir.reader.PageSize, r.dir.reader.MaxChanges = 2, 3 }
	for _, id := range ids {
		r.expires(id, 2*time.Hour)
	}
	_, data := r.marked(r.reading())
	r.clock.Add(3 * 3600)
	c := r.reading()
	found, full := r.since(c, data)
	require.Empty(t, full)
	assert.Subset(t, found, []adsync.ObjectID{adsync.ObjectID(ids[0]), adsync.ObjectID(ids[11])}, "who has expired")
	few()
	c.known = nil
	was := data
	was.Latest = was.Latest[:1] // so that few are asked for
	_, full = r.since(c, was)
	assert.Equal(t, many, full, "those who have expired")

	for _, id := range ids {
		require.NoError(t, r.dc.SetAttribute(id, "mail", "new@x.test"))
	}
	c = r.reading()
	few()
	_, full = r.since(c, data)
	assert.Equal(t, many, full)
	m, _ := r.marked(c)
	assert.Equal(t, adsync.DirectoryMark{}, m, "nor is there a mark")
	require.NoError(t, r.dc.SetConfidential("mail", true))
	_, data = r.marked(r.reading())
	for _, attribute := range []string{"givenName", "sn", "displayName", "telephoneNumber"} {
		require.NoError(t, r.dc.SetConfidential(attribute, true))
	}
	c = r.reading()
	few()
	_, full = r.since(c, data)
	assert.Equal(t, "the schema has changed", full)
}

// A mark is of one reading by one account over one connection, or there is none.
func TestChanges_MarkOneReading(t *testing.T) {
	for name, tt := range map[string]struct {
		meanwhile func(r *reader, c *changes)
		none      bool
		blind     string
	}{
		"nothing happens":         {func(*reader, *changes) {}, false, ""},
		"an account is changed":   {func(r *reader, _ *changes) { r.add("late") }, false, ""},
		"over another connection": {func(_ *reader, c *changes) { c.head.Session-- }, true, ""},
		"the groups change":       {func(_ *reader, c *changes) { c.head.Token = "others" }, true, ""},
		"the numbers go back":     {func(_ *reader, c *changes) { c.head.USN += 1000 }, true, ""},
		"the schema changes":      {func(r *reader, _ *changes) { require.NoError(r.t, r.dc.SetConfidential("mail", true)) }, true, ""},
		"the schema changed before": {func(r *reader, c *changes) {
			require.NoError(r.t, r.dc.SetConfidential("mail", true))
			c.head.USN = r.dc.USN()
		}, false, ""},
		"all is hidden":                 {func(r *reader, _ *changes) { r.dc.Order(fakead.Fault{Kind: fakead.FaultHide, Match: "uSNChanged>="}) }, false, "nothing in the domain shows a number"},
		"it was blind from the outset":  {func(_ *reader, c *changes) { c.head.Blind = "blind" }, false, "blind"},
		"there are very many unusual":   {func(_ *reader, c *changes) { c.unusual = make([]adattr.GUID, maxUnusual+1) }, false, "people are below containers of unusual classes that cannot be counted"},
		"there are not too many":        {func(_ *reader, c *changes) { c.unusual = make([]adattr.GUID, maxUnusual) }, false, ""},
		"an account without its number": {func(r *reader, c *changes) { r.withhold(c) }, false, "an account shows no uSNChanged, so its changes would not be noticed"},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := newReader(t, "p1", "p2", "p3")
			c := r.reading()
			tt.meanwhile(r, c)
			m, data := r.marked(c)
			r.dc.ClearFaults()
			if tt.none {
				assert.Equal(t, adsync.DirectoryMark{}, m)
				return
			}
			assert.Equal(t, tt.blind, data.Blind)
			assert.Equal(t, c.name(), m.Controller)
			if tt.blind == "" {
				assert.LessOrEqual(t, data.From, c.head.USN+1)
				assert.GreaterOrEqual(t, data.Highest, c.head.USN)
				assert.LessOrEqual(t, len(data.Latest), mostLatest)
				assert.True(t, slices.IsSortedFunc(data.Latest, func(a, b numbered) int { return int(b.USN - a.USN) }))
			}
		})
	}
}

func TestStartingFrom_TheFirstThatWasSurelySeen(t *testing.T) {
	objects := func(usns ...int64) (list []ldapread.Object) {
		for _, usn := range usns {
			list = append(list, ldapread.Object{USN: usn})
		}
		return list
	}
	latest, from := startingFrom(objects(9, 7, 5), 7)
	assert.Equal(t, []numbered{{USN: 9}, {USN: 7}, {USN: 5}}, latest)
	assert.EqualValues(t, 8, from)
	_, from = startingFrom(objects(9, 8), 7)
	assert.Zero(t, from)
	latest, from = startingFrom(nil, 7)
	assert.Empty(t, latest)
	assert.Zero(t, from)
	var many []int64
	for n := range mostLatest + 5 {
		many = append(many, int64(1000-n))
	}
	latest, from = startingFrom(objects(many...), many[mostLatest+3])
	assert.Len(t, latest, mostLatest)
	assert.Equal(t, many[mostLatest+3]+1, from)
}

// withhold lists everybody, without numbers.
func (r *reader) withhold(c *changes) {
	defer r.dc.Order(fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{"uSNChanged"}})()
	_, err := collect(c.Entries(r.t.Context()))
	require.NoError(r.t, err)
}
