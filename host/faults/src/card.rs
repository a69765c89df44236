//! What becomes of a card: it fills up, can't be written any more, is slow, or has lost what it held.
//!
//! Calls of the real program fail or take long because `strace` has them fail: the program, its SQLite and the kernel's
//! files are what they always are.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::time::Instant;

use crate::device::NO_LEDGER;
use crate::row::{Group, NotProduced, Row};
use crate::trial::{Surroundings, Trial};

/// What the device says while presses are not recorded.
pub(crate) const NOT_RECORDED: &str = "NOT recorded";
/// Writes to the ledger's files that fail one after the other, until somebody has made room.
const FAIL_TOGETHER: u32 = 6;
/// The first to fail is each of these.
const WRITES: u32 = 16;

/// What cards do.
pub(crate) fn rows() -> Vec<Row> {
    use Group::Disk;
    let no_ledger = &[NO_LEDGER];
    vec![
        Row::new(Disk, "full", "the card is full, at each write in turn, and then has room again", full).may_say(&[
            NOT_RECORDED,
            "delivery fails",
            "formatting fails",
            "failing",
        ]),
        Row::new(Disk, "read-only", "the card can't be written any more, until the device is started anew", read_only)
            .says(&[NOT_RECORDED])
            .may_say(&[NO_LEDGER, "ledger refuses", "failing"])
            .by_hand(),
        Row::new(
            Disk,
            "read-only-at-the-start",
            "the card can't be written when the device starts",
            read_only_at_the_start,
        )
        .by_hand(),
        Row::new(Disk, "slow-sync", "each sync of the card takes 2 s", slow),
        Row::new(Disk, "page-damaged", "a page of the ledger is damaged, each in turn", page_damaged).by_hand(),
        Row::new(Disk, "ledger-damaged", "the beginning of the ledger is lost", ledger_damaged)
            .says(no_ledger)
            .by_hand(),
        Row::new(Disk, "tokens-damaged", "the file of the tokens is cut short", tokens_damaged)
            .says(&["a code is shown", "tokens were damaged"])
            .by_hand(),
    ]
}

/// A command that starts the program with such calls on the ledger's files going wrong.
pub(crate) fn with_calls(state: &Path, calls: &str, what: &str) -> Result<Vec<String>> {
    if std::process::Command::new("strace").arg("-V").output().is_err() {
        return Err(NotProduced("there is no `strace`, which makes calls of the system fail".to_owned()).into());
    }
    // Beside the program and not above it (`-D`): the one that is started and killed is the program.
    let mut command: Vec<String> = ["strace", "-D", "-f", "-qq", "-o", "/dev/null"].map(str::to_owned).into();
    for file in ["ledger.sqlite", "ledger.sqlite-wal"] {
        let path = state.join(file);
        command.extend(["-P".to_owned(), path.to_str().context("a path is no text")?.to_owned()]);
    }
    command.extend(["-e".to_owned(), format!("trace={calls}"), "-e".to_owned(), format!("inject={calls}:{what}")]);
    Ok(command)
}

async fn full(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    let mut refused = 0;
    for first in 1..=WRITES {
        trial.device.rig.kill().await?;
        let last = first + FAIL_TOGETHER - 1;
        let wrapper =
            with_calls(&trial.device.rig.folder.state, "pwrite64", &format!("error=ENOSPC:when={first}..{last}"))?;
        trial.device.rig.set_wrapper(wrapper);
        trial.device.rig.start()?;
        // With the first writes it may be the opening that fails, and is tried again.
        trial.device.wait_until_ready().await?;
        trial
            .run(async |trial| {
                for _ in 0..2 {
                    refused += trial.device.press_until_recorded().await?;
                }
                Ok(())
            })
            .await?;
    }
    if refused == 0 {
        trial.note("no press met a full card".to_owned());
    }
    Ok(trial)
}

async fn read_only(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    for first in [1, 6, 12] {
        trial.device.rig.kill().await?;
        let calls = "pwrite64,fdatasync,fsync,ftruncate";
        let wrapper = with_calls(&trial.device.rig.folder.state, calls, &format!("error=EROFS:when={first}+"))?;
        trial.device.rig.set_wrapper(wrapper);
        trial.device.rig.start()?;
        if trial.device.answered_or_refused(|_| true).await? {
            // Each thread has its own count: the first presses may still be recorded.
            trial.device.press_until_refused().await?;
            trial.device.wait_for(NOT_RECORDED).await?;
        } else {
            trial.device.press_unasked().await?;
        }
        trial.device.rig.kill().await?;
        trial.device.rig.set_wrapper::<String>([]);
        trial.device.rig.start()?;
        trial.heal();
        trial.device.wait_until_ready().await?;
        trial.run(async |_| Ok(())).await?;
    }
    Ok(trial)
}

async fn read_only_at_the_start(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    trial.device.rig.stop().await?;
    let state = trial.device.rig.folder.state.clone();
    let mount = r#"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@""#;
    let state_name = state.to_str().context("a path is no text")?;
    let wrapper = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, state_name];
    let tried = std::process::Command::new(wrapper[0]).args(&wrapper[1..]).arg("true").output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        return Err(
            NotProduced("this system lends no mounts of one's own (`unshare --user --mount`)".to_owned()).into()
        );
    }
    trial.device.rig.set_wrapper(wrapper);
    trial.device.rig.start()?;
    // The folder takes no socket: nobody can ask, but the panel says so, and the log.
    trial.device.wait_for_log(|device| device.rig.log().contains(r#"problem="no ledger""#)).await?;
    trial.device.press_unasked().await?;
    trial.device.rig.kill().await?;
    trial.device.rig.set_wrapper::<String>([]);
    trial.device.rig.start()?;
    trial.heal();
    trial.device.wait_until_ready().await?;
    trial.run(async |_| Ok(())).await?;
    Ok(trial)
}

async fn slow(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    trial.device.rig.stop().await?;
    let wrapper = with_calls(&trial.device.rig.folder.state, "fdatasync,fsync", "delay_enter=2000000")?;
    trial.device.rig.set_wrapper(wrapper);
    trial.device.rig.start()?;
    trial.device.wait_until_ready().await?;
    for _ in 0..2 {
        let began = Instant::now();
        trial.run(async |trial| trial.device.press_and_wait().await).await?;
        // Three presses, each after the one before was said to be recorded.
        ensure!(began.elapsed() >= Duration::from_secs(6), "a press was said to be recorded before the card had it");
    }
    Ok(trial)
}

/// The bytes of a page in the middle of nowhere.
const RUBBISH: u8 = 0x5a;

async fn page_damaged(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    for _ in 0..20 {
        trial.device.press_and_wait().await?;
    }
    trial.device.settle().await?;
    trial.device.rig.stop().await?;
    let before = trial.rows()?.len();
    let ledger = trial.device.rig.folder.state.join("ledger.sqlite");
    let good = fs::read(&ledger)?;
    let page = usize::from(u16::from_be_bytes([good[16], good[17]]));
    let pages = good.len() / page;
    let (mut noticed, mut passed) = (0, 0);
    for number in 1..pages {
        let mut bad = good.clone();
        bad[number * page..(number + 1) * page].fill(RUBBISH);
        put_ledger(&ledger, &bad)?;
        trial.device.rig.start()?;
        let has_begun = |report: &serde_json::Value| {
            let is_filled = |name: &str| report[name].as_array().is_some_and(|parts| !parts.is_empty());
            is_filled("sinks") || is_filled("problems")
        };
        match trial.device.answered_or_refused(has_begun).await? {
            true => passed += 1,
            false => noticed += 1,
        }
        trial.device.rig.kill().await?;
    }
    ensure!(noticed > 0, "of {pages} pages none is needed to start");
    if trial.rows()?.len() != before {
        trial.note(format!("{} rows came of damaged pages", trial.rows()?.len() - before));
    }
    eprintln!("    {noticed} damaged pages were noticed at the start, {passed} were not needed for it");
    // A person puts a copy back.
    put_ledger(&ledger, &good)?;
    trial.device.rig.start()?;
    trial.heal();
    trial.device.wait_until_ready().await?;
    trial.device.said.clear();
    trial.count_runs(u32::try_from(pages - 2)?);
    trial.run(async |_| Ok(())).await?;
    Ok(trial)
}

async fn ledger_damaged(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    trial.device.rig.stop().await?;
    let ledger = trial.device.rig.folder.state.join("ledger.sqlite");
    let mut bad = fs::read(&ledger)?;
    bad[..100].fill(RUBBISH);
    fs::write(&ledger, &bad).context("cannot damage a ledger")?;
    trial.device.rig.start()?;
    ensure!(!trial.device.ready_or_refused().await?, "it runs on a damaged ledger");
    let left = fs::read(&ledger)?;
    ensure!(left == bad, "the damaged ledger is not what it was");
    // Everything in it had been delivered: a person moves it away while the device waits, and an empty one is made.
    trial.heal();
    fs::rename(&ledger, ledger.with_extension("damaged"))?;
    fs::rename(ledger.with_extension("sqlite-wal"), ledger.with_extension("damaged-wal"))?;
    trial.device.begin_anew();
    trial.device.wait_until_ready().await?;
    trial.run(async |_| Ok(())).await?;
    Ok(trial)
}

async fn tokens_damaged(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    trial.device.rig.stop().await?;
    let file = tokens(&trial.device.rig.folder.state.join("vault"))?;
    let content = fs::read(&file)?;
    fs::write(&file, &content[..content.len() / 2])?;
    trial.device.rig.start()?;
    trial.device.wait_until_ready().await?;
    trial.device.press_and_wait().await?;
    trial.sign_in(None).await?;
    trial.heal();
    trial.run(async |_| Ok(())).await?;
    Ok(trial)
}

/// Puts a ledger in the place of the one that is there, and of what belongs to that one.
fn put_ledger(ledger: &Path, content: &[u8]) -> Result<()> {
    for suffix in ["-wal", "-shm"] {
        let mut name = ledger.as_os_str().to_owned();
        name.push(suffix);
        if let Err(error) = fs::remove_file(PathBuf::from(name))
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(error).context("cannot take a ledger's log away");
        }
    }
    fs::write(ledger, content).context("cannot write a ledger")
}

/// The token storage's only file.
fn tokens(vault: &Path) -> Result<PathBuf> {
    let files = fs::read_dir(vault).context("there is no token storage")?;
    let mut files = files.filter_map(|entry| Some(entry.ok()?.path()));
    files
        .find(|path| path.extension().is_some_and(|extension| extension == "json"))
        .context("there is no file of tokens")
}
