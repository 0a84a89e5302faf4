package pages

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"referral/billing"
	"referral/models"
	"referral/web/finance"
	"referral/web/finance/export"
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
	f := frame{Title: "Реестр документов", Here: pathRegister, Body: v}
	if at := slices.Index(v.Months, v.Filter.Posted); at >= 0 {
		f.Month = &months[at].PeriodInfo
	}
	return p.render(w, r, http.StatusOK, "register", f)
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
		v.First = registerPath(v.Filter, nil)
	}
	if next != nil {
		v.Next = registerPath(v.Filter, next)
	}
	v.Exports = exportLinks(pathRegister+"/"+v.Filter.Posted.String(), finance.RegisterQuery(v.Filter, nil))
	oneC := pathRegister + "/" + v.Filter.Posted.String() + "/1c?" + finance.RegisterQuery(v.Filter, nil).Encode()
	v.Exports = append(v.Exports, exportLink{"1С", oneC})
	return nil
}

var formatNames = map[string]string{"xlsx": "XLSX", "csv": "CSV", "csv-excel": "CSV для Excel"}

// registerPath is the address of documents that a filter lets through.
func registerPath(f models.RegisterFilter, after *models.RegisterCursor) string {
	q := finance.RegisterQuery(f, after)
	q.Set("period", f.Posted.String())
	return pathRegister + "?" + q.Encode()
}

// registerList is the documents of a month that a filter lets through, as they are at one
// moment.
func (p *Pages) registerList(ctx context.Context, r *http.Request) (export.List, string, error) {
	filter, shadow, err := p.postedFilter(r)
	list := export.Register(filter.Posted, func(see func(*models.RegisterEntry) error) error {
		return p.o.Service.EachDocument(ctx, filter, see)
	})
	list.Title = shadowTitle(list.Title, shadow)
	return list, shadowName(fmt.Sprintf("register-%s", filter.Posted), shadow), err
}

// exportOneC is the same as an exchange file for 1С:Бухгалтерия.
func (p *Pages) exportOneC(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	filter, shadow, err := p.postedFilter(r)
	if err != nil {
		return err
	}
	ctx, cancel := longRequest(w, r)
	defer cancel()
	stream(w, r, "application/xml; charset=utf-8", shadowName(fmt.Sprintf("register-%s", filter.Posted), shadow)+".xml", func() error {
		return export.OneC(w, filter.Posted, p.o.Now().In(p.o.Zone), func(see func(*models.RegisterEntry) error) error {
			return p.o.Service.EachDocument(ctx, filter, see)
		})
	})
	return nil
}

// postedFilter is the filter of a request about the documents posted into a period, and
// whether that was settled in shadow mode.
func (p *Pages) postedFilter(r *http.Request) (f models.RegisterFilter, shadow bool, err error) {
	period, err := models.ParsePeriod(r.PathValue("period"))
	if err != nil {
		return f, false, errNotFound
	}
	if f, err = finance.ReadRegisterFilter(models.RegisterFilter{Posted: period}, r.URL.Query()); err != nil {
		return f, false, err
	}
	shadow, err = p.o.Service.SettledBeside(r.Context(), period)
	return f, shadow, err
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
