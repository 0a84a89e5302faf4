package suspicion

import (
	"hash/fnv"
	"strings"

	"referral/models"
)

// trait is what two accounts may have in common.
type trait int

const (
	taxID trait = iota
	phone
	mail
	mailDomain
	traits // how many there are
)

var signOf = [traits]models.SuspicionSign{
	taxID: models.SuspiciousTaxID, phone: models.SuspiciousPhone, mail: models.SuspiciousEmail, mailDomain: models.SuspiciousDomain,
}

// traitsOf is the traits of an account as they are compared, empty where there is
// none. A number in the Russian form with 8 is the one with 7.
func traitsOf(p models.Profile) (of [traits]string) {
	of[taxID] = strings.TrimSpace(p.TaxID)
	of[phone] = strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, p.Phone)
	if len(of[phone]) == 11 && of[phone][0] == '8' {
		of[phone] = "7" + of[phone][1:]
	}
	of[mail] = strings.ToLower(strings.TrimSpace(p.Email))
	if _, domain, ok := strings.Cut(of[mail], "@"); ok && !publicMail[domain] {
		of[mailDomain] = domain
	}
	return of
}

// hash stands for a text in memory; 0 for none. Among a million accounts two texts have
// one hash once in a few million nights, and a person looks at what is found.
func hash(text string) uint64 {
	if text == "" {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // it never fails
	return max(1, h.Sum64())
}

// publicMail is the domains at which anybody may have an address, or that documents use
// in examples, so that they say nothing about who two clients are.
var publicMail = func() map[string]bool {
	set := map[string]bool{}
	for _, domain := range strings.Fields(`mail.ru bk.ru list.ru inbox.ru internet.ru vk.com
		yandex.ru ya.ru yandex.com yandex.by yandex.kz narod.ru rambler.ru lenta.ru autorambler.ru myrambler.ru ro.ru
		gmail.com googlemail.com outlook.com hotmail.com live.com live.ru msn.com
		icloud.com me.com mac.com yahoo.com ymail.com aol.com
		proton.me protonmail.com tutanota.com gmx.com gmx.net gmx.de web.de zoho.com mail.com
		ukr.net tut.by nm.ru pochta.ru hotbox.ru e-mail.ru email.ru qip.ru sibmail.com
		qq.com 163.com example.org example.com example.net`) {
		set[domain] = true
	}
	return set
}()
