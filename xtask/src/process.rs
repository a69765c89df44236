//! Other programs: a clean environment, a bounded wait, and errors that name the command line.
//!
//! `cargo run` leaves its own variables (`CARGO`, `CARGO_PKG_NAME`, …) to what it runs. A second cargo would take some of
//! them for the person's wishes, so no child gets them.

use std::ffi::OsStr;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use wait_timeout::ChildExt as _;

/// Cargo of the active toolchain, without what `cargo run` left in the environment.
pub(crate) fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    remove_variables(&mut command, is_left_by_cargo);
    command
}

/// Removes from `command` the variables of our own environment for which `is_unwanted` holds.
pub(crate) fn remove_variables(command: &mut Command, is_unwanted: impl Fn(&str) -> bool) {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(&is_unwanted) {
            command.env_remove(name);
        }
    }
}

/// Whether `cargo run` sets this variable for its child.
pub(crate) fn is_left_by_cargo(name: &str) -> bool {
    const NAMES: [&str; 7] = [
        "CARGO",
        "CARGO_CRATE_NAME",
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_PATH",
        "CARGO_PRIMARY_PACKAGE",
        "OUT_DIR",
        "RUST_RECURSION_COUNT",
    ];
    NAMES.contains(&name) || name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_BIN_")
}

/// The command as a person would type it, without its environment.
pub(crate) fn render_command(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|argument| argument.to_string_lossy().into_owned()));
    words.join(" ")
}

/// Runs `command` to its end and fails when it does.
pub(crate) fn perform(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start `{}`", render_command(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", render_command(command));
    }
    Ok(())
}

/// Runs `command` for at most `limit_for`; past that it is killed, and `None` is returned.
pub(crate) fn perform_within(command: &mut Command, limit_for: Duration) -> Result<Option<ExitStatus>> {
    let line = render_command(command);
    let mut child = command.stdin(Stdio::null()).spawn().with_context(|| format!("cannot start `{line}`"))?;
    let ended = child.wait_timeout(limit_for).with_context(|| format!("cannot wait for `{line}`"))?;
    if ended.is_none() {
        child.kill().with_context(|| format!("cannot stop `{line}`"))?;
        child.wait().with_context(|| format!("cannot wait for `{line}`"))?;
    }
    Ok(ended)
}

/// Runs `command` for at most `limit_for`, and returns how it ended and what it printed on its standard output.
pub(crate) fn answer_within(command: &mut Command, limit_for: Duration) -> Result<(ExitStatus, String)> {
    let line = render_command(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{line}`"))?;
    let stdout = child.stdout.take();
    std::thread::scope(|scope| {
        // A full pipe would stop it.
        let reader = scope.spawn(|| stdout.map_or(Ok(String::new()), std::io::read_to_string));
        let ended = child.wait_timeout(limit_for).with_context(|| format!("cannot wait for `{line}`"))?;
        let Some(status) = ended else {
            child.kill().with_context(|| format!("cannot stop `{line}`"))?;
            child.wait().with_context(|| format!("cannot wait for `{line}`"))?;
            bail!("`{line}` did not end within {} s", limit_for.as_secs());
        };
        let text = reader.join().map_err(|_panic| anyhow!("cannot read what `{line}` prints"))?;
        Ok((status, text.with_context(|| format!("`{line}` did not print text"))?))
    })
}

/// How a program ended, and what it had printed on its standard output by then.
#[derive(Debug)]
pub(crate) struct Finished {
    /// `None` where it took too long, and was ended.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) text: String,
}

/// After its standard input has ended, a program has so long to end what it has started.
const LAST_MOMENTS: Duration = Duration::from_secs(20);

/// Runs `command` for at most `limit_for`. Then its standard input ends, for it to end as well, and it is killed where it
/// does not. What it had printed counts in any case.
pub(crate) fn finish_within(command: &mut Command, limit_for: Duration) -> Result<Finished> {
    let line = render_command(command);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{line}`"))?;
    // Taken from the child, whose own would be closed before it is waited for.
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut text = Vec::new();
            let read = stdout.map_or(Ok(0), |mut stdout| stdout.read_to_end(&mut text));
            read.map(|_length| String::from_utf8_lossy(&text).into_owned())
        });
        let waited = || format!("cannot wait for `{line}`");
        let status = child.wait_timeout(limit_for).with_context(waited)?;
        if status.is_none() {
            drop(stdin);
            if child.wait_timeout(LAST_MOMENTS).with_context(waited)?.is_none() {
                child.kill().with_context(|| format!("cannot stop `{line}`"))?;
                child.wait().with_context(waited)?;
            }
        }
        let text = reader.join().map_err(|_panic| anyhow!("cannot read what `{line}` prints"))?;
        Ok(Finished { status, text: text.with_context(|| format!("cannot read what `{line}` prints"))? })
    })
}

/// What `command` prints on its standard output, without the white space at both ends; fails when the command does.
pub(crate) fn answer(command: &mut Command) -> Result<String> {
    let line = render_command(command);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{line}` ended with {}: {}", output.status, said.trim());
    }
    let text = String::from_utf8(output.stdout).with_context(|| format!("`{line}` did not print text"))?;
    Ok(text.trim().to_owned())
}

/// Writes what `program` logs into a file of its own, and returns the file for the child's streams.
pub(crate) fn log_file(path: &Path) -> Result<std::fs::File> {
    std::fs::File::options()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Whether `program` can be found on the path.
pub(crate) fn is_on_path(program: impl AsRef<OsStr>) -> bool {
    find_on_path(program).is_some()
}

/// Debian's packages of those tools that are not there, each with its package. Of Python also what makes its virtual environments,
/// which Debian keeps apart.
pub(crate) fn find_missing(tools: &[(&str, &'static str)]) -> Option<String> {
    const VENV: &str = "python3-venv";
    let mut missing: Vec<&str> =
        tools.iter().filter(|(tool, _)| !is_on_path(tool)).map(|(_, package)| *package).collect();
    if tools.iter().any(|(_, package)| *package == VENV) && !missing.contains(&VENV) {
        let mut python = Command::new("python3");
        python.args(["-c", "import ensurepip, venv"]).stderr(Stdio::null());
        if !python.status().is_ok_and(|status| status.success()) {
            missing.push(VENV);
        }
    }
    (!missing.is_empty()).then(|| missing.join(" "))
}

/// Where `program` is, by the path.
pub(crate) fn find_on_path(program: impl AsRef<OsStr>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program.as_ref())).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_leaves_is_told_from_what_a_person_sets() {
        for name in ["CARGO", "CARGO_PKG_VERSION", "CARGO_MANIFEST_DIR", "CARGO_BIN_EXE_punchcard", "OUT_DIR"] {
            assert!(is_left_by_cargo(name), "{name}");
        }
        for name in ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_TERM_COLOR", "PATH", "RUSTUP_TOOLCHAIN"] {
            assert!(!is_left_by_cargo(name), "{name}");
        }
    }

    #[test]
    fn of_tools_that_are_missing_the_packages_are_named() {
        assert_eq!(find_missing(&[("sh", "dash")]), None);
        let found = find_missing(&[("sh", "dash"), ("no-such-tool", "one"), ("nor-this", "two")]);
        assert_eq!(found.as_deref(), Some("one two"));
    }

    #[test]
    fn a_command_that_takes_too_long_is_ended() {
        let ended =
            perform_within(Command::new("cat").arg("/dev/zero").stdout(Stdio::null()), Duration::from_millis(50));
        assert!(ended.expect("cat runs").is_none());
    }

    #[test]
    fn a_command_that_ends_in_time_tells_its_status() {
        let ended = perform_within(&mut Command::new("false"), Duration::from_secs(60)).expect("false runs");
        assert_eq!(ended.and_then(|status| status.code()), Some(1));
    }

    #[test]
    fn the_answer_of_a_command_comes_within_the_limit_or_not_at_all() {
        let (status, text) = answer_within(Command::new("echo").arg("one"), Duration::from_secs(60)).expect("in time");
        assert!(status.success());
        assert_eq!(text, "one\n");
        let error = answer_within(Command::new("tail").args(["-f", "/dev/null"]), Duration::from_millis(50))
            .expect_err("endless");
        assert!(error.to_string().contains("tail -f"), "{error}");
    }

    #[test]
    fn what_was_printed_before_the_limit_counts_and_so_does_how_it_ended() {
        let shell = |script: &str, limit_for| finish_within(Command::new("sh").args(["-c", script]), limit_for);
        let finished = shell("echo one; exit 3", Duration::from_secs(60)).expect("in time");
        assert_eq!((finished.status.and_then(|status| status.code()), finished.text.as_str()), (Some(3), "one\n"));
        // It ends with its input, and had something to say.
        let finished = shell("echo one; cat; echo two", Duration::from_millis(500)).expect("ended");
        assert!(finished.status.is_none());
        assert_eq!(finished.text, "one\ntwo\n");
    }

    #[test]
    fn a_failure_names_the_command_and_what_it_said() {
        let error = answer(Command::new("sh").args(["-c", "echo no such thing >&2; exit 3"])).expect_err("exit 3");
        let text = error.to_string();
        assert!(text.contains("sh -c") && text.contains("no such thing") && text.contains('3'), "{text}");
    }
}
