//! The files of the tree as the rules see them: text, and for Rust the paths, macros and attributes in it.
//!
//! Rust is read as tokens, so that a comment or a string is never taken for code, and code in a macro call is seen. What
//! the tokens mean is not known: a path is only what is written there.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use anyhow::{Context as _, Result, anyhow};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::workspace;

/// A file of the tree.
#[derive(Debug)]
pub(super) struct File {
    /// Below the root.
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// Of a Rust file, what it says; of another, nothing.
    pub(super) mentions: Vec<Mention>,
}

/// Something that a Rust file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mention {
    pub(super) what: What,
    /// Counted from 1.
    pub(super) line: usize,
    /// In an item that is only there for tests.
    pub(super) is_test: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Two or more names joined by `::`; of a group in a `use`, one for each member.
    Path(Vec<String>),
    /// The name before `!`.
    Macro(String),
    /// A name in an attribute, as `allow` or `ignore`.
    Attribute(String),
}

/// Every text file under `root` that a checkout would hold.
pub(super) fn read_tree(root: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for path in workspace::files(root)? {
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        // What is not text is a picture or a recording, of which no rule says anything.
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(parse_file(path.strip_prefix(root)?, text)?);
        }
    }
    Ok(files)
}

/// The file `path` with this content.
pub(super) fn parse_file(path: &Path, text: String) -> Result<File> {
    let mut mentions = Vec::new();
    if path.extension().is_some_and(|extension| extension == "rs") {
        let tokens = TokenStream::from_str(&text).map_err(|error| anyhow!("{}: {error}", path.display()))?;
        collect_mentions(tokens, false, &mut mentions);
    }
    Ok(File { path: path.to_owned(), text, mentions })
}

fn collect_mentions(tokens: TokenStream, is_test: bool, mentions: &mut Vec<Mention>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut rest = tokens.as_slice();
    // Set by `#[cfg(test)]` or `#[test]`, until the end of the item that it stands before.
    let mut item_is_test = false;
    while let Some((first, after)) = rest.split_first() {
        let is_test = is_test || item_is_test;
        rest = match first {
            TokenTree::Ident(_) => collect_path(rest, is_test, mentions),
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                let (attribute, after) = split_attribute(after);
                if let Some(attribute) = attribute {
                    item_is_test |= is_for_tests(&attribute);
                    collect_attribute(attribute, is_test, mentions);
                }
                after
            }
            TokenTree::Punct(punct) => {
                item_is_test &= punct.as_char() != ';';
                after
            }
            TokenTree::Group(group) => {
                collect_mentions(group.stream(), is_test, mentions);
                item_is_test &= group.delimiter() != Delimiter::Brace;
                after
            }
            TokenTree::Literal(_) => after,
        };
    }
}

/// What is between the brackets of `#[…]` or `#![…]`, with `tokens` beginning after the `#`.
fn split_attribute(tokens: &[TokenTree]) -> (Option<TokenStream>, &[TokenTree]) {
    let tokens = match tokens {
        [TokenTree::Punct(punct), after @ ..] if punct.as_char() == '!' => after,
        _ => tokens,
    };
    match tokens {
        [TokenTree::Group(group), after @ ..] if group.delimiter() == Delimiter::Bracket => {
            (Some(group.stream()), after)
        }
        _ => (None, tokens),
    }
}

/// Of `cfg(test)` and `test`; not of `cfg(not(test))`.
fn is_for_tests(attribute: &TokenStream) -> bool {
    let text: String = attribute.to_string().split_whitespace().collect();
    text == "test" || text == "cfg(test)" || text.starts_with("cfg(all(test,")
}

fn collect_attribute(attribute: TokenStream, is_test: bool, mentions: &mut Vec<Mention>) {
    for token in attribute {
        match token {
            TokenTree::Ident(ident) => {
                let line = ident.span().start().line;
                mentions.push(Mention { what: What::Attribute(ident.to_string()), line, is_test });
            }
            TokenTree::Group(group) => collect_attribute(group.stream(), is_test, mentions),
            _ => {}
        }
    }
}

/// Reads `one::two::{three, four::five}` or `name!` at the beginning of `tokens`, and returns what follows it.
fn collect_path<'a>(tokens: &'a [TokenTree], is_test: bool, mentions: &mut Vec<Mention>) -> &'a [TokenTree] {
    let mut segments = Vec::new();
    let mut rest = tokens;
    let mut line = 0;
    while let [TokenTree::Ident(ident), after @ ..] = rest {
        if segments.is_empty() {
            line = ident.span().start().line;
        }
        segments.push(ident.to_string());
        rest = after;
        match after {
            [TokenTree::Punct(one), TokenTree::Punct(two), after @ ..]
                if is_separator(one.as_char(), two.as_char()) =>
            {
                rest = after;
            }
            [TokenTree::Punct(punct), TokenTree::Group(_), ..] if punct.as_char() == '!' => {
                let name = segments.last().cloned().unwrap_or_default();
                mentions.push(Mention { what: What::Macro(name), line, is_test });
                break;
            }
            _ => break,
        }
    }
    if let [TokenTree::Group(group), after @ ..] = rest
        && group.delimiter() == Delimiter::Brace
        && ends_with_separator(tokens, rest)
    {
        let mut members = Vec::new();
        collect_mentions_of_group(group.stream(), &mut members);
        for (member, line) in members {
            let path = segments.iter().cloned().chain(member).collect();
            mentions.push(Mention { what: What::Path(path), line, is_test });
        }
        return after;
    }
    if segments.len() > 1 {
        mentions.push(Mention { what: What::Path(segments), line, is_test });
    }
    rest
}

fn is_separator(one: char, two: char) -> bool {
    one == ':' && two == ':'
}

/// Whether what was read of `tokens`, up to `rest`, ends with `::`.
fn ends_with_separator(tokens: &[TokenTree], rest: &[TokenTree]) -> bool {
    let read = tokens.get(..tokens.len() - rest.len()).unwrap_or_default();
    matches!(read, [.., TokenTree::Punct(one), TokenTree::Punct(two)] if is_separator(one.as_char(), two.as_char()))
}

/// The members of the group of a `use`, each with its own path and line.
fn collect_mentions_of_group(group: TokenStream, members: &mut Vec<(Vec<String>, usize)>) {
    let tokens: Vec<TokenTree> = group.into_iter().collect();
    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
    for member in tokens.split(is_comma) {
        let mut path = Vec::new();
        let mut line = 0;
        let mut is_grouped = false;
        for token in member {
            match token {
                TokenTree::Ident(ident) if ident == "as" => break,
                TokenTree::Ident(ident) => {
                    line = ident.span().start().line;
                    path.push(ident.to_string());
                }
                TokenTree::Group(inner) => {
                    let mut inner_members = Vec::new();
                    collect_mentions_of_group(inner.stream(), &mut inner_members);
                    for (inner_path, line) in inner_members {
                        members.push((path.iter().cloned().chain(inner_path).collect(), line));
                    }
                    is_grouped = true;
                }
                _ => {}
            }
        }
        if !path.is_empty() && !is_grouped {
            members.push((path, line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mentions(text: &str) -> Vec<Mention> {
        parse_file(Path::new("src/one.rs"), text.to_owned()).expect("valid tokens").mentions
    }

    fn paths(text: &str) -> Vec<String> {
        let only_paths = mentions(text).into_iter().filter_map(|mention| match mention.what {
            What::Path(path) => Some(path.join("::")),
            _ => None,
        });
        only_paths.collect()
    }

    #[test]
    fn paths_are_read_from_uses_types_calls_and_macros() {
        let table = [
            ("use crate::http;", vec!["crate::http"]),
            ("use crate::http::*;", vec!["crate::http"]),
            ("pub use crate::{http, ledger::Ledger};", vec!["crate::http", "crate::ledger::Ledger"]),
            ("use crate::{a::{b, c::d}, e as f};", vec!["crate::a::b", "crate::a::c::d", "crate::e"]),
            ("fn f(x: &crate::http::Client) {}", vec!["crate::http::Client"]),
            ("fn f() { g(crate::http::get::<u8>()); }", vec!["crate::http::get"]),
            ("fn f() { println!(\"{}\", crate::http::NAME); }", vec!["crate::http::NAME"]),
            ("fn f() { if x == a::B { c::d() } }", vec!["a::B", "c::d"]),
            ("// crate::http\nconst X: &str = \"crate::http\";", vec![]),
            ("fn f(a: u8) { a: b }", vec![]),
        ];
        for (text, expected) in table {
            assert_eq!(paths(text), expected, "{text}");
        }
    }

    #[test]
    fn macros_and_attributes_are_read_with_their_lines() {
        let found = mentions("\n#![cfg_attr(x, allow(dead_code))]\nfn f() {\n  todo!()\n}");
        assert!(found.contains(&Mention { what: What::Attribute("allow".to_owned()), line: 2, is_test: false }));
        assert!(found.contains(&Mention { what: What::Macro("todo".to_owned()), line: 4, is_test: false }));
    }

    #[test]
    fn an_item_for_tests_is_told_from_what_follows_it() {
        let text = "#[cfg(test)]\nmod tests { use a::b; #[test] fn f() { c::d(); } }\nuse e::f;\n#[cfg(test)]\nuse g::h;\n\
                    use i::j;\n#[cfg(not(test))]\nuse k::l;";
        let tests: Vec<(String, bool)> = mentions(text)
            .into_iter()
            .filter_map(|mention| match mention.what {
                What::Path(path) => Some((path.join("::"), mention.is_test)),
                _ => None,
            })
            .collect();
        let expected =
            [("a::b", true), ("c::d", true), ("e::f", false), ("g::h", true), ("i::j", false), ("k::l", false)];
        assert_eq!(tests, expected.map(|(path, is_test)| (path.to_owned(), is_test)));
    }

    #[test]
    fn what_is_not_rust_is_only_text() {
        let file = parse_file(Path::new("README.md"), "use crate::http; isn't it".to_owned()).expect("text");
        assert!(file.mentions.is_empty());
        assert!(file.text.contains("isn't"));
    }
}
