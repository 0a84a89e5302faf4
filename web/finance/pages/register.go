package pages

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"referral/billing"
	"referral/models"
	"referral/web/finance/export"
	"referral/web/middleware"
)

const registerPage = 100

type registerView struct {
	Months  []models.Period // that may be chosen
	Month   models.MonthOverview
	Sum     models.CountedAmount // of all documents posted into the month
	Rows    []registerRow
	Next    string // address of the next page; empty on the last
	First   string // address of the first page; empty on it
	Formats []string
}

type registerRow struct {
	models.RegisterEntry
	State billing.DocumentState
}

// register is the documents posted into a month, page by page.
func (p *Pages) register(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	months, err := p.o.Service.Months(r.Context())
	if err != nil {
		return err
	}
	v, err := registerOf(months, r.URL.Query().Get("period"))
	if err != nil {
		return err
	}
	if len(months) > 0 {
		if err := p.fillRegister(r, &v); err != nil {
			return err
		}
	}
	return p.render(w, r, http.StatusOK, "register", frame{Title: "Реестр документов", Here: pathRegister, Body: v})
}

// registerOf chooses the month: the newest one with documents unless one is named.
func registerOf(months []models.MonthOverview, named string) (v registerView, err error) {
	v.Formats = export.Formats
	for i := range months {
		v.Months = append(v.Months, months[i].Period)
	}
	chosen := slices.IndexFunc(months, func(m models.MonthOverview) bool { return postedInto(&m).Count > 0 })
	if named != "" {
		period, err := models.ParsePeriod(named)
		if err != nil {
			return v, errNotFound
		}
		if chosen = slices.Index(v.Months, period); chosen < 0 {
			return v, errNotFound
		}
	}
	if chosen = max(chosen, 0); chosen < len(months) {
		v.Month, v.Sum = months[chosen], postedInto(&months[chosen])
	}
	return v, nil
}

// postedInto is what was posted into a month: for itself, and for closed ones.
func postedInto(m *models.MonthOverview) models.CountedAmount {
	return models.CountedAmount{
		Count:  m.Documents.Count - m.Away.Count + m.Into.Count,
		Amount: m.Documents.Amount.Add(-m.Away.Amount).Add(m.Into.Amount),
	}
}

func (p *Pages) fillRegister(r *http.Request, v *registerView) error {
	after, given, err := cursorOf(r.URL.Query())
	if err != nil {
		return errNotFound
	}
	page, next, err := p.o.Service.Register(r.Context(), v.Month.Period, after, registerPage)
	if err != nil {
		return err
	}
	for i := range page {
		v.Rows = append(v.Rows, registerRow{RegisterEntry: page[i], State: billing.RegisterState(&page[i])})
	}
	here := url.Values{"period": {v.Month.Period.String()}}
	if given {
		v.First = pathRegister + "?" + here.Encode()
	}
	if next != nil {
		v.Next = pathRegister + "?" + here.Encode() + "&" + cursorQuery(next).Encode()
	}
	return nil
}

// cursorQuery is a cursor as [cursorOf] reads it.
func cursorQuery(c *models.RegisterCursor) url.Values {
	return url.Values{"account": {strconv.FormatInt(c.AccountID, 10)}, "invoice": {c.InvoiceID}, "sequence": {strconv.Itoa(c.Sequence)}}
}

func cursorOf(q url.Values) (after models.RegisterCursor, given bool, err error) {
	if !q.Has("account") {
		return after, false, nil
	}
	if after.AccountID, err = strconv.ParseInt(q.Get("account"), 10, 64); err != nil {
		return after, true, err
	}
	after.InvoiceID = q.Get("invoice")
	after.Sequence, err = strconv.Atoi(q.Get("sequence"))
	return after, true, err
}

// exportRegister streams the whole register of a month to a file. What fails after the
// first byte ends the connection, so that no short file passes for a whole one.
func (p *Pages) exportRegister(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	period, err := models.ParsePeriod(r.PathValue("period"))
	format := r.URL.Query().Get("format")
	if err != nil || !slices.Contains(export.Formats, format) {
		return errNotFound
	}
	w.Header().Set("Content-Type", export.ContentType(format))
	name := fmt.Sprintf("register-%s.%s", period, export.Extension(format))
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	w.Header().Set("Cache-Control", "no-store")
	ctx, cancel := longRequest(w, r)
	defer cancel()
	err = export.Register(w, format, period, p.o.Zone, func(see func(*models.RegisterEntry) error) error {
		return p.o.Service.EachDocument(ctx, period, see)
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
