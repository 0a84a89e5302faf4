-- +goose Up
-- A revision of an invoice has one owner and one body. Of two messages that say
-- otherwise in transactions which do not see one another, the second waits here
-- for the first, is taken anew, and is then set aside. The index also finds the
-- invoices by id: it takes the place of one that did only that.
CREATE UNIQUE INDEX invoices_by_revision ON invoices (invoice_id, revision);
DROP INDEX invoices_by_id;

-- +goose Down
CREATE INDEX invoices_by_id ON invoices (invoice_id);
DROP INDEX invoices_by_revision;
