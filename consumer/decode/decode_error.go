package decode

import (
	"errors"
	"strconv"
	"strings"

	"referral/models"
)

func unreadable(detail string) *models.Fault {
	return &models.Fault{Reason: models.BadUnreadable, Detail: detail}
}

// faultOf classifies what went wrong. A parser's own words are not passed on,
// for they quote the value.
func faultOf(err error) *models.Fault {
	var fault *models.Fault
	if errors.As(err, &fault) {
		return fault
	}
	var field *badField
	if !errors.As(err, &field) {
		return unreadable("the value is not valid JSON")
	}
	switch {
	case field.path == "":
		return unreadable("the value is not a CloudEvent: it " + field.say)
	case field.path == "data" || strings.HasPrefix(field.path, "data."):
		return &models.Fault{Reason: models.BadField, Detail: field.Error()}
	}
	return unreadable("the value is not a CloudEvent 1.0: " + field.Error())
}

// clip quotes the name of a type, which is no personal data but may be long.
func clip(name string) string {
	const most = 80
	runes := []rune(name)
	if len(runes) > most {
		return strconv.Quote(string(runes[:most])) + "…"
	}
	return strconv.Quote(name)
}
