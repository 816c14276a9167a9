package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore/internal/sqlbatch"
	"github.com/go-adsync/adsync/sqlstore/internal/sqltable"
)

// ownFault is a fault in the words of this package, or of the host's OnWrite.
type ownFault struct{ error }

func (e ownFault) Unwrap() error { return e.error }

// notDone is an error after which nothing was written and nothing will be. It is
// [adsync.ErrNotWritten], so that the run ends.
type notDone struct{ error }

func (e notDone) Is(target error) bool { return target == adsync.ErrNotWritten }
func (e notDone) Unwrap() error        { return e.error }

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

// told is an error in other words.
type told struct {
	words string
	cause error
}

func (e told) Error() string { return e.words }
func (e told) Unwrap() error { return e.cause }

// inWords is the driver's error without the values that it quotes. One that quotes none can be
// unwrapped, so that a host can tell what the driver tells: above all, that nobody answered.
func inWords(d sqltable.Dialect, err error) error {
	words := d.Fault(err).Reason
	if words != strings.Join(strings.Fields(err.Error()), " ") {
		return errors.New(words)
	}
	return told{words, err}
}

// unlessRefused is the fault that ends the transaction, but nil for a question that the
// server merely refused to answer.
func unlessRefused(ctx context.Context, d sqltable.Dialect, fault error) error {
	if fault != nil && ctx.Err() == nil && d.Fault(fault).Kind != sqltable.Retry {
		return nil
	}
	return fault
}

// explainReading says why the users could not be read.
func explainReading(ctx context.Context, l *layout, err error) error {
	if ended := notRead(ctx); ended != nil {
		return ended
	}
	var own ownFault
	if errors.As(err, &own) {
		return own.error
	}
	return fmt.Errorf("adsync: cannot read the users of the table %s: %w", l.table.Name, inWords(l.dialect, err))
}

// explainOutcomes turns what became of the changes into what a store returns.
func explainOutcomes(l *layout, w work, outcomes []sqlbatch.Outcome) []adsync.Written {
	out := make([]adsync.Written, len(outcomes))
	for i, o := range outcomes {
		out[i] = adsync.Written{UserID: w.ids[i], Err: o.Err}
		switch {
		case i > 0 && o.State == sqlbatch.RolledBack && l.dialect.Fault(o.Err).Kind == sqltable.ReadOnly:
			out[i] = adsync.Written{Err: adsync.ErrNotWritten} // the first says why
		case o.State != sqlbatch.Done:
			out[i] = adsync.Written{Err: explainOutcome(l, o, w.changes[i])}
		}
	}
	return out
}

func explainOutcome(l *layout, o sqlbatch.Outcome, c adsync.Change) error {
	fault := l.dialect.Fault(o.Err)
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
	case fault.Kind == sqltable.Reference && c.Op == adsync.OpDelete && l.table.Delete == nil:
		return fmt.Errorf("adsync: the database refused to delete this row, as other rows refer to it%s, such as that of a role which the host gave; remove them in sqlstore.Table.OnWrite, let their key be ON DELETE CASCADE, or mark users as deleted with sqlstore.Table.Delete: %s",
			byConstraint(fault), reason)
	case fault.Constraint != "" && (fault.Kind == sqltable.Constraint || fault.Kind == sqltable.Reference):
		return fmt.Errorf("adsync: the database refused this row by its constraint %s; correct the user, or the constraint: %s", fault.Constraint, reason)
	}
	return fmt.Errorf("adsync: the database refused this row; correct the user, or the table: %s", reason)
}

func byConstraint(f sqltable.Fault) string {
	if f.Constraint == "" {
		return ""
	}
	return " by its constraint " + f.Constraint
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
