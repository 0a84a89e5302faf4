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
		return JournalCheck{Entries: c.Entries, Head: hex.EncodeToString(c.Head[:]), Wrong: c.Wrong, Faults: append([]string{}, c.Faults...)}, err
	})
}

func newEntry(e *models.JournalEntry) Entry {
	return Entry{Entry: e.Entry, At: e.At, Who: e.Who, Role: e.Role, What: e.What, Subject: e.Subject, Reason: e.Reason, Hash: hex.EncodeToString(e.Hash[:])}
}
