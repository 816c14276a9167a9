package main

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
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
	source string                      // only those of this directory; "" is of any, and local ones
	preset string                      // the state that is shown first
	look   func(context.Context) error // compares it with the directory, or nil
}

// state is what rows can be filtered by.
type state struct {
	Value string
	Count int
}

// anyState is a filter that shows all.
const anyState = "any"

// person is a row.
type person struct {
	lookup
	Item                                 string
	FirstName, LastName, Username, Email string
	Phone, Directory, Status, Role       string
	State                                string
	Free, Chosen                         bool
	Mark                                 *adsync.Change // what a sync would do; nil: nothing
	Conflicts                            []adsync.Conflict
}

// Name is what people call the person.
func (p person) Name() string { return strings.TrimSpace(p.FirstName + " " + p.LastName) }

// filter says which rows a list shows, and in which order. The server keeps it for each
// account: a URL would tell whom somebody looks for.
type filter struct {
	Query, Name, Username, Email, State, Unit, Group, Sort string
	Desc                                                   bool
}

// listing is a page of a list, as it is shown.
type listing struct {
	list
	Filter      filter
	States      []state // of the rows
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
// SQL. The states begin with what a person should look at; what leads to them has that
// order, too.
var sortings = map[string][]string{
	"name":     {"lower(last_name)", "lower(first_name)"},
	"username": {"lower(username)"},
	"email":    {"lower(email)"},
	"state": {`CASE state WHEN 'new' THEN 1 WHEN 'delete' THEN 2 WHEN 'duplicate' THEN 3 WHEN 'invalid' THEN 4 WHEN 'update' THEN 5
		WHEN 'leaving' THEN 6 WHEN 'notice' THEN 7 WHEN 'ignored' THEN 8 WHEN 'disabled' THEN 9 ELSE 10 END`, "lower(last_name)"},
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

// where is the condition of the filter.
func (f filter) where(where string, args []any) (string, []any) {
	const name = "first_name || ' ' || last_name"
	for _, part := range []struct{ text, of string }{
		{f.Query, name + " || ', ' || username || ', ' || email"}, {f.Name, name}, {f.Username, "username"}, {f.Email, "email"},
	} {
		if text := escapeLike(strings.TrimSpace(part.text)); text != "" {
			// SQLite folds ASCII only: a name is found as it is written, too.
			where += ` AND (lower(` + part.of + `) LIKE ? ESCAPE '\' OR ` + part.of + ` LIKE ? ESCAPE '\')`
			args = append(args, "%"+strings.ToLower(text)+"%", "%"+text+"%")
		}
	}
	if f.Unit != "" {
		where, args = where+` AND unit LIKE ? ESCAPE '\'`, append(args, escapeLike(f.Unit)+"%")
	}
	if f.Group != "" {
		where, args = where+` AND r.item IN (SELECT object_id FROM import_members WHERE in_group = ?)`, append(args, f.Group)
	}
	if f.State != anyState {
		where, args = where+" AND state = ?", append(args, f.State)
	}
	return where, args
}

func escapeLike(text string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text)
}

// listPage is a page with a list.
type listPage struct {
	*listing
	*comparison
	Group *comparison // with the group that is looked for
	lookup
}

// Waiting are the plans that can be applied.
func (l lookup) Waiting() ([]*run, error) { return l.store.waiting(l.ctx) }

// showList shows the page of a list that the address names.
func (a *app) showList(from list) teller {
	return func(w http.ResponseWriter, r *http.Request, status int, alert string) (err error) {
		ctx, account, p := r.Context(), a.account(r).ID, listPage{listing: &listing{list: from}, lookup: lookup{r.Context(), a.store}}
		err = a.store.readFilter(ctx, account, p.listing)
		if err == nil {
			p.comparison, err = a.compare(r, from)
		}
		if err == nil {
			p.Group, err = a.compare(r, a.groupList(p.Filter.Group))
		}
		if err == nil {
			err = a.store.readList(ctx, account, p.listing, r.FormValue("page"))
		}
		if err != nil {
			return err
		}
		return a.render(w, r, status, from.path[1:]+".html", from.title, alert, p)
	}
}

// readList reads a page.
func (s *store) readList(ctx context.Context, account int64, l *listing, page string) error {
	if err := s.count(ctx, account, l); err != nil {
		return err
	}
	l.Pages = max(1, (l.Total+pageSize-1)/pageSize)
	l.Page, _ = strconv.Atoi(page)
	l.Page = min(max(1, l.Page), l.Pages)
	where, args := l.Filter.where(l.rows(account))
	var err error
	l.People, err = s.people(ctx, where+l.Filter.order()+` LIMIT ? OFFSET ?`, append(args, pageSize, (l.Page-1)*pageSize)...)
	return err
}

// count counts by state, and those that are chosen.
func (s *store) count(ctx context.Context, account int64, l *listing) error {
	everyState := l.Filter
	everyState.State = anyState
	where, args := everyState.where(l.rows(account))
	err := s.each(ctx, func(rows *sql.Rows) error {
		var one state
		var free int
		if err := rows.Scan(&one.Value, &one.Count, &free); err != nil {
			return err
		}
		l.States = append(l.States, one)
		l.Everybody += one.Count
		if f := l.Filter.State; f == anyState || f == one.Value {
			l.Total += one.Count
			l.Choosable += free
		}
		return nil
	}, `SELECT state, count(*), sum(CASE WHEN free THEN 1 ELSE 0 END)`+where+` GROUP BY state ORDER BY `+sortings["state"][0], args...)
	if err == nil {
		from, args := l.rows(account)
		err = s.row(ctx, `SELECT count(c.item)`+from, args...).Scan(&l.Chosen)
	}
	return err
}

// people reads rows of a list.
func (s *store) people(ctx context.Context, from string, args ...any) (people []person, err error) {
	err = s.each(ctx, func(rows *sql.Rows) error {
		p, change := person{lookup: lookup{ctx, s}}, sql.NullString{}
		err := rows.Scan(&p.Item, &p.FirstName, &p.LastName, &p.Username, &p.Email, &p.Phone, &p.Directory, &p.Status, &p.Role, &change,
			&p.State, &p.Free, &p.Chosen)
		if err == nil && change.Valid {
			p.Mark = &adsync.Change{}
			err = json.Unmarshal([]byte(change.String), p.Mark)
			p.Conflicts = p.Mark.Conflicts
		}
		people = append(people, p)
		return err
	}, `SELECT r.item, first_name, last_name, username, email, phone, directory, status, role, change, state, free, c.item IS NOT NULL`+from, args...)
	return people, err
}

// readFilter reads what the account looks for.
func (s *store) readFilter(ctx context.Context, account int64, l *listing) error {
	l.Filter = l.all()
	kept, err := s.texts(ctx, `SELECT filter FROM filters WHERE account_id = ? AND list = ?`, account, l.path)
	for _, text := range kept {
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
		ctx, account, l := r.Context(), a.account(r).ID, listing{list: from}
		do, what, _ := strings.Cut(r.PostFormValue("do"), ":")
		err := a.store.keepBoxes(ctx, account, from, r)
		if err == nil {
			err = a.store.readFilter(ctx, account, &l)
		}
		if err == nil {
			err = a.store.keepFilter(ctx, account, &l, r, do, what)
		}
		switch {
		case err != nil:
		case do == "all":
			err = a.store.chooseMatching(ctx, account, l)
		case do == "none":
			_, err = a.store.exec(ctx, `DELETE FROM chosen WHERE account_id = ? AND list = ?`, account, l.path)
		case do == "plan" && from.look != nil:
			return a.planChosen(w, r, from)
		case do == "compare" && from.look != nil:
			err = a.compareAgain(ctx, from, a.groupList(l.Filter.Group))
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
		Unit: r.PostFormValue("unit"), Group: strings.TrimSpace(r.PostFormValue("group")), State: cmp.Or(r.PostFormValue("state"), before.State), Sort: before.Sort, Desc: before.Desc,
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
		var items []string
		err := a.store.keepBoxes(r.Context(), a.account(r).ID, from, r)
		if err == nil {
			items, err = a.store.chosenItems(r.Context(), a.account(r).ID, from)
		}
		if err == nil {
			_, _ = fmt.Fprint(w, len(items))
		}
		return err
	}
}

// chooseMatching adds all that the filter shows and that can be chosen.
func (s *store) chooseMatching(ctx context.Context, account int64, l listing) error {
	where, args := l.Filter.where(l.rows(account))
	_, err := s.exec(ctx, `INSERT INTO chosen (account_id, list, item) SELECT CAST(? AS BIGINT), CAST(? AS TEXT), r.item`+
		where+` AND free ON CONFLICT DO NOTHING`, append([]any{account, l.path}, args...)...)
	return err
}

// chosenItems are those that are chosen and can still be.
func (s *store) chosenItems(ctx context.Context, account int64, l list) ([]string, error) {
	from, args := l.rows(account)
	return s.texts(ctx, `SELECT r.item`+from+` AND c.item IS NOT NULL ORDER BY r.item`, args...)
}
