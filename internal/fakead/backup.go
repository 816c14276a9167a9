package fakead

import (
	"slices"
	"strconv"
	"strings"
)

// USN is the highest update sequence number so far. What is done later can be
// undone by [Server.RestoreBackup].
func (s *Server) USN() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.tree.usn
}

// RestoreBackup makes the controller one that was restored from a backup of that
// time: it has another invocationId and a lower USN. What was created since is
// gone without a tombstone, and what was deleted since is alive again. Other
// changes stay, and without a recycle bin what a deletion took stays lost.
func (s *Server) RestoreBackup(usn int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tree
	for _, e := range slices.Backward(t.all) { // what is below others was created after them
		switch {
		case e.gone || e == t.deleted:
		case t.number(e, "uSNCreated") > usn:
			t.purge(e)
		case e.deleted && t.number(e, "uSNChanged") > usn:
			t.resurrect(e)
		}
	}
	settings := t.lookup("CN=NTDS Settings,CN=DC1,CN=Servers,CN=Default-First-Site-Name,CN=Sites,CN=Configuration," + s.baseDN)
	t.invocation = newGUID()
	t.setName(settings, "invocationId", t.invocation.Wire())
	t.usn = usn
}

// resurrect puts a tombstone back where it was, if that is still there.
func (t *tree) resurrect(e *entry) {
	parents := e.linked(t.types.lastKnownParent)
	name, _, _ := strings.Cut(e.rdn.value, "\n")
	if len(parents) == 1 && parents[0].kids[rdn{e.rdn.typ, name}.key()] == nil {
		t.unbury(e, parents[0], rdn{e.rdn.typ, name})
	}
}

func (t *tree) number(e *entry, attribute string) int64 {
	n, _ := strconv.ParseInt(e.first(t.schema.attr(attribute)), 10, 64)
	return n
}
