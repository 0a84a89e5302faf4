-- +goose Up
-- What finance, auditors and reports may read at a database prompt: no names, tax ids
-- or addresses. The role database.reporting_role reads these views and nothing else.
-- +goose StatementBegin
DO $$ BEGIN
    IF to_regnamespace('finance') IS NULL THEN
        CREATE SCHEMA finance;
    END IF;
END $$;
-- +goose StatementEnd

CREATE VIEW finance.months AS
SELECT p.period,
    CASE WHEN p.closed_at IS NOT NULL THEN 'closed' WHEN p.settled_at IS NOT NULL THEN 'run' ELSE 'open' END AS state,
    p.settled_at, p.closed_at, p.closed_by,
    coalesce((SELECT sum(r.documents) FROM runs r WHERE r.period = p.period AND r.state IN ('done', 'incomplete')), 0)::bigint AS documents,
    coalesce((SELECT sum(r.amount) FROM runs r WHERE r.period = p.period AND r.state IN ('done', 'incomplete')), 0)::bigint AS amount_minor,
    coalesce((SELECT sum(r.packages) FROM runs r WHERE r.period = p.period AND r.state IN ('done', 'incomplete')), 0)::bigint AS packages,
    coalesce((SELECT sum(r.amount) FROM runs r WHERE r.posting_period = p.period AND r.period <> p.period AND r.state IN ('done', 'incomplete')), 0)::bigint
        AS posted_for_closed_minor,
    c.checked_at, c.breaks
FROM periods p
LEFT JOIN LATERAL (SELECT checked_at, breaks FROM reconciliations c WHERE c.period = p.period ORDER BY c.checked_at DESC LIMIT 1) c ON true;

CREATE VIEW finance.documents AS
SELECT d.account_id, d.storage_period, d.period, d.posting_period, d.invoice_id, d.sequence, d.adjustment_id, d.invoice_revision, d.currency, d.amount_minor,
    d.reason, d.posted_at, d.run_id,
    (SELECT c.published_at FROM run_chunks c WHERE c.run_id = d.run_id AND c.chunk_no = d.chunk_no) AS published_at,
    r.status AS answer, r.amount_minor AS answered_minor, r.at AS answered_at,
    EXISTS (SELECT FROM document_write_offs w WHERE w.account_id = d.account_id AND w.document_id = d.adjustment_id) AS written_off
FROM adjustments d
LEFT JOIN LATERAL (SELECT status, amount_minor, at FROM results r WHERE r.adjustment_id = d.adjustment_id ORDER BY r.at DESC, r.status DESC LIMIT 1) r ON true;

CREATE VIEW finance.lines AS SELECT * FROM adjustment_items;

CREATE VIEW finance.entitlements AS
SELECT account_id, kind, from_day, to_day, percent, step, NULL::integer AS sms FROM discounts
UNION ALL SELECT account_id, 'package', granted_on, granted_on, NULL, step, sms FROM package_grants;

CREATE VIEW finance.referrals AS
SELECT r.account_id AS inviter_id, r.invitee_id, r.activated_at, v.code
FROM referrals r LEFT JOIN activations v ON v.account_id = r.invitee_id AND v.status = 'accepted';

CREATE VIEW finance.audit AS
SELECT entry, at, who, role, what, subject, reason, encode(hash, 'hex') AS hash FROM operator_actions;
