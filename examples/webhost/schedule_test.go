package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// newScheduledWorld has a schedule of a quarter of an hour, and a directory without roles,
// whose changes a mark can follow.
func newScheduledWorld(t *testing.T, setUp ...func(*config)) (*world, *clock) {
	w := newWorld(t, append(setUp, func(c *config) { c.every = 15 * time.Minute })...)
	w.app.directory = w.wrongly("nothing")
	return w, &clock{w, noon()}
}

// noon is far from midnight, when another day would begin for the schedule.
func noon() time.Time {
	now := time.Now()
	return time.Date(now.Year(), now.Month(), now.Day(), 12, 0, 0, 0, time.Local)
}

// clock goes on from one quarter of an hour to the next.
type clock struct {
	*world
	now time.Time
}

func (c *clock) tick() {
	c.t.Helper()
	require.NoError(c.t, c.app.tick(c.t.Context(), c.now))
	c.now = c.now.Add(15 * time.Minute)
}

func TestSchedule_ReadsOnlyWhatChanged(t *testing.T) {
	w, c := newScheduledWorld(t)
	w.people("anna", "ben")
	assert.Contains(t, w.admin.get("/sync").text(), "Automatic synchronization every 15 minutes It has not run yet.")
	c.tick()
	page := w.admin.get("/sync").text()
	assert.Regexp(t, `Last at 12:00: nothing was to be changed\. Everything was read at \d\d:\d\d, because it was the first run of the day\. Next at 12:15\.`, page)
	assert.NotContains(t, w.admin.get("/history").text(), "the schedule", "what writes nothing is no history")

	w.set("anna", "sn", "One")
	c.tick()
	assert.Equal(t, "One", w.value(`SELECT last_name FROM users WHERE username = 'anna'`))
	page = w.admin.get("/sync").text()
	assert.Contains(t, page, "Last at 12:15: 1 update . Read only")
	assert.Regexp(t, `Read only what changed since \d\d:\d\d\. Everything was last read at \d\d:\d\d\. Next at 12:30\.`, page)
	run := w.admin.get("/runs/" + w.value(`SELECT id FROM runs`)).text()
	assert.Contains(t, run, "Synchronization by the schedule")
	assert.Contains(t, run, "1 user(s) details are modified.")
	assert.Contains(t, run, "Planned by the schedule")
	assert.Regexp(t, `Read only what changed since \d\d:\d\d\. Ended`, run)
	assert.Contains(t, w.admin.get("/history").text(), "the schedule synchronization done 1")

	c.tick()
	assert.Equal(t, "1", w.value(`SELECT count(*) FROM runs`))
	w.set("ben", "sn", "Two")
	require.NoError(t, w.app.tick(t.Context(), c.now.Add(-15*time.Minute)))
	assert.Equal(t, "Person", w.value(`SELECT last_name FROM users WHERE username = 'ben'`), "it is not due")
}

func TestSchedule_ReadsEverythingOnceADay(t *testing.T) {
	w, c := newScheduledWorld(t)
	w.people("anna")
	c.tick()
	c.tick()
	assert.Contains(t, w.admin.get("/sync").text(), "Read only what changed since")
	c.now = c.now.AddDate(0, 0, 1)
	c.tick()
	assert.Contains(t, w.admin.get("/sync").text(), "because it was the first run of the day.")
}

// Why everything was read is said in words that administrators know.
func TestSchedule_SaysWhyEverythingWasRead(t *testing.T) {
	w, c := newScheduledWorld(t)
	w.people("anna")
	c.tick()
	w.app.directory = w.wrongly("filter")
	c.tick()
	assert.Contains(t, w.admin.get("/sync").text(), "because the settings or the application have changed.")
}

// The texts of the library that have other words on the page are still the library's.
func TestSchedule_KnowsTheLibrarysReasons(t *testing.T) {
	words, err := files.ReadFile("templates/schedule.html")
	require.NoError(t, err)
	_, words, _ = bytes.Cut(words, []byte(`{{define "why-full"}}`))
	var library strings.Builder
	for _, pattern := range []string{"../../*.go", "../../activedirectory/*.go"} {
		sources, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, source := range sources {
			text, err := os.ReadFile(source)
			require.NoError(t, err)
			if !strings.HasSuffix(source, "_test.go") {
				library.Write(text)
			}
		}
	}
	known := regexp.MustCompile(`"[^"]+"`).FindAllString(string(words), -1)
	assert.Greater(t, len(known), 8)
	for _, text := range known {
		assert.True(t, strings.Contains(library.String(), text), "the library does not say %s any more", text)
	}
}

func TestSchedule_HoldsBackWhatNeedsAnApproval(t *testing.T) {
	w, c := newScheduledWorld(t)
	w.people("anna", "ben", "carl", "dora")
	c.tick()
	require.NoError(t, w.controller.Delete(w.guids["anna"]))
	require.NoError(t, w.controller.Delete(w.guids["ben"]))
	c.tick()
	assert.Equal(t, "4", w.value(`SELECT count(*) FROM users WHERE object_id IS NOT NULL`))
	assert.Contains(t, w.admin.get("/sync").text(), "A plan waits for an approval : at")
	assert.Contains(t, w.admin.get("/history").text(), "the schedule Synchronization of everybody 2 deletions needs an approval")
	path := "/runs/" + w.value(`SELECT id FROM runs`)
	page := w.admin.get(path)
	assert.Contains(t, page.text(), "The schedule tried to apply this plan at")
	assert.Contains(t, page.text(), "This plan removes 2 of the 4 imported users.")
	assert.Contains(t, page.text(), "Read only what changed since")
	digest := strings.Split(strings.Split(page.body, `name="digest" value="`)[1], `"`)[0]

	c.tick()
	assert.Equal(t, "1", w.value(`SELECT count(*) FROM runs`), "the same plan stays")
	done := w.admin.apply(path, digest, "typed", "2")
	assert.Contains(t, done.text(), "2 user(s) are deleted.")
	c.tick()
	assert.Contains(t, w.admin.get("/sync").text(), "nothing was to be changed")
}

// Another plan takes the place of one that waits.
func TestSchedule_ReplacesItsWaitingPlan(t *testing.T) {
	w, c := newScheduledWorld(t)
	w.people("anna", "ben", "carl", "dora")
	require.NoError(t, w.controller.Delete(w.guids["anna"]))
	require.NoError(t, w.controller.Delete(w.guids["ben"]))
	c.tick()
	own, _ := w.admin.plan("dora")
	require.NoError(t, w.controller.Delete(w.guids["carl"]))
	c.tick()
	assert.Contains(t, w.admin.get("/history").text(), "Synchronization of everybody 3 deletions")
	assert.NotContains(t, w.admin.get("/history").text(), "2 deletions")
	assert.Equal(t, http.StatusOK, w.admin.get(own).StatusCode, "that of a person is not touched")
	for _, login := range []string{"anna", "ben", "carl"} {
		require.NoError(t, w.controller.Restore(w.guids[login]))
	}
	c.tick()
	assert.NotContains(t, w.admin.get("/history").text(), "deletions", "there is nothing to delete any more")
}

// A person can plan again for those of a plan that waits.
func TestSchedule_PlanAgainByHand(t *testing.T) {
	w, c := newScheduledWorld(t)
	w.people("anna", "ben", "carl", "dora")
	require.NoError(t, w.controller.Delete(w.guids["anna"]))
	require.NoError(t, w.controller.Delete(w.guids["ben"]))
	c.tick()
	path := "/runs/" + w.value(`SELECT id FROM runs`)
	again := w.admin.follow(w.admin.post(path, "do", "again"))
	assert.Contains(t, again.text(), "A synchronization of 2 users, planned by admin")
	assert.Equal(t, http.StatusNotFound, w.admin.get(path).StatusCode, "the old one is worth nothing")
}

// What runs do within a day counts together.
func TestSchedule_ManySmallRunsAreLimitedTogether(t *testing.T) {
	w, c := newScheduledWorld(t)
	w.people("anna", "ben", "carl", "dora")
	c.tick()
	require.NoError(t, w.controller.Delete(w.guids["anna"]))
	c.tick()
	assert.Equal(t, "3", w.value(`SELECT count(*) FROM users WHERE object_id IS NOT NULL`), "one may go")
	require.NoError(t, w.controller.Delete(w.guids["ben"]))
	c.tick()
	assert.Equal(t, "3", w.value(`SELECT count(*) FROM users WHERE object_id IS NOT NULL`), "and no other on this day")
	assert.Contains(t, w.admin.get("/runs/"+w.value(`SELECT id FROM runs WHERE state = 'refused'`)).text(),
		"Other runs of the last day count, too: they did the same to 1 other user.")
}

func TestSchedule_WaitsForOtherRuns(t *testing.T) {
	var g *gate
	w, c := newScheduledWorld(t, func(c *config) { g = newGate(c) })
	close(g.open)
	w.people("anna", "ben")
	g.close()
	w.set("anna", "sn", "One")
	w.set("ben", "sn", "Two")
	path, digest := w.admin.plan("anna")
	w.admin.post(path, "digest", digest)
	<-g.reached
	require.NoError(t, w.app.tick(t.Context(), c.now))
	close(g.open)
	w.wait()
	assert.Contains(t, w.admin.get("/sync").text(), "It has not run yet.", "and is no trouble")
	c.tick()
	assert.Equal(t, "Two", w.value(`SELECT last_name FROM users WHERE username = 'ben'`), "it stayed due")
}

func TestSchedule_Pause(t *testing.T) {
	w, c := newScheduledWorld(t)
	w.people("anna")
	assert.NotContains(t, w.admin.get("/users").text(), "paused")
	paused := w.admin.follow(w.admin.post("/schedule", "do", "pause")).text()
	assert.Regexp(t, `Automatic synchronization is paused admin paused it at \d\d:\d\d\.`, paused)
	require.NoError(t, w.app.store.addAccount(t.Context(), "bob", "pw", administrator))
	bob := w.as("bob")
	bob.post("/schedule", "do", "pause")
	for _, page := range []string{"/sync", "/users", "/import", "/history"} {
		assert.Contains(t, bob.get(page).text(), "admin paused it at", page)
	}
	w.set("anna", "sn", "One")
	c.tick()
	assert.Equal(t, "Person", w.value(`SELECT last_name FROM users WHERE username = 'anna'`))

	again, err := newApp(w.app.config)
	require.NoError(t, err)
	require.NoError(t, again.tick(t.Context(), c.now))
	assert.Equal(t, "Person", w.value(`SELECT last_name FROM users WHERE username = 'anna'`), "also after a restart")

	path, digest := bob.plan("anna")
	assert.Contains(t, bob.get(path).text(), "Automatic synchronization is paused. admin paused it at", "a run by hand says so")
	assert.Contains(t, bob.apply(path, digest).text(), "1 user(s) details are modified.", "and is possible")

	assert.NotContains(t, bob.follow(bob.post("/schedule", "do", "resume")).text(), "paused")
	w.set("anna", "sn", "Two")
	c.tick()
	assert.Equal(t, "Two", w.value(`SELECT last_name FROM users WHERE username = 'anna'`))
}

func TestSchedule_IsOffByDefault(t *testing.T) {
	w := newWorld(t)
	assert.NotContains(t, w.admin.get("/sync").body, "schedule")
	for _, page := range []string{"/users", "/history"} {
		assert.NotContains(t, w.admin.get(page).body, "schedule")
	}
}

// A refused password is not tried again and again, which would lock the account.
func TestSchedule_PausesItselfWhenTheAccountIsRefused(t *testing.T) {
	w, c := newScheduledWorld(t)
	w.people("anna")
	w.app.directory = w.wrongly("password")
	c.tick()
	page := w.admin.get("/sync").text()
	assert.Regexp(t, `It paused itself at \d\d:\d\d, so that the service account does not get locked\.`, page)
	assert.Contains(t, page, "Active Directory refused the service account's name or password.")
	w.controller.ForgetRequests()
	c.tick()
	assert.Empty(t, w.controller.Requests())
	w.app.directory = w.wrongly("nothing")
	w.admin.post("/schedule", "do", "resume")
	c.tick()
	assert.Contains(t, w.admin.get("/sync").text(), "nothing was to be changed")
}

// A password that cannot be had is no refusal: the next run asks for it again.
func TestSchedule_GoesOnWhenThePasswordIsThereAgain(t *testing.T) {
	w, c := newScheduledWorld(t)
	w.people("anna")
	w.set("anna", "sn", "One")
	w.app.directory = w.wrongly("secret")
	c.tick()
	page := w.admin.get("/sync").text()
	assert.NotContains(t, page, "It paused itself")
	assert.NotContains(t, page, "refused the service account's name or password")
	w.app.directory = w.wrongly("nothing")
	c.tick()
	assert.Equal(t, "One", w.value(`SELECT last_name FROM users WHERE username = 'anna'`))
}

// The loop runs what is due at each tick, and ends with the application.
func TestSchedule_TicksUntilTheEnd(t *testing.T) {
	w, c := newScheduledWorld(t)
	w.people("anna")
	w.set("anna", "sn", "One")
	ticks := make(chan time.Time)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.app.keepSchedule(ctx, ticks)
	}()
	ticks <- c.now
	ticks <- c.now // which is taken when the first is done with
	assert.Equal(t, "One", w.value(`SELECT last_name FROM users WHERE username = 'anna'`))
	stop()
	<-ended
}

func TestSchedule_TellsOfTroubleOnce(t *testing.T) {
	var told []string
	hook := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var n struct{ Source, State, Text string }
		assert.NoError(t, json.NewDecoder(r.Body).Decode(&n))
		assert.Equal(t, demoDomain, n.Source)
		told = append(told, n.State+": "+n.Text)
	}))
	t.Cleanup(hook.Close)
	var store *changedStore
	w, c := newScheduledWorld(t, func(c *config) {
		c.webhook, store = hook.URL+"/services/s3cr3t", newChangedStore(c)
	})
	wants := func(texts ...string) {
		t.Helper()
		assert.Equal(t, texts, told)
		told = nil
	}
	w.people("annabel", "ben", "carl", "dora")
	c.tick()
	wants()
	w.controller.Stop()
	c.tick()
	wants("failed: The scheduled synchronization was not possible. No domain controller could be reached. Look at the domain controller and the network, then try again.")
	c.tick()
	wants()
	w.controller.Restart()
	c.tick()
	wants("done: The scheduled synchronization works again.")
	c.tick()
	wants()

	store.then = func(_ []adsync.Change, written []adsync.Written) { written[0].Err = assert.AnError }
	w.set("annabel", "sn", "One")
	w.set("ben", "sn", "Two")
	c.tick()
	require.Len(t, told, 1)
	assert.Contains(t, told[0], "partly: The scheduled synchronization was only partly done.")
	told, store.then = nil, func([]adsync.Change, []adsync.Written) {}
	require.NoError(t, w.controller.Delete(w.guids["annabel"]))
	require.NoError(t, w.controller.Delete(w.guids["carl"]))
	c.tick()
	wants("refused: The scheduled synchronization would change more than the limits allow. Its plan waits for an approval.")
	c.tick()
	wants()
	for _, secret := range []string{"s3cr3t", "annabel"} {
		assert.NotContains(t, w.log.String(), secret)
	}
}

// Whoever could not be told is told after the next run.
func TestSchedule_TellsLater(t *testing.T) {
	var told []string
	status := http.StatusInternalServerError
	hook := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.WriteHeader(status)
		told = append(told, r.Method)
	}))
	t.Cleanup(hook.Close)
	w, c := newScheduledWorld(t, func(c *config) { c.webhook = hook.URL + "/s3cr3t" })
	w.people("anna")
	w.controller.Stop()
	c.tick()
	assert.Contains(t, w.log.String(), "the webhook answered 500")
	status = http.StatusNoContent
	c.tick()
	c.tick()
	assert.Equal(t, []string{"POST", "POST"}, told)
}

func TestWebhook_HasADeadline(t *testing.T) {
	release := make(chan struct{})
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(hook.Close)
	t.Cleanup(func() { close(release) })
	w, _ := newScheduledWorld(t, func(c *config) { c.postTimeout = 10 * time.Millisecond })
	for _, wrong := range []string{hook.URL + "/s3cr3t", "http://127.0.0.1:1/s3cr3t", "ht tp://s3cr3t", "nothing://s3cr3t/s3cr3t", hook.URL + "/%zzs3cr3t"} {
		w.app.webhook = wrong
		last := lastRun{State: stateFailed}
		w.app.tell(t.Context(), &last)
		assert.Empty(t, last.Told, wrong)
	}
	assert.Equal(t, 5, strings.Count(w.log.String(), "nobody could be told"))
	assert.NotContains(t, w.log.String(), "s3cr3t")
}

func TestSchedule_InABrowser(t *testing.T) {
	b := openBrowser(t)
	w, c := newScheduledWorld(t)
	w.people("anna", "ben", "carl", "dora")
	server := httptest.NewServer(w.handler)
	t.Cleanup(server.Close)
	b.signIn(server.URL, "admin", adminsPassword)
	b.do(click(`a.button[href="/sync"]`), visible(".schedule"))
	b.accessible("schedule-new")
	c.tick()
	w.set("anna", "sn", "One")
	c.tick()
	b.do(click(`nav a[href="/sync"]`), visible(".schedule .sub"))
	b.accessible("schedule")
	b.do(click(`.schedule a`), visible("dialog"))
	assert.Contains(t, b.text("dialog"), "1 user(s) details are modified.")
	b.accessible("schedule-run")
	b.do(click("dialog button"))
	require.NoError(t, w.controller.Delete(w.guids["anna"]))
	require.NoError(t, w.controller.Delete(w.guids["ben"]))
	c.tick()
	b.do(click(`nav a[href="/sync"]`), visible(".schedule.warn"))
	b.accessible("schedule-held")
	b.do(click(`.schedule a`), visible("#limit"))
	b.accessible("schedule-plan")
	b.do(click(`nav a[href="/sync"]`), visible(".schedule"))
	b.tabTo(`button[value="pause"]`)
	b.do(chromedp.KeyEvent("\r"), visible(`button[value="resume"]`))
	b.accessible("schedule-paused")
	b.do(click(`nav a[href="/history"]`), visible(".runs"))
	assert.Contains(t, b.text("main"), "admin paused it at")
	b.accessible("schedule-paused-elsewhere")
	b.do(click(`nav a[href="/sync"]`), visible(`button[value="resume"]`))
	b.tabTo(`button[value="resume"]`)
	b.do(chromedp.KeyEvent("\r"), visible(`button[value="pause"]`))
	w.controller.Stop()
	c.tick()
	b.do(click(`nav a[href="/sync"]`), visible(".schedule.warn"))
	assert.Contains(t, b.text(".schedule"), "No domain controller could be reached.")
	b.accessible("schedule-failed")
}
