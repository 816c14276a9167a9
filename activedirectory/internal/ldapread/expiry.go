package ldapread

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// accountExpires is when an account ends, in ticks of 100 ns since 1601; 0 and the greatest
// number mean never ([MS-ADA1] 2.1).
const accountExpires = "accountExpires"

const (
	ticksPerSecond = 10_000_000
	secondsTo1970  = 11_644_473_600 // since 1601
)

// takeExpiry takes the value of accountExpires. What cannot be read stays unknown.
func (a *Account) takeExpiry(value []byte) {
	ticks, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || ticks < 0 {
		return
	}
	a.ExpiredUnknown = false
	if ticks != 0 && ticks != math.MaxInt64 {
		a.Expires = time.Unix(ticks/ticksPerSecond-secondsTo1970, ticks%ticksPerSecond*100).UTC()
	}
}

// judgeExpiry says whether the account has expired at that time, by the controller's clock.
// The zero time is that of a server that does not tell it.
func (a *Account) judgeExpiry(now time.Time) {
	switch {
	case a.Expires.IsZero():
	case now.IsZero():
		a.ExpiredUnknown = true
	default:
		a.Expired = !now.Before(a.Expires)
	}
}

// IsDisabled reports whether the account is disabled or has expired. It is unknown where
// neither is known to be so, and one of them may be.
func (a *Account) IsDisabled() (disabled, unknown bool) {
	disabled = a.Disabled || a.Expired
	return disabled, !disabled && (a.DisabledUnknown || a.ExpiredUnknown)
}

// missingExpiry says for how many of the first accounts it is unknown whether they have
// expired, and what to do about it. It is empty if it is known for all.
func missingExpiry(unknown, accounts int) string {
	if unknown == 0 {
		return ""
	}
	return fmt.Sprintf("%d of the first %d accounts do not show %s, or the server not its currentTime, so whether they have expired is unknown, and they are neither created nor reactivated, nor removed for it: grant the service account Read on that attribute, which is in the property set Account Restrictions, or take ExpiredIsDisabled back",
		unknown, accounts, accountExpires)
}
