package adsync

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/go-adsync/adsync/internal/keyfold"
	"github.com/go-adsync/adsync/internal/userindex"
)

// view is the directory side as it is read, compared with the host side.
type view struct {
	host        *host
	entries     entries
	found       []uint32     // by first row of a link: unseen, asHeld, or an entry's number + firstKept
	listedTwice map[int]bool // first rows whose entries contradict each other; whether one was Present
	newcomers   map[ObjectID]newcomer
	unproven    map[int][]string // by first row of a link: the roles that nothing proves to be lost
	assumed     bitmap           // first rows of links that were not asked about: what they were is what they are
}

// The values of found below the entries' numbers.
const (
	unseen = iota
	asHeld // just what the row holds, Present and not Disabled: nothing to keep
	firstKept
)

// newcomer is an entry to import.
type newcomer struct {
	entry int  // its number
	twice bool // listed with entries that contradict each other
	open  bool // one of them could be created
}

func newView(h *host) *view {
	return &view{
		host:        h,
		found:       make([]uint32, h.rows.Len()),
		listedTwice: map[int]bool{},
		newcomers:   map[ObjectID]newcomer{},
	}
}

// addAll takes up to userindex.Batch entries.
func (v *view) addAll(entries []Entry) error {
	if !v.host.links.InOrder() {
		v.touch(entries)
	}
	for i := range entries {
		if err := v.add(&entries[i]); err != nil {
			return err
		}
	}
	return nil
}

// addAbsent notes that a listing whose word is final lacks the accounts.
func (v *view) addAbsent(ids []ObjectID) {
	for _, id := range ids {
		v.take(&Entry{ObjectID: id, State: StateDeleted})
	}
}

// unseen lists the accounts that the plan is about and has not heard of.
func (v *view) unseen() iter.Seq[ObjectID] {
	return func(yield func(ObjectID) bool) {
		for row := range v.host.kinds {
			if v.found[row] == unseen && v.host.choosesGroup(row) && v.host.firstOf(row) == row && !yield(v.host.rows.ObjectID(row)) {
				return
			}
		}
	}
}

// knowsAll reports whether there is none.
func (v *view) knowsAll() bool {
	for range v.unseen() {
		return false
	}
	return true
}

// knows reports whether there is no need to look the account up for an import.
func (v *view) knows(id ObjectID) bool {
	if _, linked := v.host.links.First(id); linked {
		return true
	}
	if _, linked := v.host.foreign.First(id); linked {
		return true
	}
	_, listed := v.newcomers[id]
	return listed
}

// touch reads the rows that the entries are about, and makes nothing of them. Rows
// that are far apart are fetched concurrently in this way, while add would wait for
// each; that halves the cost of entries in no order.
func (v *view) touch(entries []Entry) {
	var ids [userindex.Batch][16]byte
	for i := range entries {
		ids[i] = entries[i].ObjectID
	}
	v.host.links.Touch(ids[:len(entries)],
		func(row int) byte { return byte(v.host.kinds[row]) | byte(v.found[row]) | v.host.keys[0].Touch(row) },
		v.host.rows.Touch)
}

// add takes one entry that a directory has told.
func (v *view) add(e *Entry) error {
	if err := checkEntry(e); err != nil {
		return err
	}
	v.take(e)
	return nil
}

// take takes one entry that is in order. One that says what the row holds already leaves
// nothing behind but a mark.
func (v *view) take(e *Entry) {
	first, linked := v.host.links.First(e.ObjectID)
	switch {
	case linked && v.host.choosesGroup(first):
		if v.found[first] == unseen && v.host.isHeld(first, e) {
			v.found[first] = asHeld // and valid, as the row's texts are
			return
		}
		clean := v.host.scope.clean(e)
		v.addLinked(first, &clean)
	case !linked && v.host.scope.wants(e.ObjectID):
		clean := v.host.scope.clean(e)
		v.addNewcomer(&clean)
	}
}

func (v *view) addLinked(first int, e *Entry) {
	if v.found[first] == unseen {
		v.found[first] = v.keep(first, e)
		return
	}
	known := v.entryOf(first)
	_, twice := v.listedTwice[first]
	switch {
	case !v.agree(first, &known, e):
		v.listedTwice[first] = v.listedTwice[first] || known.State == StatePresent || e.State == StatePresent
		v.found[first] = uint32(v.entries.keep(e)) + firstKept // so that the row gets a decision
	case v.found[first] != asHeld && !twice && saysMore(e, &known): // whichever came first, the plan is the same
		v.found[first] = v.keep(first, e)
	}
}

// agree reports whether the entries do not contradict each other for any row of the link.
func (v *view) agree(first int, a, b *Entry) bool {
	if (a.Others == Extra{} && b.Others == Extra{}) {
		return sameEntry(a, b)
	}
	for _, row := range v.host.group(first) {
		if u := v.host.rows.User(row); !v.host.scope.agree(&u, a, b) {
			return false
		}
	}
	return true
}

// keep returns the mark for the entry.
func (v *view) keep(first int, e *Entry) uint32 {
	if v.host.isHeld(first, e) {
		return asHeld
	}
	return uint32(v.entries.keep(e)) + firstKept
}

func (v *view) addNewcomer(e *Entry) {
	if _, linked := v.host.foreign.First(e.ObjectID); linked {
		return
	}
	open := e.State == StatePresent && !e.Disabled && !e.DisabledUnknown
	known, seen := v.newcomers[e.ObjectID]
	if !seen {
		v.newcomers[e.ObjectID] = newcomer{entry: v.entries.keep(e), open: open}
		return
	}
	entry := v.entries.own(known.entry)
	switch {
	case !v.host.scope.agree(nobody, &entry, e):
		known.twice, known.open = true, known.open || open
	case saysMore(e, &entry):
		known.entry, known.open = v.entries.keep(e), known.open || open
	}
	v.newcomers[e.ObjectID] = known
}

// entryOf returns what the directory says of the rows of a link.
func (v *view) entryOf(first int) Entry {
	switch mark := v.found[first]; mark {
	case unseen:
		return Entry{ObjectID: v.host.rows.ObjectID(first), State: StateDeleted}
	case asHeld:
		u := v.host.rows.User(first)
		u.Extra = u.Extra.only(v.host.scope.compared)
		return Entry{ObjectID: u.ObjectID, Profile: u.Profile, State: StatePresent}
	default:
		return v.entries.own(int(mark - firstKept))
	}
}

// plan judges everybody and writes the changes down.
func (v *view) plan() (*Plan, error) { return newPlanner(v).planAll() }

// checkEntry refuses what no directory account can be.
func checkEntry(e *Entry) error {
	if e.ObjectID.IsZero() {
		return errors.New("adsync: the directory listed an account without an ObjectID; map the attribute that holds its objectGUID, and let the service account read it")
	}
	switch e.State {
	case "", StatePresent, StateOutOfScope, StateDeleted, StateUnproven, StateDisputed:
	default:
		return fmt.Errorf("adsync: the directory says that account %s is %q; use one of the State constants", e.ObjectID, e.State)
	}
	return nil
}

func cleanEntry(e *Entry) Entry {
	clean := *e
	if !clean.Profile.valid() || !keyfold.Valid(clean.DN) || !clean.Others.valid() {
		clean.Profile, clean.DN, clean.Others = validProfile(e.Profile), validText(e.DN), validExtra(e.Others)
	}
	clean.Profile.dropBlanks()
	clean.Others = clean.Others.withoutBlanks()
	if clean.State == "" {
		clean.State = StatePresent
	}
	clean.Unknown = validExtra(clean.Unknown)
	if clean.DisabledUnknown {
		clean.Disabled = false
	}
	return clean
}

// sameEntry reports whether two entries do not contradict each other. They may have
// different DNs, and one of them may know what the other does not.
func sameEntry(a, b *Entry) bool {
	return a.Profile == b.Profile && a.State == b.State &&
		(a.Disabled == b.Disabled || a.DisabledUnknown || b.DisabledUnknown)
}

// saysMore orders entries that do not contradict each other: one that knows whether the
// account is disabled comes before one that does not, then the later deletion, then the later
// end, then one that leaves less unknown, and then the lesser DN.
func saysMore(a, b *Entry) bool {
	switch {
	case a.DisabledUnknown != b.DisabledUnknown:
		return b.DisabledUnknown
	case a.DeletedAt != b.DeletedAt:
		return a.DeletedAt > b.DeletedAt
	case a.Expires != b.Expires:
		return a.Expires > b.Expires
	}
	if a.Unknown != b.Unknown {
		return cmp.Or(cmp.Compare(len(a.Unknown.packed), len(b.Unknown.packed)), strings.Compare(a.Unknown.packed, b.Unknown.packed)) < 0
	}
	return a.DN < b.DN
}

// The flags of a kept entry.
const (
	flagDisabled = 1 << iota
	flagUnknown
	flagExpires // the number is Expires, and not DeletedAt, which only those have who are deleted
)

// entries are entries without a pointer each.
type entries struct{ userindex.Arena }

// keep adds the entry and returns its number.
func (a *entries) keep(e *Entry) int {
	record := userindex.Record{
		ObjectID: e.ObjectID,
		Words:    [...]string{string(e.State), ""},
		Texts:    [...]string{e.Username, e.FirstName, e.LastName, e.Email, e.Phone, e.DN},
		More:     [...]string{e.Extra.packed, e.Others.packed, e.Unknown.packed},
		Number:   uint64(e.DeletedAt),
	}
	if e.Disabled {
		record.Flags |= flagDisabled
	}
	if e.DisabledUnknown {
		record.Flags |= flagUnknown
	}
	if e.Expires != 0 && e.DeletedAt == 0 {
		record.Flags, record.Number = record.Flags|flagExpires, uint64(e.Expires)
	}
	a.Append(&record)
	return a.Len() - 1
}

// shared returns an entry whose texts are parts of the arena.
func (a *entries) shared(i int) Entry {
	r := a.Record(i)
	var expires, deleted Moment
	if r.Flags&flagExpires != 0 {
		expires = Moment(r.Number)
	} else {
		deleted = Moment(r.Number)
	}
	return Entry{
		ObjectID: r.ObjectID,
		Profile:  profileOf(&r),
		State:    State(r.Words[0]),
		Disabled: r.Flags&flagDisabled != 0,
		DN:       r.Texts[5],
		Others:   Extra{r.More[1]},
		Unknown:  Extra{r.More[2]},

		DisabledUnknown: r.Flags&flagUnknown != 0,
		Expires:         expires,
		DeletedAt:       deleted,
	}
}

// own returns an entry with texts of its own.
func (a *entries) own(i int) Entry {
	e := a.shared(i)
	cloneTexts(&e.Username, &e.FirstName, &e.LastName, &e.Email, &e.Phone, &e.DN, &e.Extra.packed, &e.Others.packed, &e.Unknown.packed)
	return e
}

// each hands over all entries, up to userindex.Batch at a time. Their texts are parts
// of the arena.
func (a *entries) each(f func([]Entry) error) error {
	batch := make([]Entry, 0, userindex.Batch)
	for i := 0; i < a.Len(); {
		batch = batch[:0]
		for ; i < a.Len() && len(batch) < userindex.Batch; i++ {
			batch = append(batch, a.shared(i))
		}
		if err := f(batch); err != nil {
			return err
		}
	}
	return nil
}

// bitmap is a set of rows.
type bitmap []uint64

func (b *bitmap) add(row int) {
	for row/64 >= len(*b) {
		*b = append(*b, 0)
	}
	(*b)[row/64] |= 1 << (row % 64)
}

func (b bitmap) has(row int) bool { return row/64 < len(b) && b[row/64]&(1<<(row%64)) != 0 }
