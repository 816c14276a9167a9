package ldapread

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/adattr"
)

// smallGraph is three groups and two people: the groups are 0 to 2, the people 3 and 4. Bit
// 5*g+m of edges says that m is in g; bit m of hidden that object m cannot be seen.
func smallGraph(edges, hidden int) *graph {
	g := &graph{byGUID: true, byKey: map[string]int{}}
	for n := range 5 {
		id := adattr.GUID{15: byte(n + 1)}
		g.nodes = append(g.nodes, node{key: string(id[:]), id: id, class: classOther})
		switch {
		case hidden>>n&1 == 1:
			g.nodes[n].class = classHidden
		case n < 3:
			g.nodes[n].class = classGroup
			for m := range 5 {
				if edges>>(5*n+m)&1 == 1 {
					g.nodes[n].members = append(g.nodes[n].members, m)
				}
			}
		}
	}
	return g
}

// oracle tells by a matrix who is in group 0, and whether all of that can be seen.
func oracle(edges, hidden int, nested bool) (people [5]bool, whole bool) {
	seen := func(n int) bool { return hidden>>n&1 == 0 }
	var reach [3]bool
	reach[0] = true
	if nested {
		for range 3 {
			for g := range 3 {
				for m := range 3 {
					reach[m] = reach[m] || reach[g] && seen(g) && edges>>(5*g+m)&1 == 1
				}
			}
		}
	}
	whole = true
	for g := range 3 {
		if !reach[g] || !seen(g) {
			continue
		}
		for m := range 5 {
			if edges>>(5*g+m)&1 == 1 {
				people[m] = people[m] || m >= 3
				whole = whole && (seen(m) || !nested)
			}
		}
	}
	return people, whole
}

// TestGraph_InEverySmallWorld tries every graph of three groups and two people with everything
// that may be hidden but the group itself. ADSYNC_WORLDS=1000000 tries them all.
func TestGraph_InEverySmallWorld(t *testing.T) {
	const all = 1 << 15 * 16 * 2
	count, err := strconv.Atoi(os.Getenv("ADSYNC_WORLDS"))
	if err != nil {
		count = 20_000
	}
	step := max(1, all/count)
	if step > 1 {
		step |= 1 // odd, so that every bit changes
	}
	for n := 0; n < all; n += step {
		edges, hidden, nested := n>>5, n>>1&15<<1, n&1 == 1
		g := smallGraph(edges, hidden)
		var got [5]bool
		for _, id := range g.members(0, nested) {
			got[id[15]-1] = id[15] > 3
		}
		people, whole := oracle(edges, hidden, nested)
		require.Equal(t, people, got, "world %d", n)
		require.Equal(t, whole, g.fault(0, nested, "r") == "", "world %d", n)
	}
}

func TestRoleSets_AreNumbered(t *testing.T) {
	s := newRoleSets()
	one := s.with(0, 1)
	assert.Equal(t, one, s.with(one, 1), "a role twice")
	both := s.with(one, 4)
	assert.Equal(t, both, s.with(s.with(0, 1), 4))
	assert.NotEqual(t, both, s.with(0, 4))
	assert.Equal(t, [][]int{nil, {1}, {1, 4}, {4}}, slices.Clone(s.list))
}

// A group may have both attributes for its members.
func TestPartOf_TakesBothAttributes(t *testing.T) {
	part := partOf(ldap.NewEntry("cn=g", map[string][]string{"member": {"cn=a"}, "objectClass": {"groupOfNames"}, "uniqueMember": {"cn=b", "cn=c"}}))
	assert.Equal(t, []string{"cn=a", "cn=b", "cn=c"}, slices.Sorted(slices.Values(part.values)))
	assert.Negative(t, part.last)
	part = partOf(ldap.NewEntry("cn=g", map[string][]string{"member": nil, "member;range=3-4": {"cn=a", "cn=b"}}))
	assert.Equal(t, memberPart{name: "member", first: 3, last: 4, values: []string{"cn=a", "cn=b"}}, part)
}

// What is taken for a plain DN folds as any other does.
func TestFoldDN_OfPlainOnes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const letters = "aBc1=, .@_-+#\\\"ö"
	plain := 0
	for range 200_000 {
		var dn strings.Builder
		for range r.IntN(12) {
			dn.WriteByte(letters[r.IntN(len(letters))])
		}
		if !isPlainDN(dn.String()) {
			continue
		}
		plain++
		want := strings.ToLower(dn.String())
		if parsed, err := ldap.ParseDN(dn.String()); err == nil {
			want = strings.ToLower(parsed.String())
		}
		require.Equal(t, want, foldDN(dn.String()))
	}
	assert.Greater(t, plain, 500)
	for _, dn := range []string{"cn=Ann Lee,ou=people,dc=x", "uid=u1@x.y,dc=x"} {
		assert.True(t, isPlainDN(dn), dn)
	}
	assert.Equal(t, "cn=lee\\, ann,dc=x", foldDN("CN=Lee\\, Ann, DC=x"))
}
