package adoption

import (
	"context"
	"maps"
	"slices"

	"referral/models"
)

// corrections finds the packages of earlier imports that the file has with another day:
// those that it does not have stand for those that are new in it, of the same account and
// size, in the order of the days. But none is taken away while the account has been given
// no more packages than it has earned: both may have been given, and one would be given
// again.
func (c *check) corrections(ctx context.Context) error {
	if len(c.bad[packages]) > 0 { // a stored package may be that of a row with a fault
		return nil
	}
	gone, err := c.gonePackages(ctx)
	if err != nil {
		return err
	}
	surplus := map[models.GivenSize]int{}
	for part := range slices.Chunk(slices.Sorted(maps.Keys(gone)), askBatch) {
		known, err := c.o.Store.ImportKnown(ctx, models.ImportQuery{Given: part})
		if err != nil {
			return err
		}
		maps.Copy(surplus, known.Surplus)
	}
	c.corrected, c.replaced = map[int32]models.Date{}, map[entry]bool{}
	for account, stored := range gone {
		slices.SortFunc(stored, byEntry)
		fresh := map[int64][]entry{} // by size
		for _, e := range c.of(packages, account) {
			if !e.stored {
				fresh[e.other] = append(fresh[e.other], e)
			}
		}
		for size, rows := range fresh {
			spare := surplus[models.GivenSize{AccountID: account, SMS: int(size)}] + len(rows)
			for _, was := range stored {
				if was.other == size && len(rows) > 0 && (spare > 0 || c.o.Remove) {
					c.corrected[rows[0].line], c.replaced[was] = was.day, true
					rows, spare = rows[1:], spare-1
				}
			}
		}
	}
	return nil
}

// gonePackages is the stored packages that the file does not have, of the accounts for
// which it has others.
func (c *check) gonePackages(ctx context.Context) (map[int64][]entry, error) {
	gone := map[int64][]entry{}
	err := c.o.Store.ForEachImported(ctx, func(f models.Fact) error {
		if kindOf(f.Data) != packages {
			return nil
		}
		e := c.entryOf(f.Data)
		rows := c.of(packages, e.account)
		same := slices.IndexFunc(rows, func(row entry) bool { return row.other == e.other && row.day == e.day })
		switch {
		case same >= 0:
			rows[same].stored = true
		case len(rows) > 0:
			gone[e.account] = append(gone[e.account], e)
		}
		return nil
	})
	return gone, err
}
