package ldapread

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/adattr"
	"github.com/go-adsync/adsync/internal/fakead"
)

// Entries with several values read the same off the wire and from go-ldap, whatever is
// mapped, marked, blank, in parts, or extended.
func TestValues_ReadTheSameEitherWay(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	names := []string{"mail", "sn", "department", "proxyAddresses", "manager", "MANAGER", "mail;range=0-1", "department;range=0-*", "department;lang-de"}
	values := []string{"", " ", "a", "b", "a", "c\xff", "SMTP:main@x", "smtp:b@x", "<GUID=00112233-4455-6677-8899-aabbccddeeff>;<SID=S-1-5>;CN=x"}
	several, marked, failed := 0, 0, 0
	for range 3000 {
		cfg := testConfig()
		if r.IntN(3) > 0 {
			cfg.Further = []Further{{"department", ValueKind(r.IntN(2))}, {"mail", ValueKind(r.IntN(2))}, {"manager", ValueKind(r.IntN(3))}, {"proxyAddresses", Text}}
		}
		e := &ldap.Entry{DN: []string{"mail=b,ou=x", "CN=x", "<GUID=00112233-4455-6677-8899-aabbccddeeff>;mail=a+sn=b,ou=x"}[r.IntN(3)],
			Attributes: []*ldap.EntryAttribute{attribute("objectGUID", wireText(guid(1)))}}
		for _, n := range r.Perm(len(names))[:r.IntN(5)] { // no server sends an attribute twice
			var list []string
			for range r.IntN(4) {
				list = append(list, values[r.IntN(len(values))])
			}
			e.Attributes = append(e.Attributes, attribute(names[n], list...))
		}
		message := raw(1, entry(e))
		_, op, _ := messageID(message[headerLength(message):])
		var wire Account
		ok, err := (&entryDecoder{cfg: cfg}).decode(op, &wire)
		require.True(t, ok)
		plain, plainErr := cfg.decode(e)
		require.Equal(t, plainErr, err)
		if err != nil {
			failed++
			continue
		}
		require.Equal(t, plain, wire, "%v", e.Attributes)
		several += len(wire.More)
		for _, more := range wire.More {
			if more.Marked {
				marked++
			}
		}
	}
	assert.True(t, several > 1000 && marked > 50 && failed > 50, fmt.Sprint(several, marked, failed))
}

// What becomes of the values of an attribute, by what it is mapped to.
func TestValues_AreTakenByWhatTheyAre(t *testing.T) {
	const ref = "<GUID=00112233-4455-6677-8899-aabbccddeeff>;<SID=S-1-5>;CN=boss"
	const id = "00112233-4455-6677-8899-aabbccddeeff"
	cfg := testConfig()
	cfg.Further = []Further{{"department", Text}, {"otherTelephone", Set}, {"manager", Reference}, {"mail", Set}, {"proxyAddresses", Text}}
	const dep, phones, boss, mails, proxies = NumValues, NumValues + 1, NumValues + 2, NumValues + 3, NumValues + 4
	for name, tt := range map[string]struct {
		dn         string
		attributes []*ldap.EntryAttribute
		want       Account // without its GUID
	}{
		"one text each": {"CN=a", []*ldap.EntryAttribute{attribute("MAIL", "a@x"), attribute("department", "Sales")},
			Account{Values: [NumValues]string{3: "a@x"}, More: []More{{mails, "a@x", false}, {dep, "Sales", false}}}},
		"several of one of the five": {"CN=a", []*ldap.EntryAttribute{attribute("sn", "b", " ", "c", "b")},
			Account{More: []More{{2, "b", false}, {2, "c", false}}}},
		"one of them stands in the name": {"CN=x+SN=c,OU=y", []*ldap.EntryAttribute{attribute("sn", "b", "c")},
			Account{Values: [NumValues]string{2: "c"}, More: []More{{2, "b", false}, {2, "c", false}}}},
		"one alone that stands in the name": {"department=b,OU=y", []*ldap.EntryAttribute{attribute("department", "b"), attribute("SN", "c")},
			Account{Values: [NumValues]string{2: "c"}, More: []More{{dep, "b", false}}}},
		"several under no name": {"", []*ldap.EntryAttribute{attribute("department", "b", "c")},
			Account{More: []More{{dep, "b", false}, {dep, "c", false}}}},
		"several of a further one": {"department=c,OU=y", []*ldap.EntryAttribute{attribute("department", "b", "c")},
			Account{More: []More{{dep, "b", false}, {dep, "c", true}}}},
		"a set": {"otherTelephone=1,OU=y", []*ldap.EntryAttribute{attribute("otherTelephone", "2", "1", "2", "")},
			Account{More: []More{{phones, "2", false}, {phones, "1", false}}}},
		"nothing": {"CN=a", []*ldap.EntryAttribute{attribute("department", " ", ""), attribute("title", "Dr.")}, Account{}},
		"who he works for": {"<GUID=" + id + ">;CN=a", []*ldap.EntryAttribute{attribute("manager", " ", ref, ref, " ")},
			Account{DN: "CN=a", More: []More{{boss, id, false}}}},
		"a name as a text": {"CN=a", []*ldap.EntryAttribute{attribute("department", ref)},
			Account{More: []More{{dep, "CN=boss", false}}}},
		"addresses": {"CN=a", []*ldap.EntryAttribute{attribute("proxyAddresses", "smtp:b@x", "X500:c", "SMTP:a@x", "SMTP:d@x", "smtp:a@x", "smtp:", "smtp: ")},
			Account{More: []More{{proxies, "b@x", false}, {proxies, "a@x", true}, {proxies, "d@x", false}}}},
		"no address": {"CN=a", []*ldap.EntryAttribute{attribute("proxyAddresses", "X500:c", "x")}, Account{}},
		"in parts": {"CN=a", []*ldap.EntryAttribute{attribute("mail;range=0-1", "a", "b"), attribute("otherTelephone;range=0-*", "1"), attribute("title;range=0-1", "a")},
			Account{More: []More{{phones, "1", false}}, inParts: []string{"mail"}}},
	} {
		e := &ldap.Entry{DN: tt.dn, Attributes: append([]*ldap.EntryAttribute{attribute("objectGUID", wireText(guid(1))), attribute("userAccountControl", "512")}, tt.attributes...)}
		tt.want.GUID = guid(1)
		if tt.want.DN == "" {
			tt.want.DN = tt.dn
		}
		got, err := cfg.decode(e)
		require.NoError(t, err, name)
		assert.Equal(t, tt.want, got, name)
		message := raw(1, entry(e))
		_, op, _ := messageID(message[headerLength(message):])
		var wire Account
		ok, err := (&entryDecoder{cfg: cfg}).decode(op, &wire)
		require.True(t, ok)
		require.NoError(t, err, name)
		assert.Equal(t, tt.want, wire, name)
	}
	for _, value := range []string{"CN=boss", "<GUID=" + id, "<GUID=x>;CN=boss", id + ">", "x<GUID=" + id + ">"} {
		_, err := references([][]byte{[]byte(value)})
		assert.ErrorIs(t, err, errReference, value)
	}
}

func TestWithoutRange_LeavesOtherOptions(t *testing.T) {
	for name, want := range map[string]string{
		"": "", "sn": "sn", "sn;range=0-1": "sn", "sn;RANGE=0-*": "sn", "sn;range=x": "sn", "sn;range=": "sn;range=", "sn;lang-de": "sn;lang-de", "sn;x": "sn;x",
		"sn;lang-de;range=0-1": "sn;lang-de;range=0-1", ";range=0": "", "sn;rangeless-0": "sn;rangeless-0",
	} {
		assert.Equal(t, want, withoutRange(name), name)
		assert.Equal(t, want, string(withoutRange([]byte(name))), name)
	}
}

func TestPlainDN(t *testing.T) {
	for dn, want := range map[string]string{
		"CN=a": "CN=a", "": "", "<GUID=1>;CN=a": "CN=a", "<GUID=1>;<SID=2>;CN=a": "CN=a", "<SID=2>;CN=a": "CN=a",
		"<GUID=1>": "<GUID=1>", "<WKGUID=1>;CN=a": "<WKGUID=1>;CN=a", "CN=<GUID=1>;x": "CN=<GUID=1>;x",
	} {
		assert.Equal(t, want, plainDN(dn), dn)
	}
}

// A detail that is not the account's own may change without its number.
func TestIsUnnumbered_OfDetailsOfOthers(t *testing.T) {
	assert.False(t, (&Config{}).IsUnnumbered())
	for f, want := range map[Further]bool{
		{"department", Text}: false, {"Department", Set}: false, {"department", Reference}: true, {"manager", Text}: true,
		{"memberOf", Set}: true, {"msDS-Something", Text}: true,
	} {
		assert.Equal(t, want, (&Config{Further: []Further{{"title", Text}, f}}).IsUnnumbered(), f)
	}
}

func TestRangeOf(t *testing.T) {
	of := func(first int, attributes ...*ldap.EntryAttribute) (values []string, last int) {
		list, last := rangeOf(&ldap.Entry{Attributes: attributes}, "mail", first)
		for _, value := range list {
			values = append(values, string(value))
		}
		return values, last
	}
	for name, tt := range map[string]struct {
		first      int
		attributes []*ldap.EntryAttribute
		values     []string
		last       int
	}{
		"none":                {0, nil, nil, -1},
		"all":                 {0, []*ldap.EntryAttribute{attribute("sn", "x"), attribute("MAIL", "a", "b")}, []string{"a", "b"}, -1},
		"some":                {0, []*ldap.EntryAttribute{attribute("mail"), attribute("mail;Range=0-1", "a", "b")}, []string{"a", "b"}, 1},
		"the last":            {2, []*ldap.EntryAttribute{attribute("mail;range=2-*", "c")}, []string{"c"}, -1},
		"others than asked":   {2, []*ldap.EntryAttribute{attribute("mail;range=3-*", "c")}, nil, -1},
		"the first once more": {2, []*ldap.EntryAttribute{attribute("mail;range=0-1", "a", "b")}, nil, -1},
	} {
		values, last := of(tt.first, tt.attributes...)
		assert.Equal(t, tt.values, values, name)
		assert.Equal(t, tt.last, last, name)
	}
	values, last := rangeOf(nil, "mail", 0)
	assert.Empty(t, values)
	assert.Equal(t, -1, last)
}

// The rest of many values is read until the server says that there are no more.
func TestValues_InPartsFollowEachOther(t *testing.T) {
	read := func(parts map[string][]string) (Account, error) {
		cfg := testConfig()
		cfg.Further = []Further{{"otherTelephone", Set}}
		var asked []string
		defer func() { assert.Len(t, slices.Compact(asked), len(asked), "nothing is asked for twice") }()
		c := newLiarTo(t, cfg, func(q question) []*ldap.Entry {
			if q.base == "CN=x" {
				asked = append(asked, q.attributes[0])
				part := parts[q.attributes[0]]
				if len(part) == 0 {
					return nil
				}
				return []*ldap.Entry{ldap.NewEntry("CN=x", map[string][]string{part[0]: part[1:]})}
			}
			return []*ldap.Entry{ldap.NewEntry("CN=x", map[string][]string{"objectGUID": {wireText(guid(1))}, "otherTelephone;range=0-0": {"1"}})}
		})
		accounts, err := list(t.Context(), c)
		if err != nil {
			return Account{}, err
		}
		return accounts[0], nil
	}
	phones := func(texts ...string) (more []More) {
		for _, text := range texts {
			more = append(more, More{Of: NumValues, Text: text})
		}
		return more
	}
	for name, tt := range map[string]struct {
		parts map[string][]string
		want  []string
	}{
		"at once":    {map[string][]string{"otherTelephone": {"otherTelephone", "1", "2"}}, []string{"1", "2"}},
		"in three":   {map[string][]string{"otherTelephone": {"otherTelephone;range=0-1", "1", "2"}, "otherTelephone;range=2-*": {"otherTelephone;range=2-2", "3"}, "otherTelephone;range=3-*": {"otherTelephone;range=3-*", "4"}}, []string{"1", "2", "3", "4"}},
		"no more":    {map[string][]string{"otherTelephone": {"otherTelephone;range=0-1", "1", "2"}}, nil},
		"too few":    {map[string][]string{"otherTelephone": {"otherTelephone;range=0-2", "1", "2"}, "otherTelephone;range=2-*": {"otherTelephone;range=2-*", "3"}}, nil},
		"out of use": {map[string][]string{"otherTelephone": {"otherTelephone;range=0-1", "1", "2"}, "otherTelephone;range=2-*": {"otherTelephone;range=0-1", "1", "2"}}, nil},
	} {
		a, err := read(tt.parts)
		if tt.want == nil {
			assert.ErrorIs(t, err, errParts, name)
			continue
		}
		require.NoError(t, err, name)
		assert.Equal(t, phones(tt.want...), a.More, name)
		assert.Empty(t, a.inParts, name)
	}
	endless := map[string][]string{"otherTelephone": {"otherTelephone;range=0-0", "0"}}
	for n := 1; n < 2*maxRanges; n++ {
		endless[fmt.Sprintf("otherTelephone;range=%d-*", n)] = []string{fmt.Sprintf("otherTelephone;range=%d-%d", n, n), fmt.Sprint(n)}
	}
	_, err := read(endless)
	assert.ErrorIs(t, err, errParts, "without an end")
}

// References are asked for by a control, which the server must know, and parts of them too.
func TestReferences_AreReadByTheirControl(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	ids := d.add(2)
	must(t, d.SetAttribute(ids[0], "manager", d.DN(ids[1])))
	must(t, d.SetAttribute(ids[0], "department", "Sales"))
	cfg := d.config()
	cfg.Further = []Further{{"manager", Reference}, {"department", Text}}
	accounts, err := list(t.Context(), d.open(cfg))
	require.NoError(t, err)
	require.Len(t, accounts, 2)
	more := map[string][]More{}
	for _, a := range accounts {
		assert.Equal(t, d.DN(fakead.GUID(a.GUID)), a.DN, "as it is without the control")
		more[a.Values[0]] = a.More
	}
	slices.SortFunc(more["u1"], func(a, b More) int { return a.Of - b.Of })
	assert.Equal(t, map[string][]More{"u1": {{NumValues, adattr.GUID(ids[1]).String(), false}, {NumValues + 1, "Sales", false}}, "u2": nil}, more)

	cancel := d.Order(fakead.Fault{Kind: fakead.FaultRange, Attributes: []string{"manager"}, Page: 1})
	accounts, err = list(t.Context(), d.open(cfg))
	require.NoError(t, err)
	for _, a := range accounts {
		slices.SortFunc(a.More, func(a, b More) int { return a.Of - b.Of })
		assert.Equal(t, more[a.Values[0]], a.More, "also in parts")
	}
	cancel()

	d.Order(fakead.Fault{Kind: fakead.FaultNoControl, Text: controlExtendedDN})
	_, err = list(t.Context(), d.open(cfg))
	assert.ErrorIs(t, err, errNoReferences)
	cfg.Further = cfg.Further[1:]
	_, err = list(t.Context(), d.open(cfg))
	assert.NoError(t, err, "nobody needs it")
}

// The parts of an attribute end with what goes wrong.
func TestValues_PartsThatCannotBeRead(t *testing.T) {
	d := newDomain(t, fakead.Config{MaxValRange: 2})
	ids := d.add(1)
	must(t, d.SetAttribute(ids[0], "otherTelephone", "1", "2", "3", "4", "5"))
	cfg := d.config()
	cfg.Further = []Further{{"otherTelephone", Set}}
	accounts, err := list(t.Context(), d.open(cfg))
	require.NoError(t, err)
	assert.Len(t, accounts[0].More, 5)
	d.Order(fakead.Fault{Kind: fakead.FaultResult, Code: 51, Op: fakead.OpSearch, Match: "CN=u1"})
	_, err = list(t.Context(), d.open(cfg))
	assert.True(t, ldap.IsErrorWithCode(err, 51), "%v", err)
	d.ClearFaults()
	d.Order(fakead.Fault{Kind: fakead.FaultHide, Op: fakead.OpSearch, Match: "CN=u1"})
	_, err = list(t.Context(), d.open(cfg))
	assert.ErrorIs(t, err, errParts)
}
