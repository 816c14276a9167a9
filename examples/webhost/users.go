package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-adsync/adsync"
)

// usersList shows all users, local and imported.
var usersList = list{path: "/users", title: "Users", preset: anyState, States: []state{{Value: "imported", Text: "Imported"}, {Value: "local", Text: "Local"}}}

// userPage is one user, and for a duplicate, what can be done.
type userPage struct {
	person
	Local   bool // changed here, and not by the directory
	Ignored bool
	Diffs   []diff
}

// user returns sql.ErrNoRows when there is none.
func (s *store) user(ctx context.Context, id string) (*userPage, error) {
	var people []person
	err := s.each(ctx, func(rows *sql.Rows) error {
		one, err := scanPerson(rows)
		people = append(people, one)
		return err
	}, `SELECT `+personColumns+`, FALSE FROM list_users r WHERE item = ?`, id)
	if err == nil && len(people) == 0 {
		err = sql.ErrNoRows
	}
	if err == nil {
		err = s.nameRivals(ctx, people)
	}
	if err != nil {
		return nil, err
	}
	p := &userPage{person: people[0], Local: people[0].State == "local"}
	if p.Mark != nil {
		p.Diffs = diffs(*p.Mark)
	}
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

// conflict is why somebody is a duplicate, and of whom.
type conflict struct {
	adsync.Conflict
	Rivals []rival
}

// rival has or wants the same.
type rival struct {
	ID, Name string // no ID: not imported, or deleted since
	Local    bool
}

// nameRivals finds out who the rivals are.
func (s *store) nameRivals(ctx context.Context, people []person) (err error) {
	for i := range people {
		if people[i].Mark != nil && err == nil {
			people[i].Conflicts, err = s.conflictsOf(ctx, *people[i].Mark)
		}
	}
	return err
}

func (s *store) conflictsOf(ctx context.Context, c adsync.Change) (out []conflict, err error) {
	for _, one := range c.Conflicts {
		shown := conflict{Conflict: one}
		for _, id := range one.With {
			who, err := s.rival(ctx, id)
			if err != nil {
				return nil, err
			}
			shown.Rivals = append(shown.Rivals, who)
		}
		out = append(out, shown)
	}
	return out, nil
}

func (s *store) rival(ctx context.Context, id string) (who rival, err error) {
	var first, last, username, state string
	err = s.row(ctx, `SELECT first_name, last_name, username, state FROM list_users WHERE item = ?
		UNION ALL SELECT first_name, last_name, username, state FROM list_import WHERE item = ?`, id, id).Scan(&first, &last, &username, &state)
	if errors.Is(err, sql.ErrNoRows) {
		return rival{}, nil
	}
	if who.Name = strings.TrimSpace(first + " " + last); who.Name == "" {
		who.Name = username
	}
	if _, notImported := adsync.ParseObjectID(id); notImported != nil {
		who.ID, who.Local = id, state == "local"
	}
	return who, err
}
