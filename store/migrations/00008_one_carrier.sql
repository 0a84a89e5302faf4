-- +goose Up
-- Whether an invitation that waits may have gone out already, by its carrier. Then
-- no other carrier sends it: only those who read behind this one drop a repeat.
-- Until now that was true of kafka alone, and of which of its attempts was not
-- noted.
ALTER TABLE invitations ADD in_doubt boolean NOT NULL DEFAULT false;
UPDATE invitations SET in_doubt = true WHERE state = 'queued' AND carrier = 'kafka';

-- +goose Down
ALTER TABLE invitations DROP in_doubt;
