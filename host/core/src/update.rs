//! Updates from afar: what a publisher says of a version.

mod release;
pub use release::{Channel, ContractVersion, Release, ReleaseError, ReleaseNeeds, Rollout};
