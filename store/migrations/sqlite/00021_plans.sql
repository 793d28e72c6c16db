-- The plan of an application: by which limits its keys call APIs, where no subscription says another.

-- +goose Up
ALTER TABLE applications ADD COLUMN plan TEXT NOT NULL DEFAULT '';
