package smpp

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"referral/models"
	peers "referral/test/smppserver"
)

func setting(t testing.TB, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set: this test needs a real SMSC; run it through `make test`", name)
	}
	return value
}

// smsc returns the options for a real SMSC (jSMPP's simulator) behind a recorder. It
// writes ids in hexadecimal in answers and in decimal in receipts.
func smsc(t testing.TB) (Options, *peers.Recorder) {
	t.Helper()
	recorder, err := peers.NewRecorder(setting(t, "REFERRAL_TEST_SMPP"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := recorder.Close(); err != nil {
			t.Error(err)
		}
	})
	o := options(recorder.Addr())
	o.SystemID, o.Password = setting(t, "REFERRAL_TEST_SMPP_USER"), setting(t, "REFERRAL_TEST_SMPP_PASSWORD")
	o.IDs = IDsDecimal
	return o, recorder
}

func TestRealSMSC(t *testing.T) {
	r := newReceipts()
	o, recorder := smsc(t)
	c := client(t, o, r)
	texts := []string{"Code K7M2XQ9PR", "Код K7M2XQ9PR", russian, strings.Repeat("a", 200)}
	var want, got []string
	for _, text := range texts {
		ids, err := send(t, c, text)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, ids...)
	}
	if len(want) != 1+1+4+2 {
		t.Errorf("the ids are %q", want)
	}
	for range want {
		receipt := r.wait(t)
		if receipt.State != models.InvitationDelivered || receipt.Transport != Name {
			t.Errorf("got %+v", receipt)
		}
		got = append(got, receipt.TransportID)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("receipts for %q, want them for %q", got, want)
	}
	messages, err := recorder.Messages()
	if err != nil || len(messages) != len(texts) {
		t.Fatalf("the SMSC was given %+v, %v", messages, err)
	}
	for i, m := range messages {
		if m.From != "t2 ATS" || m.To != "79123456789" || m.Text != texts[i] {
			t.Errorf("a telephone would show %+v, want %q", m, texts[i])
		}
	}
}

// After a lost connection the client reconnects, and sends a message once.
func TestRealSMSCReconnect(t *testing.T) {
	o, recorder := smsc(t)
	c := client(t, o, newReceipts())
	for range 3 {
		before := countOf(recorder, peers.BindTransceiver)
		recorder.Cut()
		// The SMSC may end of it and be started again: then it takes more than one try.
		until(t, "it is bound again", func() bool { return countOf(recorder, peers.BindTransceiver) > before && c.Ready() == nil })
	}
	if _, err := send(t, c, russian); err != nil {
		t.Error(err)
	}
	if n := countOf(recorder, peers.SubmitSM); n != 4 {
		t.Errorf("%d SMS were sent", n)
	}
}

func countOf(r *peers.Recorder, command uint32) (n int) {
	for _, c := range r.Commands() {
		if c == command {
			n++
		}
	}
	return n
}

func TestRealSMSCWrongPassword(t *testing.T) {
	o, _ := smsc(t)
	o.Password = "wrong"
	c := running(t, o, newReceipts())
	until(t, "it says so", func() bool { return strings.Contains(c.Ready().Error(), "0xe") })
	if err := c.Ready(); !errors.Is(err, models.ErrTransportUnreachable) {
		t.Error(err)
	}
}
