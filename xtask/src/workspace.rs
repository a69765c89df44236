//! The tree that is worked on: where it is, where builds go, and which of its crates are guests.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::{CrateType, Metadata, MetadataCommand, PackageId};

use crate::process;

/// What the host runs on.
const BOARD: &str = "aarch64-unknown-linux-gnu";

/// A checkout of this repository.
pub(crate) struct Workspace {
    /// The folder of the root manifest, without symbolic links.
    pub(crate) root: PathBuf,
    /// Cargo's target folder for it.
    pub(crate) target: PathBuf,
    /// The crates that become components, by name.
    pub(crate) guests: Vec<Guest>,
    /// Those that become components which only the host's tests load.
    pub(crate) test_guests: Vec<Guest>,
}

/// A crate that becomes a component.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    /// The crate's name, which is that of its folder and of its component.
    pub(crate) name: String,
    /// Cargo's id of it, which no other crate can share.
    pub(crate) id: PackageId,
}

impl Workspace {
    /// The workspace that this program was started in.
    pub(crate) fn of_this_program() -> Result<Self> {
        match std::env::var_os("CARGO_MANIFEST_DIR") {
            // `cargo run` tells where xtask's manifest is, wherever in the tree it was called.
            Some(manifest) => Self::at(&Path::new(&manifest).join("..")),
            None => Self::at(Path::new(".")),
        }
    }

    /// The workspace with its root manifest in `folder`.
    pub(crate) fn at(folder: &Path) -> Result<Self> {
        let root = folder.canonicalize().with_context(|| format!("cannot find {}", folder.display()))?;
        let metadata = metadata_command(&root)
            .no_deps()
            .exec()
            .with_context(|| format!("cannot read the workspace in {}", root.display()))?;
        let guests = guests_below(&metadata, "guests");
        let test_guests = guests_below(&metadata, "host/tests");
        Ok(Self { root, target: metadata.target_directory.clone().into_std_path_buf(), guests, test_guests })
    }

    /// The guests of these names, or all of them where no name is given.
    pub(crate) fn choose_guests(&self, names: &[String]) -> Result<Vec<Guest>> {
        if names.is_empty() {
            return Ok(self.guests.clone());
        }
        let known = || self.guests.iter().map(|guest| guest.name.as_str()).collect::<Vec<_>>().join(", ");
        names
            .iter()
            .map(|name| match self.guests.iter().find(|guest| guest.name == *name) {
                Some(guest) => Ok(guest.clone()),
                None => bail!("there is no guest `{name}`; there are: {}", known()),
            })
            .collect()
    }

    /// The workspace with everything that it depends on when built for a board, as the lock file fixes it.
    pub(crate) fn metadata(&self) -> Result<Metadata> {
        metadata_command(&self.root)
            .other_options(["--locked", "--filter-platform", BOARD].map(str::to_owned))
            .exec()
            .context("cannot read what the workspace depends on")
    }

    /// `path` as it is written in messages: below the root where it is.
    pub(crate) fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

fn guests_below(metadata: &Metadata, folder: &str) -> Vec<Guest> {
    let mut guests: Vec<Guest> = metadata
        .workspace_packages()
        .into_iter()
        .filter(|package| package.manifest_path.starts_with(metadata.workspace_root.join(folder)))
        .filter(|package| package.targets.iter().any(|target| target.crate_types.contains(&CrateType::CDyLib)))
        .map(|package| Guest { name: package.name.to_string(), id: package.id.clone() })
        .collect();
    guests.sort_by(|one, other| one.name.cmp(&other.name));
    guests
}

/// The files under `root` that a checkout would hold, with their whole paths: nothing of git's own, nothing that was
/// built, nothing that a device kept.
pub(crate) fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let is_wanted = |entry: &walkdir::DirEntry| {
        let name = entry.file_name();
        let is_local =
            entry.depth() == 1 && ["target", "state", "google-client-secret"].iter().any(|&local| name == local);
        // What `npm` and `pip` install for the examples in other languages.
        let is_installed = ["node_modules", ".venv"].iter().any(|&installed| name == installed);
        name != ".git" && !is_local && !is_installed
    };
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(root).sort_by_file_name().into_iter().filter_entry(is_wanted) {
        let entry = entry.with_context(|| format!("cannot list {}", root.display()))?;
        if entry.file_type().is_file() {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}

fn metadata_command(root: &Path) -> MetadataCommand {
    let mut command = MetadataCommand::new();
    command.manifest_path(root.join("Cargo.toml"));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name != "CARGO" && process::is_left_by_cargo(name)) {
            command.env_remove(name);
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn this_workspace() -> Workspace {
        Workspace::at(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).expect("the workspace is readable")
    }

    #[test]
    fn every_crate_under_guests_but_the_sdk_and_the_examples_is_a_guest() {
        let workspace = this_workspace();
        let mut folders: Vec<String> = std::fs::read_dir(workspace.root.join("guests"))
            .expect("there are guests")
            .map(|entry| entry.expect("readable").file_name().into_string().expect("a plain name"))
            .filter(|name| name != "sdk" && name != "examples")
            .collect();
        folders.sort();
        let names: Vec<String> = workspace.guests.iter().map(|guest| guest.name.clone()).collect();
        assert_eq!(names, folders);
    }

    #[test]
    fn the_files_of_a_tree_are_its_sources_and_nothing_built() {
        let folder = tempfile::tempdir().expect("a folder");
        for file in [".cargo/config.toml", ".git/HEAD", "Cargo.toml", "host/src/target/one.rs", "state/x", "target/x"] {
            let file = folder.path().join(file);
            std::fs::create_dir_all(file.parent().expect("a parent")).expect("created");
            std::fs::write(file, "").expect("written");
        }
        let files = files(folder.path()).expect("listed");
        let names: Vec<_> = files.iter().flat_map(|file| file.strip_prefix(folder.path())).collect();
        assert_eq!(names, [".cargo/config.toml", "Cargo.toml", "host/src/target/one.rs"].map(Path::new));
    }

    #[test]
    fn a_name_that_is_no_guest_is_answered_with_those_that_are() {
        let error = this_workspace().choose_guests(&["timeclok".to_owned()]).expect_err("misspelt");
        assert!(error.to_string().contains("timeclok") && error.to_string().contains("timeclock"), "{error}");
    }

    #[test]
    fn without_names_all_guests_are_chosen_and_with_names_only_these() {
        let workspace = this_workspace();
        assert_eq!(workspace.choose_guests(&[]).expect("all").len(), workspace.guests.len());
        let chosen = workspace.choose_guests(&["webhook".to_owned()]).expect("one");
        assert_eq!(chosen.iter().map(|guest| guest.name.as_str()).collect::<Vec<_>>(), ["webhook"]);
    }
}
