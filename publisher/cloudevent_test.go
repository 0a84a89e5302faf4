package publisher

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"referral/models"
)

// event is the envelope as encoding/json would write it: the measure of what is
// appended by hand.
type event struct {
	SpecVersion     string      `json:"specversion"`
	ID              models.UUID `json:"id"`
	Source          string      `json:"source"`
	Type            string      `json:"type"`
	Time            time.Time   `json:"time"`
	Subject         json.Number `json:"subject,string"`
	DataContentType string      `json:"datacontenttype"`
	Data            any         `json:"data"`
}

type adjustmentData struct {
	AdjustmentID    models.UUID   `json:"adjustment_id"`
	Sequence        int           `json:"sequence"`
	AccountID       int64         `json:"account_id"`
	InvoiceID       string        `json:"invoice_id"`
	InvoiceRevision int           `json:"invoice_revision"`
	Period          models.Period `json:"period"`
	PostingPeriod   models.Period `json:"posting_period"`
	Currency        string        `json:"currency"`
	AmountMinor     models.Money  `json:"amount_minor"`
	Reason          string        `json:"reason"`
	Items           []itemData    `json:"items"`
}

type itemData struct {
	LineID      string        `json:"line_id"`
	Service     string        `json:"service"`
	AmountMinor models.Money  `json:"amount_minor"`
	Segments    []segmentData `json:"segments"`
}

type segmentData struct {
	From    models.Date `json:"from"`
	To      models.Date `json:"to"`
	Percent int         `json:"percent"`
}

type packageData struct {
	PackageID   models.UUID   `json:"package_id"`
	AccountID   int64         `json:"account_id"`
	SMS         int           `json:"sms"`
	GrantedOn   models.Date   `json:"granted_on"`
	Period      models.Period `json:"period"`
	InvoiceID   *string       `json:"invoice_id"`
	Step        int           `json:"step"`
	AmountMinor int           `json:"amount_minor"`
}

func reflected(t rapid.TB, id models.UUID, kind string, at time.Time, account int64, data any) string {
	t.Helper()
	subject, err := json.Marshal(account)
	must(t, err)
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	must(t, enc.Encode(event{
		SpecVersion: "1.0", ID: id, Source: "/referral", Type: kind, Time: at.UTC(), Subject: json.Number(subject),
		DataContentType: "application/json", Data: data,
	}))
	return string(bytes.TrimSpace(b.Bytes()))
}

func must(t rapid.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The worked example of the contract: account 885, April 2026.
func april885() models.Adjustment {
	day := func(s string) models.Date {
		d, err := models.ParseDate(s)
		if err != nil {
			panic(err)
		}
		return d
	}
	return models.Adjustment{
		ID: models.UUID{0xfa, 15: 1}, Sequence: 1, AccountID: 885, InvoiceID: "INV-2026-04-885", InvoiceRevision: 1,
		Period: 202604, PostingPeriod: 202604, Currency: "RUB", Amount: -142000, Reason: models.ReasonRun,
		Items: []models.AdjustmentItem{{
			LineID: "1", Service: "subscription", Amount: -142000,
			Segments: []models.Segment{
				{From: day("2026-04-01"), To: day("2026-04-20"), Inviter: 40},
				{From: day("2026-04-20"), To: day("2026-05-01"), Inviter: 60},
			},
		}},
	}
}

func TestAdjustmentIsWrittenAsTheContractShows(t *testing.T) {
	a := april885()
	at := time.Date(2026, 5, 1, 3, 0, 5, 0, time.FixedZone("MSK", 3*60*60))
	want := `{"specversion":"1.0","id":"fa000000-0000-0000-0000-000000000001","source":"/referral",` +
		`"type":"referral.discount-adjustment.v1","time":"2026-05-01T00:00:05Z","subject":"885","datacontenttype":"application/json","data":` +
		`{"adjustment_id":"fa000000-0000-0000-0000-000000000001","sequence":1,"account_id":885,"invoice_id":"INV-2026-04-885","invoice_revision":1,` +
		`"period":"2026-04","posting_period":"2026-04","currency":"RUB","amount_minor":-142000,"reason":"run",` +
		`"items":[{"line_id":"1","service":"subscription","amount_minor":-142000,` +
		`"segments":[{"from":"2026-04-01","to":"2026-04-20","percent":40},{"from":"2026-04-20","to":"2026-05-01","percent":60}]}]}}`
	if got := string(NewEncoder("/referral").AppendAdjustment(nil, at, &a)); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestSegmentsOfOnePercentAreOne(t *testing.T) {
	seg := func(from, to, invitee, inviter int) models.Segment {
		return models.Segment{From: models.Date(from), To: models.Date(to), Invitee: invitee, Inviter: inviter}
	}
	for _, c := range []struct {
		name string
		in   []models.Segment
		want string
	}{
		{"a line that is owed nothing any more", nil, `[]`},
		{"20 of the invitee, then 20 of the inviter", []models.Segment{seg(0, 10, 20, 0), seg(10, 20, 0, 20)},
			`[{"from":"1970-01-01","to":"1970-01-21","percent":20}]`},
		{"20 + 80, then 20 + 100: both are the whole", []models.Segment{seg(0, 5, 20, 80), seg(5, 9, 20, 100)},
			`[{"from":"1970-01-01","to":"1970-01-10","percent":100}]`},
		{"a gap between equal percents stays", []models.Segment{seg(0, 5, 20, 0), seg(6, 9, 20, 0)},
			`[{"from":"1970-01-01","to":"1970-01-06","percent":20},{"from":"1970-01-07","to":"1970-01-10","percent":20}]`},
		{"three of which the first two are equal", []models.Segment{seg(0, 1, 20, 0), seg(1, 2, 0, 20), seg(2, 3, 0, 40)},
			`[{"from":"1970-01-01","to":"1970-01-03","percent":20},{"from":"1970-01-03","to":"1970-01-04","percent":40}]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			item := models.AdjustmentItem{LineID: "1", Service: "s", Amount: -1, Segments: c.in}
			want := `{"line_id":"1","service":"s","amount_minor":-1,"segments":` + c.want + `}`
			if got := string(appendItem(nil, &item)); got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
}

func TestPackageWithoutAnInvoice(t *testing.T) {
	p := models.SMSPackage{ID: models.UUID{1}, AccountID: 885, SMS: 1200, GrantedOn: models.NewDate(2026, 4, 20), Period: 202604, Step: 3}
	want := reflected(t, p.ID, PackageType, time.Unix(0, 0), 885, packageData{
		PackageID: p.ID, AccountID: 885, SMS: 1200, GrantedOn: p.GrantedOn, Period: 202604, Step: 3,
	})
	if got := string(NewEncoder("/referral").AppendPackage(nil, time.Unix(0, 0), &p)); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// Whatever a document holds, it is written byte for byte as encoding/json does.
func TestAdjustmentsAreWrittenLikeEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, at := anyAdjustment().Draw(t, "adjustment"), anyTime().Draw(t, "at")
		data := adjustmentData{
			AdjustmentID: a.ID, Sequence: a.Sequence, AccountID: a.AccountID, InvoiceID: a.InvoiceID, InvoiceRevision: a.InvoiceRevision,
			Period: a.Period, PostingPeriod: a.PostingPeriod, Currency: a.Currency, AmountMinor: a.Amount, Reason: string(a.Reason),
			Items: []itemData{},
		}
		for _, item := range a.Items {
			data.Items = append(data.Items, itemData{item.LineID, item.Service, item.Amount, mergedByDays(item.Segments)})
		}
		want := reflected(t, a.ID, AdjustmentType, at, a.AccountID, data)
		if got := string(NewEncoder("/referral").AppendAdjustment(nil, at, &a)); got != want {
			t.Fatalf("\n got %s\nwant %s", got, want)
		}
	})
}

func TestPackagesAreWrittenLikeEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, at := anyPackage().Draw(t, "package"), anyTime().Draw(t, "at")
		data := packageData{
			PackageID: p.ID, AccountID: p.AccountID, SMS: p.SMS, GrantedOn: p.GrantedOn, Period: p.Period, Step: p.Step,
		}
		if p.InvoiceID != "" {
			data.InvoiceID = &p.InvoiceID
		}
		want := reflected(t, p.ID, PackageType, at, p.AccountID, data)
		if got := string(NewEncoder("/referral").AppendPackage(nil, at, &p)); got != want {
			t.Fatalf("\n got %s\nwant %s", got, want)
		}
	})
}

func TestStringsAreWrittenLikeEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyText().Draw(t, "text")
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		must(t, enc.Encode(s))
		if got := string(appendString(nil, s)); got != string(bytes.TrimSuffix(want.Bytes(), []byte("\n"))) {
			t.Fatalf("got %s, want %s", got, want.String())
		}
	})
}

func TestAnnouncementCarriesTheFieldsOfItsType(t *testing.T) {
	a := models.OutboxEvent{
		Seq: 7, ID: models.UUID{2}, Type: models.DiscountChanged, AccountID: 901, At: time.Date(2026, 4, 20, 9, 0, 0, 5e8, time.UTC),
		Data: map[string]any{
			"account_id": int64(901), "kind": models.Invitee, "percent": 20,
			"starts_on": models.NewDate(2026, 4, 20), "ends_on": nil, "step": 0,
		},
	}
	want := `{"specversion":"1.0","id":"02000000-0000-0000-0000-000000000000","source":"crm<&>","type":"referral.discount-changed.v1",` +
		`"time":"2026-04-20T09:00:00.5Z","subject":"901","datacontenttype":"application/json","data":` +
		`{"account_id":901,"ends_on":null,"kind":"invitee","percent":20,"starts_on":"2026-04-20","step":0}}`
	got, err := NewEncoder("crm<&>").AppendEvent(nil, &a)
	if err != nil || string(got) != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
}

func TestAnnouncementWithoutAFormIsAnError(t *testing.T) {
	a := models.OutboxEvent{Data: map[string]any{"percent": math.NaN()}}
	got, err := NewEncoder("/referral").AppendEvent([]byte("before"), &a)
	if err == nil || string(got) != "before" {
		t.Errorf("got %q, %v", got, err)
	}
}

// mergedByDays merges segments the slow and obvious way: day by day.
func mergedByDays(segments []models.Segment) []segmentData {
	merged := []segmentData{}
	for _, s := range segments {
		for day := s.From; day < s.To; day++ {
			last := len(merged) - 1
			if last >= 0 && merged[last].To == day && merged[last].Percent == s.Percent() {
				merged[last].To = day + 1
				continue
			}
			merged = append(merged, segmentData{From: day, To: day + 1, Percent: s.Percent()})
		}
	}
	return merged
}

func anyText() *rapid.Generator[string] {
	odd := rapid.SampledFrom([]string{
		"", `"`, `\`, "\x00", "\x1f", "\x7f", "\b\f\n\r\t", "\u2028", "\u2029", "\xff", "\xc3", "\xed\xa0\x80", "<b>&amp;</b>", "ООО «Клиент»", "😀", "/",
	})
	return rapid.Custom(func(t *rapid.T) string {
		return odd.Draw(t, "odd") + rapid.String().Draw(t, "any") + string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
	})
}

func anyUUID() *rapid.Generator[models.UUID] {
	return rapid.Custom(func(t *rapid.T) models.UUID {
		return models.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes"))
	})
}

func anyTime() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "s"), rapid.Int64Range(0, 1e9-1).Draw(t, "ns")).In(time.FixedZone("MSK", 3*60*60))
	})
}

func anyPeriod() *rapid.Generator[models.Period] {
	return rapid.Custom(func(t *rapid.T) models.Period {
		return models.NewPeriod(rapid.IntRange(0, 9999).Draw(t, "year"), time.Month(rapid.IntRange(1, 12).Draw(t, "month")))
	})
}

func anyDate() *rapid.Generator[models.Date] {
	return rapid.Custom(func(t *rapid.T) models.Date {
		return models.NewDate(rapid.IntRange(0, 9999).Draw(t, "year"), 1, rapid.IntRange(1, 365).Draw(t, "day"))
	})
}

func anySegments() *rapid.Generator[[]models.Segment] {
	return rapid.Custom(func(t *rapid.T) []models.Segment {
		day := anyDate().Draw(t, "from")
		var segments []models.Segment
		for range rapid.IntRange(0, 5).Draw(t, "segments") {
			from := day + models.Date(rapid.IntRange(0, 1).Draw(t, "gap"))
			day = from + models.Date(rapid.IntRange(1, 9).Draw(t, "days"))
			segments = append(segments, models.Segment{
				From: from, To: day,
				Invitee: rapid.SampledFrom([]int{0, 20}).Draw(t, "invitee"), Inviter: rapid.SampledFrom([]int{0, 20, 80, 100}).Draw(t, "inviter"),
			})
		}
		return segments
	})
}

func anyAdjustment() *rapid.Generator[models.Adjustment] {
	money := func(t *rapid.T) models.Money { return models.Money(rapid.Int64().Draw(t, "amount")) }
	return rapid.Custom(func(t *rapid.T) models.Adjustment {
		a := models.Adjustment{
			ID: anyUUID().Draw(t, "id"), Sequence: rapid.IntRange(1, 99).Draw(t, "sequence"), AccountID: rapid.Int64().Draw(t, "account"),
			InvoiceID: anyText().Draw(t, "invoice"), InvoiceRevision: rapid.Int().Draw(t, "revision"),
			Period: anyPeriod().Draw(t, "period"), PostingPeriod: anyPeriod().Draw(t, "posting"),
			Currency: anyText().Draw(t, "currency"), Amount: money(t), Reason: models.AdjustmentReason(anyText().Draw(t, "reason")),
		}
		for range rapid.IntRange(0, 4).Draw(t, "items") {
			a.Items = append(a.Items, models.AdjustmentItem{
				LineID: anyText().Draw(t, "line"), Service: anyText().Draw(t, "service"), Amount: money(t), Segments: anySegments().Draw(t, "segments"),
			})
		}
		return a
	})
}

func anyPackage() *rapid.Generator[models.SMSPackage] {
	return rapid.Custom(func(t *rapid.T) models.SMSPackage {
		return models.SMSPackage{
			ID: anyUUID().Draw(t, "id"), AccountID: rapid.Int64().Draw(t, "account"), SMS: rapid.Int().Draw(t, "sms"),
			GrantedOn: anyDate().Draw(t, "granted"), Period: anyPeriod().Draw(t, "period"), InvoiceID: anyText().Draw(t, "invoice"),
			Step: rapid.Int().Draw(t, "step"),
		}
	})
}

// Four lines, two of them with two segments: what a run posts for an inviter.
func BenchmarkAppendAdjustment(b *testing.B) {
	a := april885()
	second := a.Items[0]
	second.Segments = second.Segments[:1]
	a.Items = append(a.Items, second, a.Items[0], second)
	encoder, at, buf := NewEncoder("/referral"), time.Unix(1777600000, 0), []byte(nil)
	b.ReportAllocs()
	for b.Loop() {
		buf = encoder.AppendAdjustment(buf[:0], at, &a)
	}
	b.SetBytes(int64(len(buf)))
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "adjustments/s")
}
