package models

import (
	"fmt"
	"time"
)

// RunKind is what a run looks at.
type RunKind string

// The month's own run and a full repetition look at every account that may be
// owed something; a run of differences only at those that a later fact touched.
const (
	RunRegular     RunKind = "regular"
	RunDifferences RunKind = "differences"
	RunFull        RunKind = "full"
)

// RunState is how far a run has got.
type RunState string

// A run is rehearsed, checked against the brake and posted. It ends as done or, with
// parked accounts, as incomplete. A braked run waits for a person, and is abandoned when
// it is started again.
const (
	RunRehearsing RunState = "rehearsing"
	RunBraked     RunState = "braked"
	RunPosting    RunState = "posting"
	RunDone       RunState = "done"
	RunIncomplete RunState = "incomplete"
	RunAbandoned  RunState = "abandoned"
)

// Run is one settlement of a period.
type Run struct {
	ID            int64
	Period        Period
	PostingPeriod Period
	Kind          RunKind
	State         RunState
	Accepted      bool // by a person, who lets it pass the brake
	Brake         string
	StartedAt     time.Time
	FinishedAt    time.Time
	Totals        Totals
}

// Active tells whether work is left.
func (r Run) Active() bool { return r.State == RunRehearsing || r.State == RunPosting }

// RunRequest asks for a run.
type RunRequest struct {
	Period Period
	Slot   string // the scheduled time it stands for; empty when a person asks
	Full   bool   // look at every account again
	Accept bool   // By lets it pass the brake
	By     string
	Reason string
	Needed bool // make no run when there is nothing to look at
	Chunk  int  // accounts per chunk
}

// PeriodState is how far a period has got.
type PeriodState string

// A period is open, then run, then closed by finance.
const (
	PeriodOpen   PeriodState = "open"
	PeriodRun    PeriodState = "run"
	PeriodClosed PeriodState = "closed"
)

// PeriodInfo is a period with its state.
type PeriodInfo struct {
	Period    Period
	State     PeriodState
	StartedAt time.Time // zero: no run has looked at it yet
	SettledAt time.Time
	ClosedAt  time.Time
	ClosedBy  string
	Stale     int64 // accounts to settle again
	Braked    bool  // a run of it waits for a person
}

// ParkedAccount is an account that a run could not settle, or one invoice of it.
type ParkedAccount struct {
	AccountID int64
	InvoiceID string // empty: all of the account
	Period    Period // of the run; zero in what has not been kept
	Error     string
}

// String says what is parked, and why.
func (p ParkedAccount) String() string {
	if p.InvoiceID == "" {
		return fmt.Sprintf("account %d: %s", p.AccountID, p.Error)
	}
	return fmt.Sprintf("invoice %s of account %d: %s", p.InvoiceID, p.AccountID, p.Error)
}
