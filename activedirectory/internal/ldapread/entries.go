package ldapread

import (
	"context"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// eachEntry hands over what a search of a whole subtree finds, page by page. It is for
// objects other than accounts. An error of each ends it.
func (s *session) eachEntry(ctx context.Context, doing, base, filter string, attributes []string, each func(*ldap.Entry) error) error {
	var loop loopGuard
	var cookie []byte
	for {
		result, err := s.searchEntries(ctx, doing, ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
			filter, attributes, s.controls(s.cfg.PageSize, cookie, false)))
		if err != nil {
			return err
		}
		next, paged := cookieOf(result)
		if !paged {
			return s.complain(doing, errUnpaged)
		}
		for _, e := range result.Entries {
			loop.add([]byte(strings.ToLower(e.DN)))
			if err := each(e); err != nil {
				s.left = s.left || len(next) > 0 // the server holds the rest
				return err
			}
		}
		if len(next) == 0 {
			return nil
		}
		if err := loop.turn(); err != nil {
			return s.complain(doing, err)
		}
		cookie = next
	}
}

// searchEntries is search for an answer that may be long: what the sieve takes of it comes
// first.
func (s *session) searchEntries(ctx context.Context, doing string, request *ldap.SearchRequest) (*ldap.SearchResult, error) {
	h := s.wire.sieve.startEntries(s.cfg)
	result, err := s.search(ctx, doing, request)
	_, _ = s.wire.sieve.finish(h)
	if err != nil {
		return nil, err
	}
	result.Entries = append(h.entries, result.Entries...)
	return result, nil
}

// wireEntry reads an entry of any attributes right from its bytes, in a handful of
// allocations instead of several hundred. ok is false for a form that go-ldap must judge.
func wireEntry(op []byte) (e *ldap.Entry, values int, ok bool) {
	own := slices.Clone(op) // the bytes are the sieve's, which uses them again
	text := string(own)
	textOf := func(part []byte) string { // a slice of own, whose capacity says where it begins
		from := cap(own) - cap(part)
		return text[from : from+len(part)]
	}
	content, rest, ok := berElement(own, tagSearchEntry)
	if !ok || len(rest) > 0 {
		return nil, 0, false
	}
	dn, content, ok := berElement(content, tagOctetString)
	if !ok {
		return nil, 0, false
	}
	attributes, rest, ok := berElement(content, tagSequence)
	if !ok || len(rest) > 0 {
		return nil, 0, false
	}
	e = &ldap.Entry{DN: textOf(dn), Attributes: []*ldap.EntryAttribute{}}
	for len(attributes) > 0 {
		var next wireAttribute
		if next, attributes, ok = nextAttribute(attributes); !ok {
			return nil, values, false
		}
		a := &ldap.EntryAttribute{Name: textOf(next.name), Values: make([]string, next.count), ByteValues: make([][]byte, next.count)}
		values += next.count
		rest := next.values
		for i := range a.Values {
			a.ByteValues[i], rest, _ = berElement(rest, tagOctetString)
			a.Values[i] = textOf(a.ByteValues[i])
		}
		e.Attributes = append(e.Attributes, a)
	}
	return e, values, true
}
