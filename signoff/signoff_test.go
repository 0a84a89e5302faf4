package signoff_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"referral/billing"
	"referral/billing/monthreport"
	"referral/models"
	"referral/signoff"
)

// books is a storage of one month. It refuses as many signatures as posted says, because
// a run has posted meanwhile.
type books struct {
	state  models.PeriodState
	posted int
	head   models.AuditHead
	asked  []models.Signature
	frozen []byte
}

func (b *books) Periods(context.Context) ([]models.PeriodInfo, error) {
	return []models.PeriodInfo{{Period: 202604, State: b.state}}, nil
}

func (b *books) Audit(_ context.Context, _ models.Period, begin func(models.AuditHead) error, see func(*models.AccountHistory) error) error {
	if err := begin(b.head); err != nil {
		return err
	}
	return see(&models.AccountHistory{Account: models.Account{ID: 885}})
}

func (b *books) AuditSize(context.Context, models.Period) (int64, error) { return 3, nil }

func (b *books) Ledger(context.Context, models.Period) (models.Ledger, error) {
	return models.Ledger{Register: models.Register{Packages: 7, Documents: models.Counted(2, -142000)}}, nil
}

func (b *books) ClosePeriod(_ context.Context, s models.Signature, freeze models.FreezeFunc) (models.Signature, error) {
	b.asked = append(b.asked, s)
	if len(b.asked) <= b.posted {
		return s, models.ErrPostedMeanwhile
	}
	if b.state != models.PeriodRun {
		return s, &models.NotClosed{Period: s.Period, Obstacles: []string{"it has not been run"}, Objections: s.Objections}
	}
	var err error
	b.frozen, err = freeze(&s, &models.Waiting{Stale: 3})
	return s, err
}

func signer(t *testing.T, b *books, now time.Time) *signoff.Signer {
	t.Helper()
	p, err := billing.NewProgramme(time.UTC, []billing.Terms{{
		EffectiveFrom: models.NewDate(2020, 1, 1), Invitee: billing.InviteeTerms{Percent: 20, Months: 3}, Ladder: []billing.StepTerms{{Percent: 20, Months: 3}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return &signoff.Signer{
		Store: b, Programme: p, Now: func() time.Time { return now }, Program: "1.2.3",
		RequireTerms: func(context.Context) error { return nil },
	}
}

var may = time.Date(2026, 5, 3, 0, 0, 0, 0, time.UTC)

// Totals are taken again when a run has posted meanwhile, three times at most, and the
// objections are those of the last attempt alone.
func TestTotalsAreTakenAgain(t *testing.T) {
	t.Parallel()
	for posted, attempts := range map[int]int{0: 1, 2: 3, 9: 3} {
		b := &books{state: models.PeriodRun, posted: posted, head: models.AuditHead{LastRun: 12, Incomplete: []models.IncompleteChunk{{}}}}
		_, err := signer(t, b, may).Close(t.Context(), models.Signature{Period: 202604, Who: "Anna", Objections: []string{"by the caller"}})
		if len(b.asked) != attempts || errors.Is(err, models.ErrPostedMeanwhile) != (posted == 9) {
			t.Errorf("%d runs posted: %d attempts, %v", posted, len(b.asked), err)
		}
		for _, s := range b.asked {
			if want := []string{"by the caller", "it does not tie: 1 break, see `referral reconcile 2026-04`"}; !slices.Equal(s.Objections, want) || s.LastRun != 12 {
				t.Errorf("asked to sign %+v", s)
			}
		}
	}
}

// The report holds what the storage says of the moment of the signature.
func TestReportIsMadeWithTheSignature(t *testing.T) {
	t.Parallel()
	b := &books{state: models.PeriodRun, head: models.AuditHead{LastRun: 12, Waiting: map[models.Period]int64{202602: 4}}}
	g := signer(t, b, may)
	if _, err := g.Close(t.Context(), models.Signature{Period: 202604, Who: "Anna"}); err != nil {
		t.Fatal(err)
	}
	r, err := monthreport.Read(b.frozen)
	if err != nil || r.SignedBy != "Anna" || r.Program != "1.2.3" || r.TermsDigest != g.Programme.Digest() || r.Waiting.Stale != 3 || r.Register.Packages != 7 ||
		r.LastRun != 12 || !r.ReconciledAt.Equal(may) || len(r.Waiting.Packages) != 1 || len(r.Objections) != 0 {
		t.Errorf("frozen %s, %v", b.frozen, err)
	}
}

// A month that has not been run needs no totals, and one that is not over says so.
func TestAMonthThatCannotBeSigned(t *testing.T) {
	t.Parallel()
	b := &books{state: models.PeriodOpen}
	g := signer(t, b, time.Date(2026, 4, 20, 0, 0, 0, 0, time.UTC))
	g.RequireTerms = func(context.Context) error { t.Error("totals are taken"); return nil }
	_, err := g.Close(t.Context(), models.Signature{Period: 202604, Who: "Anna"})
	if err == nil || !strings.Contains(err.Error(), "it has not been run; it is not over before 2026-05-01") {
		t.Errorf("%v", err)
	}
}

// By other terms than those in force nothing is signed.
func TestOtherTermsSignNothing(t *testing.T) {
	t.Parallel()
	b := &books{state: models.PeriodRun}
	g := signer(t, b, may)
	other := errors.New("other terms are in force")
	g.RequireTerms = func(context.Context) error { return other }
	if _, err := g.Close(t.Context(), models.Signature{Period: 202604, Who: "Anna"}); !errors.Is(err, other) || len(b.asked) != 0 {
		t.Errorf("%v, asked %+v", err, b.asked)
	}
}

// An order is carried out with what two persons have agreed on, says how far it is, and
// keeps what stands against the month.
func TestOrderIsCarriedOut(t *testing.T) {
	t.Parallel()
	b := &books{state: models.PeriodRun, head: models.AuditHead{LastRun: 12}}
	proposed := may.Add(-time.Hour)
	o := models.RunOrder{ID: 8, Attempt: 2, Period: 202604, By: models.Person{Name: "Boris"}, Signing: &models.Signing{
		Role: models.RoleController, Reason: "it ties", ProposedBy: "Anna", ProposedAt: proposed, Override: "it has to be", Objections: []string{"parked accounts and invoices: 1"},
		Register: &models.CountedAmount{Count: 2, Amount: -142000},
	}}
	var all, through int
	progress := func(t, a int) { through, all = t, a }
	if err := signer(t, b, may).CarryOut(t.Context(), &o, progress); err != nil {
		t.Fatal(err)
	}
	s := b.asked[0]
	if s.Who != "Boris" || s.Role != models.RoleController || s.Reason != "it ties" || s.ProposedBy != "Anna" || !s.ProposedAt.Equal(proposed) || s.Override != "it has to be" ||
		s.Against == nil || s.Order != &o || o.All != 3 || all != 3 || through != 1 || len(s.Objections) != 1 || o.Signing.Refused != nil {
		t.Errorf("asked to sign %+v, %d of %d accounts", s, through, all)
	}
	r, err := monthreport.Read(b.frozen)
	if err != nil || r.SignedBy != "Boris" || r.ProposedBy != "Anna" {
		t.Errorf("frozen %s, %v", b.frozen, err)
	}
	less := models.Counted(1, -140000)
	other := models.RunOrder{ID: 9, Period: 202604, Signing: &models.Signing{Register: &less}}
	if err := signer(t, b, may).CarryOut(t.Context(), &other, progress); err != nil {
		t.Fatal(err)
	}
	if s := b.asked[len(b.asked)-1]; !slices.Equal(s.Objections, []string{"the register has changed since the signature was proposed"}) {
		t.Errorf("another register than two persons saw: %q", s.Objections)
	}
	b.state = models.PeriodOpen
	if err := signer(t, b, may).CarryOut(t.Context(), &o, progress); err == nil || !slices.Equal(o.Signing.Refused, []string{"it has not been run", "parked accounts and invoices: 1"}) {
		t.Errorf("%v, refused: %q", err, o.Signing.Refused)
	}
	b.state, b.posted = models.PeriodRun, 99
	if err := signer(t, b, may).CarryOut(t.Context(), &o, progress); !errors.Is(err, models.ErrPostedMeanwhile) || len(o.Signing.Refused) != 1 {
		t.Errorf("%v, refused: %q", err, o.Signing.Refused)
	}
}
