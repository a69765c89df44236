-- When a person let the device into an account, in microseconds since 1970 by the wall clock; NULL where that is not known.
ALTER TABLE grant_state ADD COLUMN granted_at INTEGER;
