package contact

import (
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/idna"
)

// Maximum lengths of RFC 5321, 4.5.3.1. An address is two shorter than a path, which
// has angle brackets.
const (
	maxEmail = 254
	maxLocal = 64
)

// plainLocal is a local part without quotes (a dot-atom of RFC 5322). Quoted local
// parts are valid, but hardly anyone has one, and they help attacks.
var plainLocal = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$")

// normalizeEmail returns the address to send to, and the canonical name of its
// mailbox.
func normalizeEmail(typed string) (address, canonical string, err error) {
	parsed, err := mail.ParseAddress(typed)
	if err != nil || parsed.Name != "" || parsed.Address != typed {
		return "", "", fmt.Errorf("%w: not a single e-mail address", ErrBad)
	}
	at := strings.LastIndexByte(typed, '@')
	local, domain := typed[:at], typed[at+1:]
	if mixesScripts(local) {
		return "", "", fmt.Errorf("%w: mixed alphabets before the @", ErrLookalike)
	}
	if hasForeignLetters(local) {
		return "", "", fmt.Errorf("%w", ErrForeignLetters)
	}
	if len(local) > maxLocal || !plainLocal.MatchString(local) {
		return "", "", fmt.Errorf("%w: the part before the @ is not a plain local part", ErrBad)
	}
	if domain, err = normalizeDomain(domain); err != nil {
		return "", "", err
	}
	if len(local)+1+len(domain) > maxEmail {
		return "", "", fmt.Errorf("%w: too long", ErrBad)
	}
	return local + "@" + domain, mailbox(local, domain), nil
}

// domains is the IDNA profile of registries: lower case, no invisible or disallowed
// characters.
var domains = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.VerifyDNSLength(true), idna.StrictDomainName(true),
	idna.ValidateLabels(true), idna.CheckHyphens(true), idna.CheckJoiners(true), idna.Transitional(false))

// normalizeDomain returns a domain in ASCII and lower case. Lookalikes are checked on
// the Unicode form, also of a domain typed in its xn-- form. A label beyond ASCII has
// to be Russian: other alphabets have too many letters that look like Latin ones
// («gmaıl», «ᴀpple»), and clients here have no such domains.
func normalizeDomain(typed string) (string, error) {
	domain, err := domains.ToASCII(typed)
	if err != nil {
		return "", fmt.Errorf("%w: no domain after the @", ErrBad)
	}
	shown, err := domains.ToUnicode(domain)
	if err != nil {
		return "", fmt.Errorf("%w: no domain after the @", ErrBad)
	}
	labels := strings.Split(shown, ".")
	last := labels[len(labels)-1]
	if len(labels) < 2 || strings.Trim(last, "0123456789") == "" {
		return "", fmt.Errorf("%w: no domain after the @", ErrBad)
	}
	for _, label := range labels {
		if !isASCII(label) && !isRussian(label) || !isCyrillic(last) && looksLatin(label) {
			return "", fmt.Errorf("%w: its domain", ErrLookalike)
		}
	}
	return domain, nil
}

// mailbox returns one name for all addresses of a mailbox, so that the limits hold
// however an address is spelled: large providers ignore case, what follows a + is
// chosen by the owner, Gmail ignores dots, and Yandex treats a dot as a hyphen.
func mailbox(local, domain string) string {
	local, _, _ = strings.Cut(strings.ToLower(local), "+")
	switch {
	case domain == "gmail.com" || domain == "googlemail.com":
		local, domain = strings.ReplaceAll(local, ".", ""), "gmail.com"
	case slices.Contains(yandex, domain):
		local, domain = strings.ReplaceAll(local, ".", "-"), "yandex.ru"
	}
	return local + "@" + domain
}

// yandex is the domains that Yandex treats as yandex.ru: a login has one mailbox under
// all of them. Other domains of Yandex, and domains that it hosts, are not listed.
var yandex = []string{
	"yandex.ru", "ya.ru", "narod.ru", "yandex.com", "yandex.by", "yandex.kz", "yandex.ua", "yandex.az", "yandex.co.il", "yandex.com.am",
	"yandex.com.ge", "yandex.com.tr", "yandex.ee", "yandex.fr", "yandex.kg", "yandex.lt", "yandex.lv", "yandex.md", "yandex.tj", "yandex.tm",
	"yandex.uz",
}
