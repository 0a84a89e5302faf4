package api

import (
	"context"
	"time"

	"referral/billing"
	"referral/models"
)

// Found is the accounts that a text may mean.
type Found struct {
	Accounts []Account `json:"accounts" nullable:"false" doc:"The likeliest first, at most 50"`
}

// Account is a client that was found.
type Account struct {
	AccountID    int64      `json:"account_id"`
	Name         string     `json:"name"`
	TaxID        string     `json:"tax_id"`
	Code         string     `json:"code" doc:"Its own invitation code; empty until it is registered"`
	RegisteredAt *time.Time `json:"registered_at,omitempty"`
	InvoiceID    string     `json:"invoice_id,omitempty" doc:"The invoice that was looked for, or whose document was"`
}

// Client is everything that is known of a client, and why its discounts are what they
// are.
type Client struct {
	Name string              `json:"name"`
	Code string              `json:"code"`
	Tax  string              `json:"tax_id"`
	Why  billing.Explanation `json:"explanation" doc:"As referral explain --format json"`
}

type searchInput struct {
	Text string `query:"q" maxLength:"100" required:"true" doc:"The number of an account, a code, a tax id, an invoice, a document, or at least three letters of a name"`
}

type clientInput struct {
	Account int64 `path:"account_id" minimum:"1"`
}

type invoiceInput struct {
	Invoice string `path:"invoice_id" maxLength:"200" example:"INV-2026-01-1"`
}

func (a *API) registerClients() {
	register(a, get("search-clients", "/clients", "Find clients", "Clients", everyRole), func(ctx context.Context, _ models.Staff, in *searchInput) (Found, error) {
		accounts, err := a.service.Find(ctx, in.Text)
		return Found{each(accounts, newAccount)}, err
	})
	register(a, get("get-client", "/clients/{account_id}", "A client, explained", "Clients", everyRole, notFound),
		func(ctx context.Context, _ models.Staff, in *clientInput) (Client, error) {
			c, known, err := a.service.Client(ctx, in.Account)
			return Client{Name: c.Profile.Name, Tax: c.Profile.TaxID, Code: c.Code, Why: c.Why}, found(known, err)
		})
	register(a, get("explain-invoice", "/invoices/{invoice_id}", "The discount on an invoice, explained to the minor unit", "Clients", everyRole, notFound),
		func(ctx context.Context, _ models.Staff, in *invoiceInput) (billing.InvoiceExplanation, error) {
			e, known, err := a.service.Invoice(ctx, in.Invoice)
			return e, found(known, err)
		})
}

func newAccount(f *models.FoundAccount) Account {
	return Account{AccountID: f.AccountID, Name: f.Name, TaxID: f.TaxID, Code: f.Code, RegisteredAt: known(f.RegisteredAt), InvoiceID: f.InvoiceID}
}
