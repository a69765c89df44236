-- When a person let the device into an account, in microseconds since 1970 by the wall clock, and whose account that is by the
-- server's word; NULL where it is not known.
ALTER TABLE grant_state ADD COLUMN granted_at INTEGER;
ALTER TABLE grant_state ADD COLUMN account TEXT;
