package adsync

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-adsync/adsync/internal/keyfold"
)

// Status is whether a host account may be used.
type Status string

// The statuses of a [User].
const (
	StatusActive      Status = "active"      // "" means the same
	StatusInactive    Status = "inactive"    // not active, in a store that cannot tell by whom: written by a sync, and never lifted by one
	StatusBlocked     Status = "blocked"     // by the host: a sync never sets or lifts it
	StatusDeactivated Status = "deactivated" // by a sync; lifted when the entry is Present and not Disabled
)

// User is one host account. It is comparable.
//
// A user is managed when it has an ObjectID and its Source equals Rules.Source.
// Others are never changed, yet hold their username and email.
type User struct {
	ID       string   `json:"id"`               // the host's primary key
	ObjectID ObjectID `json:"object_id"`        // zero: a local account
	Source   string   `json:"source,omitempty"` // which directory it was imported from
	Profile
	Status    Status `json:"status,omitempty"`
	Protected bool   `json:"protected,omitempty"` // owner, last admin…: updated, never deleted or deactivated

	// DeactivatedAt is when a sync deactivated the user, or saw that it was to be removed;
	// zero for never, and in a store that does not hold it (see FieldDeactivatedAt).
	DeactivatedAt Moment `json:"deactivated_at,omitzero"`
}

// Same reports whether two states of a user are equal as [Change.Guard] compares
// them: the whole row, with "" and StatusActive as one, and AtWrite as any moment. Bytes
// that are not UTF-8 cannot survive a plan's JSON, so they count as what JSON makes of
// them.
func (u User) Same(other User) bool {
	if u.DeactivatedAt.same(other.DeactivatedAt) {
		u.DeactivatedAt = other.DeactivatedAt
	}
	return normalUser(u) == normalUser(other)
}

func normalUser(u User) User {
	u = validUser(u)
	if u.Status == "" {
		u.Status = StatusActive
	}
	return u
}

// A UserStore is the host's user table.
//
// Users yields all of them, each with an ID of its own; an error is yielded last
// and ends the sequence.
//
// UpdateUser and DeleteUser are both atomic: of writes made at once from one
// Before, only one is written. Each asks [Change.Guard] with the row as it is now
// (nil: there is none) whether to write: nil says yes, [ErrAlready] that it is
// written already, [ErrStale] that the row is not as planned; the store returns
// those errors as they are. A key that another row holds is [ErrConflict].
// DeleteUser frees both keys: a soft delete must rename or release them.
//
// After any error nothing of the change is written, with one exception:
// [ErrUnknown] says that the store cannot tell, as when a commit was not answered,
// and ends the run. [ErrNotWritten] ends it too: nothing was written, and no later
// change would be. When ctx has ended, a write fails, and with none of the three
// verdicts above. The Change belongs to a plan, and is left as it is.
//
// CheckStore of package adsynctest proves an implementation.
type UserStore interface {
	Users(ctx context.Context) iter.Seq2[User, error]
	UpdateUser(ctx context.Context, c Change) error
	DeleteUser(ctx context.Context, c Change) error
}

// BatchStore is an optional power of a [UserStore]: it applies changes that do
// not need each other in one round trip or transaction, and returns one Written
// for each, in order. A change that fails alone does not lose the others. Each is
// guarded and answered as the single write is.
type BatchStore interface {
	ApplyChanges(ctx context.Context, cs []Change) []Written
}

// Written tells what became of one change of a batch. Err is nil, [ErrAlready],
// [ErrStale], [ErrConflict], [ErrUnknown] or the store's own error. UserID is
// that of a created user; otherwise it is the user's, or empty.
type Written struct {
	UserID string
	Err    error
}

// Creator is an optional power of a [UserStore]: it adds users, for imports, and
// returns their new ID. A user of the same Source and ObjectID that is there
// already is [ErrAlready], with that user's ID or none; one of another Source is
// another user, and at most an [ErrConflict]. CreateUser is atomic, and errors mean
// what they do to a [UserStore].
type Creator interface {
	CreateUser(ctx context.Context, c Change) (id string, err error)
}

// Locker is an optional power of a [UserStore]: the lock is held for a run, so
// that two syncs of the same users do not meet. The source is Rules.Source: syncs of
// other sources may go on at the same time, if the table itself keeps one from taking
// the keys of another. While another run of the source has the lock, Lock fails with
// [ErrLocked] or waits, but not longer than ctx lasts; with a ctx that has ended it
// fails. A run ends with any other error of Lock as [ErrIncomplete]. A lock is held until
// unlock is called, which happens once, even if ctx ends before; an error of unlock is
// [ErrLockLost].
type Locker interface {
	Lock(ctx context.Context, source string) (unlock func() error, err error)
}

// Checker is an optional power of a [UserStore]: it tells what is amiss with the users'
// table itself, as opposed to any user, before a plan is made: a key without a unique
// index, a column that nobody fills. Each warning is one sentence, which says what to do and
// holds nothing of any person; asked again of the same table, it says the same. The error is
// about what no run can do without, or says that the table cannot be checked now, as when ctx
// has ended.
//
// Check writes nothing. Each [Syncer] asks for its first plan, before it reads the users,
// and no more once it has an answer: so a few questions to the database's catalogue are fine.
// An error is [ErrIncomplete], and there is no plan.
type Checker interface {
	Check(ctx context.Context) (warnings []string, err error)
}

// MemoryStore is a [UserStore] in memory, with every optional power but Locker and Checker:
// the reference for others, and for tests. It is safe for concurrent use.
//
// Usernames and emails belong to one row each, whatever Rules.Keys says, and are compared
// like the keys of a plan: in NFKC, case-folded and trimmed. Rows that clash from the start
// are left alone; no write adds a clash.
type MemoryStore struct {
	mu        sync.Mutex
	users     map[string]User
	usernames map[string]int // how many rows hold a key
	emails    map[string]int
	links     map[link][]string // the IDs of the rows that are linked to an entry
	lastID    int
	extras    []Field // that it holds, see Hold
	now       func() time.Time
}

// link is what ties a row to an entry.
type link struct {
	source string
	id     ObjectID
}

// NewMemoryStore returns a store that holds the users. One without an ID is given
// one; of two with the same ID, the later is held.
func NewMemoryStore(users ...User) *MemoryStore {
	s := &MemoryStore{
		users:     make(map[string]User, len(users)),
		usernames: make(map[string]int, len(users)),
		emails:    make(map[string]int, len(users)),
		links:     make(map[link][]string, len(users)),
		now:       time.Now,
	}
	for _, u := range users {
		if u.ID != "" {
			s.put(u)
			if n, err := strconv.Atoi(u.ID); err == nil {
				s.lastID = max(s.lastID, n)
			}
		}
	}
	for _, u := range users {
		if u.ID == "" {
			u.ID = s.newID()
			s.put(u)
		}
	}
	return s
}

// Get returns the user with the ID, and whether there is one.
func (s *MemoryStore) Get(id string) (User, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.users[id]
	return u, ok
}

// Users yields the users as they are when the loop begins, in order of ID.
func (s *MemoryStore) Users(ctx context.Context) iter.Seq2[User, error] {
	return func(yield func(User, error) bool) {
		err := notRead(ctx)
		for _, u := range s.snapshot() {
			if err != nil || !yield(u, nil) {
				break
			}
			err = notRead(ctx)
		}
		if err != nil {
			yield(User{}, err)
		}
	}
}

func (s *MemoryStore) snapshot() []User {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.users), func(a, b User) int { return strings.Compare(a.ID, b.ID) })
}

// UpdateUser writes c.After.
func (s *MemoryStore) UpdateUser(ctx context.Context, c Change) error {
	if err := cmp.Or(notWritten(ctx), c.CheckShape(OpUpdate)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.find(c.UserID)
	if err := c.Guard(now); err != nil {
		return err
	}
	if err := s.checkKeys(now.Profile, c.After.Profile); err != nil {
		return err
	}
	s.put(s.stamped(*c.After))
	return nil
}

// DeleteUser removes the row.
func (s *MemoryStore) DeleteUser(ctx context.Context, c Change) error {
	if err := cmp.Or(notWritten(ctx), c.CheckShape(OpDelete)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := c.Guard(s.find(c.UserID)); err != nil {
		return err
	}
	s.remove(c.UserID)
	return nil
}

// CreateUser adds c.After under a new ID.
func (s *MemoryStore) CreateUser(ctx context.Context, c Change) (string, error) {
	if err := cmp.Or(notWritten(ctx), c.CheckShape(OpCreate)); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u := *c.After
	if same := s.links[link{u.Source, u.ObjectID}]; len(same) > 0 {
		return same[0], ErrAlready
	}
	if err := cmp.Or(c.Guard(nil), s.checkKeys(Profile{}, u.Profile)); err != nil {
		return "", err
	}
	u.ID = s.newID()
	s.put(s.stamped(u))
	return u.ID, nil
}

// ApplyChanges writes the changes one after the other.
func (s *MemoryStore) ApplyChanges(ctx context.Context, cs []Change) []Written {
	out := make([]Written, len(cs))
	for i, c := range cs {
		switch c.Op {
		case OpDelete:
			out[i].Err = s.DeleteUser(ctx, c)
		case OpCreate:
			out[i].UserID, out[i].Err = s.CreateUser(ctx, c)
		default:
			out[i].Err = s.UpdateUser(ctx, c)
		}
	}
	return out
}

// Hold has the store hold these details too, each of them a set, and returns the store. It
// is for the time before the store is given to anybody.
func (s *MemoryStore) Hold(extras ...Field) *MemoryStore {
	s.extras = append(s.extras, extras...)
	return s
}

// Traits tells that the store holds the five details, a status, DeactivatedAt, and what Hold
// was given.
func (s *MemoryStore) Traits() Traits {
	return Traits{Fields: append(append(details[:len(details):len(details)], FieldStatus, FieldDeactivatedAt), s.extras...), Sets: slices.Clone(s.extras), Roles: []string{AnyRole}}
}

// stamped is the user with the time in place of AtWrite.
func (s *MemoryStore) stamped(u User) User {
	if u.DeactivatedAt == AtWrite {
		u.DeactivatedAt = MomentOf(s.now())
	}
	return u
}

func (s *MemoryStore) find(id string) *User {
	if u, ok := s.users[id]; ok {
		return &u
	}
	return nil
}

// checkKeys refuses a key that the row does not hold yet and another does.
func (s *MemoryStore) checkKeys(now, after Profile) error {
	username, email := keyfold.Fold(after.Username), keyfold.Fold(after.Email)
	if username != "" && username != keyfold.Fold(now.Username) && s.usernames[username] > 0 {
		return fmt.Errorf("%w (username)", ErrConflict)
	}
	if email != "" && email != keyfold.Fold(now.Email) && s.emails[email] > 0 {
		return fmt.Errorf("%w (email)", ErrConflict)
	}
	return nil
}

func (s *MemoryStore) put(u User) {
	s.remove(u.ID)
	s.users[u.ID] = u
	s.usernames[keyfold.Fold(u.Username)]++
	s.emails[keyfold.Fold(u.Email)]++
	if !u.ObjectID.IsZero() {
		l := link{u.Source, u.ObjectID}
		s.links[l] = append(s.links[l], u.ID)
	}
}

func (s *MemoryStore) remove(id string) {
	u, ok := s.users[id]
	if !ok {
		return
	}
	delete(s.users, id)
	release(s.usernames, keyfold.Fold(u.Username))
	release(s.emails, keyfold.Fold(u.Email))
	l := link{u.Source, u.ObjectID}
	s.links[l] = slices.DeleteFunc(s.links[l], func(other string) bool { return other == id })
	if len(s.links[l]) == 0 {
		delete(s.links, l)
	}
}

func release(holders map[string]int, key string) {
	if holders[key]--; holders[key] == 0 {
		delete(holders, key)
	}
}

// newID counts up, so that no ID is used twice, even after a deletion.
func (s *MemoryStore) newID() string {
	for {
		s.lastID++
		id := strconv.Itoa(s.lastID)
		if _, taken := s.users[id]; !taken {
			return id
		}
	}
}

// notWritten is nil while the context stands.
func notWritten(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return notDone{fmt.Errorf("adsync: the run was ended, and this was not written: %w", err)}
	}
	return nil
}

// notRead is nil while the context stands.
func notRead(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("adsync: the run was ended before all users were read: %w", err)
	}
	return nil
}

// notDone is an error after which nothing was written and nothing will be. It is
// [ErrNotWritten], so that the run ends.
type notDone struct{ error }

func (e notDone) Is(target error) bool { return target == ErrNotWritten }
func (e notDone) Unwrap() error        { return e.error }

// text is the value of a field as people read it.
func (u *User) text(f Field) string {
	switch f {
	case FieldStatus:
		if u.Status == "" {
			return string(StatusActive)
		}
		return string(u.Status)
	case FieldDeactivatedAt:
		return u.DeactivatedAt.words()
	case FieldObjectID:
		if u.ObjectID.IsZero() {
			return ""
		}
		return u.ObjectID.String()
	case FieldSource:
		return u.Source
	}
	switch {
	case slices.Contains(details[:], f):
		return *u.detail(f)
	case f.isExtra():
		return u.Extra.print(f)
	}
	return "" // a damaged plan is printed all the same
}

// describe tells what a user holds, for people.
func (u *User) describe() string {
	words := []string{"user " + u.ID + " with " + u.Profile.describe(), "status " + u.text(FieldStatus)}
	if u.DeactivatedAt != 0 {
		words = append(words, "deactivated at "+u.DeactivatedAt.words())
	}
	if u.Protected {
		words = append(words, "protected")
	}
	return strings.Join(words, ", ")
}

// off reports whether a sync may have deactivated the user.
func (u *User) off() bool { return u.Status == StatusDeactivated || u.Status == StatusInactive }

func (u *User) active() bool { return u.Status == "" || u.Status == StatusActive }

// valid reports whether there is nothing to repair, as nearly always.
func (u *User) valid() bool {
	return keyfold.Valid(u.ID) && keyfold.Valid(u.Source) && keyfold.Valid(string(u.Status)) && u.Profile.valid()
}

// validUser makes the texts valid UTF-8.
func validUser(u User) User {
	if u.valid() {
		return u
	}
	u.ID, u.Source, u.Status = validText(u.ID), validText(u.Source), Status(validText(string(u.Status)))
	u.Profile = validProfile(u.Profile)
	return u
}
