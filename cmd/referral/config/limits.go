package config

import (
	"net/netip"
	"time"

	"referral/web/portal"
)

// Limits is the throttling of wrong codes.
type Limits struct {
	PerAccount     int      `yaml:"wrong_codes_per_account"` // a day
	PerAddress     int      `yaml:"wrong_codes_per_address"` // an hour
	Overall        int      `yaml:"wrong_codes_overall"`     // an hour
	TrustedProxies []string `yaml:"trusted_proxies"`         // networks, as CIDR
}

func defaultLimits() Limits {
	return Limits{PerAccount: 20, PerAddress: 100, Overall: 3000, TrustedProxies: []string{}}
}

func (l *Limits) validate(found *findings) {
	const most = 1_000_000
	found.inRange("cabinet.limits.wrong_codes_per_account", l.PerAccount, 1, most)
	found.inRange("cabinet.limits.wrong_codes_per_address", l.PerAddress, 1, most)
	found.inRange("cabinet.limits.wrong_codes_overall", l.Overall, 1, most)
	for _, text := range l.TrustedProxies {
		if _, err := netip.ParsePrefix(text); err != nil {
			found.add("cabinet.limits.trusted_proxies", "%q is not a network; write for example 10.0.0.0/8, or 10.0.0.7/32 for one machine", text)
		}
	}
}

// Limits is the section as the personal account uses it.
func (l *Limits) Limits() portal.Limits {
	const day, hour = 24 * time.Hour, time.Hour
	return portal.Limits{
		Account: portal.Limit{Wrong: l.PerAccount, In: day},
		Address: portal.Limit{Wrong: l.PerAddress, In: hour},
		Overall: portal.Limit{Wrong: l.Overall, In: hour},
	}
}

// Proxies is the networks whose X-Forwarded-For is trusted. The section has been validated.
func (l *Limits) Proxies() portal.Proxies {
	var proxies portal.Proxies
	for _, text := range l.TrustedProxies {
		if prefix, err := netip.ParsePrefix(text); err == nil {
			proxies = append(proxies, prefix.Masked())
		}
	}
	return proxies
}
