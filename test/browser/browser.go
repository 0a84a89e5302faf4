// Package browser looks at pages in a real Chromium, for tests: every page it
// opens is watched, and what a person would call broken (an error in the
// console, a report of the content security policy, a request to another host, a
// dialog) fails the test.
package browser

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// Options say how a page is shown. The zero value is the screen of a desktop, in
// light colours.
type Options struct {
	// Hosts (host:port) are those that the pages may send requests to; any other
	// request fails the test.
	Hosts []string
	// Phone is a telephone of 360 by 740 pixels with a touch screen.
	Phone bool
	// Narrow is a telephone of 320 pixels, the least that WCAG 2.2 wants pages to
	// be readable on (1.4.10).
	Narrow bool
	// Dark and LessMotion are preferences that a person has set.
	Dark, LessMotion bool
	// NoScript turns scripts off.
	NoScript bool
}

// Sizes of the two screens, in CSS pixels.
const (
	DeskWidth   = 1280
	DeskHeight  = 900
	PhoneWidth  = 360
	PhoneHeight = 740
	NarrowWidth = 320
)

// stepTimeout is for one step; the machine may be busy with other tests.
const stepTimeout = 30 * time.Second

// shared is the one browser of the test binary, which all pages are opened in.
var shared struct {
	sync.Mutex
	ctx   context.Context
	close func()
}

// start starts the browser once.
func start(t testing.TB) context.Context {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.ctx != nil {
		return shared.ctx
	}
	// The browser ends with this process, which holds a pipe to it.
	allocated, cancel := chromedp.NewExecAllocator(context.Background(), flags(setting(t, "REFERRAL_TEST_CHROMIUM"))...)
	ctx, end := chromedp.NewContext(allocated)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	shared.ctx, shared.close = ctx, func() { end(); cancel() }
	return ctx
}

func flags(program string) []chromedp.ExecAllocatorOption {
	return append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program),
		// No sandbox: root gets none, nor does anybody in most containers, and only
		// pages of this program are opened.
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.Flag("disable-crash-reporter", true),
		// What would differ from one machine or week to another under the same version.
		chromedp.Flag("disable-field-trial-config", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("force-device-scale-factor", "1"),
		chromedp.Flag("font-render-hinting", "none"),
		chromedp.Flag("lang", "ru"),
		chromedp.WSURLReadTimeout(time.Minute),
	)
}

// Run runs the tests of a package and ends the browser that they shared:
//
//	func TestMain(m *testing.M) { os.Exit(browser.Run(m)) }
func Run(m *testing.M) int {
	status := m.Run()
	shared.Lock()
	defer shared.Unlock()
	if shared.close != nil {
		shared.close()
		shared.ctx, shared.close = nil, nil
	}
	return status
}

// setting is what testenv put into the environment.
func setting(t testing.TB, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set: run the tests with test/testenv (make test does)", name)
	}
	return value
}

// Page is a tab that shares nothing, no cookie and no cache, with any other.
type Page struct {
	t        testing.TB
	ctx      context.Context
	monitor  *monitor
	noScript bool
	phone    bool
}

// Open opens an empty page. When the test ends, the page is closed, and its problems
// fail the test.
func Open(t testing.TB, o Options) *Page {
	t.Helper()
	w := newMonitor(o.Hosts)
	ctx, cancel := chromedp.NewContext(start(t), chromedp.WithNewBrowserContext(), chromedp.WithListener(w.handle))
	p := &Page{t: t, ctx: ctx, monitor: w, noScript: o.NoScript, phone: o.Phone || o.Narrow}
	w.dismiss = p.dismiss
	if err := chromedp.Do(ctx); err != nil {
		cancel()
		t.Fatalf("open a page: %v", err)
	}
	t.Cleanup(func() {
		cancel()
		for _, problem := range w.takeProblems() {
			t.Errorf("the browser: %s", problem)
		}
	})
	p.prepare(o)
	return p
}

func (p *Page) prepare(o Options) {
	p.t.Helper()
	p.do("prepare a page",
		call(cdplog.Enable, cdp.Empty{}),
		call(audits.Enable, cdp.Empty{}),
		call(network.Enable, network.EnableParams{}),
		size(o),
		call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: either(o.Dark, "dark", "light")},
			{Name: "prefers-reduced-motion", Value: either(o.LessMotion, "reduce", "no-preference")},
		}}),
		scripts(!o.NoScript),
		call(emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}),
	)
}

func size(o Options) chromedp.Action[chromedp.Void] {
	width := int64(PhoneWidth)
	switch {
	case o.Narrow:
		width = NarrowWidth
	case !o.Phone:
		return chromedp.EmulateViewport(DeskWidth, DeskHeight)
	}
	return chromedp.EmulateViewport(width, PhoneHeight, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulatePortrait)
}

func scripts(on bool) chromedp.Action[chromedp.Void] {
	return call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
}

func either(which bool, yes, no string) string {
	if which {
		return yes
	}
	return no
}

// call makes a step of a command whose answer is not needed.
func call[P, R any](command cdp.Command[P, R], parameters P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, parameters)
		return err
	})
}

// do takes steps, or ends the test.
func (p *Page) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, stepTimeout)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.fail(what, err)
	}
}

// eval runs an expression in the page. It does so with scripts turned off, too:
// that holds for the page's own.
func eval[T any](p *Page, what, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, stepTimeout)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.fail(what, err)
	}
	return value
}

// fail ends the test, with what the page shows.
func (p *Page) fail(what string, err error) {
	p.t.Helper()
	const enough = 1500
	ctx, cancel := context.WithTimeout(p.ctx, stepTimeout)
	defer cancel()
	shown, problem := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\nto " + navigator.userAgent + "\n" + (document.body ? document.body.innerText : "")`))
	if problem != nil {
		shown = fmt.Sprintf("(nothing: %v)", problem)
	}
	if runes := []rune(strings.TrimSpace(shown)); len(runes) > enough {
		shown = string(runes[:enough]) + "…"
	}
	p.t.Fatalf("%s: %v\nthe page shows: %s", what, err, shown)
}
