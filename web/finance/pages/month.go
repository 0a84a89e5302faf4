package pages

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"html/template"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"time"

	"referral/billing"
	"referral/internal/ru"
	"referral/models"
	"referral/web/chart"
	"referral/web/finance"
	"referral/web/finance/export"
)

// How much of the lists of a month is on one page.
const (
	breakPage      = 100
	correctionPage = 100
)

// monthView is a month as its page shows it.
type monthView struct {
	finance.Month

	Path        string
	State       any
	Outdated    bool // a run has ended since the reconciliation
	Waiting     []string
	Breaks      []breakRow
	From, To    int    // numbers of the first and the last break shown
	Earlier     string // address of the breaks before; empty on the first page
	Later       string // and behind
	Unnamed     int64  // breaks that are not kept by name
	Services    []models.ServiceTotal
	Causes      []causeRow
	Steps       []stepRow
	Corrections []registerRow // after the signature
	More        string        // address of the further corrections; empty on the last page
	Signed      *finance.Signed
}

type breakRow struct {
	models.KeptBreak
	Words finance.BreakText
}

// causeRow is a cause of a change, drawn as a bar.
type causeRow struct {
	Words    string
	Accounts int64
	Amount   models.Money
	Bar      []chart.Part
}

type stepRow struct {
	models.StepCount
	Bar []chart.Part
}

func periodOf(r *http.Request) (models.Period, error) {
	period, err := models.ParsePeriod(r.PathValue("period"))
	if err != nil {
		return 0, errNotFound
	}
	return period, nil
}

// month is one month: the totals that must agree, what does not, what has changed, and
// what came after its signature.
func (p *Pages) month(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	period, err := periodOf(r)
	if err != nil {
		return err
	}
	skip, err := strconv.Atoi(r.URL.Query().Get("breaks"))
	if r.URL.Query().Has("breaks") && (err != nil || skip < 0 || skip > billing.MaxNamed) {
		return errNotFound
	}
	month, found, err := p.o.Service.Month(r.Context(), period, skip, breakPage)
	if err != nil {
		return err
	}
	if !found {
		return errNotFound
	}
	v := monthView{Path: finance.MonthPath(period), Month: month, State: finance.MonthState(&month.MonthOverview), Waiting: waitingIn(&month.MonthOverview)}
	v.Outdated = month.Checked != nil && !month.Fresh()
	v.addChecked(skip)
	if month.State == models.PeriodClosed {
		if err := p.addSignature(r, &v); err != nil {
			return err
		}
	}
	return p.render(w, r, http.StatusOK, "month", frame{Title: ru.MonthTitle(period), Here: pathMonths, Month: &month.PeriodInfo, Body: v})
}

// addChecked adds what the last reconciliation found.
func (v *monthView) addChecked(skip int) {
	if v.Checked == nil {
		return
	}
	for i := range v.Checked.Breaks {
		v.Breaks = append(v.Breaks, breakRow{v.Checked.Breaks[i], finance.BreakWords(v.Checked.Breaks[i].Kind)})
	}
	v.From, v.To = skip+1, skip+len(v.Breaks)
	here := finance.MonthPath(v.Period) + "?breaks="
	if skip > 0 {
		v.Earlier = here + strconv.Itoa(max(0, skip-breakPage)) + "#breaks"
	}
	kept := min(v.Checked.Wrong, billing.MaxNamed)
	if v.Unnamed = v.Checked.Wrong - kept; int64(skip+len(v.Breaks)) < kept && len(v.Breaks) > 0 {
		v.Later = here + strconv.Itoa(skip+breakPage) + "#breaks"
	}
	v.Services = v.Checked.Services
	v.addCauses()
	highest := models.Money(0)
	for _, step := range v.Checked.Steps {
		highest = max(highest, models.Money(step.Accounts))
	}
	for _, step := range v.Checked.Steps {
		v.Steps = append(v.Steps, stepRow{step, chart.Bar(highest, []string{"bar"}, models.Money(step.Accounts))})
	}
}

func (v *monthView) addCauses() {
	if v.Change == nil {
		return
	}
	rows := []causeRow{{Words: finance.Words(finance.CauseInvoices), Amount: v.Change.Invoices}}
	for _, c := range v.Change.Causes {
		rows = append(rows, causeRow{Words: finance.Words(c.Cause), Accounts: c.Accounts, Amount: c.Amount})
	}
	slices.SortStableFunc(rows, func(a, b causeRow) int { return cmp.Compare(b.Amount.Abs(), a.Amount.Abs()) })
	for i := range rows {
		class := "bar"
		if rows[i].Amount > 0 {
			class = "bar-back"
		}
		rows[i].Bar = chart.Bar(rows[0].Amount.Abs(), []string{class}, rows[i].Amount.Abs())
	}
	v.Causes = rows
}

// addSignature adds the report that was signed, and what was posted for the month since.
func (p *Pages) addSignature(r *http.Request, v *monthView) error {
	signed, found, err := p.o.Service.SignedReport(r.Context(), v.Period, 0)
	if err != nil {
		return err
	}
	if found {
		v.Signed = &signed
	}
	filter, err := finance.ReadRegisterFilter(models.RegisterFilter{}, r.URL.Query())
	if err != nil {
		return err
	}
	page, next, err := p.o.Service.Corrections(r.Context(), v.Period, filter.After, correctionPage)
	if err != nil {
		return err
	}
	for i := range page {
		v.Corrections = append(v.Corrections, registerRow{RegisterEntry: page[i], State: billing.RegisterState(&page[i])})
	}
	if next != nil {
		v.More = finance.MonthPath(v.Period) + "?" + finance.RegisterQuery(models.RegisterFilter{}, next).Encode() + "#after"
	}
	return nil
}

// reportView is a signed report as its page shows it.
type reportView struct {
	finance.Signed

	Digest  string
	Tables  []export.Table
	Formats []string
	Others  []int64 // signatures of the month, when there are several
	Shadow  bool    // the month was settled beside an older system
}

// reportFormats is what a signed report can be taken away as, besides being printed.
var reportFormats = append(slices.Clone(export.Formats), "html")

func (p *Pages) readReport(r *http.Request) (v reportView, err error) {
	period, err := periodOf(r)
	if err != nil {
		return v, err
	}
	var signature int64
	if text := r.URL.Query().Get("signature"); text != "" {
		if signature, err = strconv.ParseInt(text, 10, 64); err != nil || signature < 1 {
			return v, errNotFound
		}
	}
	signed, found, err := p.o.Service.SignedReport(r.Context(), period, signature)
	if err == nil && !found {
		err = errNotFound
	}
	if err != nil {
		return v, err
	}
	v = reportView{Signed: signed, Digest: hex.EncodeToString(signed.SHA256[:]), Formats: reportFormats}
	v.Tables = export.MonthReport(signed.Report, v.Digest)
	if len(signed.All) > 1 {
		v.Others = signed.All
	}
	v.Shadow, err = p.o.Service.SettledBeside(r.Context(), period)
	return v, err
}

// month is what the page says about the mode of the month, which was signed.
func (v *reportView) month() *models.PeriodInfo {
	return &models.PeriodInfo{Period: v.Period, StartedAt: v.Report.SignedAt, Shadow: v.Shadow}
}

func (v *reportView) title() string { return "Отчет за " + ru.Month(v.Period) }

// report is a signed report, to be read and printed.
func (p *Pages) report(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	v, err := p.readReport(r)
	if err != nil {
		return err
	}
	return p.render(w, r, http.StatusOK, "report", frame{Title: v.title(), Here: pathMonths, Month: v.month(), Body: v})
}

// exportReport is a signed report as a file.
func (p *Pages) exportReport(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	format := r.URL.Query().Get("format")
	if !slices.Contains(reportFormats, format) {
		return errNotFound
	}
	v, err := p.readReport(r)
	if err != nil {
		return err
	}
	name := shadowName(fmt.Sprintf("month-report-%s-%d", v.Period, v.Signature), v.Shadow)
	if format != "html" && format != "json" {
		return p.writeTables(w, r, name, shadowTables(v.Tables, v.Shadow))
	}
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name + "." + format}))
	if format == "html" {
		return p.render(w, r, http.StatusOK, "report", frame{Title: v.title(), Alone: template.CSS(style), Month: v.month(), Body: v}) //nolint:gosec // our own style
	}
	w.Header().Set("Content-Type", export.ContentType(format))
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(v.Canonical) // an error means that the browser has disconnected
	return nil
}

// cell is a value of a table of a report, as its page shows it.
func (p *Pages) cell(value any) string {
	switch v := value.(type) {
	case models.Money:
		return ru.Money(v, "")
	case int64:
		return ru.Number(int(v))
	case int:
		return ru.Number(v)
	case time.Time:
		return ru.Moment(v, p.o.Zone)
	case interface{ Text() string }:
		return v.Text()
	}
	return orDash(value != nil && value != "", func() string { return fmt.Sprint(value) })
}

func breaksPath(period models.Period) string { return finance.MonthPath(period) + "/breaks" }

// breakList is the breaks of a month that its last reconciliation has kept.
func (p *Pages) breakList(ctx context.Context, r *http.Request) (list export.List, name string, err error) {
	period, err := periodOf(r)
	if err != nil {
		return list, "", err
	}
	month, found, err := p.o.Service.Month(ctx, period, 0, billing.MaxNamed)
	if err == nil && (!found || month.Checked == nil) {
		err = errNotFound
	}
	return export.List{
		Title: shadowTitle("Расхождения "+period.String(), month.Shadow),
		Columns: []export.Column{
			{Head: "Что не сходится", Key: "description", Width: 40}, {Head: "Вид", Key: "kind", Width: 24}, {Head: "Клиент", Key: "account_id", Width: 14}, {Head: "Счет", Key: "invoice_id", Width: 22}, {Head: "Документ", Key: "document_id", Width: 38},
			{Head: "Должно быть", Key: "expected_minor", Width: 16}, {Head: "Есть", Key: "actual_minor", Width: 16}, {Head: "Подробно", Key: "detail", Width: 60},
		},
		Each: func(row func(values ...any) error) error {
			for i := range month.Checked.Breaks {
				b := &month.Checked.Breaks[i]
				var document any
				if b.DocumentID != (models.UUID{}) {
					document = b.DocumentID.String()
				}
				if err := row(finance.BreakWords(b.Kind).What, b.Kind, export.ID(b.AccountID), b.InvoiceID, document, b.Expected, b.Actual, b.Detail); err != nil {
					return err
				}
			}
			return nil
		},
	}, shadowName("breaks-"+period.String(), month.Shadow), err
}
