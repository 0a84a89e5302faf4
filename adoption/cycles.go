package adoption

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"referral/models"
)

// cycles finds referrals that lead back to where they began, alone or together with those
// that are stored. Without the rows of one, others that were to be replaced stay: it looks
// again until it finds none.
func (c *check) cycles(ctx context.Context) error {
	for {
		list, err := c.withStored(ctx)
		if err != nil {
			return err
		}
		before := c.count
		c.findCycles(list)
		if c.count == before {
			return nil
		}
		c.leaveOutBad(referrals)
	}
}

// withStored is the rows of referrals.csv and, as rows of line 0, the stored referrals
// that can lead from one of them to another: those of their inviters, of the inviters of
// these, and so on. One that a row of the file replaces, or that is withdrawn because the
// file does not have it, does not count.
func (c *check) withStored(ctx context.Context) ([]entry, error) {
	list := slices.Clone(c.entries[referrals])
	asked := map[int64]bool{}
	for _, e := range list {
		asked[e.account] = true
	}
	next := list
	for len(next) > 0 {
		var ask []int64
		for _, e := range next {
			if !asked[e.other] {
				asked[e.other] = true
				ask = append(ask, e.other)
			}
		}
		next = nil
		for part := range slices.Chunk(ask, askBatch) {
			known, err := c.o.Store.ImportKnown(ctx, models.ImportQuery{Invitees: part})
			if err != nil {
				return nil, err
			}
			for invitee, inviter := range known.Inviters {
				if !inviter.Imported || !c.o.Remove {
					next = append(next, entry{account: invitee, other: inviter.ID})
				}
			}
		}
		list = append(list, next...)
	}
	slices.SortFunc(list, byEntry)
	return list, nil
}

// findCycles names the rows of cycles. Each invitee has one inviter, so a walk along the
// inviters ends, or comes to an account that it has seen.
func (c *check) findCycles(list []entry) {
	walked := make([]int32, len(list)) // the walk that came by; 0 for none
	find := func(account int64) int {
		i, found := slices.BinarySearchFunc(list, account, func(e entry, id int64) int { return cmp.Compare(e.account, id) })
		if !found {
			return -1
		}
		return i
	}
	for start := range list {
		walk := int32(start + 1) //nolint:gosec // a file of so many lines is not read
		i := start
		for i >= 0 && walked[i] == 0 {
			walked[i] = walk
			i = find(list[i].other)
		}
		if i >= 0 && walked[i] == walk {
			c.cycle(list, i, find)
		}
	}
}

// longestCycle is how many accounts of a cycle are named.
const longestCycle = 10

func (c *check) cycle(list []entry, first int, find func(int64) int) {
	text := strconv.FormatInt(list[first].account, 10)
	whole := "the referrals go round in a circle: "
	members := []int{first}
	for i := first; ; {
		by := " was invited by "
		if list[i].line == 0 {
			by = " was invited, as is stored already, by "
			whole = "the referrals go round in a circle with those that are stored: "
		}
		last := find(list[i].other) == first
		if len(members) <= longestCycle || last {
			text += by + strconv.FormatInt(list[i].other, 10)
		}
		if last {
			break
		}
		i = find(list[i].other)
		members = append(members, i)
	}
	for _, i := range members {
		if list[i].line > 0 {
			c.add(Fault{File: files[referrals].name, Line: int(list[i].line), Column: "inviter", Value: strconv.FormatInt(list[i].other, 10), Text: whole + text})
		}
	}
}
