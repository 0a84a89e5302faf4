package workload

import (
	"fmt"
	"strconv"
	"time"

	"referral/models"
)

// notSent is the phase of what is not told.
const notSent = -1

// account is what happens to one client.
type account struct {
	id         int64
	taxID      string
	registered occurrence
	onTime     bool       // told among the registrations of its phase
	renamed    occurrence // a second registration, with another name; never for most
	promo      []occurrence
	terminated []occurrence
	attempts   []attempt
	exact      bool // lives at an edge of the rules, which nothing may blur
}

// occurrence is something that happened at a time and is told in a phase.
type occurrence struct {
	at    time.Time
	phase int
}

// attempt is a code that the client enters.
type attempt struct {
	occurrence
	owner    int64  // of the code
	literal  string // the code itself where it is nobody's
	decision models.Reason
}

// billedIn tells whether the client gets an invoice for a month.
func (a *account) billedIn(g *Generator, month models.Period) bool {
	if g.day(a.registered.at) >= month.End() {
		return false
	}
	return len(a.terminated) == 0 || g.day(a.terminated[0].at) > month.First()
}

func (a *account) registration() event {
	b := a.profile(fmt.Sprintf("ООО «Клиент %d»", a.id), a.registered.at)
	return a.event(Registered, "r", pbx, "pbx.registered.v1", a.registered.at, b)
}

// renaming is the news that the client has registered under another name; the
// earliest date and the newest name are to be kept.
func (a *account) renaming() event {
	b := a.profile(fmt.Sprintf("АО «Клиент %d»", a.id), a.renamed.at)
	return a.event(Registered, "r2", pbx, "pbx.registered.v1", a.registered.at.Add(49*time.Hour), b)
}

func (a *account) profile(name string, at time.Time) []byte {
	b := appendInt(nil, `{"account_id":`, a.id)
	b = appendText(b, `,"name":`, name)
	b = appendText(b, `,"tax_id":`, a.taxID)
	b = appendTime(b, `,"registered_at":`, at)
	if a.id%3 == 0 {
		b = appendText(b, `,"email":`, fmt.Sprintf("client-%d@example.org", a.id))
	}
	if a.id%4 == 0 {
		b = appendText(b, `,"phone":`, fmt.Sprintf("+7495%07d", a.id%10_000_000))
	}
	if a.id%5 == 0 {
		b = appendText(b, `,"promo_until":`, models.DateOf(at, time.UTC).AddMonths(1).String())
	}
	if a.id%7 == 0 {
		b = append(b, `,"tariff":{"plan":"S","seats":12}`...) // a field of tomorrow, to be ignored
	}
	return append(b, '}')
}

func (a *account) promoEvent(i int) event {
	b := appendInt(nil, `{"account_id":`, a.id)
	b = append(appendTime(b, `,"promo_ended_at":`, a.promo[i].at), '}')
	return a.event(PromoEnded, "p"+strconv.Itoa(i+1), pbx, "pbx.promo-ended.v1", a.promo[i].at, b)
}

func (a *account) terminationEvent(i int) event {
	b := appendInt(nil, `{"account_id":`, a.id)
	b = append(appendTime(b, `,"terminated_at":`, a.terminated[i].at.UTC()), '}')
	return a.event(Terminated, "t"+strconv.Itoa(i+1), pbx, "pbx.terminated.v1", a.terminated[i].at, b)
}

func (a *account) attemptEvent(i int, code string) event {
	b := appendInt(nil, `{"account_id":`, a.id)
	b = appendText(b, `,"code":`, code)
	b = append(appendTime(b, `,"requested_at":`, a.attempts[i].at), '}')
	return a.event(Activation, "a"+strconv.Itoa(i+1), cabinet, "referral.activation-requested.v1", a.attempts[i].at, b)
}

func (a *account) event(topic Topic, what, source, kind string, at time.Time, data []byte) event {
	id := what + "-" + strconv.FormatInt(a.id, 10)
	return event{topic: topic, id: id, source: source, kind: kind, account: a.id, at: at, data: data}
}
