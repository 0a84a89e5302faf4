// Package privacy collects all that is stored about one client and writes it for the
// client to have: for the command and for the staff pages.
package privacy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"referral/billing"
	"referral/models"
)

// Store is the method of the storage that collects the data.
type Store interface {
	PersonalData(ctx context.Context, account int64) (h models.AccountHistory, tables map[string][]json.RawMessage, found bool, err error)
}

// Data is all that is stored about one client, at one moment.
type Data struct {
	AccountID   int64                        `json:"account_id"`
	At          time.Time                    `json:"at"`
	Tables      map[string][]json.RawMessage `json:"tables"` // the rows of the client by their tables
	Explanation billing.Explanation          `json:"explanation"`
}

// Collect collects the data of an account. found is false when nothing is known of it.
func Collect(ctx context.Context, s Store, p *billing.Programme, account int64, now time.Time) (d *Data, found bool, err error) {
	history, tables, found, err := s.PersonalData(ctx, account)
	if err != nil || !found {
		return nil, false, err
	}
	return &Data{AccountID: account, At: now.In(p.Zone), Tables: tables, Explanation: withoutStaff(p.Explain(&history))}, true, nil
}

// withoutStaff leaves out who of the staff decided: a client is told what, when and why.
func withoutStaff(e billing.Explanation) billing.Explanation {
	for i := range e.Decisions {
		e.Decisions[i].By, e.Decisions[i].ApprovedBy = "", ""
	}
	for i := range e.Packages {
		for j := range e.Packages[i].Decisions {
			e.Packages[i].Decisions[j].By = ""
		}
	}
	return e
}

// Formats is what the data can be written as: JSON is for programs, HTML a page in Russian
// for the client to read.
var Formats = []string{"json", "html"}

// Write writes the data in one of the [Formats].
func (d *Data) Write(w io.Writer, format string) error {
	switch format {
	case "html":
		return d.writeHTML(w)
	case "json":
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		return out.Encode(d)
	}
	return fmt.Errorf("personal data are not written as %q", format)
}
