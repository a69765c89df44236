//! Whether the disk keeps what is written to it, has room, and how worn it is.

use std::path::{Path, PathBuf};

use super::Finding;

/// What a device needs at least to go on, in bytes: its log, a ledger that grows, compiled plugins.
const LEAST_ROOM: u64 = 100 << 20;
/// Of 11 steps of wear that a chip tells of (JESD84-B51, section 7.4.36): from this one on it should be replaced.
const WORN_STEP: u8 = 9;

/// A mount, as the kernel lists it in `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// `MAJOR:MINOR` of its device.
    pub device: String,
    /// Where.
    pub point: PathBuf,
    /// The file system.
    pub kind: String,
    /// It can't be written to.
    pub is_read_only: bool,
    /// An overlay's folder that takes what is written.
    pub upper: Option<PathBuf>,
}

/// Reads the kernel's list. A line in another form is left out.
#[must_use]
pub fn parse_mounts(mountinfo: &str) -> Vec<Mount> {
    mountinfo.lines().filter_map(parse_mount).collect()
}

fn parse_mount(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let fields: Vec<&str> = before.split(' ').collect();
    let mut after = after.split(' ');
    let (kind, _source, super_options) = (after.next()?, after.next()?, after.next()?);
    let options = fields.get(5)?.split(',').chain(super_options.split(','));
    let upper = super_options.split(',').find_map(|option| option.strip_prefix("upperdir="));
    Some(Mount {
        device: (*fields.get(2)?).to_owned(),
        point: unescape(fields.get(4)?).into(),
        kind: kind.to_owned(),
        is_read_only: options.into_iter().any(|option| option == "ro"),
        upper: upper.map(|upper| unescape(upper).into()),
    })
}

/// Takes back the octal escapes of spaces, tabs, line ends and backslashes.
fn unescape(text: &str) -> String {
    let mut plain = text.to_owned();
    for (escape, character) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
        plain = plain.replace(escape, character);
    }
    plain
}

/// The mount that a path lies in. `path` is absolute and without links.
#[must_use]
pub fn mount_of<'m>(mounts: &'m [Mount], path: &Path) -> Option<&'m Mount> {
    // Of two at the same place the later one covers the other.
    mounts.iter().filter(|mount| path.starts_with(&mount.point)).max_by_key(|mount| mount.point.components().count())
}

/// Says whether what is written below `path` outlives a restart. `command_line` is the kernel's.
#[must_use]
pub fn judge_keeping(mounts: &[Mount], path: &Path, command_line: &str) -> Finding {
    const CHECK: &str = "disk";
    let Some(mount) = mount_of(mounts, path) else {
        return Finding::unknown(CHECK, "the kernel does not say where the state folder lies");
    };
    let (kind, point) = (&mount.kind, mount.point.display());
    if mount.is_read_only {
        let remedy = format!("`sudo mount -o remount,rw {point}`; a card that turns read-only by itself is worn out");
        return Finding::bad(CHECK, &format!("{point} ({kind}) is read-only: nothing can be recorded"), &remedy);
    }
    let in_memory = |mount: &Mount| matches!(mount.kind.as_str(), "tmpfs" | "ramfs");
    let forgets = match &mount.upper {
        _ if in_memory(mount) => true,
        Some(upper) => mount_of(mounts, upper).is_some_and(in_memory) || has_overlay_root(command_line),
        None => false,
    };
    if forgets {
        let remedy = "turn the overlay off (`sudo raspi-config nonint do_overlayfs 1`, then restart), or put the state folder on \
                      a partition of its own with --state";
        return Finding::bad(CHECK, &format!("{point} ({kind}) forgets everything at a restart"), remedy);
    }
    if mount.upper.is_some() {
        return Finding::unknown(CHECK, &format!("{point} is an overlay; whether it outlives a restart can't be told"));
    }
    Finding::good(CHECK, &format!("{point} ({kind}) keeps what is written"))
}

/// Whether the root is an overlay in memory: `boot=overlay` is what raspi-config sets, `overlayroot=` what Debian's package
/// of that name reads.
fn has_overlay_root(command_line: &str) -> bool {
    command_line.split_whitespace().any(|word| word == "boot=overlay" || word.starts_with("overlayroot=tmpfs"))
}

/// How much room a file system has for this user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes that are free.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
    /// Files that can still be made. None: the file system has no limit of its own.
    pub files: Option<u64>,
}

/// Says whether there is room for what is recorded. `ledger`: the bytes of the ledger now; `may_have`: what it may have by
/// `history.keep-mib`.
#[must_use]
pub fn judge_room(room: Room, ledger: u64, may_have: u64) -> Finding {
    const CHECK: &str = "room";
    let seen = format!("{} free of {}; the ledger has {}", mib(room.free), mib(room.total), mib(ledger));
    let still_to_come = may_have.saturating_sub(ledger);
    if room.free < LEAST_ROOM || room.files.is_some_and(|files| files < 100) {
        let remedy = "make room: `sudo journalctl --vacuum-size=50M`, `sudo apt clean`, or take a larger card";
        Finding::bad(CHECK, &seen, remedy)
    } else if room.free < still_to_come.saturating_add(LEAST_ROOM) {
        let seen = format!("{seen}, and may have {}", mib(may_have));
        let remedy = "take a larger card, or give `[history]` in plugins.toml a smaller `keep-mib`";
        Finding::bad(CHECK, &seen, remedy)
    } else {
        Finding::good(CHECK, &seen)
    }
}

fn mib(bytes: u64) -> String {
    match bytes >> 20 {
        mib @ 0..10_240 => format!("{mib} MiB"),
        mib => format!("{} GiB", mib >> 10),
    }
}

/// What a card or a chip tells of its wear, as the kernel shows it. SD cards tell nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WearFacts {
    /// The name of the disk: `mmcblk0`.
    pub disk: String,
    /// `MMC` or `SD`, where it is one of these.
    pub kind: Option<String>,
    /// `life_time`: two steps of a tenth each, `0x01 0x02`.
    pub life_time: Option<String>,
    /// `pre_eol_info`: `0x01` normal, `0x02` 80 % of the reserve used, `0x03` 90 %.
    pub reserve: Option<String>,
}

/// Says how worn it is.
#[must_use]
pub fn judge_wear(facts: &WearFacts) -> Finding {
    const CHECK: &str = "wear";
    let number = |text: &str| u8::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok();
    let worst = facts.life_time.iter().flat_map(|steps| steps.split_whitespace()).filter_map(number).max();
    let reserve = facts.reserve.as_deref().and_then(number);
    let disk = &facts.disk;
    // 0 is "not defined" of both.
    let (worst, reserve) = (worst.filter(|step| *step > 0), reserve.filter(|state| *state > 0));
    match (worst, reserve) {
        (None, None) => {
            let why = match facts.kind.as_deref() {
                Some("SD") => "an SD card does not tell how worn it is",
                _ => "it does not tell how worn it is",
            };
            Finding::unknown(CHECK, &format!("{disk}: {why}"))
        }
        (step, reserve) => {
            let used = step.map(|step| match step {
                0..=10 => format!("at most {} % of its life is used", u16::from(step) * 10),
                _ => "it has lived longer than it was made for".to_owned(),
            });
            let left = reserve.filter(|state| *state > 1).map(|_| "its reserve is nearly used up".to_owned());
            let seen = [used, left].into_iter().flatten().collect::<Vec<_>>().join(", ");
            let seen =
                if seen.is_empty() { format!("{disk}: its reserve is normal") } else { format!("{disk}: {seen}") };
            if step.is_some_and(|step| step >= WORN_STEP) || reserve.is_some_and(|state| state > 1) {
                let remedy = "copy the state folder while the device is stopped, and put it on a new card";
                Finding::bad(CHECK, &seen, remedy)
            } else {
                Finding::good(CHECK, &seen)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkup::Verdict;

    const PI: &str = "\
24 30 0:22 / /proc rw,relatime shared:12 - proc proc rw
29 30 0:26 / /run rw,nosuid shared:5 - tmpfs tmpfs rw,size=84332k
30 1 179:2 / / rw,noatime shared:1 - ext4 /dev/root rw
40 30 179:1 / /boot/firm\\040ware rw,relatime shared:20 - vfat /dev/mmcblk0p1 rw,fmask=0022
";
    const OVERLAY: &str = "\
30 1 0:25 / / rw,noatime - overlay overlayroot rw,lowerdir=/media/root-ro,upperdir=/media/root-rw/overlay,workdir=/w
31 30 0:24 / /media/root-rw rw,relatime - tmpfs tmpfs-root rw
32 30 179:2 / /media/root-ro ro,relatime - ext4 /dev/mmcblk0p2 ro
33 30 179:3 / /var/lib/punchcard rw,relatime - ext4 /dev/mmcblk0p3 rw
";
    const HIDDEN: &str =
        "30 1 0:25 / / rw - overlay overlay rw,lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work\n";

    #[test]
    fn a_path_lies_in_the_deepest_mount_around_it() {
        let mounts = parse_mounts(PI);
        let device = |path: &str| mount_of(&mounts, Path::new(path)).map(|mount| mount.device.clone());
        assert_eq!(device("/var/lib/punchcard").as_deref(), Some("179:2"));
        assert_eq!(device("/boot/firm ware/config.txt").as_deref(), Some("179:1"));
        assert_eq!(device("/runner").as_deref(), Some("179:2"));
        assert_eq!(mount_of(&parse_mounts("nonsense\n\n1 2 - x\n"), Path::new("/")), None);
    }

    #[test]
    fn a_disk_that_forgets_is_told_from_one_that_keeps() {
        let read_only = "30 1 179:2 / / ro,noatime - ext4 /dev/root ro\n";
        for (mounts, path, command_line, verdict, seen) in [
            (PI, "/var/lib/punchcard", "", Verdict::Good, "/ (ext4) keeps what is written"),
            (PI, "/run/punchcard", "", Verdict::Bad, "/run (tmpfs) forgets everything at a restart"),
            (OVERLAY, "/etc", "", Verdict::Bad, "/ (overlay) forgets everything at a restart"),
            (OVERLAY, "/var/lib/punchcard", "", Verdict::Good, "/var/lib/punchcard (ext4) keeps what is written"),
            (HIDDEN, "/etc", "console=tty1 boot=overlay", Verdict::Bad, "/ (overlay) forgets everything at a restart"),
            (
                HIDDEN,
                "/etc",
                "overlayroot=tmpfs:recurse=0",
                Verdict::Bad,
                "/ (overlay) forgets everything at a restart",
            ),
            (HIDDEN, "/etc", "quiet", Verdict::Unknown, "/ is an overlay; whether it outlives a restart can't be told"),
            (read_only, "/etc", "", Verdict::Bad, "/ (ext4) is read-only: nothing can be recorded"),
            ("", "/etc", "", Verdict::Unknown, "the kernel does not say where the state folder lies"),
        ] {
            let found = judge_keeping(&parse_mounts(mounts), Path::new(path), command_line);
            assert_eq!((found.verdict, found.seen.as_str()), (verdict, seen), "{path} {command_line}");
        }
    }

    #[test]
    fn room_is_what_is_needed_until_the_history_is_full() {
        const MIB: u64 = 1 << 20;
        let room = |free| Room { free, total: 16_384 * MIB, files: None };
        let no_files = Room { files: Some(3), ..room(9_000 * MIB) };
        for (room, ledger, verdict, seen) in [
            (room(9_000 * MIB), 3 * MIB, Verdict::Good, "9000 MiB free of 16 GiB; the ledger has 3 MiB"),
            (room(99 * MIB), 256 * MIB, Verdict::Bad, "99 MiB free of 16 GiB; the ledger has 256 MiB"),
            (room(200 * MIB), 256 * MIB, Verdict::Good, "200 MiB free of 16 GiB; the ledger has 256 MiB"),
            (room(200 * MIB), 0, Verdict::Bad, "200 MiB free of 16 GiB; the ledger has 0 MiB, and may have 256 MiB"),
            (no_files, 0, Verdict::Bad, "9000 MiB free of 16 GiB; the ledger has 0 MiB"),
        ] {
            let found = judge_room(room, ledger, 256 * MIB);
            assert_eq!((found.verdict, found.seen.as_str()), (verdict, seen));
            assert_eq!(found.remedy.is_some(), verdict == Verdict::Bad);
        }
    }

    #[test]
    fn wear_is_said_where_the_chip_tells() {
        let facts = |kind: &str, life_time: Option<&str>, reserve: Option<&str>| WearFacts {
            disk: "mmcblk0".into(),
            kind: Some(kind.into()),
            life_time: life_time.map(str::to_owned),
            reserve: reserve.map(str::to_owned),
        };
        for (facts, verdict, seen) in [
            (facts("SD", None, None), Verdict::Unknown, "an SD card does not tell how worn it is"),
            (facts("MMC", Some("0x00 0x00\n"), Some("0x00\n")), Verdict::Unknown, "it does not tell"),
            (facts("MMC", Some("0x01 0x02\n"), Some("0x01\n")), Verdict::Good, "at most 20 % of its life is used"),
            (facts("MMC", None, Some("0x01\n")), Verdict::Good, "its reserve is normal"),
            (facts("MMC", Some("0x09 0x01\n"), None), Verdict::Bad, "at most 90 %"),
            (facts("MMC", Some("0x0b 0x01\n"), None), Verdict::Bad, "longer than it was made for"),
            (facts("MMC", Some("0x01 0x01\n"), Some("0x02\n")), Verdict::Bad, "its reserve is nearly used up"),
            (facts("MMC", Some("nonsense"), Some("")), Verdict::Unknown, "it does not tell"),
        ] {
            let found = judge_wear(&facts);
            assert_eq!(found.verdict, verdict, "{found:?}");
            assert!(found.seen.starts_with("mmcblk0: ") && found.seen.contains(seen), "{found:?}");
        }
    }
}
