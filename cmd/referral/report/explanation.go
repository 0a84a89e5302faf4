package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"referral/billing"
	"referral/models"
)

// page is text for people.
type page struct{ io.Writer }

// say prints a line of text that may hold what came from outside.
func (w page) say(format string, args ...any) {
	fmt.Fprintln(w, Printable(fmt.Sprintf(format, args...)))
}

// table prints rows, or says in a line that there are none.
func (w page) table(title, none string, head []string, rows [][]string) {
	if len(rows) == 0 {
		w.say("%s: %s", title, none)
		fmt.Fprintln(w)
		return
	}
	printTable(w, title, head, rows)
}

// AccountText writes the explanation of an account.
func AccountText(out io.Writer, e *billing.Explanation) {
	w := page{out}
	w.facts(e)
	w.decisions(e)
	w.entitlements(e)
	w.packages(e)
	w.invoices(e)
}

func (w page) facts(e *billing.Explanation) {
	printTable(w, fmt.Sprintf("Account %d", e.AccountID), []string{"", "", "came from"}, [][]string{
		{"registered", moment(e.RegisteredAt, "not known yet"), provenance(e.Provenance.Registered)},
		{"profile", "not shown", provenance(e.Provenance.Profile)},
		{"promo ended", moment(e.PromoEndedAt, "not known yet"), provenance(e.Provenance.PromoEnded)},
		{"terminated", moment(e.TerminatedAt, "no"), provenance(e.Provenance.Terminated)},
	})
	for _, parked := range e.Parked {
		w.say("The last run of %s has parked the account: %s", parked.Period, parked.Error)
	}
	var rows [][]string
	for _, a := range e.Activations {
		rows = append(rows, []string{moment(a.RequestedAt, ""), orElse(a.CountsFrom, "waits"), a.Words, provenance(a.Provenance)})
	}
	w.table("Codes that it entered", "none", []string{"requested", "counts from", "decision", "came from"}, rows)
}

// decisions is what staff decided; most accounts have none.
func (w page) decisions(e *billing.Explanation) {
	var rows [][]string
	for _, d := range e.Decisions {
		undone := ""
		if d.Undone {
			undone = "undone"
		}
		rows = append(rows, []string{moment(d.DecidedAt, ""), d.Words, undone, d.By, d.ApprovedBy, d.Reason, d.ID.String()})
	}
	if len(rows) > 0 {
		w.table("Decisions of staff", "", []string{"decided", "decision", "", "proposed by", "approved by", "reason", "id"}, rows)
	}
}

func (w page) ladder(title string, steps []billing.LadderStep) {
	var rows [][]string
	for _, r := range steps {
		sms := ""
		if r.SMS > 0 {
			sms = fmt.Sprintf("%d SMS", r.SMS)
		}
		rows = append(rows, []string{
			r.On.String(), fmt.Sprint(r.InviteeID), fmt.Sprint(r.Step), fmt.Sprintf("%d %%", r.Percent), r.End.String(), sms, restartText(r),
		})
	}
	w.table(title, "none", []string{"day", "friend", "step", "percent", "until (excl.)", "package", ""}, rows)
}

func (w page) discounts(title, none string, list []models.Discount) {
	var rows [][]string
	for _, d := range list {
		rows = append(rows, []string{string(d.Kind), d.From.String(), (d.To - 1).String(), fmt.Sprintf("%d %%", d.Percent), orElse(d.Step, "")})
	}
	w.table(title, none, []string{"kind", "first day", "last day", "percent", "step"}, rows)
}

func (w page) entitlements(e *billing.Explanation) {
	for i := range e.Climbs {
		if c := &e.Climbs[i]; c.To != 0 {
			w.ladder(fmt.Sprintf("Ladder on the days before %s", c.To), c.Steps)
		}
	}
	w.ladder("Ladder: the friends who activated its code", e.Ladder)
	none := "none"
	if e.Promised {
		none = "promised; it begins when the promo period ends"
	}
	w.discounts("Discounts by day", none, e.Discounts)
	if e.Promised && len(e.Discounts) > 0 {
		w.say("Its own discount as an invitee is promised; it begins when the promo period ends.")
	}
}

func restartText(r billing.LadderStep) string {
	if r.Restart {
		return "the ladder begins"
	}
	return ""
}

func (w page) packages(e *billing.Explanation) {
	var rows [][]string
	for _, g := range e.Packages {
		rows = append(rows, []string{
			Count(int64(g.SMS)), fmt.Sprint(g.Ordinal), orElse(g.EarnedOn, "-"), orElse(g.Period, ""), g.InvoiceID, packageID(&g), delivery(packageID(&g) != "", g.Published, g.Answer, g.Decisions), g.Words, answerProvenance(g.Answer),
		})
	}
	w.table("SMS packages", "none", []string{"SMS", "number", "earned on", "period", "invoice", "package", "billing", "", "answer came from"}, rows)
}

func packageID(g *billing.ExplainedPackage) string {
	if !g.GoneOut {
		return ""
	}
	if g.PackageID == (models.UUID{}) {
		return "" // an older system gave it
	}
	return g.PackageID.String()
}

func (w page) invoices(e *billing.Explanation) {
	var rows [][]string
	for _, i := range e.Invoices {
		rows = append(rows, []string{
			i.InvoiceID, i.Period.String(), fmt.Sprint(i.Revision), fmt.Sprint(i.Lines), i.Charged.String(), i.Wanted.String(), i.Posted.String(), i.Difference.String(), i.Currency, provenance(i.Provenance),
		})
	}
	w.table("Invoices", "none", []string{"invoice", "period", "revision", "lines", "charged", "wanted", "posted", "to post", "", "came from"}, rows)
	for _, i := range e.Invoices {
		w.parked(&i)
	}
}

func (w page) parked(i *billing.InvoiceSums) {
	if i.Parked != "" {
		w.say("Invoice %s is parked: %s", i.InvoiceID, i.Parked)
	}
}

// InvoiceText writes the explanation of an invoice.
func InvoiceText(out io.Writer, e *billing.InvoiceExplanation) {
	w := page{out}
	w.say("Invoice %s of account %d, period %s, revision %d", e.InvoiceID, e.AccountID, e.Period, e.Revision)
	w.say("came from %s", cmp.Or(provenance(e.Provenance), "a place that is not known"))
	w.say("charged %s, wanted %s, posted %s, to post %s %s", e.Charged, e.Wanted, e.Posted, e.Difference, e.Currency)
	w.parked(&e.InvoiceSums)
	if e.Booked() != e.Posted {
		w.say("of what is posted, billing has rejected %s, %s was sent again and is not answered, %s is settled by hand", e.Rejected, e.Resent, e.WrittenOff)
	}
	fmt.Fprintln(w)
	w.facts(&e.Account)
	w.entitlements(&e.Account)
	if len(e.ByLine) == 0 {
		w.say("The invoice has no lines: it is cancelled.")
	}
	for i := range e.ByLine {
		w.line(&e.ByLine[i])
	}
	fmt.Fprintln(w)
	w.documents(e)
}

func (w page) line(l *billing.ExplainedLine) {
	if l.Class == "gone" {
		w.say("Line %s  %s  not a line of the current revision", l.LineID, l.Service)
	} else {
		w.say("Line %s  %s  %s  %s, %s  %s", l.LineID, l.Service, classText(l.Class), dayRange(l.From, l.To), days(l.Days), l.Amount)
	}
	if d := l.Decision; d != nil {
		w.say("    the terms do not name the service: %s by decision %s of %s, proposed by %s, approved by %s: %s", d.Class, d.ID, d.DecidedAt.Format(time.DateTime), d.By, d.ApprovedBy, d.Reason)
	}
	for _, s := range l.Segments {
		w.say("    %s  %8s × %s = %d", dayRange(s.From, s.To), days(s.Days), percents(s), s.PercentDays)
	}
	if l.Formula != "" {
		w.say("    %d percent-days: %s", l.PercentDays, l.Formula)
	}
	w.say("    wanted %s, posted %s, to post %s", l.Wanted, l.Posted, l.Difference)
}

func classText(class string) string {
	switch class {
	case "excluded":
		return "excluded: never discounted"
	case "held":
		return "HELD: the terms neither discount nor exclude the service"
	}
	return class
}

// percents is the kinds of discount, and what they come to.
func percents(s billing.ExplainedDays) string {
	kinds := fmt.Sprintf("%d %% invitee + %d %% inviter", s.Invitee, s.Inviter)
	if s.Agreed > 0 {
		kinds += fmt.Sprintf(" + %d %% agreed", s.Agreed)
	}
	kinds = "(" + kinds + ")"
	if s.Invitee+s.Inviter+s.Agreed > s.Percent {
		kinds += fmt.Sprintf(" held to %d %%", s.Percent)
	}
	return kinds
}

func (w page) documents(e *billing.InvoiceExplanation) {
	var rows [][]string
	for i := range e.Documents {
		d := &e.Documents[i]
		rows = append(rows, []string{
			fmt.Sprint(d.Sequence), d.ID.String(), string(d.Reason), fmt.Sprint(d.Revision), d.PostingPeriod.String(), d.Amount.String(), linesOf(d), delivery(true, d.Published, d.Answer, d.Decisions), answerProvenance(d.Answer),
		})
	}
	w.table("Documents posted", "none", []string{"", "adjustment", "reason", "revision", "posted to", "amount", "line by line", "billing", "answer came from"}, rows)
}

func linesOf(d *billing.ExplainedDocument) string {
	items := make([]string, len(d.Items))
	for i, item := range d.Items {
		items[i] = fmt.Sprintf("%s: %s", item.LineID, item.Amount)
	}
	return strings.Join(items, "; ")
}

// delivery is the progress of a document, and what was decided about it.
func delivery(gone, published bool, answer *billing.Answered, decided []billing.Decision) string {
	said := ""
	switch {
	case !gone:
		return ""
	case answer != nil && answer.Status == models.ResultRejected:
		said = "rejected: " + answer.Reason
	case answer != nil:
		said = fmt.Sprintf("%s %s on %s", answer.Status, answer.Amount, answer.At.Format(time.DateOnly))
	case published:
		said = "published, not answered"
	default:
		said = "not published yet"
	}
	for _, d := range decided {
		said += fmt.Sprintf("; %s by %s on %s", d.What, d.By, d.At.Format(time.DateOnly))
		if d.Reason != "" {
			said += ": " + d.Reason
		}
	}
	return said
}

// provenance is the message, the file or the request that a fact came in.
func provenance(from *billing.ExplainedProvenance) string {
	switch {
	case from == nil:
		return ""
	case from.Message != nil:
		return fmt.Sprintf("%s, partition %d, offset %d, %s", from.Message.Topic, from.Message.Partition, from.Message.Offset, moment(from.At, "no time"))
	}
	if from.Row != nil {
		return fmt.Sprintf("%s, line %d, imported %s", from.Row.File, from.Row.Line, moment(from.At, "at no time"))
	}
	return fmt.Sprintf("personal account, request %s, %s", from.Request, moment(from.At, "no time"))
}

func answerProvenance(answer *billing.Answered) string {
	if answer == nil {
		return ""
	}
	return provenance(answer.Provenance)
}

func moment(t time.Time, unknown string) string {
	if t.IsZero() {
		return unknown
	}
	return t.Format("2006-01-02 15:04:05 MST")
}

// orElse is a value as text, or another text when it is zero.
func orElse[T comparable](v T, zero string) string {
	if v == *new(T) {
		return zero
	}
	return fmt.Sprint(v)
}

// dayRange is a half-open interval as people say it, with its last day.
func dayRange(from, to models.Date) string { return fmt.Sprintf("%s … %s", from, to-1) }

func days(n int) string { return Quantity(int64(n), "day") }

// DecisionText writes what a decision of staff would change.
func DecisionText(out io.Writer, d *billing.DecisionPreview) {
	w := page{out}
	for i := range d.Accounts {
		a := &d.Accounts[i]
		var rows [][]string
		for _, c := range a.Changes {
			if c.SMS > 0 {
				rows = append(rows, []string{c.Period.String(), c.InvoiceID, fmt.Sprintf("a package of %d SMS went out and would not be earned; it is not taken back", c.SMS), ""})
			} else {
				rows = append(rows, []string{c.Period.String(), c.InvoiceID, "discount", c.Amount.String() + " " + c.Currency})
			}
		}
		for _, t := range a.Totals {
			rows = append(rows, []string{"", "", "total", t.Amount.String() + " " + t.Currency})
		}
		w.table(fmt.Sprintf("Account %d: what would be posted, as added to the invoices", a.AccountID), "nothing", []string{"period", "invoice", "", "amount"}, rows)
		w.discounts(fmt.Sprintf("Account %d: its discounts would be", a.AccountID), "none", a.Discounts)
		if len(a.Ladder) > 0 {
			w.ladder(fmt.Sprintf("Account %d: its ladder would be", a.AccountID), a.Ladder)
		}
	}
	if len(d.Accounts) == 0 {
		w.say("No discount and no package would change.")
	}
}

// ServiceText writes what a decision on a service would change.
func ServiceText(out io.Writer, service string, s *billing.ServicePreview) {
	w := page{out}
	preview := s.Preview()
	var rows [][]string
	for _, c := range preview.Changes {
		rows = append(rows, []string{fmt.Sprint(c.AccountID), c.Period.String(), c.InvoiceID, c.Amount.String() + " " + c.Currency})
	}
	if preview.More > 0 {
		rows = append(rows, []string{"", "", fmt.Sprintf("and %d more", preview.More), ""})
	}
	for _, t := range preview.Totals {
		rows = append(rows, []string{"", "", fmt.Sprintf("total of %d accounts", t.Accounts), t.Amount.String() + " " + t.Currency})
	}
	w.table(fmt.Sprintf("Service %s, lines that are settled: %d. What would be posted, as added to the invoices", service, s.Lines), "nothing", []string{"account", "period", "invoice", "amount"}, rows)
	for _, f := range s.Failed {
		w.say("Account %d cannot be calculated: %s", f.AccountID, f.Error)
	}
}
