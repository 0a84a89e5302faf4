package browser

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// finder is an expression whose value finds things on a page by what a person would
// call them.
//
//go:embed finder.js
var finder string

// Keys for Press.
const (
	Tab       = kb.Tab
	Enter     = kb.Enter
	Escape    = kb.Escape
	Space     = " "
	ArrowDown = kb.ArrowDown
)

// Answer is what a whole page came with.
type Answer struct {
	Status int
	URL    string
}

// Goto opens an address as if it were typed, and waits until the page is there.
func (p *Page) Goto(url string) Answer {
	p.t.Helper()
	return p.Follow(func() { p.do("go to "+url, chromedp.Navigate(url)) })
}

// Follow does what leads to another page, and waits until that is there.
func (p *Page) Follow(step func()) Answer {
	p.t.Helper()
	before, _ := p.monitor.pages()
	step()
	var answer Answer
	p.retry("wait for another page", func(context.Context) (bool, error) {
		n, last := p.monitor.pages()
		answer = last
		return n > before, nil
	})
	return answer
}

// dismiss closes a dialog that a page opened.
func (p *Page) dismiss() {
	ctx, cancel := context.WithTimeout(p.ctx, stepTimeout)
	defer cancel()
	_, _ = chromedp.Call(ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{}) // it may be gone
}

// Click presses what carries the text: a link, a button, a tab, a label, a
// summary; with a finger on a phone, else with the mouse. What has exactly that
// text goes before what contains it.
func (p *Page) Click(text string) {
	p.t.Helper()
	what := fmt.Sprintf("click %q", text)
	at := p.find(what, text)
	if p.phone {
		p.do(what, touch(input.DispatchTouchEventTypeTouchStart, at), touch(input.DispatchTouchEventTypeTouchEnd))
		return
	}
	p.do(what, chromedp.MouseClickXY(at.X, at.Y))
}

func touch(kind input.DispatchTouchEventType, at ...point) chromedp.Action[chromedp.Void] {
	points := []*input.TouchPoint{}
	for _, a := range at {
		points = append(points, &input.TouchPoint{X: a.X, Y: a.Y})
	}
	return call(input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: kind, TouchPoints: points})
}

// Fill puts the text into the field that the label names, in place of what is
// there. The field itself is focused: where a press leads the focus, and when, is
// the browser's affair.
func (p *Page) Fill(label, text string) {
	p.t.Helper()
	what := fmt.Sprintf("fill %q", label)
	p.until(what, fmt.Sprintf("%s.enter(%s)", finder, quoted(label)))
	p.enter(what, text)
}

// Refill puts the text into the field that has the focus, in place of what is
// there.
func (p *Page) Refill(text string) {
	p.t.Helper()
	p.until("select what is in the field", finder+".select()")
	p.enter("fill the field", text)
}

// enter replaces what is selected.
func (p *Page) enter(what, text string) {
	p.t.Helper()
	if text == "" {
		p.Press(kb.Backspace)
		return
	}
	p.do(what, call(input.InsertText, input.InsertTextParams{Text: text}))
}

// Type enters the text where the focus is, key by key.
func (p *Page) Type(text string) {
	p.t.Helper()
	p.Press(text)
}

// Press presses keys, one after the other.
func (p *Page) Press(keys ...string) {
	p.t.Helper()
	for _, key := range strings.Join(keys, "") {
		for _, event := range kb.Encode(key) {
			if event.Type == kb.KeyDown {
				// As a keyboard does it: who uses the key down keeps the character from
				// whatever has the focus after it.
				event.Type = input.DispatchKeyEventTypeRawKeyDown
			}
			p.do("press a key", call(input.DispatchKeyEvent, *event))
		}
	}
}

// TabTo presses the tabulator until the focus is on what carries the text, as
// somebody without a mouse would.
func (p *Page) TabTo(text string) {
	p.t.Helper()
	const enough = 120
	var seen []string
	for range enough {
		p.Press(Tab)
		if on := p.Focused(); strings.Contains(on, text) {
			return
		} else {
			seen = append(seen, on)
		}
	}
	p.fail(fmt.Sprintf("reach %q with the tabulator", text), fmt.Errorf("the focus went over %q", seen))
}

// focused is an expression for the name of what has the focus; the finder goes in.
const focused = `(e => e && e !== document.body ? %s.name(e) : '')(document.activeElement)`

// Focused is the name of what has the focus; empty when nothing has it.
func (p *Page) Focused() string {
	p.t.Helper()
	return eval[string](p, "look for the focus", fmt.Sprintf(focused, finder))
}

// WaitFocus waits until the focus is on what carries the text.
func (p *Page) WaitFocus(text string) {
	p.t.Helper()
	p.until(fmt.Sprintf("wait for the focus on %q", text), fmt.Sprintf(focused, finder)+fmt.Sprintf(".includes(%s)", quoted(text)))
}

// Text is all that the page shows.
func (p *Page) Text() string {
	p.t.Helper()
	return eval[string](p, "read the page", `document.body.innerText`)
}

// WaitText waits until the page shows the text. Blanks of all kinds are alike.
func (p *Page) WaitText(text string) {
	p.t.Helper()
	p.until(fmt.Sprintf("wait for %q", text), fmt.Sprintf("%s.plain(document.body.innerText).includes(%s.plain(%s))", finder, finder, quoted(text)))
}

// Shows says whether the page shows the text now.
func (p *Page) Shows(text string) bool {
	p.t.Helper()
	return strings.Contains(plain(p.Text()), plain(text))
}

// Eval runs an expression in the page and decodes its value.
func Eval[T any](p *Page, expression string) T {
	p.t.Helper()
	return eval[T](p, "evaluate "+expression, expression)
}

// ExcessWidth is by how many pixels the page is wider than the screen.
func (p *Page) ExcessWidth() int {
	p.t.Helper()
	return eval[int](p, "measure the page", `document.documentElement.scrollWidth - document.documentElement.clientWidth`)
}

// CutOff is what of the page is cut off: what lies beyond the edges of the screen, and
// what does not fit into its own box, which hides it or has to be scrolled
// sideways. Fields may hold more than they show.
func (p *Page) CutOff() []string {
	p.t.Helper()
	return eval[[]string](p, "look for what is cut off", finder+".cut()")
}

// RequestedURLs is every address that the page has asked for, in order.
func (p *Page) RequestedURLs() []string {
	p.monitor.mu.Lock()
	defer p.monitor.mu.Unlock()
	return slices.Clone(p.monitor.asked)
}

// Cookies is what the page's site has set, by name.
func (p *Page) Cookies() map[string]string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, stepTimeout)
	defer cancel()
	found, err := chromedp.Call(ctx, network.GetCookies, network.GetCookiesParams{})
	if err != nil {
		p.fail("read the cookies", err)
	}
	cookies := map[string]string{}
	for _, c := range found.Cookies {
		cookies[c.Name] = c.Value
	}
	return cookies
}

// WaitProblem waits for a problem that contains the text, which a test wanted. It
// and those that came with it do not fail the test then.
func (p *Page) WaitProblem(text string) {
	p.t.Helper()
	var seen []string
	p.retry(fmt.Sprintf("wait for the problem %q", text), func(context.Context) (bool, error) {
		seen = append(seen, p.monitor.takeProblems()...)
		for _, problem := range seen {
			if strings.Contains(problem, text) {
				return true, nil
			}
		}
		return false, fmt.Errorf("what went wrong is %q", seen)
	})
}

type point struct{ X, Y float64 }

// find waits for something that can be clicked and does not move any more, and returns
// where it is: a page may be laid out again after it has been loaded.
func (p *Page) find(what, text string) point {
	p.t.Helper()
	expression := fmt.Sprintf("%s.thing(%s)", finder, quoted(text))
	var found *point
	p.retry(what, func(ctx context.Context) (bool, error) {
		before := found
		at, err := chromedp.Run(ctx, chromedp.Evaluate[*point](expression))
		found = at
		return at != nil && before != nil && *at == *before, err
	})
	return *found
}

func (p *Page) until(what, condition string) {
	p.t.Helper()
	p.retry(what, func(ctx context.Context) (bool, error) {
		return chromedp.Run(ctx, chromedp.Evaluate[bool](condition))
	})
}

// retry asks until the answer is yes. An error may come from a page that is just being
// replaced, so only the last one counts.
func (p *Page) retry(what string, ask func(context.Context) (bool, error)) {
	p.t.Helper()
	const pause = 30 * time.Millisecond
	ctx, cancel := context.WithTimeout(p.ctx, stepTimeout)
	defer cancel()
	problem := errors.New("there is no such thing, or something covers it")
	for ctx.Err() == nil {
		done, err := ask(ctx)
		if done && err == nil {
			return
		}
		if err != nil && ctx.Err() == nil {
			problem = err
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	p.fail(what, problem)
}

func quoted(text string) string {
	out, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string is always a JSON value
	}
	return string(out)
}

// plain makes blanks alike: pages use the kind that does not break.
func plain(text string) string { return strings.Join(strings.Fields(text), " ") }
