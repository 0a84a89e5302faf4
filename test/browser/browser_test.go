package browser_test

import (
	"fmt"
	"html"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"referral/test/browser"
)

func TestMain(m *testing.M) { os.Exit(browser.Run(m)) }

const (
	policy = "default-src 'self'; img-src 'self' data:"
	style  = `body{background:#fff;color:#111} .wide{width:900px;display:inline-block} .box{overflow:auto;width:100px;white-space:nowrap} button{padding:8px 16px}
@media (prefers-color-scheme: dark){body{background:#111;color:#eee}}
@media (prefers-reduced-motion: reduce){h1{letter-spacing:7px}}`
)

// site serves a page with the given body and script, and says what a form sent.
func site(t *testing.T, body, script string) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, status int, body string) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `<!doctype html><html lang="ru"><head><title>Проба</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<link rel="stylesheet" href="/style.css"></head><body><main><h1>Проба</h1>%s</main><script src="/script.js"></script></body></html>`, body)
	}
	file := func(kind, content string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			_, _ = fmt.Fprint(w, content)
		}
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, body) })
	mux.HandleFunc("POST /send", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/sent?"+r.FormValue("code"), http.StatusSeeOther)
	})
	mux.HandleFunc("GET /sent", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusUnprocessableEntity, "<p>Принято: "+html.EscapeString(r.URL.RawQuery)+"</p>")
	})
	mux.HandleFunc("GET /style.css", file("text/css", style))
	mux.HandleFunc("GET /script.js", file("text/javascript", script))
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func open(t *testing.T, s *httptest.Server, o browser.Options) *browser.Page {
	t.Helper()
	o.Hosts = append(o.Hosts, strings.TrimPrefix(s.URL, "http://"))
	p := browser.Open(t, o)
	if a := p.Goto(s.URL); a.Status != http.StatusOK {
		t.Fatalf("status %d", a.Status)
	}
	return p
}

const form = `<form method="post" action="/send"><label for="c">Код приглашения</label> <input id="c" name="code"> <button>Применить</button></form>`

func TestFormIsFilledAndFollowed(t *testing.T) {
	p := open(t, site(t, strings.Replace(form, `name="code"`, `name="code" value="old"`, 1), ""), browser.Options{})
	p.Fill("Код приглашения", "K7M2")
	a := p.Follow(func() { p.Click("Применить") })
	if a.Status != http.StatusUnprocessableEntity || !strings.HasSuffix(a.URL, "/sent?K7M2") {
		t.Errorf("the answer is %+v", a)
	}
	p.WaitText("Принято: K7M2")
	if !p.Shows("Проба") || p.Shows("Применить") {
		t.Errorf("the page shows %q", p.Text())
	}
}

// TestClicksReachWhatIsOffScreen: on a page that is larger than the screen,
// which a phone zooms out of, or shows a part of when it must not.
func TestClicksReachWhatIsOffScreen(t *testing.T) {
	body := strings.Repeat("<p>строка</p>", 15) + `<p class="wide">широко</p>` + strings.Repeat("<p>строка</p>", 5) + form
	unzoomed := `document.querySelector("meta[name=viewport]").content += ",initial-scale=1"`
	for name, c := range map[string]struct {
		options browser.Options
		script  string
	}{
		"desk": {}, "phone": {options: browser.Options{Phone: true}}, "phone without scripts": {options: browser.Options{Phone: true, NoScript: true}},
		"phone that shows a part": {options: browser.Options{Phone: true}, script: unzoomed},
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, site(t, body, c.script), c.options)
			p.Fill("Код приглашения", "first")
			p.Fill("Код приглашения", "K7M2")
			p.Follow(func() { p.Click("Применить") })
			p.WaitText("Принято: K7M2")
		})
	}
}

func TestClicksOnAPhoneAreTouches(t *testing.T) {
	p := open(t, site(t, "<button>Нажать</button>", `let seen = ""; for (const e of ["touchstart", "mousedown", "click"]) addEventListener(e, () => document.body.dataset.seen = seen += e + " ")`), browser.Options{Phone: true})
	p.Click("Нажать")
	// A browser says what a mouse would have done after a finger did it.
	if seen := browser.Eval[string](p, `document.body.dataset.seen`); seen != "touchstart mousedown click " {
		t.Errorf("the page saw %q", seen)
	}
}

func TestKeyboardAloneIsEnough(t *testing.T) {
	p := open(t, site(t, form, `document.body.dataset.ran = "yes"`), browser.Options{NoScript: true})
	p.TabTo("Код приглашения")
	p.Type("ABC")
	p.TabTo("Применить")
	p.Follow(func() { p.Press(browser.Enter) })
	p.WaitText("Принято: ABC")
	if browser.Eval[bool](p, `document.body.dataset.ran === "yes"`) {
		t.Error("a script has run")
	}
}

func TestPagesShareNothing(t *testing.T) {
	s := site(t, "", `document.cookie = document.cookie ? "again=1" : "first=1"`)
	for range 2 {
		if cookie := browser.Eval[string](open(t, s, browser.Options{}), "document.cookie"); cookie != "first=1" {
			t.Errorf("the cookie is %q", cookie)
		}
	}
}

func TestPreferencesReachThePage(t *testing.T) {
	s := site(t, "", "")
	const colour, motion = `getComputedStyle(document.body).backgroundColor`, `getComputedStyle(document.querySelector("h1")).letterSpacing`
	dark := open(t, s, browser.Options{Dark: true, LessMotion: true})
	light := open(t, s, browser.Options{})
	for name, got := range map[string][2]string{
		"dark":   {browser.Eval[string](dark, colour), "rgb(17, 17, 17)"},
		"less":   {browser.Eval[string](dark, motion), "7px"},
		"light":  {browser.Eval[string](light, colour), "rgb(255, 255, 255)"},
		"motion": {browser.Eval[string](light, motion), "normal"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %s, want %s", name, got[0], got[1])
		}
	}
}

func TestPhoneIsNarrow(t *testing.T) {
	s := site(t, `<p class="wide">широко</p>`, "")
	if wide := open(t, s, browser.Options{Phone: true}).ExcessWidth(); wide < 900-browser.PhoneWidth {
		t.Errorf("on a phone it is too wide by %d pixels", wide)
	}
	if wide := open(t, s, browser.Options{}).ExcessWidth(); wide != 0 {
		t.Errorf("on a desk it is too wide by %d pixels", wide)
	}
}

func TestCutOffTextIsFound(t *testing.T) {
	const good = `<p class="box">коротко</p><input value="` + `это длиннее, чем поле показывает, и это ничего: поле можно прокрутить">`
	if cut := open(t, site(t, good, ""), browser.Options{Narrow: true}).CutOff(); len(cut) > 0 {
		t.Errorf("of a page that fits, %q is cut off", cut)
	}
	for _, bad := range []string{
		`<p class="box"><span class="wide">широко</span></p>`, `<div class="box"><table><tr><td class="wide">широко</td></tr></table></div>`, `<p class="wide">широко</p>`,
	} {
		if cut := open(t, site(t, bad, ""), browser.Options{Narrow: true}).CutOff(); len(cut) == 0 {
			t.Errorf("nothing of %s is cut off", bad)
		}
	}
}

func TestScreenshotHasTheSizeOfTheScreen(t *testing.T) {
	s := site(t, strings.Repeat("<p>строка</p>", 100), "")
	for phone, want := range map[bool][2]int{
		false: {browser.DeskWidth, browser.DeskHeight}, true: {browser.PhoneWidth, browser.PhoneHeight},
	} {
		file := filepath.Join(t.TempDir(), "shots", "a.png")
		open(t, s, browser.Options{Phone: phone}).Screenshot(file)
		in, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		picture, err := png.Decode(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := picture.Bounds().Size(); got.X != want[0] || got.Y != want[1] {
			t.Errorf("phone %t: the picture is %v, want %v", phone, got, want)
		}
	}
}

// TestBrokenPagesFailTheTest breaks a page in every way that the watch knows.
func TestBrokenPagesFailTheTest(t *testing.T) {
	stranger := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(stranger.Close)
	for name, c := range map[string]struct{ body, script, want string }{
		"an inline script":          {`<script>document.title = "x"</script>`, "", "content security policy was broken: script-src"},
		"an inline handler":         {`<img src="data:," onerror="alert(1)" alt="">`, "", "content security policy was broken: script-src-attr"},
		"an inline style":           {`<p style="color:red">x</p>`, "", "content security policy was broken: style-src-attr"},
		"a request to another host": {`<a href="` + stranger.URL + `/x">x</a>`, `location.href = document.querySelector("a").href`, "a request to another host: " + stranger.URL},
		"a dialog":                  {"", `alert("привет")`, `a dialog opened: alert "привет"`},
		"an exception":              {"", `null.x`, "a script failed: TypeError"},
		"a rejected promise":        {"", `Promise.reject(new Error("нет"))`, "нет"},
		"an error in console":       {"", `console.error("ой", 7)`, `console.error: ой 7`},
		"a missing file":            {`<img src="/no.png" alt="">`, "", "404"},
	} {
		t.Run(name, func(t *testing.T) {
			s := site(t, c.body, c.script)
			p := browser.Open(t, browser.Options{Hosts: []string{strings.TrimPrefix(s.URL, "http://")}})
			p.Goto(s.URL)
			p.WaitProblem(c.want)
		})
	}
}

func TestBarriersAreFound(t *testing.T) {
	good := open(t, site(t, form, ""), browser.Options{})
	good.NoBarriers()
	open(t, site(t, form, ""), browser.Options{NoScript: true}).NoBarriers()
	bad := open(t, site(t, `<input name="code"><p><button>а</button></p>`, ""), browser.Options{})
	if found := bad.Barriers(); !slices.ContainsFunc(found, func(b browser.Barrier) bool { return b.ID == "label" && b.String() != "" }) {
		t.Errorf("the field without a label is not among %v", found)
	}
}
