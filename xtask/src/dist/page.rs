//! A page of the manual as it is in a package: all pages lie in one folder there, and what else the tree has is not there.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// The pages of a package: the name there of each, by its path in the tree.
pub(super) type Pages = BTreeMap<PathBuf, String>;

/// A page whose links lead to what is in the package. Of a link to something else its words stay. `page`: its path in the tree.
pub(super) fn render(page: &Path, text: &str, pages: &Pages) -> String {
    let mut left = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((words, target, behind)) = split_at_link(rest) {
        match follow(page, target, pages) {
            Some(target) => left.push_str(&format!("{words}]({target})")),
            None => {
                let (before, words) = words.rsplit_once('[').unwrap_or((words, ""));
                left.push_str(before);
                left.push_str(words);
            }
        }
        rest = behind;
    }
    left.push_str(rest);
    left
}

/// The text up to the end of a link's words, where it leads, and what follows it.
fn split_at_link(text: &str) -> Option<(&str, &str, &str)> {
    let (words, rest) = text.split_once("](")?;
    let (target, behind) = rest.split_once(')')?;
    Some((words, target, behind))
}

/// Where a link leads in a package. None: what it leads to is not there.
fn follow(page: &Path, target: &str, pages: &Pages) -> Option<String> {
    if target.starts_with('#') || target.contains("://") {
        return Some(target.to_owned());
    }
    let (file, anchor) = target.find('#').map_or((target, ""), |hash| target.split_at(hash));
    let mut path = page.parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(file).components() {
        match part {
            Component::ParentDir => {
                path.pop();
            }
            part => path.push(part),
        }
    }
    pages.get(&path).map(|name| format!("{name}{anchor}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::workspace::Workspace;

    #[test]
    fn a_link_leads_to_its_page_in_the_package_or_is_no_link() {
        let pages: Pages = [("README.md", "README.md"), ("docs/a.md", "a.md"), ("host/FAULTS.md", "FAULTS.md")]
            .map(|(path, name)| (path.into(), name.to_owned()))
            .into();
        for (page, text, expected) in [
            ("README.md", "see [A](docs/a.md), and [B](docs/b.md).", "see [A](a.md), and B."),
            ("docs/a.md", "[over\nlines](a.md#part)", "[over\nlines](a.md#part)"),
            ("docs/a.md", "[R](../README.md#a-b) [F](../host/FAULTS.md)", "[R](README.md#a-b) [F](FAULTS.md)"),
            (
                "docs/a.md",
                "[here](#part) [there](https://h.example/a.md)",
                "[here](#part) [there](https://h.example/a.md)",
            ),
            ("host/FAULTS.md", "[`x`](../wit/v0.1): [A](../docs/a.md)", "`x`: [A](a.md)"),
            ("docs/a.md", "items = [1](", "items = [1]("),
        ] {
            assert_eq!(render(Path::new(page), text, &pages), expected);
        }
    }

    #[test]
    fn every_link_of_a_packed_page_leads_to_a_packed_page() {
        let workspace = Workspace::of_this_program().unwrap();
        let pages = super::super::manual_pages(&workspace).unwrap();
        for must in ["README.md", "first-row.md", "problems.md", "FAULTS.md"] {
            assert!(pages.values().any(|name| name == must), "{must}");
        }
        for (path, name) in &pages {
            let text = render(path, &fs::read_to_string(workspace.root.join(path)).unwrap(), &pages);
            let mut rest = text.as_str();
            while let Some((_, target, behind)) = split_at_link(rest) {
                let file = target.split('#').next().unwrap();
                let is_there = file.is_empty() || target.contains("://") || pages.values().any(|known| known == file);
                assert!(is_there, "{name}: {target}");
                rest = behind;
            }
        }
    }
}
