package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"referral/models"
)

// A client's data are handed out, as JSON and as a page, and erased; both are recorded.
func TestPrivacyCommands(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	at := instant(t, "2026-03-01")
	w.hears(models.Registered{AccountID: 901, RegisteredAt: at, Profile: models.Profile{Name: "ООО «Канарейка»", TaxID: "770101010101", At: at}})
	for _, wrong := range [][]string{{"privacy", "export", "901"}, {"privacy", "erase", "901", "--by", "Anna"}, {"privacy", "export", "x", "--by", "Anna"}, {"privacy"}} {
		if a := w.asks(wrong...); a.status != exitError {
			t.Errorf("%v: %+v", wrong, a)
		}
	}
	var data struct {
		AccountID int64                       `json:"account_id"`
		Tables    map[string][]map[string]any `json:"tables"`
	}
	a := w.asks("privacy", "export", "901", "--by", "Anna")
	if err := json.Unmarshal([]byte(a.out), &data); err != nil || data.AccountID != 901 || data.Tables["accounts"][0]["tax_id"] != "770101010101" || len(data.Tables["codes"]) != 1 {
		t.Errorf("%+v, %v", a, err)
	}
	page := filepath.Join(t.TempDir(), "page.html")
	if a := w.asks("privacy", "export", "901", "--by", "Anna", "--format", "html", "--output", page); a.status != exitOK {
		t.Errorf("%+v", a)
	}
	if text, err := os.ReadFile(page); err != nil || !strings.Contains(string(text), "<dt>Название</dt><dd>ООО «Канарейка»</dd>") || !strings.Contains(string(text), "<dt>АТС подключена</dt><dd>01.03.2026") || strings.Contains(string(text), "account_id") || !strings.Contains(string(text), "<h2>Код-приглашение</h2>") {
		t.Errorf("the page is %s, %v", text, err)
	}

	w.refuses("is not known", "privacy", "export", "999", "--by", "Anna")
	w.refuses("nothing is erased", "privacy", "erase", "999", "--by", "Anna", "--reason", "a request")
	if a := w.asks("privacy", "erase", "901", "--by", "Anna", "--reason", "a request"); a.status != exitOK {
		t.Errorf("%+v", a)
	}
	w.refuses("erased before", "privacy", "erase", "901", "--by", "Anna", "--reason", "again")
	if a := w.asks("privacy", "export", "901", "--by", "Anna"); a.status != exitOK || strings.Contains(a.out, "Канарейка") || strings.Contains(a.out, "770101010101") {
		t.Errorf("%+v", a)
	}
	var acts string
	w.one("SELECT string_agg(what, ' ' ORDER BY action_id) FROM operator_actions WHERE subject = '901' AND who = 'Anna'", &acts)
	if want := "export-personal-data export-personal-data erase export-personal-data"; acts != want {
		t.Errorf("recorded are %s, want %s", acts, want)
	}
}
