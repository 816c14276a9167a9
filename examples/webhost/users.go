package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
)

// usersList shows all users, local and imported.
var usersList = list{path: "/users", title: "Users", preset: anyState}

// userPage is one user, and for a duplicate, what can be done.
type userPage struct {
	person
	Ignored             bool
	Department, Manager string // the objectGUID of the manager's account
}

// Two details more than the five, where they are wanted.
const (
	fieldDepartment adsync.Field = "department"
	fieldManager    adsync.Field = "manager"
)

// readWork has the directory tell them.
func readWork(c *activedirectory.Config) {
	c.Attributes = map[adsync.Field]string{fieldDepartment: "department"}
	c.References = map[adsync.Field]string{fieldManager: "manager"}
}

// Roles are those in the application.
func (p userPage) Roles() ([]string, error) {
	return p.store.texts(p.ctx, `SELECT DISTINCT role FROM user_roles WHERE user_id = CAST(? AS BIGINT) ORDER BY role`, p.Item)
}

// Row is what a sync would do.
func (p userPage) Row() changeRow { return p.rowOf(*p.Mark) }

func (a *app) userPage(w http.ResponseWriter, r *http.Request, status int, alert string) error {
	from, args := usersList.rows(0)
	people, err := a.store.people(r.Context(), from+` AND r.item = ?`, append(args, r.PathValue("id"))...)
	if err == nil && len(people) == 0 {
		err = sql.ErrNoRows
	}
	if err != nil {
		return err
	}
	p := &userPage{person: people[0]}
	err = a.store.row(r.Context(), `SELECT department, coalesce(manager, ''), EXISTS (SELECT * FROM ignored WHERE user_id = users.id)
		FROM users WHERE id = CAST(? AS BIGINT)`, p.Item).Scan(&p.Department, &p.Manager, &p.Ignored)
	if err != nil {
		return err
	}
	return a.render(w, r, status, "user.html", "User "+legible(p.Username), alert, p)
}

// changeUser renames a local user, or ignores a duplicate.
func (a *app) changeUser(w http.ResponseWriter, r *http.Request) (err error) {
	id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
	switch r.PostFormValue("do") {
	case "ignore":
		_, err = a.store.exec(r.Context(), `INSERT INTO ignored (user_id) SELECT id FROM users WHERE id = ? ON CONFLICT DO NOTHING`, id)
	case "heed":
		_, err = a.store.exec(r.Context(), `DELETE FROM ignored WHERE user_id = ?`, id)
	case "change":
		username, email := strings.TrimSpace(r.PostFormValue("username")), strings.TrimSpace(r.PostFormValue("email"))
		if username == "" || len(username) > 256 || len(email) > 256 {
			return a.userPage(w, r, http.StatusUnprocessableEntity, "A user needs a username, and neither may be longer than 256 characters.")
		}
		err = a.store.inTx(r.Context(), func(t *tx) {
			t.exec(`UPDATE users SET username = ?, email = ? WHERE id = ? AND object_id IS NULL`, username, sql.NullString{String: email, Valid: email != ""}, id)
			t.exec(`DELETE FROM comparisons`) // what the lists say of duplicates may be wrong by now
		})
	}
	if err != nil && violatesUnique(err) {
		return a.userPage(w, r, http.StatusConflict, "Another user has this username or email address. Nothing was changed.")
	}
	if err != nil {
		return err
	}
	return redirect(w, r, fmt.Sprint("/users/", id))
}

// lookup answers what a page asks of the database while it is made.
type lookup struct {
	ctx   context.Context
	store *store
}

// someone is whom a page names.
type someone struct {
	ID, Name string // no ID: not imported, or deleted since
	Local    bool
}

// Who is the user with the ID, or whoever has the account with this objectGUID.
func (l lookup) Who(id string) (who someone, err error) {
	var first, last, username string
	user, _ := strconv.ParseInt(id, 10, 64)
	err = l.store.row(l.ctx, `SELECT CAST(id AS TEXT), first_name, last_name, username, object_id IS NULL FROM users WHERE id = ? OR object_id = ?
		UNION ALL SELECT '', first_name, last_name, username, FALSE FROM people WHERE object_id = ? ORDER BY 1 DESC LIMIT 1`, user, id, id).Scan(&who.ID, &first, &last, &username, &who.Local)
	if errors.Is(err, sql.ErrNoRows) {
		return someone{}, nil
	}
	who.Name = cmp.Or(strings.TrimSpace(first+" "+last), username)
	return who, err
}

// NameOf is the name of whoever has the account; "" stands for nobody.
func (l lookup) NameOf(account string) string {
	who, err := l.Who(account)
	if err != nil || account == "" {
		return account
	}
	return cmp.Or(who.Name, "somebody who is not imported")
}
