-- Whose change an entry is, which entry a rollback goes back to, and what its Envoys got, as the version that made it says.

-- +goose Up
ALTER TABLE entries ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE entries ADD COLUMN of_entry BIGINT NOT NULL DEFAULT 0;
ALTER TABLE entries ADD COLUMN resources BLOB;
