package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"referral/web/jsonapi"
	"referral/web/portal"
)

var (
	unknownAccount = jsonapi.Kind{Status: http.StatusNotFound, Code: "unknown_account", Title: "Nothing is known of the account yet"}
	unknownInvoice = jsonapi.Kind{Status: http.StatusNotFound, Code: "unknown_invoice", Title: "The account has no such invoice"}
	badCursor      = jsonapi.Kind{Status: http.StatusBadRequest, Code: "bad_cursor", Title: "The cursor is not one of this list"}
	tooManyCodes   = jsonapi.Kind{Status: http.StatusTooManyRequests, Code: "too_many_wrong_codes", Title: "Too many wrong codes; try again later"}
	keyReused      = jsonapi.Kind{Status: http.StatusUnprocessableEntity, Code: "idempotency_key_reused", Title: "The idempotency key was used for another request"}
	underWay       = jsonapi.Kind{Status: http.StatusConflict, Code: "request_under_way", Title: "A request with this idempotency key is being processed", Wait: true}
)

// refusals of an invitation.
var refusals = map[portal.InviteRefusal]jsonapi.Kind{
	portal.InviteBadRecipient:   {Status: http.StatusUnprocessableEntity, Code: "bad_recipient", Title: "The recipient is not an e-mail address, or not a mobile number of a permitted region"},
	portal.InvitePremiumNumber:  {Status: http.StatusUnprocessableEntity, Code: "premium_number", Title: "Messages to the number are charged at a premium rate"},
	portal.InviteLookalike:      {Status: http.StatusUnprocessableEntity, Code: "lookalike", Title: "The address looks like another one"},
	portal.InviteForeignLetters: {Status: http.StatusUnprocessableEntity, Code: "foreign_letters", Title: "The part before the @ must be in Latin letters"},
	portal.InviteTooMany:        {Status: http.StatusTooManyRequests, Code: "too_many", Title: "No more invitations today"},
	portal.InviteAlreadyInvited: {Status: http.StatusTooManyRequests, Code: "already_invited", Title: "The recipient has been invited today"},
	portal.InviteOptedOut:       {Status: http.StatusConflict, Code: "opted_out", Title: "The recipient has opted out of invitations"},
	portal.InviteNotPossible:    {Status: http.StatusConflict, Code: "not_possible", Title: "The account cannot send invitations by this channel"},
}

// problemOf converts the errors of the service.
func problemOf(err error) huma.StatusError {
	switch {
	case errors.Is(err, portal.ErrUnknownAccount):
		return jsonapi.NewProblem(unknownAccount)
	case errors.Is(err, portal.ErrBadCursor):
		return jsonapi.NewProblem(badCursor)
	case errors.Is(err, portal.ErrKeyReused):
		return jsonapi.NewProblem(keyReused)
	case errors.Is(err, portal.ErrUnderWay):
		return jsonapi.ProblemAfter(underWay, time.Second)
	}
	return nil
}
