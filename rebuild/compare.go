package rebuild

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"referral/archive"
	"referral/models"
)

// Difference is something that one of the two schemas says and the other does not. It
// holds no personal data.
type Difference struct {
	Kind      Kind   `json:"kind"`
	AccountID int64  `json:"account_id,omitempty"`
	Subject   string `json:"subject"` // what differs: "promo end", "invoice INV-1 revision 2"
	Live      string `json:"live"`    // empty when only the rebuilt schema has it
	Rebuilt   string `json:"rebuilt"` // empty when only the live schema has it
	Source    string `json:"source,omitempty"`
}

// Kind says what a difference means.
type Kind string

// The kinds of difference.
const (
	// Fact is a fact that differs, or that only one of the two has: a message that was lost,
	// altered or never taken.
	Fact Kind = "fact"
	// Derived is something that should follow from the facts, which are the same.
	Derived Kind = "derived"
	// Ledger is a break that the reconciliation of the ledger with the rebuilt facts finds,
	// and that with the live ones does not.
	Ledger Kind = "ledger"
	// Removed is a fact whose message retention has removed from the topic, and which no
	// archive has. It cannot be proven.
	Removed Kind = "removed"
	// Unproven is what depends on such a fact.
	Unproven Kind = "unproven"
)

// Result is what a comparison found.
type Result struct {
	Accounts    int64          `json:"accounts"`
	Counts      map[Kind]int64 `json:"counts"`
	Differences []Difference   `json:"differences"` // the first MaxDifferences

	incomplete map[int64]archive.Whereabouts // accounts that depend on a message which the archive does not hold
}

// MaxDifferences is how many differences are named. All are counted.
const MaxDifferences = 10_000

// Proven tells whether everything follows from the messages.
func (r *Result) Proven() bool { return len(r.Counts) == 0 }

// Same tells whether nothing differs but what retention has removed.
func (r *Result) Same() bool { return r.Counts[Fact]+r.Counts[Derived]+r.Counts[Ledger] == 0 }

// Add counts a difference, and names it unless there are too many.
func (r *Result) Add(d Difference) {
	if r.Counts == nil {
		r.Counts = map[Kind]int64{}
	}
	r.Counts[d.Kind]++
	if len(r.Differences) < MaxDifferences {
		r.Differences = append(r.Differences, d)
	}
}

// Histories is a schema to compare.
type Histories interface {
	ForEachHistory(ctx context.Context, see func(*models.AccountHistory) error) error
}

// Rebuilt is the schema that was rebuilt.
type Rebuilt interface {
	Histories
	LoneRows(ctx context.Context, other string, see func(models.LoneRow) error) error
}

// Compare compares the facts of two schemas, and what was derived from them. Facts whose
// messages are newer than the archive are left out, with what depends on them.
func Compare(ctx context.Context, live Histories, rebuilt Rebuilt, schema string, held *archive.Manifest) (Result, error) {
	c := comparison{held: held, own: map[int64]archive.Whereabouts{}}
	c.incomplete = map[int64]archive.Whereabouts{}
	err := live.ForEachHistory(ctx, func(h *models.AccountHistory) error { c.classify(h); return nil })
	if err == nil {
		err = c.accounts(ctx, live, rebuilt)
	}
	if err == nil {
		err = rebuilt.LoneRows(ctx, schema, func(row models.LoneRow) error { c.loneRow(row); return nil })
	}
	return c.Result, err
}

type comparison struct {
	Result
	held *archive.Manifest
	own  map[int64]archive.Whereabouts // of accounts that have a fact whose message the archive does not hold
}

// provenances is where the facts of an account came from.
func provenances(h *models.AccountHistory) []models.Provenance {
	p := h.Account.Provenance
	all := []models.Provenance{p.Registered, p.PromoEnded, p.Terminated, p.Profile}
	for _, a := range h.Activations {
		all = append(all, a.Provenance)
	}
	return all
}

func (c *comparison) classify(h *models.AccountHistory) {
	for _, p := range provenances(h) {
		if at := c.find(p); at == archive.Later || at == archive.Removed && c.own[h.Account.ID] != archive.Later {
			c.own[h.Account.ID] = at
		}
	}
}

func (c *comparison) find(p models.Provenance) archive.Whereabouts {
	if p.Topic == "" {
		return archive.Held
	}
	return c.held.Find(p.Origin)
}

// accounts merges the two schemas, both of which come by the id of the account.
func (c *comparison) accounts(ctx context.Context, live, rebuilt Histories) error {
	nextLive, stopLive := iter.Pull2(each(ctx, live))
	defer stopLive()
	nextRebuilt, stopRebuilt := iter.Pull2(each(ctx, rebuilt))
	defer stopRebuilt()
	var l, r *models.AccountHistory
	var err error
	for {
		if l == nil {
			if l, err = pull(nextLive); err != nil {
				return err
			}
		}
		if r == nil {
			if r, err = pull(nextRebuilt); err != nil {
				return err
			}
		}
		switch {
		case l == nil && r == nil:
			return nil
		case r == nil || l != nil && l.Account.ID < r.Account.ID:
			c.account(l, &models.AccountHistory{Account: models.Account{ID: l.Account.ID}})
			l = nil
		case l == nil || r.Account.ID < l.Account.ID:
			c.account(&models.AccountHistory{Account: models.Account{ID: r.Account.ID}}, r)
			r = nil
		default:
			c.account(l, r)
			l, r = nil, nil
		}
	}
}

func pull(next func() (*models.AccountHistory, error, bool)) (*models.AccountHistory, error) {
	h, err, more := next()
	if !more {
		return nil, nil //nolint:nilnil // the end
	}
	return h, err
}

var errStopped = errors.New("no more accounts are wanted")

// each is the accounts of a schema, and at the end the error that reading them ended with.
func each(ctx context.Context, of Histories) iter.Seq2[*models.AccountHistory, error] {
	return func(yield func(*models.AccountHistory, error) bool) {
		err := of.ForEachHistory(ctx, func(h *models.AccountHistory) error {
			if !yield(h, nil) {
				return errStopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(nil, err)
		}
	}
}

func (c *comparison) account(l, r *models.AccountHistory) {
	c.Accounts++
	a, b := &l.Account, &r.Account
	c.fact(a.ID, "registration", moment(a.RegisteredAt), moment(b.RegisteredAt), a.Provenance.Registered, b.Provenance.Registered)
	c.fact(a.ID, "promo end", moment(a.PromoEndedAt), moment(b.PromoEndedAt), a.Provenance.PromoEnded, b.Provenance.PromoEnded)
	c.fact(a.ID, "termination", moment(a.TerminatedAt), moment(b.TerminatedAt), a.Provenance.Terminated, b.Provenance.Terminated)
	if a.Profile != b.Profile {
		c.fact(a.ID, "name, tax id and contacts", profileOf(a, ""), profileOf(b, "another one "), a.Provenance.Profile, b.Provenance.Profile)
	}
	c.activations(l, r)
	depends := c.dependsOn(l, r)
	c.derived(a.ID, depends, "code", a.Code, b.Code)
	compareLists(l.Referrals, r.Referrals, referralOf, func(key, live, rebuilt string) { c.derived(a.ID, depends, key, live, rebuilt) })
	compareLists(l.Stored.Discounts, r.Stored.Discounts, discountOf, func(key, live, rebuilt string) { c.derived(a.ID, depends, key, live, rebuilt) })
	compareLists(l.Stored.Grants, r.Stored.Grants, grantOf, func(key, live, rebuilt string) { c.derived(a.ID, depends, key, live, rebuilt) })
}

func (c *comparison) activations(l, r *models.AccountHistory) {
	from := map[bool]map[string]models.Provenance{}
	for live, h := range map[bool]*models.AccountHistory{true: l, false: r} {
		from[live] = map[string]models.Provenance{}
		for _, a := range h.Activations {
			key, _ := activationOf(a)
			from[live][key] = a.Provenance
		}
	}
	depends := c.dependsOn(l, r)
	compareLists(l.Activations, r.Activations, activationOf, func(key, live, rebuilt string) {
		if live == "" || rebuilt == "" {
			c.fact(l.Account.ID, key, live, rebuilt, from[true][key], from[false][key])
		} else {
			c.derived(l.Account.ID, depends, key, live, rebuilt)
		}
	})
}

// compareLists hands over what differs, by the keys and texts of the elements.
func compareLists[T any](live, rebuilt []T, describe func(T) (key, text string), differs func(key, live, rebuilt string)) {
	texts := map[string]*[2]string{}
	for i, list := range [][]T{live, rebuilt} {
		for _, element := range list {
			key, text := describe(element)
			if texts[key] == nil {
				texts[key] = &[2]string{}
			}
			texts[key][i] = text
		}
	}
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		if t := texts[key]; t[0] != t[1] {
			differs(key, t[0], t[1])
		}
	}
}

// dependsOn is what is known of the messages that the entitlements of an account follow
// from: its own, those of the accounts that it invited, and those of its inviter.
func (c *comparison) dependsOn(l, r *models.AccountHistory) archive.Whereabouts {
	at := c.own[l.Account.ID]
	for _, h := range []*models.AccountHistory{l, r} {
		for i := range h.Referrals {
			at = max(at, c.own[h.Referrals[i].InviteeID])
		}
		for _, a := range h.Activations {
			at = max(at, c.own[a.InviterID])
		}
	}
	c.depends(l.Account.ID, at)
	return at
}

func (r *Result) depends(account int64, at archive.Whereabouts) {
	if at > r.incomplete[account] {
		r.incomplete[account] = at
	}
}

func (c *comparison) derived(account int64, depends archive.Whereabouts, subject, live, rebuilt string) {
	if live == rebuilt || depends == archive.Later {
		return
	}
	kind := Derived
	if depends == archive.Removed {
		kind = Unproven
	}
	c.Add(Difference{Kind: kind, AccountID: account, Subject: subject, Live: live, Rebuilt: rebuilt})
}

func (c *comparison) fact(account int64, subject, live, rebuilt string, from, rebuiltFrom models.Provenance) {
	if live == rebuilt {
		return
	}
	d := Difference{Kind: Fact, AccountID: account, Subject: subject, Live: live, Rebuilt: rebuilt, Source: source(from)}
	switch c.find(from) {
	case archive.Later:
		return
	case archive.Removed:
		d.Kind = Removed
	}
	d.Source = cmp.Or(d.Source, source(rebuiltFrom))
	c.Add(d)
}

func (c *comparison) loneRow(row models.LoneRow) {
	d := Difference{Kind: Fact, AccountID: row.AccountID, Subject: row.What, Rebuilt: row.Row, Source: source(row.Provenance)}
	if row.Elsewhere {
		d.Live, d.Rebuilt = row.Row, ""
		at := c.find(row.Provenance)
		c.depends(row.AccountID, at)
		switch at {
		case archive.Later:
			return
		case archive.Removed:
			d.Kind = Removed
		}
	}
	c.Add(d)
}

// source is where a message is.
func source(p models.Provenance) string {
	if p.Topic == "" {
		return ""
	}
	return fmt.Sprintf("%s/%d offset %d", p.Topic, p.Partition, p.Offset)
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// profileOf says which profile an account has without quoting it.
func profileOf(a *models.Account, note string) string {
	if a.Profile == (models.Profile{}) {
		return ""
	}
	return note + "as of " + moment(a.Profile.At)
}

func activationOf(a *models.Activation) (key, text string) {
	text = string(a.Status)
	if a.Reason != "" {
		text += " (" + string(a.Reason) + ")"
	}
	if a.InviterID != 0 {
		text += fmt.Sprintf(", inviter %d", a.InviterID)
	}
	if a.RevokedFrom != 0 {
		text += ", revoked from " + a.RevokedFrom.String()
	}
	return fmt.Sprintf("request of code %s at %s", a.Code, moment(a.RequestedAt)), text
}

func referralOf(r models.Referral) (key, text string) {
	text = "activated at " + moment(r.ActivatedAt)
	if r.RevokedFrom != 0 {
		text += ", revoked from " + r.RevokedFrom.String()
	}
	return fmt.Sprintf("referral of %d", r.InviteeID), text
}

func discountOf(d models.Discount) (key, text string) {
	return fmt.Sprintf("discount as %s from %s", d.Kind, d.From), fmt.Sprintf("%d %% until %s, step %d", d.Percent, d.To, d.Step)
}

func grantOf(g models.Grant) (key, text string) {
	return fmt.Sprintf("package %d of %d SMS", g.Ordinal, g.SMS), fmt.Sprintf("earned on %s, step %d", g.GrantedOn, g.Step)
}
