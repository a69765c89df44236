//! What the machine says of itself: its board, its disks, its clock chip, its groups. Only read, never changed.
//!
//! What the values mean is for `core::checkup` to say. It deliberately does not know plugins.toml, and no part of the device.
//! Where the kernel shows nothing, as on another kind of machine, there is no value, and that is no error.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use punchcard_core::checkup::board::Board;
use punchcard_core::checkup::disk::{Mount, Room, WearFacts, parse_mounts};
use rustix::process::Gid;

/// What sets the clock from the network, by the folder or file that is there while it runs.
const SYNCHRONISERS: [(&str, &str); 3] =
    [("run/systemd/timesync", "systemd-timesyncd"), ("run/chrony", "chrony"), ("run/ntpd.pid", "ntpd")];

/// A machine, below its root.
#[derive(Debug, Clone)]
pub struct Machine {
    root: PathBuf,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn here() -> Self {
        Self { root: "/".into() }
    }

    /// Which board it is.
    #[must_use]
    pub fn board(&self) -> Board {
        let model =
            ["proc/device-tree/model", "sys/class/dmi/id/product_name"].into_iter().find_map(|path| self.text(path));
        let system = self.text("etc/os-release").and_then(|text| {
            let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
            Some(name.trim_matches(['"', '\'']).to_owned())
        });
        let memory_kib = self.text("proc/meminfo").and_then(|text| {
            let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
            total.split_whitespace().next()?.parse().ok()
        });
        let kernel = self.text("proc/sys/kernel/osrelease").map(|release| format!("Linux {release}"));
        Board {
            model,
            system,
            kernel,
            processor: std::env::consts::ARCH.to_owned(),
            memory_kib,
            is_under_voltage: self.is_under_voltage(),
        }
    }

    /// What the kernel was started with.
    #[must_use]
    pub fn command_line(&self) -> String {
        self.text("proc/cmdline").unwrap_or_default()
    }

    /// What is mounted where.
    #[must_use]
    pub fn mounts(&self) -> Vec<Mount> {
        parse_mounts(&self.text("proc/self/mountinfo").unwrap_or_default())
    }

    /// How worn the disk below a mount is. None: there is none below it, as below what lies in memory.
    #[must_use]
    pub fn wear(&self, mount: &Mount) -> Option<WearFacts> {
        let partition = self.root.join("sys/dev/block").join(&mount.device).canonicalize().ok()?;
        // The disk of a partition is the folder around it.
        let is_disk = |folder: &Path| folder.join("queue").is_dir();
        let disk = partition.ancestors().take(2).find(|folder| is_disk(folder))?;
        let says = |name: &str| read(&disk.join("device").join(name));
        Some(WearFacts {
            disk: disk.file_name()?.to_string_lossy().into_owned(),
            kind: says("type"),
            life_time: says("life_time"),
            reserve: says("pre_eol_info"),
        })
    }

    /// The clock chip that the kernel names first.
    #[must_use]
    pub fn clock_chip(&self) -> Option<String> {
        let name = self.text("sys/class/rtc/rtc0/name")?;
        // Drivers add which device it is: `rtc-ds1307 1-0068`.
        name.split_whitespace().next().map(str::to_owned)
    }

    /// What sets the clock from the network.
    #[must_use]
    pub fn synchroniser(&self) -> Option<String> {
        let running = SYNCHRONISERS.iter().find(|(path, _)| self.root.join(path).exists());
        running.map(|(_, name)| (*name).to_owned())
    }

    /// The group of this name.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<Gid> {
        let groups = self.text("etc/group")?;
        // group(5): name, password, number, members.
        let line = groups.lines().find(|line| line.split(':').next() == Some(name))?;
        line.split(':').nth(2)?.parse().ok().map(Gid::from_raw)
    }

    /// The name servers that are asked (resolv.conf(5)).
    #[must_use]
    pub fn name_servers(&self) -> Vec<String> {
        let text = self.text("etc/resolv.conf").unwrap_or_default();
        let servers =
            text.lines().filter_map(|line| line.strip_prefix("nameserver")).map(|rest| rest.trim().to_owned());
        servers.collect()
    }

    /// Its name in the network.
    #[must_use]
    pub fn host_name(&self) -> Option<String> {
        self.text("proc/sys/kernel/hostname").filter(|name| !name.is_empty())
    }

    /// The time zone that the system is in, by its IANA name.
    #[must_use]
    pub fn time_zone(&self) -> Option<String> {
        let named = self.text("etc/timezone").filter(|name| !name.is_empty());
        named.or_else(|| {
            let link = fs::read_link(self.root.join("etc/localtime")).ok()?;
            link.to_str()?.split_once("zoneinfo/").map(|(_, name)| name.to_owned())
        })
    }

    /// `rpi_volt` is the driver of the Raspberry Pi's firmware (`drivers/hwmon/raspberrypi-hwmon.c`).
    fn is_under_voltage(&self) -> Option<bool> {
        let monitors = fs::read_dir(self.root.join("sys/class/hwmon")).ok()?;
        let monitor =
            monitors.flatten().find(|monitor| read(&monitor.path().join("name")).as_deref() == Some("rpi_volt"))?;
        read(&monitor.path().join("in0_lcrit_alarm")).map(|alarm| alarm != "0")
    }

    fn text(&self, path: &str) -> Option<String> {
        read(&self.root.join(path))
    }
}

/// The room in the file system of a path.
///
/// # Errors
/// When the kernel does not say.
pub fn read_room(path: &Path) -> io::Result<Room> {
    let says = rustix::fs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.saturating_mul(says.f_frsize);
    // Some file systems make files for as long as there is room.
    let files = (says.f_files > 0).then_some(says.f_favail);
    Ok(Room { free: bytes(says.f_bavail), total: bytes(says.f_blocks), files })
}

/// A short text that the kernel or the system keeps, without what stands around it; a device tree's texts end in a zero
/// byte. None: it is not there or not to be read.
fn read(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    Some(text.trim_matches(|character: char| character == '\0' || character.is_whitespace()).to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Machine) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let machine = Machine { root: root.path().to_owned() };
        (root, machine)
    }

    #[test]
    fn a_pi_is_read() {
        let (_root, machine) = machine(&[
            ("proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0"),
            ("etc/os-release", "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\n"),
            ("proc/sys/kernel/osrelease", "6.12.34+rpt\n"),
            ("proc/meminfo", "MemTotal:        1892928 kB\nMemFree:  1 kB\n"),
            ("sys/class/hwmon/hwmon0/name", "cpu_thermal\n"),
            ("sys/class/hwmon/hwmon1/name", "rpi_volt\n"),
            ("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n"),
            ("sys/class/rtc/rtc0/name", "rtc-ds1307 1-0068\n"),
            ("run/systemd/timesync/synchronized", ""),
            ("etc/group", "root:x:0:\ni2c2:x:7:\ni2c:x:994:pi\n"),
            ("etc/resolv.conf", "# x\nnameserver 192.0.2.1\nnameserver 2001:db8::1\n"),
            ("etc/timezone", "Australia/Brisbane\n"),
        ]);
        let board = machine.board();
        assert_eq!(board.model.as_deref(), Some("Raspberry Pi 4 Model B Rev 1.4"));
        assert_eq!(board.system.as_deref(), Some("Debian GNU/Linux 13 (trixie)"));
        assert_eq!(board.kernel.as_deref(), Some("Linux 6.12.34+rpt"));
        assert_eq!((board.memory_kib, board.is_under_voltage), (Some(1_892_928), Some(true)));
        assert_eq!(machine.clock_chip().as_deref(), Some("rtc-ds1307"));
        assert_eq!(machine.synchroniser().as_deref(), Some("systemd-timesyncd"));
        assert_eq!(machine.group("i2c"), Some(Gid::from_raw(994)));
        assert_eq!(machine.group("gpio"), None);
        assert_eq!(machine.name_servers(), ["192.0.2.1", "2001:db8::1"]);
        assert_eq!(machine.time_zone().as_deref(), Some("Australia/Brisbane"));
    }

    #[test]
    fn a_machine_that_says_nothing_has_nothing() {
        let (root, machine) = machine(&[]);
        let board = machine.board();
        assert_eq!((board.model, board.memory_kib, board.is_under_voltage), (None, None, None));
        assert!(machine.mounts().is_empty() && machine.name_servers().is_empty());
        assert_eq!((machine.clock_chip(), machine.synchroniser(), machine.time_zone()), (None, None, None));
        fs::create_dir(root.path().join("etc")).unwrap();
        symlink("/usr/share/zoneinfo/Europe/Berlin", root.path().join("etc/localtime")).unwrap();
        assert_eq!(machine.time_zone().as_deref(), Some("Europe/Berlin"));
    }

    #[test]
    fn a_partition_is_as_worn_as_its_disk() {
        let (root, machine) = machine(&[
            ("sys/devices/mmc0/block/mmcblk0/device/type", "MMC\n"),
            ("sys/devices/mmc0/block/mmcblk0/device/life_time", "0x01 0x02\n"),
            ("sys/devices/mmc0/block/mmcblk0/queue/rotational", "0\n"),
            ("sys/devices/mmc0/block/mmcblk0/mmcblk0p2/partition", "2\n"),
        ]);
        fs::create_dir_all(root.path().join("sys/dev/block")).unwrap();
        symlink("../../devices/mmc0/block/mmcblk0/mmcblk0p2", root.path().join("sys/dev/block/179:2")).unwrap();
        let mounts = parse_mounts("1 0 179:2 / / rw - ext4 /dev/root rw\n2 1 0:5 / /tmp rw - tmpfs tmpfs rw\n");
        let expected = WearFacts {
            disk: "mmcblk0".into(),
            kind: Some("MMC".into()),
            life_time: Some("0x01 0x02".into()),
            reserve: None,
        };
        assert_eq!(machine.wear(&mounts[0]), Some(expected));
        assert_eq!(machine.wear(&mounts[1]), None);
    }

    #[test]
    fn a_folder_has_room() {
        let room = read_room(tempfile::tempdir().unwrap().path()).unwrap();
        assert!(room.free <= room.total && room.total > 0);
    }
}
