//! A strict stand-in for Google's sign-in (device flow, code flow, service accounts), Drive and Sheets, for tests and for looking at.
//!
//! One origin, on loopback where nobody asks for another address, answers what `oauth2.googleapis.com`, `www.googleapis.com/drive/v3` and
//! `sheets.googleapis.com/v4` answer to a device, and how a list of `tasks.googleapis.com` is read, with Google's shapes, limits and refusals. Requests are compared with
//! Google's discovery documents; what they do not know is refused. What is unconfirmed about Google is a switch
//! ([`Switches`]), what goes wrong with Google is a fault ([`Fault`]), and time can be advanced.
//!
//! It computes no formulas, serves one region of the API — what `discovery/README.md` lists — and keeps everything in
//! memory. It never connects to anything.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use google_sim::{Config, Decision, Effect, Fault, GoogleSim};
//!
//! let sim = GoogleSim::start(Config { quota: false, ..Config::default() }).await?;
//! let token_url = format!("{}/token", sim.base_url());
//! // … a device asks for a code, shows it …
//! sim.consent("QxRt-kLmP", Decision::Allow)?;
//! sim.arm(Fault::on("*:batchUpdate", Effect::ApplyLate { after_seconds: 180 }));
//! // … it appends, and gets no answer …
//! sim.advance(std::time::Duration::from_secs(180));
//! assert_eq!(sim.tables()[0].tabs[0].rows.len(), 1);
//! sim.stop().await;
//! # Ok(())
//! # }
//! ```

// In the order in which to read them: the world without network, what stands in it, what goes wrong in it, and at last
// its connection with the outside.
mod world;

mod call;
mod clock;

mod oauth;

mod drive;

mod sheets;

mod tasks;

mod quota;
mod refusal;
mod schema;
mod switch;

mod fault;
mod journal;

mod control;
mod direct;
mod page;
mod server;
mod sim;

pub use control::{Action, ControlError, FileAction};
pub use direct::{Direct, DirectAnswer, SignInError};
pub use fault::{Effect, Fault};
pub use journal::Entry;
pub use oauth::{ACCOUNT, AccountChange, ClientKind, Decision, KeyError, OauthClient, Publishing, UnknownCode};
pub use sheets::{SheetTable, TabTable};
pub use sim::{Config, GoogleSim, StartError};
pub use switch::{
    DuplicateMetadata, ExpiredCode, FormattedCells, MissingMetadata, RefreshTokens, Switches, TrashedWrites,
    UnknownParameters,
};
pub use tasks::TaskAction;
