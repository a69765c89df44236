//! `virtual-pi`: what runs inside the machine that `cargo xtask pi` starts, beside the package that is tried.
//!
//! `bus` is a real I2C bus of the kernel's, as far as the guest can tell: an `i2c-tiny-usb` adapter that is plugged into
//! `vhci-hcd`, and whose chips live in this process. Ending the process unplugs it. `agent` runs the commands that come
//! through a port of the machine. It knows nothing of Punchcard but its simulated chips and the form of its pictures.

// From the wire to the chips.
mod usb_ip;

mod tiny_usb;

mod bus;

mod panel;

mod agent;

mod clock;

mod keyboard;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Where the process of the bus tells what its panel shows.
const SOCKET: &str = "/run/virtual-pi-bus.sock";

#[derive(Parser)]
#[command(about = "What runs inside the virtual Pi of `cargo xtask pi`")]
struct CommandLine {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run the commands that come through a port, until the machine is turned off.
    Agent {
        /// The port, such as /dev/virtio-ports/NAME.
        port: PathBuf,
    },
    /// Be an I2C bus with an SSD1306 of 128x64 at 0x3c and a BME280 at 0x76, until it is ended. Needs vhci-hcd and
    /// i2c-tiny-usb.
    Bus,
    /// Have the kernel call its clock synchronised, as a time server's daemon does once it has set it.
    Synchronise,
    /// Say as JSON what the panel on the bus shows.
    Panel {
        /// Make a picture of it, too.
        #[arg(long, value_name = "FILE")]
        png: Option<PathBuf>,
    },
    /// Wait until the panel on the bus says that a press is recorded, with this notice.
    AwaitRecorded {
        /// Such as the name of a person.
        notice: String,
        /// Make a picture of it, too.
        #[arg(long, value_name = "FILE")]
        png: Option<PathBuf>,
    },
    /// Say whether a program has an input device for itself: `true` or `false`.
    IsGrabbed {
        /// The device's name in the kernel.
        name: String,
    },
}

fn main() -> ExitCode {
    let outcome: Result<()> = match CommandLine::parse().task {
        Task::Agent { port } => agent::run(&port),
        Task::Bus => bus::run(SOCKET.as_ref()),
        Task::Synchronise => clock::synchronise(),
        Task::Panel { png } => panel::ask(SOCKET.as_ref(), png.as_deref()),
        Task::AwaitRecorded { notice, png } => panel::await_recorded(SOCKET.as_ref(), &notice, png.as_deref()),
        Task::IsGrabbed { name } => keyboard::is_grabbed(&name).map(|is_grabbed| println!("{is_grabbed}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
