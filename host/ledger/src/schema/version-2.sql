-- Which plugin wrote a state: another one does not begin with it.
ALTER TABLE sink ADD COLUMN formatter TEXT;
ALTER TABLE sink ADD COLUMN connector TEXT;
ALTER TABLE grant_state ADD COLUMN plugin TEXT;

-- From now on only the newest event may have a later time than `seen`: nobody looks further back than at that one.
UPDATE history SET seen = max(coalesce(seen, timed.at), timed.at)
FROM (SELECT at FROM event WHERE at IS NOT NULL ORDER BY sequence DESC LIMIT 1) AS timed;

-- An event that one sink had set aside and was put back: a copy, at the end of the order, which other sinks pass over.
ALTER TABLE event ADD COLUMN only_for INTEGER REFERENCES sink (id);
