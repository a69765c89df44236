//! A grant's reception for a person with a browser: a visit that its policy asks for is opened, kept while the policy asks for
//! the same one, and closed when it asks for another thing.

use std::sync::Arc;

use punchcard_core::config::browser::Browser;
use punchcard_core::name::GrantName;
use punchcard_core::plugin::Problem;
use punchcard_core::plugin::auth::{Status, Visit};
use punchcard_core::reach::Prefix;
use punchcard_core::visit::{Answer, OpenVisit};
use tokio::sync::mpsc;

use crate::browser::Pages;
use crate::clock::{Clock, entropy};

/// A reception. It is closed at first.
pub(super) struct Reception {
    grant: GrantName,
    browser: Option<Browser>,
    pages: Option<Pages>,
    to_keeper: mpsc::Sender<Answer>,
    answers: mpsc::Receiver<Answer>,
    clock: Clock,
}

impl Reception {
    pub(super) fn new(grant: GrantName, browser: Option<Browser>, clock: Clock) -> Self {
        // One visit, one answer.
        let (to_keeper, answers) = mpsc::channel(1);
        Self { grant, browser, pages: None, to_keeper, answers, clock }
    }

    /// What a person came back with.
    pub(super) async fn answer(&mut self) -> Answer {
        match self.answers.recv().await {
            Some(answer) => answer,
            // It can't be: a sender is our own.
            None => std::future::pending().await,
        }
    }

    /// Does what a status asks for: a visit becomes what a person sees of it, or the problem that there can be none. Any other
    /// status ends the one that is open.
    pub(super) async fn receive(&mut self, status: Status, reach: &[Prefix]) -> Status {
        let Status::AwaitingBrowser(visit) = status else {
            self.close();
            return status;
        };
        match self.open(&visit, reach).await {
            Ok(status) => status,
            Err(advice) => {
                self.close();
                Status::Blocked(Problem { headline: "no browser sign-in".into(), advice })
            }
        }
    }

    /// Ends the visit that is open. What a person came back with from it, and nobody has heard yet, belongs to no other one.
    fn close(&mut self) {
        self.pages = None;
        while self.answers.try_recv().is_ok() {}
    }

    async fn open(&mut self, visit: &Visit, reach: &[Prefix]) -> Result<Status, String> {
        let browser = self.browser.clone().ok_or_else(|| {
            format!(
                "the plugin signs in with a browser, and plugins.toml does not say where one reaches this device; add \
                 `browser = {{ listen = \"0.0.0.0:8737\", address = \"http://NAME.local:8737\" }}` to grants.{}",
                self.grant
            )
        })?;
        let now_ms = self.clock.monotonic_ms();
        let kept = self.pages.as_ref().and_then(|pages| {
            pages.with_visit(|open| {
                open.is_for(visit).then(|| {
                    open.prolong(visit, now_ms);
                    open.prompt()
                })
            })
        });
        if let Some(Some(prompt)) = kept {
            return Ok(Status::AwaitingPerson(prompt));
        }
        // Its port is free before the next one is asked for.
        self.close();
        let chance = [entropy(), entropy(), entropy()];
        let open =
            OpenVisit::plan(visit, &browser.address, reach, chance, now_ms).map_err(|error| error.to_string())?;
        let prompt = open.prompt();
        let clock = self.clock.clone();
        let pages = Pages::open(browser.listen, open, self.to_keeper.clone(), Arc::new(move || clock.monotonic_ms()));
        let pages = pages.await.map_err(|error| {
            format!(
                "the device can't listen at {} for the browser: {error}; free that port, or name another in \
                 `grants.{}.browser`, then `punchcard sign-in {}`",
                browser.listen, self.grant, self.grant
            )
        })?;
        self.pages = Some(pages);
        Ok(Status::AwaitingPerson(prompt))
    }
}
