package ldapread

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/adattr"
	"github.com/go-adsync/adsync/internal/fakead"
)

// newNumbered is a domain with tombstones that may be read, and the objects of a unit.
func newNumbered(t *testing.T, people int) (*domain, []fakead.GUID) {
	d := newDomain(t, fakead.Config{})
	must(t, d.GrantTombstones(service))
	return d, d.add(people)
}

func (d *domain) head(c *Controller, others ...adattr.GUID) Head {
	d.t.Helper()
	h, err := c.Head(d.t.Context(), others)
	require.NoError(d.t, err)
	return h
}

func TestClockOf(t *testing.T) {
	of := func(attributes map[string][]string) clock { return clockOf(ldap.NewEntry("", attributes)) }
	assert.Equal(t, clock{usn: 12, service: "CN=NTDS", time: time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)},
		of(map[string][]string{"highestcommittedusn": {"12"}, "CurrentTime": {"20261102090000.0Z"}, "dsServiceName": {"CN=NTDS"}}))
	assert.Equal(t, clock{}, of(nil))
	one, two := of(map[string][]string{"tokenGroups": {"a", "b"}}).token, of(map[string][]string{"tokenGroups": {"b", "a"}}).token
	assert.Equal(t, one, two, "in any order")
	assert.Len(t, one, 32)
	for _, groups := range [][]string{{"a"}, {"ab"}, {"a", "b", "b"}, {"a", "c"}} {
		assert.NotEqual(t, one, of(map[string][]string{"tokenGroups": groups}).token, groups)
	}
}

func TestKindOf(t *testing.T) {
	for classes, want := range map[string]Kind{
		"top organizationalUnit": Container, "top CONTAINER": Container, "top domain domainDNS": Container,
		"top person organizationalPerson user":          Person,
		"top person organizationalPerson contact":       Person,
		"top person organizationalPerson user computer": Leaf, // is a user too
		"top group":    AGroup,
		"top":          Other,
		"":             Other,
		"top siteLink": Other,
	} {
		assert.Equal(t, want, kindOf(strings.Fields(classes)), classes)
	}
}

// A head says what of the controller is the same as before.
func TestHead_TellsWhatHasChanged(t *testing.T) {
	d, ids := newNumbered(t, 3)
	unit, err := d.AddOU("Unit", d.people)
	require.NoError(t, err)
	c := d.open(d.config())
	first := d.head(c)
	assert.Empty(t, first.Blind)
	assert.Equal(t, adattr.GUID(d.InvocationID()), first.Invocation)
	assert.Equal(t, d.USN(), first.USN)
	assert.Equal(t, 1, first.Session)
	assert.True(t, first.known[strings.ToLower(unit)] && first.known[strings.ToLower(d.people)])
	assert.WithinDuration(t, time.Now(), first.Time, time.Hour)

	must(t, d.SetAttribute(ids[0], "mail", "new@x"))
	second := d.head(c)
	assert.Equal(t, d.USN(), second.USN, "which is read again")
	assert.Greater(t, second.USN, first.USN)
	assert.Equal(t, first.Containers, second.Containers, "a person is none")
	assert.Equal(t, first.Token, second.Token)
	assert.NotEqual(t, first.Containers, d.head(c, adattr.GUID(ids[0])).Containers, "unless asked for")

	must(t, d.Rename(d.ID(unit), "Other"))
	third := d.head(c)
	assert.NotEqual(t, second.Containers, third.Containers)
	must(t, d.Hide(service, "OU=Other,"+d.people))
	assert.NotEqual(t, third.Containers, d.head(c).Containers)
	must(t, d.Join(d.group("readers"), d.svc))
	assert.NotEqual(t, first.Token, d.head(d.open(d.config())).Token, "seen when it binds again")
	clock, err := c.Clock(t.Context())
	require.NoError(t, err)
	assert.Equal(t, Head{Session: 1, USN: d.USN(), Time: clock.Time, Token: first.Token}, clock)
	assert.False(t, clock.Time.IsZero())
}

// The numbers that connecting has read do for the first head, and for no other.
func TestHead_ReadsTheNumbersAnew(t *testing.T) {
	d, _ := newNumbered(t, 1)
	c := d.open(d.config())
	for reads := 1; reads < 4; reads++ {
		d.head(c)
		roots := 0
		for _, r := range d.Requests() {
			if r.Op == fakead.OpSearch && r.DN == "" {
				roots++
			}
		}
		assert.Equal(t, reads, roots)
	}
}

// Numbers that cannot be read again are an error, which says what is wrong.
func TestHead_EndsWhereTheNumbersCannotBeReadAgain(t *testing.T) {
	d, _ := newNumbered(t, 1)
	again := func(fault fakead.Fault) error {
		c := d.open(d.config())
		d.head(c)
		fault.Op, fault.Times = fakead.OpSearch, 1
		d.Order(fault)
		_, err := c.Head(t.Context(), nil)
		return err
	}
	assert.True(t, ldap.IsErrorWithCode(again(fakead.Fault{Kind: fakead.FaultResult, Code: 51}), 51))
	assert.ErrorContains(t, again(fakead.Fault{Kind: fakead.FaultHide}), "there is none to be seen any more")
}

// Where changes may go unseen, a head says why.
func TestHead_SaysWhatGoesUnseen(t *testing.T) {
	const numbers = "the service account cannot read the controller's invocationId or numbers"
	for name, tt := range map[string]struct {
		change func(d *domain, cfg *Config)
		blind  string
	}{
		"nothing": {func(*domain, *Config) {}, ""},
		"another identity": {func(_ *domain, cfg *Config) { cfg.Identity = adattr.IdentityOf("mS-DS-ConsistencyGuid") },
			"the directory does not number its changes as a domain controller does"},
		"no invocationId": {func(d *domain, _ *Config) {
			d.Order(fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{"invocationId"}})
		}, numbers},
		"no number of the controller's own": {func(d *domain, _ *Config) {
			d.Order(fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{"highestCommittedUSN"}})
		}, numbers},
		"no object that has it": {func(d *domain, _ *Config) {
			d.Order(fakead.Fault{Kind: fakead.FaultResult, Code: 32, Match: "CN=NTDS Settings"})
		}, numbers},
		"several objects that have it": {func(d *domain, _ *Config) {
			d.Order(fakead.Fault{Kind: fakead.FaultResult, Code: 4, Match: "CN=NTDS Settings"})
		}, numbers},
		"no groups of one's own": {func(d *domain, _ *Config) {
			d.Order(fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{"tokenGroups"}})
		}, "the rootDSE shows no tokenGroups, so it would not be noticed if the service account lost a right"},
		"a filter on links": {func(_ *domain, cfg *Config) { cfg.Filter = "(manager=CN=x)" },
			"Filter or Attributes uses manager, which can change without a trace on the account"},
		"a container without a number": {func(d *domain, _ *Config) {
			d.Order(fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{"uSNChanged"}, Objects: []fakead.GUID{d.ID(d.people)}})
		}, "a container shows no uSNChanged, so it would not be noticed if it was hidden or moved"},
		"tombstones": {func(d *domain, _ *Config) { must(d.t, d.RevokeTombstones(service)) },
			"the service account cannot read CN=Deleted Objects, so deletions would not be noticed"},
		"their number": {func(d *domain, _ *Config) {
			d.Order(fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{"uSNChanged"}, Objects: []fakead.GUID{d.ID("CN=Deleted Objects," + d.BaseDN())}})
		}, "the service account cannot read CN=Deleted Objects, so deletions would not be noticed"},
		"that they are deleted": {func(d *domain, _ *Config) {
			d.Order(fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{"isDeleted"}})
		}, "the service account cannot read CN=Deleted Objects, so deletions would not be noticed"},
		"very many containers": {func(d *domain, cfg *Config) { cfg.PageSize, cfg.MaxChanges = 2, 3 },
			"there are more containers than can be compared"},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := newNumbered(t, 2)
			cfg := d.config()
			tt.change(d, cfg)
			c := d.open(cfg)
			assert.Equal(t, tt.blind, d.head(c).Blind)
			d.head(c)
			opened := 1 // the connection is in order
			if tt.blind == "there are more containers than can be compared" {
				opened = 2 // the server holds the rest of the answer
			}
			assert.Equal(t, opened, d.Opened())
			assert.Empty(t, d.searched("(|)"), "which a server may refuse")
		})
	}
	t.Run("a server that is no domain controller", func(t *testing.T) {
		c := newLiar(t, func(string) []*ldap.Entry { return nil })
		h, err := c.Head(t.Context(), nil)
		require.NoError(t, err)
		assert.Equal(t, "the directory does not number its changes as a domain controller does", h.Blind)
	})
}

func TestChanged_FindsWhatHasThatNumberOrAHigherOne(t *testing.T) {
	d, ids := newNumbered(t, 5)
	before := d.USN()
	must(t, d.SetAttribute(ids[1], "mail", "new@x"))
	must(t, d.Delete(ids[2]))
	cfg := d.config()
	cfg.PageSize = 2
	c := d.open(cfg)
	changed := func(from int64, asked ...adattr.GUID) map[adattr.GUID]Object {
		objects, err := c.Changed(t.Context(), from, asked)
		require.NoError(t, err)
		found := map[adattr.GUID]Object{}
		for _, o := range objects {
			require.NotContains(t, found, o.GUID)
			found[o.GUID] = o
		}
		return found
	}
	got := changed(before+1, adattr.GUID(ids[0]), guid(1))
	assert.Len(t, got, 4, "the service account too, which has logged on")
	assert.LessOrEqual(t, got[adattr.GUID(ids[0])].USN, before, "asked for")
	one, gone := got[adattr.GUID(ids[1])], got[adattr.GUID(ids[2])]
	assert.Equal(t, Person, one.Kind)
	assert.False(t, one.IsDeleted())
	assert.True(t, gone.IsDeleted())
	assert.Equal(t, before+2, gone.USN)
	assert.NotEmpty(t, one.When)
	assert.Contains(t, changed(one.USN), one.GUID, "that number itself")
	assert.NotContains(t, changed(one.USN+1), one.GUID)
	assert.Empty(t, d.searched("(|)"), "which a server may refuse")

	few := *cfg
	few.MaxChanges = 3
	limited := d.open(&few)
	_, err := limited.Changed(t.Context(), 1, nil)
	require.ErrorIs(t, err, ErrManyChanges)
	opened := d.Opened()
	_, err = limited.Changed(t.Context(), before+1, nil)
	require.NoError(t, err)
	assert.Equal(t, opened+1, d.Opened(), "the server holds the rest of the other answer")
	few.MaxChanges = 2
	_, err = d.open(&few).Changed(t.Context(), before+1, nil)
	require.NoError(t, err, "one page more, if it is the last")
	d.Order(fakead.Fault{Kind: fakead.FaultResult, Code: 51, Op: fakead.OpSearch, Page: 1, Times: 1})
	_, err = c.Changed(t.Context(), 1, nil)
	require.True(t, ldap.IsErrorWithCode(err, 51), "its own reason")
	d.Order(fakead.Fault{Kind: fakead.FaultNoPagingControl, Op: fakead.OpSearch})
	_, err = c.Changed(t.Context(), 1, nil)
	require.ErrorIs(t, err, errUnpaged)
	d.ClearFaults()
	d.Order(fakead.Fault{Kind: fakead.FaultRepeatPage, Op: fakead.OpSearch, Page: 2})
	_, err = c.Changed(t.Context(), 1, nil)
	require.ErrorIs(t, err, errLoop)
	d.ClearFaults()
	d.Order(fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{"objectGUID"}})
	_, err = c.Changed(t.Context(), 1, nil)
	require.ErrorIs(t, err, errNoGUID)
}

// However many are asked for, those that can be seen are found, deleted ones too.
func TestObjects_AreThoseThatCanBeSeen(t *testing.T) {
	d, ids := newNumbered(t, findBatch+2)
	must(t, d.Delete(ids[0]))
	must(t, d.Delete(ids[findBatch+1]))
	asked := []adattr.GUID{guid(1)}
	for _, id := range ids {
		asked = append(asked, adattr.GUID(id))
	}
	c := d.open(d.config())
	objects, err := c.Objects(t.Context(), asked)
	require.NoError(t, err)
	var found, deleted []adattr.GUID
	for _, o := range objects {
		found = append(found, o.GUID)
		if o.IsDeleted() {
			deleted = append(deleted, o.GUID)
		}
	}
	assert.ElementsMatch(t, asked[1:], found)
	assert.ElementsMatch(t, []adattr.GUID{adattr.GUID(ids[0]), adattr.GUID(ids[findBatch+1])}, deleted)
	d.Order(fakead.Fault{Kind: fakead.FaultResult, Code: 51, Op: fakead.OpSearch, Times: 1})
	objects, err = c.Objects(t.Context(), asked)
	assert.True(t, ldap.IsErrorWithCode(err, 51))
	assert.Empty(t, objects)
}

func ticksOf(t time.Time) string {
	return strconv.FormatInt((t.Unix()+secondsTo1970)*ticksPerSecond+int64(t.Nanosecond()/100), 10)
}

func TestExpiring_IsFromOneMomentToTheOther(t *testing.T) {
	d, ids := newNumbered(t, 4)
	from := time.Date(2026, 11, 2, 9, 0, 0, 500, time.UTC)
	to := from.Add(time.Hour)
	for i, when := range []time.Time{from.Add(-time.Second), from.Truncate(time.Second), to.Truncate(time.Second).Add(time.Second), to.Add(2 * time.Second)} {
		must(t, d.SetAttribute(ids[i], "accountExpires", ticksOf(when)))
	}
	objects, err := d.open(d.config()).Expiring(t.Context(), from, to)
	require.NoError(t, err)
	var got []adattr.GUID
	for _, o := range objects {
		got = append(got, o.GUID)
	}
	assert.ElementsMatch(t, []adattr.GUID{adattr.GUID(ids[1]), adattr.GUID(ids[2])}, got)
}

func TestLatest_HasOneThatIsNoNewer(t *testing.T) {
	d, ids := newNumbered(t, 40)
	usn := d.USN()
	must(t, d.SetAttribute(ids[5], "mail", "new@x"))
	objects, err := d.open(d.config()).Latest(t.Context(), usn)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(objects), 32)
	assert.Equal(t, adattr.GUID(ids[5]), objects[1].GUID, "after the service account, which has logged on")
	older := 0
	for i := 1; i < len(objects); i++ {
		assert.LessOrEqual(t, objects[i].USN, objects[i-1].USN)
		if objects[i].USN <= usn {
			older++
		}
	}
	assert.NotZero(t, older)
	assert.Less(t, len(objects), 64+2, "no more than the first window that has enough")
	all, err := d.open(d.config()).Latest(t.Context(), 1)
	require.NoError(t, err)
	assert.Greater(t, len(all), len(objects))
}

// It looks further back until there are enough, and one that is no newer.
func TestLatest_LooksFurtherBack(t *testing.T) {
	d, ids := newNumbered(t, 41)
	for n := range 100 { // so that the numbers next to the last are nobody's
		must(t, d.SetAttribute(ids[0], "telephoneNumber", strconv.Itoa(n)))
	}
	usn := d.USN()
	c := d.open(d.config())
	latest := func() []Object {
		objects, err := c.Latest(t.Context(), usn)
		require.NoError(t, err)
		return objects
	}
	assert.GreaterOrEqual(t, len(latest()), 32, "one alone is too few")
	for _, id := range ids[1:31] {
		must(t, d.SetAttribute(id, "telephoneNumber", "9"))
	}
	assert.Len(t, latest(), 32, "just as many are enough")
	for _, id := range ids[31:] {
		must(t, d.SetAttribute(id, "telephoneNumber", "9"))
	}
	objects := latest()
	assert.Len(t, objects, 42, "the service account too, which has logged on")
	assert.Equal(t, usn, objects[41].USN, "that number itself")
	must(t, d.SetAttribute(ids[0], "telephoneNumber", "9"))
	objects = latest()
	assert.LessOrEqual(t, objects[len(objects)-1].USN, usn)
}

func TestSchema_HasTheHighestNumberFirst(t *testing.T) {
	d, _ := newNumbered(t, 1)
	c := d.open(d.config())
	must(t, d.SetConfidential("mail", true))
	usn := d.USN()
	must(t, d.SetConfidential("telephoneNumber", true))
	objects, err := c.Schema(t.Context(), usn)
	require.NoError(t, err)
	require.Len(t, objects, 2)
	assert.Greater(t, objects[0].USN, objects[1].USN)
	assert.Equal(t, usn, objects[1].USN)
	objects, err = c.Schema(t.Context(), d.USN()+1)
	require.NoError(t, err)
	assert.Empty(t, objects)
	liar := newLiar(t, func(string) []*ldap.Entry { return []*ldap.Entry{account(guid(1), "")} })
	objects, err = liar.Schema(t.Context(), 1)
	require.NoError(t, err)
	assert.Empty(t, objects, "a server without one")
}

// The partitions are found wherever they stand among the naming contexts.
func TestContexts_AreFoundInAnyPlace(t *testing.T) {
	schema, configuration := "cn=schema,CN=Configuration,DC=corp", "cn=configuration,DC=corp"
	for _, contexts := range [][]string{{schema, configuration, "DC=corp"}, {configuration, schema, "DC=corp"}, {"DC=corp", configuration, schema}} {
		cfg := testConfig()
		root := map[string][]string{"defaultNamingContext": {"DC=corp"}, "namingContexts": contexts}
		c := newLiarWith(t, cfg, root, func(q question) []*ldap.Entry {
			if q.base == "DC=corp" {
				return nil
			}
			return []*ldap.Entry{ldap.NewEntry("CN=x", map[string][]string{"objectGUID": {wireText(guid(1))}, "tombstoneLifetime": {"7"},
				"msDS-EnabledFeature": {"cn=privileged access management feature,CN=x"}, "attributeSyntax": {"2.5.5.12"}})}
		})
		objects, err := c.Schema(t.Context(), 1)
		require.NoError(t, err)
		assert.Len(t, objects, 1, contexts)
		life, err := c.TombstoneLifetime(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 7*24*time.Hour, life, contexts)
		may, err := c.MembershipsEnd(t.Context())
		require.NoError(t, err)
		assert.True(t, may, contexts)
		require.NoError(t, c.use(t.Context(), func(s *session) error {
			plain, err := s.isPlain(t.Context(), "roomNumber")
			assert.True(t, plain, contexts)
			return err
		}))
		c.Close()
	}
}

func TestTombstoneLifetime(t *testing.T) {
	d, _ := newNumbered(t, 1)
	settings := d.ID("CN=Directory Service,CN=Windows NT,CN=Services,CN=Configuration," + d.BaseDN())
	c := d.open(d.config())
	life := func() time.Duration {
		life, err := c.TombstoneLifetime(t.Context())
		require.NoError(t, err)
		return life
	}
	const day = 24 * time.Hour
	assert.Equal(t, 180*day, life())
	for value, want := range map[string]time.Duration{"2": 2 * day, "1": 60 * day, "0": 60 * day, "-5": 60 * day} {
		must(t, d.SetAttribute(settings, "tombstoneLifetime", value))
		assert.Equal(t, want, life(), value)
	}
	d.Order(fakead.Fault{Kind: fakead.FaultResult, Code: 32, Match: "CN=Directory Service"})
	assert.Equal(t, 60*day, life(), "which cannot be read")
	liar := newLiar(t, func(string) []*ldap.Entry {
		return []*ldap.Entry{ldap.NewEntry("CN=x", map[string][]string{"tombstoneLifetime": {"7"}})}
	})
	kept, err := liar.TombstoneLifetime(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 60*day, kept, "a server that does not say where its settings are")
}

// What cannot be read of the forest's features is taken for yes.
func TestMembershipsEnd_UnlessTheForestSaysThatTheyDoNot(t *testing.T) {
	d, _ := newNumbered(t, 1)
	c := d.open(d.config())
	end := func(c *Controller) bool {
		may, err := c.MembershipsEnd(t.Context())
		require.NoError(t, err)
		return may
	}
	assert.False(t, end(c))
	configuration := "CN=Configuration," + d.BaseDN()
	must(t, d.SetAttribute(d.ID("CN=Partitions,"+configuration), "msDS-EnabledFeature", "CN=Recycle Bin Feature,"+configuration))
	assert.False(t, end(c), "with another feature")
	d.Order(fakead.Fault{Kind: fakead.FaultResult, Code: 32, Match: "CN=Partitions", Times: 1})
	assert.True(t, end(c), "whose features cannot be read")
	d.Order(fakead.Fault{Kind: fakead.FaultResult, Code: 51, Match: "CN=Partitions", Times: 1})
	_, err := c.MembershipsEnd(t.Context())
	assert.True(t, ldap.IsErrorWithCode(err, 51))
	d.TimeMembers()
	assert.True(t, end(c))
	assert.True(t, end(newLiar(t, func(string) []*ldap.Entry { return nil })), "a server that does not say where they are")
}
