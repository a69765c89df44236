//! How exposed the service is, and that it works within its bounds: those that it comes with, and narrower ones.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::super::check::Checks;
use super::super::configuration::Addition;
use super::super::device::Pi;
use super::DROP_INS;

/// For it to compile all of its plugins.
const COMPILE_LIMIT_FOR: Duration = Duration::from_mins(8);

/// How exposed the service may be, as `systemd-analyze security` of systemd 257 measures it.
const EXPOSURE_LIMIT: f64 = 1.8;

/// What the package brings for a service without executable memory.
const OPTION: &str = "/usr/share/doc/punchcard/examples/no-executable-memory.conf";

pub(super) fn harden(pi: &mut Pi<'_>, checks: &mut Checks) -> Result<()> {
    checks.note(
        "how exposed the service is",
        measure_exposure(pi).and_then(|found| {
            ensure!(found <= EXPOSURE_LIMIT, "{found}, and at most {EXPOSURE_LIMIT} was to be");
            Ok(found)
        }),
    );
    // Everything so far was inside the unit already, but for the plugins: they were compiled when it was installed.
    pi.perform("systemctl stop punchcard && rm -rf /var/lib/punchcard/cache && systemctl start punchcard")?;
    let compiled = pi.await_use(COMPILE_LIMIT_FOR);
    let compiled = compiled.and_then(|took| {
        let files = pi.perform("find /var/lib/punchcard/cache -type f | grep -c .")?;
        Ok(format!("{files} files after {:.1} s", took.as_secs_f64()))
    });
    checks.note("plugins are compiled and run inside the unit", compiled);
    pi.press_and_wait()?;
    let compared = pi.compare();
    checks.note("a press after that is one row", compared);
    checks.note("the unit refuses the program nothing that it wants", find_refusals(pi));
    Ok(())
}

pub(super) fn interpret(pi: &mut Pi<'_>, checks: &mut Checks) -> Result<()> {
    pi.write_configuration(&[Addition::Interpreter])?;
    pi.perform(&format!(
        "install -D -m 644 {OPTION} -t {DROP_INS} && systemctl daemon-reload && systemctl restart punchcard"
    ))?;
    let works = pi.await_use(COMPILE_LIMIT_FOR).map(|took| format!("after {:.1} s", took.as_secs_f64()));
    checks.note("with plugins that are interpreted it runs without executable memory", works);
    checks.note("the kernel has no executable memory of it but that of files", find_executable_memory(pi));
    let exposure = measure_exposure(pi);
    checks.note("how exposed the service is then", exposure);
    for _ in 0..3 {
        pi.press_and_wait()?;
    }
    let compared = pi.compare();
    checks.note("each press is one row", compared);
    checks.note("the unit refuses the program nothing that it wants", find_refusals(pi));
    pi.write_configuration(&[])?;
    pi.perform(&format!("rm -r {DROP_INS} && systemctl daemon-reload && systemctl restart punchcard"))?;
    pi.await_use(COMPILE_LIMIT_FOR).map(drop)
}

fn measure_exposure(pi: &mut Pi<'_>) -> Result<f64> {
    let line = pi.perform("systemd-analyze security --no-pager punchcard.service | tail -n 1")?;
    parse_exposure(&line).with_context(|| format!("systemd says `{line}`"))
}

/// The number in `→ Overall exposure level for punchcard.service: 1.8 OK 🙂`.
fn parse_exposure(line: &str) -> Option<f64> {
    line.rsplit_once(": ")?.1.split_whitespace().next()?.parse().ok()
}

fn find_refusals(pi: &mut Pi<'_>) -> Result<&'static str> {
    let refused = "journalctl --no-pager -u punchcard | grep -i -E 'not permitted|permission denied|panicked|SIGSYS'";
    pi.perform(&format!("! {refused}")).map(|_| "")
}

fn find_executable_memory(pi: &mut Pi<'_>) -> Result<String> {
    let maps = pi.perform("cat /proc/$(systemctl show -P MainPID punchcard)/maps")?;
    let (executable, of_files) = parse_executable(&maps);
    ensure!(executable.is_empty(), "{}", executable.join("; "));
    ensure!(of_files > 0, "nothing of it is executable, not even its program");
    Ok(format!("{of_files} places of files"))
}

/// The executable places of a program's memory that are of no file but could be written to or were, and how many are of files
/// (proc_pid_maps(5)). The kernel's own page, `[vdso]`, counts as a file.
fn parse_executable(maps: &str) -> (Vec<String>, usize) {
    let mut of_files = 0;
    let executable = maps.lines().filter(|line| {
        let mut words = line.split_whitespace().skip(1);
        let permissions = words.next().unwrap_or_default();
        if !permissions.contains('x') {
            return false;
        }
        let is_of_file = words.nth(3).is_some_and(|path| path.starts_with('/') || path == "[vdso]");
        of_files += usize::from(is_of_file);
        !is_of_file || permissions.contains('w')
    });
    (executable.map(str::to_owned).collect(), of_files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exposure_is_the_number_before_its_name() {
        assert_eq!(parse_exposure("→ Overall exposure level for punchcard.service: 1.8 OK 🙂"), Some(1.8));
        assert_eq!(parse_exposure("Unit punchcard.service not found."), None);
    }

    #[test]
    fn executable_memory_is_that_of_files_or_is_found() {
        let files = "aaaa0000-aaaa1000 r-xp 00000000 fe:00 12 /usr/bin/punchcard\n\
                     aaaa1000-aaaa2000 rw-p 00000000 fe:00 12 /usr/bin/punchcard\n\
                     ffff0000-ffff1000 rw-p 00000000 00:00 0 \n\
                     ffff1000-ffff2000 r-xp 00000000 00:00 0 [vdso]\n";
        assert_eq!(parse_executable(files), (Vec::new(), 2));
        let compiled = "ffff3000-ffff4000 r-xp 00000000 00:00 0 ";
        assert_eq!(parse_executable(&format!("{files}{compiled}")), (vec![compiled.to_owned()], 2));
    }
}
