package workload

import (
	"fmt"
)

// telling collects what a block tells in one phase.
type telling struct {
	*Life
	phase int
	units []unit
}

func (l *Life) registrations(accounts []account, phase int) []unit {
	t := telling{Life: l, phase: phase}
	for i := range accounts {
		if a := &accounts[i]; a.punctual && a.registered.phase == phase {
			t.say(a.registration())
		}
	}
	return t.units
}

func (l *Life) rest(n, phase int, code func(int64) (string, bool)) ([]unit, error) {
	t := telling{Life: l, phase: phase}
	accounts := l.block(n)
	for i := range accounts {
		a := &accounts[i]
		t.tellOf(a)
		if err := t.tellAttempts(a, code); err != nil {
			return nil, err
		}
		for month := phase - 1; month <= phase; month++ {
			t.tellInvoices(a, month)
		}
	}
	if !l.o.Clean {
		t.spoil(n, accounts)
	}
	return t.units, nil
}

func (t *telling) tellOf(a *account) {
	if !a.punctual && a.registered.phase == t.phase {
		t.say(a.registration())
	}
	if a.registeredBy.phase == t.phase {
		t.say(a.again())
	}
	for i, p := range a.promo {
		t.sayIn(p.phase, a.promoEvent(i))
	}
	for i, e := range a.terminated {
		t.sayIn(e.phase, a.terminationEvent(i))
	}
	if a.registered.phase == t.phase-1 {
		t.echo(a.registration())
	}
}

// tellAttempts says what a client entered, in its order.
func (t *telling) tellAttempts(a *account, code func(int64) (string, bool)) error {
	var order unit
	for i := range a.attempts {
		try := &a.attempts[i]
		again := try.phase == t.phase-1 && t.style(fmt.Sprint("echo", a.id, i))%50 == 0
		if try.phase != t.phase && !again {
			continue
		}
		m, err := t.attempt(a, i, code)
		if err != nil {
			return err
		}
		m.Note.Repeat = again
		order = append(order, m)
		if !again && t.style("twice"+m.Note.Event)%40 == 0 {
			m.Note.Repeat = true
			order = append(order, m)
		}
	}
	if len(order) > 0 {
		t.units = append(t.units, order)
	}
	return nil
}

func (t *telling) attempt(a *account, i int, code func(int64) (string, bool)) (Message, error) {
	try := &a.attempts[i]
	text := try.literal
	if text == "" {
		known := false
		if text, known = code(try.owner); !known {
			return Message{}, fmt.Errorf("account %d enters the code of account %d: %w", a.id, try.owner, ErrUnknownCode)
		}
	}
	e := a.attemptEvent(i, text)
	m := e.message(t.binary(e.id))
	m.Note.Decision = try.decision
	return m, nil
}

func (t *telling) tellInvoices(a *account, month int) {
	for _, i := range t.invoices(a, month, t.phase) {
		switch i.phase {
		case t.phase:
			t.sayInvoice(a, &i)
		case t.phase - 1:
			t.echo(invoiceEvent(&i.invoice, i.event, t.issuedAt(i.invoice.Period, a.id)))
		}
	}
}

func (t *telling) sayInvoice(a *account, i *issued) {
	at := len(t.units)
	t.say(invoiceEvent(&i.invoice, i.event, t.issuedAt(i.invoice.Period, a.id)))
	for ; at < len(t.units); at++ {
		note := &t.units[at][0].Note
		note.Lines, note.Repeat = len(i.invoice.Lines), note.Repeat || i.repeat
	}
}

func (t *telling) sayIn(phase int, e event) {
	switch t.phase {
	case phase:
		t.say(e)
	case phase + 1:
		t.echo(e)
	}
}

// say adds an event, and at times a repeat of it, in this or the other mode.
func (t *telling) say(e event) {
	binary, style := t.binary(e.id), t.style("again"+e.id)
	t.units = append(t.units, unit{e.message(binary)})
	if style%50 == 0 {
		t.repeat(e, binary != (style%250 == 0))
	}
}

// echo repeats, at times, an event of the phase before.
func (t *telling) echo(e event) {
	if t.style("echo"+e.id)%100 == 0 {
		t.repeat(e, t.binary(e.id))
	}
}

func (t *telling) repeat(e event, binary bool) {
	m := e.message(binary)
	m.Note.Repeat = true
	t.units = append(t.units, unit{m})
}

func (t *telling) binary(id string) bool { return t.style(id)%10 == 0 }

// style is a number that goes with a text, for decisions that must come out the
// same whenever the text is told.
func (t *telling) style(text string) uint64 {
	h := t.o.Seed ^ 14695981039346656037
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return mix(h) >> 1
}
