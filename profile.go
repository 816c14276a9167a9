package adsync

import (
	"slices"
	"strings"

	"github.com/go-adsync/adsync/internal/keyfold"
)

// Profile holds the synchronised details: the five that everybody has, and any further
// ones in Extra. It is comparable.
type Profile struct {
	Username  string `json:"username"`   // sAMAccountName
	FirstName string `json:"first_name"` // givenName
	LastName  string `json:"last_name"`  // sn
	Email     string `json:"email"`      // mail
	Phone     string `json:"phone"`      // telephoneNumber

	// Extra holds further details, such as a department or the ObjectID of the manager. It
	// is what the fields beyond the five stand for, and absent from JSON when empty.
	Extra Extra `json:"extra,omitzero"`
}

// Get returns the detail of that name: one of the five, or the only value of one in
// Extra. A field that is not a detail has none.
func (p Profile) Get(f Field) string {
	switch {
	case slices.Contains(details[:], f):
		return *p.detail(f)
	case f.isExtra():
		return p.Extra.Text(f)
	}
	return ""
}

// With returns the profile with another value of that detail; "" clears it. A field that
// is not a detail changes nothing.
func (p Profile) With(f Field, value string) Profile {
	switch {
	case slices.Contains(details[:], f):
		*p.detail(f) = value
	case f.isExtra():
		p.Extra = p.Extra.With(f, value)
	}
	return p
}

// Field names one part of a [User]. Any name but those of the constants, which a
// [User] has a place of its own for, is that of a detail in [Profile].Extra.
type Field string

// The fields of a [User]. The first five are the synchronised details.
const (
	FieldUsername  Field = "username"
	FieldFirstName Field = "first_name"
	FieldLastName  Field = "last_name"
	FieldEmail     Field = "email"
	FieldPhone     Field = "phone"
	FieldStatus    Field = "status"
	FieldActive    Field = "active" // the status, in [Traits] and [Rules] of a store that only tells who is active
	FieldObjectID  Field = "object_id"
	FieldSource    Field = "source"

	// FieldRoles is in Extra: the set of the names of the user's roles. A directory fills
	// it, and Rules.Map has no say in it.
	FieldRoles Field = "roles"

	// FieldHostRoles is in the Extra of a user that a store yields: those of FieldRoles which
	// the host itself gave. No sync takes them, or gives them again.
	FieldHostRoles Field = "host_roles"

	// FieldDeactivatedAt is User.DeactivatedAt. A store that holds it names it in its
	// Traits, and plans for it say when a user was deactivated.
	FieldDeactivatedAt Field = "deactivated_at"
)

// isExtra reports whether the field is a detail in Profile.Extra.
func (f Field) isExtra() bool {
	switch f {
	case "", FieldUsername, FieldFirstName, FieldLastName, FieldEmail, FieldPhone,
		FieldStatus, FieldActive, FieldDeactivatedAt, FieldObjectID, FieldSource:
		return false
	}
	return true
}

// isDetail reports whether the field is one of the five, or in Profile.Extra.
func (f Field) isDetail() bool { return slices.Contains(details[:], f) || f.isExtra() }

func (p Profile) describe() string {
	words := make([]string, 0, len(details))
	for _, f := range details {
		words = append(words, string(f)+" "+printValue(*p.detail(f)))
	}
	return strings.Join(append(words, p.Extra.describe()...), ", ")
}

// agrees reports whether both have the same five details, and the same of these others.
func (p *Profile) agrees(other *Profile, extras []Field) bool {
	return p.Username == other.Username && p.FirstName == other.FirstName && p.LastName == other.LastName &&
		p.Email == other.Email && p.Phone == other.Phone && p.Extra.agrees(other.Extra, extras)
}

// isBlank reports whether there is nothing to see of the detail.
func (p *Profile) isBlank(f Field) bool {
	if f.isExtra() {
		return p.Extra.withoutBlanks().block(f) == ""
	}
	return strings.TrimSpace(*p.detail(f)) == ""
}

// detail points to the detail that the field names.
func (p *Profile) detail(f Field) *string {
	switch f {
	case FieldUsername:
		return &p.Username
	case FieldFirstName:
		return &p.FirstName
	case FieldLastName:
		return &p.LastName
	case FieldEmail:
		return &p.Email
	case FieldPhone:
		return &p.Phone
	}
	panic("adsync: not a detail: " + string(f))
}

func (p *Profile) valid() bool {
	return keyfold.Valid(p.Username) && keyfold.Valid(p.FirstName) && keyfold.Valid(p.LastName) &&
		keyfold.Valid(p.Email) && keyfold.Valid(p.Phone) && p.Extra.valid()
}

func validProfile(p Profile) Profile {
	if p.valid() {
		return p
	}
	for _, f := range details {
		text := p.detail(f)
		*text = validText(*text)
	}
	p.Extra = validExtra(p.Extra)
	return p
}

// dropBlanks makes details of white space alone empty: as a value of the directory they say
// nothing, and as a key several users would have the same one.
func (p *Profile) dropBlanks() {
	if !p.hasBlanks() {
		return
	}
	for _, f := range details {
		if text := p.detail(f); keyfold.Blank(*text) {
			*text = ""
		}
	}
	p.Extra = p.Extra.withoutBlanks()
}

func (p *Profile) hasBlanks() bool {
	return keyfold.Blank(p.Username) || keyfold.Blank(p.FirstName) || keyfold.Blank(p.LastName) ||
		keyfold.Blank(p.Email) || keyfold.Blank(p.Phone) || p.Extra.hasBlanks()
}

func validText(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
