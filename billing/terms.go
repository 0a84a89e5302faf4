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

// A held service is on neither list, and staff has decided nothing about it: reported,
// and corrected once it is listed or decided.
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

// ClassOf is the class of a line of an invoice: that of the terms or, where they do not
// name its service, what staff has decided about it.
func (p *Programme) ClassOf(inv *models.Invoice, l *models.Line) ServiceClass {
	class := p.Class(l.Service, l.From)
	if class != Held {
		return class
	}
	return decidedClass(inv.Services[l.Service])
}

func decidedClass(d models.ServiceDecision) ServiceClass {
	switch d.Class {
	case models.ServiceDiscounted:
		return Discounted
	case models.ServiceExcluded:
		return Excluded
	}
	return Held
}

// Named is the class that the newest terms, or those announced for later, give a service;
// Held when they do not name it.
func (p *Programme) Named(service string) ServiceClass {
	return p.Class(service, p.Versions[len(p.Versions)-1].EffectiveFrom)
}

// CheckService says whether a decision on a service is possible, going by all decisions on
// services, and completes one that undoes another with its service. The error is a Refusal.
func (p *Programme) CheckService(all []models.ServiceDecision, d models.ServiceDecision) (models.ServiceDecision, error) {
	if d.Class == "" {
		return checkServiceUndo(all, d)
	}
	if class := p.Named(d.Service); class != Held {
		return d, refuse(ObstacleNamed, "the terms name the service %q as %s: they count, and not a decision", d.Service, class)
	}
	if other, decided := models.ServicesInForce(all)[d.Service]; decided {
		return d, refuse(ObstacleDecided, "the service %q is %s by the decision %s: undo that first", d.Service, other.Class, other.ID)
	}
	return d, nil
}

func checkServiceUndo(all []models.ServiceDecision, d models.ServiceDecision) (models.ServiceDecision, error) {
	for _, other := range all {
		switch {
		case other.ID == d.Undoes && other.Class == "":
			return d, refuse(ObstacleUndo, "decision %s undoes another one: decide again instead", d.Undoes)
		case other.Class == "" && other.Undoes == d.Undoes:
			return d, refuse(ObstacleUndone, "decision %s was undone on %s", d.Undoes, stamp(other.DecidedAt))
		case other.ID == d.Undoes:
			d.Service = other.Service
		}
	}
	if d.Service == "" {
		return d, refuse(ObstacleUnknown, "there is no decision %s on a service", d.Undoes)
	}
	return d, nil
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
