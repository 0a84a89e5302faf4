package pages_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"referral/models"
)

// Pages and files about a month say shadow mode when it was settled so, whatever the mode
// of the process that serves them; the others follow the process.
func TestShadowMode(t *testing.T) {
	t.Parallel()
	const note = "документы в биллинг не передаются"
	for name, c := range map[string]struct{ process, month bool }{
		"neither": {false, false}, "the process alone": {true, false}, "the month alone": {false, true}, "both": {true, true},
	} {
		r := siteIn(t, &world{shadow: c.month}, c.process)
		browser := as(r, models.RoleFinance)
		for _, path := range []string{"", "/run", "/sign"} {
			if got := r.Get(browser, "/finance/months/2026-04"+path); strings.Contains(got.Body, note) != c.month {
				t.Errorf("%s: /finance/months/2026-04%s: %s", name, path, got.Body)
			}
		}
		for _, path := range []string{"/finance/register?period=2026-04", "/finance/rehearsals/7"} {
			if got := r.Get(browser, path); strings.Contains(got.Body, note) != c.month {
				t.Errorf("%s: %s: %s", name, path, got.Body)
			}
		}
		for _, path := range []string{"/finance/register?period=2026-03", "/finance/months/2026-03/report"} {
			if got := r.Get(browser, path); got.Status != http.StatusOK || strings.Contains(got.Body, note) {
				t.Errorf("%s: %s, of a month that was published: %s", name, path, got.Body)
			}
		}
		if got := r.Get(browser, "/finance/queue"); strings.Contains(got.Body, note) != c.process {
			t.Errorf("%s: the queue: %s", name, got.Body)
		}
		if months := r.Get(browser, "/finance/months/export?format=csv").Body; strings.Contains(months, ",shadow,") != c.month || !strings.Contains(months, "2026-03,closed,published,") {
			t.Errorf("%s: the months: %s", name, months)
		}
		for path, sheet := range map[string]string{
			"/finance/months/2026-04/export": "Теневой режим", "/finance/months/2026-04/run/export": "Теневой режим", "/finance/rehearsals/7/export": "Теневой режим",
			"/finance/months/2026-04/breaks/export": "Расхождения 2026-04, теневой", "/finance/register/2026-04/export": "Реестр 2026-04, теневой",
		} {
			got := r.Get(browser, path+"?format=xlsx")
			if named := strings.Contains(got.Header.Get("Content-Disposition"), "-shadow.xlsx"); named != c.month {
				t.Errorf("%s: %s is the file %s", name, path, got.Header.Get("Content-Disposition"))
			}
			if first := firstSheet(t, got.Body); (first == sheet) != c.month {
				t.Errorf("%s: %s begins with the sheet %q", name, path, first)
			}
		}
		if got := r.Get(browser, "/finance/register/2026-04/1c"); strings.Contains(got.Header.Get("Content-Disposition"), "register-2026-04-shadow.xml") != c.month {
			t.Errorf("%s: the exchange file is %v", name, got.Header)
		}
	}
}

func firstSheet(t *testing.T, file string) string {
	t.Helper()
	book, err := excelize.OpenReader(bytes.NewReader([]byte(file)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = book.Close() }()
	return book.GetSheetName(0)
}
