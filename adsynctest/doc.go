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
// [CheckDirectory] does the same for an [adsync.Directory] and its optional powers: a
// listing that ends early without an error would otherwise read as people who have left.
// What a directory or a store says of itself by [adsync.Traits] is proven along with it,
// except for Apart, which takes both sides: [CheckApart].
//
// The checks return errors and need no testing.T, in the manner of testing/fstest.
package adsynctest
