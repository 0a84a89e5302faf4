package billing_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"referral/models"
	"referral/test/reference"
)

// decide makes a decision about an account that is possible at some time, whatever has
// come by then.
func (m *maker) decide(t *rapid.T, account int64) {
	d := models.StaffDecision{
		ID: models.HashUUID("decision", fmt.Sprint(len(m.made))), AccountID: account, InviterID: rapid.Int64Range(1, max(1, account-1)).Draw(t, "inviter"),
		DecidedAt: m.start.Add(time.Duration(len(m.made)) * time.Minute),
	}
	var earlier []models.StaffDecision
	for _, f := range m.made {
		if o, ok := f.Data.(models.StaffDecision); ok && o.AccountID == account && o.Kind != models.DecisionUndo {
			earlier = append(earlier, o)
		}
	}
	kind := rapid.SampledFrom([]models.StaffDecisionKind{models.DecisionRevoke, models.DecisionAcceptCode, models.DecisionUndo}).Draw(t, "kind")
	switch {
	case kind == models.DecisionUndo && len(earlier) > 0:
		undone := rapid.SampledFrom(earlier).Draw(t, "undone")
		d.Kind, d.Undoes, d.InviterID = kind, undone.ID, undone.InviterID
	case kind == models.DecisionAcceptCode && account > 1:
		d.Kind, d.Code, d.RequestedAt = kind, codeOf(d.InviterID), m.day(t, account, -10, 90)
		for _, f := range m.made { // rather a request of the client
			if r, ok := f.Data.(models.ActivationRequested); ok && r.AccountID == account && ownerOf(r.Code) == d.InviterID {
				d.RequestedAt = r.RequestedAt
			}
		}
	default:
		d.Kind, d.From = models.DecisionRevoke, models.FromTheStart
		if rapid.Bool().Draw(t, "from a day on") {
			d.From = models.NewDate(2026, 1, 1) + models.Date(rapid.IntRange(0, 200).Draw(t, "from"))
		}
	}
	m.add(d)
}

// refer tells the reference what the facts say, in its own form.
func refer(t checker, facts []*models.Fact) *reference.Model {
	t.Helper()
	m := newReference()
	tell(t, m, facts)
	return m
}

func newReference() *reference.Model {
	return reference.New(func(code string) (int64, bool) { return ownerOf(code), ownerOf(code) > 0 })
}

// tell tells a reference facts. One that is told again is the same event.
func tell(t checker, m *reference.Model, facts []*models.Fact) {
	t.Helper()
	for _, f := range facts {
		var kind string
		var data map[string]any
		switch d := f.Data.(type) {
		case models.Registered:
			kind, data = "pbx.registered.v1", map[string]any{"account_id": d.AccountID, "tax_id": d.Profile.TaxID, "registered_at": d.RegisteredAt}
		case models.PromoEnded:
			kind, data = "pbx.promo-ended.v1", map[string]any{"account_id": d.AccountID, "promo_ended_at": d.EndedAt}
		case models.Terminated:
			kind, data = "pbx.terminated.v1", map[string]any{"account_id": d.AccountID, "terminated_at": d.TerminatedAt}
		case models.ActivationRequested:
			kind, data = "referral.activation-requested.v1", map[string]any{"account_id": d.AccountID, "code": d.Code, "requested_at": d.RequestedAt}
		case *models.Invoice:
			lines := []map[string]any{}
			for _, l := range d.Lines {
				lines = append(lines, map[string]any{"line_id": l.ID, "service": l.Service, "from": l.From, "to": l.To, "amount_minor": l.Amount})
			}
			kind, data = "billing.invoice-issued.v1", map[string]any{"invoice_id": d.ID, "account_id": d.AccountID, "period": d.Period, "revision": d.Revision, "lines": lines}
		case models.StaffDecision:
			m.Decide(referred(d))
			continue
		}
		value, err := json.Marshal(map[string]any{"id": fmt.Sprintf("%p", f), "source": "test", "type": kind, "time": f.At, "data": data})
		if err == nil {
			err = m.Take(nil, value)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func referred(d models.StaffDecision) reference.Decision {
	r := reference.Decision{ID: d.ID.String(), Number: int(d.DecidedAt.Unix()), Account: d.AccountID, Inviter: d.InviterID, Accept: d.RequestedAt}
	switch d.Kind {
	case models.DecisionRevoke:
		r.Revoke = d.From.String()
	case models.DecisionUndo:
		r.Undoes = d.Undoes.String()
	}
	return r
}

// Facts, decisions of staff and invoices in any order, with runs between them: in the end
// everybody has what the reference, which knows nothing of how they came, gives him.
func TestDecisionsInAnyOrder(t *testing.T) {
	t.Parallel()
	p := newProgramme(t, customerTerms())
	rapid.Check(t, func(t *rapid.T) {
		accounts := rapid.SampledFrom([]int64{6, 12, 20, 3, 2}).Draw(t, "accounts")
		m := newMaker(t, p.Zone, accounts)
		for id := int64(1); id <= accounts; id++ { // an undo of a decision on an account that never came has no account
			m.register(t, id)
		}
		m.made = append(m.made, someManyFacts(t, p.Zone, accounts)...)
		m.tax = map[int64]string{}
		someInvoices(t, m, accounts)
		for range rapid.IntRange(1, int(accounts)*2).Draw(t, "decisions") {
			m.decide(t, rapid.Int64Range(1, accounts).Draw(t, "decided about"))
		}
		sameTax(m)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 3))

		once, often := newWorld(t, p), newWorld(t, p)
		first, other := shuffled(m.made, random), shuffled(m.made, random)
		once.take(first...)
		for _, batch := range inBatches(other, 12, random) {
			often.take(batch...)
			often.services = someService(t)
			often.someRun(random)
		}
		once.services, often.services = often.services, maps.Clone(often.services)
		once.settleAll()
		often.settleAll()
		want := refer(t, first)
		want.DecideService("fax", once.services["fax"].Class == models.ServiceDiscounted)
		for month := firstMonth; month <= lastMonth; month = month.Next() {
			if err := want.Run(month.String()); err != nil {
				t.Fatal(err)
			}
		}
		ledger := map[[2]string]models.Money{}
		for line, amount := range want.Lines() {
			ledger[[2]string{line.InvoiceID, line.LineID}] = models.Money(amount)
		}
		for _, w := range []*world{once, often} {
			if got := w.lineSums(); !maps.Equal(got, ledger) {
				t.Fatalf("after %s\nthe ledger holds %v\nwant %v", list(other), got, ledger)
			}
			w.checkAnnounced()
			w.checkDerived()
		}
		if got, want := often.granted(), once.granted(); got != want {
			t.Fatalf("after %s\n%s\nwant\n%s", list(other), got, want)
		}
		for p, n := range want.Packages() {
			if earned := once.earnedOf(p.AccountID, p.SMS); earned != n {
				t.Fatalf("account %d has earned %d packages of %d SMS, want %d", p.AccountID, earned, p.SMS, n)
			}
		}
		once.checkPackages(true)
		often.checkPackages(false)
	})
}

// A request that a decision of staff had made counts from when the client makes it, also when
// all of it is taken at once: without the decision, the first one to come is accepted.
func TestRequestsKeepTheOrderOfTheirArrival(t *testing.T) {
	t.Parallel()
	january := func(day int) time.Time { return time.Date(2026, 1, day, 12, 0, 0, 0, time.UTC) }
	accepts := models.StaffDecision{ID: models.HashUUID("decision", "accepts"), Kind: models.DecisionAcceptCode, AccountID: 2, InviterID: 1, Code: codeOf(1), RequestedAt: january(7), DecidedAt: january(8)}
	undoes := models.StaffDecision{ID: models.HashUUID("decision", "undoes"), Kind: models.DecisionUndo, AccountID: 2, InviterID: 1, Undoes: accepts.ID, DecidedAt: january(20)}
	var facts []*models.Fact
	for _, data := range []models.FactData{
		models.Registered{AccountID: 1, RegisteredAt: january(1)}, models.Registered{AccountID: 2, RegisteredAt: january(2)}, accepts,
		models.ActivationRequested{AccountID: 2, Code: codeOf(1), RequestedAt: january(18)}, models.ActivationRequested{AccountID: 2, Code: codeOf(1), RequestedAt: january(7)}, undoes,
	} {
		facts = append(facts, &models.Fact{At: january(21), Data: data})
	}
	for _, size := range []int{1, 2, 5, 6} {
		w := newWorld(t, newProgramme(t, customerTerms()))
		for batch := range slices.Chunk(facts, size) {
			w.take(batch...)
		}
		if own := w.accepted(2); own == nil || !own.RequestedAt.Equal(january(18)) {
			t.Errorf("%d at once: accepted is %+v, want the request that came first", size, own)
		}
	}
}

// someService is what staff may have decided about a service that the terms do not name;
// what they name counts whatever was decided.
func someService(t *rapid.T) map[string]models.ServiceDecision {
	decided := map[string]models.ServiceDecision{"calls": {Class: models.ServiceExcluded}, "sms_package": {Class: models.ServiceDiscounted}}
	if class := rapid.SampledFrom([]models.ServiceClass{"", models.ServiceDiscounted, models.ServiceExcluded}).Draw(t, "class of fax"); class != "" {
		decided["fax"] = models.ServiceDecision{Class: class}
	}
	return decided
}

// sameTax has every account named by one tax id of its own: whether two are one company
// is decided when a request is judged, and stays so.
func sameTax(m *maker) {
	for _, f := range m.made {
		if r, ok := f.Data.(models.Registered); ok {
			r.Profile.TaxID = fmt.Sprint(1000 + r.AccountID)
			f.Data = r
		}
	}
}

// lineSums is the sum of the ledger on each line where it is not zero.
func (w *world) lineSums() map[[2]string]models.Money {
	sums := map[[2]string]models.Money{}
	for invoice, documents := range w.documents {
		for _, doc := range documents {
			for _, item := range doc.Items {
				sums[[2]string{invoice, item.LineID}] += item.Amount
			}
		}
	}
	maps.DeleteFunc(sums, func(_ [2]string, sum models.Money) bool { return sum == 0 })
	return sums
}

func (w *world) earnedOf(account int64, sms int) (n int) {
	for _, g := range w.entitlements[account].Grants {
		if g.SMS == sms {
			n++
		}
	}
	return n
}

// granted is the referrals and what they give, without accounts that have none.
func (w *world) granted() string {
	maps.DeleteFunc(w.referrals, func(_ int64, list map[int64]models.Referral) bool { return len(list) == 0 })
	maps.DeleteFunc(w.entitlements, func(_ int64, e models.Entitlements) bool { return len(e.Discounts)+len(e.Grants) == 0 })
	return fmt.Sprintf("%+v\n%+v", w.entitlements, w.referrals)
}

// checkDerived: what is kept of every account is what its facts give.
func (w *world) checkDerived() {
	w.Helper()
	for id, s := range w.entitlements {
		account := w.accounts[id]
		if pure := w.derive(&account); fmt.Sprint(pure) != fmt.Sprint(s) {
			w.Errorf("account %d stands at %v, its facts give %v", id, s, pure)
		}
	}
}
