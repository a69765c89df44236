-- Which plugin wrote the state of a call that was kept: a replay with another one does not begin with it.
ALTER TABLE checkpoint ADD COLUMN formatter TEXT;

-- Rows that stand in the place of earlier ones: of that of event `of_sequence` at `of_position`, as its `revision`-th, from 1.
-- Each is a `row` of its own, placed at its sink's cursor of then, behind every position that a row of an event can have.
CREATE TABLE correction (
    sink        INTEGER NOT NULL REFERENCES sink (id),
    of_sequence INTEGER NOT NULL,
    of_position INTEGER NOT NULL,
    revision    INTEGER NOT NULL,
    -- 0 it replaces the earlier one, 1 there was none, 2 there should have been none.
    kind        INTEGER NOT NULL,
    sequence    INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    PRIMARY KEY (sink, of_sequence, of_position, revision)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX correction_place ON correction (sink, sequence, position);
