//! Taking back what waits for the next start, and putting back what was there before.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::super::FILE_NAME;
use super::super::lock::StateLock;
use super::{
    DRAFT, GOING, KEPT, PENDING, RestoreError, RestoreLock, VAULT, WAS_KEPT, WITHOUT_GRANTS, remove_folder, sync_folder,
};

/// What undoing a restore would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undo {
    /// What waits for the next start is taken back; the device goes on with the ledger that it has.
    TakeBack,
    /// What was there before the last restore is put aside for the next start.
    PutBack,
}

/// What undoing would do now. `None`: there is nothing to undo.
#[must_use]
pub fn plan_undo(state_dir: &Path) -> Option<Undo> {
    if state_dir.join(PENDING).exists() {
        Some(Undo::TakeBack)
    } else if state_dir.join(KEPT).join(FILE_NAME).exists() || state_dir.join(GOING).join(FILE_NAME).exists() {
        Some(Undo::PutBack)
    } else {
        None
    }
}

/// Takes back what waits for the next start, or puts aside for it what was there before the last restore.
///
/// # Errors
/// When there is nothing to undo, when something is being restored, or when the disk refuses.
pub fn perform_undo(state_dir: &Path) -> Result<Undo, RestoreError> {
    let _nobody_restores = RestoreLock::take(state_dir)?;
    let undo = plan_undo(state_dir).ok_or(RestoreError::NothingToUndo)?;
    let going = state_dir.join(GOING);
    // A start may be in the midst of it. A host that runs is not.
    let unfinished = undo == Undo::PutBack && going.join(FILE_NAME).exists();
    let _alone = unfinished
        .then(|| StateLock::take(state_dir))
        .transpose()
        .map_err(|source| RestoreError::Busy(Box::new(source)))?;
    let refused = |source| RestoreError::Folder { path: state_dir.to_owned(), source };
    let pending = state_dir.join(PENDING);
    let kept = state_dir.join(KEPT);
    let undone = || -> io::Result<()> {
        match undo {
            Undo::TakeBack if pending.join(WAS_KEPT).exists() => {
                remove_folder(&kept)?;
                fs::rename(&pending, &kept)?;
                fs::remove_file(kept.join(WAS_KEPT))?;
            }
            Undo::TakeBack => {
                // In one step: half of it must not be found by a start.
                let draft = state_dir.join(DRAFT);
                remove_folder(&draft)?;
                fs::rename(&pending, &draft)?;
                sync_folder(state_dir)?;
                remove_folder(&draft)?;
            }
            Undo::PutBack => {
                // The restored ledger could not be opened: what was there is not called that yet.
                let from = if unfinished { going } else { kept };
                File::create(from.join(WAS_KEPT))?;
                let marker = from.join(WITHOUT_GRANTS);
                match from.join(VAULT).exists() {
                    true if marker.exists() => fs::remove_file(marker)?,
                    true => {}
                    false => drop(File::create(marker)?),
                }
                sync_folder(&from)?;
                fs::rename(from, &pending)?;
            }
        }
        sync_folder(state_dir)
    };
    undone().map_err(refused)?;
    Ok(undo)
}
