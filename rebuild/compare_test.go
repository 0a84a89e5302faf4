package rebuild_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"referral/archive"
	"referral/models"
	"referral/rebuild"
)

// schema is accounts to compare.
type schema struct {
	accounts []models.AccountHistory
	lone     []models.LoneRow
	err      error
}

func (s schema) ForEachHistory(_ context.Context, see func(*models.AccountHistory) error) error {
	for i := range s.accounts {
		if err := see(&s.accounts[i]); err != nil {
			return err
		}
	}
	return s.err
}

func (s schema) LoneRows(_ context.Context, _ string, see func(models.LoneRow) error) error {
	for _, row := range s.lone {
		if err := see(row); err != nil {
			return err
		}
	}
	return nil
}

// held is an archive of one partition: 0 to 9 had been removed, 10 to 19 are there.
var held = archive.Manifest{
	ID: "x", Topics: map[string]string{"t": "id"},
	Segments: []archive.Segment{{Topic: "t", TopicID: "id", First: 10, Last: 19}},
	Gaps:     []archive.Gap{{Topic: "t", TopicID: "id", From: 0, To: 10}},
}

func at(offset int64) models.Provenance {
	return models.Provenance{Origin: models.Origin{Topic: "t", Offset: offset}}
}

func day(n int) time.Time { return time.Date(2026, 4, n, 9, 0, 0, 0, time.UTC) }

// account registered by the message at an offset, with a friend when it has one.
func account(id, offset, friend int64, percent int) models.AccountHistory {
	h := models.AccountHistory{Account: models.Account{ID: id, RegisteredAt: day(1), Provenance: models.AccountProvenance{Registered: at(offset)}}}
	if friend != 0 {
		h.Referrals = []models.Referral{{InviterID: id, InviteeID: friend, ActivatedAt: day(2)}}
		h.Stored.Discounts = []models.Discount{{AccountID: id, Kind: models.Inviter, From: 20000, To: 20010, Percent: percent, Step: 1}}
	}
	return h
}

func TestCompare(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		live, rebuilt schema
		want          []string
	}{
		{"the same", schema{accounts: []models.AccountHistory{account(1, 10, 2, 20), account(2, 11, 0, 0)}},
			schema{accounts: []models.AccountHistory{account(1, 10, 2, 20), account(2, 11, 0, 0)}}, nil},
		{"a lost message", schema{accounts: []models.AccountHistory{account(1, 10, 0, 0)}}, schema{}, []string{"fact 1 registration"}},
		{"a message that was never taken", schema{}, schema{accounts: []models.AccountHistory{account(1, 10, 0, 0)}}, []string{"fact 1 registration"}},
		{"a message that retention has removed", schema{accounts: []models.AccountHistory{account(1, 9, 0, 0)}}, schema{}, []string{"removed 1 registration"}},
		{"a message newer than the archive", schema{accounts: []models.AccountHistory{account(1, 20, 0, 0)}}, schema{}, nil},
		{"another percentage", schema{accounts: []models.AccountHistory{account(1, 10, 2, 40), account(2, 11, 0, 0)}},
			schema{accounts: []models.AccountHistory{account(1, 10, 2, 20), account(2, 11, 0, 0)}}, []string{"derived 1 discount as inviter from 2024-10-04"}},
		{"a percentage that depends on a message that is removed", schema{accounts: []models.AccountHistory{account(1, 10, 2, 40), account(2, 9, 0, 0)}},
			schema{accounts: []models.AccountHistory{account(1, 10, 0, 0)}},
			[]string{"unproven 1 referral of 2", "unproven 1 discount as inviter from 2024-10-04", "removed 2 registration"}},
		{"a percentage that depends on a newer message", schema{accounts: []models.AccountHistory{account(1, 10, 2, 40), account(2, 20, 0, 0)}},
			schema{accounts: []models.AccountHistory{account(1, 10, 0, 0)}}, nil},
		{"an answer that is lost, one that is newer, and one that was never taken", schema{},
			schema{lone: []models.LoneRow{
				{AccountID: 1, What: "answer", Row: "a", Elsewhere: true, Provenance: at(12)}, {AccountID: 1, What: "answer", Row: "b", Elsewhere: true, Provenance: at(99)},
				{AccountID: 1, What: "answer", Row: "c", Provenance: at(13)}, {AccountID: 1, What: "answer", Row: "d", Elsewhere: true, Provenance: at(3)},
			}}, []string{"fact 1 answer", "fact 1 answer", "removed 1 answer"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := rebuild.Compare(t.Context(), c.live, c.rebuilt, "public", &held)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range r.Differences {
				got = append(got, fmt.Sprint(d.Kind, " ", d.AccountID, " ", d.Subject))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if r.Proven() != (len(c.want) == 0) {
				t.Errorf("proven: %t", r.Proven())
			}
		})
	}
}

func TestCompareFailsWithTheStorage(t *testing.T) {
	t.Parallel()
	broken := errors.New("the connection is lost")
	good := schema{accounts: []models.AccountHistory{account(1, 10, 0, 0), account(2, 11, 0, 0)}}
	bad := schema{accounts: good.accounts[:1], err: broken}
	for _, pair := range [][2]schema{{good, bad}, {bad, good}} {
		if _, err := rebuild.Compare(t.Context(), pair[0], pair[1], "public", &held); !errors.Is(err, broken) {
			t.Errorf("the error is %v", err)
		}
	}
}
