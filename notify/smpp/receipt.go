package smpp

import (
	"regexp"
	"strconv"
	"strings"

	"referral/models"
)

// delivery is what a deliver_sm says, as far as it concerns us.
type delivery struct {
	class    byte
	text     string
	optional map[tag][]byte
}

func readDelivery(body []byte) (delivery, error) {
	f := &fields{rest: body}
	f.text(6) // service_type
	for range 2 {
		f.take(2)
		f.text(addressSize)
	}
	d := delivery{class: f.byte()}
	f.take(2)
	f.text(17) // schedule_delivery_time
	f.text(17) // validity_period
	f.take(4)
	d.text = string(f.take(int(f.byte())))
	d.optional = f.optional()
	if payload := d.optional[tagMessagePayload]; d.text == "" && payload != nil {
		d.text = string(payload)
	}
	return d, f.err
}

// isReceipt tells an SMSC's receipt from a message that somebody sent to us.
func (d *delivery) isReceipt() bool {
	const kind, receipt = 0x3C, 0x04
	return d.class&kind == receipt
}

// The states of a message, as message_state and the texts of receipts name them.
// All others say that it is still on its way, or nothing.
var (
	finalStates = map[byte]models.InvitationState{
		2: models.InvitationDelivered, 3: models.InvitationFailed, 4: models.InvitationFailed, 5: models.InvitationFailed, 8: models.InvitationFailed,
	}
	finalWords = map[string]models.InvitationState{
		"DELIVRD": models.InvitationDelivered, "EXPIRED": models.InvitationFailed, "DELETED": models.InvitationFailed,
		"UNDELIV": models.InvitationFailed, "REJECTD": models.InvitationFailed,
	}
)

// receipt is the id of a message and what became of it; final is false when it
// says nothing for good. The optional parameters are meant for machines and win
// over the text, which every vendor writes in its own way.
func (d *delivery) receipt(ids IDs) (id string, state models.InvitationState, final bool) {
	if value, there := d.optional[tagReceiptedID]; there {
		id = ids.submitted(strings.TrimRight(string(value), "\x00"))
	} else {
		id = ids.receipted(d.word(idWord))
	}
	if value := d.optional[tagMessageState]; len(value) == 1 {
		state, final = finalStates[value[0]]
	} else {
		state, final = finalWords[strings.ToUpper(d.word(statWord))]
	}
	return id, state, final && id != ""
}

// The words of a receipt's text: "id:m-1 … stat:DELIVRD".
var (
	idWord   = regexp.MustCompile(`(?i)\bid:\s*(\S+)`)
	statWord = regexp.MustCompile(`(?i)\bstat:\s*(\S+)`)
)

func (d *delivery) word(name *regexp.Regexp) string {
	found := name.FindStringSubmatch(d.text)
	if found == nil {
		return ""
	}
	return found[1]
}

// IDs is how a peer writes the ids of messages.
type IDs string

// The ways. Some peers answer to a message with its id in hexadecimal, and write
// it in decimal in the text of its receipt.
const (
	IDsAlike   IDs = "alike"
	IDsDecimal IDs = "decimal"
)

// submitted is an id from the answer to a message, in the form that we keep.
func (w IDs) submitted(id string) string {
	if w != IDsDecimal {
		return id
	}
	n, err := strconv.ParseUint(id, 16, 64)
	if err != nil {
		return id
	}
	return strconv.FormatUint(n, 10)
}

// receipted is an id from the text of a receipt, in the form that we keep.
func (w IDs) receipted(id string) string {
	if w != IDsDecimal {
		return id
	}
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return id
	}
	return strconv.FormatUint(n, 10)
}
