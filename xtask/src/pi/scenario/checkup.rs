//! `doctor` and `support-bundle`, as a person asks them.

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::super::check::Checks;
use super::super::configuration::CLIENT_SECRET;
use super::super::device::Pi;

/// What can't be known of this machine, by the beginning of the check, and of what is said of it.
const UNKNOWN: [(&str, &str); 2] =
    [("wear", "vda: it does not tell how worn it is"), ("panel", "the running device has it")];

/// What `punchcard doctor --json` prints.
#[derive(Deserialize)]
struct Checkup {
    well: bool,
    findings: Vec<Finding>,
}

#[derive(Deserialize)]
struct Finding {
    check: String,
    verdict: String,
    seen: String,
    remedy: Option<String>,
}

pub(super) fn ask(pi: &mut Pi<'_>, checks: &mut Checks) -> Result<()> {
    // As a network gives it: QEMU's own, which answers nothing here.
    pi.perform("echo 'nameserver 10.0.2.3' > /etc/resolv.conf")?;
    checks.note("`doctor` finds everything as it should be, but for what no virtual machine tells", find_well(pi));
    pi.perform("mv /etc/resolv.conf /tmp/resolv.conf")?;
    checks.note("`doctor` says what is missing, and what to do", find_missing(pi));
    pi.perform("mv /tmp/resolv.conf /etc/resolv.conf")?;
    checks.note("what is for who helps has no secret in it", bundle(pi));
    Ok(())
}

/// How `doctor` ended, and what it found.
fn examine(pi: &mut Pi<'_>) -> Result<(Option<i32>, Checkup)> {
    let answer = pi.machine()?.agent.run("punchcard doctor --json")?;
    let checkup = serde_json::from_str(&answer.stdout);
    let checkup = checkup.with_context(|| format!("it says something else: {}{}", answer.stdout, answer.stderr))?;
    Ok((answer.status, checkup))
}

fn find_well(pi: &mut Pi<'_>) -> Result<String> {
    let (status, Checkup { well, findings }) = examine(pi)?;
    let (good, others): (Vec<_>, Vec<_>) = findings.into_iter().partition(|finding| finding.verdict == "good");
    let is_expected = |finding: &&Finding| {
        let known = UNKNOWN.iter().find(|(check, _)| finding.check.starts_with(check));
        finding.verdict == "unknown" && known.is_some_and(|(_, seen)| finding.seen.starts_with(seen))
    };
    let strange: Vec<String> = others.iter().filter(|finding| !is_expected(finding)).map(render).collect();
    ensure!(strange.is_empty(), "{}", strange.join("; "));
    ensure!(well && status == Some(0), "it says well: {well}, and ended with {status:?}");
    let unknown: Vec<&str> = others.iter().map(|finding| finding.check.as_str()).collect();
    Ok(format!("{} are good; not known: {}", good.len(), unknown.join(", ")))
}

fn find_missing(pi: &mut Pi<'_>) -> Result<String> {
    let (status, Checkup { well, findings }) = examine(pi)?;
    let missing = findings.iter().find(|finding| finding.check == "name servers").context("it does not speak of it")?;
    ensure!(missing.verdict == "bad" && missing.remedy.is_some(), "{}", render(missing));
    // The documented exit status of what is not as it should be.
    ensure!(!well && status == Some(9), "it says well: {well}, and ended with {status:?}");
    Ok(render(missing))
}

fn render(finding: &Finding) -> String {
    let Finding { check, verdict, seen, remedy } = finding;
    format!("{check} is {verdict}: {seen}{}", remedy.as_ref().map(|remedy| format!(" ({remedy})")).unwrap_or_default())
}

/// The client's secret and the tokens are looked for in the bundle, as they are.
fn bundle(pi: &mut Pi<'_>) -> Result<String> {
    pi.perform("rm -f /tmp/bundle.txt && punchcard support-bundle /tmp/bundle.txt")?;
    let text = pi.perform("cat /tmp/bundle.txt")?;
    let parts = ["[grants.google]", "[sinks.timesheet]", "name servers", "recorded"];
    let missing: Vec<&str> = parts.into_iter().filter(|part| !text.contains(part)).collect();
    ensure!(missing.is_empty(), "it lacks {missing:?}");
    let tokens = parse_tokens(&pi.perform("cat /var/lib/punchcard/vault/*")?)?;
    ensure!(!tokens.is_empty(), "the device has no tokens, so that none can be looked for");
    let found = tokens.iter().chain([&CLIENT_SECRET.to_owned()]).filter(|secret| text.contains(*secret)).count();
    ensure!(found == 0, "{found} secrets are in it");
    Ok(format!("{} KiB, without {} tokens and the client's secret", text.len().div_ceil(1_024), tokens.len()))
}

/// The secrets in the files of a vault, one behind the other.
fn parse_tokens(files: &str) -> Result<Vec<String>> {
    let mut tokens = Vec::new();
    for file in serde_json::Deserializer::from_str(files).into_iter::<serde_json::Value>() {
        let file = file.context("a file of the vault has another form")?;
        let slots = file["slots"].as_object().context("a file of the vault has no slots")?;
        tokens.extend(slots.values().filter_map(|slot| slot["secret"].as_str().map(str::to_owned)));
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tokens_of_all_files_are_found() {
        let file = |slot: &str, secret: &str| {
            format!(r#"{{"format":1,"last-version":1,"slots":{{"{slot}":{{"version":1,"secret":"{secret}"}}}}}}"#)
        };
        let files = format!("{}\n{}", file("access-token", "ya29.x"), file("refresh-token", "1//y"));
        assert_eq!(parse_tokens(&files).expect("tokens"), ["ya29.x", "1//y"]);
        assert!(parse_tokens("{}").is_err());
    }
}
