-- Without the index of ids, of which every press wrote a page: one that is given again is known by the newest ids, which
-- the host keeps in memory. SQLite drops such an index only with its table.
CREATE TABLE event_without_index (
    sequence   INTEGER PRIMARY KEY,
    -- The 16 bytes of the ULID.
    id         BLOB NOT NULL,
    -- µs since 1970 and minutes east of UTC, where the wall clock was known at that moment.
    at         INTEGER,
    utc_offset INTEGER,
    boot       INTEGER NOT NULL REFERENCES boot (id),
    -- ms since that boot.
    monotonic  INTEGER NOT NULL,
    source     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    fields     TEXT NOT NULL,
    -- The sink that the event was put back for; other sinks pass it over.
    only_for   INTEGER REFERENCES sink (id)
) STRICT;
INSERT INTO event_without_index (sequence, id, at, utc_offset, boot, monotonic, source, kind, fields, only_for)
    SELECT sequence, id, at, utc_offset, boot, monotonic, source, kind, fields, only_for FROM event ORDER BY sequence;
DROP TABLE event;
ALTER TABLE event_without_index RENAME TO event;
