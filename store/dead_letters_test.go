package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"referral/models"
)

// bad is a message that cannot be read, at a place of its own.
func (l *life) bad(topic, key, value string, headers ...models.Header) models.DecodedMessage {
	return models.DecodedMessage{Type: "some.type.v1", Err: &models.InputError{Reason: models.BadField, Detail: "data.x: is missing"}, Message: models.Message{
		Origin: models.Origin{Topic: topic, Partition: 1, Offset: l.n.Add(1)}, Key: []byte(key), Value: []byte(value), Headers: headers, At: l.now,
	}}
}

// good is a message that can be read, at a place of its own.
func (l *life) good(account int64, topic, value string, headers ...models.Header) models.DecodedMessage {
	d := l.fact(registered(account, "2026-04-01T09:00:00Z"))
	d.Message = models.Message{Origin: models.Origin{Topic: topic, Offset: l.n.Add(1)}, Key: fmt.Append(nil, account), Value: []byte(value), Headers: headers, At: l.now}
	return d
}

func replayOf(id int64) models.Header {
	return models.Header{Key: models.DeadLetterHeader, Value: fmt.Append(nil, id)}
}

func (l *life) deadLetters(f models.DeadLetterFilter) []models.DeadLetterRecord {
	l.Helper()
	list, err := l.ListDeadLetters(l.Context(), f, 0, 1000)
	if err != nil {
		l.Fatal(err)
	}
	return list
}

func (l *life) deadLetter(id int64) models.DeadLetterRecord {
	l.Helper()
	letter, found, err := l.DeadLetter(l.Context(), id)
	if err != nil || !found {
		l.Fatalf("dead letter %d: found %v, %v", id, found, err)
	}
	return letter
}

// replay puts a dead letter back; sent is what went out.
func (l *life) replay(id int64, corrected []byte) (sent models.Message, err error) {
	act := models.OperatorAction{Who: "Anna", What: models.ActionReplay, Subject: models.DeadLetterSubject(id), Reason: "fixed"}
	err = l.ReplayDeadLetter(l.Context(), id, corrected, act, func(m models.Message) error {
		sent = m
		return nil
	})
	return sent, err
}

func (l *life) discard(ids ...int64) []int64 {
	l.Helper()
	done, err := l.DiscardDeadLetters(l.Context(), ids, func(id int64) models.OperatorAction {
		return models.OperatorAction{Who: "Boris", What: models.ActionDiscard, Subject: models.DeadLetterSubject(id), Reason: "noise"}
	})
	if err != nil {
		l.Fatal(err)
	}
	return done
}

// lettersWaiting is how many dead letters the gauge counts.
func (l *life) lettersWaiting() int64 {
	l.Helper()
	figures, err := l.Stats(l.Context())
	if err != nil {
		l.Fatal(err)
	}
	return figures.DeadLetters
}

// A replay that fails again is the same dead letter, with the new fault; one that
// is taken resolves it. Neither makes another one, however often it is delivered.
func TestAReplayStaysOneDeadLetter(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.take(l.bad("t", "885", "first"))
	id := l.asides()[0].ID
	if l.lettersWaiting() != 1 {
		t.Errorf("%d dead letters wait, want 1", l.lettersWaiting())
	}

	sent, err := l.replay(id, nil)
	if err != nil || string(sent.Value) != "first" || string(sent.Key) != "885" {
		t.Fatalf("put back %+v, %v", sent, err)
	}
	if _, err := l.replay(id, nil); !errors.Is(err, models.ErrDeadLetterState) {
		t.Errorf("put back twice: %v", err)
	}
	if l.lettersWaiting() != 0 {
		t.Error("what was put back still waits for a person")
	}
	again := l.bad("t", "885", "first", replayOf(id))
	again.Err = &models.InputError{Reason: models.BadConflict, Detail: "another body"}
	l.take(again)
	l.take(again) // delivered again
	letter := l.deadLetter(id)
	if letter.State != models.DeadLetterWaiting || letter.Err.Reason != models.BadConflict || letter.FirstErr.Reason != models.BadField || len(letter.Outcomes) != 1 {
		t.Errorf("after it has failed again: %+v", letter)
	}

	l.now = l.now.Add(time.Minute)
	if sent, err = l.replay(id, []byte("second")); err != nil || string(sent.Value) != "second" {
		t.Fatalf("put back %+v, %v", sent, err)
	}
	l.take(again) // an old delivery says nothing of the new replay
	if state := l.deadLetter(id).State; state != models.DeadLetterReplayed {
		t.Errorf("an old delivery has made it %s", state)
	}
	l.take(l.good(885, "t", "second", replayOf(id)))
	letter = l.deadLetter(id)
	if letter.State != models.DeadLetterResolved || len(letter.Outcomes) != 2 || letter.Outcomes[1].Err != nil || string(letter.Message.Value) != "second" {
		t.Errorf("after it was taken: %+v", letter)
	}
	if n := l.number("SELECT count(*) FROM dead_letters"); n != 1 {
		t.Errorf("%d dead letters, want 1", n)
	}
	if kept := l.dump("SELECT convert_from(value, 'UTF8') FROM dead_letters"); !strings.Contains(kept, "first") {
		t.Errorf("what was set aside first is lost: %s", kept)
	}
	acts, err := l.Actions(t.Context(), models.DeadLetterSubject(id))
	if err != nil || len(acts) != 2 || acts[0].Who != "Anna" || acts[0].Reason != "fixed" {
		t.Errorf("recorded %+v, %v", acts, err)
	}
	if l.discard(id); l.deadLetter(id).State != models.DeadLetterResolved {
		t.Error("what was taken has been discarded")
	}
}

// Anyone can write the header. It counts only on the message that was put back:
// else it would hide a message from those who look after dead letters.
func TestAForgedReplayIsADeadLetterOfItsOwn(t *testing.T) {
	t.Parallel()
	for what, forged := range map[string]func(*life, int64) models.DecodedMessage{
		"an id that there is not": func(l *life, id int64) models.DecodedMessage { return l.bad("t", "885", "first", replayOf(id+1000)) },
		"no number": func(l *life, _ int64) models.DecodedMessage {
			return l.bad("t", "885", "first", models.Header{Key: models.DeadLetterHeader, Value: []byte("x")})
		},
		"the dead letter of a topic": func(l *life, id int64) models.DecodedMessage { return l.bad("other", "885", "first", replayOf(id)) },
		"another account":            func(l *life, id int64) models.DecodedMessage { return l.bad("t", "886", "first", replayOf(id)) },
		"another value":              func(l *life, id int64) models.DecodedMessage { return l.bad("t", "885", "forged", replayOf(id)) },
		"a value that was not sent":  func(l *life, id int64) models.DecodedMessage { return l.bad("t", "885", "", replayOf(id)) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			l := newLife(t)
			l.take(l.bad("t", "885", "first"))
			id := l.asides()[0].ID
			if _, err := l.replay(id, nil); err != nil {
				t.Fatal(err)
			}
			l.take(forged(l, id))
			if n := l.number("SELECT count(*) FROM dead_letters"); n != 2 {
				t.Errorf("%d dead letters, want 2", n)
			}
			if letter := l.deadLetter(id); letter.State != models.DeadLetterReplayed || len(letter.Outcomes) != 0 {
				t.Errorf("the forgery has changed %+v", letter)
			}
			l.take(l.good(901, "t", "forged", replayOf(id)))
			if letter := l.deadLetter(id); letter.State != models.DeadLetterReplayed {
				t.Errorf("a good message has made it %s", letter.State)
			}
		})
	}
}

// Killed before the message is out, or refused by the broker, it still waits.
func TestAReplayThatWasNotSentStillWaits(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.take(l.bad("t", "885", "first"))
	id := l.asides()[0].ID
	refusal := errors.New("no broker")
	act := models.OperatorAction{Who: "Anna", What: models.ActionReplay, Subject: models.DeadLetterSubject(id)}
	err := l.ReplayDeadLetter(t.Context(), id, []byte("second"), act, func(models.Message) error { return refusal })
	if !errors.Is(err, refusal) {
		t.Errorf("the error is %v", err)
	}
	letter := l.deadLetter(id)
	acts, err := l.Actions(t.Context(), act.Subject)
	if letter.State != models.DeadLetterWaiting || letter.Corrected || !bytes.Equal(letter.Message.Value, []byte("first")) || len(acts) != 0 || err != nil {
		t.Errorf("%+v, recorded %v, %v", letter, acts, err)
	}
}

// What was discarded waits no longer, and is not put back.
func TestDiscarding(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.take(l.bad("t", "885", "a"), l.bad("t", "885", "b"), l.bad("t", "886", "c"))
	all := l.asides()
	if done := l.discard(all[0].ID, all[1].ID, 999); !slices.Equal(done, []int64{all[0].ID, all[1].ID}) {
		t.Errorf("discarded %v", done)
	}
	if done := l.discard(all[0].ID); len(done) != 0 {
		t.Errorf("discarded again: %v", done)
	}
	if l.lettersWaiting() != 1 {
		t.Errorf("%d wait, want 1", l.lettersWaiting())
	}
	if _, err := l.replay(all[0].ID, nil); !errors.Is(err, models.ErrDeadLetterState) {
		t.Errorf("put back after it was discarded: %v", err)
	}
	acts, err := l.Actions(t.Context(), models.DeadLetterSubject(all[0].ID))
	if err != nil || len(acts) != 1 || acts[0].Who != "Boris" || acts[0].Reason != "noise" {
		t.Errorf("recorded %+v, %v", acts, err)
	}
}

func TestDeadLettersAreSelected(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.take(l.bad("t", "885", "a"), l.bad("u", "885", "b"), l.bad("t", "886", "c"))
	conflict := l.bad("t", "885", "d")
	conflict.Err = &models.InputError{Reason: models.BadConflict}
	conflict.Type = "another.type.v1"
	l.now = l.now.Add(time.Hour)
	l.take(conflict)
	l.discard(l.asides()[2].ID)
	for what, c := range map[string]struct {
		filter models.DeadLetterFilter
		want   string
	}{
		"everything": {models.DeadLetterFilter{}, "1 2 3 4"},
		"waiting":    {models.DeadLetterFilter{States: []models.DeadLetterState{models.DeadLetterWaiting}}, "1 2 4"},
		"topic":      {models.DeadLetterFilter{Topic: "u"}, "2"},
		"account":    {models.DeadLetterFilter{AccountID: 886}, "3"},
		"reason":     {models.DeadLetterFilter{Reason: models.BadConflict}, "4"},
		"type":       {models.DeadLetterFilter{Type: "some.type.v1"}, "1 2 3"},
		"since":      {models.DeadLetterFilter{Since: l.now}, "4"},
		"together":   {models.DeadLetterFilter{Topic: "t", AccountID: 885, Reason: models.BadField}, "1"},
	} {
		var ids []string
		for _, letter := range l.deadLetters(c.filter) {
			ids = append(ids, fmt.Sprint(letter.ID))
		}
		if got := strings.Join(ids, " "); got != c.want {
			t.Errorf("by %s: %s, want %s", what, got, c.want)
		}
	}
}
