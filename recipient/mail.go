package recipient

import (
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/idna"
)

// Lengths that the mail protocols allow (RFC 5321, 4.5.3.1; the whole path, with
// its brackets, is 256).
const (
	longestMail  = 254
	longestLocal = 64
)

// plainLocal is a local part as everybody writes it (a dot-atom of RFC 5322).
// Quoted ones are allowed by the letter, and used by nobody but mischief.
var plainLocal = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$")

// readMail is an address as it is written to, and the canonical form of the
// mailbox behind it.
func readMail(typed string) (address, canonical string, err error) {
	parsed, err := mail.ParseAddress(typed)
	if err != nil || parsed.Name != "" || parsed.Address != typed {
		return "", "", fmt.Errorf("%w: not a single mail address", ErrBad)
	}
	at := strings.LastIndexByte(typed, '@')
	local, domain := typed[:at], typed[at+1:]
	if mixed(local) {
		return "", "", fmt.Errorf("%w: alphabets are mixed before the @", ErrLookalike)
	}
	if foreign(local) {
		return "", "", fmt.Errorf("%w", ErrForeignLetters)
	}
	if len(local) > longestLocal || !plainLocal.MatchString(local) {
		return "", "", fmt.Errorf("%w: what stands before the @ cannot be written to", ErrBad)
	}
	if domain, err = readDomain(domain); err != nil {
		return "", "", err
	}
	if len(local)+1+len(domain) > longestMail {
		return "", "", fmt.Errorf("%w: too long", ErrBad)
	}
	return local + "@" + domain, mailbox(local, domain), nil
}

// domains is IDNA as registries have it: lower case, no sign that is invisible or
// not allowed in names.
var domains = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.VerifyDNSLength(true), idna.StrictDomainName(true),
	idna.ValidateLabels(true), idna.CheckHyphens(true), idna.CheckJoiners(true), idna.Transitional(false))

// readDomain is a domain in ASCII and lower case. It is judged as it is shown, with
// the xn-- form read first. A label beyond ASCII has to be Russian: those of other
// alphabets hold too many letters that pass for Latin ones («gmaıl», «ᴀpple»), and
// nobody who is invited here has one.
func readDomain(typed string) (string, error) {
	domain, err := domains.ToASCII(typed)
	if err != nil {
		return "", fmt.Errorf("%w: no domain stands after the @", ErrBad)
	}
	shown, err := domains.ToUnicode(domain)
	if err != nil {
		return "", fmt.Errorf("%w: no domain stands after the @", ErrBad)
	}
	labels := strings.Split(shown, ".")
	last := labels[len(labels)-1]
	if len(labels) < 2 || strings.Trim(last, "0123456789") == "" {
		return "", fmt.Errorf("%w: no domain stands after the @", ErrBad)
	}
	for _, label := range labels {
		if !ascii(label) && !russian(label) || !cyrillic(last) && poses(label) {
			return "", fmt.Errorf("%w: its domain", ErrLookalike)
		}
	}
	return domain, nil
}

// mailbox is one name for the addresses that lead to one mailbox, so that a
// recipient is not written to as often as its address can be spelled: no large
// provider tells capitals apart, what follows a + is the owner's own mark, Gmail
// passes over dots, and Yandex takes a dot for a hyphen.
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

// yandex is the domains under which Yandex has one mailbox for a login: those that
// its own services take for yandex.ru. Domains that it merely owns, or hosts the
// mail of others for, are not among them.
var yandex = []string{
	"yandex.ru", "ya.ru", "narod.ru", "yandex.com", "yandex.by", "yandex.kz", "yandex.ua", "yandex.az", "yandex.co.il", "yandex.com.am",
	"yandex.com.ge", "yandex.com.tr", "yandex.ee", "yandex.fr", "yandex.kg", "yandex.lt", "yandex.lv", "yandex.md", "yandex.tj", "yandex.tm",
	"yandex.uz",
}
