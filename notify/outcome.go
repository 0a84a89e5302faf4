package notify

import (
	"errors"
	"time"

	"referral/models"
)

// The outcomes of an attempt, as metrics name them.
const (
	outcomeSent    = "sent"
	outcomeRefused = "refused"
	outcomePutOff  = "deferred"
	outcomeGivenUp = "expired" // put off too often, or too old
	outcomeAway    = "unreachable"
	outcomeUnknown = "unknown"
)

// waits is the time between the attempts at a message that the transport puts off:
// eight attempts within eight hours.
var waits = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour,
}

// outcomeOf says what becomes of an invitation after an attempt that ended with err at
// a time. One that could not even be tried loses nothing but time; all the same it
// ends some day, because nobody wants last month's invitation.
func outcomeOf(c *models.ClaimedInvitation, ids []string, err error, now time.Time, giveUp time.Duration) (models.InvitationOutcome, string) {
	again := models.InvitationOutcome{State: models.InvitationQueued, RetryAt: now, PutOff: c.PutOff}
	stale := expired(c, now, giveUp)
	switch {
	case err == nil:
		return models.InvitationOutcome{State: models.InvitationSent, TransportIDs: ids}, outcomeSent
	case errors.Is(err, models.ErrTransportRefuses):
		return models.InvitationOutcome{State: models.InvitationFailed}, outcomeRefused
	case errors.Is(err, models.ErrTransportBusy) && (stale || c.PutOff >= len(waits)),
		errors.Is(err, models.ErrTransportAway) && stale:
		return models.InvitationOutcome{State: models.InvitationFailed}, outcomeGivenUp
	case errors.Is(err, models.ErrTransportBusy):
		again.RetryAt, again.PutOff = now.Add(waits[c.PutOff]), c.PutOff+1
		return again, outcomePutOff
	case errors.Is(err, models.ErrTransportAway):
		return again, outcomeAway
	}
	return models.InvitationOutcome{State: models.InvitationUnknown}, outcomeUnknown
}

// expired tells an invitation that is too old to be sent. It also bounds what a
// database restored from a backup may send a second time.
func expired(c *models.ClaimedInvitation, now time.Time, giveUp time.Duration) bool {
	return now.Sub(c.CreatedAt) > giveUp
}
