//! What a package says of itself.

/// The newest version of the GNU C library that a program asks for, as its symbols name it (`GLIBC_2.34`). None: it names
/// none.
pub(super) fn newest_glibc(program: &[u8]) -> Option<(u32, u32)> {
    const MARK: &[u8] = b"GLIBC_";
    let versions =
        program.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK).filter_map(|(at, _)| {
            let text: Vec<u8> = program[at + MARK.len()..]
                .iter()
                .copied()
                .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
                .collect();
            let mut numbers = std::str::from_utf8(&text).ok()?.split('.').map(|number| number.parse::<u32>().ok());
            Some((numbers.next()??, numbers.next()??))
        });
    versions.max()
}

/// What a package is, beside its version.
pub(super) struct Subject {
    /// Its name.
    pub(super) name: &'static str,
    /// The package that it needs to be unpacked.
    pub(super) before: Option<&'static str>,
    /// What it needs to run, beside the C library.
    pub(super) depends: &'static str,
    /// In one line, and in lines that begin with a space.
    pub(super) description: &'static str,
}

/// The device.
pub(super) const DEVICE: Subject = Subject {
    name: "punchcard",
    before: Some("passwd"),
    depends: "libgcc-s1, ca-certificates, init-system-helpers, util-linux",
    description: "records presses and readings, exactly once, as rows of a sheet\n \
                  A button is pressed or a sensor is read; a row appears in a Google Sheet or at\n \
                  any web address, exactly once, however bad the network and whatever happens to\n \
                  the power. What a row looks like and where it goes are plugins in a sandbox.",
};

/// What signs plugins.
pub(super) const PUBLISHER: Subject = Subject {
    name: "punchcard-publisher",
    before: None,
    depends: "libgcc-s1",
    description: "signs plugins of Punchcard, for devices to be updated from afar\n \
                  New versions of plugins are signed and laid out as plain files, for any web\n \
                  server or a USB stick. Devices believe the publisher's keys, and nobody who\n \
                  serves the files.",
};

/// The control file, as Debian's policy has it (section 5.3). `installed_kib`: how much room it takes.
pub(super) fn render(
    subject: &Subject,
    version: &str,
    architecture: &str,
    glibc: (u32, u32),
    installed_kib: u64,
) -> String {
    let (major, minor) = glibc;
    let Subject { name, before, depends, description } = subject;
    let before = before.map_or_else(String::new, |package| format!("Pre-Depends: {package}\n"));
    format!(
        "Package: {name}\n\
         Version: {version}\n\
         Architecture: {architecture}\n\
         Maintainer: Punchcard <punchcard@localhost>\n\
         Installed-Size: {installed_kib}\n\
         {before}\
         Depends: libc6 (>= {major}.{minor}), {depends}\n\
         Section: misc\n\
         Priority: optional\n\
         Description: {description}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_counts_by_its_numbers() {
        let program = b"\0GLIBC_2.9\0GLIBC_2.34\0GLIBC_2.4\0GLIBC_PRIVATE\0GLIBC_";
        assert_eq!(newest_glibc(program), Some((2, 34)));
        assert_eq!(newest_glibc(b"a program that needs none"), None);
    }

    #[test]
    fn a_control_file_has_one_paragraph_and_ends_its_last_line() {
        for subject in [DEVICE, PUBLISHER] {
            let control = render(&subject, "0.1.0", "arm64", (2, 34), 7);
            assert!(control.starts_with(&format!("Package: {}\n", subject.name)), "{control}");
            assert!(control.contains("\nDepends: libc6 (>= 2.34), "), "{control}");
            assert_eq!(control.contains("\nPre-Depends: "), subject.before.is_some(), "{control}");
            assert!(!control.contains("\n\n") && control.ends_with('\n'), "{control}");
            let folded = control.lines().filter(|line| line.starts_with(' ')).count();
            assert_eq!(folded, 3, "{control}");
        }
    }
}
