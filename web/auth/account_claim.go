package auth

import (
	"encoding/json"
	"errors"
	"regexp"
	"strconv"

	"github.com/coreos/go-oidc/v3/oidc"
)

// errNoAccount: a token is valid, but names no account.
var errNoAccount = errors.New("the token names no account")

// An integer as JSON writes it, or the same in quotes.
var accountNumber = regexp.MustCompile(`^(?:([1-9][0-9]{0,18})|"([1-9][0-9]{0,18})")$`)

// accountOf returns the account that a verified token names in a claim: an integer of
// at least 1, as a number or a string. Nothing else of the token is used.
func accountOf(token *oidc.IDToken, claim string) (int64, error) {
	var claims map[string]json.RawMessage
	if err := token.Claims(&claims); err != nil {
		return 0, errNoAccount
	}
	found := accountNumber.FindSubmatch(claims[claim])
	if found == nil {
		return 0, errNoAccount
	}
	account, err := strconv.ParseInt(string(found[1])+string(found[2]), 10, 64)
	if err != nil {
		return 0, errNoAccount // beyond what an account can be
	}
	return account, nil
}
