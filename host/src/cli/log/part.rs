//! Which parts of the device a line of the log names.

use std::collections::BTreeSet;

/// Keys by which it names one. `part` has the kind in its value: `part="sinks.timesheet"`.
const KINDS: [&str; 6] = ["sink", "grant", "input", "output", "plugin", "sensor"];

/// The parts that a line names, each with its kind and without: `sinks.timesheet` and `timesheet`. A text in quotation marks
/// may look like a part, and costs no more than a line too many.
pub(in super::super) fn named_parts(line: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (key, value) in line.split_whitespace().filter_map(|word| word.split_once('=')) {
        let value = value.trim_matches('"');
        let name = match key {
            "part" => {
                named.insert(value.to_owned());
                value.rsplit_once('.').map_or(value, |(_, name)| name)
            }
            kind if KINDS.contains(&kind) => {
                named.insert(format!("{kind}s.{value}"));
                value
            }
            _ => continue,
        };
        named.insert(name.to_owned());
    }
    named
}

/// A part as [`named_parts`] has it, also where a person says `sink.timesheet`.
pub(in super::super) fn canonical(part: &str) -> String {
    match part.rsplit_once('.') {
        Some((kind, name)) if KINDS.contains(&kind) => format!("{kind}s.{name}"),
        _ => part.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_its_part() {
        let line = r#"2026-11-29T09:00:00Z  INFO delivered sink=timesheet batch="b-1" rows=2"#;
        let problem = r#"2026-11-29T09:00:00Z ERROR the device has a problem part="inputs.clock" problem="off""#;
        for (line, part, expected) in [
            (line, "timesheet", true),
            (line, "sinks.timesheet", true),
            (line, "sink.timesheet", true),
            (line, "grants.timesheet", false),
            (line, "time", false),
            (line, "b-1", false),
            (problem, "clock", true),
            (problem, "inputs.clock", true),
            (problem, "outputs.clock", false),
            (problem, "off", false),
            ("no fields", "fields", false),
            ("part=panel", "panel", true),
        ] {
            assert_eq!(named_parts(line).contains(&canonical(part)), expected, "{part}: {line}");
        }
    }
}
