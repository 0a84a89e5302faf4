package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"referral/models"
)

// auditChunk is how many accounts an audit holds in memory at once.
const auditChunk = 2000

// auditCandidates is the accounts that an audit of a period looks at: all that
// take part in the programme, and all that the ledger names.
const auditCandidates = `SELECT account_id FROM referrals UNION SELECT account_id FROM activations WHERE status = 'accepted'
	UNION SELECT account_id FROM discounts UNION SELECT account_id FROM package_grants
	UNION SELECT account_id FROM sms_packages WHERE period = $3 UNION ` + postedIn

// Audit hands every account that bears on a period to see, by id, with its facts
// and its part of the ledger, all in one view of the database. What concerns no
// account is given to begin before them; should the database ask for the audit to
// be repeated, begin is called again and everything starts over.
//
// An account that billing answered about a document which is not in the ledger
// comes with its invoices of other periods too: the document may have been one of
// theirs.
func (s *Store) Audit(ctx context.Context, period models.Period, begin func(models.AuditHead) error, see func(*models.AccountHistory) error) error {
	err := s.snapshot(ctx, true, func(tx *tx) error {
		if err := tx.disableStatementTimeout(); err != nil {
			return err
		}
		head, err := tx.auditHead(ctx, period)
		if err != nil {
			return err
		}
		if err := begin(head); err != nil {
			return err
		}
		return tx.audit(ctx, period, see, func(ids []int64) *auditLoader {
			l := newAuditLoader(tx, ids, period)
			l.wide, l.strays = accountsOf(head.Orphans), true
			l.steps = []func(context.Context) error{l.facts, l.invoices, l.documents, l.packages}
			return l
		})
	})
	if err != nil {
		return fmt.Errorf("auditing %s: %w", period, err)
	}
	return nil
}

// ForEachAccount hands the same accounts to see with their facts and their invoices of
// the period, and nothing of the ledger. It is never repeated.
func (s *Store) ForEachAccount(ctx context.Context, period models.Period, see func(*models.AccountHistory) error) error {
	err := s.once(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}, func(tx *tx) error {
		if err := tx.disableStatementTimeout(); err != nil {
			return err
		}
		return tx.audit(ctx, period, see, func(ids []int64) *auditLoader {
			l := newAuditLoader(tx, ids, period)
			l.steps = []func(context.Context) error{l.facts, l.invoices}
			return l
		})
	})
	if err != nil {
		return fmt.Errorf("surveying %s: %w", period, err)
	}
	return nil
}

// AuditSize is how many accounts an audit of a period looks at.
func (s *Store) AuditSize(ctx context.Context, period models.Period) (accounts int64, err error) {
	err = s.snapshot(ctx, true, func(tx *tx) error {
		if err := tx.disableStatementTimeout(); err != nil {
			return err
		}
		// $1 and $2 are those of the chunks.
		return each(ctx, tx.pgx, "the number of accounts to audit", func(v [][]byte) { accounts = getInt8(v[0]) },
			"SELECT count(*) FROM ("+auditCandidates+") c WHERE $1::bigint = $2::bigint", int64(0), int64(0), period)
	})
	if err != nil {
		return 0, fmt.Errorf("counting the accounts to audit: %w", err)
	}
	return accounts, nil
}

// TermsInForce is the digest of the terms that the entitlements were derived by;
// empty before any were.
func (s *Store) TermsInForce(ctx context.Context) (digest string, err error) {
	return s.termsDigest(ctx)
}

// disableStatementTimeout is for statements that search whole tables. They end with
// their context.
func (t *tx) disableStatementTimeout() error {
	if err := t.Exec("SET LOCAL statement_timeout = 0").Error; err != nil {
		return fmt.Errorf("lifting the statement timeout: %w", err)
	}
	return nil
}

func accountsOf(answers []models.Result) map[int64]bool {
	accounts := map[int64]bool{}
	for i := range answers {
		accounts[answers[i].AccountID] = true
	}
	return accounts
}

func (t *tx) audit(ctx context.Context, period models.Period, see func(*models.AccountHistory) error, loader func([]int64) *auditLoader) error {
	var bounds [][2]int64
	err := each(ctx, t.pgx, "the accounts to audit", func(v [][]byte) {
		bounds = append(bounds, [2]int64{getInt8(v[2]), getInt8(v[3])})
	}, fmt.Sprintf(chunkBounds, auditCandidates), int64(0), auditChunk, period)
	if err != nil {
		return err
	}
	if _, err := t.pgx.Exec(ctx, planByIndexes); err != nil {
		return fmt.Errorf("choosing the plans: %w", err)
	}
	for _, b := range bounds {
		ids, err := t.auditIDs(ctx, period, b[0], b[1])
		if err != nil {
			return err
		}
		list, err := loader(ids).load(ctx)
		if err != nil {
			return err
		}
		for i := range list {
			if err := see(&list[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tx) auditIDs(ctx context.Context, period models.Period, from, to int64) ([]int64, error) {
	var ids []int64
	err := each(ctx, t.pgx, "accounts to audit", func(v [][]byte) { ids = append(ids, getInt8(v[0])) },
		"SELECT account_id FROM ("+auditCandidates+") c WHERE account_id >= $1 AND account_id <= $2 ORDER BY 1", from, to, period)
	return ids, err
}

func (t *tx) auditHead(ctx context.Context, period models.Period) (head models.AuditHead, err error) {
	err = each(ctx, t.pgx, "periods signed off", func(v [][]byte) {
		signed := models.Period(getInt4(v[0]))
		head.Closed, head.PreviousClosed = head.Closed || signed == period, head.PreviousClosed || signed == period.Previous()
	}, "SELECT period FROM periods WHERE period = ANY($1) AND closed_at IS NOT NULL", []int32{int32(period), int32(period.Previous())})
	if err != nil {
		return head, err
	}
	if head.Orphans, err = t.orphanAnswers(ctx, period); err != nil {
		return head, err
	}
	// Only a period that was closed posts into another one; the ledger is not searched in vain.
	err = each(ctx, t.pgx, "differences of closed periods", func(v [][]byte) {
		head.ForeignDocuments, head.ForeignAmount = getInt8(v[0]), models.Money(getInt8(v[1]))
	}, `SELECT count(*), coalesce(sum(amount_minor), 0)::bigint FROM adjustments
		WHERE posting_period = $1 AND posting_period <> period AND EXISTS (SELECT 1 FROM signatures)`, period)
	if err != nil {
		return head, err
	}
	if head.Waiting, err = t.pendingPackages(ctx, period.First()); err != nil {
		return head, err
	}
	if head.Incomplete, err = t.incompleteChunks(ctx, period); err != nil {
		return head, err
	}
	return head, t.auditSignatures(&head, period)
}

func (t *tx) auditSignatures(head *models.AuditHead, period models.Period) (err error) {
	if head.Signatures, err = t.signatures(period); err != nil {
		return err
	}
	var terms string
	if err = t.Raw(readTerms).Scan(&terms).Error; err != nil {
		return fmt.Errorf("reading the terms in force: %w", err)
	}
	if head.Acts, err = actions(t.DB, period.String(), terms); err != nil {
		return err
	}
	if err = t.Raw("SELECT coalesce(max(run_id), 0) FROM runs").Scan(&head.LastRun).Error; err != nil {
		return fmt.Errorf("reading the newest run: %w", err)
	}
	return nil
}

// incompleteChunks is the chunks of a period that are posted and not published and
// of which something is missing. They are few: what is published was whole.
func (t *tx) incompleteChunks(ctx context.Context, period models.Period) ([]models.IncompleteChunk, error) {
	var list []models.IncompleteChunk
	err := each(ctx, t.pgx, "chunks that are not published", func(v [][]byte) {
		c := models.IncompleteChunk{
			Ref:    models.ChunkRef{RunID: getInt8(v[0]), Chunk: getInt4(v[1])},
			Posted: models.ChunkSize{Documents: getInt8(v[2]), Packages: getInt8(v[3])},
			Found:  models.ChunkSize{Documents: getInt8(v[4]), Packages: getInt8(v[5])},
		}
		if c.Found.Lacks(c.Posted) {
			list = append(list, c)
		}
	}, `SELECT c.run_id, c.chunk_no, c.documents, c.packages,
			(SELECT count(*) FROM adjustments a WHERE a.run_id = c.run_id AND a.chunk_no = c.chunk_no),
			(SELECT count(*) FROM sms_packages p WHERE p.run_id = c.run_id AND p.chunk_no = c.chunk_no)
		FROM run_chunks c JOIN runs r ON r.run_id = c.run_id
		WHERE r.period = $1 AND c.posted_at IS NOT NULL AND c.published_at IS NULL ORDER BY c.run_id, c.chunk_no`, period)
	return list, err
}

// maxOrphans bounds what an audit holds in memory. So many answers to nothing are
// no fault of single documents.
const maxOrphans = 1_000_000

// orphanAnswers is the answers since the period began that answer nothing. They
// are all read: a cut list would leave documents to be blamed twice. A day is
// allowed for the time zone. Of the ledger, only the months are read whose documents
// were answered: their ids say which.
func (t *tx) orphanAnswers(ctx context.Context, period models.Period) ([]models.Result, error) {
	since := (period.First() - 1).Time()
	months := map[models.Period]bool{}
	err := each(ctx, t.pgx, "the months that were answered", func(v [][]byte) {
		var id models.UUID
		copy(id[:], v[0])
		months[models.PeriodOfID(id)] = true
	}, "SELECT DISTINCT substring(uuid_send(adjustment_id) FOR 6) FROM results WHERE at >= $1", since)
	if err != nil {
		return nil, err
	}
	// Without statistics the planner might compare each answer with each document; it
	// takes most documents for moved ones; and to merge it would read all answers.
	if err := t.Exec("SET LOCAL enable_nestloop = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off").Error; err != nil {
		return nil, fmt.Errorf("choosing the plan: %w", err)
	}
	var list []models.Result
	err = each(ctx, t.pgx, "answers to nothing", func(v [][]byte) { list = append(list, readResult(v)) },
		`SELECT r.adjustment_id, r.account_id, r.status, r.amount_minor, '', r.at FROM results r WHERE r.at >= $1
		AND NOT EXISTS (SELECT 1 FROM adjustments a WHERE a.storage_period = ANY($2) AND a.adjustment_id = r.adjustment_id)
		AND NOT EXISTS (SELECT 1 FROM adjustments a WHERE a.period = ANY($2) AND a.period <> a.storage_period AND a.adjustment_id = r.adjustment_id)
		AND NOT EXISTS (SELECT 1 FROM sms_packages p WHERE p.package_id = r.adjustment_id)
		ORDER BY r.adjustment_id, r.at, r.status LIMIT $3`, since, numbersOf(months), maxOrphans+1)
	if err == nil && len(list) > maxOrphans {
		err = fmt.Errorf("more than %d answers of billing answer no document of this ledger: was it restored from an older copy?", maxOrphans)
	}
	if err != nil {
		return nil, err
	}
	return list, t.Exec("SET LOCAL enable_nestloop = on; SET LOCAL enable_mergejoin = on; SET LOCAL enable_seqscan = on").Error
}

const resultColumns = "r.adjustment_id, r.account_id, r.status, r.amount_minor, r.reason, r.at"

func readResult(v [][]byte) models.Result {
	return models.Result{
		AdjustmentID: getUUID(v[0]), AccountID: getInt8(v[1]), Status: models.ResultStatus(v[2]),
		Amount: models.Money(getInt8(v[3])), Reason: string(v[4]), At: getTime(v[5]),
	}
}

// AccountHistory is everything known of one account, all periods. found is false when
// nothing is.
func (s *Store) AccountHistory(ctx context.Context, account int64) (c models.AccountHistory, found bool, err error) {
	err = s.snapshot(ctx, true, func(tx *tx) error {
		l := newAuditLoader(tx, []int64{account}, 0)
		l.strays = true
		l.steps = []func(context.Context) error{l.facts, l.invoices, l.documents, l.packages, l.unnamedMonths, l.provenances, l.parked}
		list, err := l.load(ctx)
		if err == nil {
			c, found = list[0], l.known > 0 || len(list[0].Invoices)+len(list[0].Strays)+len(list[0].Packages) > 0
		}
		return err
	})
	if err != nil {
		return c, false, fmt.Errorf("collecting the facts of account %d: %w", account, err)
	}
	return c, found, nil
}

// InvoiceOwner is the account that an invoice belongs to. found is false when the
// invoice is not known.
func (s *Store) InvoiceOwner(ctx context.Context, invoice string) (account int64, found bool, err error) {
	var owners []int64
	err = s.gorm.WithContext(ctx).Raw("SELECT account_id FROM invoice_ids WHERE invoice_id = ?", invoice).Scan(&owners).Error
	if err != nil {
		return 0, false, fmt.Errorf("looking for invoice %s: %w", invoice, err)
	}
	if len(owners) == 0 {
		return 0, false, nil
	}
	return owners[0], true, nil
}

// auditLoader collects the cases of some accounts.
type auditLoader struct {
	*tx
	ids    []int64       // sorted
	period models.Period // zero for all of them
	wide   map[int64]bool
	steps  []func(context.Context) error
	list   []models.AccountHistory
	index  map[int64]int
	stored map[invoiceKey]models.Period // what the invoices are stored under
	strays bool                         // documents without an invoice are wanted
	known  int                          // accounts that there is a row of

	decided map[models.UUID]decisions // nil until it was read
}

func newAuditLoader(t *tx, ids []int64, period models.Period) *auditLoader {
	l := &auditLoader{tx: t, ids: ids, period: period, list: make([]models.AccountHistory, len(ids)), index: map[int64]int{}, stored: map[invoiceKey]models.Period{}}
	for i, id := range ids {
		// An account whose row is gone is still to be named.
		l.index[id], l.list[i].Account.ID = i, id
	}
	return l
}

func (l *auditLoader) load(ctx context.Context) ([]models.AccountHistory, error) {
	for _, step := range l.steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return l.list, nil
}

func (l *auditLoader) facts(ctx context.Context) error {
	var found accountRecords
	trip := l.statementBatch()
	found.queue(trip, l.ids)
	if err := trip.send(ctx); err != nil {
		return err
	}
	set := found.workingSet()
	l.known = len(set.Accounts)
	for i, id := range l.ids {
		c := &l.list[i]
		if known := set.Accounts[id]; known != nil {
			c.Account = *known
		}
		c.Activations, c.Referrals, c.Stored = set.Activations[id], set.Referrals[id], set.Entitlements[id]
	}
	return nil
}

// anyPeriod is every period that anything is stored under.
const anyPeriod = "ANY(ARRAY(SELECT period FROM periods))"

// invoices finds the highest revision of every invoice, in the period or in all. An
// invoice that moved to another period is not taken for one that stayed, and comes
// too, because its documents are still those of the period.
func (l *auditLoader) invoices(ctx context.Context) error {
	texts := newUnpacker()
	var revisions []revision
	var batch pgx.Batch
	everything := l.ids
	if l.period != 0 {
		isWide := func(id int64) bool { return l.wide[id] }
		narrow := slices.DeleteFunc(slices.Clone(l.ids), isWide)
		everything = slices.DeleteFunc(slices.Clone(l.ids), func(id int64) bool { return !isWide(id) })
		queueRevisions(&batch, &revisions, texts, l.period, narrow)
	}
	if len(everything) > 0 {
		queue(&batch, "all invoices", func(v [][]byte) { revisions = append(revisions, readRevision(v, texts)) },
			"SELECT "+invoiceColumns+" FROM invoices WHERE storage_period = "+anyPeriod+" AND account_id = ANY($1)", everything)
	}
	if err := l.pgx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("reading invoices: %w", err)
	}
	eachInvoice(revisions, func(highest revision, periods []models.Period) {
		if l.period == 0 || slices.Contains(periods, l.period) || l.wide[highest.AccountID] {
			c := &l.list[l.index[highest.AccountID]]
			c.Invoices = append(c.Invoices, models.AuditInvoice{Invoice: *highest.Invoice})
			l.stored[invoiceKey{highest.AccountID, highest.ID}] = highest.stored
		}
	})
	return nil
}

func (l *auditLoader) find(account int64, invoice string) *models.AuditInvoice {
	i, ok := l.index[account]
	if !ok {
		return nil
	}
	invoices := l.list[i].Invoices
	at, found := slices.BinarySearchFunc(invoices, invoice, func(a models.AuditInvoice, id string) int {
		switch {
		case a.Invoice.ID < id:
			return -1
		case a.Invoice.ID > id:
			return 1
		}
		return 0
	})
	if !found {
		return nil
	}
	return &invoices[at]
}

// documents gives the invoices their documents, those of other periods too. A
// document of the period whose invoice is not there at all is a stray.
func (l *auditLoader) documents(ctx context.Context) error {
	docs, err := l.readDocuments(ctx)
	if err != nil {
		return err
	}
	answers, err := l.answers(ctx, documentIDs(docs))
	if err != nil {
		return err
	}
	decided, err := l.decisions(ctx)
	if err != nil {
		return err
	}
	for i := range docs {
		d := &docs[i]
		d.Answers, d.Resends, d.WriteOff = answers[d.ID], decided[d.ID].resends, decided[d.ID].writeOff
		if inv := l.find(d.AccountID, d.InvoiceID); inv != nil {
			inv.Documents = append(inv.Documents, *d)
		} else if l.strays && (l.period == 0 || d.Period == l.period) {
			c := &l.list[l.index[d.AccountID]]
			c.Strays = append(c.Strays, *d)
		}
	}
	return nil
}

// readDocuments reads, in ledger order, the documents of the accounts that were posted
// for the period, and those that are stored where an invoice of theirs is.
func (l *auditLoader) readDocuments(ctx context.Context) (list []models.AuditDocument, err error) {
	texts := newUnpacker()
	const columns = "SELECT " + documentColumns + `, EXISTS (SELECT 1 FROM run_chunks c
		WHERE c.run_id = a.run_id AND c.chunk_no = a.chunk_no AND c.published_at IS NOT NULL), a.posted_at, a.run_id FROM `
	periods, accounts := l.storedUnder()
	err = each(ctx, l.pgx, "documents", func(v [][]byte) {
		v, more := v[:documentWidth], v[documentWidth:]
		list = append(list, models.AuditDocument{
			Adjustment: readDocument(v, texts), RunID: getInt8(more[2]),
			DocumentHistory: models.DocumentHistory{Published: more[0][0] == 1, PostedAt: getTime(more[1])},
		})
	}, `WITH k (storage_period, account_id) AS (
			SELECT * FROM unnest($2::int[], $3::bigint[]) UNION SELECT period, account_id FROM periods, unnest($4::bigint[]) account_id)
		`+columns+`k CROSS JOIN LATERAL (
			SELECT * FROM adjustments a WHERE a.storage_period = k.storage_period AND a.account_id = k.account_id OFFSET 0) a
		UNION ALL `+columns+`adjustments a WHERE a.period = $5 AND a.period <> a.storage_period AND a.account_id = ANY($1)
			AND NOT EXISTS (SELECT 1 FROM k WHERE k.storage_period = a.storage_period AND k.account_id = a.account_id)`,
		l.ids, periods, accounts, l.everywhere(), l.period)
	slices.SortFunc(list, func(a, b models.AuditDocument) int { return ledgerOrder(a.Adjustment, b.Adjustment) })
	return list, err
}

// storedUnder is the periods, each with an account, that documents are looked for
// under: the period of the audit and those of the invoices.
func (l *auditLoader) storedUnder() (periods []int32, accounts []int64) {
	under := map[mark]bool{}
	for _, id := range l.ids {
		under[mark{l.period, id}] = true
	}
	for i := range l.list {
		for j := range l.list[i].Invoices {
			inv := &l.list[i].Invoices[j].Invoice
			under[mark{l.stored[invoiceKey{inv.AccountID, inv.ID}], inv.AccountID}] = true
		}
	}
	for k := range under {
		periods, accounts = append(periods, int32(k.period)), append(accounts, k.account)
	}
	return periods, accounts
}

// everywhere is the accounts of which all documents are wanted.
func (l *auditLoader) everywhere() []int64 {
	if l.period == 0 && l.strays {
		return l.ids
	}
	return []int64{}
}

func documentIDs(docs []models.AuditDocument) []models.UUID {
	ids := make([]models.UUID, len(docs))
	for i := range docs {
		ids[i] = docs[i].ID
	}
	return ids
}

func (l *auditLoader) answers(ctx context.Context, ids []models.UUID) (map[models.UUID][]models.Result, error) {
	keys := make([][16]byte, len(ids))
	for i, id := range ids {
		keys[i] = id
	}
	found := map[models.UUID][]models.Result{}
	if len(keys) == 0 {
		return found, nil
	}
	err := each(ctx, l.pgx, "billing's answers", func(v [][]byte) {
		r := readResult(v)
		found[r.AdjustmentID] = append(found[r.AdjustmentID], r)
	}, "SELECT "+resultColumns+" FROM results r WHERE r.adjustment_id = ANY($1::uuid[]) ORDER BY r.at, r.status", keys)
	return found, err
}

func (l *auditLoader) packages(ctx context.Context) error {
	var list []models.AuditPackage
	err := each(ctx, l.pgx, "packages", func(v [][]byte) {
		list = append(list, models.AuditPackage{SMSPackage: readPackage(v), RunID: getInt8(v[11]),
			DocumentHistory: models.DocumentHistory{Published: v[9][0] == 1, PostedAt: getTime(v[10])}})
	}, "SELECT "+packageColumns+`, EXISTS (SELECT 1 FROM run_chunks c
			WHERE c.run_id = p.run_id AND c.chunk_no = p.chunk_no AND c.published_at IS NOT NULL), posted_at, run_id
		FROM sms_packages p WHERE account_id = ANY($1) ORDER BY account_id, sms, ordinal`, l.ids)
	if err != nil {
		return err
	}
	ids := make(map[models.UUID]bool, len(list))
	for i := range list {
		ids[list[i].ID] = true
	}
	answers, err := l.answers(ctx, slices.Collect(maps.Keys(ids)))
	if err != nil {
		return err
	}
	decided, err := l.decisions(ctx)
	if err != nil {
		return err
	}
	for _, p := range list {
		p.Answers, p.Resends, p.WriteOff = answers[p.ID], decided[p.ID].resends, decided[p.ID].writeOff
		c := &l.list[l.index[p.AccountID]]
		c.Packages = append(c.Packages, p)
	}
	return nil
}
