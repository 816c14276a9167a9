package activedirectory

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/go-adsync/adsync/activedirectory/internal/ldapread"
)

// passwords is what a Directory knows of those that it sent, so that it sends a wrong one
// once, by however many calls it is used: some more, and the service account is locked.
type passwords struct {
	now func() time.Time

	mu      sync.Mutex
	trying  chan struct{} // closed when the bind that tries a password has returned; nil: none does
	refused [sources]map[passwordSum]time.Time
	proven  [sources]struct {
		sum  passwordSum
		when time.Time
	}
}

// source is who says whether a password is right.
type source int

const (
	reading source = iota // the controllers that are read
	asking                // those that are asked besides, as witnesses
	sources
)

// passwordSum stands for a password.
type passwordSum [sha256.Size]byte

func sumOf(secret string) passwordSum { return sha256.Sum256([]byte(secret)) }

// refusedFor is how long a wrong password is not sent again. Domains commonly
// forget failed attempts after 10 to 30 minutes.
const refusedFor = 15 * time.Minute

// provenFor is how long a password that was right is sent by several calls at the same time:
// the directory may have another one since.
const provenFor = time.Minute

// isRefused reports that the password is not to be sent to such a controller. One that a
// controller which is read refused is wrong for all.
func (p *passwords) isRefused(sum passwordSum, from source) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wasRefused(sum, from)
}

func (p *passwords) wasRefused(sum passwordSum, from source) bool {
	for by := reading; by <= from; by++ {
		if when, known := p.refused[by][sum]; known && p.now().Sub(when) < refusedFor {
			return true
		}
	}
	return false
}

// turn waits until the password may be sent, and end says that the bind has returned. Only
// one bind at a time tries a password that has not been right of late, and what it learns
// holds for those that wait.
func (p *passwords) turn(ctx context.Context, sum passwordSum, from source) (end func(), err error) {
	for {
		end, others, err := p.claim(sum, from)
		if others == nil {
			return end, err
		}
		select {
		case <-others:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// claim takes the turn, or returns what is closed when the one that has it ends.
func (p *passwords) claim(sum passwordSum, from source) (end func(), others <-chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch proven := p.proven[from]; {
	case p.wasRefused(sum, from):
		return nil, nil, errRefusedBefore
	case proven.sum == sum && p.now().Sub(proven.when) < provenFor:
		return func() {}, nil, nil
	case p.trying != nil:
		return nil, p.trying, nil
	}
	mine := make(chan struct{})
	p.trying = mine
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.trying = nil
		close(mine)
	}, nil, nil
}

// note remembers how a bind ended.
func (p *passwords) note(sum passwordSum, from source, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.proven[from].sum, p.proven[from].when = sum, p.now()
		return
	}
	if !ldapread.IsWrongPassword(err) {
		return
	}
	// A controller that was put back from an old copy may know an old password. If it is
	// merely asked, it must not end the reading of those that know the new one.
	by := from
	if p.proven[reading].sum != sum {
		by = reading
	}
	for s := by; s < sources; s++ {
		if p.proven[s].sum == sum {
			p.proven[s].sum = passwordSum{}
		}
	}
	if p.refused[by] == nil {
		p.refused[by] = map[passwordSum]time.Time{}
	}
	for old, when := range p.refused[by] {
		if p.now().Sub(when) >= refusedFor {
			delete(p.refused[by], old)
		}
	}
	p.refused[by][sum] = p.now()
}
