-- API keys: what a credential is called, who made it, from where it counts; and the number of each account's last change, by which
-- services read what has changed since they last looked.

-- +goose Up
ALTER TABLE credentials ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE credentials ADD COLUMN author TEXT NOT NULL DEFAULT '';
ALTER TABLE credentials ADD COLUMN addresses TEXT NOT NULL DEFAULT '[]'; -- A JSON list of prefixes; empty: everywhere.
ALTER TABLE credentials ADD COLUMN changed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE applications ADD COLUMN changed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE subscriptions ADD COLUMN changed BIGINT NOT NULL DEFAULT 0;
CREATE INDEX credentials_changed ON credentials (changed, id);
CREATE INDEX applications_changed ON applications (changed, id);
CREATE INDEX subscriptions_changed ON subscriptions (changed, id);
CREATE INDEX applications_team ON applications (team, id);
