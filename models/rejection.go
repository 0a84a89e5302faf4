package models

import (
	"errors"
	"fmt"
)

// ErrStatementRejected marks an error of a database that refuses a statement
// itself, whatever the data: it would come again at every try, until somebody
// changes the database or the program.
var ErrStatementRejected = errors.New("the database rejects the statement")

// RejectedState is the SQLSTATE of an error that lies in a statement, or in what
// the program may do.
func RejectedState(err error) (state string, rejected bool) {
	var pg interface{ SQLState() string }
	if !errors.As(err, &pg) {
		return "", false
	}
	state = pg.SQLState()
	return state, remedyOf(state) != ""
}

// NameRejection says of an error that is one what it is and what to do, once.
func NameRejection(err error) error {
	state, rejected := RejectedState(err)
	if !rejected || errors.Is(err, ErrStatementRejected) {
		return err
	}
	return fmt.Errorf("%w (SQLSTATE %s), at every try: %s: %w", ErrStatementRejected, state, remedyOf(state), err)
}

// remedyOf is what to do about a rejection; empty when the error is none.
func remedyOf(state string) string {
	const classLength = 2
	if len(state) <= classLength {
		return ""
	}
	switch state {
	case "25006":
		return "the database is read-only; name the primary in database.dsn"
	case "42501":
		return "the role lacks a right; run `referral migrate` as the owner of the schema"
	case "42P05", "26000":
		return "prepared statements do not last; set the pooler to session pooling or name the server itself in database.dsn"
	}
	switch state[:classLength] {
	case "0A":
		return "the server does not support it; use a PostgreSQL of a version that the manual names"
	case "28":
		return "the server does not let the role in; check database.dsn and pg_hba.conf"
	case "3D":
		return "there is no such database; check database.dsn"
	case "3F", "42":
		return "the schema is not the one that this program knows; run `referral migrate` and undo changes made by hand"
	}
	return ""
}
