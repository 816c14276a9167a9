package ldapread

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
