package sqlbatch

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	tries     = 12                   // of a transaction that lost against another one
	firstWait = 5 * time.Millisecond // before the second try; doubled each time
	maxWait   = 300 * time.Millisecond
)

// Wait sleeps after a try, counted from 1, that lost against others. It reports
// whether there is to be another one.
func Wait(ctx context.Context, try int) bool {
	if try >= tries {
		return false
	}
	d := min(firstWait<<(try-1), maxWait)
	timer := time.NewTimer(d/2 + rand.N(d)) // so that two losers do not meet again
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
