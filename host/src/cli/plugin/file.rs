//! Where a component goes, and what is said where it can't be written.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use punchcard_core::config::Configuration;
use punchcard_core::name::PluginName;
use rustix::process::geteuid;
use thiserror::Error;

use crate::app::file::Links;

/// Where nothing else says it: beside plugins.toml.
const FOLDER: &str = "plugins";

/// A file that could not be written.
#[derive(Debug, Error)]
#[error("can't write {}; ask as a user who may, such as with `sudo`", path.display())]
pub(super) struct WriteError {
    path: PathBuf,
    source: io::Error,
}

/// Writes a file in the place of the one that is there: whole or not at all. What a link leads to is replaced.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<(), WriteError> {
    write(path, content, Links::Follow)
}

/// Writes a component, as [`replace`] does. Root follows no link: the folder may be the service's.
pub(super) fn replace_component(path: &Path, content: &[u8]) -> Result<(), WriteError> {
    write(path, content, if geteuid().is_root() { Links::Refuse } else { Links::Follow })
}

fn write(path: &Path, content: &[u8], links: Links) -> Result<(), WriteError> {
    crate::app::file::replace(path, content, links).map_err(|source| WriteError { path: path.to_owned(), source })
}

/// Makes a folder, where it is not there.
pub(super) fn make_folder(path: &Path) -> Result<(), WriteError> {
    fs::create_dir_all(path).map_err(|source| WriteError { path: path.to_owned(), source })
}

/// Where the component of a plugin goes, as plugins.toml names it. `folder`: that of plugins.toml; `digest`: of the component;
/// `is_free`: whether nothing stands at a path but that very component.
pub(super) fn choose_path(
    configuration: &Configuration,
    name: &PluginName,
    digest: &str,
    is_free: impl Fn(&Path) -> bool,
) -> PathBuf {
    let own = configuration.plugins.get(name).map(|plugin| plugin.path.as_path());
    let of_others = |path: &Path| {
        let mut others = configuration.plugins.iter().filter(|(other, _)| *other != name);
        others.any(|(_, plugin)| plain(&plugin.path) == plain(path))
    };
    let may_be_replaced = |path: &Path| !is_packaged(path) && !of_others(path);
    if let Some(own) = own.filter(|own| may_be_replaced(own)) {
        return own.to_owned();
    }
    let folder = usual_folder(configuration);
    let plain_name = folder.join(format!("{name}.wasm"));
    if may_be_replaced(&plain_name) && is_free(&plain_name) {
        return plain_name;
    }
    folder.join(format!("{name}-{}.wasm", digest.get(..12).unwrap_or(digest)))
}

/// The folder in which most plugins lie that are no package's.
fn usual_folder(configuration: &Configuration) -> PathBuf {
    let folders = configuration.plugins.values().filter(|plugin| !is_packaged(&plugin.path));
    let folders: Vec<&Path> = folders.filter_map(|plugin| plugin.path.parent()).collect();
    let count = |folder: &Path| folders.iter().filter(|other| **other == folder).count();
    let most = folders.iter().copied().max_by_key(|folder| count(folder));
    most.map_or_else(|| PathBuf::from(FOLDER), Path::to_owned)
}

/// What a package brings is the package's to replace.
fn is_packaged(path: &Path) -> bool {
    path.starts_with("/usr")
}

/// A path without `.`.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

#[cfg(test)]
mod tests {
    use punchcard_core::config::parse_configuration;

    use super::*;

    #[test]
    fn a_component_goes_where_the_others_are_and_takes_no_ones_place() {
        let table = [
            ("", &[][..], "plugins/clock.wasm"),
            ("a = 'p/a.wasm'\nb = 'p/b.wasm'\nc = 'q/c.wasm'", &[], "p/clock.wasm"),
            ("a = 'p/a.wasm'", &["p/clock.wasm"], "p/clock-0123456789ab.wasm"),
            ("a = '/usr/lib/punchcard/a.wasm'", &[], "plugins/clock.wasm"),
            // Its own file, wherever it is, but not a package's.
            ("a = 'p/a.wasm'\nclock = 'x.wasm'", &["x.wasm"], "x.wasm"),
            ("clock = '/usr/lib/punchcard/clock.wasm'", &[], "plugins/clock.wasm"),
            // Not that of another plugin.
            ("a = 'p/x.wasm'\nb = 'p/b.wasm'\nclock = './p/x.wasm'", &["p/x.wasm"], "p/clock.wasm"),
            ("a = 'clock.wasm'", &[], "clock-0123456789ab.wasm"),
        ];
        for (plugins, there, expected) in table {
            let text = format!("[device]\nname = \"x\"\n[panel]\ndriver = \"none\"\n[plugins]\n{plugins}\n");
            let configuration = parse_configuration(&text).unwrap();
            let is_free = |path: &Path| !there.iter().any(|there| Path::new(there) == path);
            let name = PluginName::parse("clock").unwrap();
            let chosen = choose_path(&configuration, &name, "0123456789abcdef", is_free);
            assert_eq!(chosen, Path::new(expected), "{plugins}");
        }
    }
}
