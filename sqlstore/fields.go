package sqlstore

import (
	"context"
	"fmt"

	"github.com/go-adsync/adsync"
)

// details are the five synchronised fields.
var details = [...]adsync.Field{
	adsync.FieldUsername, adsync.FieldFirstName, adsync.FieldLastName, adsync.FieldEmail, adsync.FieldPhone,
}

// link is what ties a row to an entry.
type link struct {
	source string
	id     adsync.ObjectID
}

// textIn points to the text that a field holds: the source or a detail.
func textIn(u *adsync.User, f adsync.Field) *string {
	switch f {
	case adsync.FieldSource:
		return &u.Source
	case adsync.FieldUsername:
		return &u.Username
	case adsync.FieldFirstName:
		return &u.FirstName
	case adsync.FieldLastName:
		return &u.LastName
	case adsync.FieldEmail:
		return &u.Email
	case adsync.FieldPhone:
		return &u.Phone
	}
	panic("adsync: not a text: " + string(f))
}

// writeOp is the kind of write to try; for a change that only informs, one that
// CheckShape refuses.
func writeOp(c adsync.Change) adsync.Op {
	if c.Op == adsync.OpDelete || c.Op == adsync.OpCreate {
		return c.Op
	}
	return adsync.OpUpdate
}

// notWritten is nil while the context stands.
func notWritten(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return notDone{fmt.Errorf("adsync: the run was ended, and this was not written: %w", err)}
	}
	return nil
}

// notRead is nil while the context stands.
func notRead(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("adsync: the run was ended before all users were read: %w", err)
	}
	return nil
}
