package ldapread

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/adattr"
	"github.com/go-adsync/adsync/internal/fakead"
)

func TestParseURL(t *testing.T) {
	tests := []struct {
		raw  string
		want Server
	}{
		{"ldaps://dc1.corp.example", Server{Host: "dc1.corp.example", Port: "636", TLS: true}},
		{"ldaps://dc1.corp.example:3269/", Server{Host: "dc1.corp.example", Port: "3269", TLS: true}},
		{"LDAPS://dc1", Server{Host: "dc1", Port: "636", TLS: true}},
		{"ldap://dc1", Server{Host: "dc1", Port: "389", StartTLS: true}},
		{"ldaps://10.0.0.1", Server{Host: "10.0.0.1", Port: "636", TLS: true}},
		{"ldap://10.0.0.1/", Server{Host: "10.0.0.1", Port: "389", StartTLS: true}},
		{"ldaps://dc1:65535", Server{Host: "dc1", Port: "65535", TLS: true}},
		{"ldaps://dc1:1", Server{Host: "dc1", Port: "1", TLS: true}},
		{"ldaps://[::1]:6360", Server{Host: "::1", Port: "6360", TLS: true}},
	}
	for _, tt := range tests {
		got, err := ParseURL(tt.raw, true)
		require.NoError(t, err, tt.raw)
		assert.Equal(t, tt.want, got, tt.raw)
		assert.True(t, got.Encrypted())
	}
	bare, err := ParseURL("ldap://dc1:3890", false)
	require.NoError(t, err)
	assert.False(t, bare.Encrypted())
	assert.Equal(t, "dc1:3890", bare.Address())
}

func TestParseURL_Refuses(t *testing.T) {
	for _, raw := range []string{
		"", "dc1", "dc1:636", "http://dc1", "ldapi:///var/run/slapd", "ldaps://", "ldaps://:636",
		"ldaps://u:hunter2@dc1", "ldaps://dc1/DC=corp", "ldaps://dc1?sub", "ldaps://dc1#x", "ldaps://dc1:99x", "://",
		"ldaps://u:hunter2@::1", "ldaps://u:hunter2@dc1:0",
	} {
		_, err := ParseURL(raw, false)
		require.ErrorIs(t, err, errURL, raw)
		assert.NotContains(t, err.Error(), "hunter2")
	}
	for _, raw := range []string{"ldaps://::1", "ldap://fe80::1/", "ldaps://2001:db8::1:636", "ldaps://::ffff:10.0.0.1"} {
		_, err := ParseURL(raw, false)
		require.ErrorIs(t, err, errIPv6, raw)
		assert.ErrorContains(t, err, "ldaps://[::1]")
	}
	for _, raw := range []string{"ldaps://dc1:0", "ldaps://dc1:65536", "ldap://[::1]:99999"} {
		_, err := ParseURL(raw, false)
		assert.ErrorIs(t, err, errPort, raw)
	}
}

func TestTLSConfig(t *testing.T) {
	standard := tlsConfig(nil, Server{Host: "dc1"})
	assert.Equal(t, "dc1", standard.ServerName)
	assert.EqualValues(t, tls.VersionTLS12, standard.MinVersion)
	assert.False(t, standard.InsecureSkipVerify)

	given := &tls.Config{ServerName: "other", MinVersion: tls.VersionTLS13}
	c := tlsConfig(given, Server{Host: "dc1"})
	assert.Equal(t, "other", c.ServerName)
	assert.EqualValues(t, tls.VersionTLS13, c.MinVersion)
	assert.NotSame(t, given, c)
}

func TestStartTLS_RequestIsWhatTheStandardSays(t *testing.T) {
	p, err := ber.DecodePacketErr([]byte(startTLSRequest))
	require.NoError(t, err)
	require.Len(t, p.Children, 2)
	assert.EqualValues(t, 1, p.Children[0].Value)
	assert.EqualValues(t, ldap.ApplicationExtendedRequest, p.Children[1].Tag)
	assert.Equal(t, "1.3.6.1.4.1.1466.20037", p.Children[1].Children[0].Data.String())
}

// A third party that slips something in behind the answer must not get it read
// as the answer of the encrypted server.
func TestStartTLS_ReadsNothingBehindTheAnswer(t *testing.T) {
	const injected = "injected"
	r := strings.NewReader("\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00" + injected)
	code, err := readStartTLSAnswer(r)
	require.NoError(t, err)
	assert.Zero(t, code)
	rest, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Equal(t, injected, string(rest))
}

// What cannot be read is no consent to encrypt.
func TestStartTLS_WantsAPlainAnswer(t *testing.T) {
	result := func(id, code string, more ...string) []byte {
		return []byte(tlv(0x30, id, tlv(0x78, append([]string{code, short(4), short(4)}, more...)...)))
	}
	code, err := readStartTLSAnswer(bytes.NewReader(result(idOne, "\x0a\x01\x34")))
	require.NoError(t, err)
	assert.EqualValues(t, 52, code)
	for name, tt := range map[string]struct {
		answer []byte
		want   error
	}{
		"a code of no bytes":       {result(idOne, "\x0a\x00"), errResult},
		"a code of nine bytes":     {result(idOne, "\x0a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01"), errResult},
		"another request's":        {result("\x02\x01\x02", "\x0a\x01\x00"), errFrame},
		"the end of a search":      {end(), errFrame},
		"nothing in it":            {[]byte("\x30\x00"), errFrame},
		"an ID alone":              {[]byte("\x30\x03\x02\x01\x01"), errFrame},
		"too long":                 {[]byte("\x30\x82\x10\x01"), errMessage},
		"deeper than LDAP":         {result(idOne, "\x0a\x01\x00", nested(20)), errDepth},
		"a notice of the end":      {result("\x02\x01\x00", "\x0a\x01\x34", short(0x8a, noticeOfDisconnection)), disconnection{52}},
		"not LDAP":                 {[]byte("HTTP/1.1 400 Bad Request"), errFrame},
		"cut off after the length": {[]byte("\x30\x0c\x02\x01\x01"), io.ErrUnexpectedEOF},
	} {
		_, err := readStartTLSAnswer(bytes.NewReader(tt.answer))
		assert.ErrorIs(t, err, tt.want, name)
	}
}

// FuzzStartTLSAnswer compares the reading with go-ldap's: both see the same success.
func FuzzStartTLSAnswer(f *testing.F) {
	f.Add([]byte("\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"))
	f.Add([]byte("\x30\x84\x7f\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		code, err := readStartTLSAnswer(bytes.NewReader(b))
		if err != nil {
			return
		}
		packet, err := ber.DecodePacketErr(b)
		if err != nil {
			requireBadValue(t, err)
			return
		}
		if err := ldap.GetLDAPError(packet); code == 0 || err == nil {
			assert.True(t, code == 0 && (err == nil || ldap.IsErrorWithCode(err, ldap.ErrorNetwork)), "%d, %v", code, err)
		}
	})
}

func TestExplain(t *testing.T) {
	stopped, stop := context.WithCancel(t.Context())
	stop()
	secret := errors.New("CN=Ada Lovelace,OU=People")
	tests := []struct {
		name  string
		ctx   context.Context
		cause error
		err   error
		is    error
		says  string
	}{
		{"the caller stopped", stopped, io.EOF, secret, context.Canceled, "stopped by the caller"},
		{"a deadline", t.Context(), fmt.Errorf("read: %w", os.ErrDeadlineExceeded), secret, os.ErrDeadlineExceeded, "no answer within 1m0s"},
		{"closed", t.Context(), io.EOF, secret, io.ErrUnexpectedEOF, "closed the connection"},
		{"not LDAP", t.Context(), errFrame, secret, errFrame, "check the port"},
		{"refused and hung up", t.Context(), io.EOF, ldap.NewError(8, secret), nil, "ldaps:// or StartTLS"},
		{"hung up", t.Context(), io.EOF, ldap.NewError(ldap.ErrorNetwork, secret), io.ErrUnexpectedEOF, "closed the connection"},
		{"signing", t.Context(), nil, ldap.NewError(8, secret), nil, "ldaps:// or StartTLS"},
		{"base", t.Context(), nil, ldap.NewError(32, secret), nil, "check BaseDN"},
		{"referral", t.Context(), nil, ldap.NewError(10, secret), nil, "another domain"},
		{"busy", t.Context(), nil, ldap.NewError(51, secret), nil, "busy"},
		{"limit", t.Context(), nil, ldap.NewError(4, secret), nil, "cut the answer short"},
		{"other", t.Context(), nil, ldap.NewError(80, secret), nil, "RFC 4511"},
		{"matched DN", t.Context(), nil, &ldap.Error{ResultCode: 32, MatchedDN: secret.Error(), Err: secret}, nil, "check BaseDN"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := explain(tt.ctx, testConfig(), Server{Host: "dc1", Port: "636"}, tt.cause, "binding", tt.err)
			assert.ErrorContains(t, err, "adsync: dc1:636: binding: ")
			assert.ErrorContains(t, err, tt.says)
			if tt.is != nil {
				assert.ErrorIs(t, err, tt.is)
			}
			assert.NotErrorIs(t, err, ErrRefused)
			assert.NotContains(t, err.Error(), "Ada")
		})
	}
}

func testConfig() *Config {
	return &Config{Plain: plain, Filter: "(sAMAccountType=805306368)", PageSize: 1000, Timeout: time.Minute,
		Attributes: [NumValues]string{"sAMAccountName", "givenName", "sn", "mail", "telephoneNumber"}, Names: new(Names), Flag: ActiveDirectoryFlag}
}

func guid(n byte) adattr.GUID {
	return adattr.GUID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, n}
}

// attribute is one as a server spells it.
func attribute(name string, values ...string) *ldap.EntryAttribute {
	return ldap.NewEntryAttribute(name, values)
}

func wireText(g adattr.GUID) string {
	w := g.Wire()
	return string(w[:])
}

func TestDecode(t *testing.T) {
	a, err := testConfig().decode(&ldap.Entry{DN: "CN=a\xff", Attributes: []*ldap.EntryAttribute{
		attribute("OBJECTGUID", wireText(guid(7))),
		attribute("samaccountname", "ada"),
		attribute("GivenName", " ", "A\xffda", "second", "second"),
		attribute("sn"),
		attribute("mail", ""),
		attribute("useraccountcontrol", "514"),
		attribute("isDeleted", "TRUE"),
		attribute("description", "not asked for"),
	}})
	require.NoError(t, err)
	assert.Equal(t, Account{GUID: guid(7), DN: "CN=a\uFFFD", Values: [NumValues]string{"ada"},
		More:     []More{{Of: 1, Text: "A\uFFFDda"}, {Of: 1, Text: "second"}},
		Disabled: true, tombstone: true}, a)
}

func TestDecode_FillsAllDetailsThatShareAnAttribute(t *testing.T) {
	c := testConfig()
	c.Attributes[0], c.Attributes[3] = "userPrincipalName", "USERPRINCIPALNAME"
	a, err := c.decode(&ldap.Entry{Attributes: []*ldap.EntryAttribute{
		attribute("objectGUID", wireText(guid(7))), attribute("userPrincipalName", "ada@corp.example")}})
	require.NoError(t, err)
	assert.Equal(t, "ada@corp.example", a.Values[0])
	assert.Equal(t, "ada@corp.example", a.Values[3])
	assert.True(t, !a.Disabled && a.DisabledUnknown)
}

// A domain controller sends what has very many values in ranges.
func TestDecode_NotesWhatCameInPart(t *testing.T) {
	cfg := testConfig()
	a, err := cfg.decode(&ldap.Entry{Attributes: []*ldap.EntryAttribute{
		attribute("objectGUID", wireText(guid(1))), attribute("mail"), attribute("mail;Range=0-1499", "a@x", "b@x"),
		attribute("sn;lang-de", "Sch\u00f6n"), attribute("givenName;range", "no range"),
	}})
	require.NoError(t, err)
	assert.Empty(t, a.Values)
	assert.Equal(t, []string{"mail"}, a.inParts, "whose values are read apart")
}

// A person may have several names, of which one stands in the DN.
func TestDecode_MarksTheValueOfTheRDN(t *testing.T) {
	cfg := testConfig()
	cfg.Attributes[0], cfg.Further = "uid", []Further{{Attribute: "UID"}}
	read := func(dn string) Account {
		a, err := cfg.decode(&ldap.Entry{DN: dn, Attributes: []*ldap.EntryAttribute{
			attribute("objectGUID", wireText(guid(1))), attribute("uid", "b", "a, b", "c")}})
		require.NoError(t, err)
		return a
	}
	for dn, marked := range map[string]string{
		`uid=a\, b,ou=People`: "a, b", `cn=x+UID=c,ou=People`: "c", `cn=c,ou=People`: "", `uid=d,ou=People`: "", `no DN`: "",
	} {
		a := read(dn)
		assert.Equal(t, marked, a.Values[0], dn)
		require.Len(t, a.More, 6)
		assert.Equal(t, More{Of: NumValues, Text: "c", Marked: marked == "c"}, a.More[5], dn)
	}
}

func TestDecode_WantsAnObjectGUID(t *testing.T) {
	for _, attributes := range [][]*ldap.EntryAttribute{
		nil, {attribute("objectGUID")}, {attribute("objectguid;x", wireText(guid(1)))},
	} {
		_, err := testConfig().decode(&ldap.Entry{DN: "CN=Ada", Attributes: attributes})
		require.ErrorIs(t, err, errNoGUID)
		assert.NotContains(t, err.Error(), "Ada")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("objectGUID", wireText(guid(1)), "mail", "ada@corp.example")
	f.Add("objectguid", "short", "userAccountControl", "514")
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string) {
		a, err := testConfig().decode(&ldap.Entry{DN: value2, Attributes: []*ldap.EntryAttribute{
			attribute(name1, value1), attribute(name2, value2, value1)}})
		if err != nil {
			return
		}
		for _, text := range append(a.Values[:], a.DN) {
			assert.Equal(t, strings.ToValidUTF8(text, "?"), text)
		}
	})
}

func TestLoopGuard(t *testing.T) {
	turn := func(g *loopGuard, ids ...byte) error {
		for _, id := range ids {
			one := guid(id)
			g.add(one[:])
		}
		return g.turn()
	}
	t.Run("a long listing is no loop", func(t *testing.T) {
		var g loopGuard
		for i := range 200 {
			require.NoError(t, turn(&g, byte(i), 255-byte(i)))
		}
	})
	t.Run("a page that shares an account with the one before is no loop", func(t *testing.T) {
		var g loopGuard
		require.NoError(t, turn(&g, 1, 2))
		require.NoError(t, turn(&g, 2, 3))
	})
	t.Run("one page again", func(t *testing.T) {
		for before := range 10 {
			var g loopGuard
			for i := range before {
				require.NoError(t, turn(&g, byte(i)))
			}
			require.NoError(t, turn(&g, 100))
			assert.ErrorIs(t, turn(&g, 100), errLoop, "after %d pages", before)
		}
	})
	t.Run("a circle of any length", func(t *testing.T) {
		for length := 2; length < 20; length++ {
			var g loopGuard
			var err error
			turns := 0
			for ; err == nil && turns < 200; turns++ {
				err = turn(&g, 200, byte(turns%length))
			}
			assert.ErrorIs(t, err, errLoop, "length %d", length)
			assert.Less(t, turns, 4*length+4)
		}
	})
	t.Run("empty pages", func(t *testing.T) {
		var g loopGuard
		for range maxEmptyPages - 1 {
			require.NoError(t, turn(&g))
		}
		require.NoError(t, turn(&g, 1), "an account begins the count anew")
		for range maxEmptyPages - 1 {
			require.NoError(t, turn(&g))
		}
		assert.ErrorIs(t, turn(&g), errEmpty)
	})
}

func TestAnyOf_IsAFilterInTheBytesOfTheWire(t *testing.T) {
	filter := anyOf(adattr.Identity{}, []adattr.GUID{guid(1), guid(2)})
	assert.Equal(t, `(|(objectGUID=\04\03\02\01\06\05\08\07\09\0a\0b\0c\0d\0e\0f\01)`+
		`(objectGUID=\04\03\02\01\06\05\08\07\09\0a\0b\0c\0d\0e\0f\02))`, filter)
	_, err := ldap.CompileFilter(filter)
	assert.NoError(t, err)
}

func TestContexts(t *testing.T) {
	held := []string{"DC=corp,DC=example", "CN=Configuration,DC=corp,DC=example", "DC=child,DC=corp,DC=example"}
	tests := []struct {
		name, standard, base string
		want                 []string
	}{
		{"the domain", "DC=corp,DC=example", "", []string{"DC=corp,DC=example"}},
		{"a base in the domain", "DC=corp,DC=example", "OU=People,dc=Corp,dc=example", []string{"DC=corp,DC=example"}},
		{"a base in another", "DC=corp,DC=example", "OU=People,DC=child,DC=corp,DC=example", []string{"DC=corp,DC=example", "DC=child,DC=corp,DC=example"}},
		{"no default", "", "OU=People,DC=corp,DC=example", []string{"DC=corp,DC=example"}},
		{"nothing known", "", "O=elsewhere", held},
		{"a base by GUID", "DC=corp,DC=example", "<GUID=e124855b-1a37-41be-9f05-3c1a9b7d2e10>", []string{"DC=corp,DC=example"}},
	}
	for _, tt := range tests {
		s := &session{cfg: &Config{BaseDN: tt.base}, root: rootDSE{base: tt.standard, contexts: held}}
		assert.Equal(t, tt.want, s.contexts(), tt.name)
		if tt.name != "nothing known" {
			s.root.contexts = []string{held[2], "no DN", held[1], held[0]}
			assert.Equal(t, tt.want, s.contexts(), "%s, in another order", tt.name)
		}
	}
}

func TestControls_AreThoseTheServerKnows(t *testing.T) {
	oids := func(root rootDSE, tombstones bool) (found []string) {
		s := &session{root: root, cfg: &Config{Further: []Further{{"manager", Reference}}}}
		for _, c := range append(s.controls(10, nil, tombstones), s.extendedDN()...) {
			found = append(found, c.GetControlType())
			if text, ok := c.(*ldap.ControlString); ok {
				assert.False(t, text.Criticality, "which Samba never answers where it does not know the control")
			}
		}
		require.Equal(t, controlExtendedDN, found[len(found)-1])
		return found[:len(found)-1]
	}
	assert.Equal(t, []string{ldap.ControlTypePaging}, oids(rootDSE{}, true))
	all := rootDSE{controls: []string{controlDomainScope, controlShowDeleted, controlShowRecycled}}
	assert.Equal(t, []string{ldap.ControlTypePaging, controlDomainScope}, oids(all, false))
	assert.Equal(t, []string{ldap.ControlTypePaging, controlDomainScope, controlShowDeleted, controlShowRecycled}, oids(all, true))
}

func TestSearchFilter(t *testing.T) {
	c := testConfig()
	assert.Equal(t, c.Filter, c.searchFilter("  "))
	assert.Equal(t, `(&(sAMAccountType=805306368)(|(displayname=a\2a*)(cn=a\2a*)(samaccountname=a\2a*)(givenname=a\2a*)(sn=a\2a*)(mail=a\2a*)))`, c.searchFilter(" a* "))
	two := c.searchFilter("Ada  Love)")
	assert.Contains(t, two, `(&(givenName=Ada*)(sn=Love\29*))(&(givenName=Love\29*)(sn=Ada*))`)
	_, err := ldap.CompileFilter(two)
	assert.NoError(t, err)

	c.Attributes[0] = "CN"
	assert.Equal(t, 1, strings.Count(strings.ToLower(c.searchFilter("x")), "(cn="))
}

// What a server holds of a longer answer is left to it with the connection.
func TestSearch_LeavesTheConnectionInOrder(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	d.add(3)
	c := d.open(d.config())
	before := d.Opened()
	for range 3 {
		_, err := c.Search(t.Context(), "u", 3)
		require.NoError(t, err)
	}
	assert.Equal(t, before+1, d.Opened())
	for range 3 {
		_, err := c.Search(t.Context(), "u", 2)
		require.NoError(t, err)
	}
	assert.Equal(t, before+3, d.Opened(), "a new one for all but the first")
}

func TestSearch_WantsABase(t *testing.T) {
	c := newLiarWith(t, testConfig(), nil, func(question) []*ldap.Entry { return nil })
	_, err := c.Search(t.Context(), "x", 1)
	assert.ErrorContains(t, err, "choosing the base: the server has no defaultNamingContext; set BaseDN")
}

func FuzzSearchFilter(f *testing.F) {
	f.Add("ada")
	f.Add("*)(objectClass=*")
	f.Add("a \x00\xff")
	f.Fuzz(func(t *testing.T, text string) {
		filter := testConfig().searchFilter(text)
		_, err := ldap.CompileFilter(filter)
		require.NoError(t, err, filter)
		assert.True(t, strings.HasPrefix(filter, testConfig().Filter) || strings.HasPrefix(filter, "(&"+testConfig().Filter+"(|(displayname="))
	})
}
