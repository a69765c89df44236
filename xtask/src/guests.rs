//! `cargo xtask guests`: from the crates under `guests/` to the components that the host loads.
//!
//! Each guest is compiled by a cargo call of its own, so that no other guest's wishes for a shared dependency change its
//! bytes: a guest is replaced on its own, and compared by its hash. Cargo decides what is up to date; a component is
//! written only where it differs from the one that is there.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::Message;
use sha2::{Digest as _, Sha256};

use crate::component::Component;
use crate::process;
use crate::stopwatch::Stopwatch;
use crate::toolchain::{Source, Toolchain};
use crate::workspace::{self, Guest, Workspace};

/// The most that a guest may weigh, in bytes.
pub(crate) const SIZE_LIMIT: usize = 200_000;

/// Where beside the guests those are that only the host's tests and trials load.
const FOR_TESTS: &str = "for-tests";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The guests to build; all of them when none is named.
    names: Vec<String>,
    /// Where the components go; `guests` in cargo's target folder when not given.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where the standard library comes from; the first source that works when not given.
    #[arg(long, value_enum, value_name = "SOURCE")]
    std: Option<Source>,
    /// Build a second time from another folder, and fail where a component differs.
    #[arg(long)]
    check_repeatable: bool,
}

/// A guest that was built.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    /// The guest's name.
    pub(crate) name: String,
    /// What it became.
    pub(crate) component: Component,
    /// Where that was written.
    pub(crate) file: PathBuf,
}

impl Built {
    /// Of the component's bytes, in hexadecimal digits.
    pub(crate) fn hash(&self) -> String {
        Sha256::digest(&self.component.bytes).iter().fold(String::new(), |mut digits, byte| {
            // Writing to a String cannot fail.
            write!(digits, "{byte:02x}").ok();
            digits
        })
    }
}

/// Does what the command line says.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let workspace = Workspace::of_this_program()?;
    let guests = workspace.choose_guests(&arguments.names)?;
    let toolchain = Toolchain::find(&workspace, arguments.std)?;
    eprintln!("guests are built with {}", toolchain.description);
    let out = arguments.out.clone().unwrap_or_else(|| default_folder(&workspace));
    let all_built = build(&workspace, &toolchain, &guests, &out)?;
    for built in &all_built {
        println!("{}", render_built(&workspace, built));
    }
    if arguments.check_repeatable {
        let differing = check_repeatable(&workspace, &toolchain, &all_built)?;
        if !differing.is_empty() {
            bail!("built from another folder, other bytes came out: {}", differing.join(", "));
        }
        println!("built again from another folder: the same bytes");
    }
    Ok(ExitCode::SUCCESS)
}

/// Where components go when nothing else is said.
pub(crate) fn default_folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("guests")
}

/// Builds every guest, those that only tests load too, where the host's tests and trials find them. Returns the former.
pub(crate) fn build_all(workspace: &Workspace, toolchain: &Toolchain) -> Result<Vec<Built>> {
    let folder = default_folder(workspace);
    let all_built = build(workspace, toolchain, &workspace.guests, &folder)?;
    build(workspace, toolchain, &workspace.test_guests, &folder.join(FOR_TESTS))?;
    Ok(all_built)
}

/// Builds `guests` and writes `NAME.wasm` for each into the folder `out`.
pub(crate) fn build(workspace: &Workspace, toolchain: &Toolchain, guests: &[Guest], out: &Path) -> Result<Vec<Built>> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    guests
        .iter()
        .map(|guest| {
            let module = compile(workspace, toolchain, guest)?;
            let bytes = std::fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
            let component =
                Component::from_module(&bytes).with_context(|| format!("guest `{}` is no component", guest.name))?;
            let file = out.join(format!("{}.wasm", guest.name));
            write_where_different(&file, &component.bytes)?;
            Ok(Built { name: guest.name.clone(), component, file })
        })
        .collect()
}

/// Builds the guests of `all_built` a second time, from a copy of the tree in another folder and from nothing, and
/// returns what differs, each with both hashes.
pub(crate) fn check_repeatable(
    workspace: &Workspace,
    toolchain: &Toolchain,
    all_built: &[Built],
) -> Result<Vec<String>> {
    let place = workspace.target.join("guests-again");
    if place.exists() {
        std::fs::remove_dir_all(&place).with_context(|| format!("cannot remove {}", place.display()))?;
    }
    let checkout = place.join("a-checkout-with-another-name");
    copy_tree(&workspace.root, &checkout)?;
    let mut copy = Workspace::at(&checkout)?;
    copy.target = place.join("target");
    let names: Vec<String> = all_built.iter().map(|built| built.name.clone()).collect();
    let all_again = build(&copy, toolchain, &copy.choose_guests(&names)?, &place.join("guests"))?;
    let differing = all_built.iter().zip(&all_again).filter(|(built, again)| built.hash() != again.hash());
    Ok(differing.map(|(built, again)| format!("{} ({} and {})", built.name, built.hash(), again.hash())).collect())
}

/// The size, the file, and a line each of what goes in and out.
pub(crate) fn render_built(workspace: &Workspace, built: &Built) -> String {
    let Built { name, component, file } = built;
    format!(
        "{name}: {}, {}\n  imports {}\n  exports {}",
        render_size(component.bytes.len()),
        workspace.relative(file).display(),
        component.imports.join(", "),
        component.exports.join(", "),
    )
}

/// In kilobytes of 1,000 bytes with one decimal.
pub(crate) fn render_size(bytes: usize) -> String {
    let tenths = bytes.div_ceil(100);
    format!("{}.{} KB", tenths / 10, tenths % 10)
}

fn compile(workspace: &Workspace, toolchain: &Toolchain, guest: &Guest) -> Result<PathBuf> {
    let watch = Stopwatch::start();
    let mut command = toolchain.cargo(workspace, "rustc");
    // The crate is an rlib too, for its own tests; with that cargo would not optimise over crates.
    command.args(["--quiet", "--profile", "guest", "--lib", "--crate-type", "cdylib"]);
    command.args(["--message-format", "json-render-diagnostics", "--package", &guest.id.repr]);
    let line = process::render_command(&command);
    let output = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        bail!("guest `{}` does not build: `{line}` ended with {}", guest.name, output.status);
    }
    let mut module = None;
    for message in Message::parse_stream(output.stdout.as_slice()) {
        let message = message.context("cannot read what cargo reports")?;
        if let Message::CompilerArtifact(artifact) = message
            && artifact.package_id == guest.id
        {
            module = artifact.filenames.into_iter().find(|file| file.extension() == Some("wasm"));
            if !artifact.fresh {
                eprintln!("  compiled {} in {:.1} s", guest.name, watch.elapsed().as_secs_f64());
            }
        }
    }
    Ok(module.with_context(|| format!("cargo linked no module for guest `{}`", guest.name))?.into_std_path_buf())
}

/// Leaves a file that has these bytes alone, so that what is built from it stays up to date.
fn write_where_different(file: &Path, bytes: &[u8]) -> Result<()> {
    if std::fs::read(file).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    // Renamed into place: a host that is reading the old one goes on reading the old one.
    let unfinished = file.with_extension("wasm.new");
    std::fs::write(&unfinished, bytes).with_context(|| format!("cannot write {}", unfinished.display()))?;
    std::fs::rename(&unfinished, file).with_context(|| format!("cannot write {}", file.display()))
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    for file in workspace::files(from)? {
        let place = to.join(file.strip_prefix(from)?);
        let folder = place.parent().context("a file is in a folder")?;
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        std::fs::copy(&file, &place).with_context(|| format!("cannot copy to {}", place.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_up_so_that_one_over_the_limit_shows() {
        let table = [(0, "0.0 KB"), (1, "0.1 KB"), (28_300, "28.3 KB"), (SIZE_LIMIT, "200.0 KB")];
        for (bytes, text) in table {
            assert_eq!(render_size(bytes), text);
        }
        assert_eq!(render_size(SIZE_LIMIT + 1), "200.1 KB");
    }

    #[test]
    fn a_copy_of_the_tree_holds_the_same_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        std::fs::create_dir_all(from.join("host/src")).expect("created");
        std::fs::write(from.join("host/src/main.rs"), "fn main() {}").expect("written");
        copy_tree(&from, &to).expect("copied");
        assert_eq!(std::fs::read(to.join("host/src/main.rs")).expect("there"), b"fn main() {}");
    }

    #[test]
    fn a_component_that_is_there_already_keeps_its_age() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("one.wasm");
        write_where_different(&file, b"one").expect("written");
        let old = std::time::UNIX_EPOCH;
        std::fs::File::options().write(true).open(&file).and_then(|file| file.set_modified(old)).expect("made old");
        write_where_different(&file, b"one").expect("left alone");
        let age = |file: &Path| std::fs::metadata(file).and_then(|metadata| metadata.modified()).expect("an age");
        assert_eq!(age(&file), old);
        write_where_different(&file, b"two").expect("replaced");
        assert_ne!(age(&file), old);
        assert_eq!(std::fs::read(&file).expect("there"), b"two");
    }

    #[test]
    fn the_hash_is_that_of_the_bytes() {
        let component = Component { bytes: b"abc".to_vec(), imports: Vec::new(), exports: Vec::new() };
        let built = Built { name: "one".to_owned(), component, file: PathBuf::new() };
        assert_eq!(built.hash(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
