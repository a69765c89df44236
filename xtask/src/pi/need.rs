//! What the virtual Pi takes of this machine: programs of the distribution, and root.

use std::process::Command;

use anyhow::{Result, bail};

use crate::process;

/// A program, and Debian's packages that it is in.
const PROGRAMS: [(&str, &str); 9] = [
    ("qemu-system-aarch64", "qemu-system-arm"),
    ("qemu-aarch64-static", "qemu-user-static"),
    ("mmdebstrap", "mmdebstrap"),
    ("depmod", "kmod"),
    ("cpio", "cpio"),
    ("xz", "xz-utils"),
    ("mke2fs", "e2fsprogs"),
    ("unshare", "util-linux"),
    ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"),
];

/// Sees to it that everything is there.
pub(super) fn provide() -> Result<()> {
    let missing = find_missing(|program| process::is_on_path(program));
    let is_root = process::answer(Command::new("id").arg("-u"))? == "0";
    if !is_root {
        // The root folder is full of files that belong to root and to others.
        let install = if missing.is_empty() {
            String::new()
        } else {
            format!("; and before that: sudo apt-get install {}", missing.join(" "))
        };
        bail!("only root can make a root folder: run it with sudo, as in `sudo -E cargo xtask pi`{install}");
    }
    if missing.is_empty() {
        return Ok(());
    }
    if !process::is_on_path("apt-get") {
        bail!("these packages of Debian are missing: {}", missing.join(" "));
    }
    eprintln!("apt-get update");
    process::perform(Command::new("apt-get").args(["update", "-qq"]))?;
    eprintln!("apt-get install {} (nothing is removed for it)", missing.join(" "));
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command.args(["install", "-qq", "--yes", "--no-install-recommends", "--no-remove"]).args(missing);
    process::perform(&mut command)
}

fn find_missing(is_there: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let missing = PROGRAMS.iter().filter(|(program, _)| !is_there(program));
    missing.flat_map(|(_, packages)| packages.split(' ')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packages_of_what_is_missing_are_named() {
        assert!(find_missing(|_| true).is_empty());
        let missing = find_missing(|program| !["cpio", "aarch64-linux-gnu-gcc"].contains(&program));
        assert_eq!(missing, ["cpio", "gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"]);
    }
}
