package pages_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestAssetsAreCachedForever(t *testing.T) {
	s := open(t)
	page := s.get(inviter, "/referral")
	found := map[string]string{}
	for _, link := range page.all("link") {
		found[attr(link, "rel")] = attr(link, "href")
	}
	found["script"] = attr(page.all("script")[0], "src")
	for rel, kind := range map[string]string{"stylesheet": "text/css; charset=utf-8", "script": "text/javascript; charset=utf-8", "icon": "image/svg+xml"} {
		if !regexp.MustCompile(`^/referral/assets/\w+\.[0-9a-f]{16}\.(css|js|svg)$`).MatchString(found[rel]) {
			t.Errorf("%s: the name %q has no hash of the content", rel, found[rel])
		}
		got := s.get(nobody, found[rel])
		if got.Status != http.StatusOK || got.Header.Get("Content-Type") != kind || got.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
			t.Errorf("%s: %d %v", rel, got.Status, got.Header)
		}
	}
	if got := s.get(nobody, "/referral/assets/portal.css"); got.Status != http.StatusNotFound || got.Header.Get("Cache-Control") != "" {
		t.Errorf("a name without a hash: %d %v", got.Status, got.Header)
	}
}

// The style sheet and the script load nothing, and the script makes no markup.
func TestAssetsLoadFromThisHostOnly(t *testing.T) {
	css, js := asset(t, "portal.css"), asset(t, "portal.js")
	for _, banned := range []string{"@import", "url(", "http:", "https:"} {
		if strings.Contains(css, banned) {
			t.Errorf("the style sheet has %s", banned)
		}
	}
	for _, banned := range []string{"fetch(", "XMLHttpRequest", "innerHTML", "insertAdjacentHTML", "eval(", "http:", "https:", "document.write", ".style"} {
		if strings.Contains(js, banned) {
			t.Errorf("the script has %s", banned)
		}
	}
}
