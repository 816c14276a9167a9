package ldapread

import (
	"context"
	"slices"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/go-adsync/adsync/internal/adattr"
)

// whenChanged is when an object was changed last, by the controller's clock: of a tombstone,
// when the account was deleted, or later.
const whenChanged = "whenChanged"

// changedAt is the time, or zero if that cannot be read.
func changedAt(value []byte) time.Time {
	t, _ := adattr.ParseGeneralizedTime(string(value))
	return t
}

// DeletedAt tells when the tombstones of the accounts were last changed, which is when
// they were deleted. Those that show no such time are left out.
func (c *Controller) DeletedAt(ctx context.Context, ids []adattr.GUID) (map[adattr.GUID]time.Time, error) {
	when := make(map[adattr.GUID]time.Time, len(ids))
	err := c.use(ctx, func(s *session) error {
		for batch := range slices.Chunk(ids, findBatch) {
			for _, base := range s.contexts() {
				if err := s.deletedAt(ctx, base, batch, when); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return when, err
}

func (s *session) deletedAt(ctx context.Context, base string, ids []adattr.GUID, when map[adattr.GUID]time.Time) error {
	attribute := s.cfg.Identity.Attribute()
	result, err := s.search(ctx, "reading tombstones", ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
		"(&(isDeleted=TRUE)"+anyOf(s.cfg.Identity, ids)+")", []string{attribute, whenChanged}, s.controls(0, nil, true)))
	if err != nil {
		return err
	}
	for _, e := range result.Entries {
		id, err := s.cfg.Identity.Parse(e.GetEqualFoldRawAttributeValue(attribute))
		if err != nil {
			continue
		}
		if t := changedAt([]byte(e.GetEqualFoldAttributeValue(whenChanged))); !t.IsZero() {
			when[id] = t
		}
	}
	return nil
}
