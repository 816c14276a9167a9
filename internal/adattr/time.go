package adattr

import (
	"errors"
	"math"
	"strconv"
	"time"
)

// ticksTo1970 is the time from 1601 to 1970 in ticks of 100 ns.
const ticksTo1970 = 116444736000000000

// The errors do not repeat the input: it may be anybody's data.
var (
	errFiletime = errors.New("adsync: not a time in ticks of 100 ns since 1601; want a decimal number")
	errTime     = errors.New("adsync: not a GeneralizedTime; want one like 20261122194522.0Z")
)

// ParseFiletime reads accountExpires and its like: ticks of 100 ns since 1601
// (MS-DTYP 2.3.3). 0 and the greatest number mean never: the zero time.
func ParseFiletime(s string) (time.Time, error) {
	ticks, err := strconv.ParseInt(s, 10, 64)
	if err != nil || ticks < 0 {
		return time.Time{}, errFiletime
	}
	if ticks == 0 || ticks == math.MaxInt64 {
		return time.Time{}, nil
	}
	const perSecond = int64(time.Second / 100)
	since := ticks - ticksTo1970
	return time.Unix(since/perSecond, since%perSecond*100).UTC(), nil
}

// ParseGeneralizedTime reads whenChanged and its like in the one form that
// Active Directory writes: whole seconds with a fraction of zero, in UTC (RFC
// 4517, 3.3.13).
func ParseGeneralizedTime(s string) (time.Time, error) {
	const form = "20060102150405.0Z"
	t, err := time.Parse(form, s)
	if err != nil || t.Format(form) != s { // Parse also takes a comma
		return time.Time{}, errTime
	}
	return t, nil
}
