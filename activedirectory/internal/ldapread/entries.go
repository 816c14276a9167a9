package ldapread

import (
	"context"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// eachEntry hands over what a search of a whole subtree finds, page by page, as go-ldap
// reads it. It is for objects other than accounts, which are few. An error of each ends it.
func (s *session) eachEntry(ctx context.Context, doing, base, filter string, attributes []string, each func(*ldap.Entry) error) error {
	var loop loopGuard
	var cookie []byte
	for {
		result, err := s.search(ctx, doing, ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
			filter, attributes, s.controls(s.cfg.PageSize, cookie, false)))
		if err != nil {
			return err
		}
		next, paged := cookieOf(result)
		if !paged {
			return s.complain(doing, errUnpaged)
		}
		s.spent = len(next) > 0 // the server holds the rest, should this end here
		for _, e := range result.Entries {
			loop.count++
			_, _ = loop.hash.WriteString(strings.ToLower(e.DN))
			if err := each(e); err != nil {
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
