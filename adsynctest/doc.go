// Package adsynctest is for the tests of a program that uses adsync. It runs a domain
// controller within a test, and it proves that a store or a directory of your own can be
// trusted with accounts.
//
// # A domain controller of your own
//
// [NewController] starts an Active Directory on 127.0.0.1 in a few milliseconds: real
// LDAP over TLS, without a container, an account or a mock.
//
//	dc := adsynctest.NewController(t)
//	anna := dc.AddPerson(adsync.Profile{Username: "anna", Email: "anna@corp.example"})
//	dir, err := activedirectory.New(activedirectory.Config{
//		URLs:   []string{dc.URL()},
//		BaseDN: dc.BaseDN(),
//		Bind:   activedirectory.SimpleBind(dc.User(), dc.Password()),
//		TLS:    &tls.Config{RootCAs: dc.CA()},
//	})
//	…
//	dc.Disable(anna)                        // the first day of a leave
//	dc.Delete(anna)                         // and a tombstone is left
//	dc.Order(adsynctest.FaultCutListing)    // what does your program do then?
//
// The controller closes with the test. Its [Fault] constants are the accidents that a
// sync must survive: controllers that are down, listings that break off, rights that were
// lost, passwords that have expired.
//
// # A store of your own
//
// A sync is only as safe as the table that it writes to. A store that compares the row
// before it writes but not within the same statement, truncates a name, or unblocks a user
// with an update of a phone number passes every ordinary test. [CheckStore] goes through
// each duty of [adsync.UserStore], with rows that are stale, gone, taken, blocked and many,
// with contexts that end at any moment, and says which sentence of the contract is broken:
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
// A store that is a [Seeder], as that of sqlstore is, needs no seed of yours: open gives it
// with an empty table.
//
// # A directory of your own
//
// [CheckDirectory] does the same for an [adsync.Directory]: a listing that ends early without
// an error would otherwise read as people who have left. It goes through each duty of these,
// and through those of an optional power only where the directory has it:
//
//   - Entries yields somebody, each with an ObjectID and present; the same when ranged over or
//     called again.
//   - Find, and [adsync.Confirmer] and [adsync.RoleProver] likewise, answer for exactly those
//     asked for, once each unless accounts share an ObjectID; agree with Entries; call nobody
//     alive who never was; answer once for an id that is asked for twice, and nothing for no ids.
//     Confirm may call an account disputed, whatever Find calls it. ProveRoles may leave more
//     roles unknown and have more of those in Traits, and never says that a role is lost which
//     Entries or the entry wanted has.
//   - Each of these sequences stops when the loop does, and answers afterwards. Where its
//     context has ended before, it yields an error, and nothing after that; where the context
//     ends at the first entry, it yields an error or is complete.
//   - [adsync.Timekeeper] tells no time, or one within 5 minutes of the clock of this machine,
//     beyond which a plan removes nobody; and no tombstone lifetime, or an hour or more, as
//     less is a wrong unit. With a context that has ended it fails, or tells neither.
//   - [adsync.Changes] begins a reading, whose mark is none or survives JSON. From such a mark
//     Since goes on or says why not, without an error; whomever it names, Find answers for. It
//     does not say NoMarkOfController where both readings leave marks of one Controller, and
//     does not go on where they leave marks of two. It never goes on from a mark
//     of another Controller, from none, or from one without its Data. Where it says
//     GroupsChanged and has Members, these are the accounts to which Entries gives each role.
//     With a context that has ended, no mark is left, and Since does not go on.
//   - [adsync.Inspector] answers, and fails when its context has ended.
//   - [adsync.Sessions] yields one Directory at least, each with the Traits and the powers of
//     the whole, that keeps all of this by itself; stops when the loop does; and yields, when
//     its context has ended, nothing that can be read.
//   - [adsync.Resumer] has Sessions, and yields as many, also with marks of no server; begins
//     with the servers whose marks it is given, in their order; and ends as Sessions does.
//   - What it says of itself by [adsync.Traits] is true, except for Apart, which takes both
//     sides: [CheckApart].
//
// No call may panic. What takes a change of the directory, a fault, or a second server that
// knows something else cannot be seen from outside, so test it yourself: that Since names
// everybody who has changed, that Confirm asks the other servers and calls disputed only whom
// it must, that ProveRoles proves what is lost, that a reading keeps to one connection and
// leaves no mark when that was lost, that a server which has failed is left out, and that
// tombstones are kept for as long as is said. Nor can it be told which goroutines or connections
// a directory keeps for itself: run it within testing/synctest, or count its connections, to
// see that none is left.
//
// The checks return errors and need no testing.T, in the manner of testing/fstest.
package adsynctest
