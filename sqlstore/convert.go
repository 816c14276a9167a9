package sqlstore

import (
	"cmp"
	"slices"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/internal/adattr"
	"github.com/go-adsync/adsync/sqlstore/internal/sqltable"
)

// fieldProtected is no [adsync.Field] that a plan names.
const fieldProtected adsync.Field = "protected"

// details are the five synchronised fields.
var details = [...]adsync.Field{
	adsync.FieldUsername, adsync.FieldFirstName, adsync.FieldLastName, adsync.FieldEmail, adsync.FieldPhone,
}

// storedFields are all that a row holds apart from its ID.
var storedFields = append([]adsync.Field{adsync.FieldObjectID, adsync.FieldSource, adsync.FieldStatus, adsync.FieldDeactivatedAt, fieldProtected}, details[:]...)

// fieldsOf are the fields in which the users may differ: those that any row holds, and what
// the users hold beyond them, except for their roles, which stand in another table.
func fieldsOf(users ...*adsync.User) []adsync.Field {
	fields := storedFields
	for _, u := range users {
		for _, f := range u.Extra.Fields() {
			if f != adsync.FieldRoles && !slices.Contains(fields, f) {
				fields = append(fields[:len(fields):len(fields)], f)
			}
		}
	}
	return fields
}

// isExtra reports whether the field is a further detail.
func isExtra(f adsync.Field) bool {
	switch f {
	case "", fieldProtected, adsync.FieldObjectID, adsync.FieldSource, adsync.FieldStatus, adsync.FieldActive, adsync.FieldDeactivatedAt,
		adsync.FieldUsername, adsync.FieldFirstName, adsync.FieldLastName, adsync.FieldEmail, adsync.FieldPhone:
		return false
	}
	return true
}

// textOf is the text that a field holds: the source or a detail.
func textOf(u *adsync.User, f adsync.Field) string {
	if isExtra(f) {
		return u.Extra.Text(f)
	}
	return *textIn(u, f)
}

// textIn points to the text that a field holds: the source or one of the five details.
func textIn(u *adsync.User, f adsync.Field) *string {
	switch f {
	case adsync.FieldSource:
		return &u.Source
	case adsync.FieldUsername:
		return &u.Username
	case adsync.FieldFirstName:
		return &u.FirstName
	case adsync.FieldLastName:
		return &u.LastName
	case adsync.FieldEmail:
		return &u.Email
	case adsync.FieldPhone:
		return &u.Phone
	}
	panic("adsync: not a text: " + string(f))
}

// sameIn reports whether a store has nothing to write for the field.
func sameIn(f adsync.Field, before, after *adsync.User) bool {
	switch f {
	case adsync.FieldObjectID:
		return before.ObjectID == after.ObjectID
	case adsync.FieldStatus:
		return cmp.Or(before.Status, adsync.StatusActive) == cmp.Or(after.Status, adsync.StatusActive)
	case adsync.FieldDeactivatedAt: // AtWrite is another than any that is there
		return before.DeactivatedAt == after.DeactivatedAt
	case fieldProtected:
		return before.Protected == after.Protected
	}
	if isExtra(f) {
		return slices.Equal(before.Extra.Set(f), after.Extra.Set(f))
	}
	return *textIn(before, f) == *textIn(after, f)
}

// link is what ties a row to an entry.
type link struct {
	source string
	id     adsync.ObjectID
}

func linkOf(u *adsync.User) link { return link{u.Source, u.ObjectID} }

// objectIDs is how the column of the ObjectID holds one.
type objectIDs struct{ format sqltable.GUIDFormat }

// kind is how a statement reads and compares the column.
func (o objectIDs) kind() sqltable.Kind {
	switch {
	case o.format.Binary():
		return sqltable.Raw
	case o.format == sqltable.GUIDNative:
		return sqltable.Native
	}
	return sqltable.Text
}

// read is the zero ObjectID for NULL and an empty text; not ok for what is none.
func (o objectIDs) read(cell *sqltable.Cell) (id adsync.ObjectID, ok bool) {
	guid, ok := o.format.Read(cell)
	return adsync.ObjectID(guid), ok
}

// own reports whether what was read is spelled as write spells it.
func (o objectIDs) own(cell *sqltable.Cell) bool { return o.format.Own(cell) }

// write is what the column holds for an ObjectID that is not zero.
func (o objectIDs) write(id adsync.ObjectID) any { return o.format.Write(adattr.GUID(id)) }

// none is what a column that does not allow NULL holds for no ObjectID.
func (o objectIDs) none() any {
	if o.format == sqltable.GUIDText {
		return ""
	}
	return o.format.Write(adattr.GUID{})
}

// match is what a statement compares the column with.
func (o objectIDs) match(id adsync.ObjectID) any {
	switch {
	case !id.IsZero():
		return o.write(id)
	case o.format == sqltable.GUIDText:
		return ""
	}
	return nil
}

// spellings are all the values that read as the ObjectID.
func (o objectIDs) spellings(id adsync.ObjectID) []any { return o.format.Spellings(adattr.GUID(id)) }

// readCell puts what a column holds into the user, and reports whether it could be read.
func readCell(known *knownTable, u *adsync.User, f adsync.Field, cell *sqltable.Cell) (ok bool) {
	switch f {
	case adsync.FieldObjectID:
		u.ObjectID, ok = known.guids.read(cell)
		return ok
	case adsync.FieldStatus:
		u.Status = known.status.read(cell)
		return true
	case adsync.FieldDeactivatedAt:
		u.DeactivatedAt, ok = readMoment(cell)
		return ok
	case fieldProtected:
		u.Protected, ok = cell.Flag()
		return ok
	}
	if isExtra(f) {
		u.Extra = u.Extra.With(f, cell.Text)
		return !cell.Bad
	}
	*textIn(u, f) = cell.Text
	return !cell.Bad
}
