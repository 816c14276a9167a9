package ldapread

import (
	"context"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// Search finds accounts in scope by the beginning of a name, and returns one
// page of them: limit at most.
func (c *Controller) Search(ctx context.Context, text string, limit uint32) (found []Account, err error) {
	err = c.use(ctx, func(s *session) error {
		base, err := s.base()
		if err != nil {
			return err
		}
		q := query{base: base, filter: s.cfg.searchFilter(text), pageSize: limit}
		next, err := s.page(ctx, q, nil, func(a *Account) error {
			if len(found) < int(limit) { // a server may send more than a page
				found = append(found, *a)
			}
			return nil
		})
		if len(next) > 0 {
			s.spent = true
		}
		return err
	})
	return found, err
}

// searchFilter looks for the beginning of the text, which indexes serve, and for
// two words as first and last name, in either order, as a directory's own
// ambiguous name resolution does.
func (c *Config) searchFilter(text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return c.Filter
	}
	const firstName, lastName, phone = 1, 2, 4
	names := []string{"displayname", "cn"}
	for i, attribute := range c.Attributes {
		if name := strings.ToLower(attribute); i != phone && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	var b strings.Builder
	for _, name := range names {
		b.WriteString(begins(name, text))
	}
	if one, two, ok := strings.Cut(text, " "); ok {
		for _, pair := range [][2]string{{one, two}, {two, one}} {
			b.WriteString("(&" + begins(c.Attributes[firstName], strings.TrimSpace(pair[0])) + begins(c.Attributes[lastName], strings.TrimSpace(pair[1])) + ")")
		}
	}
	return "(&" + c.Filter + "(|" + b.String() + "))"
}

func begins(attribute, text string) string {
	return "(" + attribute + "=" + ldap.EscapeFilter(text) + "*)"
}
