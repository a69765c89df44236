-- What the plugin of a sensor remembers from one poll to the next, and which plugin wrote it: another one does not begin with
-- it.
CREATE TABLE sensor_state (
    sensor TEXT PRIMARY KEY,
    plugin TEXT NOT NULL,
    state  BLOB NOT NULL
) STRICT;
