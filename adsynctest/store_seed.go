package adsynctest

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/go-adsync/adsync"
)

// The places of the usual seed's users.
const (
	ada  = iota // managed, with all details
	bob         // managed, with all details
	cleo        // local and protected, without email
	dan         // managed and deactivated, without email and phone; has bob's names
	eve         // managed and blocked; has ada's names and bob's phone
)

const seedSource = "adsync-check"

// usualSeed has namesakes, so that a write that finds its row by another column than
// the ID shows in two of them.
func usualSeed() []adsync.User {
	deactivatedAt := adsync.MomentOf(time.Date(2026, 2, 28, 23, 59, 58, 0, time.UTC))
	managed := func(n uint32, username, first, last, email, phone string, status adsync.Status) adsync.User {
		return adsync.User{
			ID: fmt.Sprint(n), ObjectID: checkID(n), Source: seedSource, Status: status,
			Profile: adsync.Profile{Username: username, FirstName: first, LastName: last, Email: email, Phone: phone},
		}
	}
	local := adsync.Profile{Username: "check.cleo", FirstName: "Cleo", LastName: "Local", Phone: "112"}
	seed := []adsync.User{
		ada:  managed(1, "check.ada", "Zoë", "O'Hara", "check.ada@adsync.invalid", "+49 30 1234-5", adsync.StatusActive),
		bob:  managed(2, "check.bob", "Bob", "Müller", "check.bob@adsync.invalid", "+49 30 6789-0", adsync.StatusActive),
		cleo: {ID: "3", Profile: local, Status: adsync.StatusActive, Protected: true},
		dan:  managed(4, "check.dan", "Bob", "Müller", "", "", adsync.StatusDeactivated),
		eve:  managed(5, "check.eve", "Zoë", "O'Hara", "check.eve@adsync.invalid", "+49 30 6789-0", adsync.StatusBlocked),
	}
	seed[dan].DeactivatedAt = deactivatedAt
	return seed
}

// furtherSeed are more users, for what shows with many only.
func furtherSeed(n int) []adsync.User {
	statuses := []adsync.Status{adsync.StatusActive, adsync.StatusDeactivated, adsync.StatusActive, adsync.StatusBlocked}
	users := make([]adsync.User, n)
	for i := range users {
		name := fmt.Sprintf("check.u%d", i)
		users[i] = adsync.User{
			ID: fmt.Sprint(10 + i), ObjectID: checkID(1000 + uint32(i)), Source: seedSource, Status: statuses[i%len(statuses)],
			Profile: adsync.Profile{Username: name, FirstName: "Una", LastName: fmt.Sprint("Family ", i%10), Email: name + "@adsync.invalid", Phone: "0"},
		}
		if users[i].Status == adsync.StatusDeactivated {
			users[i].DeactivatedAt = adsync.MomentOf(time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC))
		}
	}
	return users
}

// checkID is the n-th of the check's own ObjectIDs.
func checkID(n uint32) adsync.ObjectID {
	id := adsync.ObjectID{0xad, 0x5c, 0x00, 0x0c, 10: 0x4e}
	binary.BigEndian.PutUint32(id[12:], n)
	return id
}

// newcomer is a user who is not in the seed, as far as the store can hold it: all
// details for the first of them, and only a username for the others.
func (b *bench) newcomer(n int) adsync.User {
	u := adsync.User{ObjectID: checkID(100_000 + uint32(n)), Source: seedSource}
	if b.oneSource && len(b.rows) > 0 {
		u.Source = b.rows[ada].Source
	}
	all := adsync.Profile{Username: fmt.Sprint("Check.New", n)}
	if n == 0 {
		u.Status = adsync.StatusActive
		all = adsync.Profile{Username: "Check.New", FirstName: "Ève", LastName: "New", Email: "Check.New@adsync.invalid", Phone: "110"}
	}
	for _, f := range details {
		if b.holds(f) {
			u = b.after(u, f, all.Get(f))
		}
	}
	for i, f := range b.extras() {
		if n == 0 {
			u = b.after(u, f, fmt.Sprintf("7d9a3c52-%04d-4a5e-8f00-0000000ada00", i))
		}
	}
	return b.withRequired(u)
}
