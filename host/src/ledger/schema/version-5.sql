-- Which plugin wrote the state of a call that was kept: a replay with another one does not begin with it.
ALTER TABLE checkpoint ADD COLUMN formatter TEXT;
