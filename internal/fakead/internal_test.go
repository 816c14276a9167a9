package fakead

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGUID_Orders(t *testing.T) {
	g, err := parseGUID("e124855b-371a-41be-9f05-3c1a9b7d2e10")
	require.NoError(t, err)
	assert.Equal(t, "\x5b\x85\x24\xe1\x1a\x37\xbe\x41\x9f\x05\x3c\x1a\x9b\x7d\x2e\x10", g.Wire())
	assert.Equal(t, "e124855b-371a-41be-9f05-3c1a9b7d2e10", g.String())
	back, err := parseGUID("5b8524e11a37be419f053c1a9b7d2e10")
	require.NoError(t, err)
	assert.Equal(t, g, back, "without dashes it is the bytes of the wire")
	_, err = parseGUID("e124855b")
	assert.Error(t, err)
}

func TestDN_Spellings(t *testing.T) {
	for spelling, want := range map[string]string{
		`CN=a,DC=b`:             `CN=a,DC=b`,
		`cn = a , dc= b `:       `cn=a,dc=b`,
		`CN=Ash\, Anna,DC=b`:    `CN=Ash\, Anna,DC=b`,
		`CN=Ash\2c Anna,DC=b`:   `CN=Ash\, Anna,DC=b`,
		`CN=x\0ADEL:1,DC=b`:     `CN=x\0ADEL:1,DC=b`,
		`CN=\ a\ ,DC=b`:         `CN=\ a\ ,DC=b`,
		`CN=\#1 = \2b\"\\,DC=b`: `CN=\#1 \= \+\"\\,DC=b`,
		`CN=J\c3\bcrgen;DC=b`:   `CN=Jürgen,DC=b`,
	} {
		dn, err := parseDN(spelling)
		require.NoError(t, err, spelling)
		var parts []string
		for _, part := range dn {
			parts = append(parts, part.String())
		}
		assert.Equal(t, want, strings.Join(parts, ","), spelling)
	}
	for _, bad := range []string{"", "a", "CN=", "=a", "CN=a,", "CN=a+SN=b", `CN=a\`, `CN=a\zz`, `CN="a"`, "CN=a,,DC=b"} {
		_, err := parseDN(bad)
		assert.Error(t, err, bad)
	}
}

func FuzzDN(f *testing.F) {
	for _, seed := range []string{`CN=Ash\, Anna,DC=b`, `CN=x\0ADEL:1,DC=b`, `cn=\ a\ `, `CN=\c3\bc`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		dn, err := parseDN(s)
		if err != nil {
			return
		}
		for _, part := range dn {
			again, err := parseDN(part.String())
			require.NoError(t, err)
			require.Len(t, again, 1)
			require.Equal(t, part, again[0], "what is written reads the same")
			theirs, err := ldap.ParseDN(part.String())
			require.NoError(t, err, "go-ldap reads it too")
			require.Equal(t, part.value, theirs.RDNs[0].Attributes[0].Value)
		}
	})
}

// FuzzRequest feeds the parsers what a hostile client may send.
func FuzzRequest(f *testing.F) {
	w := &berWriter{}
	w.integer(tagInteger, 5)
	body := w.open(tagSearchRequest)
	w.text("DC=x")
	w.integer(tagEnumerated, 2)
	w.integer(tagEnumerated, 0)
	w.integer(tagInteger, 0)
	w.integer(tagInteger, 0)
	w.primitive(tagBoolean, "\x00")
	w.primitive(byte(filterPresent), "cn")
	w.close(w.open(tagSequence))
	w.close(body)
	f.Add(w.buf)
	f.Add([]byte{0x02, 0x01, 0x01, 0x66, 0x00})
	s := newServer(Config{}.withDefaults(), &domain{rids: &ridPool{last: 1103}})
	s.name, s.baseDN = "DC1", "DC=ad,DC=example,DC=test"
	s.tree = newTree(time.Now, rand.Reader, s.domain.rids)
	s.seed()
	f.Fuzz(func(t *testing.T, data []byte) {
		req, err := parseRequest(data)
		if err != nil || req.tag == tagUnbindRequest {
			return
		}
		c := &conn{server: s, bound: true, encrypted: true, who: s.tree.identify(s.tree.lookup(s.AdminDN()))}
		op, known := req.op()
		if !known {
			return
		}
		c.describe(req, op)
		answer, err := c.answer(req, op)
		if err == nil {
			for i, m := range answer {
				require.NotEmpty(t, req.envelope(m, i))
			}
		}
	})
}

func TestBER_Integers(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 255, 256, 32767, 32768, 1 << 24, 1<<31 - 1, -1, -128, -129} {
		w := &berWriter{}
		w.integer(tagInteger, n)
		got, err := (&berReader{w.buf}).integer(tagInteger)
		require.NoError(t, err)
		assert.Equal(t, n, got)
	}
}

func BenchmarkAddUser(b *testing.B) {
	s, err := Start(Config{})
	require.NoError(b, err)
	defer s.Close()
	for i := 0; b.Loop(); i++ {
		_, err := s.AddUser(User{Username: fmt.Sprintf("u%07d", i), FirstName: "A", LastName: "B", Email: fmt.Sprintf("u%d@x.test", i), Phone: "1"})
		require.NoError(b, err)
	}
}

// A look-up of 200 among many is answered from the index, whose cost does not
// follow the size of the directory: the candidates are the hits.
func TestIndex_OfManyAccounts(t *testing.T) {
	s, err := Start(Config{})
	require.NoError(t, err)
	defer s.Close()
	or := &filter{op: filterOr}
	for i := range 20_000 {
		id, err := s.AddUser(User{Username: fmt.Sprintf("u%05d", i), Email: "same@x.test"})
		require.NoError(t, err)
		if i%100 == 0 {
			kid := &filter{op: filterEqual, name: "objectGUID", value: id.Wire()}
			s.tree.prepare(kid)
			or.kids = append(or.kids, kid)
		}
	}
	hits, ok := s.tree.candidates(or)
	assert.True(t, ok)
	assert.Len(t, hits, 200)
	scan := &filter{op: filterPresent, name: "cn"}
	s.tree.prepare(scan)
	_, ok = s.tree.candidates(&filter{op: filterOr, kids: []*filter{or, scan}})
	assert.False(t, ok, "one kid without an index spoils an OR")
	hits, ok = s.tree.candidates(&filter{op: filterAnd, kids: []*filter{scan, or}})
	assert.True(t, ok, "but not an AND")
	assert.Len(t, hits, 200)
}
