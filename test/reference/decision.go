package reference

import "time"

// request is what identifies a request to activate a code.
type request struct {
	account int64
	code    string
	at      int64 // in nanoseconds
}

func (m *Model) requestActivation(d activation) {
	fact := request{d.AccountID, d.Code, d.RequestedAt.UnixNano()}
	if m.asked[fact] {
		return
	}
	m.asked[fact] = true
	a := m.account(d.AccountID)
	if a.registeredAt.IsZero() {
		a.waiting = append(a.waiting, d)
		return
	}
	m.decide(a, d)
}

func (m *Model) decide(a *account, d activation) {
	byRules, reason := m.decision(a, d)
	if reason == "" || reason == "already_activated" {
		a.possible = append(a.possible, possible{d, byRules})
	}
	inviter := byRules
	if reason != "" {
		m.refused = append(m.refused, Refusal{AccountID: a.id, Code: d.Code, Event: d.event, Reason: reason})
		return
	}
	m.accepted = append(m.accepted, Acceptance{AccountID: a.id, InviterID: inviter.id})
}

func (m *Model) decision(a *account, d activation) (*account, string) {
	owner, known := m.owner(d.Code)
	if !known || m.account(owner).registeredAt.IsZero() {
		return nil, "unknown_code"
	}
	inviter := m.account(owner)
	if inviter == a {
		return nil, "own_code"
	}
	if inviter.taxID != "" && inviter.taxID == a.taxID {
		return nil, "own_company"
	}
	lastDay := monthsLater(localDay(a.registeredAt), 1)
	late := localDay(laterOf(d.RequestedAt, a.registeredAt)).After(lastDay)
	switch _, other := m.current(a); {
	case other != nil && late:
		return nil, "already_activated"
	case other != nil:
		return inviter, "already_activated"
	case late:
		return nil, "window_closed"
	}
	return inviter, ""
}

// possible is a request that the rules accept when no other one was accepted; inviter is
// nil when they do not.
type possible struct {
	activation activation
	inviter    *account
}

// Decision is what staff decided about an account: Accept has a code accepted, Revoke
// takes the referral back from a day on, Undoes names another decision.
type Decision struct {
	ID      string
	Number  int // in the order in which they were decided
	Account int64
	Inviter int64
	Accept  time.Time // when the code counts as asked for
	Revoke  string    // the first day without effect
	Undoes  string
}

// Decide enters a decision; a repeated one changes nothing.
func (m *Model) Decide(d Decision) { m.decisions[d.ID] = d }

// DecideService enters what staff decides about a service that the terms do not name.
func (m *Model) DecideService(service string, discounted bool) { m.discounted[service] = discounted }

func (m *Model) inForce(id string) bool {
	for _, d := range m.decisions {
		if d.Undoes == id {
			return false
		}
	}
	return true
}

// current is the activation of an account that is accepted now and who invited it.
func (m *Model) current(a *account) (*activation, *account) {
	if a.registeredAt.IsZero() {
		return nil, nil
	}
	var first *Decision
	for id, d := range m.decisions {
		if d.Account == a.id && !d.Accept.IsZero() && m.inForce(id) && (first == nil || d.Number < first.Number) {
			first = &d
		}
	}
	if first != nil {
		return &activation{AccountID: a.id, RequestedAt: first.Accept}, m.account(first.Inviter)
	}
	if a.imported != nil {
		return &a.imported.activation, a.imported.inviter
	}
	for i := range a.possible {
		if p := &a.possible[i]; p.inviter != nil {
			return &p.activation, p.inviter
		}
	}
	return nil, nil
}

// revoked is the day from which on an account's referral by an inviter has no effect.
func (m *Model) revoked(a, inviter *account) (from day, is bool) {
	for id, d := range m.decisions {
		if d.Account != a.id || d.Revoke == "" || d.Inviter != inviter.id || !m.inForce(id) {
			continue
		}
		on, err := parseDay(d.Revoke)
		if err != nil {
			panic(err)
		}
		if !is || on.Before(from) {
			from, is = on, true
		}
	}
	return from, is
}

// Refused is every refusal so far, in the order in which they were given.
func (m *Model) Refused() []Refusal { return m.refused }

// Accepted is every acceptance so far, in the order in which they were given.
func (m *Model) Accepted() []Acceptance { return m.accepted }

// Pending counts the activations whose account has not registered.
func (m *Model) Pending() int {
	n := 0
	for _, a := range m.accounts {
		n += len(a.waiting)
	}
	return n
}
