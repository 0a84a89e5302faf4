package portal

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

// The client IP is the nearest address that is not of a trusted proxy.
func TestClientIP(t *testing.T) {
	trusted := Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, c := range []struct {
		name, remote string
		forwarded    []string
		proxies      Proxies
		want         string
	}{
		{"straight", "198.51.100.7:1234", nil, nil, "198.51.100.7"},
		{"nobody is trusted", "198.51.100.7:1234", []string{"203.0.113.9"}, nil, "198.51.100.7"},
		{"the peer is not a proxy", "198.51.100.7:1234", []string{"203.0.113.9"}, trusted, "198.51.100.7"},
		{"through a proxy", "10.0.0.1:1234", []string{"203.0.113.9"}, trusted, "203.0.113.9"},
		{"through two", "10.0.0.1:1234", []string{"203.0.113.9, 10.2.3.4"}, trusted, "203.0.113.9"},
		{"two headers", "10.0.0.1:1234", []string{"203.0.113.9", "10.2.3.4"}, trusted, "203.0.113.9"},
		{"a client that makes up a past", "10.0.0.1:1234", []string{"192.0.2.66, 203.0.113.9"}, trusted, "203.0.113.9"},
		{"a client that pretends to be a proxy's", "10.0.0.1:1234", []string{"192.0.2.66, 10.9.9.9, 203.0.113.9"}, trusted, "203.0.113.9"},
		{"nonsense", "10.0.0.1:1234", []string{"203.0.113.9, unknown"}, trusted, "10.0.0.1"},
		{"an empty header", "10.0.0.1:1234", []string{""}, trusted, "10.0.0.1"},
		{"a proxy's own", "10.0.0.1:1234", nil, trusted, "10.0.0.1"},
		{"proxies all the way", "10.0.0.1:1234", []string{"10.0.0.3, 10.0.0.2"}, trusted, "10.0.0.3"},
		{"IPv6", "[fd00::1]:1234", []string{"2001:db8::1"}, trusted, "2001:db8::1"},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:1234", []string{"::ffff:203.0.113.9"}, trusted, "203.0.113.9"},
		{"a zone", "[fe80::1%eth0]:1234", nil, nil, "fe80::1"},
		{"no port", "198.51.100.7", nil, nil, "198.51.100.7"},
		{"no address", "@", nil, trusted, ""},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
		r.RemoteAddr = c.remote
		for _, f := range c.forwarded {
			r.Header.Add("X-Forwarded-For", f)
		}
		if got := c.proxies.ClientIP(r); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestAddressBlock(t *testing.T) {
	for address, want := range map[string]string{
		"198.51.100.7": "198.51.100.7", "::ffff:198.51.100.7": "198.51.100.7", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "2001:db8:1:2::": "2001:db8:1:2::/64",
		"fe80::1%eth0": "fe80::/64", "": "unknown", "localhost": "unknown",
	} {
		if got := addressBlock(address); got != want {
			t.Errorf("%q counts as %q, want %q", address, got, want)
		}
	}
}
