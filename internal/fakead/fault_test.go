package fakead_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/fakead"
)

// pages reads a paged search to its end, however that comes.
func pages(c *ldap.Conn, req *ldap.SearchRequest, size uint32) (sizes []int, found []string, err error) {
	var cookie []byte
	for {
		one, next, err := page(c, req, size, cookie)
		if err != nil {
			return sizes, found, err
		}
		sizes, found = append(sizes, len(one)), append(found, one...)
		if len(next) == 0 || len(sizes) == 20 {
			return sizes, found, nil
		}
		cookie = next
	}
}

// readAll sends one request over a raw TLS connection and returns what comes
// until the server hangs up.
func readAll(t *testing.T, s *fakead.Server, requests ...[]byte) []byte {
	t.Helper()
	c, err := tls.Dial("tcp", strings.TrimPrefix(s.URL(), "ldaps://"), s.ClientTLS())
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
	for _, r := range requests {
		_, err = c.Write(r)
		require.NoError(t, err)
	}
	all, _ := io.ReadAll(c)
	return all
}

// readRootDSE is a search for the rootDSE with message ID 7.
var readRootDSE = []byte{
	0x30, 0x25, 0x02, 0x01, 0x07, 0x63, 0x20, 0x04, 0x00, 0x0a, 0x01, 0x00, 0x0a, 0x01, 0x00,
	0x02, 0x01, 0x00, 0x02, 0x01, 0x00, 0x01, 0x01, 0x00, 0x87, 0x0b,
	'o', 'b', 'j', 'e', 'c', 't', 'C', 'l', 'a', 's', 's', 0x30, 0x00,
}

// unbind makes the server hang up.
var unbind = []byte{0x30, 0x05, 0x02, 0x01, 0x08, 0x42, 0x00}

// lost is what code gives for an error that is no LDAP result.
const lost = -1

func TestFault_OfPages(t *testing.T) {
	all := []int{4, 4, 2}
	for name, tc := range map[string]struct {
		fault fakead.Fault
		sizes []int
		code  int // of the error; 0: none; lost: the connection ended
	}{
		"none":                {fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpAdd}, all, 0},
		"cut before page 2":   {fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpSearch, Page: 2}, []int{4}, lost},
		"cut after 2 entries": {fakead.Fault{Kind: fakead.FaultCutEntries, Op: fakead.OpSearch, Page: 2, After: 2}, []int{4}, lost},
		"cut before the end":  {fakead.Fault{Kind: fakead.FaultCutEntries, Op: fakead.OpSearch, Page: 2, After: 4}, []int{4}, lost},
		"cut after 100 bytes": {fakead.Fault{Kind: fakead.FaultCutBytes, Op: fakead.OpSearch, Page: 1, After: 100}, nil, lost},
		"busy":                {fakead.Fault{Kind: fakead.FaultResult, Op: fakead.OpSearch, Page: 2, Code: 51}, []int{4}, 51},
		"unavailable":         {fakead.Fault{Kind: fakead.FaultResult, Op: fakead.OpSearch, Page: 3, Code: 52}, []int{4, 4}, 52},
		"time limit":          {fakead.Fault{Kind: fakead.FaultResult, Page: 1, Code: 3, After: 3}, nil, 3},
		"size limit":          {fakead.Fault{Kind: fakead.FaultResult, Page: 3, Code: 4, After: 1}, []int{4, 4}, 4},
		"admin limit":         {fakead.Fault{Kind: fakead.FaultResult, Page: 1, Code: 11}, nil, 11},
		"referral":            {fakead.Fault{Kind: fakead.FaultResult, Page: 1, Code: 10}, nil, 10},
		"no paging control":   {fakead.Fault{Kind: fakead.FaultNoPagingControl, Page: 2}, []int{4, 4}, 0},
		"cookie refused":      {fakead.Fault{Kind: fakead.FaultCookieRefused, Page: 2}, []int{4}, 12},
		"page repeated":       {fakead.Fault{Kind: fakead.FaultRepeatPage, Page: 2}, []int{4, 4, 4, 2}, 0},
		"entry repeated":      {fakead.Fault{Kind: fakead.FaultRepeatEntry, Page: 3}, []int{4, 4, 3}, 0},
		"page skipped":        {fakead.Fault{Kind: fakead.FaultSkipPage, Page: 2}, []int{4, 0, 2}, 0},
		"empty page":          {fakead.Fault{Kind: fakead.FaultEmptyPage, Page: 2}, []int{4, 0, 4, 2}, 0},
		"everything hidden":   {fakead.Fault{Kind: fakead.FaultHide}, []int{0}, 0},
		"matches the filter":  {fakead.Fault{Kind: fakead.FaultHide, Match: "SAMACCOUNTNAME=u"}, []int{0}, 0},
		"matches nothing":     {fakead.Fault{Kind: fakead.FaultHide, Match: "(mail="}, all, 0},
		"malformed":           {fakead.Fault{Kind: fakead.FaultMalformed, Page: 2}, []int{4}, lost},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, fakead.Config{})
			ids := crowd(t, s, 10)
			c := admin(t, s)
			s.Order(tc.fault)
			sizes, found, err := pages(c, query(s, "(&(objectClass=user)(sAMAccountName=u*))", "cn"), 4)
			assert.Equal(t, tc.sizes, sizes)
			if tc.code == 0 {
				assert.NoError(t, err)
			} else {
				assert.Equal(t, tc.code, code(err), err)
			}
			s.ClearFaults()
			if tc.code == 0 && tc.fault.Kind == fakead.FaultRepeatPage {
				assert.Equal(t, found[:4], found[4:8])
			}
			fresh, _, err := pages(admin(t, s), query(s, "(&(objectClass=user)(sAMAccountName=u*))", "cn"), 4)
			assert.NoError(t, err)
			assert.Equal(t, all, fresh, "without the fault all is well")
			assert.Len(t, ids, 10)
		})
	}
}

func TestFault_EntriesHiddenForOneRun(t *testing.T) {
	s := start(t, fakead.Config{})
	ids := crowd(t, s, 4)
	c := admin(t, s)
	s.Order(fakead.Fault{Kind: fakead.FaultHide, Objects: ids[1:3], Times: 1})
	assert.Equal(t, []string{"u0000", "u0003"}, names(t, c, query(s, "(&(objectClass=user)(sAMAccountName=u*))")))
	assert.Len(t, names(t, c, query(s, "(&(objectClass=user)(sAMAccountName=u*))")), 4)
}

func TestFault_Elsewhere(t *testing.T) {
	s := start(t, fakead.Config{})
	c := admin(t, s)
	cancel := s.Order(fakead.Fault{Kind: fakead.FaultResult, Op: fakead.OpBind, Code: 51, Text: "later"})
	err := c.Bind(s.AdminDN(), s.AdminPassword())
	assert.Equal(t, 51, code(err))
	assert.ErrorContains(t, err, "later")
	cancel()
	assert.NoError(t, c.Bind(s.AdminDN(), s.AdminPassword()))
	s.Order(fakead.Fault{Kind: fakead.FaultResult, Op: fakead.OpDelete, Code: 52})
	assert.Equal(t, 52, code(c.Del(ldap.NewDelRequest("CN=x,"+s.BaseDN(), nil))))
}

func TestFault_Silence(t *testing.T) {
	s := start(t, fakead.Config{})
	c := admin(t, s)
	c.SetTimeout(50 * time.Millisecond)
	s.Order(fakead.Fault{Kind: fakead.FaultSilence, Op: fakead.OpSearch, Times: 1})
	_, err := c.Search(query(s, "(cn=x)"))
	assert.ErrorContains(t, err, "timed out")
	log := s.Requests()
	assert.Equal(t, -1, log[len(log)-1].Code, "the log tells that there was no answer")
	c.SetTimeout(time.Minute)
	_, err = c.Search(query(s, "(cn=x)"))
	assert.NoError(t, err, "the connection is still good")
}

func TestFault_BeforeTheHandshake(t *testing.T) {
	s := start(t, fakead.Config{})
	s.Order(fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpConnect, Times: 1})
	_, err := ldap.DialURL(s.URL(), ldap.DialWithTLSConfig(s.ClientTLS()))
	assert.Error(t, err)
	s.Order(fakead.Fault{Kind: fakead.FaultSilence, Op: fakead.OpConnect, Times: 1})
	_, err = ldap.DialURL(s.URL(), ldap.DialWithTLSConfig(s.ClientTLS()), ldap.DialWithDialer(&net.Dialer{Timeout: 50 * time.Millisecond}))
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	assert.True(t, timeout.Timeout())
	require.Eventually(t, func() bool { return s.Struck() == 2 }, time.Minute, time.Millisecond, "before the next comes")
	admin(t, s)
	assert.Equal(t, 3, s.Opened())
}

func TestFault_Drip(t *testing.T) {
	s := start(t, fakead.Config{})
	whole := readAll(t, s, readRootDSE, unbind)
	s.Order(fakead.Fault{Kind: fakead.FaultDrip, Op: fakead.OpSearch})
	assert.Len(t, readAll(t, s, readRootDSE, unbind), len(whole), "slow, and complete")

	s.ClearFaults()
	s.Order(fakead.Fault{Kind: fakead.FaultDrip, Op: fakead.OpSearch, Delay: time.Hour})
	c := dial(t, s)
	done := make(chan error)
	go func() {
		_, err := c.Search(ldap.NewSearchRequest("", 0, 0, 0, 0, false, "(objectClass=*)", nil, nil))
		done <- err
	}()
	require.Eventually(t, func() bool { return s.Count(fakead.OpSearch) == 3 }, time.Minute, time.Millisecond)
	require.NoError(t, s.Close(), "Close does not wait for the next byte")
	assert.Error(t, <-done)
}

func TestFault_WrongMessageID(t *testing.T) {
	s := start(t, fakead.Config{})
	good := readAll(t, s, readRootDSE, unbind)
	assert.Equal(t, []byte{0x02, 0x01, 0x07}, good[6:9])
	s.Order(fakead.Fault{Kind: fakead.FaultWrongID})
	bad := readAll(t, s, readRootDSE, unbind)
	assert.Equal(t, []byte{0x02, 0x03, 0x0f, 0x42, 0x47}, bad[6:11])
}

// What no honest server sends, to the byte.
func TestFault_OfTheEncoding(t *testing.T) {
	sent := func(f fakead.Fault) []byte {
		s := start(t, fakead.Config{})
		f.Op = fakead.OpSearch
		s.Order(f)
		return readAll(t, s, readRootDSE, unbind)
	}
	first := func(b []byte) *ber.Packet {
		packet, err := ber.ReadPacket(bytes.NewReader(b))
		require.NoError(t, err)
		return packet
	}
	notice := first(sent(fakead.Fault{Kind: fakead.FaultNotice, Code: 52}))
	assert.EqualValues(t, 0, notice.Children[0].Value)
	assert.EqualValues(t, 52, notice.Children[1].Children[0].Value)
	assert.Equal(t, "1.3.6.1.4.1.1466.20036", notice.Children[1].Children[3].Data.String())

	for _, octets := range []string{"", "\x00\x00\x00\x00\x00\x00\x00\x00\x01"} {
		answer := sent(fakead.Fault{Kind: fakead.FaultResultOctets, Text: octets})
		assert.Contains(t, string(answer), "\x65\x84\x00\x00\x00"+string(rune(6+len(octets)))+"\x0a"+string(rune(len(octets)))+octets)
	}

	depth := 0
	for at := first(sent(fakead.Fault{Kind: fakead.FaultDeep, After: 30})).Children[1]; at != nil; depth++ {
		if len(at.Children) == 0 {
			at = nil
		} else {
			at = at.Children[0]
		}
	}
	assert.Equal(t, 30, depth)
}

func TestFault_HugeLength(t *testing.T) {
	s := start(t, fakead.Config{})
	s.Order(fakead.Fault{Kind: fakead.FaultHugeLength})
	bad := readAll(t, s, readRootDSE, unbind)
	require.Greater(t, len(bad), 6)
	assert.Equal(t, uint32(0x7fffffff), binary.BigEndian.Uint32(bad[2:6]))
	assert.Less(t, len(bad), 10_000)
}

func TestFault_OfStartTLS(t *testing.T) {
	s := start(t, fakead.Config{})
	for kind, want := range map[fakead.FaultKind]int{
		fakead.FaultStartTLSRefused: 52,
		fakead.FaultStartTLSBroken:  ldap.ErrorNetwork,
		fakead.FaultCut:             ldap.ErrorNetwork,
	} {
		cancel := s.Order(fakead.Fault{Kind: kind, Op: fakead.OpStartTLS})
		c, err := ldap.DialURL(s.PlainURL())
		require.NoError(t, err)
		err = c.StartTLS(s.ClientTLS())
		require.Error(t, err, kind)
		if e, ok := err.(*ldap.Error); ok {
			assert.Equal(t, want, int(e.ResultCode), kind)
		}
		c.Close()
		cancel()
	}
}

func TestFault_CutBytesIsExact(t *testing.T) {
	s := start(t, fakead.Config{})
	whole := readAll(t, s, readRootDSE, unbind)
	for _, n := range []int{0, 1, 17, len(whole) - 1} {
		cancel := s.Order(fakead.Fault{Kind: fakead.FaultCutBytes, After: n})
		assert.Len(t, readAll(t, s, readRootDSE), n)
		cancel()
	}
}

func TestFault_AttributesWithheldAndRanged(t *testing.T) {
	s := start(t, fakead.Config{})
	ids := crowd(t, s, 2)
	require.NoError(t, s.SetAttribute(ids[0], "mail", "a@x"))
	require.NoError(t, s.SetAttribute(ids[1], "mail", "b@x"))
	c := admin(t, s)
	mails := func() (found []string) {
		res, err := c.Search(query(s, "(&(objectClass=user)(sAMAccountName=u*))", "mail"))
		require.NoError(t, err)
		for _, e := range res.Entries {
			for _, a := range e.Attributes {
				found = append(found, a.Name+"="+strings.Join(a.Values, ","))
			}
		}
		return found
	}
	cancel := s.Order(fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{"MAIL", "sn"}, Objects: ids[:1], Times: 1})
	assert.Equal(t, []string{"mail=b@x"}, mails())
	assert.Equal(t, []string{"mail=a@x", "mail=b@x"}, mails(), "once only")
	cancel()
	s.Order(fakead.Fault{Kind: fakead.FaultRange, Attributes: []string{"mail"}})
	assert.Equal(t, []string{"mail;range=0-*=a@x", "mail;range=0-*=b@x"}, mails())
	assert.Equal(t, 2, s.Struck())
}

func TestFault_ControlThatTheServerDoesNotHave(t *testing.T) {
	s := start(t, fakead.Config{RefuseUnknownControls: true})
	crowd(t, s, 5)
	c := admin(t, s)
	s.Order(fakead.Fault{Kind: fakead.FaultNoControl, Text: ldap.ControlTypePaging})
	root, err := c.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{"supportedControl"}, nil))
	require.NoError(t, err)
	assert.NotContains(t, root.Entries[0].GetAttributeValues("supportedControl"), ldap.ControlTypePaging)
	found, cookie, err := page(c, query(s, "(&(objectClass=user)(sAMAccountName=u*))", "cn"), 2, nil)
	require.NoError(t, err)
	assert.Len(t, found, 5, "paging is ignored")
	assert.Empty(t, cookie)
	req := query(s, "(cn=x)")
	req.Controls = []ldap.Control{ldap.NewControlString(ldap.ControlTypePaging, true, "")}
	_, err = c.Search(req)
	assert.Equal(t, 12, code(err))
}

func TestFault_OfTheRootDSE(t *testing.T) {
	s := start(t, fakead.Config{})
	c := dial(t, s)
	root := ldap.NewSearchRequest("", ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", nil, nil)
	s.Order(fakead.Fault{Kind: fakead.FaultResult, Op: fakead.OpSearch, Code: 51, Times: 1})
	_, err := c.Search(root)
	assert.Equal(t, 51, code(err))
	s.Order(fakead.Fault{Kind: fakead.FaultHide, Op: fakead.OpSearch, Times: 1})
	res, err := c.Search(root)
	require.NoError(t, err)
	assert.Empty(t, res.Entries)
}

func TestServer_TwoCanHoldOneDomain(t *testing.T) {
	one, two := start(t, fakead.Config{}), start(t, fakead.Config{})
	id := addUser(t, one, fakead.User{Username: "ada"})
	assert.Equal(t, id, addUser(t, two, fakead.User{Username: "ada", ID: id}))
	assert.Equal(t, []string{"ada"}, names(t, admin(t, two), query(two, guidFilter(id))))
	_, err := two.AddUser(fakead.User{Username: "bob", ID: id})
	assert.Error(t, err)
}
