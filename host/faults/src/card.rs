//! What becomes of a card: it fills up, can't be written any more, is slow, or has lost what it held.

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::time::Instant;

use crate::device::Condition;
use crate::headline::{
    CODE, FAILING, LEDGER_REFUSES, LEDGER_UNREADABLE, LOST_A_WRITE, NO_LEDGER, NOT_RECORDED, OFF, SIGNED_OUT,
    TOKENS_DAMAGED,
};
use crate::machine::probe;
use crate::row::{Group, Row};
use crate::strace::Calls;
use crate::trial::{Surroundings, Trial};

/// Writes to the ledger's files that fail one after the other, until somebody has made room.
const FAIL_TOGETHER: usize = 2;
/// The first to fail is each of these, of those of each thread: one opens the ledger, with some 25 writes,
const AT_THE_START: [usize; 3] = [1, 4, 8];
/// and another one writes presses, rows, batches and what is known of them, for more than one press.
const AT_WORK: RangeInclusive<usize> = 24..=64;
const STEP: usize = 2;
/// What is logged where such a write fails.
const FORMATTING: &str = "formatting failed; the events stay in the ledger";
const TAKING_A_BATCH: &str = "the ledger can't be used; trying again";
const KEEPING_A_BATCH: &str = "the connector failed; its work is begun again";
/// The first sync that is refused, of those of each thread,
const REFUSED_ONCE: RangeInclusive<usize> = 1..=6;
/// and where all are refused from then on, until the host is killed.
const REFUSED_UNTIL_KILLED: [usize; 4] = [2, 3, 5, 8];
/// How a device ends that takes nothing more, and what it says of a press whose own commit was refused.
const UNCONFIRMED: i32 = 8;
const OF_ITS_OWN: &str = "nothing of it was recorded";
/// What a sync takes on a slow card.
const SLOW_SYNC: Duration = Duration::from_secs(2);
/// What cards do.
pub(crate) fn rows() -> Vec<Row> {
    use Group::Disk;
    let no_ledger = &[NO_LEDGER];
    vec![
        Row::new(Disk, "full", "the card is full, at one write after the other, and then has room again", full)
            .may_say(&[NOT_RECORDED, FAILING])
            .slow(),
        Row::new(Disk, "read-only", "the card can't be written any more, until the device is started anew", read_only)
            .says(&[NOT_RECORDED])
            .may_say(&[NO_LEDGER, LOST_A_WRITE, LEDGER_REFUSES, FAILING]),
        Row::new(
            Disk,
            "read-only-at-the-start",
            "the card can't be written when the device starts",
            read_only_at_the_start,
        ),
        Row::new(Disk, "sync-fails", "the card takes what is written, and refuses to sync it", sync_fails)
            .says(&[NOT_RECORDED, LOST_A_WRITE])
            .may_say(&[NO_LEDGER, LEDGER_REFUSES, FAILING]),
        Row::new(Disk, "slow-sync", "each sync of the card takes 2 s", slow).slow(),
        Row::new(Disk, "page-damaged", "a page of the ledger is damaged, each in turn", page_damaged)
            .says(no_ledger)
            // On pages that say which versions of plugins are in force: parts are off, and say that the ledger is damaged.
            .may_say(&[NOT_RECORDED, FAILING, LEDGER_REFUSES, LEDGER_UNREADABLE, OFF])
            .slow(),
        Row::new(Disk, "ledger-damaged", "the beginning of the ledger is lost", ledger_damaged).says(no_ledger),
        Row::new(Disk, "tokens-damaged", "the file of the tokens is cut short", tokens_damaged)
            .says(&[CODE, TOKENS_DAMAGED])
            // Until the server has given it a code.
            .may_say(&[SIGNED_OUT]),
    ]
}

impl Trial {
    /// Calls on the device's ledger that can be made to go wrong.
    pub(crate) async fn calls(&self, names: &'static str) -> Result<Calls> {
        let folder = &self.device.rig.folder;
        Calls::on_the_ledger(&folder.state, names, &folder.path().join("calls")).await
    }
}

async fn full(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    let calls = trial.calls("pwrite64").await?;
    let mut refused = 0;
    let planned = AT_THE_START.into_iter().chain(AT_WORK.step_by(STEP));
    // Which thread does the write of a number depends on timing: the numbers between are tried while a failure was not met.
    for (first, only_while_missing) in
        planned.map(|first| (first, false)).chain(AT_WORK.skip(1).step_by(STEP).map(|first| (first, true)))
    {
        if only_while_missing && unmet_failure(&trial).is_none() {
            break;
        }
        trial.device.rig.kill().await?;
        let last = first + FAIL_TOGETHER - 1;
        trial.device.rig.set_wrapper(calls.wrapper(&format!("error=ENOSPC:when={first}..{last}"))?);
        trial.device.rig.start()?;
        // With the first writes it may be the opening that fails, and is tried again.
        trial.device.wait_until_ready().await?;
        trial.heal();
        let (mut rounds, process) = (0, trial.device.rig.process()?.id().context("the host has ended")?);
        while calls.count_at_work(process) < FAIL_TOGETHER {
            refused += trial.device.press_until_recorded().await?;
            trial.device.settle().await?;
            rounds += 1;
            ensure!(rounds < 20, "the writes from {first} on never came");
        }
        trial.device.press_and_wait().await?;
        trial.recover().await?;
        trial.count_runs(1);
    }
    trial.start_mended().await?;
    if let Some(what) = unmet_failure(&trial) {
        trial.note(format!("no write failed of which `{what}` is logged"));
    }
    if refused == 0 {
        trial.note("no press met a full card".to_owned());
    }
    Ok(trial)
}

/// What the log says where a write fails, and has not said yet.
fn unmet_failure(trial: &Trial) -> Option<&'static str> {
    let log = trial.device.rig.log();
    [FORMATTING, TAKING_A_BATCH, KEEPING_A_BATCH].into_iter().find(|what| !log.contains(what))
}

async fn read_only(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    let calls = trial.calls("pwrite64,fdatasync,fsync,ftruncate").await?;
    // While the ledger is opened, and behind all that this takes: while presses are written.
    for first in [1, 6, 40] {
        trial.device.rig.kill().await?;
        trial.device.rig.set_wrapper(calls.wrapper(&format!("error=EROFS:when={first}+"))?);
        trial.device.rig.start()?;
        if trial.device.answered_or_refused(|_| true).await? {
            // Each thread has its own count: the first presses may still be recorded.
            trial.device.press_until_refused().await?;
            trial.device.wait_for(NOT_RECORDED).await?;
        } else {
            trial.device.press_unasked().await?;
        }
        trial.start_mended().await?;
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
    let with_true: Vec<_> = wrapper.iter().copied().chain(["true"]).collect();
    probe(&with_true, "this system lends no mounts of one's own").await?;
    trial.device.rig.set_wrapper(wrapper);
    trial.device.rig.start()?;
    // The folder takes no socket: nobody can ask, but the panel says so, and the log.
    trial.device.wait_for_log(r#"problem="no ledger""#).await?;
    trial.device.press_unasked().await?;
    trial.start_mended().await?;
    trial.run(async |_| Ok(())).await?;
    Ok(trial)
}

async fn sync_fails(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    let calls = trial.calls("fdatasync,fsync").await?;
    // One alone, or also the one that would confirm that nothing is there.
    let mut refused = [0, 0];
    for first in REFUSED_ONCE {
        for (together, refused) in (1..).zip(&mut refused) {
            *refused += refuse_syncs(&mut trial, &calls, first, together).await?;
        }
    }
    // The host is killed while nobody has written anything since.
    for first in REFUSED_UNTIL_KILLED {
        trial.device.rig.kill().await?;
        trial.device.rig.set_wrapper(calls.wrapper(&format!("error=EIO:when={first}+"))?);
        trial.device.rig.start()?;
        // Sinks wait for a ledger that takes nothing, and so it may never be ready.
        ensure!(trial.device.answered_or_refused(|_| true).await?, "the ledger is not opened");
        trial.device.press_until_refused().await?;
        trial.device.wait_for(NOT_RECORDED).await?;
        trial.device.wait_for(LOST_A_WRITE).await?;
        // The same key again: of the press that was refused there may be no row.
        trial.start_mended().await?;
        trial.run(async |_| Ok(())).await?;
    }
    for (together, refused) in (1..).zip(refused) {
        if refused == 0 {
            trial.note(format!("no press met a sync that failed, {together} in a row"));
        }
    }
    Ok(trial)
}

/// Has some syncs in a row fail, so that the device ends by itself. Returns how many presses were refused whose own commit met
/// one, and not that of a row or a batch before it.
async fn refuse_syncs(trial: &mut Trial, calls: &Calls, first: usize, together: usize) -> Result<u32> {
    trial.device.rig.kill().await?;
    trial.device.rig.set_wrapper(calls.wrapper(&format!("error=EIO:when={first}..{}", first + together - 1))?);
    trial.device.rig.start()?;
    // The first may fail while the ledger is opened, which is tried again.
    while !trial.device.answered_or_refused(|_| true).await? {}
    trial.device.press_until_refused().await?;
    trial.device.wait_for(NOT_RECORDED).await?;
    trial.device.wait_for(LOST_A_WRITE).await?;
    let of_its_own = trial.device.rig.log().lines().rfind(|line| line.contains(NOT_RECORDED)).map(str::to_owned);
    let ended = trial.device.rig.wait_for_end().await?;
    ensure!(ended.code() == Some(UNCONFIRMED), "it ended with {ended}");
    // As the system does it.
    trial.start_mended().await?;
    trial.device.press_and_wait().await?;
    trial.recover().await?;
    trial.count_runs(1);
    Ok(u32::from(of_its_own.is_some_and(|line| line.contains(OF_ITS_OWN))))
}

async fn slow(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    trial.device.rig.stop().await?;
    let calls = trial.calls("fdatasync,fsync").await?;
    trial.device.rig.set_wrapper(calls.wrapper(&format!("delay_enter={}", SLOW_SYNC.as_micros()))?);
    trial.device.rig.start()?;
    trial.device.wait_until_ready().await?;
    for _ in 0..2 {
        trial
            .run(async |trial| {
                for _ in 0..3 {
                    // Formatting and delivery sync as well, and are not waited for.
                    trial.device.settle().await?;
                    let pressed_at = Instant::now();
                    trial.device.press_and_wait().await?;
                    let told_after = pressed_at.elapsed();
                    ensure!(told_after >= SLOW_SYNC, "a press was said to be recorded after {told_after:?}");
                }
                Ok(())
            })
            .await?;
    }
    Ok(trial)
}

/// The bytes of a page in the middle of nowhere.
const RUBBISH: u8 = 0x5a;

async fn page_damaged(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    let ledger = trial.device.rig.folder.state.join("ledger.sqlite");
    let mut copies = Vec::new();
    for _ in 0..2 {
        for _ in 0..10 {
            trial.device.press_and_wait().await?;
        }
        trial.device.settle().await?;
        trial.device.rig.stop().await?;
        copies.push(fs::read(&ledger).context("there is no ledger")?);
        trial.device.rig.start_and_wait().await?;
    }
    trial.device.rig.kill().await?;
    let (Some(good), Some(older)) = (copies.pop(), copies.pop()) else { bail!("there are no copies") };
    let page = usize::from(u16::from_be_bytes([good[16], good[17]]));
    let pages = good.len() / page;
    let (mut at_the_start, mut later, mut never) = (0, 0, 0);
    for number in 1..pages {
        let mut bad = good.clone();
        bad[number * page..(number + 1) * page].fill(RUBBISH);
        put_ledger(&ledger, &bad)?;
        trial.device.begin_anew();
        let before = trial.device.presses.all.len();
        trial.device.rig.start()?;
        let has_begun = |report: &serde_json::Value| {
            ["sinks", "problems"].iter().any(|name| report[name].as_array().is_some_and(|parts| !parts.is_empty()))
        };
        if trial.device.answered_or_refused(has_begun).await? {
            match trial.device.press_twice_and_settle().await? {
                Condition::Well => never += 1,
                Condition::Told => later += 1,
            }
        } else {
            at_the_start += 1;
        }
        trial.device.rig.kill().await?;
        trial.device.hear_of_presses()?;
        // What it recorded goes with its ledger, where it is no row yet.
        trial.device.presses.doubt_from(before);
        trial.count_runs(1);
    }
    eprintln!("    of {pages} pages, {at_the_start} were missed at the start, {later} at work and {never} not at all");
    ensure!(at_the_start > 0 && later > 0, "the damage was not missed where it has to be");
    // A person puts a copy back, which may be an old one.
    for copy in [good, older] {
        put_ledger(&ledger, &copy)?;
        trial.device.begin_anew();
        trial.start_mended().await?;
        trial.run(async |_| Ok(())).await?;
        trial.device.rig.stop().await?;
    }
    trial.device.rig.start_and_wait().await?;
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
    trial.asks_only_for_the_code().await?;
    trial.sign_in(None).await?;
    trial.run(async |_| Ok(())).await?;
    Ok(trial)
}

/// Puts a ledger in the place of the one that is there, and of what belongs to that one.
pub(crate) fn put_ledger(ledger: &Path, content: &[u8]) -> Result<()> {
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
