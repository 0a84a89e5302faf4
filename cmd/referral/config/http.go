package config

import (
	"fmt"
	"net"
	"strconv"
)

// HTTP is the addresses to listen on, host:port; no host means all
// interfaces, port 0 any free one.
type HTTP struct {
	Cabinet string `yaml:"cabinet"`
	Finance string `yaml:"finance"`
	Admin   string `yaml:"admin"`
}

func (h *HTTP) validate(found *findings) {
	checkAddress(found, "http.cabinet", h.Cabinet)
	checkAddress(found, "http.finance", h.Finance)
	checkAddress(found, "http.admin", h.Admin)
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
