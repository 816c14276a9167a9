package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// story is some changes of a table, and what becomes of them.
type story struct {
	name          string
	before, after []adsync.User
	changes       []adsync.Change
	want          []error
	ids           []string         // "": not asked
	only          sqlstore.Dialect // "": all of them
	replies       func(d sqlstore.Dialect) []reply
	edit          func(r *recorder)
	table         func(*sqlstore.Table)
}

// newStory is the database at the beginning of a story.
func newStory(d sqlstore.Dialect, st story) *recorder {
	r := &recorder{types: peopleTypes(d), before: storedAll(st.before...), after: storedAll(st.after...)}
	if st.replies != nil {
		r.replies = st.replies(d)
	}
	if st.edit != nil {
		st.edit(r)
	}
	return r
}

func (st story) tableOf() sqlstore.Table {
	table := peopleTable()
	if st.table != nil {
		st.table(&table)
	}
	return table
}

func stories() []story {
	ann, bob, cid, dan, eve := person(1, "ann"), person(2, "bob"), person(3, "cid"), person(4, "dan"), person(5, "eve")
	anna, bobby := renamed(ann, "anna"), renamed(bob, "bobby")
	blocked := edited(cid, func(u *adsync.User) { u.Status = adsync.StatusDeactivated })
	bare := edited(dan, func(u *adsync.User) { u.Email, u.ObjectID, u.Protected = "", adsync.ObjectID{}, true })
	spelledApart := func(r *recorder) {
		for _, row := range append(r.before, r.after...) {
			row[1] = "{" + strings.ToUpper(fmt.Sprint(row[1])) + "}"
		}
	}
	nothing := func(to string) func(sqlstore.Dialect) []reply {
		return func(sqlstore.Dialect) []reply { return []reply{{to: to, columns: []string{"n"}}} }
	}
	return []story{
		{name: "update as planned", before: []adsync.User{ann}, after: []adsync.User{anna}, changes: []adsync.Change{updateTo(ann, anna)}, want: []error{nil}},
		{name: "update of everything", before: []adsync.User{dan}, after: []adsync.User{bare}, changes: []adsync.Change{updateTo(dan, bare)}, want: []error{nil}},
		{name: "update of a row that is stored differently", before: []adsync.User{ann}, after: []adsync.User{anna}, changes: []adsync.Change{updateTo(ann, anna)},
			want: []error{nil}, edit: spelledApart, replies: nothing("UPDATE")},
		{name: "update that is stale", before: []adsync.User{ann}, changes: []adsync.Change{updateTo(edited(bob, func(u *adsync.User) { u.ID = "101" }), anna)}, want: []error{adsync.ErrStale}, replies: nothing("UPDATE")},
		{name: "update that is written already", before: []adsync.User{anna}, changes: []adsync.Change{updateTo(ann, anna)}, want: []error{adsync.ErrAlready}, replies: nothing("UPDATE")},
		{name: "delete as planned", before: []adsync.User{ann}, changes: []adsync.Change{storeDelete(ann)}, want: []error{nil}},
		{name: "delete of a row that is stored differently", before: []adsync.User{ann}, changes: []adsync.Change{storeDelete(ann)}, want: []error{nil}, edit: spelledApart, replies: nothing("DELETE FROM")},
		{name: "delete of nobody", changes: []adsync.Change{storeDelete(ann)}, want: []error{adsync.ErrAlready}, replies: nothing("DELETE FROM")},
		{name: "create", after: []adsync.User{ann}, changes: []adsync.Change{createOf(ann)}, want: []error{nil}, ids: []string{"101"}},
		{name: "create of a bare user", after: []adsync.User{edited(bare, func(u *adsync.User) { u.ObjectID = dan.ObjectID })},
			changes: []adsync.Change{createOf(edited(bare, func(u *adsync.User) { u.ObjectID = dan.ObjectID }))}, want: []error{nil}, ids: []string{"104"}},
		{name: "create of one who is there", before: []adsync.User{ann}, changes: []adsync.Change{createOf(ann)}, want: []error{adsync.ErrAlready}, ids: []string{"101"}},
		{name: "batch", before: []adsync.User{ann, bob, cid, dan}, after: []adsync.User{anna, bobby, blocked, eve, person(6, "fay")},
			changes: []adsync.Change{createOf(person(6, "fay")), updateTo(ann, anna), updateTo(bob, bobby), updateTo(cid, blocked), storeDelete(dan), createOf(eve)},
			want:    []error{nil, nil, nil, nil, nil, nil}, ids: []string{"106", "", "", "", "", "105"}},
		{name: "batch of deletions", before: []adsync.User{ann, bob, cid}, changes: []adsync.Change{storeDelete(ann), storeDelete(bob), storeDelete(cid)}, want: []error{nil, nil, nil}},
		{name: "batch of creations", after: []adsync.User{ann, bob, cid}, changes: []adsync.Change{createOf(cid), createOf(ann), createOf(bob)}, want: []error{nil, nil, nil}, ids: []string{"103", "101", "102"}},
		{name: "batch with a row that is refused", before: []adsync.User{ann, bob, cid}, after: []adsync.User{ann, bobby, cid},
			changes: []adsync.Change{updateTo(ann, anna), updateTo(bob, bobby)}, want: []error{adsync.ErrConflict, nil},
			replies: func(d sqlstore.Dialect) []reply {
				return []reply{{to: "UPDATE", err: refusal(d, "one_login")}, {to: "UPDATE", err: refusal(d, "one_login")}}
			}},
		{name: "batch of a connection that is lost", before: []adsync.User{ann, bob}, changes: []adsync.Change{storeDelete(ann), storeDelete(bob)},
			want: []error{adsync.ErrUnknown, adsync.ErrUnknown}, replies: func(sqlstore.Dialect) []reply { return []reply{{to: "COMMIT", err: errGone}} }},
	}
}

// rareStories are of what only some tables or servers do.
func rareStories() []story {
	ann, bob, cid := person(1, "ann"), person(2, "bob"), person(3, "cid")
	anna, bobby, cindy := renamed(ann, "anna"), renamed(bob, "bobby"), renamed(cid, "cindy")
	dan, eve, fay := person(4, "dan"), person(5, "eve"), person(6, "fay")
	three := []adsync.User{ann, bob, cid}
	renames := []adsync.Change{updateTo(ann, anna), updateTo(bob, bobby), updateTo(cid, cindy)}
	none := []error{nil, nil, nil}
	long := strings.Repeat("x", 256)
	lengthy := func(u adsync.User) adsync.User { return edited(u, func(u *adsync.User) { u.FirstName = long }) }
	longest := func(u adsync.User) adsync.User { return edited(u, func(u *adsync.User) { u.FirstName = long[1:] }) }
	spelled := func(u adsync.User) adsync.User { return edited(u, func(u *adsync.User) { u.ID = "0" + u.ID }) }
	other := func(u adsync.User) adsync.User { return edited(u, func(u *adsync.User) { u.Phone = "other" }) }
	fewer := func(sqlstore.Dialect) []reply { return []reply{{to: "UPDATE `people` FORCE", affected: 1}} }
	return []story{
		{name: "counted update that finds fewer rows", only: sqlstore.MySQL, before: three, after: []adsync.User{anna, bobby, cindy}, changes: renames, want: none, replies: fewer},
		{name: "counted update that would read other rows", only: sqlstore.MySQL, before: three, after: []adsync.User{anna, bobby, cindy}, changes: renames, want: none,
			edit: func(r *recorder) { r.plan = func() [][]string { return [][]string{{"people", "ALL", "", "3"}} } }},
		{name: "counted update that is not explained", only: sqlstore.MySQL, before: three, after: []adsync.User{anna, bobby, cindy}, changes: renames, want: none,
			replies: func(sqlstore.Dialect) []reply { return []reply{{to: "EXPLAIN", err: errGone}} }},
		{name: "counted update without savepoints", only: sqlstore.MySQL, before: three, after: []adsync.User{anna, bobby, cindy}, changes: renames, want: none,
			replies: func(sqlstore.Dialect) []reply { return []reply{{to: "SAVEPOINT adsync_counted", err: errGone}} }},
		{name: "counted update of a key that is several rows'", only: sqlstore.MySQL, before: three, after: []adsync.User{anna, bobby, cindy}, changes: renames, want: none,
			edit: func(r *recorder) { r.types[0].key = false }},
		{name: "counted update of long texts", only: sqlstore.MySQL, before: []adsync.User{ann, lengthy(bob)}, after: []adsync.User{lengthy(ann), edited(lengthy(bob), func(u *adsync.User) { u.FirstName = "B" })},
			changes: []adsync.Change{updateTo(ann, lengthy(ann)), updateTo(lengthy(bob), edited(bob, func(u *adsync.User) { u.FirstName = "B" }))}, want: []error{nil, nil}},
		{name: "counted update of texts just short enough", only: sqlstore.MySQL, before: []adsync.User{ann, bob}, after: []adsync.User{longest(ann), longest(bob)}, want: []error{nil, nil},
			changes: []adsync.Change{updateTo(ann, longest(ann)), updateTo(bob, longest(bob))}},
		{name: "counted updates and deletions", only: sqlstore.MySQL, before: append(three[:3:3], dan), after: []adsync.User{anna, bobby}, want: []error{nil, nil, nil, nil},
			changes: []adsync.Change{updateTo(ann, anna), updateTo(bob, bobby), storeDelete(cid), storeDelete(dan)}},
		{name: "counted updates that find fewer rows", only: sqlstore.MySQL, before: append(three[:3:3], dan, eve, fay), after: []adsync.User{anna, bobby, other(cid), other(dan)},
			changes: []adsync.Change{updateTo(ann, anna), updateTo(bob, bobby), updateTo(cid, other(cid)), updateTo(dan, other(dan)), storeDelete(eve), storeDelete(fay)},
			want:    make([]error, 6), replies: func(sqlstore.Dialect) []reply { return []reply{{to: "UPDATE `people` FORCE", times: 2, affected: 1}} }},
		{name: "counted update of keys in another spelling", only: sqlstore.MySQL, before: three, want: []error{adsync.ErrStale, adsync.ErrStale},
			changes: []adsync.Change{updateTo(spelled(ann), spelled(anna)), updateTo(spelled(bob), spelled(bobby))},
			replies: func(sqlstore.Dialect) []reply { return []reply{{to: "UPDATE", times: 2}} }},
		{name: "counted update of one user twice", only: sqlstore.MySQL, before: []adsync.User{ann, bob}, after: []adsync.User{edited(anna, func(u *adsync.User) { u.Phone = "2" }), bobby},
			changes: []adsync.Change{updateTo(ann, anna), updateTo(bob, bobby), updateTo(anna, edited(anna, func(u *adsync.User) { u.Phone = "2" }))}, want: none},
		{name: "batch of a server that does not return new rows", only: sqlstore.MySQL, after: three, changes: []adsync.Change{createOf(cid), createOf(ann), createOf(bob)}, want: none,
			ids: []string{"103", "101", "102"}, edit: func(r *recorder) { r.noReturning = true }},
		{name: "create of an ID that the host computes", only: sqlstore.MySQL, after: []adsync.User{ann}, changes: []adsync.Change{createOf(ann)}, want: []error{nil}, ids: []string{"101"},
			table: func(s *sqlstore.Table) { s.Defaults = map[string]any{"id": 101, "tenant": 7} }},
		{name: "create of an empty source", after: []adsync.User{edited(ann, func(u *adsync.User) { u.Source = "" })}, changes: []adsync.Change{createOf(edited(ann, func(u *adsync.User) { u.Source = "" }))},
			want: []error{nil}, ids: []string{"101"}},
		{name: "batch of creations and one that is there", before: []adsync.User{bob}, after: three, changes: []adsync.Change{createOf(ann), createOf(bob), createOf(cid)},
			want: []error{nil, adsync.ErrAlready, nil}, ids: []string{"101", "102", "103"}},
		{name: "batch of one entry twice", after: []adsync.User{ann, bob}, changes: []adsync.Change{createOf(ann), createOf(bob), createOf(ann)}, want: []error{nil, nil, adsync.ErrAlready}},
		{name: "batch that is stale in part", before: three, after: []adsync.User{ann, bobby, cid}, want: []error{adsync.ErrStale, nil, adsync.ErrAlready},
			changes: []adsync.Change{updateTo(other(ann), other(anna)), updateTo(bob, bobby), storeDelete(person(9, "nobody"))},
			replies: func(d sqlstore.Dialect) []reply {
				if d == sqlstore.PostgreSQL {
					return []reply{{to: "UPDATE", affected: 1, columns: []string{"n"}, rows: [][]driver.Value{{int64(2)}}}, {to: "DELETE", columns: []string{"n"}}}
				}
				return []reply{{to: "UPDATE `people` FORCE"}, {to: "UPDATE `people` SET"}, {to: "DELETE FROM"}}
			}},
		{name: "soft deletion", before: []adsync.User{ann}, changes: []adsync.Change{storeDelete(ann)}, want: []error{nil}, table: marked},
		{name: "soft deletion without an email", before: []adsync.User{ann}, changes: []adsync.Change{storeDelete(edited(ann, func(u *adsync.User) { u.Email = "" }))}, want: []error{nil},
			table: func(s *sqlstore.Table) { marked(s); s.Columns.Email = "" }},
		{name: "batch of soft deletions of users who are not told whole", before: []adsync.User{ann, bob, cid}, changes: []adsync.Change{
			{Op: adsync.OpDelete, UserID: "101"}, {Op: adsync.OpDelete, UserID: "102", Before: &cid}, storeDelete(cid),
		}, want: []error{adsync.ErrStale, adsync.ErrStale, nil}, table: marked},
		{name: "batch of soft deletions", before: three, after: nil, changes: []adsync.Change{storeDelete(ann), storeDelete(bob), storeDelete(cid)}, want: none, table: marked},
	}
}

func marked(s *sqlstore.Table) { s.Delete = map[string]any{"tenant": 8, "note": "left", "guid": nil} }

// oddStories are of rows and changes that are not as usual.
func oddStories() []story {
	ann, bob, cid := person(1, "ann"), person(2, "bob"), person(3, "cid")
	anna, bobby := renamed(ann, "anna"), renamed(bob, "bobby")
	admin := edited(ann, func(u *adsync.User) { u.Protected = true })
	bare := edited(ann, func(u *adsync.User) { u.Email, u.ObjectID = "", adsync.ObjectID{} })
	bareToo := edited(bare, func(u *adsync.User) { u.ID, u.Username = "102", "bob" })
	unlinked := edited(ann, func(u *adsync.User) { u.ObjectID = adsync.ObjectID{} })
	blocked := edited(ann, func(u *adsync.User) { u.Status = adsync.StatusBlocked })
	unblocked := edited(blocked, func(u *adsync.User) { u.Status = "" })
	narrow := func(r *recorder) { // without the last column
		for _, rows := range [][][]driver.Value{r.before, r.after} {
			for i := range rows {
				rows[i] = rows[i][:len(rows[i])-1]
			}
		}
	}
	inState := func(kind string, state driver.Value) func(*recorder) {
		return func(r *recorder) {
			for i := range r.types {
				if r.types[i].name == "state" {
					r.types[i] = columnType{name: "state", kind: kind, nullable: true}
				}
			}
			for _, row := range append(r.before, r.after...) {
				row[8] = state
			}
		}
	}
	unprotected := func(s *sqlstore.Table) { s.Columns.Protected = "" }
	noRow := func(sqlstore.Dialect) []reply {
		return []reply{{to: "UPDATE", columns: []string{"n"}}, {to: "DELETE", columns: []string{"n"}}}
	}
	none := errors.New("") // any error of the shape
	onWrite := func(s *sqlstore.Table) {
		s.OnWrite = func(ctx context.Context, tx *sql.Tx, c adsync.Change, id string) error {
			if c.After != nil && c.After.Username == "refused" || c.After == nil && c.Before.Username == "refused" {
				return errGone
			}
			_, err := tx.ExecContext(ctx, "CALL note", string(c.Op), id)
			return err
		}
	}
	return []story{
		{name: "update of a protected user", before: []adsync.User{admin}, after: []adsync.User{ann}, changes: []adsync.Change{updateTo(admin, ann)}, want: []error{nil}},
		{name: "update of a bare user", before: []adsync.User{bare}, after: []adsync.User{ann}, changes: []adsync.Change{updateTo(bare, ann)}, want: []error{nil}},
		{name: "update to no ObjectID where there is no NULL", before: []adsync.User{ann}, after: []adsync.User{unlinked}, changes: []adsync.Change{updateTo(ann, unlinked)}, want: []error{nil},
			edit: func(r *recorder) { r.types[3].nullable, r.after[0][1] = false, "" }},
		{name: "update of a native ObjectID", only: sqlstore.PostgreSQL, before: []adsync.User{ann}, after: []adsync.User{anna}, changes: []adsync.Change{updateTo(ann, anna)}, want: []error{nil},
			edit: func(r *recorder) { r.types[3].kind = "uuid" }, table: func(s *sqlstore.Table) { s.ObjectIDs = sqlstore.ObjectIDNative }},
		{name: "update without a difference", before: []adsync.User{ann}, changes: []adsync.Change{updateTo(ann, ann)}, want: []error{nil}, edit: func(r *recorder) { r.after = r.before }},
		{name: "batch of updates without a difference", before: []adsync.User{ann, bob}, changes: []adsync.Change{updateTo(ann, ann), updateTo(bob, bob)}, want: []error{nil, nil},
			edit: func(r *recorder) { r.after = r.before }},
		{name: "update of an empty status", before: []adsync.User{blocked}, after: []adsync.User{ann}, changes: []adsync.Change{updateTo(blocked, unblocked)}, want: []error{nil}},
		{name: "update of a status that is not one value", before: []adsync.User{blocked}, after: []adsync.User{renamed(blocked, "anna")}, changes: []adsync.Change{updateTo(blocked, renamed(blocked, "anna"))}, want: []error{nil},
			table: func(s *sqlstore.Table) {
				s.Statuses = map[adsync.Status]any{adsync.StatusActive: "on", adsync.StatusDeactivated: "sync", adsync.StatusBlocked: sqlstore.NotNull}
			}},
		{name: "update of a status of numbers", before: []adsync.User{ann}, after: []adsync.User{anna}, changes: []adsync.Change{updateTo(ann, anna)}, want: []error{nil}, edit: inState("INTEGER", int64(1)),
			table: func(s *sqlstore.Table) {
				s.Statuses = map[adsync.Status]any{adsync.StatusActive: 1, adsync.StatusDeactivated: 2}
			}},
		{name: "update of a status that is a word or NULL", before: []adsync.User{ann}, after: []adsync.User{anna}, changes: []adsync.Change{updateTo(ann, anna)}, want: []error{nil}, edit: inState("TEXT", nil),
			table: func(s *sqlstore.Table) {
				s.Statuses = map[adsync.Status]any{adsync.StatusActive: nil, adsync.StatusDeactivated: "sync"}
			}},
		{name: "update of a detail without a column", before: []adsync.User{ann}, changes: []adsync.Change{updateTo(ann, admin)}, want: []error{none}, edit: narrow, table: unprotected},
		{name: "update from a detail without a column", before: []adsync.User{ann}, changes: []adsync.Change{updateTo(admin, renamed(admin, "anna"))}, want: []error{adsync.ErrStale}, edit: narrow, table: unprotected},
		{name: "create of a detail without a column", changes: []adsync.Change{createOf(admin)}, want: []error{none}, table: unprotected},
		{name: "create of one linked to nobody", after: []adsync.User{bare}, changes: []adsync.Change{createOf(bare)}, want: []error{nil}, only: sqlstore.PostgreSQL, ids: []string{"101"},
			replies: func(sqlstore.Dialect) []reply {
				return []reply{{to: "INSERT", affected: 1, columns: []string{"id"}, rows: [][]driver.Value{{int64(101)}}}}
			}},
		{name: "batch of two linked to nobody", after: []adsync.User{bare, bareToo}, changes: []adsync.Change{createOf(bare), createOf(bareToo)}, want: []error{nil, nil}, only: sqlstore.PostgreSQL, ids: []string{"101", "102"},
			replies: func(sqlstore.Dialect) []reply {
				one := reply{to: "INSERT", affected: 1, columns: []string{"id"}, rows: [][]driver.Value{{int64(101)}}}
				two := one
				two.rows = [][]driver.Value{{int64(102)}}
				return []reply{one, two}
			}},
		{name: "batch of one new user and another's update", before: []adsync.User{ann}, after: []adsync.User{anna, bob}, changes: []adsync.Change{createOf(bob), updateTo(ann, anna)}, want: []error{nil, nil}},
		{name: "batch of rows stored differently", before: []adsync.User{ann, bob}, after: []adsync.User{anna}, changes: []adsync.Change{updateTo(ann, anna), storeDelete(bob)}, want: []error{nil, nil},
			edit: func(r *recorder) { r.before[0][1] = strings.ToUpper(ann.ObjectID.String()) }, replies: noRow},
		{name: "batch with changes of no shape", before: []adsync.User{ann, bob}, after: []adsync.User{renamed(bob, "bobby")}, want: []error{none, none, adsync.ErrStale, nil, none},
			changes: []adsync.Change{{Op: adsync.OpNotice, UserID: "101", Before: &ann, After: &anna}, {Op: adsync.OpCreate}, {Op: adsync.OpUpdate, UserID: "101", After: &ann}, updateTo(bob, renamed(bob, "bobby")), {Op: adsync.OpUpdate, UserID: "7"}}},
		{name: "batch with changes of no shape that are apart", before: []adsync.User{ann, bob}, after: []adsync.User{renamed(bob, "bobby")}, want: []error{none, adsync.ErrStale, nil},
			changes: []adsync.Change{{Op: adsync.OpNotice, UserID: "101", Before: &ann, After: &anna}, {Op: adsync.OpUpdate, UserID: "103", After: &cid}, updateTo(bob, renamed(bob, "bobby"))}},
		{name: "batch of changes that only inform", before: []adsync.User{ann, bob}, want: []error{none, none},
			changes: []adsync.Change{{Op: adsync.OpNotice, UserID: "101", Before: &ann, After: &anna}, {Op: adsync.OpNotice, UserID: "102", Before: &bob, After: &bobby}}},
		{name: "batch of details without a column", before: []adsync.User{bob}, after: []adsync.User{renamed(bob, "bobby"), cid}, want: []error{none, none, nil, nil}, edit: narrow, table: unprotected,
			changes: []adsync.Change{createOf(admin), updateTo(edited(ann, func(u *adsync.User) { u.ID = "109" }), edited(admin, func(u *adsync.User) { u.ID = "109" })), updateTo(bob, renamed(bob, "bobby")), createOf(cid)}},
		{name: "batch with what belongs to the changes", before: []adsync.User{ann, bob}, after: []adsync.User{anna, cid}, changes: []adsync.Change{updateTo(ann, anna), storeDelete(bob), createOf(cid)},
			want: []error{nil, nil, nil}, table: onWrite},
		{name: "batch of creations with what belongs to each", after: []adsync.User{bob, cid}, changes: []adsync.Change{createOf(bob), createOf(cid)}, want: []error{nil, nil}, table: onWrite},
		{name: "update that the host refuses", before: []adsync.User{ann}, changes: []adsync.Change{updateTo(ann, renamed(ann, "refused"))}, want: []error{errGone}, table: onWrite},
		{name: "delete that the host refuses", before: []adsync.User{renamed(ann, "refused")}, changes: []adsync.Change{storeDelete(renamed(ann, "refused"))}, want: []error{errGone}, table: onWrite},
		{name: "delete where the status says nothing of the deletion", before: []adsync.User{blocked}, changes: []adsync.Change{storeDelete(blocked)}, want: []error{nil}},
	}
}

// anyError stands for an error whose text says all.
func anyError(want error) bool { return want != nil && want.Error() == "" }
