package main

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"iter"

	"github.com/go-adsync/adsync"
)

const (
	suffix    = "dc=bench,dc=test"
	peopleDN  = "ou=people," + suffix
	groupsDN  = "ou=groups," + suffix
	adminDN   = "cn=admin," + suffix
	adminPass = "bench"
	filter    = "(sAMAccountType=805306368)"
)

var attributes = []string{"objectGUID", "userAccountControl", "sAMAccountName", "givenName", "sn", "mail", "telephoneNumber"}

// entryOf is person number i of the directory.
func entryOf(i int) adsync.Entry {
	return adsync.Entry{ObjectID: objectID(i), Profile: adsync.Profile{
		Username:  username(i),
		FirstName: fmt.Sprintf("First%d", i%5000),
		LastName:  fmt.Sprintf("Last%d", i%30000),
		Email:     fmt.Sprintf("user%07d@corp.example", i),
		Phone:     fmt.Sprintf("+1 555 %07d", i),
	}}
}

// objectID spreads the numbers over all identities, as a directory does.
func objectID(i int) (id adsync.ObjectID) {
	const golden = 0x9e3779b97f4a7c15
	binary.BigEndian.PutUint64(id[:8], uint64(i+1)*golden)
	binary.BigEndian.PutUint64(id[8:], uint64(i+1)*golden*golden)
	return id
}

// wireID is an ObjectID as a directory stores it ([MS-DTYP] 2.3.4.2).
func wireID(id adsync.ObjectID) [16]byte {
	id[0], id[1], id[2], id[3] = id[3], id[2], id[1], id[0]
	id[4], id[5] = id[5], id[4]
	id[6], id[7] = id[7], id[6]
	return id
}

// writeLDIF writes the directory: people, and the groups that give them their roles.
func writeLDIF(w io.Writer, people int) error {
	b := bufio.NewWriterSize(w, 1<<20)
	fmt.Fprintf(b, "dn: %s\nobjectClass: dcObject\nobjectClass: organization\ndc: bench\no: bench\n\n", suffix)
	fmt.Fprintf(b, "dn: %s\nobjectClass: organizationalUnit\nou: people\n\n", peopleDN)
	for i := range people {
		e := entryOf(i)
		guid := wireID(e.ObjectID)
		fmt.Fprintf(b, "dn: cn=%s,%s\nobjectClass: benchPerson\ncn: %[1]s\nobjectGUID:: %[3]s\nsAMAccountName: %[1]s\nsAMAccountType: 805306368\n"+
			"userAccountControl: 512\ngivenName: %[4]s\nsn: %[5]s\nmail: %[6]s\ntelephoneNumber: %[7]s\n\n",
			e.Username, peopleDN, base64.StdEncoding.EncodeToString(guid[:]), e.FirstName, e.LastName, e.Email, e.Phone)
	}
	fmt.Fprintf(b, "dn: %s\nobjectClass: organizationalUnit\nou: groups\n\n", groupsDN)
	for key := range roleBands * roleBand {
		fmt.Fprintf(b, "dn: %s\nobjectClass: groupOfNames\ncn: %s\n", groupDN(key), roleName(key))
		for i := range people {
			if hasRole(i, key) {
				fmt.Fprintf(b, "member: cn=%s,%s\n", username(i), peopleDN)
			}
		}
		b.WriteString("\n")
	}
	return b.Flush()
}

func username(i int) string { return fmt.Sprintf("user%07d", i) }

// state is what a host's table holds before a measurement.
type state string

const (
	stateEmpty   state = "empty"
	stateChosen  state = "chosen"  // a thousand of the people
	stateFull    state = "full"    // all, as the directory has them
	stateRoles   state = "roles"   // all, each with five roles
	stateChanged state = "changed" // all, but one in a hundred differs and one in two hundred is gone from the directory
)

const chosen = 1000

// table is the name of the table of a state.
func (s state) table() string { return "people_" + string(s) }

// rows is how many rows the table has.
func (s state) rows(people int) int {
	switch s {
	case stateEmpty:
		return 0
	case stateChosen:
		return min(chosen, people)
	}
	return people
}

// users yields the rows of a state.
func (s state) users(people int) iter.Seq[adsync.User] {
	step := 1
	if s == stateChosen {
		step = max(1, people/chosen)
	}
	return func(yield func(adsync.User) bool) {
		for n := range s.rows(people) {
			e := entryOf(n * step)
			u := adsync.User{ObjectID: e.ObjectID, Profile: e.Profile, Status: adsync.StatusActive}
			if s == stateChanged {
				change(&u, n)
			}
			if !yield(u) {
				return
			}
		}
	}
}

// change makes the user with the number differ from the directory, or belong to
// somebody who has left.
func change(u *adsync.User, n int) {
	switch {
	case n%100 == 1:
		u.Phone += "9"
	case n%200 == 2:
		u.ObjectID[15]++ // nobody's
		u.Username, u.Email = "gone-"+u.Username, "gone-"+u.Email
	}
}
