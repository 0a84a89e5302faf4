-- +goose Up
-- Who is signed in to the personal account. A session is looked up at every
-- request by the one thing that the browser shows, so its key is not the account.
-- id is the SHA-256 of the browser's token, hint is sealed with that token: a copy
-- of this table lets nobody in and names nobody.
CREATE TABLE sessions (
    id         bytea PRIMARY KEY CHECK (length(id) = 32),
    account_id bigint NOT NULL CHECK (account_id > 0),
    hint       bytea NOT NULL,
    created_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at <= ends_at),
    ends_at    timestamptz NOT NULL
);
CREATE INDEX sessions_expired ON sessions (expires_at);

-- +goose Down
DROP TABLE sessions;
