package main

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// colours measures on the page: contrast is that of WCAG 2, from 1 to 21; ground is what
// an element stands on, which may be its own background.
const colours = `
	const light = c => { const [r, g, b] = c.match(/[\d.]+/g).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
	const contrast = (c, d) => { const [a, b] = [light(c), light(d)].sort((a, b) => b - a); return (a + .05) / (b + .05); };
	const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (c !== "rgba(0, 0, 0, 0)" && c !== "transparent") return c; } return "rgb(255, 255, 255)"; };
`

// pointAt moves the mouse onto the first element that the selector finds, or away.
func (b *browser) pointAt(selector string) {
	b.t.Helper()
	x, y := 0.0, 0.0
	if selector != "" {
		at := in(b, selector, chromedp.Evaluate[[]float64](fmt.Sprintf(`(() => {
			const e = document.querySelector(%q);
			e.scrollIntoView({block: "center", behavior: "instant"});
			const r = e.getBoundingClientRect();
			return [r.x + r.width / 2, r.y + r.height / 2];
		})()`, selector)))
		x, y = at[0], at[1]
	}
	b.do(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, x, y))
}

// A box to tick stands out from what is around it, as does its tick, by the three to one
// that WCAG 2 asks of a control: in the light, in the dark, and under the mouse.
func TestBoxes_StandOutInABrowser(t *testing.T) {
	b := openBrowser(t)
	site, password, _ := openDemoSite(t)
	b.signIn(site, "administrator", password)
	b.do(click(`a.button[href="/sync"]`), visible("[data-all]"))
	const box = `tbody input[type="checkbox"]`
	measure := func(of string) float64 {
		return in(b, of, chromedp.Evaluate[float64](fmt.Sprintf(`(() => { %s
			const e = document.querySelector(%q), style = getComputedStyle(e), tick = getComputedStyle(e, "::before");
			return %s;
		})()`, colours, box, of)))
	}
	for _, scheme := range []string{"light", "dark"} {
		b.look(scheme, "none", 1280)
		for _, mouse := range []string{"", box} {
			b.pointAt(mouse)
			require.Equal(t, mouse != "", in(b, "mouse", chromedp.Evaluate[bool](fmt.Sprintf(`document.querySelector(%q).matches(":hover")`, box))))
			at := fmt.Sprintf("%s, with the mouse at %q", scheme, mouse)
			assert.GreaterOrEqual(t, measure(`contrast(style.borderTopColor, style.backgroundColor)`), 3.0, "%s: the edge and what is within", at)
			assert.GreaterOrEqual(t, measure(`contrast(style.borderTopColor, ground(e.parentElement))`), 3.0, "%s: the edge and what is around", at)
			b.do(click(box))
			b.pointAt(mouse)
			require.Equal(t, 1.0, measure(`e.checked ? 1 : 0`))
			assert.GreaterOrEqual(t, measure(`contrast(style.backgroundColor, ground(e.parentElement))`), 3.0, "%s: a ticked box", at)
			assert.GreaterOrEqual(t, measure(`contrast(tick.backgroundColor, style.backgroundColor)`), 3.0, "%s: the tick", at)
			b.do(click(box))
		}
	}
}

// Whatever can be hit shows it under the mouse, and can still be read then.
func TestHover_ShowsInABrowser(t *testing.T) {
	b := openBrowser(t)
	site, password, _ := openDemoSite(t)
	b.signIn(site, "administrator", password)
	b.do(click(`a.button[href="/sync"]`), visible("[data-all]"))
	in(b, "buttons", chromedp.Evaluate[int](`(() => { // each kind of them, wherever it is used
		for (const kind of ["first", "second", "plain", "danger"]) {
			const e = document.createElement("button");
			e.type = "button"; e.className = kind; e.id = "kind-" + kind; e.textContent = kind;
			document.querySelector("main").prepend(e);
		}
		return 0;
	})()`))
	for _, scheme := range []string{"light", "dark"} {
		b.look(scheme, "none", 1280)
		for _, selector := range []string{
			"#kind-first", "#kind-second", "#kind-plain", "#kind-danger", "header nav a:not([aria-current])", ".chips > :not([aria-pressed=true])",
			".chips > [aria-pressed=true]", "th button.sort", "#q", `tbody input[type="checkbox"]`, "tbody tr td:nth-of-type(2)",
		} {
			look := func() string {
				return in(b, selector, chromedp.Evaluate[string](fmt.Sprintf(`(() => {
					const s = getComputedStyle(document.querySelector(%q));
					return [s.color, s.backgroundColor, s.borderTopColor, s.borderBottomColor, s.textDecorationLine].join();
				})()`, selector)))
			}
			b.pointAt("")
			before := look()
			b.pointAt(selector)
			assert.NotEqual(t, before, look(), "%s: nothing shows that the mouse is at %s", scheme, selector)
			readable := in(b, selector, chromedp.Evaluate[float64](fmt.Sprintf(`(() => { %s
				const e = document.querySelector(%q);
				return contrast(getComputedStyle(e).color, ground(e));
			})()`, colours, selector)))
			assert.GreaterOrEqual(t, readable, 4.5, "%s: the text of %s under the mouse", scheme, selector)
		}
	}
}
