package store_test

import (
	"crypto/sha256"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"referral/models"
	"referral/store"
)

func (l *life) month(p models.Period) models.MonthOverview {
	l.Helper()
	months, err := l.Months(l.Context())
	if err != nil {
		l.Fatal(err)
	}
	i := slices.IndexFunc(months, func(m models.MonthOverview) bool { return m.Period == p })
	if i < 0 {
		l.Fatalf("%s is not among %d months", p, len(months))
	}
	if !slices.IsSortedFunc(months, func(a, b models.MonthOverview) int { return int(b.Period - a.Period) }) {
		l.Error("the months are not listed from the newest on")
	}
	return months[i]
}

func (l *life) register(posted models.Period, page int) []models.RegisterEntry {
	l.Helper()
	var all []models.RegisterEntry
	var after models.RegisterCursor
	for {
		part, err := l.Register(l.Context(), models.RegisterFilter{Posted: posted, After: after}, page)
		if err != nil {
			l.Fatal(err)
		}
		if all = append(all, part...); len(part) < page {
			return all
		}
		after = part[len(part)-1].Cursor()
	}
}

// sumOf is the number and the sum of documents.
func sumOf(entries []models.RegisterEntry) (sum models.CountedAmount) {
	for _, e := range entries {
		sum.Count, sum.Amount = sum.Count+1, sum.Amount.Add(e.Amount)
	}
	return sum
}

// A month that is signed keeps what was signed; what a later fact changes is posted
// into the open month, and counted in both.
func TestMonthsCountCorrectionsInBothMonths(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	l.facts(invoice(885, 202605, 1, 100000))
	l.calm()
	if m := l.month(202604); m.State != models.PeriodRun || m.Documents.Count == 0 || m.Signed != nil || m.LastRun.State != models.RunDone {
		t.Errorf("before the signature April is %+v", m)
	}
	before := l.month(202604).Documents
	l.exec("UPDATE periods SET closed_at = now(), closed_by = 'Anna' WHERE period < 202604")
	l.publishAll()
	l.closes(202604, "Anna", "in a test") //nolint:errcheck // what was not closed shows below
	l.facts(april(885, 2, 900000))
	if m := l.month(202604); m.State != models.PeriodClosed || m.Signed == nil || m.Signed.Who != "Anna" || m.Signed.Posted != before.Amount || m.Stale != 1 {
		t.Errorf("after the signature April is %+v, signed %+v, want %s", m, m.Signed, before.Amount)
	}
	l.settle(models.RunRequest{Period: 202604, Accept: true})
	april, may := l.month(202604), l.month(202605)
	if april.Away.Count != 1 || april.Away != may.Into || april.Documents.Count != before.Count+1 || april.Away.Amount == 0 {
		t.Errorf("April posted %+v, of which %+v into other months; May got %+v", april.Documents, april.Away, may.Into)
	}
	if got, want := sumOf(l.register(202604, 2)), before; got != want {
		t.Errorf("the register of April has %+v, want %+v", got, want)
	}
	if got := sumOf(l.register(202605, 2)); got.Amount != may.Documents.Amount.Add(may.Into.Amount) || got.Count != may.Documents.Count+may.Into.Count {
		t.Errorf("the register of May has %+v, its runs %+v and %+v", got, may.Documents, may.Into)
	}
}

// The views for reports agree with the register, to the kopeck, and the months with both.
func TestFinanceViewsAgreeWithTheRegister(t *testing.T) {
	t.Parallel()
	l := rejectedMonth(t)
	l.facts(moved(april(885, 1, 300000), 202605, 200000))
	l.calm()
	for _, p := range []models.Period{202604, 202605} {
		want := sumOf(l.register(p, 100))
		if got := l.number("SELECT coalesce(sum(amount_minor), 0) FROM finance.documents WHERE posting_period = $1", p); got != int64(want.Amount) {
			t.Errorf("%s: the documents come to %d, the register to %d", p, got, want.Amount)
		}
		if got := l.number("SELECT coalesce(sum(amount_minor), 0) FROM finance.lines WHERE posting_period = $1", p); got != int64(want.Amount) {
			t.Errorf("%s: the lines come to %d, the register to %d", p, got, want.Amount)
		}
		if m := l.month(p); l.number("SELECT amount_minor FROM finance.months WHERE period = $1", p) != int64(m.Documents.Amount) {
			t.Errorf("%s: the months say another sum than %s", p, m.Documents.Amount)
		}
	}
	if n := l.number("SELECT count(*) FROM finance.documents WHERE answer = 'rejected' AND NOT written_off AND published_at IS NOT NULL"); n != 1 {
		t.Errorf("%d documents are rejected", n)
	}
	if n, m := l.number("SELECT count(*) FROM finance.referrals WHERE code <> ''"), l.number("SELECT count(*) FROM referrals"); n != m || n == 0 {
		t.Errorf("the view has %d referrals, the table %d", n, m)
	}
	if n := l.number("SELECT count(*) FROM finance.entitlements WHERE kind = 'package'"); n != l.number("SELECT count(*) FROM package_grants") {
		t.Errorf("the view has %d packages", n)
	}
}

// The register finds every document once, whichever month its invoice was stored
// under, and says how far it got.
func TestRegisterHasEveryDocumentOnce(t *testing.T) {
	t.Parallel()
	l := rejectedMonth(t)
	inv := april(885, 1, 300000)
	l.facts(moved(inv, 202605, 200000))
	l.calm()
	for _, page := range []int{1, 3, 1000} {
		var ids []string
		for _, p := range []models.Period{202603, 202604, 202605} {
			for _, e := range l.register(p, page) {
				ids = append(ids, e.DocumentID.String())
				if e.PostingPeriod != p {
					t.Errorf("document %s is in the register of %s, and was posted into %s", e.DocumentID, p, e.PostingPeriod)
				}
			}
		}
		slices.Sort(ids)
		if all := l.number("SELECT count(*) FROM adjustments"); len(slices.Compact(ids)) != int(all) || len(ids) != int(all) {
			t.Errorf("in pages of %d the registers have %d documents, the ledger %d", page, len(ids), all)
		}
	}
	entries := l.register(202604, 10)
	i := slices.IndexFunc(entries, func(e models.RegisterEntry) bool { return e.DocumentID == adjustment885 })
	if i < 0 || entries[i].Answer != models.ResultRejected || !entries[i].Published || entries[i].Name != "client 885" || entries[i].TaxID != "tax 885" {
		t.Errorf("the rejected document is %+v", entries[max(i, 0)])
	}
}

// A filter lets the same documents through on every page, in the totals and in an export.
func TestRegisterFilters(t *testing.T) {
	t.Parallel()
	l := rejectedMonth(t)
	l.facts(moved(april(885, 1, 300000), 202605, 200000))
	l.calm()
	posted := l.register(202604, 1000)
	i := slices.IndexFunc(posted, func(e models.RegisterEntry) bool { return e.DocumentID != adjustment885 })
	l.answer(posted[i].DocumentID, models.ResultRejected)
	l.answer(posted[i].DocumentID, models.ResultApplied) // the later answer counts
	all := l.register(202604, 1000)
	amount := func(m models.Money) *models.Money { return &m }
	for name, check := range map[string]struct {
		filter models.RegisterFilter
		passes func(*models.RegisterEntry) bool
	}{
		"everything":    {models.RegisterFilter{}, func(*models.RegisterEntry) bool { return true }},
		"month":         {models.RegisterFilter{Period: 202604}, func(e *models.RegisterEntry) bool { return e.Period == 202604 }},
		"account":       {models.RegisterFilter{AccountID: 885}, func(e *models.RegisterEntry) bool { return e.AccountID == 885 }},
		"tax id":        {models.RegisterFilter{TaxID: "tax 885"}, func(e *models.RegisterEntry) bool { return e.TaxID == "tax 885" }},
		"reason":        {models.RegisterFilter{Reason: models.ReasonRun}, func(e *models.RegisterEntry) bool { return e.Reason == models.ReasonRun }},
		"currency":      {models.RegisterFilter{Currency: "USD"}, func(*models.RegisterEntry) bool { return false }},
		"amount":        {models.RegisterFilter{AtMost: amount(-142000)}, func(e *models.RegisterEntry) bool { return e.Amount <= -142000 }},
		"larger amount": {models.RegisterFilter{AtLeast: amount(-141999)}, func(e *models.RegisterEntry) bool { return e.Amount >= -141999 }},
		"rejected":      {models.RegisterFilter{Answer: models.ResultRejected}, func(e *models.RegisterEntry) bool { return e.Answer == models.ResultRejected }},
		"applied":       {models.RegisterFilter{Answer: models.ResultApplied}, func(e *models.RegisterEntry) bool { return e.Answer == models.ResultApplied }},
		"unanswered":    {models.RegisterFilter{Answer: models.ResultNone}, func(e *models.RegisterEntry) bool { return e.Answer == "" }},
		"several":       {models.RegisterFilter{AccountID: 885, Answer: models.ResultRejected, Reason: models.ReasonRun}, func(e *models.RegisterEntry) bool { return e.DocumentID == adjustment885 }},
	} {
		var want []models.RegisterEntry
		for i := range all {
			if check.passes(&all[i]) {
				want = append(want, all[i])
			}
		}
		check.filter.Posted = 202604
		var found, exported []models.RegisterEntry
		for f := check.filter; ; {
			page, err := l.Register(t.Context(), f, 1)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			found, f.After = append(found, page...), page[0].Cursor()
		}
		err := l.EachRegisterEntry(t.Context(), check.filter, func(e *models.RegisterEntry) error { exported = append(exported, *e); return nil })
		totals, failed := l.RegisterTotals(t.Context(), check.filter)
		if err != nil || failed != nil || !slices.Equal(found, want) || !slices.Equal(exported, want) {
			t.Errorf("%s: %d on pages, %d exported, want %d: %v, %v", name, len(found), len(exported), len(want), err, failed)
		}
		if sum := sumOf(want); len(want) > 0 && (len(totals) != 1 || totals[0].CountedAmount != sum) || len(want) == 0 && len(totals) != 0 {
			t.Errorf("%s: totals %+v, want %+v", name, totals, sum)
		}
		if name != "currency" && len(want) == 0 {
			t.Errorf("%s: the test has no such document", name)
		}
	}
	stop := errors.New("the reader has gone")
	if err := l.EachRegisterEntry(t.Context(), models.RegisterFilter{Posted: 202604}, func(*models.RegisterEntry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
}

// What billing has rejected waits until somebody decides about it.
func TestRejectedDocumentsWaitForADecision(t *testing.T) {
	t.Parallel()
	l := rejectedMonth(t)
	waiting := func() (ids []models.UUID) {
		t.Helper()
		list, err := l.Rejected(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		if figures, err := l.Stats(t.Context()); err != nil || figures.Rejected != int64(len(list)) {
			t.Errorf("the figures say that %d of %d wait, %v", figures.Rejected, len(list), err)
		}
		for _, d := range list {
			if d.AccountID != 885 || d.Period != 202604 || d.Reason != "the invoice is closed" {
				t.Errorf("found %+v", d)
			}
			ids = append(ids, d.DocumentID)
		}
		return ids
	}
	if got := waiting(); !slices.Equal(got, []models.UUID{adjustment885, package885}) {
		t.Errorf("waiting are %v", got)
	}
	if _, _, err := l.resend(adjustment885); err != nil {
		t.Fatal(err)
	}
	if got := waiting(); !slices.Equal(got, []models.UUID{package885}) {
		t.Errorf("after a resend %v wait", got)
	}
	resent := func() bool {
		entries := l.register(202604, 10)
		return entries[slices.IndexFunc(entries, func(e models.RegisterEntry) bool { return e.DocumentID == adjustment885 })].Resent
	}
	if !resent() {
		t.Error("the register does not say that the document was sent again")
	}
	l.publishAll()
	l.answer(adjustment885, models.ResultRejected)
	if _, _, err := l.writeOff(package885); err != nil {
		t.Fatal(err)
	}
	if resent() {
		t.Error("the register says that a document was sent again after it was rejected once more")
	}
	if got := waiting(); !slices.Equal(got, []models.UUID{adjustment885}) {
		t.Errorf("rejected again, and the package written off: %v", got)
	}
}

// The page of a month shows what the last reconciliation found; one of a release that
// kept only a number is not shown.
func TestLastReconciliationIsKept(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.exec("INSERT INTO reconciliations (period, checked_at, breaks) VALUES (202604, '2026-05-09', 3)")
	if _, found, err := l.LastReconciliation(t.Context(), 202604, 0, 10); found || err != nil {
		t.Errorf("a number is taken for a report: %v", err)
	}
	for day := range 2 {
		want := models.ReconciliationReport{
			CheckedAt: l.now.AddDate(0, 0, day), Wrong: int64(day), Accounts: 7,
			Overall: []models.ControlTotal{{TotalKey: models.TotalKey{Kind: "discounts", Currency: "RUB"}, Control: models.Control{Entitled: models.CountedAmount{Count: 1, Amount: -142000}}}},
			Breaks:  []models.KeptBreak{{Kind: "rejected", AccountID: 885, DocumentID: adjustment885, Expected: -142000}},
		}
		if err := l.RecordReconciliation(t.Context(), 202604, want); err != nil {
			t.Fatal(err)
		}
		got, found, err := l.LastReconciliation(t.Context(), 202604, 0, 10)
		if err != nil || !found || !reflect.DeepEqual(got, want) {
			t.Errorf("kept %+v, %v, %v, want %+v", got, found, err, want)
		}
	}
	many := models.ReconciliationReport{CheckedAt: l.now.AddDate(0, 0, 30), Wrong: 250, Lacking: models.Counted(2, 300), Excess: models.Counted(1, 5)}
	for account := range int64(250) {
		many.Breaks = append(many.Breaks, models.KeptBreak{Kind: "rejected", AccountID: account})
	}
	if err := l.RecordReconciliation(t.Context(), 202604, many); err != nil {
		t.Fatal(err)
	}
	got, _, err := l.LastReconciliation(t.Context(), 202604, 200, 100)
	if err != nil || len(got.Breaks) != 50 || got.Breaks[0].AccountID != 200 || got.Wrong != 250 {
		t.Errorf("the third page has %d breaks, %v", len(got.Breaks), err)
	}
	figures, err := l.Stats(t.Context())
	if err != nil || figures.Lacking[202604] != many.Lacking || figures.Excess[202604] != many.Excess || figures.Breaks[202604] != 250 {
		t.Errorf("the figures are %+v, %v", figures, err)
	}
}

func TestFindAccounts(t *testing.T) {
	t.Parallel()
	l := rejectedMonth(t)
	for _, c := range []struct {
		text     string
		account  int64
		document models.UUID
		want     []int64
		invoice  string
	}{
		{"885", 885, models.UUID{}, []int64{885}, ""},
		{"code885", 0, models.UUID{}, []int64{885}, ""},
		{"tax 885", 0, models.UUID{}, []int64{885}, ""},
		{"INV-2026-04-885", 0, models.UUID{}, []int64{885}, "INV-2026-04-885"},
		{adjustment885.String(), 0, adjustment885, []int64{885}, "INV-2026-04-885"},
		{package885.String(), 0, package885, []int64{885}, "INV-2026-04-885"},
		{"LIENT 88", 0, models.UUID{}, []int64{885}, ""},
		{"nobody", 0, models.UUID{}, nil, ""},
		{"li", 0, models.UUID{}, nil, ""}, // too short for a part of a name
		{"%", 0, models.UUID{}, nil, ""},
	} {
		found, err := l.FindAccounts(t.Context(), c.text, c.account, c.document)
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, f := range found {
			got = append(got, f.AccountID)
		}
		if !slices.Equal(got, c.want) || len(found) == 1 && found[0].InvoiceID != c.invoice {
			t.Errorf("%q finds %+v, want %v", c.text, found, c.want)
		}
	}
}

func TestWhatIsParkedAndHeld(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	strange := invoice(885, 202604, 2, 300000, 500)
	strange.Lines[1].Service = "hologram"
	l.facts(strange)
	l.finish(l.start(models.RunRequest{Period: 202604}), l.spoiled(885, func(r *models.SettlementResult) { r.Adjustments[0].Amount++ }))
	parked, err := l.ParkedNow(t.Context(), 10)
	if err != nil || len(parked) != 1 || parked[0].AccountID != 885 || parked[0].Period != 202604 || parked[0].Error == "" {
		t.Errorf("parked are %+v, %v", parked, err)
	}
	// Parked again, it waits since it was parked first.
	first := parked[0].Since.Add(-72 * time.Hour)
	l.exec("UPDATE parked_accounts SET parked_at = $1", first)
	l.finish(l.start(models.RunRequest{Period: 202604}), l.spoiled(885, func(r *models.SettlementResult) { r.Adjustments[0].Amount++ }))
	if again, err := l.ParkedNow(t.Context(), 10); err != nil || len(again) != 1 || l.number("SELECT count(*) FROM parked_accounts") != 2 || !again[0].Since.Equal(first) {
		t.Errorf("parked twice are %+v, %v, since %s", again, err, first)
	}
	if figures, err := l.Stats(t.Context()); err != nil || figures.Parked != 1 || figures.LastSettled != 0 {
		t.Errorf("the figures say that %d are parked and %s is settled, %v", figures.Parked, figures.LastSettled, err)
	}
	l.settle(models.RunRequest{Period: 202604})
	if figures, err := l.Stats(t.Context()); err != nil || figures.Parked != 0 || figures.LastSettled != 202604 {
		t.Errorf("after a good run the figures say that %d are parked and %s is settled, %v", figures.Parked, figures.LastSettled, err)
	}
	l.exec("UPDATE runs SET started_at = '2026-04-30 11:00Z'")
	if figures, err := l.Stats(t.Context()); err != nil || figures.LastSettled != 0 {
		t.Errorf("a run before the end of the month settled %s, %v", figures.LastSettled, err)
	}
	if parked, err = l.ParkedNow(t.Context(), 10); err != nil || len(parked) != 0 {
		t.Errorf("after a good run %+v are parked, %v", parked, err)
	}
	held, err := l.HeldServices(t.Context())
	if err != nil || len(held) != 1 || held["hologram"] != (models.CountedAmount{Count: 1, Amount: 500}) {
		t.Errorf("held are %v, %v", held, err)
	}
	if m := l.month(202604); m.Held != held["hologram"] || m.Parked != 0 {
		t.Errorf("the month says %+v are held and %d parked", m.Held, m.Parked)
	}
}

func TestStaffSessions(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	s := store.StaffSessions{Store: l.Store}
	mine := models.Session{
		ID: sha256.Sum256([]byte("mine")), Staff: models.Staff{Subject: "u-1", Name: "Анна", Roles: []models.Role{models.RoleFinance, models.RoleSupport}},
		Hint: []byte("sealed"), CreatedAt: noon, SeenAt: noon, ExpiresAt: noon.Add(30 * time.Minute), EndsAt: noon.Add(time.Hour),
	}
	if err := s.OpenSession(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	if acts, err := l.Actions(t.Context(), "u-1"); err != nil || len(acts) != 1 || acts[0].Who != "Анна" || acts[0].Role != "finance, support" || acts[0].What != models.ActionSignIn {
		t.Errorf("the sign-in is recorded as %+v, %v", acts, err)
	}
	found, ok, err := s.Session(t.Context(), mine.ID, noon.Add(29*time.Minute))
	if err != nil || !ok || found.Staff.Name != "Анна" || !slices.Equal(found.Staff.Roles, mine.Staff.Roles) || found.AccountID != 0 {
		t.Errorf("found %+v, %v, %v", found, ok, err)
	}
	if _, ok, err := l.Session(t.Context(), mine.ID, noon); ok || err != nil {
		t.Errorf("a staff session opens the personal account: %v, %v", ok, err)
	}
	seen := models.Session{ID: mine.ID, SeenAt: noon.Add(20 * time.Minute), ExpiresAt: noon.Add(2 * time.Hour)}
	if err := s.TouchSession(t.Context(), seen, noon.Add(19*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := s.Session(t.Context(), mine.ID, noon.Add(59*time.Minute)); !ok || err != nil {
		t.Errorf("a session that was used has ended: %v", err)
	}
	if _, ok, err := s.Session(t.Context(), mine.ID, mine.EndsAt); ok || err != nil {
		t.Errorf("a session outlives its end: %v", err)
	}
	if closed, ok, err := s.CloseSession(t.Context(), mine.ID); err != nil || !ok || string(closed.Hint) != "sealed" {
		t.Errorf("closing gave %+v, %v, %v", closed, ok, err)
	}
	if _, ok, err := s.Session(t.Context(), mine.ID, noon); ok || err != nil {
		t.Errorf("a closed session is found, %v", err)
	}
}
