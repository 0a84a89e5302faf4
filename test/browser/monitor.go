package browser

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/audits"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
)

// monitor collects what goes wrong on a page.
type monitor struct {
	hosts   []string
	dismiss func() // closes a dialog; not called from the goroutine that reads events

	mu        sync.Mutex
	problems  []string
	asked     []string                   // every address, in order
	documents map[network.RequestID]bool // requests for whole pages
	answered  *Answer                    // to the last of them, until the page is there
	arrived   int                        // pages that are there, or were
	last      Answer                     // what the last of these came with
}

func newMonitor(hosts []string) *monitor {
	return &monitor{hosts: hosts, documents: map[network.RequestID]bool{}}
}

func (w *monitor) takeProblems() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := w.problems
	w.problems = nil
	return taken
}

// pages is how many have been opened, and what the last one came with.
func (w *monitor) pages() (int, Answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.arrived, w.last
}

func (w *monitor) report(format string, arguments ...any) {
	w.problems = append(w.problems, fmt.Sprintf(format, arguments...))
}

// handle is called for every event, in order, by the goroutine that reads them.
func (w *monitor) handle(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		w.request(e)
	case *network.EventResponseReceived:
		if e.Type == network.ResourceTypeDocument {
			w.answered = &Answer{Status: int(e.Response.Status), URL: e.Response.URL}
		}
	case *page.EventLoadEventFired:
		if w.answered != nil {
			w.arrived, w.last, w.answered = w.arrived+1, *w.answered, nil
		}
	case *page.EventJavascriptDialogOpening:
		w.report("a dialog opened: %s %q", e.Type, e.Message)
		go w.dismiss()
	case *runtime.EventExceptionThrown:
		w.report("a script failed: %s", exception(e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning || e.Type == runtime.ConsoleAPICalledTypeAssert {
			w.report("console.%s: %s", e.Type, printed(e.Args))
		}
	case *cdplog.EventEntryAdded:
		w.entry(e.Entry)
	case *audits.EventIssueAdded:
		w.issue(e.Issue)
	}
}

func (w *monitor) request(e *network.EventRequestWillBeSent) {
	w.asked = append(w.asked, e.Request.URL)
	if e.Type == network.ResourceTypeDocument {
		w.documents[e.RequestID] = true
	}
	to, err := url.Parse(e.Request.URL)
	switch {
	case err != nil:
		w.report("a request to what is no address: %q", e.Request.URL)
	case to.Scheme == "data" || to.Scheme == "about":
		// Nothing leaves the page.
	case !slices.Contains(w.hosts, to.Host):
		w.report("a request to another host: %s", e.Request.URL)
	}
}

// advice is what a browser recommends to developers. It differs from version to
// version, and breaks nothing.
var advice = map[cdplog.EntrySource]bool{
	cdplog.EntrySourceDeprecation: true, cdplog.EntrySourceIntervention: true,
	cdplog.EntrySourceRecommendation: true, cdplog.EntrySourceViolation: true,
}

// entry judges a line of the browser's own log.
func (w *monitor) entry(e *cdplog.Entry) {
	if e.Level != cdplog.EntryLevelError && e.Level != cdplog.EntryLevelWarning {
		return
	}
	if e.Source == cdplog.EntrySourceNetwork && w.documents[e.NetworkRequestID] {
		return // a whole page with an error's status is an answer, which a test asks for
	}
	if e.Level == cdplog.EntryLevelWarning && advice[e.Source] {
		return
	}
	if strings.HasSuffix(e.URL, "/favicon.ico") {
		return // the browser asks for it of its own accord where a page names none
	}
	w.report("the log has a %s (%s): %s %s", e.Level, e.Source, e.Text, e.URL)
}

func (w *monitor) issue(i *audits.InspectorIssue) {
	if i.Details == nil {
		return
	}
	if d := i.Details.ContentSecurityPolicyIssueDetails; d != nil {
		w.report("the content security policy was broken: %s (%s %s)", d.ViolatedDirective, d.ContentSecurityPolicyViolationType, d.BlockedURL)
	}
}

func exception(d *runtime.ExceptionDetails) string {
	if d.Exception != nil && d.Exception.Description != "" {
		return d.Exception.Description
	}
	return d.Text
}

func printed(arguments []*runtime.RemoteObject) string {
	var words []string
	for _, a := range arguments {
		text := a.Description
		if text == "" && json.Unmarshal(a.Value, &text) != nil {
			text = string(a.Value) // no string
		}
		words = append(words, text)
	}
	return strings.Join(words, " ")
}
