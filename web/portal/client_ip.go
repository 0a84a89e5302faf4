package portal

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies is the networks of trusted proxies, whose X-Forwarded-For is believed. With
// none, the client is the peer of the connection.
type Proxies []netip.Prefix

// ClientIP returns the IP address that a request came from: the nearest one that is not
// a trusted proxy. X-Forwarded-For is read from its end, because the client may have
// written its beginning.
func (p Proxies) ClientIP(r *http.Request) string {
	address, ok := peer(r.RemoteAddr)
	if !ok {
		return ""
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !p.trusts(address) {
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

func (p Proxies) trusts(a netip.Addr) bool {
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

// addressBlock is what counts as one address for throttling: an IPv6 client has a
// whole /64 at its disposal. All invalid addresses count as one.
func addressBlock(address string) string {
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
