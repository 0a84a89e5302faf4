package workload

import (
	"encoding/json"
	"fmt"
	"sync"

	"referral/models"
)

// Codes remembers the invitation codes that the product has issued. It may
// be learned from and read at the same time. It needs 16 bytes an account.
type Codes struct {
	mu    sync.RWMutex
	codes [][16]byte // by account id; the last byte is the length
	known int
}

// NewCodes makes a book for the accounts 1 to accounts.
func NewCodes(accounts int) *Codes {
	return &Codes{codes: make([][16]byte, accounts+1)}
}

// Learn takes a structured message of the topic of events. Events that issue no
// code are passed by, as are codes of accounts that the book is not about.
func (b *Codes) Learn(value []byte) error {
	var e struct {
		Type models.OutboxEventType `json:"type"`
		Data struct {
			AccountID int64  `json:"account_id"`
			Code      string `json:"code"`
		} `json:"data"`
	}
	if err := json.Unmarshal(value, &e); err != nil {
		return fmt.Errorf("reading an issued code: %w", err)
	}
	if e.Type != models.CodeIssued {
		return nil
	}
	return b.Add(e.Data.AccountID, e.Data.Code)
}

// Add writes down the code of an account; the first one stays.
func (b *Codes) Add(account int64, code string) error {
	if account < 1 || account >= int64(len(b.codes)) {
		return nil
	}
	if code == "" || len(code) > 15 {
		return fmt.Errorf("account %d: a code of %d bytes, the book takes 1 to 15", account, len(code))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	page := &b.codes[account]
	if page[15] == 0 {
		copy(page[:], code)
		page[15] = byte(len(code))
		b.known++
	}
	return nil
}

// Code is the code of an account; false while it is not known.
func (b *Codes) Code(account int64) (string, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if account < 1 || account >= int64(len(b.codes)) || b.codes[account][15] == 0 {
		return "", false
	}
	page := b.codes[account]
	return string(page[:page[15]]), true
}

// Known is how many codes are known.
func (b *Codes) Known() int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.known
}
