package config

import (
	"time"

	"github.com/robfig/cron/v3"
)

// Retention is how long rows are kept that are neither fact nor ledger, and
// when those that are older are deleted. 0 keeps them.
type Retention struct {
	At                  string        `yaml:"at"` // cron line, in the zone of the schedule
	Sessions            time.Duration `yaml:"sessions"`
	ThrottlingCounters  time.Duration `yaml:"throttling_counters"`
	AnsweredRequests    time.Duration `yaml:"answered_requests"`
	UnmatchedReceipts   time.Duration `yaml:"unmatched_receipts"`
	InvitationAddresses time.Duration `yaml:"invitation_addresses"`
	Invitations         time.Duration `yaml:"invitations"`
	DeadLetters         time.Duration `yaml:"dead_letters"`
	ScheduleSlots       time.Duration `yaml:"schedule_slots"`
	Reconciliations     time.Duration `yaml:"reconciliations"`
	ParkedAccounts      time.Duration `yaml:"parked_accounts"`
	RunOrders           time.Duration `yaml:"run_orders"`
	RehearsedAmounts    time.Duration `yaml:"rehearsed_amounts"`
	TerminatedAccounts  time.Duration `yaml:"terminated_accounts"` // their personal data
}

const day = 24 * time.Hour

func defaultRetention() Retention {
	return Retention{
		At: "15 * * * *", Sessions: day, ThrottlingCounters: day, AnsweredRequests: day, UnmatchedReceipts: day,
		InvitationAddresses: 90 * day, Invitations: 400 * day, DeadLetters: 400 * day,
		ScheduleSlots: 100 * day, Reconciliations: 400 * day, ParkedAccounts: 400 * day, RunOrders: 400 * day, RehearsedAmounts: 60 * day,
		TerminatedAccounts: 3 * 365 * day,
	}
}

func (r *Retention) validate(found *findings, s *Schedule) {
	const longest = 3650 * day
	if zone, err := loadZone(s.Timezone); err == nil { // otherwise schedule.timezone is a finding
		if _, err := parseSchedule(r.At, zone); err != nil {
			found.add("retention.at", "%v", err)
		}
	}
	found.lasts("retention.sessions", r.Sessions, time.Hour, longest)
	found.lasts("retention.throttling_counters", r.ThrottlingCounters, day, longest)
	found.lasts("retention.answered_requests", r.AnsweredRequests, day, 30*day)
	found.lasts("retention.unmatched_receipts", r.UnmatchedReceipts, time.Hour, longest)
	found.lasts("retention.invitation_addresses", r.InvitationAddresses, day, longest)
	for path, d := range map[string]time.Duration{
		"retention.dead_letters": r.DeadLetters, "retention.schedule_slots": r.ScheduleSlots,
		"retention.reconciliations": r.Reconciliations, "retention.parked_accounts": r.ParkedAccounts,
		"retention.run_orders": r.RunOrders, "retention.rehearsed_amounts": r.RehearsedAmounts, "retention.terminated_accounts": r.TerminatedAccounts,
	} {
		if d != 0 {
			found.lasts(path, d, 30*day, longest)
		}
	}
	if r.Invitations != 0 {
		found.lasts("retention.invitations", r.Invitations, r.InvitationAddresses, longest)
	}
}

// Schedule is the cron line, in the zone of the schedule.
func (r *Retention) Schedule(s *Schedule) (cron.Schedule, error) {
	return s.parse("retention.at", r.At)
}

// ByTable is how long the rows of each of store.RetentionTables are kept.
func (r *Retention) ByTable() map[string]time.Duration {
	return map[string]time.Duration{
		"sessions": r.Sessions, "staff_sessions": r.Sessions, "code_tries": r.ThrottlingCounters, "invitation_days": r.ThrottlingCounters, "client_requests": r.AnsweredRequests,
		"invitation_parts": r.UnmatchedReceipts, "invitations.recipient": r.InvitationAddresses, "invitations": r.Invitations, "recipients": r.Invitations,
		"dead_letters": r.DeadLetters, "slots": r.ScheduleSlots, "reconciliations": r.Reconciliations, "parked_accounts": r.ParkedAccounts, "run_orders": r.RunOrders, "rehearsed_amounts": r.RehearsedAmounts,
		"accounts.personal_data": r.TerminatedAccounts,
	}
}
