package ldapread

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// plain has the tests read the accounts by go-ldap alone.
var plain bool

// TestMain runs the tests both ways: with the sieve, and by go-ldap alone.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 && !given("test.fuzz") && !given("test.fuzzworker") && !given("test.bench") {
		plain = true
		code = m.Run()
	}
	os.Exit(code)
}

func given(name string) bool {
	f := flag.Lookup(name)
	return f != nil && f.Value.String() != f.DefValue
}

// canned is a server that answers the first request with the stream, in pieces of
// the size, and hangs up.
type canned struct {
	net.Conn
	stream io.Reader
	piece  int
	asked  chan struct{}
	once   sync.Once
	closed chan struct{}
	shut   sync.Once
}

func newCanned(stream []byte, piece int) *canned {
	return &canned{stream: bytes.NewReader(stream), piece: piece, asked: make(chan struct{}), closed: make(chan struct{})}
}

func (c *canned) Read(p []byte) (int, error) {
	select {
	case <-c.asked:
		return c.stream.Read(p[:min(len(p), c.piece)])
	case <-c.closed:
		return 0, io.ErrClosedPipe
	}
}

func (c *canned) Write(p []byte) (int, error) {
	c.once.Do(func() { close(c.asked) })
	return len(p), nil
}

func (c *canned) Close() error                     { c.shut.Do(func() { close(c.closed) }); return nil }
func (c *canned) SetDeadline(time.Time) error      { return nil }
func (c *canned) SetReadDeadline(time.Time) error  { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }

// cannedSession is bound to a canned server.
func cannedSession(cfg *Config, stream []byte, piece int) *session {
	return sessionOver(cfg, newCanned(stream, piece))
}

func sessionOver(cfg *Config, conn net.Conn) *session {
	w := newWire(conn, conn)
	s := &session{cfg: cfg, wire: w}
	c := ldap.NewConn(w, false)
	c.Start()
	s.conn = c
	return s
}

// readPage reads one page of the stream.
func readPage(t testing.TB, plainly bool, stream []byte, piece int) ([]Account, error) {
	cfg := testConfig()
	cfg.Plain = plainly
	s := cannedSession(cfg, stream, piece)
	defer s.close()
	return s.accountsOfPage(t)
}

func (s *session) accountsOfPage(t testing.TB) (accounts []Account, err error) {
	_, err = s.page(t.Context(), query{filter: s.cfg.Filter, pageSize: 1000}, nil, func(a *Account) error {
		accounts = append(accounts, *a)
		return nil
	})
	return accounts, err
}

// bothWays reads one page of the stream through the sieve and by go-ldap alone,
// and wants the same accounts, or an error both times. The order may differ: what
// the sieve leaves to go-ldap comes last.
func bothWays(t testing.TB, stream []byte, piece int) ([]Account, error) {
	sieved, sievedErr := readPage(t, false, stream, piece)
	want, wantErr := readPage(t, true, stream, piece)
	require.Equal(t, wantErr == nil, sievedErr == nil, "by go-ldap: %v, through the sieve: %v", wantErr, sievedErr)
	if wantErr == nil {
		require.Equal(t, sorted(want), sorted(sieved))
	}
	return sieved, sievedErr
}

func sorted(accounts []Account) []Account {
	return slices.SortedFunc(slices.Values(accounts), func(a, b Account) int {
		return cmp.Or(bytes.Compare(a.GUID[:], b.GUID[:]), cmp.Compare(a.DN, b.DN),
			cmp.Compare(strings.Join(a.Values[:], "\x00"), strings.Join(b.Values[:], "\x00")))
	})
}

// raw is an LDAPMessage.
func raw(id int64, op *ber.Packet, controls ...ldap.Control) []byte {
	var b bytes.Buffer
	_ = send(writerConn{Writer: &b}, id, op, controls...)
	return b.Bytes()
}

type writerConn struct {
	net.Conn
	io.Writer
}

func (w writerConn) Write(p []byte) (int, error) { return w.Writer.Write(p) }

// end is the result of the only search of a connection.
func end() []byte { return raw(1, done(ldap.ApplicationSearchResultDone), ldap.NewControlPaging(0)) }

func person(n byte) *ldap.Entry {
	return &ldap.Entry{DN: "CN=Ada Lovelace,OU=People", Attributes: []*ldap.EntryAttribute{
		attribute("objectGUID", wireText(guid(n))), attribute("sAMAccountName", "ada"), attribute("givenName", "Ada"),
		attribute("sn", "Lovelace"), attribute("mail", "ada@corp.example"), attribute("telephoneNumber", "+1 5"),
		attribute("userAccountControl", "512")}}
}

// tlv is an element with a length of four octets, as Active Directory writes
// those of constructed ones.
func tlv(tag byte, content ...string) string {
	all := strings.Join(content, "")
	n := len(all)
	return string([]byte{tag, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) + all
}

func short(tag byte, content ...string) string {
	all := strings.Join(content, "")
	return string([]byte{tag, byte(len(all))}) + all
}

const idOne = "\x02\x01\x01"

func guidAttribute(n byte) string {
	return tlv(0x30, short(4, "objectGUID"), tlv(0x31, short(4, wireText(guid(n)))))
}

// form is a way to write a message.
type form struct {
	name    string
	message string
	sieved  int
	left    int  // to go-ldap
	refused bool // by both
}

var forms = []form{
	{"as OpenLDAP writes it", string(raw(1, entry(person(1)))), 1, 0, false},
	{"in other letters", string(raw(1, entry(&ldap.Entry{DN: "CN=a\xff", Attributes: []*ldap.EntryAttribute{
		attribute("OBJECTGUID", wireText(guid(1))), attribute("USERACCOUNTCONTROL", "514"), attribute("isdeleted", "true"),
		attribute("MAIL", "a\xff@x", "second"), attribute("SN", ""), attribute("description", "not asked for")}}))), 1, 0, false},
	{"as Active Directory writes it", tlv(0x30, idOne, tlv(0x64, short(4, "CN=x"), tlv(0x30, guidAttribute(1)))), 1, 0, false},
	{"a long MessageID", tlv(0x30, "\x02\x04\x00\x00\x00\x01", tlv(0x64, short(4, ""), tlv(0x30, guidAttribute(1)))), 1, 0, false},
	{"a MessageID of the longest form", tlv(0x30, tlv(2, "\x00\x00\x00\x01"), tlv(0x64, short(4, ""), tlv(0x30, guidAttribute(1)))), 1, 0, false},
	{"too long a MessageID", tlv(0x30, "\x02\x05\x00\x00\x00\x00\x01", tlv(0x64, short(4, ""), tlv(0x30, guidAttribute(1)))), 0, 0, true},
	{"no GUID", string(raw(1, entry(&ldap.Entry{DN: "CN=x"}))), 0, 0, true},
	{"a short GUID", string(raw(1, entry(&ldap.Entry{Attributes: []*ldap.EntryAttribute{attribute("objectGUID", "short")}}))), 0, 0, true},
	{"a GUID without a value", string(raw(1, entry(&ldap.Entry{Attributes: []*ldap.EntryAttribute{attribute("objectGUID")}}))), 0, 0, true},
	{"an attribute without a value", tlv(0x30, idOne, tlv(0x64, short(4, ""), tlv(0x30, guidAttribute(1), tlv(0x30, short(4, "mail"), tlv(0x31))))), 1, 0, false},
	{"an attribute twice", tlv(0x30, idOne, tlv(0x64, short(4, ""), tlv(0x30, guidAttribute(1), guidAttribute(2)))), 1, 0, false},
	{"an entry without attributes", tlv(0x30, idOne, tlv(0x64, short(4, ""))), 0, 0, true},
	{"an indefinite length", short(0x30, idOne, "\x64\x80\x04\x00", tlv(0x30, guidAttribute(1)), "\x00\x00"), 0, 1, false},
	{"a length of five octets", tlv(0x30, idOne, "\x64\x85\x00\x00\x00\x00"+string(rune(2+len(tlv(0x30, guidAttribute(1))))), "\x04\x00", tlv(0x30, guidAttribute(1))), 0, 1, false},
	{"a control", string(raw(1, entry(person(1)), ldap.NewControlString("1.2.3", false, ""))), 0, 1, false},
	{"more behind the attributes", tlv(0x30, idOne, tlv(0x64, short(4, ""), tlv(0x30, guidAttribute(1)), short(4, "more"))), 0, 1, false},
	{"more behind the values", tlv(0x30, idOne, tlv(0x64, short(4, ""), tlv(0x30, tlv(0x30, short(4, "objectGUID"), tlv(0x31, short(4, wireText(guid(1)))), short(4, "more"))))), 0, 1, false},
	{"a name beyond ASCII", tlv(0x30, idOne, tlv(0x64, short(4, ""), tlv(0x30, guidAttribute(1), tlv(0x30, short(4, "\u017fn"), tlv(0x31, short(4, "Berg")))))), 0, 1, false},
	{"a text in pieces", tlv(0x30, idOne, tlv(0x64, tlv(0x24, short(4, "CN=x")), tlv(0x30, guidAttribute(1)))), 0, 0, true},
	{"a length that lies", tlv(0x30, idOne, tlv(0x64, short(4, ""), "\x30\x7f"+guidAttribute(1))), 0, 0, true},
	{"a value longer than its set", tlv(0x30, idOne, tlv(0x64, short(4, ""), tlv(0x30, tlv(0x30, short(4, "objectGUID"), "\x31\x03\x04\x10"+wireText(guid(1)))))), 0, 0, true},
	{"a set that is a sequence", tlv(0x30, idOne, tlv(0x64, short(4, ""), tlv(0x30, tlv(0x30, short(4, "objectGUID"), tlv(0x30, short(4, wireText(guid(1)))))))), 0, 1, false},
	{"of another search", string(raw(2, entry(person(1)))), 0, 0, false},
	{"a reference", tlv(0x30, idOne, tlv(0x73, short(4, "ldap://elsewhere"))), 0, 0, false},
	{"an empty message", "\x30\x00", 0, 0, true},
	{"the end", string(end()), 0, 0, false},
	{"an end of another class", tlv(0x30, idOne, tlv(0x25, "\x0a\x01\x00", short(4, ""), short(4, ""))), 0, 0, true},
}

func TestSieve_EntriesReadTheSameBothWays(t *testing.T) {
	for _, tt := range forms {
		t.Run(tt.name, func(t *testing.T) {
			for _, piece := range []int{1, 7, 4096} {
				accounts, err := bothWays(t, append([]byte(tt.message), end()...), piece)
				assert.Equal(t, tt.refused, err != nil, "%v", err)
				assert.Len(t, accounts, tt.sieved+tt.left)
				assert.Equal(t, tt.sieved, sievedOf(t, tt.message))
			}
		})
	}
}

// sievedOf is how many accounts the sieve takes out.
func sievedOf(t *testing.T, message string) int {
	var s sieve
	h := s.start(&Config{Attributes: testConfig().Attributes}, nil)
	h.id.Store(1)
	passed, end := drain(&s, []byte(message), 4096)
	accounts, err := s.finish(h)
	if len(accounts) == 0 && err == nil && errors.Is(end, io.EOF) {
		assert.Equal(t, message, string(passed))
	}
	return len(accounts)
}

// drain reads the stream through the sieve.
func drain(s *sieve, stream []byte, piece int) (passed []byte, end error) {
	r := newCanned(stream, piece)
	_, _ = r.Write(nil)
	p := make([]byte, 4096)
	for {
		n, err := s.read(p, r.Read)
		passed = append(passed, p[:n]...)
		if err != nil {
			return passed, err
		}
	}
}

// Whatever the sieve does not take passes in its order, to the byte.
func TestSieve_PassesTheRestUnchanged(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var stream, want []byte
		var guids []byte
		for n := range byte(r.IntN(40)) {
			switch m := forms[r.IntN(len(forms))]; {
			case r.IntN(3) > 0:
				e := person(n)
				e.Attributes[1] = attribute("sAMAccountName", strings.Repeat("x", r.IntN(300)*r.IntN(300)))
				stream = append(stream, raw(1, entry(e))...)
				guids = append(guids, n)
			case m.sieved == 0 && !m.refused && m.name != "the end":
				stream, want = append(stream, m.message...), append(want, m.message...)
			}
		}
		stream, want = append(stream, end()...), append(want, end()...)
		var s sieve
		h := s.start(&Config{Attributes: testConfig().Attributes}, nil)
		h.id.Store(1)
		passed, err := drain(&s, stream, 1+r.IntN(100_000))
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, want, passed)
		accounts, err := s.finish(h)
		require.NoError(t, err)
		require.Len(t, accounts, len(guids))
		for i, a := range accounts {
			require.Equal(t, guid(guids[i]), a.GUID)
		}
		require.LessOrEqual(t, len(s.buffer), max(sieveBuffer, 100_000))
	}
}

// Once a message may have ended the search for go-ldap, the sieve takes no more,
// so that both agree on where it ended.
func TestSieve_TakesNothingAfterTheEnd(t *testing.T) {
	for _, name := range []string{"the end", "an end of another class", "too long a MessageID", "an empty message"} {
		i := slices.IndexFunc(forms, func(f form) bool { return f.name == name })
		stream := string(raw(1, entry(person(1)))) + forms[i].message + string(raw(1, entry(person(2))))
		assert.Equal(t, 1, sievedOf(t, stream), name)
	}
}

// What comes after a search is over is nobody's.
func TestSieve_HarvestEnds(t *testing.T) {
	message := raw(1, entry(person(1)))
	_, op, ok := messageID(message[headerLength(message):])
	require.True(t, ok)
	var s sieve
	h := s.start(&Config{Attributes: testConfig().Attributes}, nil)
	require.True(t, h.take(op))
	other := s.start(&Config{}, nil)
	accounts, err := s.finish(h)
	require.NoError(t, err)
	assert.Len(t, accounts, 1)
	assert.Same(t, other, s.harvest.Load(), "another one goes on")
	assert.False(t, h.take(op))
	assert.Len(t, h.accounts, 1)
	_, _ = s.finish(other)
	assert.Nil(t, s.harvest.Load())
	assert.Nil(t, (&sieve{}).start(&Config{Plain: true}, nil).accounts)
	var left sieve
	left.start(&Config{Plain: true}, nil)
	assert.Nil(t, left.harvest.Load(), "all is left to go-ldap")
}

// After an entry that cannot be used, no other is read.
func TestSieve_KeepsTheFirstError(t *testing.T) {
	bare := []byte(tlv(0x64, short(4, "CN=x"), tlv(0x30)))
	good := []byte(tlv(0x64, short(4, "CN=x"), tlv(0x30, guidAttribute(1))))
	var s sieve
	h := s.start(&Config{Attributes: testConfig().Attributes}, nil)
	assert.False(t, h.take([]byte(tlv(0x65))), "what is no entry")
	assert.True(t, h.take(good))
	assert.True(t, h.take(bare))
	assert.True(t, h.take(good))
	accounts, err := s.finish(h)
	assert.ErrorIs(t, err, errNoGUID)
	assert.Len(t, accounts, 1)
}

// The bounds are those of one answer, and of what a message may be.
func TestSieve_HasBounds(t *testing.T) {
	for renewed, want := range map[bool]error{false: errElements, true: io.EOF} {
		s := sieve{inspector: inspector{elements: maxElements - 3}}
		s.renewed.Store(renewed)
		_, err := drain(&s, slices.Concat(end(), end()), 4096)
		assert.ErrorIs(t, err, want)
		s = sieve{inspector: inspector{elements: maxElements - 15}}
		s.renewed.Store(renewed)
		_, err = drain(&s, slices.Concat(end(), end()), 4096)
		assert.ErrorIs(t, err, want, "over several messages")
	}
	for _, tt := range []struct {
		length uint32
		wide   bool
		want   error
	}{{maxMessage, false, io.EOF}, {maxMessage + 1, false, errMessage}, {maxMessage + 1, true, io.EOF}, {maxWide, true, io.EOF}, {maxWide + 1, true, errWide}} {
		var s sieve
		s.wide.Store(tt.wide)
		_, err := drain(&s, []byte(long4(0x30, tt.length, idOne+"\x64")), 4096)
		assert.ErrorIs(t, err, tt.want, tt.length)
	}
	var s sieve
	h := s.start(&Config{Attributes: testConfig().Attributes}, nil)
	assert.False(t, h.answers(0), "a search that was not sent")
	message := string(raw(0, entry(person(1))))
	passed, err := drain(&s, []byte(message), 4096)
	assert.ErrorIs(t, err, io.EOF)
	assert.Equal(t, message, string(passed))
}

func TestSieve_StreamThatBreaksOffIsAnError(t *testing.T) {
	stream := slices.Concat(raw(1, entry(person(1))), raw(1, entry(person(2))), end())
	for n := range len(stream) {
		_, err := readPage(t, plain, stream[:n], 4096)
		require.Error(t, err, "%d of %d bytes", n, len(stream))
	}
	accounts, err := readPage(t, plain, stream, 4096)
	require.NoError(t, err)
	assert.Len(t, accounts, 2)
}

// A request that is not recognised costs time, and no accounts.
func TestSieve_LeavesToGoLDAPASearchThatWasNotSeen(t *testing.T) {
	var s sieve
	h := s.start(&Config{Attributes: testConfig().Attributes}, nil)
	for _, message := range []string{"", "\x30", short(0x30, "\x02\x01\x01"), short(0x30, "\x02\x01\x01", short(0x60)), short(0x30, "\x04\x01\x01", short(0x63))} {
		s.sent([]byte(message))
	}
	stream := string(raw(1, entry(person(1))))
	passed, err := drain(&s, []byte(stream), 4096)
	require.ErrorIs(t, err, io.EOF)
	assert.Equal(t, stream, string(passed))

	s.sent([]byte(short(0x30, "\x02\x01\x05", short(0x63))))
	s.sent([]byte(short(0x30, "\x02\x01\x06", short(0x63))))
	assert.EqualValues(t, 5, h.id.Load(), "the first search is ours")
}

// FuzzEntry compares the sieve with go-ldap's own decoding of the same bytes.
func FuzzEntry(f *testing.F) {
	for _, form := range forms {
		f.Add([]byte(form.message), byte(200))
	}
	f.Add(slices.Concat(raw(1, entry(person(1))), raw(1, entry(person(2)))), byte(3))
	f.Fuzz(func(t *testing.T, stream []byte, piece byte) {
		bothWays(t, slices.Concat(stream, end()), int(piece)+1)
	})
}

// page is n people and the end.
func page(n int) []byte {
	var stream []byte
	for i := range n {
		e := person(byte(i))
		stream = append(stream, raw(1, entry(e))...)
	}
	return append(stream, end()...)
}

// What one person costs, at most: the texts, and a share of the page's table.
func TestAllocations_OfOneEntry(t *testing.T) {
	if plain {
		t.Skip("go-ldap alone makes about four hundred")
	}
	const few, many = 100, 1100
	allocations := func(n int) float64 {
		stream := page(n)
		return testing.AllocsPerRun(10, func() {
			if accounts, err := readPage(t, false, stream, 16<<10); err != nil || len(accounts) != n {
				t.Error(len(accounts), err)
			}
		})
	}
	each := (allocations(many) - allocations(few)) / (many - few)
	assert.LessOrEqual(t, each, 1.1, "allocations for each person")
}

func BenchmarkPage(b *testing.B) {
	const people = 1000
	stream := page(people)
	for name, plainly := range map[string]bool{"sieve": false, "go-ldap": true} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if accounts, err := readPage(b, plainly, stream, 16<<10); err != nil || len(accounts) != people {
					b.Fatal(len(accounts), err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/people, "ns/person")
		})
	}
}

func BenchmarkDecodeEntry(b *testing.B) {
	message := raw(1, entry(person(1)))
	_, op, _ := messageID(message[headerLength(message):])
	d := entryDecoder{cfg: testConfig()}
	b.ReportAllocs()
	for b.Loop() {
		var a Account
		if ok, err := d.decode(op, &a); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
