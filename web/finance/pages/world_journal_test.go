package pages_test

import (
	"context"

	"referral/models"
)

// worldJournal is a journal of 150 entries, and what its checks find.
type worldJournal struct {
	checked []models.JournalFault // in the whole of it
	added   []models.JournalFault // in what has been added since
	kept    *models.JournalCheck  // nil: a nightly one that found nothing
	acts    []models.OperatorAction
}

func (w *world) CheckJournal(context.Context) (models.JournalCheck, error) {
	return models.JournalCheck{Entries: 150, Last: 150, Wrong: int64(len(w.checked)), Faults: w.checked}, w.err
}

func (w *world) LastJournalCheck(context.Context) (kept, since models.JournalCheck, err error) {
	kept = models.JournalCheck{At: now(), Entries: 150, Last: 150}
	if w.kept != nil {
		kept = *w.kept
	}
	return kept, models.JournalCheck{Last: 150, Wrong: int64(len(w.added)), Faults: w.added}, w.err
}

func (w *world) KeepJournalCheck(_ context.Context, c *models.JournalCheck, act *models.OperatorAction) error {
	kept := *c
	kept.At, kept.Who = now(), act.Who
	w.kept, w.acts = &kept, append(w.acts, *act)
	return w.err
}
