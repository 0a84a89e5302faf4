package models

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// StaffDecision is what two members of staff decided about a referral: it is revoked, a
// code is accepted that the rules refuse, or an earlier decision is undone. It is a fact
// like others: what is owed follows from the set of them, in whatever order they come.
type StaffDecision struct {
	ID          UUID
	Kind        StaffDecisionKind
	AccountID   int64 // the invitee
	InviterID   int64 // as it was when it was decided
	Code        string
	RequestedAt time.Time // with AccountID and Code the key of the request to accept
	From        Date      // of a revocation: first day without effect
	Undoes      UUID      // the decision that is undone
	DecidedAt   time.Time
	By          string // who proposed it
	ApprovedBy  string
	Reason      string
}

// StaffDecisionKind is what a [StaffDecision] decides.
type StaffDecisionKind string

// The kinds of decision. They are named as the acts of staff that make them.
const (
	DecisionRevoke     = StaffDecisionKind(ActionRevoke)
	DecisionAcceptCode = StaffDecisionKind(ActionAcceptCode)
	DecisionUndo       = StaffDecisionKind(ActionUndo)
)

// FromTheStart is the first day of a revocation that leaves a referral no day at all:
// 1 January of [FirstYear], before which no fact is dated.
const FromTheStart Date = -25567

// Account is the invitee.
func (d StaffDecision) Account() int64 { return d.AccountID }

// Key is what identifies the request that is accepted.
func (d *StaffDecision) Key() ActivationKey {
	return ActivationKey{d.AccountID, d.Code, d.RequestedAt.UnixMicro()}
}

// DecisionsInForce is the decisions that are not undone, the oldest first, without those
// that undo others.
func DecisionsInForce(all []StaffDecision) []StaffDecision {
	undone := map[UUID]bool{}
	for i := range all {
		if all[i].Kind == DecisionUndo {
			undone[all[i].Undoes] = true
		}
	}
	var list []StaffDecision
	for _, d := range all {
		if d.Kind != DecisionUndo && !undone[d.ID] {
			list = append(list, d)
		}
	}
	SortDecisions(list)
	return list
}

// SortDecisions puts the oldest first.
func SortDecisions(list []StaffDecision) {
	slices.SortFunc(list, func(a, b StaffDecision) int {
		return cmp.Or(a.DecidedAt.Compare(b.DecidedAt), bytes.Compare(a.ID[:], b.ID[:]))
	})
}

const (
	subjectFrom  = "from"
	subjectStart = "the start"
	subjectAt    = "at"
	subjectUndo  = "decision"
)

// Subject says what is decided, as the act is proposed and recorded: "901 from
// 2026-05-01", "901 from the start", "901 ABCDEFGHJ at 2026-02-15T09:00:00Z" or "901
// decision 0d1c…".
func (d *StaffDecision) Subject() string {
	switch d.Kind {
	case DecisionAcceptCode:
		return fmt.Sprint(d.AccountID, " ", d.Code, " ", subjectAt, " ", d.RequestedAt.UTC().Format(time.RFC3339Nano))
	case DecisionUndo:
		return fmt.Sprint(d.AccountID, " ", subjectUndo, " ", d.Undoes)
	}
	from := d.From.String()
	if d.From == FromTheStart {
		from = subjectStart
	}
	return fmt.Sprint(d.AccountID, " ", subjectFrom, " ", from)
}

// ParseDecisionSubject is what an act decides, read from its subject: kind, account and
// what is decided, and nothing else.
func ParseDecisionSubject(what OperatorActionKind, subject string) (StaffDecision, error) {
	d := StaffDecision{Kind: StaffDecisionKind(what)}
	account, rest, _ := strings.Cut(subject, " ")
	id, err := strconv.ParseInt(account, 10, 64)
	d.AccountID = id
	if err == nil {
		switch what {
		case ActionRevoke:
			err = d.parseFrom(rest)
		case ActionAcceptCode:
			err = d.parseRequest(rest)
		case ActionUndo:
			d.Undoes, err = ParseUUID(strings.TrimPrefix(rest, subjectUndo+" "))
		default:
			err = fmt.Errorf("%s is not a decision on a referral", what)
		}
	}
	if err == nil && d.Subject() != subject {
		err = fmt.Errorf("it is written %q", d.Subject())
	}
	if err != nil {
		return d, fmt.Errorf("%q is not the subject of %s: %w", subject, what, err)
	}
	return d, nil
}

// DecisionOf is the decision that a proposal makes when a person approves it. Its id
// follows from the proposal's number.
func DecisionOf(p *Proposal, by Person) (StaffDecision, error) {
	d, err := ParseDecisionSubject(p.What, p.Subject)
	d.ID = HashUUID("decision", ProposalSubject(p.ID))
	d.By, d.ApprovedBy, d.Reason = p.Proposer.Name, by.Name, p.Reason
	return d, err
}

func (d *StaffDecision) parseFrom(text string) (err error) {
	text = strings.TrimPrefix(text, subjectFrom+" ")
	if text == subjectStart {
		d.From = FromTheStart
		return nil
	}
	d.From, err = ParseDate(text)
	return err
}

// parseRequest reads a code, which may have blanks as it was entered, and a time.
func (d *StaffDecision) parseRequest(text string) (err error) {
	i := strings.LastIndex(text, " "+subjectAt+" ")
	if i < 0 {
		return fmt.Errorf("it names no time")
	}
	d.Code = text[:i]
	d.RequestedAt, err = time.Parse(time.RFC3339Nano, text[i+len(subjectAt)+2:])
	return err
}

// ServiceDecision is what two members of staff decided about a service that the terms do
// not name: discounts apply to it or never do, on every day, or an earlier decision is
// undone. It has no effect where the terms name the service.
type ServiceDecision struct {
	ID         UUID
	Service    string
	Class      ServiceClass // empty for one that undoes another
	Undoes     UUID         // the decision that is undone
	DecidedAt  time.Time
	By         string // who proposed it
	ApprovedBy string
	Reason     string
}

// ServiceClass is what a discount does to a service.
type ServiceClass string

// The classes that staff may decide.
const (
	ServiceDiscounted ServiceClass = "discounted"
	ServiceExcluded   ServiceClass = "excluded"
)

// What is the act that makes the decision.
func (d *ServiceDecision) What() OperatorActionKind {
	if d.Class == "" {
		return ActionUndoServiceDecision
	}
	return ActionClassifyService
}

// Subject says what is decided, as the act is proposed and recorded: "discounted
// hologram" or "decision 0d1c…".
func (d *ServiceDecision) Subject() string {
	if d.Class == "" {
		return subjectUndo + " " + d.Undoes.String()
	}
	return string(d.Class) + " " + d.Service
}

// ParseServiceSubject is what an act decides about a service, read from its subject.
func ParseServiceSubject(what OperatorActionKind, subject string) (d ServiceDecision, err error) {
	first, rest, _ := strings.Cut(subject, " ")
	switch class := ServiceClass(first); {
	case what == ActionUndoServiceDecision:
		d.Undoes, err = ParseUUID(rest)
	case what != ActionClassifyService:
		err = fmt.Errorf("%s is not a decision on a service", what)
	case class != ServiceDiscounted && class != ServiceExcluded:
		err = fmt.Errorf("it begins with neither %s nor %s", ServiceDiscounted, ServiceExcluded)
	case rest == "":
		err = fmt.Errorf("it names no service")
	default:
		d.Class, d.Service = class, rest
	}
	if err == nil && d.Subject() != subject {
		err = fmt.Errorf("it is written %q", d.Subject())
	}
	if err != nil {
		return d, fmt.Errorf("%q is not the subject of %s: %w", subject, what, err)
	}
	return d, nil
}

// ServiceDecisionOf is the decision that a proposal makes when a person approves it. Its
// id follows from the proposal's number.
func ServiceDecisionOf(p *Proposal, by Person) (ServiceDecision, error) {
	d, err := ParseServiceSubject(p.What, p.Subject)
	d.ID = HashUUID("decision", ProposalSubject(p.ID))
	d.By, d.ApprovedBy, d.Reason = p.Proposer.Name, by.Name, p.Reason
	return d, err
}

// ServicesInForce is the decisions that are not undone, by service.
func ServicesInForce(all []ServiceDecision) map[string]ServiceDecision {
	undone := map[UUID]bool{}
	for i := range all {
		undone[all[i].Undoes] = true
	}
	inForce := map[string]ServiceDecision{}
	for _, d := range all {
		if d.Class != "" && !undone[d.ID] {
			inForce[d.Service] = d
		}
	}
	return inForce
}
