-- +goose Up
-- What people did becomes a journal: entries are numbered without a gap, and the hash
-- of each covers the one before. So an entry that was changed, removed, inserted or
-- moved behind the back of the service is found by `referral audit verify`. The
-- database itself numbers the entries, so that also those of a release before have
-- their place while replicas are replaced.
ALTER TABLE operator_actions ADD COLUMN role text COLLATE "C" NOT NULL DEFAULT '', ADD COLUMN entry bigint, ADD COLUMN hash bytea;

-- +goose StatementBegin
CREATE FUNCTION journal_field(value text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT octet_length(convert_to(value, 'UTF8')) || ':' || value || ','
$$;
-- +goose StatementEnd

-- The SHA-256 of the hash before (nothing for the first entry), and of the entry: its
-- number and its time in microseconds since 1970, each with a semicolon, then its
-- texts, each as its length in bytes, a colon, the text and a comma.
-- +goose StatementBegin
CREATE FUNCTION journal_hash(previous bytea, e operator_actions) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(previous || convert_to(e.entry || ';' || round(extract(epoch FROM e.at) * 1000000)::bigint || ';'
        || journal_field(e.who) || journal_field(e.role) || journal_field(e.what) || journal_field(e.subject) || journal_field(e.reason), 'UTF8'))
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION journal_append() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last operator_actions;
BEGIN
    PERFORM pg_advisory_xact_lock(491327455239); -- one entry follows another
    SELECT * INTO last FROM operator_actions WHERE entry IS NOT NULL ORDER BY entry DESC LIMIT 1;
    NEW.entry := coalesce(last.entry, 0) + 1;
    NEW.hash := journal_hash(coalesce(last.hash, ''), NEW);
    RETURN NEW;
END $$;
-- +goose StatementEnd

-- The entries that are there are chained once, in the order in which they were made.
ALTER TABLE operator_actions DISABLE TRIGGER append_only;
GRANT UPDATE ON operator_actions TO CURRENT_USER;
-- +goose StatementBegin
DO $$
DECLARE
    e operator_actions;
    n bigint := 0;
    chain bytea := '';
BEGIN
    FOR e IN SELECT * FROM operator_actions ORDER BY action_id LOOP
        n := n + 1;
        e.entry := n;
        chain := journal_hash(chain, e);
        UPDATE operator_actions SET entry = n, hash = chain WHERE action_id = e.action_id;
    END LOOP;
END $$;
-- +goose StatementEnd
REVOKE UPDATE ON operator_actions FROM CURRENT_USER;
ALTER TABLE operator_actions ENABLE TRIGGER append_only;

ALTER TABLE operator_actions ALTER COLUMN entry SET NOT NULL, ALTER COLUMN hash SET NOT NULL, ADD CHECK (length(hash) = 32);
CREATE UNIQUE INDEX operator_actions_by_entry ON operator_actions (entry);
CREATE TRIGGER journal_append BEFORE INSERT ON operator_actions FOR EACH ROW EXECUTE FUNCTION journal_append();
