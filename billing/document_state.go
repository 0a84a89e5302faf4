package billing

import (
	"crypto/sha1" // it spreads identifiers; no secret depends on it
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"referral/models"
)

// DocumentState is how far an adjustment or a package has got since it was posted.
type DocumentState string

// A document is posted, published, and applied or rejected by billing. A rejected
// one may be sent again, until billing answers again, or be settled by hand.
const (
	DocumentPosted     DocumentState = "posted"
	DocumentPublished  DocumentState = "published"
	DocumentApplied    DocumentState = "applied"
	DocumentRejected   DocumentState = "rejected"
	DocumentResent     DocumentState = "resent"
	DocumentWrittenOff DocumentState = "written_off"
	// DocumentShadow is a document of the shadow mode: it is never published.
	DocumentShadow DocumentState = "shadow"
	// DocumentGivenBefore is a package that an older system has given.
	DocumentGivenBefore DocumentState = "given_before"
)

// track is what happened to a document since it was posted.
type track struct {
	postedAt   time.Time
	published  bool
	answer     models.Result // that counts
	isAnswered bool
	resends    []models.Resend
	writeOff   *models.WriteOff
	shadow     bool
}

func trackOf(h *models.DocumentHistory) track {
	answer, ok := models.Answer(h.Answers)
	return track{h.PostedAt, h.Published, answer, ok, h.Resends, h.WriteOff, h.Shadow}
}

// applied tells whether billing has booked the document. Only the latest answer
// counts, whenever it arrived: by it a decision of a person is overtaken.
func (t *track) applied() bool { return t.isAnswered && t.answer.Status == models.ResultApplied }

// pending is the resend that billing has not answered; nil when there is none.
// Billing's own dates tell: a clock of another machine might be ahead of its.
func (t *track) pending() *models.Resend {
	if len(t.resends) == 0 || t.applied() || t.writeOff != nil {
		return nil
	}
	last := &t.resends[len(t.resends)-1]
	if t.answer.At.After(last.RejectedAt) {
		return nil
	}
	return last
}

func (t *track) state() DocumentState {
	return stateOf(t.answer.Status, t.published, t.shadow, t.pending() != nil, t.writeOff != nil)
}

// StateOf is how far a document of the ledger has got.
func StateOf(h *models.DocumentHistory) DocumentState {
	t := trackOf(h)
	return t.state()
}

// RegisterState is how far a document of the register has got.
func RegisterState(e *models.RegisterEntry) DocumentState {
	return stateOf(e.Answer, e.Published, e.Shadow, e.Resent, e.WrittenOff)
}

// stateOf is the state by billing's answer that counts, empty without one, and by what
// else has happened. resent is a resend that billing has not answered.
func stateOf(answer models.ResultStatus, published, shadow, resent, writtenOff bool) DocumentState {
	switch {
	case answer == models.ResultApplied:
		return DocumentApplied
	case writtenOff:
		return DocumentWrittenOff
	case resent:
		return DocumentResent
	case answer != "":
		return DocumentRejected
	case published:
		return DocumentPublished
	case shadow:
		return DocumentShadow
	}
	return DocumentPosted
}

// Refusal says why a decision on a document cannot be taken.
type Refusal string

// Error is the reason.
func (r Refusal) Error() string { return string(r) }

// MayResend is nil when a document may be published again: billing's latest answer
// rejects it, it is not settled by hand, and no resend of it waits to go out.
func MayResend(d *models.LedgerDocument) error {
	t := trackOf(&d.DocumentHistory)
	if w := t.writeOff; w != nil {
		return Refusal(fmt.Sprintf("it was written off by %s on %s: sent again, it might be paid twice", w.By, stamp(w.At)))
	}
	return t.mayDecide()
}

// MayWriteOff is nil when a document may be settled by hand: billing's latest
// answer rejects it, and no resend of it waits to go out.
func MayWriteOff(d *models.LedgerDocument) error {
	t := trackOf(&d.DocumentHistory)
	if w := t.writeOff; w != nil {
		return Refusal(fmt.Sprintf("it was written off by %s on %s already", w.By, stamp(w.At)))
	}
	return t.mayDecide()
}

func (t *track) mayDecide() error {
	switch t.state() {
	case DocumentPosted:
		return Refusal("it has not been published yet")
	case DocumentPublished:
		return Refusal("billing has not answered it yet")
	case DocumentApplied:
		return Refusal(fmt.Sprintf("billing has applied it: its answer is dated %s", stamp(t.answer.At)))
	}
	// Whatever billing has answered since: it will go out.
	for _, r := range t.resends {
		if !r.Published {
			return Refusal(fmt.Sprintf("the resend that %s requested on %s has not been published yet", r.By, stamp(r.At)))
		}
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// namespace of the identifiers that follow from what they identify.
var namespace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("urn:referral:v1"))

// AdjustmentID is the identifier of the n-th document on an invoice, posted for a
// period: the same work done twice gets the same one. It is a UUID of version 8
// (RFC 9562) that begins, as one of version 7 does, with a time in milliseconds:
// the start of the period in UTC. The rest is a hash. So the identifiers of a
// period are together in an index, and the period can be told from them.
func AdjustmentID(period models.Period, invoice string, sequence int) models.UUID {
	var room [128]byte
	name := append(append(room[:0], namespace[:]...), "adjustment/"...)
	name = append(append(name, invoice...), '/')
	sum := sha1.Sum(strconv.AppendInt(name, int64(sequence), 10))
	id := models.UUID(sum[:16])
	start := period.IDPrefix()
	copy(id[:], start[:])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	return id
}

// PackageID is the identifier of an inviter's n-th package of a size.
func PackageID(inviter int64, sms, ordinal int) models.UUID {
	return models.UUID(uuid.NewSHA1(namespace, fmt.Appendf(nil, "package/%d/%d/%d", inviter, sms, ordinal)))
}
