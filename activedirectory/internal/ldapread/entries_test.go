package ldapread

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/fakead"
)

// readEntries is what one search brings.
func readEntries(t testing.TB, plainly bool, stream []byte, piece int) ([]*ldap.Entry, error) {
	cfg := testConfig()
	cfg.Plain = plainly
	s := cannedSession(cfg, stream, piece)
	defer s.close()
	result, err := s.searchEntries(t.Context(), doing, s.searchRequest(query{filter: cfg.Filter}, nil))
	if err != nil {
		return nil, err
	}
	return result.Entries, nil
}

// entriesBothWays wants the same entries through the sieve and by go-ldap alone, or an error
// both times. What the sieve leaves to go-ldap comes last.
func entriesBothWays(t testing.TB, stream []byte, piece int) []*ldap.Entry {
	sieved, sievedErr := readEntries(t, false, stream, piece)
	want, wantErr := readEntries(t, true, stream, piece)
	require.Equal(t, wantErr == nil, sievedErr == nil, "by go-ldap: %v, through the sieve: %v", wantErr, sievedErr)
	order := func(a, b *ldap.Entry) int { return strings.Compare(fmt.Sprintf("%+v", a), fmt.Sprintf("%+v", b)) }
	slices.SortFunc(sieved, order)
	slices.SortFunc(want, order)
	require.Equal(t, want, sieved)
	return sieved
}

func TestEntries_ReadTheSameBothWays(t *testing.T) {
	for _, tt := range forms {
		for _, piece := range []int{1, 4096} {
			entriesBothWays(t, append([]byte(tt.message), end()...), piece)
		}
	}
	group := &ldap.Entry{DN: "cn=g", Attributes: []*ldap.EntryAttribute{
		attribute("member", "cn=a", "", "cn=b\xff", "cn=ö"), attribute("objectClass"), attribute("member;range=0-1", "cn=c"),
	}}
	got := entriesBothWays(t, append(raw(1, entry(group)), end()...), 7)
	require.Len(t, got, 1)
	assert.Equal(t, []string{"cn=a", "", "cn=b\xff", "cn=ö"}, got[0].GetAttributeValues("member"))
	assert.Equal(t, []byte("cn=c"), got[0].GetRawAttributeValue("member;range=0-1"))
}

// What is read right from the bytes, and what go-ldap has to judge.
func TestEntries_AreReadFromTheirBytes(t *testing.T) {
	mail := tlv(0x30, short(4, "mail"), tlv(0x31, short(4, "a@x"), short(4), short(4, "b@x")))
	e, values, ok := wireEntry([]byte(tlv(0x64, short(4, "CN=x"), tlv(0x30, mail, tlv(0x30, short(4, "sn"), tlv(0x31)), mail))))
	require.True(t, ok)
	assert.Equal(t, 6, values)
	one := attribute("mail", "a@x", "", "b@x")
	assert.Equal(t, &ldap.Entry{DN: "CN=x", Attributes: []*ldap.EntryAttribute{one, attribute("sn"), one}}, normal(e))
	e, values, ok = wireEntry([]byte(tlv(0x64, short(4), tlv(0x30))))
	require.True(t, ok)
	assert.Zero(t, values)
	assert.Equal(t, &ldap.Entry{Attributes: []*ldap.EntryAttribute{}}, e)
	for name, op := range map[string]string{
		"another answer":             tlv(0x65, short(4, "CN=x"), tlv(0x30, mail)),
		"more behind it":             tlv(0x64, short(4, "CN=x"), tlv(0x30, mail)) + short(4),
		"no DN":                      tlv(0x64, tlv(0x30, mail)),
		"no attributes":              tlv(0x64, short(4, "CN=x")),
		"other than attributes":      tlv(0x64, short(4, "CN=x"), tlv(0x31, mail)),
		"more behind the attributes": tlv(0x64, short(4, "CN=x"), tlv(0x30, mail), short(4)),
		"an attribute that is none":  tlv(0x64, short(4, "CN=x"), tlv(0x30, mail, short(4))),
	} {
		e, _, ok := wireEntry([]byte(op))
		assert.False(t, ok, name)
		assert.Nil(t, e, name)
		var a Account
		ok, err := (&entryDecoder{cfg: testConfig()}).decode([]byte(op), &a)
		assert.False(t, ok, name)
		assert.NoError(t, err, name)
	}
}

// normal has no values where there are none.
func normal(e *ldap.Entry) *ldap.Entry {
	for i, a := range e.Attributes {
		e.Attributes[i] = attribute(a.Name, a.Values...)
		if len(a.Values) == 0 {
			e.Attributes[i] = attribute(a.Name)
		}
	}
	return e
}

// An answer with more values than may be decoded is left to go-ldap, and its bounds.
func TestEntries_AreTakenUpToABound(t *testing.T) {
	op := []byte(tlv(0x64, short(4, "CN=x"), tlv(0x30, tlv(0x30, short(4, "mail"), tlv(0x31, short(4, "a"), short(4, "b"))))))
	h := &harvest{whole: true, values: maxElements - 2}
	assert.True(t, h.take(op), "the last")
	assert.False(t, h.take(op))
	assert.Len(t, h.entries, 1)
	h = &harvest{whole: true}
	assert.False(t, h.take([]byte(tlv(0x65))))
	h.over = true
	assert.False(t, h.take(op), "after the end")
	assert.Empty(t, h.entries)
}

// What is no account is read to the end too, or not at all.
func TestEntries_OfOtherObjectsAreWholeOrAnError(t *testing.T) {
	read := func(d *domain, each func(*ldap.Entry) error) (dns []string, err error) {
		cfg := d.config()
		cfg.PageSize = 10
		c := d.open(cfg)
		err = c.use(t.Context(), func(s *session) error {
			return s.eachEntry(t.Context(), "reading groups", d.people, "(objectClass=user)", []string{"cn"}, func(e *ldap.Entry) error {
				dns = append(dns, e.DN)
				return each(e)
			})
		})
		return dns, err
	}
	all := func(*ldap.Entry) error { return nil }
	d := newDomain(t, fakead.Config{})
	d.add(25)
	dns, err := read(d, all)
	require.NoError(t, err)
	assert.Len(t, dns, 25)
	for _, r := range d.Requests() {
		assert.NotContains(t, r.Controls, controlShowDeleted)
	}
	for kind, want := range map[fakead.FaultKind]error{fakead.FaultNoPagingControl: errUnpaged, fakead.FaultRepeatPage: errLoop} {
		cancel := d.Order(fakead.Fault{Kind: kind, Op: fakead.OpSearch, Page: 2, Match: d.people})
		dns, err = read(d, all)
		assert.ErrorIs(t, err, want)
		assert.ErrorContains(t, err, "reading groups: ")
		assert.Less(t, len(dns), 25)
		cancel()
	}
	cancel := d.Order(fakead.Fault{Kind: fakead.FaultEmptyPage, Op: fakead.OpSearch, Match: d.people})
	_, err = read(d, all)
	assert.ErrorIs(t, err, errEmpty)
	cancel()
	dns, err = read(d, func(*ldap.Entry) error { return assert.AnError })
	assert.ErrorIs(t, err, assert.AnError)
	assert.Len(t, dns, 1)
}

// Where a listing is ended early, the server holds its rest, whatever else is read then.
func TestEntries_ThatAreNotReadToTheEnd(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	d.add(25)
	for size, want := range map[uint32]int{10: 2, 25: 1} {
		before := d.Opened()
		cfg := d.config()
		cfg.PageSize = size
		c := d.open(cfg)
		for range 2 {
			err := c.use(t.Context(), func(s *session) error {
				stop := func(*ldap.Entry) error { return errStop }
				err := s.eachEntry(t.Context(), "reading groups", d.people, "(objectClass=user)", []string{"cn"}, stop)
				assert.ErrorIs(t, err, errStop)
				_, err = s.time(t.Context())
				return err
			})
			require.NoError(t, err)
		}
		assert.Equal(t, before+want, d.Opened(), "pages of %d", size)
	}
}

// A server cannot fill the memory with values of no bytes.
func TestEntries_AreBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	one := raw(1, entry(&ldap.Entry{DN: "cn=g", Attributes: []*ldap.EntryAttribute{attribute("member", make([]string, 100_000)...)}}))
	_, err := readEntries(t, plain, append(slices.Repeat(one, 12), end()...), 1<<20)
	assert.ErrorContains(t, err, "elements")
}

func FuzzWholeEntry(f *testing.F) {
	for _, form := range forms {
		f.Add([]byte(form.message), byte(200))
	}
	f.Fuzz(func(t *testing.T, stream []byte, piece byte) {
		entriesBothWays(t, slices.Concat(stream, end()), int(piece)+1)
	})
}

// What a member of a group costs, at most: nothing beside the room for all of them.
func TestAllocations_OfOneMember(t *testing.T) {
	if plain {
		t.Skip("go-ldap alone makes some twenty")
	}
	const few, many = 100, 1100
	allocations := func(n int) float64 {
		stream := append(raw(1, entry(&ldap.Entry{DN: "cn=g", Attributes: []*ldap.EntryAttribute{attribute("member", slices.Repeat([]string{"cn=somebody,dc=x"}, n)...)}})), end()...)
		return testing.AllocsPerRun(10, func() {
			if _, err := readEntries(t, false, stream, 16<<10); err != nil {
				t.Error(err)
			}
		})
	}
	assert.LessOrEqual(t, (allocations(many)-allocations(few))/(many-few), 0.1)
}
