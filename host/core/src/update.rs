//! Updates from afar: what a publisher says of a version, and whether this device takes it.

mod release;
pub use release::{Channel, ContractVersion, Release, ReleaseError, ReleaseNeeds, Rollout};

mod share;

mod plan;
pub use plan::{Host, Installed, Objection, Offered, PassedOver, Plan, Policy, Waiting, Wish, plan_update};

mod schedule;
pub use schedule::plan_next_check;
