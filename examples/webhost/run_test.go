package main

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

func TestRun_TwoAdministratorsAtOnce(t *testing.T) {
	var g *gate
	w := newWorld(t, func(c *config) { g = newGate(c) })
	tellOfTwo(t, w, g)
}

func tellOfTwo(t *testing.T, w *world, g *gate) {
	close(g.open)
	w.people("anna", "ben")
	g.close()
	require.NoError(t, w.app.store.addAccount(t.Context(), "bob", "pw", administrator))
	bob := w.as("bob")
	w.set("anna", "sn", "One")
	w.set("ben", "sn", "Two")
	first, firstDigest := w.admin.plan("anna")
	second, secondDigest := bob.plan("ben")

	started := w.admin.post(first, "digest", firstDigest)
	<-g.reached
	told := bob.post(second, "digest", secondDigest)
	assert.Equal(t, http.StatusConflict, told.StatusCode)
	assert.Contains(t, told.text(), "Another synchronization is running: admin started it")
	w.exec(`DELETE FROM comparisons`)
	w.controller.ForgetRequests()
	assert.Contains(t, bob.get("/sync").text(), "A synchronization is running : admin started it")
	assert.Empty(t, w.controller.Requests(), "no comparison is made of what is being changed")
	page := bob.get(first)
	assert.Contains(t, page.text(), "0 of 1 user is written.")
	assert.Contains(t, page.text(), "For ")
	assert.Contains(t, page.body, `<noscript><meta http-equiv="refresh"`)
	assert.NotRegexp(t, `<progress[^>]* value=`, page.body, "the bar moves before the first result")
	signedIn := client{w: w}.post("/sign-in", "username", "admin", "password", adminsPassword)
	assert.Equal(t, http.StatusSeeOther, signedIn.StatusCode)
	close(g.open)
	w.wait()
	assert.Contains(t, w.admin.follow(started).text(), "1 user(s) details are modified.")
	assert.Equal(t, "Person", w.value(`SELECT last_name FROM users WHERE username = 'ben'`))
	assert.Contains(t, bob.apply(second, secondDigest).text(), "1 user(s) details are modified.")
}

func TestRun_OutlivesTheBrowser(t *testing.T) {
	var g *gate
	w := newWorld(t, func(c *config) { g = newGate(c) })
	close(g.open)
	w.people("anna")
	g.close()
	w.set("anna", "sn", "One")
	path, digest := w.admin.plan("anna")
	ctx, closeBrowser := context.WithCancel(t.Context())
	w.admin.do(form(path, "digest", digest).WithContext(ctx))
	<-g.reached
	closeBrowser()
	close(g.open)
	w.wait()
	assert.Contains(t, w.admin.get(path).text(), "1 user(s) details are modified.")
	assert.Equal(t, "One", w.value(`SELECT last_name FROM users WHERE username = 'anna'`))
}

// A run tells how far it is at least once for so many users.
func TestRun_ProgressMoves(t *testing.T) {
	var g *gate
	w := newWorld(t, func(c *config) { g = newGate(c) })
	close(g.open)
	var logins []string
	for i := range 2 * batchSize {
		logins = append(logins, "u"+string(rune('a'+i/26))+string(rune('a'+i%26)))
	}
	w.people(logins...)
	for _, login := range logins {
		w.set(login, "telephoneNumber", "+49 30 2")
	}
	path, digest := w.admin.plan()
	g.close()
	w.admin.post(path, "digest", digest)
	<-g.reached
	g.open <- struct{}{} // the first batch
	<-g.reached
	page := w.admin.get(path)
	assert.Contains(t, page.text(), "50 of 100 users are written.")
	assert.Contains(t, page.body, `value="50"`)
	assert.Equal(t, "50", w.value(`SELECT count(*) FROM run_changes WHERE outcome = 'applied'`), "a crash would leave a true history")
	close(g.open)
	w.wait()
	assert.Contains(t, w.admin.get(path).text(), "100 user(s) details are modified.")
}

func TestRun_HasADeadline(t *testing.T) {
	var g *gate
	w := newWorld(t, func(c *config) { g, c.runTimeout = newGate(c), 50*time.Millisecond })
	close(g.open)
	w.people("anna")
	g.close() // and nobody opens it
	w.set("anna", "sn", "One")
	done := w.admin.sync("anna").text()
	assert.NotContains(t, done, "successful")
	assert.Contains(t, done, "was not possible. Nothing was changed.")
	assert.Contains(t, done, "because it took longer than 50ms")
	assert.NotContains(t, done, "context")
	assert.Contains(t, w.admin.get("/history").text(), "not done")
}

func TestRun_DirectoryDown(t *testing.T) {
	w := newWorld(t)
	w.people("anna", "ben")
	require.NoError(t, w.controller.Delete(w.guids["anna"]))
	w.admin.get("/sync")
	path, digest := w.admin.plan("anna")
	require.NoError(t, w.controller.Close())

	const trouble = "No domain controller could be reached. Look at the domain controller and the network, then try again."
	a := w.admin.follow(w.admin.post("/sync", "do", "compare"))
	assert.Equal(t, http.StatusOK, a.StatusCode, "the page is there all the same")
	assert.Contains(t, a.text(), "Active Directory could not be compared just now. "+trouble)
	assert.Contains(t, a.text(), "Deletion: deleted in the directory", "with the marks of before")
	a = w.admin.post("/sync", "do", "plan")
	assert.Equal(t, http.StatusBadGateway, a.StatusCode)
	assert.Contains(t, a.text(), trouble+" Nothing was changed.")

	done := w.admin.apply(path, digest).text()
	assert.Contains(t, done, "was not possible. Nothing was changed.")
	assert.Contains(t, done, trouble)
	assert.Equal(t, "1", w.value(`SELECT count(*) FROM users WHERE username = 'anna'`), "a removal needs the directory's word")
	w.exec(`DELETE FROM comparisons`)
	assert.Contains(t, w.admin.get("/sync").text(), "have not been compared with Active Directory yet")
}

// slowDirectory answers when it is told to.
type slowDirectory struct {
	adsync.Directory
	asked, answer chan struct{}
}

func (d *slowDirectory) Find(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
	answer := d.answer
	d.asked <- struct{}{}
	<-answer
	return d.Directory.Find(ctx, ids)
}

func TestRun_ReadingIsShown(t *testing.T) {
	slow := &slowDirectory{asked: make(chan struct{}, 10), answer: make(chan struct{})}
	w := newWorld(t, func(c *config) { slow.Directory, c.directory = c.directory, slow })
	close(slow.answer)
	w.people("anna")
	w.set("anna", "sn", "One")
	w.admin.get("/sync")
	slow.answer = make(chan struct{})
	w.app.patience = time.Millisecond

	listed := w.admin.follow(w.admin.post("/sync", "do", "compare"))
	assert.Contains(t, listed.text(), "Reading Active Directory, to compare")
	assert.Contains(t, listed.text(), "anna@corp.example Last name", "the marks of before are shown meanwhile")
	w.admin.choose("anna")
	made := w.admin.post("/sync", "do", "plan")
	page := w.admin.follow(made)
	assert.Contains(t, page.text(), "Both sides are read, to see what will change. Nothing is changed.")
	assert.Contains(t, page.body, "data-going")
	close(slow.answer)
	w.wait()
	assert.Contains(t, w.admin.follow(made).text(), "Last name Person → One")
	assert.NotContains(t, w.admin.get("/sync").text(), "Reading Active Directory, to compare")
}

// A comparison that was under way when a run began would mark what is no longer true.
func TestComparison_DuringARunIsNotKept(t *testing.T) {
	slow := &slowDirectory{asked: make(chan struct{}, 10), answer: make(chan struct{})}
	w := newWorld(t, func(c *config) { slow.Directory, c.directory = c.directory, slow })
	close(slow.answer)
	w.people("anna")
	w.set("anna", "sn", "One")
	path, digest := w.admin.plan("anna")
	first := make(chan struct{})
	slow.answer = first
	for len(slow.asked) > 0 {
		<-slow.asked
	}
	w.exec(`DELETE FROM comparisons`)
	w.app.patience = time.Millisecond
	w.admin.get("/sync")
	<-slow.asked // it reads
	slow.answer = make(chan struct{})
	close(slow.answer)
	w.admin.post(path, "digest", digest)
	require.Eventually(t, func() bool { return w.value(`SELECT state FROM runs`) == stateDone }, time.Minute, 10*time.Millisecond)
	close(first)
	w.wait()
	w.app.patience = time.Hour
	assert.Contains(t, w.admin.get("/sync").text(), "anna@corp.example nothing")
}

func TestRun_TellsOfPlanningThatFailsLate(t *testing.T) {
	slow := &slowDirectory{asked: make(chan struct{}, 10), answer: make(chan struct{})}
	w := newWorld(t, func(c *config) { slow.Directory, c.directory = c.directory, slow })
	close(slow.answer)
	w.people("anna")
	w.admin.get("/sync")
	w.admin.choose("anna")
	slow.answer = make(chan struct{})
	w.app.patience = time.Millisecond
	made := w.admin.post("/sync", "do", "plan")
	require.NoError(t, w.controller.Close())
	close(slow.answer)
	w.wait()
	failed := w.admin.follow(made)
	assert.Equal(t, http.StatusBadGateway, failed.StatusCode)
	assert.Contains(t, failed.text(), "No domain controller could be reached.")
}

func TestRun_DatabaseLocked(t *testing.T) {
	w := newWorld(t)
	w.people("anna")
	w.set("anna", "sn", "One")
	path, digest := w.admin.plan("anna")
	unlock := w.lock()
	defer unlock()
	for _, a := range []answer{
		w.admin.post(path, "digest", digest),
		w.admin.post("/sync", "do", "plan"),
		w.admin.post("/sync", "q", "x", "do", "search"),
	} {
		assert.Equal(t, http.StatusServiceUnavailable, a.StatusCode)
		assert.Contains(t, a.text(), "The database is locked by something else. Nothing was changed.")
	}
	assert.Equal(t, http.StatusOK, w.admin.get("/users").StatusCode, "reading goes on")
	unlock()
	assert.Contains(t, w.admin.apply(path, digest).text(), "1 user(s) details are modified.")
}

// changedStore does something once it has written.
type changedStore struct {
	*userStore
	then func([]adsync.Change, []adsync.Written)
}

func (s *changedStore) ApplyChanges(ctx context.Context, cs []adsync.Change) []adsync.Written {
	written := s.userStore.ApplyChanges(ctx, cs)
	s.then(cs, written)
	return written
}

func newChangedStore(c *config) *changedStore {
	s := &changedStore{c.users.(*userStore), func([]adsync.Change, []adsync.Written) {}}
	c.users = s
	return s
}

func TestRun_DatabaseLockedAtItsEnd(t *testing.T) {
	var store *changedStore
	w := newWorld(t, func(c *config) { store = newChangedStore(c) })
	w.people("anna")
	w.set("anna", "sn", "One")
	path, digest := w.admin.plan("anna")
	var unlock func()
	locked := make(chan struct{})
	store.then = func([]adsync.Change, []adsync.Written) { unlock = w.lock(); close(locked) }
	w.admin.post(path, "digest", digest)
	<-locked
	defer unlock()
	require.Eventually(t, func() bool {
		return strings.Contains(w.log.String(), "the end of a run is not in the history yet")
	}, time.Minute, 10*time.Millisecond)
	assert.Contains(t, w.admin.get(path).text(), "of 1 user is written.", "as far as the history knows")
	unlock()
	w.wait()
	assert.Contains(t, w.admin.get("/history").text(), "admin synchronization done 1 CSV")
	assert.Contains(t, w.admin.get(path).text(), "Last name Person → One Done")
}

func TestRun_FailuresNameTheUserAndTheReason(t *testing.T) {
	var store *changedStore
	w := newWorld(t, func(c *config) { store = newChangedStore(c) })
	w.people("anna", "ben")
	w.set("anna", "sn", "One")
	w.set("ben", "sn", "Two")
	refused := w.id("anna")
	store.then = func(cs []adsync.Change, written []adsync.Written) {
		for i, c := range cs {
			if c.UserID == refused {
				written[i].Err = errors.New("adsync: the disk is full")
			}
		}
	}
	done := w.admin.sync()
	assert.Contains(t, done.text(), "Synchronizing users with Active Directory was only partly done. 1 user(s) details are modified. 1 user(s) could not be written.")
	assert.Contains(t, done.text(), "Anna Person : The disk is full. OK")
	assert.Contains(t, done.body, `class="message partly"`)
	assert.Contains(t, w.admin.get("/history").text(), "partly done 1 1 CSV", "one modified, one failed")
}

// Users who were left alone are shown, in a state of their own.
func TestRun_ChangedInTheMeantime(t *testing.T) {
	w := newWorld(t)
	w.people("anna", "ben")
	w.set("anna", "sn", "One")
	w.set("ben", "sn", "Two")
	path, digest := w.admin.plan()
	w.exec(`UPDATE users SET last_name = 'Edited' WHERE username = 'anna'`)
	done := w.admin.apply(path, digest)
	assert.Contains(t, done.text(), "was only partly done.")
	assert.Contains(t, done.text(), "1 user(s) were left alone: they have changed since the plan was made.")
	assert.Contains(t, done.text(), "Anna Person : Has changed since the plan was made, here or in the directory.")
	assert.Equal(t, "Edited", w.value(`SELECT last_name FROM users WHERE username = 'anna'`))
	history := w.admin.get("/history")
	assert.Contains(t, history.body, `<span class="tag partly">partly done</span>`)
	assert.Regexp(t, regexp.MustCompile(`data-label="Left alone" class="n">1<`), history.body)

	again := w.admin.follow(w.admin.post(path, "do", "again"))
	assert.Contains(t, again.text(), "A synchronization of 1 user", "only who was left")
	assert.Contains(t, again.text(), "Last name Edited → One")

	alone, digest := w.admin.plan("anna")
	w.exec(`UPDATE users SET last_name = 'Again' WHERE username = 'anna'`)
	assert.Contains(t, w.admin.apply(alone, digest).text(), "was not possible. Nothing was changed.", "nothing was done of it")
}

// A run that a crash has cut short counts what was really written.
func TestRun_Interrupted(t *testing.T) {
	w := newWorld(t)
	w.app.limits = adsync.Limits{MaxRemovals: -1, MaxRemovalRatio: -1}
	w.people("anna", "ben", "carl", "dora", "emil")
	for _, login := range []string{"anna", "ben", "carl"} {
		w.set(login, "sn", "New")
	}
	require.NoError(t, w.controller.Delete(w.guids["dora"]))
	path, _ := w.admin.plan()
	state := func(from, to string) {
		w.exec(`UPDATE runs SET state = ?, started_at = 1, run = replace(replace(run, ?, ?), '"RunBy":""', '"RunBy":"admin"')`, to, `"State":"`+from+`"`, `"State":"`+to+`"`)
	}
	state(statePlanned, stateRunning)                                          // and the process ended, when this was written:
	w.exec(`UPDATE users SET last_name = 'New' WHERE username = 'anna'`)       // and not noted,
	w.exec(`DELETE FROM users WHERE username = 'dora'`)                        // likewise,
	w.exec(`UPDATE users SET last_name = 'Elsewhere' WHERE username = 'carl'`) // or somebody else did
	assert.Contains(t, w.admin.get(path).text(), "0 of 4 users are written.")

	_, err := newApp(w.app.config)
	require.NoError(t, err)
	page := w.admin.get(path)
	assert.Contains(t, page.text(), "Synchronizing users with Active Directory was interrupted. 1 user(s) details are modified. 1 user(s) are deleted. 1 user(s) were not reached. 1 user(s): it is not known whether they were written.")
	assert.Regexp(t, `which was found at \d{4}-`, page.text())
	assert.Contains(t, page.text(), "Carl Person : Not known")
	assert.Contains(t, page.text(), "Plan again for 2 users")
	assert.Contains(t, w.admin.get("/history").text(), "interrupted 1 1 1 1 CSV")
	assert.Contains(t, w.admin.get("/history/"+strings.TrimPrefix(path, "/runs/")+".csv").body, `"Ben Person","Update","changed in the directory","Last name","Person","New","Not reached"`)

	again := w.admin.follow(w.admin.post(path, "do", "again"))
	assert.Contains(t, again.text(), "A synchronization of 2 users")
	assert.Contains(t, w.admin.apply("/runs/"+w.value(`SELECT id FROM runs WHERE state = 'planned'`), digestOn(t, again)).text(), "2 user(s) details are modified.", "the lock is free again")
}

// crash lets the planned run begin, and the page start anew before it has written anything.
func (w *world) crash() {
	w.exec(`UPDATE runs SET state = 'running', started_at = 1, run = replace(run, '"State":"planned"', '"State":"running"')`)
	_, err := newApp(w.app.config)
	require.NoError(w.t, err)
}

// What a run had noted by then stays, with the reasons.
func TestRun_InterruptedKeepsWhatItNoted(t *testing.T) {
	w := newWorld(t)
	w.people("anna", "ben")
	w.set("anna", "sn", "One")
	w.set("ben", "sn", "Two")
	path, _ := w.admin.plan()
	w.exec(`UPDATE run_changes SET outcome = 'failed', error = 'The disk is full.' WHERE user_id = ?`, w.id("anna"))
	w.crash()
	assert.Contains(t, w.admin.get(path).text(), "Anna Person : The disk is full.")
}

// Whoever was parked and whoever was not, neither is taken for written.
func TestRun_InterruptedTrade(t *testing.T) {
	w := newWorld(t)
	w.people("anna", "ben")
	w.set("anna", "mail", "ben@corp.example")
	w.set("ben", "mail", "anna@corp.example")
	path, _ := w.admin.plan()
	w.crash()
	assert.Contains(t, w.admin.get(path).text(), "was interrupted. 2 user(s) were not reached.")
}

func TestRun_DeletedUsersLoseTheirSession(t *testing.T) {
	w := newWorld(t)
	w.people("anna")
	w.exec(`UPDATE users SET role = 'viewer' WHERE username = 'anna'`)
	w.as("anna")
	require.NoError(t, w.controller.Delete(w.guids["anna"]))
	require.Contains(t, w.admin.sync("anna").text(), "1 user(s) are deleted.")
	assert.Equal(t, "1", w.value(`SELECT count(*) FROM sessions`), "the administrator's")
}

// Words are for administrators, and each error that a directory has gets its own.
func TestTrouble_InWords(t *testing.T) {
	w := newWorld(t)
	w.people("anna")
	for _, c := range []struct{ wrong, want string }{
		{"password", "Active Directory refused the service account's name or password."},
		{"certificate", "The certificate of the domain controller is not trusted."},
		{"base", "The part of Active Directory to synchronize does not exist, or the service account may not see it."},
	} {
		w.app.directory = w.wrongly(c.wrong)
		a := w.admin.post("/sync", "do", "plan", "shown", w.id("anna"), "id", w.id("anna"))
		assert.Equal(t, http.StatusBadGateway, a.StatusCode, c.wrong)
		assert.Contains(t, a.text(), c.want+" ")
		for _, jargon := range []string{"adsync", "i/o", "x509", "LDAP", "Result Code", "objectGUID", "ObjectID"} {
			assert.NotContains(t, strings.SplitN(a.text(), "Only users", 2)[0], jargon)
		}
	}
}
