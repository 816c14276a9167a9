// Package adsynctest proves a host's own [adsync.UserStore] and [adsync.Directory], in
// the manner of testing/fstest.
//
//	func TestUsers(t *testing.T) {
//		err := adsynctest.CheckStore(t.Context(), func(ctx context.Context, seed []adsync.User) (adsync.UserStore, error) {
//			return newUsers(ctx, seed) // a store that holds just these
//		})
//		if err != nil {
//			t.Error(err)
//		}
//	}
//
// Each check goes through the duties that the interface's comment names, and its
// errors say which one is broken.
package adsynctest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-adsync/adsync"
)

// CheckStore proves a host's own [adsync.UserStore], in the manner of testing/fstest: it
// returns joined errors, each naming the duty that was broken. open returns a
// store that holds exactly the seed, whose IDs it may replace by its own; it is
// called many times.
//
// The seed is a few users of two sources ("" and "adsync-check"), with usernames
// of up to 20 characters. A store that holds only some fields, as its Traits say,
// is checked on those; one that knows a single source may replace the seed's, and
// one that knows no protected users may make them others. The optional powers are
// checked where the store has them, and each duty of a write by ApplyChanges too.
//
// A write that is not atomic is found only when its race happens. What a store
// does when a commit is not answered, and whether its lock keeps out another
// process, cannot be checked from outside.
func CheckStore(ctx context.Context, open func(ctx context.Context, seed []adsync.User) (adsync.UserStore, error)) error {
	if open == nil {
		return errors.New("adsync: CheckStore needs a function that opens a store with the seed it is given")
	}
	for _, d := range basicDuties {
		if err := d.prove(ctx, open); err != nil {
			return err // without these, nothing else can be told
		}
	}
	var broken []error
	for _, d := range slices.Concat(readDuties, writeDuties, inBatches(writeDuties), batchDuties, lockDuties) {
		broken = append(broken, d.prove(ctx, open))
	}
	return errors.Join(broken...)
}

// duty is one sentence that a store must make true.
type duty struct {
	sentence string
	check    func(*bench) error // on a bench of its own
}

// The duties without which no other can be checked.
var basicDuties = []duty{
	{"Traits must name some of the five details and FieldStatus, each once", (*bench).checkFields},
	{"Users must yield every row, as it was stored", (*bench).checkUsers},
	{"Users must yield each row with an ID of its own", (*bench).checkIDs},
}

var readDuties = []duty{
	{"Users must return a fresh sequence, which can be ranged over again and shows the rows as they are then", (*bench).checkFresh},
	{"Users must stop when the loop stops, and leave the store usable", (*bench).checkStop},
	{"Users must end in an error, and yield it last, when the context has ended", (*bench).checkReadContext},
}

var writeDuties = []duty{
	{"UpdateUser must write exactly After", (*bench).checkUpdate},
	{"UpdateUser must write links, an ObjectID and its Source", (*bench).checkLink},
	{"UpdateUser must write a change of case alone", (*bench).checkCase},
	{"UpdateUser must let several users be without an email", (*bench).checkEmpty},
	{"UpdateUser must refuse a row that is not as Before says with ErrStale, and leave it alone", (*bench).checkUpdateStale},
	{"UpdateUser must refuse a row that is gone with ErrStale", (*bench).checkUpdateGone},
	{"UpdateUser must answer ErrAlready when the row is as After says, before it looks for rows with the same key", (*bench).checkUpdateAlready},
	{"UpdateUser must take \"\" and StatusActive for the same, as Change.Guard does", (*bench).checkUpdateStatus},
	{"UpdateUser must refuse a key that another row holds with ErrConflict, and write nothing of the change", (*bench).checkUpdateConflict},
	{"UpdateUser must let a key pass to another row once it is given up", (*bench).checkPassOn},
	{"UpdateUser must be atomic: of changes made at once from one Before, only one may be written", (*bench).checkAtomic},
	{"UpdateUser must fail and write nothing when the context has ended", (*bench).checkUpdateContext},
	{"DeleteUser must remove the row and no other", (*bench).checkDelete},
	{"DeleteUser must free both keys", (*bench).checkDeleteFrees},
	{"DeleteUser must refuse a row that is not as Before says with ErrStale, and leave it alone", (*bench).checkDeleteStale},
	{"DeleteUser must answer ErrAlready when the row is gone", (*bench).checkDeleteAlready},
	{"DeleteUser must take \"\" and StatusActive for the same, as Change.Guard does", (*bench).checkDeleteStatus},
	{"DeleteUser must be atomic: of deletions and updates made at once from one Before, only one may be written", (*bench).checkDeleteAtomic},
	{"DeleteUser must fail and remove nothing when the context has ended", (*bench).checkDeleteContext},
	{"CreateUser must add a row that equals After but for the ID, and return that ID", (*bench).checkCreate},
	{"CreateUser must answer ErrAlready for a Source and ObjectID that a row has, with its ID or none, and add nothing", (*bench).checkCreateAlready},
	{"CreateUser must not take a row of another Source with the same ObjectID for the user: add it, or refuse it with ErrConflict if an ObjectID is unique in the table", (*bench).checkCreateSource},
	{"CreateUser must refuse a key that another row holds with ErrConflict, and add nothing", (*bench).checkCreateConflict},
	{"CreateUser must be atomic: of creations of one user made at once, only one may be written", (*bench).checkCreateAtomic},
	{"CreateUser must fail and add nothing when the context has ended", (*bench).checkCreateContext},
	{"A write must leave the Change as it is: copy what is to be altered", (*bench).checkChangeKept},
}

var batchDuties = []duty{
	{"ApplyChanges must return one Written for each change, in order", (*bench).checkBatchOrder},
	{"ApplyChanges must write the changes of a batch in which another fails", (*bench).checkBatchIsolation},
	{"ApplyChanges must answer each change as if it were alone: ErrStale, ErrAlready or ErrConflict", (*bench).checkBatchVerdicts},
	{"ApplyChanges must create users as CreateUser does, and return their IDs", (*bench).checkBatchCreate},
}

var lockDuties = []duty{
	{"Lock must keep a second run out until unlock is called", (*bench).checkLock},
	{"Lock must fail when the context has ended: ask ctx.Err first, even if the lock is free", (*bench).checkLockContext},
}

// inBatches are duties of a single write as those of a batch.
func inBatches(duties []duty) []duty {
	batched := make([]duty, len(duties))
	for i, d := range duties {
		batched[i] = duty{"ApplyChanges must do as the single writes: " + d.sentence, func(b *bench) error {
			if b.batch, _ = b.store.(adsync.BatchStore); b.batch == nil {
				return nil
			}
			return d.check(b)
		}}
	}
	return batched
}

func (d duty) prove(ctx context.Context, open func(context.Context, []adsync.User) (adsync.UserStore, error)) error {
	b := &bench{ctx: ctx}
	if err := b.open(open); err != nil {
		return fmt.Errorf("adsync: CheckStore could not begin to check that %s: %w", d.sentence, err)
	}
	if err := d.check(b); err != nil {
		return fmt.Errorf("adsync: %s: %w", d.sentence, err)
	}
	return nil
}
