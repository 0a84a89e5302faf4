package pages_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"referral/test/browser"
)

func TestMain(m *testing.M) { os.Exit(browser.Run(m)) }

// TestNarrowScreens shows every page in every state at a width of 320 pixels, which is a
// small telephone, or a larger one with zoom.
func TestNarrowScreens(t *testing.T) {
	all, assets := every(t), open(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page := all[r.URL.Query().Get("page")]
		if page == nil {
			assets.mux.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, page.HTML) // the browser notices what is missing
	}))
	t.Cleanup(server.Close)
	for width, screen := range map[int]browser.Options{browser.PhoneWidth: {Phone: true}, browser.NarrowWidth: {Narrow: true}} {
		screen.Hosts = []string{strings.TrimPrefix(server.URL, "http://")}
		p := browser.Open(t, screen)
		for name := range all {
			p.Goto(server.URL + "/?page=" + strings.ReplaceAll(name, " ", "+"))
			if wide := p.ExcessWidth(); wide > 0 {
				t.Errorf("%s at %d pixels is too wide by %d", name, width, wide)
			}
			if cut := p.CutOff(); len(cut) > 0 {
				t.Errorf("%s at %d pixels cuts off %q", name, width, slices.Compact(cut))
			}
		}
	}
}
