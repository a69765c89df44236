//! `[device]`: who records, and in which time zone its people live.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::near::{did_you_mean, near};
use super::node::{Node, quote};

/// The most characters of a device's name.
const LONGEST_NAME: usize = 40;

/// Letters of an abbreviation such as `AEST`.
const LONGEST_ABBREVIATION: usize = 5;
/// Zones that are named for an abbreviation.
const MOST_ZONES: usize = 4;
/// A moment in January and one in July of 2026, in Unix seconds: whichever the hemisphere, one is in summer.
const HALVES_OF_A_YEAR: [i64; 2] = [1_767_960_000, 1_783_600_000];

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
            let message =
                format!("{} is not a time zone; accepted is an IANA name such as `Europe/Berlin`", quote(text));
            node.refuse_with_help(message, plan_help(&database, text))
        }
    }
}

/// What was meant by a name that is none. An abbreviation resembles others that are hours away: it is looked up, never
/// guessed.
fn plan_help(database: &TimeZoneDatabase, text: &str) -> Option<String> {
    let names: Vec<String> = database.available().map(|name| name.as_str().to_owned()).collect();
    if text.len() <= LONGEST_ABBREVIATION && text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return match &zones_abbreviated(database, &names, text)[..] {
            [] => None,
            [one] => Some(format!("`{one}` uses this abbreviation")),
            several => Some(format!("this abbreviation is used in `{}`", several.join("`, `"))),
        };
    }
    let names = || names.iter().map(String::as_str);
    let city = text.replace(' ', "_");
    near(text, names()).or_else(|| names().find(|name| name.ends_with(&format!("/{city}")))).map(did_you_mean)
}

/// Some zones of cities that use an abbreviation, in summer or in winter: of the part of the world that has the most.
fn zones_abbreviated<'n>(database: &TimeZoneDatabase, names: &'n [String], abbreviation: &str) -> Vec<&'n str> {
    let uses = |name: &str| {
        let Ok(zone) = database.get(name) else { return false };
        HALVES_OF_A_YEAR.iter().any(|second| {
            let moment = Timestamp::from_second(*second).unwrap_or_default();
            zone.to_offset_info(moment).abbreviation().eq_ignore_ascii_case(abbreviation)
        })
    };
    let mut regions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in names {
        if let Some((region, city)) = name.split_once('/')
            // Stations keep the time of the country that supplies them.
            && region != "Antarctica"
            // Others stand for no city: `Etc/GMT-1`, `Australia/NSW`.
            && city.bytes().any(|byte| byte.is_ascii_lowercase())
            && uses(name)
        {
            regions.entry(region).or_default().push(name);
        }
    }
    let mut found = regions.into_values().max_by_key(Vec::len).unwrap_or_default();
    found.truncate(MOST_ZONES);
    found
}
