package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"referral/billing"
	"referral/consumer/decode"
	"referral/models"
	"referral/publisher"
	"referral/store"
	"referral/test/storetest"
)

// BenchmarkHistory does the work of month after month on one database, and compares
// what the last months take with what the first ones took. It also compares the
// page of an account that has three years of invoices with one that has three
// months of them.
func BenchmarkHistory(b *testing.B) {
	months := numbers(b, "REFERRAL_TEST_BENCH_MONTHS", "24")[0]
	for _, n := range numbers(b, "REFERRAL_TEST_BENCH_MONTHLY", "20000") {
		b.Run(fmt.Sprintf("months=%d/invoices=%d", months, n), func(b *testing.B) {
			for range b.N {
				newHistory(b, n, months).run(b)
			}
		})
	}
}

const (
	pageMonths   = 36 // of the older of two accounts
	monthsOnPage = 12 // the newest, on the first page
)

// history is the months that one database has seen.
type history struct {
	broker    *broker
	topics    decode.Topics
	store     *store.Store
	db        *sql.DB
	programme *billing.Programme
	publisher *publisher.Publisher
	n, months int
	old, new  int // accounts with the invoices of three years and of three months
}

func newHistory(b *testing.B, n, months int) *history {
	b.Helper()
	k := newBroker(b)
	s, dsn := storetest.Open(b, time.Now)
	groups := (n+inGroup-1)/inGroup + 1
	h := &history{
		broker: k, topics: ingestTopics(b, k), store: s, db: storetest.SQL(b, dsn), programme: terms(b, 60, 60, 60),
		publisher: newPublisher(b, k, s, k.topics(b, "discounts", "packages", "events", "dead-letters")),
		n:         n, months: months, old: inviterOf(0), new: inviterOf(groups - 1),
	}
	first := time.Date(2023, 4, 10, 9, 0, 0, 0, time.UTC)
	join(b, s, h.db, h.programme, groups, first, first.AddDate(0, 0, 10))
	h.publish(b)
	return h
}

// monthOfWork is what the stages of a month have taken.
type monthOfWork struct{ ingest, run, publish, reconcile measured }

var stages = []struct {
	name string
	of   func(monthOfWork) measured
}{
	{"ingest", func(m monthOfWork) measured { return m.ingest }},
	{"run", func(m monthOfWork) measured { return m.run }},
	{"publish", func(m monthOfWork) measured { return m.publish }},
	{"reconcile", func(m monthOfWork) measured { return m.reconcile }},
}

func (h *history) run(b *testing.B) {
	b.Helper()
	all := max(h.months, pageMonths)
	month := period
	for range all - 1 {
		month = month.Previous()
	}
	var work []monthOfWork
	for i := range all {
		if i < all-h.months {
			h.one(b, h.old, month)
			settle(b, h.store, h.programme, month)
		} else {
			if i >= all-3 {
				h.one(b, h.new, month)
			}
			work = append(work, h.month(b, month))
			// Of a log, only ten lines would be printed.
			_, _ = fmt.Fprintln(os.Stderr, month, work[len(work)-1])
		}
		month = month.Next()
	}
	reportGrowth(b, work)
	h.page(b)
	b.ReportMetric(0, "ns/op")
}

// one has billing send the invoice of one account.
func (h *history) one(b *testing.B, account int, month models.Period) {
	b.Helper()
	takeAll(b, h.store, h.programme, slices.Values([]models.FactData{bill(account, month, "subscription", "numbers", "calls", "recording")}))
}

// month does all that a month needs.
func (h *history) month(b *testing.B, month models.Period) (m monthOfWork) {
	b.Helper()
	messages := slices.Collect(bulk(h.n, month))
	rand.New(rand.NewPCG(seed, uint64(month))).Shuffle(len(messages), func(i, j int) { messages[i], messages[j] = messages[j], messages[i] })
	h.broker.fill(b, h.topics.Invoices, slices.Values(messages))
	m.ingest = consume(b, h.broker, h.store, h.db, h.programme, h.topics, h.topics.Invoices, h.n)

	work := begin(b, h.db, nil)
	settle(b, h.store, h.programme, month)
	m.run = work.end()

	work = begin(b, h.db, h.broker)
	h.publish(b)
	m.publish = work.end()

	takeAll(b, h.store, h.programme, answers(b, h.db, month))
	work = begin(b, h.db, nil)
	reconcile(b, h.store, h.programme, month)
	m.reconcile = work.end()
	return m
}

func (h *history) publish(b *testing.B) {
	b.Helper()
	if err := h.publisher.Drain(context.Background()); err != nil {
		b.Fatal(err)
	}
}

// String is the seconds of each stage with those of the processors.
func (m monthOfWork) String() string {
	var out strings.Builder
	for _, stage := range stages {
		s := stage.of(m)
		fmt.Fprintf(&out, "  %s %.2f s, CPU %.2f s", stage.name, s.took.Seconds(), s.cpu.sum().Seconds())
	}
	return out.String()
}

// reportGrowth gives what the last three months took as a multiple of the second
// to the fourth, by their medians. The very first month warms up.
func reportGrowth(b *testing.B, work []monthOfWork) {
	b.Helper()
	if len(work) < 5 {
		b.Fatalf("%d months are too few to tell how cost grows: 5 at least", len(work))
	}
	early, late := work[1:4], work[len(work)-3:]
	for _, stage := range stages {
		growth := func(of func(measured) float64) float64 {
			value := func(months []monthOfWork) float64 {
				var list []float64
				for _, m := range months {
					list = append(list, of(stage.of(m)))
				}
				return median(list)
			}
			return value(late) / value(early)
		}
		b.ReportMetric(growth(func(m measured) float64 { return m.took.Seconds() }), stage.name+"_last/first")
		b.ReportMetric(growth(func(m measured) float64 { return m.cpu.sum().Seconds() }), stage.name+"_last/first_cpu")
	}
}

// page compares the calls behind the page of past discounts and invoices, for the
// two accounts.
func (h *history) page(b *testing.B) {
	b.Helper()
	service := newPortal(b, h.store)
	took := func(account, months int) float64 {
		ctx, id, began := context.Background(), int64(account), time.Now()
		_, err := service.Overview(ctx, id)
		_, errChanges := service.Changes(ctx, id, "", 0)
		list, errMonths := service.Months(ctx, id, "", monthsOnPage)
		took := time.Since(began)
		if err := errors.Join(err, errChanges, errMonths); err != nil {
			b.Fatal(err)
		}
		if len(list.Items) != min(months, monthsOnPage) {
			b.Fatalf("the page of account %d shows %d months", account, len(list.Items))
		}
		return took.Seconds() * 1e3
	}
	var long, short []float64
	for range 200 {
		long = append(long, took(h.old, pageMonths))
		short = append(short, took(h.new, 3))
	}
	b.ReportMetric(median(long), "page_36_months_ms")
	b.ReportMetric(median(short), "page_3_months_ms")
	b.ReportMetric(median(long)/median(short), "page_36/3_months")
}
