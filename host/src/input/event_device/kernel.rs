//! The kernel's input devices: found by name or link, opened, and grabbed.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use evdev::KeyCode;
use evdev::raw_stream::RawDevice;
use punchcard_core::config::input::InputDevice;
use punchcard_core::key::code::TYPING;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use thiserror::Error;

use super::typist::{KeyDevice, RawEvent};

/// Where the kernel tells the names of its devices, to everybody.
const CLASS: &str = "/sys/class/input";
/// Where their files are.
const FILES: &str = "/dev/input";

/// Why an input device can't be read.
#[derive(Debug, Error)]
pub enum DeviceError {
    /// It is away.
    #[error("{device} is not plugged in{}", render_others(others))]
    Away {
        /// As plugins.toml names it.
        device: InputDevice,
        /// The names that there are.
        others: Vec<String>,
    },
    /// Several devices have its name.
    #[error(
        "{} devices are called {device}; name it by its link in /dev/input/by-id, or by its socket in /dev/input/by-path",
        paths.len()
    )]
    Several {
        /// As plugins.toml names it.
        device: InputDevice,
        /// Their files.
        paths: Vec<PathBuf>,
    },
    /// Its file may not be opened.
    #[error("this user may not read {}; add the user to the group `input` (`usermod -aG input USER`)", path.display())]
    NotAllowed {
        /// Its file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is no input device", path.display())]
    NoInputDevice {
        /// The file.
        path: PathBuf,
    },
    /// Another program has it for itself.
    #[error("another program, or another input, has {} for itself", path.display())]
    InUse {
        /// Its file.
        path: PathBuf,
    },
    /// A key is held while it is to be grabbed: who had the keys before would never hear that it was let go.
    #[error("a key of {} is held down; it is read once the key is let go", path.display())]
    KeyIsHeld {
        /// Its file.
        path: PathBuf,
    },
    /// The system refuses for another reason.
    #[error("{} can't be read", path.display())]
    Refused {
        /// Its file, or a folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

fn render_others(others: &[String]) -> String {
    match others {
        [] => String::new(),
        others => format!("; there is `{}`", others.join("`, `")),
    }
}

/// A device that was grabbed. It is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Grabbed(RawDevice);

/// Whether a device is plugged in and may be read. It is opened, and stays with whoever has it.
///
/// # Errors
/// When it is away, when several have its name, or when this user may not read it.
pub fn look_at_device(device: &InputDevice) -> Result<(), DeviceError> {
    find(device).map(drop)
}

/// The names of all devices, each once, in their order.
///
/// # Errors
/// When the kernel does not list them.
pub fn names_of_devices() -> Result<Vec<String>, DeviceError> {
    let class = Path::new(CLASS);
    let named = names(class).map_err(|source| DeviceError::Refused { path: class.to_owned(), source })?;
    let unique: BTreeSet<String> = named.into_iter().map(|(name, _)| name).collect();
    Ok(unique.into_iter().collect())
}

/// Finds a device, and opens it.
fn find(device: &InputDevice) -> Result<(PathBuf, RawDevice), DeviceError> {
    match device {
        InputDevice::Path(path) => open_file(path).map_err(|error| match error {
            DeviceError::Refused { source, .. } if source.kind() == ErrorKind::NotFound => {
                DeviceError::Away { device: device.clone(), others: Vec::new() }
            }
            other => other,
        }),
        InputDevice::Name(name) => open_named(device, name, Path::new(CLASS), Path::new(FILES)),
    }
}

/// Finds a device, opens it, and grabs it.
pub(super) fn open(device: &InputDevice) -> Result<Grabbed, DeviceError> {
    let (path, mut raw) = find(device)?;
    let refused = |source| refusal(&path, source);
    if raw.get_key_state().map_err(refused)?.iter().next().is_some() {
        return Err(DeviceError::KeyIsHeld { path });
    }
    raw.grab().map_err(refused)?;
    Ok(Grabbed(raw))
}

/// A device by its name in the kernel. A keyboard is often several devices, and its volume keys may have its name too: then
/// it is the one that types.
fn open_named(
    device: &InputDevice,
    name: &str,
    class: &Path,
    files: &Path,
) -> Result<(PathBuf, RawDevice), DeviceError> {
    let named = names(class).map_err(|source| DeviceError::Refused { path: class.to_owned(), source })?;
    let mut others: Vec<String> = named.iter().map(|(name, _)| name.clone()).collect();
    let mut opened = Vec::new();
    for (_, file) in named.iter().filter(|(found, _)| found == name) {
        opened.push(open_file(&files.join(file))?);
    }
    if opened.len() > 1 {
        let types = |raw: &RawDevice| {
            raw.supported_keys().is_some_and(|keys| TYPING.iter().any(|code| keys.contains(KeyCode::new(*code))))
        };
        let paths = opened.iter().map(|(path, _)| path.clone()).collect();
        opened.retain(|(_, raw)| types(raw));
        if opened.len() != 1 {
            return Err(DeviceError::Several { device: device.clone(), paths });
        }
    }
    opened.pop().ok_or_else(|| {
        others.sort();
        others.dedup();
        DeviceError::Away { device: device.clone(), others }
    })
}

/// The names of all devices, with the names of their files.
fn names(class: &Path) -> io::Result<Vec<(String, String)>> {
    let entries = match fs::read_dir(class) {
        Ok(entries) => entries,
        // A kernel without input devices.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut named = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Some(file) = entry.file_name().to_str().filter(|file| file.starts_with("event")).map(str::to_owned) else {
            continue;
        };
        match fs::read_to_string(entry.path().join("device/name")) {
            Ok(name) => named.push((name.trim().to_owned(), file)),
            // It was unplugged meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(named)
}

fn open_file(path: &Path) -> Result<(PathBuf, RawDevice), DeviceError> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| refusal(path, errno.into()))?;
    let raw = RawDevice::from_fd(file).map_err(|error| refusal(path, error))?;
    Ok((path.to_owned(), raw))
}

fn refusal(path: &Path, source: io::Error) -> DeviceError {
    let path = path.to_owned();
    match Errno::from_io_error(&source) {
        Some(Errno::ACCESS | Errno::PERM) => DeviceError::NotAllowed { path },
        Some(Errno::NOTTY | Errno::INVAL) => DeviceError::NoInputDevice { path },
        Some(Errno::BUSY) => DeviceError::InUse { path },
        _ => DeviceError::Refused { path, source },
    }
}

impl AsFd for Grabbed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl KeyDevice for Grabbed {
    fn fetch(&mut self) -> io::Result<Vec<RawEvent>> {
        match self.0.fetch_events() {
            Ok(events) => Ok(events
                .map(|event| RawEvent {
                    at: event.timestamp(),
                    kind: event.event_type().0,
                    code: event.code(),
                    value: event.value(),
                })
                .collect()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn wall(&self) -> SystemTime {
        let now = clock_gettime(ClockId::Realtime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        SystemTime::UNIX_EPOCH + Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_name(name: &str) -> InputDevice {
        InputDevice::Name(name.to_owned())
    }

    #[test]
    fn a_device_that_is_away_is_said_with_those_that_there_are() {
        let folder = tempfile::tempdir().unwrap();
        for (file, name) in [("event0", "gpio-keys\n"), ("event1", "HID Reader\n"), ("mouse0", "HID Reader\n")] {
            let device = folder.path().join(file).join("device");
            fs::create_dir_all(&device).unwrap();
            fs::write(device.join("name"), name).unwrap();
        }
        fs::create_dir_all(folder.path().join("event2")).unwrap();
        let open = |name: &str| open_named(&by_name(name), name, folder.path(), folder.path()).unwrap_err().to_string();
        assert_eq!(open("Keypad"), "`Keypad` is not plugged in; there is `HID Reader`, `gpio-keys`");
        // Found by its name; the file is none of the kernel's.
        let file = folder.path().join("event1");
        assert_eq!(open("HID Reader"), format!("{} is no input device", file.display()));
        let none = open_named(&by_name("x"), "x", &folder.path().join("absent"), folder.path()).unwrap_err();
        assert_eq!(none.to_string(), "`x` is not plugged in");
    }

    #[test]
    fn why_a_device_is_refused_is_said_with_what_to_do() {
        let away = open(&InputDevice::Path("/dev/input/by-id/absent".into())).unwrap_err();
        assert_eq!(away.to_string(), "`/dev/input/by-id/absent` is not plugged in");
        let null = open(&InputDevice::Path("/dev/null".into())).unwrap_err();
        assert_eq!(null.to_string(), "/dev/null is no input device");
        let table = [
            (Errno::ACCESS, "group `input`"),
            (Errno::PERM, "group `input`"),
            (Errno::BUSY, "has /dev/x for itself"),
            (Errno::IO, "/dev/x can't be read"),
        ];
        for (errno, said) in table {
            let error = refusal(Path::new("/dev/x"), errno.into()).to_string();
            assert!(error.contains(said), "{errno:?}: {error}");
        }
    }
}
