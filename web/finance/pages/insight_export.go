package pages

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"referral/internal/ru"
	"referral/models"
	"referral/web/finance"
	"referral/web/finance/export"
	"referral/web/middleware"
)

// exportLinks leads to a page's tables as files. The query is that of the page.
func exportLinks(path string, query url.Values, formats []string) (links []exportLink) {
	for _, format := range formats {
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
		if !slices.Contains(export.ListFormats, format) {
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
		return ""
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
	ahead := export.Table{Title: "Прогноз", Columns: []string{"За что", "Ступень"}, Totals: true}
	for _, month := range l.Months {
		ahead.Columns = append(ahead.Columns, month.String())
	}
	ahead.Columns = append(ahead.Columns, "Всего")
	for _, row := range l.Rows {
		values := []any{export.State(row.Kind), step(row.Step)}
		for _, amount := range row.Amounts {
			values = append(values, amount)
		}
		ahead.Rows = append(ahead.Rows, append(values, row.Sum))
	}
	past := export.Table{Title: "Ожидали и вышло", Columns: []string{"Месяц"}}
	for _, lead := range finance.ForecastLeads {
		past.Columns = append(past.Columns, "Ожидали за "+ru.Months.Count(lead))
	}
	past.Columns = append(past.Columns, "Вышло")
	for _, cost := range l.Past {
		values := []any{cost.Month.String()}
		for _, e := range cost.Expected {
			if e.Known {
				values = append(values, e.Amount)
			} else {
				values = append(values, "")
			}
		}
		past.Rows = append(past.Rows, append(values, cost.Actual))
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
	list := export.Table{Title: "Подозрения", Columns: []string{"Подозрение", "Признаки", "Клиентов", "Проведено скидок", "Ожидается за год", "Найдено", "Посмотрел", "Когда", "Что выяснили"}}
	referrals := export.Table{Title: "Приведения", Columns: []string{"Подозрение", "Код введен", "Пригласил", "Название", "Новый клиент", "Название нового клиента"}}
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
		list.Rows = append(list.Rows, []any{id, strings.Join(signs, ", "), len(s.Members()), s.Posted, s.Ahead, s.FoundAt, seen.Who, seen.At, seen.Note})
		for _, referral := range s.Referrals {
			referrals.Rows = append(referrals.Rows, []any{
				id, referral.ActivatedAt, strconv.FormatInt(referral.InviterID, 10), found.Names[referral.InviterID],
				strconv.FormatInt(referral.InviteeID, 10), found.Names[referral.InviteeID],
			})
		}
	}
	return p.writeTables(w, r, "suspicions", []export.Table{list, referrals})
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
	months := export.Table{Title: "По месяцам", Columns: []string{"Месяц", "Нынешние условия", "Новые условия", "Разница", "Клиентов, у которых иначе", "Пакетов сейчас", "Пакетов стало бы"}, Totals: true}
	for _, m := range o.Found.Months {
		months.Rows = append(months.Rows, []any{m.Period.String(), m.Discounts.Present, m.Discounts.Other, m.Discounts.Difference(), m.Affected, m.Packages[0], m.Packages[1]})
	}
	steps := export.Table{Title: "По ступеням", Columns: []string{"За что", "Ступень", "Нынешние условия", "Новые условия", "Разница"}, Totals: true}
	for _, s := range o.Found.Steps {
		steps.Rows = append(steps.Rows, []any{export.State(s.Kind), step(s.Step), s.Present, s.Other, s.Difference()})
	}
	bands := export.Table{Title: "По начислениям", Columns: []string{"Начислено от", "до", "Клиентов со счетом", "Из них иначе", "Нынешние условия", "Новые условия", "Разница"}}
	for _, b := range o.Found.Bands {
		to := any(b.To)
		if b.To == 0 {
			to = ""
		}
		bands.Rows = append(bands.Rows, []any{b.From, to, b.Invoiced, b.Affected, b.Present, b.Other, b.Difference()})
	}
	return p.writeTables(w, r, "simulation-"+o.From.String()+"-"+o.Period.String(), []export.Table{months, steps, bands})
}
