//! `punchcard restore`: puts a backup aside for the device's next start, or takes that back.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::tz::TimeZone;
use thiserror::Error;

use super::device::{INSTALLED_STATE, become_owner};
use super::events::zone;
use super::exit::{Exit, Failure};
use super::interruption::Unfinished;
use super::output::{print, print_line, say};
use super::question::confirm;
use super::time::render_local_in;
use super::{DeviceArguments, printable, small_runtime};
use crate::app::control::{ControlError, Question, ask};
use crate::app::state_folder::make_private;
use crate::vault::write_copies;
use punchcard_ledger::{
    LedgerSummary, RestoreError, StagedRestore, Undo, VAULT, perform_undo, plan_undo, summarise_ledger,
};

#[derive(Debug, Args)]
pub(super) struct RestoreArguments {
    /// A file that `punchcard backup` wrote, or a plain copy of a ledger, with its `-wal` beside it.
    #[arg(required_unless_present = "undo")]
    file: Option<PathBuf>,
    /// Take back what waits for the next start; where nothing does, put back what was there before the last restore.
    #[arg(long, conflicts_with_all = ["file", "without_secrets", "configuration"])]
    undo: bool,
    /// Leave the device's tokens as they are, whatever the backup has.
    #[arg(long)]
    without_secrets: bool,
    /// Print the plugins.toml that the backup holds, and do nothing else.
    #[arg(long)]
    configuration: bool,
    /// Do not ask whether it is meant.
    #[arg(long)]
    yes: bool,
}

/// Why a file was not restored.
#[derive(Debug, Error)]
enum FileError {
    #[error("{} can't be opened", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("{} can't be restored", path.display())]
    Restore { path: PathBuf, source: RestoreError },
    #[error("{} has no plugins.toml in it", path.display())]
    NoConfiguration { path: PathBuf },
}

pub(super) fn restore(device: &DeviceArguments, arguments: &RestoreArguments) -> Result<Exit, Failure> {
    // Opened as whoever calls; what is done in the state folder is done as its owner.
    let opened = arguments.file.as_ref().map(|path| open(path).map_err(Failure::general)).transpose()?;
    become_owner(&device.state, &[]).map_err(Failure::general)?;
    make_private(&device.state).map_err(Failure::general)?;
    match (&arguments.file, opened) {
        (Some(path), Some((mut file, mut log))) => {
            let refused = |source| Failure::general(FileError::Restore { path: path.clone(), source });
            let draft = StagedRestore::begin(&device.state).map_err(refused)?;
            let unfinished = Unfinished::watch(draft.folder()).map_err(Failure::general)?;
            let staged = draft.fill(&mut file, log.as_mut()).map_err(refused)?;
            restore_staged(device, arguments, path, staged, &unfinished)
        }
        _ => undo(device, arguments.yes),
    }
}

/// Opens a file, and the log beside it where there is one.
fn open(path: &Path) -> Result<(File, Option<File>), FileError> {
    let open = |path: &Path| File::open(path).map_err(|source| FileError::Open { path: path.to_owned(), source });
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let log = PathBuf::from(log);
    Ok((open(path)?, if log.exists() { Some(open(&log)?) } else { None }))
}

fn restore_staged(
    device: &DeviceArguments,
    arguments: &RestoreArguments,
    path: &Path,
    staged: StagedRestore,
    unfinished: &Unfinished,
) -> Result<Exit, Failure> {
    if arguments.configuration {
        let text = staged.label.as_ref().and_then(|label| label.configuration.as_ref());
        print(text.ok_or_else(|| Failure::general(FileError::NoConfiguration { path: path.to_owned() }))?)?;
        return Ok(Exit::Success);
    }
    let brings_tokens = !staged.secrets.is_empty() && !arguments.without_secrets;
    let there = summarise_ledger(&device.state);
    say(describe(path, &staged, there.as_ref(), brings_tokens, &zone(device)));
    if !arguments.yes && !confirm("Put it in place at the next start? [y/N] ", &["y", "yes"])? {
        print_line("Nothing was done.")?;
        return Ok(Exit::Failure);
    }
    if brings_tokens {
        let copies = staged.secrets.iter().map(|secret| (secret.name.as_str(), secret.content.as_slice()));
        write_copies(&staged.folder().join(VAULT), copies).map_err(Failure::general)?;
    }
    let refused = |source| Failure::general(FileError::Restore { path: path.to_owned(), source });
    unfinished.finish(|| staged.commit()).map_err(refused)?;
    print_line(say_next(device, "goes on with it")?)?;
    print_line("`punchcard restore --undo` takes it back.")?;
    Ok(Exit::Success)
}

/// What it is, and what it replaces.
fn describe(
    path: &Path,
    staged: &StagedRestore,
    there: Option<&LedgerSummary>,
    brings_tokens: bool,
    zone: &TimeZone,
) -> String {
    let holds = |summary: &LedgerSummary| {
        let newest = summary.newest_at.map(|at| format!(", the newest of {}", render_local_in(zone, at)));
        format!("{} events{}", summary.events, newest.unwrap_or_default())
    };
    let file = path.display();
    let mut text = match &staged.label {
        Some(label) => format!(
            "{file} is a backup of `{}`, made on {} by version {}: {}.\n",
            printable(&label.device),
            render_local_in(zone, label.made_at),
            printable(&label.version),
            holds(&staged.summary)
        ),
        None => format!("{file} is a copy of a ledger: {}.\n", holds(&staged.summary)),
    };
    let waiting: Vec<String> =
        staged.summary.waiting.iter().map(|(sink, rows)| format!("{rows} of `{}`", printable(sink))).collect();
    if !waiting.is_empty() {
        text.push_str(&format!(
            "Rows wait in it: {}. None is delivered before it is known whether it arrived since.\n",
            waiting.join(", ")
        ));
    }
    match there {
        Some(there) => text.push_str(&format!(
            "It takes the place of a ledger with {}, which is kept in `before-restore` of the state folder. What was recorded \
             since the backup is no event of the device any more; rows that were delivered stay where they are.\n",
            holds(there)
        )),
        None => text.push_str("No ledger that can be read is there; what is, is kept in `before-restore` of the state folder.\n"),
    }
    text.push_str(if brings_tokens {
        "Its tokens take the place of those that are there. A server may have renewed them since: then sign in again.\n"
    } else {
        "The tokens of the device stay as they are. Where it has none, sign in again.\n"
    });
    text
}

fn undo(device: &DeviceArguments, yes: bool) -> Result<Exit, Failure> {
    let question = "Put back what was there before the last restore, at the next start? What happened since stays in \
                    `before-restore` of the state folder, and is no event of the device any more. [y/N] ";
    if plan_undo(&device.state) == Some(Undo::PutBack) && !yes && !confirm(question, &["y", "yes"])? {
        print_line("Nothing was done.")?;
        return Ok(Exit::Failure);
    }
    match perform_undo(&device.state).map_err(Failure::general)? {
        Undo::TakeBack => print_line("Nothing waits for the next start any more; the device goes on as it is.")?,
        Undo::PutBack => print_line(say_next(device, "goes on with what was there before")?)?,
    }
    Ok(Exit::Success)
}

/// When it is done, and how to have that now.
fn say_next(device: &DeviceArguments, what: &str) -> Result<String, Failure> {
    let runs = match small_runtime()?.block_on(ask(&device.state, &Question::Status)) {
        Err(ControlError::NoHost { .. }) => false,
        // Whatever it says, it is there.
        _ => true,
    };
    Ok(match runs {
        true if device.state == Path::new(INSTALLED_STATE) => {
            format!("The device {what} once it is started anew: `sudo systemctl restart punchcard`.")
        }
        true => format!("The device {what} once it is stopped and started again with `punchcard run`."),
        false => format!("The next start {what}."),
    })
}
