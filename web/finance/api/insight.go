package api

import (
	"context"
	"encoding/hex"
	"time"

	"referral/models"
	"referral/web/finance"
)

// Suspicions is referrals that a person should look at. Nobody is punished by them.
type Suspicions struct {
	SearchedAt *time.Time  `json:"searched_at,omitempty" doc:"Omitted until a search was made"`
	Count      int64       `json:"count" doc:"Of all; the list has the first hundred"`
	Suspicions []Suspicion `json:"suspicions" nullable:"false" doc:"The most money first"`
}

// Suspicion is some referrals that look alike.
type Suspicion struct {
	Fingerprint string                 `json:"fingerprint" doc:"Of what was found: one that grows has another"`
	Signs       []models.SuspicionSign `json:"signs" nullable:"false"`
	Referrals   []Referral             `json:"referrals" nullable:"false" doc:"By time"`
	Stakes      []models.Stake         `json:"stakes" nullable:"false" doc:"Discounts that they concern, by currency: in the ledger, and granted for the next twelve months by the forecast"`
	FoundAt     time.Time              `json:"found_at"`
	SeenBy      string                 `json:"seen_by,omitempty"`
	Note        string                 `json:"note,omitempty"`
}

// Referral is one account that has invited another.
type Referral struct {
	InviterID   int64     `json:"inviter_id"`
	InviteeID   int64     `json:"invitee_id"`
	ActivatedAt time.Time `json:"activated_at"`
}

// Liabilities is what granted discounts will cost.
type Liabilities struct {
	MadeAt time.Time       `json:"made_at"`
	Months []models.Period `json:"months" nullable:"false" doc:"Twelve, from the present one on"`

	Currencies []CurrencyLiabilities `json:"currencies" nullable:"false"`
}

// CurrencyLiabilities is those in one currency.
type CurrencyLiabilities struct {
	Currency string         `json:"currency"`
	Rows     []Liability    `json:"rows" nullable:"false" doc:"By kind and step"`
	Totals   []models.Money `json:"totals_minor" nullable:"false" doc:"By month"`
	Past     []PastCost     `json:"past" nullable:"false" doc:"Months that are reconciled, the newest first"`
}

// Liability is what discounts of a kind and step will cost.
type Liability struct {
	Kind    models.DiscountKind `json:"kind" enum:"invitee,inviter,agreed"`
	Step    int                 `json:"step" doc:"0 of a new client's discount"`
	Amounts []models.Money      `json:"amounts_minor" nullable:"false" doc:"By month"`
}

// PastCost is what a month came to, and what was expected of it.
type PastCost struct {
	Month    models.Period `json:"month" pattern:"^[0-9]{4}-[0-9]{2}$"`
	Actual   models.Money  `json:"actual_minor"`
	Expected []Expectation `json:"expected" nullable:"false"`
}

// Expectation is what was expected some months before.
type Expectation struct {
	Lead   int          `json:"months_before"`
	Amount models.Money `json:"amount_minor"`
}

type suspicionsInput struct {
	Seen bool `query:"seen" doc:"Those that somebody has looked at"`
}

type seenInput struct {
	Fingerprint string `path:"fingerprint" pattern:"^[0-9a-f]{64}$"`
	Body        struct {
		Note string `json:"note" maxLength:"500" doc:"What was found out"`
	}
}

func (a *API) registerInsight() {
	const tag = "Insight"
	register(a, get("list-suspicions", "/suspicions", "Referrals that a person should look at", tag, moneyRole), func(ctx context.Context, _ models.Staff, in *suspicionsInput) (Suspicions, error) {
		return a.suspicions(ctx, in.Seen)
	})
	register(a, post("see-suspicion", "/suspicions/{fingerprint}/seen", "Record that a person has looked at it", tag, []models.Role{models.RoleFinance, models.RoleController}, notFound, refused),
		func(ctx context.Context, staff models.Staff, in *seenInput) (Suspicions, error) {
			var fingerprint models.Digest
			if _, err := hex.Decode(fingerprint[:], []byte(in.Fingerprint)); err != nil { // its pattern allows none
				return Suspicions{}, found(false, nil)
			}
			known, err := a.service.MarkSuspicionSeen(ctx, &staff, fingerprint, in.Body.Note)
			if err := found(known, err); err != nil {
				return Suspicions{}, err
			}
			return a.suspicions(ctx, true)
		})
	register(a, get("get-liabilities", "/liabilities", "What granted discounts will cost", tag, moneyRole, notFound), func(ctx context.Context, _ models.Staff, _ *struct{}) (Liabilities, error) {
		l, known, err := a.service.Liabilities(ctx)
		return newLiabilities(&l), found(known, err)
	})
}

func (a *API) suspicions(ctx context.Context, seen bool) (Suspicions, error) {
	s, searched, err := a.service.Suspicions(ctx, seen)
	out := Suspicions{Count: s.Count, Suspicions: each(s.List, newSuspicion)}
	if searched {
		out.SearchedAt = &s.Search.At
	}
	return out, err
}

func newSuspicion(s *models.Suspicion) Suspicion {
	out := Suspicion{
		Fingerprint: hex.EncodeToString(s.Fingerprint[:]), Signs: append([]models.SuspicionSign{}, s.Signs...), Stakes: append([]models.Stake{}, s.Stakes...), FoundAt: s.FoundAt,
		Referrals: each(s.Referrals, func(r *models.Referral) Referral {
			return Referral{InviterID: r.InviterID, InviteeID: r.InviteeID, ActivatedAt: r.ActivatedAt}
		}),
	}
	if s.Seen != nil {
		out.SeenBy, out.Note = s.Seen.Who, s.Seen.Note
	}
	return out
}

func newLiabilities(l *finance.Liabilities) Liabilities {
	return Liabilities{
		MadeAt: l.MadeAt, Months: append([]models.Period{}, l.Months...), Currencies: each(l.Currencies, newCurrencyLiabilities),
	}
}

func newCurrencyLiabilities(l *finance.CurrencyLiabilities) CurrencyLiabilities {
	return CurrencyLiabilities{
		Currency: l.Currency, Totals: append([]models.Money{}, l.Totals...),
		Rows: each(l.Rows, func(r *finance.LiabilityRow) Liability {
			return Liability{Kind: r.Kind, Step: r.Step, Amounts: r.Amounts}
		}),
		Past: each(l.Past, func(p *finance.PastCost) PastCost {
			out := PastCost{Month: p.Month, Actual: p.Actual, Expected: []Expectation{}}
			for i, e := range p.Expected {
				if e.Known {
					out.Expected = append(out.Expected, Expectation{Lead: finance.ForecastLeads[i], Amount: e.Amount})
				}
			}
			return out
		}),
	}
}
