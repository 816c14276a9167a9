package main

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-adsync/adsync"
)

// list is a table that people search, sort, page through and choose from. Its rows are
// a view of the database, list_sync for the page /sync.
type list struct {
	path   string // of its page
	title  string
	source string // only those of this directory; "" is of any, and local ones
	States []state
	preset string                      // the state that is shown first
	look   func(context.Context) error // compares it with the directory, or nil
}

// state is what rows can be filtered by.
type state struct {
	Value, Text string
	Count       int
}

// anyState is a filter that shows all.
const anyState = "any"

// person is a row.
type person struct {
	Item                                 string
	FirstName, LastName, Username, Email string
	Phone, Directory, Status, Role       string
	State                                string
	Free, Chosen                         bool
	Mark                                 *adsync.Change // what a sync would do; nil: nothing
	Conflicts                            []conflict
}

// Name is what people call the person.
func (p person) Name() string { return strings.TrimSpace(p.FirstName + " " + p.LastName) }

// filter says which rows a list shows, and in which order. The server keeps it for each
// account: a URL would tell whom somebody looks for.
type filter struct {
	Query, Name, Username, Email, State, Unit string
	Sort                                      string
	Desc                                      bool
}

// listing is a page of a list, as it is shown.
type listing struct {
	list
	Filter      filter
	Page, Pages int
	Total       int // that the filter shows
	Everybody   int // whatever their state
	Choosable   int // those of Total that can be chosen
	Chosen      int // whatever the filter
	People      []person
}

// pageSize is how many rows a page shows.
const pageSize = 50

// Filtered reports whether something is looked for.
func (l listing) Filtered() bool {
	f := l.Filter
	f.Sort, f.Desc = l.all().Sort, false
	return f != l.all()
}

// all is the filter of who looks for nothing.
func (l list) all() filter { return filter{State: l.preset, Sort: "name"} }

// sortings are the columns a list can be sorted by; nothing of a request gets into the
// SQL. The states begin with what a person should look at.
var sortings = map[string][]string{
	"name":     {"lower(last_name)", "lower(first_name)"},
	"username": {"lower(username)"},
	"email":    {"lower(email)"},
	"state": {`CASE state WHEN 'delete' THEN 1 WHEN 'duplicate' THEN 2 WHEN 'invalid' THEN 3 WHEN 'update' THEN 4 WHEN 'notice' THEN 5
		WHEN 'new' THEN 6 WHEN 'ignored' THEN 7 WHEN 'disabled' THEN 8 ELSE 9 END`, "lower(last_name)"},
}

func (f filter) order() string {
	direction := " ASC"
	if f.Desc {
		direction = " DESC"
	}
	columns := append(slices.Clone(sortings[f.Sort]), "r.item") // which makes it total
	return ` ORDER BY ` + strings.Join(columns, direction+", ") + direction
}

// rows is the rows of the list, and whom the account has chosen.
func (l list) rows(account int64) (from string, args []any) {
	return ` FROM list_` + l.path[1:] + ` r LEFT JOIN chosen c ON r.free AND c.account_id = ? AND c.list = ? AND c.item = r.item
		WHERE (CAST(? AS TEXT) = '' OR r.directory = ?)`, []any{account, l.path, l.source, l.source}
}

// where is the condition of the filter, without its state.
func (f filter) where(where string, args []any) (string, []any) {
	contains := func(text string, columns ...string) {
		text = strings.TrimSpace(text)
		if text == "" {
			return
		}
		var any []string
		for _, c := range columns {
			// SQLite folds ASCII only: a name is found as it is written, too.
			any = append(any, `lower(`+c+`) LIKE ? ESCAPE '\'`, c+` LIKE ? ESCAPE '\'`)
			args = append(args, "%"+escapeLike(strings.ToLower(text))+"%", "%"+escapeLike(text)+"%")
		}
		where += " AND (" + strings.Join(any, " OR ") + ")"
	}
	const name = "first_name || ' ' || last_name"
	contains(f.Query, name, "username", "email")
	contains(f.Name, name)
	contains(f.Username, "username")
	contains(f.Email, "email")
	if f.Unit != "" {
		where, args = where+` AND unit LIKE ? ESCAPE '\'`, append(args, escapeLike(f.Unit)+"%")
	}
	return where, args
}

func escapeLike(text string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text)
}

// matching is the condition of the whole filter.
func (f filter) matching(where string, args []any) (string, []any) {
	where, args = f.where(where, args)
	if f.State != anyState {
		where, args = where+" AND state = ?", append(args, f.State)
	}
	return where, args
}

// listPage is a page with a list.
type listPage struct {
	*listing
	*comparison
	Waiting []*run   // plans
	Units   []string // of the directory
}

// showList shows the page of a list that the address names.
func (a *app) showList(from list) teller {
	return func(w http.ResponseWriter, r *http.Request, status int, alert string) (err error) {
		var p listPage
		if p.comparison, err = a.compare(r, from); err != nil {
			return err
		}
		if p.listing, err = a.readList(r, from); err != nil {
			return err
		}
		if p.Waiting, err = a.store.waiting(r.Context()); err != nil {
			return err
		}
		if p.Units, err = a.store.units(r.Context()); err != nil {
			return err
		}
		return a.render(w, r, status, from.path[1:]+".html", from.title, alert, p)
	}
}

// readList reads a page, and who conflicts with whom on it.
func (a *app) readList(r *http.Request, from list) (*listing, error) {
	l, account := &listing{list: from}, a.account(r).ID
	l.States = slices.Clone(l.States)
	if err := a.store.readFilter(r.Context(), account, l); err != nil {
		return nil, err
	}
	if err := a.store.count(r.Context(), account, l); err != nil {
		return nil, err
	}
	l.Pages = max(1, (l.Total+pageSize-1)/pageSize)
	l.Page, _ = strconv.Atoi(r.FormValue("page"))
	l.Page = min(max(1, l.Page), l.Pages)
	where, args := l.Filter.matching(l.rows(account))
	err := a.store.each(r.Context(), func(rows *sql.Rows) error {
		p, err := scanPerson(rows)
		l.People = append(l.People, p)
		return err
	}, `SELECT `+personColumns+`, c.item IS NOT NULL`+where+l.Filter.order()+` LIMIT ? OFFSET ?`, append(args, pageSize, (l.Page-1)*pageSize)...)
	if err == nil {
		err = a.store.nameRivals(r.Context(), l.People)
	}
	return l, err
}

// count counts by state, and those that are chosen.
func (s *store) count(ctx context.Context, account int64, l *listing) error {
	where, args := l.Filter.where(l.rows(account))
	err := s.each(ctx, func(rows *sql.Rows) error {
		var value string
		var n, free int
		if err := rows.Scan(&value, &n, &free); err != nil {
			return err
		}
		l.Everybody += n
		if f := l.Filter.State; f == anyState || f == value {
			l.Total += n
			l.Choosable += free
		}
		if at := slices.IndexFunc(l.States, func(s state) bool { return s.Value == value }); at >= 0 {
			l.States[at].Count = n
		}
		return nil
	}, `SELECT state, count(*), sum(CASE WHEN free THEN 1 ELSE 0 END)`+where+` GROUP BY state`, args...)
	if err == nil {
		from, args := l.rows(account)
		err = s.row(ctx, `SELECT count(c.item)`+from, args...).Scan(&l.Chosen)
	}
	return err
}

const personColumns = `r.item, first_name, last_name, username, email, phone, directory, status, role, change, state, free`

func scanPerson(rows *sql.Rows) (p person, err error) {
	var change sql.NullString
	err = rows.Scan(&p.Item, &p.FirstName, &p.LastName, &p.Username, &p.Email, &p.Phone, &p.Directory, &p.Status, &p.Role, &change,
		&p.State, &p.Free, &p.Chosen)
	if err == nil && change.Valid {
		p.Mark = &adsync.Change{}
		err = json.Unmarshal([]byte(change.String), p.Mark)
	}
	return p, err
}

func (s *store) readFilter(ctx context.Context, account int64, l *listing) error {
	var text string
	err := s.row(ctx, `SELECT filter FROM filters WHERE account_id = ? AND list = ?`, account, l.path).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		l.Filter = l.all()
		return nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &l.Filter)
	}
	return err
}

// actOnList does what the pressed button says, for those that lists have in common and
// for the two that make a plan and compare again. Each keeps what the form holds: what
// is looked for and what is chosen. A button names what to do and, after a colon, with
// what.
func (a *app) actOnList(from list) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		ctx, account := r.Context(), a.account(r).ID
		if err := a.store.keepBoxes(ctx, account, from, r); err != nil {
			return err
		}
		l := listing{list: from}
		if err := a.store.readFilter(ctx, account, &l); err != nil {
			return err
		}
		do, what, _ := strings.Cut(r.PostFormValue("do"), ":")
		if err := a.store.keepFilter(ctx, account, &l, r, do, what); err != nil {
			return err
		}
		var err error
		switch {
		case do == "all":
			err = a.store.chooseMatching(ctx, account, l)
		case do == "none":
			_, err = a.store.exec(ctx, `DELETE FROM chosen WHERE account_id = ? AND list = ?`, account, l.path)
		case do == "plan" && from.look != nil:
			return a.planChosen(w, r, from)
		case do == "compare" && from.look != nil:
			err = a.compareAgain(ctx, from)
		}
		if err != nil {
			return err
		}
		return redirect(w, r, fmt.Sprintf("%s?page=%d", l.path, max(1, l.Page)))
	}
}

// keepFilter takes over the filter of the form, and what the button changes in it.
func (s *store) keepFilter(ctx context.Context, account int64, l *listing, r *http.Request, do, what string) error {
	before := l.Filter
	l.Page, _ = strconv.Atoi(r.PostFormValue("page"))
	l.Filter = filter{
		Query: r.PostFormValue("q"), Name: r.PostFormValue("name"), Username: r.PostFormValue("username"), Email: r.PostFormValue("email"),
		Unit: r.PostFormValue("unit"), State: cmp.Or(r.PostFormValue("state"), before.State), Sort: before.Sort, Desc: before.Desc,
	}
	switch do {
	case "show":
		l.Filter = l.all()
	case "state":
		l.Filter.State = what
	case "sort":
		if sortings[what] != nil {
			l.Filter.Sort, l.Filter.Desc = what, before.Sort == what && !before.Desc
		}
	case "page":
		l.Page, _ = strconv.Atoi(what)
	}
	if l.Filter == before {
		return nil
	}
	l.Page = 1
	_, err := s.exec(ctx, `INSERT INTO filters (account_id, list, filter) VALUES (?, ?, ?)
		ON CONFLICT (account_id, list) DO UPDATE SET filter = excluded.filter`, account, l.path, asJSON(l.Filter))
	return err
}

// Whom somebody has chosen is kept on the server: it outlives other pages, another
// sorting, an error, the way back and a session. Each form of a list brings the boxes
// of its page along, and a script sends them as soon as one is checked.

// keepBoxes takes over the boxes of the page that the form came from.
func (s *store) keepBoxes(ctx context.Context, account int64, from list, r *http.Request) error {
	if r.PostFormValue("shown") == "" {
		return nil
	}
	shown := strings.Split(r.PostFormValue("shown"), ",")
	return s.inTx(ctx, func(t *tx) {
		for _, item := range shown[:min(len(shown), pageSize)] {
			statement := `DELETE FROM chosen WHERE account_id = ? AND list = ? AND item = ?`
			if slices.Contains(r.PostForm["id"], item) {
				statement = `INSERT INTO chosen (account_id, list, item) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`
			}
			t.exec(statement, account, from.path, item)
		}
	})
}

// keepChosen answers the script with how many are chosen now.
func (a *app) keepChosen(from list) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := a.store.keepBoxes(r.Context(), a.account(r).ID, from, r); err != nil {
			return err
		}
		items, err := a.store.chosenItems(r.Context(), a.account(r).ID, from)
		if err == nil {
			_, _ = fmt.Fprint(w, len(items))
		}
		return err
	}
}

// chooseMatching adds all that the filter shows and that can be chosen.
func (s *store) chooseMatching(ctx context.Context, account int64, l listing) error {
	where, args := l.Filter.matching(l.rows(account))
	_, err := s.exec(ctx, `INSERT INTO chosen (account_id, list, item) SELECT CAST(? AS BIGINT), CAST(? AS TEXT), r.item`+
		where+` AND free ON CONFLICT DO NOTHING`, append([]any{account, l.path}, args...)...)
	return err
}

// chosenItems are those that are chosen and can still be.
func (s *store) chosenItems(ctx context.Context, account int64, l list) (items []string, err error) {
	from, args := l.rows(account)
	err = s.each(ctx, func(rows *sql.Rows) error {
		var item string
		err := rows.Scan(&item)
		items = append(items, item)
		return err
	}, `SELECT r.item`+from+` AND c.item IS NOT NULL ORDER BY r.item`, args...)
	return items, err
}
