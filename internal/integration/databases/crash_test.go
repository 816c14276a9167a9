package databases

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/sqlstore"
)

// These tests kill a process in the middle of an Apply. The process is this test
// binary, which does the work of crashingHost when the variable is set.
const (
	crashVariable = "ADSYNC_CRASHING_HOST" // driver, data source, plan file and size of a batch, one a line
	crashesAsked  = "ADSYNC_CRASHES"       // how many kills for each database; defaultCrashes without it
)

func TestMain(m *testing.M) {
	if job := os.Getenv(crashVariable); job != "" {
		if err := crashingHost(strings.Split(job, "\n")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	sql.Register(withoutReturning, plainDriver{})
	os.Exit(m.Run())
}

// crashingHost applies the plan and says on its output when it begins, and when
// each change is done.
func crashingHost(job []string) error {
	driver, dsn, file := job[0], job[1], job[2]
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var plan adsync.Plan
	if err := json.Unmarshal(text, &plan); err != nil {
		return err
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	say := func(context.Context, adsync.Change, adsync.Result) { fmt.Println("done") }
	store, err := sqlstore.New(db, dialects[driver], sqlstore.Table{Name: "users", Columns: allColumns})
	if err != nil {
		return err
	}
	size, err := strconv.Atoi(job[3])
	if err != nil {
		return err
	}
	syncer, err := crashSyncer(store, size, say)
	if err != nil {
		return err
	}
	fmt.Println("begin")
	report, err := syncer.Apply(context.Background(), &plan)
	if err != nil {
		return err
	}
	return report.Err()
}

var dialects = map[string]sqlstore.Dialect{"sqlite": sqlstore.SQLite, "pgx": sqlstore.PostgreSQL, "postgres": sqlstore.PostgreSQL, "mysql": sqlstore.MySQL}

// The sizes of a batch that a host is killed with: its own, which are large, and
// small ones, which make many commits and so many places to die.
const ownBatches, smallBatches = 0, 7

func crashSyncer(store adsync.UserStore, batchSize int, onResult func(context.Context, adsync.Change, adsync.Result)) (*adsync.Syncer, error) {
	_, dir := crashWorld()
	return adsync.New(dir, store, &adsync.Options{
		Rules:     adsync.Rules{Source: "ad", Import: true, OnDisabled: adsync.Deactivate},
		Limits:    adsync.Limits{MaxRemovals: -1, MaxRemovalRatio: -1, MaxCleared: -1, MaxRekeyed: -1, MaxReactivated: -1},
		BatchSize: batchSize,
		OnResult:  onResult,
	})
}

// crashWorld is a host's users, and a directory that has moved on: names are
// swapped, passed on in chains and taken over from leavers.
func crashWorld() (users []adsync.User, dir adsync.StaticDirectory) {
	const groups = 20
	for g := range groups {
		var people [9]adsync.User
		for i := range people {
			n := g*10 + i + 1
			people[i] = person(n, fmt.Sprintf("user%03d", n))
		}
		users = append(users, people[:]...)
		name := func(i int) (string, string) { return people[i].Username, people[i].Email }
		entry := func(i int, edit func(*adsync.Entry)) adsync.Entry {
			e := adsync.Entry{ObjectID: people[i].ObjectID, Profile: people[i].Profile}
			edit(&e)
			return e
		}
		dir = append(dir,
			entry(0, func(e *adsync.Entry) { e.Username, e.Email = name(1) }),
			entry(1, func(e *adsync.Entry) { e.Username, e.Email = name(0) }),
			entry(2, func(e *adsync.Entry) { e.Username, e.Email = name(3) }),
			entry(3, func(e *adsync.Entry) { e.Username, e.Email = name(4) }),
			entry(4, func(e *adsync.Entry) { e.Username, e.Email = e.Username+".new", "new."+e.Email }),
			entry(5, func(e *adsync.Entry) { e.State = adsync.StateDeleted }),
			entry(6, func(e *adsync.Entry) { e.Username, _ = name(5) }),
			entry(7, func(e *adsync.Entry) { e.Phone, e.FirstName = "", "Élodie" }),
			entry(8, func(e *adsync.Entry) { e.Disabled = true }),
		)
		newcomer := person(10_000+g, fmt.Sprintf("new%03d", g))
		_, newcomer.Email = name(5)
		dir = append(dir, adsync.Entry{ObjectID: newcomer.ObjectID, Profile: newcomer.Profile})
	}
	local := person(5000, "local")
	local.ObjectID, local.Source = adsync.ObjectID{}, ""
	return append(users, local), dir
}

func TestCrashes_WithAWriteAheadLog(t *testing.T) {
	testCrashes(t, database{
		dialect: sqlstore.SQLite, driver: "sqlite",
		dsn:    func(t testing.TB) string { return newSQLite(t) + "&_pragma=journal_mode(wal)" },
		schema: []string{usersTable("INTEGER PRIMARY KEY", "TEXT", "BOOLEAN")},
	})
}

func testCrashes(t *testing.T, d database) {
	d.skipSecondDriver(t)
	c := newCrashes(t, d)
	crashes := defaultCrashes
	if n, err := strconv.Atoi(os.Getenv(crashesAsked)); err == nil {
		crashes = n
	}
	halfway := map[int]int{} // by the size of a batch
	for round := range crashes {
		size := []int{smallBatches, smallBatches, ownBatches, ownBatches}[round%4]
		c.refill()
		done := c.crash(size)
		left := c.checkRows()
		if left > 0 && left < c.writes {
			halfway[size]++
		}
		c.settle(round%2 == 0)
		if t.Failed() {
			t.Fatalf("killed after %d of %d changes in batches of %d, %d rows were as before", done, len(c.plan.Changes), size, left)
		}
	}
	t.Logf("%d kills, of which %d came halfway in small batches and %d in large ones", crashes, halfway[smallBatches], halfway[ownBatches])
	assert.Positive(t, halfway[smallBatches]+halfway[ownBatches], "no kill came in the middle of the work")
}

// skipSecondDriver is for what the server does, whichever driver it comes through.
func (d database) skipSecondDriver(t *testing.T) {
	if d.driver == "postgres" {
		t.Skip("the server does the same as through the other driver")
	}
}

// crashes is a table, and a plan whose apply is killed again and again.
type crashes struct {
	*testing.T
	dsn     string
	db      *sql.DB
	job     string
	syncer  *adsync.Syncer
	store   *sqlstore.Store
	plan    *adsync.Plan
	writes  int
	seed    map[string]adsync.User   // by ID
	allowed map[string][]adsync.User // by ID: what the plan makes of a user, step by step
	leaves  map[string]bool          // by ID
	created map[adsync.ObjectID]adsync.User
}

func newCrashes(t *testing.T, d database) *crashes {
	c := &crashes{T: t, dsn: d.dsn(t)}
	c.db = open(t, d.driver, c.dsn, d.schema[0])
	users, _ := crashWorld()
	for _, u := range users {
		c.insert(u)
	}
	mustExec(t, c.db, "CREATE TABLE users_before AS SELECT * FROM users")
	c.store = newStore(t, c.db, d.dialect, sqlstore.Table{Name: "users", Columns: allColumns})
	c.syncer = c.newSyncer(c.store)
	var err error
	c.plan, err = c.syncer.Plan(t.Context())
	require.NoError(t, err)
	c.learn(users)
	text, err := json.Marshal(c.plan)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "plan.json")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	c.job = strings.Join([]string{d.driver, c.dsn, file, ""}, "\n")
	return c
}

func (c *crashes) newSyncer(store adsync.UserStore) *adsync.Syncer {
	c.Helper()
	syncer, err := crashSyncer(store, smallBatches, nil)
	require.NoError(c, err)
	return syncer
}

// insert adds a user with the ID, as the host did long ago.
func (c *crashes) insert(u adsync.User) {
	c.Helper()
	quote := func(s string) string { return "'" + s + "'" }
	object := "NULL"
	if !u.ObjectID.IsZero() {
		object = quote(u.ObjectID.String())
	}
	mustExec(c, c.db, "INSERT INTO users (id, object_id, source, username, first_name, last_name, email, phone, status) VALUES ("+
		strings.Join([]string{u.ID, object, quote(u.Source), quote(u.Username), quote(u.FirstName), quote(u.LastName), quote(u.Email), quote(u.Phone), quote(string(u.Status))}, ", ")+")")
}

func (c *crashes) learn(users []adsync.User) {
	c.seed, c.allowed, c.leaves, c.created = map[string]adsync.User{}, map[string][]adsync.User{}, map[string]bool{}, map[adsync.ObjectID]adsync.User{}
	for _, u := range users {
		c.seed[u.ID], c.allowed[u.ID] = u, []adsync.User{u}
	}
	kinds := map[adsync.Op]int{}
	for _, change := range c.plan.Changes {
		kinds[change.Op]++
		switch change.Op {
		case adsync.OpUpdate:
			c.allowed[change.UserID] = append(c.allowed[change.UserID], *change.After)
		case adsync.OpDelete:
			c.leaves[change.UserID] = true
		case adsync.OpCreate:
			c.created[change.ObjectID] = with(*change.After, func(u *adsync.User) { u.Status = adsync.StatusActive })
		}
	}
	c.writes = kinds[adsync.OpUpdate] + kinds[adsync.OpDelete] + kinds[adsync.OpCreate]
	require.Len(c, kinds, 3, "the plan does everything, and tells of nothing else: %v", kinds)
}

func (c *crashes) refill() {
	c.Helper()
	mustExec(c, c.db, "DELETE FROM users")
	mustExec(c, c.db, "INSERT INTO users SELECT * FROM users_before")
}

// crash runs the host with batches of the size, and kills it after a random number
// of changes and a random moment later. It returns how many changes it said it had
// done.
func (c *crashes) crash(size int) (done int) {
	c.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashVariable+"="+c.job+strconv.Itoa(size))
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.StdoutPipe()
	require.NoError(c, err)
	require.NoError(c, cmd.Start())
	lines := bufio.NewScanner(out)
	require.True(c, lines.Scan(), "the host did not begin")
	for enough := rand.N(len(c.plan.Changes)); done < enough && lines.Scan(); {
		done++
	}
	time.Sleep(rand.N(3 * time.Millisecond)) // a place within a batch
	require.NoError(c, cmd.Process.Kill())
	for lines.Scan() {
		done++
	}
	_ = cmd.Wait() // killed
	require.Empty(c, problems.String())
	return done
}

// checkRows looks at what the dead host left behind: every row is as before or as
// a change of the plan makes it, and none is lost. It returns how many of the
// plan's users are as before.
func (c *crashes) checkRows() (left int) {
	c.Helper()
	seen := map[string]bool{}
	keys := map[string]bool{}
	created := map[adsync.ObjectID]bool{}
	for _, u := range c.rows() {
		assert.False(c, keys[u.Username] || keys[u.Email], "a key is held twice")
		keys[u.Username], keys[u.Email] = true, true
		if after, ok := c.created[u.ObjectID]; ok {
			assert.False(c, created[u.ObjectID], "an entry was imported twice")
			created[u.ObjectID] = true
			after.ID = u.ID
			assert.Equal(c, after, u)
			continue
		}
		seen[u.ID] = true
		assert.True(c, slices.Contains(c.allowed[u.ID], u), "user %s is as no change of the plan leaves it", u.ID)
		if (len(c.allowed[u.ID]) > 1 || c.leaves[u.ID]) && u == c.seed[u.ID] {
			left++
		}
	}
	for id := range c.seed {
		assert.True(c, seen[id] || c.leaves[id], "user %s is lost", id)
	}
	return left
}

func (c *crashes) rows() []adsync.User {
	c.Helper()
	var users []adsync.User
	for u, err := range c.store.Users(c.Context()) {
		require.NoError(c, err)
		users = append(users, u)
	}
	return users
}

// settle applies the same plan again, or makes a new one, and checks the end.
func (c *crashes) settle(samePlan bool) {
	c.Helper()
	report, err := c.again(samePlan)
	require.NoError(c, err)
	require.NoError(c, report.Err())
	want := map[string]adsync.User{}
	for id, all := range c.allowed {
		if !c.leaves[id] {
			want[id] = all[len(all)-1]
		}
	}
	got := map[string]adsync.User{}
	created := 0
	for _, u := range c.rows() {
		if after, ok := c.created[u.ObjectID]; ok {
			after.ID = u.ID
			assert.Equal(c, after, u)
			created++
			continue
		}
		got[u.ID] = u
	}
	assert.Equal(c, want, got)
	assert.Len(c, c.created, created)
	next, err := c.syncer.Plan(c.Context())
	require.NoError(c, err)
	assert.Empty(c, next.Changes, "a second sync finds nothing")
}

// again waits for the database to notice that the host is dead and to give its
// lock back.
func (c *crashes) again(samePlan bool) (report *adsync.Report, err error) {
	for range 20_000 {
		if samePlan {
			report, err = c.syncer.Apply(c.Context(), c.plan)
		} else {
			report, err = c.syncer.Sync(c.Context())
		}
		if err == nil || !strings.Contains(err.Error(), "another sync") {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return report, err
}
