//! `cargo xtask demo --auto update`: a publisher publishes a broken and then a good version of `timeclock`, in between presses,
//! and the device says what it did with them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::device::Device;
use crate::process;

/// A custom section, so that the same component has other bytes.
const ANOTHER: [u8; 5] = [0, 3, 1, b'v', 2];

/// A publisher, and what it publishes next.
pub(super) struct Scene {
    program: PathBuf,
    /// The publisher's.
    folder: PathBuf,
    /// Where the components are.
    plugins: PathBuf,
    published: u32,
}

impl Scene {
    /// Makes keys and a repository with the version that the device begins with, and has the configuration name it.
    pub(super) fn prepare(program: PathBuf, folder: &Path, plugins: &Path, configuration: &Path) -> Result<Self> {
        let publisher = folder.join("publisher");
        fs::create_dir_all(&publisher).context("cannot make the publisher's folder")?;
        let scene = Self { program, folder: publisher, plugins: plugins.to_owned(), published: 0 };
        scene.run(&["init"])?;
        let first = scene.component("timeclock")?;
        scene.publish("1.0.0", &first)?;
        fs::write(folder.join("timeclock.wasm"), first).context("cannot write the device's component")?;
        let text = fs::read_to_string(configuration).context("cannot read the configuration")?;
        fs::write(configuration, with_repository(&text)).context("cannot write the configuration")?;
        Ok(scene)
    }

    /// Publishes the next version, and has the device look. What is not as it should be, where something is.
    pub(super) fn go_on(&mut self, device: &Device) -> Result<Option<String>> {
        self.published += 1;
        let (version, what, bytes, expected) = if self.published == 1 {
            ("1.1.0", "that takes none of its settings", self.component("readings")?, "was not installed")
        } else {
            let mut bytes = self.component("timeclock")?;
            bytes.extend(ANOTHER);
            ("1.2.0", "that works", bytes, "is installed")
        };
        self.publish(version, &bytes)?;
        println!("The publisher signs timeclock {version}, a version {what}.");
        let said = device.tell(&["plugin", "update"])?;
        for line in said.lines() {
            println!("    {line}");
        }
        let is_right = said.lines().any(|line| line.contains(version) && line.contains(expected));
        Ok((!is_right).then(|| format!("of version {version} the device does not say that it {expected}")))
    }

    fn component(&self, name: &str) -> Result<Vec<u8>> {
        let file = self.plugins.join(format!("{name}.wasm"));
        fs::read(&file).with_context(|| format!("cannot read {}", file.display()))
    }

    fn publish(&self, version: &str, bytes: &[u8]) -> Result<()> {
        let file = self.folder.join("timeclock.wasm");
        fs::write(&file, bytes).context("cannot write the version")?;
        self.run(&["add", &file.to_string_lossy(), "--version", version])?;
        self.run(&["sign"])
    }

    fn run(&self, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new(&self.program);
        command.arg("--folder").arg(&self.folder).args(arguments).stdout(Stdio::null());
        process::perform(&mut command)
    }
}

/// The configuration with a component of the device's own, and the repository that it comes from.
fn with_repository(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    for line in &mut lines {
        if line.starts_with("timeclock = ") {
            *line = "timeclock = \"timeclock.wasm\"";
        }
    }
    let table = "[repositories.demo]\n\
                 folder = \"publisher/repository\"\n\
                 root = \"publisher/repository/metadata/1.root.json\"\n\
                 plugins = [\"timeclock\"]\n";
    format!("{}\n\n{table}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::with_repository;

    #[test]
    fn the_device_has_a_component_of_its_own_that_comes_from_the_publisher() {
        let text = with_repository("[plugins]\nwebhook = \"w.wasm\"\ntimeclock = \"/guests/timeclock.wasm\"");
        assert!(text.starts_with("[plugins]\nwebhook = \"w.wasm\"\ntimeclock = \"timeclock.wasm\"\n\n"), "{text}");
        assert!(text.contains("plugins = [\"timeclock\"]"), "{text}");
    }
}
