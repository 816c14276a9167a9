package adsynctest

import (
	"cmp"
	"context"
	"fmt"

	"github.com/go-adsync/adsync"
)

// details are the five synchronised fields.
var details = [...]adsync.Field{
	adsync.FieldUsername, adsync.FieldFirstName, adsync.FieldLastName, adsync.FieldEmail, adsync.FieldPhone,
}

// fieldProtected is no field that a plan names.
const fieldProtected adsync.Field = "protected"

// storedFields are all that a row holds apart from its ID.
var storedFields = append([]adsync.Field{adsync.FieldObjectID, adsync.FieldSource, adsync.FieldStatus, adsync.FieldDeactivatedAt, fieldProtected}, details[:]...)

// sameIn reports whether two states of a user agree in the field.
func sameIn(f adsync.Field, a, b *adsync.User) bool {
	switch f {
	case adsync.FieldObjectID:
		return a.ObjectID == b.ObjectID
	case adsync.FieldSource:
		return a.Source == b.Source
	case adsync.FieldStatus:
		return cmp.Or(a.Status, adsync.StatusActive) == cmp.Or(b.Status, adsync.StatusActive)
	case adsync.FieldDeactivatedAt:
		return (adsync.User{DeactivatedAt: a.DeactivatedAt}).Same(adsync.User{DeactivatedAt: b.DeactivatedAt})
	case fieldProtected:
		return a.Protected == b.Protected
	}
	return a.Get(f) == b.Get(f)
}

// traitsOf returns what a directory or store tells of itself.
func traitsOf(side any) adsync.Traits {
	if t, ok := side.(adsync.Traiter); ok {
		return t.Traits()
	}
	return adsync.Traits{}
}

// stopped is the error of a context that has ended, or nil.
func stopped(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("adsync: the check was stopped by its caller: %w", err)
	}
	return nil
}

func isActive(u *adsync.User) bool { return u.Status == "" || u.Status == adsync.StatusActive }
