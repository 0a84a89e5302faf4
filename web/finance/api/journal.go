package api

import (
	"context"
	"encoding/hex"
	"time"

	"referral/models"
)

// Journal is a page of what people did.
type Journal struct {
	Entries []Entry `json:"entries" nullable:"false" doc:"The newest first"`
	Next    int64   `json:"next,omitempty" doc:"The before of the next page; omitted on the last one"`
}

// Entry is one act.
type Entry struct {
	Entry   int64                     `json:"entry" doc:"Numbered without a gap"`
	At      time.Time                 `json:"at"`
	Who     string                    `json:"who"`
	Role    models.Role               `json:"role,omitempty" doc:"Of a person on the staff pages; several are separated by commas"`
	What    models.OperatorActionKind `json:"what"`
	Subject string                    `json:"subject"`
	Reason  string                    `json:"reason,omitempty"`
	Hash    string                    `json:"hash" doc:"SHA-256 over this entry and the hash before"`
}

// JournalCheck is whether the journal is what was written.
type JournalCheck struct {
	Entries int64    `json:"entries"`
	Head    string   `json:"head" doc:"Hash of the last entry: kept elsewhere, it proves all before it"`
	Wrong   int64    `json:"wrong" doc:"Faults in all"`
	Faults  []string `json:"faults" nullable:"false" doc:"The first of them"`
}

// KeptJournalCheck is the last check of the whole journal that was kept.
type KeptJournalCheck struct {
	At    *time.Time   `json:"at,omitempty" doc:"Omitted until a check was kept"`
	Who   string       `json:"who,omitempty" doc:"Omitted of the nightly one"`
	Kept  JournalCheck `json:"kept"`
	Since JournalCheck `json:"since" doc:"Of what has been added since, made now; of all when no check was kept"`
}

type pageInput struct {
	Before int64 `query:"before" minimum:"0" doc:"Only what has a lower number; 0 for the newest"`
	Limit  int   `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

func (a *API) registerJournal() {
	register(a, get("list-journal", "/journal", "What people did", "Journal", moneyRole), func(ctx context.Context, _ models.Staff, in *pageInput) (j Journal, err error) {
		page, err := a.service.Journal(ctx, in.Before, in.Limit+1)
		if len(page) > in.Limit {
			page = page[:in.Limit]
			j.Next = page[in.Limit-1].Entry
		}
		j.Entries = each(page, newEntry)
		return j, err
	})
	register(a, get("check-journal", "/journal/check", "Verify the whole journal", "Journal", moneyRole), func(ctx context.Context, _ models.Staff, _ *struct{}) (JournalCheck, error) {
		c, err := a.service.CheckJournal(ctx)
		return newJournalCheck(&c), err
	})
	register(a, get("last-journal-check", "/journal/last-check", "The last check of the whole journal that was kept, and what has been added since", "Journal", moneyRole),
		func(ctx context.Context, _ models.Staff, _ *struct{}) (KeptJournalCheck, error) {
			return a.lastJournalCheck(ctx)
		})
	register(a, post("keep-journal-check", "/journal/check", "Verify the whole journal, and keep what is found", "Journal", moneyRole),
		func(ctx context.Context, staff models.Staff, _ *struct{}) (KeptJournalCheck, error) {
			if err := a.service.KeepJournalCheck(ctx, &staff); err != nil {
				return KeptJournalCheck{}, err
			}
			return a.lastJournalCheck(ctx)
		})
}

func (a *API) lastJournalCheck(ctx context.Context) (KeptJournalCheck, error) {
	kept, since, err := a.service.LastJournalCheck(ctx)
	c := KeptJournalCheck{Who: kept.Who, Kept: newJournalCheck(&kept), Since: newJournalCheck(&since)}
	if !kept.At.IsZero() {
		c.At = &kept.At
	}
	return c, err
}

func newJournalCheck(c *models.JournalCheck) JournalCheck {
	return JournalCheck{Entries: c.Entries, Head: hex.EncodeToString(c.Head[:]), Wrong: c.Wrong, Faults: each(c.Faults, (*models.JournalFault).String)}
}

func newEntry(e *models.JournalEntry) Entry {
	return Entry{Entry: e.Entry, At: e.At, Who: e.Who, Role: e.Role, What: e.What, Subject: e.Subject, Reason: e.Reason, Hash: hex.EncodeToString(e.Hash[:])}
}
