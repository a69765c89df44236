-- Where the history begins, and how late it was when the clock was last believed. Always one row.
CREATE TABLE history (
    one            INTEGER PRIMARY KEY CHECK (one = 1),
    -- Every event up to this sequence has been pruned.
    pruned_through INTEGER NOT NULL,
    -- µs since 1970. The last time seen is the larger of this and the newest event's time.
    seen           INTEGER
) STRICT;
INSERT INTO history (one, pruned_through, seen) VALUES (1, 0, NULL);

-- A start of the machine. Never pruned: one short row for each start that recorded something.
CREATE TABLE boot (
    id    INTEGER PRIMARY KEY,
    name  TEXT NOT NULL UNIQUE,
    -- µs since 1970 when its monotonic clock stood at 0, once that is known.
    zero  INTEGER,
    -- µs since 1970: the last time seen before its first event. None of its events is earlier.
    floor INTEGER
) STRICT;

CREATE TABLE event (
    sequence   INTEGER PRIMARY KEY,
    -- The 16 bytes of the ULID. Unique: an event that is given twice is recorded once.
    id         BLOB NOT NULL UNIQUE,
    -- µs since 1970 and minutes east of UTC, where the wall clock was known at that moment.
    at         INTEGER,
    utc_offset INTEGER,
    boot       INTEGER NOT NULL REFERENCES boot (id),
    -- ms since that boot.
    monotonic  INTEGER NOT NULL,
    source     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    fields     TEXT NOT NULL
) STRICT;

-- A sink that plugins.toml names, or named once. `declared`: names now.
CREATE TABLE sink (
    id               INTEGER PRIMARY KEY,
    name             TEXT NOT NULL UNIQUE,
    kinds            TEXT NOT NULL,
    declared         INTEGER NOT NULL,
    -- Every event up to this sequence went through the formatter, or was none of its kinds.
    cursor           INTEGER NOT NULL DEFAULT 0,
    standing         TEXT,
    -- Totals, pruned ones included: counting would read everything that waits.
    rows_made        INTEGER NOT NULL DEFAULT 0,
    rows_delivered   INTEGER NOT NULL DEFAULT 0,
    rows_set_aside   INTEGER NOT NULL DEFAULT 0,
    events_set_aside INTEGER NOT NULL DEFAULT 0,
    delivered_at     INTEGER,
    link             TEXT
) STRICT;

-- States stand apart from `sink`: SQLite writes a whole row when one number in it changes.
CREATE TABLE formatter_state (
    sink  INTEGER PRIMARY KEY REFERENCES sink (id),
    state BLOB NOT NULL
) STRICT;
CREATE TABLE connector_state (
    sink  INTEGER PRIMARY KEY REFERENCES sink (id),
    state BLOB NOT NULL
) STRICT;
CREATE TABLE grant_state (
    grant_name TEXT PRIMARY KEY,
    state      BLOB NOT NULL,
    -- Slots of the token storage that the state wants erased, as JSON.
    forget     TEXT NOT NULL
) STRICT;

CREATE TABLE column_set (
    id      INTEGER PRIMARY KEY,
    columns TEXT NOT NULL UNIQUE
) STRICT;

-- What formatters made. (sequence, position) is a row's place in its sink's order.
CREATE TABLE row (
    sink       INTEGER NOT NULL REFERENCES sink (id),
    sequence   INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    -- Here too, so that a removed sink's rows outlive their pruned event.
    event_id   BLOB NOT NULL,
    column_set INTEGER NOT NULL REFERENCES column_set (id),
    cells      TEXT NOT NULL,
    PRIMARY KEY (sink, sequence, position)
) STRICT, WITHOUT ROWID;

-- A batch is a contiguous range of its sink's rows: no row is touched when it goes or arrives.
CREATE TABLE batch (
    sink           INTEGER NOT NULL REFERENCES sink (id),
    first_sequence INTEGER NOT NULL,
    first_position INTEGER NOT NULL,
    last_sequence  INTEGER NOT NULL,
    last_position  INTEGER NOT NULL,
    rows           INTEGER NOT NULL,
    column_set     INTEGER NOT NULL REFERENCES column_set (id),
    id             TEXT NOT NULL,
    -- 0 formed, 1 an attempt may have left the device, 2 delivered.
    stage          INTEGER NOT NULL,
    delivered_at   INTEGER,
    link           TEXT,
    PRIMARY KEY (sink, first_sequence, first_position)
) STRICT, WITHOUT ROWID;

CREATE TABLE set_aside (
    sink     INTEGER NOT NULL REFERENCES sink (id),
    sequence INTEGER NOT NULL,
    -- The row's, or -1 for the whole event.
    position INTEGER NOT NULL,
    -- 0 the formatter refused the event, 1 the formatter failed on it, 2 the service refused the row, 3 put back.
    stage    INTEGER NOT NULL,
    reason   TEXT NOT NULL,
    PRIMARY KEY (sink, sequence, position)
) STRICT, WITHOUT ROWID;

-- How often the formatter failed on the event that is next.
CREATE TABLE failure (
    sink     INTEGER NOT NULL REFERENCES sink (id),
    sequence INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    reason   TEXT NOT NULL,
    PRIMARY KEY (sink, sequence)
) STRICT, WITHOUT ROWID;

-- What a formatter was called with, now and then, so that the call can be repeated:
-- its state and context, before it saw the events after `after` up to `through`.
CREATE TABLE checkpoint (
    sink          INTEGER NOT NULL REFERENCES sink (id),
    after         INTEGER NOT NULL,
    through       INTEGER NOT NULL,
    state         BLOB NOT NULL,
    settings      TEXT NOT NULL,
    context       TEXT NOT NULL,
    plugin_sha256 BLOB NOT NULL,
    PRIMARY KEY (sink, after)
) STRICT;

-- Small facts of the host, such as the chosen item of a choice.
CREATE TABLE memory (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
