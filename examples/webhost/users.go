package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-adsync/adsync"
)

// pageSize is how many rows a page shows.
const pageSize = 50

// user is a row of the lists.
type user struct {
	ID                                       int64
	Directory, Username, FirstName, LastName string
	Email, Phone, Status, Role               string
	Mark                                     *adsync.Change // what a sync would do; nil: nothing
}

// Name is what people call the user.
func (u user) Name() string { return strings.TrimSpace(u.FirstName + " " + u.LastName) }

// Duplicate reports whether a sync would have to leave the user alone.
func (u user) Duplicate() bool { return u.Mark != nil && u.Mark.Op == adsync.OpDuplicate }

// filter says which users a list shows.
type filter struct {
	Query, Name, Username, Email, State string
}

// listing is a page of users.
type listing struct {
	Filter      filter
	View        string // the filter's ID
	Sort        string
	Desc        bool
	Page, Pages int
	Total       int
	Free        int // those of Total that a sync can do something for
	Users       []user
	path        string
}

// URL is the page with another sorting or page number. It carries no filter but
// its ID.
func (l listing) url(sort string, desc bool, page int) string {
	v := url.Values{"sort": {sort}, "page": {strconv.Itoa(page)}}
	if desc {
		v.Set("desc", "1")
	}
	if l.View != "" {
		v.Set("view", l.View)
	}
	return l.path + "?" + v.Encode()
}

// SortURL sorts by the column, or turns its order round.
func (l listing) SortURL(column string) string {
	return l.url(column, l.Sort == column && !l.Desc, 1)
}

// AriaSort is the value of aria-sort.
func (l listing) AriaSort(column string) string {
	switch {
	case l.Sort != column:
		return "none"
	case l.Desc:
		return "descending"
	}
	return "ascending"
}

// PageURL is another page of the same list.
func (l listing) PageURL(step int) string { return l.url(l.Sort, l.Desc, l.Page+step) }

// sortings are the columns a list can be sorted by; nothing of a URL gets into
// the SQL.
var sortings = map[string][]string{
	"name":     {"lower(u.last_name)", "lower(u.first_name)"},
	"username": {"lower(u.username)"},
	"email":    {"lower(coalesce(u.email, ''))"},
	"state":    {"coalesce(m.state, '')"},
}

// order is the ORDER BY of the listing; the ID makes it total.
func (l listing) order() string {
	direction := " ASC"
	if l.Desc {
		direction = " DESC"
	}
	return strings.Join(append(sortings[l.Sort], "u.id"), direction+", ") + direction
}

// where is the condition of the filter.
func (f filter) where(base string, args ...any) (string, []any) {
	conditions := []string{base}
	const name = "u.first_name || ' ' || u.last_name"
	contains := func(text string, columns ...string) {
		text = strings.TrimSpace(text)
		if text == "" {
			return
		}
		var any []string
		for _, c := range columns {
			// SQLite folds ASCII only: a name is found as it is written, too.
			any = append(any, `lower(`+c+`) LIKE ? ESCAPE '\'`, c+` LIKE ? ESCAPE '\'`)
			args = append(args, likePattern(strings.ToLower(text)), likePattern(text))
		}
		conditions = append(conditions, "("+strings.Join(any, " OR ")+")")
	}
	contains(f.Query, name, "u.username", "coalesce(u.email, '')")
	contains(f.Name, name)
	contains(f.Username, "u.username")
	contains(f.Email, "coalesce(u.email, '')")
	switch f.State {
	case "":
	case "unchanged":
		conditions = append(conditions, "m.state IS NULL")
	default:
		conditions = append(conditions, "m.state = ?")
		args = append(args, f.State)
	}
	return strings.Join(conditions, " AND "), args
}

func likePattern(text string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text) + "%"
}

const fromUsers = ` FROM users u LEFT JOIN marks m ON m.user_id = u.id WHERE `

// fill reads one page.
func (s *store) fill(ctx context.Context, l *listing, base string, args ...any) error {
	where, args := l.Filter.where(base, args...)
	const counts = `SELECT count(*), count(CASE WHEN m.state = 'duplicate' THEN NULL ELSE 1 END)`
	if err := s.row(ctx, counts+fromUsers+where, args...).Scan(&l.Total, &l.Free); err != nil {
		return err
	}
	l.Pages = max(1, (l.Total+pageSize-1)/pageSize)
	l.Page = min(max(1, l.Page), l.Pages)
	return s.each(ctx, func(rows *sql.Rows) error {
		u, err := scanUser(rows)
		l.Users = append(l.Users, u)
		return err
	}, `SELECT u.id, u.directory, u.username, u.first_name, u.last_name, coalesce(u.email, ''), u.phone, u.status, u.role, m.change`+
		fromUsers+where+` ORDER BY `+l.order()+` LIMIT ? OFFSET ?`, append(args, pageSize, (l.Page-1)*pageSize)...)
}

func scanUser(rows *sql.Rows) (u user, err error) {
	var change sql.NullString
	err = rows.Scan(&u.ID, &u.Directory, &u.Username, &u.FirstName, &u.LastName, &u.Email, &u.Phone, &u.Status, &u.Role, &change)
	if err == nil && change.Valid {
		u.Mark = &adsync.Change{}
		err = json.Unmarshal([]byte(change.String), u.Mark)
	}
	return u, err
}

// idsOf lists all users that a filter matches and that a sync can do something
// for.
func (s *store) idsOf(ctx context.Context, f filter, base string, args ...any) (ids []string, err error) {
	where, args := f.where(base, args...)
	err = s.each(ctx, func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		ids = append(ids, strconv.FormatInt(id, 10))
		return err
	}, `SELECT u.id`+fromUsers+where+` AND coalesce(m.state, '') <> ?`, append(args, string(adsync.OpDuplicate))...)
	return ids, err
}

// users is the page of all users, local and imported.
func (a *app) users(w http.ResponseWriter, r *http.Request) {
	l, err := a.listing(r, "/users")
	if err != nil {
		a.fail(w, r, err)
		return
	}
	base, args := "1 = 1", []any(nil)
	if id, err := strconv.ParseInt(r.FormValue("id"), 10, 64); err == nil { // the rival of a duplicate
		base, args = "u.id = ?", []any{id}
	}
	if err := a.store.fill(r.Context(), l, base, args...); err != nil {
		a.fail(w, r, err)
		return
	}
	a.render(w, r, http.StatusOK, "users.html", "Users", l)
}

// keepView keeps what somebody looks for, and shows it under its ID.
func (a *app) keepView(path string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f := filter{
			Query: r.PostFormValue("q"), Name: r.PostFormValue("name"), Username: r.PostFormValue("username"),
			Email: r.PostFormValue("email"), State: r.PostFormValue("state"),
		}
		if f == (filter{}) {
			http.Redirect(w, r, path, http.StatusSeeOther)
			return
		}
		l := listing{View: rand.Text(), Sort: sortOf(r), Desc: r.PostFormValue("desc") != "", path: path}
		if err := a.store.addView(r.Context(), l.View, a.account(r).ID, f, time.Now()); err != nil {
			a.fail(w, r, err)
			return
		}
		http.Redirect(w, r, l.PageURL(1), http.StatusSeeOther)
	}
}

// listing reads the address of a list.
func (a *app) listing(r *http.Request, path string) (*listing, error) {
	page, err := strconv.Atoi(r.FormValue("page"))
	if err != nil {
		page = 1
	}
	l := &listing{View: r.FormValue("view"), Sort: sortOf(r), Desc: r.FormValue("desc") != "", Page: page, path: path}
	if l.View == "" {
		return l, nil
	}
	l.Filter, err = a.store.view(r.Context(), l.View, a.account(r).ID)
	return l, err
}

func sortOf(r *http.Request) string {
	if column := r.FormValue("sort"); sortings[column] != nil {
		return column
	}
	return "name"
}

// viewAge is how long a filter is kept.
const viewAge = 24 * time.Hour

func (s *store) addView(ctx context.Context, id string, user int64, f filter, now time.Time) error {
	return s.inTx(ctx, func(exec func(string, ...any) (int64, error)) error {
		if _, err := exec(`DELETE FROM views WHERE made_at < ?`, now.Add(-viewAge).Unix()); err != nil {
			return err
		}
		_, err := exec(`INSERT INTO views (id, user_id, filter, made_at) VALUES (?, ?, ?, ?)`, id, user, asJSON(f), now.Unix())
		return err
	})
}

// view returns the filter of the user; one that is too old is no filter.
func (s *store) view(ctx context.Context, id string, user int64) (f filter, err error) {
	var text string
	err = s.row(ctx, `SELECT filter FROM views WHERE id = ? AND user_id = ?`, id, user).Scan(&text)
	if err == sql.ErrNoRows {
		return filter{}, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &f)
	}
	return f, err
}
