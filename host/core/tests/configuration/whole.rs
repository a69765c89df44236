//! A file with errors: what of it is kept, and what is said of it.

use super::*;

#[test]
fn what_is_valid_is_kept() {
    let damaged = |from: &str, to: &str| {
        assert!(FULL.contains(from), "{from}");
        let (read, diagnostics) = parse_what_is_valid(&FULL.replacen(from, to, 1));
        assert!(!diagnostics.is_empty(), "{from}");
        read
    };
    let full = parsed(FULL);
    let all =
        (names(&full.choices), names(&full.inputs), names(&full.plugins), names(&full.grants), names(&full.sinks));
    let without = |names: &[String], gone: &[&str]| {
        names.iter().filter(|name| !gone.contains(&name.as_str())).cloned().collect::<Vec<_>>()
    };
    let any = ["house", "open", "timesheet"];
    for (from, to, choices, inputs, plugins, grants, sinks) in [
        (
            "label = \"Project\"",
            "",
            vec!["project"],
            vec!["badge", "clock", "next", "previous"],
            vec![],
            vec![],
            vec![],
        ),
        ("label = \"Shift\"", "", vec!["shift"], vec!["knob"], vec![], vec![], vec![]),
        ("key = \"right\"", "key = 5", vec![], vec!["next"], vec![], vec![], vec![]),
        ("line = 27", "line = 28", vec![], vec!["door"], vec![], vec![], vec![]),
        ("\"webhook.wasm\"", "5", vec![], vec![], vec!["webhook"], vec![], vec!["house", "open"]),
        ("\"timeclock.wasm\"", "5", vec![], vec![], vec!["timeclock"], vec![], any.to_vec()),
        ("path = \"/usr", "pfad = \"/usr", vec![], vec![], vec!["google-sheets"], vec![], vec!["timesheet"]),
        ("\"device-flow.wasm\"", "5", vec![], vec![], vec!["device-flow"], vec!["google"], vec!["timesheet"]),
        ("spare =", "Spare =", vec![], vec![], vec![], vec!["google"], vec!["timesheet"]),
        ("retries = 3", "retries = nan", vec![], vec![], vec![], vec!["google"], vec!["timesheet"]),
        ("events = [\"opened\"]", "", vec![], vec![], vec![], vec![], vec!["house"]),
        ("[sinks.open]", "[sinks.Open]", vec![], vec![], vec![], vec![], vec!["open"]),
        ("Werkstatt", "\\tWerkstatt", vec![], vec![], vec![], vec![], any.to_vec()),
        ("call-ms = 2", "call-sm = 2", vec![], vec![], vec![], vec![], vec![]),
        ("keep-mib", "keep-gib", vec![], vec![], vec![], vec![], vec![]),
        ("\"128x64\"", "\"128x65\"", vec![], vec![], vec![], vec![], vec![]),
        ("[history]", "[hist]", vec![], vec![], vec![], vec![], vec![]),
    ] {
        let read = damaged(from, to);
        assert_eq!(names(&read.choices), without(&all.0, &choices), "choices: {from}");
        assert_eq!(names(&read.inputs), without(&all.1, &inputs), "inputs: {from}");
        assert_eq!(names(&read.plugins), without(&all.2, &plugins), "plugins: {from}");
        assert_eq!(names(&read.grants), without(&all.3, &grants), "grants: {from}");
        assert_eq!(names(&read.sinks), without(&all.4, &sinks), "sinks: {from}");
    }
    assert_eq!(damaged("Werkstatt", "\\tWerkstatt").device.name.as_str(), "punchcard");
    assert_eq!(damaged("call-ms = 2", "call-sm = 2").plugins.values().next().unwrap().limits, Limits::default());
    assert_eq!(damaged("keep-mib", "keep-gib").history, Configuration::default().history);
    assert_eq!(damaged("\"128x64\"", "\"128x65\"").panel.driver, PanelDriver::None);
}

#[test]
fn of_a_text_that_is_not_toml_nothing_reaches_the_network() {
    let damaged = |from: &str, to: &str| {
        assert!(FULL.contains(from), "{from}");
        parse_what_is_valid(&FULL.replacen(from, to, 1))
    };
    let full = parsed(FULL);
    for (from, to, choices, inputs) in [
        ("keep-days = 30", "keep-days = = 30", 2, 7),
        ("label = \"Shift\"", "label = \"Shift\" x", 1, 6),
        ("debounce-ms = 250", "debounce-ms = ", 2, 6),
        ("step = -1 }", "step = -1 ", 2, 2),
        ("[inputs.knob]", "[inputs.knob", 2, 5),
        ("key = \"left\"", "key = \"left\"\nkey = \"left\"", 2, 6),
        ("trust-clock = true", "trust-clock true", 2, 7),
        ("line = 27", "line 27", 2, 6),
    ] {
        let (read, diagnostics) = damaged(from, to);
        assert!(!diagnostics.is_empty(), "{from}");
        assert_eq!((read.choices.len(), read.inputs.len()), (choices, inputs), "{from}");
        assert_eq!((read.plugins.len(), read.grants.len(), read.sinks.len()), (0, 0, 0), "{from}");
        assert_eq!(read.device == full.device, !from.contains("clock ="), "{from}");
        assert_eq!(read.history == full.history, !from.contains("keep") && !from.contains("step"), "{from}");
        assert_eq!(read.panel, full.panel, "{from}");
    }
}

#[test]
fn a_file_that_is_too_long_is_not_read() {
    let text = format!("{}#{}", with(""), "x".repeat(MAX_BYTES));
    let (read, diagnostics) = parse_what_is_valid(&text);
    assert_eq!(read, Configuration::default());
    let said = format!("line 1, column 1: the file has {} bytes; at most 1048576 are read", text.len());
    assert_eq!(diagnostics.iter().map(Diagnostic::to_string).collect::<Vec<_>>(), [said]);
}

#[test]
fn an_error_is_said_once_for_its_cause() {
    // A misspelt key that something waits for is not missing as well.
    assert_eq!(
        errors("[device]\nnme = \"x\""),
        [
            "line 2, column 1: device.nme: unknown key; accepted are `name`, `time-zone`, `trust-clock`; did you mean `name`?"
        ]
    );
    assert_eq!(errors("[device]\nlocation = \"x\"").len(), 2);
    // A name in quotation marks, as TOML would want it.
    assert!(errors(&with("\"a.b\" = 1"))[0].contains("1: \"a.b\": unknown key"));
    assert!(errors(&with("\"\" = 1"))[0].contains("1: \"\": unknown key"));
}

/// The keys of a table that are not free: their places, and the path to them.
fn fixed_keys(text: &str) -> Vec<(std::ops::Range<usize>, Vec<String>)> {
    fn walk(table: &toml::de::DeTable<'_>, path: &[String], found: &mut Vec<(std::ops::Range<usize>, Vec<String>)>) {
        for (key, value) in table {
            let path: Vec<String> = path.iter().cloned().chain([key.get_ref().to_string()]).collect();
            let around: Vec<&str> = path.iter().map(String::as_str).collect();
            let (free, leaf) = match around.as_slice() {
                ["choices" | "inputs" | "outputs" | "sensors" | "plugins" | "repositories" | "grants" | "sinks", _] => {
                    (true, false)
                }
                ["sensors", _, "i2c" | "lines" | "one-wire", _] => (true, false),
                ["grants", _, "secrets", _] => (true, false),
                ["inputs", _, "press", "fields"] => (false, true),
                [.., "settings"] | ["people"] => (false, true),
                _ => (false, false),
            };
            if !free {
                found.push((key.span(), path.clone()));
            }
            match value.get_ref() {
                toml::de::DeValue::Table(inner) if !leaf => walk(inner, &path, found),
                toml::de::DeValue::Array(elements) => {
                    let tables = elements.iter().filter_map(|element| element.get_ref().as_table());
                    tables.for_each(|inner| walk(inner, &path, found));
                }
                _ => {}
            }
        }
    }
    let (table, _) = toml::de::DeTable::parse_recoverable(text);
    let mut found = Vec::new();
    walk(table.get_ref(), &[], &mut found);
    found
}

#[test]
fn all_fixed_keys_are_tried() {
    assert_eq!(fixed_keys(FULL).len(), 166);
}

proptest! {
    /// No key is ignored, and what has nothing to do with it is kept.
    #[test]
    fn a_key_of_another_name_is_an_error_in_its_line(
        position in any::<prop::sample::Index>(),
        name in "[a-z]{1,4}-?[a-z0-9]{1,8}",
    ) {
        let keys = fixed_keys(FULL);
        let (span, path) = position.get(&keys);
        let around = &path[..path.len() - 1];
        let known = keys.iter().any(|(_, other)| other.last() == Some(&name) && other[..other.len() - 1] == *around);
        prop_assume!(!known && !["turn", "press", "line", "lines", "key", "chip", "header", "grant"].contains(&name.as_str()));
        let text = format!("{}{name}{}", &FULL[..span.start], &FULL[span.end..]);
        let line = FULL[..span.start].matches('\n').count() + 1;

        let (read, diagnostics) = parse_what_is_valid(&text);
        prop_assert!(parse_configuration(&text).is_err());
        prop_assert!(diagnostics.iter().any(|diagnostic| diagnostic.at.line == line), "{path:?} {diagnostics:?}");

        let full = parsed(FULL);
        let section = path[0].as_str();
        let part = path.get(1).map(String::as_str);
        if section != "device" {
            prop_assert_eq!(&read.device, &full.device);
        }
        if section != "panel" {
            prop_assert_eq!(&read.panel, &full.panel);
        }
        if section != "limits" && section != "plugins" {
            prop_assert_eq!(&read.plugins, &full.plugins);
        }
        if section != "choices" {
            prop_assert_eq!(&read.choices, &full.choices);
        }
        if !["choices", "inputs"].contains(&section) {
            prop_assert_eq!(&read.inputs, &full.inputs);
        }
        if ["device", "panel", "limits", "history"].contains(&section) || path.len() < 3 {
            return Ok(());
        }
        for (kept, parts) in [
            ("inputs", (names(&read.inputs), names(&full.inputs))),
            ("sensors", (names(&read.sensors), names(&full.sensors))),
            ("grants", (names(&read.grants), names(&full.grants))),
            ("sinks", (names(&read.sinks), names(&full.sinks))),
        ] {
            let (read, full) = parts;
            if kept == section {
                let expected: Vec<_> = full.into_iter().filter(|name| Some(name.as_str()) != part).collect();
                prop_assert_eq!(read, expected);
            }
        }
    }

    #[test]
    fn no_text_is_too_odd(text in "(\\[?[a-z.]{0,9}\\]?|= ?[\"{}\\[0-9a-z]{0,5}|[\"'],?|\\n|\\{|é|, |\\$){0,40}") {
        let (_, diagnostics) = parse_what_is_valid(&text);
        prop_assert_eq!(render_diagnostics(&text, "plugins.toml", &diagnostics).is_empty(), diagnostics.is_empty());
    }

    /// A text that is valid but for one place.
    #[test]
    fn no_damage_is_too_odd(start in 0..FULL.len(), length in 0usize..40, instead in "[ -~\\n]{0,4}") {
        let start = FULL.floor_char_boundary(start);
        let end = FULL.floor_char_boundary((start + length).min(FULL.len()));
        let text = format!("{}{instead}{}", &FULL[..start], &FULL[end..]);
        let (_, diagnostics) = parse_what_is_valid(&text);
        prop_assert_eq!(diagnostics.is_empty(), parse_configuration(&text).is_ok());
        prop_assert_eq!(render_diagnostics(&text, "plugins.toml", &diagnostics).is_empty(), diagnostics.is_empty());
    }
}
