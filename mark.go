package adsync

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
)

// Mark is what a run leaves for the next one, so that it need read only what has changed:
// see [Since] and [Report.Mark]. It is plain JSON, of some bytes for each user who is
// disabled, out of scope or looked up each time, and up to 350 KiB for all others.
//
// A mark is to be trusted like the user table, and kept beside it. One that is old, or of
// another run, source, domain or configuration, does no harm: the plan is a full one, or
// looks more users up. One that somebody has forged can keep from plans what the directory
// says, until the next full reading: then a username or address that two ask for may go to the
// one of them who is looked up. What a plan writes is what the directory says of that account
// all the same.
type Mark struct {
	Version     int             `json:"version"`
	Fingerprint string          `json:"fingerprint"` // a digest of the rules, the store's fields and the program
	Key         []byte          `json:"key"`         // of the digests of rows and links, 16 bytes
	At          time.Time       `json:"at"`          // when its reading began, by the host's clock
	Full        time.Time       `json:"full"`        // when the last full reading began
	Directory   []DirectoryMark `json:"directory"`   // of each controller, the one read last first
	Others      [][]byte        `json:"others"`      // for each of them: who was looked up on others since
	Look        []byte          `json:"look"`        // who is to be looked up each time; all sets are ObjectIDs of 16 bytes, ascending
	Disabled    []byte          `json:"disabled"`    // whose account was disabled
	Outside     []byte          `json:"outside"`     // whose account was out of scope
	Buckets     []byte          `json:"buckets"`     // sums of digests of the rows that are not in Look
	Links       []byte          `json:"links"`       // the sum of digests of all links, for Rules.Import
}

// DirectoryMark is what a directory remembers of one of its servers.
type DirectoryMark struct {
	Controller string          `json:"controller"` // names the server, or rather its database
	Data       json.RawMessage `json:"data"`       // the directory's own
}

// markVersion is that of the marks that this package makes and goes on from.
const markVersion = 2

// The bounds of a mark that is read.
const (
	maxMark        = 256 << 20 // bytes of JSON
	maxControllers = 16
	maxOthers      = 65536 // accounts that were looked up on other controllers
	maxBuckets     = 16384
	rowsInBucket   = 64
)

// plainMark has no methods.
type plainMark Mark

// UnmarshalJSON refuses a mark that is too big or not of its form.
func (m *Mark) UnmarshalJSON(data []byte) error {
	if len(data) > maxMark {
		return fmt.Errorf("adsync: a mark of %d bytes is too big; make a full plan", len(data))
	}
	var plain plainMark
	if err := json.Unmarshal(data, &plain); err != nil {
		return errors.New("adsync: this is no mark; make a full plan")
	}
	read := Mark(plain)
	if read.Version == markVersion {
		if err := read.check(); err != nil {
			return err
		}
	}
	*m = read
	return nil
}

var errMark = errors.New("adsync: the mark is damaged; make a full plan")

// check refuses what no run has made.
func (m *Mark) check() error {
	n := len(m.Buckets) / len(sum{})
	switch {
	case len(m.Directory) > maxControllers || len(m.Others) != len(m.Directory),
		len(m.Key) != keySize,
		n < 1 || n > maxBuckets || bits.OnesCount(uint(n)) != 1 || len(m.Buckets)%len(sum{}) != 0,
		len(m.Links) != len(sum{}) && len(m.Links) != 0:
		return errMark
	}
	for _, set := range append([][]byte{m.Look, m.Disabled, m.Outside}, m.Others...) {
		if len(set)%len(ObjectID{}) != 0 {
			return errMark
		}
	}
	return nil
}

// idSet is a set of accounts.
type idSet map[ObjectID]struct{}

func (s idSet) has(id ObjectID) bool { _, ok := s[id]; return ok }
func (s idSet) add(id ObjectID)      { s[id] = struct{}{} }

// addPacked adds a set of a mark.
func (s idSet) addPacked(packed []byte) {
	for id := range slices.Chunk(packed, len(ObjectID{})) {
		s.add(ObjectID(id))
	}
}

func (s idSet) packed() []byte {
	ids := make([]ObjectID, 0, len(s))
	for id := range s {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, ObjectID.Compare)
	out := []byte{}
	for _, id := range ids {
		out = append(out, id[:]...)
	}
	return out
}

// A sum is of digests in any order. Each digest is a strong one, or rows could be found
// that change together without a trace; and of a key that only the mark has, or a few dozen
// rows could be found in minutes all the same (Wagner's generalized birthday problem).
type sum [16]byte

func (s *sum) add(d sum) { s.combine(d, func(a, b uint64) uint64 { return a + b }) }
func (s *sum) sub(d sum) { s.combine(d, func(a, b uint64) uint64 { return a - b }) }

func (s *sum) combine(d sum, f func(a, b uint64) uint64) {
	for i := 0; i < len(s); i += 8 {
		binary.LittleEndian.PutUint64(s[i:], f(binary.LittleEndian.Uint64(s[i:]), binary.LittleEndian.Uint64(d[i:])))
	}
}

// sums are those of the rows of each bucket.
type sums []sum

// bucketsFor is one bucket for some dozen rows.
func bucketsFor(rows int) int {
	n := 1
	for n < maxBuckets && n*rowsInBucket < rows {
		n *= 2
	}
	return n
}

// folded are the sums in so many buckets, no more than there are. Both numbers are powers
// of two, so each bucket is the sum of some.
func (s sums) folded(n int) sums {
	few := make(sums, n)
	for i := range s {
		few[i&(n-1)].add(s[i])
	}
	return few
}

// sumsOf are those of a mark.
func sumsOf(packed []byte) sums {
	var s sums
	for one := range slices.Chunk(packed, len(sum{})) {
		s = append(s, sum(one))
	}
	return s
}

func (s sums) packed() []byte {
	out := []byte{}
	for i := range s {
		out = append(out, s[i][:]...)
	}
	return out
}

// of is the bucket of an account.
func (s sums) of(id ObjectID) *sum { return &s[s.place(id)] }

func (s sums) place(id ObjectID) int {
	high, low := bits.Mul64(binary.LittleEndian.Uint64(id[:])^0x9E3779B97F4A7C15, binary.LittleEndian.Uint64(id[8:])^0xC2B2AE3D27D4EB4F)
	return int(high^low) & (len(s) - 1)
}

// keySize is that of a mark's key.
const keySize = 16

// rowDigest is of all that a plan may depend on in a row.
type rowDigest struct {
	key    []byte
	buffer []byte
}

func (r *rowDigest) of(u *User) sum {
	b := append(append(r.buffer[:0], r.key...), u.ObjectID[:]...)
	flags := byte(0)
	if u.Protected {
		flags = flagProtected
	}
	b = binary.AppendVarint(append(b, flags), int64(u.DeactivatedAt))
	status := u.Status
	if status == "" {
		status = StatusActive
	}
	for _, text := range [...]string{u.ID, string(status), u.Username, u.FirstName, u.LastName, u.Email, u.Phone, u.Extra.packed} {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	r.buffer = b
	digest := sha256.Sum256(b)
	return sum(digest[:len(sum{})])
}

// link is the digest of what ties a row to an account.
func (r *rowDigest) link(id ObjectID, source string) sum {
	r.buffer = append(append(append(r.buffer[:0], r.key...), id[:]...), source...)
	digest := sha256.Sum256(r.buffer)
	return sum(digest[:len(sum{})])
}

// tally sums up all chosen rows, and for an import all links, while they are read: how
// many rows there will be is not known then, so it has as many buckets as there may be.
type tally struct {
	digest  rowDigest
	buckets sums
	links   sum
}

// newTally has the key of the mark that it is to be compared with, or one of its own.
func newTally(m *Mark) *tally {
	t := &tally{buckets: make(sums, maxBuckets)}
	if m != nil {
		t.digest.key = m.Key
		return t
	}
	t.digest.key = make([]byte, keySize)
	rand.Read(t.digest.key) // it never fails
	return t
}

// add takes a row in.
func (t *tally) add(u *User, chosen, importing bool) {
	if chosen {
		t.buckets.of(u.ObjectID).add(t.digest.of(u))
	}
	if importing && !u.ObjectID.IsZero() {
		t.links.add(t.digest.link(u.ObjectID, u.Source))
	}
}

// without takes the rows of accounts out of sums of them.
func (h *host) without(ids idSet, from sums) {
	for id := range ids {
		first, linked := h.links.First(id)
		if !linked {
			continue
		}
		for _, row := range h.group(first) {
			if h.kinds[row]&rowChosen != 0 {
				u := h.rows.User(row)
				from.of(id).sub(h.tally.digest.of(&u))
			}
		}
	}
}

// fingerprint is of all but the directory that decides what a plan says.
func (r *Rules) fingerprint() string {
	said := struct {
		Source, Version                                string
		Only, Roles                                    []string
		Some                                           bool
		Fields, Keys, Require, KeepOnEmpty             []Field
		OnDeleted, OnDisabled, OnOutOfScope            Reaction
		RemoveAfter                                    time.Duration
		Import, PinProtected, Statusless, Fold, Mapped bool
		Program                                        string
	}{
		r.Source, r.Version, r.Only, r.Roles, r.Only != nil, r.Fields, r.Keys, r.Require, r.KeepOnEmpty,
		r.OnDeleted, r.OnDisabled, r.OnOutOfScope, r.RemoveAfter,
		r.Import, r.PinProtected, r.statusless, r.Fold != nil, r.Map != nil, program(),
	}
	text, err := json.Marshal(said)
	if err != nil {
		panic("adsync: rules are plain data: " + err.Error()) // no field can fail
	}
	digest := sha256.Sum256(text)
	return hex.EncodeToString(digest[:16])
}

// program is the version of this library, of Go, and of what compares keys: another may
// fold or plan in another way.
var program = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	return programOf(info)
})

func programOf(info *debug.BuildInfo) string {
	words := []string{info.GoVersion}
	for _, m := range append(info.Deps, &info.Main) {
		if strings.HasPrefix(m.Path, "github.com/go-adsync/adsync") || m.Path == "golang.org/x/text" {
			words = append(words, m.Path, m.Version, m.Sum)
		}
	}
	return strings.Join(words, " ")
}

// draft is a mark as long as it is not known what became of the changes.
type draft struct {
	mark                    Mark
	look, disabled, outside idSet
	writes                  idSet // of look, those who are there for no other reason
	buckets                 sums  // of the rows that are not in look
	links                   sum
}

// newDraft is the mark of a reading, as if the plan wrote nothing.
func (r *reading) newDraft(p *Plan) *draft {
	d := &draft{look: idSet{}, disabled: idSet{}, outside: idSet{}, writes: idSet{}}
	d.addStates(r.view)
	d.addTold(p)
	t := r.host.tally
	d.buckets, d.links = t.buckets.folded(bucketsFor(r.host.chosen)), t.links
	r.host.without(d.look, d.buckets)
	return d
}

// addStates notes what the directory says of each account.
func (d *draft) addStates(v *view) {
	twins := v.host.links.HasTwins()
	for first, mark := range v.found {
		shared := twins && len(v.host.links.Twins(first)) > 0 // what one user holds tells nothing of another
		if mark == asHeld && !shared || !v.host.choosesGroup(first) || v.host.firstOf(first) != first {
			continue
		}
		id := ObjectID(v.host.rows.ObjectID(first))
		_, twice := v.listedTwice[first]
		if mark == unseen || twice || shared {
			d.look.add(id)
			continue
		}
		e := v.entries.shared(int(mark - firstKept))
		switch {
		case e.DisabledUnknown, e.State != StatePresent && e.State != StateOutOfScope:
			d.look.add(id)
			continue
		case e.State == StateOutOfScope:
			d.outside.add(id)
		}
		if e.Disabled {
			d.disabled.add(id)
		}
		if _, asked := v.unproven[first]; asked { // for proof that a role is lost, which may come unseen
			d.look.add(id)
		}
	}
	for id, n := range v.newcomers {
		e := v.entries.shared(n.entry)
		if n.twice || e.Present() && e.DisabledUnknown {
			d.look.add(id)
		}
	}
}

// addTold notes whom the plan speaks of.
func (d *draft) addTold(p *Plan) {
	for i := range p.Changes {
		if c := &p.Changes[i]; !c.writes() && !c.tellsState() {
			d.look.add(c.ObjectID)
		}
	}
	for i := range p.Changes {
		if c := &p.Changes[i]; c.writes() && !d.look.has(c.ObjectID) {
			d.writes.add(c.ObjectID)
		}
	}
	for i := range p.Changes {
		if c := &p.Changes[i]; c.writes() {
			d.look.add(c.ObjectID)
		}
	}
}

// tellsState reports a notice that follows from the state of a user's account.
func (c *Change) tellsState() bool {
	return c.Op == OpNotice && c.UserID != "" && (c.Reason == ReasonDisabled || c.Reason == ReasonOutOfScope)
}

// Mark is what the next plan can go on from: see [Since]. There is none after a run with a
// selection, an adoption or an undo, nor where the directory cannot tell what has changed,
// nor after a plan that went through JSON, which does not take the mark with it. With nil the
// next plan is a full one; the mark of the run before is as good as it was, and only has
// more users looked up. A run that was refused or cut short leaves a mark too: whoever it did
// not write is looked up again.
func (r *Report) Mark() *Mark {
	if r == nil || r.Plan == nil || r.Plan.Reading == nil || r.Plan.Reading.draft == nil || len(r.Results) != len(r.Plan.Changes) {
		return nil
	}
	return r.Plan.Reading.draft.after(r)
}

// after is the mark once it is known what was written.
func (d *draft) after(r *Report) *Mark {
	m := d.mark
	look, disabled, outside := idSet{}, idSet{}, idSet{}
	for _, copied := range []struct{ to, from idSet }{{look, d.look}, {disabled, d.disabled}, {outside, d.outside}} {
		for id := range copied.from {
			copied.to.add(id)
		}
	}
	buckets, links := slices.Clone(d.buckets), d.links
	digest := rowDigest{key: m.Key}
	for i := range r.Plan.Changes {
		c := &r.Plan.Changes[i]
		if !c.writes() || c.Interim || !r.succeeded(i) {
			continue
		}
		switch c.Op {
		case OpDelete:
			links.sub(digest.link(c.Before.ObjectID, c.Before.Source))
		case OpCreate:
			links.add(digest.link(c.After.ObjectID, c.After.Source))
		}
		if !d.writes.has(c.ObjectID) {
			continue
		}
		if c.Op == OpDelete {
			delete(look, c.ObjectID)
			delete(disabled, c.ObjectID)
			delete(outside, c.ObjectID)
			continue
		}
		u := *c.After
		if c.Op == OpCreate {
			u.ID = r.Results[i].UserID
		}
		if u.ID != "" {
			delete(look, c.ObjectID)
			buckets.of(u.ObjectID).add(digest.of(&u))
		}
	}
	m.Look, m.Disabled, m.Outside, m.Buckets = look.packed(), disabled.packed(), outside.packed(), buckets.packed()
	m.Links = links[:]
	m.Directory, m.Others = slices.Clone(m.Directory), slices.Clone(m.Others)
	return &m
}
