package smpp

import (
	"regexp"
	"strconv"
	"strings"

	"referral/models"
)

// delivery is the fields of a deliver_sm that are used.
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

// isReceipt distinguishes a receipt of the SMSC from a message to us.
func (d *delivery) isReceipt() bool {
	const kind, receipt = 0x3C, 0x04
	return d.class&kind == receipt
}

// The final states of a message in message_state and in the text of a receipt.
var (
	finalStates = map[byte]models.InvitationState{
		2: models.InvitationDelivered, 3: models.InvitationFailed, 4: models.InvitationFailed, 5: models.InvitationFailed, 8: models.InvitationFailed,
	}
	finalWords = map[string]models.InvitationState{
		"DELIVRD": models.InvitationDelivered, "EXPIRED": models.InvitationFailed, "DELETED": models.InvitationFailed,
		"UNDELIV": models.InvitationFailed, "REJECTD": models.InvitationFailed,
	}
)

// receipt returns the id and the final state of a message; final is false if the
// message is still on its way or unidentified. The optional parameters take precedence
// over the text, whose format differs by vendor.
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

// The fields of a receipt's text: "id:m-1 … stat:DELIVRD".
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

// IDs is how an SMSC writes the ids of messages.
type IDs string

// Some SMSCs write the id in hexadecimal in the answer to a message, and in decimal in
// the text of its receipt.
const (
	IDsAlike   IDs = "alike"   // the same text in both
	IDsDecimal IDs = "decimal" // hexadecimal and decimal
)

// submitted returns the id from the answer to a message in the form that is stored.
func (w IDs) submitted(id string) string { return w.stored(id, 16) }

// receipted returns the id from the text of a receipt in the form that is stored.
func (w IDs) receipted(id string) string { return w.stored(id, 10) }

func (w IDs) stored(id string, base int) string {
	n, err := strconv.ParseUint(id, base, 64)
	if w != IDsDecimal || err != nil {
		return id
	}
	return strconv.FormatUint(n, 10)
}
