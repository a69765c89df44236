//! The token storage: one file of slots for each grant.
//!
//! It knows neither what a slot is for nor who asks. Always: a file has mode 0600, in a folder of mode 0700 that nothing
//! but this module opens; it is replaced whole, so that what one answer brought is stored together or not at all; the
//! version of a slot grows with every new content and is not used again, not even after the slot was forgotten. A file
//! that can't be believed is set aside and reported once, and counts as empty: the device signs in again. Where a person gives
//! it a key, the files are sealed; one that is sealed with a key that is not there is left alone, and is an error.
//!
//! The calls block for as long as the disk takes for a few kilobytes and their fsync. Async callers use
//! `tokio::task::spawn_blocking` where that matters.

mod slots;
pub use slots::{Accounts, Slots};

mod replacement;

mod damage;
pub use damage::Damage;

mod seal;
pub use seal::{Sealer, TooShort};

mod copy;
pub use copy::{CopyError, read_copies, write_copies};
mod disclosure;
pub use disclosure::read_all_secrets;

mod configured;
pub use configured::{ConfiguredSecretError, ConfiguredSecrets};

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File};
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt as _, PermissionsExt as _};
use punchcard_core::name::{GrantName, SlotName};
use punchcard_core::plugin::auth::Slot;
use punchcard_core::secret::Secret;
use thiserror::Error;
use zeroize::Zeroizing;

use damage::{Facts, plan_distrust};
pub use replacement::Step;
use replacement::perform_replacement;
use seal::Unopened;

/// No file of slots is larger, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// Why the storage could not be opened, read or written.
#[derive(Debug, Error)]
pub enum VaultError {
    /// The folder could not be made or opened.
    #[error("the folder `{path}` of the token storage can't be opened; check that its owner is the user of this program", path = .path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder is somebody else's, or none.
    #[error("`{path}` is not a folder of this program's own user; remove it, or give it to that user", path = .path.display())]
    NotOwn {
        /// Which.
        path: PathBuf,
    },
    /// The file could not be read.
    #[error("the tokens of grant `{grant}` can't be read")]
    Read {
        /// Whose.
        grant: GrantName,
        /// Why.
        source: io::Error,
    },
    /// The file could not be replaced. The old content is still there, in whole; unless only the last step failed: then
    /// the new one is there, as [`Vault::load`] says, and after a power cut either. To store it again makes it durable.
    #[error("the tokens of grant `{grant}` can't be stored: {step} failed")]
    Write {
        /// Whose.
        grant: GrantName,
        /// What failed.
        step: Step,
        /// Why.
        source: io::Error,
    },
    /// A file that can't be believed could not be renamed either.
    #[error("the damaged tokens of grant `{grant}` can't be set aside")]
    SetAside {
        /// Whose.
        grant: GrantName,
        /// Why.
        source: io::Error,
    },
    /// The file is sealed, and there is no key.
    #[error(
        "the tokens of grant `{grant}` are sealed, and plugins.toml names no key; write `key` in [vault]. If the key is lost, remove \
         the file {grant}.json in the folder `vault` of the state, and sign in again"
    )]
    Sealed {
        /// Whose.
        grant: GrantName,
    },
    /// The file is sealed with another key.
    #[error(
        "the tokens of grant `{grant}` are sealed with another key than the one of [vault]; give the device the key with which they \
         were sealed. If it is lost, remove the file {grant}.json in the folder `vault` of the state, and sign in again"
    )]
    OtherKey {
        /// Whose.
        grant: GrantName,
    },
    /// What should be stored can't be sealed.
    #[error("the tokens of grant `{grant}` can't be sealed: {reason}")]
    Seal {
        /// Whose.
        grant: GrantName,
        /// Why.
        reason: String,
    },
    /// What should be stored is larger than a file may be.
    #[error("the tokens of grant `{grant}` are longer than {LARGEST} bytes together")]
    TooLarge {
        /// Whose.
        grant: GrantName,
    },
}

/// What the storage holds of a grant.
pub struct Loaded {
    /// Its slots.
    pub slots: Slots,
    /// The file that had to be set aside, if there was one: to be said to a person.
    pub damage: Option<Damage>,
}

/// The token storage.
pub struct Vault {
    folder: Dir,
    sealing: Sealing,
    turn: Mutex<Access>,
}

/// How files are stored, and what opens those that are sealed.
#[derive(Default)]
pub enum Sealing {
    /// As they are.
    #[default]
    None,
    /// Sealed; those that are not are sealed when the storage is opened.
    Sealed(Sealer),
    /// As they are; those that are sealed are opened when the storage is.
    Unsealed(Sealer),
}

/// Held over every reading and writing: a change is made of both.
#[derive(Default)]
struct Access {
    /// Whose file was replaced and perhaps not durably. What failed once may be said to have succeeded when it is tried again,
    /// so that nothing short of writing the file anew helps.
    doubtful: BTreeSet<GrantName>,
}

impl Vault {
    /// Opens the storage in this folder, which is made if it isn't there. A folder that others may look into is closed to
    /// them. What a crash left half-written is removed.
    ///
    /// # Errors
    /// When the folder can't be made or opened, or is somebody else's.
    pub fn open(path: &Path) -> Result<Self, VaultError> {
        Self::open_with(path, Sealing::None)
    }

    /// The same, with files that are sealed or shall be. Each is replaced whole by the other form, so that a crash leaves the one or
    /// the other. One that can't be read, or was sealed with another key, stays as it is, and [`Self::load`] says so.
    ///
    /// # Errors
    /// As [`Self::open`], and when a file can't be replaced.
    pub fn open_with(path: &Path, sealing: Sealing) -> Result<Self, VaultError> {
        let failed = |source| VaultError::Folder { path: path.to_owned(), source };
        let new = !path.exists();
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        if new {
            // The folder's own name: without it, nothing in it would be there after a power cut.
            let around = path.parent().filter(|around| !around.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(around).and_then(|around| around.sync_all()).map_err(failed)?;
        }
        if !path.symlink_metadata().map_err(failed)?.is_dir() {
            return Err(VaultError::NotOwn { path: path.to_owned() });
        }
        let folder = Dir::open_ambient_dir(path, ambient_authority()).map_err(failed)?;
        let metadata = folder.dir_metadata().map_err(failed)?;
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(VaultError::NotOwn { path: path.to_owned() });
        }
        if metadata.mode() & 0o077 != 0 {
            let closed = cap_std::fs::Permissions::from_mode(0o700);
            folder.set_permissions(".", closed).map_err(failed)?;
        }
        for entry in folder.entries().map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            if name.to_str().is_some_and(replacement::is_temporary_name) {
                folder.remove_file(&name).map_err(failed)?;
            }
        }
        // What was there before may have been renamed by a host that was killed before it could make that durable.
        replacement::sync(&folder).map_err(failed)?;
        let vault = Self { folder, sealing, turn: Mutex::default() };
        if !matches!(vault.sealing, Sealing::None) {
            vault.convert().map_err(|error| match error {
                ConvertError::Folder(source) => failed(source),
                ConvertError::Grant(error) => error,
            })?;
        }
        Ok(vault)
    }

    /// Brings each file into the form in which the storage writes, and empties what was set aside in the clear: that it was there
    /// keeps versions growing.
    fn convert(&self) -> Result<(), ConvertError> {
        let wants_sealed = matches!(self.sealing, Sealing::Sealed(_));
        let mut turn = self.take_turn();
        let mut names = Vec::new();
        for entry in self.folder.entries().map_err(ConvertError::Folder)? {
            names.extend(entry.map_err(ConvertError::Folder)?.file_name().into_string().ok());
        }
        for name in names {
            // What can't be read or believed is left to whoever loads it, who says so.
            let is_own = |metadata: &cap_std::fs::Metadata| {
                plan_distrust(Facts::new(metadata), rustix::process::geteuid().as_raw()).is_none()
            };
            if !self.folder.symlink_metadata(&name).is_ok_and(|metadata| is_own(&metadata)) {
                continue;
            }
            let Ok(content) = self.folder.read(&name).map(Zeroizing::new) else { continue };
            if seal::is_sealed(&content) == wants_sealed {
                continue;
            }
            if let Some(grant) = grant_of(&name) {
                if let Ok(Ok(Ok(slots))) =
                    self.open_file(&grant, content).map(|opened| opened.map(|it| Slots::parse(&it)))
                {
                    self.write(&mut turn, &grant, &slots).map_err(ConvertError::Grant)?;
                }
            } else if wants_sealed && damage::is_set_aside(&name) && !content.is_empty() {
                perform_replacement(&self.folder, &name, b"").map_err(|(_, error)| ConvertError::Folder(error))?;
            }
        }
        Ok(())
    }

    /// What is stored of a grant. Nothing, if it never signed in.
    ///
    /// # Errors
    /// When the file is there and can't be read, or can't be believed and can't be set aside.
    pub fn load(&self, grant: &GrantName) -> Result<Loaded, VaultError> {
        let _turn = self.take_turn();
        self.read(grant)
    }

    /// Stores what one answer brought, all of it together, and durably: after a power cut either all of it is there or
    /// nothing. A slot whose content is the one that it has keeps its version; what is there already is written again only
    /// where it may not be durable.
    ///
    /// # Errors
    /// As [`Self::load`], and when the file can't be replaced.
    pub fn store(&self, grant: &GrantName, secrets: Vec<(SlotName, Secret)>) -> Result<Loaded, VaultError> {
        self.store_as(grant, secrets, None)
    }

    /// The same, and with it whose account the grant is from now on, where that is given.
    ///
    /// # Errors
    /// As [`Self::store`].
    pub fn store_as(
        &self,
        grant: &GrantName,
        secrets: Vec<(SlotName, Secret)>,
        accounts: Option<Accounts>,
    ) -> Result<Loaded, VaultError> {
        let mut turn = self.take_turn();
        let mut loaded = self.read(grant)?;
        let has_changed = accounts.is_some_and(|accounts| loaded.slots.set_accounts(accounts));
        if loaded.slots.fill(secrets) || has_changed || turn.doubtful.contains(grant) {
            self.write(&mut turn, grant, &loaded.slots)?;
        }
        Ok(loaded)
    }

    /// Stores these and whose account the grant is in the place of everything that is there, all of it together, as
    /// [`Self::store`] does.
    ///
    /// # Errors
    /// As [`Self::store`]. Then the slots are as they were.
    pub fn replace(
        &self,
        grant: &GrantName,
        secrets: Vec<(SlotName, Secret)>,
        accounts: Accounts,
    ) -> Result<Loaded, VaultError> {
        let mut turn = self.take_turn();
        let mut loaded = self.read(grant)?;
        loaded.slots.replace(secrets);
        loaded.slots.set_accounts(accounts);
        self.write(&mut turn, grant, &loaded.slots)?;
        Ok(loaded)
    }

    /// Erases these slots, durably. Those that are not filled are left out of account.
    ///
    /// # Errors
    /// As [`Self::store`].
    pub fn forget(&self, grant: &GrantName, slots: &[SlotName]) -> Result<Loaded, VaultError> {
        let mut turn = self.take_turn();
        let mut loaded = self.read(grant)?;
        if loaded.slots.forget(slots) || turn.doubtful.contains(grant) {
            self.write(&mut turn, grant, &loaded.slots)?;
        }
        Ok(loaded)
    }

    /// Which slots are filled, as the auth policy is told.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn filled(&self, grant: &GrantName) -> Result<Vec<Slot>, VaultError> {
        Ok(self.load(grant)?.slots.filled())
    }

    /// A panic elsewhere can't have left anything half-done: the folder itself is what is kept whole.
    fn take_turn(&self) -> MutexGuard<'_, Access> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, grant: &GrantName) -> Result<Loaded, VaultError> {
        let failed = |source| VaultError::Read { grant: grant.clone(), source };
        let name = file_name(grant);
        let metadata = match self.folder.symlink_metadata(&name) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let before = damage::count(&self.folder, &name).map_err(failed)?;
                return Ok(Loaded { slots: Slots::empty(before), damage: None });
            }
            Err(error) => return Err(failed(error)),
        };
        let facts = Facts::new(&metadata);
        let reason = match plan_distrust(facts, rustix::process::geteuid().as_raw()) {
            Some(reason) => reason,
            None => {
                let mut content = Zeroizing::new(Vec::new());
                self.folder.open(&name).map_err(failed)?.take(LARGEST).read_to_end(&mut content).map_err(failed)?;
                match self.open_file(grant, content)?.and_then(|content| Slots::parse(&content)) {
                    Ok(slots) => return Ok(Loaded { slots, damage: None }),
                    Err(reason) => reason,
                }
            }
        };
        let failed = |source| VaultError::SetAside { grant: grant.clone(), source };
        let (number, damage) = damage::perform_setting_aside(&self.folder, &name, facts, reason).map_err(failed)?;
        Ok(Loaded { slots: Slots::empty(number), damage: Some(damage) })
    }

    /// The slots of a file's content, opened where it is sealed. Within: why it can't be believed.
    fn open_file(
        &self,
        grant: &GrantName,
        content: Zeroizing<Vec<u8>>,
    ) -> Result<Result<Zeroizing<Vec<u8>>, String>, VaultError> {
        if !seal::is_sealed(&content) {
            return Ok(Ok(content));
        }
        let sealer = match &self.sealing {
            Sealing::None => return Err(VaultError::Sealed { grant: grant.clone() }),
            Sealing::Sealed(sealer) | Sealing::Unsealed(sealer) => sealer,
        };
        match sealer.open(grant, &content) {
            Ok(content) => Ok(Ok(content)),
            Err(Unopened::OtherKey) => Err(VaultError::OtherKey { grant: grant.clone() }),
            Err(Unopened::Damaged(reason)) => Ok(Err(reason)),
        }
    }

    fn write(&self, turn: &mut Access, grant: &GrantName, slots: &Slots) -> Result<(), VaultError> {
        let mut content = slots.render();
        if let Sealing::Sealed(sealer) = &self.sealing {
            let sealed = sealer.seal(grant, &content);
            content = Zeroizing::new(sealed.map_err(|reason| VaultError::Seal { grant: grant.clone(), reason })?);
        }
        if content.len() as u64 >= LARGEST {
            return Err(VaultError::TooLarge { grant: grant.clone() });
        }
        let replaced = perform_replacement(&self.folder, &file_name(grant), &content);
        match &replaced {
            Ok(()) => turn.doubtful.remove(grant),
            Err((Step::SyncFolder, _)) => turn.doubtful.insert(grant.clone()),
            // The file that is there is the one that was.
            Err(_) => false,
        };
        replaced.map_err(|(step, source)| VaultError::Write { grant: grant.clone(), step, source })
    }
}

enum ConvertError {
    Folder(io::Error),
    Grant(VaultError),
}

/// Whose file this is, where it is one.
fn grant_of(name: &str) -> Option<GrantName> {
    name.strip_suffix(".json").and_then(|grant| GrantName::parse(grant).ok())
}

/// A grant's name is safe in a file name.
fn file_name(grant: &GrantName) -> String {
    format!("{grant}.json")
}

#[cfg(test)]
mod tests;
