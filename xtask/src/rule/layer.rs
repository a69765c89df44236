//! Which module of the host may know which: adapters meet in `app` and nowhere else, and the core touches nothing. What is a
//! crate of its own is not looked at here: what it may depend on says `dependency`.

use std::path::Path;

use super::Breach;
use super::source::{File, What};

const HOST_SOURCE: &str = "host/src";
const CORE_SOURCE: &str = "host/core/src";

/// Each owns one piece of the outside world. They do not know one another, so that each can be read, tested and
/// replaced alone.
const ADAPTERS: [&str; 7] = ["browser", "clock", "hardware", "http", "input", "signature", "vault"];

/// What lies above the adapters.
const ABOVE: [&str; 2] = ["app", "cli"];

/// What of the standard library the core leaves to the adapters.
const OUTSIDE: [&str; 6] = ["env", "fs", "net", "os", "process", "thread"];

/// Of [`OUTSIDE`], what only describes.
const DESCRIBING: [&str; 3] = ["IpAddr", "Ipv4Addr", "Ipv6Addr"];

/// Every use, in these files, of a module that the using one must not know.
pub(super) fn find_breaches(files: &[File]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in files {
        if file.path.starts_with(CORE_SOURCE) {
            breaches.extend(core_breaches(file));
        } else if let Ok(path) = file.path.strip_prefix(HOST_SOURCE)
            && let Some(adapter) = adapter_of(path)
        {
            breaches.extend(adapter_breaches(file, adapter, path.components().count()));
        }
    }
    breaches
}

/// The adapter that a file below `host/src` belongs to: `vault` of `vault.rs` and `vault/slots.rs`.
fn adapter_of(path: &Path) -> Option<&'static str> {
    let first = Path::new(path.components().next()?.as_os_str()).file_stem()?.to_str()?;
    ADAPTERS.into_iter().find(|adapter| *adapter == first)
}

/// `depth` is how many names lead from the crate's root to the module of this file.
fn adapter_breaches(file: &File, adapter: &str, depth: usize) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for mention in &file.mentions {
        let What::Path(path) = &mention.what else { continue };
        let Some(module) = module_from_root(path, depth) else { continue };
        let what = if ABOVE.contains(&module) {
            format!("adapter `{adapter}` uses `{module}`, which lies above it; give it what it needs as a parameter")
        } else if module != adapter && ADAPTERS.contains(&module) {
            format!("adapter `{adapter}` uses adapter `{module}`; they meet in `app`")
        } else {
            continue;
        };
        breaches.push(Breach::at(&file.path, mention.line, what));
    }
    breaches
}

/// Of `crate::http::Client` and, in a file so deep, of `super::http::Client`: `http`.
fn module_from_root(path: &[String], depth: usize) -> Option<&str> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" | "punchcard" => rest.first().map(String::as_str),
        "super" => {
            let supers = path.iter().take_while(|segment| *segment == "super").count();
            (supers >= depth).then(|| path.get(supers).map(String::as_str)).flatten()
        }
        _ => None,
    }
}

fn core_breaches(file: &File) -> Vec<Breach> {
    let mut breaches = Vec::new();
    // Tests may read what they compare with.
    for mention in file.mentions.iter().filter(|mention| !mention.is_test) {
        if let What::Path(path) = &mention.what
            && let [first, second, rest @ ..] = path.as_slice()
            && first == "std"
            && OUTSIDE.contains(&second.as_str())
            && !rest.first().is_some_and(|third| DESCRIBING.contains(&third.as_str()))
        {
            let what = format!("the core uses `std::{second}`; what is outside belongs to an adapter of the host");
            breaches.push(Breach::at(&file.path, mention.line, what));
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::source::parse_file;

    fn breaches(path: &str, text: &str) -> Vec<String> {
        let file = parse_file(Path::new(path), text.to_owned()).expect("valid tokens");
        find_breaches(&[file]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn adapters_that_know_one_another_are_found_however_they_do() {
        let table = [
            ("host/src/vault.rs", "use crate::http::Client;", 1),
            ("host/src/vault/slots.rs", "use crate::{vault::Vault, http, input::Input};", 2),
            ("host/src/input/keyboard.rs", "fn f() { crate::clock::now() }", 1),
            ("host/src/vault.rs", "use super::http::Client;", 1),
            ("host/src/vault/slots.rs", "use super::super::http;", 1),
            ("host/src/http.rs", "use crate::app::App;", 1),
            ("host/src/vault.rs", "#[cfg(test)] mod tests { use crate::clock::Clock; }", 1),
        ];
        for (path, text, count) in table {
            assert_eq!(breaches(path, text).len(), count, "{path}: {text}");
        }
    }

    #[test]
    fn what_an_adapter_may_know_is_left_alone() {
        let table = [
            ("host/src/vault.rs", "use punchcard_core::http::Request; use crate::vault::slots;"),
            ("host/src/vault/slots.rs", "use super::http_batch; use super::input::Plan; use crate::error::Error;"),
            ("host/src/app/delivery.rs", "use crate::{http, input, vault};"),
            ("host/src/main.rs", "use punchcard::vault::Vault;"),
            ("host/google-sim/src/ledger.rs", "use crate::http;"),
        ];
        for (path, text) in table {
            assert_eq!(breaches(path, text), Vec::<String>::new(), "{path}: {text}");
        }
    }

    #[test]
    fn the_core_touches_nothing_outside_but_its_tests_may() {
        assert_eq!(breaches("host/core/src/event.rs", "use std::{fmt, fs};").len(), 1);
        assert_eq!(breaches("host/core/src/event.rs", "fn f() { std::thread::yield_now() }").len(), 1);
        assert_eq!(breaches("host/core/src/event.rs", "use std::net::{IpAddr, TcpStream};").len(), 1);
        assert_eq!(breaches("host/core/src/event.rs", "use std::fmt;").len(), 0);
        assert_eq!(breaches("host/core/src/event.rs", "#[cfg(test)] mod tests { use std::fs; }").len(), 0);
        assert_eq!(breaches("host/src/main.rs", "use std::fs;").len(), 0);
    }

    #[test]
    fn a_breach_names_file_line_and_remedy() {
        let found = breaches("host/src/vault.rs", "\n\nuse crate::http;");
        assert_eq!(found, ["host/src/vault.rs:3: adapter `vault` uses adapter `http`; they meet in `app`"]);
    }
}
