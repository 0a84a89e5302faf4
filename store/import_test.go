package store_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"referral/models"
)

// imports takes rows of an older system's files.
func (l *life) imports(rows ...models.FactData) models.ImportCounts {
	l.Helper()
	facts := make([]models.Fact, len(rows))
	for i, row := range rows {
		from := models.Provenance{Origin: models.Origin{Topic: "import:rows.csv", Offset: int64(i + 2)}, At: l.now}
		facts[i] = models.Fact{At: l.now, Provenance: from, Data: row}
	}
	counts, err := l.Import(l.Context(), facts, l.derive)
	if err != nil {
		l.Fatal(err)
	}
	return counts
}

func checkCounts(t *testing.T, got models.ImportCounts, added, changed, same int64) {
	t.Helper()
	if want := (models.ImportCounts{New: added, Changed: changed, Same: same}); got != want {
		t.Errorf("the counts are %+v, want %+v", got, want)
	}
}

// A client in mid-ladder is imported: its discounts go on as the rules give them, with
// those agreed outside them; the package that it was given is not given again; a repeat
// changes nothing, a correction the difference.
func TestImport(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	march := at("2026-03-01T09:00:00Z")
	friend := func(id int64, day int) models.ImportedReferral {
		return models.ImportedReferral{InviterID: 885, InviteeID: id, ActivatedAt: march.AddDate(0, 0, day)}
	}
	var rows []models.FactData
	for id := int64(901); id <= 903; id++ {
		rows = append(rows, models.ImportedAccount{AccountID: id, Name: fmt.Sprint("name ", id), TaxID: fmt.Sprint(id), RegisteredAt: march, PromoEndsAt: march.AddDate(0, 2, 0), Code: fmt.Sprint("OLD", id)})
	}
	rows = append(rows,
		models.ImportedAccount{AccountID: 885, Name: "name", RegisteredAt: march.AddDate(-1, 0, 0), PromoEndsAt: march.AddDate(-1, 0, 0), Code: "OLD885"},
		friend(901, 0), friend(902, 1), friend(903, 45),
		models.ImportedPackage{AccountID: 885, SMS: 1200, GivenOn: models.NewDate(2026, 4, 15)},
		models.AgreedDiscount{AccountID: 901, From: models.NewDate(2026, 4, 1), To: models.NewDate(2026, 4, 11), Percent: 30},
	)
	checkCounts(t, l.imports(rows...), int64(len(rows)), 0, 0)
	before := l.everything()
	checkCounts(t, l.imports(rows...), 0, 0, int64(len(rows)))
	if l.everything() != before {
		t.Error("a repeat has changed something")
	}
	if n := l.number("SELECT count(*) FROM outbox"); n != 0 {
		t.Errorf("%d events tell clients what they know", n)
	}

	l.facts(invoice(885, 202604, 1, 300000), invoice(901, 202604, 1, 300000))
	l.settle(models.RunRequest{Period: 202604})
	// 14 days at 40 %, 16 at 60 %: the third friend came on 15 April.
	want := "(1,run,-152000,202604)"
	if got := l.adjustments("INV-2026-04-885"); got != want {
		t.Errorf("the inviter gets %s, want %s", got, want)
	}
	if got, want := l.adjustments("INV-2026-04-901"), "(1,run,-30000,202604)"; got != want {
		t.Errorf("the agreed discount gives %s, want %s", got, want)
	}
	if n := l.number("SELECT count(*) FROM sms_packages"); n != 0 {
		t.Errorf("%d packages are given again", n)
	}
	l.tie(202604)

	// The third friend came five days earlier, and the agreed discount is withdrawn.
	late := models.AgreedDiscount{AccountID: 901, From: models.NewDate(2026, 4, 1), Withdrawn: true}
	checkCounts(t, l.imports(friend(901, 0), friend(902, 1), friend(903, 40), late), 0, 2, 2)
	l.calm()
	if got, want := l.adjustments("INV-2026-04-885"), want+" (2,late-fact,-10000,202604)"; got != want {
		t.Errorf("the inviter gets %s, want %s", got, want)
	}
	if got, want := l.adjustments("INV-2026-04-901"), "(1,run,-30000,202604) (2,late-fact,30000,202604)"; got != want {
		t.Errorf("the withdrawn discount gives %s, want %s", got, want)
	}
	l.tie(202604)

	// A code that clients know is entered by a new one, and the ladder goes on.
	l.facts(
		models.Registered{AccountID: 904, RegisteredAt: at("2026-04-20T09:00:00Z")},
		models.ActivationRequested{AccountID: 904, Code: "old-885", RequestedAt: at("2026-04-20T09:00:00Z")},
	)
	if got, want := l.dump("SELECT percent, from_day FROM discounts WHERE account_id = 885 AND step = 4"), "(80,2026-04-20)"; got != want {
		t.Errorf("the ladder goes on with %s, want %s", got, want)
	}
	history, _, err := l.AccountHistory(t.Context(), 903)
	if err != nil || history.Account.Provenance.Registered.Topic != "import:rows.csv" || len(history.Activations) != 1 || history.Activations[0].Provenance.Offset != 4 {
		t.Errorf("the account's facts come from %+v, its code from %+v, %v", history.Account.Provenance, history.Activations, err)
	}
}

// The state follows from the messages and the newest rows, in whatever order they came:
// any message about an account goes before what the older system told.
func TestImportsAmongMessages(t *testing.T) {
	t.Parallel()
	for round := range 4 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			r := rand.New(rand.NewPCG(seed, 0))
			rows, messages := someImports(r)
			straight, mixed := newLife(t), newLife(t)
			straight.imports(rows...)
			straight.facts(messages...)

			earlier, _ := someImports(r)
			mixed.imports(corrected(rows, earlier)...)
			r.Shuffle(len(messages), func(i, j int) { messages[i], messages[j] = messages[j], messages[i] })
			half := r.IntN(len(messages))
			mixed.facts(messages[:half]...)
			mixed.imports(rows...)
			mixed.facts(messages[half:]...)
			for _, state := range []string{
				"SELECT account_id, code, name, registered_at, promo_ended_at, terminated_at, imported FROM accounts",
				"SELECT account_id, code, requested_at, status, reason, inviter_id FROM activations", "SELECT * FROM referrals", "SELECT * FROM discounts",
				"SELECT * FROM package_grants", "SELECT account_id, inviter_id, activated_at FROM imported_referrals", "SELECT account_id, from_day, to_day, percent FROM imported_discounts",
			} {
				if got, want := mixed.dump(state), straight.dump(state); got != want || want == "" {
					t.Errorf("%s: mixed and corrected\n%s\nin order\n%s", state, got, want)
				}
			}
		})
	}
}

// someImports is rows of an older system, and messages about some of the same accounts.
func someImports(r *rand.Rand) (rows, messages []models.FactData) {
	start := at("2026-01-01T00:00:00Z")
	on := func() time.Time { return start.Add(time.Duration(r.IntN(100*24*60)) * time.Minute) }
	for id := int64(1); id <= 30; id++ {
		row := models.ImportedAccount{AccountID: id, Name: fmt.Sprint("old ", r.IntN(3)), RegisteredAt: on(), Code: fmt.Sprint("OLD", id)}
		if r.IntN(2) == 0 {
			row.PromoEndsAt = on()
		}
		rows = append(rows, row)
		for range r.IntN(3) {
			messages = append(messages, models.Registered{AccountID: id, RegisteredAt: on(), Profile: models.Profile{Name: fmt.Sprint("new ", r.IntN(3)), At: on()}})
		}
		for range r.IntN(3) {
			messages = append(messages, models.PromoEnded{AccountID: id, EndedAt: on()})
		}
		if r.IntN(8) == 0 {
			messages = append(messages, models.Terminated{AccountID: id, TerminatedAt: on()})
		}
	}
	for id := int64(6); id <= 30; id++ {
		rows = append(rows, models.ImportedReferral{InviterID: 1 + r.Int64N(5), InviteeID: id, ActivatedAt: on()})
	}
	for id := int64(1); id <= 5; id++ {
		from := models.NewDate(2026, 2, 1)
		rows = append(rows, models.AgreedDiscount{AccountID: id, From: from, To: from + models.Date(1+r.IntN(60)), Percent: 1 + r.IntN(100)})
	}
	return rows, append(messages, models.Registered{AccountID: 1, RegisteredAt: on(), Profile: models.Profile{At: on()}})
}

// corrected is rows with other values, as they may have been told before. The values that
// are not told in the end are not told before either: what is not said is not taken back.
func corrected(rows, others []models.FactData) []models.FactData {
	before := slices.Clone(rows)
	for i, row := range rows {
		now, ok := row.(models.ImportedAccount)
		was, _ := others[i].(models.ImportedAccount)
		switch {
		case !ok:
			before[i] = others[i]
		case now.PromoEndsAt.IsZero():
			was.PromoEndsAt, was.Code = time.Time{}, now.Code
			before[i] = was
		default:
			was.Code = now.Code
			before[i] = was
		}
	}
	return before
}
