package ldapread

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
