package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore/internal/sqlbatch"
)

// verifier compares what changes wrote with what they were to write.
type verifier struct {
	bind    *binder
	rows    *rowStatements
	creator *creator
	work    work
}

// all reads what the changes wrote, before it is kept, unless the database told it as it
// wrote, and is a fault where any is not as planned: cut off, trimmed or replaced by the
// database, or changed by a trigger. A change that comes later in the batch has the last word
// about its user.
func (v verifier) all(ctx context.Context, tx *sqlbatch.Tx, changes []int) (fault error) {
	last := make(map[string]int, len(changes))
	ids := make([]string, 0, len(changes))
	for _, i := range changes {
		id := v.work.userID(i)
		if _, twice := last[id]; !twice {
			ids = append(ids, id)
		}
		last[id] = i
	}
	users, told, fault := v.creator.asReturned(ctx, tx, ids)
	if !told && fault == nil {
		users, fault = v.readWritten(ctx, tx, ids)
	}
	if fault != nil {
		return fault
	}
	if fault := v.bind.roles.attach(ctx, tx, v.bind, users); fault != nil {
		return fault
	}
	now, fault := byID(users)
	if fault != nil {
		return fault
	}
	for _, id := range ids {
		if fault := v.asPlanned(v.work.changes[last[id]], id, now[id]); fault != nil {
			return ownFault{fault}
		}
	}
	return nil
}

// readWritten reads rows that this transaction has written, and therefore holds, in a way
// that reads no others.
func (v verifier) readWritten(ctx context.Context, tx *sqlbatch.Tx, ids []string) ([]adsync.User, error) {
	if v.bind.dialect.HasBulk() && len(ids) > 1 {
		return v.rows.readUsers(ctx, tx, v.bind.sql.ReadMany(v.bind.types), slices.Concat([]any{v.rows.array(ids)}, v.bind.where))
	}
	keys, exact := v.exactKeys(ids)
	if len(ids) == 1 || !exact {
		return v.readEach(ctx, tx, ids)
	}
	const most = 1000 // arguments that a server takes without trouble
	var users []adsync.User
	for part := range slices.Chunk(keys, most) {
		more, err := v.rows.readUsers(ctx, tx, v.bind.sql.ReadRows(len(part)), slices.Concat(part, v.bind.where))
		if err != nil {
			return nil, err
		}
		users = append(users, more...)
	}
	return users, nil
}

// exactKeys are the IDs as arguments of one statement; not exact where such a list
// would not use the index.
func (v verifier) exactKeys(ids []string) (keys []any, exact bool) {
	key := v.bind.idType()
	for _, id := range ids {
		arg, exact := v.bind.bindID(id), true
		if v.bind.dialect.HasCounted() {
			arg, exact = key.ExactKey(id)
			exact = exact && key.Key
		}
		if !exact {
			return nil, false
		}
		keys = append(keys, arg)
	}
	return keys, true
}

func (v verifier) readEach(ctx context.Context, tx *sqlbatch.Tx, ids []string) ([]adsync.User, error) {
	var users []adsync.User
	for _, id := range ids {
		more, err := v.rows.readRow(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		users = append(users, more...)
	}
	return users, nil
}

// asPlanned says what is not as the change would have it. The row is nil where it is no
// user.
func (v verifier) asPlanned(c adsync.Change, id string, now *adsync.User) error {
	switch {
	case c.After == nil && now == nil:
		return nil
	case c.After == nil && v.bind.table.Delete != nil:
		return fmt.Errorf("adsync: user %s is still a user after the deletion, and was kept; make sqlstore.Table.Where exclude the rows that Delete marks", id)
	case now == nil && c.Op == adsync.OpCreate:
		return errNoNewID
	case now == nil:
		return fmt.Errorf("adsync: user %s would be no user any more, and was left as it was; make sqlstore.Table.Where let through whatever a sync may write", id)
	case c.Before != nil && now.Same(*c.Before) && (c.After == nil || !now.Same(*c.After)):
		return fmt.Errorf("adsync: the database left user %s as it was, and gave no reason; look for a trigger, a rule or a policy on the table %s", id, v.bind.table.Name)
	case c.After == nil:
		return fmt.Errorf("adsync: the database changed user %s instead of deleting it, which was undone; look for a trigger or a rule on the table %s", id, v.bind.table.Name)
	}
	want := v.expected(c, id, now)
	if now.Same(want) {
		return nil
	}
	var differ []string
	for _, f := range fieldsOf(now, &want) {
		if !sameIn(f, now, &want) {
			differ = append(differ, string(f))
		}
	}
	if !slices.Equal(now.Extra.Set(adsync.FieldRoles), want.Extra.Set(adsync.FieldRoles)) {
		differ = append(differ, string(adsync.FieldRoles))
	}
	return fmt.Errorf("adsync: the database changed what was to be written as %s, so nothing of it was kept; look for a column that is too short or holds fewer characters, a server that is not strict, or a trigger on the table %s", strings.Join(differ, ", "), v.bind.table.Name)
}

// expected is the user as it reads once it is written. A moment that this change did not
// write may be any.
func (v verifier) expected(c adsync.Change, id string, now *adsync.User) adsync.User {
	u := *c.After
	u.ID = id
	if u.DeactivatedAt == adsync.AtWrite {
		u.DeactivatedAt = adsync.MomentOf(v.bind.now)
		if c.Before != nil && c.Before.DeactivatedAt == adsync.AtWrite && now.DeactivatedAt != 0 {
			u.DeactivatedAt = now.DeactivatedAt
		}
	}
	if v.bind.status != nil {
		u.Status = v.bind.statusRead(v.bind.status.readsAs(v.bind.statusStored(u.Status)), u.DeactivatedAt)
	}
	return u
}
