package billing_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"referral/billing"
	"referral/models"
)

// audited makes accounts as an audit finds them: in order, unless a test spoils
// something.
type audited struct {
	t        *testing.T
	p        *billing.Programme
	patience billing.AnswerGrace
}

func newAudited(t *testing.T) audited {
	t.Helper()
	p, err := billing.NewProgramme(time.FixedZone("MSK", 3*60*60), []billing.Terms{customerTerms()})
	if err != nil {
		t.Fatal(err)
	}
	return audited{t: t, p: p}
}

// friendly is an account with a friend since 10 March 2026, so 20 % in April, and
// an April invoice of 300.00 with its document published and answered.
func (a audited) friendly(id int64) *models.AccountHistory {
	account := models.Account{ID: id, RegisteredAt: time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC)}
	referrals := []models.Referral{{InviterID: id, InviteeID: id + 1_000_000, ActivatedAt: time.Date(2026, 3, 10, 9, 0, 0, 0, time.UTC)}}
	c := &models.AccountHistory{Account: account, Referrals: referrals, Stored: a.p.Entitlements(&account, nil, referrals, nil)}
	inv := models.Invoice{AccountID: id, ID: fmt.Sprint("INV-", id), Revision: 1, Period: 202604, Currency: "RUB", Lines: []models.Line{
		{ID: "1", Service: "subscription", From: models.NewDate(2026, 4, 1), To: models.NewDate(2026, 5, 1), Amount: 30000},
	}}
	out := a.p.Settle(models.Run{Period: 202604, PostingPeriod: 202604, Kind: models.RunRegular},
		&models.SettlementInput{AccountID: id, Discounts: c.Stored.Discounts, Invoices: []models.InvoiceInput{{Invoice: inv}}})
	audit := models.AuditInvoice{Invoice: inv}
	for _, doc := range out.Adjustments {
		audit.Documents = append(audit.Documents, models.AuditDocument{Adjustment: doc, DocumentHistory: models.DocumentHistory{Published: true, Answers: []models.Result{
			{AdjustmentID: doc.ID, AccountID: id, Status: models.ResultApplied, Amount: doc.Amount, At: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)},
		}}})
	}
	c.Invoices = []models.AuditInvoice{audit}
	return c
}

func (a audited) reconcile(head models.AuditHead, cases ...*models.AccountHistory) *billing.Reconciliation {
	r := billing.NewReconciliation(a.p, 202604, head, a.patience)
	for _, c := range cases {
		r.Account(c)
	}
	r.Close()
	return r
}

func TestAnOrderlyAccountTies(t *testing.T) {
	a := newAudited(t)
	r := a.reconcile(models.AuditHead{}, a.friendly(1))
	total := models.CountedAmount{Count: 1, Amount: -6000}
	if got := r.Controls[models.TotalKey{Kind: "inviter", Percent: 20, Currency: "RUB"}]; got != (models.Control{Entitled: total, Posted: total, Published: total, Answered: total}) {
		t.Errorf("controls %+v", r.Controls)
	}
	if !r.Ties() || r.Empty() {
		t.Errorf("%+v", r.Breaks)
	}
}

// Memory does not grow with what is wrong; the count does.
func TestBreaksAreCountedBeyondThoseNamed(t *testing.T) {
	a := newAudited(t)
	r := billing.NewReconciliation(a.p, 202604, models.AuditHead{}, billing.AnswerGrace{})
	for id := range int64(billing.MaxNamed + 5) {
		c := a.friendly(id + 1)
		c.Invoices[0].Documents[0].Published = false
		c.Invoices[0].Invoice.Lines = append(c.Invoices[0].Invoice.Lines, models.Line{
			ID: "2", Service: "fax", From: models.NewDate(2026, 4, 1), To: models.NewDate(2026, 5, 1), Amount: 5,
		})
		r.Account(c)
	}
	r.Close()
	if len(r.Breaks) != billing.MaxNamed || r.BreakCount != billing.MaxNamed+5 || r.Ties() {
		t.Errorf("%d named of %d", len(r.Breaks), r.BreakCount)
	}
	if len(r.Notices) != billing.MaxNamed || r.NoticeCount != billing.MaxNamed+5 || r.Held["fax"] != (models.CountedAmount{Count: billing.MaxNamed + 5, Amount: 5 * (billing.MaxNamed + 5)}) {
		t.Errorf("%d notices of %d, held %+v", len(r.Notices), r.NoticeCount, r.Held)
	}
}

// An invoice whose arithmetic fails is named, by the reconciliation and by its
// explanation, and everything else is reconciled.
func TestAnInvoiceThatCannotBeCalculated(t *testing.T) {
	a := newAudited(t)
	broken := a.friendly(1)
	for i := range 20 {
		broken.Invoices[0].Invoice.Lines = append(broken.Invoices[0].Invoice.Lines, models.Line{
			ID: fmt.Sprint("x", i), Service: "calls", From: models.NewDate(2026, 4, 1), To: models.NewDate(2026, 5, 1), Amount: math.MaxInt64 / 4,
		})
	}
	id := broken.Invoices[0].Invoice.ID
	r := a.reconcile(models.AuditHead{}, broken, a.friendly(2))
	if len(r.Breaks) != 1 || r.Breaks[0].Kind != billing.BreakNotCalculated || r.Breaks[0].AccountID != 1 || r.Breaks[0].InvoiceID != id || r.Invoices != 2 {
		t.Errorf("%+v", r.Breaks)
	}
	account := a.p.Explain(broken)
	if len(account.Invoices) != 1 || !strings.Contains(account.Invoices[0].Parked, "overflow") {
		t.Errorf("the account is explained by %+v", account.Invoices)
	}
	if invoice, found := a.p.ExplainInvoice(broken, id); !found || !strings.Contains(invoice.Parked, "overflow") {
		t.Errorf("the invoice is explained by %+v", invoice)
	}
}

func TestWhatTheLedgerLacksOrHasTooMuch(t *testing.T) {
	for _, c := range []struct {
		what  string
		spoil func(*models.AccountHistory)
		head  models.AuditHead
		want  []billing.BreakKind
	}{
		{"an account whose row is gone is still judged by its facts", func(c *models.AccountHistory) { c.Account = models.Account{ID: 1} }, models.AuditHead{}, nil},
		{"two answers, the later one a rejection", func(c *models.AccountHistory) {
			d := &c.Invoices[0].Documents[0]
			later := d.Answers[0]
			later.Status, later.At = models.ResultRejected, later.At.Add(time.Hour)
			d.Answers = append([]models.Result{later}, d.Answers...)
		}, models.AuditHead{}, []billing.BreakKind{billing.BreakRejected}},
		{"another thing is wrong besides the altered document", func(c *models.AccountHistory) {
			c.Invoices[0].Documents[0].Items[0].Amount -= 7
			c.Invoices[0].Invoice.Lines[0].Amount = 60000
		}, models.AuditHead{}, []billing.BreakKind{billing.BreakAltered, billing.BreakNotPosted}},
		{"billing errs about a document whose invoice was revised since", func(c *models.AccountHistory) {
			c.Invoices[0].Documents[0].Answers[0].Amount = -5999
			c.Invoices[0].Invoice.Revision, c.Invoices[0].Invoice.Lines[0].Amount = 2, 60000
		}, models.AuditHead{}, []billing.BreakKind{billing.BreakAnsweredLess, billing.BreakNotPosted}},
		{"a number that jumps", func(c *models.AccountHistory) {
			d := &c.Invoices[0].Documents[0]
			d.Sequence = math.MaxInt32
			d.ID = billing.AdjustmentID(d.Period, d.InvoiceID, d.Sequence)
		}, models.AuditHead{}, []billing.BreakKind{billing.BreakMissing}},
		{"a document on an invoice that never arrived", func(c *models.AccountHistory) {
			c.Strays = c.Invoices[0].Documents
			c.Invoices = nil
		}, models.AuditHead{}, []billing.BreakKind{billing.BreakStray}},
		{"an invoice of another period is no business of this one", func(c *models.AccountHistory) {
			c.Invoices[0].Invoice.Period, c.Invoices[0].Documents = 202605, nil
		}, models.AuditHead{}, nil},
		{"an answer to a document missing from another period", func(c *models.AccountHistory) {
			c.Invoices[0].Invoice.Period, c.Invoices[0].Documents = 202605, nil
		}, models.AuditHead{Orphans: []models.Result{{AdjustmentID: billing.AdjustmentID(202604, "INV-1", 1), AccountID: 1, Status: models.ResultApplied, At: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)}}}, nil},
		{"billing has booked a document after the last one", func(*models.AccountHistory) {}, orphans(billing.AdjustmentID(202604, "INV-1", 2), models.ResultApplied), []billing.BreakKind{billing.BreakMissing}},
		{"billing has booked a document of a month that the invoice has left", func(*models.AccountHistory) {}, orphans(billing.AdjustmentID(202602, "INV-1", 2), models.ResultApplied), []billing.BreakKind{billing.BreakMissing}},
		{"billing has rejected a document after the last one", func(*models.AccountHistory) {}, orphans(billing.AdjustmentID(202604, "INV-1", 2), models.ResultRejected), nil},
		{"billing has rejected the document that is gone", func(c *models.AccountHistory) { c.Invoices[0].Documents = nil },
			orphans(billing.AdjustmentID(202604, "INV-1", 1), models.ResultRejected), []billing.BreakKind{billing.BreakNotPosted}},
	} {
		a := newAudited(t)
		account := a.friendly(1)
		c.spoil(account)
		r := a.reconcile(c.head, account)
		var got []billing.BreakKind
		for _, b := range r.Breaks {
			got = append(got, b.Kind)
		}
		if !slices.Equal(got, c.want) || r.Ties() != (len(c.want) == 0) {
			t.Errorf("%s: %v, want %v: %+v", c.what, got, c.want, r.Breaks)
		}
	}
}

// orphans is the answers to a document that the ledger does not hold, the last of
// them on 1 May and with a status.
func orphans(id models.UUID, last models.ResultStatus) models.AuditHead {
	at := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	return models.AuditHead{Orphans: []models.Result{
		{AdjustmentID: id, AccountID: 1, Status: last, Amount: -1, At: at},
		{AdjustmentID: id, AccountID: 1, Status: models.ResultApplied, Amount: -1, At: at.Add(-time.Hour)},
	}}
}

// An answer to nothing is a break of one month, by the days of the programme's
// zone, and of none once billing has taken it back.
func TestAnAnswerToNothingIsABreakOfOneMonth(t *testing.T) {
	a := newAudited(t)
	answer := func(status models.ResultStatus, at string) models.Result {
		return models.Result{AdjustmentID: models.UUID{9}, AccountID: 7, Status: status, Amount: -500, At: instant(t, at)}
	}
	for _, c := range []struct {
		what    string
		answers []models.Result
		want    models.Period
		closed  models.Period // and all before it
	}{
		{what: "April is signed off", answers: []models.Result{answer(models.ResultApplied, "2026-05-20T12:00:00Z")}, want: 202605, closed: 202604},
		{what: "March is signed off", answers: []models.Result{answer(models.ResultApplied, "2026-05-20T12:00:00Z")}, want: 202604, closed: 202603},
		{what: "April is signed off, and it is rejected", answers: []models.Result{answer(models.ResultRejected, "2026-05-20T12:00:00Z")}, closed: 202604},
		{what: "the first moment of May", answers: []models.Result{answer(models.ResultApplied, "2026-05-01T00:00:00+03:00")}, want: 202604},
		{what: "the last moment of May", answers: []models.Result{answer(models.ResultApplied, "2026-05-31T23:59:59+03:00")}, want: 202604},
		{what: "May in Moscow, April in UTC", answers: []models.Result{answer(models.ResultApplied, "2026-04-30T21:00:00Z")}, want: 202604},
		{what: "June in Moscow, May in UTC", answers: []models.Result{answer(models.ResultApplied, "2026-05-31T21:00:00Z")}, want: 202605},
		{what: "answered again a month later", answers: []models.Result{
			answer(models.ResultApplied, "2026-06-10T12:00:00Z"), answer(models.ResultApplied, "2026-05-10T12:00:00Z")}, want: 202605},
		{what: "rejected", answers: []models.Result{answer(models.ResultRejected, "2026-05-10T12:00:00Z")}, want: 0},
		{what: "taken back a month later", answers: []models.Result{
			answer(models.ResultApplied, "2026-05-10T12:00:00Z"), answer(models.ResultRejected, "2026-06-10T12:00:00Z")}, want: 0},
		{what: "rejected, and booked after all", answers: []models.Result{
			answer(models.ResultRejected, "2026-05-10T12:00:00Z"), answer(models.ResultApplied, "2026-05-11T12:00:00Z")}, want: 202604},
	} {
		for _, period := range []models.Period{202602, 202603, 202604, 202605, 202606, 202607} {
			head := models.AuditHead{Orphans: c.answers, Closed: period <= c.closed, PreviousClosed: period.Previous() <= c.closed}
			r := billing.NewReconciliation(a.p, period, head, billing.AnswerGrace{})
			r.Close()
			named := len(r.Breaks) == 1 && r.Breaks[0].Kind == billing.BreakUnknownReply && r.Breaks[0].DocumentID == models.UUID{9}
			if named != (period == c.want) || r.Ties() == named {
				t.Errorf("%s: %s has %+v", c.what, period, r.Breaks)
			}
		}
	}
}

// What billing cannot have answered yet is counted and is no break, and no longer
// so when the grace is over, or with a patience that is strict. What is wrong in
// another way is a break however young it is.
func TestWhatIsOnItsWay(t *testing.T) {
	posted := time.Date(2026, 5, 1, 0, 30, 0, 0, time.UTC)
	const grace = 12 * time.Hour
	unpublished := func(d *models.AuditDocument) { d.Published, d.Answers = false, nil }
	unanswered := func(d *models.AuditDocument) { d.Answers = nil }
	for _, c := range []struct {
		what   string
		spoil  func(*models.AuditDocument)
		age    time.Duration
		grace  time.Duration
		strict bool
		onWay  int64
		want   []billing.BreakKind
	}{
		{"not published", unpublished, time.Minute, grace, false, 1, nil},
		{"not answered", unanswered, time.Minute, grace, false, 1, nil},
		{"to the last moment of the grace", unanswered, grace - time.Nanosecond, grace, false, 1, nil},
		{"not published, too old", unpublished, grace, grace, false, 0, []billing.BreakKind{billing.BreakUnpublished}},
		{"not answered, too old", unanswered, grace, grace, false, 0, []billing.BreakKind{billing.BreakUnanswered}},
		{"without a grace", unanswered, 0, 0, false, 0, []billing.BreakKind{billing.BreakUnanswered}},
		{"strictly, not published", unpublished, time.Minute, grace, true, 1, []billing.BreakKind{billing.BreakUnpublished}},
		{"strictly, not answered", unanswered, time.Minute, grace, true, 1, []billing.BreakKind{billing.BreakUnanswered}},
		{"strictly, too old", unanswered, grace, grace, true, 0, []billing.BreakKind{billing.BreakUnanswered}},
		{"all is well", func(*models.AuditDocument) {}, time.Minute, grace, false, 0, nil},
		{"answered before it was marked as published", func(d *models.AuditDocument) { d.Published = false }, time.Minute, grace, false, 0, nil},
		{"answered otherwise before it was marked", func(d *models.AuditDocument) { d.Published, d.Answers[0].Amount = false, 7 },
			time.Minute, grace, false, 0, []billing.BreakKind{billing.BreakAnsweredLess}},
		{"strictly, rejected before it was marked", func(d *models.AuditDocument) { d.Published, d.Answers[0].Status = false, models.ResultRejected },
			time.Minute, grace, true, 0, []billing.BreakKind{billing.BreakRejected}},
		{"strictly, answered otherwise before it was marked", func(d *models.AuditDocument) { d.Published, d.Answers[0].Amount = false, 7 },
			time.Minute, grace, true, 0, []billing.BreakKind{billing.BreakAnsweredLess}},
		{"rejected", func(d *models.AuditDocument) { d.Answers[0].Status = models.ResultRejected },
			time.Minute, grace, false, 0, []billing.BreakKind{billing.BreakRejected}},
		{"altered", func(d *models.AuditDocument) { unpublished(d); d.Amount -= 100 }, time.Minute, grace, false, 0, []billing.BreakKind{billing.BreakAltered}},
		{"altered with its items", func(d *models.AuditDocument) { unpublished(d); d.Amount -= 100; d.Items[0].Amount -= 100 },
			time.Minute, grace, false, 0, []billing.BreakKind{billing.BreakAltered}},
	} {
		a := newAudited(t)
		a.patience = billing.AnswerGrace{Now: posted.Add(c.age), Grace: c.grace, Strict: c.strict}
		account := a.friendly(1)
		doc := &account.Invoices[0].Documents[0]
		doc.PostedAt = posted
		c.spoil(doc)
		r := a.reconcile(models.AuditHead{}, account)
		var got []billing.BreakKind
		for _, b := range r.Breaks {
			got = append(got, b.Kind)
		}
		if !slices.Equal(got, c.want) || r.Ties() != (len(c.want) == 0) || r.OnTheWay != c.onWay {
			t.Errorf("%s: %v, want %v; %d on the way, want %d", c.what, got, c.want, r.OnTheWay, c.onWay)
		}
	}
}

func TestAPackageOnItsWay(t *testing.T) {
	terms := customerTerms()
	terms.Ladder = []billing.StepTerms{{Percent: 20, Months: 3, SMS: 500}}
	posted := time.Date(2026, 5, 1, 0, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		what      string
		published bool
		strict    bool
		age       time.Duration
		onWay     int64
		breaks    int64
	}{
		{"not published", false, false, time.Minute, 1, 0},
		{"not answered", true, false, time.Minute, 1, 0},
		{"too old", true, false, time.Hour, 0, 1},
		{"strictly", true, true, time.Minute, 1, 1},
	} {
		a := audited{t: t, p: newProgramme(t, terms), patience: billing.AnswerGrace{Now: posted.Add(c.age), Grace: time.Hour, Strict: c.strict}}
		account := &models.AccountHistory{Account: models.Account{ID: 1}, Referrals: []models.Referral{
			{InviterID: 1, InviteeID: 2, ActivatedAt: time.Date(2026, 4, 10, 9, 0, 0, 0, time.UTC)}}}
		account.Stored = a.p.Entitlements(&account.Account, nil, account.Referrals, nil)
		account.Packages = []models.AuditPackage{{DocumentHistory: models.DocumentHistory{PostedAt: posted, Published: c.published}, SMSPackage: models.SMSPackage{
			ID: billing.PackageID(1, 500, 1), AccountID: 1, SMS: 500, Ordinal: 1, GrantedOn: models.NewDate(2026, 4, 10), Period: 202604, PostingPeriod: 202604}}}
		r := a.reconcile(models.AuditHead{}, account)
		if r.OnTheWay != c.onWay || r.BreakCount != c.breaks || r.Ties() != (c.breaks == 0) {
			t.Errorf("%s: %d on the way, breaks %+v", c.what, r.OnTheWay, r.Breaks)
		}
	}
}

// The totals show by how much, to the kopeck.
func TestWhatBillingBookedOtherwiseShowsInTheTotals(t *testing.T) {
	a := newAudited(t)
	c := a.friendly(1)
	c.Invoices[0].Documents[0].Answers[0].Amount = -5999
	r := a.reconcile(models.AuditHead{}, c)
	all := r.Overall()
	if len(all) != 1 || all[0].Posted.Amount != -6000 || all[0].Answered.Amount != -5999 {
		t.Errorf("%+v", all)
	}
	if b := r.Breaks[0]; b.Kind != billing.BreakAnsweredLess || b.Expected != -6000 || b.Actual != -5999 {
		t.Errorf("%+v", b)
	}
}

// Packages of one day may be kept in another order than they were earned in.
func TestPackagesOfOneDayInAnotherOrder(t *testing.T) {
	terms := customerTerms()
	terms.Ladder = []billing.StepTerms{{Percent: 20, Months: 3, SMS: 500}, {Percent: 40, Months: 6, SMS: 100}}
	p, err := billing.NewProgramme(time.UTC, []billing.Terms{terms})
	if err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 3, 10, 9, 0, 0, 0, time.UTC)
	c := &models.AccountHistory{Account: models.Account{ID: 1}, Referrals: []models.Referral{{InviterID: 1, InviteeID: 2, ActivatedAt: day}, {InviterID: 1, InviteeID: 3, ActivatedAt: day}}}
	c.Stored = p.Entitlements(&c.Account, nil, c.Referrals, nil)
	slices.Reverse(c.Stored.Grants)
	r := audited{t: t, p: p}.reconcile(models.AuditHead{}, c)
	if !r.Ties() {
		t.Errorf("%+v", r.Breaks)
	}
}

// The reconciliation says what has changed against the month before, and what billing
// gave that the facts do not, account by account.
func TestWhatAMonthComesTo(t *testing.T) {
	a := newAudited(t)
	since := func(id int64, on time.Time) *models.AccountHistory {
		c := a.friendly(id)
		c.Referrals[0].ActivatedAt = on
		c.Stored = a.p.Entitlements(&c.Account, nil, c.Referrals, nil)
		c.Invoices[0].Documents = nil
		return c
	}
	longer := a.friendly(1)                                            // 22 days of March, all of April
	begun := since(2, time.Date(2026, 4, 16, 9, 0, 0, 0, time.UTC))    // 15 days of April
	ended := since(3, time.Date(2025, 12, 10, 9, 0, 0, 0, time.UTC))   // the first 9 days of March
	unchanged := since(4, time.Date(2026, 2, 5, 9, 0, 0, 0, time.UTC)) // all of March and April, and its invoice has grown
	unchanged.Invoices[0].Invoice.Lines[0].Amount = 60000
	paid := a.friendly(5) // billing gave more than the document says
	paid.Invoices[0].Documents[0].Answers[0].Amount = -7000
	r := a.reconcile(models.AuditHead{}, longer, begun, ended, unchanged, paid)
	report := r.Report(time.Date(2026, 5, 2, 0, 0, 0, 0, time.UTC))
	// 440, 0 and 180 of 3 100 percent-days of March.
	wantCauses := []models.ChangeCause{
		{Cause: billing.CauseStepUp, Accounts: 2, Amount: 2 * (-6000 + 4258)}, {Cause: billing.CauseNewInviter, Accounts: 1, Amount: -3000},
		{Cause: billing.CauseLadderEnded, Accounts: 1, Amount: 1742},
	}
	if !slices.Equal(report.Causes, wantCauses) {
		t.Errorf("causes %+v, want %+v", report.Causes, wantCauses)
	}
	if want := []models.StepCount{{Kind: models.Inviter, Step: 1, Percent: 20, Accounts: 4}}; !slices.Equal(report.Steps, want) {
		t.Errorf("steps %+v, want %+v", report.Steps, want)
	}
	if report.Lacking != models.Counted(2, 3000+12000) || report.Excess != models.Counted(1, 1000) {
		t.Errorf("lacking %+v, excess %+v", report.Lacking, report.Excess)
	}
	if len(report.Services) != 1 || report.Services[0].Service != "subscription" || report.Services[0].Entitled != models.Counted(4, -6000-3000-12000-6000) ||
		report.Services[0].Answered != models.Counted(2, -13000) {
		t.Errorf("services %+v", report.Services)
	}
	if report.Kinds[string(billing.BreakNotPosted)] != 2 || report.Kinds[string(billing.BreakAnsweredMore)] != 1 {
		t.Errorf("kinds %+v of %+v", report.Kinds, r.Breaks)
	}
}
