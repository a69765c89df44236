//! A compiler with a standard library for `wasm32-unknown-unknown`, which few machines have to begin with.
//!
//! Three ways, in this order: the active toolchain has the library; rustup brings it; or, where rustup is not there or
//! has no network, the distribution's compiler builds it from the distribution's own source. Whatever is found gives a
//! [`Toolchain`]: a cargo command whose output depends on the source and on the compiler, and not on the folder that
//! the source lies in or on variables that a person set for other builds.

mod rustup;

mod distribution;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, anyhow};
use clap::ValueEnum;

use crate::process;
use crate::workspace::Workspace;

/// What guests are compiled for. It has no WASI, so that a guest imports nothing but the contract.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Where the standard library of [`TARGET`] comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Source {
    /// The active toolchain has it.
    Active,
    /// `rustup target add` brings it.
    Rustup,
    /// The distribution's compiler builds it from source.
    Distribution,
}

/// A way to compile for [`TARGET`].
#[derive(Clone, Debug)]
pub(crate) struct Toolchain {
    /// In words, with the compiler's version.
    pub(crate) description: String,
    program: PathBuf,
    environment: Vec<(&'static str, OsString)>,
    /// Belongs after cargo's subcommand.
    arguments: Vec<&'static str>,
    /// The source of the standard library, where it is compiled too.
    library: Option<PathBuf>,
}

impl Toolchain {
    /// Finds a way, installing what is missing: `wanted`, or the first that works.
    pub(crate) fn find(workspace: &Workspace, wanted: Option<Source>) -> Result<Self> {
        let tried = match wanted {
            Some(source) => vec![source],
            None => vec![Source::Active, Source::Rustup, Source::Distribution],
        };
        let mut reasons = Vec::new();
        for source in tried {
            let found = match source {
                Source::Active => Self::active(&workspace.root),
                Source::Rustup => rustup::add_target(workspace).and_then(|()| Self::active(&workspace.root)),
                Source::Distribution => distribution::find(&workspace.root),
            };
            match found {
                Ok(toolchain) => return Ok(toolchain),
                Err(reason) => reasons.push(format!("{reason:#}")),
            }
        }
        Err(anyhow!("no standard library for {TARGET}:\n  - {}\n\n{REMEDY}", reasons.join("\n  - ")))
    }

    fn active(root: &Path) -> Result<Self> {
        let rustc = || {
            let mut command = Command::new("rustc");
            process::remove_variables(&mut command, process::is_left_by_cargo);
            command.current_dir(root);
            command
        };
        let version = process::answer(rustc().arg("--version"))?;
        let libraries = process::answer(rustc().args(["--print", "target-libdir", "--target", TARGET]))?;
        if !has_core(Path::new(&libraries)) {
            return Err(anyhow!("the active toolchain ({version}) has none"));
        }
        Ok(Self {
            description: format!("the active toolchain, {version}"),
            program: std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from),
            environment: Vec::new(),
            arguments: Vec::new(),
            library: None,
        })
    }

    /// `cargo SUBCOMMAND` for [`TARGET`] in `workspace`, with a target folder of its own: the outer cargo may hold the
    /// lock of the usual one.
    pub(crate) fn cargo(&self, workspace: &Workspace, subcommand: &str) -> Command {
        let target_folder = workspace.target.join("guests-build");
        let mut command = Command::new(&self.program);
        process::remove_variables(&mut command, |name| process::is_left_by_cargo(name) || changes_the_output(name));
        command
            .current_dir(&workspace.root)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags(workspace, &target_folder))
            .arg(subcommand)
            .args(&self.arguments)
            .args(["--locked", "--target", TARGET, "--target-dir"])
            .arg(target_folder);
        command
    }

    /// Sets the stack, and takes the names of this machine's folders out of panic messages: they would make the bytes differ
    /// from checkout to checkout. Where several prefixes fit, rustc takes the last.
    fn flags(&self, workspace: &Workspace, target_folder: &Path) -> OsString {
        let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
        let mut prefixes = vec![(workspace.root.clone(), "/punchcard"), (target_folder.to_owned(), "/target")];
        prefixes.extend(home.map(|home| (home, "/cargo")));
        prefixes.extend(self.library.clone().map(|library| (library, "/rust")));
        let mut flags = OsString::from(format!("-Clink-arg=-zstack-size={STACK_BYTES}"));
        for (folder, name) in prefixes {
            flags.push("\u{1f}--remap-path-prefix=");
            flags.push(folder);
            flags.push("=");
            flags.push(name);
        }
        flags
    }
}

fn has_core(libraries: &Path) -> bool {
    std::fs::read_dir(libraries).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with("libcore-") && name.ends_with(".rlib")
        })
    })
}

/// Whether this variable makes cargo compile the same source to something else, or with something else.
fn changes_the_output(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_INCREMENTAL",
        "RUSTC",
        "RUSTC_BOOTSTRAP",
        "RUSTC_LINKER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTDOC",
        "RUSTFLAGS",
    ];
    const PREFIXES: [&str; 4] = ["CARGO_BUILD_", "CARGO_PROFILE_", "CARGO_TARGET_", "CARGO_UNSTABLE_"];
    let is_harmless = matches!(name, "CARGO_BUILD_JOBS");
    (NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))) && !is_harmless
}

/// Of a guest, in bytes; it traps where this is not enough. The linker's megabyte would lie before all that a guest uses, and
/// the host could not keep the little that calls touch. The deepest JSON that a policy reads takes at most half of it.
const STACK_BYTES: u32 = 128 << 10;

/// What a person can do where nothing worked.
const REMEDY: &str = "Install one of these and try again:
  - with rustup, wherever it has network:  rustup target add wasm32-unknown-unknown
  - on Debian or Raspberry Pi OS, from the distribution's packages:
      sudo apt-get update && sudo apt-get install rustc-web cargo-web rust-web-src lld-19
    (another lld-N will do; the compiler must be as new as `rust-version` in Cargo.toml)
  - elsewhere: the package with the Rust standard library for wasm32, such as rust-std-static-wasm32-unknown-unknown
    on Fedora or rust-wasm on Arch Linux";

/// Reads "rustc 1.96.0 (…)", "1.96.0+dfsg1-1~deb12u2" or "1.95": the major and the minor number.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let text = text.strip_prefix("rustc ").unwrap_or(text);
    let mut numbers = text.split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Fails with the version that is needed where `version` is older than the workspace's `rust-version`.
fn require_version(version: &str) -> Result<()> {
    let needed = env!("CARGO_PKG_RUST_VERSION");
    let needed_numbers = parse_version(needed).context("the workspace's rust-version is no version")?;
    match parse_version(version) {
        Some(numbers) if numbers >= needed_numbers => Ok(()),
        _ => Err(anyhow!("{version} is older than {needed}, which this workspace needs")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_compilers_and_packages_say() {
        let table = [
            ("rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)", Some((1, 96))),
            ("1.96.0+dfsg1-1~deb12u2", Some((1, 96))),
            ("1.95", Some((1, 95))),
            ("2", None),
            ("(none)", None),
            ("", None),
        ];
        for (text, version) in table {
            assert_eq!(parse_version(text), version, "{text}");
        }
    }

    #[test]
    fn an_older_compiler_is_refused_with_the_version_that_is_needed() {
        let error = require_version("1.63.0+dfsg1-2").expect_err("too old").to_string();
        assert!(error.contains("1.63.0") && error.contains(env!("CARGO_PKG_RUST_VERSION")), "{error}");
        assert!(require_version(env!("CARGO_PKG_RUST_VERSION")).is_ok());
        assert!(require_version("2.0.0").is_ok());
    }

    #[test]
    fn variables_that_change_the_output_are_told_from_those_that_do_not() {
        for name in ["RUSTFLAGS", "RUSTC", "CARGO_PROFILE_GUEST_LTO", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR"] {
            assert!(changes_the_output(name), "{name}");
        }
        for name in ["CARGO_HOME", "CARGO_BUILD_JOBS", "CARGO_NET_OFFLINE", "CARGO_HTTP_PROXY", "RUSTUP_TOOLCHAIN"] {
            assert!(!changes_the_output(name), "{name}");
        }
    }

    #[test]
    fn no_folder_of_this_machine_is_left_in_panic_messages() {
        let toolchain = Toolchain {
            description: String::new(),
            program: PathBuf::from("cargo"),
            environment: Vec::new(),
            arguments: Vec::new(),
            library: Some(PathBuf::from("/source/of/rust")),
        };
        let workspace = Workspace {
            root: PathBuf::from("/checkout"),
            target: PathBuf::from("/checkout/target"),
            guests: Vec::new(),
            test_guests: Vec::new(),
        };
        let flags = toolchain.flags(&workspace, &workspace.target).into_string().expect("plain text");
        let flags: Vec<&str> = flags.split('\u{1f}').collect();
        assert_eq!(flags.first(), Some(&"-Clink-arg=-zstack-size=131072"));
        assert_eq!(flags.get(1), Some(&"--remap-path-prefix=/checkout=/punchcard"));
        // After the workspace's own: the last prefix that fits is the one that counts.
        assert_eq!(flags.get(2), Some(&"--remap-path-prefix=/checkout/target=/target"));
        assert_eq!(flags.last(), Some(&"--remap-path-prefix=/source/of/rust=/rust"));
    }
}
