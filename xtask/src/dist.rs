//! `cargo xtask dist`: packages for Debian and Raspberry Pi OS.
//!
//! Each is built on this machine for the board's processor, with Rust's own target and Debian's cross compiler for the C in
//! it, put together as a folder, and packed by `dpkg-deb`. What goes into it besides the program stands in `host/package`.

mod control;
mod page;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use crate::guests::{self, Built};
use crate::process;
use crate::toolchain::{Source, Toolchain};
use crate::workspace::Workspace;

/// The most that a package may weigh, in bytes.
pub(crate) const SIZE_LIMIT: u64 = 12_000_000;

/// Of the program, and of its package.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The processors to build for; all of them when none is named.
    #[arg(value_enum)]
    architectures: Vec<Architecture>,
    /// Where the packages go; `dist` in cargo's target folder when not given.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where the guests' standard library comes from; the first source that works when not given.
    #[arg(long, value_enum, value_name = "SOURCE")]
    std: Option<Source>,
}

/// A processor, by Debian's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Architecture {
    /// A desk, a server.
    Amd64,
    /// A Raspberry Pi 3 or newer, a Zero 2, with a 64-bit system.
    Arm64,
    /// A Raspberry Pi 2 or newer with a 32-bit system. Plugins are interpreted there.
    Armhf,
}

impl Architecture {
    /// Whether this machine's own processor runs what is built for it.
    pub(crate) fn is_native(self) -> bool {
        self.target().starts_with(std::env::consts::ARCH)
    }

    /// Debian's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
            Self::Armhf => "armhf",
        }
    }

    /// Rust's name of the target.
    fn target(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
            Self::Armhf => "armv7-unknown-linux-gnueabihf",
        }
    }

    /// The C compiler, and Debian's package of it.
    fn compiler(self) -> (&'static str, &'static str) {
        match self {
            Self::Amd64 => ("x86_64-linux-gnu-gcc", "gcc-x86-64-linux-gnu"),
            Self::Arm64 => ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"),
            Self::Armhf => ("arm-linux-gnueabihf-gcc", "gcc-arm-linux-gnueabihf libc6-dev-armhf-cross"),
        }
    }
}

/// Makes the packages, and says how large they are.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let workspace = Workspace::of_this_program()?;
    let toolchain = Toolchain::find(&workspace, arguments.std)?;
    let guests = guests::build(&workspace, &toolchain, &workspace.guests, &guests::default_folder(&workspace))?;
    let out = arguments.out.clone().unwrap_or_else(|| workspace.target.join("dist"));
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let all = Architecture::value_variants();
    let architectures = if arguments.architectures.is_empty() { all } else { &arguments.architectures };
    let help = write_help_files(&workspace)?;
    let mut is_small = true;
    for architecture in architectures {
        let program = build(&workspace, *architecture, "punchcard")?;
        let contents = Contents { architecture: *architecture, program: &program, guests: &guests, help: &help };
        let package = contents.pack(&workspace, VERSION, &out)?;
        let bytes = fs::metadata(&package)?.len();
        is_small &= bytes <= SIZE_LIMIT;
        println!("{}: {:.1} MB", workspace.relative(&package).display(), bytes as f64 / 1e6);
        let publisher = build(&workspace, *architecture, "punchcard-publisher")?;
        let package = pack_publisher(&workspace, *architecture, &publisher, &out)?;
        let bytes = fs::metadata(&package)?.len();
        println!("{}: {:.1} MB", workspace.relative(&package).display(), bytes as f64 / 1e6);
    }
    if !is_small {
        bail!("a package has more than {} MB", SIZE_LIMIT / 1_000_000);
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the manual pages, the completions for shells and the configuration of a package into a folder, which is emptied before.
pub(crate) fn write_help_files(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target.join("help-files");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut command = process::cargo();
    command.current_dir(&workspace.root).args(["run", "--quiet", "--locked", "--package", "punchcard"]);
    command.args(["--features", "help-files", "--bin", "punchcard-help-files", "--"]).arg(&folder);
    eprintln!("writing manual pages, completions and the configuration");
    process::perform(&mut command)?;
    Ok(folder)
}

/// Builds the program of a package that has its name, for a processor, in the release profile.
pub(crate) fn build(workspace: &Workspace, architecture: Architecture, package: &str) -> Result<PathBuf> {
    let target = architecture.target();
    let mut command = process::cargo();
    command.current_dir(&workspace.root);
    command.args(["build", "--release", "--locked", "--package", package, "--bin", package, "--target", target]);
    if !architecture.is_native() {
        let (compiler, packages) = architecture.compiler();
        if Command::new(compiler).arg("--version").output().is_err() {
            bail!("{target} needs `{compiler}`: sudo apt-get install {packages}");
        }
        let name = target.replace('-', "_");
        command.env(format!("CARGO_TARGET_{}_LINKER", name.to_uppercase()), compiler);
        command.env(format!("CC_{name}"), compiler);
    }
    eprintln!("building {package} for {target}; this takes some minutes the first time");
    process::perform(&mut command)
        .with_context(|| format!("where the target is missing: rustup target add {target}"))?;
    Ok(workspace.target.join(target).join("release").join(package))
}

/// What is in a package that is not in the tree.
pub(crate) struct Contents<'a> {
    pub(crate) architecture: Architecture,
    /// Built for it.
    pub(crate) program: &'a Path,
    pub(crate) guests: &'a [Built],
    /// The folder of [`write_help_files`].
    pub(crate) help: &'a Path,
}

impl Contents<'_> {
    /// Puts a package of this version together in the folder `out`, and says where it is.
    pub(crate) fn pack(&self, workspace: &Workspace, version: &str, out: &Path) -> Result<PathBuf> {
        let architecture = self.architecture.name();
        let root = out.join(architecture);
        if root.exists() {
            fs::remove_dir_all(&root).with_context(|| format!("cannot empty {}", root.display()))?;
        }
        let package = workspace.root.join("host/package");
        let put = |from: &Path, to: &str, mode: u32| put(from, &root.join(to), mode);
        put(self.program, "usr/bin/punchcard", 0o755)?;
        for guest in self.guests {
            put(&guest.file, &format!("usr/lib/punchcard/{}.wasm", guest.name), 0o644)?;
        }
        put(&package.join("punchcard.service"), "usr/lib/systemd/system/punchcard.service", 0o644)?;
        put(&package.join("60-punchcard.rules"), "usr/lib/udev/rules.d/60-punchcard.rules", 0o644)?;
        put(&package.join("modules-load.conf"), "usr/lib/modules-load.d/punchcard.conf", 0o644)?;
        put(&package.join("copyright"), "usr/share/doc/punchcard/copyright", 0o644)?;
        let option = "no-executable-memory.conf";
        put(&package.join(option), &format!("usr/share/doc/punchcard/examples/{option}"), 0o644)?;
        let pages = manual_pages(workspace)?;
        for (path, name) in &pages {
            let from = workspace.root.join(path);
            let to = format!("usr/share/doc/punchcard/{name}");
            put(&from, &to, 0o644)?;
            fs::write(root.join(to), page::render(path, &fs::read_to_string(&from)?, &pages))?;
        }
        for file in fs::read_dir(self.help)? {
            let file = file?.path();
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            match help_folder(name) {
                Some(CONFIGURATION) => put(&file, &format!("{CONFIGURATION}/{name}"), 0o640)?,
                Some(folder) => put(&file, &format!("{folder}/{name}"), 0o644)?,
                None => bail!("{} has no place in a package", file.display()),
            }
        }
        fs::rename(root.join(format!("{BASH}/punchcard.bash")), root.join(format!("{BASH}/punchcard")))?;
        compress(&root.join(MANUAL))?;
        for script in ["preinst", "postinst", "prerm", "postrm"] {
            put(&package.join(script), &format!("DEBIAN/{script}"), 0o755)?;
        }
        fs::write(root.join("DEBIAN/conffiles"), "/etc/punchcard/plugins.toml\n")?;
        finish(&control::DEVICE, version, self.architecture, self.program, &root, out)
    }
}

/// The package of the publisher's program: it is for a desk or a server, and no device carries it.
fn pack_publisher(workspace: &Workspace, architecture: Architecture, program: &Path, out: &Path) -> Result<PathBuf> {
    let root = out.join(format!("publisher-{}", architecture.name()));
    if root.exists() {
        fs::remove_dir_all(&root).with_context(|| format!("cannot empty {}", root.display()))?;
    }
    put(program, &root.join("usr/bin/punchcard-publisher"), 0o755)?;
    let documents = root.join("usr/share/doc/punchcard-publisher");
    put(&workspace.root.join("host/package/copyright"), &documents.join("copyright"), 0o644)?;
    put(&workspace.root.join("docs/updates.md"), &documents.join("updates.md"), 0o644)?;
    finish(&control::PUBLISHER, VERSION, architecture, program, &root, out)
}

/// Describes what is in `root` and packs it.
fn finish(
    subject: &control::Subject,
    version: &str,
    architecture: Architecture,
    program: &Path,
    root: &Path,
    out: &Path,
) -> Result<PathBuf> {
    let architecture = architecture.name();
    fs::create_dir_all(root.join("DEBIAN"))?;
    // Everybody may read a package's folders, whatever the umask is here.
    for entry in walkdir::WalkDir::new(root) {
        let entry = entry?;
        if entry.file_type().is_dir() {
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o755))?;
        }
    }
    let glibc = control::newest_glibc(&fs::read(program)?)
        .with_context(|| format!("{} does not say which C library it needs", program.display()))?;
    let control = control::render(subject, version, architecture, glibc, installed_kib(root)?);
    fs::write(root.join("DEBIAN/control"), control)?;
    let file = out.join(format!("{}_{version}_{architecture}.deb", subject.name));
    let mut command = Command::new("dpkg-deb");
    command.args(["--root-owner-group", "-Zxz", "--build"]).arg(root).arg(&file);
    process::perform(command.stdout(std::process::Stdio::null()))?;
    fs::remove_dir_all(root)?;
    Ok(file)
}

/// The pages of the manual, and what they lead to. In the package they lie in one folder.
fn manual_pages(workspace: &Workspace) -> Result<page::Pages> {
    let mut pages = page::Pages::new();
    let mut add = |path: PathBuf| {
        if let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| name.ends_with(".md")) {
            let name = name.to_owned();
            pages.insert(path, name);
        }
    };
    add("README.md".into());
    add("host/FAULTS.md".into());
    for page in fs::read_dir(workspace.root.join("docs"))? {
        add(Path::new("docs").join(page?.file_name()));
    }
    Ok(pages)
}

const BASH: &str = "usr/share/bash-completion/completions";
const MANUAL: &str = "usr/share/man/man1";

const CONFIGURATION: &str = "etc/punchcard";

/// Where a file belongs that the program makes, as the program, Debian's shells and `man` look for it.
fn help_folder(name: &str) -> Option<&'static str> {
    match name {
        "plugins.toml" => Some(CONFIGURATION),
        "punchcard.bash" => Some(BASH),
        "_punchcard" => Some("usr/share/zsh/vendor-completions"),
        "punchcard.fish" => Some("usr/share/fish/vendor_completions.d"),
        name if name.ends_with(".1") => Some(MANUAL),
        _ => None,
    }
}

/// Compresses the files of a folder as Debian's policy has it for manual pages (section 12.1), to the same bytes each time.
fn compress(folder: &Path) -> Result<()> {
    let mut command = Command::new("gzip");
    command.args(["--best", "--no-name"]);
    for file in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        command.arg(file?.path());
    }
    process::perform(&mut command)
}

fn put(from: &Path, to: &Path, mode: u32) -> Result<()> {
    let folder = to.parent().context("a file has a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode))?;
    Ok(())
}

fn installed_kib(root: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in walkdir::WalkDir::new(root) {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes.div_ceil(1_024))
}
