package notify

import (
	"errors"
	"time"

	"referral/models"
)

// The outcomes of an attempt in the metrics.
const (
	outcomeSent        = "sent"
	outcomeRefused     = "refused"
	outcomeDeferred    = "deferred"
	outcomeExpired     = "expired" // deferred too often, or too old
	outcomeUnreachable = "unreachable"
	outcomeUnknown     = "unknown"
)

// deferrals is the time until the next attempt at a message that the transport defers:
// eight attempts within eight hours.
var deferrals = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour,
}

// outcomeOf returns the outcome of an attempt that ended with err, and its name in the
// metrics. An attempt that did not reach the transport is not counted, but an invitation
// older than giveUp fails all the same.
func outcomeOf(c *models.ClaimedInvitation, ids []string, err error, now time.Time, giveUp time.Duration) (models.InvitationOutcome, string) {
	again := models.InvitationOutcome{State: models.InvitationQueued, RetryAt: now, Deferrals: c.Deferrals}
	stale := expired(c, now, giveUp)
	switch {
	case err == nil:
		return models.InvitationOutcome{State: models.InvitationSent, TransportIDs: ids}, outcomeSent
	case errors.Is(err, models.ErrMessageRefused):
		return models.InvitationOutcome{State: models.InvitationFailed}, outcomeRefused
	case errors.Is(err, models.ErrTransportBusy) && (stale || c.Deferrals >= len(deferrals)),
		errors.Is(err, models.ErrTransportUnreachable) && stale:
		return models.InvitationOutcome{State: models.InvitationFailed}, outcomeExpired
	case errors.Is(err, models.ErrTransportBusy):
		again.RetryAt, again.Deferrals = now.Add(deferrals[c.Deferrals]), c.Deferrals+1
		return again, outcomeDeferred
	case errors.Is(err, models.ErrTransportUnreachable):
		return again, outcomeUnreachable
	}
	return models.InvitationOutcome{State: models.InvitationUnknown}, outcomeUnknown
}

// expired reports whether an invitation is too old to be sent. That also limits what
// is sent twice after the database was restored from a backup.
func expired(c *models.ClaimedInvitation, now time.Time, giveUp time.Duration) bool {
	return now.Sub(c.CreatedAt) > giveUp
}
