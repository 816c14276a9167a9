package activedirectory

import (
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/go-adsync/adsync/activedirectory/internal/ldapread"
	"github.com/go-adsync/adsync/internal/fakead"
)

// local reads a controller of the test's own without a network: see fakead.Local.
type local struct{ *fakead.Local }

func openLocal(dc *fakead.Server, name, password string) (net.Conn, ldapread.Searcher, error) {
	l, err := dc.Local(name, password)
	return noSocket{}, local{l}, err
}

// noSocket has no deadlines.
type noSocket struct{ net.Conn }

func (noSocket) SetDeadline(time.Time) error { return nil }
func (noSocket) Close() error                { return nil }

func (l local) IsClosing() bool        { return l.Closed() }
func (local) SetTimeout(time.Duration) {}

// Search finds all at once, whatever the size of a page.
func (l local) Search(r *ldap.SearchRequest) (*ldap.SearchResult, error) {
	filter, err := filters.compile(r.Filter)
	if err != nil {
		return nil, err
	}
	q := fakead.LocalQuery{Base: r.BaseDN, Scope: r.Scope, Filter: filter, Attributes: r.Attributes}
	result := &ldap.SearchResult{}
	for _, c := range r.Controls {
		switch c := c.(type) {
		case *ldap.ControlPaging:
			result.Controls = append(result.Controls, &ldap.ControlPaging{})
		case *ldap.ControlString:
			q.Controls = append(q.Controls, fakead.LocalControl{OID: c.ControlType, Value: []byte(c.ControlValue)})
		}
	}
	entries, err := l.Local.Search(q)
	if refused := (*fakead.LocalError)(nil); errors.As(err, &refused) {
		return nil, ldap.NewError(uint16(refused.Code), err)
	}
	if err != nil {
		return nil, ldap.NewError(ldap.ErrorNetwork, err)
	}
	for _, e := range entries {
		entry := &ldap.Entry{DN: e.DN, Attributes: make([]*ldap.EntryAttribute, len(e.Attributes))}
		for i, a := range e.Attributes {
			attribute := &ldap.EntryAttribute{Name: a.Name, Values: a.Values, ByteValues: make([][]byte, len(a.Values))}
			for k, value := range a.Values {
				attribute.ByteValues[k] = []byte(value)
			}
			entry.Attributes[i] = attribute
		}
		result.Entries = append(result.Entries, entry)
	}
	return result, nil
}

// filters are those that were compiled, for there are few that come again and again.
var filters compiled

type compiled struct{ known sync.Map }

func (c *compiled) compile(text string) ([]byte, error) {
	if known, ok := c.known.Load(text); ok {
		return known.([]byte), nil
	}
	packet, err := ldap.CompileFilter(text)
	if err != nil {
		return nil, err
	}
	encoded := packet.Bytes()
	if !strings.Contains(text, `\`) { // such as of an objectGUID
		c.known.Store(text, encoded)
	}
	return encoded, nil
}
