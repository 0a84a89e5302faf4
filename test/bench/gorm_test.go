package bench

import (
	"sync"
	"testing"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"

	"referral/internal/demo/workload"
	"referral/models"
	"referral/test/storetest"
)

type invoiceRow struct {
	AccountID  int64  `gorm:"primaryKey;autoIncrement:false"`
	Period     int    `gorm:"primaryKey;autoIncrement:false"`
	InvoiceID  string `gorm:"primaryKey"`
	Revision   int    `gorm:"primaryKey;autoIncrement:false"`
	Currency   string
	Provenance []byte
}

func (invoiceRow) TableName() string { return "baseline.invoices" }

type lineRow struct {
	AccountID   int64
	Period      int
	InvoiceID   string
	Revision    int
	LineNo      int
	LineID      string
	Service     string
	FromDay     string
	ToDay       string
	AmountMinor int64
}

func (lineRow) TableName() string { return "baseline.invoice_lines" }

// rowsByGORM writes n invoices one row at a time, so many invoices in a
// transaction, over two sessions. The invoice's row comes first and tells a repeat.
func rowsByGORM(b *testing.B, n, inTransaction int) time.Duration {
	b.Helper()
	db := storetest.SQL(b, storetest.DSN(b))
	createBaseline(b, db)
	var halves [sessions][]models.Invoice
	for inv := range workload.Bulk(seed, n, period) {
		halves[inv.AccountID%sessions] = append(halves[inv.AccountID%sessions], inv)
	}
	g, err := gorm.Open(postgres.New(postgres.Config{Conn: db}), &gorm.Config{Logger: logger.Discard, SkipDefaultTransaction: true})
	if err != nil {
		b.Fatal(err)
	}
	execute(b, db, "CHECKPOINT")
	began := time.Now()
	var work sync.WaitGroup
	for _, invoices := range halves {
		work.Go(func() {
			for len(invoices) > 0 {
				next := min(inTransaction, len(invoices))
				if err := g.Transaction(func(tx *gorm.DB) error { return createRows(tx, invoices[:next]) }); err != nil {
					b.Error(err)
					return
				}
				invoices = invoices[next:]
			}
		})
	}
	work.Wait()
	took := time.Since(began)
	checkRows(b, db, "baseline.", n)
	return took
}

func createRows(tx *gorm.DB, invoices []models.Invoice) error {
	for i := range invoices {
		inv := &invoices[i]
		header := tx.Clauses(clause.OnConflict{DoNothing: true}).
			Create(&invoiceRow{inv.AccountID, int(inv.Period), inv.ID, inv.Revision, inv.Currency, make([]byte, 12)})
		if header.Error != nil || header.RowsAffected == 0 {
			return header.Error
		}
		for n, l := range inv.Lines {
			err := tx.Create(&lineRow{
				inv.AccountID, int(inv.Period), inv.ID, inv.Revision, n, l.ID, l.Service, l.From.String(), l.To.String(), int64(l.Amount),
			}).Error
			if err != nil {
				return err
			}
		}
	}
	return nil
}
