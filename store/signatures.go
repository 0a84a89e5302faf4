package store

import (
	"fmt"
	"strings"
	"time"

	"referral/models"
)

type signatureRecord struct {
	SignatureID      int64 `gorm:"primaryKey;autoIncrement"`
	Period           models.Period
	At               time.Time
	Who              string
	Reason           string
	OverrideReason   string
	Objections       string
	LastRun          int64
	ForeignDocuments int64
	ForeignAmount    models.Money
	ProposedBy       string
	ProposedAt       *time.Time
}

func (signatureRecord) TableName() string { return "signatures" }

type signedTotalRecord struct {
	SignatureID int64                `gorm:"primaryKey;autoIncrement:false"`
	Kind        string               `gorm:"primaryKey"`
	Percent     int                  `gorm:"primaryKey;autoIncrement:false"`
	Currency    string               `gorm:"primaryKey"`
	Entitled    models.CountedAmount `gorm:"embedded;embeddedPrefix:entitled_"`
	Posted      models.CountedAmount `gorm:"embedded;embeddedPrefix:posted_"`
	Published   models.CountedAmount `gorm:"embedded;embeddedPrefix:published_"`
	Answered    models.CountedAmount `gorm:"embedded;embeddedPrefix:answered_"`
	WrittenOff  models.CountedAmount `gorm:"embedded;embeddedPrefix:written_off_"`
}

func (signedTotalRecord) TableName() string { return "signed_totals" }

func (r *signedTotalRecord) total() models.ControlTotal {
	return models.ControlTotal{
		TotalKey: models.TotalKey{Kind: r.Kind, Percent: r.Percent, Currency: r.Currency},
		Control:  models.Control{Entitled: r.Entitled, Posted: r.Posted, Published: r.Published, Answered: r.Answered, WrittenOff: r.WrittenOff},
	}
}

// saveSignature keeps what was signed.
func (t *tx) saveSignature(s *models.Signature) (id int64, err error) {
	record := signatureRecord{
		Period: s.Period, At: s.At, Who: s.Who, Reason: s.Reason, OverrideReason: s.Override, Objections: strings.Join(s.Objections, "\n"),
		LastRun: s.LastRun, ForeignDocuments: s.Foreign.Count, ForeignAmount: s.Foreign.Amount,
		ProposedBy: s.ProposedBy, ProposedAt: nullTime(s.ProposedAt),
	}
	if err := t.Create(&record).Error; err != nil {
		return 0, fmt.Errorf("keeping the signature: %w", err)
	}
	totals := make([]signedTotalRecord, len(s.Totals))
	for i := range s.Totals {
		t := &s.Totals[i]
		totals[i] = signedTotalRecord{
			record.SignatureID, t.Kind, t.Percent, t.Currency, t.Entitled, t.Posted, t.Published, t.Answered, t.WrittenOff,
		}
	}
	if len(totals) == 0 {
		return record.SignatureID, nil
	}
	return record.SignatureID, wrap("keeping the signed totals", t.Create(&totals).Error)
}

// signatures is those under a period, the oldest first.
func (t *tx) signatures(p models.Period) ([]models.Signature, error) {
	var records []signatureRecord
	if err := t.Where("period = ?", p).Order("signature_id").Find(&records).Error; err != nil {
		return nil, fmt.Errorf("reading signatures: %w", err)
	}
	list := make([]models.Signature, len(records))
	for i, r := range records {
		list[i] = models.Signature{
			Period: r.Period, At: r.At.UTC(), Who: r.Who, Reason: r.Reason, Override: r.OverrideReason,
			LastRun: r.LastRun, Foreign: models.CountedAmount{Count: r.ForeignDocuments, Amount: r.ForeignAmount},
			ProposedBy: r.ProposedBy, ProposedAt: zeroTime(r.ProposedAt),
		}
		if r.Objections != "" {
			list[i].Objections = strings.Split(r.Objections, "\n")
		}
		var totals []signedTotalRecord
		if err := t.Where("signature_id = ?", r.SignatureID).Order("kind, currency, percent").Find(&totals).Error; err != nil {
			return nil, fmt.Errorf("reading signed totals: %w", err)
		}
		for j := range totals {
			list[i].Totals = append(list[i].Totals, totals[j].total())
		}
	}
	return list, nil
}
