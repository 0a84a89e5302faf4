package portal

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"referral/billing"
	"referral/models"
	"referral/web/portal"
)

// furnished returns two accounts with friends, invoices and a settled month.
func furnished(t *testing.T, change ...func(*portal.Options)) *fixture {
	t.Helper()
	r := newRig(t, change...)
	for _, own := range []int64{885, 886} {
		r.kafka(registered(own, "2025-06-01T09:00:00Z"))
		code := r.codeOf(own)
		for i := range int64(5) {
			friend := own*10 + i
			r.kafka(registered(friend, "2026-03-20T09:00:00Z"),
				models.ActivationRequested{AccountID: friend, Code: code, RequestedAt: instant(fmt.Sprintf("2026-04-%02dT12:00:00Z", 1+2*i))})
		}
		for _, p := range []models.Period{202602, 202603, 202604} {
			r.kafka(bill(own, fmt.Sprintf("INV-%s-%d", p, own), p))
		}
	}
	r.at("2026-05-01T09:00:00Z")
	r.settle(202604)
	return r
}

// pages reads a list to its end, and returns a field of every entry.
func (r *fixture) pages(account int64, list, field string, limit int) (got []string, cursors []string) {
	r.Helper()
	for next := ""; ; {
		a := r.get(account, fmt.Sprintf("/%s?limit=%d&cursor=%s", list, limit, url.QueryEscape(next)))
		r.expect(a, http.StatusOK, nil)
		entries, _ := a.is(list).([]any)
		for i := range entries {
			got = append(got, fmt.Sprint(a.is(fmt.Sprintf("%s.%d.%s", list, i, field))))
		}
		next, _ = a.is("next").(string)
		if next == "" || len(cursors) > 20 {
			return got, cursors
		}
		cursors = append(cursors, next)
	}
}

func TestPaging(t *testing.T) {
	t.Parallel()
	r := furnished(t)
	for _, c := range []struct {
		list, field string
		limit       int
		pages       int
		want        []string
	}{
		{"friends", "account_id", 2, 3, []string{"8854", "8853", "8852", "8851", "8850"}},
		{"friends", "name", 100, 1, []string{"Ре***ия-8***4", "Ре***ия-8***3", "Ре***ия-8***2", "Ре***ия-8***1", "Ре***ия-8***0"}},
		{"friends", "activated_on", 5, 1, []string{"2026-04-09", "2026-04-07", "2026-04-05", "2026-04-03", "2026-04-01"}},
		{"changes", "percent", 2, 3, []string{"100", "80", "60", "40", "20"}},
		{"changes", "friend_id", 3, 2, []string{"8854", "8853", "8852", "8851", "8850"}},
		{"months", "period", 1, 3, []string{"2026-04", "2026-03", "2026-02"}},
		{"months", "discount_minor", 2, 2, []string{"-260000", "0", "0"}},
	} {
		got, cursors := r.pages(885, c.list, c.field, c.limit)
		if !slices.Equal(got, c.want) || len(cursors)+1 != c.pages {
			t.Errorf("%s %s by %d: %q on %d pages", c.list, c.field, c.limit, got, len(cursors)+1)
		}
	}
	r.expect(r.get(8850, "/friends"), http.StatusOK, map[string]any{"friends.0": nil, "next": nil})
	r.expect(r.get(885, "/months"), http.StatusOK, map[string]any{
		"months.0.charged_minor": 305000, "months.0.waiting_minor": 0, "months.0.highest_percent": 100, "months.0.invoices.0.invoice_id": "INV-2026-04-885",
		"months.2.waiting_minor": 0,
	})
	r.expect(r.get(885, "/standing"), http.StatusOK, map[string]any{
		"packages.0.sms": 1200, "packages.0.state": "ordered", "packages.1.sms": 3200, "packages.1.earned_on": "2026-04-09", "friends_on_ladder": 5, "current.percent": 100,
	})
	r.kafka(models.Result{AdjustmentID: billing.PackageID(885, 1200, 1), AccountID: 885, Status: models.ResultApplied, At: r.now()})
	r.expect(r.get(885, "/standing"), http.StatusOK, map[string]any{"packages.0.state": "credited", "packages.1.state": "ordered"})
}

func TestExplanation(t *testing.T) {
	t.Parallel()
	r := furnished(t)
	r.kafka(models.Result{AdjustmentID: billing.AdjustmentID(202604, "INV-2026-04-885", 1), AccountID: 885, Status: models.ResultApplied, Amount: -260000, At: r.now()})
	a := r.get(885, "/invoices/INV-2026-04-885/explanation")
	r.expect(a, http.StatusOK, map[string]any{
		"posted_minor": -260000, "difference_minor": 0, "period": "2026-04", "currency": "RUB",
		"lines.0.class": "discounted", "lines.0.days": 30, "lines.0.segments.0.percent": 20, "lines.0.segments.0.days": 2, "lines.0.segments.4.percent": 100,
		"lines.0.formula": "3 000.00 × 2600 / (100 × 30) = 2 600.00", "lines.1.class": "excluded", "lines.1.wanted_minor": 0,
		"documents.0.reason": "run", "documents.0.amount_minor": -260000, "documents.0.answer.status": "applied", "documents.0.items.0.segments.4.percent": 100,
	})
	r.expect(r.get(885, "/invoices/INV-2026-02-885/explanation"), http.StatusOK, map[string]any{"posted_minor": 0, "documents.0": nil})
	if strings.Contains(a.text, "inviter_id") || strings.Contains(a.text, "Резервация") {
		t.Errorf("too much is told: %s", a.text)
	}
}

// publish marks all that waits as published.
func (r *fixture) publish() {
	r.Helper()
	refs, err := r.store.UnpublishedChunks(r.Context(), 1000)
	if err != nil {
		r.Fatal(err)
	}
	for _, ref := range refs {
		if err := r.store.MarkPublished(r.Context(), ref, r.now()); err != nil {
			r.Fatal(err)
		}
	}
}

// Sums and documents show what billing has rejected, but not who decided about it.
func TestRejectedDocument(t *testing.T) {
	t.Parallel()
	r := furnished(t)
	id := billing.AdjustmentID(202604, "INV-2026-04-885", 1)
	says := func(state string, discount, review, settled int) {
		t.Helper()
		a := r.get(885, "/invoices/INV-2026-04-885/explanation")
		r.expect(a, http.StatusOK, map[string]any{"posted_minor": -260000, "under_review_minor": review, "written_off_minor": settled, "documents.0.state": state})
		m := r.get(885, "/months")
		r.expect(m, http.StatusOK, map[string]any{
			"months.0.discount_minor": discount, "months.0.under_review_minor": review, "months.0.written_off_minor": settled, "months.0.waiting_minor": 0,
		})
		if all := a.text + m.text; strings.Contains(all, "Anna") || strings.Contains(all, "secret") {
			t.Errorf("too much is told: %s", all)
		}
	}
	act := models.OperatorAction{Who: "Anna", What: models.ActionResend, Subject: id.String(), Reason: "secret"}
	r.kafka(models.Result{AdjustmentID: id, AccountID: 885, Status: models.ResultRejected, Reason: "secret", At: r.now()})
	says("rejected", 0, -260000, 0)
	if _, _, err := r.store.Resend(t.Context(), id, act, billing.MayResend); err != nil {
		t.Fatal(err)
	}
	says("resent", 0, -260000, 0)
	r.later(time.Hour)
	r.kafka(models.Result{AdjustmentID: id, AccountID: 885, Status: models.ResultRejected, Reason: "secret", At: r.now()})
	says("rejected", 0, -260000, 0)
	r.publish()
	if _, _, err := r.store.WriteOff(t.Context(), id, act, billing.MayWriteOff); err != nil {
		t.Fatal(err)
	}
	says("written_off", 0, 0, -260000)
	r.later(time.Hour)
	r.kafka(models.Result{AdjustmentID: id, AccountID: 885, Status: models.ResultApplied, Amount: -260000, At: r.now()})
	says("applied", -260000, 0, 0)
}

// Cursors, invoices and invitations of another account are refused.
func TestAnotherAccount(t *testing.T) {
	t.Parallel()
	r := furnished(t)
	for i := range 3 {
		r.expect(r.invite(885, "email", fmt.Sprintf("friend%d@example.com", i), ""), http.StatusCreated, nil)
	}
	for _, list := range []string{"friends", "changes", "months", "invitations"} {
		own, cursors := r.pages(885, list, anyField[list], 1)
		if len(cursors) == 0 {
			t.Fatalf("%s has one page only: %q", list, own)
		}
		for _, cursor := range cursors {
			r.expect(r.get(886, "/"+list+"?cursor="+url.QueryEscape(cursor)), http.StatusBadRequest, map[string]any{"code": "bad_cursor"})
			for _, other := range []string{"friends", "changes", "months", "invitations"} {
				if other != list {
					r.expect(r.get(885, "/"+other+"?cursor="+url.QueryEscape(cursor)), http.StatusBadRequest, map[string]any{"code": "bad_cursor"})
				}
			}
			r.expect(r.get(885, "/"+list+"?cursor="+url.QueryEscape(cursor[:len(cursor)-1])), http.StatusBadRequest, map[string]any{"code": "bad_cursor"})
		}
		others, _ := r.pages(886, list, anyField[list], 2)
		for _, entry := range others {
			if slices.Contains(own, entry) && list != "changes" && list != "months" {
				t.Errorf("%s of 886 has %s of 885", list, entry)
			}
		}
	}
	mine, theirs := r.get(885, "/invoices/INV-2026-04-885/explanation"), r.get(886, "/invoices/INV-2026-04-885/explanation")
	r.expect(mine, http.StatusOK, nil)
	nobodys := r.get(886, "/invoices/INV-nobody/explanation")
	r.expect(theirs, http.StatusNotFound, map[string]any{"code": "unknown_invoice"})
	if theirs.text != nobodys.text {
		t.Errorf("another's invoice is told from one that is not there: %s %s", theirs.text, nobodys.text)
	}
}

func TestInvalidCursors(t *testing.T) {
	t.Parallel()
	r := furnished(t)
	for list, kind := range map[string]byte{"friends": 'f', "changes": 'c', "months": 'm', "invitations": 'i'} {
		for _, n := range []int64{math.MinInt64, -5, -1, 0, 1 << 40, math.MaxInt64} {
			for numbers := range 3 {
				mark := binary.AppendVarint([]byte{kind}, 885)
				for range numbers {
					mark = binary.AppendVarint(mark, n)
				}
				a := r.get(885, "/"+list+"?cursor="+base64.RawURLEncoding.EncodeToString(mark))
				if a.status != http.StatusOK && a.status != http.StatusBadRequest {
					t.Errorf("%s behind %d times %d: %d %s", list, numbers, n, a.status, a.text)
				}
			}
		}
	}
}

var anyField = map[string]string{"friends": "account_id", "changes": "friend_id", "months": "invoices.0.invoice_id", "invitations": "invitation_id"}
