package pages

import (
	"context"
	"encoding/hex"
	"net/http"

	"referral/models"
	"referral/web/finance/export"
)

const journalPage = 100

// journalBatch is how many entries of the journal an export reads at a time.
const journalBatch = 1000

type journalView struct {
	Kept    models.JournalCheck // the last one of the whole journal; without a time when there is none
	Since   models.JournalCheck // of what has been added since, made now
	Head    string
	Checked bool // a person has just had it verified
	Entries []models.JournalEntry
	Older   int64 // entry that the next page begins before; 0 on the last
	First   bool
}

// journal is who did what, when and why, the newest first, and whether the chain of the
// entries is whole: as the last check of all of it found, and what was added since.
func (p *Pages) journal(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	before, err := before(r)
	if err != nil {
		return err
	}
	v := journalView{First: before == 0, Checked: r.URL.Query().Has("checked")}
	if v.Entries, err = p.o.Service.Journal(r.Context(), before, journalPage+1); err != nil {
		return err
	}
	if v.Kept, v.Since, err = p.o.Service.LastJournalCheck(r.Context()); err != nil {
		return err
	}
	v.Head = hex.EncodeToString(v.Since.Head[:])
	if len(v.Entries) > journalPage {
		v.Entries = v.Entries[:journalPage]
		v.Older = v.Entries[journalPage-1].Entry
	}
	return p.render(w, r, http.StatusOK, "journal", frame{Title: "Журнал", Here: pathJournal, Body: v})
}

// checkJournal verifies the whole journal, and keeps what is found for the page.
func (p *Pages) checkJournal(w http.ResponseWriter, r *http.Request, staff models.Staff) error {
	if err := p.o.Service.KeepJournalCheck(r.Context(), &staff); err != nil {
		return err
	}
	http.Redirect(w, r, pathJournal+"?checked", http.StatusSeeOther)
	return nil
}

// journalList is the whole journal, the newest entry first. Entries are never changed,
// so that it is as of the moment of its first batch.
func (p *Pages) journalList(ctx context.Context, _ *http.Request) (export.List, string, error) {
	batch, err := p.o.Service.Journal(ctx, 0, journalBatch)
	return export.List{
		Title: "Журнал",
		Columns: []export.Column{
			{Head: "№", Key: "entry", Width: 10}, {Head: "Когда", Key: "at", Width: 17}, {Head: "Кто", Key: "who", Width: 26}, {Head: "Роль", Key: "role", Width: 18}, {Head: "Что", Key: "what", Width: 30},
			{Head: "О чем", Key: "subject", Width: 38}, {Head: "Почему", Key: "reason", Width: 50}, {Head: "Контрольная сумма", Key: "hash", Width: 66},
		},
		Each: func(row func(values ...any) error) error {
			for err == nil && len(batch) > 0 {
				for i := range batch {
					e := &batch[i]
					if err := row(e.Entry, e.At, e.Who, export.State(e.Role), export.State(e.What), e.Subject, e.Reason, hex.EncodeToString(e.Hash[:])); err != nil {
						return err
					}
				}
				batch, err = p.o.Service.Journal(ctx, batch[len(batch)-1].Entry, journalBatch)
			}
			return err
		},
	}, "journal", err
}
