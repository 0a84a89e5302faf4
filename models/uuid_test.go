package models_test

import (
	"testing"

	"referral/models"
)

func TestUUIDAsText(t *testing.T) {
	const text = "6ba7b811-9dad-11d1-80b4-00c04fd430c8"
	u, err := models.ParseUUID(text)
	if err != nil || u.String() != text {
		t.Fatalf("%s was read as %s, %v", text, u, err)
	}
	if u[0] != 0x6b || u[4] != 0x9d || u[6] != 0x11 || u[8] != 0x80 || u[10] != 0x00 || u[15] != 0xc8 {
		t.Errorf("%s has the bytes % x", text, u[:])
	}
	if upper, err := models.ParseUUID("6BA7B811-9DAD-11D1-80B4-00C04FD430C8"); err != nil || upper != u {
		t.Errorf("capitals were read as %s, %v", upper, err)
	}
	written, err := u.MarshalText()
	if err != nil || string(written) != text {
		t.Errorf("marshalled as %q, %v", written, err)
	}
	var again models.UUID
	if err := again.UnmarshalText(written); err != nil || again != u {
		t.Errorf("unmarshalled as %s, %v", again, err)
	}
	if zero := (models.UUID{}).String(); zero != "00000000-0000-0000-0000-000000000000" {
		t.Errorf("the zero is %s", zero)
	}
}

func TestParseUUIDRefusesWhatIsNone(t *testing.T) {
	for _, s := range []string{
		"", "885",
		"6ba7b8119dad11d180b400c04fd430c8",
		"{6ba7b811-9dad-11d1-80b4-00c04fd430c8}",
		"6ba7b811-9dad-11d1-80b4-00c04fd430c",
		"6ba7b811-9dad-11d1-80b4-00c04fd430c88",
		"6ba7b811-9dad-11d1-80b4-00c04fd430c8ff",
		"6ba7b811a9dad-11d1-80b4-00c04fd430c8",
		"6ba7b811-9dada11d1-80b4-00c04fd430c8",
		"6ba7b811-9dad-11d1a80b4-00c04fd430c8",
		"6ba7b811-9dad-11d1-80b4a00c04fd430c8",
		"6ba7b81-19dad-11d1-80b4-00c04fd430c8",
		"6ba7b811-9da-d11d1-80b4-00c04fd430c8",
		"6ba7b811-9dad-11d-180b4-00c04fd430c8",
		"6ba7b811-9dad-11d1-80b-400c04fd430c8",
		"6ba7b811 9dad 11d1 80b4 00c04fd430c8",
		"6ba7b811-9dad-11d1-80b4-00c04fd430cx",
	} {
		if u, err := models.ParseUUID(s); err == nil {
			t.Errorf("%q was read as %s", s, u)
		}
		var u models.UUID
		if err := u.UnmarshalText([]byte(s)); err == nil {
			t.Errorf("%q was unmarshalled as %s", s, u)
		}
	}
}

// Keys of requests are kept as such hashes: what they are may never change.
func TestHashOfATextNeverChanges(t *testing.T) {
	if got := models.HashUUID("pbx", "e-1").String(); got != "42eef108-0995-12fa-c6c9-c2d81f6cd8d2" {
		t.Errorf("the hash of pbx e-1 is %s", got)
	}
	if models.HashUUID("pbx", "e-1") == models.HashUUID("pbxe", "-1") {
		t.Error("space and text run into one another")
	}
}
