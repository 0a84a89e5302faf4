package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"referral/billing"
	"referral/models"
	"referral/signoff"
)

// oldFile is the rows of what an older system has given, as added to invoices.
type oldFile []models.BookedRow

func (f oldFile) OnInvoice(invoice string) (amount models.Money, account int64, named bool) {
	for _, row := range f {
		if row.InvoiceID == invoice {
			amount, named = amount+row.Amount, true
			switch {
			case account == 0:
				account = row.AccountID
			case row.AccountID != 0 && row.AccountID != account:
				account = -1
			}
		}
	}
	return amount, account, named
}

func (f oldFile) OnAccount(account int64) (amount models.Money, named bool) {
	for _, row := range f {
		if row.InvoiceID == "" && row.AccountID == account {
			amount, named = amount+row.Amount, true
		}
	}
	return amount, named
}

func (f oldFile) EachRow(see func([]models.BookedRow) error) error {
	for part := range slices.Chunk(f, 7) {
		if err := see(part); err != nil {
			return err
		}
	}
	return nil
}

// book brings the ledger of a period to what a file says.
func (l *life) book(period models.Period, file oldFile) (models.Run, models.BookedFile) {
	l.Helper()
	if err := file.EachRow(func(rows []models.BookedRow) error { return l.MarkBooked(l.Context(), period, rows) }); err != nil {
		l.Fatal(err)
	}
	run := l.finish(l.start(models.RunRequest{Period: period, Shadow: true, Booked: true, Accept: true}), billing.Book(file))
	tally, err := l.TallyBooked(l.Context(), models.BookedFile{Period: period, RunID: run.ID, SHA256: "abc"}, file)
	if err != nil {
		l.Fatal(err)
	}
	return run, tally
}

func (l *life) toPublish() (documents int64) {
	l.Helper()
	documents, _, _, _, err := l.Backlog(l.Context())
	if err != nil {
		l.Fatal(err)
	}
	if refs, err := l.UnpublishedChunks(l.Context(), 100); err != nil || (len(refs) > 0) != (documents > 0) {
		l.Errorf("%d chunks and %d documents wait to be published, %v", len(refs), documents, err)
	}
	return documents
}

func (l *life) refusesToRun(q models.RunRequest) {
	l.Helper()
	_, _, err := l.StartRun(l.Context(), q)
	if other := (*models.ErrOtherMode)(nil); !errors.As(err, &other) {
		l.Errorf("a run of %+v: %v", q, err)
	}
}

// A month that an older system bills is settled in shadow mode, and nothing of it is ever
// published. It is closed with what that system gave; then late facts post just the
// difference to what clients have got, and packages that were not given go out.
func TestShadowMonth(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	march := at("2026-03-01T09:00:00Z")
	l.facts(models.Registered{AccountID: 885, RegisteredAt: march.AddDate(-1, 0, 0)})
	for id := int64(901); id <= 903; id++ {
		l.facts(models.Registered{AccountID: id, RegisteredAt: at("2026-04-01T09:00:00Z")}, models.ActivationRequested{AccountID: id, Code: codeOf(885), RequestedAt: at("2026-04-01T09:00:00Z").AddDate(0, 0, int(id-901)*5)})
	}
	l.facts(april(885, 1, 300000), april(901, 1, 100000), april(902, 1, 100000))
	shadow := models.RunRequest{Period: 202604, Shadow: true}
	if run := l.settle(shadow); run.State != models.RunDone || !run.Shadow || run.Totals.Documents != 1 || run.Totals.Packages != 0 || !l.month(202604).Shadow {
		t.Errorf("the run: %+v", run)
	}
	if n := l.toPublish(); n != 0 {
		t.Errorf("%d documents wait to be published", n)
	}
	l.tie(202604)
	l.refusesToRun(models.RunRequest{Period: 202604})
	signature := models.Signature{Period: 202604, Who: "Anna", Override: "a test"}
	signer := &signoff.Signer{
		Store: l.Store, Programme: l.p, Now: func() time.Time { return l.now }, RequireTerms: func(context.Context) error { return nil },
	}
	var no *models.NotClosed
	if _, err := signer.Close(t.Context(), signature); !errors.As(err, &no) || len(no.Obstacles) != 1 {
		t.Errorf("it is closed without what the older system has given: %v", err)
	}

	// The older system has given 20.00 less to the inviter, and 10.00 to a client who has
	// nothing by the rules.
	facts := l.number("SELECT -sum(amount_minor) FROM adjustments WHERE account_id = 885")
	old := oldFile{
		{Line: 2, InvoiceID: "INV-2026-04-885", Amount: -models.Money(facts) + 2000}, {Line: 3, AccountID: 901, Amount: -1000},
		{Line: 4, InvoiceID: "INV-?", Amount: -700}, {Line: 5, AccountID: 903, Amount: -30}, {Line: 6, AccountID: 999, Amount: -1},
	}
	booked, tally := l.book(202604, old)
	if tally.Rows != 5 || tally.NotBooked != 3 || tally.NotBookedAmount != -731 {
		l.Errorf("the tally: %+v", tally)
	}
	l.notBooked(202604, "4 unknown-invoice, 5 no-invoice, 6 unknown-account")
	if _, err := signer.Close(t.Context(), models.Signature{Period: 202604, Who: "Anna"}); !errors.As(err, &no) || !slices.ContainsFunc(no.Objections, func(o string) bool { return strings.Contains(o, "not booked: 3 (-7.31 together") }) {
		t.Errorf("it is closed although rows are not booked: %v", err)
	}
	// A corrected file books what was not.
	booked, tally = l.book(202604, old[:2])
	l.tie(202604)
	if booked.State != models.RunDone || tally.NotBooked != 0 || l.toPublish() != 0 || l.number("SELECT count(*) FROM adjustments WHERE reason = 'booked-elsewhere'") != 2 {
		t.Errorf("the booking: %+v %+v", booked, tally)
	}
	l.notBooked(202604, "")
	if _, err := signer.Close(t.Context(), signature); err != nil {
		t.Fatal(err)
	}
	l.tie(202604)
	l.refusesToRun(shadow)

	// Shadow mode has ended. The package that was not given goes out, and a late fact posts
	// the difference to what the inviter has got.
	for range 2 {
		if err := l.LeaveShadowMode(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	l.facts(models.Terminated{AccountID: 902, TerminatedAt: at("2026-04-30T09:00:00Z")}, april(885, 2, 330000))
	l.now = l.now.AddDate(0, 1, 0)
	l.settle(models.RunRequest{Period: 202605})
	l.settle(models.RunRequest{Period: 202604})
	due := models.Money(facts) * 11 / 10
	if got := l.number("SELECT -sum(amount_minor) FROM adjustments WHERE account_id = 885"); models.Money(got) != due {
		t.Errorf("the inviter has got %d in total, want %d", got, due)
	}
	if got, want := l.dump("SELECT account_id, sms, posting_period FROM sms_packages"), "(885,1200,202605)"; got != want {
		t.Errorf("packages are %s, want %s", got, want)
	}
	if n := l.toPublish(); n != 2 {
		t.Errorf("%d documents wait to be published, want the correction and the package", n)
	}
	l.tie(202604, 202605)
	l.refusesToRun(models.RunRequest{Period: 202605, Shadow: true})
}

// notBooked compares what is kept of rows that are not booked with lines and reasons.
func (l *life) notBooked(period models.Period, want string) (rows []models.NotBooked) {
	l.Helper()
	rows, err := l.NotBooked(l.Context(), period, 1000)
	if err != nil {
		l.Fatal(err)
	}
	var got []string
	for _, n := range rows {
		got = append(got, fmt.Sprint(n.Line, " ", n.Reason))
	}
	if strings.Join(got, ", ") != want {
		l.Errorf("not booked are %+v, want %s", rows, want)
	}
	if open, err := l.NotBooked(l.Context(), 0, 1000); err != nil || !slices.Equal(open, rows) { // the period is open
		l.Errorf("waiting are %+v, %v, want %+v", open, err, rows)
	}
	return rows
}

// Whatever an older system says to have given, to invoices and accounts of this month, of
// others and of none, each amount is in the ledger or named with its reason: both together
// are the file, to the kopeck. A run of all accounts afterwards brings the ledger to what
// the facts give.
func TestBookedIsWhatWasGiven(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	l := newLife(t)
	l.facts(someFacts(r)...)
	for id := int64(1); id <= 20; id++ { // further invoices, and some that are cancelled, move or overflow
		second := april(id, 1, models.Money(r.IntN(1000)))
		second.ID += "-2"
		l.facts(second)
	}
	l.settle(models.RunRequest{Period: 202604, Shadow: true, Accept: true})
	for id := int64(1); id <= 20; id++ {
		inv := april(id, 1)
		inv.ID += "-2"
		switch r.IntN(4) {
		case 0:
			inv.Revision = 2
			l.facts(inv)
		case 1:
			l.facts(moved(inv, 202605, 500))
		}
	}
	for id := int64(201); id <= 203; id++ { // accounts without any line in the month
		l.facts(models.Registered{AccountID: id, RegisteredAt: at("2026-03-01T09:00:00Z")}, april(id, 1))
	}
	l.settle(models.RunRequest{Period: 202604, Shadow: true, Accept: true, Full: true})
	perInvoice := "SELECT invoice_id, sum(amount_minor) AS amount FROM adjustments WHERE period = 202604 GROUP BY 1 HAVING sum(amount_minor) <> 0"
	desired := l.dump(perInvoice)

	file := l.oldFile(r)
	run, tally := l.book(202604, file)
	l.balances(file, tally)
	if run.State == models.RunDone && l.number("SELECT count(*) FROM not_booked WHERE reason = 'refused'") > 0 {
		t.Errorf("%+v is done, but something was refused", run)
	}
	if n := l.toPublish(); n != 0 {
		t.Errorf("%d documents wait to be published", n)
	}
	// Repeated, it books the same.
	before := l.dump(perInvoice)
	_, again := l.book(202604, file)
	if again.NotBooked != tally.NotBooked || again.NotBookedAmount != tally.NotBookedAmount || l.dump(perInvoice) != before {
		t.Errorf("repeated, the tally is %+v, before it was %+v", again, tally)
	}
	l.exec("UPDATE periods SET closed_at = now(), closed_by = 'Anna' WHERE period = 202604")
	l.tie(202604)
	l.settle(models.RunRequest{Period: 202604, Accept: true, Full: true})
	if got := l.dump(perInvoice); got != desired {
		t.Errorf("after shadow mode the ledger holds\n%s\nthe facts give\n%s", got, desired)
	}
	l.tie(202604)
}

// oldFile makes rows about what the database knows, and about what it does not.
func (l *life) oldFile(r *rand.Rand) (file oldFile) {
	l.Helper()
	add := func(invoice string, account int64, amount models.Money) {
		file = append(file, models.BookedRow{Line: len(file) + 2, InvoiceID: invoice, AccountID: account, Amount: amount})
	}
	for line := range strings.SplitSeq(l.dump("SELECT DISTINCT invoice_id, account_id FROM invoice_ids"), "\n") {
		invoice, number, _ := strings.Cut(strings.Trim(line, "()"), ",")
		account, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			l.Fatal(err)
		}
		amount := models.Money(r.IntN(2000) - 1500)
		switch r.IntN(9) {
		case 0, 1, 2:
			add(invoice, 0, amount)
		case 3:
			add(invoice, account, amount)
		case 4:
			add("", account, amount)
		case 5: // two rows of one invoice
			add(invoice, account, amount)
			add(invoice, 0, -amount/2)
		case 6:
			if r.IntN(3) == 0 { // another account's number
				add(invoice, account+1, amount)
			}
		}
	}
	add("INV-?", 0, -123)
	add("INV-?", 885, -77)
	add("", 999, -45)
	add("", 998, 0)
	add("", 201, -500) // it has an invoice without lines
	add("INV-2026-04-202", 0, -600)
	add("INV-2026-04-1", 0, models.MaxAmount)
	add("INV-2026-04-1", 0, models.MaxAmount)
	return file
}

// balances makes sure that each row of a file is in the ledger, with all of its invoice or
// account, or is kept as not booked.
func (l *life) balances(file oldFile, tally models.BookedFile) {
	l.Helper()
	rows, err := l.NotBooked(l.Context(), 202604, len(file)+1)
	if err != nil {
		l.Fatal(err)
	}
	missing := map[int]models.NotBooked{}
	var sum, booked, notBooked models.Money
	for _, n := range rows {
		missing[n.Line] = n
		notBooked += n.Amount
		if n.Reason == models.NotBookedMeanwhile || n.Amount != file[n.Line-2].Amount {
			l.Errorf("not booked is %+v", n)
		}
	}
	held := map[string]models.Money{} // by the ledger, of the rows that are booked
	for _, row := range file {
		sum += row.Amount
		if _, named := missing[row.Line]; named {
			continue
		}
		key, of, arg := row.InvoiceID, "invoice_id = $1", any(row.InvoiceID)
		if key == "" {
			key, of, arg = fmt.Sprint(row.AccountID), "account_id = $1", row.AccountID
		}
		held[key] = models.Money(l.number(`SELECT coalesce(sum(amount_minor), 0) FROM adjustments a JOIN (SELECT DISTINCT ON (account_id, invoice_id) account_id, invoice_id, period AS now
			FROM invoices ORDER BY account_id, invoice_id, revision DESC) v USING (account_id, invoice_id) WHERE now = 202604 AND `+of, arg))
	}
	for _, amount := range held {
		booked += amount
	}
	if booked+notBooked != sum {
		l.Errorf("booked are %d and not booked %d, of %d", booked, notBooked, sum)
	}
	if tally.Rows != int64(len(file)) || tally.Amount != sum || tally.NotBooked != int64(len(rows)) || tally.NotBookedAmount != notBooked {
		l.Errorf("the tally says %+v of %d rows and %d; not booked are %d and %d", tally, len(file), sum, len(rows), notBooked)
	}
	reasons := map[models.NotBookedReason]bool{}
	for _, n := range rows {
		reasons[n.Reason] = true
	}
	for _, want := range []models.NotBookedReason{models.NotBookedUnknownInvoice, models.NotBookedUnknownAccount, models.NotBookedRefused} {
		if !reasons[want] {
			l.Errorf("nothing is not booked because of %s", want)
		}
	}
}
