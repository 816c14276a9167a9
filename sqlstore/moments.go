package sqlstore

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore/internal/sqltable"
)

// momentColumn is how the column of DeactivatedAt holds a moment.
type momentColumn struct {
	never any // NULL, or 0 where a number cannot be NULL
	write func(time.Time) any
}

// fitMoments makes moments fit the column's type, or says why it holds none.
func fitMoments(column string, t sqltable.Type, d sqltable.Dialect) (*momentColumn, error) {
	switch {
	case t.HoldsSeconds(), t.Family() == sqltable.Numbers && d.Loose():
		m := &momentColumn{write: func(at time.Time) any { return at.Unix() }}
		if !t.Nullable {
			m.never = int64(0)
		}
		return m, nil
	case !t.HoldsTimes():
		return nil, fmt.Errorf("adsync: sqlstore.Columns.DeactivatedAt names the column %s of type %s, which holds no time to the second; map one of type timestamp or datetime, or a bigint of seconds since 1970", column, t.Name)
	case !t.Nullable:
		return nil, fmt.Errorf("adsync: sqlstore.Columns.DeactivatedAt names the column %s, which does not allow NULL, as for whoever was never deactivated; let it", column)
	case d.HasCounted():
		return &momentColumn{write: func(at time.Time) any { return at }}, nil // the driver knows the connection's time zone
	}
	layout := time.DateTime
	if t.HasZone() {
		layout += "Z07:00"
	}
	return &momentColumn{write: func(at time.Time) any { return at.Format(layout) }}, nil
}

// value is what the column holds for a moment, which for AtWrite is now.
func (m *momentColumn) value(at adsync.Moment, now time.Time) any {
	switch at {
	case 0:
		return m.never
	case adsync.AtWrite:
		at = adsync.MomentOf(now)
	}
	return m.write(at.Time())
}

// lastSecond is the end of the year 9999. What is later was counted in a smaller unit.
const lastSecond = 253402300799

// readMoment is never for NULL, 0, and the dates that MySQL has for none; not ok for what
// is no time.
func readMoment(cell *sqltable.Cell) (at adsync.Moment, ok bool) {
	if !cell.Time.IsZero() {
		return adsync.MomentOf(cell.Time), true
	}
	text := cell.Text
	if cell.Null || text == "" || strings.HasPrefix(text, "0000-00-00") {
		return 0, true
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		if seconds == 0 { // also as 0.00
			return 0, true
		}
		return adsync.MomentOf(time.Unix(int64(seconds), 0)), seconds > 0 && seconds <= lastSecond
	}
	for _, layout := range []string{time.DateTime, time.DateTime + "Z07:00", time.RFC3339, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return adsync.MomentOf(t), true
		}
	}
	return 0, false
}

// tellsByMoment reports whether whom a sync deactivated shows in the moment alone: the
// status only says who is active.
func (l *layout) tellsByMoment() bool {
	return l.table.Columns.DeactivatedAt != "" && !l.statuses.holds(adsync.StatusDeactivated)
}

// statusRead is the status of a row with a moment.
func (l *layout) statusRead(status adsync.Status, at adsync.Moment) adsync.Status {
	if status == adsync.StatusInactive && at != 0 && l.tellsByMoment() {
		return adsync.StatusDeactivated
	}
	return status
}

// statusStored is the status that the status column is to hold for one.
func (l *layout) statusStored(status adsync.Status) adsync.Status {
	if status == adsync.StatusDeactivated && l.tellsByMoment() {
		return adsync.StatusInactive
	}
	return status
}

// checkMoment refuses a user as whom no row would read.
func (l *layout) checkMoment(u *adsync.User) error {
	if !l.tellsByMoment() {
		return nil
	}
	column := l.table.Columns.DeactivatedAt
	switch stamped := u.DeactivatedAt != 0; {
	case u.Status == adsync.StatusDeactivated && !stamped:
		return fmt.Errorf("adsync: the table %s tells by the column %s whom a sync deactivated, so nobody can be that without a moment; let the plan give adsync.AtWrite", l.table.Name, column)
	case u.Status == adsync.StatusInactive && stamped:
		return fmt.Errorf("adsync: the table %s tells by the column %s whom a sync deactivated, so nobody with a moment can be inactive otherwise; let the plan give none", l.table.Name, column)
	}
	return nil
}
