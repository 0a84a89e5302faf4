package reference

import (
	"encoding/json"
	"fmt"
	"time"

	"referral/models"
)

// Model is everything that has arrived, and what has been posted.
type Model struct {
	owner    func(code string) (int64, bool)
	asked    map[request]bool
	accounts map[int64]*account
	invoices map[string]*invoice
	ledger   map[Line]int64
	named    map[string]string // by invoice, the first of the lines that the ledger has ever named
	sent     map[numberedPackage]bool
	refused  []Refusal
	accepted []Acceptance

	decisions  map[string]Decision
	discounted map[string]bool // services, by decisions of staff
}

// Line names a line of an invoice.
type Line struct {
	InvoiceID string
	LineID    string
}

// Package counts alike packages of one inviter.
type Package struct {
	AccountID int64
	SMS       int
}

// Refusal is an activation that was refused; Event is the id of its message.
type Refusal struct {
	AccountID int64
	Code      string
	Event     string
	Reason    string
}

// Acceptance is an activation that was accepted.
type Acceptance struct {
	AccountID int64
	InviterID int64
}

type account struct {
	id           int64
	taxID        string
	taxTold      time.Time
	registeredAt time.Time
	promoEnded   time.Time
	terminated   time.Time
	waiting      []activation
	possible     []possible // by arrival
	told         told
	imported     *possible // accepted by an older system; nil for none
	agreed       []agreed
}

type invited struct {
	by      *account // the friend
	at      *activation
	until   day // first day without effect, if it is revoked
	revoked bool
}

// New makes an empty model. owner returns whose an invitation code is.
func New(owner func(code string) (int64, bool)) *Model {
	return &Model{
		owner: owner, asked: map[request]bool{}, accounts: map[int64]*account{}, invoices: map[string]*invoice{},
		ledger: map[Line]int64{}, named: map[string]string{}, sent: map[numberedPackage]bool{}, decisions: map[string]Decision{}, discounted: map[string]bool{},
	}
}

// Take enters one message that a reader must accept; bad input is not for the
// model. A fact that comes again changes nothing, under whatever event id.
func (m *Model) Take(headers []models.Header, value []byte) error {
	e, err := read(headers, value)
	if err != nil {
		return err
	}
	if err := m.apply(e); err != nil {
		return fmt.Errorf("event %s of %s: %w", e.ID, e.Source, err)
	}
	return nil
}

func (m *Model) apply(e event) error {
	switch e.Type {
	case "pbx.registered.v1":
		return with(e, func(d registered) { m.register(e, d) })
	case "pbx.promo-ended.v1":
		return with(e, func(d promoEnded) { a := m.account(d.AccountID); hear(&a.promoEnded, &a.told.promoEnded, d.EndedAt) })
	case "pbx.terminated.v1":
		return with(e, func(d terminated) {
			a := m.account(d.AccountID)
			hear(&a.terminated, &a.told.terminated, d.TerminatedAt)
		})
	case "referral.activation-requested.v1":
		return with(e, func(d activation) { d.event = e.ID; m.requestActivation(d) })
	case "billing.invoice-issued.v1":
		return with(e, m.addInvoice)
	}
	return fmt.Errorf("type %q is unknown to the model", e.Type)
}

func with[T any](e event, do func(T)) error {
	var data T
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return err
	}
	do(data)
	return nil
}

func (m *Model) account(id int64) *account {
	if m.accounts[id] == nil {
		m.accounts[id] = &account{id: id}
	}
	return m.accounts[id]
}

func (m *Model) register(e event, d registered) {
	a := m.account(d.AccountID)
	hear(&a.registeredAt, &a.told.registered, d.RegisteredAt)
	if a.taxTold.IsZero() || e.Time.After(a.taxTold) {
		a.taxID, a.taxTold = d.TaxID, e.Time
	}
	m.judgeWaiting(a)
}

func (m *Model) judgeWaiting(a *account) {
	if a.registeredAt.IsZero() {
		return
	}
	waiting := a.waiting
	a.waiting = nil
	for _, w := range waiting {
		m.decide(a, w)
	}
}

func (m *Model) addInvoice(inv invoice) {
	if known := m.invoices[inv.ID]; known == nil || inv.Revision > known.Revision {
		m.invoices[inv.ID] = &inv
	}
}

// hear takes what a message tells of a time: the earliest of those that messages have told,
// whatever an older system had told before.
func hear(known *time.Time, told *bool, at time.Time) {
	if known.IsZero() || *told || at.Before(*known) {
		*known = at
	}
	*told = false
}
