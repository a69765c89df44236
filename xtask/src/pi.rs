//! `cargo xtask pi`: the package on a virtual Pi.
//!
//! An arm64 Debian with its own systemd runs in QEMU, without a processor's help. Its kernel has a real I2C bus, whose chips
//! live in a process of ours (`host/virtual-pi`), and real GPIO lines, which are moved from outside. The package is
//! installed with apt, signs in at a stand-in for Google, and is used, unplugged, backed up and restored, cut off from its
//! power, upgraded and purged. The stand-in runs on this machine, as Google does not run on a Pi: it outlives a power cut. The machine reaches it
//! and nothing else.
//!
//! It is a command of its own, and not part of `cargo xtask test`: it installs packages on this machine, needs root, and
//! takes many minutes. What it downloaded is kept in `target/pi` for the next run.

mod need;

// The machine.
mod root;

mod image;

mod machine;

mod monitor;

mod line;

mod agent;

mod relay;

// What is tried on it.
mod configuration;

mod press;

mod device;

mod scenario;

mod check;

use std::fs;
use std::net::Ipv4Addr;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use self::machine::Setup;
use self::scenario::{Part, Trial};
use crate::dist::{self, Architecture, Contents};
use crate::stand_in::StandIn;
use crate::stopwatch::Stopwatch;
use crate::toolchain::{Source, Toolchain};
use crate::workspace::Workspace;
use crate::{guests, process};

pub(crate) use self::relay::{Arguments as RelayArguments, run as relay};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What to try, once it is installed and signed in; all when none is named.
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Make the root folder anew, from the packages that there are today.
    #[arg(long)]
    fresh: bool,
    /// Where the guests' standard library comes from; the first source that works when not given.
    #[arg(long, value_enum, value_name = "SOURCE")]
    std: Option<Source>,
}

/// Tries the package, and says how it went.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let watch = Stopwatch::start();
    let workspace = Workspace::of_this_program()?;
    need::provide()?;
    let folder = workspace.target.join("pi");
    let (run, pictures, packages) = (folder.join("run"), folder.join("pictures"), folder.join("packages"));
    if run.exists() {
        fs::remove_dir_all(&run).with_context(|| format!("cannot empty {}", run.display()))?;
    }
    for folder in [&run, &pictures, &packages] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let parts = root::provide(&folder, arguments.fresh)?;
    println!("root folder: {} ({:.0} s)", workspace.relative(&parts.root).display(), watch.elapsed().as_secs_f64());

    let toolchain = Toolchain::find(&workspace, arguments.std)?;
    let guests = guests::build(&workspace, &toolchain, &workspace.guests, &guests::default_folder(&workspace))?;
    let program = dist::build(&workspace, Architecture::Arm64, "punchcard")?;
    let inside = dist::build(&workspace, Architecture::Arm64, "virtual-pi")?;
    let mut stand_in = process::cargo();
    stand_in.current_dir(&workspace.root).args(["build", "--locked", "--package", "google-sim", "--bins"]);
    process::perform(&mut stand_in)?;
    let help = dist::write_help_files(&workspace)?;
    let contents = Contents { architecture: Architecture::Arm64, program: &program, guests: &guests, help: &help };
    let package = contents.pack(&workspace, dist::VERSION, &packages)?;
    let next_package = contents.pack(&workspace, &format!("{}+next", dist::VERSION), &packages)?;

    let disk = run.join("disk");
    image::make_disk(&parts, &[&inside, &package, &next_package], &disk)?;
    let initial = image::make_initial(&parts, &run)?;
    println!("built and packed after {:.0} s", watch.elapsed().as_secs_f64());
    let stand_in = StandIn::start(&workspace.target.join("debug/google-sim"), &run, Ipv4Addr::LOCALHOST)?;
    let address = stand_in.origin().trim_start_matches("http://").to_owned();
    let setup = Setup { parts: &parts, initial: &initial, disk: &disk, folder: &run, stand_in: &address };
    let trial = Trial {
        setup,
        stand_in: &stand_in,
        package: &package,
        next_package: &next_package,
        parts: &arguments.parts,
        pictures: &pictures,
    };
    let checks = scenario::run(&trial);
    println!(
        "all of it took {:.0} s; logs are in {}",
        watch.elapsed().as_secs_f64(),
        workspace.relative(&run).display()
    );
    println!("{}", checks.render());
    Ok(if checks.all_passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
