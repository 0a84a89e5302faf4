-- +goose Up
-- The reports that finance signed, in their canonical form (docs/month-report.md). Only
-- ever added to, one a signature.
CREATE TABLE signed_reports (
    signature_id bigint PRIMARY KEY,
    period       integer NOT NULL,
    sha256       bytea NOT NULL,
    report       text NOT NULL,
    CHECK (sha256 = sha256(convert_to(report, 'UTF8')))
);
CREATE INDEX signed_reports_by_period ON signed_reports (period, signature_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON signed_reports
    FOR EACH STATEMENT EXECUTE FUNCTION history_is_append_only();
REVOKE UPDATE, DELETE, TRUNCATE ON signed_reports FROM CURRENT_USER;

-- Who proposed a signature of two persons; who is the one who approved it.
ALTER TABLE signatures ADD COLUMN proposed_by text NOT NULL DEFAULT '', ADD COLUMN proposed_at timestamptz;
