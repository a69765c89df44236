//! Which crates a change touches: those whose files it changes, and those that depend on them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::process;
use crate::workspace::Workspace;

/// What a quick test has to look at.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Touched {
    /// Everything: a file that is no crate's own was changed, such as the lock file.
    All,
    /// These crates, by name; perhaps none.
    Crates(BTreeSet<String>),
}

/// A crate of the workspace.
#[derive(Debug)]
struct Member {
    name: String,
    /// Below the root.
    folder: PathBuf,
    /// Names of other members.
    depends_on: Vec<String>,
}

/// What the files touch that differ from the last commit or are not known to git.
pub(super) fn find_touched(workspace: &Workspace) -> Result<Touched> {
    let mut files = Vec::new();
    for arguments in [&["diff", "--name-only", "HEAD"][..], &["ls-files", "--others", "--exclude-standard"]] {
        // A name with other characters than ASCII stands in quotation marks otherwise.
        let git = ["-c", "core.quotePath=false"];
        let names = process::answer(Command::new("git").current_dir(&workspace.root).args(git).args(arguments))?;
        files.extend(names.lines().map(PathBuf::from));
    }
    Ok(plan_touched(&files, &members(workspace)?))
}

fn members(workspace: &Workspace) -> Result<Vec<Member>> {
    let metadata = workspace.metadata()?;
    let packages = metadata.workspace_packages().into_iter().map(|package| {
        let folder = package.manifest_path.parent().map_or(Path::new(""), |folder| folder.as_std_path());
        let own = package.dependencies.iter().filter(|dependency| dependency.path.is_some());
        Member {
            name: package.name.to_string(),
            folder: workspace.relative(folder).to_owned(),
            depends_on: own.map(|dependency| dependency.name.clone()).collect(),
        }
    });
    Ok(packages.collect())
}

fn plan_touched(files: &[PathBuf], members: &[Member]) -> Touched {
    let mut touched = BTreeSet::new();
    for file in files {
        let holders = members.iter().filter(|member| file.starts_with(&member.folder));
        match holders.max_by_key(|member| member.folder.components().count()) {
            Some(member) => {
                touched.insert(member.name.clone());
            }
            // A page of the manual changes no program.
            None if file.extension().is_some_and(|extension| extension == "md") => {}
            None => return Touched::All,
        }
    }
    loop {
        let dependents = members.iter().filter(|member| member.depends_on.iter().any(|name| touched.contains(name)));
        let news: Vec<_> =
            dependents.map(|member| member.name.clone()).filter(|name| !touched.contains(name)).collect();
        if news.is_empty() {
            return Touched::Crates(touched);
        }
        touched.extend(news);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_is_touched_by_its_files_and_by_what_it_depends_on() {
        let member = |name: &str, folder: &str, depends_on: &[&str]| Member {
            name: name.to_owned(),
            folder: folder.into(),
            depends_on: depends_on.iter().map(|name| (*name).to_owned()).collect(),
        };
        let members = [
            member("program", "host", &["ledger", "panel"]),
            member("core", "host/core", &[]),
            member("ledger", "host/ledger", &["core"]),
            member("panel", "host/panel", &["core"]),
            member("rig", "host/rig", &[]),
            member("guest", "guests/guest", &[]),
        ];
        let crates = |names: &[&str]| Touched::Crates(names.iter().map(|name| (*name).to_owned()).collect());
        let table: [(&[&str], Touched); 8] = [
            (&[], crates(&[])),
            (&["README.md", "docs/time.md"], crates(&[])),
            (&["host/ledger/src/lib.rs"], crates(&["ledger", "program"])),
            (&["host/core/src/lib.rs"], crates(&["core", "ledger", "panel", "program"])),
            (&["host/src/cli.rs", "guests/guest/Cargo.toml"], crates(&["guest", "program"])),
            (&["host/rigging.rs"], crates(&["program"])),
            (&["host/rig/src/lib.rs", "Cargo.lock"], Touched::All),
            (&["wit/v0.1/types.wit"], Touched::All),
        ];
        for (files, expected) in table {
            let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
            assert_eq!(plan_touched(&files, &members), expected, "{files:?}");
        }
    }

    #[test]
    fn the_crates_of_this_workspace_are_found_with_what_they_depend_on() {
        let workspace = Workspace::at(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).expect("readable");
        let members = members(&workspace).expect("metadata");
        let touched = plan_touched(&["host/ledger/src/lib.rs".into()], &members);
        let Touched::Crates(names) = touched else { panic!("{touched:?}") };
        assert!(names.contains("punchcard-ledger") && names.contains("punchcard"), "{names:?}");
        assert!(!names.contains("punchcard-core") && !names.contains("webhook"), "{names:?}");
    }
}
