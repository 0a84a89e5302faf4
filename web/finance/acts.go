package finance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"referral/models"
)

// Act is something that a member of staff can have done from the pages.
type Act struct {
	What    models.OperatorActionKind
	Roles   []models.Role // who may do it or, unless Alone, propose it
	Alone   bool          // it needs no second person
	OwnPage bool          // it is asked for on a page of its own, not on that of all acts
	Title   string        // of its page, in Russian
	Text    string        // label of the text that it takes; empty for none

	// Prepare says what the act is about and what it will change. Its error is a
	// Refusal when it is not possible.
	Prepare func(ctx context.Context, subject string) (Prepared, error)
	// Apply carries it out and records it by the action. Its error is a Refusal or a
	// *models.ProposalRefusal when it is not possible.
	Apply func(ctx context.Context, p *models.Proposal, action models.OperatorAction) error
	// Then is the page that shows what becomes of it once it is approved; nil for that of
	// the proposal.
	Then func(subject string) string
}

// Follow is the page that shows what has become of a proposal that was approved; empty
// for none.
func (v *ProposalView) Follow() string {
	if v.Act == nil || v.Act.Then == nil || v.State != models.ProposalApproved {
		return ""
	}
	return v.Act.Then(v.Subject)
}

// Prepared is what a person sees before deciding on an act.
type Prepared struct {
	Facts   []PreparedFact
	Preview models.Preview
	Text    string // what the act's text is at first
	Details any    // kept as JSON with a proposal that has none of its own; nil for none
}

// PreparedFact is a line about the subject of an act.
type PreparedFact struct{ Name, Value, Link string }

// Refusal says in Russian why an act is not possible.
type Refusal string

// Error is the reason.
func (r Refusal) Error() string { return string(r) }

// ErrUnknownAct says that there is no such act, or no such subject of it.
var ErrUnknownAct = errors.New("finance: no such act")

// MayApprove is who approves what others have proposed.
var MayApprove = []models.Role{models.RoleController}

// MaySignAgain is who tries a signature that has failed again.
var MaySignAgain = []models.Role{models.RoleFinance, models.RoleController}

// Acts is all acts, in the order of the pages.
func (s *Service) Acts() []Act { return s.acts }

// ActTitle names an act in Russian.
func (s *Service) ActTitle(what models.OperatorActionKind) string {
	if act, err := s.act(what); err == nil {
		return act.Title
	}
	return Words(what)
}

func (s *Service) act(what models.OperatorActionKind) (*Act, error) {
	for i := range s.acts {
		if s.acts[i].What == what {
			return &s.acts[i], nil
		}
	}
	return nil, fmt.Errorf("%w: %s", ErrUnknownAct, what)
}

// Prepare is what a person sees before deciding on an act.
func (s *Service) Prepare(ctx context.Context, what models.OperatorActionKind, subject string) (Prepared, error) {
	act, err := s.act(what)
	if err != nil {
		return Prepared{}, err
	}
	return act.Prepare(ctx, subject)
}

// Request is what a person asks for: an act on a subject.
type Request struct {
	What    models.OperatorActionKind
	Subject string
	Details any      // kept as JSON with a proposal; nil for none
	Reason  string   // required
	Notes   []string // that the second person sees with the preview
}

// Submit does what one person may do alone, and proposes what needs two; the proposal
// is then not nil.
func (s *Service) Submit(ctx context.Context, staff models.Staff, r Request) (*models.Proposal, error) {
	act, err := s.act(r.What)
	if err != nil {
		return nil, err
	}
	reason, err := checkReason(r.Reason)
	if err != nil {
		return nil, err
	}
	prepared, err := act.Prepare(ctx, r.Subject)
	if err != nil {
		return nil, err
	}
	p := models.Proposal{What: r.What, Subject: r.Subject, Preview: prepared.Preview, Reason: reason, Proposer: PersonOf(staff)}
	p.Preview.Notes = append(p.Preview.Notes, r.Notes...)
	if r.Details == nil {
		r.Details = prepared.Details
	}
	if r.Details != nil {
		if p.Details, err = json.Marshal(r.Details); err != nil {
			return nil, fmt.Errorf("writing the details of %s: %w", r.What, err)
		}
		if bytes.Contains(p.Details, []byte(`\u0000`)) { // as it is, or written so in a message
			return nil, Refusal("В тексте есть нулевой знак (U+0000): сообщение с ним не принимается.")
		}
	}
	if act.Alone {
		return nil, act.Apply(ctx, &p, actionOf(staff, &p))
	}
	made, err := s.o.Store.Propose(ctx, p, staff.Role())
	return &made, err
}

// detailsOf is the details of a proposal; zero when it has none.
func detailsOf[T any](p *models.Proposal) (details T, err error) {
	if p.Details == nil {
		return details, nil
	}
	if err = json.Unmarshal(p.Details, &details); err != nil {
		err = fmt.Errorf("reading the details of proposal %d: %w", p.ID, err)
	}
	return details, err
}

// maxReason is the length of a reason in bytes.
const maxReason = 1000

func checkReason(reason string) (string, error) {
	reason = strings.Join(strings.Fields(reason), " ")
	switch {
	case reason == "":
		return "", Refusal("Напишите причину: она записывается в журнал.")
	case !utf8.ValidString(reason) || strings.ContainsFunc(reason, unicode.IsControl):
		return "", Refusal("В причине есть знаки, которые нельзя записать. Напишите ее заново.")
	case len(reason) > maxReason:
		return "", Refusal("Причина слишком длинная: не больше 500 знаков.")
	}
	return reason, nil
}

// PersonOf is a member of staff as proposals keep one.
func PersonOf(staff models.Staff) models.Person {
	return models.Person{Subject: staff.Subject, Name: staff.Name}
}

// actionOf is how an act is recorded.
func actionOf(staff models.Staff, p *models.Proposal) models.OperatorAction {
	return models.OperatorAction{Who: staff.Name, Role: staff.Role(), What: p.What, Subject: p.Subject, Reason: p.Reason}
}

// ProposalStore is the methods of the storage that proposals use.
type ProposalStore interface {
	Propose(ctx context.Context, p models.Proposal, role models.Role) (models.Proposal, error)
	RejectProposal(ctx context.Context, id int64, by models.Person, role models.Role, why string) error
	Proposal(ctx context.Context, id int64) (p models.Proposal, found bool, err error)
	OpenProposals(ctx context.Context, limit int) ([]models.Proposal, error)
	DecidedProposals(ctx context.Context, before int64, limit int) ([]models.Proposal, error)
}

// openLimit is how many open proposals are shown.
const openLimit = 200

// Proposals is the open proposals, the oldest first, and up to limit decided ones with
// numbers below before, the newest first; the newest of all before 0.
func (s *Service) Proposals(ctx context.Context, before int64, limit int) (open, decided []models.Proposal, err error) {
	if open, err = s.o.Store.OpenProposals(ctx, openLimit); err != nil {
		return nil, nil, err
	}
	decided, err = s.o.Store.DecidedProposals(ctx, before, limit)
	return open, decided, err
}

// ProposalView is a proposal with what is known of its subject now.
type ProposalView struct {
	models.Proposal
	Act     *Act
	Now     Prepared // nothing when it is decided, or not possible any more
	Refused string   // why it is not possible any more
}

// Proposal is one proposal. found is false when there is none.
func (s *Service) Proposal(ctx context.Context, id int64) (v ProposalView, found bool, err error) {
	if v.Proposal, found, err = s.o.Store.Proposal(ctx, id); err != nil || !found {
		return v, false, err
	}
	if v.Act, err = s.act(v.What); err != nil || v.State != models.ProposalOpen {
		return v, true, err
	}
	v.Now, err = v.Act.Prepare(ctx, v.Subject)
	var refusal Refusal
	if errors.As(err, &refusal) {
		v.Refused, err = refusal.Error(), nil
	}
	return v, true, err
}

// Approve carries out what another person has proposed. follow is the page that shows what
// becomes of it; empty for that of the proposal.
func (s *Service) Approve(ctx context.Context, staff models.Staff, id int64) (follow string, err error) {
	p, found, err := s.o.Store.Proposal(ctx, id)
	if err != nil {
		return "", err
	}
	if !found {
		return "", &models.ProposalRefusal{Why: models.ProposalUnknown, Proposal: id}
	}
	act, err := s.act(p.What)
	if err != nil {
		return "", err
	}
	action := actionOf(staff, &p)
	action.Approval = &models.Approval{Proposal: id, By: PersonOf(staff)}
	if act.Then != nil {
		follow = act.Then(p.Subject)
	}
	return follow, act.Apply(ctx, &p, action)
}

// Reject ends a proposal without carrying it out; its own proposer withdraws it.
func (s *Service) Reject(ctx context.Context, staff models.Staff, id int64, why string) error {
	why, err := checkReason(why)
	if err != nil {
		return err
	}
	p, found, err := s.o.Store.Proposal(ctx, id)
	if err == nil && found && !p.Proposer.Is(PersonOf(staff)) && !staff.HasAny(MayApprove) {
		err = Refusal("Отклонить чужое предложение может контролер.")
	}
	if err != nil {
		return err
	}
	return s.o.Store.RejectProposal(ctx, id, PersonOf(staff), staff.Role(), why)
}

// Obstacle says in Russian why an act or a decision is refused; ok is false for any
// other error.
func Obstacle(err error) (text string, ok bool) {
	var refusal Refusal
	if errors.As(err, &refusal) {
		return refusal.Error(), true
	}
	var proposal *models.ProposalRefusal
	if !errors.As(err, &proposal) {
		return "", false
	}
	switch proposal.Why {
	case models.ProposalPending:
		return fmt.Sprintf("Это уже предлагает %s: предложение № %d ждет решения.", proposal.By, proposal.Proposal), true
	case models.ProposalDecided:
		return fmt.Sprintf("По предложению № %d уже решено: %s.", proposal.Proposal, proposal.By), true
	case models.ProposalOwn:
		return "Свое предложение утвердить нельзя: это делает другой сотрудник.", true
	case models.ProposalMismatch:
		return fmt.Sprintf("Предложение № %d — о другом.", proposal.Proposal), true
	}
	return fmt.Sprintf("Предложения № %d нет.", proposal.Proposal), true
}
