package adsync

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Limits refuse a plan that would change too much: by itself, or with Options.Ledger
// together with the other runs of Options.Window. The zero value is safe; -1 lifts a limit.
type Limits struct {
	MaxRemovals     int     // deletions and deactivations; default 500
	MaxRemovalRatio float64 // of all managed users of the source, also when only some are chosen; default 0.1; one is always let through
	MaxCleared      int     // users who lose a value and gain none in its place: a text, or some of a set; default 500, and the ratio applies too unless this is -1
	MaxRekeyed      int     // users whose username or email changes, if only in case; default and ratio likewise
	MaxReactivated  int     // users whose deactivation is lifted; default and ratio likewise
	MaxGranted      int     // users who are given a role, other than new users; default and ratio likewise
	MaxRevoked      int     // users who lose a role; default and ratio likewise. Unless it is -1, no role is taken from all of several users who have it
	AllowEmpty      bool    // otherwise a listing (not a look-up) that yields nobody while users are managed is ErrIncomplete
}

func (l Limits) check() error {
	switch {
	case min(l.MaxRemovals, l.MaxCleared, l.MaxRekeyed, l.MaxReactivated, l.MaxGranted, l.MaxRevoked) < -1:
		return errors.New("adsync: a limit is a number of users, 0 for the default, or -1 for none")
	case l.MaxRemovalRatio != -1 && !(0 <= l.MaxRemovalRatio && l.MaxRemovalRatio <= 1): // NaN is in no range
		return errors.New("adsync: Limits.MaxRemovalRatio is from 0 to 1, 0 for the default, or -1 for none")
	}
	return nil
}

// past is what other runs have done within the window.
type past struct {
	Tally
	window time.Duration
}

// hold checks the plan against the limits, with so many managed users, and so many of
// them that have each role which the plan takes from anybody. Each user counts once for
// this plan and the runs before it together.
func (l Limits) hold(p *Plan, managed int, holders map[string]int, before *past) error {
	now := p.tally(everyChange)
	base := managed + others(before.Deleted, now.Deleted)
	for _, limit := range []struct {
		name      string
		now, then []string
		most      int
	}{
		{limitRemovals, now.Removed, before.Removed, allowed(l.MaxRemovals)},
		{limitRatio, now.Removed, before.Removed, l.share(base)},
		{limitCleared, now.Cleared, before.Cleared, l.allowed(l.MaxCleared, base)},
		{limitRekeyed, now.Rekeyed, before.Rekeyed, l.allowed(l.MaxRekeyed, base)},
		{limitReactivated, now.Reactivated, before.Reactivated, l.allowed(l.MaxReactivated, base)},
		{limitGranted, now.Granted, before.Granted, l.allowed(l.MaxGranted, base)},
		{limitRevoked, now.Revoked, before.Revoked, l.allowed(l.MaxRevoked, base)},
	} {
		if len(limit.now) == 0 {
			continue
		}
		if recent := others(limit.then, limit.now); len(limit.now)+recent > limit.most {
			return &LimitError{Plan: p, Limit: limit.name, Count: len(limit.now), Managed: managed, Allowed: limit.most,
				Recent: recent, Window: before.windowOf(recent)}
		}
	}
	if l.MaxRevoked == -1 {
		return nil
	}
	recent := others(before.Revoked, now.Revoked)
	if role, count := p.emptied(holders, recent > 0); role != "" {
		return &LimitError{Plan: p, Limit: limitRevoked, Count: count, Managed: managed, Allowed: count - 1, Role: role,
			Recent: recent, Window: before.windowOf(recent)}
	}
	return nil
}

// windowOf is the window if there were runs in it.
func (b *past) windowOf(recent int) time.Duration {
	if recent == 0 {
		return 0
	}
	return b.window
}

// allowed is how many users a limit lets through to which the ratio applies too.
func (l Limits) allowed(limit, managed int) int {
	if limit == -1 {
		return math.MaxInt
	}
	return min(allowed(limit), l.share(managed))
}

func allowed(limit int) int {
	switch limit {
	case -1:
		return math.MaxInt
	case 0:
		return defaultLimit
	}
	return limit
}

// share is how many users the ratio lets through.
func (l Limits) share(managed int) int {
	ratio := l.MaxRemovalRatio
	switch ratio {
	case -1:
		return math.MaxInt
	case 0:
		ratio = defaultRatio
	}
	const rounding = 1e-9 // 0.29 × 100 is a little under 29
	return max(1, int(ratio*float64(managed)+rounding))
}

// LimitError says which limit a plan is beyond. It is [ErrUnsafe].
type LimitError struct {
	Plan    *Plan  `json:"plan"`
	Limit   string `json:"limit"`          // "MaxRemovals", "MaxRemovalRatio", "MaxCleared", "MaxRekeyed", "MaxReactivated", "MaxGranted" or "MaxRevoked"
	Count   int    `json:"count"`          // users that the plan would remove, clear, rekey or reactivate, or give or take a role
	Managed int    `json:"managed"`        // managed users of the source
	Allowed int    `json:"allowed"`        // the most that the limit lets through
	Role    string `json:"role,omitempty"` // with "MaxRevoked": the role that would lose all its users but those who cannot lose it

	// With Options.Ledger: how many other users count, to whom other runs have done the same
	// within Window, in nanoseconds as JSON.
	Recent int           `json:"recent,omitempty"`
	Window time.Duration `json:"window,omitempty"`
}

// Error says what is beyond the limit and how to go on.
func (e *LimitError) Error() string {
	switch {
	case e.Role != "" && e.Recent > 0:
		return fmt.Sprintf("adsync: the plan takes the role %q from the last %d who have it, after roles were taken from %d others within %s; nothing was changed. Look at its group, then approve the plan's digest, or set MaxRevoked to -1", e.Role, e.Count, e.Recent, e.Window)
	case e.Role != "":
		return fmt.Sprintf("adsync: the plan takes the role %q from all %d users who have it; nothing was changed. Look at its group, then approve the plan's digest, or set MaxRevoked to -1", e.Role, e.Count)
	}
	recent := ""
	if e.Recent > 0 {
		recent = fmt.Sprintf(", after %d others within %s", e.Recent, e.Window)
	}
	return fmt.Sprintf("adsync: the plan %s %d of %d managed users%s, and %s allows %d; nothing was changed. Review the plan, then approve its digest or change the limit",
		limitWords[e.Limit], e.Count, e.Managed, recent, e.Limit, e.Allowed)
}

// Is reports that a LimitError is ErrUnsafe.
func (e *LimitError) Is(target error) bool { return target == ErrUnsafe }

const (
	limitRemovals    = "MaxRemovals"
	limitRatio       = "MaxRemovalRatio"
	limitCleared     = "MaxCleared"
	limitRekeyed     = "MaxRekeyed"
	limitReactivated = "MaxReactivated"
	limitGranted     = "MaxGranted"
	limitRevoked     = "MaxRevoked"
)

// limitWords say what a plan does that is beyond the limit.
var limitWords = map[string]string{
	limitRemovals:    "removes",
	limitRatio:       "removes",
	limitCleared:     "clears values of",
	limitRekeyed:     "changes the username or email of",
	limitReactivated: "reactivates",
	limitGranted:     "gives roles to",
	limitRevoked:     "takes roles from",
}
