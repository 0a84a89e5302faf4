package billing

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"referral/models"
)

// Programme is the terms of the referral programme in all their versions, and
// the time zone whose days they count in. Build it with [NewProgramme].
type Programme struct {
	Zone     *time.Location
	Versions []Terms // by EffectiveFrom, the oldest first
}

// Terms is one version of the rules, in force from a day on.
type Terms struct {
	EffectiveFrom    models.Date
	WindowMonths     int  // months after the registration in which a code may be entered
	RefuseOwnCompany bool // refuse a code of an account with the same tax id
	Invitee          InviteeTerms
	Ladder           []StepTerms // step 1 first
	Discounted       []string    // services that a discount applies to
	Excluded         []string    // services that it never applies to
	Brake            Limits
	ShowFriendNames  bool // to their inviter; else masked
}

// InviteeTerms is the new client's discount.
type InviteeTerms struct {
	Percent int `yaml:"percent"`
	Months  int `yaml:"months"`
}

// StepTerms is one row of the customer's table of discounts.
type StepTerms struct {
	Percent int `yaml:"percent"`
	Months  int `yaml:"months"`
	SMS     int `yaml:"sms,omitempty"` // size of the package given on reaching the step; 0 for none
}

// maxMonths bounds a term: longer than any discount is meant to last, short
// enough that no date overflows.
const maxMonths = 1200

// NewProgramme checks the versions and puts them in order.
func NewProgramme(zone *time.Location, versions []Terms) (*Programme, error) {
	if zone == nil {
		return nil, errors.New("terms: no time zone")
	}
	if len(versions) == 0 {
		return nil, errors.New("terms: there must be at least one version")
	}
	versions = slices.Clone(versions)
	sort.Slice(versions, func(i, j int) bool { return versions[i].EffectiveFrom < versions[j].EffectiveFrom })
	for i := range versions {
		if i > 0 && versions[i].EffectiveFrom == versions[i-1].EffectiveFrom {
			return nil, fmt.Errorf("terms: two versions are effective from %s", versions[i].EffectiveFrom)
		}
		if err := versions[i].validate(); err != nil {
			return nil, fmt.Errorf("terms effective from %s: %w", versions[i].EffectiveFrom, err)
		}
	}
	return &Programme{Zone: zone, Versions: versions}, nil
}

func (t *Terms) validate() error {
	if t.WindowMonths < 0 || t.WindowMonths > maxMonths {
		return fmt.Errorf("activation window of %d months: must be 0 to %d", t.WindowMonths, maxMonths)
	}
	if err := validateTerm("invitee", t.Invitee.Percent, t.Invitee.Months); err != nil {
		return err
	}
	if len(t.Ladder) == 0 {
		return errors.New("the ladder has no step")
	}
	for i, step := range t.Ladder {
		if err := validateTerm(fmt.Sprintf("step %d", i+1), step.Percent, step.Months); err != nil {
			return err
		}
		if step.SMS < 0 {
			return fmt.Errorf("step %d: a package of %d SMS", i+1, step.SMS)
		}
	}
	for _, service := range t.Excluded {
		if slices.Contains(t.Discounted, service) {
			return fmt.Errorf("service %q is both discounted and excluded", service)
		}
	}
	return t.Brake.validate()
}

func validateTerm(what string, percent, months int) error {
	if percent < 0 || percent > 100 {
		return fmt.Errorf("%s: %d percent: must be 0 to 100", what, percent)
	}
	if months < 1 || months > maxMonths {
		return fmt.Errorf("%s: %d months: must be 1 to %d", what, months, maxMonths)
	}
	return nil
}

// TermsOn is the version in force on a day. A day before the first version has the terms
// of the first.
func (p *Programme) TermsOn(day models.Date) *Terms {
	i := sort.Search(len(p.Versions), func(i int) bool { return p.Versions[i].EffectiveFrom > day })
	return &p.Versions[max(i-1, 0)]
}

// Local is the programme's day of an instant.
func (p *Programme) Local(t time.Time) models.Date { return models.DateOf(t, p.Zone) }

// ServiceClass is what a discount does to a service.
type ServiceClass int

// A held service is on neither list: reported, and corrected once it is listed.
const (
	Held ServiceClass = iota
	Discounted
	Excluded
)

// Class is the class of a service on a day: that of the version of the day, or of the
// first later version that names the service, so that an addition to the terms corrects
// a held line.
func (p *Programme) Class(service string, day models.Date) ServiceClass {
	i := sort.Search(len(p.Versions), func(i int) bool { return p.Versions[i].EffectiveFrom > day })
	for _, version := range p.Versions[max(i-1, 0):] {
		if slices.Contains(version.Discounted, service) {
			return Discounted
		}
		if slices.Contains(version.Excluded, service) {
			return Excluded
		}
	}
	return Held
}

// Digest identifies what the terms grant. Two programmes with the same digest
// owe the same for the same facts; the brake and what is shown of friends, which
// grant nothing, are left out.
func (p *Programme) Digest() string {
	versions := slices.Clone(p.Versions)
	for i := range versions {
		versions[i].Brake, versions[i].ShowFriendNames = Limits{}, false
	}
	// %#v and not %+v, which writes a service "a b" as it writes the two "a" and "b".
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %#v", p.Zone, versions))
	return hex.EncodeToString(sum[:])
}
