//! The root folder: an arm64 Debian from packages, whose scripts run under emulation.
//!
//! It is made in a user namespace of its own, so that the emulator is registered with the kernel there and nowhere else, and
//! no second stage has to run in the emulated machine, which would take several times as long. It is kept for the next run.
//! Packages come from the mirror that this machine's own apt uses, and apt verifies them.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::process;

/// The release that the machine runs.
const RELEASE: &str = "trixie";

/// What it has besides what apt needs. The last ones are what the package depends on: the machine has no way to a mirror.
const PACKAGES: &str = "systemd,systemd-sysv,udev,kmod,dbus,gpiod,i2c-tools,iproute2,libpam-systemd,polkitd,\
                        ca-certificates,init-system-helpers,passwd,util-linux,libgcc-s1";

/// What stands before the packages of a root folder that is whole.
const STAMP: &str = "made-of";

/// How the kernel tells a program for arm64, and what runs it (Documentation/admin-guide/binfmt-misc.rst). `F`: it is opened
/// now, for the root folder has none.
const EMULATOR: &str = r":qemu-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:EMULATOR:F";

/// In the namespace: waits until it is root there, registers the emulator, and becomes its arguments. Where the kernel is too
/// old for an emulator in a namespace, that of the machine itself will do.
const ENTER: &str = r#"set -e
echo entered
read -r mapped
if [ -n "$1" ] && mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc; then
    printf '%s' "$1" > /proc/sys/fs/binfmt_misc/register
fi
shift
exec "$@"
"#;

/// After the packages are installed: fetches the kernel and the shell of the initial file system, as packages.
const FETCH: &str = r#"set -e
cd "$PUNCHCARD_PI_BOOT"
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
kernel=$(apt-cache depends linux-image-arm64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p')
apt-get download -qq "$kernel" busybox-static"#;

/// A machine's parts, as folders and files.
#[derive(Debug)]
pub(super) struct Parts {
    /// The root folder.
    pub(super) root: PathBuf,
    pub(super) kernel: PathBuf,
    /// The version of the kernel, under which its modules lie.
    pub(super) version: String,
    /// A shell that needs nothing else.
    pub(super) busybox: PathBuf,
}

/// Makes the root folder where there is none, or another one is wanted. `folder`: where it is kept.
pub(super) fn provide(folder: &Path, is_fresh: bool) -> Result<Parts> {
    let (root, boot, stamp) = (folder.join("root"), folder.join("boot"), folder.join(STAMP));
    let made_of = format!("{RELEASE}: {PACKAGES}\n");
    if is_fresh || fs::read_to_string(&stamp).ok().as_deref() != Some(&made_of) {
        for old in [&root, &boot] {
            if old.exists() {
                fs::remove_dir_all(old).with_context(|| format!("cannot remove {}", old.display()))?;
            }
        }
        fs::create_dir_all(&boot).with_context(|| format!("cannot make {}", boot.display()))?;
        let archive = folder.join("root.tar");
        build(&archive, &boot, &find_mirror()?)?;
        fs::create_dir(&root).with_context(|| format!("cannot make {}", root.display()))?;
        let mut unpack = Command::new("tar");
        unpack.args(["--extract", "--preserve-permissions", "--numeric-owner", "--xattrs"]);
        process::perform(unpack.arg("--file").arg(&archive).arg("--directory").arg(&root))?;
        fs::remove_file(&archive).with_context(|| format!("cannot remove {}", archive.display()))?;
        unpack_boot(&boot, &root)?;
        fs::write(&stamp, made_of).with_context(|| format!("cannot write {}", stamp.display()))?;
    }
    let kernel = only(&boot.join("linux/boot"), "vmlinuz-")?;
    let name = kernel.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let version = name.trim_start_matches("vmlinuz-").to_owned();
    Ok(Parts { root, version, kernel, busybox: boot.join("busybox/usr/bin/busybox") })
}

/// The mirror of Debian that this machine's own apt uses.
fn find_mirror() -> Result<String> {
    let mut command = Command::new("apt-get");
    command.args(["indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"]);
    let listed = process::answer(&mut command)?;
    parse_mirror(&listed).context("apt here has no mirror of Debian, or was never updated: apt-get update")
}

fn parse_mirror(listed: &str) -> Option<String> {
    listed.lines().find_map(|line| line.strip_prefix("Debian ")).map(str::to_owned)
}

/// Makes the archive of the root folder, and fetches into `boot` what the machine starts with.
fn build(archive: &Path, boot: &Path, mirror: &str) -> Result<()> {
    eprintln!("making the root folder of {RELEASE} for arm64 from {mirror}: {PACKAGES}; this takes some minutes");
    let emulator = if std::env::consts::ARCH == "aarch64" {
        String::new()
    } else {
        let found = process::answer(Command::new("sh").args(["-c", "command -v qemu-aarch64-static"]))?;
        EMULATOR.replace("EMULATOR", &found)
    };
    let mut command = Command::new("unshare");
    command.args(["--user", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", ENTER, "sh", &emulator]);
    command.args(["mmdebstrap", "--mode=root", "--architectures=arm64", "--variant=apt", "--skip=check/qemu"]);
    command.args([format!("--include={PACKAGES}"), format!("--customize-hook={FETCH}")]);
    command.arg(RELEASE).arg(archive).arg(mirror);
    command.env("PUNCHCARD_PI_BOOT", boot).stdin(Stdio::piped()).stdout(Stdio::piped());
    let line = "unshare … mmdebstrap";
    let mut child = command.spawn().with_context(|| format!("cannot start `{line}`"))?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let entered = enter(child.id(), stdin, stdout);
    let status = child.wait().with_context(|| format!("cannot wait for `{line}`"))?;
    entered?;
    ensure!(status.success(), "`{line}` ended with {status}");
    Ok(())
}

/// Makes the process root in its namespace, of the same users as here, once it is there. Then shows what it prints.
fn enter(id: u32, stdin: Option<std::process::ChildStdin>, stdout: Option<std::process::ChildStdout>) -> Result<()> {
    let mut lines = BufReader::new(stdout.context("it has no standard output")?).lines();
    let first = lines.next().context("the namespace could not be entered")?.context("cannot read what it says")?;
    if first != "entered" {
        bail!("the namespace says `{first}`");
    }
    for map in ["gid_map", "uid_map"] {
        let file = format!("/proc/{id}/{map}");
        fs::write(&file, "0 0 65536\n").with_context(|| format!("cannot write {file}"))?;
    }
    let mut stdin = stdin.context("it has no standard input")?;
    stdin.write_all(b"mapped\n").context("the namespace does not listen")?;
    for line in lines {
        eprintln!("{}", line.context("cannot read what it says")?);
    }
    Ok(())
}

/// Unpacks what the machine starts with, and gives the root folder the kernel's modules.
fn unpack_boot(boot: &Path, root: &Path) -> Result<()> {
    for (package, name) in [("linux-image-", "linux"), ("busybox-static_", "busybox")] {
        let mut unpack = Command::new("dpkg-deb");
        process::perform(unpack.arg("--extract").arg(only(boot, package)?).arg(boot.join(name)))?;
    }
    let modules = only(&boot.join("linux/usr/lib/modules"), "")?;
    let to = root.join("usr/lib/modules");
    fs::create_dir_all(&to).with_context(|| format!("cannot make {}", to.display()))?;
    process::perform(Command::new("cp").arg("--archive").arg(&modules).arg(&to))?;
    process::perform(Command::new("depmod").arg("-b").arg(root).args(modules.file_name()))
}

/// The only entry of a folder whose name begins so.
fn only(folder: &Path, beginning: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", folder.display()))?;
        if entry.file_name().to_string_lossy().starts_with(beginning) {
            found.push(entry.path());
        }
    }
    match found.as_slice() {
        [one] => Ok(one.clone()),
        found => bail!("{} has {} entries `{beginning}…` where one was expected", folder.display(), found.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_that_of_debian_itself() {
        let listed = "Other http://other.example/repo/\nDebian-Security http://one.example/debian-security/\n\
                      Debian http://one.example/debian/\nDebian http://two.example/debian/";
        assert_eq!(parse_mirror(listed).as_deref(), Some("http://one.example/debian/"));
        assert_eq!(parse_mirror("Ubuntu http://one.example/ubuntu/"), None);
    }

    #[test]
    fn an_entry_that_is_not_the_only_one_is_not_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(only(folder.path(), "vmlinuz-").is_err());
        for name in ["vmlinuz-6.12", "config-6.12"] {
            fs::write(folder.path().join(name), "").expect("written");
        }
        assert_eq!(only(folder.path(), "vmlinuz-").expect("one"), folder.path().join("vmlinuz-6.12"));
        assert!(only(folder.path(), "").is_err());
    }
}
