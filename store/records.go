package store

import (
	"time"

	"referral/models"
)

// The tables that GORM reads and writes. They are apart from the models so that
// neither a column nor a null shapes the vocabulary.

type accountRecord struct {
	AccountID    int64 `gorm:"primaryKey;autoIncrement:false"`
	Code         string
	Name         string
	TaxID        string
	Email        string
	Phone        string
	PromoUntil   string
	ProfileAt    *time.Time
	ProfileEvent string
	RegisteredAt *time.Time
	PromoEndedAt *time.Time
	TerminatedAt *time.Time
}

func (accountRecord) TableName() string { return "accounts" }

func recordOf(a *models.Account) accountRecord {
	return accountRecord{
		AccountID: a.ID, Code: a.Code,
		Name: a.Profile.Name, TaxID: a.Profile.TaxID, Email: a.Profile.Email, Phone: a.Profile.Phone,
		PromoUntil: a.Profile.PromoUntil, ProfileAt: nullTime(a.Profile.At), ProfileEvent: a.Profile.Event,
		RegisteredAt: nullTime(a.RegisteredAt), PromoEndedAt: nullTime(a.PromoEndedAt), TerminatedAt: nullTime(a.TerminatedAt),
	}
}

func (r *accountRecord) account() *models.Account {
	return &models.Account{
		ID: r.AccountID, Code: r.Code,
		Profile: models.Profile{
			Name: r.Name, TaxID: r.TaxID, Email: r.Email, Phone: r.Phone,
			PromoUntil: r.PromoUntil, At: zeroTime(r.ProfileAt), Event: r.ProfileEvent,
		},
		RegisteredAt: zeroTime(r.RegisteredAt), PromoEndedAt: zeroTime(r.PromoEndedAt), TerminatedAt: zeroTime(r.TerminatedAt),
	}
}

func nullTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func zeroTime(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

type codeRecord struct {
	Code      string `gorm:"primaryKey"`
	AccountID int64
}

func (codeRecord) TableName() string { return "codes" }

type activationRecord struct {
	AccountID   int64     `gorm:"primaryKey;autoIncrement:false"`
	Seq         int64     `gorm:"primaryKey;autoIncrement"`
	EventKey    uuidValue `gorm:"type:uuid"`
	Code        string
	RequestedAt time.Time
	Status      models.ActivationStatus
	Reason      models.Reason
	InviterID   int64
}

func (activationRecord) TableName() string { return "activations" }

func (r *activationRecord) activation() *models.Activation {
	return &models.Activation{
		Seq: r.Seq, AccountID: r.AccountID, Event: models.EventKey(r.EventKey), Code: r.Code,
		RequestedAt: r.RequestedAt.UTC(), Status: r.Status, Reason: r.Reason, InviterID: r.InviterID,
	}
}

type referralRecord struct {
	AccountID   int64 `gorm:"primaryKey;autoIncrement:false"`
	InviteeID   int64 `gorm:"primaryKey;autoIncrement:false"`
	ActivatedAt time.Time
}

func (referralRecord) TableName() string { return "referrals" }

func (r *referralRecord) referral() models.Referral {
	return models.Referral{InviterID: r.AccountID, InviteeID: r.InviteeID, ActivatedAt: r.ActivatedAt.UTC()}
}

type discountRecord struct {
	AccountID int64               `gorm:"primaryKey;autoIncrement:false"`
	Kind      models.DiscountKind `gorm:"primaryKey"`
	FromDay   dateValue           `gorm:"primaryKey"`
	ToDay     dateValue
	Percent   int
	Step      int
}

func (discountRecord) TableName() string { return "discounts" }

func (r *discountRecord) discount() models.Discount {
	return models.Discount{
		AccountID: r.AccountID, Kind: r.Kind, From: models.Date(r.FromDay), To: models.Date(r.ToDay), Percent: r.Percent, Step: r.Step,
	}
}

type grantRecord struct {
	AccountID int64 `gorm:"primaryKey;autoIncrement:false"`
	SMS       int   `gorm:"primaryKey;autoIncrement:false;column:sms"`
	Ordinal   int   `gorm:"primaryKey;autoIncrement:false"`
	GrantedOn dateValue
	Step      int
}

func (grantRecord) TableName() string { return "package_grants" }

func (r *grantRecord) grant() models.Grant {
	return models.Grant{AccountID: r.AccountID, SMS: r.SMS, Ordinal: r.Ordinal, GrantedOn: models.Date(r.GrantedOn), Step: r.Step}
}

type outboxRecord struct {
	AccountID int64
	Seq       int64     `gorm:"primaryKey;autoIncrement"`
	EventID   uuidValue `gorm:"type:uuid"`
	Type      models.AnnouncementType
	Data      string `gorm:"type:jsonb"`
	At        time.Time
}

func (outboxRecord) TableName() string { return "outbox" }

type deadLetterRecord struct {
	ID          int64 `gorm:"primaryKey"`
	Topic       string
	Partition   int
	Offset      int64
	Key         []byte
	Value       []byte
	Headers     string `gorm:"type:jsonb"`
	SentAt      time.Time
	Reason      models.BadInput
	Detail      string
	SetAsideAt  time.Time
	PublishedAt *time.Time
	ReplayedAt  *time.Time

	EventType    string
	State        models.DeadLetterState
	Corrected    []byte
	LatestReason *models.BadInput
	LatestDetail *string
}

func (deadLetterRecord) TableName() string { return "dead_letters" }
