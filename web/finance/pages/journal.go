package pages

import (
	"encoding/hex"
	"net/http"

	"referral/models"
)

const journalPage = 100

type journalView struct {
	Check   models.JournalCheck
	Head    string
	Entries []models.JournalEntry
	Older   int64 // entry that the next page begins before; 0 on the last
	First   bool
}

// journal is who did what, when and why, the newest first, and whether the chain of the
// entries is whole.
func (p *Pages) journal(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	before, err := before(r)
	if err != nil {
		return err
	}
	v := journalView{First: before == 0}
	if v.Entries, err = p.o.Service.Journal(r.Context(), before, journalPage+1); err != nil {
		return err
	}
	if v.Check, err = p.o.Service.CheckJournal(r.Context()); err != nil {
		return err
	}
	v.Head = hex.EncodeToString(v.Check.Head[:])
	if len(v.Entries) > journalPage {
		v.Entries = v.Entries[:journalPage]
		v.Older = v.Entries[journalPage-1].Entry
	}
	return p.render(w, r, http.StatusOK, "journal", frame{Title: "Журнал", Here: pathJournal, Body: v})
}
