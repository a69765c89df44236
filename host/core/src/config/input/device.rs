//! An input device of the kernel's: what a reader, a keypad or a keyboard is plugged in as.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use super::super::node::Node;

/// The longest name or path, in characters.
const LONGEST: usize = 200;

/// How an input device is named. Both outlive a restart; the number of `/dev/input/eventN` does not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum InputDevice {
    /// By a link in `/dev`, such as those in `/dev/input/by-id` and `/dev/input/by-path`.
    Path(PathBuf),
    /// By the name that it has in the kernel.
    Name(String),
}

impl fmt::Display for InputDevice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(formatter, "`{}`", path.display()),
            Self::Name(name) => write!(formatter, "`{name}`"),
        }
    }
}

pub(super) fn parse_device(node: &Node<'_, '_>) -> Option<InputDevice> {
    let text = node.printable(LONGEST)?;
    if !text.starts_with('/') {
        return Some(InputDevice::Name(text.to_owned()));
    }
    let refuse = |what: &str| {
        let help = "`ls /dev/input/by-id` tells the links, `cat /proc/bus/input/devices` the names".to_owned();
        let accepted = "accepted is the name of a device, or a link in /dev such as one in /dev/input/by-id";
        node.refuse_with_help(format!("{} {what}; {accepted}", node.quote(text)), Some(help))
    };
    let path = Path::new(text);
    let is_plain = path.components().skip(1).all(|part| matches!(part, Component::Normal(_)));
    let number = text.strip_prefix("/dev/input/event");
    match path.strip_prefix("/dev") {
        _ if number.is_some_and(|number| number.parse::<u32>().is_ok()) => refuse("is another device after a restart"),
        Ok(inside) if is_plain && inside.file_name().is_some() => Some(InputDevice::Path(path.to_owned())),
        _ => refuse("is not in /dev"),
    }
}
