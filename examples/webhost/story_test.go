package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStory_InABrowser(t *testing.T) {
	b := openBrowser(t)
	site, password, g := openDemoSite(t)

	b.do(chromedp.Navigate(site), visible("#username"))
	b.accessible("sign-in")
	b.signIn(site, "administrator", password)
	b.accessible("users")
	b.do(click(`a.button[href="/sync"]`), visible("[data-chosen]"))
	assert.Contains(t, b.text("h1"), "Active Directory Synchronization - Users 30")
	assert.Contains(t, b.text("main"), "Username already exists")
	b.accessible("sync")

	b.do(click(".more"), visible("#duplicate"))
	assert.Contains(t, b.text("#duplicate"), "Who has it keeps it")
	b.accessible("duplicate")
	b.do(click("#duplicate .options a"), visible("#change"))
	assert.Contains(t, b.text("main"), "ada.quist@audit.example", "the way to the rival")
	b.accessible("user")

	b.do(click(`nav a[href="/sync"]`), visible("[data-all]"), click("[data-all]"))
	b.textBecomes("[data-chosen]", "26") // all but the duplicates
	if *screenshot != "" {
		b.picture(*screenshot, chromedp.CaptureScreenshot())
	}
	b.do(click(`button[value="plan"]`), visible(".changes"))
	if *screenshot != "" {
		b.picture(strings.TrimSuffix(*screenshot, ".png")+"-plan.png", chromedp.CaptureScreenshot())
	}
	assert.Contains(t, b.text("main"), "Schröder")
	assert.Equal(t, "Apply: 2 deletions, 7 updates", b.text(`button[value="apply"]`))
	b.accessible("preview")

	b.do(click(`button[value="apply"]`), visible("progress"))
	assert.Contains(t, b.text("#far"), "0 of 9 users are written.")
	assert.False(t, in(b, "bar", chromedp.Evaluate[bool](`document.querySelector("progress").hasAttribute("value")`)), "the bar moves before the first result")
	b.accessible("progress")
	close(g.open)
	b.do(visible("dialog")) // the page follows the run by itself
	assert.Equal(t, []string{
		"Synchronizing users with Active Directory has been successful.",
		"7 user(s) details are modified.", "2 user(s) are deleted.", "1 user(s) were given a role.", "1 user(s) lost a role.", "OK",
	}, strings.FieldsFunc(b.text("dialog"), func(r rune) bool { return r == '\n' }))
	b.accessible("message-box")
	b.do(chromedp.KeyEvent("\r"), chromedp.WaitNotVisible(chromedp.CSS("dialog"))) // the button has the focus
	b.accessible("done")

	b.do(click(`nav a[href="/import"]`), visible("[data-all]"))
	b.accessible("import")
	b.do(click(`input[aria-label="Select Hanne Hansen"]`))
	b.textBecomes("[data-chosen]", "1")
	b.do(click(`button[value="plan"]`), visible(".changes"))
	b.do(click(`nav a[href="/history"]`), visible(".runs"))
	b.accessible("history")
	b.do(click(`tbody a[href^="/runs/"]`), click(`button[value="apply"]`), visible("dialog"))
	assert.Contains(t, b.text("dialog"), "Importing users from Active Directory has been successful.\n\n1 user(s) are imported.")
}

func TestApproval_InABrowser(t *testing.T) {
	b := openBrowser(t)
	w := newWorld(t)
	w.people("anna", "ben", "carl", "dora")
	require.NoError(t, w.controller.Delete(w.guids["anna"]))
	require.NoError(t, w.controller.Delete(w.guids["ben"]))
	server := httptest.NewServer(w.handler)
	t.Cleanup(server.Close)
	b.signIn(server.URL, "admin", adminsPassword)
	b.do(click(`a.button[href="/sync"]`), click(`button[value="all"]`))
	b.textBecomes("[data-chosen]", "4")
	b.do(click(`button[value="plan"]`), visible("#limit"))
	b.accessible("approval")
	b.do(click("button.danger")) // the browser asks for the number
	assert.Contains(t, b.text(".names"), "Person, Anna (anna)")
	b.do(chromedp.SendKeys(chromedp.CSS(".find input"), "BEN"))
	b.textBecomes(".find [role=status]", "1 of 2")
	assert.Equal(t, "Person, Ben (ben)", b.text(".names"))
	b.do(chromedp.SendKeys(chromedp.CSS("#typed"), "2"), click("button.danger"), visible("dialog"))
	assert.Contains(t, b.text("dialog"), "2 user(s) are deleted.")
}

func TestStory_WithoutScripts(t *testing.T) {
	b := openBrowser(t)
	site, password, g := openDemoSite(t)
	b.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
	b.signIn(site, "administrator", password)
	b.do(click(`a.button[href="/sync"]`), click(`button[value="all"]`))
	b.textBecomes("[data-chosen]", "26")
	b.do(click(`button[value="plan"]`), visible(".changes"), click(`button[value="apply"]`), visible("progress"))
	close(g.open)
	b.do(visible("dialog")) // the page is loaded again every two seconds
	assert.Contains(t, b.text("dialog"), "7 user(s) details are modified.")
	b.do(click("dialog button"), chromedp.WaitNotVisible(chromedp.CSS("dialog")))
}

// tabTo presses the tabulator until the element has the focus.
func (b *browser) tabTo(selector string) {
	b.t.Helper()
	for range 200 {
		if in(b, "focus", chromedp.Evaluate[bool](fmt.Sprintf(`document.activeElement.matches(%q)`, selector))) {
			return
		}
		b.do(chromedp.KeyEvent("\t"))
	}
	require.Fail(b.t, "the keyboard does not get there", selector)
}

// The main job, without a mouse.
func TestStory_ByKeyboard(t *testing.T) {
	b := openBrowser(t)
	site, password, g := openDemoSite(t)
	close(g.open)
	b.signIn(site, "administrator", password)
	b.tabTo(".skip")
	b.do(chromedp.KeyEvent("\r"))
	b.tabTo(`a.button[href="/sync"]`)
	b.do(chromedp.KeyEvent("\r"), visible("[data-all]"))
	b.tabTo("#q")
	b.do(chromedp.KeyEvent("zm\r"), visible(`[value="show"]`))
	assert.Equal(t, 1, in(b, "rows", chromedp.Evaluate[int](`document.querySelectorAll("tbody tr").length`)), "Enter searches")
	b.tabTo(`tbody input[name="id"]`)
	b.do(chromedp.KeyEvent(" "))
	b.textBecomes("[data-chosen]", "1")
	b.tabTo(".scroll") // a region that scrolls can be focused
	in(b, "focus", chromedp.Evaluate[int](`document.querySelector("#main").focus(); 0`))
	b.tabTo(`[value="plan"]`)
	b.do(chromedp.KeyEvent("\r"), visible(".changes"))
	b.tabTo(`[value="apply"]`)
	b.do(chromedp.KeyEvent("\r"), visible("dialog"))
	assert.True(t, in(b, "focus", chromedp.Evaluate[bool](`document.activeElement.matches("dialog button")`)), "the message has the focus")
	b.do(chromedp.KeyEvent("\u001b"), chromedp.WaitNotVisible(chromedp.CSS("dialog"))) // Escape closes it

	b.do(click(`nav a[href="/sync"]`), visible("[data-chosen]"), click(`[value="plan"]`), visible(".alert"))
	assert.True(t, in(b, "focus", chromedp.Evaluate[bool](`document.activeElement.matches(".alert")`)), "an alert has the focus, too")
}

// What is chosen is kept as it is clicked, and there after going back.
func TestSelection_InABrowser(t *testing.T) {
	b := openBrowser(t)
	w := newWorld(t)
	w.many(120)
	server := httptest.NewServer(w.handler)
	t.Cleanup(server.Close)
	b.signIn(server.URL, "admin", adminsPassword)
	b.do(click(`a.button[href="/sync"]`), visible("[data-all]"), click("[data-all]"))
	b.textBecomes("[data-chosen]", "50")
	b.do(click(`tbody tr:first-child input`))
	b.textBecomes("[data-chosen]", "49")
	assert.True(t, in(b, "some", chromedp.Evaluate[bool](`document.querySelector("[data-all]").indeterminate`)))
	b.do(click(`nav a[href="/users"]`), visible(".title"), chromedp.NavigateBack(), visible("[data-all]"))
	b.textBecomes("[data-chosen]", "49")
	assert.Equal(t, 49, in(b, "boxes", chromedp.Evaluate[int](`document.querySelectorAll("[name=id]:checked").length`)))
	b.do(click(`[value="page:2"]`), visible(`[value="page:1"]`))
	b.textBecomes("[data-chosen]", "49")
	b.do(click(`[value="none"]`))
	b.textBecomes("[data-chosen]", "0")
}

// Ten thousand users, some of whom want to break the page.
func TestUsers_ManyAndHostileInABrowser(t *testing.T) {
	b := openBrowser(t)
	w := newWorld(t)
	w.many(10_000)
	server := httptest.NewServer(w.handler)
	t.Cleanup(server.Close)
	b.signIn(server.URL, "admin", adminsPassword)
	b.do(click(`a.button[href="/sync"]`), visible("[data-all]"))
	assert.Contains(t, b.text("h1"), "Users 10000")
	widths := `JSON.stringify([...document.querySelectorAll("thead tr:first-child > *")].map(e => Math.round(e.getBoundingClientRect().width)))`
	plain := in(b, "widths", chromedp.Evaluate[string](widths))

	long := strings.Repeat("W", 3000)
	w.exec(`UPDATE users SET first_name = ?, last_name = ?, email = ? WHERE username = 'user09999'`, long, "\u202e"+long, long+"@corp.example")
	w.exec(`UPDATE users SET first_name = ? WHERE username = 'user09998'`, "Z"+strings.Repeat("\u0335\u0301", 500))
	for _, path := range []string{"/sync", "/users"} {
		b.do(chromedp.Navigate(server.URL+path), visible("tbody"), chromedp.SendKeys(chromedp.CSS("#q"), "user0999\r"), visible(`[value="show"]`))
		if path == "/sync" {
			assert.Equal(t, plain, in(b, "widths", chromedp.Evaluate[string](widths)), "no name pushes the columns away")
		}
		b.accessible("hostile" + strings.ReplaceAll(path, "/", "-"))
	}
	b.do(chromedp.Navigate(server.URL+"/users/"+w.id("user09999")), visible("dl"))
	b.accessible("hostile-user")
	b.do(chromedp.Navigate(server.URL+"/sync"), visible("[data-all]"), click(`[value="show"]`), chromedp.WaitNotPresent(chromedp.CSS(`[value="show"]`)), click(`[value="all"]`))
	b.textBecomes("[data-chosen]", "10000")
}

// On a phone, what sorts and filters is folded away, and each value has its label.
func TestPhone_InABrowser(t *testing.T) {
	b := openBrowser(t)
	site, password, _ := openDemoSite(t)
	b.signIn(site, "administrator", password)
	b.look("dark", "none", 360)
	b.do(click(`a.button[href="/sync"]`), visible("[data-all]"))
	shown := func(selector string) bool {
		return in(b, selector, chromedp.Evaluate[bool](fmt.Sprintf(`document.querySelector(%q).checkVisibility()`, selector)))
	}
	assert.False(t, shown(".filters input"))
	b.do(click("[data-fold]"))
	assert.True(t, shown(".filters input"))
	assert.True(t, shown(".sort"))
	label := in(b, "label", chromedp.Evaluate[string](`getComputedStyle(document.querySelector("tbody td:nth-of-type(2)"), "::before").content`))
	assert.Equal(t, `"Username"`, label)
	b.accessible("sync-unfolded")
}

// A page that follows a run says when it cannot.
func TestRun_LostConnectionInABrowser(t *testing.T) {
	b := openBrowser(t)
	var g *gate
	w := newWorld(t, func(c *config) { g = newGate(c) })
	close(g.open)
	w.people("anna")
	w.set("anna", "sn", "One")
	g.close()
	var lost atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if lost.Load() {
			panic(http.ErrAbortHandler)
		}
		w.handler.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	b.signIn(server.URL, "admin", adminsPassword)
	b.do(click(`a.button[href="/sync"]`), click(`[value="all"]`))
	b.textBecomes("[data-chosen]", "1")
	b.do(click(`[value="plan"]`), visible(".changes"), click(`[value="apply"]`), visible("progress"))
	lost.Store(true)
	b.do(visible("[data-lost]"))
	lost.Store(false)
	b.do(chromedp.WaitNotVisible(chromedp.CSS("[data-lost]")))
	close(g.open)
	b.do(visible("dialog"))
}
