-- For how long a plugin's name has stood for which version: a row for each time that one came into force. `left_as` is null for
-- the one in force.
CREATE TABLE plugin_version (
    id               INTEGER PRIMARY KEY,
    plugin           TEXT NOT NULL,
    sha256           BLOB NOT NULL,
    -- µs since 1970, where the time was known.
    since            INTEGER,
    -- `file`, `add`, `rollback`, `return` or `repository`, and the path of the file or the repository's name.
    whence           TEXT NOT NULL,
    source           TEXT,
    -- The version that a person went back from.
    rolled_back_from BLOB,
    -- `replaced`, `rolled-back` or `bad`, with why.
    left_as          TEXT,
    reason           TEXT,
    -- It was not seen to work for long enough yet.
    on_trial         INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX plugin_version_in_force ON plugin_version (plugin) WHERE left_as IS NULL;

-- Plugins of which a person wants no other version than the one in force.
CREATE TABLE plugin_pin (
    plugin TEXT PRIMARY KEY
) STRICT;

-- Versions that proved bad, whatever their name, until a person allows them again.
CREATE TABLE bad_component (
    sha256 BLOB PRIMARY KEY,
    since  INTEGER,
    reason TEXT NOT NULL
) STRICT;
