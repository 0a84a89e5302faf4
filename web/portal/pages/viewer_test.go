package pages_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"referral/models"
	"referral/web/auth"
	"referral/web/portal/pages"
)

// viewed is a page of a client as a member of staff sees it.
func viewed(t *testing.T, service *fakeService, account int64, page string) (got *shown, found bool, err error) {
	t.Helper()
	v, err := pages.NewViewer(pages.ViewerOptions{Reader: service, Now: func() time.Time { return now }, Zone: moscow, Assets: "/staff/assets/"})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/anywhere", nil)
	r = r.WithContext(auth.WithPrincipal(r.Context(), auth.Principal{Staff: models.Staff{Subject: "7", Name: "Анна Котова"}}))
	w := httptest.NewRecorder()
	found, err = v.Show(w, r, account, page, "/staff/885")
	if !found {
		if w.Body.Len() > 0 {
			t.Errorf("%s: something was written: %s", page, w.Body)
		}
		return nil, found, err
	}
	return read(t, w), found, err
}

// Staff see the words that the client sees, and can send nothing.
func TestStaffSeeWhatTheClientSees(t *testing.T) {
	s := open(t)
	for page, path := range map[string]string{
		"": "/referral", "friends": "/referral/friends", "history": "/referral/history", "history/INV-2026-04-885": "/referral/history/INV-2026-04-885", "invitations": "/referral/invitations",
	} {
		own := s.get(inviter, path)
		got, found, err := viewed(t, s.service, inviter, page)
		if !found || err != nil {
			t.Errorf("%s: %v, %v", page, found, err)
			continue
		}
		for _, heading := range own.all("h2") {
			if text := words(heading); text != "Поделиться кодом" && !strings.Contains(got.Text, text) {
				t.Errorf("%s does not show %q", page, text)
			}
		}
		if !strings.Contains(got.Text, "Так эту страницу видит клиент 885") || strings.Contains(got.Text, "Выйти") {
			t.Errorf("%s: %s", page, got.Text)
		}
		for _, a := range got.all("a") {
			if href := attr(a, "href"); strings.HasPrefix(href, "/referral") || strings.HasSuffix(href, "/invite") {
				t.Errorf("%s has a link to %s", page, href)
			}
		}
		for _, file := range append(got.all("link"), got.all("script")...) {
			if at := attr(file, "href") + attr(file, "src"); !strings.HasPrefix(at, "/staff/assets/") {
				t.Errorf("%s loads %s", page, at)
			}
		}
		for _, form := range got.all("form") {
			inside := false
			for n := form.Parent; n != nil; n = n.Parent {
				inside = inside || n.Data == "fieldset" && strings.Contains(got.HTML, `<fieldset class="viewed" disabled>`)
			}
			if !inside {
				t.Errorf("%s has a form that can be sent", page)
			}
		}
	}
	if got, _, _ := viewed(t, s.service, inviter, "friends"); !strings.Contains(got.HTML, `href="/staff/885/history"`) || !strings.Contains(got.HTML, `href="/staff/885#steps"`) {
		t.Errorf("the tabs lead elsewhere: %s", got.HTML)
	}
	if len(s.service.attempts)+len(s.service.invites)+len(s.service.joinedWithoutCode) != 0 {
		t.Error("looking has sent something")
	}
}

func TestStaffSeeNoOtherPages(t *testing.T) {
	s := open(t)
	for _, page := range []string{"invite", "history/INV-OF-ANOTHER", "assets/portal.css", "activate"} {
		if _, found, err := viewed(t, s.service, inviter, page); found || err != nil {
			t.Errorf("%s: %v, %v", page, found, err)
		}
	}
	s.service.broken = errors.New("no connection")
	if _, found, err := viewed(t, s.service, inviter, ""); found || err == nil {
		t.Errorf("without a database: %v, %v", found, err)
	}
	if _, err := pages.NewViewer(pages.ViewerOptions{}); err == nil {
		t.Error("a viewer of nothing was made")
	}
}
