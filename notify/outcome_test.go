package notify

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"referral/models"
)

// What becomes of an invitation after each way in which an attempt can end.
func TestJudging(t *testing.T) {
	now := time.Unix(1777626000, 0)
	const giveUp = 72 * time.Hour
	refuses := fmt.Errorf("mail: %w", models.ErrTransportRefuses)
	busy := fmt.Errorf("mail: %w", models.ErrTransportBusy)
	away := fmt.Errorf("mail: %w", models.ErrTransportAway)
	again := func(after time.Duration, putOff int) models.InvitationOutcome {
		return models.InvitationOutcome{State: models.InvitationQueued, RetryAt: now.Add(after), PutOff: putOff}
	}
	sent := models.InvitationOutcome{State: models.InvitationSent, TransportIDs: []string{"a", "b"}}
	failed := models.InvitationOutcome{State: models.InvitationFailed}
	unknown := models.InvitationOutcome{State: models.InvitationUnknown}
	for _, c := range []struct {
		name   string
		err    error
		putOff int
		age    time.Duration
		want   models.InvitationOutcome
		word   string
	}{
		{"taken", nil, 0, 0, sent, outcomeSent},
		{"taken late", nil, 7, 100 * time.Hour, sent, outcomeSent},
		{"refused", refuses, 0, 0, failed, outcomeRefused},
		{"put off for the first time", busy, 0, 0, again(time.Minute, 1), outcomePutOff},
		{"for the second time", busy, 1, 0, again(5*time.Minute, 2), outcomePutOff},
		{"for the seventh time", busy, 6, 0, again(4*time.Hour, 7), outcomePutOff},
		{"for the eighth time", busy, 7, 0, failed, outcomeGivenUp},
		{"put off, too old", busy, 1, giveUp + 1, failed, outcomeGivenUp},
		{"nobody there", away, 3, giveUp, again(0, 3), outcomeAway},
		{"nobody there, too old", away, 0, giveUp + 1, failed, outcomeGivenUp},
		{"anything else", errors.New("broken pipe"), 0, 0, unknown, outcomeUnknown},
		{"anything else, old", errors.New("broken pipe"), 7, giveUp + 1, unknown, outcomeUnknown},
	} {
		claim := &models.ClaimedInvitation{PutOff: c.putOff, CreatedAt: now.Add(-c.age)}
		got, word := outcomeOf(claim, []string{"a", "b"}, c.err, now, giveUp)
		same := got.State == c.want.State && got.RetryAt.Equal(c.want.RetryAt) && got.PutOff == c.want.PutOff && slices.Equal(got.TransportIDs, c.want.TransportIDs)
		if !same || word != c.word {
			t.Errorf("%s: got %+v, %s, want %+v, %s", c.name, got, word, c.want, c.word)
		}
	}
	total := time.Duration(0)
	for _, wait := range waits {
		total += wait
	}
	if total > 24*time.Hour || len(waits)+1 != 8 {
		t.Errorf("%d attempts in %s", len(waits)+1, total)
	}
}
