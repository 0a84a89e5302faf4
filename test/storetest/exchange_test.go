package storetest_test

import (
	"bytes"
	"database/sql"
	"encoding/xml"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"referral/billing"
	"referral/models"
	"referral/scheduler"
	"referral/store"
	"referral/test/storetest"
	"referral/test/toolchain"
	"referral/web/finance/export"
)

// exchangeFile is what a reader of the file for 1С:Бухгалтерия takes from it.
type exchangeFile struct {
	Documents []struct {
		ID      string         `xml:"Номер,attr"`
		Period  string         `xml:"МесяцСчета,attr"`
		Reason  string         `xml:"Причина,attr"`
		State   string         `xml:"Состояние,attr"`
		Invoice string         `xml:"Счет"`
		Amount  exchangeAmount `xml:"Сумма"`
		Client  struct {
			ID int64 `xml:"ИД,attr"`
		} `xml:"Клиент"`
	} `xml:"Документ"`
	Totals []struct {
		Documents int64 `xml:"Документов,attr"`
		exchangeAmount
	} `xml:"Итог"`
}

type exchangeAmount struct {
	Currency string `xml:"Валюта,attr"`
	Value    string `xml:",chardata"`
}

// The exchange file for 1С:Бухгалтерия of a whole month has every document of the ledger,
// whatever has become of it, is valid by its schema, and its totals are those of the
// register.
func TestExchangeFileOfAMonth(t *testing.T) {
	t.Parallel()
	tool, err := toolchain.XMLLint(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 6, 1, 9, 0, 0, 0, moscow)
	s, dsn := storetest.Open(t, func() time.Time { return at })
	db := storetest.SQL(t, dsn)
	bill(t, s)
	settle(t, s, at, 202604)
	signature := models.Signature{Period: 202604, Who: "Anna", Override: "a test", LastRun: number(t, db, "SELECT max(run_id) FROM runs")}
	if _, err := s.ClosePeriod(t.Context(), signature, func(*models.Signature, *models.Waiting) ([]byte, error) { return []byte("{}"), nil }); err != nil {
		t.Fatal(err)
	}
	var facts []models.FactData
	for id := int64(1); id <= 20; id++ {
		currency := "RUB"
		if id > 15 {
			currency = "USD"
		}
		facts = append(facts, &models.Invoice{AccountID: id, ID: fmt.Sprint("MAY", id), Revision: 1, Period: 202605, Currency: currency, Lines: []models.Line{
			{ID: "1", Service: "subscription", From: models.NewDate(2026, 5, 1), To: models.NewDate(2026, 6, 1), Amount: models.Money(100_005 * id)},
		}})
		if id <= 5 { // for the month that is closed
			facts = append(facts, &models.Invoice{AccountID: id, ID: fmt.Sprint("INV", id), Revision: 2, Period: 202604, Currency: "RUB"})
		}
	}
	take(t, s, facts...)
	settle(t, s, at, 202605)
	chunks, err := s.UnpublishedChunks(t.Context(), 1000)
	for _, chunk := range chunks {
		if err == nil {
			err = s.MarkPublished(t.Context(), chunk, at)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	var documents []models.RegisterEntry
	all := models.RegisterFilter{Posted: 202605}
	each := func(see func(*models.RegisterEntry) error) error { return s.EachRegisterEntry(t.Context(), all, see) }
	if err := each(func(e *models.RegisterEntry) error { documents = append(documents, *e); return nil }); err != nil {
		t.Fatal(err)
	}
	for i, status := range []models.ResultStatus{models.ResultApplied, models.ResultRejected, models.ResultRejected, models.ResultRejected} {
		take(t, s, models.Result{AdjustmentID: documents[i].DocumentID, AccountID: documents[i].AccountID, Status: status, At: at})
	}
	act := models.OperatorAction{Who: "Anna", What: models.ActionResend, Subject: documents[1].DocumentID.String(), Reason: "a test"}
	if _, _, err := s.Resend(t.Context(), documents[1].DocumentID, act, billing.MayResend); err != nil {
		t.Fatal(err)
	}
	act.What, act.Subject = models.ActionWriteOff, documents[2].DocumentID.String()
	if _, _, err := s.WriteOff(t.Context(), documents[2].DocumentID, act, billing.MayWriteOff); err != nil {
		t.Fatal(err)
	}
	take(t, s, &models.Invoice{AccountID: 9, ID: "MAY9", Revision: 2, Period: 202605, Currency: "RUB"})
	settle(t, s, at, 202605) // and not published

	var file bytes.Buffer
	if err := export.OneC(&file, all.Posted, at, each); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "register.xml")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := tool.Command(t.Context(), "xmllint", "--noout", "--schema", "../../web/finance/export/onec.xsd", path).CombinedOutput(); err != nil {
		t.Errorf("%v %s", err, out)
	}
	var read exchangeFile
	if err := xml.Unmarshal(file.Bytes(), &read); err != nil {
		t.Fatal(err)
	}
	var got []string
	states := map[string]int{}
	for _, d := range read.Documents {
		got = append(got, fmt.Sprintf("%s %d %s %s %s %s %s", d.ID, d.Client.ID, d.Period, d.Reason, d.Invoice, d.Amount.Currency, d.Amount.Value))
		states[d.State]++
	}
	slices.Sort(got)
	var want string
	if err := db.QueryRow(`SELECT string_agg(d, E'\n' ORDER BY d COLLATE "C") FROM (SELECT concat_ws(' ', adjustment_id, account_id, to_char(to_date(period::text, 'YYYYMM'), 'YYYY-MM'),
		reason, invoice_id, currency, (amount_minor / 100.0)::numeric(20, 2)) AS d FROM adjustments WHERE posting_period = 202605) x`).Scan(&want); err != nil {
		t.Fatal(err)
	}
	if strings.Join(got, "\n") != want || len(got) != 26 {
		t.Errorf("the file has\n%s\nthe ledger\n%s", strings.Join(got, "\n"), want)
	}
	if fmt.Sprint(states) != "map[applied:1 posted:1 published:21 rejected:1 resent:1 written_off:1]" {
		t.Errorf("%v", states)
	}
	totals, err := s.RegisterTotals(t.Context(), all)
	if err != nil || len(totals) != 2 || len(read.Totals) != 2 {
		t.Fatalf("%+v, in the file %+v: %v", totals, read.Totals, err)
	}
	for i, total := range totals {
		if in := read.Totals[i]; in.Documents != total.Count || in.Currency != total.Currency || in.Value != fmt.Sprintf("%d.%02d", total.Amount/100, -total.Amount%100) {
			t.Errorf("the file adds up to %+v, the register to %+v", in, total)
		}
	}
}

// settle runs a month, and what it carries.
func settle(t *testing.T, s *store.Store, at time.Time, month models.Period) {
	t.Helper()
	settler, err := scheduler.NewSettler(scheduler.SettlerOptions{
		Runs: s, Calendar: s, Programme: programme(t), Workers: 1, Chunk: 7, Log: slog.New(slog.DiscardHandler),
		Metrics: scheduler.NewMetrics(prometheus.NewRegistry()), Now: func() time.Time { return at },
	})
	if err == nil {
		_, err = settler.Run(t.Context(), models.RunRequest{Period: month, Accept: true, By: "Anna"})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func number(t *testing.T, db *sql.DB, query string) (n int64) {
	t.Helper()
	if err := db.QueryRow(query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
