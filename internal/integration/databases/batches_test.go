package databases

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// testManyRows writes batches of texts that a statement could trip over, in rows
// that are stored differently than planned, too long, gone, or fine.
func testManyRows(t *testing.T, d database) {
	db, s, _ := d.filled(t, sqlstore.Table{})
	odd := []string{`D'Arc "x" \ %`, `{a,b}`, "NULL", "null", " spaced ", "tab\tline\n", `\`, `"`, "日本語 🙂", `\x41`, "$1 ? :a", "e\u0301"}
	var creates, updates, deletes []adsync.Change
	for i, text := range odd {
		u := person(i+1, fmt.Sprint("user", i))
		u.FirstName, u.LastName = text, text+text
		creates = append(creates, create(u))
	}
	for _, w := range s.ApplyChanges(t.Context(), creates) {
		require.NoError(t, w.Err)
	}
	for _, w := range s.ApplyChanges(t.Context(), creates) {
		require.ErrorIs(t, w.Err, adsync.ErrAlready)
	}
	mustExec(t, db, "UPDATE users SET object_id = UPPER(object_id) WHERE username IN ('user1', 'user2')")
	now := list(t, s)
	for i, text := range odd {
		before := now[fmt.Sprint("user", i)]
		assert.Equal(t, text, before.FirstName)
		updates = append(updates, update(before, with(before, func(u *adsync.User) { u.Phone, u.FirstName = text, text+"!" })))
		now[before.Username] = *updates[i].After
	}
	for i, w := range s.ApplyChanges(t.Context(), updates) {
		require.NoError(t, w.Err, i)
	}
	assert.Equal(t, now, list(t, s))

	long := with(now["user3"], func(u *adsync.User) { u.LastName = strings.Repeat("x", 101) })
	again := []adsync.Change{updates[0], update(now["user3"], long), update(now["user4"], with(now["user4"], func(u *adsync.User) { u.Phone = "4" }))}
	out := s.ApplyChanges(t.Context(), again)
	assert.ErrorIs(t, out[0].Err, adsync.ErrAlready)
	assert.NoError(t, out[2].Err)
	if d.dialect != sqlstore.SQLite { // which has no lengths
		assert.ErrorContains(t, out[1].Err, "adsync: the database refused this row", "a text that is too long is not cut")
		assert.Equal(t, now["user3"], list(t, s)["user3"])
	}
	now = list(t, s)
	for i := range odd {
		deletes = append(deletes, remove(now[fmt.Sprint("user", i)]))
	}
	deletes = append(deletes, remove(person(999_999, "nobody")))
	stale := with(now["user5"], func(u *adsync.User) { u.Email = "stale@corp.example" })
	deletes[5] = remove(stale)
	for i, w := range s.ApplyChanges(t.Context(), deletes) {
		want := map[int]error{5: adsync.ErrStale, len(odd): adsync.ErrAlready}[i]
		assert.ErrorIs(t, w.Err, want, i)
	}
	assert.Equal(t, map[string]adsync.User{"user5": now["user5"]}, list(t, s))
}

// A batch costs a few round trips, however many rows it writes.
func testRoundTrips(t *testing.T, d database) {
	if d.dialect == sqlstore.SQLite {
		t.Skip("SQLite has no connection to count on")
	}
	dsn := d.dsn(t)
	open(t, d.driver, dsn, d.schema...)
	proxy := newProxy(t, dsn, false)
	s := newStore(t, open(t, d.driver, proxy.dsn), d.dialect, sqlstore.Table{Name: "users", Columns: allColumns})
	_, err := s.CreateUser(t.Context(), create(person(1, "first"))) // connects, and learns the types
	require.NoError(t, err)
	trips := func(cs []adsync.Change) int64 {
		before := proxy.sent.Load()
		for _, w := range s.ApplyChanges(t.Context(), cs) {
			require.NoError(t, w.Err)
		}
		return proxy.sent.Load() - before
	}
	var creates, updates, deletes []adsync.Change
	for i := range 200 {
		creates = append(creates, create(person(i+2, fmt.Sprint("user", i))))
	}
	assert.Less(t, trips(creates), int64(30))
	for _, u := range list(t, s) {
		after := with(u, func(u *adsync.User) { u.Phone = "1" })
		updates, deletes = append(updates, update(u, after)), append(deletes, remove(after))
	}
	most := int64(30)
	if d.dialect == sqlstore.MySQL { // where each statement writes a part of them
		most = 40
	}
	assert.Less(t, trips(updates), most)
	assert.Less(t, trips(deletes), most)
	assert.Empty(t, list(t, s))
}

// testManyCreates has enough new users for statements that add many, and for a batch
// in parts, with and without some among them that cannot be added.
func testManyCreates(t *testing.T, d database) {
	const many = 1230
	_, s, before := d.filled(t, sqlstore.Table{}, "held", "linked")
	var cs []adsync.Change
	for i := range many {
		cs = append(cs, create(person(1000+i, fmt.Sprint("new", i))))
	}
	for _, bad := range []bool{true, false} {
		if bad {
			cs[7] = create(person(7000, "held"))
			cs[20] = create(person(2, "linked"))
			cs[150] = create(person(1149, "twice"))
			cs[900] = create(person(7001, "held"))
		}
		written := s.ApplyChanges(context.Background(), cs)
		users := list(t, s)
		for i, w := range written {
			name := cs[i].After.Username
			switch {
			case name == "held":
				assert.ErrorIs(t, w.Err, adsync.ErrConflict)
				continue
			case name == "linked":
				assert.ErrorIs(t, w.Err, adsync.ErrAlready)
				assert.Equal(t, before[name].ID, w.UserID)
				continue
			case name == "twice":
				assert.ErrorIs(t, w.Err, adsync.ErrAlready)
				assert.Equal(t, users["new149"].ID, w.UserID)
				continue
			}
			require.NoError(t, w.Err)
			want := *cs[i].After
			want.ID = w.UserID
			require.Equal(t, want, users[name])
		}
		for i := range cs {
			cs[i] = create(person(3000+i, fmt.Sprint("later", i)))
		}
	}
	assert.Len(t, list(t, s), 2+many-4+many)
}

// testMixedBatch has enough of each kind for statements that write many, and later
// changes that take what earlier ones free.
func testMixedBatch(t *testing.T, d database) {
	const each = 120
	var names []string
	for i := range 3 * each {
		names = append(names, fmt.Sprintf("user%03d", i))
	}
	_, s, now := d.filled(t, sqlstore.Table{}, names...)
	var cs []adsync.Change
	want := map[string]adsync.User{}
	stale, already := map[int]bool{}, map[int]bool{}
	for i := range each {
		u := now[names[i]]
		if i%40 == 7 { // it is not as planned
			want[u.Username] = u
			u.LastName += "x"
			stale[len(cs)] = true
		}
		cs = append(cs, remove(u))
	}
	for i := each; i < 2*each; i++ {
		u := now[names[i]]
		after := with(u, func(u *adsync.User) { u.Phone, u.Email = fmt.Sprint(i), "" })
		switch i % 40 {
		case 1: // it takes the name of somebody deleted
			after.Username = names[i-each]
		case 2: // more columns change
			after.Status, after.FirstName = adsync.StatusDeactivated, "F"
		case 3: // it is not as planned
			want[u.Username] = u
			u.LastName += "x"
			stale[len(cs)] = true
		case 4: // it is as it is to be
			after, u.Phone = u, "other"
			already[len(cs)] = true
		}
		cs = append(cs, update(u, after))
		if !stale[len(cs)-1] {
			want[after.Username] = after
		}
	}
	for i := range each {
		u := person(10_000+i, fmt.Sprint("new", i))
		if i%40 == 9 {
			u.Username = names[i]
		}
		cs = append(cs, create(u))
		want[u.Username] = u
	}
	for _, name := range names[2*each:] {
		want[name] = now[name]
	}
	for i, w := range s.ApplyChanges(t.Context(), cs) {
		switch {
		case stale[i]:
			assert.ErrorIs(t, w.Err, adsync.ErrStale, i)
		case already[i]:
			assert.ErrorIs(t, w.Err, adsync.ErrAlready, i)
		default:
			assert.NoError(t, w.Err, i)
		}
		if c := cs[i]; c.Op == adsync.OpCreate {
			want[c.After.Username] = with(want[c.After.Username], func(u *adsync.User) { u.ID = w.UserID })
		}
	}
	assert.Equal(t, want, list(t, s))
}

// A write that the database silently left out is not taken for done.
func testSwallowed(t *testing.T, d database) {
	triggers := map[sqlstore.Dialect][]string{
		sqlstore.SQLite: {
			`CREATE TRIGGER keep BEFORE UPDATE ON users WHEN OLD.username = 'ann' BEGIN SELECT RAISE(IGNORE); END`,
			`CREATE TRIGGER stay BEFORE DELETE ON users WHEN OLD.username = 'cid' BEGIN SELECT RAISE(IGNORE); END`,
		},
		sqlstore.PostgreSQL: {
			`CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF OLD.username IN (''ann'', ''cid'') THEN RETURN NULL; END IF; RETURN COALESCE(NEW, OLD); END'`,
			`CREATE TRIGGER swallow BEFORE UPDATE OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION swallow()`,
		},
	}[d.dialect]
	if triggers == nil {
		t.Skip("a trigger of MySQL's cannot leave out a row")
	}
	db, s, now := d.filled(t, sqlstore.Table{}, "ann", "bob", "cid")
	for _, text := range triggers {
		mustExec(t, db, text)
	}
	after := func(name string) adsync.User { return with(now[name], func(u *adsync.User) { u.Phone = "1" }) }
	const words = "the database left user "
	out := s.ApplyChanges(t.Context(), []adsync.Change{update(now["ann"], after("ann")), update(now["bob"], after("bob")), remove(now["cid"])})
	assert.ErrorContains(t, out[0].Err, words+now["ann"].ID)
	assert.NoError(t, out[1].Err)
	assert.ErrorContains(t, out[2].Err, words+now["cid"].ID)
	assert.ErrorContains(t, s.UpdateUser(t.Context(), update(now["ann"], after("ann"))), words)
	assert.ErrorContains(t, s.DeleteUser(t.Context(), remove(now["cid"])), words)
	now["bob"] = after("bob")
	assert.Equal(t, now, list(t, s))
}

// testChangedAndSwallowed has triggers that change a row, and then leave out the write for
// which they were called. What they wrote goes with the change that is stale by it.
func testChangedAndSwallowed(t *testing.T, d database) {
	const changes = "UPDATE users SET phone = 'gone' WHERE id = OLD.id"
	triggers := map[sqlstore.Dialect][]string{
		sqlstore.SQLite: {
			`CREATE TRIGGER keep BEFORE UPDATE ON users WHEN OLD.username = 'ann' AND NEW.phone <> 'gone' BEGIN ` + changes + `; SELECT RAISE(IGNORE); END`,
			`CREATE TRIGGER stay BEFORE DELETE ON users WHEN OLD.username = 'cid' BEGIN ` + changes + `; SELECT RAISE(IGNORE); END`,
		},
		sqlstore.PostgreSQL: {
			`CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				IF TG_OP = 'DELETE' THEN
					IF OLD.username <> 'cid' THEN RETURN OLD; END IF;
				ELSIF OLD.username <> 'ann' OR NEW.phone = 'gone' THEN
					RETURN NEW;
				END IF;
				` + changes + `; RETURN NULL; END $$`,
			`CREATE TRIGGER swallow BEFORE UPDATE OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION swallow()`,
		},
	}[d.dialect]
	if triggers == nil {
		t.Skip("a trigger of MySQL's cannot leave out a row")
	}
	db, _, now := d.filled(t, sqlstore.Table{}, "ann", "bob", "cid", "dan", "eve")
	for _, text := range triggers {
		mustExec(t, db, text)
	}
	s := newStore(t, db, d.dialect, sqlstore.Table{Name: "users", Columns: allColumns})
	after := func(name string) adsync.User { return with(now[name], func(u *adsync.User) { u.Phone = "1" }) }
	out := s.ApplyChanges(t.Context(), []adsync.Change{update(now["ann"], after("ann")), update(now["bob"], after("bob")), remove(now["cid"]), remove(now["dan"])})
	assert.ErrorIs(t, out[0].Err, adsync.ErrStale)
	assert.NoError(t, out[1].Err)
	assert.ErrorIs(t, out[2].Err, adsync.ErrStale)
	assert.NoError(t, out[3].Err)
	assert.ErrorIs(t, s.UpdateUser(t.Context(), update(now["ann"], after("ann"))), adsync.ErrStale)
	assert.ErrorIs(t, s.DeleteUser(t.Context(), remove(now["cid"])), adsync.ErrStale)
	now["bob"] = after("bob")
	delete(now, "dan")
	assert.Equal(t, now, list(t, s))
}
