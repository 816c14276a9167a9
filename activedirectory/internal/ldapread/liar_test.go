package ldapread

import (
	"net"
	"strings"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-adsync/adsync/internal/adattr"
)

// liar is a server that answers every search with the entries that it likes. It
// does what a domain controller, even a broken one, never would.
type liar struct {
	listener net.Listener
	root     map[string][]string
	answer   func(question) []*ldap.Entry
}

// question is a search that a liar answers.
type question struct {
	base, filter string
	attributes   []string
	controls     []string
}

func newLiar(t *testing.T, answer func(filter string) []*ldap.Entry) *Controller {
	t.Helper()
	return newLiarTo(t, testConfig(), func(q question) []*ldap.Entry { return answer(q.filter) })
}

func newLiarTo(t *testing.T, cfg *Config, answer func(question) []*ldap.Entry) *Controller {
	t.Helper()
	return newLiarWith(t, cfg, map[string][]string{
		"defaultNamingContext": {"DC=corp,DC=example"}, "supportedControl": {controlShowDeleted}, "subschemaSubentry": {"cn=Subschema"},
	}, answer)
}

func newLiarWith(t *testing.T, cfg *Config, root map[string][]string, answer func(question) []*ldap.Entry) *Controller {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := &liar{listener, root, answer}
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.serve()
	}()
	t.Cleanup(func() { listener.Close(); <-done })
	server, err := ParseURL("ldap://"+listener.Addr().String(), false)
	require.NoError(t, err)
	cfg.Auth = simple("svc", servicePassword)
	c := NewController(cfg, server)
	t.Cleanup(c.Close)
	return c
}

// serve answers one connection after the other.
func (l *liar) serve() {
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			return
		}
		for {
			request, err := ber.ReadPacket(conn)
			if err != nil || l.reply(conn, request) != nil {
				break
			}
		}
		conn.Close()
	}
}

func (l *liar) reply(conn net.Conn, request *ber.Packet) error {
	id, op := request.Children[0].Value.(int64), request.Children[1]
	if op.Tag == ldap.ApplicationBindRequest {
		return send(conn, id, done(ldap.ApplicationBindResponse))
	}
	if op.Children[0].Value == "" {
		if err := send(conn, id, entry(ldap.NewEntry("", l.root))); err != nil {
			return err
		}
		return send(conn, id, done(ldap.ApplicationSearchResultDone))
	}
	filter, err := ldap.DecompileFilter(op.Children[6])
	if err != nil {
		return err
	}
	q := question{base: op.Children[0].Data.String(), filter: filter}
	for _, a := range op.Children[7].Children {
		q.attributes = append(q.attributes, a.Data.String())
	}
	if len(request.Children) > 2 {
		for _, c := range request.Children[2].Children {
			q.controls = append(q.controls, c.Children[0].Data.String())
		}
	}
	for _, e := range l.answer(q) {
		if typesOnly := op.Children[5].Value.(bool); typesOnly {
			e = typesOf(e)
		}
		if err := send(conn, id, entry(e)); err != nil {
			return err
		}
	}
	return send(conn, id, done(ldap.ApplicationSearchResultDone), ldap.NewControlPaging(0))
}

// typesOf is the entry without values.
func typesOf(e *ldap.Entry) *ldap.Entry {
	bare := &ldap.Entry{DN: e.DN}
	for _, a := range e.Attributes {
		bare.Attributes = append(bare.Attributes, &ldap.EntryAttribute{Name: a.Name})
	}
	return bare
}

func send(conn net.Conn, id int64, op *ber.Packet, controls ...ldap.Control) error {
	message := ber.NewSequence("")
	message.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	message.AppendChild(op)
	if len(controls) > 0 {
		list := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
		for _, c := range controls {
			list.AppendChild(c.Encode())
		}
		message.AppendChild(list)
	}
	_, err := conn.Write(message.Bytes())
	return err
}

func done(tag ber.Tag) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, 0, ""))
	p.AppendChild(text(""))
	p.AppendChild(text(""))
	return p
}

func entry(e *ldap.Entry) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultEntry, nil, "")
	p.AppendChild(text(e.DN))
	attributes := ber.NewSequence("")
	for _, a := range e.Attributes {
		one := ber.NewSequence("")
		one.AppendChild(text(a.Name))
		values := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, v := range a.Values {
			values.AppendChild(text(v))
		}
		one.AppendChild(values)
		attributes.AppendChild(one)
	}
	p.AppendChild(attributes)
	return p
}

func text(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

func account(g adattr.GUID, isDeleted string) *ldap.Entry {
	return ldap.NewEntry("CN=x", map[string][]string{"objectGUID": {wireText(g)}, "isDeleted": {isDeleted}})
}

// Only an object that itself says that it is deleted proves a deletion.
func TestFind_OnlyATombstoneProvesADeletion(t *testing.T) {
	for isDeleted, want := range map[string]State{"TRUE": Deleted, "FALSE": Unproven, "": Unproven} {
		c := newLiar(t, func(filter string) []*ldap.Entry {
			if !strings.Contains(filter, "isDeleted") {
				return nil
			}
			return []*ldap.Entry{account(guid(1), isDeleted)}
		})
		found, err := look(t.Context(), c, [16]byte(guid(1)))
		require.NoError(t, err)
		require.Len(t, found, 1)
		assert.Equal(t, want, found[0].State, isDeleted)
	}
}

// Nor does any other object show that deletions can be read.
func TestCheck_BelievesOnlyATombstoneThatSaysSo(t *testing.T) {
	for isDeleted, want := range map[string]bool{"TRUE": true, "FALSE": false, "": false} {
		c := newLiar(t, func(string) []*ldap.Entry { return []*ldap.Entry{account(guid(1), isDeleted)} })
		access, err := c.Check(t.Context())
		require.NoError(t, err)
		assert.Equal(t, want, access.Tombstones, isDeleted)
	}
}

func TestFind_AccountThatWasNotAskedForIsAnError(t *testing.T) {
	c := newLiar(t, func(string) []*ldap.Entry { return []*ldap.Entry{account(guid(2), "")} })
	found, err := look(t.Context(), c, [16]byte(guid(1)))
	assert.ErrorIs(t, err, errUnasked)
	assert.Empty(t, found)
}

func TestSearch_IsBoundedWhateverTheServerSends(t *testing.T) {
	c := newLiar(t, func(string) []*ldap.Entry { return []*ldap.Entry{account(guid(1), ""), account(guid(2), "")} })
	found, err := c.Search(t.Context(), "x", 1)
	require.NoError(t, err)
	assert.Len(t, found, 1)
}

func TestEntries_RefusesAnEntryThatIsTooLong(t *testing.T) {
	c := newLiar(t, func(string) []*ldap.Entry {
		return []*ldap.Entry{ldap.NewEntry("CN=x", map[string][]string{"mail": {strings.Repeat("x", maxMessage)}})}
	})
	_, err := list(t.Context(), c)
	assert.ErrorIs(t, err, errMessage)
}
