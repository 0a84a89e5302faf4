package report

import (
	"fmt"
	"io"

	"referral/models"
)

// rehearsedDocument is one document of a dry run as a line of JSON.
type rehearsedDocument struct {
	Type          string                  `json:"type"` // document
	AccountID     int64                   `json:"account_id"`
	InvoiceID     string                  `json:"invoice_id"`
	Period        models.Period           `json:"period"`
	PostingPeriod models.Period           `json:"posting_period"`
	AmountMinor   models.Money            `json:"amount_minor"`
	Reason        models.AdjustmentReason `json:"reason"`
	Lines         int                     `json:"lines"`
}

// rehearsedPackage is one package of a dry run likewise.
type rehearsedPackage struct {
	Type          string        `json:"type"` // package
	AccountID     int64         `json:"account_id"`
	SMS           int           `json:"sms"`
	GrantedOn     models.Date   `json:"granted_on"`
	Period        models.Period `json:"period"`
	PostingPeriod models.Period `json:"posting_period"`
}

// SettlementLines writes what would be posted for an account as lines of JSON.
func SettlementLines(w io.Writer, o *models.SettlementResult) error {
	for i := range o.Adjustments {
		doc := &o.Adjustments[i]
		line := rehearsedDocument{"document", doc.AccountID, doc.InvoiceID, doc.Period, doc.PostingPeriod, doc.Amount, doc.Reason, len(doc.Items)}
		if err := encode(w, line, ""); err != nil {
			return err
		}
	}
	for _, g := range o.Packages {
		if err := encode(w, rehearsedPackage{"package", g.AccountID, g.SMS, g.GrantedOn, g.Period, g.PostingPeriod}, ""); err != nil {
			return err
		}
	}
	return nil
}

// SettlementText writes what would be posted for an account, for people.
func SettlementText(w io.Writer, o *models.SettlementResult) {
	for i := range o.Adjustments {
		doc := &o.Adjustments[i]
		fmt.Fprintf(w, "account %d  invoice %s  %s  (%s)\n", doc.AccountID, doc.InvoiceID, doc.Amount, aboutDocument(doc))
	}
	for _, g := range o.Packages {
		fmt.Fprintf(w, "account %d  package of %d SMS earned on %s\n", g.AccountID, g.SMS, g.GrantedOn)
	}
}

func aboutDocument(doc *models.Adjustment) string {
	about := fmt.Sprintf("%s, %s", doc.Reason, Quantity(int64(len(doc.Items)), "line"))
	if doc.PostingPeriod != doc.Period {
		about += ", of " + doc.Period.String()
	}
	return about
}
