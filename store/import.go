package store

import (
	"context"
	"time"

	"referral/models"
	"referral/store/pgcopy"
)

// Import takes rows of an older system's files in one transaction, as facts like those
// that come by message. A row that says what it said before changes nothing; one with the
// same key and other values replaces it. The caller has checked that the rows agree with
// one another and with what is stored.
func (s *Store) Import(ctx context.Context, rows []models.Fact, derive models.DeriveFunc) (models.ImportCounts, error) {
	messages := make([]models.DecodedMessage, len(rows))
	for i := range rows {
		rows[i].Data = inStoredForm(rows[i].Data)
		messages[i].Fact = &rows[i]
	}
	numbers, err := s.topicNumbers(ctx, messages)
	if err != nil {
		return models.ImportCounts{}, err
	}
	var m importation
	err = s.write(ctx, "importing rows of an older system", func(tx *tx) error {
		m = importation{tx: tx, numbers: numbers, before: map[importKey]models.FactData{}}
		return m.take(ctx, rows, derive)
	})
	return m.counts, err
}

// PreviewImport says what Import would do with rows, and stores nothing.
func (s *Store) PreviewImport(ctx context.Context, rows []models.Fact) (models.ImportCounts, error) {
	for i := range rows {
		rows[i].Data = inStoredForm(rows[i].Data)
	}
	var m importation
	err := s.snapshot(ctx, "comparing rows of an older system", func(tx *tx) error {
		m = importation{tx: tx, before: map[importKey]models.FactData{}}
		affected := newAffectedAccounts()
		for i := range rows {
			affected.addSubject(&rows[i])
		}
		var batch pgcopy.Batch
		erased := m.queueBefore(&batch, sortedIDs(affected.subjects))
		if err := batch.Send(ctx, tx.pgx); err != nil {
			return err
		}
		m.compare(rows, erased)
		return nil
	})
	return m.counts, err
}

// ImportKnown answers what rows of an older system's files ask of what is stored.
func (s *Store) ImportKnown(ctx context.Context, q models.ImportQuery) (known models.ImportKnown, err error) {
	err = s.snapshot(ctx, "comparing an older system's files with what is stored", func(tx *tx) error {
		known = models.ImportKnown{Accounts: map[int64]bool{}, Owners: map[string]int64{}, Inviters: map[int64]int64{}}
		var batch pgcopy.Batch
		batch.Each("known accounts", func(v [][]byte) { known.Accounts[pgcopy.Int8(v[0])] = true },
			"SELECT account_id FROM accounts WHERE account_id = ANY($1)", q.Accounts)
		batch.Each("owners of codes", func(v [][]byte) { known.Owners[string(v[0])] = pgcopy.Int8(v[1]) },
			"SELECT code, account_id FROM codes WHERE code = ANY($1)", q.Codes)
		batch.Each("inviters", func(v [][]byte) { known.Inviters[pgcopy.Int8(v[0])] = pgcopy.Int8(v[1]) },
			`SELECT a.account_id, a.inviter_id FROM activations a WHERE a.account_id = ANY($1) AND a.status = 'accepted'
			AND NOT EXISTS (SELECT FROM imported_referrals i WHERE i.account_id = a.account_id AND i.inviter_id = a.inviter_id AND i.activated_at = a.requested_at)`, q.Invitees)
		return batch.Send(ctx, tx.pgx)
	})
	return known, err
}

// importation is a batch of rows on its way into the database.
type importation struct {
	*tx
	numbers topicNumbers
	before  map[importKey]models.FactData // by key, as they were told before
	counts  models.ImportCounts
	writes  pgcopy.Batch
}

// importKey identifies a row of the files. kind is a value of its type, which tells the
// files apart.
type importKey struct {
	kind    importKind
	account int64
	sms     int
	day     models.Date
}

type importKind int

const (
	importAccounts importKind = iota
	importReferrals
	importPackages
	importDiscounts
)

func keyOf(data models.FactData) importKey {
	switch d := data.(type) {
	case models.ImportedAccount:
		return importKey{kind: importAccounts, account: d.AccountID}
	case models.ImportedReferral:
		return importKey{kind: importReferrals, account: d.InviteeID}
	case models.ImportedPackage:
		return importKey{kind: importPackages, account: d.AccountID, sms: d.SMS, day: d.GivenOn}
	case models.AgreedDiscount:
		return importKey{kind: importDiscounts, account: d.AccountID, day: d.From}
	}
	panic("only rows of an older system's files are imported")
}

func withdrawn(data models.FactData) bool {
	switch d := data.(type) {
	case models.ImportedReferral:
		return d.Withdrawn
	case models.ImportedPackage:
		return d.Withdrawn
	case models.AgreedDiscount:
		return d.Withdrawn
	}
	return false
}

func (m *importation) take(ctx context.Context, rows []models.Fact, derive models.DeriveFunc) error {
	var batch pgcopy.Batch
	batch.Exec("passing the ingest barrier", passBarrier, lockIngest.in(m.schema))
	m.queueHoldTerms(&batch, readTerms)
	affected := newAffectedAccounts()
	for i := range rows {
		affected.addSubject(&rows[i])
	}
	ids := sortedIDs(affected.subjects)
	erased := m.queueBefore(&batch, ids)
	affected.queue(&batch)
	if err := batch.Send(ctx, m.pgx); err != nil {
		return err
	}
	changed := m.compare(rows, erased)
	if len(changed) == 0 {
		return nil
	}
	for _, before := range m.before { // also the inviter that was told before
		if r, ok := before.(models.ImportedReferral); ok {
			affected.name(r.InviterID)
		}
	}
	set, err := m.lockWorkingSet(ctx, affected)
	if err != nil {
		return err
	}
	for _, before := range m.before {
		if r, ok := before.(models.ImportedReferral); ok {
			set.Imported[r.InviteeID] = r
		}
	}
	changes := derive(set, changed)
	for _, f := range changed {
		m.save(f)
	}
	if err := saveChanges(&m.writes, changes, m.numbers); err != nil {
		return err
	}
	markChanged(&m.writes, changes)
	return m.writes.Send(ctx, m.pgx)
}

// queueBefore reads what was told of the accounts before, and whose personal data were
// erased.
func (m *importation) queueBefore(batch *pgcopy.Batch, ids []int64) (erased map[int64]bool) {
	erased = map[int64]bool{}
	batch.Each("erased accounts", func(v [][]byte) { erased[pgcopy.Int8(v[0])] = true },
		"SELECT account_id FROM accounts WHERE account_id = ANY($1) AND erased_at IS NOT NULL", ids)
	for _, t := range importedTables {
		batch.Each(t.name, func(v [][]byte) {
			data := t.read(v)
			m.before[keyOf(data)] = data
		}, "SELECT "+t.columns+" FROM "+t.name+" WHERE account_id = ANY($1)", ids)
	}
	return erased
}

// importedTables is where the rows of an older system's files are kept, each with its
// provenance.
var importedTables = []struct {
	name, columns string
	read          func(v [][]byte) models.FactData
}{
	{"imported_accounts", "account_id, name, tax_id, registered_at, promo_ends_at, terminated_at, code", readImportedAccount},
	{"imported_referrals", importedReferralColumns, func(v [][]byte) models.FactData { return readImportedReferral(v) }},
	{"imported_packages", "account_id, sms, given_on", readImportedPackage},
	{"imported_discounts", agreedColumns, readImportedDiscount},
}

const (
	importedReferralColumns = "account_id, inviter_id, activated_at"
	agreedColumns           = "account_id, from_day, to_day, percent"
)

// selectImportedReferrals selects those of the invitees $1.
const selectImportedReferrals = "SELECT " + importedReferralColumns + " FROM imported_referrals WHERE account_id = ANY($1)"

// selectAgreed selects the discounts that were agreed with the accounts $1.
const selectAgreed = "SELECT " + agreedColumns + " FROM imported_discounts WHERE account_id = ANY($1) ORDER BY account_id, from_day"

func readAgreed(v [][]byte) models.Discount {
	return models.Discount{AccountID: pgcopy.Int8(v[0]), Kind: models.Agreed, From: pgcopy.Date(v[1]), To: pgcopy.Date(v[2]), Percent: pgcopy.Int2(v[3])}
}

// compare counts the rows, and returns those that say something else than before. What
// was erased is not told again.
func (m *importation) compare(rows []models.Fact, erased map[int64]bool) (changed []*models.Fact) {
	for i := range rows {
		if a, ok := rows[i].Data.(models.ImportedAccount); ok && erased[a.AccountID] {
			a.Name, a.TaxID = "", ""
			rows[i].Data = a
		}
		data := rows[i].Data
		before, known := m.before[keyOf(data)]
		switch {
		case withdrawn(data) && known:
			m.counts.Changed++
		case withdrawn(data) || known && before == data:
			m.counts.Same++
			continue
		case known:
			m.counts.Changed++
		default:
			m.counts.New++
		}
		changed = append(changed, &rows[i])
	}
	return changed
}

// inStoredForm is a row as it is read again.
func inStoredForm(data models.FactData) models.FactData {
	switch d := data.(type) {
	case models.ImportedAccount:
		d.RegisteredAt, d.PromoEndsAt, d.TerminatedAt = stored(d.RegisteredAt), stored(d.PromoEndsAt), stored(d.TerminatedAt)
		return d
	case models.ImportedReferral:
		d.ActivatedAt = stored(d.ActivatedAt)
		return d
	}
	return data
}

// stored is a time as the database gives it back.
func stored(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

func (m *importation) save(f *models.Fact) {
	from := m.numbers.pack(nil, f.Provenance)
	switch d := f.Data.(type) {
	case models.ImportedAccount:
		m.writes.Exec("saving an imported account", `INSERT INTO imported_accounts VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (account_id) DO UPDATE SET name = excluded.name, tax_id = excluded.tax_id, registered_at = excluded.registered_at,
				promo_ends_at = excluded.promo_ends_at, terminated_at = excluded.terminated_at, code = excluded.code, provenance = excluded.provenance`,
			d.AccountID, d.Name, d.TaxID, nullTime(d.RegisteredAt), nullTime(d.PromoEndsAt), nullTime(d.TerminatedAt), d.Code, from)
	case models.ImportedReferral:
		if d.Withdrawn {
			m.writes.Exec("withdrawing an imported referral", "DELETE FROM imported_referrals WHERE account_id = $1", d.InviteeID)
			return
		}
		m.writes.Exec("saving an imported referral", `INSERT INTO imported_referrals VALUES ($1, $2, $3, $4)
			ON CONFLICT (account_id) DO UPDATE SET inviter_id = excluded.inviter_id, activated_at = excluded.activated_at, provenance = excluded.provenance`,
			d.InviteeID, d.InviterID, d.ActivatedAt, from)
	case models.ImportedPackage:
		if d.Withdrawn {
			m.writes.Exec("withdrawing an imported package", "DELETE FROM imported_packages WHERE account_id = $1 AND sms = $2 AND given_on = $3", d.AccountID, d.SMS, d.GivenOn.Time())
			return
		}
		m.writes.Exec("saving an imported package", `INSERT INTO imported_packages
			SELECT $1::bigint, $2::integer, $3::date, 1 + coalesce((SELECT max(ordinal) FROM given_packages WHERE account_id = $1 AND sms = $2), 0), $4::bytea`, d.AccountID, d.SMS, d.GivenOn.Time(), from)
	case models.AgreedDiscount:
		if d.Withdrawn {
			m.writes.Exec("withdrawing an agreed discount", "DELETE FROM imported_discounts WHERE account_id = $1 AND from_day = $2", d.AccountID, d.From.Time())
			return
		}
		m.writes.Exec("saving an agreed discount", `INSERT INTO imported_discounts VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (account_id, from_day) DO UPDATE SET to_day = excluded.to_day, percent = excluded.percent, provenance = excluded.provenance`,
			d.AccountID, d.From.Time(), d.To.Time(), d.Percent, from)
	}
}

// ImportTotals counts what was imported by all imports.
func (s *Store) ImportTotals(ctx context.Context) (t models.ImportTotals, err error) {
	err = s.snapshot(ctx, "counting what was imported", func(tx *tx) error {
		t = models.ImportTotals{Packages: map[int]int64{}}
		var batch pgcopy.Batch
		batch.Each("imported rows", func(v [][]byte) {
			t.Accounts, t.Referrals, t.Discounts, t.PercentDays = pgcopy.Int8(v[0]), pgcopy.Int8(v[1]), pgcopy.Int8(v[2]), pgcopy.Int8(v[3])
		}, `SELECT (SELECT count(*) FROM imported_accounts), (SELECT count(*) FROM imported_referrals), count(*),
			coalesce(sum(percent * (to_day - from_day)), 0)::bigint FROM imported_discounts`)
		batch.Each("imported packages", func(v [][]byte) { t.Packages[pgcopy.Int4(v[0])] = pgcopy.Int8(v[1]) }, "SELECT sms, count(*) FROM imported_packages GROUP BY sms")
		return batch.Send(ctx, tx.pgx)
	})
	return t, err
}

// ForEachImported hands over all rows that an older system has told: accounts, referrals,
// packages, discounts.
func (s *Store) ForEachImported(ctx context.Context, see func(models.Fact) error) error {
	return s.once(ctx, beginReadOnly, func(tx *tx) error {
		if err := tx.disableStatementTimeout(); err != nil {
			return err
		}
		names, err := tx.topicNames(ctx)
		if err != nil {
			return err
		}
		for _, t := range importedTables {
			err := pgcopy.Visit(ctx, tx.pgx, t.name, func(v [][]byte) error {
				from := names.unpack(v[len(v)-1])
				return see(models.Fact{At: from.At, Provenance: from, Data: t.read(v)})
			}, "SELECT "+t.columns+", provenance FROM "+t.name)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func readImportedAccount(v [][]byte) models.FactData {
	return models.ImportedAccount{
		AccountID: pgcopy.Int8(v[0]), Name: string(v[1]), TaxID: string(v[2]), RegisteredAt: pgcopy.Time(v[3]), PromoEndsAt: pgcopy.Time(v[4]),
		TerminatedAt: pgcopy.Time(v[5]), Code: string(v[6]),
	}
}

func readImportedReferral(v [][]byte) models.ImportedReferral {
	return models.ImportedReferral{InviteeID: pgcopy.Int8(v[0]), InviterID: pgcopy.Int8(v[1]), ActivatedAt: pgcopy.Time(v[2])}
}

func readImportedPackage(v [][]byte) models.FactData {
	return models.ImportedPackage{AccountID: pgcopy.Int8(v[0]), SMS: pgcopy.Int4(v[1]), GivenOn: pgcopy.Date(v[2])}
}

func readImportedDiscount(v [][]byte) models.FactData {
	d := readAgreed(v)
	return models.AgreedDiscount{AccountID: d.AccountID, From: d.From, To: d.To, Percent: d.Percent}
}
