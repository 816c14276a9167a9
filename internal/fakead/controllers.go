package fakead

import (
	"strconv"
	"sync"
)

// domain is what all controllers of one domain share.
type domain struct {
	mu     sync.Mutex // one replication, or one new controller, at a time
	count  int
	rids   *ridPool
	pki    *pki
	joined bool // there is more than one, so that changes are stamped
}

// AddController starts another controller of the same domain, with a copy of all
// that this one holds. It has a name, an invocationId, USNs, connections, faults and
// a log of its own; its certificate is from the same authority. The caller must
// Close it.
//
// What is then written on one of them reaches another only by [Server.Pull]. Until
// that, replication lags.
func (s *Server) AddController() (*Server, error) {
	s.domain.mu.Lock()
	defer s.domain.mu.Unlock()
	s.mu.Lock()
	s.domain.count++
	s.domain.joined, s.tree.stamping = true, true
	c := newServer(s.cfg, s.domain)
	c.name, c.baseDN = "DC"+strconv.Itoa(s.domain.count), s.baseDN
	invocation := newGUID(s.cfg.Random)
	s.seedController(c.name, invocation)
	c.tree = s.tree.clone()
	s.mu.Unlock()
	c.tree.invocation = invocation
	c.tree.renumber(3600 + 1000*int64(s.domain.count))
	return c, c.listen()
}

// settings is the object of a controller that holds its invocationId.
func (t *tree) settings(controller string) *entry {
	return t.lookup("CN=NTDS Settings,CN=" + controller + "," + sites + t.domain.dn())
}

// renumber gives every object USNs of this controller: each has its own ([MS-ADTS]
// 3.1.1.1.9).
func (t *tree) renumber(from int64) {
	t.usn, t.numbered = from, nil
	for _, e := range t.all {
		t.usn++
		usn := strconv.FormatInt(t.usn, 10)
		t.set(e, t.types.usnCreated, usn)
		t.set(e, t.types.usnChanged, usn)
		t.numbered = append(t.numbered, numbered{t.usn, e})
	}
}

// USN is the highest update sequence number so far, the rootDSE's
// highestCommittedUSN.
func (s *Server) USN() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.tree.usn
}

// InvocationID names the controller's database. USNs of one mean nothing in
// another.
func (s *Server) InvocationID() GUID {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.tree.invocation
}

// Stop makes the controller one that is down: its connections end, and new ones are
// closed as soon as they are made. Its objects can still be changed by methods.
func (s *Server) Stop() {
	s.connMu.Lock()
	defer s.connMu.Unlock()
	s.stopped = true
	s.hangUp()
}

// Restart ends Stop.
func (s *Server) Restart() {
	s.connMu.Lock()
	defer s.connMu.Unlock()
	s.stopped = false
}

// hangUp ends every connection. The caller holds connMu.
func (s *Server) hangUp() {
	for c := range s.conns {
		c.raw.Close()
	}
}

// Snapshot is the content of a controller's database at one time.
type Snapshot struct{ tree *tree }

// Snapshot copies what the controller holds.
func (s *Server) Snapshot() *Snapshot {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return &Snapshot{s.tree.clone()}
}

// RollBack puts a snapshot back as a virtual machine's is: the controller does not
// know of it. It keeps its invocationId and gives the USNs that it has given since
// once more, to other changes. All connections end.
//
// A snapshot fits the controller that it was taken of, any number of times.
func (s *Server) RollBack(snapshot *Snapshot) { s.putBack(snapshot, false) }

// RestoreBackup puts a snapshot back as a backup program does: the controller gets
// a new invocationId, by which others learn that its USNs start over.
func (s *Server) RestoreBackup(snapshot *Snapshot) { s.putBack(snapshot, true) }

func (s *Server) putBack(snapshot *Snapshot, renew bool) {
	s.domain.mu.Lock()
	defer s.domain.mu.Unlock()
	s.connMu.Lock()
	defer s.connMu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tree = snapshot.tree.clone()
	s.tree.stamping = s.domain.joined
	if renew {
		s.tree.invocation = newGUID(s.cfg.Random)
		settings := s.tree.settings(s.name)
		s.tree.setName(settings, "invocationId", s.tree.invocation.Wire())
		s.tree.touch(settings)
	}
	s.hangUp()
}
