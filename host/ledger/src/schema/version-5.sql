-- What a sink's formatter remembered when a new version of it was taken on trial: the version before goes on from here where
-- it is put back, and not from what the new one left.
CREATE TABLE trial_state (
    sink    INTEGER PRIMARY KEY REFERENCES sink (id),
    -- The formatter, as plugins.toml names it.
    plugin  TEXT NOT NULL,
    -- The sink's cursor then.
    after   INTEGER NOT NULL,
    state   BLOB NOT NULL,
    -- The new one was gone back from, and the sink's state is still what that left.
    owed    INTEGER NOT NULL DEFAULT 0
) STRICT;
