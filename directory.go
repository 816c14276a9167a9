package adsync

import (
	"context"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/go-adsync/adsync/internal/adattr"
)

// ObjectID is an account's objectGUID: the identity that survives renames and
// moves, and that a re-created account of the same name does not have.
//
// Its text form is dashed lower-case hex, as directory tools print it. The
// bytes are in printed order, not in the mixed order of the wire.
type ObjectID [16]byte

// ParseObjectID reads dashed hex in any case, with or without braces.
func ParseObjectID(s string) (ObjectID, error) {
	id, err := adattr.ParseGUID(s)
	return ObjectID(id), err
}

// ObjectIDFromBytes reads the 16 bytes of an objectGUID attribute, whose first
// three fields are little-endian ([MS-DTYP] 2.3.4.2).
func ObjectIDFromBytes(b []byte) (ObjectID, error) {
	id, err := adattr.GUIDFromWire(b)
	return ObjectID(id), err
}

// String is the dashed lower-case form.
func (id ObjectID) String() string { return adattr.GUID(id).String() }

// IsZero reports whether there is no identity: a local account's.
func (id ObjectID) IsZero() bool { return id == ObjectID{} }

// MarshalText is String.
func (id ObjectID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is ParseObjectID, except that an empty text is the zero ID.
func (id *ObjectID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*id = ObjectID{}
		return nil
	}
	parsed, err := ParseObjectID(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// Scan reads a database value: NULL, text, or 16 bytes in printed order.
func (id *ObjectID) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*id = ObjectID{}
		return nil
	case string:
		return id.UnmarshalText([]byte(v))
	case []byte:
		if len(v) == len(id) {
			*id = ObjectID(v)
			return nil
		}
		return id.UnmarshalText(v)
	case [16]byte:
		*id = v
		return nil
	}
	return fmt.Errorf("adsync: cannot read an ObjectID from a %T; store it as text or as 16 bytes", src)
}

// Value is the text form, or NULL for the zero ID.
func (id ObjectID) Value() (driver.Value, error) {
	if id.IsZero() {
		return nil, nil
	}
	return id.String(), nil
}

// Profile holds the five synchronised details. It is comparable.
type Profile struct {
	Username  string `json:"username"`   // sAMAccountName
	FirstName string `json:"first_name"` // givenName
	LastName  string `json:"last_name"`  // sn
	Email     string `json:"email"`      // mail
	Phone     string `json:"phone"`      // telephoneNumber
}

// Field names one part of a [User].
type Field string

// The fields of a [User]. The first five are the synchronised details.
const (
	FieldUsername  Field = "username"
	FieldFirstName Field = "first_name"
	FieldLastName  Field = "last_name"
	FieldEmail     Field = "email"
	FieldPhone     Field = "phone"
	FieldStatus    Field = "status"
	FieldObjectID  Field = "object_id"
	FieldSource    Field = "source"
)

// State tells what a [Directory] knows of an account.
type State string

// The states of an [Entry].
const (
	StatePresent    State = "present"      // in scope; "" means the same
	StateOutOfScope State = "out-of-scope" // alive, outside the base or filter
	StateDeleted    State = "deleted"      // proven: its tombstone was read, same objectGUID
	StateUnproven   State = "unproven"     // looked for and not seen; nothing proves a deletion
)

// Entry is one directory account.
type Entry struct {
	ObjectID ObjectID `json:"object_id"`
	Profile
	State    State  `json:"state,omitempty"`
	Disabled bool   `json:"disabled,omitempty"` // bit 2 of userAccountControl
	DN       string `json:"dn,omitempty"`       // for people; never an identity
}

// A Directory knows the accounts in scope.
//
// Entries lists them; each call returns a fresh sequence. An error is yielded
// last and ends it. Ending without an error promises a complete listing.
//
// Find says what became of given accounts: exactly one Entry for each distinct
// id, in any order, its State telling what was found. Anything less is an
// error, yielded last.
//
// [CheckDirectory] proves an implementation.
type Directory interface {
	Entries(ctx context.Context) iter.Seq2[Entry, error]
	Find(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error]
}

// Sessions is an optional power of a [Directory] with several servers. It
// yields one pinned Directory for each, in order of preference: a plan reads
// one, and starts over on the next when that fails. A refused password ends the
// sequence with an error, so that no account gets locked.
type Sessions interface {
	Sessions(ctx context.Context) iter.Seq2[Directory, error]
}

// Inspector is an optional power of a [Directory]: it tells what the service
// account can read, so that plans can warn.
type Inspector interface {
	Check(ctx context.Context) (Access, error)
}

// Access is what a service account can read.
type Access struct {
	Controller string   `json:"controller"`        // which server answered
	BaseDN     string   `json:"base_dn"`           // where the search starts
	Tombstones bool     `json:"tombstones"`        // whether deletions can be proven
	Missing    []string `json:"missing,omitempty"` // what cannot be read, and what to grant, in words
}

// Listing makes a [Directory] of a plain listing whose word is final: who is
// not in it is Deleted. It is for sources that cannot say more, and for tests.
type Listing func(ctx context.Context) iter.Seq2[Entry, error]

// Entries is the listing itself.
func (l Listing) Entries(ctx context.Context) iter.Seq2[Entry, error] { return l(ctx) }

// Find runs the listing and calls Deleted whoever is not in it.
func (l Listing) Find(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
	return nil
}

// StaticDirectory is a [Directory] as a literal: Entries yields the Present
// ones, Find gives each its State, and an absent id is Deleted.
type StaticDirectory []Entry

// Entries yields the accounts that are Present.
func (d StaticDirectory) Entries(ctx context.Context) iter.Seq2[Entry, error] {
	return nil
}

// Find yields the accounts asked for.
func (d StaticDirectory) Find(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
	return nil
}

// Join makes one Directory of several, such as the domains of a forest: an
// error of one is an error of all. An account is Deleted when one directory has
// read its tombstone and none has seen it alive.
func Join(dirs ...Directory) Directory { return nil }

// ActiveDirectoryConfig says where the directory is and how to read it. URLs or
// Domain, and Bind, are required; every other zero value is a safe default.
type ActiveDirectoryConfig struct {
	// URLs are the controllers, tried in order: ldaps://dc1.corp.example, or
	// ldap:// together with StartTLS.
	URLs []string
	// Domain finds the controllers by SRV record instead; Site prefers those of
	// one site.
	Domain, Site string
	// BaseDN is where the search starts. Default: the server's
	// defaultNamingContext.
	BaseDN string
	// Filter says who is in scope. Default: (sAMAccountType=805306368), people.
	Filter string
	// Bind is how to authenticate: SimpleBind, PasswordFunc or BindFunc.
	Bind Bind
	// TLS is the client configuration. Default: system roots, TLS 1.2 or newer.
	TLS *tls.Config
	// StartTLS upgrades an ldap:// connection before anything is sent.
	StartTLS bool
	// AllowPlaintext permits a bind over a bare ldap:// connection. It is for
	// tests: it sends the password in the clear.
	AllowPlaintext bool
	// PageSize is how many entries one page holds. Default 1000, the server's
	// own limit.
	PageSize uint32
	// Timeout bounds each request, not the whole sync. Default 30 seconds.
	Timeout time.Duration
	// Attributes maps details to attribute names. Default: as beside the fields
	// of Profile.
	Attributes map[Field]string
}

// Bind is a way to authenticate to a directory. The zero value is refused.
type Bind struct {
	bind func(ctx context.Context, host string, c *ldap.Conn) error
	// sendsPassword tells that the connection must be encrypted first.
	sendsPassword bool
}

// SimpleBind authenticates with a name (a DN, a userPrincipalName or
// DOMAIN\name) and a password. It needs ldaps or StartTLS.
func SimpleBind(user, password string) Bind {
	return PasswordFunc(user, func(context.Context) (string, error) { return password, nil })
}

// PasswordFunc is SimpleBind with a password that is read anew for each
// connection, so that it can rotate.
func PasswordFunc(user string, password func(context.Context) (string, error)) Bind {
	return Bind{}
}

// BindFunc authenticates in the host's own way, such as Kerberos. The function
// gets the controller's host name and a connection that is encrypted already
// where the URL or StartTLS asks for it.
func BindFunc(bind func(ctx context.Context, host string, c *ldap.Conn) error) Bind {
	return Bind{bind: bind}
}

// ActiveDirectory is a [Directory], with [Sessions] and [Inspector], over LDAP.
// It is safe for concurrent use; each call has a connection of its own.
type ActiveDirectory struct{}

// NewActiveDirectory checks the configuration. It connects to nothing.
func NewActiveDirectory(cfg ActiveDirectoryConfig) (*ActiveDirectory, error) {
	return nil, errors.New("adsync: not built yet")
}

// CheckDirectory proves a host's own [Directory]: it returns joined errors, each
// naming the duty that was broken. The directory must hold at least one account;
// want, if given, are entries that it must find in exactly that state.
func CheckDirectory(ctx context.Context, dir Directory, want ...Entry) error {
	return errors.New("adsync: CheckDirectory is not built yet")
}
