package spreadsheet

import "testing"

func TestWhatExcelRereads(t *testing.T) {
	for _, text := range []string{
		"9007199254740993", "1000000000000000", "007", "00", "-5", "+5", "1e5", "1E400", "1,5", "1.5", "1 234", "1 2", "1/2", "1-2", "2026-04", "2026-04-01",
		"10:30", "5%", "5 ₽", "(5)", "'5", "MAR1", "mar-1", "1 янв", "1-Янв", "Декабрь 2026", "sept 2026", "5 руб.", "5р", "TRUE", "Истина", " 5",
	} {
		if !ExcelChanges(text) {
			t.Errorf("%q is written as it is", text)
		}
	}
	for _, text := range []string{
		"", " ", "0", "885", "999999999999999", "INV-2026-04-885", "A1", "1a", "5e0c1e2c-8a1f-5b0d-9c55-0b1a6f0f3a77", "subscription", "sms_package", "sms 1200",
		"market", "май", "рубеж", "ИНН 5", "truth",
	} {
		if ExcelChanges(text) {
			t.Errorf("%q is taken for something that Excel changes", text)
		}
	}
}

// Text that a spreadsheet would take for a formula is marked as text.
func TestFormulasAreText(t *testing.T) {
	for _, text := range []string{"=1", "+1", "-1", "@x", "\tx", "\rx", " =1"} {
		if got := EscapeFormula(text); got != "'"+text {
			t.Errorf("EscapeFormula(%q) is %q", text, got)
		}
	}
	for _, text := range []string{"", "INV-1", "a=b", " "} {
		if got := EscapeFormula(text); got != text {
			t.Errorf("EscapeFormula(%q) is %q", text, got)
		}
	}
}
