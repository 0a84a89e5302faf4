package billing_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
	_ "time/tzdata"

	"referral/billing"
	"referral/models"
)

// checker is what a test offers, a property test as well as any other.
type checker interface {
	Helper()
	Logf(string, ...any)
	Errorf(string, ...any)
	Fatal(...any)
	Fatalf(string, ...any)
}

func loadZone(t checker, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// customerTerms is the customer's own table.
func customerTerms() billing.Terms {
	return billing.Terms{
		EffectiveFrom: models.NewDate(2020, 1, 1), WindowMonths: 1, RefuseOwnCompany: true,
		Invitee: billing.InviteeTerms{Percent: 20, Months: 3},
		Ladder: []billing.StepTerms{
			{Percent: 20, Months: 3}, {Percent: 40, Months: 6}, {Percent: 60, Months: 12, SMS: 1200},
			{Percent: 80, Months: 12}, {Percent: 100, Months: 12, SMS: 3200},
		},
		Discounted: []string{"subscription", "numbers", "calls", "recording"}, Excluded: []string{"sms_package"},
	}
}

func newProgramme(t checker, versions ...billing.Terms) *billing.Programme {
	t.Helper()
	p, err := billing.NewProgramme(loadZone(t, "Europe/Moscow"), versions)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func date(t checker, s string) models.Date {
	t.Helper()
	d, err := models.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// codeOf is the code that an account gets in tests, whenever it registers.
func codeOf(account int64) string { return fmt.Sprintf("C%08d", account) }

// world keeps what the storage keeps, in memory, and lends the rules what the
// storage lends them: a batch of facts sees only the accounts that it may touch.
// It knows nothing of what the rules decided but what they said in their changes.
type world struct {
	checker
	programme *billing.Programme

	accounts     map[int64]models.Account
	activations  map[int64][]models.Activation
	referrals    map[int64]map[int64]models.Referral // by inviter and invitee
	decisions    map[int64][]models.StaffDecision
	agreed       map[int64][]models.Discount
	imported     map[int64]models.ImportedReferral // by invitee
	entitlements map[int64]models.Entitlements
	announced    []models.OutboxEvent

	announcedIDs map[models.UUID]bool

	invoices  map[string]models.Invoice // at their highest revision
	documents map[string][]models.Adjustment
	posted    map[string]time.Time // when a document was last posted on an invoice
	revokedAt map[int64]time.Time  // by account, of either side
	clock     time.Time
	settled   map[models.Period]time.Time
	packages  map[int64][]models.SMSPackage
	periods   map[models.Period]models.PeriodState
	services  map[string]models.ServiceDecision // in force
}

func newWorld(t checker, p *billing.Programme) *world {
	return &world{
		checker: t, programme: p,
		accounts:    map[int64]models.Account{},
		activations: map[int64][]models.Activation{}, referrals: map[int64]map[int64]models.Referral{},
		decisions: map[int64][]models.StaffDecision{}, posted: map[string]time.Time{},
		agreed: map[int64][]models.Discount{}, imported: map[int64]models.ImportedReferral{},
		entitlements: map[int64]models.Entitlements{}, announcedIDs: map[models.UUID]bool{}, invoices: map[string]models.Invoice{},
		documents: map[string][]models.Adjustment{}, packages: map[int64][]models.SMSPackage{},
		periods: map[models.Period]models.PeriodState{}, settled: map[models.Period]time.Time{}, revokedAt: map[int64]time.Time{},
	}
}

// take enters a batch of facts, repeats and all.
func (w *world) take(batch ...*models.Fact) {
	var fresh []*models.Fact
	for _, f := range batch {
		if inv, ok := f.Data.(*models.Invoice); ok {
			w.issue(*inv)
			continue
		}
		fresh = append(fresh, f)
	}
	var registering int64
	book := billing.NewFactApplier(w.programme, w.lend(fresh), func() string { return codeOf(registering) })
	for _, f := range fresh {
		registering = f.Data.Account()
		book.Apply(f)
		switch d := f.Data.(type) {
		case models.StaffDecision:
			w.keepDecision(d)
		case models.ImportedReferral:
			w.imported[d.InviteeID] = d
		case models.ImportedPackage:
			w.keepPackage(d)
		case models.AgreedDiscount:
			w.agreed[d.AccountID] = append(w.agreed[d.AccountID], d.Discount())
		}
	}
	w.keep(book.Close())
}

func (w *world) issue(inv models.Invoice) {
	if inv.Revision > w.invoices[inv.ID].Revision {
		w.invoices[inv.ID] = inv
	}
}

// keepPackage keeps a package that an older system has given behind those of the ledger.
func (w *world) keepPackage(d models.ImportedPackage) {
	last := 0
	for _, p := range w.packages[d.AccountID] {
		if p.SMS == d.SMS {
			last = max(last, p.Ordinal)
		}
	}
	w.packages[d.AccountID] = append(w.packages[d.AccountID], models.SMSPackage{AccountID: d.AccountID, SMS: d.SMS, Ordinal: last + 1, GrantedOn: d.GivenOn})
}

func (w *world) keepDecision(d models.StaffDecision) {
	known := w.decisions[d.AccountID]
	at := slices.IndexFunc(known, func(o models.StaffDecision) bool { return o.ID == d.Undoes })
	if d.Kind == models.DecisionRevoke || at >= 0 && known[at].Kind == models.DecisionRevoke {
		w.clock = w.clock.Add(time.Second)
		w.revokedAt[d.AccountID], w.revokedAt[d.InviterID] = w.clock, w.clock
	}
	if !slices.ContainsFunc(known, func(o models.StaffDecision) bool { return o.ID == d.ID }) {
		w.decisions[d.AccountID] = append(known, d)
	}
}

// lend is the working set of a batch: the accounts it names, the owners of the codes
// entered now or waiting or before a decision of staff, and the inviters of all of them
// that have one.
func (w *world) lend(batch []*models.Fact) *models.WorkingSet {
	ids, set := map[int64]bool{}, models.NewWorkingSet()
	var codes []string
	decided := map[int64]bool{}
	for _, f := range batch {
		ids[f.Data.Account()] = true
		if d, ok := f.Data.(models.StaffDecision); ok {
			ids[d.InviterID], decided[d.AccountID] = true, true
			codes = append(codes, models.NormalCode(d.Code))
		}
		if a, ok := f.Data.(models.ActivationRequested); ok {
			codes = append(codes, models.NormalCode(a.Code))
		}
		switch d := f.Data.(type) {
		case models.ImportedAccount:
			codes = append(codes, d.Code)
		case models.ImportedReferral:
			ids[d.InviterID] = true
			if told, known := w.imported[d.InviteeID]; known {
				set.Imported[d.InviteeID] = told
			}
		}
	}
	for _, id := range slices.Collect(maps.Keys(ids)) {
		for _, a := range w.activations[id] {
			if a.Status == models.ActivationAccepted {
				ids[a.InviterID] = true
			}
			if a.Status == models.ActivationPending || decided[id] {
				codes = append(codes, models.NormalCode(a.Code))
			}
		}
		for _, d := range w.decisions[id] {
			ids[d.InviterID] = true
		}
	}
	for _, a := range w.accounts {
		if a.Code != "" && slices.Contains(codes, a.Code) {
			set.Codes[a.Code] = a.ID
			ids[a.ID] = true
		}
	}
	for id := range ids {
		w.lendAccount(set, id)
	}
	return set
}

func (w *world) lendAccount(set *models.WorkingSet, id int64) {
	if a, ok := w.accounts[id]; ok {
		set.Accounts[id] = &a
	}
	for _, a := range w.activations[id] {
		set.Activations[id] = append(set.Activations[id], &a)
	}
	set.Decisions[id], set.Agreed[id] = slices.Clone(w.decisions[id]), slices.Clone(w.agreed[id])
	for _, r := range w.referrals[id] { // in no order, as the storage may
		set.Referrals[id] = append(set.Referrals[id], r)
	}
	if s, ok := w.entitlements[id]; ok {
		set.Entitlements[id] = models.Entitlements{Discounts: slices.Clone(s.Discounts), Grants: slices.Clone(s.Grants)}
	}
}

func (w *world) keep(c models.Changes) {
	for _, a := range c.Accounts {
		w.accounts[a.ID] = *a
	}
	for _, a := range c.Activations {
		w.keepActivation(*a)
	}
	for _, r := range c.Referrals {
		if w.referrals[r.InviterID] == nil {
			w.referrals[r.InviterID] = map[int64]models.Referral{}
		}
		w.referrals[r.InviterID][r.InviteeID] = r
	}
	for _, r := range c.NoReferrals {
		delete(w.referrals[r.InviterID], r.InviteeID)
	}
	maps.Copy(w.entitlements, c.Entitlements)
	for _, a := range c.OutboxEvents {
		if w.announcedIDs[a.ID] {
			w.Errorf("%s of %d is announced under an id that was used before", a.Type, a.AccountID)
		}
		w.announcedIDs[a.ID] = true
	}
	w.announced = append(w.announced, c.OutboxEvents...)
}

// checkAnnounced: anyone who follows the announcements, the last of each kind, knows
// the newest discount of every account, dated or promised, and was told of no other
// that would not come.
func (w *world) checkAnnounced() {
	w.Helper()
	type side struct {
		account int64
		kind    models.DiscountKind
	}
	known, stands := map[side]string{}, map[side]string{}
	for _, a := range w.announced {
		kind, ok := a.Data["kind"].(models.DiscountKind)
		if !ok {
			continue
		}
		of := side{a.AccountID, kind}
		if a.Data["percent"] == 0 && a.Data["starts_on"] == a.Data["ends_on"] {
			if known[of] == "" {
				w.Errorf("withdrawn was what had not been announced: %s", said(a))
			}
			delete(known, of)
			continue
		}
		known[of] = fmt.Sprint(a.Data["percent"], a.Data["starts_on"], a.Data["ends_on"], a.Data["step"])
	}
	for id, s := range w.entitlements {
		for _, d := range s.Discounts { // by day
			stands[side{id, d.Kind}] = fmt.Sprint(d.Percent, d.From, d.To, d.Step)
		}
	}
	for id := range w.accounts {
		if own := w.accepted(id); own != nil && w.promised(id, own) {
			terms := w.programme.TermsOn(w.programme.Local(w.referrals[own.InviterID][id].ActivatedAt))
			stands[side{id, models.Invitee}] = fmt.Sprint(terms.Invitee.Percent, nil, nil, 0)
		}
	}
	if !maps.Equal(known, stands) {
		w.Errorf("announced are %v, in force or promised are %v", known, stands)
	}
}

func (w *world) promised(account int64, own *models.Activation) bool {
	a := w.accounts[account]
	return billing.AwaitsPromoEnd(&a, own)
}

// accepted is an account's activation that was accepted; nil when none was.
func (w *world) accepted(account int64) *models.Activation {
	for _, request := range w.activations[account] {
		if request.Status == models.ActivationAccepted {
			return &request
		}
	}
	return nil
}

func (w *world) keepActivation(a models.Activation) {
	own := w.activations[a.AccountID]
	at := slices.IndexFunc(own, func(o models.Activation) bool { return o.Key() == a.Key() })
	if at < 0 {
		a.Seq = int64(len(own)) + 1
		w.activations[a.AccountID] = append(own, a)
		return
	}
	was := own[at]
	told, imported := w.imported[a.AccountID]
	tells := imported && a.Status == models.ActivationAccepted && told.ActivatedAt.Equal(a.RequestedAt) // of the very request that was refused
	if was.Status != models.ActivationPending && len(w.decisions[a.AccountID]) == 0 && !tells {
		w.Errorf("the decision on request %d of %d was %s %s, and became %s %s", a.Seq, a.AccountID, was.Status, was.Reason, a.Status, a.Reason)
	}
	own[at] = a
	if was.Reason == models.Withdrawn && a.Reason != models.Withdrawn { // the client has asked now
		w.activations[a.AccountID] = append(slices.Delete(own, at, at+1), a)
	}
}

// adopt puts other terms in force, and derives every entitlements again.
func (w *world) adopt(p *billing.Programme) {
	w.programme = p
	set := models.NewWorkingSet()
	for id, a := range w.accounts {
		w.lendAccount(set, id)
		if a.Code != "" {
			set.Codes[a.Code] = id
		}
	}
	w.keep(p.Rederive(time.Time{})(set, nil))
}

// infos is the periods as the storage lists them.
func (w *world) infos() []models.PeriodInfo {
	var infos []models.PeriodInfo
	for p, state := range w.periods {
		infos = append(infos, models.PeriodInfo{Period: p, State: state})
	}
	return infos
}

// open is a period's case of one account.
func (w *world) open(account int64, period models.Period) *models.SettlementInput {
	entitlements := w.entitlements[account]
	c := &models.SettlementInput{
		AccountID: account, Discounts: entitlements.Discounts, Packages: w.packages[account], Earned: map[int]int{},
		RevokedAt: w.revokedAt[account],
	}
	for _, g := range entitlements.Grants {
		c.Earned[g.SMS]++
		if g.GrantedOn.Period() == period {
			c.Grants = append(c.Grants, g)
		}
	}
	for _, inv := range w.invoices {
		if inv.AccountID == account && inv.Period == period {
			c.Invoices = append(c.Invoices, w.openInvoice(inv))
		}
	}
	slices.SortFunc(c.Invoices, func(a, b models.InvoiceInput) int { return cmp.Compare(a.Invoice.ID, b.Invoice.ID) })
	return c
}

func (w *world) openInvoice(inv models.Invoice) models.InvoiceInput {
	c := models.InvoiceInput{Invoice: inv, Settled: w.settled[inv.Period]}
	c.Invoice.Services = w.services
	if at, known := w.posted[inv.ID]; known {
		c.Settled = at
	}
	defer func() {
		slices.SortFunc(c.Posted, func(a, b models.PostedLine) int { return cmp.Compare(a.LineID, b.LineID) })
	}()
	for _, doc := range w.documents[inv.ID] {
		c.Sequence, c.Revision = doc.Sequence, doc.InvoiceRevision
		for _, item := range doc.Items {
			i := slices.IndexFunc(c.Posted, func(l models.PostedLine) bool { return l.LineID == item.LineID })
			if i < 0 {
				c.Posted = append(c.Posted, models.PostedLine{LineID: item.LineID, Service: item.Service})
				i = len(c.Posted) - 1
			}
			c.Posted[i].Amount = c.Posted[i].Amount.Add(item.Amount)
		}
	}
	return c
}

// everyone is the accounts that may be owed something, in order.
func (w *world) everyone() []int64 {
	ids := map[int64]bool{}
	for id := range w.entitlements {
		ids[id] = true
	}
	for _, inv := range w.invoices {
		ids[inv.AccountID] = true
	}
	return slices.Sorted(maps.Keys(ids))
}

// settle runs a period, or catches it up, and posts what comes of it. What holds
// for every settlement is checked here.
func (w *world) settle(period models.Period, regular bool) []models.SettlementResult {
	w.Helper()
	posting := models.Run{Period: period, PostingPeriod: billing.PostingPeriod(w.infos(), period), Kind: models.RunDifferences}
	if regular {
		posting.Kind = models.RunRegular
	}
	w.clock = w.clock.Add(time.Second)
	var outcomes []models.SettlementResult
	var totals models.Totals
	for _, id := range w.everyone() {
		out := w.programme.Settle(posting, w.open(id, period))
		w.checkOutcome(posting, &out)
		w.post(&out)
		w.checkTied(posting, id)
		totals.Count(&out)
		outcomes = append(outcomes, out)
	}
	w.checkTotals(outcomes, totals)
	if w.periods[period] == "" || w.periods[period] == models.PeriodOpen {
		w.periods[period] = models.PeriodRun
		w.settled[period] = w.clock
	}
	return outcomes
}

// post appends to the ledger, which nothing is ever taken out of.
func (w *world) post(out *models.SettlementResult) {
	for _, doc := range out.Adjustments {
		w.documents[doc.InvoiceID] = append(w.documents[doc.InvoiceID], doc)
		w.posted[doc.InvoiceID] = w.clock
	}
	w.packages[out.AccountID] = append(slices.Clone(w.packages[out.AccountID]), out.Packages...)
}

// checkOutcome holds a settlement against what is true of every one.
func (w *world) checkOutcome(posting models.Run, out *models.SettlementResult) {
	w.Helper()
	if out.Err != nil {
		w.Errorf("account %d: %v", out.AccountID, out.Err)
	}
	for _, doc := range out.Adjustments {
		var sum models.Money
		for _, item := range doc.Items {
			sum = sum.Add(item.Amount)
			if item.Amount == 0 {
				w.Errorf("%s document %d has an item of nothing on line %s", doc.InvoiceID, doc.Sequence, item.LineID)
			}
			w.checkLine(doc.InvoiceID, item)
		}
		switch inv := w.invoices[doc.InvoiceID]; {
		case sum != doc.Amount:
			w.Errorf("%s document %d says %s, its items sum to %s", doc.InvoiceID, doc.Sequence, doc.Amount, sum)
		case doc.Sequence != len(w.documents[doc.InvoiceID])+1 || doc.ID != billing.AdjustmentID(doc.Period, doc.InvoiceID, doc.Sequence):
			w.Errorf("%s document %d is not the next, or has another id than follows", doc.InvoiceID, doc.Sequence)
		case doc.Period != posting.Period || doc.PostingPeriod != posting.PostingPeriod || doc.InvoiceRevision != inv.Revision ||
			doc.AccountID != out.AccountID || doc.AccountID != inv.AccountID || doc.Currency != inv.Currency:
			w.Errorf("%s document %d contradicts its settlement or its invoice: %+v", doc.InvoiceID, doc.Sequence, doc)
		}
	}
	for _, p := range out.Packages {
		if p.ID != billing.PackageID(p.AccountID, p.SMS, p.Ordinal) || p.Period != posting.Period || p.PostingPeriod != posting.PostingPeriod ||
			p.GrantedOn.Period() != posting.Period || p.AccountID != out.AccountID {
			w.Errorf("package %+v contradicts its settlement", p)
		}
	}
}

// discounts tells whether the terms discount a service or, where they do not name it, staff.
func (w *world) discounts(l *models.Line) bool {
	class := w.programme.Class(l.Service, l.From)
	return class == billing.Discounted || class == billing.Held && w.services[l.Service].Class == models.ServiceDiscounted
}

// checkLine holds what an item brings its line to against the line.
func (w *world) checkLine(invoice string, item models.AdjustmentItem) {
	w.Helper()
	inv := w.invoices[invoice]
	i := slices.IndexFunc(inv.Lines, func(l models.Line) bool { return l.ID == item.LineID })
	sum := item.Amount
	for _, posted := range w.openInvoice(inv).Posted {
		if posted.LineID == item.LineID {
			sum = sum.Add(posted.Amount)
		}
	}
	switch {
	case sum == 0:
	case i < 0:
		w.Errorf("%s has no line %s, and %s is left on it", invoice, item.LineID, sum)
	case !w.discounts(&inv.Lines[i]):
		w.Errorf("%s line %s: %s on a service that gets nothing", invoice, item.LineID, sum)
	case inv.Lines[i].Amount > 0 && (sum > 0 || -sum > inv.Lines[i].Amount), inv.Lines[i].Amount < 0 && (sum < 0 || -sum < inv.Lines[i].Amount):
		w.Errorf("%s line %s of %s: a discount of %s", invoice, item.LineID, inv.Lines[i].Amount, sum)
	}
}

// checkTied settles once more: what was desired has been posted, so nothing is
// left, whether as a run, as differences, or into another period.
func (w *world) checkTied(posting models.Run, account int64) {
	w.Helper()
	for _, again := range []models.Run{
		posting, {Period: posting.Period, PostingPeriod: posting.PostingPeriod, Kind: models.RunRegular},
		{Period: posting.Period, PostingPeriod: posting.PostingPeriod, Kind: models.RunDifferences},
		{Period: posting.Period, PostingPeriod: posting.PostingPeriod.Next(), Kind: models.RunDifferences},
	} {
		out := w.programme.Settle(again, w.open(account, posting.Period))
		if len(out.Adjustments) > 0 || len(out.Packages) > 0 {
			w.Errorf("account %d: settling %s again posts %+v %+v", account, posting.Period, out.Adjustments, out.Packages)
		}
	}
	timeline := billing.Timeline(w.entitlements[account].Discounts)
	for _, c := range w.open(account, posting.Period).Invoices {
		left := map[string]models.Money{}
		for _, item := range w.programme.Desire(timeline, &c.Invoice).Items {
			left[item.LineID] += item.Amount
		}
		for _, posted := range c.Posted {
			left[posted.LineID] -= posted.Amount
		}
		for line, amount := range left {
			if amount != 0 {
				w.Errorf("%s line %s: desired and posted differ by %s", c.Invoice.ID, line, amount)
			}
		}
	}
}

func (w *world) checkTotals(outcomes []models.SettlementResult, totals models.Totals) {
	w.Helper()
	var want models.Totals
	for _, out := range outcomes {
		for _, doc := range out.Adjustments {
			want.Documents++
			for _, item := range doc.Items {
				want.Items++
				want.Amount += item.Amount
			}
		}
		for _, p := range out.Packages {
			want.Packages++
			want.SMS += int64(p.SMS)
		}
		want.HeldLines += int64(len(out.Held))
	}
	want.Accounts, want.Full = totals.Accounts, totals.Full // not sums
	if totals != want {
		w.Errorf("the report says %+v, the documents sum to %+v", totals, want)
	}
}

// sums is what the ledger holds on each line, lines with nothing left out.
func (w *world) sums() map[[2]string]models.Money {
	sums := map[[2]string]models.Money{}
	for id := range w.documents {
		for _, posted := range w.openInvoice(w.invoices[id]).Posted {
			if posted.Amount != 0 {
				sums[[2]string{id, posted.LineID}] = posted.Amount
			}
		}
	}
	return sums
}
