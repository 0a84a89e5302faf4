package finance

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"referral/internal/ru"
	"referral/models"
)

// JournalStore is the methods of the storage for the journal.
type JournalStore interface {
	Journal(ctx context.Context, before int64, limit int) ([]models.JournalEntry, error)
	CheckJournal(ctx context.Context) (models.JournalCheck, error)
	LastJournalCheck(ctx context.Context) (kept, since models.JournalCheck, err error)
	KeepJournalCheck(ctx context.Context, c *models.JournalCheck, act *models.OperatorAction) error
}

// Journal is up to limit entries of the journal before an entry, the newest first; the
// newest of all before 0.
func (s *Service) Journal(ctx context.Context, before int64, limit int) ([]models.JournalEntry, error) {
	return s.o.Store.Journal(ctx, before, limit)
}

// CheckJournal verifies the whole journal.
func (s *Service) CheckJournal(ctx context.Context) (models.JournalCheck, error) {
	return s.o.Store.CheckJournal(ctx)
}

// LastJournalCheck is the last check of the whole journal that was kept, and what has been
// added since, verified now. The first has no time when none was kept; then all is
// verified now.
func (s *Service) LastJournalCheck(ctx context.Context) (kept, since models.JournalCheck, err error) {
	return s.o.Store.LastJournalCheck(ctx)
}

// KeepJournalCheck verifies the whole journal for a member of staff, and keeps what is
// found.
func (s *Service) KeepJournalCheck(ctx context.Context, staff *models.Staff) error {
	c, err := s.o.Store.CheckJournal(ctx)
	if err != nil {
		return err
	}
	return s.o.Store.KeepJournalCheck(ctx, &c, &models.OperatorAction{
		Who: staff.Name, Role: staff.Role(), What: models.ActionCheckJournal, Subject: strconv.FormatInt(c.Entries, 10),
	})
}

// FaultWords describes what is wrong with a journal, with times in a zone.
func FaultWords(f *models.JournalFault, zone *time.Location) string {
	switch {
	case f.Kind == models.JournalMissing && f.From == f.To:
		return fmt.Sprintf("Записи № %d нет.", f.From)
	case f.Kind == models.JournalMissing:
		return fmt.Sprintf("Записей с № %d по № %d нет.", f.From, f.To)
	case f.Kind == models.JournalReplaced:
		return fmt.Sprintf("Запись № %d не та, которую видела проверка %s: ее или одну из записей до нее переписали.", f.From, ru.Moment(f.At, zone))
	default:
		return fmt.Sprintf("Запись № %d (%s, %s, %s: %s) не та, что была сделана, или стоит не за той, что была перед ней.", f.From, ru.Moment(f.At, zone), f.Who, Words(f.What), f.Subject)
	}
}
