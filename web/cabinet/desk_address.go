package cabinet

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies is the machines whose word about where a request came from is taken.
// With none, that is whoever opened the connection.
type Proxies []netip.Prefix

// Client is the IP address that a request came from: the nearest one that is no
// trusted proxy. X-Forwarded-For is read from its end, for anybody may have
// written what stands before that.
func (p Proxies) Client(r *http.Request) string {
	address, ok := peer(r.RemoteAddr)
	if !ok {
		return ""
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !p.trust(address) {
			break
		}
		before, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		address = before.Unmap().WithZone("")
	}
	return address.String()
}

func (p Proxies) trust(a netip.Addr) bool {
	return slices.ContainsFunc(p, func(prefix netip.Prefix) bool { return prefix.Contains(a) })
}

func peer(remote string) (netip.Addr, bool) {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	address, err := netip.ParseAddr(host)
	return address.Unmap().WithZone(""), err == nil
}

// neighbourhood is what counts as one address for the limit: an IPv6 client has
// its whole /64 at its disposal. What is no address is one neighbourhood.
func neighbourhood(address string) string {
	a, err := netip.ParseAddr(address)
	switch {
	case err != nil:
		return "unknown"
	case a.Unmap().Is4():
		return a.Unmap().String()
	}
	prefix, err := a.WithZone("").Prefix(64)
	if err != nil {
		return "unknown"
	}
	return prefix.String()
}
