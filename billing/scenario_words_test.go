package billing_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"referral/billing"
	"referral/models"
)

// teller turns the words of a story into facts and runs.
type teller struct {
	*world
	zone     string
	versions []billing.Terms
	told     int
}

// verbs is the forms of words, all those of testdata/README.md.
var verbs = sync.OnceValue(func() []verb {
	return []verb{
		form(`ACCOUNT registers MOMENT(?:, tax id (\S+))?(?:, as (\w+))?(?:, told (\d+))?`, (*teller).registers),
		form(`ACCOUNT's promo ends MOMENT`, (*teller).promoEnds),
		form(`ACCOUNT leaves MOMENT`, (*teller).leaves),
		form(`ACCOUNT enters the code of ACCOUNT MOMENT: (\w+)`, (*teller).entersCodeOf),
		form(`ACCOUNT enters "([^"]*)" MOMENT: (\w+)`, (*teller).enters),
		form(`decision (\d+): the referral of ACCOUNT is revoked from (the start|\d{4}-\d\d-\d\d)`, (*teller).revokes),
		form(`decision (\d+): the code of ACCOUNT is accepted for ACCOUNT MOMENT`, (*teller).acceptsCode),
		form(`decision (\d+): decision (\d+) on ACCOUNT is undone`, (*teller).undoes),
		form(`the requests of ACCOUNT are`, (*teller).showRequests),
		form(`the name of ACCOUNT is (\w+)`, (*teller).showName),
		form(`ACCOUNT counts as registered MOMENT`, (*teller).showRegistered),
		form(`the code of ACCOUNT is (\w+)`, (*teller).showCode),
		form(`the clients brought by ACCOUNT are`, (*teller).showReferrals),
		form(`the discounts of ACCOUNT are`, (*teller).showDiscounts),
		form(`the packages earned by ACCOUNT are`, (*teller).showGrants),
		form(`invoice (\S+) of ACCOUNT for MONTH(?:, revision (\d+))?`, (*teller).invoice),
		form(`run MONTH`, (*teller).run),
		form(`catch up MONTH`, (*teller).catchUp),
		form(`MONTH is closed`, (*teller).closeMonth),
		form(`the ledger of (\S+) is`, (*teller).showLedger),
		form(`new terms from DAY`, (*teller).newTerms),
		form(`the days are those of (\S+)`, (*teller).moveZone),
	}
})

func (w *teller) number(s string) int64 {
	w.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		w.Fatal(err)
	}
	return n
}

func (w *teller) small(s string) int { return int(w.number(s)) }

// moment is local time of the programme unless it says UTC; noon if no time is
// said.
func (w *teller) moment(s string) time.Time {
	w.Helper()
	zone := w.programme.Zone
	if utc, ok := strings.CutSuffix(s, " UTC"); ok {
		s, zone = utc, time.UTC
	}
	if len(s) == len("2006-01-02") {
		s += " 12:00"
	}
	if len(s) == len("2006-01-02 15:04") {
		s += ":00"
	}
	at, err := time.ParseInLocation(time.DateTime, s, zone)
	if err != nil {
		w.Fatal(err)
	}
	return at
}

func (w *teller) month(s string) models.Period {
	w.Helper()
	p, err := models.ParsePeriod(s)
	if err != nil {
		w.Fatal(err)
	}
	return p
}

func (w *teller) money(s string) models.Money {
	w.Helper()
	roubles, kopecks, ok := strings.Cut(strings.ReplaceAll(s, " ", ""), ".")
	if !ok || len(kopecks) != 2 {
		w.Fatalf("%q is no amount like 3 000.00", s)
	}
	return models.Money(w.number(roubles + kopecks))
}

// fact tells one event; every telling is an event of its own.
func (w *teller) fact(data models.FactData) {
	w.told++
	w.take(&models.Fact{At: time.Unix(int64(w.told), 0), Data: data})
}

func (w *teller) registers(_ *step, m []string) {
	at := int64(w.told + 1)
	if m[4] != "" {
		at = w.number(m[4])
	}
	w.fact(models.Registered{AccountID: w.number(m[0]), RegisteredAt: w.moment(m[1]), Profile: models.Profile{
		TaxID: m[2], Name: m[3], At: time.Unix(at, 0),
	}})
}

func (w *teller) promoEnds(_ *step, m []string) {
	w.fact(models.PromoEnded{AccountID: w.number(m[0]), EndedAt: w.moment(m[1])})
}

func (w *teller) leaves(_ *step, m []string) {
	w.fact(models.Terminated{AccountID: w.number(m[0]), TerminatedAt: w.moment(m[1])})
}

func (w *teller) entersCodeOf(s *step, m []string) {
	w.enters(s, []string{m[0], codeOf(w.number(m[1])), m[2], m[3]})
}

// enters says at once what the client was told.
func (w *teller) enters(s *step, m []string) {
	id := w.number(m[0])
	w.fact(models.ActivationRequested{AccountID: id, Code: m[1], RequestedAt: w.moment(m[2])})
	own := w.activations[id]
	s.want, s.got = []string{m[3]}, []string{decisionOf(own[len(own)-1])}
}

func decisionOf(a models.Activation) string {
	switch {
	case a.Status == models.ActivationAccepted && a.Reason != "":
		return fmt.Sprintf("accepted by staff, not by the rules (%s)", a.Reason)
	case a.Status == models.ActivationPending && a.Reason == models.NotRegistered, a.Status == models.ActivationAccepted && a.Reason == "":
		return string(a.Status)
	case a.Status == models.ActivationRefused && a.InviterID == 0:
		return string(a.Reason)
	}
	return fmt.Sprintf("%s with the reason %q and the inviter %d", a.Status, a.Reason, a.InviterID)
}

// show compares what a step lists with what there is.
func (s *step) show(got []string) {
	if len(got) == 0 {
		got = []string{"none"}
	}
	s.want, s.got = s.body, got
}

func (w *teller) revokes(s *step, m []string) {
	from := models.FromTheStart
	if m[2] != "the start" {
		from = date(w, m[2])
	}
	w.decides(s, m[0], models.StaffDecision{Kind: models.DecisionRevoke, AccountID: w.number(m[1]), From: from})
}

func (w *teller) acceptsCode(s *step, m []string) {
	w.decides(s, m[0], models.StaffDecision{
		Kind: models.DecisionAcceptCode, AccountID: w.number(m[2]), Code: codeOf(w.number(m[1])), RequestedAt: w.moment(m[3]),
	})
}

func (w *teller) undoes(s *step, m []string) {
	w.decides(s, m[0], models.StaffDecision{Kind: models.DecisionUndo, AccountID: w.number(m[2]), Undoes: decisionID(m[1])})
}

func decisionID(number string) models.UUID { return models.HashUUID("decision", number) }

// decides takes a decision that is possible, and otherwise says why it is not.
func (w *teller) decides(s *step, number string, d models.StaffDecision) {
	d.ID, d.DecidedAt = decisionID(number), time.Unix(int64(w.told+1), 0)
	ask := []*models.Fact{{Data: d}}
	d, err := w.programme.CheckDecision(w.lend(ask), d)
	if err != nil {
		s.show([]string{strings.ReplaceAll(err.Error(), d.Undoes.String(), "that")})
		return
	}
	s.want, s.got = s.body, nil
	w.fact(d)
}

func (w *teller) showRequests(s *step, m []string) {
	var got []string
	for _, a := range w.activations[w.number(m[0])] {
		text := w.programme.Local(a.RequestedAt).String() + ": " + decisionOf(a)
		if a.InviterID != 0 {
			text += fmt.Sprintf(", by %d", a.InviterID)
		}
		got = append(got, text)
	}
	s.show(got)
}

func (w *teller) showName(s *step, m []string) {
	s.want, s.got = m[1:], []string{w.accounts[w.number(m[0])].Profile.Name}
}

func (w *teller) showRegistered(s *step, m []string) {
	got := w.accounts[w.number(m[0])].RegisteredAt
	s.want, s.got = []string{w.moment(m[1]).UTC().String()}, []string{got.UTC().String()}
}

func (w *teller) showCode(s *step, m []string) {
	got := w.accounts[w.number(m[0])].Code
	if got == "" {
		got = "none"
	}
	s.want, s.got = m[1:], []string{got}
}

func (w *teller) showReferrals(s *step, m []string) {
	inviter := w.number(m[0])
	var referrals []models.Referral
	for _, r := range w.referrals[inviter] {
		referrals = append(referrals, r)
	}
	var got []string
	for _, r := range w.programme.Ladder(referrals) {
		text := fmt.Sprintf("%s: %d, step %d, %d %% until %s", r.On, r.InviteeID, r.Step, r.Percent, r.End)
		if r.SMS > 0 {
			text += fmt.Sprintf(", %d SMS", r.SMS)
		}
		if r.Restart {
			text += ", from the bottom"
		}
		got = append(got, text)
	}
	s.show(got)
}

func (w *teller) showDiscounts(s *step, m []string) {
	id := w.number(m[0])
	var got []string
	if w.promised(id, w.accepted(id)) {
		got = append(got, "promised")
	}
	for _, d := range w.entitlements[id].Discounts {
		text := fmt.Sprintf("%s to %s: %d %% as %s", d.From, d.To, d.Percent, d.Kind)
		if d.Step > 0 {
			text += fmt.Sprintf(", step %d", d.Step)
		}
		if d.AccountID != id {
			text += fmt.Sprintf(" OF %d", d.AccountID)
		}
		got = append(got, text)
	}
	s.show(got)
}

func (w *teller) showGrants(s *step, m []string) {
	id := w.number(m[0])
	var got []string
	for _, g := range w.entitlements[id].Grants {
		text := fmt.Sprintf("%s: %d SMS, number %d, step %d", g.GrantedOn, g.SMS, g.Ordinal, g.Step)
		if g.AccountID != id {
			text += fmt.Sprintf(" OF %d", g.AccountID)
		}
		got = append(got, text)
	}
	s.show(got)
}

func (w *teller) invoice(s *step, m []string) {
	inv := &models.Invoice{ID: m[0], AccountID: w.number(m[1]), Period: w.month(m[2]), Revision: 1, Currency: "RUB"}
	if m[3] != "" {
		inv.Revision = w.small(m[3])
	}
	for _, text := range s.body {
		if text == "cancelled" {
			continue
		}
		inv.Lines = append(inv.Lines, w.line(s, text))
	}
	w.fact(inv)
}

// line reads "1 subscription 2026-04-01 to 2026-05-01: 3 000.00".
func (w *teller) line(s *step, text string) models.Line {
	w.Helper()
	what, amount, _ := strings.Cut(text, ": ")
	words := strings.Fields(what)
	if len(words) != 5 || words[3] != "to" {
		w.Fatalf("%s: %q is no line of an invoice", s.at, text)
	}
	return models.Line{ID: words[0], Service: words[1], From: date(w, words[2]), To: date(w, words[4]), Amount: w.money(amount)}
}

func (w *teller) run(s *step, m []string) { s.show(w.posted(w.settle(w.month(m[0]), true))) }

func (w *teller) catchUp(s *step, m []string) { s.show(w.posted(w.settle(w.month(m[0]), false))) }

func (w *teller) closeMonth(_ *step, m []string) { w.periods[w.month(m[0])] = models.PeriodClosed }

// posted says what a settlement did, in the words of testdata/README.md.
func (w *teller) posted(outcomes []models.SettlementResult) []string {
	var got []string
	for _, out := range outcomes {
		for _, doc := range out.Adjustments {
			got = append(got, describe(doc)...)
		}
		for _, p := range out.Packages {
			got = append(got, describePackage(p))
		}
		for _, h := range out.Held {
			got = append(got, fmt.Sprintf("%s line %s held, for %s is on no list: %s", h.InvoiceID, h.LineID, h.Service, h.Amount))
		}
	}
	return got
}

func describe(doc models.Adjustment) []string {
	text := fmt.Sprintf("%s document %d, %s", doc.InvoiceID, doc.Sequence, doc.Reason)
	if doc.InvoiceRevision > 1 {
		text += fmt.Sprintf(", revision %d", doc.InvoiceRevision)
	}
	if doc.PostingPeriod != doc.Period {
		text += fmt.Sprintf(", for %s into %s", doc.Period, doc.PostingPeriod)
	}
	got := []string{text + ": " + doc.Amount.String()}
	for _, item := range doc.Items {
		got = append(got, fmt.Sprintf("line %s: %s%s", item.LineID, item.Amount, days(item.Segments)))
	}
	return got
}

func days(segments []models.Segment) string {
	text := ""
	for i, s := range segments {
		text += []string{" = ", "; "}[min(i, 1)]
		percent := fmt.Sprint(s.Percent())
		if s.Invitee > 0 && s.Inviter > 0 {
			percent = fmt.Sprintf("%d + %d", s.Invitee, s.Inviter)
		}
		text += fmt.Sprintf("%s to %s at %s %%", s.From, s.To, percent)
	}
	return text
}

func describePackage(p models.SMSPackage) string {
	text := fmt.Sprintf("package of %d SMS, number %d, to %d for step %d on %s", p.SMS, p.Ordinal, p.AccountID, p.Step, p.GrantedOn)
	if p.InvoiceID != "" {
		text += ", with " + p.InvoiceID
	}
	if p.PostingPeriod != p.Period {
		text += fmt.Sprintf(", for %s into %s", p.Period, p.PostingPeriod)
	}
	return text
}

func (w *teller) showLedger(s *step, m []string) {
	var got []string
	var sum models.Money
	for _, doc := range w.documents[m[0]] {
		got = append(got, fmt.Sprintf("document %d: %s", doc.Sequence, doc.Amount))
		sum = sum.Add(doc.Amount)
	}
	s.show(append(got, "together: "+sum.String()))
}

// newTerms adds a version: the last one, with the changes that are listed.
func (w *teller) newTerms(s *step, m []string) {
	terms := w.versions[len(w.versions)-1]
	terms.Ladder, terms.Discounted, terms.Excluded = slices.Clone(terms.Ladder), slices.Clone(terms.Discounted), slices.Clone(terms.Excluded)
	terms.EffectiveFrom = date(w, m[0])
	for _, change := range s.body {
		w.change(s, &terms, strings.Fields(strings.NewReplacer("%", "", ":", "").Replace(change)))
	}
	w.versions = append(w.versions, terms)
	w.reopen()
}

func (w *teller) change(s *step, terms *billing.Terms, words []string) {
	w.Helper()
	switch what := words[0]; {
	case what == "window" && len(words) == 3: // window 2 months
		terms.WindowMonths = w.small(words[1])
	case what == "own" && len(words) == 3: // own company allowed
		terms.RefuseOwnCompany = words[2] != "allowed"
	case what == "invitee" && len(words) == 4: // invitee 30 % 6 months
		terms.Invitee = billing.InviteeTerms{Percent: w.small(words[1]), Months: w.small(words[2])}
	case what == "step" && len(words) >= 5: // step 1: 30 % 4 months 500 SMS
		row := billing.StepTerms{Percent: w.small(words[2]), Months: w.small(words[3])}
		if len(words) == 7 {
			row.SMS = w.small(words[5])
		}
		terms.Ladder = append(terms.Ladder[:w.small(words[1])-1], row)
	case what == "discounted":
		terms.Discounted, terms.Excluded = append(terms.Discounted, words[1:]...), without(terms.Excluded, words[1:])
	case what == "excluded":
		terms.Discounted, terms.Excluded = without(terms.Discounted, words[1:]), append(terms.Excluded, words[1:]...)
	default:
		w.Fatalf("%s: %q is no change of terms that is known", s.at, strings.Join(words, " "))
	}
}

func without(services, gone []string) []string {
	return slices.DeleteFunc(services, func(s string) bool { return slices.Contains(gone, s) })
}

func (w *teller) moveZone(_ *step, m []string) {
	w.zone = m[0]
	w.reopen()
}

func (w *teller) reopen() {
	w.Helper()
	p, err := billing.NewProgramme(loadZone(w, w.zone), w.versions)
	if err != nil {
		w.Fatal(err)
	}
	w.adopt(p)
}
