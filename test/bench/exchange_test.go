package bench

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"referral/models"
	"referral/web/finance/export"
)

// BenchmarkExchangeFile compares the exchange file for 1С:Бухгалтерия of a month's whole
// register with reading the register alone. Three of fifteen accounts have a document.
func BenchmarkExchangeFile(b *testing.B) {
	for _, n := range sizes(b, "100000,1000000") {
		b.Run(fmt.Sprintf("documents=%d", n/inGroup*3), func(b *testing.B) {
			for range b.N {
				exchangeOnce(b, n)
			}
		})
	}
}

func exchangeOnce(b *testing.B, n int) {
	s, db, _, p := takenMonth(b, n)
	documents := int(settle(b, s, p, period).Totals.Documents)
	takeAll(b, s, p, answers(b, db, period))
	execute(b, db, "VACUUM ANALYZE")
	each := func(see func(*models.RegisterEntry) error) error {
		return s.EachRegisterEntry(context.Background(), models.RegisterFilter{Posted: period}, see)
	}
	var files, reading series
	for range rounds(b) {
		read := 0
		m := begin(b, db, nil)
		if err := each(func(*models.RegisterEntry) error { read++; return nil }); err != nil {
			b.Fatal(err)
		}
		reading = append(reading, m.end())
		if read != documents || read != n/inGroup*3 {
			b.Fatalf("read %d of %d documents", read, documents)
		}
		m = begin(b, db, nil)
		if err := export.OneC(io.Discard, period, time.Now(), each); err != nil {
			b.Fatal(err)
		}
		files = append(files, m.end())
	}
	compare(b, documents, "documents", files, reading, "reading")
	files.report(b, documents, "documents")
}
