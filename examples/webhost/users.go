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
)

// usersList shows all users, local and imported.
var usersList = list{path: "/users", title: "Users", preset: anyState}

// userPage is one user, and for a duplicate, what can be done.
type userPage struct {
	person
	Ignored bool
}

// user returns sql.ErrNoRows when there is none.
func (s *store) user(ctx context.Context, id string) (*userPage, error) {
	from, args := usersList.rows(0)
	people, err := s.people(ctx, from+` AND r.item = ?`, append(args, id)...)
	if err == nil && len(people) == 0 {
		err = sql.ErrNoRows
	}
	if err != nil {
		return nil, err
	}
	p := &userPage{person: people[0]}
	return p, s.row(ctx, `SELECT count(*) > 0 FROM ignored WHERE user_id = CAST(? AS BIGINT)`, id).Scan(&p.Ignored)
}

func (a *app) userPage(w http.ResponseWriter, r *http.Request, status int, alert string) error {
	p, err := a.store.user(r.Context(), r.PathValue("id"))
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

// names finds out who people are, for a page.
type names struct {
	ctx   context.Context
	store *store
}

// someone is whom a page names.
type someone struct {
	ID, Name string // no ID: not imported, or deleted since
	Local    bool
}

// Who is the user with the ID, or whoever has the account with this objectGUID.
func (n names) Who(id string) (who someone, err error) {
	var first, last, username string
	user, _ := strconv.ParseInt(id, 10, 64)
	err = n.store.row(n.ctx, `SELECT CAST(id AS TEXT), first_name, last_name, username, object_id IS NULL FROM users WHERE id = ?
		UNION ALL SELECT '', first_name, last_name, username, FALSE FROM people WHERE object_id = ?`, user, id).Scan(&who.ID, &first, &last, &username, &who.Local)
	if errors.Is(err, sql.ErrNoRows) {
		return someone{}, nil
	}
	who.Name = cmp.Or(strings.TrimSpace(first+" "+last), username)
	return who, err
}
