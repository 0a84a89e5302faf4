package workload

import (
	"fmt"
	"strconv"
	"time"

	"referral/models"
)

// account is what happens to one client.
type account struct {
	id         int64
	taxID      string
	registered occurrence
	onTime     bool       // sent among the registrations of its phase
	renamed    occurrence // a second registration, with another name; not sent for most
	promo      []occurrence
	terminated []occurrence
	attempts   []attempt
	exact      bool // lives at a limit of the rules, so nothing may be moved at random
}

// occurrence is something that happened at a time and is sent in a phase.
type occurrence struct {
	at    time.Time
	phase int
}

// notSent is the phase of what is not sent.
const notSent = -1

// attempt is a code that the client enters.
type attempt struct {
	occurrence
	owner    int64  // of the code
	literal  string // the code itself where nobody owns it
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
	profile := a.profile(fmt.Sprintf("ООО «Клиент %d»", a.id), a.registered.at)
	return a.event(Registered, "r", pbx, "pbx.registered.v1", a.registered.at, profile)
}

// renaming is a registration under another name; the earliest date and the newest
// name must be kept.
func (a *account) renaming() event {
	profile := a.profile(fmt.Sprintf("АО «Клиент %d»", a.id), a.renamed.at)
	return a.event(Registered, "r2", pbx, "pbx.registered.v1", a.registered.at.Add(49*time.Hour), profile)
}

func (a *account) profile(name string, at time.Time) registered {
	r := registered{AccountID: a.id, Name: name, TaxID: a.taxID, RegisteredAt: at}
	if a.id%3 == 0 {
		r.Email = fmt.Sprintf("client-%d@example.org", a.id)
	}
	if a.id%4 == 0 {
		r.Phone = fmt.Sprintf("+7495%07d", a.id%10_000_000)
	}
	if a.id%5 == 0 {
		r.PromoUntil = models.DateOf(at, time.UTC).AddMonths(1).String()
	}
	if a.id%7 == 0 {
		r.Tariff = &tariff{Plan: "S", Seats: 12}
	}
	return r
}

func (a *account) promoEvent(i int) event {
	at := a.promo[i].at
	return a.event(PromoEnded, "p"+strconv.Itoa(i+1), pbx, "pbx.promo-ended.v1", at, promoEnded{a.id, at})
}

func (a *account) terminationEvent(i int) event {
	at := a.terminated[i].at
	return a.event(Terminated, "t"+strconv.Itoa(i+1), pbx, "pbx.terminated.v1", at, terminated{a.id, at.UTC()})
}

func (a *account) attemptEvent(i int, code string) event {
	at := a.attempts[i].at
	return a.event(Activation, "a"+strconv.Itoa(i+1), cabinet, "referral.activation-requested.v1", at, activation{a.id, code, at})
}

func (a *account) event(topic Topic, what, source, kind string, at time.Time, data any) event {
	id := what + "-" + strconv.FormatInt(a.id, 10)
	return event{topic: topic, id: id, source: source, kind: kind, account: a.id, at: at, data: data}
}

// Registration is the registration of a client who is not among the generated ones,
// and may still enter a code.
func Registration(id int64, at time.Time) Message {
	a := &account{id: id, taxID: fmt.Sprintf("78%08d", id%100_000_000), registered: occurrence{at: at}}
	return a.registration().message(false)
}

// Company is some clients who are not among the generated ones: PBXs of one company,
// which enter the code of a client a few minutes after one another.
func Company(first int64, clients int, code string, at time.Time) []Message {
	var messages []Message
	for n := range clients {
		a := &account{id: first + int64(n), attempts: []attempt{{occurrence: occurrence{at: at.Add(time.Duration(n) * 7 * time.Minute)}}}}
		registration := registered{
			AccountID: a.id, Name: fmt.Sprintf("ООО «Кольцо», филиал %d", n+1), TaxID: "7811223344", RegisteredAt: at.Add(-72 * time.Hour),
			Email: fmt.Sprintf("office-%d@kolco.example", n+1), Phone: "+78125550101",
		}
		messages = append(messages,
			a.event(Registered, "r", pbx, "pbx.registered.v1", registration.RegisteredAt, registration).message(false), a.attemptEvent(0, code).message(false))
	}
	return messages
}
