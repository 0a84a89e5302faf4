package notify

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"golang.org/x/net/html"

	"referral/billing"
	"referral/models"
)

func programme(t testing.TB, percent, months, window int) *billing.Programme {
	t.Helper()
	p, err := billing.NewProgramme(time.UTC, []billing.Terms{{
		WindowMonths: window, Invitee: billing.InviteeTerms{Percent: percent, Months: months},
		Ladder: []billing.StepTerms{{Percent: 20, Months: 3}}, Discounted: []string{"subscription"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func writer(t testing.TB, change ...func(*WriterOptions)) *Writer {
	t.Helper()
	o := WriterOptions{PublicURL: "https://lk.example.ru", Brand: "t2 АТС", Programme: programme(t, 20, 3, 1), Now: time.Now}
	for _, c := range change {
		c(&o)
	}
	w, err := NewWriter(o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func claimed(channel models.Channel) *models.ClaimedInvitation {
	return &models.ClaimedInvitation{
		Claim: models.InvitationClaim{AccountID: 885, ID: models.UUID{1}, Attempt: 1}, Channel: channel, Recipient: "friend@example.com",
		Code: "K7M2XQ9PR", Token: "M3ZQ5V7R2K4N6P2S3T2W3X4Y5Z", CreatedAt: time.Unix(1777626000, 0),
	}
}

func write(t testing.TB, w *Writer, c *models.ClaimedInvitation) *models.InvitationMessage {
	t.Helper()
	m, err := w.Write(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The SMS has at most three parts.
func TestSMS(t *testing.T) {
	m := write(t, writer(t), claimed(models.SMS))
	const want = "Приглашаем в t2 АТС: скидка 20% на 3 мес. Код K7M2XQ9PR, срок месяц с регистрации: " +
		"https://lk.example.ru/referral?code=K7M2XQ9PR Отказ: https://lk.example.ru/referral/opt-out/M3ZQ5V7R2K4N6P2S3T2W3X4Y5Z"
	if m.Text != want || m.Subject != "" || m.HTML != "" {
		t.Errorf("got  %q\nwant %q", m.Text, want)
	}
	if n := len(utf16.Encode([]rune(m.Text))); n > 3*67 {
		t.Errorf("it has %d units, more than fit into three SMS", n)
	}
	long := writer(t, func(o *WriterOptions) { o.PublicURL = "https://lichnyi-kabinet.atc.operator.example.ru" })
	if n := len(utf16.Encode([]rune(write(t, long, claimed(models.SMS)).Text))); n > 4*67 {
		t.Errorf("with a long address it has %d units, more than fit into four SMS", n)
	}
}

func TestEmail(t *testing.T) {
	m := write(t, writer(t), claimed(models.Email))
	if want := "Вас приглашают в t2 АТС: скидка 20% на 3 месяца"; m.Subject != want {
		t.Errorf("got %q, want %q", m.Subject, want)
	}
	for _, body := range []string{m.Text, shown(t, m.HTML)} {
		for _, words := range []string{
			"t2 АТС", "скидку 20% на первые 3 месяца", "K7M2XQ9PR", "«Дополнительно»", "«Реферальная программа»", "«Применить»",
			"в течение месяца после регистрации АТС", "после окончания промо-периода", "кроме пакетов SMS",
		} {
			if !strings.Contains(body, words) {
				t.Errorf("%q is missing in\n%s", words, body)
			}
		}
	}
	for _, link := range []string{"https://lk.example.ru/referral?code=K7M2XQ9PR", "https://lk.example.ru/referral/opt-out/M3ZQ5V7R2K4N6P2S3T2W3X4Y5Z"} {
		if !strings.Contains(m.Text, link) || !strings.Contains(m.HTML, `href="`+link+`"`) {
			t.Errorf("no link to %s", link)
		}
	}
	if strings.Contains(m.Text+m.HTML+m.Subject, "friend") || strings.Contains(m.HTML, "src=") || strings.Contains(m.HTML, "<script") {
		t.Error("the recipient is named, or something is fetched")
	}
}

// The message describes the terms of its day.
func TestTermsOfTheDay(t *testing.T) {
	for _, c := range []struct {
		percent, months, window int
		wants                   []string
	}{
		{10, 1, 1, []string{"скидку 10% на первый месяц пользования", "в течение месяца после регистрации"}},
		{15, 2, 2, []string{"скидку 15% на первые 2 месяца", "в течение 2 месяцев после регистрации"}},
		{25, 12, 21, []string{"25% на первые 12 месяцев", "в течение 21 месяца после регистрации"}},
		{25, 22, 11, []string{"25% на первые 22 месяца", "в течение 11 месяцев после регистрации"}},
		{25, 3, 3, []string{"25% на первые 3 месяца пользования", "в течение 3 месяцев после регистрации"}},
		{25, 4, 4, []string{"25% на первые 4 месяца пользования", "в течение 4 месяцев после регистрации"}},
		{25, 21, 5, []string{"25% на первые 21 месяц пользования", "в течение 5 месяцев после регистрации"}},
		{25, 5, 0, []string{"25% на первые 5 месяцев", "в день регистрации"}},
	} {
		w := writer(t, func(o *WriterOptions) { o.Programme = programme(t, c.percent, c.months, c.window) })
		for _, want := range c.wants {
			m := write(t, w, claimed(models.Email))
			for _, body := range []string{m.Text, shown(t, m.HTML)} {
				if !strings.Contains(body, want) {
					t.Errorf("%+v: %q is missing in %s", c, want, body)
				}
			}
		}
	}
}

// nasty is texts that would break out of unescaped pages and e-mails.
func nasty() []string {
	list := []string{
		`<script>alert(1)</script>`, `"><script>alert(1)</script>`, `'><img src=x onerror=alert(1)>`, `</title><script>alert(1)</script>`,
		`<img src=x onerror=alert(1)//`, `<svg onload=alert(1)>`, `<svg><script>alert&#40;1)</script>`, `"onmouseover="alert(1)`, `' onfocus='alert(1)' autofocus='`,
		`javascript:alert(1)`, `JaVaScRiPt:alert(1)`, `data:text/html,<script>alert(1)</script>`, `<a href="javascript:alert(1)">x</a>`, `<iframe src=//evil.example>`,
		`<style>*{background:url(//evil.example)}</style>`, `</style><script>alert(1)</script>`, `<base href=//evil.example/>`, `<meta http-equiv=refresh content=0;url=//evil.example>`,
		`<form action=//evil.example><input name=code>`, `<!--`, `-->`, `<![CDATA[`, `]]>`, `&lt;script&gt;alert(1)&lt;/script&gt;`, `&#60;script&#62;`,
		`{{.Code}}`, `{{template "mail.html"}}`, `{{"{{"}}`, `${alert(1)}`, `#{7*7}`, `<%= 7*7 %>`, `%3Cscript%3E`, `\u003cscript\u003e`, `\x3cscript\x3e`,
		`<body onload=alert(1)>`, `<marquee>`, `<details open ontoggle=alert(1)>`, `<math><mtext></mtext><script>alert(1)</script>`, `<object data=//evil.example>`,
		`<embed src=//evil.example>`, `<link rel=stylesheet href=//evil.example>`, `<table background=//evil.example>`, `<div style="position:fixed">`, "<scr\x00ipt>alert(1)</script>",
		`</div></body></html><script>alert(1)</script>`, `</textarea><script>alert(1)</script>`, `</p><h1>Ваш счет</h1>`, `= cmd|' /C calc'!A0`, `"; DROP TABLE invitations; --`,
		strings.Repeat("<b>", 200), "\u202Egpj.exe", "\uFEFF<script>", `<a/href="//evil.example">`, `<input autofocus onfocus=alert(1)>`,
	}
	return list
}

// The page has the same elements, attributes and links with any text.
func TestTextsAreEscaped(t *testing.T) {
	if n := len(nasty()); n < 50 {
		t.Fatalf("%d nasty texts", n)
	}
	harmless := shape(t, write(t, writer(t), claimed(models.Email)).HTML)
	for _, bad := range nasty() {
		w := writer(t, func(o *WriterOptions) { o.Brand = bad })
		c := claimed(models.Email)
		c.Code, c.Token = bad, bad
		m := write(t, w, c)
		if got := shape(t, m.HTML); got != harmless {
			t.Errorf("with %q the page is\n%s\ninstead of\n%s", bad, got, harmless)
		}
		visible := strings.NewReplacer("\x00", "\uFFFD").Replace(bad)
		if page := shown(t, m.HTML); !strings.Contains(page, visible) {
			t.Errorf("%q is not shown in %q", bad, page)
		}
		for _, link := range []string{m.Link, m.OptOutLink} {
			if !strings.HasPrefix(link, "https://lk.example.ru/referral") || strings.ContainsAny(link, "<>\"' \r\n") {
				t.Errorf("%q made the link %q", bad, link)
			}
		}
		if strings.ContainsAny(m.Subject, "\r\n") {
			t.Errorf("%q made the subject %q", bad, m.Subject)
		}
	}
}

// shape returns the elements and attributes of a page, without texts and link targets.
func shape(t testing.TB, page string) string {
	t.Helper()
	var b strings.Builder
	walk(t, page, func(n *html.Node) {
		if n.Type != html.ElementNode {
			return
		}
		fmt.Fprintf(&b, "<%s", n.Data)
		for _, a := range n.Attr {
			if a.Key == "href" {
				if !strings.HasPrefix(a.Val, "https://lk.example.ru/referral") {
					t.Errorf("a link leads to %q", a.Val)
				}
				a.Val = "…"
			}
			fmt.Fprintf(&b, " %s=%q", a.Key, a.Val)
		}
		b.WriteString(">\n")
	})
	return b.String()
}

// shown returns the text of a page.
func shown(t testing.TB, page string) string {
	t.Helper()
	var b strings.Builder
	walk(t, page, func(n *html.Node) {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
		}
	})
	return b.String()
}

func walk(t testing.TB, page string, see func(*html.Node)) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		see(n)
	}
}

func TestRequiredWriterOptions(t *testing.T) {
	good := WriterOptions{PublicURL: "https://lk.example.ru/", Brand: "t2 АТС", Programme: programme(t, 20, 3, 1), Now: time.Now}
	if _, err := NewWriter(good); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*WriterOptions){
		"no address":           func(o *WriterOptions) { o.PublicURL = "" },
		"no scheme":            func(o *WriterOptions) { o.PublicURL = "lk.example.ru" },
		"another scheme":       func(o *WriterOptions) { o.PublicURL = "javascript://lk.example.ru" },
		"no brand":             func(o *WriterOptions) { o.Brand = "" },
		"a brand of two lines": func(o *WriterOptions) { o.Brand = "t2\r\nBcc: x@example.ru" },
		"no programme":         func(o *WriterOptions) { o.Programme = nil },
		"no clock":             func(o *WriterOptions) { o.Now = nil },
	} {
		o := good
		change(&o)
		if _, err := NewWriter(o); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
