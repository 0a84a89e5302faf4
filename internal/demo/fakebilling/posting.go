package fakebilling

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// posting is an adjustment or a package as billing reads it.
type posting struct {
	id      string // of the adjustment or package
	account int64
	period  string // month posted to, "2026-04"
	amount  int64  // in minor units; 0 for a package
	sms     int    // in the package; 0 for an adjustment
	at      time.Time
}

func readPosting(r *kgo.Record) (posting, error) {
	// A structured CloudEvent of either kind of posting.
	var event struct {
		Time time.Time `json:"time"`
		Data struct {
			AdjustmentID  string `json:"adjustment_id"`
			PackageID     string `json:"package_id"`
			AccountID     int64  `json:"account_id"`
			Period        string `json:"period"`
			PostingPeriod string `json:"posting_period"`
			Amount        int64  `json:"amount_minor"`
			SMS           int    `json:"sms"`
		} `json:"data"`
	}
	if err := json.Unmarshal(r.Value, &event); err != nil {
		return posting{}, fmt.Errorf("read it: %w", err)
	}
	d := &event.Data
	p := posting{
		id: cmp.Or(d.AdjustmentID, d.PackageID), account: d.AccountID, period: cmp.Or(d.PostingPeriod, d.Period),
		amount: d.Amount, sms: d.SMS, at: event.Time.UTC(),
	}
	if p.id == "" || p.account == 0 {
		return posting{}, errors.New("it has no id or no account")
	}
	return p, nil
}

// answer says that the posting was applied. All of it follows from the posting, even
// its time: an answer given again after a crash must be the same event.
func (p posting) answer() *kgo.Record {
	account := strconv.FormatInt(p.account, 10)
	value, err := json.Marshal(map[string]any{
		"specversion": "1.0", "id": "result-" + p.id, "source": "/billing", "type": "billing.adjustment-result.v1",
		"time": p.at, "subject": account, "datacontenttype": "application/json",
		"data": map[string]any{"adjustment_id": p.id, "status": "applied", "amount_minor": p.amount, "at": p.at},
	})
	if err != nil {
		panic(fmt.Sprintf("an answer of plain values: %v", err))
	}
	return &kgo.Record{
		Key: []byte(account), Value: value,
		Headers: []kgo.RecordHeader{{Key: "content-type", Value: []byte("application/cloudevents+json")}},
	}
}
