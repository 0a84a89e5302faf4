package api

import (
	"context"
	"maps"
	"slices"
	"time"

	"referral/billing/monthreport"
	"referral/models"
	"referral/web/finance"
)

// Queue is what waits for a person. Each list has at most limit entries.
type Queue struct {
	Rejected    []Rejected                   `json:"rejected" nullable:"false" doc:"Documents that billing has rejected, the oldest first"`
	Parked      []ParkedAccount              `json:"parked" nullable:"false" doc:"What the last run of a month could not settle"`
	Held        []monthreport.Held           `json:"held" nullable:"false" doc:"Services that neither the terms nor staff has decided about"`
	Services    []ServiceInForce             `json:"service_decisions" nullable:"false" doc:"Decisions of staff on services that the terms do not name, which nobody has undone; they do not wait"`
	Packages    []monthreport.WaitingPackage `json:"packages" nullable:"false" doc:"Packages of past months that no invoice has named"`
	NotBooked   []NotBooked                  `json:"not_booked" nullable:"false" doc:"Rows of what older systems have given, in months that are not closed, that are not booked"`
	DeadLetters []DeadLetter                 `json:"dead_letters" nullable:"false" doc:"Without their bodies"`
	Limit       int                          `json:"limit"`
}

// ServiceInForce is a decision of staff on a service that nobody has undone.
type ServiceInForce struct {
	monthreport.ServiceDecision
	Terms models.ServiceClass `json:"terms,omitempty" enum:"discounted,excluded" doc:"What the terms say by now; the decision has no effect then. Omitted while they do not name the service"`
}

// Rejected is a document that billing has rejected and nobody has decided about.
type Rejected struct {
	DocumentID models.UUID   `json:"document_id" format:"uuid" doc:"An adjustment or a package"`
	AccountID  int64         `json:"account_id"`
	InvoiceID  string        `json:"invoice_id,omitempty"`
	Period     models.Period `json:"period" pattern:"^[0-9]{4}-[0-9]{2}$"`
	Amount     models.Money  `json:"amount_minor"`
	SMS        int           `json:"sms,omitempty" doc:"Of a package"`
	RejectedAt time.Time     `json:"rejected_at"`
	Reason     string        `json:"reason"`
}

// ParkedAccount is an account, or one invoice of it, that could not be settled.
type ParkedAccount struct {
	Period    models.Period `json:"period" pattern:"^[0-9]{4}-[0-9]{2}$"`
	AccountID int64         `json:"account_id"`
	InvoiceID string        `json:"invoice_id,omitempty" doc:"Omitted: all of the account"`
	Error     string        `json:"error"`
	ParkedAt  time.Time     `json:"parked_at" doc:"When a run of the month first could not settle it"`
}

// NotBooked is a row of what an older system has given in a month that is not booked.
type NotBooked struct {
	Period    models.Period          `json:"period" pattern:"^[0-9]{4}-[0-9]{2}$"`
	Line      int                    `json:"line" doc:"Of the file"`
	AccountID int64                  `json:"account_id,omitempty" doc:"Omitted when the row names an invoice alone"`
	InvoiceID string                 `json:"invoice_id,omitempty" doc:"Omitted when the row names an account alone"`
	Amount    models.Money           `json:"amount_minor" doc:"As it is added to the invoice"`
	Reason    models.NotBookedReason `json:"reason" enum:"unknown-invoice,unknown-account,other-month,no-invoice,refused,meanwhile"`
	Detail    string                 `json:"detail,omitempty" doc:"The month of the invoice, why it is refused, or what the ledger holds"`
}

func newNotBooked(n *models.NotBooked) NotBooked {
	return NotBooked{Period: n.Period, Line: n.Line, AccountID: n.AccountID, InvoiceID: n.InvoiceID, Amount: n.Amount, Reason: n.Reason, Detail: n.Detail}
}

// BookedFile is a file of what an older system has given in a month.
type BookedFile struct {
	SHA256          string       `json:"sha256"`
	BookedAt        time.Time    `json:"booked_at"`
	Rows            int64        `json:"rows"`
	Amount          models.Money `json:"amount_minor" doc:"Of all rows, as added to invoices"`
	NotBooked       int64        `json:"not_booked" doc:"Rows"`
	NotBookedAmount models.Money `json:"not_booked_minor"`
	Missing         []NotBooked  `json:"not_booked_rows" nullable:"false" doc:"Up to 200"`
}

// DeadLetter is a message that could not be used.
type DeadLetter struct {
	ID        int64           `json:"id"`
	At        time.Time       `json:"at"`
	Topic     string          `json:"topic"`
	Partition int             `json:"partition"`
	Offset    int64           `json:"offset"`
	Type      string          `json:"type,omitempty" doc:"Of the event, as far as it can be read"`
	Reason    models.BadInput `json:"reason"`
	Detail    string          `json:"detail"`
}

func (a *API) registerQueue() {
	register(a, get("get-queue", "/queue", "What waits for a person", "Queue", moneyRole), func(ctx context.Context, _ models.Staff, _ *struct{}) (Queue, error) {
		q, err := a.service.Queue(ctx)
		return newQueue(&q), err
	})
}

func newQueue(q *finance.Queue) Queue {
	out := Queue{
		Limit: q.Limit,
		Rejected: each(q.Rejected, func(d *models.RejectedDocument) Rejected {
			return Rejected{DocumentID: d.DocumentID, AccountID: d.AccountID, InvoiceID: d.InvoiceID, Period: d.Period, Amount: d.Amount, SMS: d.SMS, RejectedAt: d.RejectedAt, Reason: d.Reason}
		}),
		Parked: each(q.Parked, func(p *models.ParkedAccount) ParkedAccount {
			return ParkedAccount{Period: p.Period, AccountID: p.AccountID, InvoiceID: p.InvoiceID, Error: p.Error, ParkedAt: p.Since}
		}),
		Held: each(slices.Sorted(maps.Keys(q.Held)), func(s *string) monthreport.Held {
			return monthreport.Held{Service: *s, Lines: q.Held[*s].Count, Amount: q.Held[*s].Amount}
		}),
		Services: each(q.Services, func(d *finance.ServiceInForce) ServiceInForce {
			return ServiceInForce{monthreport.ServiceDecisionOf(&d.ServiceDecision), d.Terms}
		}),
		Packages: each(slices.Sorted(maps.Keys(q.Packages)), func(p *models.Period) monthreport.WaitingPackage {
			return monthreport.WaitingPackage{Period: *p, Packages: q.Packages[*p]}
		}),
		NotBooked: each(q.NotBooked, newNotBooked),
		DeadLetters: each(q.DeadLetters, func(d *models.DeadLetterRecord) DeadLetter {
			from := d.Message.Origin
			return DeadLetter{ID: d.ID, At: d.At, Topic: from.Topic, Partition: from.Partition, Offset: from.Offset, Type: d.Type, Reason: d.Err.Reason, Detail: d.Err.Detail}
		}),
	}
	return out
}
