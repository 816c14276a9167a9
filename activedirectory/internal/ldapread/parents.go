package ldapread

import (
	"context"
	"slices"
	"strings"

	"github.com/go-adsync/adsync/internal/adattr"
)

// parents are the names of what the accounts that were read hang below. A container of
// an unusual class shows itself in them.
type parents struct {
	dns  map[string]bool // folded
	last string
	full bool // there are more than are kept

	unnumbered bool // an account read since the last Head does not show its uSNChanged
}

// mostParents is how many are kept.
const mostParents = 200_000

func newParents() *parents { return &parents{dns: map[string]bool{}} }

func (p *parents) note(dn string) {
	parent := parentOf(dn)
	if parent == p.last {
		return
	}
	p.last = strings.Clone(parent) // and not the whole page that it may be a part of
	folded := strings.ToLower(parent)
	if len(p.dns) >= mostParents {
		p.full = p.full || !p.dns[folded]
		return
	}
	p.dns[folded] = true
}

// parentOf is a DN without its first part.
func parentOf(dn string) string {
	for i := 0; i < len(dn); i++ {
		switch dn[i] {
		case '\\':
			i++
		case ',':
			return dn[i+1:]
		}
	}
	return ""
}

// noting is each, told of in a form that can end a listing, with a note of where the
// account is, and of whether it shows its number.
func (c *Controller) noting(each func(*Account) bool) func(*Account) error {
	c.mu.Lock()
	p := c.parents
	c.mu.Unlock()
	stop := stopping(each)
	if p == nil {
		return stop
	}
	return func(a *Account) error {
		if a.State == Present || a.State == OutOfScope {
			c.mu.Lock()
			p.note(a.DN)
			p.unnumbered = p.unnumbered || !a.numbered
			c.mu.Unlock()
		}
		return stop(a)
	}
}

// Unnumbered reports whether an account was read since the last Head that does not show its
// uSNChanged: no search finds it by that.
func (c *Controller) Unnumbered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.parents != nil && c.parents.unnumbered
}

// mostUnusual is how many containers of unusual classes are counted one by one.
const mostUnusual = 64

// Unusual returns the containers that accounts were read below since the first Head and
// that it did not count. ok is false if there are too many, or if one cannot be read.
func (c *Controller) Unusual(ctx context.Context, h Head) (ids []adattr.GUID, ok bool, err error) {
	c.mu.Lock()
	var dns []string
	full := c.parents == nil || c.parents.full
	if c.parents != nil {
		for dn := range c.parents.dns {
			if !h.known[dn] {
				dns = append(dns, dn)
			}
		}
	}
	c.mu.Unlock()
	slices.Sort(dns)
	if full || len(dns) > mostUnusual {
		return nil, false, nil
	}
	ok = true
	err = c.use(ctx, func(s *session) error {
		for _, dn := range dns {
			e, err := s.readOne(ctx, "reading a container", dn, "objectGUID")
			if err != nil {
				return err
			}
			var id adattr.GUID
			if e != nil {
				id, _ = adattr.GUIDFromWire(e.GetEqualFoldRawAttributeValue("objectGUID"))
			}
			if id == (adattr.GUID{}) {
				ok = false
				continue
			}
			ids = append(ids, id)
		}
		return nil
	})
	return ids, ok, err
}
