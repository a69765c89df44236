//! How many tests ran, from the lines with which `cargo test` and `cargo nextest` close.

use std::fmt;

/// What a test runner counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, skipped } = self;
        write!(formatter, "{passed} passed, {failed} failed")?;
        if *skipped > 0 {
            write!(formatter, ", {skipped} skipped")?;
        }
        Ok(())
    }
}

/// Reads "test result: ok. 5 passed; 0 failed; 1 ignored; …" of `cargo test`, and "Summary [ 0.1s] 6 tests run: 5 passed
/// (1 slow), 1 failed, 0 skipped" of nextest. Of any other line, nothing.
pub(super) fn parse_closing_line(line: &str) -> Option<Tally> {
    let line = line.trim();
    let counts = match line.strip_prefix("test result: ") {
        Some(result) => result.split_once(". ")?.1,
        None => line.strip_prefix("Summary [")?.split_once(" run: ")?.1,
    };
    let mut tally = Tally::default();
    for count in counts.split([';', ',']) {
        let mut words = count.split_whitespace();
        let (Some(number), Some(what)) = (words.next(), words.next()) else { continue };
        let Ok(number) = number.parse::<u64>() else { continue };
        match what {
            "passed" => tally.passed += number,
            "failed" | "timed" => tally.failed += number,
            "ignored" | "skipped" => tally.skipped += number,
            _ => {}
        }
    }
    Some(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_both_runners_are_counted_and_others_are_not() {
        let table = [
            (
                "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.01s",
                Some((5, 0, 1)),
            ),
            ("test result: FAILED. 5 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out", Some((5, 2, 0))),
            ("     Summary [   0.003s] 3 tests run: 3 passed, 0 skipped", Some((3, 0, 0))),
            (
                "     Summary [  12.003s] 6 tests run: 4 passed (1 slow), 1 failed, 1 timed out, 2 skipped",
                Some((4, 2, 2)),
            ),
            ("test something ... ok", None),
            ("Summary of 5 passed, 1 failed", None),
            ("", None),
        ];
        for (line, expected) in table {
            let counted = parse_closing_line(line).map(|tally| (tally.passed, tally.failed, tally.skipped));
            assert_eq!(counted, expected, "{line}");
        }
    }

    #[test]
    fn a_tally_reads_as_test_runners_close() {
        let mut tally = Tally { passed: 1, failed: 0, skipped: 0 };
        assert_eq!(tally.to_string(), "1 passed, 0 failed");
        tally.add(&Tally { passed: 2, failed: 1, skipped: 4 });
        assert_eq!(tally.to_string(), "3 passed, 1 failed, 4 skipped");
    }
}
