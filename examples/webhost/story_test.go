package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/integration/reaper"
)

// go test ./webhost -run TestStory -args -screenshot ../../docs/images/webhost.png
var (
	screenshot = flag.String("screenshot", "", "`file` to write a picture of the page to")
	pictures   = flag.String("pictures", "", "`folder` to write pictures of all pages to")
)

// missing skips, but for CI, where everything must be there.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// browser is a page of a headless Chromium.
type browser struct {
	t   *testing.T
	ctx context.Context
	axe string // the source of axe-core, "" without npm
}

func openBrowser(t *testing.T) *browser {
	ctx, _ := launchChromium(t)
	return &browser{t: t, ctx: ctx, axe: axeSource(t)}
}

// launchChromium starts a browser that lives as long as the test and has its profile
// in dir.
func launchChromium(t *testing.T) (ctx context.Context, dir string) {
	var found string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil && found == "" {
			found = path
		}
	}
	if found == "" {
		missing(t, "there is no Chromium: install the package chromium to run the story in a browser")
	}
	dir, err := os.MkdirTemp("", "webhost-chromium-")
	require.NoError(t, err)
	standby, err := reaper.New(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, errors.Join(os.RemoveAll(dir), standby.Close())) })
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx,
		chromedp.ExecPath(found), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.UserDataDir(dir), chromedp.ModifyCmdFunc(reaper.InGroup), chromedp.WindowSize(1280, 900))
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate("about:blank"))) // the browser lives as long as the first context
	require.NoError(t, standby.Watch(chromedp.FromContext(ctx).Browser.Process().Pid))
	return ctx, dir
}

// axeSource fetches axe-core, which is not ours to keep.
func axeSource(t *testing.T) string {
	dir := t.TempDir()
	npm := exec.CommandContext(t.Context(), "npm", "install", "--prefix", dir, "--no-audit", "--no-fund", "--ignore-scripts", "axe-core@4.10.3")
	if out, err := npm.CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("axe-core could not be fetched: %v\n%s", err, out)
		}
		t.Log("axe-core could not be fetched by npm: accessibility is not checked")
		return ""
	}
	text, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	require.NoError(t, err)
	return string(text)
}

// patience is how long the browser may take for one thing.
const patience = 2 * time.Minute

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	for i, action := range actions {
		in(b, fmt.Sprintf("action %d", i), action)
	}
}

func in[T any](b *browser, what string, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	result, err := chromedp.Run(ctx, action)
	if err != nil {
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		defer cancel()
		page, _ := chromedp.Run(ctx, chromedp.OuterHTML(chromedp.CSS("main")))
		require.NoError(b.t, err, "%s; the page was:\n%s", what, page)
	}
	return result
}

func visible(selector string) chromedp.Action[chromedp.Void] {
	return chromedp.WaitVisible(chromedp.CSS(selector))
}

func click(selector string) chromedp.Action[chromedp.Void] {
	return chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible)
}

// text is what people read.
func (b *browser) text(selector string) string {
	b.t.Helper()
	return in(b, selector, chromedp.Text(chromedp.CSS(selector), chromedp.NodeVisible))
}

// textBecomes waits until people read just that.
func (b *browser) textBecomes(selector, want string) {
	b.t.Helper()
	read := fmt.Sprintf(`(document.querySelector(%q) || {}).innerText || ""`, selector)
	require.EventuallyWithT(b.t, func(c *assert.CollectT) {
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		defer cancel()
		text, err := chromedp.Run(ctx, chromedp.Evaluate[string](read)) // a page that is going away has none
		assert.NoError(c, err)
		assert.Equal(c, want, text)
	}, patience, 20*time.Millisecond)
}

// violations runs axe-core on the page.
const violations = `axe.run().then(r => r.violations.flatMap(v => v.nodes.map(n => v.id + ": " + n.html + " " + n.failureSummary)))`

// accessible checks the page as it is, on a desk in the light and on a phone in
// the dark.
func (b *browser) accessible(name string) {
	b.t.Helper()
	for _, look := range []struct {
		scheme string
		width  int64
	}{{"light", 1280}, {"dark", 360}} {
		b.look(look.scheme, look.width)
		if b.axe != "" {
			in(b, "axe", chromedp.Evaluate[int](b.axe+";0"))
			assert.Empty(b.t, in(b, "axe", chromedp.Evaluate[[]string](violations, chromedp.EvalAwaitPromise)),
				"%s, %s, %d pixels wide", name, look.scheme, look.width)
		}
		assert.False(b.t, in(b, "width", chromedp.Evaluate[bool](`document.documentElement.scrollWidth > document.documentElement.clientWidth`)),
			"%s is wider than %d pixels", name, look.width)
		if *pictures != "" {
			b.picture(filepath.Join(*pictures, fmt.Sprintf("%s-%s-%d.png", name, look.scheme, look.width)), chromedp.FullScreenshot(100))
		}
	}
	b.look("light", 1280)
}

func (b *browser) look(scheme string, width int64) {
	b.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}), chromedp.EmulateViewport(width, 900))
}

func (b *browser) picture(path string, take chromedp.Action[[]byte]) {
	b.t.Helper()
	png := in(b, "picture", take)
	require.NoError(b.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(b.t, os.WriteFile(path, png, 0o644))
}

// openDemoSite opens what go run shows, but for a store whose writes wait.
func openDemoSite(t *testing.T) (site, password string, g *gate) {
	var out bytes.Buffer
	s := settings{}
	closeWorld, err := s.openDemo(t.Context(), &out)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, closeWorld()) })
	g = newGate(&s.config)
	s.patience = time.Hour
	a, err := newApp(s.config)
	require.NoError(t, err)
	t.Cleanup(func() { a.close(context.WithoutCancel(t.Context())) })
	server := httptest.NewServer(a.handler())
	t.Cleanup(server.Close)
	password, _, _ = strings.Cut(strings.TrimPrefix(out.String(), "Sign in as administrator with the password "), "\n")
	return server.URL, password, g
}

// signIn signs in on the page that is shown.
func (b *browser) signIn(site, name, password string) {
	b.t.Helper()
	b.do(chromedp.Navigate(site), visible("#username"), chromedp.SendKeys(chromedp.CSS("#username"), name+"\t"+password+"\r"), visible(".title"))
}

func TestStoryInABrowser(t *testing.T) {
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
	assert.Contains(t, b.text("main"), "Schröder")
	assert.Equal(t, "Apply: 2 deletions, 7 updates", b.text(`button[value="apply"]`))
	b.accessible("preview")
	if *screenshot != "" {
		b.picture(strings.TrimSuffix(*screenshot, ".png")+"-plan.png", chromedp.CaptureScreenshot())
	}

	b.do(click(`button[value="apply"]`), visible("progress"))
	assert.Contains(t, b.text("#far"), "0 of 9 users are written.")
	assert.False(t, in(b, "bar", chromedp.Evaluate[bool](`document.querySelector("progress").hasAttribute("value")`)), "the bar moves before the first result")
	b.accessible("progress")
	close(g.open)
	b.do(visible("dialog")) // the page follows the run by itself
	assert.Equal(t, []string{
		"Synchronizing users with Active Directory has been successful.",
		"7 user(s) details are modified.", "2 user(s) are deleted.", "OK",
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

func TestApprovalInABrowser(t *testing.T) {
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

func TestStoryWithoutScripts(t *testing.T) {
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
