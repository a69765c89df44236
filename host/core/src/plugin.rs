//! What plugins say to the host, in the host's own types (`types`, `auth-flow`, `row-format`, `delivery`, `source` and
//! `item-list` of the contract). The sandbox converts; nobody here knows a component.

use crate::event::Event;
use crate::http::{AuthRequest, Failure, Request, Response};
use crate::row::{Column, Row};
use crate::time::{Certainty, Instant};

/// A condition that a person has to mend.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Problem {
    /// At most 21 characters, for a one-line panel.
    pub headline: String,
    /// What happened, and what to do about it.
    pub advice: String,
}

impl Problem {
    /// With the sink's name where the advice has a command with the word `SINK`: a plugin does not know what its sink is
    /// called. Whatever else is in the advice may be a server's words, and stays.
    #[must_use]
    pub fn naming(mut self, sink: &str) -> Self {
        let name = |(position, piece): (usize, &str)| {
            // Every other piece stands between two backticks.
            if position % 2 == 0 || !piece.starts_with("punchcard ") {
                return piece.to_owned();
            }
            // A command may go on in the next line.
            let words = piece.split_whitespace().map(|word| if word == "SINK" { sink } else { word });
            words.collect::<Vec<_>>().join(" ")
        };
        let pieces: Vec<String> = self.advice.split('`').enumerate().map(name).collect();
        self.advice = pieces.join("`");
        self
    }
}

/// What a plugin needs from plugins.toml under given settings (`types.needs`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Prefixes of the URLs of its requests.
    pub urls: Vec<String>,
    /// Slots that plugins.toml must fill.
    pub slots: Vec<String>,
    /// Whether its requests can't do without what `authorize` adds.
    pub authorization: bool,
}

/// An error that a plugin returned (`types.error`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PluginError {
    /// The settings are wrong.
    #[error("the settings are wrong: {0}")]
    InvalidSettings(String),
    /// The state was written by a version that this one does not understand.
    #[error(
        "its state was written by another version, which this one does not understand; put that version back, or update this one"
    )]
    UnknownState,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// The part of the contract that a plugin fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum World {
    /// Signs the device in.
    AuthPolicy,
    /// Makes rows.
    Formatter,
    /// Carries rows.
    Connector,
    /// Reads a sensor.
    Sensor,
    /// Fetches what a person chooses from.
    Listing,
}

/// Row formatting.
pub mod format {
    use super::{Certainty, Event, Instant, Row};

    /// An event for a formatter: its time is known, or never will be.
    #[derive(Debug, Clone, PartialEq)]
    pub struct TimedEvent {
        /// The event.
        pub event: Event,
        /// When it happened.
        pub at: Instant,
        /// Whether that is known.
        pub certainty: Certainty,
    }

    /// What became of an event (`row-format.verdict`).
    #[derive(Debug, Clone, PartialEq)]
    pub enum Verdict {
        /// Rows, perhaps none.
        Accepted {
            /// The rows, without keys.
            rows: Vec<Row>,
            /// What the person sees for a moment.
            notice: Option<String>,
        },
        /// Never a row; the reason.
        Reject(String),
    }

    /// The answer to a call (`row-format.formatted`).
    #[derive(Debug, Clone, PartialEq)]
    pub struct Formatted {
        /// Kept with the rows.
        pub state: Vec<u8>,
        /// One for each event.
        pub verdicts: Vec<Verdict>,
        /// What the idle panel says from now on.
        pub standing: Option<String>,
    }
}

/// Delivery.
pub mod delivery {
    use super::{Column, Failure, Problem, Request, Response, Row};

    /// What a service takes (`delivery.limits`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Limits {
        /// At least 1.
        pub rows_per_batch: u32,
        /// At least 1.
        pub bytes_per_batch: u64,
        /// At least 1.
        pub characters_per_cell: u32,
        /// At least 1; over all sinks of one grant.
        pub requests_per_minute: u32,
        /// Whether it can say which rows are there, and rows are delivered with their keys.
        pub reads_back: bool,
    }

    /// How a row corrects an earlier one (`delivery.correction-kind`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    #[serde(rename_all = "kebab-case")]
    pub enum CorrectionKind {
        /// It replaces it.
        Changed,
        /// There was none.
        Added,
        /// There should have been none.
        Withdrawn,
    }

    /// A row that stands in the place of an earlier one (`delivery.correction`).
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Correction {
        /// Position in the batch.
        pub row: u32,
        /// The key of the row that it corrects.
        pub of: String,
        /// How.
        pub kind: CorrectionKind,
    }

    /// What is carried at once (`delivery.batch`).
    #[derive(Debug, Clone, PartialEq)]
    pub struct Batch {
        /// A UUID.
        pub id: String,
        /// The columns of all its rows.
        pub columns: Vec<Column>,
        /// The rows.
        pub rows: Vec<Row>,
        /// Which of them are corrections, in their order.
        pub corrections: Vec<Correction>,
    }

    /// What happened (`delivery.signal`).
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Signal {
        /// Make the destination ready.
        Prepare,
        /// A batch that was never tried.
        Begin,
        /// A batch that an earlier call may have sent.
        Resumed,
        /// An answer.
        Responded(Response),
        /// No answer.
        Failed(Failure),
        /// The wait is over.
        Elapsed,
        /// A person says that it is mended, or the recheck is due.
        Retry,
        /// A person wants a new destination.
        CreateAnew,
        /// Say which rows are there: from the beginning, or from here on.
        ReadBack(Option<String>),
    }

    /// A row that the service will never take.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Rejection {
        /// Position in the batch.
        pub row: u32,
        /// Why.
        pub reason: String,
    }

    /// A batch that arrived (`delivery.receipt`).
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Receipt {
        /// What did not.
        pub rejected: Vec<Rejection>,
        /// Where a person finds the rows.
        pub link: Option<String>,
    }

    /// A row as it stands at the service (`delivery.found-row`).
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct FoundRow {
        /// Of the row that was delivered; none: it carries none.
        pub key: Option<String>,
        /// Tells whether somebody changed it.
        pub fingerprint: String,
        /// Where a person finds it.
        pub place: String,
    }

    /// Rows that are there (`delivery.page`).
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Page {
        /// The rows.
        pub rows: Vec<FoundRow>,
        /// Where the next page begins; none: this was the last.
        pub next: Option<String>,
        /// Where these rows are, as receipts say it.
        pub link: Option<String>,
    }

    /// A wait (`delivery.pause`).
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Pause {
        /// How long.
        pub milliseconds: u64,
        /// Said in `status` meanwhile.
        pub problem: Option<Problem>,
    }

    /// What to do next (`delivery.directive`).
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Directive {
        /// Perform a request.
        Send(Request),
        /// Wait.
        Wait(Pause),
        /// Done, exactly once.
        Delivered(Receipt),
        /// A person has to mend this.
        Hold(Pause),
        /// Rows that are there.
        Found(Page),
        /// Something that stops nothing, said from now on; or nothing any more.
        Notice(Option<Problem>),
    }

    impl Directive {
        /// With the sink's name in the advice of what is wrong: see [`Problem::naming`].
        #[must_use]
        pub fn naming(mut self, sink: &str) -> Self {
            if let Self::Wait(pause) | Self::Hold(pause) = &mut self {
                pause.problem = pause.problem.take().map(|problem| problem.naming(sink));
            }
            self
        }
    }

    /// The answer to a step (`delivery.outcome`).
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Outcome {
        /// Durable before `next`.
        pub state: Vec<u8>,
        /// What to do.
        pub next: Directive,
    }
}

/// Signing in.
pub mod auth {
    use super::{AuthRequest, Failure, Problem, Response};

    /// What happened (`auth-flow.signal`).
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Signal {
        /// The host has started, or this version has taken over.
        Started,
        /// An answer.
        Responded(Response),
        /// No answer.
        Failed(Failure),
        /// The wait is over.
        Elapsed,
        /// A person asked to sign in, or to try again.
        SignIn,
        /// A person asked to sign out.
        SignOut {
            /// And to revoke the grant.
            revoke: bool,
        },
        /// A server answered 401 to the current access token.
        TokenRefused,
        /// A person was let in with the browser: code and verifier are in their slots.
        Returned {
            /// With which the code has to be exchanged.
            redirect_uri: String,
        },
        /// The server sent the person back without a code.
        TurnedAway(Refusal),
    }

    /// Why an authorization server lets nobody in, in its own words (`auth-flow.refusal`).
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Refusal {
        /// A code of RFC 6749 §4.1.2.1.
        pub error: String,
        /// For people.
        pub description: Option<String>,
    }

    /// A filled slot.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Slot {
        /// Its name.
        pub name: String,
        /// Increases with every new content.
        pub version: u64,
    }

    /// What a person must do (`auth-flow.prompt`).
    #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    pub struct Prompt {
        /// Shown as it is.
        pub user_code: String,
        /// Where to go.
        pub url: String,
        /// A link that needs no typing.
        pub complete_url: Option<String>,
        /// What is asked for, in words.
        pub purpose: String,
        /// Seconds, counted from the step that said it.
        pub expires_in_seconds: u32,
    }

    /// What a person's browser is to ask an authorization server for (`auth-flow.visit`).
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Visit {
        /// The authorization endpoint.
        pub url: String,
        /// Without those that are the host's.
        pub parameters: Vec<(String, String)>,
        /// What `iss` of the answer has to be.
        pub issuer: Option<String>,
        /// What is asked for, in words.
        pub purpose: String,
        /// Seconds, counted from the step that said it.
        pub expires_in_seconds: u32,
    }

    /// The right to use the slot `access-token`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Lease {
        /// Seconds, counted from the step that said it; `None`: the server did not say.
        pub expires_in_seconds: Option<u32>,
        /// What it allows.
        pub scopes: Vec<String>,
    }

    /// Where a grant stands (`auth-flow.status`).
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Status {
        /// Nobody is signed in.
        SignedOut,
        /// A person has to act elsewhere.
        AwaitingPerson(Prompt),
        /// A person has to act in a browser.
        AwaitingBrowser(Visit),
        /// The access token may be used.
        Authorized(Lease),
        /// A renewal is under way.
        Renewing,
        /// No access, and trying again without a person would be wrong.
        Blocked(Problem),
    }

    /// What to do next (`auth-flow.directive`).
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Directive {
        /// Perform a request.
        Send(AuthRequest),
        /// Milliseconds until `Elapsed`.
        Wait(u64),
        /// Nothing until a signal comes.
        Rest,
    }

    /// The answer to a step (`auth-flow.outcome`).
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Outcome {
        /// Durable before anything else.
        pub state: Vec<u8>,
        /// To show.
        pub status: Status,
        /// Slots to erase before `next`.
        pub forget: Vec<String>,
        /// What to do.
        pub next: Directive,
    }
}

/// Fetching a list of items to choose from.
pub mod item_list {
    use super::{Failure, Problem, Request, Response};

    /// An item as a plugin says it (`item-list.item`): neither bounded nor printable yet.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct RawItem {
        /// By which it is known again under another text.
        pub id: Option<String>,
        /// What it is called.
        pub text: String,
    }

    /// What happened (`item-list.signal`).
    #[derive(Debug, Clone, PartialEq)]
    pub enum Signal {
        /// A fetch begins.
        Started,
        /// The answer to the last request.
        Responded(Response),
        /// Why there is none.
        Failed(Failure),
        /// The wait is over.
        Elapsed,
    }

    /// What to do next (`item-list.directive`).
    #[derive(Debug, Clone, PartialEq)]
    pub enum Directive {
        /// Send this.
        Send(Request),
        /// Wait for so many milliseconds.
        Wait(u64),
        /// The whole list.
        Done(Vec<RawItem>),
        /// There is no list this time.
        Unavailable(Problem),
    }

    /// The answer to a step (`item-list.outcome`).
    #[derive(Debug, Clone, PartialEq)]
    pub struct Outcome {
        /// For the next step of the same fetch.
        pub state: Vec<u8>,
        /// What to do.
        pub next: Directive,
    }
}

/// Reading a sensor.
pub mod sensor {
    use crate::event::Field;

    /// The names under which a sensor's plugin opens hardware (`source.loans`).
    #[derive(Debug, Clone, Default, PartialEq, Eq)]
    pub struct Loans {
        /// Chips on I2C buses.
        pub i2c: Vec<String>,
        /// GPIO lines.
        pub lines: Vec<String>,
        /// 1-Wire devices.
        pub one_wire: Vec<String>,
    }

    /// What a sensor measured, or noticed (`source.reading`).
    #[derive(Debug, Clone, PartialEq)]
    pub struct Reading {
        /// The event's kind: `reading`, or the plugin's own word.
        pub kind: String,
        /// With what.
        pub fields: Vec<Field>,
    }

    /// The answer to a poll (`source.polled`).
    #[derive(Debug, Clone, PartialEq)]
    pub struct Polled {
        /// Kept with the readings.
        pub state: Vec<u8>,
        /// In the order in which they happened; perhaps none.
        pub readings: Vec<Reading>,
    }
}

#[cfg(test)]
mod tests {
    use super::delivery::{Directive, Pause};
    use super::*;

    #[test]
    fn a_command_in_an_advice_names_the_sink() {
        let table = [
            ("`punchcard sinks create-anew SINK` makes another", "`punchcard sinks create-anew sheet` makes another"),
            ("do `punchcard sinks retry SINK`; or SINK", "do `punchcard sinks retry sheet`; or SINK"),
            ("Google said: `SINK` is full", "Google said: `SINK` is full"),
            ("`punchcard SINKS`, `punchcard x", "`punchcard SINKS`, `punchcard x"),
            ("", ""),
        ];
        for (advice, named) in table {
            let problem = |advice: &str| Problem { headline: "SINK".to_owned(), advice: advice.to_owned() };
            assert_eq!(problem(advice).naming("sheet"), problem(named));
            let hold = |advice| Directive::Hold(Pause { milliseconds: 1, problem: Some(problem(advice)) });
            assert_eq!(hold(advice).naming("sheet"), hold(named));
        }
    }
}
