-- What is believed of a repository of plugins: its newest metadata, as it came. A part of it is worth nothing, so it is one row.
CREATE TABLE repository_trust (
    repository TEXT PRIMARY KEY,
    -- The SHA-256 of the root with which it began, in hexadecimal: with another one it begins anew.
    began_with TEXT NOT NULL,
    root       BLOB NOT NULL,
    timestamp  BLOB,
    snapshot   BLOB,
    targets    BLOB
) STRICT;

-- Components that came from a repository, by their SHA-256: a file alone says no version.
CREATE TABLE plugin_release (
    sha256     TEXT PRIMARY KEY,
    plugin     TEXT NOT NULL,
    version    TEXT NOT NULL,
    repository TEXT NOT NULL
) STRICT;
