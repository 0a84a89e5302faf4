package decode

import (
	"errors"
	"strconv"
	"strings"

	"referral/models"
)

// fieldError says what is wrong with a field, without quoting its value.
type fieldError struct {
	path string // "lines[2].amount_minor"
	text string // "must be …"
}

func (e *fieldError) Error() string { return e.path + ": " + e.text }

func invalid(text string) error { return &fieldError{text: text} }

var errMissing = invalid("missing; it is required")

// inField adds the parent to the path of a field error. Other errors are about the JSON
// itself.
func inField(parent string, err error) error {
	var inner *fieldError
	if !errors.As(err, &inner) {
		return err
	}
	if inner.path != "" && !strings.HasPrefix(inner.path, "[") {
		parent += "."
	}
	return &fieldError{path: parent + inner.path, text: inner.text}
}

func unreadable(detail string) *models.InputError {
	return &models.InputError{Reason: models.BadUnreadable, Detail: detail}
}

// inputErrorOf classifies an error. The text of a parser is left out, because it quotes
// the value.
func inputErrorOf(err error) *models.InputError {
	var fault *models.InputError
	if errors.As(err, &fault) {
		return fault
	}
	var field *fieldError
	if !errors.As(err, &field) {
		return unreadable("the value is not valid JSON")
	}
	switch {
	case field.path == "":
		return unreadable("the value is not a CloudEvent: it " + field.text)
	case field.path == "data" || strings.HasPrefix(field.path, "data."):
		return &models.InputError{Reason: models.BadField, Detail: field.Error()}
	}
	return unreadable("the value is not a CloudEvent 1.0: " + field.Error())
}

// quoted is the name of a type in quotes. It is not personal data, but may be long.
func quoted(name string) string {
	const most = 80
	if short := prefix(name, most); short != name {
		return strconv.Quote(short) + "…"
	}
	return strconv.Quote(name)
}

// prefix is the first characters of a text, at most most of them.
func prefix(s string, most int) string {
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most])
	}
	return s
}
