//! `[device]`: who records, and in which time zone its people live.

use std::fmt;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::near::{did_you_mean, near};
use super::node::{Node, quote};

/// The most characters of a device's name.
const LONGEST_NAME: usize = 40;

/// The device.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    /// `name`: what its rows and its sign-in are known by.
    pub name: DeviceName,
    /// `time-zone`: an IANA name; UTC where it is left out.
    pub time_zone: TimeZone,
    /// `trust-clock`: believe the wall clock although neither the kernel nor a battery vouches for it.
    pub trust_clock: bool,
}

/// One line of 1 to 40 characters, none of them a control character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceName(String);

impl DeviceName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A device without a valid `[device]`: it has inputs and a ledger, but no sinks.
impl Default for Device {
    fn default() -> Self {
        Self { name: DeviceName("punchcard".to_owned()), time_zone: TimeZone::UTC, trust_clock: false }
    }
}

pub(super) fn parse_device(node: &Node<'_, '_>) -> Option<Device> {
    let mut table = node.table()?;
    let name = table.required("name", |node| Some(DeviceName(node.printable(LONGEST_NAME)?.to_owned())));
    let time_zone = table.optional("time-zone", TimeZone::UTC, parse_time_zone);
    let trust_clock = table.optional("trust-clock", false, Node::flag);
    table.finish()?;
    Some(Device { name: name?, time_zone: time_zone?, trust_clock: trust_clock? })
}

fn parse_time_zone(node: &Node<'_, '_>) -> Option<TimeZone> {
    let text = node.text()?;
    // The database that is part of the program: what is valid here is valid on every device.
    let database = TimeZoneDatabase::bundled();
    match database.get(text) {
        Ok(zone) if !zone.is_unknown() => Some(zone),
        _ => {
            let names: Vec<String> = database.available().map(|name| name.as_str().to_owned()).collect();
            let names = || names.iter().map(String::as_str);
            let city = text.replace(' ', "_");
            let meant = near(text, names()).or_else(|| names().find(|name| name.ends_with(&format!("/{city}"))));
            let message =
                format!("{} is not a time zone; accepted is an IANA name such as `Europe/Berlin`", quote(text));
            node.refuse_with_help(message, meant.map(did_you_mean))
        }
    }
}
