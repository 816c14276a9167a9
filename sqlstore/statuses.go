package sqlstore

import (
	"cmp"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore/internal/sqltable"
)

// StatusValue stands in Table.Statuses for what no single value says.
type StatusValue int

// The values of a status that are not one value.
const (
	Null    StatusValue = iota + 1 // NULL, as nil
	NotNull                        // any value that no other status is mapped to; it cannot be written
	Now                            // the same, and written as the time: in a column of times in UTC, in a bigint in milliseconds since 1970, in a smaller number in seconds
	NowUnix                        // the same, and written as the seconds since 1970, in a number of any size
)

// statusMap is how a column holds the status. A column without one holds none.
type statusMap struct {
	codes map[adsync.Status]any           // what is written; not of NotNull and Now
	reads map[sqltable.Code]adsync.Status // what is read
	rest  adsync.Status                   // of values that are not in reads, save NULL
	other adsync.Status                   // of all other values
	now   adsync.Status                   // which is written as the time
	when  StatusValue                     // Now or NowUnix, of now
	clock func(time.Time) any             // how

	numbers bool // the column holds some, and 1 may read as 1.00
}

var defaultStatuses = map[adsync.Status]any{
	adsync.StatusActive: string(adsync.StatusActive), adsync.StatusBlocked: string(adsync.StatusBlocked), adsync.StatusDeactivated: string(adsync.StatusDeactivated),
}

// newStatusMap takes Table.Statuses.
func newStatusMap(given map[adsync.Status]any) (*statusMap, error) {
	if given == nil {
		given = defaultStatuses
	}
	m := &statusMap{codes: map[adsync.Status]any{}, reads: map[sqltable.Code]adsync.Status{}, other: adsync.StatusBlocked}
	for _, status := range slices.Sorted(maps.Keys(given)) {
		if err := m.add(status, given[status]); err != nil {
			return nil, err
		}
	}
	active, ok := m.codes[adsync.StatusActive]
	switch {
	case !ok && m.rest != adsync.StatusActive && m.now != adsync.StatusActive:
		return nil, errors.New("adsync: sqlstore.Table.Statuses has no value for StatusActive; say how an active user is stored")
	case !ok:
		return nil, errors.New("adsync: sqlstore.Table.Statuses maps StatusActive to NotNull or Now; give it one value, or Null")
	case m.reads[codeOf(active)] != adsync.StatusActive:
		return nil, errors.New("adsync: sqlstore.Table.Statuses maps StatusActive and another status to one value, so that nobody could tell who is active; give each its own")
	}
	m.merge(len(given))
	return m, nil
}

func codeOf(v any) sqltable.Code { return sqltable.CellOf(v).Code() }

// add enters one status. A value that two of them share is no longer known to be
// either, and the safe reading is that the host has blocked the user.
func (m *statusMap) add(status adsync.Status, value any) error {
	status = cmp.Or(status, adsync.StatusActive)
	known := []adsync.Status{adsync.StatusActive, adsync.StatusInactive, adsync.StatusBlocked, adsync.StatusDeactivated}
	_, twice := m.codes[status]
	switch {
	case !slices.Contains(known, status):
		return fmt.Errorf("adsync: sqlstore.Table.Statuses maps %q, which is no Status", status)
	case twice || m.rest == status:
		return errors.New(`adsync: sqlstore.Table.Statuses maps both "" and StatusActive, which are the same; give one of them`)
	}
	switch value {
	case Null:
		value = nil
	case NotNull, Now, NowUnix:
		if m.rest != "" {
			return errors.New("adsync: sqlstore.Table.Statuses maps two statuses to NotNull or Now; a value could be either")
		}
		m.rest = status
		if value != NotNull {
			m.now, m.when = status, value.(StatusValue)
		}
		return nil
	}
	stored, err := driver.DefaultParameterConverter.ConvertValue(value)
	cell := sqltable.CellOf(stored)
	switch _, isBytes := stored.([]byte); {
	case isTime(stored):
		return fmt.Errorf("adsync: sqlstore.Table.Statuses maps %s to one time; use Now for the time of the write, and NotNull for any", status)
	case err != nil || cell.Bad:
		return fmt.Errorf("adsync: sqlstore.Table.Statuses maps %s to a %T; use a text, a number, a flag, Null, NotNull or Now", status, value)
	case isBytes:
		return errors.New("adsync: sqlstore.Table.Statuses maps to bytes; use a text, a number or a flag")
	case stored == "":
		return errors.New("adsync: sqlstore.Table.Statuses maps to an empty text, which is the same as NULL; use Null, or a word")
	}
	m.codes[status] = stored
	if _, shared := m.reads[cell.Code()]; shared {
		status = adsync.StatusBlocked
	}
	m.reads[cell.Code()] = status
	return nil
}

func isTime(v any) bool {
	_, ok := v.(time.Time)
	return ok
}

// merge makes StatusInactive of the status by which a column of two values says that a
// user is not active: nobody knows then whether a sync or the host did it.
func (m *statusMap) merge(statuses int) {
	if statuses != 2 || m.holds(adsync.StatusBlocked) || m.rest == adsync.StatusBlocked || !m.isFlag() {
		return
	}
	m.other = adsync.StatusInactive
	if code, ok := m.codes[adsync.StatusDeactivated]; ok {
		delete(m.codes, adsync.StatusDeactivated)
		m.codes[adsync.StatusInactive], m.reads[codeOf(code)] = code, adsync.StatusInactive
	}
	for _, status := range []*adsync.Status{&m.rest, &m.now} {
		if *status == adsync.StatusDeactivated {
			*status = adsync.StatusInactive
		}
	}
}

// isFlag reports whether the column has no room for a third status.
func (m *statusMap) isFlag() bool {
	if m.rest != "" {
		return true
	}
	seen := map[bool]bool{}
	for _, code := range m.codes {
		flag, ok := sqltable.CellOf(code).Flag()
		if !ok || code == nil {
			return false
		}
		seen[flag] = true
	}
	return len(seen) == 2
}

// read is the status that a value stands for.
func (m *statusMap) read(cell *sqltable.Cell) adsync.Status {
	if status, ok := m.lookUp(cell); ok {
		return status
	}
	if m.rest != "" && !cell.Null {
		return m.rest
	}
	return m.other
}

// lookUp finds the status that is mapped to a value.
func (m *statusMap) lookUp(cell *sqltable.Cell) (status adsync.Status, ok bool) {
	status, ok = m.reads[cell.Code()]
	if !ok && m.numbers {
		if f, err := strconv.ParseFloat(cell.Text, 64); err == nil {
			status, ok = m.reads[codeOf(f)]
		}
	}
	return status, ok && !cell.Bad
}

// holds reports whether a status can be written, and then reads as itself.
func (m *statusMap) holds(status adsync.Status) bool {
	code, ok := m.codes[status]
	return ok && m.reads[codeOf(code)] == status || m.now == status && status != ""
}

// code is the one value of a status; ok is false where there is not just one.
func (m *statusMap) code(status adsync.Status) (code any, ok bool) {
	code, ok = m.codes[cmp.Or(status, adsync.StatusActive)]
	return code, ok
}

// value is what is written for a status at a time.
func (m *statusMap) value(status adsync.Status, at time.Time) (any, error) {
	status = cmp.Or(status, adsync.StatusActive)
	if status == m.now {
		return m.clock(at), nil
	}
	if code, ok := m.codes[status]; ok {
		return code, nil
	}
	return nil, fmt.Errorf("adsync: sqlstore.Table.Statuses has no value for %q that can be written; add one", status)
}

// readsAs is how a status reads once it is written.
func (m *statusMap) readsAs(status adsync.Status) adsync.Status {
	if code, ok := m.code(status); ok {
		return m.read(sqltable.CellOf(code))
	}
	return status
}

// nearest is the status itself where it can be written and read, otherwise another of those
// that are not active, and StatusActive where there is none.
func (m *statusMap) nearest(status adsync.Status) adsync.Status {
	for _, s := range []adsync.Status{status, adsync.StatusDeactivated, adsync.StatusInactive, adsync.StatusBlocked} {
		if m.holds(cmp.Or(s, adsync.StatusActive)) {
			return s
		}
	}
	return adsync.StatusActive
}

// kind is how a statement compares the status, and whether it can.
func (m *statusMap) kind() (kind sqltable.Kind, matches bool) {
	texts := 0
	for _, code := range m.codes {
		if _, text := code.(string); text {
			texts++
		}
	}
	if texts == len(m.codes) {
		return sqltable.Text, true
	}
	return sqltable.Raw, texts == 0
}

// fit makes the values fit the column's type, or says which do not. A value that the
// database refuses would be refused once for each user, and one that it takes for
// another would block everybody.
func (m *statusMap) fit(column string, t sqltable.Type, loose bool) (*statusMap, error) {
	fitted := *m
	fitted.codes, fitted.clock = map[adsync.Status]any{}, clockFor(m.when, t, loose)
	fitted.reads, fitted.numbers = map[sqltable.Code]adsync.Status{}, t.Family() == sqltable.Numbers
	if m.now != "" && fitted.clock == nil {
		return nil, fmt.Errorf("adsync: sqlstore.Table.Statuses maps %s to the time, but the column %s is of type %s; use Now for times and numbers, and NowUnix for numbers, of at least 32 bits", m.now, column, t.Name)
	}
	given := map[sqltable.Code]any{} // by what became of it
	for _, status := range slices.Sorted(maps.Keys(m.codes)) {
		value := m.codes[status]
		code, fits := fitCode(value, t, loose)
		if !fits {
			return nil, fmt.Errorf("adsync: sqlstore.Table.Statuses maps %s to %v, which the column %s of type %s cannot hold; %s",
				status, shown(value), column, t.Name, adviceFor(t))
		}
		before, after := codeOf(value), codeOf(code)
		if other, taken := given[after]; taken && codeOf(other) != before {
			return nil, fmt.Errorf("adsync: sqlstore.Table.Statuses maps %s to %v, which the column %s of type %s takes for %v; give each status a value of its own",
				status, shown(value), column, t.Name, shown(other))
		}
		given[after], fitted.codes[status], fitted.reads[after] = value, code, m.reads[before]
	}
	return &fitted, nil
}

// fitCode spells a value as the column holds it: a flag as a number, a number as a flag or
// a text, and a text as its enum lists it. What the column would refuse, cut off or round
// does not fit.
func fitCode(code any, t sqltable.Type, loose bool) (any, bool) {
	if code == nil {
		return nil, t.Nullable
	}
	text := sqltable.CellOf(code).Text
	switch t.Family() {
	case sqltable.Flags:
		return fitFlag(code, t, loose)
	case sqltable.Numbers:
		return fitNumber(code, t, loose)
	case sqltable.Texts:
		spelled, ok := t.Text(text)
		if loose {
			spelled, ok = text, true
		}
		_, isFlag := code.(bool)
		return spelled, ok && !isFlag
	case sqltable.Times:
		return code, false
	}
	return code, true
}

// fitFlag is fitCode for a boolean, a bit, and the tinyint(1) that MySQL makes of a boolean.
func fitFlag(code any, t sqltable.Type, loose bool) (any, bool) {
	_, isText := code.(string)
	text := sqltable.CellOf(code).Text
	isOne := !isText && (text == "0" || text == "1")
	if t.IsBoolean() {
		return text == "1", isOne
	}
	if bit, ok := t.Bit(text == "1"); ok && !loose {
		return bit, isOne && bit != nil
	}
	return fitNumber(code, t, loose)
}

// fitNumber is fitCode for a number. A text stays one, and so does what it is compared as.
func fitNumber(code any, t sqltable.Type, loose bool) (any, bool) {
	if flag, isFlag := code.(bool); isFlag {
		return map[bool]int64{true: 1}[flag], true
	}
	text, isText := code.(string)
	if !isText && loose {
		return code, true
	}
	spelled, ok := t.Number(sqltable.CellOf(code).Text)
	if isText {
		return text, ok && spelled == text
	}
	return code, ok
}

func shown(code any) string {
	if code == nil {
		return "NULL"
	}
	return fmt.Sprint(code)
}

func adviceFor(t sqltable.Type) string {
	values := t.Values()
	switch {
	case t.Family() == sqltable.Flags:
		return "map StatusActive to true and StatusInactive to false, or the other way round"
	case t.Family() == sqltable.Times:
		return "map StatusActive to Null and StatusInactive to Now, or the other way round"
	case len(values) > 0:
		return "use the values that it lists: " + strings.Join(values[:min(len(values), 10)], ", ")
	}
	return "say how it stores each status, and leave the others out"
}

// clockFor writes the time into a column, as Now or NowUnix has it; nil where it cannot.
func clockFor(value StatusValue, t sqltable.Type, loose bool) func(time.Time) any {
	switch {
	case t.IsNarrow() && !loose, value != Now && (value != NowUnix || t.Family() != sqltable.Numbers):
		return nil
	case value == NowUnix:
		return func(at time.Time) any { return at.Unix() }
	case t.Family() == sqltable.Times && loose: // which keeps a time as a text
		return func(at time.Time) any { return at.UTC().Format(time.DateTime) }
	case t.Family() == sqltable.Times:
		return func(at time.Time) any { return at.UTC().Truncate(time.Second) }
	case t.Family() == sqltable.Numbers && (loose || t.IsWide()):
		return func(at time.Time) any { return at.UnixMilli() }
	case t.Family() == sqltable.Numbers:
		return func(at time.Time) any { return at.Unix() }
	}
	return nil
}
