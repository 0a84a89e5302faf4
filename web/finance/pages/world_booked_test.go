package pages_test

import (
	"context"
	"strings"
	"testing"

	"referral/models"
)

func (w *world) BookedFiles(_ context.Context, p models.Period) (files []models.BookedFile, err error) {
	if p == 202604 {
		files = append(files, models.BookedFile{Period: p, RunID: 7, SHA256: strings.Repeat("ab", 32), Rows: 12, Amount: -500000, NotBooked: 2, NotBookedAmount: -100100, At: now()})
	}
	return files, w.err
}

func (w *world) NotBooked(context.Context, models.Period, int) ([]models.NotBooked, error) {
	return []models.NotBooked{
		{Period: 202604, BookedRow: models.BookedRow{Line: 4, InvoiceID: "INV-9", Amount: -100000}, Reason: models.NotBookedOtherMonth, Detail: "2026-03"},
		{Period: 202604, BookedRow: models.BookedRow{Line: 9, AccountID: 901, Amount: -100}, Reason: models.NotBookedRefused, Detail: payload},
		{Period: 202604, BookedRow: models.BookedRow{Line: 10, InvoiceID: "INV-UNKNOWN", Amount: -5}, Reason: models.NotBookedUnknownInvoice},
	}, w.err
}

// What an older system has given and is not booked is on the page of the month, in the
// queue and its exports, and stands against the signature.
func TestWhatIsNotBookedIsShown(t *testing.T) {
	t.Parallel()
	r := site(t, &world{})
	browser := as(r, models.RoleAuditor)
	for path, wants := range map[string][]string{
		"/finance/months/2026-04":      {"Что дала прежняя система", strings.Repeat("ab", 32), "это счет другого месяца", "<td class=\"num\">4</td>", "<td>INV-UNKNOWN</td>", "/finance/invoices/INV-9", "/finance/clients/901"},
		"/finance/queue":               {"Не проведено из файлов прежней системы", "это счет другого месяца", "провести нельзя"},
		"/finance/months/2026-04/sign": {"Все, что дала прежняя система, проведено", "2 строки", "/finance/months/2026-04#older"},
	} {
		body := strings.ReplaceAll(r.Get(browser, path).Body, "\u00a0", " ")
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("%s does not show %q:\n%s", path, want, body)
			}
		}
		if strings.Contains(body, "/finance/invoices/INV-UNKNOWN") {
			t.Errorf("%s leads to an invoice that is not known", path)
		}
	}
}
