package consumer

import (
	"fmt"
	"strings"

	"referral/consumer/decode"
)

var topics = decode.Topics{
	Registered: "registered", PromoEnded: "promo-ended", Terminated: "terminated", Activation: "activation", Invoices: "invoices", Results: "results",
}

const (
	registeredData = `{"account_id":885,"name":"Резервация","tax_id":"7707083893","registered_at":"2026-01-10T09:00:00Z"}`
	terminatedData = `{"account_id":885,"terminated_at":"2026-07-01T12:00:00Z"}`
)

func structuredValue(event, id, data string) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"/test","type":%q,"time":"2026-05-01T00:00:00Z","data":%s}`, id, event, data)
}

// edit replaces a part of a text that must be there.
func edit(s, old, new string) string {
	if !strings.Contains(s, old) {
		panic("the example lacks " + old)
	}
	return strings.Replace(s, old, new, 1)
}
