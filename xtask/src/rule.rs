//! What must hold of the tree, as code: who may depend on whom, and what may not stand in a file.
//!
//! The rules know crates, modules and tokens; they do not know what the code does. Each breach says where it is and
//! what to do instead. Nothing here compiles anything: the rules are quick enough to run before everything else.

mod dependency;

mod layer;

mod tidiness;

mod contract;

mod manual;

mod source;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::workspace::Workspace;

/// Something in the tree that a rule forbids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Breach {
    place: Place,
    /// What is there, and why that is wrong.
    what: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// By the name of the crate.
    Crate(String),
    /// A file below the root, and the line in it, counted from 1.
    Line(PathBuf, usize),
}

impl fmt::Display for Breach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Crate(name) => write!(formatter, "crate {name}: {}", self.what),
            Place::Line(file, line) => write!(formatter, "{}:{line}: {}", file.display(), self.what),
        }
    }
}

impl Breach {
    fn in_crate(name: &str, what: String) -> Self {
        Self { place: Place::Crate(name.to_owned()), what }
    }

    fn at(file: &Path, line: usize, what: String) -> Self {
        Self { place: Place::Line(file.to_owned(), line), what }
    }
}

/// Everything in `workspace` that breaks a rule.
pub(crate) fn find_breaches(workspace: &Workspace) -> Result<Vec<Breach>> {
    let mut breaches = dependency::find_breaches(&workspace.metadata()?);
    let files = source::read_tree(&workspace.root)?;
    breaches.extend(contract::find_breaches(&workspace.root)?);
    breaches.extend(layer::find_breaches(&files));
    breaches.extend(tidiness::find_breaches(&files));
    breaches.extend(manual::find_breaches(&files));
    Ok(breaches)
}
