//! What may not stand in any file: lints switched off without a reason, work left for later, somebody's own folders.

use super::Breach;
use super::source::{File, What};

/// Where people's own folders begin. Put together here, or this file would break its own rule.
const HOMES: [&str; 3] = [concat!("/ho", "me/"), concat!("/Us", "ers/"), concat!("/ro", "ot/")];

/// Everything in these files that may not stand in one.
pub(super) fn find_breaches(files: &[File]) -> Vec<Breach> {
    files.iter().flat_map(|file| code_breaches(file).into_iter().chain(text_breaches(file))).collect()
}

fn code_breaches(file: &File) -> Vec<Breach> {
    let objection = |what: &What| match what {
        What::Attribute(name) => match name.as_str() {
            "allow" => Some("`allow` outlives its reason; use `#[expect(…, reason = \"…\")]`"),
            "ignore" => Some("a test that is not run tests nothing; make it run, or remove it"),
            _ => None,
        },
        What::Macro(name) => match name.as_str() {
            "todo" | "unimplemented" => Some("leave out what is not done, and say so"),
            _ => None,
        },
        What::Path(_) => None,
    };
    let breaches = file
        .mentions
        .iter()
        .filter_map(|mention| objection(&mention.what).map(|why| Breach::at(&file.path, mention.line, why.to_owned())));
    breaches.collect()
}

fn text_breaches(file: &File) -> Vec<Breach> {
    let lines = file.text.lines().enumerate().filter(|(_, line)| HOMES.iter().any(|home| names_folder(line, home)));
    let breaches = lines.map(|(index, _)| {
        let what = "a folder of somebody's machine; nobody else has it".to_owned();
        Breach::at(&file.path, index + 1, what)
    });
    breaches.collect()
}

/// Whether `home` begins a path in `line`: not as a part of a URL or of a longer path.
fn names_folder(line: &str, home: &str) -> bool {
    line.match_indices(home).any(|(index, _)| {
        let before = line.get(..index).and_then(|before| before.chars().next_back());
        !before.is_some_and(|character| character.is_alphanumeric() || "-_.}~$".contains(character))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::rule::source::parse_file;

    fn lines(path: &str, text: &str) -> Vec<String> {
        let file = parse_file(Path::new(path), text.to_owned()).expect("valid tokens");
        find_breaches(&[file]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lints_off_and_work_for_later_are_found_in_code_only() {
        let table = [
            ("#[allow(dead_code)] fn f() {}", 1),
            ("#![allow(dead_code)]", 1),
            ("#[cfg_attr(test, allow(dead_code))] fn f() {}", 1),
            ("#[test] #[ignore] fn f() {}", 1),
            ("fn f() { todo!() }", 1),
            ("fn f() { unimplemented!(\"x\") }", 1),
            ("#[expect(dead_code, reason = \"read by the linker\")] fn f() {}", 0),
            ("// todo!() #[allow(x)]\nconst X: &str = \"#[allow(x)] todo!()\";", 0),
            ("/// Rows that we `allow` and ignore.\nfn allow() { ignore(allow) }", 0),
        ];
        for (text, count) in table {
            assert_eq!(lines("src/one.rs", text).len(), count, "{text}");
        }
    }

    #[test]
    fn somebodys_folder_is_found_in_every_kind_of_file() {
        for home in HOMES {
            assert_eq!(lines("notes.md", &format!("one\nsee {home}ann/x")).len(), 1, "{home}");
            assert_eq!(lines("a.toml", &format!("path = \"{home}ann/x\"")).len(), 1, "{home}");
            assert_eq!(lines("a.rs", &format!("const X: &str = \"{home}ann\";")).len(), 1, "{home}");
            assert_eq!(lines("notes.md", &format!("https://example.com{home}page, ${{X}}{home}")).len(), 0, "{home}");
        }
        let found = lines("notes.md", &format!("one\n{}ann", HOMES.concat()));
        assert_eq!(found, ["notes.md:2: a folder of somebody's machine; nobody else has it"]);
    }
}
