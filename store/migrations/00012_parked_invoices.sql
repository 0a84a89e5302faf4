-- +goose Up
-- What one invoice causes parks that invoice; a row without one is about all of the account.
ALTER TABLE parked_accounts ADD COLUMN invoice_id text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE parked_accounts DROP CONSTRAINT parked_accounts_pkey, ADD PRIMARY KEY (run_id, account_id, invoice_id);

-- +goose Down
DELETE FROM parked_accounts WHERE invoice_id <> '';
ALTER TABLE parked_accounts DROP CONSTRAINT parked_accounts_pkey, ADD PRIMARY KEY (run_id, account_id);
ALTER TABLE parked_accounts DROP COLUMN invoice_id;
