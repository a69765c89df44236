//! What the machine starts from: the root folder with what is tried on it, as the image of a disk, and an initial file
//! system that finds the disk.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::root::Parts;
use crate::process;

/// Where in the machine that lies which is tried, and what tries it.
pub(super) const INSIDE: &str = "/opt/virtual-pi";

/// Through which port the machine is spoken to.
pub(super) const PORT: &str = "virtual-pi.agent";

/// Of the disk, most of which is never written.
const DISK_BYTES: u64 = 3 << 30;

/// The modules without which there is no root file system, beside those that they name.
const MODULES: [&str; 3] = ["crc32c_generic", "ext4", "virtio_blk"];

/// Runs as the first process, in the initial file system. `MODULES`: in the order in which they are loaded.
const INIT: &str = "#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
for module in MODULES; do /bin/busybox insmod /lib/$module; done
while ! [ -b /dev/vda ]; do /bin/busybox sleep 0.1; done
/bin/busybox mount -t ext4 /dev/vda /root
exec /bin/busybox switch_root /root /sbin/init
";

/// Does what is asked through the port. For this machine alone; no package has it.
const AGENT_UNIT: &str = "[Unit]
Description=Does what is asked through a port of the virtual machine
[Service]
ExecStart=INSIDE/virtual-pi agent /dev/virtio-ports/PORT
Restart=always
[Install]
WantedBy=multi-user.target
";

/// The I2C bus with its chips. Stopped, it is unplugged.
const BUS_UNIT: &str = "[Unit]
Description=The I2C bus of the virtual Pi
[Service]
ExecStartPre=/sbin/modprobe -a vhci-hcd i2c-tiny-usb
ExecStart=INSIDE/virtual-pi bus
[Install]
WantedBy=multi-user.target
";

/// Makes the image of a new machine's disk, with these files in [`INSIDE`].
pub(super) fn make_disk(parts: &Parts, files: &[&Path], image: &Path) -> Result<()> {
    let inside = parts.root.join(INSIDE.trim_start_matches('/'));
    if inside.exists() {
        fs::remove_dir_all(&inside).with_context(|| format!("cannot empty {}", inside.display()))?;
    }
    fs::create_dir_all(&inside).with_context(|| format!("cannot make {}", inside.display()))?;
    for file in files {
        let to = inside.join(file.file_name().context("a file has a name")?);
        fs::copy(file, &to).with_context(|| format!("cannot copy {} to {}", file.display(), to.display()))?;
    }
    for (name, unit) in [("virtual-pi-agent", AGENT_UNIT), ("virtual-pi-bus", BUS_UNIT)] {
        enable(&parts.root, name, &unit.replace("INSIDE", INSIDE).replace("PORT", PORT))?;
    }
    write(&parts.root.join("etc/hostname"), "virtual-pi\n")?;
    let file = fs::File::create(image).with_context(|| format!("cannot make {}", image.display()))?;
    file.set_len(DISK_BYTES).with_context(|| format!("cannot make {}", image.display()))?;
    let mut make = Command::new("mke2fs");
    process::perform(make.args(["-q", "-t", "ext4", "-L", "root", "-d"]).arg(&parts.root).arg(image))
}

/// Gives the machine a unit that starts with it.
fn enable(root: &Path, name: &str, unit: &str) -> Result<()> {
    let folder = root.join("etc/systemd/system");
    let wanted = folder.join("multi-user.target.wants");
    fs::create_dir_all(&wanted).with_context(|| format!("cannot make {}", wanted.display()))?;
    write(&folder.join(format!("{name}.service")), unit)?;
    let link = wanted.join(format!("{name}.service"));
    if link.symlink_metadata().is_err() {
        symlink(format!("../{name}.service"), &link).with_context(|| format!("cannot make {}", link.display()))?;
    }
    Ok(())
}

/// Makes the initial file system.
pub(super) fn make_initial(parts: &Parts, folder: &Path) -> Result<PathBuf> {
    let tree = folder.join("initial");
    if tree.exists() {
        fs::remove_dir_all(&tree).with_context(|| format!("cannot empty {}", tree.display()))?;
    }
    for name in ["bin", "dev", "lib", "root"] {
        fs::create_dir_all(tree.join(name)).with_context(|| format!("cannot make {}", tree.display()))?;
    }
    let modules = parts.root.join("usr/lib/modules").join(&parts.version);
    let listed = modules.join("modules.dep");
    let listed = fs::read_to_string(&listed).with_context(|| format!("cannot read {}", listed.display()))?;
    let mut names = Vec::new();
    for module in plan_modules(&listed, &MODULES) {
        let (_, file) = module.rsplit_once('/').unwrap_or(("", module));
        let name = file.trim_end_matches(".xz");
        let to = tree.join("lib").join(name);
        if name == file {
            fs::copy(modules.join(module), &to).with_context(|| format!("cannot copy {module}"))?;
        } else {
            let out = fs::File::create(&to).with_context(|| format!("cannot make {}", to.display()))?;
            process::perform(Command::new("xz").arg("-dc").arg(modules.join(module)).stdout(out))?;
        }
        names.push(name.to_owned());
    }
    let (init, busybox) = (tree.join("init"), tree.join("bin/busybox"));
    write(&init, &INIT.replace("MODULES", &names.join(" ")))?;
    fs::copy(&parts.busybox, &busybox).with_context(|| format!("cannot copy {}", parts.busybox.display()))?;
    for program in [&init, &busybox] {
        fs::set_permissions(program, fs::Permissions::from_mode(0o755))?;
    }
    // What the first process speaks with, before it has mounted anything.
    process::perform(Command::new("mknod").arg(tree.join("dev/console")).args(["c", "5", "1"]))?;
    let archive = folder.join("initrd");
    let out = fs::File::create(&archive).with_context(|| format!("cannot make {}", archive.display()))?;
    let mut pack = Command::new("sh");
    pack.args(["-c", "find . | cpio --quiet -o -H newc"]).current_dir(&tree).stdout(out);
    process::perform(&mut pack)?;
    Ok(archive)
}

/// The files of these modules, each after what it needs. `listed` is modules.dep(5), in which each module names those that it
/// needs, the first to load last.
fn plan_modules<'a>(listed: &'a str, names: &[&str]) -> Vec<&'a str> {
    let mut plan: Vec<&str> = Vec::new();
    for name in names {
        let is_named = |file: &str| {
            let (_, base) = file.rsplit_once('/').unwrap_or(("", file));
            base.split('.').next().is_some_and(|stem| stem.replace('-', "_") == *name)
        };
        let found = listed.lines().filter_map(|line| line.split_once(':')).find(|(file, _)| is_named(file));
        let Some((file, needs)) = found else { continue };
        for module in needs.split_whitespace().rev().chain([file]) {
            if !plan.contains(&module) {
                plan.push(module);
            }
        }
    }
    plan
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_loaded_after_what_they_need() {
        let listed = "kernel/fs/ext4/ext4.ko.xz: kernel/lib/crc16.ko.xz kernel/fs/mbcache.ko.xz kernel/fs/jbd2.ko.xz\n\
                      kernel/lib/crc16.ko.xz:\n\
                      kernel/crypto/crc32c-generic.ko.xz:\n\
                      kernel/drivers/block/virtio_blk.ko.xz:\n";
        let expected = [
            "kernel/crypto/crc32c-generic.ko.xz",
            "kernel/fs/jbd2.ko.xz",
            "kernel/fs/mbcache.ko.xz",
            "kernel/lib/crc16.ko.xz",
            "kernel/fs/ext4/ext4.ko.xz",
            "kernel/drivers/block/virtio_blk.ko.xz",
        ];
        assert_eq!(plan_modules(listed, &MODULES), expected);
        // Built into the kernel.
        assert!(plan_modules("", &MODULES).is_empty());
    }
}
