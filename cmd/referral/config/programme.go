package config

import (
	"fmt"
	"regexp"

	"referral/billing"
	"referral/models"
)

// Programme is the terms of the referral programme, in all versions.
type Programme struct {
	Timezone string  `yaml:"timezone"` // whose days count
	Currency string  `yaml:"currency"` // ISO 4217
	Terms    []Terms `yaml:"terms"`
}

func defaultProgramme() Programme {
	return Programme{
		Timezone: "Europe/Moscow",
		Currency: "RUB",
		Terms: []Terms{{
			EffectiveFrom:          models.NewDate(2020, 1, 1),
			ActivationWindowMonths: 1,
			RefuseOwnCompany:       true,
			Invitee:                billing.InviteeTerms{Percent: 20, Months: 3},
			Ladder: []billing.StepTerms{
				{Percent: 20, Months: 3},
				{Percent: 40, Months: 6},
				{Percent: 60, Months: 12, SMS: 1200},
				{Percent: 80, Months: 12},
				{Percent: 100, Months: 12, SMS: 3200},
			},
			Services: Services{
				Discounted: []string{"subscription", "numbers", "calls", "recording"},
				Excluded:   []string{"sms_package"},
			},
			Brake: Brake{
				LargestTotal: 1_000_000_000_00, LargestFullShare: 50, LargestChange: 300, SmallestCount: 1000,
			},
		}},
	}
}

var currencyCode = regexp.MustCompile(`^[A-Z]{3}$`)

func (p *Programme) validate(found *findings) {
	if !currencyCode.MatchString(p.Currency) {
		found.add("programme.currency", "%q is not a currency code of three capital letters, for example RUB", p.Currency)
	}
	zone, err := loadZone(p.Timezone)
	if err != nil {
		found.add("programme.timezone", "%v", err)
		return
	}
	if _, err := billing.NewProgramme(zone, p.versions()); err != nil {
		found.add("programme.terms", "%v", err)
	}
	for i := range p.Terms {
		p.Terms[i].validate(found, fmt.Sprintf("programme.terms[%d]", i))
	}
}

// Rules is the terms as package billing uses them; an [*Error] when they contradict
// each other.
func (p *Programme) Rules() (*billing.Programme, error) {
	zone, err := loadZone(p.Timezone)
	if err != nil {
		return nil, newError("programme.timezone", err)
	}
	rules, err := billing.NewProgramme(zone, p.versions())
	return rules, newError("programme.terms", err)
}

func (p *Programme) versions() []billing.Terms {
	versions := make([]billing.Terms, len(p.Terms))
	for i := range p.Terms {
		versions[i] = p.Terms[i].terms()
	}
	return versions
}

// LoadTerms reads other terms to compare with: a file whose root is the
// programme section, or a whole configuration with one. It must list terms; the
// time zone and the currency are c's unless it says otherwise. The environment is
// ignored. Errors are [*Error].
func (c *Config) LoadTerms(path string) (*billing.Programme, error) {
	source, err := readSource(path, false)
	if err != nil {
		return nil, err
	}
	other, where := Default(), origins{}
	other.Programme.Timezone, other.Programme.Currency = c.Programme.Timezone, c.Programme.Currency
	if source.has("programme") {
		err = source.into(other, "", where)
	} else {
		err = source.into(&other.Programme, "programme", where)
	}
	if err != nil {
		return nil, newError("terms", err)
	}
	if _, listed := where["programme.terms"]; !listed {
		return nil, newError("terms", fmt.Errorf("%s lists no terms: put them under terms, or programme.terms", path))
	}
	found := &findings{origins: where}
	if other.Programme.validate(found); found.err() != nil {
		return nil, newError("terms", found.err())
	}
	return other.Programme.Rules()
}
