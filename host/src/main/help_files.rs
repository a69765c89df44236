//! Writes into a folder what a package has of the program beside it: manual pages, completions for shells, and the
//! configuration before anybody was asked. For `cargo xtask dist`, which builds it for the machine that it runs on.

use std::io;
use std::path::PathBuf;

use clap::CommandFactory as _;
use clap_complete::Shell;
use punchcard::cli::Arguments;
use punchcard_core::setup::packaged_configuration;

fn main() -> io::Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| io::Error::other("into which folder?"))?;
    let command = Arguments::command().name("punchcard");
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command.clone(), "punchcard", &folder)?;
    }
    std::fs::write(folder.join("plugins.toml"), packaged_configuration())?;
    clap_mangen::generate_to(command, &folder)
}
