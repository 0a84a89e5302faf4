package models

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
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
	// ActionSignAgain tries a signature again that two persons have approved and that failed.
	ActionSignAgain  OperatorActionKind = "sign-again"
	ActionBook       OperatorActionKind = "book" // what an older system has given in a period of the shadow mode
	ActionApplyTerms OperatorActionKind = "apply-terms"
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

// The subject of these is what is decided: see [ServiceDecision.Subject].
const (
	ActionClassifyService     OperatorActionKind = "classify-service"
	ActionUndoServiceDecision OperatorActionKind = "undo-service-decision"
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

// These have the digest of the files as their subject: an import begins to store rows, and
// comes to its end.
const (
	ActionBeginImport OperatorActionKind = "import-begin"
	ActionImport      OperatorActionKind = "import"
)

// ActionRecover takes back from the topic of events what a restored database does not have;
// its subject says what.
const ActionRecover OperatorActionKind = "recover"

// The subject of these is an account: its personal data are erased for good, or handed out.
const (
	ActionErase        OperatorActionKind = "erase"
	ActionExportPerson OperatorActionKind = "export-personal-data"
)

// ActionSuspicionSeen has the beginning of the fingerprint of a suspicion as its subject,
// and the note as its reason.
const ActionSuspicionSeen OperatorActionKind = "suspicion-seen"

// ActionCheckJournal has the number of entries as its subject.
const ActionCheckJournal OperatorActionKind = "check-journal"

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
	At      time.Time // when it was kept; zero for one that is not
	Who     string    // who asked for it; empty for the nightly one
	Entries int64
	Last    int64             // number of the last entry
	Head    [sha256.Size]byte // hash of the last entry: published, it proves all before it
	Faults  []JournalFault    // the first of what is wrong
	Wrong   int64             // how much is

	resumed  int64          // number of the entry that the check began with, when it did not begin with the first
	known    []JournalCheck // earlier checks whose last entry has not come yet, in the order of these
	replaced bool           // an entry was named that is not the one an earlier check saw
}

// JournalFault is what is wrong with an entry of a journal, or with several.
type JournalFault struct {
	Kind    JournalFaultKind   `json:"kind"`
	From    int64              `json:"from"` // the first entry
	To      int64              `json:"to"`   // the last entry
	At      time.Time          `json:"at,omitzero"`
	Who     string             `json:"who,omitempty"`
	What    OperatorActionKind `json:"what,omitempty"`
	Subject string             `json:"subject,omitempty"`
}

// JournalFaultKind is a kind of fault.
type JournalFaultKind string

// The kinds of faults.
const (
	JournalMissing  JournalFaultKind = "missing"
	JournalAltered  JournalFaultKind = "altered"  // it is not what was written, or does not follow the entry before
	JournalReplaced JournalFaultKind = "replaced" // it follows, and an earlier check, at At, saw another one in its place
)

// String describes a fault in a line.
func (f *JournalFault) String() string {
	const layout = "2006-01-02 15:04:05"
	switch {
	case f.Kind == JournalMissing && f.From == f.To:
		return fmt.Sprintf("entry %d is missing", f.From)
	case f.Kind == JournalMissing:
		return fmt.Sprintf("entries %d to %d are missing", f.From, f.To)
	case f.Kind == JournalReplaced:
		return fmt.Sprintf("entry %d is not the one that the check of %s saw: it, or an entry before it, was written again", f.From, f.At.UTC().Format(layout))
	default:
		return fmt.Sprintf("entry %d, of %s by %s (%s of %s), is not what was written, or does not follow the entry before", f.From, f.At.UTC().Format(layout), f.Who, f.What, f.Subject)
	}
}

// CheckJournal begins a check of a whole journal. Earlier checks that found nothing wrong
// say which entries there were.
func CheckJournal(earlier []JournalCheck) JournalCheck {
	known := slices.Clone(earlier)
	slices.SortStableFunc(known, func(a, b JournalCheck) int { return cmp.Compare(a.Last, b.Last) })
	return JournalCheck{known: known}
}

// Resume begins a check of what has been added since another check, whose last entry is
// the first to be given to Add.
func (c *JournalCheck) Resume() JournalCheck {
	return JournalCheck{Last: max(c.Last-1, 0), resumed: c.Last, known: []JournalCheck{*c}}
}

// Add checks the next entry. An entry that was altered shows in its own hash; one that
// was removed in the numbers; and one that was inserted or moved in the hash of what
// follows.
func (c *JournalCheck) Add(e *JournalEntry) {
	var previous []byte
	if c.Last > 0 {
		previous = c.Head[:]
	}
	switch {
	case e.Entry > c.Last+1:
		c.fail(JournalFault{Kind: JournalMissing, From: c.Last + 1, To: e.Entry - 1})
	case e.Entry <= c.Last || e.Entry != c.resumed && e.chained(previous) != e.Hash:
		c.fail(JournalFault{Kind: JournalAltered, From: e.Entry, To: e.Entry, At: e.At, Who: e.Who, What: e.What, Subject: e.Subject})
	}
	for ; len(c.known) > 0 && c.known[0].Last <= e.Entry; c.known = c.known[1:] {
		if k := &c.known[0]; k.Last == e.Entry && k.Head != e.Hash && !c.replaced {
			c.replaced = true
			c.fail(JournalFault{Kind: JournalReplaced, From: e.Entry, To: e.Entry, At: k.At})
		}
	}
	if e.Entry != c.resumed {
		c.Entries++
	}
	c.Last, c.Head = e.Entry, e.Hash
}

// End names the entries that were cut off at the end since an earlier check.
func (c *JournalCheck) End() {
	if n := len(c.known); n > 0 && c.known[n-1].Last > c.Last {
		c.fail(JournalFault{Kind: JournalMissing, From: c.Last + 1, To: c.known[n-1].Last})
	}
}

func (c *JournalCheck) fail(f JournalFault) {
	c.Wrong++
	if len(c.Faults) < maxJournalFaults {
		c.Faults = append(c.Faults, f)
	}
}
