package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore/internal/sqlbatch"
	"github.com/go-adsync/adsync/sqlstore/internal/sqltable"
)

// explain turns the outcomes into what a store returns.
func (b *batch) explain(outcomes []sqlbatch.Outcome) []adsync.Written {
	out := make([]adsync.Written, len(outcomes))
	for i, o := range outcomes {
		out[i] = adsync.Written{UserID: b.ids[i], Err: o.Err}
		switch {
		case i > 0 && o.State == sqlbatch.RolledBack && b.dialect.Fault(o.Err).Kind == sqltable.ReadOnly:
			out[i] = adsync.Written{Err: adsync.ErrNotWritten} // the first says why
		case o.State != sqlbatch.Done:
			out[i] = adsync.Written{Err: b.explainFault(o, b.changes[i])}
		}
	}
	return out
}

func (b *batch) explainFault(o sqlbatch.Outcome, c adsync.Change) error {
	fault := b.dialect.Fault(o.Err)
	reason := sqltable.Redact(fault.Reason, personalTexts(c)...)
	var own ownFault
	switch {
	case o.State == sqlbatch.Unknown:
		return fmt.Errorf("%w (the commit was not answered: %s)", adsync.ErrUnknown, reason)
	case o.State == sqlbatch.RolledBack && (errors.Is(o.Err, context.Canceled) || errors.Is(o.Err, context.DeadlineExceeded)):
		return notDone{fmt.Errorf("adsync: the run was ended, and this was rolled back with its batch: %w", o.Err)}
	case o.State == sqlbatch.RolledBack && fault.Kind == sqltable.Retry:
		return fmt.Errorf("adsync: this was rolled back with its batch, as others kept the table busy; apply the plan again: %s", reason)
	case fault.Kind == sqltable.ReadOnly:
		return notDone{fmt.Errorf("adsync: the database takes no writes, so nothing of this batch was written; connect to one that does, or let this account write: %s", reason)}
	case o.State == sqlbatch.RolledBack:
		return notDone{fmt.Errorf("adsync: this was rolled back with its batch, as the database failed; apply the plan again: %s", reason)}
	case errors.As(o.Err, &own):
		return own.error
	case fault.Kind == sqltable.Unique:
		return fmt.Errorf("%w (unique constraint %s)", adsync.ErrConflict, cmp.Or(fault.Constraint, "unnamed"))
	case fault.Kind == sqltable.Constraint && fault.Constraint != "":
		return fmt.Errorf("adsync: the database refused this row by its constraint %s; correct the user, or the constraint: %s", fault.Constraint, reason)
	}
	return fmt.Errorf("adsync: the database refused this row; correct the user, or the table: %s", reason)
}

// personalTexts are what must not stand in an error.
func personalTexts(c adsync.Change) []string {
	var texts []string
	for _, u := range []*adsync.User{c.After, c.Before} {
		if u != nil {
			texts = append(texts, u.Email, u.Username, u.FirstName, u.LastName, u.Phone, u.ObjectID.String())
		}
	}
	return texts
}

// notDone is an error after which nothing was written and nothing will be. It is
// [adsync.ErrNotWritten], so that the run ends.
type notDone struct{ error }

func (e notDone) Is(target error) bool { return target == adsync.ErrNotWritten }
func (e notDone) Unwrap() error        { return e.error }
