package workload

import (
	"encoding/json"
	"fmt"
	"sync"

	"referral/models"
)

// Codes is the invitation codes that the program has issued. The zero value has none.
// It is safe for concurrent use.
type Codes struct{ codes sync.Map } // code by account id

// Learn reads an event of the program, which may issue a code; the first code of an
// account stays.
func (c *Codes) Learn(value []byte) error {
	var e struct {
		Type models.OutboxEventType `json:"type"`
		Data struct {
			AccountID int64  `json:"account_id"`
			Code      string `json:"code"`
		} `json:"data"`
	}
	if err := json.Unmarshal(value, &e); err != nil {
		return fmt.Errorf("read an issued code: %w", err)
	}
	if e.Type == models.CodeIssued {
		c.codes.LoadOrStore(e.Data.AccountID, e.Data.Code)
	}
	return nil
}

// Code is the code of an account; false while it is not known.
func (c *Codes) Code(account int64) (string, bool) {
	code, ok := c.codes.Load(account)
	if !ok {
		return "", false
	}
	return code.(string), true
}

// Known is how many codes are known.
func (c *Codes) Known() int {
	n := 0
	c.codes.Range(func(any, any) bool { n++; return true })
	return n
}
