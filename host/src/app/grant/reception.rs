//! A grant's reception for a person with a browser: a visit that its policy asks for is opened, kept while the policy asks for
//! the same one, and closed when it asks for another thing.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use punchcard_core::config::browser::Browser;
use punchcard_core::name::GrantName;
use punchcard_core::plugin::Problem;
use punchcard_core::plugin::auth::{Status, Visit};
use punchcard_core::reach::Prefix;
use punchcard_core::visit::{Answer, OpenVisit, is_on_loopback};
use tokio::sync::mpsc;

use crate::browser::{Desk, Listener, Pages};
use crate::clock::{Clock, entropy};

/// The desk of the visit that is under way, for those who ask the grant.
pub(super) type OpenDesk = Arc<Mutex<Option<Desk>>>;

/// A reception. It is closed at first.
pub(super) struct Reception {
    grant: GrantName,
    browser: Option<Browser>,
    pages: Option<Pages>,
    desk: OpenDesk,
    /// A person wants the browser to come back to a loopback address (RFC 8252 §7.3), until somebody is let in or turned away.
    on_loopback: bool,
    to_keeper: mpsc::Sender<Answer>,
    answers: mpsc::Receiver<Answer>,
    clock: Clock,
}

impl Reception {
    pub(super) fn new(grant: GrantName, browser: Option<Browser>, desk: OpenDesk, clock: Clock) -> Self {
        // One visit, one answer.
        let (to_keeper, answers) = mpsc::channel(1);
        Self { grant, browser, pages: None, desk, on_loopback: false, to_keeper, answers, clock }
    }

    /// The next visit, or the one that is under way, comes back to a loopback address.
    pub(super) fn listen_on_loopback(&mut self) {
        self.on_loopback = true;
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
            // While a policy looks for its server, or hears what came of the visit before, the wish holds.
            self.on_loopback &= !matches!(status, Status::Authorized(_));
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
        *self.desk.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.pages = None;
        while self.answers.try_recv().is_ok() {}
    }

    async fn open(&mut self, visit: &Visit, reach: &[Prefix]) -> Result<Status, String> {
        let wants_loopback = self.on_loopback;
        let browser = self.browser.clone().filter(|browser| !wants_loopback || is_on_loopback(&browser.address));
        let now_ms = self.clock.monotonic_ms();
        let kept = self.pages.as_ref().and_then(|pages| {
            pages.with_visit(|open| {
                let suits = open.is_for(visit) && (!wants_loopback || open.is_on_loopback());
                suits.then(|| {
                    open.prolong(visit, now_ms);
                    open.prompt()
                })
            })
        });
        if let Some(Some(prompt)) = kept {
            return Ok(Status::AwaitingPerson(prompt));
        }
        // An answer is here that the policy hears of next: another visit would throw it away.
        if !self.answers.is_empty() {
            return Ok(Status::Renewing);
        }
        // Its port is free before the next one is asked for.
        self.close();
        let grant = &self.grant;
        let listen = match (&browser, wants_loopback) {
            (Some(browser), _) => browser.listen,
            // Any port is fine there (RFC 8252 §7.3), and one that is free is always found.
            (None, true) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            (None, false) => {
                return Err(format!(
                    "the plugin signs in with a browser: `punchcard sign-in {grant} --web` prints a link. To show it on the \
                     panel, add `browser = {{ listen = \"0.0.0.0:8737\", address = \"http://NAME.local:8737\" }}` to \
                     grants.{grant}"
                ));
            }
        };
        let listener = Listener::bind(listen).await.map_err(|error| {
            format!(
                "the device can't listen at {listen} for the browser: {error}; free that port, or name another in \
                 `grants.{grant}.browser`, then `punchcard sign-in {grant}`"
            )
        })?;
        let address = browser.map_or_else(|| listener.url().clone(), |browser| browser.address);
        let chance = [entropy(), entropy(), entropy()];
        let open = OpenVisit::plan(visit, &address, reach, chance, now_ms).map_err(|error| error.to_string())?;
        let prompt = open.prompt();
        let clock = self.clock.clone();
        let pages = Pages::open(listener, open, self.to_keeper.clone(), Arc::new(move || clock.monotonic_ms()));
        *self.desk.lock().unwrap_or_else(PoisonError::into_inner) = Some(pages.desk());
        self.pages = Some(pages);
        Ok(Status::AwaitingPerson(prompt))
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;
    use crate::app::fixture::Fixture;

    const SERVER: &str = "https://login.example";

    #[tokio::test]
    async fn an_answer_that_nobody_has_heard_outlives_that_its_visit_is_asked_for_again() {
        let fixture = Fixture::new();
        let (name, desk) = (GrantName::parse("door").unwrap(), OpenDesk::default());
        let mut reception = Reception::new(name, None, Arc::clone(&desk), fixture.clock.clone());
        let reach = [Prefix::parse(SERVER, false).unwrap()];
        let visit = || {
            Status::AwaitingBrowser(Visit {
                url: format!("{SERVER}/authorize"),
                parameters: Vec::new(),
                issuer: None,
                purpose: "open the door".to_owned(),
                expires_in_seconds: 600,
            })
        };
        reception.listen_on_loopback();
        assert!(matches!(reception.receive(visit(), &reach).await, Status::AwaitingPerson(_)));
        let way = desk.lock().unwrap().as_ref().and_then(Desk::way).unwrap();
        let link = url::Url::parse(&way.link).unwrap();
        let value = |wanted: &str| link.query_pairs().find(|(name, _)| name == wanted).unwrap().1.into_owned();
        let back = format!("{}?code=c0de&state={}", value("redirect_uri"), value("state"));
        desk.lock().unwrap().as_ref().unwrap().paste(&back).unwrap();

        // A person asked once more, in the same moment.
        assert_eq!(reception.receive(visit(), &reach).await, Status::Renewing);
        let answer = tokio::select! {
            biased;
            answer = reception.answer() => Some(answer),
            () = ready(()) => None,
        };
        assert!(matches!(answer, Some(Answer::Code { code, .. }) if code.reveal() == "c0de"));
        // What is asked for after that is another visit.
        assert!(matches!(reception.receive(visit(), &reach).await, Status::AwaitingPerson(_)));
        assert!(desk.lock().unwrap().as_ref().and_then(Desk::way).is_some_and(|now| now.link != way.link));
    }
}
