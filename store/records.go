package store

import (
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

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
	RegisteredAt *time.Time
	PromoEndedAt *time.Time
	TerminatedAt *time.Time

	RegisteredProvenance []byte // null where nothing has changed
	PromoEndedProvenance []byte
	TerminatedProvenance []byte
	ProfileProvenance    []byte
}

func (accountRecord) TableName() string { return "accounts" }

// saveAccount writes an account as it is now, and where those of its values came
// from that have changed.
var saveAccount = clause.OnConflict{
	Columns: []clause.Column{{Name: "account_id"}},
	DoUpdates: append(
		clause.AssignmentColumns([]string{
			"code", "name", "tax_id", "email", "phone", "promo_until", "profile_at", "registered_at", "promo_ended_at", "terminated_at",
		}),
		keptUnlessGiven("registered_provenance"), keptUnlessGiven("promo_ended_provenance"),
		keptUnlessGiven("terminated_provenance"), keptUnlessGiven("profile_provenance"),
	),
}

func keptUnlessGiven(column string) clause.Assignment {
	return clause.Assignment{
		Column: clause.Column{Name: column}, Value: gorm.Expr("coalesce(excluded." + column + ", accounts." + column + ")"),
	}
}

func recordOf(a *models.Account, numbers topicNumbers) accountRecord {
	return accountRecord{
		AccountID: a.ID, Code: a.Code,
		Name: a.Profile.Name, TaxID: a.Profile.TaxID, Email: a.Profile.Email, Phone: a.Profile.Phone,
		PromoUntil: a.Profile.PromoUntil, ProfileAt: nullTime(a.Profile.At),
		RegisteredAt: nullTime(a.RegisteredAt), PromoEndedAt: nullTime(a.PromoEndedAt), TerminatedAt: nullTime(a.TerminatedAt),
		RegisteredProvenance: numbers.pack(nil, a.Provenance.Registered), PromoEndedProvenance: numbers.pack(nil, a.Provenance.PromoEnded),
		TerminatedProvenance: numbers.pack(nil, a.Provenance.Terminated), ProfileProvenance: numbers.pack(nil, a.Provenance.Profile),
	}
}

func (r *accountRecord) account() *models.Account {
	return &models.Account{
		ID: r.AccountID, Code: r.Code,
		Profile: models.Profile{
			Name: r.Name, TaxID: r.TaxID, Email: r.Email, Phone: r.Phone,
			PromoUntil: r.PromoUntil, At: zeroTime(r.ProfileAt),
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
	AccountID   int64 `gorm:"primaryKey;autoIncrement:false"`
	Seq         int64 `gorm:"primaryKey;autoIncrement"`
	Code        string
	RequestedAt time.Time
	Status      models.ActivationStatus
	Reason      models.Reason
	InviterID   int64
	Provenance  []byte
}

func (activationRecord) TableName() string { return "activations" }

func (r *activationRecord) activation() *models.Activation {
	return &models.Activation{
		Seq: r.Seq, AccountID: r.AccountID, Code: r.Code,
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
	Type      models.OutboxEventType
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
