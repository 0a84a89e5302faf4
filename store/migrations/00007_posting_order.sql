-- +goose Up
-- The order in which chunks were posted, across runs that post at once. A number
-- is drawn in the transaction that posts: one that builds on another's documents
-- has begun after that one's commit, and so draws a higher number.
CREATE SEQUENCE postings;
ALTER TABLE run_chunks ADD posting bigint NOT NULL DEFAULT 0;
DROP INDEX run_chunks_unpublished;
CREATE INDEX run_chunks_unpublished ON run_chunks (posting, run_id, chunk_no) WHERE posted_at IS NOT NULL AND published_at IS NULL;

-- +goose Down
DROP INDEX run_chunks_unpublished;
CREATE INDEX run_chunks_unpublished ON run_chunks (run_id, chunk_no) WHERE posted_at IS NOT NULL AND published_at IS NULL;
ALTER TABLE run_chunks DROP posting;
DROP SEQUENCE postings;
