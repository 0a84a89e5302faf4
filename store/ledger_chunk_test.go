package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"referral/models"
	"referral/test/storetest"
)

// A chunk brings each document with its own items, by account, wherever its rows lie
// and whatever other chunks posted to the same invoices.
func TestLoadChunkBringsEachDocumentItsItems(t *testing.T) {
	s, dsn := storetest.Open(t, time.Now)
	db := storetest.SQL(t, dsn)
	const documents = 300
	post := func(run int64, month, sequence, every int) models.ChunkRef {
		t.Helper()
		for _, statement := range []string{
			fmt.Sprintf(`INSERT INTO adjustments (account_id, storage_period, period, posting_period, invoice_id, sequence, adjustment_id, invoice_revision,
					currency, amount_minor, reason, run_id, chunk_no, items)
				SELECT a * %[4]d, 202600 + %[2]d, 202600 + %[2]d, 202600 + %[2]d, 'INV-' || %[2]d || '-' || a, %[3]d, gen_random_uuid(), 1, 'RUB',
					-6 * a, 'run', %[1]d, 7, (SELECT string_agg(l || E'\ts%[1]d\t' || -a * l || CASE l WHEN 1 THEN E'\t2026-04-01/2026-05-01@20+0' ELSE '' END, E'\n' ORDER BY l)
						FROM generate_series(1, 3) l WHERE l <> 2 OR a %% 5 > 0)
				FROM generate_series(1, %[5]d) a ORDER BY a %% 7, a`, run, month, sequence, every, documents),
			fmt.Sprintf(`INSERT INTO run_chunks (run_id, chunk_no, from_account, to_account, state, documents, items, posted_at)
				VALUES (%d, 7, 1, %d, 'posted', %d, %d, now())`, run, every*documents, documents, documents*3-documents/5),
		} {
			if _, err := db.Exec(statement); err != nil {
				t.Fatal(err)
			}
		}
		return models.ChunkRef{RunID: run, Chunk: 7}
	}
	check := func(ref models.ChunkRef) {
		t.Helper()
		doc, err := s.LoadChunk(t.Context(), ref)
		if err != nil || len(doc.Adjustments) != documents {
			t.Fatalf("run %d: %d documents, %v", ref.RunID, len(doc.Adjustments), err)
		}
		for i, a := range doc.Adjustments {
			n := models.Money(i + 1)
			want := []string{"1", "2", "3"}
			if n%5 == 0 {
				want = []string{"1", "3"}
			}
			var got []string
			for _, item := range a.Items {
				got = append(got, item.LineID)
				line := models.Money(item.LineID[0] - '0')
				if item.Service != fmt.Sprintf("s%d", ref.RunID) || item.Amount != -n*line || len(item.Segments) != 1 {
					t.Fatalf("run %d: document %s has the item %+v", ref.RunID, a.InvoiceID, item)
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("run %d: document %s has the lines %v, not %v", ref.RunID, a.InvoiceID, got, want)
			}
		}
	}
	first := post(1, 4, 1, 2)
	check(first) // alone
	between := post(2, 4, 1, 2*7)
	check(between) // the first one's lie between these
	var months []models.ChunkRef
	for month := range 4 {
		months = append(months, post(int64(3+month), 5+month, 1, 2))
	}
	again := post(7, 4, 2, 2) // a second document on the same invoices
	for _, ref := range append(months, first, between, again) {
		check(ref)
	}
}
