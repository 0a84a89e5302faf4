-- +goose Up
-- A discount that an older system agreed with a client outside the rules. Documents name
-- its percentage third, "2026-04-01/2026-05-01@0+40+10", and only where there is one.
ALTER TABLE discounts DROP CONSTRAINT discounts_kind_check;
ALTER TABLE discounts ADD CONSTRAINT discounts_kind_check CHECK (kind IN ('agreed', 'invitee', 'inviter'));
