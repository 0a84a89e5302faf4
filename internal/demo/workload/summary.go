package workload

import "referral/models"

// Summary counts messages, so that a reader can prove that none was lost. The zero
// value is ready to count.
type Summary struct {
	Messages    int64
	Good        map[Topic]int64 // events on each topic, without repeats
	Repeats     int64           // further messages of the same events
	Bad         map[models.BadInput]int64
	Faults      map[string]int64        // faulty messages by what is wrong with them
	Activations map[models.Reason]int64 // good ones by decision; "" is accepted, not_registered waits permanently
	Lines       int64                   // of the good invoices
}

// Count adds a message.
func (s *Summary) Count(m *Message) {
	if s.Good == nil {
		s.Good, s.Bad = map[Topic]int64{}, map[models.BadInput]int64{}
		s.Faults, s.Activations = map[string]int64{}, map[models.Reason]int64{}
	}
	s.Messages++
	switch {
	case m.Expected.Bad != "":
		s.Bad[m.Expected.Bad]++
		s.Faults[m.Expected.Fault]++
	case m.Expected.Repeat:
		s.Repeats++
	default:
		s.countGood(m)
	}
}

func (s *Summary) countGood(m *Message) {
	s.Good[m.Topic]++
	s.Lines += int64(m.Expected.Lines)
	if m.Topic == Activation {
		s.Activations[m.Expected.Decision]++
	}
}
