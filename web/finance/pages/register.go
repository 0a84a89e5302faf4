package pages

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"time"

	"referral/billing"
	"referral/models"
	"referral/web/finance"
	"referral/web/finance/export"
	"referral/web/middleware"
)

const registerPage = 100

type registerView struct {
	Months   []models.Period // that may be chosen
	Filter   models.RegisterFilter
	Narrowed bool                   // the filter may leave documents of the month out
	Client   string                 // the account or the tax id of the filter
	Totals   []models.CurrencyTotal // of all documents that the filter lets through
	Into     models.CountedAmount   // of the documents of the month, those of closed months
	Rows     []registerRow
	Next     string // address of the next page; empty on the last
	First    string // address of the first page; empty on it
	Exports  []exportLink
	Reasons  []models.AdjustmentReason
	Answers  []models.ResultStatus
}

type registerRow struct {
	models.RegisterEntry
	State billing.DocumentState
}

type exportLink struct{ Name, Path string }

// register is the documents posted into a month, page by page.
func (p *Pages) register(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	months, err := p.o.Service.Months(r.Context())
	if err != nil {
		return err
	}
	v, err := registerOf(months, r.URL.Query())
	if err != nil {
		return err
	}
	if len(months) > 0 {
		if err := p.fillRegister(r.Context(), &v); err != nil {
			return err
		}
	}
	return p.render(w, r, http.StatusOK, "register", frame{Title: "Реестр документов", Here: pathRegister, Body: v})
}

// registerOf reads the filter. Its month is the newest one with documents unless one is
// named. The totals of a whole month are known without reading a document.
func registerOf(months []models.MonthOverview, q url.Values) (v registerView, err error) {
	v.Reasons, v.Answers = finance.Reasons, finance.Answers
	for i := range months {
		v.Months = append(v.Months, months[i].Period)
	}
	chosen := slices.IndexFunc(months, func(m models.MonthOverview) bool { return postedInto(&m).Count > 0 })
	if named := q.Get("period"); named != "" {
		period, err := models.ParsePeriod(named)
		if err != nil {
			return v, errNotFound
		}
		if chosen = slices.Index(v.Months, period); chosen < 0 {
			return v, errNotFound
		}
	}
	if chosen = max(chosen, 0); chosen < len(months) {
		v.Filter.Posted, v.Into = months[chosen].Period, months[chosen].Into
		v.Totals = []models.CurrencyTotal{{CountedAmount: postedInto(&months[chosen])}}
	}
	if v.Filter, err = finance.ReadRegisterFilter(v.Filter, q); err != nil {
		return v, err
	}
	v.Client = finance.RegisterQuery(v.Filter, nil).Get("client")
	return v, nil
}

// postedInto is what was posted into a month: for itself, and for closed ones.
func postedInto(m *models.MonthOverview) models.CountedAmount {
	return models.CountedAmount{
		Count:  m.Documents.Count - m.Away.Count + m.Into.Count,
		Amount: m.Documents.Amount.Add(-m.Away.Amount).Add(m.Into.Amount),
	}
}

func (p *Pages) fillRegister(ctx context.Context, v *registerView) error {
	page, next, err := p.o.Service.Register(ctx, v.Filter, registerPage)
	if err != nil {
		return err
	}
	if v.Narrowed = v.Filter.Narrowed(); v.Narrowed {
		if v.Totals, err = p.o.Service.RegisterTotals(ctx, v.Filter); err != nil {
			return err
		}
	}
	for i := range page {
		v.Rows = append(v.Rows, registerRow{RegisterEntry: page[i], State: billing.RegisterState(&page[i])})
	}
	if v.Filter.After != (models.RegisterCursor{}) {
		v.First = registerPath(pathRegister, v.Filter, nil)
	}
	if next != nil {
		v.Next = registerPath(pathRegister, v.Filter, next)
	}
	for _, format := range export.Formats {
		path := registerPath(pathRegister+"/"+v.Filter.Posted.String()+"/export", v.Filter, nil)
		v.Exports = append(v.Exports, exportLink{formatNames[format], path + "&format=" + format})
	}
	return nil
}

var formatNames = map[string]string{"xlsx": "XLSX", "csv": "CSV", "csv-excel": "CSV для Excel"}

// registerPath is the address of documents that a filter lets through.
func registerPath(path string, f models.RegisterFilter, after *models.RegisterCursor) string {
	q := finance.RegisterQuery(f, after)
	q.Set("period", f.Posted.String())
	return path + "?" + q.Encode()
}

// exportRegister streams the documents of a month that a filter lets through to a file.
// What fails after the first byte ends the connection, so that no short file passes for
// a whole one.
func (p *Pages) exportRegister(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	period, err := models.ParsePeriod(r.PathValue("period"))
	format := r.URL.Query().Get("format")
	if err != nil || !slices.Contains(export.Formats, format) {
		return errNotFound
	}
	filter, err := finance.ReadRegisterFilter(models.RegisterFilter{Posted: period}, r.URL.Query())
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", export.ContentType(format))
	name := fmt.Sprintf("register-%s.%s", period, export.Extension(format))
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	w.Header().Set("Cache-Control", "no-store")
	ctx, cancel := longRequest(w, r)
	defer cancel()
	err = export.Register(w, format, period, p.o.Zone, func(see func(*models.RegisterEntry) error) error {
		return p.o.Service.EachDocument(ctx, filter, see)
	})
	if err != nil {
		middleware.RecordError(r.Context(), err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// exportTimeout bounds an export, or a decision, which may take longer than a page.
const exportTimeout = 10 * time.Minute

// longRequest is the context of a request that may take until exportTimeout. It still
// ends when the person goes away.
func longRequest(w http.ResponseWriter, r *http.Request) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), exportTimeout)
	stop := context.AfterFunc(r.Context(), func() {
		if errors.Is(r.Context().Err(), context.Canceled) { // and not because a page would have timed out
			cancel()
		}
	})
	// A connection that has no deadline needs none extended.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(exportTimeout))
	return ctx, func() { stop(); cancel() }
}
