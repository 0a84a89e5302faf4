package consumer

// batchSize is how many messages one transaction stores: a full batch, and fewer while
// the database fails on that many or refuses one of them.
type batchSize struct {
	full    int // messages in a batch at most
	size    int
	failed  int // transactions in a row
	took    int // transactions in a row since the size last changed
	atLeast int // of those, before it grows
}

const (
	// failuresToHalve is how often a full batch may fail before a part is tried: in most
	// cases the database is unreachable.
	failuresToHalve = 3
	// successesToGrow is how many smaller transactions have to succeed before larger
	// ones are tried, each of which may fail only after a timeout.
	successesToGrow = 8
)

func newBatchSize(full int) batchSize { return batchSize{full: full, size: full} }

// fails notes that a transaction of so many messages failed, and tells whether
// the next one is to be smaller.
func (p *batchSize) fails(messages int) (smaller bool) {
	p.failed++
	if messages == 1 || p.size == p.full && p.failed < failuresToHalve {
		return false
	}
	p.halve(messages, successesToGrow)
	return true
}

// refuses notes that the database refused one of so many messages. Once that one is
// found, transactions may grow again.
func (p *batchSize) refuses(messages int) { p.halve(messages, 1) }

func (p *batchSize) halve(messages, atLeast int) {
	p.size, p.atLeast = max(1, messages/2), atLeast
	p.failed, p.took = 0, 0
}

// succeeds notes that a transaction succeeded.
func (p *batchSize) succeeds() {
	p.failed = 0
	if p.took++; p.size < p.full && p.took >= p.atLeast {
		p.size, p.took = min(2*p.size, p.full), 0
	}
}
