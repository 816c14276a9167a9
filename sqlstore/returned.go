package sqlstore

import (
	"cmp"
	"context"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore/internal/sqlbatch"
)

// A statement that adds rows returns them as they are kept, cut off or filled in by the
// database, unless something changes them afterwards. Where the server is another process,
// reading them again takes longer.

// showsUsers reports whether a new row that is returned is all that there is to a user.
func (b *binder) showsUsers() bool {
	return b.dialect.ReturnsRows() && b.table.Where == "" && b.view == nil && !b.oneByOne()
}

// returnedColumns are what is to be returned of a new row, apart from the ID.
func (b *binder) returnedColumns() []string {
	if !b.showsUsers() {
		return b.linkNames
	}
	all := make([]string, len(b.columns))
	for i, c := range b.columns {
		all[i] = c.name
	}
	return all
}

// asReturned are the users of these IDs, if tx has added them all and nothing can have
// changed them since. It is asked after they were added, when the transaction holds the
// table, so that nobody gives it a trigger in between.
func (k *creator) asReturned(ctx context.Context, tx *sqlbatch.Tx, ids []string) (users []adsync.User, ok bool, fault error) {
	if k.tx != tx || len(k.returned) == 0 {
		return nil, false, nil
	}
	for _, id := range ids {
		u, ok := k.returned[id]
		if !ok {
			return nil, false, nil
		}
		users = append(users, u)
	}
	meddled, fault := k.meddled(ctx, tx)
	return users, !meddled && fault == nil, fault
}

// meddled reports whether a trigger, a rule or a foreign key may have changed a row that was
// added, or another program, where no transaction keeps it off.
func (k *creator) meddled(ctx context.Context, tx *sqlbatch.Tx) (may bool, fault error) {
	if k.bind.dialect.HasCounted() && !k.bind.idType().Key {
		return true, nil
	}
	text, args := k.bind.sql.Meddlers()
	rows, err := tx.Rows(ctx, text, args...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	may = rows.Next()
	return may, cmp.Or(rows.Close(), rows.Err())
}
