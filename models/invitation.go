package models

import (
	"crypto/sha256"
	"errors"
	"time"
)

// Channel is a way in which an invitation reaches a friend.
type Channel string

// The two ways of the customer's text («Отправить email», «Отправить SMS»).
const (
	Email Channel = "email"
	SMS   Channel = "sms"
)

// InvitationState is how far an invitation has got.
type InvitationState string

// An invitation is sent again only when its transport said that it did not take it. When
// a process dies while it sends, the outcome is unknown, and the invitation is not sent
// again, except to a topic, whose readers drop a repeat.
const (
	InvitationQueued    InvitationState = "queued"    // waits for a sender, or for another try
	InvitationSending   InvitationState = "sending"   // it is being sent
	InvitationSent      InvitationState = "sent"      // the transport has accepted it
	InvitationDelivered InvitationState = "delivered" // the receipt says that it has arrived
	InvitationFailed    InvitationState = "failed"    // the transport refused it, or gave it up
	InvitationUnknown   InvitationState = "unknown"   // whether it was sent is not known
	InvitationOptedOut  InvitationState = "opted_out" // the recipient wants no more of them
)

// Invitation is a client's message to a friend, with its code.
type Invitation struct {
	ID          UUID
	AccountID   int64
	Channel     Channel
	Recipient   string // mail address, or telephone number in E.164; empty once it has been forgotten
	Code        string
	State       InvitationState
	Attempts    int
	TransportID string // the transport's own id of the message; empty until taken over
	CreatedAt   time.Time
	ChangedAt   time.Time
}

// InvitationRequest is an invitation that a client wants to send.
type InvitationRequest struct {
	ID        UUID // a repeat with the same id is the same invitation
	AccountID int64
	Channel   Channel
	Recipient string       // as it is written to: mail address, or E.164
	Key       RecipientKey // what counts as one recipient
	Code      string
	Token     string // secret of the link by which the recipient opts out; at least 128 random bits
	Day       Date   // today, in the programme's time zone
	PerDay    int    // the client's invitations of one day, at most
}

// Digest is a SHA-256 sum.
type Digest [sha256.Size]byte

// RecipientKey is what invitations, limits and opt-outs know a recipient by.
type RecipientKey Digest

// NewRecipientKey is the key of the person who reads a channel at an address. All ways
// to write one address must have been brought to one form before.
func NewRecipientKey(channel Channel, canonical string) RecipientKey {
	return sha256.Sum256([]byte(string(channel) + "\x00" + canonical))
}

// TokenDigest is what an opt-out token is looked up by: a reader of the
// database learns no token from it.
func TokenDigest(token string) Digest { return sha256.Sum256([]byte(token)) }

// InvitationClaim is an invitation that a process is sending. Attempt tells this claim
// from earlier and later ones.
type InvitationClaim struct {
	AccountID int64
	ID        UUID
	Attempt   int
}

// ClaimedInvitation is an invitation that a process is sending, with the contents of its
// message.
type ClaimedInvitation struct {
	Claim     InvitationClaim
	Channel   Channel
	Recipient string
	Code      string
	Token     string // of the opt-out link
	Deferrals int    // how often the transport has deferred it
	CreatedAt time.Time
	// MaybeSentBy is another transport that may have sent it already, so that it is
	// not sent any more; mostly empty.
	MaybeSentBy string
}

// InvitationMessage is an invitation as it is sent.
type InvitationMessage struct {
	ID         UUID // the same at every attempt
	AccountID  int64
	Channel    Channel
	Recipient  string
	Code       string
	Link       string // carries the code
	OptOutLink string
	Subject    string // of a mail
	Text       string
	HTML       string // of a mail
	CreatedAt  time.Time
}

// How an attempt to send can fail. After any other error it is unknown whether the message
// was sent, and it is not sent again.
var (
	// ErrMessageRefused: the transport will never accept the message.
	ErrMessageRefused = errors.New("the transport refused the message")
	// ErrTransportBusy: the transport did not accept the message this time.
	ErrTransportBusy = errors.New("the transport deferred the message")
	// ErrTransportUnreachable: the message was not sent, because the transport is
	// unreachable or refuses our credentials.
	ErrTransportUnreachable = errors.New("the transport cannot be reached")
)

// InvitationOutcome is the outcome of an attempt to send.
type InvitationOutcome struct {
	State        InvitationState // queued (again), sent, failed or unknown
	RetryAt      time.Time       // when queued again
	Deferrals    int             // when queued again: how often the transport has deferred it
	InDoubt      bool            // it may have been sent: no other transport sends it, and it cannot fail
	TransportIDs []string        // when sent: the transport's id of each part of the message
}

// Receipt is the delivery receipt of one part of a message.
type Receipt struct {
	Transport   string
	TransportID string
	State       InvitationState // delivered or failed
}

// InvitationQueue is what waits to be sent by one channel.
type InvitationQueue struct {
	Channel Channel
	Waiting int64
	Claimed int64     // being sent
	Oldest  time.Time // when the oldest that waits was created; zero when none waits
}

// Why an invitation is not taken on. The store returns them wrapped.
var (
	// ErrTooManyInvitations says that the client has sent its day's number.
	ErrTooManyInvitations = errors.New("no more invitations today")
	// ErrRecipientInvited says that somebody has written to the recipient today.
	ErrRecipientInvited = errors.New("the recipient was invited today")
	// ErrOptedOut says that the recipient wants no invitations.
	ErrOptedOut = errors.New("the recipient wants no invitations")
)
