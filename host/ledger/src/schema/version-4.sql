-- When the kernel said first that it is synchronised, in ms of the boot's monotonic clock: an event before that has the time
-- that is reckoned from `zero`, whatever the wall clock said. Null: it never did.
ALTER TABLE boot ADD COLUMN synchronised INTEGER;
-- µs since 1970 when the monotonic clock stood at 0, as the kernel had it when it set its clock last while synchronised.
ALTER TABLE boot ADD COLUMN latest INTEGER;

-- Of events up to this sequence no time counts as the last one seen: a clock that proved wrong may have given it.
ALTER TABLE history ADD COLUMN seen_after INTEGER NOT NULL DEFAULT 0;
-- µs since 1970: how late it surely is, and for how many ms a clock that leapt ahead of that was followed.
ALTER TABLE history ADD COLUMN surely INTEGER;
ALTER TABLE history ADD COLUMN doubted_for INTEGER NOT NULL DEFAULT 0;
UPDATE history SET surely = nullif(max(coalesce(seen, 0), coalesce(
    (SELECT at FROM event WHERE at IS NOT NULL ORDER BY sequence DESC LIMIT 1), 0)), 0);
