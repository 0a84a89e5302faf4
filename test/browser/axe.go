package browser

import (
	"fmt"
	"os"
	"strings"

	"github.com/chromedp/chromedp"
)

// Barrier is something on a page that excludes people with a disability.
type Barrier struct {
	ID     string // axe-core's name of the rule
	Impact string
	Help   string
	Nodes  []struct {
		Target         []any
		FailureSummary string
	}
}

// String is for people.
func (b Barrier) String() string {
	var places []string
	for _, n := range b.Nodes {
		places = append(places, fmt.Sprintf("  %v: %s", n.Target, strings.ReplaceAll(n.FailureSummary, "\n", " ")))
	}
	return fmt.Sprintf("%s (%s): %s\n%s", b.ID, b.Impact, b.Help, strings.Join(places, "\n"))
}

// runAxe runs the rules of WCAG 2.2, levels A and AA; the size of targets is among
// them, and axe-core leaves it out by default.
//
// It waits for animations, because colours that are changing would be judged.
const runAxe = `Promise.allSettled(document.getAnimations().map(a => a.finished)).then(() => axe.run(document, {
  runOnly: {type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa']},
  rules: {'target-size': {enabled: true}},
  resultTypes: ['violations'],
})).then(found => found.violations)`

// Barriers are what axe-core finds on the page as it is. On a page without
// scripts, the page's own have not run and do not.
func (p *Page) Barriers() []Barrier {
	p.t.Helper()
	if p.noScript {
		p.do("let axe-core run", scripts(true))
		defer p.do("turn scripts off again", scripts(false))
	}
	if !eval[bool](p, "look for axe-core", `typeof axe === 'object'`) {
		path := setting(p.t, "REFERRAL_TEST_AXE")
		script, err := os.ReadFile(path)
		if err != nil {
			p.t.Fatalf("read axe-core: %v", err)
		}
		// As the tools of a developer would run it, which no policy of the page forbids.
		p.do("give axe-core to the page", chromedp.Evaluate[chromedp.Void](string(script)))
	}
	return eval[[]Barrier](p, "run axe-core", runAxe)
}

// NoBarriers fails the test for each barrier.
func (p *Page) NoBarriers() {
	p.t.Helper()
	for _, b := range p.Barriers() {
		p.t.Errorf("a barrier on %s: %s", eval[string](p, "read the address", `location.pathname`), b)
	}
}
