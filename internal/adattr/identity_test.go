package adattr

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestIdentity(t *testing.T) {
	g, err := ParseGUID("e124855b-371a-41be-9f05-3c1a9b7d2e10")
	require.NoError(t, err)
	for _, tt := range []struct{ attribute, name, value, assertion string }{
		{"", "objectGUID", "\x5b\x85\x24\xe1\x1a\x37\xbe\x41\x9f\x05\x3c\x1a\x9b\x7d\x2e\x10", `\5b\85\24\e1\1a\37\be\41\9f\05\3c\1a\9b\7d\2e\10`},
		{"OBJECTGUID", "objectGUID", "\x5b\x85\x24\xe1\x1a\x37\xbe\x41\x9f\x05\x3c\x1a\x9b\x7d\x2e\x10", `\5b\85\24\e1\1a\37\be\41\9f\05\3c\1a\9b\7d\2e\10`},
		{"MS-DS-ConsistencyGuid", "MS-DS-ConsistencyGuid", "\x5b\x85\x24\xe1\x1a\x37\xbe\x41\x9f\x05\x3c\x1a\x9b\x7d\x2e\x10", `\5b\85\24\e1\1a\37\be\41\9f\05\3c\1a\9b\7d\2e\10`},
		{"1.2.840.113556.1.4.1360", "1.2.840.113556.1.4.1360", "\x5b\x85\x24\xe1\x1a\x37\xbe\x41\x9f\x05\x3c\x1a\x9b\x7d\x2e\x10", `\5b\85\24\e1\1a\37\be\41\9f\05\3c\1a\9b\7d\2e\10`},
		{"entryUUID", "entryUUID", "E124855B-371a-41be-9f05-3c1a9b7d2e10", "e124855b-371a-41be-9f05-3c1a9b7d2e10"},
		{"nsuniqueid", "nsuniqueid", "e124855B-371a41be-9f053c1a-9b7d2e10", "e124855b-371a41be-9f053c1a-9b7d2e10"},
	} {
		i := IdentityOf(tt.attribute)
		assert.Equal(t, tt.name, i.Attribute())
		got, err := i.Parse([]byte(tt.value))
		require.NoError(t, err, tt.attribute)
		assert.Equal(t, g, got, tt.attribute)
		assert.Equal(t, "x="+tt.assertion, string(i.AppendAssertion([]byte("x="), g)))
	}
	for attribute, want := range map[string]struct{ isObjectGUID, isActiveDirectory bool }{
		"": {true, true}, "1.2.840.113556.1.4.2": {true, true}, "mS-DS-ConsistencyGuid": {false, true}, "entryUUID": {false, false},
	} {
		i := IdentityOf(attribute)
		assert.Equal(t, want.isObjectGUID, i.IsObjectGUID(), attribute)
		assert.Equal(t, want.isActiveDirectory, i.IsActiveDirectory(), attribute)
	}
	renamed := IdentityOf("1.2.840.113556.1.4.1360").Named("mS-DS-ConsistencyGuid")
	assert.Equal(t, "mS-DS-ConsistencyGuid", renamed.Attribute())
	assert.Equal(t, IdentityOf("mS-DS-ConsistencyGuid"), renamed)
}

func TestIdentity_Refuses(t *testing.T) {
	for attribute, values := range map[string][]string{
		"":           {"", "fe24855b-371a-41be-9f05-3c1a9b7d2e10"},
		"entryUUID":  {"", "ada", "\x5b\x85\x24\xe1\x1a\x37\xbe\x41\x9f\x05\x3c\x1a\x9b\x7d\x2e\x10", "fe24855b-371a41be-9f053c1a-9b7d2e10"},
		"nsUniqueId": {"", "fe24855b-371a-41be-9f05-3c1a9b7d2e10", "fe24855b-371a41be-9f053c1a-9b7d2e1g", "fe24855b_371a41be_9f053c1a_9b7d2e10"},
	} {
		for _, value := range values {
			_, err := IdentityOf(attribute).Parse([]byte(value))
			require.Error(t, err, "%s %q", attribute, value)
			if len(value) > 3 {
				assert.NotContains(t, err.Error(), value[:4], "it may be anybody's data")
			}
		}
	}
}

// The message says what the value is, so that a wrong mapping is found at once.
func TestIdentity_SaysWhatAValueIs(t *testing.T) {
	const unknown = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
	sid := "\x01\x05\x00\x00\x00\x00\x00\x05" + unknown + "\xe9\x03\x00\x00"
	for _, tt := range []struct{ attribute, value, want string }{
		{"", "", "empty or all zeros"},
		{"", strings.Repeat("\x00", 16), "all zeros"},
		{"", strings.Repeat("\x00", 15), "15 bytes that are neither a GUID nor text"},
		{"entryUUID", "00000000-0000-0000-0000-000000000000", "empty or all zeros"},
		{"entryUUID", "{00000000-0000-0000-0000-000000000000}", "empty or all zeros"},
		{"nsUniqueId", "00000000-00000000-00000000-00000000", "empty or all zeros"},
		{"entryUUID", "ada", "a text that is no UUID"},
		{"entryUUID", "a line\n", "7 bytes that are neither a GUID nor text"},
		{"entryUUID", "ad\xff", "3 bytes that are neither a GUID nor text"},
		{"entryUUID", unknown, "16 bytes of a layout that is not known"},
		{"", sid, "a security identifier (SID)"},
		{"", "\x01\x00\x00\x00\x00\x00\x00\x05", "a security identifier (SID)"},
		{"", "\x01\x00\x00\x00\x00\x00\x05", "7 bytes that are neither a GUID nor text"},
		{"", "\x02" + sid[1:], "28 bytes that are neither a GUID nor text"},
		{"", sid[:24], "24 bytes that are neither a GUID nor text"},
		{"nsUniqueId", "e124855b-371a41be-9f053c1a-9b7d2e100", "a text that is no UUID"},
		{"nsUniqueId", "e124855b-371a41be-9f053c1a_9b7d2e10", "a text that is no UUID"},
		{"nsUniqueId", "e124855b-371a41be_9f053c1a-9b7d2e10", "a text that is no UUID"},
		{"nsUniqueId", "e124855b_371a41be-9f053c1a-9b7d2e10", "a text that is no UUID"},
	} {
		g, err := IdentityOf(tt.attribute).Parse([]byte(tt.value))
		require.ErrorContains(t, err, " is "+tt.want, "%q", tt.value)
		assert.Zero(t, g, "%q", tt.value)
	}
}
