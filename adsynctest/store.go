package adsynctest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-adsync/adsync"
)

// Seeder is an optional power of a store under [CheckStore]: it adds users to a table that
// has no row, with each thing that the table holds, and fails if there is one already. IDs
// are the table's own; a Source, a status or a protection that the table cannot hold is
// replaced by one that it can.
type Seeder interface {
	Seed(ctx context.Context, users []adsync.User) error
}

// CheckStore proves a host's own [adsync.UserStore]: it returns joined errors, each
// naming the duty that was broken. open returns a store that holds exactly the seed,
// whose IDs it may replace by its own, or an empty one that is a [Seeder], as that of
// sqlstore is; it is called many times.
//
// The seed is a few users of two sources ("" and "adsync-check"), with usernames of up
// to 20 characters, one of them deactivated (with a DeactivatedAt, which
// a store may leave out that does not hold it) and one blocked; for what shows in large
// tables only, it is several hundred. A store that holds only some fields, as its
// Traits say, is checked on those; one that knows a single source may replace the
// seed's, one that knows no protected users may make them ordinary ones, and one that has
// no word for a blocked user may give that user any other status. Where Traits name roles,
// these are given and taken; in one duty, a user of the seed has a role that the host itself
// gave ([adsync.FieldHostRoles]), and of a store that is opened without it, this is not
// checked. The optional powers are checked where the store has them, and so is each duty of a write by ApplyChanges. A
// store that panics has broken the duty that was being checked.
//
// Where the Rules of the host's Syncer say Keys or Require, give them: emails that are no
// key must be free to be alike, and a detail that is required is never left out or cleared.
// Of several Rules the first count.
//
// A write that is not atomic is found only when its race happens. What a store does
// when a commit is not answered, and whether its lock keeps out another process, cannot
// be checked from outside.
func CheckStore(ctx context.Context, open func(ctx context.Context, seed []adsync.User) (adsync.UserStore, error), rules ...adsync.Rules) error {
	if open == nil {
		return errors.New("adsync: CheckStore needs a function that opens a store with the seed it is given, or an empty one that can seed itself")
	}
	host := host{open: open}
	if len(rules) > 0 {
		host.rules = rules[0]
	}
	var broken []error
	for i, d := range slices.Concat(basicDuties, readDuties, writeDuties, roleDuties, inBatches(writeDuties), inBatches(roleDuties), batchDuties, lockDuties, checkDuties) {
		if err := stopped(ctx); err != nil {
			return errors.Join(append(broken, err)...) // what follows would be said of the store
		}
		err := d.prove(ctx, host)
		if err != nil && i < len(basicDuties) {
			return err // without these, nothing else can be checked
		}
		broken = append(broken, err)
	}
	return errors.Join(broken...)
}

// host is what the check is given.
type host struct {
	open  openFunc
	rules adsync.Rules // of which Keys and Require are heeded
}

// duty is one sentence that a store must make true.
type duty struct {
	sentence string
	check    func(*bench) error // on a bench of its own
	more     int                // users besides those of the usual seed
}

// basicDuties are those without which no other can be checked.
var basicDuties = []duty{
	{"Traits must name some of the five details, any others, FieldStatus and FieldDeactivatedAt, each once, as sets only details beyond the five among them, roles each once, and no number below zero", (*bench).checkTraits, 0},
	{"Users must yield every row, as it was stored", (*bench).checkUsers, 0},
	{"Users must yield each row with an ID of its own", (*bench).checkIDs, 0},
}

var readDuties = []duty{
	{"Users must yield a user whom an update has blocked as blocked", (*bench).checkBlocked, 0},
	{"Users must return a fresh sequence, which can be ranged over again and shows the rows as they are then", (*bench).checkFresh, 0},
	{"Users must stop when the loop stops, and leave the store usable", (*bench).checkStop, 0},
	{"Users must end in an error, and yield it last, when the context has ended", (*bench).checkReadContext, 0},
}

var writeDuties = []duty{
	{"UpdateUser must write exactly After", (*bench).checkUpdate, 0},
	{"UpdateUser must write and clear each detail beyond the five that Traits names, and guard it", (*bench).checkExtra, 0},
	{"UpdateUser must keep the status that After has: an update of details neither unblocks nor reactivates", (*bench).checkStatusKept, 0},
	{"UpdateUser must write the second at which it writes for AtWrite, in Before take any moment for it, and clear it with a zero", (*bench).checkStamp, 0},
	{"UpdateUser must write links, an ObjectID and its Source", (*bench).checkLink, 0},
	{"UpdateUser must write a change of case alone", (*bench).checkCase, 0},
	{"UpdateUser must let several users be without an email", (*bench).checkEmpty, 0},
	{"UpdateUser must write each text to the byte, or fail with an error of its own: never cut off, trimmed or replaced", (*bench).checkUpdateTexts, 0},
	{"UpdateUser must refuse a row that is not as Before says with ErrStale, and leave it alone", (*bench).checkUpdateStale, 0},
	{"UpdateUser must refuse a row that is gone with ErrStale", (*bench).checkUpdateGone, 0},
	{"UpdateUser must answer ErrAlready when the row is as After says, before it looks for rows with the same key", (*bench).checkUpdateAlready, 0},
	{"UpdateUser must take \"\" and StatusActive for the same, as Change.Guard does", (*bench).checkUpdateStatus, 0},
	{"UpdateUser must refuse a key that another row holds with ErrConflict, and write nothing of the change", (*bench).checkUpdateConflict, 0},
	{"UpdateUser must let users share an email where Rules.Keys does not name it", (*bench).checkShared, 0},
	{"UpdateUser must let a key pass to another row once it is given up", (*bench).checkPassOn, 0},
	{"UpdateUser must be atomic: of changes made at once from one Before, only one may be written", (*bench).checkAtomic, 0},
	{"UpdateUser must fail and write nothing when the context has ended", (*bench).checkUpdateContext, 0},
	{"DeleteUser must remove the row and no other", (*bench).checkDelete, 0},
	{"DeleteUser must free both keys", (*bench).checkDeleteFrees, 0},
	{"DeleteUser must refuse a row that is not as Before says with ErrStale, and leave it alone", (*bench).checkDeleteStale, 0},
	{"DeleteUser must answer ErrAlready when the row is gone", (*bench).checkDeleteAlready, 0},
	{"DeleteUser must take \"\" and StatusActive for the same, as Change.Guard does", (*bench).checkDeleteStatus, 0},
	{"DeleteUser must be atomic: of deletions and updates made at once from one Before, only one may be written", (*bench).checkDeleteAtomic, 0},
	{"DeleteUser must fail and remove nothing when the context has ended", (*bench).checkDeleteContext, 0},
	{"CreateUser must add a row that equals After but for the ID, and return that ID", (*bench).checkCreate, 0},
	{"CreateUser must write each text to the byte, or fail with an error of its own: never cut off, trimmed or replaced", (*bench).checkCreateTexts, 0},
	{"CreateUser must answer ErrAlready for a Source and ObjectID that a row has, with its ID or none, and add nothing", (*bench).checkCreateAlready, 0},
	{"CreateUser must not take a row of another Source with the same ObjectID for the user: add it, or refuse it with ErrConflict if an ObjectID is unique in the table", (*bench).checkCreateSource, 0},
	{"CreateUser must refuse a key that another row holds with ErrConflict, and add nothing", (*bench).checkCreateConflict, 0},
	{"CreateUser must be atomic: of creations of one user made at once, only one may be written", (*bench).checkCreateAtomic, 0},
	{"CreateUser must fail and add nothing when the context has ended", (*bench).checkCreateContext, 0},
	{"A write must leave the Change as it is: copy what is to be altered", (*bench).checkChangeKept, 0},
	{"A write that answers an error must have written nothing, unless that is ErrUnknown: also when the context ends meanwhile", (*bench).checkCutShort, 0},
}

var batchDuties = []duty{
	{"ApplyChanges must return one Written for each change, in order", (*bench).checkBatchOrder, 0},
	{"ApplyChanges must write the changes of a batch in which another fails", (*bench).checkBatchIsolation, 0},
	{"ApplyChanges must answer each change as if it were alone: ErrStale, ErrAlready or ErrConflict", (*bench).checkBatchVerdicts, 0},
	{"ApplyChanges must create users as CreateUser does, and return their IDs", (*bench).checkBatchCreate, 0},
	{"ApplyChanges must write all of a batch, such as 500 changes, and touch no other row", (*bench).checkBigBatch, bigBatch + 60},
	{"ApplyChanges must create 5,000 users at once, or as many as Traits.CreatesAtOnce says, also where one is there already", (*bench).checkCreatesAtOnce, 0},
	{"ApplyChanges must tell each change apart when the context ends meanwhile: what answers an error was not written, unless that is ErrUnknown", (*bench).checkBatchCutShort, smallBatch},
}

var lockDuties = []duty{
	{"Lock must keep a second run out until unlock is called", (*bench).checkLock, 0},
	{"Lock must fail when the context has ended: ask ctx.Err first, even if the lock is free", (*bench).checkLockContext, 0},
}

var checkDuties = []duty{
	{"Check must tell what is amiss with the table, in a line for each warning and the same when asked again, and change no row", (*bench).checkCheck, 0},
	{"Check must fail when the context has ended, as no answer would be taken for a table that is well", (*bench).checkCheckContext, 0},
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
		}, d.more}
	}
	return batched
}

func (d duty) prove(ctx context.Context, h host) error {
	b, err := newBench(ctx, h, d.more)
	if err != nil {
		return fmt.Errorf("adsync: CheckStore could not begin to check that %s: %w", d.sentence, err)
	}
	if thrown := panicOf(func() { err = d.check(b) }); thrown != nil {
		err = thrown
	}
	if err != nil {
		return fmt.Errorf("adsync: %s: %w", d.sentence, err)
	}
	return nil
}
