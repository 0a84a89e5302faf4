// Package finance is what the operator's staff see and do in the referral programme:
// the months, the documents, the clients and what waits for a person. [Service] is its
// operations; the pages under /finance use it. Who the person is, and what the
// person's roles allow, is up to package auth.
package finance

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"referral/billing"
	"referral/contact"
	"referral/models"
)

// Store is the methods of the storage that the staff pages use.
type Store interface {
	ProposalStore
	QueueStore
	RegisterStore
	InsightStore
	WhatIfStore
	RunStore
	SigningStore
	DecisionStore
	ServiceStore
	PrivacyStore
	JournalStore
	BookedStore
	Months(ctx context.Context) ([]models.MonthOverview, error)
	monthStore
	FindAccounts(ctx context.Context, text string, account int64, document models.UUID) ([]models.FoundAccount, error)
	AccountHistory(ctx context.Context, account int64) (c models.AccountHistory, found bool, err error)
	Invitations(ctx context.Context, account int64, after models.UUID, limit int) ([]models.Invitation, error)
	InvoiceOwner(ctx context.Context, invoice string) (account int64, found bool, err error)
	Rejected(ctx context.Context, limit int) ([]models.RejectedDocument, error)
	ParkedNow(ctx context.Context, limit int) ([]models.ParkedAccount, error)
	ListDeadLetters(ctx context.Context, f models.DeadLetterFilter, after int64, limit int) ([]models.DeadLetterRecord, error)
	PendingPackages(ctx context.Context, before models.Date) (map[models.Period]int64, error)
}

// BasePath is where the staff pages are.
const BasePath = "/finance"

// Options is what a service needs. All fields are required.
type Options struct {
	Store     Store
	Programme *billing.Programme
	Now       func() time.Time
	// Replay puts the message of a dead letter back on its topic, and returns when the
	// broker has it.
	Replay func(ctx context.Context, deadLetter int64, m *models.Message) error
}

func (o *Options) validate() error {
	switch {
	case o.Store == nil:
		return errors.New("finance: no Store")
	case o.Programme == nil:
		return errors.New("finance: no Programme")
	case o.Now == nil:
		return errors.New("finance: no Now")
	case o.Replay == nil:
		return errors.New("finance: no Replay")
	}
	return nil
}

// Service is the operations of the staff pages.
type Service struct {
	o    Options
	acts []Act
}

// New makes the service. The error says which option is missing.
func New(o Options) (*Service, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	s := &Service{o: o}
	s.acts = slices.Concat(s.queueActs(), s.signingActs(), s.runActs(), s.decisionActs(), s.serviceActs(), s.privacyActs())
	return s, nil
}

// Months is every billing period that is known, the newest first.
func (s *Service) Months(ctx context.Context) ([]models.MonthOverview, error) {
	return s.o.Store.Months(ctx)
}

// Find is the accounts that a text may mean: the number of an account, an invitation
// code, a tax id, an invoice, a document, or at least three letters of a name.
func (s *Service) Find(ctx context.Context, text string) ([]models.FoundAccount, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, nil
	}
	account, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		account = 0 // not a number: something else is looked for
	}
	document, err := models.ParseUUID(text)
	if err != nil {
		document = models.UUID{}
	}
	return s.o.Store.FindAccounts(ctx, text, account, document)
}

// Client is everything that support tells a client about.
type Client struct {
	Profile models.Profile
	Erased  bool // its personal data were
	Code    string
	Today   billing.PortalView // what the client sees today
	Why     billing.Explanation
	// Invitations is the last ones that the client has sent, the newest first, with the
	// recipients masked.
	Invitations     []models.Invitation
	MoreInvitations bool // there are earlier ones
}

// invitationsShown is how many invitations of a client are shown.
const invitationsShown = 10

// Client explains an account. found is false when nothing is known of it.
func (s *Service) Client(ctx context.Context, account int64) (c Client, found bool, err error) {
	history, found, err := s.o.Store.AccountHistory(ctx, account)
	if err != nil || !found {
		return c, found, err
	}
	invitations, err := s.o.Store.Invitations(ctx, account, models.UUID{}, invitationsShown+1)
	if err != nil {
		return c, false, err
	}
	more := len(invitations) > invitationsShown
	invitations = invitations[:min(len(invitations), invitationsShown)]
	for i := range invitations {
		invitations[i].Recipient = contact.Mask(invitations[i].Recipient)
	}
	return Client{
		Invitations: invitations, MoreInvitations: more,
		Profile: history.Account.Profile, Erased: !history.Account.ErasedAt.IsZero(), Code: history.Account.Code,
		Today: s.o.Programme.PortalView(&history, s.o.Programme.Local(s.o.Now())), Why: s.o.Programme.Explain(&history),
	}, true, nil
}

// Invoice explains an invoice, to the kopeck. found is false when it is not known.
func (s *Service) Invoice(ctx context.Context, invoice string) (e billing.InvoiceExplanation, found bool, err error) {
	account, found, err := s.o.Store.InvoiceOwner(ctx, invoice)
	if err != nil || !found {
		return e, found, err
	}
	history, found, err := s.o.Store.AccountHistory(ctx, account)
	if err != nil || !found {
		return e, found, err
	}
	e, found = s.o.Programme.ExplainInvoice(&history, invoice)
	return e, found, nil
}

// PendingPackages is the packages of past months that no invoice has named, by month.
func (s *Service) PendingPackages(ctx context.Context) (map[models.Period]int64, error) {
	return s.o.Store.PendingPackages(ctx, s.o.Programme.Local(s.o.Now()).Period().First())
}

// queueLimit is how much of each list of the queue is shown.
const queueLimit = 200

// Queue is what waits for a person.
type Queue struct {
	Rejected    []models.RejectedDocument
	Parked      []models.ParkedAccount
	Held        map[string]models.CountedAmount // by service
	Services    []ServiceInForce                // decisions on services, which do not wait
	DeadLetters []models.DeadLetterRecord
	Packages    map[models.Period]int64 // of months that no invoice has named
	NotBooked   []models.NotBooked      // rows of older systems in months that are not closed
	Limit       int                     // of each list: as many may stand for more
}

// Queue is what waits for a person, at most 200 of each kind.
func (s *Service) Queue(ctx context.Context) (Queue, error) { return s.queue(ctx, queueLimit) }

// wholeQueue is more than people could ever work off.
const wholeQueue = 100_000

// WholeQueue is Queue with 100 000 of each kind.
func (s *Service) WholeQueue(ctx context.Context) (Queue, error) { return s.queue(ctx, wholeQueue) }

func (s *Service) queue(ctx context.Context, limit int) (q Queue, err error) {
	q.Limit = limit
	for _, read := range []func() error{
		func() (err error) { q.Rejected, err = s.o.Store.Rejected(ctx, limit); return err },
		func() (err error) { q.Parked, err = s.o.Store.ParkedNow(ctx, limit); return err },
		func() (err error) { q.Held, err = s.o.Store.HeldServices(ctx); return err },
		func() (err error) { q.Services, err = s.servicesInForce(ctx); return err },
		func() (err error) {
			waiting := models.DeadLetterFilter{States: []models.DeadLetterState{models.DeadLetterWaiting}}
			q.DeadLetters, err = s.o.Store.ListDeadLetters(ctx, waiting, 0, limit)
			return err
		},
		func() (err error) { q.NotBooked, err = s.o.Store.NotBooked(ctx, 0, limit); return err },
		func() (err error) {
			q.Packages, err = s.PendingPackages(ctx)
			return err
		},
	} {
		if err := read(); err != nil {
			return q, err
		}
	}
	return q, nil
}
