-- +goose Up
-- Who is signed in to the staff pages. As in sessions, id is the SHA-256 of the
-- browser's token and hint is sealed with that token.
CREATE TABLE staff_sessions (
    id         bytea PRIMARY KEY CHECK (length(id) = 32),
    subject    text NOT NULL CHECK (subject <> ''), -- the provider's identifier of the person
    name       text NOT NULL,
    roles      text[] NOT NULL CHECK (cardinality(roles) > 0),
    hint       bytea NOT NULL,
    created_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at <= ends_at),
    ends_at    timestamptz NOT NULL
);
CREATE INDEX staff_sessions_expired ON staff_sessions (expires_at);
