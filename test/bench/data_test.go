package bench

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"referral/billing"
	"referral/models"
	"referral/store"
	"referral/test/storetest"
)

var usualServices = []string{"subscription", "numbers", "calls", "sms_package"}

const (
	seed   = 7
	period = models.Period(202604)
)

// terms is the programme as the operator runs it. A discount lasts so many months
// on the first two steps.
func terms(b *testing.B, invitee, first, second int) *billing.Programme {
	b.Helper()
	p, err := billing.NewProgramme(time.FixedZone("MSK", 3*60*60), []billing.Terms{{
		EffectiveFrom: models.NewDate(2020, 1, 1), WindowMonths: 1, RefuseOwnCompany: true,
		Invitee: billing.InviteeTerms{Percent: 20, Months: invitee},
		Ladder: []billing.StepTerms{
			{Percent: 20, Months: first}, {Percent: 40, Months: second}, {Percent: 60, Months: 12, SMS: 1200}, {Percent: 80, Months: 12}, {Percent: 100, Months: 12, SMS: 3200},
		},
		Discounted: []string{"subscription", "numbers", "calls", "recording"}, Excluded: []string{"sms_package"},
	}})
	if err != nil {
		b.Fatal(err)
	}
	return p
}

func usualTerms(b *testing.B) *billing.Programme { b.Helper(); return terms(b, 3, 3, 6) }

// shuffled is the accounts 1 to n in random order, as a month's billing leaves them.
func shuffled(n int, p models.Period) []int {
	accounts := rand.New(rand.NewPCG(seed, uint64(p))).Perm(n)
	for i := range accounts {
		accounts[i]++
	}
	return accounts
}

// bill is the invoice of an account for a month, with a line for each service.
func bill(account int, p models.Period, services ...string) *models.Invoice {
	inv := &models.Invoice{
		AccountID: int64(account), ID: fmt.Sprintf("INV-%s-%d", p, account), Revision: 1, Period: p, Currency: "RUB",
		Lines: make([]models.Line, len(services)),
	}
	for i, service := range services {
		inv.Lines[i] = models.Line{
			ID: strconv.Itoa(i + 1), Service: service, From: p.First(), To: p.End(),
			Amount: models.Money(10_000 + (account*7919+i*104_729+int(p)*31)%900_000),
		}
	}
	return inv
}

// bills is the month's invoices of n accounts.
func bills(n int, p models.Period, services ...string) iter.Seq[*models.Invoice] {
	return func(yield func(*models.Invoice) bool) {
		for _, account := range shuffled(n, p) {
			if !yield(bill(account, p, services...)) {
				return
			}
		}
	}
}

// facts hands invoices on as facts.
func facts(invoices iter.Seq[*models.Invoice]) iter.Seq[models.FactData] {
	return func(yield func(models.FactData) bool) {
		for inv := range invoices {
			if !yield(inv) {
				return
			}
		}
	}
}

// takeAll stores facts as the consumer does, without a broker.
func takeAll(b *testing.B, s *store.Store, p *billing.Programme, all iter.Seq[models.FactData]) {
	b.Helper()
	derive := p.Derive(codes())
	batches := make(chan []models.DecodedMessage)
	var work sync.WaitGroup
	for range sessions {
		work.Go(func() {
			for batch := range batches {
				fate, err := s.Ingest(context.Background(), batch, derive)
				if err != nil {
					b.Error(err)
				}
				for i := range fate {
					if fate[i] != models.Applied {
						b.Errorf("%+v is %s", batch[i].Fact.Data, fate[i])
					}
				}
			}
		})
	}
	var batch []models.DecodedMessage
	for data := range all {
		if batch = append(batch, delivery(data)); len(batch) == inBatch(b) {
			batches <- batch
			batch = nil
		}
	}
	if len(batch) > 0 {
		batches <- batch
	}
	close(batches)
	work.Wait()
	if b.Failed() {
		b.FailNow()
	}
}

func delivery(data models.FactData) models.DecodedMessage {
	at := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	origin := models.Origin{Topic: "bench", Offset: data.Account()}
	return models.DecodedMessage{
		Message: models.Message{Origin: origin, At: at},
		Fact:    &models.Fact{At: at, Provenance: models.Provenance{Origin: origin, At: at}, Data: data},
	}
}

// codes hands out invitation codes.
func codes() func() string {
	var lock sync.Mutex
	last := 0
	return func() string {
		lock.Lock()
		defer lock.Unlock()
		last++
		return fmt.Sprintf("CODE%d", last)
	}
}

// Of every fifteen accounts the first three take part in the programme: an inviter
// and two invitees, the second of whom comes later.
const (
	inGroup   = 15
	takesPart = "account_id % 15 BETWEEN 1 AND 3"
)

func inviterOf(group int) int { return group*inGroup + 1 }

// takenMonth is a database that holds the programme's accounts and n invoices of the
// period, of one account each, with four lines, one of them never discounted.
func takenMonth(b *testing.B, n int) (s *store.Store, db *sql.DB, dsn string, p *billing.Programme) {
	b.Helper()
	s, dsn = storetest.Open(b, time.Now)
	db, p = storetest.SQL(b, dsn), usualTerms(b)
	join(b, s, db, p, n/inGroup, time.Date(2026, 2, 10, 9, 0, 0, 0, time.UTC), time.Date(2026, 4, 20, 9, 0, 0, 0, time.UTC))
	takeAll(b, s, p, facts(bills(n, period, usualServices...)))
	return s, db, dsn, p
}

// join has the accounts of so many groups join the programme at two times.
func join(b *testing.B, s *store.Store, db *sql.DB, p *billing.Programme, groups int, first, second time.Time) {
	b.Helper()
	joined := [3]time.Time{first, first, second}
	each := func(fn func(inviter int64, i int) models.FactData) iter.Seq[models.FactData] {
		return func(yield func(models.FactData) bool) {
			for group := range groups {
				for i := range joined {
					if data := fn(int64(inviterOf(group)), i); data != nil && !yield(data) {
						return
					}
				}
			}
		}
	}
	takeAll(b, s, p, each(func(inviter int64, i int) models.FactData {
		account, at := inviter+int64(i), joined[i].AddDate(0, 0, -5)
		profile := models.Profile{Name: fmt.Sprintf("ООО «Клиент %d»", account), TaxID: strconv.FormatInt(account, 10), At: at}
		return models.Registered{AccountID: account, RegisteredAt: at, Profile: profile}
	}))
	takeAll(b, s, p, each(func(inviter int64, i int) models.FactData {
		return models.PromoEnded{AccountID: inviter + int64(i), EndedAt: joined[i].AddDate(0, 0, -1)}
	}))
	code := codesOf(b, db)
	takeAll(b, s, p, each(func(inviter int64, i int) models.FactData {
		if i == 0 {
			return nil
		}
		return models.ActivationRequested{AccountID: inviter + int64(i), Code: code[inviter], RequestedAt: joined[i]}
	}))
}

func codesOf(b *testing.B, db *sql.DB) map[int64]string {
	b.Helper()
	code := map[int64]string{}
	query(b, db, func(scan func(...any)) {
		var account int64
		var text string
		scan(&account, &text)
		code[account] = text
	}, "SELECT account_id, code FROM codes")
	return code
}

// answers is billing's answers to the documents of a month: all are applied.
func answers(b *testing.B, db *sql.DB, p models.Period) iter.Seq[models.FactData] {
	b.Helper()
	var list []models.FactData
	query(b, db, func(scan func(...any)) {
		r := models.Result{Status: models.ResultApplied, At: p.End().Time()}
		var id string
		scan(&r.AccountID, &id, &r.Amount)
		var err error
		if r.AdjustmentID, err = models.ParseUUID(id); err != nil {
			b.Fatal(err)
		}
		list = append(list, r)
	}, "SELECT account_id, adjustment_id::text, amount_minor FROM adjustments WHERE period = $1", int(p))
	return slices.Values(list)
}

// query calls fn for each row.
func query(b *testing.B, db *sql.DB, fn func(scan func(...any)), text string, args ...any) {
	b.Helper()
	rows, err := db.Query(text, args...)
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		fn(func(into ...any) {
			if err := rows.Scan(into...); err != nil {
				b.Fatal(err)
			}
		})
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
}

// execute runs statements one by one, outside transactions of ours.
func execute(b *testing.B, db *sql.DB, statements ...string) {
	b.Helper()
	for _, statement := range statements {
		if _, err := db.Exec(statement); err != nil {
			b.Fatalf("%s: %v", statement, err)
		}
	}
}
