package api_test

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"referral/web/finance/api"
)

var update = flag.Bool("update", false, "rewrite openapi-finance.yaml")

const committed = "../../../openapi-finance.yaml"

// After a change of the types, `go test ./web/finance/api -update` rewrites the
// committed document, and its diff is the change of the contract.
func TestDocumentIsUpToDate(t *testing.T) {
	t.Parallel()
	a, err := api.New(service(t, &world{}))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(committed, a.Document(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(committed)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, a.Document()) {
		t.Error("openapi-finance.yaml does not match the types: run go test ./web/finance/api -update, and check the diff")
	}
}
