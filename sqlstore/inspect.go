package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-adsync/adsync/sqlstore/internal/sqlbatch"
	"github.com/go-adsync/adsync/sqlstore/internal/sqltable"
)

// knownTable is the layout together with what the database says of the table.
type knownTable struct {
	*layout
	types   sqltable.Types  // of the columns that are used
	shown   []string        // the columns that only the view has
	sql     *sqltable.Table // the statements, which heed the table's quirks
	status  *statusMap      // fitted to its column; nil where there is none
	moments *momentColumn   // nil where there is none
	roles   *memberships    // fitted to their table; nil where there are none
}

// inspector asks the database what the table is like, and checks that the layout fits.
// It asks once.
type inspector struct {
	db     *sql.DB
	layout *layout

	mu    sync.Mutex
	known *knownTable
}

// await is look for a writer, who waits while others keep the table locked.
func (in *inspector) await(ctx context.Context) (*knownTable, error) {
	for try := 1; ; try++ {
		known, err := in.look(ctx)
		if err != nil && in.layout.dialect.Fault(err).Kind == sqltable.Retry && sqlbatch.Wait(ctx, try) {
			continue
		}
		return known, in.explain(ctx, err)
	}
}

func (in *inspector) explain(ctx context.Context, err error) error {
	var own ownFault
	switch ended := notWritten(ctx); {
	case err == nil:
		return nil
	case ended != nil:
		return ended
	case errors.As(err, &own):
		return own.error
	}
	l := in.layout
	return notDone{fmt.Errorf("adsync: cannot ask the database for the columns of the table %s, so nothing was written: %s", l.table.Name, l.dialect.Fault(err).Reason)}
}

// look returns what is known. Its errors are the driver's, or an ownFault.
func (in *inspector) look(ctx context.Context) (*knownTable, error) {
	in.mu.Lock()
	known := in.known
	in.mu.Unlock()
	if known != nil {
		return known, nil
	}
	known, err := in.query(ctx)
	if err != nil {
		return nil, err
	}
	if err := known.fit(); err != nil {
		return nil, ownFault{err}
	}
	if err := in.tryTimes(ctx, known); err != nil {
		return nil, err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.known = known
	return known, nil
}

// query asks, and checks nothing.
func (in *inspector) query(ctx context.Context) (*knownTable, error) {
	queries := in.layout.queries
	text, args := queries.Catalogue()
	rows, err := in.db.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	types, err := sqltable.ReadTypes(rows)
	if err != nil || len(types) == 0 {
		return &knownTable{layout: in.layout, types: types, sql: queries}, err
	}
	roles, err := in.layout.roles.fit(ctx, in.db, in.layout.dialect)
	if err != nil {
		return nil, err
	}
	var quirks sqltable.Rows
	if text, args, ok := queries.Quirks(); ok {
		if quirks, err = in.db.QueryContext(ctx, text, args...); err != nil {
			return nil, err
		}
	}
	heeding, err := queries.Heed(types, quirks)
	known := &knownTable{layout: in.layout, types: types, sql: heeding, roles: roles}
	if err != nil || in.layout.view == nil {
		return known, err
	}
	return known, in.queryView(ctx, known)
}

// queryView adds the columns that only the view has.
func (in *inspector) queryView(ctx context.Context, known *knownTable) error {
	text, args := in.layout.view.Catalogue()
	rows, err := in.db.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	shown, err := sqltable.ReadTypes(rows)
	if err != nil {
		return err
	}
	if len(shown) == 0 {
		return ownFault{fmt.Errorf("adsync: the database has no view %s, or does not show it to this account; check sqlstore.Table.View", in.layout.table.View)}
	}
	for _, name := range append([]string{in.layout.table.Columns.ID}, in.layout.mappedNames()...) {
		t, inView := shown.Find(name)
		if !inView {
			return ownFault{fmt.Errorf("adsync: the view %s has no column %s; let it show each column that sqlstore.Columns names", in.layout.table.View, name)}
		}
		if _, inTable := known.types.Find(name); !inTable {
			known.types[name], known.shown = t, append(known.shown, name)
		}
	}
	return nil
}

// fit keeps the types of the columns that are used, and says which does not hold what
// the host would put there.
func (k *knownTable) fit() (err error) {
	if k.types, err = k.usedTypes(k.types); err != nil {
		return err
	}
	if err := k.checkTimes(); err != nil {
		return err
	}
	if column := k.table.Columns.Status; column != "" {
		if k.status, err = k.statuses.fit(column, k.types[column], k.dialect.Loose()); err != nil {
			return err
		}
	}
	if column := k.table.Columns.DeactivatedAt; column != "" {
		k.moments, err = fitMoments(column, k.types[column], k.dialect)
	}
	return err
}

// tryTimes sees whether times, of winter and summer, come back from the database as they
// were sent. They do not where the driver writes them in another time zone than UTC, and
// gives them back as texts.
func (in *inspector) tryTimes(ctx context.Context, known *knownTable) error {
	column := known.table.Columns.DeactivatedAt
	text, ok := known.dialect.GiveBackTimes()
	if column == "" || !ok || !known.types[column].HoldsTimes() {
		return nil
	}
	sent := []any{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2026, 7, 8, 9, 10, 11, 0, time.UTC)}
	rows, err := in.db.QueryContext(ctx, text, sent...)
	if err != nil {
		return err
	}
	defer rows.Close()
	row := sqltable.NewRow(len(sent))
	for rows.Next() {
		if err := row.Scan(rows); err != nil {
			return err
		}
		for i := range sent {
			if got, ok := readMoment(row.Cell(i)); !ok || !got.Time().Equal(sent[i].(time.Time)) {
				return ownFault{fmt.Errorf("adsync: the database gives back other times than it is sent, and so the column %s of the table %s cannot say when a sync deactivated somebody; open it with parseTime=true, or with loc=UTC", column, known.table.Name)}
			}
		}
	}
	return rows.Err()
}

// usedTypes picks the columns that are mapped, by the names that the host gave them.
func (k *knownTable) usedTypes(types sqltable.Types) (sqltable.Types, error) {
	if len(types) == 0 {
		return nil, fmt.Errorf("adsync: the database has no table %s, or does not show it to this account; check sqlstore.Table.Name", k.table.Name)
	}
	used := make(sqltable.Types)
	for _, name := range slices.Concat([]string{k.table.Columns.ID}, k.newColumns, slices.Sorted(maps.Keys(k.table.Delete))) {
		t, ok := types.Find(name)
		if !ok {
			return nil, fmt.Errorf("adsync: the table %s has no column %s; correct sqlstore.Table", k.table.Name, name)
		}
		used[name] = t
	}
	if used[k.table.Columns.ID].Name == "" {
		return nil, fmt.Errorf("adsync: the column %s of the table %s has no type, and so a number in it never equals its own text; declare one, as INTEGER or TEXT", k.table.Columns.ID, k.table.Name)
	}
	return used, nil
}

// noTime says that a column holds no time, as Defaults, Delete or Derived would have it.
func noTime(column string, t sqltable.Type) error {
	return fmt.Errorf("adsync: the column %s of type %s cannot be set to Now, NowUnix or NotNull; use Now for times and numbers, NowUnix for numbers, or give the value", column, t.Name)
}

// checkTimes holds each Now of Defaults and Delete against its column.
func (k *knownTable) checkTimes() error {
	for _, given := range []map[string]any{k.table.Defaults, k.table.Delete} {
		for _, name := range slices.Sorted(maps.Keys(given)) {
			value, special := given[name].(StatusValue)
			if special && value != Null && clockFor(value, k.types[name], k.dialect.Loose()) == nil {
				return noTime(name, k.types[name])
			}
		}
	}
	return nil
}

// idType is the type of the primary key.
func (k *knownTable) idType() sqltable.Type { return k.types[k.table.Columns.ID] }
