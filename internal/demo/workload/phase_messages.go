package workload

import "fmt"

// phaseMessages collects the messages of a block in one phase.
type phaseMessages struct {
	*Generator
	phase     int
	sequences []sequence
}

func (g *Generator) registrations(accounts []account, phase int) []sequence {
	t := phaseMessages{Generator: g, phase: phase}
	for i := range accounts {
		if a := &accounts[i]; a.onTime && a.registered.phase == phase {
			t.add(a.registration())
		}
	}
	return t.sequences
}

func (g *Generator) rest(n, phase int, code func(int64) (string, bool)) ([]sequence, error) {
	t := phaseMessages{Generator: g, phase: phase}
	accounts := g.block(n)
	for i := range accounts {
		a := &accounts[i]
		t.addAccountEvents(a)
		if err := t.addActivations(a, code); err != nil {
			return nil, err
		}
		for month := phase - 1; month <= phase; month++ {
			t.addInvoices(a, month)
		}
	}
	if !g.options.Clean {
		t.addFaulty(n, accounts)
	}
	return t.sequences, nil
}

func (t *phaseMessages) addAccountEvents(a *account) {
	if !a.onTime && a.registered.phase == t.phase {
		t.add(a.registration())
	}
	if a.renamed.phase == t.phase {
		t.add(a.renaming())
	}
	for i, p := range a.promo {
		t.addIn(p.phase, a.promoEvent(i))
	}
	for i, e := range a.terminated {
		t.addIn(e.phase, a.terminationEvent(i))
	}
	if a.registered.phase == t.phase-1 {
		t.maybeRepeat(a.registration())
	}
}

// addActivations adds the codes that a client enters, in their order.
func (t *phaseMessages) addActivations(a *account, code func(int64) (string, bool)) error {
	var order sequence
	for i := range a.attempts {
		try := &a.attempts[i]
		again := try.phase == t.phase-1 && t.hash(fmt.Sprint("echo", a.id, i))%50 == 0
		if try.phase != t.phase && !again {
			continue
		}
		m, err := t.attempt(a, i, code)
		if err != nil {
			return err
		}
		m.Expected.Repeat = again
		order = append(order, m)
		if !again && t.hash("twice"+m.Expected.Event)%40 == 0 {
			m.Expected.Repeat = true
			order = append(order, m)
		}
	}
	if len(order) > 0 {
		t.sequences = append(t.sequences, order)
	}
	return nil
}

func (t *phaseMessages) attempt(a *account, i int, code func(int64) (string, bool)) (Message, error) {
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
	m.Expected.Decision = try.decision
	return m, nil
}

func (t *phaseMessages) addInvoices(a *account, month int) {
	for _, i := range t.invoices(a, month, t.phase) {
		switch i.phase {
		case t.phase:
			t.addInvoice(a, &i)
		case t.phase - 1:
			t.maybeRepeat(invoiceEvent(&i.invoice, i.event, t.issuedAt(i.invoice.Period, a.id)))
		}
	}
}

func (t *phaseMessages) addInvoice(a *account, i *revision) {
	at := len(t.sequences)
	t.add(invoiceEvent(&i.invoice, i.event, t.issuedAt(i.invoice.Period, a.id)))
	for ; at < len(t.sequences); at++ {
		expected := &t.sequences[at][0].Expected
		expected.Lines, expected.Repeat = len(i.invoice.Lines), expected.Repeat || i.repeat
	}
}

func (t *phaseMessages) addIn(phase int, e event) {
	switch t.phase {
	case phase:
		t.add(e)
	case phase + 1:
		t.maybeRepeat(e)
	}
}

// add adds an event, and sometimes a repeat of it, in this or the other mode.
func (t *phaseMessages) add(e event) {
	binary, style := t.binary(e.id), t.hash("again"+e.id)
	t.sequences = append(t.sequences, sequence{e.message(binary)})
	if style%50 == 0 {
		t.repeat(e, binary != (style%250 == 0))
	}
}

// maybeRepeat sometimes repeats an event of the phase before.
func (t *phaseMessages) maybeRepeat(e event) {
	if t.hash("echo"+e.id)%100 == 0 {
		t.repeat(e, t.binary(e.id))
	}
}

func (t *phaseMessages) repeat(e event, binary bool) {
	m := e.message(binary)
	m.Expected.Repeat = true
	t.sequences = append(t.sequences, sequence{m})
}

func (t *phaseMessages) binary(id string) bool { return t.hash(id)%10 == 0 }

// hash is a number that follows from a text, for choices that must be the same
// whenever the text is generated.
func (t *phaseMessages) hash(text string) uint64 {
	h := t.options.Seed ^ 14695981039346656037
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return mix(h) >> 1
}
