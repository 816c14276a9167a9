package adsync

import (
	"errors"
	"math"
	"time"
)

// Moment is a time to the second, in UTC, as what a directory and a user table tell of
// deletions: comparable with ==, and by < and > where neither is AtWrite. The zero Moment
// is never. [MomentOf] makes one.
//
// Its text, in JSON too, is like 2026-11-30T17:04:05Z, empty for never, and at-write for
// AtWrite.
type Moment int64 // seconds since the year 1

// AtWrite stands in the After of a [Change] for the moment at which it will be written, so
// that no plan holds the time at which it was made. A store that holds DeactivatedAt puts
// the second there that its host's clock shows. [Change.Guard] takes any moment that is in
// a row for it, except never.
const AtWrite Moment = math.MinInt64

// yearOne is 1 January of the year 1, in seconds since 1970.
const yearOne = -62135596800

// lastMoment is the end of the year 9999, after which there is no text for a time.
const lastMoment Moment = 253402300799 - yearOne

// MomentOf is the second of t. The zero Time and all before it are never, and times after
// the year 9999 are its last second.
func MomentOf(t time.Time) Moment {
	return min(max(0, Moment(t.Unix()-yearOne)), lastMoment)
}

// Time is the moment in UTC: the zero Time for never, and for AtWrite, which is no time yet.
func (m Moment) Time() time.Time {
	if m <= 0 {
		return time.Time{}
	}
	return time.Unix(int64(m)+yearOne, 0).UTC()
}

// String is the text form.
func (m Moment) String() string {
	switch {
	case m == AtWrite:
		return atWrite
	case m <= 0:
		return ""
	}
	return m.Time().Format(time.RFC3339)
}

const atWrite = "at-write"

// MarshalText is String.
func (m Moment) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

var errMoment = errors.New("adsync: not a moment; want one like 2026-11-30T17:04:05Z")

// UnmarshalText reads what MarshalText writes, and any other time of RFC 3339, whose
// fraction of a second is dropped.
func (m *Moment) UnmarshalText(text []byte) error {
	switch string(text) {
	case "":
		*m = 0
		return nil
	case atWrite:
		*m = AtWrite
		return nil
	}
	t, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return errMoment // without the text, which may be anybody's data
	}
	*m = MomentOf(t)
	return nil
}

// after is the moment that is so much later.
func (m Moment) after(d time.Duration) Moment {
	return min(m+Moment(d/time.Second), lastMoment)
}

// same reports whether both are equal as Guard compares them.
func (m Moment) same(other Moment) bool {
	return m == other || m == AtWrite && other != 0 || other == AtWrite && m != 0
}

// words is the moment as a plan prints it.
func (m Moment) words() string {
	if m == AtWrite {
		return "(when it is written)"
	}
	return m.String()
}
