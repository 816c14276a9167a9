package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore/internal/sqlbatch"
	"github.com/go-adsync/adsync/sqlstore/internal/sqltable"
)

// verify reads what the changes wrote, before it is kept, and is a fault where any is
// not as planned: cut off, trimmed or replaced by the database, or changed by a trigger.
// A change that comes later in the batch has the last word about its user.
func (b *batch) verify(ctx context.Context, tx *sqlbatch.Tx, changes []int) (fault error) {
	last := make(map[string]int, len(changes))
	ids := make([]string, 0, len(changes))
	for _, i := range changes {
		id := b.writtenID(i)
		if _, twice := last[id]; !twice {
			ids = append(ids, id)
		}
		last[id] = i
	}
	users, fault := b.readWritten(ctx, tx, ids)
	if fault != nil {
		return fault
	}
	now, fault := byID(users)
	if fault != nil {
		return fault
	}
	for _, id := range ids {
		if fault := b.asPlanned(b.changes[last[id]], id, now[id]); fault != nil {
			return ownFault{fault}
		}
	}
	return nil
}

func (b *batch) writtenID(i int) string {
	if b.changes[i].Op == adsync.OpCreate {
		return b.ids[i]
	}
	return b.changes[i].UserID
}

// readWritten reads rows that this transaction has written, and therefore holds, in a way
// that reads no others.
func (b *batch) readWritten(ctx context.Context, tx *sqlbatch.Tx, ids []string) ([]adsync.User, error) {
	if b.dialect.HasBulk() && len(ids) > 1 {
		all := sqltable.Array{Type: b.idType()}
		for _, id := range ids {
			all.Add(b.bindID(id))
		}
		return b.readUsers(ctx, tx, b.sql.ReadMany(b.types), slices.Concat([]any{all.String()}, b.where))
	}
	keys, exact := b.exactKeys(ids)
	if len(ids) == 1 || !exact {
		return b.readEach(ctx, tx, ids)
	}
	const most = 1000 // arguments that a server takes without trouble
	var users []adsync.User
	for part := range slices.Chunk(keys, most) {
		more, err := b.readUsers(ctx, tx, b.sql.ReadRows(len(part)), slices.Concat(part, b.where))
		if err != nil {
			return nil, err
		}
		users = append(users, more...)
	}
	return users, nil
}

// exactKeys are the IDs as arguments of one statement; not exact where such a list
// would not use the index.
func (b *batch) exactKeys(ids []string) (keys []any, exact bool) {
	key := b.types[b.table.Columns.ID]
	for _, id := range ids {
		arg, exact := b.bindID(id), true
		if b.dialect.HasCounted() {
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

func (b *batch) readEach(ctx context.Context, tx *sqlbatch.Tx, ids []string) ([]adsync.User, error) {
	var users []adsync.User
	for _, id := range ids {
		more, err := b.readUsers(ctx, tx, b.sql.SelectRow(), slices.Concat([]any{b.bindID(id)}, b.where))
		if err != nil {
			return nil, err
		}
		users = append(users, more...)
	}
	return users, nil
}

// asPlanned says what is not as the change would have it. The row is nil where it is no
// user.
func (b *batch) asPlanned(c adsync.Change, id string, now *adsync.User) error {
	switch {
	case c.After == nil && now == nil:
		return nil
	case c.After == nil && b.table.Delete != nil:
		return fmt.Errorf("adsync: user %s is still a user after the deletion, and was kept; make sqlstore.Table.Where exclude the rows that Delete marks", id)
	case now == nil && c.Op == adsync.OpCreate:
		return errNoNewID
	case now == nil:
		return fmt.Errorf("adsync: user %s would be no user any more, and was left as it was; make sqlstore.Table.Where let through whatever a sync may write", id)
	case c.Before != nil && now.Same(*c.Before) && (c.After == nil || !now.Same(*c.After)):
		return fmt.Errorf("adsync: the database left user %s as it was, and gave no reason; look for a trigger, a rule or a policy on the table %s", id, b.table.Name)
	case c.After == nil:
		return fmt.Errorf("adsync: the database changed user %s instead of deleting it, which was undone; look for a trigger or a rule on the table %s", id, b.table.Name)
	}
	want := b.readsAs(*c.After, id)
	if now.Same(want) {
		return nil
	}
	var differ []string
	for _, f := range storedFields {
		if !sameIn(f, now, &want) {
			differ = append(differ, string(f))
		}
	}
	return fmt.Errorf("adsync: the database changed what was to be written as %s, so nothing of it was kept; look for a column that is too short or holds fewer characters, a server that is not strict, or a trigger on the table %s", strings.Join(differ, ", "), b.table.Name)
}

// readsAs is the user as it reads once it is written.
func (b *batch) readsAs(u adsync.User, id string) adsync.User {
	u.ID = id
	if b.status != nil {
		u.Status = b.status.readsAs(u.Status)
	}
	return u
}
