//! `cargo xtask demo`: the whole way from a press to a row, on one machine, without an account.
//!
//! It builds the guests and the host, starts a stand-in Google on loopback, or with `--lan` where a phone reaches it, and
//! lets a device run against it. With `--hardware simulated` its panel is an OLED on a simulated bus, and with
//! `--architecture` it is a program for another processor, under emulation where this machine has another one.
//!
//! With `--auto` nobody need be there: the code is entered as a browser would, presses come from a script, the device is
//! restarted once in between, and what the stand-in's sheet then holds is compared with the script. The device is only
//! ever pressed and looked at; what it says of itself decides when to go on, never whether all went well.

mod configuration;

mod credentials;

mod lan;

mod oled;

mod device;

mod script;

mod update;

use std::io::{BufRead as _, IsTerminal as _};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use self::configuration::Demonstration;
use self::device::{Device, Key, Start};
use self::oled::Oled;
use self::script::{PROJECTS, Step};
use self::update::Scene;
use crate::dist::{self, Architecture};
use crate::emulator::Emulator;
use crate::report::Report;
use crate::stand_in::StandIn;
use crate::toolchain::{Source, Toolchain};
use crate::workspace::Workspace;
use crate::{guests, patience, process};

/// For the device to show a code, to find that it is signed in, to record a press: seconds, on a slow board.
const DEVICE_LIMIT_FOR: Duration = Duration::from_secs(60);

/// For all rows to arrive. The quota of the stand-in may make a batch wait for a minute.
const DELIVERY_LIMIT_FOR: Duration = Duration::from_mins(3);

/// For an OLED to show what the device says that it shows: a text that scrolls comes to rest.
const FRAME_LIMIT_FOR: Duration = Duration::from_secs(20);

#[derive(Default, clap::Args)]
pub(crate) struct Arguments {
    /// What happens beside the presses.
    #[arg(value_enum, requires = "auto")]
    pub(crate) scene: Option<SceneName>,
    /// Do it all with nobody present, and compare the sheet with the script.
    #[arg(long)]
    pub(crate) auto: bool,
    /// Serve the stand-in in the local network, so that a phone can scan the panel's QR code and open its pages. Everybody
    /// there can. The address is this machine's, or the one that is given.
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, require_equals = true)]
    pub(crate) lan: Option<Option<Ipv4Addr>>,
    /// What is connected to the device. With simulated hardware its panel is an OLED, and what that chip shows is compared with
    /// what the device says that it shows.
    #[arg(long, value_enum, value_name = "HARDWARE")]
    pub(crate) hardware: Option<Hardware>,
    /// Run the device as a program for this processor, as it is released, under emulation where this machine has another one.
    /// The stand-in runs as it is.
    #[arg(long, value_enum, value_name = "ARCHITECTURE")]
    pub(crate) architecture: Option<Architecture>,
    /// Where the guests' standard library comes from; the first source that works when not given.
    #[arg(long, value_enum, value_name = "SOURCE")]
    pub(crate) std: Option<Source>,
    /// Whether it is one of the checks: the programs are then those that the tests have built, whose features are others, so
    /// that nothing is built twice.
    #[arg(skip)]
    pub(crate) after_tests: bool,
}

/// What happens beside the presses of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SceneName {
    /// A publisher publishes a broken and then a good version of a plugin.
    Update,
    /// The device signs in with a key and with a browser, and fetches a list of tasks to choose from.
    Credentials,
}

/// What is connected to the device of a demonstration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Hardware {
    /// An OLED of 128×64 pixels on a bus, simulated.
    Simulated,
}

/// The programs that take part.
struct Programs {
    host: PathBuf,
    /// What runs the host, where this machine's processor does not.
    emulator: Option<Emulator>,
    stand_in: PathBuf,
    /// What signs plugins, where the scene needs it.
    publisher: Option<PathBuf>,
}

/// Runs the demonstration.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let has_person = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if !(arguments.auto || has_person) {
        bail!("nobody can press keys without a terminal; `cargo xtask demo --auto` needs none");
    }
    let address = match arguments.lan {
        None => Ipv4Addr::LOCALHOST,
        Some(given) => given.map_or_else(lan::find_address, Ok).and_then(lan::parse_private)?,
    };
    let workspace = Workspace::of_this_program()?;
    let toolchain = Toolchain::find(&workspace, arguments.std)?;
    eprintln!("building the guests with {}", toolchain.description);
    let plugins = guests::default_folder(&workspace);
    guests::build(&workspace, &toolchain, &workspace.guests, &plugins)?;
    let programs = build_programs(&workspace, arguments)?;

    // The stand-in forgets everything when it ends, so a device that remembered would only be confused.
    // A script must not pull the folder away from under a device that somebody is trying by hand.
    let folder = workspace.target.join(if arguments.auto { "demo-auto" } else { "demo" });
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let stand_in = StandIn::start(&programs.stand_in, &folder, address)?;
    let oled = arguments.hardware.map(|Hardware::Simulated| Oled::plug_in(&folder)).transpose()?;
    let demonstration = Demonstration {
        stand_in: stand_in.origin(),
        plugins: &plugins,
        is_automatic: arguments.auto,
        has_oled: oled.is_some(),
    };
    let configuration = demonstration.write(&folder)?;
    let prepare = |publisher| Scene::prepare(publisher, &folder, &plugins, &configuration);
    let scene = programs.publisher.map(prepare).transpose()?;
    let signs_in_by_web = arguments.scene == Some(SceneName::Credentials);
    if signs_in_by_web {
        credentials::prepare(&stand_in, &folder, &plugins, &configuration)?;
    }
    let start = Start { program: programs.host, emulator: programs.emulator, oled, configuration };
    let device = Device::new(start, &folder);
    if arguments.auto { run_script(&stand_in, device, scene, signs_in_by_web) } else { run_by_hand(&stand_in, &device) }
}

fn build_programs(workspace: &Workspace, arguments: &Arguments) -> Result<Programs> {
    eprintln!("building the host and the stand-in; the first time that takes some minutes");
    let mut command = process::cargo();
    command.current_dir(&workspace.root);
    command.args(["build", "--locked"]);
    if arguments.after_tests {
        command.args(["--workspace", "--all-targets"]);
    } else {
        command.args(["--package", "google-sim", "--bins"]);
        if arguments.architecture.is_none() {
            command.args(["--package", "punchcard"]);
        }
        if arguments.scene == Some(SceneName::Update) {
            command.args(["--package", "punchcard-publisher"]);
        }
    }
    process::perform(&mut command)?;
    let programs = workspace.target.join("debug");
    let stand_in = existing(programs.join("google-sim"))?;
    let publisher = match arguments.scene {
        Some(SceneName::Update) => Some(existing(programs.join("punchcard-publisher"))?),
        _ => None,
    };
    let Some(architecture) = arguments.architecture else {
        return Ok(Programs { host: existing(programs.join("punchcard"))?, emulator: None, stand_in, publisher });
    };
    let emulator = Emulator::provide(architecture, &workspace.target.join("emulator"))?;
    let host = existing(dist::build(workspace, architecture, "punchcard")?)?;
    if let Some(emulator) = &emulator {
        emulator.try_out(&host)?;
    }
    Ok(Programs { host, emulator, stand_in, publisher })
}

fn existing(program: PathBuf) -> Result<PathBuf> {
    if !program.is_file() {
        bail!("cargo built no {}", program.display());
    }
    Ok(program)
}

/// A person presses the keys; the device can be restarted as often as they like.
fn run_by_hand(stand_in: &StandIn, device: &Device) -> Result<ExitCode> {
    let origin = stand_in.origin();
    let reached = reached_by(stand_in);
    println!(
        "
A stand-in for Google runs at {origin}/ and the device starts in this terminal.
  1. Open {origin}/device in a browser, enter the code that the panel shows, and allow it.
     Or, with curl:  curl -d user_code=CODE -d decision=allow {origin}/device
     {reached}
  2. Choose a project with the arrow keys and punch with the space bar: once to start, once to finish.
  3. Look at {origin}/ : a row appears for each start and finish.
Ctrl-C stops the device. What it does is written to {}.

Enter starts it.",
        device.log().display(),
    );
    loop {
        if !wait_for_enter()? {
            return Ok(ExitCode::SUCCESS);
        }
        let status = device.run_in_terminal()?;
        println!("\nThe device ended ({status}). Enter starts it again, as after a power cut; q and Enter ends all.");
    }
}

/// From where the panel's QR code leads to the stand-in.
fn reached_by(stand_in: &StandIn) -> &'static str {
    if stand_in.address().is_loopback() {
        "The QR code works on this machine alone: a phone reaches it with `cargo xtask demo --lan`."
    } else {
        "Or scan the panel's QR code with a phone in the same network. Whoever is in it can open these pages."
    }
}

/// Whether a person pressed Enter and nothing before it.
fn wait_for_enter() -> Result<bool> {
    let mut line = String::new();
    let length = std::io::stdin().lock().read_line(&mut line).context("cannot read from the terminal")?;
    Ok(length > 0 && line.trim().is_empty())
}

/// A person enters the code that the panel shows.
fn sign_in(stand_in: &StandIn, device: &mut Device) -> Result<()> {
    let prompt = device.await_report("show a code", DEVICE_LIMIT_FOR, Report::prompt)?;
    println!("It asks for the code {} to be entered at {}.", prompt.user_code, prompt.url);
    print_frame(device)?;
    stand_in.allow(&prompt.user_code)?;
    println!("The code was entered and allowed, as in a browser.");
    device.await_report("find that it is signed in", DEVICE_LIMIT_FOR, |report| report.is_authorized().then_some(()))
}

fn run_script(
    stand_in: &StandIn,
    mut device: Device,
    mut scene: Option<Scene>,
    signs_in_by_web: bool,
) -> Result<ExitCode> {
    println!("\nThe device starts.");
    device.start()?;
    if signs_in_by_web {
        credentials::sign_in(stand_in, &mut device, DEVICE_LIMIT_FOR)?;
    } else {
        sign_in(stand_in, &mut device)?;
    }
    print_frame(&device)?;

    let mut punches = 0;
    let mut differences = Vec::new();
    for step in script::plan() {
        match step {
            Step::Punch { project, meaning } => {
                punches += 1;
                device.press(Key::Space)?;
                device.await_report("record a press", DEVICE_LIMIT_FOR, |report| {
                    (report.events >= punches).then_some(())
                })?;
                println!("Punch {punches}: {project} {meaning}.");
                print_frame(&device)?;
            }
            Step::Turn => {
                if let Some(scene) = &mut scene {
                    differences.extend(scene.go_on(&device)?);
                }
                device.press(Key::Right)?;
            }
            Step::Restart => {
                device.stop()?;
                println!("The device stops, and starts again.");
                device.start()?;
                device.await_report("sign in without a person", DEVICE_LIMIT_FOR, |report| {
                    report.is_authorized().then_some(())
                })?;
                print_frame(&device)?;
            }
        }
        // Longer than the configuration's `debounce-ms`: what follows is another press and not the same.
        patience::rest(Duration::from_millis(2 * configuration::DEBOUNCE_MS));
    }

    // The device says when it is done; what it did is read from the sheet. Where it never says so, the sheet tells more
    // than the clock.
    let delivered =
        device.await_report("deliver everything", DELIVERY_LIMIT_FOR, |report| report.is_idle().then_some(()));
    print_frame(&device)?;
    device.stop()?;
    let rows = stand_in.rows(configuration::SPREADSHEET, configuration::TAB)?;
    println!("\nThe sheet, as the stand-in holds it:\n{}", script::render_sheet(&rows));
    let comparison = script::compare(&PROJECTS, &rows);
    for difference in comparison.differences.iter().chain(&differences) {
        println!("differs: {difference}");
    }
    if let Err(reason) = &delivered {
        println!("differs: {reason:#}");
    }
    println!(
        "demo: {punches} punches, {} rows in the sheet, {} lost, {} doubled",
        comparison.rows, comparison.lost, comparison.doubled
    );
    let is_right = comparison.differences.is_empty() && differences.is_empty() && delivered.is_ok();
    if !is_right {
        println!("what the device did is in {}", device.log().display());
    }
    Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints what the panel shows. Where it is an OLED, the chip has to show that.
fn print_frame(device: &Device) -> Result<()> {
    for line in device.frame(FRAME_LIMIT_FOR)?.lines() {
        println!("    {line}");
    }
    Ok(())
}
