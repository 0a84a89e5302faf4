package models

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

type sqlError string

func (e sqlError) Error() string    { return "the server says no" }
func (e sqlError) SQLState() string { return string(e) }

func TestRejectionsAreNamedWithWhatToDo(t *testing.T) {
	for state, remedy := range map[string]string{
		"42703": "referral migrate", "42P01": "referral migrate", "3F000": "referral migrate", "42501": "lacks a right", "25006": "read-only",
		"0A000": "does not support", "3D000": "no such database", "28P01": "pg_hba.conf", "42P05": "session pooling", "26000": "session pooling",
	} {
		err := NameRejection(NameRejection(fmt.Errorf("taking: %w", sqlError(state))))
		if !errors.Is(err, ErrStatementRejected) || !strings.Contains(err.Error(), remedy) || !strings.Contains(err.Error(), "the server says no") ||
			strings.Count(err.Error(), "SQLSTATE "+state) != 1 {
			t.Errorf("%s: %v", state, err)
		}
	}
	for _, state := range []string{"40001", "40P01", "23505", "22021", "54000", "57P01", "08006", "53300", "55P03", "", "42"} {
		if errors.Is(NameRejection(sqlError(state)), ErrStatementRejected) {
			t.Errorf("%q is taken for a rejection", state)
		}
	}
	if NameRejection(nil) != nil {
		t.Error("nothing is named")
	}
}
