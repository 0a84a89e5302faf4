package contact

import (
	"errors"
	"strings"
	"testing"

	"referral/models"
)

func TestPhones(t *testing.T) {
	for typed, want := range map[string]string{
		"8 (912) 345-67-89":       "+79123456789",
		"+7 912 345 67 89":        "+79123456789",
		"+7(912)345-67-89":        "+79123456789",
		"79123456789":             "+79123456789",
		"89123456789":             "+79123456789",
		"9123456789":              "+79123456789",
		"912 345 67 89":           "+79123456789",
		"(912) 345.67.89":         "+79123456789",
		"8-912-345-67-89":         "+79123456789",
		"8\u00a0912\u00a03456789": "+79123456789",
		"+7 – 912 – 345 – 67–89":  "+79123456789",
		"  +79123456789\t":        "+79123456789",

		// As pages, address books and messengers have them copied.
		"\u202a+7 912 345-67-89\u202c":                "+79123456789",
		"\u200e+7\u00a0912\u00a0345‑67‑89\u200f":      "+79123456789",
		"\u2066+79123456789\u2069":                    "+79123456789",
		"\ufeff8\u2060912\u200b345\u00ad67\u00ad89":   "+79123456789",
		"8 912 345\u221267\u221289":                   "+79123456789",
		"8\u2010912\u2011345\u201267\u201389":         "+79123456789",
		"8\u2014912\u2015345\ufe5867\uff0d89":         "+79123456789",
		"8\u2009912\u202f345\u200a67\u300089":         "+79123456789",
		" \u202a 8 912 345 67 89 \u202c ":             "+79123456789",
		"\u202a\u202c":                                "",
		"\u202a8912FLOWERS\u202c":                     "",
		"8912345678\u202eа":                           "",
		"+79123456789\u2028+79123456780":              "", // a line separator
		"+79123456789\u202a\r\nBcc: x@y.z":            "",
		"+79123456789\u200b,\u200b+79123456780":       "",
		"+7912345678\U000e0039":                       "", // a 9 that nobody sees
		"8 912 345\u22176789":                         "", // a sign of mathematics
		strings.Repeat("\u200e", 400):                 "",
		strings.Repeat("\u200e", 320) + "+7912345678": "",
		"8 800 555 35 35":                             "", // toll-free
		"+7 495 123-45-67":                            "", // a landline
		"112":                                         "",
		"0911":                                        "",
		"4242":                                        "",
		"+7912345678":                                 "", // a digit short
		"+791234567890":                               "", // one too many
		"8 912 345-67-89 доб. 1":                      "",
		"+79123456789;ext=5":                          "",
		"tel:+79123456789":                            "",
		"8912FLOWERS":                                 "",
		"８９１２３４５６７８９":                                 "", // full-width digits
		"+79123456789,+79123456780":                   "",
		"+79123456789\n+79123456780":                  "",
		"+7701 234 5678":                              "", // Kazakhstan shares the code
		"+375291234567":                               "",
		"+12025550123":                                "",
		"+882 16 12345678":                            "", // satellite
		"":                                            "",
		"+":                                           "",
		"---":                                         "",
	} {
		got, err := Rules{}.Normalize(models.SMS, typed)
		if got.Address != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, ErrBad) {
			t.Errorf("%q: got %q, %v, want %q", typed, got.Address, err, want)
		}
	}
}

func TestPremiumNumbers(t *testing.T) {
	for _, typed := range []string{"8 809 123-45-67", "+78091234567", "8 (803) 123 45 67", "+78031234567", "8091234567"} {
		if _, err := (Rules{}).Normalize(models.SMS, typed); !errors.Is(err, ErrPremium) {
			t.Errorf("%q: got %v, want %v", typed, err, ErrPremium)
		}
	}
	if _, err := (Rules{Regions: []string{"GB"}}).Normalize(models.SMS, "+44 909 879 0000"); !errors.Is(err, ErrPremium) {
		t.Errorf("a premium number of another region: %v", err)
	}
}

func TestRegions(t *testing.T) {
	both := Rules{Regions: []string{"RU", "KZ"}}
	for typed, want := range map[string]string{"8 701 234 56 78": "+77012345678", "+7 912 345 67 89": "+79123456789", "+375 29 123 45 67": ""} {
		if got, err := both.Normalize(models.SMS, typed); got.Address != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", typed, got.Address, err, want)
		}
	}
	for code, want := range map[string]bool{"RU": true, "KZ": true, "ru": false, "XX": false, "": false, "ZZ": false} {
		if IsRegion(code) != want {
			t.Errorf("%q is taken for a region: %v", code, !want)
		}
	}
}

func TestEmails(t *testing.T) {
	long := strings.Repeat("a", 64)
	for typed, want := range map[string]string{
		"friend@example.com":                    "friend@example.com",
		" Friend.Of@Example.COM ":               "Friend.Of@example.com",
		"o'brien+t2@mail.example.co.uk":         "o'brien+t2@mail.example.co.uk",
		"info@почта.рф":                         "info@xn--80a1acny.xn--p1ai",
		"druzhok-24@пример.рф":                  "druzhok-24@xn--e1afmkfd.xn--p1ai",
		"info@ПОЧТА.РФ":                         "info@xn--80a1acny.xn--p1ai",
		"info@яндекс.ru":                        "info@xn--d1acpjx3f.ru",
		"a@ｅxample.com":                         "a@example.com", // full-width, as IDNA maps it
		"a@123.com":                             "a@123.com",
		long + "@example.com":                   long + "@example.com",
		"":                                      "",
		"friend":                                "",
		"@example.com":                          "",
		"friend@":                               "",
		"friend@localhost":                      "",
		"friend@127.0.0.1":                      "",
		"friend@[127.0.0.1]":                    "",
		"friend@[IPv6:::1]":                     "",
		"friend@example.123":                    "",
		"friend@example..com":                   "",
		"friend@-example.com":                   "",
		"friend@exa_mple.com":                   "",
		"friend@example.com.":                   "",
		"fri end@example.com":                   "",
		".friend@example.com":                   "",
		"friend.@example.com":                   "",
		"fri..end@example.com":                  "",
		`"fri end"@example.com`:                 "",
		`"x\r\nBcc: y"@example.com`:             "",
		"Friend <friend@example.com>":           "",
		"<friend@example.com>":                  "",
		"friend@example.com (a friend)":         "",
		"a@example.com, b@example.com":          "",
		"a@example.com;b@example.com":           "",
		"a@b@example.com":                       "",
		"group: a@example.com;":                 "",
		"friend@example.com\r\nBcc: x@y.z":      "",
		"friend@example.com\nx":                 "",
		"friend\r@example.com":                  "",
		"friend@exam\x00ple.com":                "",
		"friend@exam\u200bple.com":              "",
		"friend@exam\u202eple.com":              "",
		"fri\u00adend@example.com":              "",
		"friend@xn--a.com":                      "",
		"friend@xn--.com":                       "",
		"friend@\xff.com":                       "",
		"a" + long + "@example.com":             "",
		"a@" + strings.Repeat("b", 64) + ".com": "",
		long + "@" + strings.Repeat("abcdefgh.", 22) + "com": "",
		strings.Repeat("x", 400) + "@example.com":            "",
	} {
		got, err := Rules{}.Normalize(models.Email, typed)
		if got.Address != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, ErrBad) {
			t.Errorf("%q: got %q, %v, want %q", typed, got.Address, err, want)
		}
	}
}

func TestLookalikes(t *testing.T) {
	for _, typed := range []string{
		"a@pаypal.com",         // Cyrillic а
		"a@gооgle.com",         // Cyrillic о
		"a@xn--pypal-4ve.com",  // the first one again, as registries write it
		"a@аррӏе.com",          // Cyrillic throughout
		"a@xn--80ak6aa92e.com", // the same
		"a@mail.аррӏе.com",     // further down
		"a@ехро.com",           // letters that pass for Latin ones
		"a@сбepбанк.рф",        // Latin e and p
		"a@goοgle.com",         // Greek ο
		"a@εxample.com",        // Greek ε
		"a@gmaıl.com",          // a Latin i without its dot
		"a@xn--gmal-nza.com",   // the same, as registries write it
		"a@XN--GMAL-NZA.com",
		"a@ɡmail.com",         // the g of phonetic writing
		"a@gmáil.com",         // an accent
		"a@gma\u0301il.com",   // and the same in two signs
		"a@ᴀpple.com",         // a small capital
		"a@mail.ᴀpple.com",    // further down
		"a@gma·il.com",        // a character that is not a letter
		"a@οοο.com",           // Greek throughout
		"a@տօօ.com",           // Armenian throughout
		"a@ꓖꓳꓳ.com",           // Lisu throughout
		"a@münchen.de",        // honest, and not told from the others
		"a@日本語カナ.jp",          // likewise
		"a@інфо.ua",           // Cyrillic, but not Russian: і passes for i
		"a@xn--m1acr4e.ua",    // the same
		"a@д\u0301.рф",        // an accent on a Russian letter
		"a@пример.ευ",         // the last label counts too
		"a@xn--gmal-nza.рф",   // under a Russian zone
		"suppоrt@example.com", // before the @
		"α.beta@example.com",
	} {
		if got, err := (Rules{}).Normalize(models.Email, typed); !errors.Is(err, ErrLookalike) {
			t.Errorf("%q: got %q, %v, want %v", typed, got.Address, err, ErrLookalike)
		}
	}
	for _, typed := range []string{"a@ехро.рф", "a@москва.com", "a@ёлка-24.рф", "a@mail.почта.рф", "a@t2.рф", "a@т2.рф", "a@й.рф", "a@и\u0306.рф"} {
		if _, err := (Rules{}).Normalize(models.Email, typed); err != nil {
			t.Errorf("%q is refused: %v", typed, err)
		}
	}
}

// A Russian domain is converted to ASCII. Russian letters before the @ are refused.
func TestRussianAddresses(t *testing.T) {
	for typed, want := range map[string]error{
		"friend@пример.рф":             nil,
		"friend@xn--e1afmkfd.xn--p1ai": nil,
		"друг@пример.рф":               ErrForeignLetters,
		"Друг.Дома@пример.рф":          ErrForeignLetters,
		"друг@example.com":             ErrForeignLetters,
		"почта-24@example.com":         ErrForeignLetters,
		"müller@example.com":           ErrForeignLetters,
		"朋友@example.com":               ErrForeignLetters,
		"дрyг@пример.рф":               ErrLookalike, // with a Latin y
		"friend@прuмер.рф":             ErrLookalike, // with a Latin u
		"друг friend@пример.рф":        ErrBad,
	} {
		if _, err := (Rules{}).Normalize(models.Email, typed); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", typed, err, want)
		}
	}
}

// A mailbox or telephone has one key, however it is written.
func TestKeys(t *testing.T) {
	key := func(channel models.Channel, typed string) models.RecipientKey {
		r, err := Rules{}.Normalize(channel, typed)
		if err != nil {
			t.Fatalf("%q: %v", typed, err)
		}
		return r.Key
	}
	for _, same := range [][]string{
		{"friend@example.com", "Friend@EXAMPLE.com", "friend+work@example.com"},
		{"friend@gmail.com", "f.r.i.end@googlemail.com", "FRIEND+1@gmail.com"},
		{
			"fri-end@yandex.ru", "fri.end@ya.ru", "fri.end@narod.ru", "fri.end@yandex.com", "fri.end@yandex.by", "fri.end@yandex.kz", "fri.end@yandex.ua",
			"fri.end@yandex.az", "fri.end@yandex.co.il", "fri.end@yandex.com.am", "fri.end@yandex.com.ge", "fri.end@Yandex.com.TR", "fri.end@yandex.ee",
			"fri.end@yandex.fr", "fri.end@yandex.kg", "fri.end@yandex.lt", "fri.end@yandex.lv", "fri.end@yandex.md", "fri.end@yandex.tj",
			"fri.end@yandex.tm", "Fri-End+t2@yandex.uz",
		},
		{"a@почта.рф", "A@xn--80a1acny.xn--p1ai"},
	} {
		for _, typed := range same[1:] {
			if key(models.Email, typed) != key(models.Email, same[0]) {
				t.Errorf("%q and %q have different keys", typed, same[0])
			}
		}
	}
	if key(models.Email, "fri.end@example.com") == key(models.Email, "friend@example.com") {
		t.Error("dots are dropped everywhere")
	}
	for _, other := range []string{"fri-end@yandex-team.ru", "fri-end@mail.yandex.ru", "fri-end@yandex.ru.com", "fri-end@myandex.ru", "fri-end@yandex.de"} {
		if key(models.Email, other) == key(models.Email, "fri-end@yandex.ru") {
			t.Errorf("%s is taken for Yandex's mailbox", other)
		}
	}
	if key(models.SMS, "8 912 345 67 89") != key(models.SMS, "+79123456789") {
		t.Error("one telephone has two keys")
	}
	if models.NewRecipientKey(models.Email, "x") == models.NewRecipientKey(models.SMS, "x") {
		t.Error("the channel does not count")
	}
}

func TestErrorsQuoteNothing(t *testing.T) {
	for _, typed := range []string{"canary@@example.com", "canary@pаypal.com", "+7canary"} {
		for _, channel := range []models.Channel{models.Email, models.SMS, "pigeon"} {
			if _, err := (Rules{}).Normalize(channel, typed); err == nil || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: %v", channel, err)
			}
		}
	}
}

func FuzzNormalize(f *testing.F) {
	for _, seed := range []string{"friend@example.com", "a@xn--80ak6aa92e.com", "8 (912) 345-67-89", "\"a b\"@c.d", "+7912\r\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		for _, channel := range []models.Channel{models.Email, models.SMS} {
			got, err := Rules{}.Normalize(channel, typed)
			if err != nil {
				continue
			}
			for _, c := range []byte(got.Address) {
				if c <= ' ' || c >= 0x7f {
					t.Fatalf("%q became %q", typed, got.Address)
				}
			}
			again, err := Rules{}.Normalize(channel, got.Address)
			if err != nil || again != got {
				t.Fatalf("%q became %q, and that %v, %v", typed, got.Address, again, err)
			}
		}
	})
}
