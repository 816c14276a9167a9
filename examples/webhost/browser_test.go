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
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto"
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
	for replaced(err) {
		result, err = chromedp.Run(ctx, action)
	}
	if err != nil {
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		defer cancel()
		page, _ := chromedp.Run(ctx, chromedp.OuterHTML(chromedp.CSS("main")))
		require.NoError(b.t, err, "%s; the page was:\n%s", what, page)
	}
	return result
}

// replaced tells whether a node was found in a page that gave way to the next one
// before anything was done with it: nothing was clicked then, and nothing read.
func replaced(err error) bool {
	var browser *cdproto.Error
	return errors.As(err, &browser) && slices.ContainsFunc([]string{
		"Could not find node with given id", "No node with given id", "Node is detached from document",
		"Node does not have a layout object", "Could not compute content quads", "Cannot find context with specified id",
	}, func(gone string) bool { return strings.HasPrefix(browser.Message, gone) })
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

// small lists what is hard to hit: less than 24 pixels, unless it is a link within a
// sentence, or a box whose label can be hit.
const small = `[...document.querySelectorAll("a, button, input, select, textarea")].filter(e => {
	const r = e.getBoundingClientRect();
	if (!r.width || !e.checkVisibility() || e.matches(".skip, p a, li a, .conflict a, span a")) return false;
	return r.width < 24 || r.height < 24;
}).map(e => e.outerHTML.slice(0, 120))`

// faint lists placeholders with too little contrast.
const faint = `[...document.querySelectorAll("[placeholder]")].filter(e => e.checkVisibility()).filter(e => {
	const light = c => { const [r, g, b] = c.match(/[\d.]+/g).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
	const style = getComputedStyle(e, "::placeholder");
	const [a, b] = [light(style.color), light(getComputedStyle(e).backgroundColor)].sort((a, b) => b - a);
	return style.opacity !== "1" || (a + .05) / (b + .05) < 4.5;
}).map(e => e.outerHTML.slice(0, 120))`

// looks are what a page is checked in: a desk in the light, a phone in the dark, and
// colours that the system forces.
var looks = []struct {
	name, scheme, forced string
	width                int64
}{{"light", "light", "none", 1280}, {"phone", "dark", "none", 360}, {"forced", "dark", "active", 1280}}

// accessible checks the page as it is, in each look.
func (b *browser) accessible(name string) {
	b.t.Helper()
	for _, look := range looks {
		b.look(look.scheme, look.forced, look.width)
		if b.axe != "" {
			in(b, "axe", chromedp.Evaluate[int](b.axe+";0"))
			assert.Empty(b.t, in(b, "axe", chromedp.Evaluate[[]string](violations, chromedp.EvalAwaitPromise)), "%s, %s", name, look.name)
		}
		assert.False(b.t, in(b, "width", chromedp.Evaluate[bool](`document.documentElement.scrollWidth > document.documentElement.clientWidth`)),
			"%s is wider than %d pixels", name, look.width)
		assert.False(b.t, in(b, "width", chromedp.Evaluate[bool](`[...document.querySelectorAll(".scroll")].some(e => e.scrollWidth > e.clientWidth)`)),
			"a table of %s is cut at %d pixels", name, look.width)
		assert.Empty(b.t, in(b, "targets", chromedp.Evaluate[[]string](small)), "%s, %s: too small to hit", name, look.name)
		if look.forced == "none" { // else the system sees to it
			assert.Empty(b.t, in(b, "placeholders", chromedp.Evaluate[[]string](faint)), "%s, %s: too faint", name, look.name)
		}
		if *pictures != "" {
			b.picture(filepath.Join(*pictures, fmt.Sprintf("%s-%s.png", name, look.name)), chromedp.FullScreenshot(100))
		}
	}
	b.look("light", "none", 1280)
}

func (b *browser) look(scheme, forced string, width int64) {
	b.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "forced-colors", Value: forced}},
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
