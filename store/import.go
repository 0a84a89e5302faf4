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
		m = newImportation(tx, numbers)
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
		m = newImportation(tx, nil)
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
		known = models.ImportKnown{Accounts: map[int64]bool{}, Owners: map[string]int64{}, Inviters: map[int64]models.KnownInviter{}, Surplus: map[models.GivenSize]int{}}
		var batch pgcopy.Batch
		batch.Each("known accounts", func(v [][]byte) { known.Accounts[pgcopy.Int8(v[0])] = true },
			"SELECT account_id FROM accounts WHERE account_id = ANY($1)", q.Accounts)
		batch.Each("owners of codes", func(v [][]byte) { known.Owners[string(v[0])] = pgcopy.Int8(v[1]) },
			"SELECT code, account_id FROM codes WHERE code = ANY($1)", q.Codes)
		batch.Each("inviters", func(v [][]byte) {
			known.Inviters[pgcopy.Int8(v[0])] = models.KnownInviter{ID: pgcopy.Int8(v[1]), Imported: pgcopy.Bool(v[2])}
		}, `SELECT a.account_id, a.inviter_id,
				EXISTS (SELECT 1 FROM imported_referrals i WHERE i.account_id = a.account_id AND i.inviter_id = a.inviter_id AND i.activated_at = a.requested_at)
			FROM activations a WHERE a.account_id = ANY($1) AND a.status = 'accepted'`, q.Invitees)
		batch.Each("surplus packages", func(v [][]byte) {
			known.Surplus[models.GivenSize{AccountID: pgcopy.Int8(v[0]), SMS: pgcopy.Int4(v[1])}] = int(pgcopy.Int8(v[2]))
		}, `SELECT account_id, sms, sum(n) FROM (SELECT account_id, sms, 1 AS n FROM given_packages WHERE account_id = ANY($1)
				UNION ALL SELECT account_id, sms, -1 FROM package_grants WHERE account_id = ANY($1)) g GROUP BY account_id, sms`, q.Given)
		return batch.Send(ctx, tx.pgx)
	})
	return known, err
}

// UnfinishedImport is the import that was begun last, if it has not come to its end; nil for
// none.
func (s *Store) UnfinishedImport(ctx context.Context) (*models.OperatorAction, error) {
	last, err := list(ctx, s, "reading the last import", scanJournalEntry,
		journalEntries+" WHERE what IN ($1, $2) ORDER BY entry DESC LIMIT 1", models.ActionBeginImport, models.ActionImport)
	if err != nil || len(last) == 0 || last[0].What == models.ActionImport {
		return nil, err
	}
	return &last[0].OperatorAction, nil
}

// importation is a batch of rows on its way into the database.
type importation struct {
	*tx
	numbers topicNumbers
	before  map[importKey]models.FactData     // by key, as they were told before
	agreed  map[int64][]models.AgreedDiscount // of them, by account
	gone    []models.AgreedDiscount           // that rows of this batch replace
	counts  models.ImportCounts
	writes  pgcopy.Batch
}

func newImportation(tx *tx, numbers topicNumbers) importation {
	return importation{tx: tx, numbers: numbers, before: map[importKey]models.FactData{}, agreed: map[int64][]models.AgreedDiscount{}}
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
	m.save(changed)
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
			if d, ok := data.(models.AgreedDiscount); ok {
				m.agreed[d.AccountID] = append(m.agreed[d.AccountID], d)
			}
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
		data := m.correction(rows[i].Data)
		rows[i].Data = data
		before, known := m.before[keyOf(data)]
		if !known && withdrawn(data) || known && before == data {
			m.counts.Same++
			continue
		}
		if m.replace(data) || known {
			m.counts.Changed++
		} else {
			m.counts.New++
		}
		changed = append(changed, &rows[i])
	}
	return changed
}

// correction is a row without the day that it replaces, unless a package was told for that
// day and for no other of the two.
func (m *importation) correction(data models.FactData) models.FactData {
	p, ok := data.(models.ImportedPackage)
	if !ok || p.Replaces == 0 {
		return data
	}
	was, now := p, p
	was.GivenOn, was.Replaces, now.Replaces = p.Replaces, 0, 0
	if _, there := m.before[keyOf(now)]; there || m.before[keyOf(was)] == nil {
		return now
	}
	return data
}

// replace forgets what was told before and cannot stand beside a row: the package of
// another day, and the discounts that have days in common with it. It tells whether there
// was anything.
func (m *importation) replace(data models.FactData) bool {
	switch d := data.(type) {
	case models.ImportedPackage:
		return d.Replaces != 0
	case models.AgreedDiscount:
		var beside []models.AgreedDiscount
		replaced := false
		for _, told := range m.agreed[d.AccountID] {
			switch {
			case told.From == d.From:
			case !d.Withdrawn && d.Overlaps(told):
				delete(m.before, keyOf(told))
				m.gone, replaced = append(m.gone, told), true
			default:
				beside = append(beside, told)
			}
		}
		if !d.Withdrawn {
			beside = append(beside, d)
		}
		m.agreed[d.AccountID] = beside
		return replaced
	}
	return false
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

// told is a row of a file with its provenance.
type told[T models.FactData] struct {
	data T
	from []byte
}

func (t told[T]) account() int64     { return t.data.Account() }
func (t told[T]) provenance() []byte { return t.from }

// save queues what the changed rows say. What they replace or withdraw is removed first.
func (m *importation) save(changed []*models.Fact) {
	var accounts []told[models.ImportedAccount]
	var referrals []told[models.ImportedReferral]
	var packages []told[models.ImportedPackage]
	var discounts []told[models.AgreedDiscount]
	for _, d := range m.gone {
		m.remove(d)
	}
	for _, f := range changed {
		from := m.numbers.pack(nil, f.Provenance)
		if withdrawn(f.Data) {
			m.remove(f.Data)
			continue
		}
		switch d := f.Data.(type) {
		case models.ImportedAccount:
			accounts = append(accounts, told[models.ImportedAccount]{d, from})
		case models.ImportedReferral:
			referrals = append(referrals, told[models.ImportedReferral]{d, from})
		case models.AgreedDiscount:
			discounts = append(discounts, told[models.AgreedDiscount]{d, from})
		case models.ImportedPackage:
			if d.Replaces == 0 {
				packages = append(packages, told[models.ImportedPackage]{d, from})
				continue
			}
			m.writes.Exec("correcting the day of an imported package", "UPDATE imported_packages SET given_on = $4, provenance = $5 WHERE account_id = $1 AND sms = $2 AND given_on = $3",
				d.AccountID, d.SMS, d.Replaces.Time(), d.GivenOn.Time(), from)
		}
	}
	saveRows(&m.writes, "saving imported accounts", `INSERT INTO imported_accounts
		SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::text[], $8::bytea[])
		ON CONFLICT (account_id) DO UPDATE SET name = excluded.name, tax_id = excluded.tax_id, registered_at = excluded.registered_at,
			promo_ends_at = excluded.promo_ends_at, terminated_at = excluded.terminated_at, code = excluded.code, provenance = excluded.provenance`,
		accounts, func(list []told[models.ImportedAccount]) []any {
			type row = told[models.ImportedAccount]
			return []any{
				column(list, row.account), column(list, func(r row) string { return r.data.Name }), column(list, func(r row) string { return r.data.TaxID }),
				column(list, func(r row) *time.Time { return nullTime(r.data.RegisteredAt) }), column(list, func(r row) *time.Time { return nullTime(r.data.PromoEndsAt) }),
				column(list, func(r row) *time.Time { return nullTime(r.data.TerminatedAt) }), column(list, func(r row) string { return r.data.Code }), column(list, row.provenance),
			}
		})
	saveRows(&m.writes, "saving imported referrals", `INSERT INTO imported_referrals SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::bytea[])
		ON CONFLICT (account_id) DO UPDATE SET inviter_id = excluded.inviter_id, activated_at = excluded.activated_at, provenance = excluded.provenance`,
		referrals, func(list []told[models.ImportedReferral]) []any {
			type row = told[models.ImportedReferral]
			return []any{
				column(list, row.account), column(list, func(r row) int64 { return r.data.InviterID }),
				column(list, func(r row) time.Time { return r.data.ActivatedAt }), column(list, row.provenance),
			}
		})
	saveRows(&m.writes, "saving imported packages", `INSERT INTO imported_packages
		SELECT account_id, sms, given_on, coalesce(g.given, 0) + row_number() OVER (PARTITION BY account_id, sms ORDER BY given_on), provenance
		FROM unnest($1::bigint[], $2::integer[], $3::date[], $4::bytea[]) AS u (account_id, sms, given_on, provenance)
		LEFT JOIN (SELECT account_id, sms, max(ordinal) AS given FROM given_packages WHERE account_id = ANY($1) GROUP BY account_id, sms) g USING (account_id, sms)`,
		packages, func(list []told[models.ImportedPackage]) []any {
			type row = told[models.ImportedPackage]
			return []any{
				column(list, row.account), column(list, func(r row) int32 { return int32(r.data.SMS) }),
				column(list, func(r row) time.Time { return r.data.GivenOn.Time() }), column(list, row.provenance),
			}
		})
	saveRows(&m.writes, "saving agreed discounts", `INSERT INTO imported_discounts SELECT * FROM unnest($1::bigint[], $2::date[], $3::date[], $4::smallint[], $5::bytea[])
		ON CONFLICT (account_id, from_day) DO UPDATE SET to_day = excluded.to_day, percent = excluded.percent, provenance = excluded.provenance`,
		discounts, func(list []told[models.AgreedDiscount]) []any {
			type row = told[models.AgreedDiscount]
			return []any{
				column(list, row.account), column(list, func(r row) time.Time { return r.data.From.Time() }), column(list, func(r row) time.Time { return r.data.To.Time() }),
				column(list, func(r row) int16 { return int16(r.data.Percent) }), column(list, row.provenance),
			}
		})
}

// remove queues the removal of what is not told any more.
func (m *importation) remove(data models.FactData) {
	switch d := data.(type) {
	case models.ImportedReferral:
		m.writes.Exec("withdrawing an imported referral", "DELETE FROM imported_referrals WHERE account_id = $1", d.InviteeID)
	case models.ImportedPackage:
		m.writes.Exec("withdrawing an imported package", "DELETE FROM imported_packages WHERE account_id = $1 AND sms = $2 AND given_on = $3", d.AccountID, d.SMS, d.GivenOn.Time())
	case models.AgreedDiscount:
		m.writes.Exec("withdrawing an agreed discount", "DELETE FROM imported_discounts WHERE account_id = $1 AND from_day = $2", d.AccountID, d.From.Time())
	}
}

// ImportTotals counts what was imported by all imports.
func (s *Store) ImportTotals(ctx context.Context) (t models.ImportTotals, err error) {
	err = s.snapshot(ctx, "counting what was imported", func(tx *tx) error {
		t = models.ImportTotals{Packages: map[int]int64{}}
		var batch pgcopy.Batch
		batch.Each("imported accounts", func(v [][]byte) { t.Accounts = pgcopy.Int8(v[0]) }, "SELECT count(*) FROM imported_accounts")
		batch.Each("imported referrals", func(v [][]byte) { t.Referrals = pgcopy.Int8(v[0]) }, "SELECT count(*) FROM imported_referrals")
		batch.Each("agreed discounts", func(v [][]byte) { t.Discounts, t.PercentDays = pgcopy.Int8(v[0]), pgcopy.Int8(v[1]) },
			"SELECT count(*), coalesce(sum(percent * (to_day - from_day)), 0)::bigint FROM imported_discounts")
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
