package reference

func (m *Model) requestActivation(d activation) {
	a := m.account(d.AccountID)
	if a.registeredAt.IsZero() {
		a.waiting = append(a.waiting, d)
		return
	}
	m.decide(a, d)
}

func (m *Model) decide(a *account, d activation) {
	inviter, reason := m.decision(a, d)
	if reason != "" {
		m.refused = append(m.refused, Refusal{AccountID: a.id, Code: d.Code, Event: d.event, Reason: reason})
		return
	}
	a.own = &d
	inviter.invited = append(inviter.invited, invited{by: a, at: &d})
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
	if a.own != nil {
		return nil, "already_activated"
	}
	lastDay := monthsLater(localDay(a.registeredAt), 1)
	if localDay(laterOf(d.RequestedAt, a.registeredAt)).After(lastDay) {
		return nil, "window_closed"
	}
	return inviter, ""
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
