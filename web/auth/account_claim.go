package auth

import (
	"encoding/json"
	"regexp"
	"strconv"

	"github.com/coreos/go-oidc/v3/oidc"
)

// An integer as JSON writes it, or the same in quotes.
var accountNumber = regexp.MustCompile(`^(?:([1-9][0-9]{0,18})|"([1-9][0-9]{0,18})")$`)

// principalOf returns the principal that a verified token names: a member of staff by
// [staffOf], or a client by the claim of the account, an integer of at least 1, as a
// number or a string. Nothing else of the token is used.
func (a *Authenticator) principalOf(token *oidc.IDToken) (Principal, error) {
	if claims := a.options.SignIn.Staff; claims != nil {
		staff, err := staffOf(token, claims)
		return Principal{Staff: staff}, err
	}
	var claims map[string]json.RawMessage
	if err := token.Claims(&claims); err != nil {
		return Principal{}, errNoAccount
	}
	found := accountNumber.FindSubmatch(claims[a.options.SignIn.AccountClaim])
	if found == nil {
		return Principal{}, errNoAccount
	}
	account, err := strconv.ParseInt(string(found[1])+string(found[2]), 10, 64)
	if err != nil {
		return Principal{}, errNoAccount // too large
	}
	return Principal{AccountID: account}, nil
}
