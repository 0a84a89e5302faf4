package billing

import (
	"strings"
	"unicode"

	"referral/models"
)

// FriendName is a friend's name as the inviter may see it on a day.
func (p *Programme) FriendName(name string, today models.Date) string {
	if p.TermsOn(today).ShowFriendNames {
		return name
	}
	return MaskName(name)
}

const mask = "***"

// MaskName keeps of each word of a name what its friends know it by and nobody
// else can tell it by: two letters at either end of a long word, one of a short
// one, at most half of it. The stars do not tell how many letters they hide.
// "ООО «Резервация»" becomes "О*** «Ре***ия»".
func MaskName(name string) string {
	var masked strings.Builder
	var word []string // letter by letter, each with its accents
	for _, r := range strings.ToValidUTF8(name, "") {
		switch {
		case unicode.IsMark(r) && len(word) > 0:
			word[len(word)-1] += string(r)
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			word = append(word, string(r))
		default:
			masked.WriteString(maskWord(word))
			word = nil
			masked.WriteRune(r)
		}
	}
	masked.WriteString(maskWord(word))
	return masked.String()
}

func maskWord(letters []string) string {
	n := len(letters)
	switch {
	case n == 0:
		return ""
	case n == 1:
		return mask
	case n < 4:
		return letters[0] + mask
	case n < 8:
		return letters[0] + mask + letters[n-1]
	}
	return strings.Join(letters[:2], "") + mask + strings.Join(letters[n-2:], "")
}
