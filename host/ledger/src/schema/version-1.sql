-- Where the history begins, and how late it was when the clock was last believed. Always one row.
CREATE TABLE history (
    one            INTEGER PRIMARY KEY CHECK (one = 1),
    -- Every event up to this sequence has been pruned.
    pruned_through INTEGER NOT NULL,
    -- µs since 1970. The last time seen is the larger of this and the newest event's time.
    seen           INTEGER,
    -- Of events up to this sequence no time counts as the last one seen: a clock that proved wrong may have given it.
    seen_after     INTEGER NOT NULL DEFAULT 0,
    -- µs since 1970: how late it is at least, and for how many ms a clock that leapt ahead of that was followed.
    lower_bound    INTEGER,
    doubted_for    INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO history (one, pruned_through) VALUES (1, 0);

-- A start of the machine. Never pruned: one short row for each start that recorded something.
CREATE TABLE boot (
    id           INTEGER PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    -- µs since 1970 when its monotonic clock stood at 0, once that is known.
    zero         INTEGER,
    -- µs since 1970: the last time seen before its first event. None of its events is earlier.
    floor        INTEGER,
    -- When the kernel said first that it is synchronised, in ms of the boot's monotonic clock: an event before that has the
    -- time that is reckoned from `zero`, whatever the wall clock said. Null: it never did.
    synchronised INTEGER,
    -- µs since 1970 when the monotonic clock stood at 0, as the kernel had it when it set its clock last while synchronised.
    latest       INTEGER
) STRICT;

-- What happened, and nothing else: it is written once. No index, of which every press would write a page.
CREATE TABLE event (
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
    fields     TEXT NOT NULL
) STRICT;

-- A sink that plugins.toml names, or named once. `declared`: names now.
CREATE TABLE sink (
    id                 INTEGER PRIMARY KEY,
    name               TEXT NOT NULL UNIQUE,
    kinds              TEXT NOT NULL,
    declared           INTEGER NOT NULL,
    -- Which plugin wrote the states: another one does not begin with them.
    formatter          TEXT,
    connector          TEXT,
    -- A person wants nothing of it delivered for now.
    paused             INTEGER NOT NULL DEFAULT 0,
    -- Every event up to this sequence went through the formatter, or was none of its kinds.
    cursor             INTEGER NOT NULL DEFAULT 0,
    standing           TEXT,
    -- The last row of its outbox, and the last up to which all arrived or were refused; 0 before the first.
    last_ordinal       INTEGER NOT NULL DEFAULT 0,
    settled_through    INTEGER NOT NULL DEFAULT 0,
    -- Totals, pruned ones included.
    rows_delivered     INTEGER NOT NULL DEFAULT 0,
    rows_set_aside     INTEGER NOT NULL DEFAULT 0,
    events_set_aside   INTEGER NOT NULL DEFAULT 0,
    -- Of what was set aside: what a person dropped, or what was pruned undecided.
    dropped            INTEGER NOT NULL DEFAULT 0,
    delivered_at       INTEGER,
    link               TEXT,
    -- With which settings rows are delivered that carry their keys, and from which ordinal on.
    identified_by      TEXT,
    identified_from    INTEGER,
    -- The first event that was formatted with a time that proved wrong, and the last that may have been.
    wrong_time_from    INTEGER,
    wrong_time_through INTEGER
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
    plugin     TEXT,
    state      BLOB NOT NULL,
    -- Slots of the token storage that the state wants erased, as JSON.
    forget     TEXT NOT NULL
) STRICT;

-- An event that a sink's formatter gets once more: at this place of the ledger's order, which no event has.
CREATE TABLE requeue (
    sequence INTEGER PRIMARY KEY,
    sink     INTEGER NOT NULL REFERENCES sink (id),
    event    INTEGER NOT NULL
) STRICT;
CREATE INDEX requeue_event ON requeue (sink, event);

CREATE TABLE column_set (
    id      INTEGER PRIMARY KEY,
    columns TEXT NOT NULL UNIQUE
) STRICT;

-- The rows of each sink in the order in which they go. What goes once more has another ordinal.
CREATE TABLE outbox (
    sink       INTEGER NOT NULL REFERENCES sink (id),
    ordinal    INTEGER NOT NULL,
    -- Which row it is: of this event, at this position among its rows, corrected so often before.
    event      INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    revision   INTEGER NOT NULL,
    -- How a correction corrects: 0 it replaces the earlier row, 1 there was none, 2 there should have been none.
    correction INTEGER CHECK ((correction IS NULL) = (revision = 0)),
    -- Here too, because rows of a removed sink outlive their pruned event.
    event_id   BLOB NOT NULL,
    column_set INTEGER NOT NULL REFERENCES column_set (id),
    cells      TEXT NOT NULL,
    PRIMARY KEY (sink, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_row ON outbox (sink, event, position, revision, ordinal);

-- A batch is a contiguous range of its sink's ordinals: no row is touched when it goes or arrives.
CREATE TABLE batch (
    sink          INTEGER NOT NULL REFERENCES sink (id),
    first_ordinal INTEGER NOT NULL,
    last_ordinal  INTEGER NOT NULL,
    column_set    INTEGER NOT NULL REFERENCES column_set (id),
    id            TEXT NOT NULL,
    -- 0 formed, 1 an attempt may have left the device, 2 delivered.
    stage         INTEGER NOT NULL,
    delivered_at  INTEGER,
    link          TEXT,
    PRIMARY KEY (sink, first_ordinal)
) STRICT, WITHOUT ROWID;

-- What did not become a row, or did not arrive, in the order in which that was found out.
CREATE TABLE set_aside (
    id       INTEGER PRIMARY KEY,
    sink     INTEGER NOT NULL REFERENCES sink (id),
    event    INTEGER NOT NULL,
    -- Of a whole event, the place of the ledger's order at which the formatter got it: its own, or that of a requeue.
    sequence INTEGER,
    -- Of a row, its ordinal.
    ordinal  INTEGER,
    -- 0 the formatter refused the event, 1 the formatter failed on it, 2 the service refused the row; 3 it was requeued
    -- since, 4 dropped.
    stage    INTEGER NOT NULL,
    reason   TEXT NOT NULL,
    CHECK ((sequence IS NULL) <> (ordinal IS NULL))
) STRICT;
CREATE INDEX set_aside_event ON set_aside (sink, event, ordinal);
CREATE INDEX set_aside_undecided ON set_aside (sink, event) WHERE stage < 3;

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
    -- Which plugin wrote the state: a replay with another one does not begin with it.
    formatter     TEXT,
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
