//! Which crate may depend on which. What counts is what cargo resolved, not what a manifest seems to say.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, NodeDep, Package, PackageId};

use super::Breach;

const CORE: &str = "punchcard-core";
const HOST: &str = "punchcard";
const LEDGER: &str = "punchcard-ledger";
const SANDBOX: &str = "punchcard-sandbox";
const PANEL: &str = "punchcard-panel";
const I2C: &str = "punchcard-i2c";
const CHIPS: &str = "punchcard-chips";
const SIMULATOR: &str = "google-sim";
const BENCH: &str = "punchcard-bench";
const FAULTS: &str = "punchcard-faults";
const POWER_CUT: &str = "power-cut";
const BARE_COMPONENT: &str = "bare-component";
const RIG: &str = "punchcard-rig";
const REPOSITORY: &str = "punchcard-repository";
const PUBLISHER: &str = "punchcard-publisher";
const VIRTUAL_PI: &str = "virtual-pi";
const SDK: &str = "punchcard-sdk";

/// What the core may depend on, with the reason. It decides and computes; whatever waits, reads or writes stays out.
const CORE_MAY_USE: [(&str, &str); 16] = [
    ("aho-corasick", "finds every form of every secret in one pass over an answer"),
    ("annotate-snippets", "shows an error of the configuration in its line"),
    ("base64", "a form in which servers echo secrets"),
    ("jiff", "calendar and time zones; given the time, never asking for it"),
    ("percent-encoding", "a form in which servers echo secrets"),
    ("semver", "which version of a plugin is newer"),
    ("serde", "data in and out"),
    ("serde_json", "settings and answers"),
    ("sha2", "the challenge of a visit with a browser"),
    ("strsim", "the near match for a misspelt key"),
    ("thiserror", "errors that name their step"),
    ("toml", "plugins.toml, with line and column"),
    ("toml_parser", "the places of keys and values in plugins.toml"),
    ("ulid", "the id of an event, from given randomness"),
    ("url", "origins and prefixes as browsers understand them"),
    ("zeroize", "secrets leave no copy behind"),
];

/// What the core must not even reach through something else, with the part of the host that has it.
const CORE_MUST_NOT_REACH: [(&str, &str); 13] = [
    ("axum", "the stand-in serves"),
    ("cap-std", "the vault stores"),
    ("crossterm", "the terminal panel draws"),
    ("hyper", "the http adapter sends"),
    ("mio", "the app waits"),
    ("reqwest", "the http adapter sends"),
    ("rppal", "the input adapter reads lines"),
    ("rusqlite", "the ledger stores"),
    ("rustix", "the clock adapter asks the system"),
    ("tokio", "the app waits"),
    ("tough", "the repository crate verifies"),
    ("wasmtime", "the sandbox calls guests"),
    ("wit-bindgen", "guests and host share no Rust types"),
];

/// Everything in what cargo resolved that breaks a rule.
pub(super) fn find_breaches(metadata: &Metadata) -> Vec<Breach> {
    let graph = Graph::new(metadata);
    let mut breaches = graph.core_breaches();
    breaches.extend(graph.member_breaches());
    breaches
}

struct Graph<'a> {
    packages: BTreeMap<&'a PackageId, &'a Package>,
    members: Vec<&'a Package>,
    edges: BTreeMap<&'a PackageId, &'a [NodeDep]>,
}

impl<'a> Graph<'a> {
    fn new(metadata: &'a Metadata) -> Self {
        let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
        Self {
            packages: metadata.packages.iter().map(|package| (&package.id, package)).collect(),
            members: metadata.workspace_packages(),
            edges: nodes.map(|node| (&node.id, node.deps.as_slice())).collect(),
        }
    }

    /// What `id` needs to be built and run, and with `for_tests` to be tested.
    fn direct(&self, id: &PackageId, for_tests: bool) -> Vec<&'a Package> {
        let edges = self.edges.get(id).copied().unwrap_or_default();
        let counts =
            |edge: &&NodeDep| edge.dep_kinds.iter().any(|kind| for_tests || kind.kind != DependencyKind::Development);
        edges.iter().filter(counts).filter_map(|edge| self.packages.get(&edge.pkg).copied()).collect()
    }

    fn reachable(&self, from: &PackageId) -> BTreeSet<&'a str> {
        let mut names = BTreeSet::new();
        let mut open = self.direct(from, false);
        while let Some(package) = open.pop() {
            if names.insert(package.name.as_str()) {
                open.extend(self.direct(&package.id, false));
            }
        }
        names
    }

    fn core_breaches(&self) -> Vec<Breach> {
        let Some(core) = self.members.iter().find(|member| member.name == CORE) else {
            return vec![Breach::in_crate(
                CORE,
                "it is not in the workspace, so its rules hold for nothing".to_owned(),
            )];
        };
        let mut breaches = Vec::new();
        for package in self.direct(&core.id, false) {
            if !CORE_MAY_USE.iter().any(|(name, _)| package.name == *name) {
                let name = &package.name;
                breaches.push(Breach::in_crate(
                    CORE,
                    format!("it depends on {name}, which is not among what the core may use; if it does no I/O and keeps no time, add it there with the reason"),
                ));
            }
        }
        let reachable = self.reachable(&core.id);
        for (name, whose) in CORE_MUST_NOT_REACH {
            if reachable.contains(name) {
                breaches.push(Breach::in_crate(CORE, format!("through what it depends on it reaches {name}; {whose}")));
            }
        }
        breaches
    }

    /// Between the crates of the workspace. Tests count too, with these exceptions: the host is tested on the simulator, on what a publisher makes, on
    /// what a power cut leaves, with bare components, and as a device of the rig; a guest for Google is tested on the simulator, and
    /// one for a chip on the simulated chip.
    fn member_breaches(&self) -> Vec<Breach> {
        let mut breaches = Vec::new();
        for member in &self.members {
            let for_running: BTreeSet<&str> =
                self.direct(&member.id, false).iter().map(|package| package.name.as_str()).collect();
            for package in self.direct(&member.id, true) {
                if !self.members.iter().any(|other| other.id == package.id) {
                    continue;
                }
                let kind = if for_running.contains(package.name.as_str()) { Kind::Run } else { Kind::Test };
                if let Some(reason) = member_objection(&member.name, &package.name, kind) {
                    breaches.push(Breach::in_crate(&member.name, format!("it depends on {}; {reason}", package.name)));
                }
            }
        }
        breaches
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Run,
    Test,
}

/// Why the member `from` may not depend on the member `on`, where it may not.
fn member_objection(from: &str, on: &str, kind: Kind) -> Option<&'static str> {
    match (from, on) {
        (HOST, CORE | LEDGER | SANDBOX | PANEL | I2C | CHIPS | REPOSITORY) => None,
        (LEDGER | SANDBOX | PANEL | REPOSITORY, CORE) | (PUBLISHER, CORE | REPOSITORY) => None,
        (BENCH, HOST | LEDGER | SANDBOX | CORE | PANEL | CHIPS | SIMULATOR | RIG | POWER_CUT | PUBLISHER) => None,
        (FAULTS, SIMULATOR | RIG | PUBLISHER) | (RIG, SIMULATOR) | (VIRTUAL_PI, CHIPS | CORE | PANEL) => None,
        (FAULTS | RIG | VIRTUAL_PI, _) => Some("it tries the program from outside"),
        (HOST, SIMULATOR | POWER_CUT | RIG | BARE_COMPONENT | PUBLISHER) if kind == Kind::Test => None,
        (HOST, SIMULATOR | POWER_CUT | RIG | BARE_COMPONENT | PUBLISHER) => Some("the host is only tested on it"),
        (LEDGER, POWER_CUT) | (SANDBOX, BARE_COMPONENT) | (PANEL, CHIPS) if kind == Kind::Test => None,
        (PUBLISHER, _) => Some("it is a program of its own: what runs devices is nothing to it"),
        (LEDGER | SANDBOX | PANEL | REPOSITORY, _) => Some("it knows the core alone; the others meet it in the host"),
        (I2C | CHIPS, _) => Some("it knows the bus alone, and nothing of what a device does with it"),
        (POWER_CUT, _) => Some("it knows files and SQLite, and nothing of what is written"),
        (BARE_COMPONENT, _) => Some("it knows the contract alone"),
        (CORE, _) => Some("the core depends on no other crate of ours"),
        (SIMULATOR, _) => Some("a stand-in that shares our code would share our mistakes"),
        ("xtask", _) => Some("xtask runs the others and links none of them"),
        (HOST, _) => Some("host and guests share no Rust types, only the contract in wit/"),
        (SDK, _) => Some("the SDK depends on no other crate of ours"),
        (_, SDK) => None,
        ("bme280" | "scd4x-co2", CHIPS) if kind == Kind::Test => None,
        ("bme280" | "scd4x-co2", CHIPS) => Some("a guest is only tested on it"),
        ("google-sheets", SIMULATOR) if kind == Kind::Test => None,
        ("google-sheets", SIMULATOR) => Some("a guest is only tested on it"),
        _ => Some("a guest uses the SDK and nothing else of ours"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_depend_on_one_another_in_one_direction_only() {
        let table = [
            (HOST, CORE, Kind::Run, true),
            (HOST, SIMULATOR, Kind::Test, true),
            (HOST, SIMULATOR, Kind::Run, false),
            (HOST, POWER_CUT, Kind::Test, true),
            (HOST, POWER_CUT, Kind::Run, false),
            (HOST, LEDGER, Kind::Run, true),
            (LEDGER, CORE, Kind::Run, true),
            (LEDGER, POWER_CUT, Kind::Test, true),
            (LEDGER, POWER_CUT, Kind::Run, false),
            (SANDBOX, BARE_COMPONENT, Kind::Test, true),
            (SANDBOX, LEDGER, Kind::Run, false),
            (PANEL, SANDBOX, Kind::Test, false),
            (PANEL, CHIPS, Kind::Test, true),
            (PANEL, CHIPS, Kind::Run, false),
            (PANEL, I2C, Kind::Run, false),
            (HOST, I2C, Kind::Run, true),
            (I2C, CORE, Kind::Run, false),
            (CHIPS, I2C, Kind::Run, false),
            (LEDGER, HOST, Kind::Test, false),
            (POWER_CUT, CORE, Kind::Run, false),
            (HOST, BARE_COMPONENT, Kind::Test, true),
            (HOST, BARE_COMPONENT, Kind::Run, false),
            (BARE_COMPONENT, CORE, Kind::Run, false),
            (FAULTS, SIMULATOR, Kind::Run, true),
            (FAULTS, RIG, Kind::Run, true),
            (FAULTS, PUBLISHER, Kind::Run, true),
            (FAULTS, HOST, Kind::Run, false),
            (HOST, RIG, Kind::Test, true),
            (HOST, RIG, Kind::Run, false),
            (RIG, SIMULATOR, Kind::Run, true),
            (RIG, HOST, Kind::Run, false),
            (VIRTUAL_PI, CHIPS, Kind::Run, true),
            (VIRTUAL_PI, HOST, Kind::Run, false),
            (HOST, REPOSITORY, Kind::Run, true),
            (REPOSITORY, CORE, Kind::Run, true),
            (REPOSITORY, LEDGER, Kind::Run, false),
            (PUBLISHER, REPOSITORY, Kind::Run, true),
            (PUBLISHER, HOST, Kind::Test, false),
            (HOST, PUBLISHER, Kind::Test, true),
            (HOST, PUBLISHER, Kind::Run, false),
            (BENCH, RIG, Kind::Run, true),
            (BENCH, CHIPS, Kind::Run, true),
            (BENCH, POWER_CUT, Kind::Run, true),
            (BENCH, PUBLISHER, Kind::Run, true),
            (HOST, SDK, Kind::Test, false),
            (HOST, "timeclock", Kind::Test, false),
            (CORE, HOST, Kind::Test, false),
            (SIMULATOR, CORE, Kind::Run, false),
            ("timeclock", SDK, Kind::Run, true),
            ("bme280", CHIPS, Kind::Test, true),
            ("bme280", CHIPS, Kind::Run, false),
            ("timeclock", CHIPS, Kind::Test, false),
            ("google-sheets", SIMULATOR, Kind::Test, true),
            ("google-sheets", SIMULATOR, Kind::Run, false),
            ("timeclock", SIMULATOR, Kind::Test, false),
            ("timeclock", CORE, Kind::Test, false),
            ("timeclock", "readings", Kind::Run, false),
            (SDK, CORE, Kind::Run, false),
            ("xtask", HOST, Kind::Run, false),
        ];
        for (from, on, kind, is_allowed) in table {
            assert_eq!(member_objection(from, on, kind).is_none(), is_allowed, "{from} on {on} to {kind:?}");
        }
    }

    /// A workspace of the core, which depends on `direct`, which depends on `indirect`.
    fn metadata(direct: &str, indirect: &str) -> Metadata {
        let id = |name: &str| format!("path+file:///tree/{name}#{name}@1.0.0");
        let package = |name: &str| {
            serde_json::json!({
                "name": name, "version": "1.0.0", "id": id(name), "dependencies": [], "targets": [], "features": {},
                "manifest_path": format!("/tree/{name}/Cargo.toml"), "source": null, "license": null,
                "license_file": null, "description": null, "metadata": null, "publish": null, "authors": [],
                "categories": [], "keywords": [], "readme": null, "repository": null, "homepage": null,
                "documentation": null, "edition": "2024", "links": null, "default_run": null, "rust_version": null,
            })
        };
        let node = |name: &str, on: Option<&str>| {
            let deps: Vec<_> = on
                .iter()
                .map(|on| {
                    serde_json::json!({ "name": on, "pkg": id(on), "dep_kinds": [{ "kind": null, "target": null }] })
                })
                .collect();
            let ids: Vec<_> = on.iter().map(|on| id(on)).collect();
            serde_json::json!({ "id": id(name), "dependencies": ids, "deps": deps, "features": [] })
        };
        let text = serde_json::json!({
            "packages": [package(CORE), package(direct), package(indirect)],
            "workspace_members": [id(CORE)], "workspace_default_members": [id(CORE)],
            "resolve": { "nodes": [node(CORE, Some(direct)), node(direct, Some(indirect)), node(indirect, None)],
                         "root": null },
            "target_directory": "/tree/target", "version": 1, "workspace_root": "/tree", "metadata": null,
        });
        serde_json::from_value(text).expect("as cargo writes it")
    }

    #[test]
    fn the_core_may_use_what_is_listed() {
        assert_eq!(find_breaches(&metadata("serde", "serde_core")), []);
    }

    #[test]
    fn the_core_may_not_use_what_is_not_listed() {
        let breaches = find_breaches(&metadata("libc", "nothing"));
        assert_eq!(breaches.len(), 1);
        assert!(breaches.iter().any(|breach| breach.what.contains("libc")), "{breaches:?}");
    }

    #[test]
    fn the_core_may_not_reach_io_through_what_is_listed() {
        let breaches = find_breaches(&metadata("jiff", "tokio"));
        assert_eq!(breaches.len(), 1);
        assert!(breaches.iter().any(|breach| breach.what.contains("reaches tokio")), "{breaches:?}");
    }
}
