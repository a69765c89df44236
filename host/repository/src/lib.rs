//! Reads repositories of plugins that are signed by The Update Framework (TUF): finds out what a publisher offers, and
//! fetches it, without trusting whoever hands out the files.
//!
//! A repository is two folders of plain files, `metadata` and `targets`. A [`Mirror`] hands them out: a web server
//! through the host's own HTTP, or a [`FolderMirror`] on a disk or a USB stick. Nothing here opens a connection, asks a
//! clock or keeps a file: the clock is a parameter, and what is trusted is one value, [`TrustState`], which the caller
//! stores whole after *every* attempt, also after one that failed.
//!
//! The specification is checked by the crate `tough`. What is around it here closes what it leaves open:
//!
//! - Its folder of trusted files is written file by file, and a file that is cut off counts as none, which lets an old
//!   repository through. It gets a temporary folder, filled from the trust state and thrown away.
//! - It judges what is expired by the system's clock. It is told not to, and [`Clock`] judges instead.
//! - It takes every failure to *begin* a new root's download for "there is none". A [`Mirror`]'s failure other than "not
//!   found" ends the attempt.
//! - It follows delegations, of which this project has none. A repository with any is refused.
//!
//! What is stored are the bytes that came, never a second serialization of them.

mod mirror;
pub use mirror::{Folder, Mirror, MirrorError, Pieces};

mod folder;
pub use folder::{FolderError, FolderMirror};

mod limits;
pub use limits::Limits;

mod trust;
pub use trust::{Role, TrustState, Versions};

mod clock;
pub use clock::{Clock, Freshness};

mod refresh;
pub use refresh::{Attempt, RefreshError, refresh};

mod catalogue;
pub use catalogue::{Catalogue, DownloadError, Offer, Unusable};

mod target_name;
pub use target_name::is_flat;

mod role;

mod transport;
