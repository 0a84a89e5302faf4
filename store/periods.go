package store

import (
	"context"
	"fmt"
	"time"

	"referral/models"
)

type periodRecord struct {
	Period    models.Period `gorm:"primaryKey;autoIncrement:false"`
	MinDay    time.Time
	MaxDay    time.Time
	StartedAt *time.Time
	SettledAt *time.Time
	ClosedAt  *time.Time
	ClosedBy  *string
	Shadow    bool
}

func (periodRecord) TableName() string { return "periods" }

// periodStateRecord is a period with what waits in it.
type periodStateRecord struct {
	Period periodRecord `gorm:"embedded"`
	Stale  int64
	Braked bool
}

func (r *periodStateRecord) info() models.PeriodInfo {
	p := &r.Period
	info := models.PeriodInfo{
		Period: p.Period, State: models.PeriodOpen,
		StartedAt: zeroTime(p.StartedAt), SettledAt: zeroTime(p.SettledAt), ClosedAt: zeroTime(p.ClosedAt), Stale: r.Stale, Braked: r.Braked, Shadow: p.Shadow,
	}
	if p.SettledAt != nil {
		info.State = models.PeriodRun
	}
	if p.ClosedAt != nil {
		info.State, info.ClosedBy = models.PeriodClosed, *p.ClosedBy
	}
	return info
}

// Periods is every period known, with what waits in it, the oldest first.
func (s *Store) Periods(ctx context.Context) ([]models.PeriodInfo, error) {
	var records []periodStateRecord
	err := s.gorm.WithContext(ctx).Table("periods p").Select(`p.*, coalesce(s.accounts, 0) AS stale,
			EXISTS (SELECT 1 FROM runs r WHERE r.period = p.period AND r.state = 'braked') AS braked`).
		Joins("LEFT JOIN (SELECT period, count(DISTINCT account_id) AS accounts FROM stale GROUP BY period) s ON s.period = p.period").Order("p.period").Find(&records).Error
	return convert(records, (*periodStateRecord).info), wrap("reading the periods", err)
}

// startPeriod makes a period known and started: whatever arrives from now on
// marks what it touches.
func (t *tx) startPeriod(p models.Period, shadow bool) (*periodRecord, error) {
	err := t.exec("starting the period", `INSERT INTO periods (period, min_day, max_day, started_at, shadow) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (period) DO UPDATE SET started_at = coalesce(periods.started_at, excluded.started_at),
			shadow = CASE WHEN periods.started_at IS NULL THEN excluded.shadow ELSE periods.shadow END`,
		p, p.First().Time(), p.End().Time(), t.now, shadow)
	if err != nil {
		return nil, err
	}
	var record periodRecord
	if err := t.Where("period = ?", p).Take(&record).Error; err != nil {
		return nil, fmt.Errorf("reading period %s: %w", p, err)
	}
	// What changes in a closed period of the shadow mode waits for its end: then it is
	// posted to an open period, and published.
	closed := record.ClosedAt != nil
	if shadow && (closed || !record.Shadow) || !shadow && record.Shadow && !closed {
		return nil, &models.ErrOtherMode{Period: p, Shadow: record.Shadow, Closed: closed}
	}
	return &record, nil
}

// postingPeriod is the period itself, or once it is closed the first one after
// it that is not.
func (t *tx) postingPeriod(p *periodRecord) (models.Period, error) {
	if p.ClosedAt == nil {
		return p.Period, nil
	}
	var closed []models.Period
	err := t.Model(&periodRecord{}).Where("period > ? AND closed_at IS NOT NULL", p.Period).Order("period").Pluck("period", &closed).Error
	if err != nil {
		return 0, fmt.Errorf("looking for the open period: %w", err)
	}
	open := p.Period.Next()
	for _, c := range closed {
		if c == open {
			open = open.Next()
		}
	}
	return open, nil
}
