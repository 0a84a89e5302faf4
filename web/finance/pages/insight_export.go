package pages

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"referral/internal/ru"
	"referral/models"
	"referral/web/finance"
	"referral/web/finance/export"
	"referral/web/middleware"
)

// exportLinks leads to a page's tables as files. The query is that of the page.
func exportLinks(path string, query url.Values) (links []exportLink) {
	for _, format := range export.Formats {
		asked := url.Values{"format": {format}}
		for name, values := range query {
			asked[name] = values
		}
		links = append(links, exportLink{cmp.Or(formatNames[format], strings.ToUpper(format)), path + "/export?" + asked.Encode()})
	}
	return links
}

// writeTables answers with a small report as a file, whole or not at all.
func (p *Pages) writeTables(w http.ResponseWriter, r *http.Request, name string, tables []export.Table) error {
	format := r.URL.Query().Get("format")
	var file bytes.Buffer
	if err := export.Tables(&file, format, tables, p.o.Zone); err != nil {
		return err
	}
	w.Header().Set("Content-Type", export.ContentType(format))
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name + "." + export.Extension(format)}))
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(file.Bytes()) // an error means that the browser has disconnected
	return nil
}

// exportList streams a list to a file. What open returns an error for is answered as by
// a page. name is that of the file, without its extension.
func (p *Pages) exportList(open func(ctx context.Context, r *http.Request) (list export.List, name string, err error)) handler {
	return func(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
		format := r.URL.Query().Get("format")
		if !slices.Contains(export.Formats, format) {
			return errNotFound
		}
		ctx, cancel := longRequest(w, r)
		defer cancel()
		list, name, err := open(ctx, r)
		if err != nil {
			return err
		}
		stream(w, r, export.ContentType(format), name+"."+export.Extension(format), func() error { return list.Write(w, format, p.o.Zone) })
		return nil
	}
}

// stream answers with a file that write writes. What fails on the way ends the
// connection, so that no short file passes for a whole one.
func stream(w http.ResponseWriter, r *http.Request, contentType, name string, write func() error) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	w.Header().Set("Cache-Control", "no-store")
	if err := write(); err != nil {
		middleware.RecordError(r.Context(), err)
		panic(http.ErrAbortHandler)
	}
}

func knownFormat(r *http.Request) bool {
	return slices.Contains(export.Formats, r.URL.Query().Get("format"))
}

// step is a step of the ladder as a value of a table; a new client's discount has none.
func step(n int) any {
	if n == 0 {
		return nil
	}
	return n
}

// exportLiabilities is the forecast, and what past ones came to, as a file.
func (p *Pages) exportLiabilities(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	if !knownFormat(r) {
		return errNotFound
	}
	l, made, err := p.o.Service.Liabilities(r.Context())
	if err == nil && !made {
		err = errNotFound
	}
	if err != nil {
		return err
	}
	currency := export.Column{Head: "Валюта", Key: "currency"}
	ahead := export.Table{Title: "Прогноз", Key: "forecast", Columns: []export.Column{{Head: "За что", Key: "kind"}, {Head: "Ступень", Key: "step"}, currency}, Totals: len(l.Currencies) == 1}
	for _, month := range l.Months {
		ahead.Columns = append(ahead.Columns, export.Column{Head: month.String(), Key: month.String() + "_minor"})
	}
	ahead.Columns = append(ahead.Columns, export.Column{Head: "Всего", Key: "sum_minor"})
	past := export.Table{Title: "Ожидали и вышло", Key: "past", Columns: []export.Column{{Head: "Месяц", Key: "period"}, currency}}
	for _, lead := range finance.ForecastLeads {
		past.Columns = append(past.Columns, export.Column{Head: "Ожидали за " + ru.Months.Count(lead), Key: fmt.Sprintf("expected_%d_before_minor", lead)})
	}
	past.Columns = append(past.Columns, export.Column{Head: "Вышло", Key: "actual_minor"})
	for i := range l.Currencies {
		c := &l.Currencies[i]
		for _, row := range c.Rows {
			values := []any{export.State(row.Kind), step(row.Step), c.Currency}
			for _, amount := range row.Amounts {
				values = append(values, amount)
			}
			ahead.Rows = append(ahead.Rows, append(values, row.Sum))
		}
		for _, cost := range c.Past {
			values := []any{cost.Month.String(), c.Currency}
			for _, e := range cost.Expected {
				if e.Known {
					values = append(values, e.Amount)
				} else {
					values = append(values, nil)
				}
			}
			past.Rows = append(past.Rows, append(values, cost.Actual))
		}
	}
	return p.writeTables(w, r, "liabilities-"+l.Months[0].String(), []export.Table{ahead, past})
}

// exportSuspicions is all suspicions, or those that somebody has looked at, as a file.
func (p *Pages) exportSuspicions(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	if !knownFormat(r) {
		return errNotFound
	}
	found, err := p.o.Service.AllSuspicions(r.Context(), r.URL.Query().Get("seen") == "yes")
	if err != nil {
		return err
	}
	list := export.Table{Title: "Подозрения", Key: "suspicions", Columns: []export.Column{
		{Head: "Подозрение", Key: "suspicion"}, {Head: "Признаки", Key: "signs"}, {Head: "Клиентов", Key: "clients"}, {Head: "Найдено", Key: "found_at"}, {Head: "Посмотрел", Key: "seen_by"},
		{Head: "Когда", Key: "seen_at"}, {Head: "Что выяснили", Key: "note"},
	}}
	stakes := export.Table{Title: "Суммы", Key: "stakes", Columns: []export.Column{
		{Head: "Подозрение", Key: "suspicion"}, {Head: "Валюта", Key: "currency"}, {Head: "Проведено скидок", Key: "posted_minor"}, {Head: "Ожидается за год", Key: "ahead_minor"},
	}}
	referrals := export.Table{Title: "Приведения", Key: "referrals", Columns: []export.Column{
		{Head: "Подозрение", Key: "suspicion"}, {Head: "Код введен", Key: "activated_at"}, {Head: "Пригласил", Key: "inviter_id"}, {Head: "Название", Key: "inviter_name"}, {Head: "Новый клиент", Key: "invitee_id"}, {Head: "Название нового клиента", Key: "invitee_name"},
	}}
	for i := range found.List {
		s := &found.List[i]
		id := hex.EncodeToString(s.Fingerprint[:8])
		var signs []string
		for _, sign := range s.Signs {
			signs = append(signs, finance.Words(sign))
		}
		var seen models.SuspicionSeen
		if s.Seen != nil {
			seen = *s.Seen
		}
		list.Rows = append(list.Rows, []any{id, strings.Join(signs, ", "), len(s.Members()), s.FoundAt, seen.Who, seen.At, seen.Note})
		for _, k := range s.Stakes {
			stakes.Rows = append(stakes.Rows, []any{id, k.Currency, k.Posted, k.Ahead})
		}
		for _, referral := range s.Referrals {
			referrals.Rows = append(referrals.Rows, []any{
				id, referral.ActivatedAt, export.ID(referral.InviterID), found.Names[referral.InviterID],
				export.ID(referral.InviteeID), found.Names[referral.InviteeID],
			})
		}
	}
	return p.writeTables(w, r, "suspicions", []export.Table{list, stakes, referrals})
}

// exportWhatIf is a comparison of terms as a file.
func (p *Pages) exportWhatIf(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	o, err := p.whatIfAt(r)
	if err == nil && (!knownFormat(r) || o.Found == nil) {
		err = errNotFound
	}
	if err != nil {
		return err
	}
	one := len(o.Found.Total()) == 1 // currency
	sums := []export.Column{{Head: "Валюта", Key: "currency"}, {Head: "Нынешние условия", Key: "present_minor"}, {Head: "Новые условия", Key: "other_minor"}, {Head: "Разница", Key: "difference_minor"}}
	months := export.Table{Title: "По месяцам", Key: "months", Columns: append([]export.Column{{Head: "Месяц", Key: "period"}}, sums...), Totals: one}
	changed := export.Table{Title: "Клиенты и пакеты", Key: "changed", Columns: []export.Column{
		{Head: "Месяц", Key: "period"}, {Head: "Клиентов, у которых иначе", Key: "affected"}, {Head: "Пакетов сейчас", Key: "packages_now"}, {Head: "Пакетов стало бы", Key: "packages_then"},
	}}
	for _, m := range o.Found.Months {
		changed.Rows = append(changed.Rows, []any{m.Period.String(), m.Affected, m.Packages[0], m.Packages[1]})
		for _, sum := range m.Discounts {
			months.Rows = append(months.Rows, []any{m.Period.String(), sum.Currency, sum.Present, sum.Other, sum.Difference()})
		}
	}
	steps := export.Table{Title: "По ступеням", Key: "steps", Columns: append([]export.Column{{Head: "За что", Key: "kind"}, {Head: "Ступень", Key: "step"}}, sums...), Totals: one}
	for _, s := range o.Found.Steps {
		steps.Rows = append(steps.Rows, []any{export.State(s.Kind), step(s.Step), s.Currency, s.Present, s.Other, s.Difference()})
	}
	bands := export.Table{Title: "По начислениям", Key: "bands", Columns: append([]export.Column{
		{Head: "Начислено от", Key: "from_minor"}, {Head: "до", Key: "to_minor"}, {Head: "Клиентов со счетом", Key: "invoiced"}, {Head: "Из них иначе", Key: "affected"},
	}, sums...)}
	for _, b := range o.Found.Bands {
		to := any(b.To)
		if b.To == 0 {
			to = nil
		}
		bands.Rows = append(bands.Rows, []any{b.From, to, b.Invoiced, b.Affected, b.Currency, b.Present, b.Other, b.Difference()})
	}
	return p.writeTables(w, r, "simulation-"+o.From.String()+"-"+o.Period.String(), []export.Table{months, changed, steps, bands})
}
