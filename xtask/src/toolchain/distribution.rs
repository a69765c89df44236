//! The distribution's compiler, which builds the standard library from the distribution's own source.
//!
//! Debian and what comes from it package a recent compiler for building browsers: `rustc-web`, `cargo-web` and
//! `rust-web-src`, besides the release's own `rustc`, `cargo` and `rust-src`. A linker comes with `lld-N`. Where they
//! are missing and we are root, apt installs them; it is never let remove anything for that.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, anyhow, bail};

use super::{Toolchain, require_version};
use crate::process;

/// The compiler, cargo and the library's source, by package; the first set that is new enough is taken.
const PACKAGES: [[&str; 3]; 2] = [["rustc-web", "cargo-web", "rust-web-src"], ["rustc", "cargo", "rust-src"]];

/// The distribution's own, past what rustup puts before them on the path.
const RUSTC: &str = "/usr/bin/rustc";
const CARGO: &str = "/usr/bin/cargo";

/// Finds it, or installs it first.
pub(super) fn find(root: &Path) -> Result<Toolchain> {
    match installed(root) {
        Ok(toolchain) => Ok(toolchain),
        Err(reason) => {
            install().map_err(|problem| anyhow!("the distribution's: {reason:#}; {problem:#}"))?;
            installed(root).context("the distribution's, after its packages were installed")
        }
    }
}

fn installed(root: &Path) -> Result<Toolchain> {
    for program in [RUSTC, CARGO] {
        if !Path::new(program).is_file() {
            bail!("{program} is not there");
        }
    }
    let version = process::answer(rustc(root).arg("--version"))?;
    require_version(&version)?;
    let sysroot = process::answer(rustc(root).args(["--print", "sysroot"]))?;
    let library = Path::new(&sysroot).join("lib/rustlib/src/rust");
    if !library.join("library/std/Cargo.toml").is_file() {
        bail!("the source of the standard library is not in {}", library.display());
    }
    // Debian links the folder to where the source lies, and cargo names the latter.
    let library = library.canonicalize().with_context(|| format!("cannot follow {}", library.display()))?;
    let linker = newest_linker(Path::new("/usr/bin")).context("there is no wasm-ld in /usr/bin")?;
    Ok(Toolchain {
        description: format!("the distribution's {version} with the library's source, linked by {}", linker.display()),
        program: PathBuf::from(CARGO),
        environment: vec![
            ("RUSTC", RUSTC.into()),
            // Building the standard library is not stable; the distribution's compiler is, so it has to be told.
            ("RUSTC_BOOTSTRAP", "1".into()),
            ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker.into()),
            // `cargo run` puts the active toolchain's libraries there, which are another compiler's.
            ("LD_LIBRARY_PATH", "".into()),
        ],
        arguments: vec!["-Zbuild-std=std,panic_abort"],
        library: Some(library),
    })
}

fn rustc(root: &Path) -> Command {
    let mut command = Command::new(RUSTC);
    command.current_dir(root).env_remove("LD_LIBRARY_PATH");
    command
}

/// `wasm-ld-N` with the highest N, or else `wasm-ld`.
fn newest_linker(folder: &Path) -> Option<PathBuf> {
    let numbered = std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("wasm-ld-")?.parse::<u32>().ok())
        .max();
    match numbered {
        Some(number) => Some(folder.join(format!("wasm-ld-{number}"))),
        None => Some(folder.join("wasm-ld")).filter(|linker| linker.is_file()),
    }
}

fn install() -> Result<()> {
    if !process::is_on_path("apt-get") {
        bail!("there is no apt-get to install it with");
    }
    if !is_root()? {
        bail!("only root can install its packages");
    }
    eprintln!("apt-get update");
    process::perform(Command::new("apt-get").args(["update", "-qq"]))?;
    let mut packages: Vec<String> = plan_packages(candidate)?.map(str::to_owned).into();
    if newest_linker(Path::new("/usr/bin")).is_none() {
        packages.push(newest_linker_package(&known_linker_packages()?)?);
    }
    eprintln!("apt-get install {} (nothing is removed for it)", packages.join(" "));
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command.args(["install", "-qq", "--yes", "--no-install-recommends", "--no-remove"]).args(packages);
    process::perform(&mut command)
}

fn is_root() -> Result<bool> {
    Ok(process::answer(Command::new("id").arg("-u"))? == "0")
}

/// The first set of [`PACKAGES`] that is new enough, by what apt would install of each.
fn plan_packages(candidate: impl Fn(&str) -> Result<Option<String>>) -> Result<[&'static str; 3]> {
    let mut reasons = Vec::new();
    for packages in PACKAGES {
        let [compiler, ..] = packages;
        match candidate(compiler)? {
            None => reasons.push(format!("there is no package {compiler}")),
            Some(version) => match require_version(&version) {
                Ok(()) => return Ok(packages),
                Err(reason) => reasons.push(format!("{compiler}: {reason:#}")),
            },
        }
    }
    bail!(reasons.join("; "))
}

/// The version of `package` that apt would install.
fn candidate(package: &str) -> Result<Option<String>> {
    let policy = process::answer(Command::new("apt-cache").env("LC_ALL", "C").args(["policy", package]))?;
    Ok(parse_candidate(&policy).map(str::to_owned))
}

fn parse_candidate(policy: &str) -> Option<&str> {
    let version = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    (version != "(none)").then_some(version)
}

fn known_linker_packages() -> Result<String> {
    process::answer(Command::new("apt-cache").args(["search", "--names-only", "^lld-[0-9]+$"]))
}

/// Of "lld-16 - LLVM-based linker", "lld-19 - …" the package with the highest number.
fn newest_linker_package(search: &str) -> Result<String> {
    let numbers =
        search.lines().filter_map(|line| line.split_whitespace().next()?.strip_prefix("lld-")?.parse::<u32>().ok());
    numbers.max().map(|number| format!("lld-{number}")).context("there is no package lld-N")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(web: Option<&str>, own: Option<&str>) -> Result<[&'static str; 3]> {
        plan_packages(|package| Ok(if package.ends_with("-web") { web } else { own }.map(str::to_owned)))
    }

    #[test]
    fn the_browsers_compiler_is_preferred_and_the_releases_own_taken_where_only_that_is_new_enough() {
        let web = ["rustc-web", "cargo-web", "rust-web-src"];
        let own = ["rustc", "cargo", "rust-src"];
        assert_eq!(planned(Some("1.96.0+dfsg1-1~deb12u2"), Some("1.63.0+dfsg1-2")).expect("web"), web);
        assert_eq!(planned(None, Some("1.97.0+dfsg1-1")).expect("own"), own);
        assert_eq!(planned(Some("1.85.0+dfsg3-1"), Some("1.97.0+dfsg1-1")).expect("own"), own);
    }

    #[test]
    fn where_no_compiler_is_new_enough_both_reasons_are_given() {
        let error = planned(None, Some("1.63.0+dfsg1-2")).expect_err("too old").to_string();
        assert!(error.contains("no package rustc-web") && error.contains("rustc: 1.63.0"), "{error}");
    }

    #[test]
    fn what_apt_would_install_is_read_from_its_policy() {
        let policy = "rustc-web:\n  Installed: (none)\n  Candidate: 1.96.0+dfsg1-1~deb12u2\n  Version table:\n";
        assert_eq!(parse_candidate(policy), Some("1.96.0+dfsg1-1~deb12u2"));
        assert_eq!(parse_candidate("rustc-web:\n  Installed: (none)\n  Candidate: (none)\n"), None);
        assert_eq!(parse_candidate(""), None);
    }

    #[test]
    fn the_newest_linker_is_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(newest_linker(folder.path()), None);
        for name in ["wasm-ld", "wasm-ld-9", "wasm-ld-19", "wasm-ld-next"] {
            std::fs::write(folder.path().join(name), "").expect("written");
        }
        assert_eq!(newest_linker(folder.path()), Some(folder.path().join("wasm-ld-19")));
        std::fs::remove_file(folder.path().join("wasm-ld-19")).expect("removed");
        std::fs::remove_file(folder.path().join("wasm-ld-9")).expect("removed");
        assert_eq!(newest_linker(folder.path()), Some(folder.path().join("wasm-ld")));
        let search = "lld-9 - LLVM-based linker\nlld-19 - LLVM-based linker\nlldb-20 - a debugger\n";
        assert_eq!(newest_linker_package(search).expect("one"), "lld-19");
        assert!(newest_linker_package("").is_err());
    }
}
