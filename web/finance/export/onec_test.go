package export

import (
	"bytes"
	"encoding/xml"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"referral/models"
	"referral/test/toolchain"
)

// The exchange file is valid by its schema, whatever names and invoices contain, and its
// totals are those of the documents.
func TestOneCFile(t *testing.T) {
	t.Parallel()
	tool, err := toolchain.XMLLint(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	for name, each := range map[string]func(func(*models.RegisterEntry) error) error{
		"several": func(see func(*models.RegisterEntry) error) error {
			for i, currency := range []string{"RUB", "USD", "RUB"} {
				e := models.RegisterEntry{
					AccountID: int64(885 + i), Name: "ООО «A & B» <\x01>\ufffe", TaxID: "0077123456", InvoiceID: "<1&2>", DocumentID: models.UUID{byte(i)}, Period: 202604, PostingPeriod: 202604,
					Currency: currency, Amount: models.Money(-142000 + 5*i), Reason: models.ReasonRun, PostedAt: time.Unix(1_777_777_777, 0), Published: true,
				}
				if i == 1 {
					e.TaxID = ""
				}
				if err := see(&e); err != nil {
					return err
				}
			}
			return nil
		},
		"every reason, in shadow mode": func(see func(*models.RegisterEntry) error) error {
			for i, reason := range []models.AdjustmentReason{models.ReasonRun, models.ReasonLateFact, models.ReasonInvoiceRevised, models.ReasonRevoked, models.ReasonBookedElsewhere} {
				if err := see(&models.RegisterEntry{DocumentID: models.UUID{byte(i)}, AccountID: 885, InvoiceID: "INV-1", Period: 202604, Currency: "RUB", Reason: reason, Shadow: true}); err != nil {
					return err
				}
			}
			return nil
		},
		"none": func(func(*models.RegisterEntry) error) error { return nil },
	} {
		var file bytes.Buffer
		if err := OneC(&file, 202604, time.Unix(1_777_790_000, 0).UTC(), each); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "register.xml")
		if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := tool.Command(t.Context(), "xmllint", "--noout", "--schema", "onec.xsd", path).CombinedOutput(); err != nil {
			t.Errorf("%s: %v %s\n%s", name, err, out, file.String())
		}
		if name != "several" {
			continue
		}
		for _, want := range []string{`<Итог Документов="2" Валюта="RUB">-2839.90</Итог>`, `<Итог Документов="1" Валюта="USD">-1419.95</Итог>`, "ООО «A &amp; B» &lt;\ufffd&gt;\ufffd", "&lt;1&amp;2&gt;", `ИНН="0077123456"`} {
			if !strings.Contains(file.String(), want) {
				t.Errorf("no %s in %s", want, file.String())
			}
		}
		var read struct {
			Documents []oneCDocument `xml:"Документ"`
		}
		if err := xml.Unmarshal(file.Bytes(), &read); err != nil || len(read.Documents) != 3 || read.Documents[1].Client.TaxID != "" {
			t.Errorf("read again: %+v, %v", read, err)
		}
	}
}

// A file that could not be finished says so.
func TestOneCFileFails(t *testing.T) {
	t.Parallel()
	gone := errors.New("no connection")
	if err := OneC(&bytes.Buffer{}, 202604, time.Unix(0, 0), func(func(*models.RegisterEntry) error) error { return gone }); !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
}
