package models

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// OperatorActionKind is what a person did by a command.
type OperatorActionKind string

// The subject of each is a period; of applied terms, their digest.
const (
	ActionAcceptRun OperatorActionKind = "accept-run"
	ActionClose     OperatorActionKind = "close"
	// ActionCloseOverride closes in spite of objections, which its reason names.
	ActionCloseOverride OperatorActionKind = "close-override"
	ActionReopen        OperatorActionKind = "reopen"
	ActionBook          OperatorActionKind = "book" // what an older system has given in a period of the shadow mode
	ActionApplyTerms    OperatorActionKind = "apply-terms"
	// These order a rehearsal and a run on the staff pages.
	ActionRehearse OperatorActionKind = "rehearse"
	ActionRun      OperatorActionKind = "run"
	// ActionWhatIf orders a comparison of terms there; its subject is the months.
	ActionWhatIf OperatorActionKind = "what-if"
)

// The subject of these is a dead letter; see DeadLetterSubject.
const (
	ActionReplay  OperatorActionKind = "dead-letter-replay"
	ActionDiscard OperatorActionKind = "dead-letter-discard"
	// ActionReplayCorrected is a replay with another value, on the staff pages.
	ActionReplayCorrected OperatorActionKind = "dead-letter-correct"
)

// The subject of these is the id of an adjustment or a package.
const (
	ActionResend   OperatorActionKind = "resend"
	ActionWriteOff OperatorActionKind = "write-off"
)

// The subject of these is what is decided: see [StaffDecision.Subject].
const (
	ActionRevoke     OperatorActionKind = "revoke"
	ActionAcceptCode OperatorActionKind = "accept-code"
	ActionUndo       OperatorActionKind = "undo"
)

// The subject of a sign-in is the provider's identifier of the person; that of a
// configuration is its digest, and it is recorded by the service that starts with it.
const (
	ActionSignIn        OperatorActionKind = "sign-in"
	ActionConfiguration OperatorActionKind = "configuration"
)

// These are about a proposal, or make one; see ProposalSubject.
const (
	ActionPropose  OperatorActionKind = "propose"
	ActionApprove  OperatorActionKind = "approve"
	ActionReject   OperatorActionKind = "reject"
	ActionWithdraw OperatorActionKind = "withdraw"
)

// ActionImport has the digest of the files as its subject.
const ActionImport OperatorActionKind = "import"

// The subject of these is an account: its personal data are erased for good, or handed out.
const (
	ActionErase        OperatorActionKind = "erase"
	ActionExportPerson OperatorActionKind = "export-personal-data"
)

// ActionSuspicionSeen has the beginning of the fingerprint of a suspicion as its subject,
// and the note as its reason.
const ActionSuspicionSeen OperatorActionKind = "suspicion-seen"

const deadLetterSubject = "dead-letter "

// DeadLetterSubject names a dead letter in the records of acts.
func DeadLetterSubject(id int64) string { return deadLetterSubject + strconv.FormatInt(id, 10) }

// ParseDeadLetterSubject is the number of a dead letter from its name.
func ParseDeadLetterSubject(subject string) (id int64, ok bool) {
	number, named := strings.CutPrefix(subject, deadLetterSubject)
	id, err := strconv.ParseInt(number, 10, 64)
	return id, named && err == nil
}

// OperatorAction is one act of a person: who did what, when, to what, and why.
type OperatorAction struct {
	At      time.Time // when it is recorded; the store's clock where it is zero
	Who     string
	Role    Role // of a member of staff who acts on the staff pages; empty for a command
	What    OperatorActionKind
	Subject string
	Reason  string // empty when none was given

	// Approval is what allows an act that another person has proposed; nil for one
	// that needs nobody else. It is checked and used up when the act is recorded.
	Approval *Approval
}

// JournalEntry is an act in the journal. Entries are numbered 1, 2, 3 …, and the hash
// of each covers the entry before.
type JournalEntry struct {
	OperatorAction
	Entry int64
	Hash  [sha256.Size]byte
}

// chained is the hash of the entry behind another one: see migration 00004. previous is
// empty for the first entry.
func (e *JournalEntry) chained(previous []byte) [sha256.Size]byte {
	text := append([]byte{}, previous...)
	text = fmt.Appendf(text, "%d;%d;", e.Entry, e.At.UnixMicro())
	for _, field := range []string{e.Who, string(e.Role), string(e.What), e.Subject, e.Reason} {
		text = strconv.AppendInt(text, int64(len(field)), 10)
		text = append(text, ':')
		text = append(text, field...)
		text = append(text, ',')
	}
	return sha256.Sum256(text)
}

// maxJournalFaults is how many faults of a journal are named.
const maxJournalFaults = 100

// JournalCheck verifies a journal, entry by entry in the order of their numbers.
type JournalCheck struct {
	Entries int64
	Head    [sha256.Size]byte // hash of the last entry: published, it proves all before it
	Faults  []string          // the first of what is wrong
	Wrong   int64             // how much is
	last    int64
}

// Add checks the next entry. An entry that was altered shows in its own hash; one that
// was removed in the numbers; and one that was inserted or moved in the hash of what
// follows.
func (c *JournalCheck) Add(e *JournalEntry) {
	var previous []byte
	if c.Entries > 0 {
		previous = c.Head[:]
	}
	switch {
	case e.Entry != c.last+1 && e.Entry-1 == c.last+1:
		c.fail("entry %d is missing", c.last+1)
	case e.Entry != c.last+1:
		c.fail("entries %d to %d are missing", c.last+1, e.Entry-1)
	case e.chained(previous) != e.Hash:
		c.fail("entry %d, of %s by %s (%s of %s), is not what was written, or does not follow the entry before", e.Entry, e.At.UTC().Format("2006-01-02 15:04:05"), e.Who, e.What, e.Subject)
	}
	c.Entries, c.last, c.Head = c.Entries+1, e.Entry, e.Hash
}

func (c *JournalCheck) fail(format string, args ...any) {
	c.Wrong++
	if len(c.Faults) < maxJournalFaults {
		c.Faults = append(c.Faults, fmt.Sprintf(format, args...))
	}
}
