-- +goose Up
-- What staff decided about services that the terms do not name: discounts apply to a
-- service or never do, or an earlier decision is undone. Only ever added to.
CREATE TABLE service_decisions (
    decision_id uuid PRIMARY KEY,
    service     text COLLATE "C" NOT NULL CHECK (service <> ''),
    class       text COLLATE "C" CHECK (class IN ('discounted', 'excluded')),
    undoes      uuid UNIQUE, -- the decision that is undone
    decided_at  timestamptz NOT NULL,
    decided_by  text NOT NULL CHECK (decided_by <> ''), -- who proposed it
    approved_by text NOT NULL CHECK (approved_by <> ''),
    reason      text NOT NULL CHECK (reason <> ''),
    CHECK ((class IS NULL) = (undoes IS NOT NULL))
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON service_decisions
    FOR EACH STATEMENT EXECUTE FUNCTION history_is_append_only();
REVOKE UPDATE, DELETE, TRUNCATE ON service_decisions FROM CURRENT_USER;

-- A line whose service staff has decided about is kept beside those that are held: when
-- the decision is undone, its account is settled again.
ALTER TABLE held_lines ADD COLUMN decided integer NOT NULL DEFAULT 0 CHECK (decided IN (0, 1));
