//! The scripts of the package, with what they call replaced by programs that only say how they were called.

#![expect(clippy::unwrap_used, reason = "a test stops where its surroundings do not work")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

const POSTINST: &str = include_str!("../package/postinst");

/// What it calls as root. `install` makes the folders, for itself.
const CALLED: [(&str, &str); 7] = [
    ("chown", "[ -e \"$2\" ]"),
    ("chmod", "[ -e \"$2\" ]"),
    ("install", "for last; do :; done; mkdir -p \"$last\""),
    ("deb-systemd-helper", ""),
    ("deb-systemd-invoke", ""),
    ("systemctl", ""),
    ("punchcard", ""),
];

/// Runs the script of a package that is configured, below a folder in place of the root. What it called is in `calls`.
fn configure(root: &Path) -> Output {
    let programs = root.join("programs");
    fs::create_dir_all(&programs).unwrap();
    for (name, does) in CALLED {
        let path = programs.join(name);
        fs::write(&path, format!("#!/bin/sh\necho {name} \"$@\" >>'{}'\n{does}\n", root.join("calls").display()))
            .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut script = POSTINST.replace("/usr/bin/punchcard", "punchcard");
    for folder in ["/etc/punchcard", "/var/lib/punchcard", "/run/systemd/system"] {
        script = script.replace(folder, &format!("{}{folder}", root.display()));
    }
    let path = format!("{}:/usr/bin:/bin", programs.display());
    Command::new("sh").args(["-c", &script, "postinst", "configure"]).env("PATH", path).output().unwrap()
}

#[test]
fn a_package_is_configured_with_and_without_a_configuration() {
    for has_configuration in [true, false] {
        let root = tempfile::tempdir().unwrap();
        let config = root.path().join("etc/punchcard/plugins.toml");
        if has_configuration {
            fs::create_dir_all(config.parent().unwrap()).unwrap();
            fs::write(&config, "").unwrap();
        }
        let output = configure(root.path());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{has_configuration}: {said}");
        let calls = fs::read_to_string(root.path().join("calls")).unwrap();
        // The service is set up in either case.
        assert!(calls.contains("deb-systemd-helper --quiet was-enabled punchcard.service"), "{calls}");
        assert!(root.path().join("var/lib/punchcard").is_dir(), "{calls}");
        assert_eq!(calls.contains("punchcard check"), has_configuration, "{calls}");
        assert_eq!(said.contains("sudo punchcard init"), !has_configuration, "{said}");
        assert_eq!(config.exists(), has_configuration, "{calls}");
    }
}
