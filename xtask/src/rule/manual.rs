//! What the manual says of tests: those that its table of oauth2client's names calls witnesses are there.
//!
//! In that table a name with an underscore in the last column is a test. Everything else in the manual is left alone.

use std::collections::BTreeSet;
use std::path::Path;

use super::Breach;
use super::source::File;

/// Where the table stands.
const PAGE: &str = "docs/credentials.md";
/// What its last column is called.
const COLUMN: &str = "shown by, or why not";

/// Every test that the table names and that is not in the tree, and a table that is not there.
pub(super) fn find_breaches(files: &[File]) -> Vec<Breach> {
    let Some(page) = files.iter().find(|file| file.path == Path::new(PAGE)) else { return Vec::new() };
    let named = find_named(&page.text);
    if named.is_empty() {
        return vec![Breach::at(&page.path, 1, format!("no table has a column `{COLUMN}` that names tests"))];
    }
    let tests: BTreeSet<&str> = files.iter().flat_map(|file| find_tests(file)).collect();
    let missing = named.into_iter().filter(|(_, name)| !tests.contains(name));
    missing.map(|(line, name)| Breach::at(&page.path, line, format!("no test is called `{name}`"))).collect()
}

/// The tests that the table's last column names, with the line, counted from 1.
fn find_named(text: &str) -> Vec<(usize, &str)> {
    let mut is_within = false;
    let mut named = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some(row) = line.strip_prefix('|') else {
            is_within = false;
            continue;
        };
        let last = row.trim_end().trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        is_within |= last.trim() == COLUMN;
        if is_within {
            let quoted = last.split('`').skip(1).step_by(2);
            named.extend(quoted.filter(|name| is_test_name(name)).map(|name| (index + 1, name)));
        }
    }
    named
}

/// A command, a key or a path has characters that a function's name has not.
fn is_test_name(text: &str) -> bool {
    text.contains('_')
        && text
            .chars()
            .all(|character| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_')
}

/// The functions of a Rust file with an attribute of a test before them.
fn find_tests(file: &File) -> Vec<&str> {
    if file.path.extension().is_none_or(|extension| extension != "rs") {
        return Vec::new();
    }
    let mut is_test = false;
    let mut tests = Vec::new();
    for line in file.text.lines().map(str::trim_start) {
        if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]") || line.contains("::test");
            continue;
        }
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        if let Some(name) = function.and_then(|function| function.split('(').next()).filter(|_| is_test) {
            tests.push(name);
        }
        is_test = false;
    }
    tests
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::source::parse_file;

    fn breaches(page: &str) -> Vec<String> {
        let code = "#[test]\nfn it_is_so() {}\n#[tokio::test(flavor = \"multi_thread\")]\nasync fn it_is_so_too() {}\nfn a_helper() {}\n";
        let files = [(PAGE, page), ("host/tests/device/x.rs", code)];
        let files = files.map(|(path, text)| parse_file(Path::new(path), text.to_owned()).expect("valid tokens"));
        find_breaches(&files).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_test_that_is_not_in_the_tree_is_found() {
        let table = |row: &str| format!("| theirs | ours | {COLUMN} |\n|---|---|---|\n{row}\n");
        for (row, number) in [
            ("| `file_storage` | | `it_is_so`, `it_is_so_too` |", 0),
            ("| x | `web-flow` | `it_is_so`; `sign-in = \"x_y\"` is a setting |", 0),
            ("| x | y | `it_is_so`, `it_was_so` |", 1),
            ("| x | y | `a_helper` |", 1),
        ] {
            assert_eq!(breaches(&table(row)).len(), number, "{row}");
        }
        assert_eq!(
            breaches(&table("| x | y | `it_was_so` |")),
            ["docs/credentials.md:3: no test is called `it_was_so`"]
        );
    }

    #[test]
    fn a_page_without_the_table_is_found_and_other_tables_are_left_alone() {
        assert_eq!(breaches("| a | b |\n|---|---|\n| x | `it_was_so` |\n").len(), 1);
        let other =
            format!("| a | {COLUMN} |\n|---|---|\n| x | `it_is_so` |\n\n| a | b |\n|---|---|\n| x | `it_was_so` |\n");
        assert_eq!(breaches(&other), [""; 0]);
    }
}
