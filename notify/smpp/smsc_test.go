package smpp

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"referral/models"
)

func setting(t testing.TB, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set: this test needs a real SMSC; run it through `make test`", name)
	}
	return value
}

// smsc reaches a real SMSC: jSMPP's simulator. It answers with ids in hexadecimal
// and writes them in decimal in its receipts.
func smsc(t testing.TB) Options {
	t.Helper()
	o := options(setting(t, "REFERRAL_TEST_SMPP"))
	o.SystemID, o.Password = setting(t, "REFERRAL_TEST_SMPP_USER"), setting(t, "REFERRAL_TEST_SMPP_PASSWORD")
	o.IDs = IDsDecimal
	return o
}

func TestARealSMSC(t *testing.T) {
	r := newReceipts()
	c := client(t, smsc(t), r)
	var want, got []string
	for _, text := range []string{"Code K7M2XQ9PR", "Код K7M2XQ9PR", russian, strings.Repeat("a", 200)} {
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
		if receipt.State != models.InvitationDelivered || receipt.Carrier != Carrier {
			t.Errorf("got %+v", receipt)
		}
		got = append(got, receipt.CarrierID)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("receipts for %q, want them for %q", got, want)
	}
}

func TestARealSMSCRefusesAWrongPassword(t *testing.T) {
	o := smsc(t)
	o.Password = "wrong"
	c := running(t, o, newReceipts())
	until(t, "it says so", func() bool { return strings.Contains(c.Ready().Error(), "0xe") })
	if err := c.Ready(); !errors.Is(err, models.ErrCarrierAway) {
		t.Error(err)
	}
}
