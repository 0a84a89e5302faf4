package notify

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"referral/models"
)

func TestOutcomes(t *testing.T) {
	now := time.Unix(1777626000, 0)
	const giveUp = 72 * time.Hour
	refuses := fmt.Errorf("mail: %w", models.ErrMessageRefused)
	busy := fmt.Errorf("mail: %w", models.ErrTransportBusy)
	away := fmt.Errorf("mail: %w", models.ErrTransportUnreachable)
	again := func(after time.Duration, deferred int) models.InvitationOutcome {
		return models.InvitationOutcome{State: models.InvitationQueued, RetryAt: now.Add(after), Deferrals: deferred}
	}
	sent := models.InvitationOutcome{State: models.InvitationSent, TransportIDs: []string{"a", "b"}}
	failed := models.InvitationOutcome{State: models.InvitationFailed}
	unknown := models.InvitationOutcome{State: models.InvitationUnknown}
	for _, c := range []struct {
		name     string
		err      error
		deferred int
		age      time.Duration
		want     models.InvitationOutcome
		word     string
	}{
		{"accepted", nil, 0, 0, sent, outcomeSent},
		{"accepted, old", nil, 7, 100 * time.Hour, sent, outcomeSent},
		{"refused", refuses, 0, 0, failed, outcomeRefused},
		{"deferred for the first time", busy, 0, 0, again(time.Minute, 1), outcomeDeferred},
		{"for the second time", busy, 1, 0, again(5*time.Minute, 2), outcomeDeferred},
		{"for the seventh time", busy, 6, 0, again(4*time.Hour, 7), outcomeDeferred},
		{"for the eighth time", busy, 7, 0, failed, outcomeExpired},
		{"deferred, too old", busy, 1, giveUp + 1, failed, outcomeExpired},
		{"unreachable", away, 3, giveUp, again(0, 3), outcomeUnreachable},
		{"unreachable, too old", away, 0, giveUp + 1, failed, outcomeExpired},
		{"anything else", errors.New("broken pipe"), 0, 0, unknown, outcomeUnknown},
		{"anything else, old", errors.New("broken pipe"), 7, giveUp + 1, unknown, outcomeUnknown},
	} {
		claim := &models.ClaimedInvitation{Deferrals: c.deferred, CreatedAt: now.Add(-c.age)}
		got, word := outcomeOf(claim, []string{"a", "b"}, c.err, now, giveUp)
		same := got.State == c.want.State && got.RetryAt.Equal(c.want.RetryAt) && got.Deferrals == c.want.Deferrals && slices.Equal(got.TransportIDs, c.want.TransportIDs)
		if !same || word != c.word {
			t.Errorf("%s: got %+v, %s, want %+v, %s", c.name, got, word, c.want, c.word)
		}
	}
	total := time.Duration(0)
	for _, wait := range deferrals {
		total += wait
	}
	if total > 24*time.Hour || len(deferrals)+1 != 8 {
		t.Errorf("%d attempts in %s", len(deferrals)+1, total)
	}
}
