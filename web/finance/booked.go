package finance

import (
	"context"

	"referral/models"
)

// BookedStore is the methods of the storage behind what older systems have given in months
// of the shadow mode.
type BookedStore interface {
	BookedFiles(ctx context.Context, period models.Period) ([]models.BookedFile, error)
	NotBooked(ctx context.Context, period models.Period, limit int) ([]models.NotBooked, error)
}

// Booked is the file of what an older system has given in a month, with the first of its
// rows that are not booked.
type Booked struct {
	models.BookedFile
	Missing []models.NotBooked // at most 200
}

func (s *Service) booked(ctx context.Context, period models.Period) (*Booked, error) {
	files, err := s.o.Store.BookedFiles(ctx, period)
	if err != nil || len(files) == 0 {
		return nil, err
	}
	b := &Booked{BookedFile: files[0]}
	if b.NotBooked > 0 {
		b.Missing, err = s.o.Store.NotBooked(ctx, period, queueLimit)
	}
	return b, err
}
