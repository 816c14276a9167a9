package ldapread

import (
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/adattr"
	"github.com/go-adsync/adsync/internal/fakead"
)

// mS-DS-ConsistencyGuid is in the layout of an objectGUID, and people fill it.
func TestIdentity_MayBeConsistencyGuid(t *testing.T) {
	for _, recycleBin := range []bool{false, true} {
		d := newDomain(t, fakead.Config{RecycleBin: recycleBin})
		require.NoError(t, d.GrantTombstones("svc@ad.example.test"))
		ids := d.add(3)
		for i, id := range ids {
			require.NoError(t, d.SetAttribute(id, "mS-DS-ConsistencyGuid", wireText(guid(byte(i)))))
		}
		cfg := d.config()
		cfg.Identity = adattr.IdentityOf("ms-ds-consistencyguid")
		c := d.open(cfg)
		accounts, err := list(t.Context(), c)
		require.NoError(t, err)
		var got []adattr.GUID
		for _, a := range accounts {
			got = append(got, a.GUID)
		}
		assert.ElementsMatch(t, []adattr.GUID{guid(0), guid(1), guid(2)}, got)

		require.NoError(t, d.Delete(ids[0]))
		require.NoError(t, d.Disable(ids[1]))
		accounts, err = look(t.Context(), c, fakead.GUID(guid(0)), fakead.GUID(guid(1)))
		require.NoError(t, err)
		require.Len(t, accounts, 2)
		assert.Equal(t, Present, accounts[0].State)
		assert.True(t, accounts[0].Disabled, "it is an Active Directory")
		want := Unproven // a tombstone does not keep it
		if recycleBin {
			want = Deleted
		}
		assert.Equal(t, want, accounts[1].State)
		access, err := c.Check(t.Context())
		require.NoError(t, err)
		assert.Equal(t, recycleBin, access.Tombstones)
		assert.Equal(t, !recycleBin, strings.Contains(strings.Join(access.Missing, "\n"), bareTombstones))
	}
}

// The error says what a value is that is no identity, the same both ways.
func TestIdentity_SaysWhatAnotherValueIs(t *testing.T) {
	sid := "\x01\x05\x00\x00\x00\x00\x00\x05\x15\x00\x00\x00" + strings.Repeat("x", 16)
	for _, tt := range []struct{ attribute, value, want string }{
		{"objectSid", sid, "the identity of an account, objectSid, is a security identifier (SID)"},
		{"entryUUID", "Ada Lovelace", "is a text that is no UUID"},
		{"entryUUID", wireText(guid(1)), "16 bytes of a layout that is not known"},
		{"entryUUID", "\xff\xd8\xff\xe0", "4 bytes that are neither a GUID nor text"},
		{"entryUUID", "00000000-0000-0000-0000-000000000000", "empty or all zeros"},
		{"objectGUID", "\xff\x01\x02", "3 bytes"},
		{"objectGUID", strings.Repeat("\x00", 16), "all zeros"},
		{"mS-DS-ConsistencyGuid", guid(1).String(), "is a text that is no UUID"},
		{"nsUniqueId", "Ada", "is a text"},
	} {
		cfg := testConfig()
		cfg.Identity = adattr.IdentityOf(tt.attribute)
		message := raw(1, entry(&ldap.Entry{DN: "CN=x", Attributes: []*ldap.EntryAttribute{attribute(tt.attribute, tt.value)}}))
		for _, plainly := range []bool{false, true} {
			cfg.Plain = plainly
			s := cannedSession(cfg, slicesOf(message, end()), 4096)
			_, err := s.accountsOfPage(t)
			s.close()
			require.ErrorContains(t, err, tt.want)
			assert.ErrorContains(t, err, "map object_id to")
			assert.NotContains(t, err.Error(), "Ada")
		}
	}
}

// A value of white space alone is none, and the next one counts; an identity may hold any
// bytes.
func TestDecode_BlankValueIsEmpty(t *testing.T) {
	blanks := []string{"", " ", "\t\r\n", "\u00a0\u2003\u3000", "\u0085 \u2028"}
	for _, blank := range blanks {
		e := &ldap.Entry{DN: "CN=x", Attributes: []*ldap.EntryAttribute{
			attribute("objectGUID", strings.Repeat(" ", 16)), attribute("sAMAccountName", blank), attribute("givenName", blank, "Ada"),
			attribute("sn", " Lovelace "), attribute("mail", blank, blank), attribute("telephoneNumber", "\u200b"),
		}}
		accounts, err := bothWays(t, slicesOf(raw(1, entry(e)), end()), 4096)
		require.NoError(t, err)
		require.Len(t, accounts, 1)
		assert.Equal(t, [NumValues]string{"", "Ada", " Lovelace ", "", "\u200b"}, accounts[0].Values, "%q", blank)
	}
}
