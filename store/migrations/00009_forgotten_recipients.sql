-- +goose Up
-- Addresses are forgotten after some time: this finds those that are left, the
-- oldest first, however many invitations there have ever been.
CREATE INDEX invitations_remembered ON invitations (created_at) WHERE recipient <> '';

-- +goose Down
DROP INDEX invitations_remembered;
