package config

import "testing"

func TestRetentionSettings(t *testing.T) {
	for text, want := range map[string]string{
		`at: "61 * * * *"`:                                   "retention.at",
		"sessions: 59m":                                      "retention.sessions: 59m0s must be 1h0m0s to 87600h0m0s",
		"throttling_counters: 23h":                           "retention.throttling_counters: 23h0m0s must be 24h0m0s",
		"answered_requests: 721h":                            "retention.answered_requests: 721h0m0s must be 24h0m0s to 720h0m0s",
		"unmatched_receipts: 0s":                             "retention.unmatched_receipts: 0s must be",
		"invitation_addresses: 23h":                          "retention.invitation_addresses: 23h0m0s must be 24h0m0s to 87600h0m0s",
		"invitation_addresses: 87601h":                       "retention.invitation_addresses: 87601h0m0s must be",
		"{invitation_addresses: 100h, invitations: 99h}":     "retention.invitations: 99h0m0s must be 100h0m0s to",
		"dead_letters: 719h":                                 "retention.dead_letters: 719h0m0s must be 720h0m0s",
		"{dead_letters: 0s, invitations: 0s, parked: 1h}":    "parked",
		"{schedule_slots: 1h, reconciliations: 1h}":          "retention.schedule_slots: 1h0m0s must be",
		"{parked_accounts: 1h, dead_letters: 0s}":            "retention.parked_accounts: 1h0m0s must be",
		"{dead_letters: 0s, invitations: 0s, sessions: -1h}": "retention.sessions: -1h0m0s must be",
	} {
		if text[0] != '{' {
			text = "{" + text + "}"
		}
		_, err := Load(fileOf(t, "retention: "+text), true, nil)
		wantError(t, err, want)
	}
	if _, err := Load(fileOf(t, "retention: {dead_letters: 0s, invitations: 0s, schedule_slots: 0s, reconciliations: 0s, parked_accounts: 0s}"), true, nil); err != nil {
		t.Error(err)
	}
}
