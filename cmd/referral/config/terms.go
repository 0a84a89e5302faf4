package config

import (
	"slices"
	"strings"

	"referral/billing"
	"referral/models"
)

// Terms is one version of the terms. In a file it is written out whole:
// nothing of it is taken from another version or from the defaults.
type Terms struct {
	EffectiveFrom          models.Date          `yaml:"effective_from"`
	ActivationWindowMonths int                  `yaml:"activation_window_months"`
	RefuseOwnCompany       bool                 `yaml:"refuse_own_company"`
	ShowFriendNames        bool                 `yaml:"show_friend_names,omitempty"`
	Invitee                billing.InviteeTerms `yaml:"invitee"`
	Ladder                 []billing.StepTerms  `yaml:"ladder"`
	Services               Services             `yaml:"services"`
	Brake                  Brake                `yaml:"brake"`
}

// Services is which services a discount applies to; one on neither list
// is held.
type Services struct {
	Discounted []string `yaml:"discounted"`
	Excluded   []string `yaml:"excluded"`
}

// Brake is the limits of a run; 0 switches one off.
type Brake struct {
	LargestTotal     Roubles `yaml:"largest_total"`
	LargestFullShare int     `yaml:"largest_full_share"` // percent
	LargestChange    int     `yaml:"largest_change"`     // percent
	SmallestCount    int64   `yaml:"smallest_count"`
}

func (t *Terms) validate(found *findings, path string) {
	services := slices.Concat(t.Services.Discounted, t.Services.Excluded)
	if slices.ContainsFunc(services, func(s string) bool { return s == "" || s != strings.TrimSpace(s) }) {
		found.add(path+".services", "the name of a service is empty or has spaces around it")
	}
	if len(t.Services.Discounted) == 0 {
		found.add(path+".services.discounted", "no service is discounted, so no discount could ever be given; name at least one")
	}
	if t.Brake.LargestFullShare > 100 {
		found.add(path+".brake.largest_full_share", "%d percent must be 0 (off) to 100", t.Brake.LargestFullShare)
	}
}

func (t *Terms) terms() billing.Terms {
	return billing.Terms{
		EffectiveFrom:    t.EffectiveFrom,
		WindowMonths:     t.ActivationWindowMonths,
		RefuseOwnCompany: t.RefuseOwnCompany,
		ShowFriendNames:  t.ShowFriendNames,
		Invitee:          t.Invitee,
		Ladder:           t.Ladder,
		Discounted:       t.Services.Discounted,
		Excluded:         t.Services.Excluded,
		Brake: billing.Limits{
			LargestTotal: models.Money(t.Brake.LargestTotal), LargestFull: t.Brake.LargestFullShare,
			LargestChange: t.Brake.LargestChange, SmallestCount: t.Brake.SmallestCount,
		},
	}
}
