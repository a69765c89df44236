//! What hands do to a device, on purpose or not.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use google_sim::{Effect, Fault};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use crate::device::Device;
use crate::headline::{CODE, SIGNED_OUT};
use crate::machine::probe;
use crate::request::UPDATE;
use crate::row::{Group, Row};
use crate::time_clock::PROJECTS;
use crate::trial::{Surroundings, Trial};

/// What a sync takes on a slow card: much longer than all of the presses that are made again meanwhile.
const SLOW_SYNC: Duration = Duration::from_secs(3);
/// How often a key is pressed again, and how long after the time before.
const AGAIN: u64 = 3;
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// While its terminal is gone, the host is watched for so long.
const WITHOUT_A_TERMINAL_FOR: Duration = Duration::from_secs(3);
const NO_KEYS: &str = "the terminal's keys can no longer be read";

/// What hands do.
pub(crate) fn rows() -> Vec<Row> {
    use Group::Hands;
    vec![
        Row::new(Hands, "pressed-while-saving", "a key is pressed again while a slow card saves its press", again)
            .slow(),
        Row::new(
            Hands,
            "terminal-gone",
            "the terminal at which the host was started goes, and the host does not",
            terminal_gone,
        ),
        Row::new(Hands, "project-changed", "another project is chosen while one runs", project_changed),
        Row::new(Hands, "device-renamed", "the device gets another name", renamed),
        Row::new(Hands, "card-replaced", "another, empty card in the same device", card_replaced)
            .says(&[CODE])
            // Until the server has given it one.
            .may_say(&[SIGNED_OUT]),
    ]
}

/// A command that starts the program at a terminal, where keys are typed by hands: a script means what it writes. What the
/// terminal shows is lost, and what the device logs goes where it always does. `before` is a shell's command.
async fn terminal(device: &Device, before: &str) -> Result<Vec<String>> {
    const SCRIPT: &str = "exec script --quiet --flush --return --command";
    let probed = format!("{SCRIPT} true /dev/null");
    probe(&["sh", "-c", &probed], "there is no `script`, which lends a terminal").await?;
    let shell = format!(r#"log=$1; shift; {before}; {SCRIPT} "exec $* 2>>'$log'" /dev/null"#);
    let log = device.rig.log_file().to_str().context("a path is no text")?.to_owned();
    Ok(["sh", "-c", &shell, "sh", &log].map(str::to_owned).into())
}

async fn again(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    trial.device.rig.stop().await?;
    let slow = trial.calls("fdatasync,fsync").await?.wrapper(&format!("delay_enter={}", SLOW_SYNC.as_micros()))?;
    let terminal = terminal(&trial.device, "true").await?;
    trial.device.rig.set_wrapper(terminal.into_iter().chain(slow));
    trial.device.rig.start()?;
    trial.device.wait_until_ready().await?;
    for _ in 0..2 {
        trial
            .run(async |trial| {
                trial.device.settle().await?;
                let before = trial.device.told()?.again;
                let key = trial.device.presses.peek();
                trial.device.press().await?;
                for _ in 0..AGAIN {
                    sleep(AGAIN_AFTER).await;
                    trial.device.rig.press(key).await?;
                }
                // More than one event for them is one too many; the next press finds out.
                trial.device.hear_of_one().await?;
                let again = trial.device.told()?.again - before;
                ensure!(again == AGAIN, "{again} of {AGAIN} presses came while the first was being saved");
                Ok(())
            })
            .await?;
    }
    trial.device.rig.kill().await?;
    // That ends its terminal. The host need not end with it: whoever started these trials may have had it ignore that.
    drop(LeftAlone::find(&trial.device)?);
    trial.device.rig.set_wrapper::<String>([]);
    trial.device.start_when_free().await?;
    Ok(trial)
}

/// The host has nothing to do with the terminal's end (`nohup`), and goes on without its keys.
async fn terminal_gone(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    trial.device.rig.stop().await?;
    let terminal = terminal(&trial.device, "trap '' HUP").await?;
    trial.device.rig.set_wrapper(terminal);
    trial.device.rig.start()?;
    trial.device.wait_until_ready().await?;
    // A row that waits is brought without the terminal.
    trial.arm(Fault::on(UPDATE, Effect::ServerError { status: 503, applied: false }));
    trial.device.press_and_wait().await?;
    trial.device.rig.kill().await?;
    let host = LeftAlone::find(&trial.device)?;
    trial.device.settle().await?;
    let before = host.cpu_ticks()?;
    sleep(WITHOUT_A_TERMINAL_FOR).await;
    let ticks = host.cpu_ticks()? - before;
    ensure!(ticks < 50, "without its terminal it kept a processor busy for {ticks} hundredths of a second of three");
    kill_process(host.0, Signal::TERM)?;
    trial.device.rig.set_wrapper::<String>([]);
    trial.device.start_when_free().await?;
    ensure!(trial.device.rig.log().contains(NO_KEYS), "it did not say that it goes on without its keys");
    trial.run(async |_| Ok(())).await?;
    Ok(trial)
}

/// A host that nothing holds any more. It is killed with the value.
struct LeftAlone(Pid);

impl LeftAlone {
    fn find(device: &Device) -> Result<Self> {
        let host = fs::read_to_string(device.rig.folder.state.join("lock")).context("nobody holds the lock")?;
        host.trim().parse().ok().and_then(Pid::from_raw).map(Self).context("the lock names no process")
    }

    /// What it has used of the processors, in hundredths of a second (`proc_pid_stat(5)`, fields 14 and 15).
    fn cpu_ticks(&self) -> Result<u64> {
        let file = format!("/proc/{}/stat", self.0);
        let stat = fs::read_to_string(file).context("the host has ended with its terminal")?;
        let (_, fields) = stat.rsplit_once(')').context("the system tells nothing of the host")?;
        let used = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
        Ok(used.collect::<Result<Vec<_>, _>>()?.into_iter().sum())
    }
}

impl Drop for LeftAlone {
    fn drop(&mut self) {
        // In a trial that goes well it has ended.
        kill_process(self.0, Signal::KILL).ok();
    }
}

/// The time clock of a door: each press with another project finishes the one that runs, and starts the other.
async fn project_changed(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::time_clock(&surroundings).await?;
    trial.device.rig.start_and_wait().await?;
    trial.sign_in(None).await?;
    // Nothing is to be said from here on.
    trial.device.said.clear();
    for number in 0..PROJECTS {
        trial.punch().await?;
        if number == 2 {
            // What runs is known after a power cut, too.
            trial.device.rig.kill().await?;
            trial.device.rig.start_and_wait().await?;
            trial.device.wait_until_ready().await?;
        }
    }
    trial.count_runs(1);
    trial.heal();
    trial.finish().await?;
    Ok(trial)
}

async fn renamed(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    for (from, to) in [("\"faults\"", "\"front door\""), ("\"front door\"", "\"Hintereingang ä\"")] {
        trial.device.rig.stop().await?;
        let configuration = trial.device.rig.folder.configuration()?;
        if !configuration.contains(from) {
            bail!("the device is not called {from}");
        }
        trial.device.rig.folder.configure(&configuration.replacen(from, to, 1))?;
        trial.device.rig.start()?;
        trial.heal();
        trial.device.wait_until_ready().await?;
        trial.run(async |_| Ok(())).await?;
    }
    Ok(trial)
}

async fn card_replaced(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    for card in ["another-card", "a-third-card"] {
        trial.device.rig.stop().await?;
        trial.device.rig.folder.state = trial.device.rig.folder.path().join(card);
        trial.device.begin_anew();
        trial.device.rig.start_and_wait().await?;
        trial.device.press_and_wait().await?;
        trial.asks_only_for_the_code().await?;
        trial.sign_in(None).await?;
        // The same sheet is found again, and goes on.
        trial.run(async |_| Ok(())).await?;
    }
    Ok(trial)
}
