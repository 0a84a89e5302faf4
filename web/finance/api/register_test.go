package api

import (
	"reflect"
	"strings"
	"testing"

	"referral/billing"
	"referral/web/finance"
)

// The document names every reason and state that a document of the ledger can have.
func TestEnumsOfTheRegister(t *testing.T) {
	t.Parallel()
	var reasons []string
	for _, r := range finance.Reasons {
		reasons = append(reasons, string(r))
	}
	want := strings.Join(reasons, ",")
	for where, got := range map[string]reflect.Type{"Document": reflect.TypeFor[Document](), "registerInput": reflect.TypeFor[registerInput]()} {
		if field, _ := got.FieldByName("Reason"); field.Tag.Get("enum") != want {
			t.Errorf("%s: %s, want %s", where, field.Tag.Get("enum"), want)
		}
	}
	states := []string{
		string(billing.DocumentPosted), string(billing.DocumentPublished), string(billing.DocumentApplied), string(billing.DocumentRejected),
		string(billing.DocumentResent), string(billing.DocumentWrittenOff), string(billing.DocumentShadow),
	}
	if field, _ := reflect.TypeFor[Document]().FieldByName("State"); field.Tag.Get("enum") != strings.Join(states, ",") {
		t.Errorf("%s, want %s", field.Tag.Get("enum"), states)
	}
}
