package ldapread

import (
	"context"
	"errors"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/go-adsync/adsync/internal/adattr"
)

// Time is the controller's own time, and how long it keeps tombstones. The time is zero where
// it cannot be read, and the other where the server is no domain controller.
func (c *Controller) Time(ctx context.Context) (now time.Time, tombstones time.Duration, err error) {
	var keeps bool
	err = c.use(ctx, func(s *session) error {
		keeps = s.keepsTombstones()
		now, err = s.time(ctx)
		return err
	})
	if err == nil && keeps {
		tombstones, err = c.TombstoneLifetime(ctx)
	}
	return now, tombstones, err
}

func (s *session) time(ctx context.Context) (time.Time, error) {
	const doing = "reading the time"
	result, err := s.search(ctx, doing, ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false,
		"(objectClass=*)", []string{"currentTime"}, nil))
	if err != nil {
		return time.Time{}, err
	}
	if len(result.Entries) != 1 {
		return time.Time{}, s.complain(doing, errors.New("there is no rootDSE to be seen; is this a domain controller?"))
	}
	// The zero time is that of a directory that does not tell.
	now, _ := adattr.ParseGeneralizedTime(result.Entries[0].GetEqualFoldAttributeValue("currentTime"))
	return now, nil
}
