package config

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestLimitsOfWrongCodes(t *testing.T) {
	c, err := Load(fileOf(t, "cabinet: {limits: {wrong_codes_per_account: 7, trusted_proxies: [10.0.0.7/8, 2001:db8::/32]}}"), true, nil)
	if err != nil {
		t.Fatal(err)
	}
	limits := c.Cabinet.Limits.Limits()
	if limits.Account.Wrong != 7 || limits.Account.In != 24*time.Hour || limits.Address.Wrong != 100 || limits.Overall.In != time.Hour {
		t.Errorf("limits %+v", limits)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
	r.RemoteAddr = "10.99.0.1:1"
	r.Header.Set("X-Forwarded-For", "203.0.113.9")
	if from := c.Cabinet.Limits.Proxies().ClientIP(r); from != "203.0.113.9" {
		t.Errorf("a request through a trusted proxy comes from %s", from)
	}
	for text, want := range map[string]string{
		"cabinet: {limits: {wrong_codes_overall: 0}}":           "cabinet.limits.wrong_codes_overall: 0 must be 1 to 1000000",
		"cabinet: {limits: {wrong_codes_per_address: 1000001}}": "cabinet.limits.wrong_codes_per_address: 1000001 must be",
		"cabinet: {limits: {trusted_proxies: [10.0.0.7]}}":      `cabinet.limits.trusted_proxies: "10.0.0.7" is not a network`,
	} {
		_, err := Load(fileOf(t, text), true, nil)
		wantError(t, err, want)
	}
}

func TestTermsMayShowFriendNames(t *testing.T) {
	c := Default()
	if c.Programme.versions()[0].ShowFriendNames {
		t.Error("names are shown though nobody said so")
	}
	c.Programme.Terms[0].ShowFriendNames = true
	if !c.Programme.versions()[0].ShowFriendNames {
		t.Error("the switch does nothing")
	}
}
