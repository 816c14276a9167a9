package activedirectory

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory/internal/ldapread"
	"github.com/go-adsync/adsync/internal/fakead"
)

// holdBinds lets no bind be answered before so many connections were opened.
func holdBinds(dc *fakead.Server, connections int) {
	dc.Before(func(r fakead.Request) {
		for end := time.Now().Add(20 * time.Second); r.Op == fakead.OpBind && dc.Opened() < connections && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
	})
}

// atOnce makes calls of all kinds at the same time, and returns their errors.
func atOnce(d *Directory, calls int) []error {
	ways := []func(context.Context) error{
		func(ctx context.Context) error { _, err := collect(d.Entries(ctx)); return err },
		func(ctx context.Context) error {
			_, err := collect(d.Find(ctx, []adsync.ObjectID{dirID(1)}))
			return err
		},
		func(ctx context.Context) error { _, err := d.Inspect(ctx); return err },
		func(ctx context.Context) error { _, err := d.Search(ctx, "u", 5); return err },
		func(ctx context.Context) error { _, _, err := d.Time(ctx); return err },
	}
	errs := make([]error, calls)
	var all sync.WaitGroup
	for n := range calls {
		all.Go(func() { errs[n] = ways[n%len(ways)](context.Background()) })
	}
	all.Wait()
	return errs
}

// As many threads of a host as would lock the account send its wrong password once.
func TestBind_RefusedPasswordIsTriedOnceByCallsAtTheSameTime(t *testing.T) {
	const calls = 8
	c := newCorp(t, 2, 1)
	dc := c.controllers[0]
	d := c.directory(t, func(cfg *Config) { cfg.Bind = SimpleBind(corpUser, "hunter2") })
	holdBinds(dc, calls)
	told := 0
	for _, err := range atOnce(d, calls) {
		require.ErrorIs(t, err, ErrRefused)
		if errors.Is(err, errRefusedBefore) {
			told++
			assert.ErrorContains(t, err, "nothing was sent")
		}
	}
	assert.Equal(t, calls-1, told)
	assert.Equal(t, 1, dc.Count(fakead.OpBind))
	assert.Zero(t, c.controllers[1].Opened())
	assert.Equal(t, calls, dc.Opened(), "they waited with a connection each")
}

// The right password goes to everybody as soon as one bind has proven it.
func TestBind_RightPasswordIsSentByAllOnceItIsProven(t *testing.T) {
	const calls = 8
	c := newCorp(t, 1, 1)
	dc := c.controllers[0]
	d := c.directory(t, nil)
	holdBinds(dc, calls)
	for _, err := range atOnce(d, calls) {
		require.NoError(t, err)
	}
	assert.Equal(t, calls, dc.Count(fakead.OpBind))

	held, going := make(chan struct{}), make(chan struct{})
	var another atomic.Bool
	dc.Before(func(r fakead.Request) {
		if r.Op == fakead.OpBind && !another.Swap(true) {
			close(held)
			<-going
		}
	})
	var slow sync.WaitGroup
	slow.Go(func() { assert.NoError(t, atOnce(d, 1)[0]) })
	<-held
	assert.NoError(t, atOnce(d, 1)[0], "which does not wait for the other")
	close(going)
	slow.Wait()
}

// Whoever waits for another's bind waits no longer than the own context lasts.
func TestBind_WaitsForAnotherWithinItsContext(t *testing.T) {
	c := newCorp(t, 2, 1)
	dc := c.controllers[0]
	d := c.directory(t, nil)
	held, going := make(chan struct{}), make(chan struct{})
	dc.Before(func(r fakead.Request) {
		if r.Op == fakead.OpBind {
			close(held)
			<-going
			dc.Before(nil)
		}
	})
	var slow sync.WaitGroup
	slow.Go(func() { assert.NoError(t, atOnce(d, 1)[0]) })
	<-held
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error)
	go func() {
		_, err := collect(d.Entries(ctx))
		ended <- err
	}()
	require.Eventually(t, func() bool { return dc.Opened() == 2 }, time.Minute, time.Millisecond)
	select {
	case err := <-ended:
		t.Error("it did not wait", err)
	case <-time.After(50 * time.Millisecond):
	}
	cancel()
	err := <-ended
	assert.ErrorIs(t, err, context.Canceled)
	assert.ErrorContains(t, err, "stopped by the caller")
	assert.NotErrorIs(t, err, ErrRefused)
	assert.Zero(t, c.controllers[1].Opened())
	close(going)
	slow.Wait()
	assert.Equal(t, 1, dc.Count(fakead.OpBind))
}

// A bind that ends without an answer proves nothing: the next one has its turn, and the
// time that it waited is not the controller's.
func TestBind_PassesTheTurnOn(t *testing.T) {
	for name, fault := range map[string]fakead.FaultKind{"hung up": fakead.FaultCut, "silent": fakead.FaultSilence} {
		t.Run(name, func(t *testing.T) {
			const calls = 3
			c := newCorp(t, 1, 1)
			dc := c.controllers[0]
			d := c.directory(t, func(cfg *Config) { cfg.Timeout = 3 * time.Second })
			holdBinds(dc, calls)
			dc.Order(fakead.Fault{Kind: fault, Op: fakead.OpBind, Times: 1})
			var failed []error
			for _, err := range atOnce(d, calls) {
				if err != nil {
					failed = append(failed, err)
				}
			}
			require.Len(t, failed, 1)
			assert.NotErrorIs(t, failed[0], ErrRefused)
			assert.ErrorContains(t, failed[0], "binding")
		})
	}
}

// Old copies that are asked about a deletion do not count a wrong password each.
func TestWitnesses_AreSentAWrongPasswordOnce(t *testing.T) {
	c := oneDomain(t, 4, 2)
	id := c.ids[0][0]
	require.NoError(t, c.controllers[0].Delete(id))
	for _, old := range c.controllers[1:] {
		old.Order(fakead.Fault{Kind: fakead.FaultResult, Op: fakead.OpBind, Code: ldap.LDAPResultInvalidCredentials, Times: 10})
	}
	d := c.directory(t, nil)
	for range 3 {
		assert.Equal(t, adsync.StateDisputed, stateOf(t, d, id))
	}
	binds := 0
	for _, old := range c.controllers[1:] {
		binds += old.Count(fakead.OpBind)
	}
	assert.Equal(t, 1, binds)
}

// One that the controller which is read has never taken is wrong for it, too.
func TestWitnesses_ShareWhatTheyLearn(t *testing.T) {
	c := oneDomain(t, 2, 2)
	id := c.ids[0][0]
	require.NoError(t, c.controllers[0].Delete(id))
	passwords := []string{corpPassword, "hunter2", "hunter2", "hunter3", corpPassword, "hunter3"}
	asked := 0
	d := c.directory(t, func(cfg *Config) {
		cfg.Bind = PasswordFunc(corpUser, func(context.Context) (string, error) { asked++; return passwords[asked-1], nil })
	})
	binds := func() int { return c.controllers[0].Count(fakead.OpBind) + c.controllers[1].Count(fakead.OpBind) }
	assert.Equal(t, adsync.StateDisputed, stateOf(t, d, id), "the witness gets another password, and refuses it")
	assert.Equal(t, 2, binds())
	_, err := collect(d.Entries(t.Context()))
	assert.ErrorIs(t, err, errRefusedBefore)
	assert.Equal(t, 2, binds())
	_, err = collect(d.Entries(t.Context()))
	assert.ErrorContains(t, err, "data 52e", "yet another")
	assert.Equal(t, 3, binds())
	assert.Equal(t, adsync.StateDisputed, stateOf(t, d, id))
	assert.Equal(t, 4, binds(), "the witness was not sent what the other had refused")
	assert.Equal(t, 6, asked)
}

func wrongPassword() error {
	return ldap.NewError(ldap.LDAPResultInvalidCredentials, errors.New("AcceptSecurityContext error, data 52e, v4563"))
}

// A wrong password is remembered for a quarter of an hour, to the moment, and others
// besides it.
func TestPasswords_RememberWrongOnesForAWhile(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	p := &passwords{now: func() time.Time { return now }}
	first, second := sumOf("hunter2"), sumOf("hunter3")
	assert.False(t, p.isRefused(first, reading))
	assert.False(t, p.isRefused(passwordSum{}, reading))
	p.note(first, reading, wrongPassword())
	assert.True(t, p.isRefused(first, reading))
	assert.True(t, p.isRefused(first, asking))
	assert.False(t, p.isRefused(second, reading))
	now = now.Add(time.Minute)
	p.note(second, reading, wrongPassword())
	p.note(sumOf("hunter4"), reading, ldap.NewError(ldap.LDAPResultBusy, errors.New("busy")))
	now = now.Add(14*time.Minute - 1)
	assert.True(t, p.isRefused(first, reading), "also when another was refused since")
	now = now.Add(1)
	assert.False(t, p.isRefused(first, reading))
	assert.True(t, p.isRefused(second, reading))
	assert.False(t, p.isRefused(sumOf("hunter4"), reading))
	p.note(second, reading, wrongPassword())
	assert.Len(t, p.refused[reading], 1, "what is over is forgotten")
}

// takesTurn reports whether a bind with the password keeps others from trying it.
func takesTurn(t *testing.T, p *passwords, sum passwordSum, from source) bool {
	t.Helper()
	end, err := p.turn(t.Context(), sum, from)
	require.NoError(t, err)
	defer end()
	return p.trying != nil
}

// A password is taken for right as long as it was a moment ago, by whom it was.
func TestPasswords_AreProvenForAWhile(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	p := &passwords{now: func() time.Time { return now }}
	right := sumOf("right")
	assert.True(t, takesTurn(t, p, right, reading))
	p.note(right, reading, nil)
	assert.False(t, takesTurn(t, p, right, reading))
	assert.True(t, takesTurn(t, p, sumOf("another"), reading))
	assert.True(t, takesTurn(t, p, right, asking), "those that are asked may know another")
	now = now.Add(time.Minute - 1)
	assert.False(t, takesTurn(t, p, right, reading))
	now = now.Add(1)
	assert.True(t, takesTurn(t, p, right, reading))
	p.note(right, asking, nil)
	assert.False(t, takesTurn(t, p, right, asking))
	assert.True(t, takesTurn(t, p, right, reading))

	p.note(right, asking, wrongPassword())
	assert.True(t, p.isRefused(right, asking))
	assert.False(t, p.isRefused(right, reading), "it was right once where it counts")
	p.note(right, reading, wrongPassword())
	assert.True(t, p.isRefused(right, reading))
	now = now.Add(refusedFor)
	p.note(right, asking, wrongPassword())
	assert.True(t, p.isRefused(right, reading), "and is so no more")
}

// Another password that is wrong, as one that was mistyped while they are changed, takes
// nothing back from the one that is right.
func TestPasswords_OneThatIsWrongLeavesOthersProven(t *testing.T) {
	p := &passwords{now: time.Now}
	right := sumOf("right")
	p.note(right, reading, nil)
	p.note(sumOf("hunter2"), reading, wrongPassword())
	assert.False(t, takesTurn(t, p, right, reading), "it is sent without waiting")
	p.note(right, asking, wrongPassword())
	assert.True(t, p.isRefused(right, asking))
	assert.False(t, p.isRefused(right, reading), "as it is right where it counts")
}

// Whoever was told to wait learns what the others learned.
func TestPasswords_WaitForWhatIsLearned(t *testing.T) {
	p := &passwords{now: time.Now}
	sum := sumOf("hunter2")
	end, err := p.turn(t.Context(), sum, reading)
	require.NoError(t, err)
	ended := make(chan error)
	go func() {
		_, err := p.turn(t.Context(), sum, asking)
		ended <- err
	}()
	p.note(sum, reading, wrongPassword())
	end()
	assert.ErrorIs(t, <-ended, errRefusedBefore)
	assert.True(t, strings.HasPrefix(errRefusedBefore.Error(), "adsync: "))
	assert.ErrorIs(t, errRefusedBefore, ldapread.ErrRefused)
	ctx, cancel := context.WithCancel(t.Context())
	end, err = p.turn(t.Context(), sumOf("right"), reading)
	require.NoError(t, err)
	cancel()
	_, err = p.turn(ctx, sumOf("right"), reading)
	assert.ErrorIs(t, err, context.Canceled)
	end()
}
