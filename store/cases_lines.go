package store

import (
	"cmp"
	"slices"

	"github.com/jackc/pgx/v5"

	"referral/models"
)

// lineLoader collects an account's lines: putting these few in order here is
// cheaper than having the database sort those of all accounts.
type lineLoader struct {
	*caseLoader
	of    *models.AccountCase
	at    int           // place of the invoice of the line before
	held  []numbered    // of one account
	lines []models.Line // room for many invoices' lines
}

// numbered is a line with its place in its invoice.
type numbered struct {
	invoice, no int
	line        models.Line
}

func (l *caseLoader) queueLines(batch *pgx.Batch) *lineLoader {
	lines := &lineLoader{caseLoader: l}
	queue(batch, "invoice lines", lines.read,
		`SELECT account_id, invoice_id, revision, line_id, service, from_day, to_day, amount_minor, line_no FROM invoice_lines
		WHERE account_id = ANY($1) AND period = $2 ORDER BY account_id`, l.ids, l.scope.period)
	return lines
}

func (l *lineLoader) read(v [][]byte) {
	if id := getInt8(v[0]); l.of == nil || l.of.AccountID != id {
		l.settle()
		l.of, l.at = l.account(id), 0
	}
	if i := l.place(v[1]); i >= 0 && l.of.Invoices[i].Invoice.Revision == getInt4(v[2]) {
		l.held = append(l.held, numbered{i, getInt4(v[8]), models.Line{
			ID: l.words.of(v[3]), Service: l.words.of(v[4]), From: getDate(v[5]), To: getDate(v[6]), Amount: models.Money(getInt8(v[7])),
		}})
	}
}

// settle gives the invoices of one account their lines.
func (l *lineLoader) settle() {
	byPlace := func(x, y numbered) int { return cmp.Or(cmp.Compare(x.invoice, y.invoice), cmp.Compare(x.no, y.no)) }
	if !slices.IsSortedFunc(l.held, byPlace) {
		slices.SortStableFunc(l.held, byPlace)
	}
	for from, to := 0, 0; from < len(l.held); from = to {
		start, invoice := len(l.lines), l.held[from].invoice
		if cap(l.lines)-start < len(l.held) {
			l.lines, start = make([]models.Line, 0, max(linesAtOnce, len(l.held))), 0
		}
		for to = from; to < len(l.held) && l.held[to].invoice == invoice; to++ {
			l.lines = append(l.lines, l.held[to].line)
		}
		l.of.Invoices[invoice].Invoice.Lines = l.lines[start:len(l.lines):len(l.lines)]
	}
	l.held = l.held[:0]
}

// linesAtOnce is how many lines room is made for.
const linesAtOnce = 1024

// place is where an invoice stands among those of the account, -1 when it does
// not. An invoice's lines mostly come together.
func (l *lineLoader) place(id []byte) int {
	if l.at < len(l.of.Invoices) && l.of.Invoices[l.at].Invoice.ID == string(id) {
		return l.at
	}
	at, found := slices.BinarySearchFunc(l.of.Invoices, id, func(c models.InvoiceCase, id []byte) int {
		return cmp.Compare(c.Invoice.ID, string(id))
	})
	if !found {
		return -1
	}
	l.at = at
	return at
}
