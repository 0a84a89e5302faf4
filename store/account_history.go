package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"referral/models"
	"referral/store/pgcopy"
)

// AccountHistory is everything known of one account, all periods. found is false when
// nothing is.
func (s *Store) AccountHistory(ctx context.Context, account int64) (c models.AccountHistory, found bool, err error) {
	err = s.snapshot(ctx, fmt.Sprintf("collecting the facts of account %d", account), func(tx *tx) error {
		c, found, err = tx.accountHistory(ctx, account)
		return err
	})
	return c, found, err
}

func (t *tx) accountHistory(ctx context.Context, account int64) (c models.AccountHistory, found bool, err error) {
	l := newHistoryLoader(t, []int64{account}, 0)
	l.uninvoiced = true
	if err = l.loadFacts(ctx); err == nil {
		err = l.loadLedger(ctx, l.queuePackages, l.queueUnnamedMonths, l.queueParked, l.queueProvenances, l.queueProvenancesOfInvoices)
	}
	c = l.list[0]
	return c, l.known[account] || len(c.Invoices)+len(c.Strays)+len(c.Packages) > 0, err
}

// InvoiceOwner is the account that an invoice belongs to. found is false when the
// invoice is not known.
func (s *Store) InvoiceOwner(ctx context.Context, invoice string) (account int64, found bool, err error) {
	found, err = s.scan(ctx, "looking for invoice "+invoice, []any{&account}, "SELECT account_id FROM invoice_ids WHERE invoice_id = $1", invoice)
	return account, found, err
}

// InvoiceOwners is the accounts that invoices belong to, without those that are not known.
func (s *Store) InvoiceOwners(ctx context.Context, invoices []string) (map[string]int64, error) {
	type owned struct {
		Invoice string
		Account int64
	}
	rows, err := list(ctx, s, "looking for the owners of invoices", pgx.RowToStructByPos[owned],
		"SELECT invoice_id, account_id FROM invoice_ids WHERE invoice_id = ANY($1)", invoices)
	owners := make(map[string]int64, len(rows))
	for _, row := range rows {
		owners[row.Invoice] = row.Account
	}
	return owners, err
}

// ForTheseAccounts hands accounts to see, by id, with their facts and their invoices of the
// period, and nothing of the ledger. One that is not known is left out. It is never repeated.
func (s *Store) ForTheseAccounts(ctx context.Context, period models.Period, accounts []int64, see func(*models.AccountHistory) error) error {
	err := s.once(ctx, beginReadOnly, func(tx *tx) error {
		l := newHistoryLoader(tx, slices.Sorted(slices.Values(accounts)), period)
		if err := l.loadFacts(ctx); err != nil {
			return err
		}
		return l.each(func(c *models.AccountHistory) error {
			if !l.known[c.Account.ID] && len(c.Invoices) == 0 {
				return nil
			}
			return see(c)
		})
	})
	return wrap(fmt.Sprintf("reading %d accounts in %s", len(accounts), period), err)
}

// historyLoader collects the histories of some accounts, in three round trips: facts
// and invoices; the ledger, which is found by where the invoices are stored; answers to
// what is in it.
type historyLoader struct {
	*tx
	ids        []int64        // sorted
	period     models.Period  // zero for all of them
	allPeriods map[int64]bool // accounts whose invoices of other periods are wanted too
	uninvoiced bool           // documents without an invoice are wanted

	list     []models.AccountHistory
	index    map[int64]int
	known    map[int64]bool               // accounts that are stored
	stored   map[invoiceKey]models.Period // what the invoices are stored under
	packages []foundPackage
	topics   topicNames // nil while no provenance is wanted
}

func newHistoryLoader(t *tx, ids []int64, period models.Period) *historyLoader {
	l := &historyLoader{tx: t, ids: ids, period: period, list: make([]models.AccountHistory, len(ids)), index: map[int64]int{}, known: map[int64]bool{}, stored: map[invoiceKey]models.Period{}}
	for i, id := range ids {
		// An account whose row is gone is still to be named.
		l.index[id], l.list[i].Account.ID = i, id
	}
	return l
}

func (l *historyLoader) account(id int64) *models.AccountHistory { return &l.list[l.index[id]] }

// anyPeriod is every period that anything is stored under.
const anyPeriod = "ANY(ARRAY(SELECT period FROM periods))"

// loadFacts finds the facts of the accounts and the highest revision of every invoice,
// in the period or in all. An invoice that
// moved to another period comes too, because its documents are still those of the
// period.
func (l *historyLoader) loadFacts(ctx context.Context) error {
	texts := newUnpacker()
	var revisions []revision
	var batch pgcopy.Batch
	set := queueWorkingSet(&batch, l.ids)
	l.queueDecisionsOnInvitees(&batch)
	texts.queueServices(&batch)
	all := l.ids
	if l.period != 0 {
		isWanted := func(id int64) bool { return l.allPeriods[id] }
		queueRevisions(&batch, &revisions, texts, l.period, slices.DeleteFunc(slices.Clone(l.ids), isWanted))
		all = slices.DeleteFunc(slices.Clone(l.ids), func(id int64) bool { return !isWanted(id) })
	}
	if len(all) > 0 {
		batch.Each("all invoices", func(v [][]byte) { revisions = append(revisions, readRevision(v, texts)) },
			"SELECT "+invoiceColumns+" FROM invoices WHERE storage_period = "+anyPeriod+" AND account_id = ANY($1)", all)
	}
	if err := batch.Send(ctx, l.pgx); err != nil {
		return err
	}
	l.assign(set)
	eachInvoice(revisions, func(highest revision, periods []models.Period) {
		if l.period == 0 || slices.Contains(periods, l.period) || l.allPeriods[highest.AccountID] {
			c := l.account(highest.AccountID)
			c.Invoices = append(c.Invoices, models.AuditInvoice{Invoice: *highest.Invoice})
			l.stored[invoiceKey{highest.AccountID, highest.ID}] = highest.stored
		}
	})
	return nil
}

// assign gives the accounts what is known of them besides their invoices.
func (l *historyLoader) assign(set *models.WorkingSet) {
	for i, id := range l.ids {
		c := &l.list[i]
		if a := set.Accounts[id]; a != nil {
			c.Account, l.known[id] = *a, true
		}
		c.Activations, c.Referrals, c.Stored = set.Activations[id], set.Referrals[id], set.Entitlements[id]
		c.Agreed = set.Agreed[id]
		c.Decisions = append(c.Decisions, set.Decisions[id]...)
		models.SortDecisions(c.Decisions)
	}
}

// each hands the accounts over, by id.
func (l *historyLoader) each(see func(*models.AccountHistory) error) error {
	for i := range l.list {
		if err := see(&l.list[i]); err != nil {
			return err
		}
	}
	return nil
}

func (l *historyLoader) invoice(account int64, id string) *models.AuditInvoice {
	invoices := l.account(account).Invoices
	at, found := slices.BinarySearchFunc(invoices, id, func(a models.AuditInvoice, id string) int { return strings.Compare(a.Invoice.ID, id) })
	if !found {
		return nil
	}
	return &invoices[at]
}

// loadLedger gives the invoices their documents, those of other periods too, and reads
// in the same round trip what more queues. A document of the period whose invoice does
// not exist is a stray.
func (l *historyLoader) loadLedger(ctx context.Context, more ...func(*pgcopy.Batch)) error {
	var batch pgcopy.Batch
	var docs []foundDocument
	l.queueDocuments(&batch, &docs)
	decided := queueDecisions(&batch, l.ids)
	for _, queue := range more {
		queue(&batch)
	}
	if err := batch.Send(ctx, l.pgx); err != nil {
		return err
	}
	var ids []models.UUID
	for i := range docs {
		ids = append(ids, docs[i].ID)
	}
	for i := range l.packages {
		ids = append(ids, l.packages[i].ID)
	}
	chunks := map[models.ChunkRef]chunkState{}
	for i := range docs {
		chunks[docs[i].chunk] = chunkState{}
	}
	for i := range l.packages {
		chunks[l.packages[i].chunk] = chunkState{}
	}
	queueChunkStates(&batch, chunks)
	answers := queueAnswers(&batch, ids, l.topics)
	if err := batch.Send(ctx, l.pgx); err != nil {
		return err
	}
	slices.SortFunc(docs, func(a, b foundDocument) int { return ledgerOrder(a.Adjustment, b.Adjustment) })
	for _, found := range docs {
		d := found.AuditDocument
		d.Published, d.Shadow = chunks[found.chunk].published, chunks[found.chunk].shadow
		d.Answers, d.Resends, d.WriteOff = answers[d.ID], decided[d.ID].resends, decided[d.ID].writeOff
		if inv := l.invoice(d.AccountID, d.InvoiceID); inv != nil {
			inv.Documents = append(inv.Documents, d)
		} else if l.uninvoiced && (l.period == 0 || d.Period == l.period) {
			c := l.account(d.AccountID)
			c.Strays = append(c.Strays, d)
		}
	}
	for _, found := range l.packages {
		p := found.AuditPackage
		p.Published = chunks[found.chunk].published
		p.Answers, p.Resends, p.WriteOff = answers[p.ID], decided[p.ID].resends, decided[p.ID].writeOff
		c := l.account(p.AccountID)
		c.Packages = append(c.Packages, p)
	}
	return nil
}

// foundDocument is a document with the chunk that posted it.
type foundDocument struct {
	models.AuditDocument
	chunk models.ChunkRef
}

// foundPackage is a package with the chunk that posted it; one given before has none.
type foundPackage struct {
	models.AuditPackage
	chunk models.ChunkRef
}

// chunkState is what becomes of the documents of a chunk.
type chunkState struct{ published, shadow bool }

// queueChunkStates reads what became of the chunks. They are not joined with documents:
// those may be on other nodes.
func queueChunkStates(batch *pgcopy.Batch, chunks map[models.ChunkRef]chunkState) {
	var runs []int64
	var numbers []int32
	for ref := range chunks {
		runs, numbers = append(runs, ref.RunID), append(numbers, int32(ref.Chunk))
	}
	batch.Each("chunks", func(v [][]byte) {
		chunks[models.ChunkRef{RunID: pgcopy.Int8(v[0]), Chunk: pgcopy.Int4(v[1])}] = chunkState{pgcopy.Bool(v[2]), pgcopy.Bool(v[3])}
	}, `SELECT run_id, chunk_no, published_at IS NOT NULL, shadow FROM run_chunks
		JOIN unnest($1::bigint[], $2::int[]) AS k (run_id, chunk_no) USING (run_id, chunk_no)`, runs, numbers)
}

// queueDocuments reads, in any order, the documents of the accounts that were posted
// for the period, and those that are stored where an invoice of theirs is: one statement a
// period, because PostgreSQL before 17 tries every combination of two lists.
func (l *historyLoader) queueDocuments(batch *pgcopy.Batch, list *[]foundDocument) {
	texts := newUnpacker()
	under := l.storedUnder()
	read := func(v [][]byte) {
		v, more := v[:documentWidth], v[documentWidth:]
		*list = append(*list, foundDocument{models.AuditDocument{
			Adjustment: readDocument(v, texts), RunID: pgcopy.Int8(more[1]), DocumentHistory: models.DocumentHistory{PostedAt: pgcopy.Time(more[0])},
		}, models.ChunkRef{RunID: pgcopy.Int8(more[1]), Chunk: pgcopy.Int4(more[2])}})
	}
	const query = "SELECT " + documentColumns + ", a.posted_at, a.run_id, a.chunk_no, a.storage_period FROM adjustments a WHERE a.account_id = ANY($1)"
	if l.period == 0 && l.uninvoiced {
		batch.Each("documents", read, query+" AND a.storage_period = "+anyPeriod, l.ids)
		return
	}
	for p, accounts := range under.sorted() {
		batch.Each("documents", read, query+" AND a.storage_period = $2", accounts, p)
	}
	batch.Each("documents that have moved", func(v [][]byte) {
		if !under[pgcopy.Period(v[documentWidth+3])][pgcopy.Int8(v[0])] {
			read(v)
		}
	}, query+" AND a.period = $2 AND a.period <> a.storage_period", l.ids, l.period)
}

// storedUnder is the accounts whose documents are looked for: under the period of the
// audit and those of the invoices.
func (l *historyLoader) storedUnder() storedAccounts {
	under := storedAccounts{}
	for i, id := range l.ids {
		if l.period != 0 {
			under.add(l.period, id)
		}
		for j := range l.list[i].Invoices {
			under.add(l.stored[invoiceKey{id, l.list[i].Invoices[j].Invoice.ID}], id)
		}
	}
	return under
}

func (l *historyLoader) queuePackages(batch *pgcopy.Batch) {
	batch.Each("packages", func(v [][]byte) {
		l.packages = append(l.packages, foundPackage{models.AuditPackage{
			SMSPackage: readPackage(v), RunID: pgcopy.Int8(v[10]), DocumentHistory: models.DocumentHistory{PostedAt: pgcopy.Time(v[9])},
		}, models.ChunkRef{RunID: pgcopy.Int8(v[10]), Chunk: pgcopy.Int4(v[11])}})
	}, "SELECT "+packageColumns+`, posted_at, run_id, chunk_no
		FROM sms_packages WHERE account_id = ANY($1) ORDER BY account_id, sms, ordinal`, l.ids)
	batch.Each("packages given before", func(v [][]byte) {
		on := pgcopy.Date(v[3])
		l.packages = append(l.packages, foundPackage{AuditPackage: models.AuditPackage{Imported: true, SMSPackage: models.SMSPackage{
			AccountID: pgcopy.Int8(v[0]), SMS: pgcopy.Int4(v[1]), Ordinal: pgcopy.Int4(v[2]), GrantedOn: on, Period: on.Period(), PostingPeriod: on.Period(),
		}}})
	}, "SELECT account_id, sms, ordinal, given_on FROM imported_packages WHERE account_id = ANY($1) ORDER BY account_id, sms, ordinal", l.ids)
}

// queueUnnamedMonths reads the months in which an account has earned a package and that
// no invoice of any account has named.
func (l *historyLoader) queueUnnamedMonths(batch *pgcopy.Batch) {
	batch.Each("months of packages", func(v [][]byte) {
		c := l.account(pgcopy.Int8(v[0]))
		c.Unnamed = append(c.Unnamed, pgcopy.Period(v[1]))
	}, "SELECT account_id, month FROM (SELECT DISTINCT account_id, "+grantedMonth+` AS month
			FROM package_grants g WHERE account_id = ANY($1)) g
		WHERE NOT EXISTS (SELECT 1 FROM periods p WHERE p.period = g.month) ORDER BY account_id, month`, l.ids)
}

// queueParked reads what the last run of each period could not settle. What is parked
// stays stale, so no later run has passed it by.
func (l *historyLoader) queueParked(batch *pgcopy.Batch) {
	batch.Each("what is parked", func(v [][]byte) {
		p := readParked(v)
		c := l.account(p.AccountID)
		c.Parked = append(c.Parked, p)
	}, "SELECT "+parkedColumns+" FROM parked_accounts WHERE account_id = ANY($1) AND "+parkedByLastRun+" ORDER BY account_id, period, invoice_id", l.ids)
}

// queueProvenances finds where the facts of the accounts came from, but for invoices.
func (l *historyLoader) queueProvenances(batch *pgcopy.Batch) {
	l.topics = topicNames{}
	batch.Each("topics", l.topics.read, selectTopics)
	batch.Each("the provenance of accounts", func(v [][]byte) {
		l.account(pgcopy.Int8(v[0])).Account.Provenance = models.AccountProvenance{
			Registered: l.topics.unpack(v[1]), PromoEnded: l.topics.unpack(v[2]), Terminated: l.topics.unpack(v[3]), Profile: l.topics.unpack(v[4]),
		}
	}, `SELECT account_id, registered_provenance, promo_ended_provenance, terminated_provenance, profile_provenance
		FROM accounts WHERE account_id = ANY($1)`, l.ids)
	activations := map[int64]*models.Activation{}
	for i := range l.list {
		for _, a := range l.list[i].Activations {
			activations[a.Seq] = a
		}
	}
	batch.Each("the provenance of activations", func(v [][]byte) { activations[pgcopy.Int8(v[0])].Provenance = l.topics.unpack(v[1]) },
		"SELECT seq, provenance FROM activations WHERE account_id = ANY($1)", l.ids)
}

func (l *historyLoader) queueProvenancesOfInvoices(batch *pgcopy.Batch) {
	batch.Each("the provenance of invoices", func(v [][]byte) {
		if inv := l.invoice(pgcopy.Int8(v[0]), string(v[1])); inv != nil && inv.Invoice.Revision == pgcopy.Int4(v[2]) {
			inv.Provenance = l.topics.unpack(v[3])
		}
	}, "SELECT account_id, invoice_id, revision, provenance FROM invoices WHERE storage_period = "+anyPeriod+" AND account_id = ANY($1)", l.ids)
}

const resultColumns = "r.adjustment_id, r.account_id, r.status, r.amount_minor, r.reason, r.at, r.provenance"

func readResult(v [][]byte) models.Result {
	return models.Result{
		AdjustmentID: pgcopy.UUID(v[0]), AccountID: pgcopy.Int8(v[1]), Status: models.ResultStatus(v[2]),
		Amount: pgcopy.Money(v[3]), Reason: string(v[4]), At: pgcopy.Time(v[5]),
	}
}

// queueAnswers reads billing's answers to documents, with their provenance unless topics
// is nil.
func queueAnswers(batch *pgcopy.Batch, ids []models.UUID, topics topicNames) map[models.UUID][]models.Result {
	found := map[models.UUID][]models.Result{}
	if len(ids) == 0 {
		return found
	}
	keys := make([][16]byte, len(ids))
	for i, id := range ids {
		keys[i] = id
	}
	batch.Each("billing's answers", func(v [][]byte) {
		r := readResult(v)
		if topics != nil {
			r.Provenance = topics.unpack(v[6])
		}
		found[r.AdjustmentID] = append(found[r.AdjustmentID], r)
	}, "SELECT "+resultColumns+" FROM results r WHERE r.adjustment_id = ANY($1::uuid[]) ORDER BY r.at, r.status", keys)
	return found
}

// decisions is what persons decided about a rejected document.
type decisions struct {
	resends  []models.Resend
	writeOff *models.WriteOff
}

// queueDecisions reads those about the documents of accounts.
func queueDecisions(batch *pgcopy.Batch, accounts []int64) map[models.UUID]decisions {
	decided := map[models.UUID]decisions{}
	batch.Each("resends", func(v [][]byte) {
		id := pgcopy.UUID(v[0])
		d := decided[id]
		d.resends = append(d.resends, models.Resend{
			At: pgcopy.Time(v[1]), By: string(v[2]), Reason: string(v[3]), RejectedAt: pgcopy.Time(v[4]), Published: pgcopy.Bool(v[5]),
		})
		decided[id] = d
	}, `SELECT document_id, requested_at, requested_by, reason, rejected_at, published_at IS NOT NULL
		FROM document_resends WHERE account_id = ANY($1) ORDER BY resend_id`, accounts)
	batch.Each("write-offs", func(v [][]byte) {
		id := pgcopy.UUID(v[0])
		d := decided[id]
		d.writeOff = &models.WriteOff{At: pgcopy.Time(v[1]), By: string(v[2]), Reason: string(v[3])}
		decided[id] = d
	}, "SELECT document_id, written_off_at, written_off_by, reason FROM document_write_offs WHERE account_id = ANY($1)", accounts)
	return decided
}
