-- +goose Up
-- The span in which a chunk was posted, or an event was caused, as W3C Trace Context: the
-- message about it continues the trace. Empty where nothing was traced.
ALTER TABLE run_chunks ADD COLUMN trace_context text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN trace_context text COLLATE "C" NOT NULL DEFAULT '';
