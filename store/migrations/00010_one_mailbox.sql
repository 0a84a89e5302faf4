-- +goose Up
-- One mailbox of Yandex is one recipient under all of its domains. Those that were
-- counted apart until now get the key that they share, with the last day and the
-- opt-out of each. The rows under the old keys stay, for releases that still look
-- there.
WITH apart AS (
    SELECT DISTINCT recipient_key AS was, sha256('email\000'::bytea || convert_to(
        replace(split_part(lower(split_part(recipient, '@', 1)), '+', 1), '.', '-') || '@yandex.ru', 'UTF8')) AS shared
    FROM invitations WHERE channel = 'email' AND split_part(recipient, '@', 2) IN (
        'narod.ru', 'yandex.az', 'yandex.co.il', 'yandex.com.am', 'yandex.com.ge', 'yandex.com.tr', 'yandex.ee', 'yandex.fr', 'yandex.kg',
        'yandex.lt', 'yandex.lv', 'yandex.md', 'yandex.tj', 'yandex.tm', 'yandex.uz')
), kept AS (
    INSERT INTO recipients AS r (recipient_key, invited_on, opted_out_at)
    SELECT shared, max(o.invited_on), min(o.opted_out_at) FROM apart JOIN recipients o ON o.recipient_key = apart.was GROUP BY shared
    ON CONFLICT (recipient_key) DO UPDATE SET
        invited_on = greatest(r.invited_on, EXCLUDED.invited_on), opted_out_at = least(r.opted_out_at, EXCLUDED.opted_out_at)
)
UPDATE invitations i SET recipient_key = apart.shared FROM apart WHERE i.recipient_key = apart.was;

UPDATE invitations i SET state = 'opted_out', token = '', changed_at = now() FROM recipients r
WHERE i.state = 'queued' AND r.recipient_key = i.recipient_key AND r.opted_out_at IS NOT NULL;

-- +goose Down
-- Which of the domains a key came from is not known any more, and does no harm.
SELECT 1;
