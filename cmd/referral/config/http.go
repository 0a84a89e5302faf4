package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
)

// HTTP is the addresses to listen on, host:port; no host means all
// interfaces, port 0 any free one.
type HTTP struct {
	Cabinet string `yaml:"cabinet"`
	Finance string `yaml:"finance"`
	Admin   string `yaml:"admin"`
	// AdminPublic allows Admin to be an address of the internet.
	AdminPublic bool      `yaml:"admin_public"`
	CabinetTLS  ServerTLS `yaml:"cabinet_tls"`
	FinanceTLS  ServerTLS `yaml:"finance_tls"`
	AdminTLS    ServerTLS `yaml:"admin_tls"`
}

// CheckAdmin refuses to answer at a public address with what needs no sign-in, unless
// that is asked for. at is the address that is listened on, own are those of the machine,
// which matter when it is all of them.
func (h *HTTP) CheckAdmin(at net.IP, own []net.Addr) error {
	reached := []net.IP{at}
	if at.IsUnspecified() {
		reached = nil
		for _, address := range own {
			if network, ok := address.(*net.IPNet); ok {
				reached = append(reached, network.IP)
			}
		}
	}
	i := slices.IndexFunc(reached, isPublic)
	if i < 0 || h.AdminPublic {
		return nil
	}
	return newError("http.admin", fmt.Errorf("%s is reached at %s, which is a public address, and metrics and health need no sign-in: "+
		"name a loopback or private address, or allow it with http.admin_public: true", h.Admin, reached[i]))
}

// carriers share these addresses among their clients (RFC 6598): no other network reaches them.
var carriers = netip.MustParsePrefix("100.64.0.0/10")

func isPublic(ip net.IP) bool {
	address, ok := netip.AddrFromSlice(ip)
	return ok && ip.IsGlobalUnicast() && !ip.IsPrivate() && !carriers.Contains(address.Unmap())
}

func (h *HTTP) validate(found *findings) {
	checkAddress(found, "http.cabinet", h.Cabinet)
	checkAddress(found, "http.finance", h.Finance)
	checkAddress(found, "http.admin", h.Admin)
	h.CabinetTLS.validate(found, "http.cabinet_tls")
	h.FinanceTLS.validate(found, "http.finance_tls")
	h.AdminTLS.validate(found, "http.admin_tls")
	if port, err := portOf(h.Admin); err == nil && port != 0 && h.Admin == h.Cabinet {
		found.add("http.admin", "%s is http.cabinet's address too: clients must not reach metrics and health", h.Admin)
	}
	if port, err := portOf(h.Finance); err == nil && port != 0 && (h.Finance == h.Cabinet || h.Finance == h.Admin) {
		found.add("http.finance", "%s is the address of http.cabinet or http.admin too: the staff pages need their own", h.Finance)
	}
}

func checkAddress(found *findings, path, address string) {
	if _, err := portOf(address); err != nil {
		found.add(path, "%v; write for example 127.0.0.1:8080, or :8080 for all interfaces", err)
	}
}

// portOf is the port of a host:port; names of services are not ports.
func portOf(address string) (int, error) {
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		return 0, fmt.Errorf("%q is not host:port", address)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%q has no port from 0 to 65535", address)
	}
	return int(port), nil
}
