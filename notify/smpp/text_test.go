package smpp

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"

	"referral/models"
)

func TestSplitting(t *testing.T) {
	for _, c := range []struct {
		name   string
		text   string
		parts  int
		coding byte
	}{
		{"nothing", "", 1, codingDefault},
		{"160 of the common signs", strings.Repeat("a", 160), 1, codingDefault},
		{"161", strings.Repeat("a", 161), 2, codingDefault},
		{"306", strings.Repeat("a", 306), 2, codingDefault},
		{"307", strings.Repeat("a", 307), 3, codingDefault},
		{"a sign that the alphabets write differently", "a@b", 1, codingUCS2},
		{"an underscore", "a_b", 1, codingUCS2},
		{"70 Russian letters", strings.Repeat("я", 70), 1, codingUCS2},
		{"71", strings.Repeat("я", 71), 2, codingUCS2},
		{"134", strings.Repeat("я", 134), 2, codingUCS2},
		{"135", strings.Repeat("я", 135), 3, codingUCS2},
		{"a pair on the edge", strings.Repeat("я", 66) + strings.Repeat("😀", 34), 3, codingUCS2},
	} {
		parts, err := split(c.text, 7)
		if err != nil || len(parts) != c.parts || parts[0].coding != c.coding {
			t.Errorf("%s: %d parts of coding %d, %v", c.name, len(parts), parts[0].coding, err)
		}
	}
}

// A character of two units is not split between parts.
func TestCharactersAreNotSplit(t *testing.T) {
	for before := 64; before <= 68; before++ {
		parts, err := split(strings.Repeat("я", before)+"😀😀😀😀😀", 7)
		if err != nil || len(parts) != 2 {
			t.Fatalf("%d parts, %v", len(parts), err)
		}
		for i, p := range parts {
			if piece := decode(p.coding, p.content[6:]); strings.ContainsRune(piece, '\uFFFD') {
				t.Errorf("%d letters before it: part %d is %q", before, i+1, piece)
			}
		}
	}
}

// The parts of a text make it up again, and each fits an SMS.
func TestPartsMakeUpTheText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("aя😀\U0010FFFFé@_ \n")), rapid.SampledFrom([]int{0, 60, 130}).Draw(t, "at least"), 250, -1).Draw(t, "text")
		parts, err := split(text, 9)
		if err != nil {
			t.Fatal(err)
		}
		var whole strings.Builder
		for i, p := range parts {
			content := p.content
			if len(content) > 140 && p.coding == codingUCS2 || len(content) > 160 || p.hasHeader != (len(parts) > 1) {
				t.Fatalf("part %d of %d: %+v", i+1, len(parts), p)
			}
			if p.hasHeader {
				if want := []byte{5, 0, 3, 9, byte(len(parts)), byte(i + 1)}; !bytes.Equal(content[:6], want) {
					t.Fatalf("part %d has the header %v", i+1, content[:6])
				}
				content = content[6:]
			}
			piece := decode(p.coding, content)
			if strings.ContainsRune(piece, '\uFFFD') {
				t.Fatalf("part %d has half a character", i+1)
			}
			if n := len(utf16.Encode([]rune(piece))); p.hasHeader && p.coding == codingUCS2 && n > 67 {
				t.Fatalf("part %d has %d units", i+1, n)
			}
			whole.WriteString(piece)
		}
		if whole.String() != text {
			t.Fatalf("%q became %q", text, whole.String())
		}
	})
}

func TestReceipts(t *testing.T) {
	const arrived, lost, open = models.InvitationDelivered, models.InvitationFailed, models.InvitationState("")
	tlv := func(t tag, value string) []byte {
		return append([]byte{byte(t >> 8), byte(t), 0, byte(len(value))}, value...)
	}
	for _, c := range []struct {
		name     string
		text     string
		optional []byte
		ids      IDs
		id       string
		state    models.InvitationState
	}{
		{"as the book has it", "id:m-1 sub:001 dlvrd:001 submit date:2605011200 done date:2605011201 stat:DELIVRD err:000 text:hello", nil, IDsAlike, "m-1", arrived},
		{"in capitals", "ID:m-1 STAT:delivrd", nil, IDsAlike, "m-1", arrived},
		{"spaces after the colon", "id: m-1 stat: UNDELIV", nil, IDsAlike, "m-1", lost},
		{"expired", "id:m-1 stat:EXPIRED", nil, IDsAlike, "m-1", lost},
		{"deleted", "id:m-1 stat:DELETED", nil, IDsAlike, "m-1", lost},
		{"rejected", "id:m-1 stat:REJECTD", nil, IDsAlike, "m-1", lost},
		{"on its way", "id:m-1 stat:ENROUTE", nil, IDsAlike, "m-1", open},
		{"a text that says otherwise", "id:m-1 stat:DELIVRD text:stat:UNDELIV", nil, IDsAlike, "m-1", arrived},
		{"nothing", "", nil, IDsAlike, "", open},
		{"names without words", "id: stat:", nil, IDsAlike, "stat:", open},
		{"parameters alone", "", append(tlv(tagReceiptedID, "m-1\x00"), tlv(tagMessageState, "\x02")...), IDsAlike, "m-1", arrived},
		{"parameters win", "id:m-2 stat:DELIVRD", append(tlv(tagReceiptedID, "m-1\x00"), tlv(tagMessageState, "\x05")...), IDsAlike, "m-1", lost},
		{"an unknown state", "", append(tlv(tagReceiptedID, "m-1\x00"), tlv(tagMessageState, "\x63")...), IDsAlike, "m-1", open},
		{"the text in a parameter", "", tlv(tagMessagePayload, "id:m-1 stat:DELIVRD"), IDsAlike, "m-1", arrived},
		{"decimal in the text", "id:255 stat:DELIVRD", nil, IDsDecimal, "255", arrived},
		{"decimal with zeros", "id:0000000255 stat:DELIVRD", nil, IDsDecimal, "255", arrived},
		{"hexadecimal in a parameter", "stat:DELIVRD", tlv(tagReceiptedID, "000000FF\x00"), IDsDecimal, "255", arrived},
		{"no number at all", "id:m-1 stat:DELIVRD", nil, IDsDecimal, "m-1", arrived},
	} {
		d, err := readDelivery(delivering(4, c.text, c.optional...))
		if err != nil || !d.isReceipt() {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		id, state, final := d.receipt(c.ids)
		if id != c.id || state != c.state || final != (c.state != open && c.id != "") {
			t.Errorf("%s: got %q, %q, %v", c.name, id, state, final)
		}
	}
	if got := IDsDecimal.submitted("000000ff"); got != "255" {
		t.Errorf("a hexadecimal id became %s", got)
	}
}

// Every input is read or refused, within the maximum size of a PDU.
func FuzzPDU(f *testing.F) {
	f.Add((&pdu{command: deliverSM, sequence: 1, body: delivering(4, "id:1 stat:DELIVRD", 0, 0x1E, 0, 1, 'x')}).bytes())
	f.Add((&pdu{command: submitSM | answer, sequence: 1, body: []byte("id\x00")}).bytes())
	f.Add([]byte{0, 0, 0, 16})
	f.Add([]byte{0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := readPDU(bytes.NewReader(raw))
		if err != nil {
			return
		}
		if again := p.bytes(); !bytes.Equal(again, raw[:len(again)]) {
			t.Fatalf("%x was read as %x", raw, again)
		}
		if d, err := readDelivery(p.body); err == nil {
			d.receipt(IDsDecimal)
		}
		_, _ = submitted(p.body)
	})
}
