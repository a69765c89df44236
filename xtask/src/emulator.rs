//! Programs for another processor, run here by QEMU's emulator of single programs.
//!
//! The host starts itself as a child, without an environment, to compile plugins. So it is not enough to start the emulator
//! with the host: the kernel has to start it for every program of that processor
//! (Documentation/admin-guide/binfmt-misc.rst). It is registered in a user namespace that ends with the program, so that
//! nothing of this machine changes and nobody has to be root.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::dist::Architecture;
use crate::process;

/// How many times as long everything may take as on this machine's own processor. Without optimisation of its own, an emulated
/// program takes some ten times as long, and a compiler of plugins more.
pub(crate) const SLOWNESS: u32 = 10;

/// For a program to say its version.
const START_LIMIT_FOR: Duration = Duration::from_secs(60);

/// The most characters that the kernel takes for the name of what runs a program.
const INTERPRETER_CHARACTERS: usize = 127;

/// In the namespace: registers what runs programs of the other processor, and becomes its arguments.
const ENTER: &str = r#"set -e
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
printf '%s' "$1" > /proc/sys/fs/binfmt_misc/register
shift
exec "$@"
"#;

/// What starts programs for another processor.
#[derive(Debug)]
pub(crate) struct Emulator {
    /// The line by which the kernel learns of it.
    registration: String,
}

/// What an emulator is made of.
struct Parts {
    /// The emulator, in Debian's package `qemu-user-static`.
    program: &'static str,
    /// Where the C library for the processor is, and Debian's package of it.
    library: (&'static str, &'static str),
    /// The width of its addresses and its number in the header of an ELF file, escaped for the kernel.
    class_and_machine: (&'static str, &'static str),
}

impl Parts {
    fn of(architecture: Architecture) -> Option<Self> {
        match architecture {
            Architecture::Amd64 => None,
            Architecture::Arm64 => Some(Self {
                program: "qemu-aarch64-static",
                library: ("/usr/aarch64-linux-gnu", "libc6-arm64-cross"),
                class_and_machine: (r"\x02", r"\xb7"),
            }),
            Architecture::Armhf => Some(Self {
                program: "qemu-arm-static",
                library: ("/usr/arm-linux-gnueabihf", "libc6-armhf-cross"),
                class_and_machine: (r"\x01", r"\x28"),
            }),
        }
    }
}

impl Emulator {
    /// What runs programs for `architecture`. `None`: this machine's own processor does. `folder`: for what the kernel starts.
    pub(crate) fn provide(architecture: Architecture, folder: &Path) -> Result<Option<Self>> {
        if architecture.is_native() {
            return Ok(None);
        }
        let name = architecture.name();
        let Some(parts) = Parts::of(architecture) else {
            bail!("programs for {name} are not emulated on this machine")
        };
        let (library, of_library) = parts.library;
        let found = process::find_on_path(parts.program).filter(|_| Path::new(library).is_dir());
        let Some(program) = found else {
            bail!(
                "programs for {name} need an emulator and a C library: sudo apt-get install qemu-user-static {of_library}"
            );
        };
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        // The kernel passes it no options. Its own variable for the library would be lost where a program starts another one
        // without an environment.
        let interpreter = folder.join(format!("run-{name}"));
        let script = format!("#!/bin/sh\nexec '{}' -L {library} \"$@\"\n", program.display());
        fs::write(&interpreter, script).with_context(|| format!("cannot write {}", interpreter.display()))?;
        fs::set_permissions(&interpreter, fs::Permissions::from_mode(0o755))?;
        let interpreter = interpreter.to_str().context("the path of the target folder is no text")?;
        Ok(Some(Self { registration: registration(&parts, interpreter)? }))
    }

    /// A command that runs this program.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", ENTER, "sh", &self.registration])
            .arg(program);
        command
    }

    /// Sees to it that this program runs, and says what is missing where it does not.
    pub(crate) fn try_out(&self, program: &Path) -> Result<()> {
        let mut command = self.command(program);
        let answered = process::answer_within(command.arg("--version"), START_LIMIT_FOR)?;
        ensure!(
            answered.0.success(),
            "{} does not run under emulation ({}); that takes Linux 6.7 or newer, which knows emulators of a user namespace, and \
             leave to make such a namespace (sysctl kernel.apparmor_restrict_unprivileged_userns, user.max_user_namespaces)",
            program.display(),
            answered.0
        );
        Ok(())
    }
}

/// The line by which the kernel learns what runs programs of this kind.
fn registration(parts: &Parts, interpreter: &str) -> Result<String> {
    if interpreter.len() > INTERPRETER_CHARACTERS || interpreter.contains(':') {
        bail!("the kernel takes no emulator at {interpreter}; give CARGO_TARGET_DIR a shorter path, without colons");
    }
    let (class, machine) = parts.class_and_machine;
    // The header of an ELF file: its marks, the width of addresses, the order of bytes and the version; what stands there of
    // the system does not matter; that it is a program, at a fixed place or not; and the processor.
    let header = format!(r"\x7fELF{class}\x01\x01{}\x02\x00{machine}\x00", r"\x00".repeat(9));
    let mask = format!(r"{}\x00{}\xfe\xff\xff\xff", r"\xff".repeat(7), r"\xff".repeat(8));
    Ok(format!(":punchcard:M::{header}:{mask}:{interpreter}:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_for_the_kernel_has_the_header_of_the_processors_programs() {
        let parts = Parts::of(Architecture::Arm64).expect("emulated");
        // As QEMU's own scripts/qemu-binfmt-conf.sh has it.
        let expected = r":punchcard:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/t/run-arm64:";
        assert_eq!(registration(&parts, "/t/run-arm64").expect("short"), expected);
        let parts = Parts::of(Architecture::Armhf).expect("emulated");
        let line = registration(&parts, "/t/run-armhf").expect("short");
        assert!(line.contains(r"\x7fELF\x01\x01\x01\x00") && line.contains(r"\x02\x00\x28\x00:"), "{line}");
    }

    #[test]
    fn a_path_that_the_kernel_does_not_take_is_said() {
        let parts = Parts::of(Architecture::Arm64).expect("emulated");
        for path in ["/a:b".to_owned(), format!("/{}", "a".repeat(INTERPRETER_CHARACTERS))] {
            assert!(registration(&parts, &path).expect_err("refused").to_string().contains("CARGO_TARGET_DIR"));
        }
    }

    #[test]
    fn this_machines_own_programs_need_no_emulator() {
        let own = [Architecture::Amd64, Architecture::Arm64].into_iter().find(|one| one.is_native());
        if let Some(own) = own {
            let folder = tempfile::tempdir().expect("a folder");
            assert!(Emulator::provide(own, folder.path()).expect("nothing is missing").is_none());
        }
    }
}
