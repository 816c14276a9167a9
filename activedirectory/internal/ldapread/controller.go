package ldapread

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-adsync/adsync/internal/adattr"
)

// Controller reads one server and no other. It keeps a connection from one call
// to the next; Close ends that. It is safe for concurrent use: a call that finds
// the connection taken opens its own.
type Controller struct {
	cfg    *Config
	server Server

	mu     sync.Mutex
	idle   *session
	closed bool
	final  error
	host   string
	used   bool      // there was a call that was not stopped by its caller
	failed bool      // the last of those failed
	opened int       // how many connections there were
	asOf   time.Time // by its clock, when it was first connected to; zero if it does not tell

	parents *parents // of the accounts that were read; nil: nobody wants to know
}

// NewController connects to nothing yet.
func NewController(cfg *Config, server Server) *Controller {
	return &Controller{cfg: cfg, server: server}
}

// Server is the server that is read.
func (c *Controller) Server() Server { return c.server }

// Host is what the server calls itself (dnsHostName of its rootDSE), in print, once it was
// connected to; "" if it does not say. Several URLs can lead to one server.
func (c *Controller) Host() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.host
}

// Entries hands over every account in scope. It returns nil only if that was
// all, or if each returned false.
func (c *Controller) Entries(ctx context.Context, each func(*Account) bool) error {
	return c.use(ctx, func(s *session) error {
		base, err := s.base()
		if err != nil {
			return err
		}
		q := query{base: base, filter: c.cfg.Filter, pageSize: c.cfg.PageSize, most: c.cfg.MaxEntries}
		q.beyond = fmt.Errorf("there are more than %d accounts; narrow the Filter, or raise MaxEntries", q.most)
		return s.list(ctx, q, c.noting(each))
	})
}

// Find tells what became of each account, once. It returns nil only if that was
// all, or if each returned false. Ids must be distinct.
//
// Alive outside the scope means anywhere in the controller's domain, and in the
// naming context of BaseDN should that be another.
func (c *Controller) Find(ctx context.Context, ids []adattr.GUID, each func(*Account) bool) error {
	return c.use(ctx, func(s *session) error { return s.find(ctx, ids, c.noting(each)) })
}

// AsOf is the time at which accounts are judged to have expired, the same for all that is
// read of the server: by its clock, when it was first connected to. It is zero if the server
// does not tell it.
func (c *Controller) AsOf() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asOf
}

// Final is the error of a refused password, or of the host's own way to bind, once there
// was one: no other controller is to be tried.
func (c *Controller) Final() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.final
}

// Failed reports whether the last call ended in an error that came from the
// controller or the way there. known is false if there was none to judge by.
func (c *Controller) Failed() (failed, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed, c.used
}

// Close closes the kept connection and allows no other.
func (c *Controller) Close() {
	c.mu.Lock()
	idle := c.idle
	c.idle, c.closed = nil, true
	c.mu.Unlock()
	if idle != nil {
		idle.close()
	}
}

func stopping(each func(*Account) bool) func(*Account) error {
	return func(a *Account) error {
		if !each(a) {
			return errStop
		}
		return nil
	}
}

// use runs f on a connection that nobody else uses in the meantime.
func (c *Controller) use(ctx context.Context, f func(*session) error) error {
	err := c.useSession(ctx, f)
	if errors.Is(err, errStop) {
		err = nil
	}
	if err == nil || ctx.Err() == nil && !isUnsent(err) {
		c.mu.Lock()
		c.failed, c.used = err != nil, true
		c.mu.Unlock()
	}
	return err
}

func (c *Controller) useSession(ctx context.Context, f func(*session) error) error {
	s, err := c.take(ctx)
	if err != nil {
		return err
	}
	well := false
	defer func() { c.put(s, well) }() // also when the consumer panics
	err = f(s)
	well = err == nil
	return err
}

func (c *Controller) take(ctx context.Context) (*session, error) {
	c.mu.Lock()
	idle, closed, final := c.idle, c.closed, c.final
	c.idle = nil
	c.mu.Unlock()
	switch {
	case closed:
		return nil, fmt.Errorf("adsync: %s: used after its session was over; begin a new one", c.server.Address())
	case final != nil:
		return nil, final
	case idle != nil && !idle.conn.IsClosing():
		return idle, nil
	case idle != nil:
		idle.close() // the server has hung up in the meantime
	}
	s, err := open(ctx, c.cfg, c.server)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case isFinal(err):
		c.final = err
	case err == nil:
		c.host = printable(s.root.host)
		if c.opened == 0 {
			c.asOf = s.root.time
		}
		c.opened++
		s.asOf = c.asOf
	}
	return s, err
}

// put keeps one connection that is in order, and closes any other.
func (c *Controller) put(s *session, well bool) {
	c.mu.Lock()
	keep := well && !s.spent && !s.left && !c.closed && c.idle == nil
	if keep {
		c.idle = s
	}
	c.mu.Unlock()
	if !keep {
		s.close()
	}
}
