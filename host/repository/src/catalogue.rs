//! What a repository offers, verified, and fetching one of it.

use futures_util::StreamExt as _;
use punchcard_core::update::Release;
use thiserror::Error;
use tough::{Repository, TargetName};

use crate::clock::Freshness;
use crate::mirror::MirrorError;
use crate::target_name::is_flat;
use crate::transport::Transport;

/// The key of a target's custom metadata below which the release stands.
pub(crate) const CUSTOM: &str = "punchcard";

/// What a repository offers.
#[derive(Debug)]
pub struct Catalogue {
    /// Until when that holds.
    pub freshness: Freshness,
    /// The plugins, by the names of their files.
    pub offers: Vec<Offer>,
    /// What is signed, and can't be used, with the reason.
    pub unusable: Vec<Unusable>,
    repository: Repository,
    transport: Transport,
    /// No plugin is larger, whatever is signed.
    largest: u64,
}

/// One file of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The file's name, which is flat.
    pub name: String,
    /// Its bytes.
    pub length: u64,
    /// Their SHA-256, in lower-case hexadecimal.
    pub sha256: String,
    /// What the publisher says of it. None where the file is nothing of ours.
    pub release: Option<Release>,
}

/// A file that is signed and can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// The file's name.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// Why a plugin could not be fetched. Nothing of it was kept.
#[derive(Debug, Error)]
pub enum DownloadError {
    /// The repository does not offer it.
    #[error("the repository offers no `{name}`")]
    NotOffered {
        /// What was asked for.
        name: String,
    },
    /// It is signed, and larger than a plugin may be.
    #[error("`{name}` has {length} bytes, and a plugin may have {limit}")]
    TooLarge {
        /// The file.
        name: String,
        /// What is signed.
        length: u64,
        /// The most it may have.
        limit: u64,
    },
    /// The mirror did not hand it out.
    #[error("the plugin can't be fetched")]
    Mirror(#[source] MirrorError),
    /// What came is not what was signed.
    #[error("`{name}` is not what the publisher signed; the mirror, or something on the way, changed it")]
    NotAsSigned {
        /// The file.
        name: String,
        /// What differs.
        #[source]
        source: Box<tough::error::Error>,
    },
}

impl Catalogue {
    pub(crate) fn new(repository: Repository, transport: Transport, freshness: Freshness, largest: u64) -> Self {
        let (mut offers, mut unusable) = (Vec::new(), Vec::new());
        for (name, target) in &repository.targets().signed.targets {
            let name = name.raw().to_owned();
            if !is_flat(&name) {
                let reason = "its name is no bare one: letters, digits, `.`, `_`, `-` and `+`".to_owned();
                unusable.push(Unusable { name, reason });
                continue;
            }
            let release = match target.custom.get(CUSTOM).map(|custom| serde_json::from_value(custom.clone())) {
                None => None,
                Some(Ok(release)) => Some(release),
                Some(Err(error)) => {
                    unusable
                        .push(Unusable { name, reason: format!("what is said of it makes no sense here: {error}") });
                    continue;
                }
            };
            let sha256 = target.hashes.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
            offers.push(Offer { name, length: target.length, sha256, release });
        }
        offers.sort_by(|one, other| one.name.cmp(&other.name));
        unusable.sort_by(|one, other| one.name.cmp(&other.name));
        Self { freshness, offers, unusable, repository, transport, largest }
    }

    /// Fetches a file, all of it, and returns it only if it is what was signed. What is returned is to be used as it is:
    /// nothing on a disk can be exchanged between this check and the use.
    ///
    /// # Errors
    /// When it is not offered, too large, not to be had, or not what was signed.
    pub async fn download(&self, name: &str) -> Result<Vec<u8>, DownloadError> {
        let not_offered = || DownloadError::NotOffered { name: name.to_owned() };
        let offer = self.offers.iter().find(|offer| offer.name == name).ok_or_else(not_offered)?;
        if offer.length > self.largest {
            let (length, limit) = (offer.length, self.largest);
            return Err(DownloadError::TooLarge { name: name.to_owned(), length, limit });
        }
        let target = TargetName::new(name).map_err(|_| not_offered())?;
        let explain = |source| self.explain(name, source);
        let mut stream = self.repository.read_target(&target).await.map_err(explain)?.ok_or_else(not_offered)?;
        let mut bytes = Vec::with_capacity(usize::try_from(offer.length).unwrap_or(0));
        while let Some(piece) = stream.next().await {
            bytes.extend_from_slice(&piece.map_err(explain)?);
        }
        Ok(bytes)
    }

    fn explain(&self, name: &str, source: tough::error::Error) -> DownloadError {
        let journal = self.transport.take_journal();
        match journal.failure.or(journal.missing) {
            Some(error) => DownloadError::Mirror(error),
            None => DownloadError::NotAsSigned { name: name.to_owned(), source: Box::new(source) },
        }
    }
}
