-- +goose Up
-- What is deleted because of its age is found by an index, the oldest first.
CREATE INDEX invitations_forgotten ON invitations (created_at) WHERE recipient = '';
CREATE INDEX invitation_days_by_day ON invitation_days (day);
CREATE INDEX recipients_by_day ON recipients (invited_on) WHERE opted_out_at IS NULL;
CREATE INDEX dead_letters_final ON dead_letters (set_aside_at) WHERE state IN ('resolved', 'discarded') AND published_at IS NOT NULL;

-- +goose Down
DROP INDEX invitations_forgotten, invitation_days_by_day, recipients_by_day, dead_letters_final;
