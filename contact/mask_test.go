package contact_test

import (
	"testing"

	"referral/contact"
)

func TestMask(t *testing.T) {
	t.Parallel()
	for recipient, want := range map[string]string{
		"": "", "ivan.petrov@example.org": "i***@example.org", "@example.org": "***@example.org", "+79123456789": "+7912*****89", "12345": "*****",
	} {
		if got := contact.Mask(recipient); got != want {
			t.Errorf("%q is shown as %q, want %q", recipient, got, want)
		}
	}
}
