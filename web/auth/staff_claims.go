package auth

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"

	"referral/models"
)

// StaffClaims says which claims of the tokens of the staff's provider name a person
// and the person's roles. A dot leads into an object: realm_access.roles.
type StaffClaims struct {
	Roles  string                 // a text, or a list of them
	Name   string                 // shown and recorded; the subject is used when it is empty
	Values map[string]models.Role // values of the roles' claim that give a role
}

// maxStaffName is the longest name of a person, in bytes, that is kept.
const maxStaffName = 200

// staffOf returns the person that a verified token names, with every role that the
// claims give.
func staffOf(token *oidc.IDToken, claims *StaffClaims) (models.Staff, error) {
	var all map[string]json.RawMessage
	if err := token.Claims(&all); err != nil {
		return models.Staff{}, errNoRole
	}
	staff := models.Staff{Subject: token.Subject, Name: token.Subject}
	if name := textsOf(claimAt(all, claims.Name)); len(name) == 1 && strings.TrimSpace(name[0]) != "" && len(name[0]) <= maxStaffName {
		staff.Name = strings.TrimSpace(name[0])
	}
	for _, value := range textsOf(claimAt(all, claims.Roles)) {
		if role, ok := claims.Values[value]; ok && !slices.Contains(staff.Roles, role) {
			staff.Roles = append(staff.Roles, role)
		}
	}
	if staff.Subject == "" || len(staff.Roles) == 0 {
		return models.Staff{}, errNoRole
	}
	slices.SortFunc(staff.Roles, func(a, b models.Role) int { return slices.Index(models.Roles, a) - slices.Index(models.Roles, b) })
	return staff, nil
}

// claimAt follows a path of names with dots between them.
func claimAt(claims map[string]json.RawMessage, path string) json.RawMessage {
	name, rest, deeper := strings.Cut(path, ".")
	value, ok := claims[path] // a name may hold dots itself: https://example.ru/roles
	if ok || !deeper {
		return value
	}
	var inner map[string]json.RawMessage
	if err := json.Unmarshal(claims[name], &inner); err != nil {
		return nil
	}
	return claimAt(inner, rest)
}

// textsOf reads a text or a list of texts; nothing else is one.
func textsOf(value json.RawMessage) []string {
	var list []string
	if json.Unmarshal(value, &list) == nil {
		return list
	}
	var one string
	if json.Unmarshal(value, &one) == nil {
		return []string{one}
	}
	return nil
}
