//! `punchcard plugin new`: a folder with a plugin that works and a test that fails when it does not. Nothing that is there is
//! overwritten.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use punchcard_core::name::PluginName;
use thiserror::Error;

use super::super::exit::{Exit, Failure};
use super::super::output::print_line;

#[derive(Debug, Args)]
pub(in super::super) struct NewArguments {
    /// What it is called: in `[plugins]`, and its folder.
    name: String,
    /// What it does.
    #[arg(long, value_enum)]
    world: NewWorld,
    /// What it is written in.
    #[arg(long, value_enum, default_value = "rust")]
    language: Language,
    /// Where the folder goes; here when not given.
    #[arg(long, value_name = "DIR", default_value = ".")]
    within: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum NewWorld {
    /// Events to rows.
    Formatter,
    /// Rows into a service.
    Connector,
    /// Reads a sensor.
    Sensor,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    /// Rust.
    Rust,
    /// JavaScript.
    Js,
    /// Python.
    Python,
}

/// Why there is no new plugin.
#[derive(Debug, Error)]
enum NewError {
    #[error("`{0}` is no plugin's name; accepted are small letters, digits and hyphens, beginning with a letter")]
    Name(String),
    #[error("`{}` is there already, and nothing is overwritten; choose another name, or another folder with --within", .0.display())]
    Exists(PathBuf),
    #[error("`{path}` can't be written", path = .path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// The files of version 0.1 of the contract.
const CONTRACT: [(&str, &str); 8] = [
    ("auth-flow.wit", include_str!("../../../../wit/v0.1/auth-flow.wit")),
    ("delivery.wit", include_str!("../../../../wit/v0.1/delivery.wit")),
    ("http.wit", include_str!("../../../../wit/v0.1/http.wit")),
    ("records.wit", include_str!("../../../../wit/v0.1/records.wit")),
    ("row-format.wit", include_str!("../../../../wit/v0.1/row-format.wit")),
    ("source.wit", include_str!("../../../../wit/v0.1/source.wit")),
    ("types.wit", include_str!("../../../../wit/v0.1/types.wit")),
    ("worlds.wit", include_str!("../../../../wit/v0.1/worlds.wit")),
];

/// A file of a plugin's folder, and what stands in it.
type File = (&'static str, &'static str);

macro_rules! template {
    ($path:literal) => {
        include_str!(concat!("templates/", $path))
    };
}

/// A formatter in another language is the one of `guests/examples`.
macro_rules! example {
    ($path:literal) => {
        include_str!(concat!("../../../../guests/examples/", $path))
    };
}

const RUST: &[File] = &[
    ("Cargo.toml", template!("rust/Cargo.toml.in")),
    (".cargo/config.toml", template!("rust/config.toml")),
    (".gitignore", "/target\n"),
];
const JS: &[File] = &[
    ("package.json", template!("js/package.json")),
    ("package-lock.json", example!("javascript/package-lock.json")),
    ("build.mjs", example!("javascript/build.mjs")),
    (".gitignore", example!("javascript/.gitignore")),
];
const PYTHON: &[File] = &[
    ("requirements.txt", example!("python/requirements.txt")),
    ("build.py", example!("python/build.py")),
    (".gitignore", example!("python/.gitignore")),
];

impl Language {
    /// What every world's plugin has in this language, and what this one's has.
    fn files(self, world: NewWorld) -> [&'static [File]; 2] {
        let own: &[File] = match (self, world) {
            (Self::Rust, NewWorld::Formatter) => &[("src/lib.rs", template!("rust/formatter.rs"))],
            (Self::Rust, NewWorld::Connector) => &[("src/lib.rs", template!("rust/connector.rs"))],
            (Self::Rust, NewWorld::Sensor) => &[("src/lib.rs", template!("rust/sensor.rs"))],
            (Self::Js, NewWorld::Formatter) => &[
                ("plugin.js", example!("javascript/plugin.js")),
                ("plugin.test.js", example!("javascript/plugin.test.js")),
            ],
            (Self::Js, NewWorld::Connector) => {
                &[("plugin.js", template!("js/connector.js")), ("plugin.test.js", template!("js/connector.test.js"))]
            }
            (Self::Js, NewWorld::Sensor) => &[
                ("plugin.js", template!("js/sensor.js")),
                ("celsius.js", template!("js/celsius.js")),
                ("plugin.test.js", template!("js/sensor.test.js")),
            ],
            (Self::Python, NewWorld::Formatter) => &[
                ("plugin.py", example!("python/plugin.py")),
                ("counting.py", example!("python/counting.py")),
                ("plugin_test.py", example!("python/plugin_test.py")),
            ],
            (Self::Python, NewWorld::Connector) => &[
                ("plugin.py", template!("python/connector.py")),
                ("judging.py", template!("python/judging.py")),
                ("plugin_test.py", template!("python/connector_test.py")),
            ],
            (Self::Python, NewWorld::Sensor) => &[
                ("plugin.py", template!("python/sensor.py")),
                ("celsius.py", template!("python/celsius.py")),
                ("plugin_test.py", template!("python/sensor_test.py")),
            ],
        };
        let common = match self {
            Self::Rust => RUST,
            Self::Js => JS,
            Self::Python => PYTHON,
        };
        [common, own]
    }

    /// What its author types, and what comes of it.
    fn commands(self, world: NewWorld, name: &str) -> Commands {
        match self {
            Self::Rust => Commands {
                test: "cargo test",
                build: "cargo plugin".to_owned(),
                component: format!("target/wasm32-wasip2/release/{}.wasm", name.replace('-', "_")),
            },
            Self::Js => {
                Commands { test: "npm test", build: "npm run build".to_owned(), component: format!("{name}.wasm") }
            }
            Self::Python => Commands {
                test: "python3 -m unittest plugin_test",
                build: format!("python3 build.py {} {name}", world.name()),
                component: format!("{name}.wasm"),
            },
        }
    }
}

struct Commands {
    test: &'static str,
    build: String,
    component: String,
}

impl NewWorld {
    fn name(self) -> &'static str {
        match self {
            Self::Formatter => "formatter",
            Self::Connector => "connector",
            Self::Sensor => "sensor",
        }
    }

    /// How it is tried.
    fn trial(self) -> &'static str {
        match self {
            Self::Formatter => " --events events.csv",
            Self::Connector => " --events rows.csv --settings '{\"url\":\"https://rows.example/in\"}'",
            Self::Sensor => "",
        }
    }

    /// What it is tried with.
    fn table(self) -> Option<File> {
        match self {
            Self::Formatter => Some((
                "events.csv",
                "at,project\n2026-03-02 09:02,Garden\n2026-03-02 11:40,Shed\n2026-03-02 12:05,Garden\n",
            )),
            Self::Connector => Some(("rows.csv", "project,hours:number\nGarden,1.5\nShed,0.25\n")),
            Self::Sensor => None,
        }
    }
}

pub(super) fn new(arguments: &NewArguments) -> Result<Exit, Failure> {
    let NewArguments { name, world, language, within } = arguments;
    let folder = write_project(name, *world, *language, within).map_err(Failure::general)?;
    let Commands { test, build, component } = language.commands(*world, name);
    let (place, trial) = (folder.display(), world.trial());
    print_line(format_args!("{place} is a {} that works. Go on with:\n", world.name()))?;
    print_line(format_args!("  cd {place}\n  {test}\n  {build}\n  punchcard plugin test {component}{trial}\n"))?;
    print_line(format_args!("Then name {component} in [plugins] of plugins.toml."))?;
    Ok(Exit::Success)
}

fn write_project(name: &str, world: NewWorld, language: Language, within: &Path) -> Result<PathBuf, NewError> {
    if PluginName::parse(name).is_err() || !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Err(NewError::Name(name.to_owned()));
    }
    let folder = within.join(name);
    match fs::create_dir_all(within).and_then(|()| fs::create_dir(&folder)) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(NewError::Exists(folder)),
        Err(source) => return Err(NewError::Write { path: folder, source }),
    }
    let contract = CONTRACT.map(|(file, text)| (format!("wit/{file}"), text));
    let [common, own] = language.files(world);
    let files = common.iter().chain(own).copied().chain(world.table()).map(|(file, text)| (file.to_owned(), text));
    for (file, text) in files.chain(contract) {
        let path = folder.join(file);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        let text = text.replace("{{name}}", name).replace("{{world}}", world.name());
        made.and_then(|()| fs::write(&path, text)).map_err(|source| NewError::Write { path, source })?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_has_the_contract_and_no_placeholder_left_and_overwrites_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for world in NewWorld::value_variants() {
            for language in Language::value_variants() {
                let name = format!("{}-{language:?}", world.name()).to_lowercase();
                let project = write_project(&name, *world, *language, folder.path()).unwrap();
                for file in ["wit/worlds.wit", "wit/types.wit"] {
                    assert!(project.join(file).is_file(), "{name}/{file}");
                }
                let [common, own] = language.files(*world);
                for (file, _) in common.iter().chain(own) {
                    let text = fs::read_to_string(project.join(file)).unwrap();
                    assert!(!text.contains("{{"), "{name}/{file}");
                }
                let error = write_project(&name, *world, *language, folder.path()).unwrap_err();
                assert!(error.to_string().contains("nothing is overwritten"), "{error}");
            }
        }
        for name in ["", "../x", "Big", "1st", "a b"] {
            let error = write_project(name, NewWorld::Formatter, Language::Js, folder.path()).unwrap_err();
            assert!(matches!(error, NewError::Name(_)), "{name}: {error}");
        }
    }

    #[test]
    fn the_contract_is_whole() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/v0.1");
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name()).collect();
        files.sort();
        assert_eq!(files, CONTRACT.map(|(file, _)| file));
    }
}
