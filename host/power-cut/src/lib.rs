//! What a power cut leaves of a program's files.
//!
//! A [`Recording`] notes everything that SQLite does to the files of a folder, while it does it. A test takes the first
//! so many [`Operation`]s of it, as if the power had failed then, and asks the [`Disk`] what is left: what was made durable
//! is there, and of the rest each sector may be there or not ([`Loss`]). What a program does without SQLite is noted by
//! whoever knows it.
//!
//! The model is harsher than most disks. Sectors of 512 bytes arrive in any order or not at all, those too by which a file
//! grew; a name that was given is durable only after its folder was synced. It believes what SQLite believes of disks: a
//! sector is written whole, and writing one leaves its neighbours alone (<https://sqlite.org/psow.html>). A disk that lies
//! about what it has synced, or loses what it had, is not modelled. One that refuses to write or to sync is
//! ([`Recording::refuse`]).
//!
//! What was recorded also tells what it asked of the disk ([`Effort`]).

mod disk;
pub use disk::{Disk, Loss, Operation};

mod vfs;
pub use vfs::{Call, Recording, note_without_sqlite};

mod effort;
pub use effort::Effort;
