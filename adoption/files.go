package adoption

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"referral/models"
)

// kind is one of the files of an older system.
type kind int

// The files, in the order in which they are stored: a referral needs its accounts.
const (
	accounts kind = iota
	referrals
	packages
	discounts
	kinds
)

// file is what is known of one of the files.
type file struct {
	name    string
	columns []Column
	example []string // rows of the template
	parse   func(*parser, Row) models.FactData
}

var files = [kinds]file{
	accounts: {"accounts.csv", []Column{
		{"account", true, "number of the account"},
		{"name", false, "name of the client"},
		{"tax_id", false, "INN"},
		{"registered", false, "when the PBX was registered"},
		{"promo_end", false, "when its promo period ended or will end"},
		{"terminated", false, "when the account left"},
		{"existing_code", false, "the invitation code that the client has; one is issued where it is empty"},
	}, []string{"885,Резервация,7707083893,2025-06-01,2025-06-15,,ROMASHKA7", "901,Василек,7700000000,2026-02-10T09:00:00+03:00,2026-05-10,,"}, (*parser).account},
	referrals: {"referrals.csv", []Column{
		{"inviter", true, "account whose code was used"},
		{"invitee", true, "account that used it"},
		{"activated", true, "when the code was entered"},
	}, []string{"885,901,2026-02-11"}, (*parser).referral},
	packages: {"packages.csv", []Column{
		{"account", true, "number of the account"},
		{"sms", true, "size of the package"},
		{"given", true, "day on which it was given"},
	}, []string{"885,1200,2026-03-02"}, (*parser).smsPackage},
	discounts: {"discounts.csv", []Column{
		{"account", true, "number of the account"},
		{"percent", true, "1 to 100, in addition to what the rules give"},
		{"first_day", true, "first day with the discount"},
		{"last_day", true, "last day with the discount"},
	}, []string{"901,10,2026-03-01,2026-08-31"}, (*parser).discount},
}

// Columns is what the files may hold, by name.
func Columns(see func(file string, c Column)) {
	for _, f := range files {
		for _, c := range f.columns {
			see(f.name, c)
		}
	}
}

// Template is the files with their headers and example rows, by name.
func Template() map[string]string {
	texts := map[string]string{}
	for _, f := range files {
		names := make([]string, len(f.columns))
		for i, c := range f.columns {
			names[i] = c.Name
		}
		texts[f.name] = strings.Join(append([]string{strings.Join(names, ",")}, f.example...), "\n") + "\n"
	}
	return texts
}

// parser reads rows. It collects their faults.
type parser struct {
	zone   *time.Location
	today  models.Date
	sizes  map[int]bool // of packages that the terms give
	faults []Fault
}

func (p *parser) fault(row Row, column, text string, args ...any) {
	p.faults = append(p.faults, *row.Fault(column, fmt.Sprintf(text, args...)))
}

func (p *parser) number(row Row, column string) int64 {
	text := row.Value(column)
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case text == "":
		p.fault(row, column, "it is missing")
	case err != nil || n <= 0:
		p.fault(row, column, "it must be a whole number above zero")
		return 0
	}
	return n
}

// moment is a time, or the first moment of a day in the programme's time zone; zero when
// the field is empty.
func (p *parser) moment(row Row, column string) time.Time {
	text := row.Value(column)
	if text == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, text)
	for _, layout := range dayLayouts {
		if err != nil {
			at, err = time.ParseInLocation(layout, text, p.zone)
		}
	}
	if err != nil {
		p.fault(row, column, "it must be a day such as 2026-04-20 or 20.04.2026, or a time such as 2026-04-20T12:00:00+03:00")
		return time.Time{}
	}
	p.year(row, column, at)
	return at
}

func (p *parser) year(row Row, column string, at time.Time) {
	if !models.YearTaken(at.Year()) {
		p.fault(row, column, "its year must be %d to %d", models.FirstYear, models.LastYear)
	}
}

// dayLayouts is how days are written: as here, and as a Russian spreadsheet does.
var dayLayouts = []string{time.DateOnly, "02.01.2006"}

func (p *parser) day(row Row, column string) models.Date {
	text := row.Value(column)
	if text == "" {
		p.fault(row, column, "it is missing")
		return 0
	}
	for _, layout := range dayLayouts {
		if at, err := time.Parse(layout, text); err == nil {
			p.year(row, column, at)
			return models.DateOf(at, time.UTC)
		}
	}
	p.fault(row, column, "it must be a day such as 2026-04-20 or 20.04.2026")
	return 0
}

// text is a field of at most so many characters.
func (p *parser) text(row Row, column string, longest int) string {
	text := row.Value(column)
	if utf8.RuneCountInString(text) > longest {
		p.fault(row, column, "it must have at most %d characters", longest)
	}
	return text
}

// The longest texts: of a name and a tax id as in messages, of a code as the personal
// account takes it.
const (
	longestName  = 1000
	longestTaxID = 200
	longestCode  = 32
)

// code is the existing code in its normal form.
func (p *parser) code(row Row) string {
	const column = "existing_code"
	typed := p.text(row, column, longestCode)
	code := models.NormalCode(typed)
	switch {
	case typed != "" && code == "":
		p.fault(row, column, "it has no letter or digit")
	case strings.ContainsFunc(code, func(r rune) bool { return !unicode.IsGraphic(r) }):
		p.fault(row, column, "it has a character that cannot be typed")
	}
	return code
}

func (p *parser) account(row Row) models.FactData {
	a := models.ImportedAccount{
		AccountID: p.number(row, "account"), Name: p.text(row, "name", longestName), TaxID: p.text(row, "tax_id", longestTaxID), RegisteredAt: p.moment(row, "registered"),
		PromoEndsAt: p.moment(row, "promo_end"), TerminatedAt: p.moment(row, "terminated"), Code: p.code(row),
	}
	if !a.TerminatedAt.IsZero() && a.TerminatedAt.Before(a.RegisteredAt) {
		p.fault(row, "terminated", "the account left before it was registered, on %s", row.Value("registered"))
	}
	if !a.RegisteredAt.IsZero() && models.DateOf(a.RegisteredAt, p.zone) > p.today {
		p.fault(row, "registered", "it is later than today")
	}
	return a
}

func (p *parser) referral(row Row) models.FactData {
	r := models.ImportedReferral{InviterID: p.number(row, "inviter"), InviteeID: p.number(row, "invitee"), ActivatedAt: p.moment(row, "activated")}
	switch {
	case row.Value("activated") == "":
		p.fault(row, "activated", "it is missing")
	case !r.ActivatedAt.IsZero() && models.DateOf(r.ActivatedAt, p.zone) > p.today:
		p.fault(row, "activated", "it is later than today")
	}
	if r.InviterID == r.InviteeID && r.InviterID != 0 {
		p.fault(row, "invitee", "the account cannot invite itself")
	}
	return r
}

func (p *parser) smsPackage(row Row) models.FactData {
	g := models.ImportedPackage{AccountID: p.number(row, "account"), SMS: int(p.number(row, "sms")), GivenOn: p.day(row, "given")}
	if g.SMS != 0 && !p.sizes[g.SMS] {
		p.fault(row, "sms", "no step of the terms gives a package of this size")
	}
	if g.GivenOn > p.today {
		p.fault(row, "given", "it is later than today")
	}
	return g
}

func (p *parser) discount(row Row) models.FactData {
	d := models.AgreedDiscount{AccountID: p.number(row, "account"), Percent: int(p.number(row, "percent")), From: p.day(row, "first_day"), To: p.day(row, "last_day") + 1}
	if d.Percent > 100 {
		p.fault(row, "percent", "it must be 1 to 100")
	}
	if d.To <= d.From && row.Value("last_day") != "" {
		p.fault(row, "last_day", "it is before the first day, %s", d.From)
	}
	return d
}
