package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"referral/models"
)

// deadLetter is a dead letter as JSON, without its body: that may hold
// personal data.
type deadLetter struct {
	ID         int64                  `json:"id"`
	State      models.DeadLetterState `json:"state"`
	SetAsideAt time.Time              `json:"set_aside_at"`
	Topic      string                 `json:"topic"`
	Partition  int                    `json:"partition"`
	Offset     int64                  `json:"offset"`
	Type       string                 `json:"type"`
	AccountID  int64                  `json:"account_id,omitempty"`
	Reason     models.BadInput        `json:"reason"` // the latest
	Detail     string                 `json:"detail"`
	ReplayedAt *time.Time             `json:"replayed_at,omitempty"`
}

func deadLetterOf(l *models.DeadLetterRecord) deadLetter {
	o := l.Message.Origin
	r := deadLetter{
		ID: l.ID, State: l.State, SetAsideAt: l.At, Topic: o.Topic, Partition: o.Partition, Offset: o.Offset,
		Type: l.Type, AccountID: models.KeyAccount(l.Message.Key), Reason: l.Err.Reason, Detail: l.Err.Detail,
	}
	if !l.ReplayedAt.IsZero() {
		r.ReplayedAt = &l.ReplayedAt
	}
	return r
}

func (r *deadLetter) cells() []string {
	return []string{fmt.Sprint(r.ID), string(r.State), r.SetAsideAt.Format(time.DateTime), fmt.Sprintf("%s/%d@%d", r.Topic, r.Partition, r.Offset),
		string(accountIdentifier(r.AccountID)), r.Type, string(r.Reason), r.Detail}
}

// DeadLettersJSON writes a list of dead letters as JSON.
func DeadLettersJSON(w io.Writer, letters []models.DeadLetterRecord) error {
	list := make([]deadLetter, len(letters))
	for i := range letters {
		list[i] = deadLetterOf(&letters[i])
	}
	return JSON(w, list)
}

// DeadLetterTable writes a list of dead letters for people.
func DeadLetterTable(w io.Writer, letters []models.DeadLetterRecord) {
	rows := make([][]string, len(letters))
	for i := range letters {
		l := deadLetterOf(&letters[i])
		rows[i] = l.cells()
	}
	printTable(w, Quantity(int64(len(letters)), "dead letter"), []string{"id", "state", "set aside", "from", "account", "type", "reason", "detail"}, rows)
}

// deadLetterStory is a dead letter with its history as JSON.
type deadLetterStory struct {
	deadLetter
	Advice  string            `json:"advice"`
	History []deadLetterEvent `json:"history"`
}

// deadLetterEvent is one thing that happened to a dead letter.
type deadLetterEvent struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"` // set-aside, replayed, failed, taken or discarded
	By     string    `json:"by,omitempty"`
	Detail string    `json:"detail,omitempty"` // the fault, or why a person acted
}

// deadLetterHistory is what happened to a dead letter, in order.
func deadLetterHistory(l *models.DeadLetterRecord, acts []models.OperatorAction) []deadLetterEvent {
	history := []deadLetterEvent{{At: l.At, What: "set-aside", Detail: l.FirstErr.Error()}}
	for _, a := range acts {
		what := "replayed"
		if a.What == models.ActionDiscard {
			what = "discarded"
		}
		history = append(history, deadLetterEvent{a.At, what, a.Who, a.Reason})
	}
	for _, o := range l.Outcomes {
		e := deadLetterEvent{At: o.At, What: "taken"}
		if o.Err != nil {
			e.What, e.Detail = "failed", o.Err.Error()
		}
		history = append(history, e)
	}
	slices.SortStableFunc(history, func(a, b deadLetterEvent) int { return cmp.Compare(a.At.UnixMicro(), b.At.UnixMicro()) })
	return history
}

// DeadLetterJSON writes a dead letter with its history as JSON.
func DeadLetterJSON(w io.Writer, l *models.DeadLetterRecord, acts []models.OperatorAction) error {
	return JSON(w, deadLetterStory{deadLetterOf(l), deadLetterAdvice[l.Err.Reason], deadLetterHistory(l, acts)})
}

// DeadLetterText writes what is wrong with a message, what to do and its history.
func DeadLetterText(w io.Writer, l *models.DeadLetterRecord, acts []models.OperatorAction) {
	o := l.Message.Origin
	fmt.Fprintf(w, "dead letter %d, %s, from %s, partition %d, offset %d\n", l.ID, l.State, o.Topic, o.Partition, o.Offset)
	fmt.Fprintln(w, Printable("what is wrong: "+l.Err.Error()))
	fmt.Fprintln(w, "what to do: "+deadLetterAdvice[l.Err.Reason])
	for _, e := range deadLetterHistory(l, acts) {
		line := e.At.Format(time.RFC3339) + " " + e.What
		if e.By != "" {
			line += " by " + e.By
		}
		if e.Detail != "" {
			line += ": " + e.Detail
		}
		fmt.Fprintln(w, Printable(line))
	}
}

// deadLetterAdvice is what to do about a message, by why it was set aside.
var deadLetterAdvice = map[models.BadInput]string{
	models.BadUnreadable: "the message is not a CloudEvent 1.0 in JSON: have its sender fix what it sends and send the event again, then discard this one; " +
		"or correct it by hand and replay it with --value",
	models.BadUnknownType: "the event does not belong on this topic: have its sender send it to the right one and discard this one; " +
		"if the type is new, a newer program may read it, so replay it after the upgrade",
	models.BadField: "one field is missing or has a value that is not taken, the detail names it: " +
		"have the sender send the event again with a right value and discard this one, or correct that field and replay it with --value",
	models.BadTooLarge: "the value is over 1 MiB: have the sender split what it carries into several events, then discard this one",
	models.BadConflict: "it contradicts what was taken before: compare the two. If the earlier one is right, discard this one; " +
		"if this one is right, have the sender send the change as a new revision or as an event of its own",
	models.BadRefused: "the database or the rules stopped at it, which is not the fault of the sender: the log of that time has the cause; replay it as it is once the cause is removed",
}
