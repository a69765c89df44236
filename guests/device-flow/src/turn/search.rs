//! Finding the issuer's endpoints, and that the host would send something to them.

use punchcard_sdk::auth_policy::{Directive, Request};
use punchcard_sdk::http::{Failure, Response};

use super::Turn;
use crate::answer::{Silence, is_overloaded};
use crate::form::{post_named, secret};
use crate::metadata::{Discovered, Errand, Search, more_telling, parse_metadata};
use crate::pace::MINUTE;
use crate::problem::Cause;
use crate::settings::{Endpoints, Server};
use crate::slot::DEVICE_CODE;
use crate::state::Phase;
use crate::well_known::well_known;

impl Turn<'_> {
    /// Where to send requests, as far as it is known.
    pub(crate) fn endpoints(&self) -> Option<Endpoints> {
        match &self.settings.server {
            Server::Google { endpoints, .. } | Server::Endpoints(endpoints) => Some(endpoints.clone()),
            Server::Issuer(issuer) => {
                let known = self.state.discovered.as_ref().filter(|known| known.issuer == *issuer)?;
                Some(known.endpoints.clone())
            }
        }
    }

    /// Finds out where to send requests, then does the errand.
    pub(crate) fn discover(&mut self, errand: Errand) -> Directive {
        match &self.settings.server {
            Server::Issuer(_) => self.ask_metadata(Search { errand, position: 0, cause: None }),
            Server::Google { .. } | Server::Endpoints(_) => self.do_errand(errand),
        }
    }

    /// Asks the address at which the search stands, or gives up after the last.
    pub(crate) fn ask_metadata(&mut self, search: Search) -> Directive {
        let Server::Issuer(issuer) = &self.settings.server else { return self.do_errand(search.errand) };
        match well_known(issuer).into_iter().nth(search.position) {
            Some(address) => {
                self.state.phase = Phase::Discovering(search);
                self.send(Request::Get(address))
            }
            None => match search.cause.unwrap_or(Cause::NoMetadata(0)) {
                // Perhaps a proxy whose server is still starting: nothing was decided, so it is asked again.
                cause @ (Cause::NoMetadata(_) | Cause::Foreign(_)) => {
                    self.state.phase = Phase::Discovering(Search { errand: search.errand, position: 0, cause: None });
                    self.retry(Silence { cause, retry_after_ms: Some(MINUTE) })
                }
                cause => self.block(cause),
            },
        }
    }

    /// What an address answered that was asked for metadata.
    pub(crate) fn metadata_answered(&mut self, search: Search, response: &Response) -> Directive {
        let Server::Issuer(issuer) = &self.settings.server else { return self.do_errand(search.errand) };
        if is_overloaded(response.status) {
            return self.retry(Silence::of(response, self.now));
        }
        match parse_metadata(issuer, response) {
            Ok(endpoints) => {
                self.state.discovered = Some(Discovered { issuer: issuer.clone(), endpoints });
                match search.errand {
                    Errand::SignIn => self.compare(),
                    Errand::Renewal => self.renew(),
                }
            }
            Err(cause) => {
                let Search { errand, position, cause: earlier } = search;
                self.ask_metadata(Search { errand, position: position + 1, cause: Some(more_telling(earlier, cause)) })
            }
        }
    }

    /// Finds out whether the token endpoint is in the grant's `reach`, before a person is sent to enter a code whose
    /// answer could not be fetched. What is in `reach` only the host knows; it looks at the address of a request first
    /// and at its slots then, so that a request with an empty slot is denied or found incomplete, and never leaves.
    pub(super) fn compare(&mut self) -> Directive {
        let Some(endpoints) = self.endpoints() else { return self.discover(Errand::SignIn) };
        self.forget(&[DEVICE_CODE]);
        self.state.phase = Phase::Comparing;
        let request = post_named(self.settings, &endpoints.token, vec![secret("device_code", DEVICE_CODE)]);
        self.send(request)
    }

    /// What the host says to a request that can't leave.
    pub(super) fn compared(&mut self, failure: &Failure) -> Directive {
        match Silence::from_failure(failure) {
            Err(cause @ Cause::NotInReach(_)) => self.block(cause),
            _ => self.request_code(),
        }
    }

    fn do_errand(&mut self, errand: Errand) -> Directive {
        match errand {
            Errand::SignIn => self.request_code(),
            Errand::Renewal => self.renew(),
        }
    }
}
