//! A person's visit to an authorization server with a browser (RFC 6749 §4.1): the URL that the browser is sent to, and
//! whether what it comes back with is the answer.
//!
//! What always holds: `state`, the challenge and `redirect_uri` are the host's, and no policy can name its own; a code is
//! taken only with the `state` of this very visit, in its time, and from the issuer that the policy expects. It knows no
//! socket and no clock; what is left to chance is given.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use url::{Host, Url, form_urlencoded};

use crate::plugin::auth::{Prompt, Refusal, Visit};
use crate::printable::{is_hidden, steers};
use crate::reach::{Prefix, covering};
use crate::secret::Secret;

/// Where below the device's address the browser comes back to.
pub const RETURN_PATH: &str = "/return";
/// Parameters that are the host's.
const OWN: [&str; 5] = ["response_type", "redirect_uri", "state", "code_challenge", "code_challenge_method"];
/// Parameters of a visit, at most.
const MOST_PARAMETERS: usize = 32;
/// Bytes of the URL with everything, at most: servers and browsers take about so many.
const LONGEST_URL: usize = 8 * 1024;
/// Bytes of a code, at most.
const LONGEST_CODE: usize = 4 * 1024;
/// Letters of a code that a person enters; none that is mistaken for another.
const LETTERS: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
/// Letters that a person enters to begin: 40 bits.
const LETTERS_TO_BEGIN: usize = 8;

/// A visit that is under way. It has no `Debug`: it holds the verifier.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenVisit {
    asked: Visit,
    address: String,
    on_loopback: bool,
    begin: String,
    destination: String,
    state: Secret,
    verifier: Secret,
    until_ms: u64,
}

/// What a person came back with.
#[derive(Clone, PartialEq, Eq)]
pub enum Answer {
    /// For the slots `authorization-code` and `code-verifier`.
    Code {
        /// The code.
        code: Secret,
        /// What proves that it was asked for here (RFC 7636 §4.1).
        verifier: Secret,
        /// With which it has to be exchanged.
        redirect_uri: String,
    },
    /// The server lets nobody in.
    TurnedAway(Refusal),
}

/// Why what came back is not the answer. The visit goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// Its `state` is another one, or none.
    #[error("it does not belong to this sign-in; begin again at the device's address")]
    Stranger,
    /// It is no address of this visit.
    #[error(
        "it is not the address to which the browser was sent back; copy all of what stands in its address bar at the end, \
         which begins with http:// and this device's address"
    )]
    OtherAddress,
    /// It came too late.
    #[error("the time for this sign-in is over; begin again at the device's address")]
    Late,
    /// Another issuer than the policy expects, or none (RFC 9207 §2.4).
    #[error("it comes from another server than the one that was asked; nobody was signed in")]
    Issuer,
    /// It is no answer of RFC 6749 §4.1.2.
    #[error("it is no answer of an authorization server: `{0}` is missing, doubled or too long")]
    Malformed(&'static str),
}

/// Whether an address of the device is one for browsers of the device alone (RFC 8252 §7.3).
#[must_use]
pub fn is_on_loopback(address: &Url) -> bool {
    match address.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Why a visit can't begin: what a policy asked for can't be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a visit with the browser {0}")]
pub struct VisitError(String);

impl OpenVisit {
    /// Begins a visit. `address` is that of the device, for the person's browser; `reach` is the grant's; `entropy` three
    /// times 32 fresh bytes.
    ///
    /// # Errors
    /// When the policy asks for what the host does not do.
    pub fn plan(
        asked: &Visit,
        address: &Url,
        reach: &[Prefix],
        entropy: [[u8; 32]; 3],
        now_ms: u64,
    ) -> Result<Self, VisitError> {
        let refused = |reason: String| VisitError(reason);
        let mut destination =
            Url::parse(&asked.url).map_err(|error| refused(format!("needs a URL, and its own is none: {error}")))?;
        if !destination.username().is_empty() || destination.password().is_some() {
            return Err(refused("names a user in its URL".into()));
        }
        // A page of the device's leads there: a plugin that was exchanged must not choose where.
        if covering(reach, &destination).is_none() {
            return Err(refused(format!(
                "goes to {}, which is not within the grant's `reach`",
                destination.origin().ascii_serialization()
            )));
        }
        if asked.parameters.len() > MOST_PARAMETERS {
            return Err(refused(format!(
                "has {} parameters; at most {MOST_PARAMETERS} are sent",
                asked.parameters.len()
            )));
        }
        let named = destination.query_pairs().map(|(name, _)| name.into_owned()).collect::<Vec<_>>();
        let mut names = named.iter().chain(asked.parameters.iter().map(|(name, _)| name));
        if let Some(own) = names.find(|name| OWN.contains(&name.as_str())) {
            return Err(refused(format!("names the parameter `{own}`, which is the host's")));
        }
        let on_loopback = is_on_loopback(address);
        let address = address.as_str().trim_end_matches('/').to_owned();
        let [begin, state, verifier] = entropy;
        let [state, verifier] = [state, verifier].map(|bytes| Secret::new(URL_SAFE_NO_PAD.encode(bytes)));
        destination.set_fragment(None);
        destination
            .query_pairs_mut()
            .extend_pairs(&asked.parameters)
            .append_pair("response_type", "code")
            .append_pair("redirect_uri", &format!("{address}{RETURN_PATH}"))
            .append_pair("state", state.reveal())
            .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.reveal())))
            .append_pair("code_challenge_method", "S256");
        if destination.as_str().len() > LONGEST_URL {
            return Err(refused(format!("has a URL of more than {LONGEST_URL} bytes")));
        }
        let letter = |byte: &u8| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]);
        Ok(Self {
            asked: asked.clone(),
            address,
            on_loopback,
            begin: begin[..LETTERS_TO_BEGIN].iter().map(letter).collect(),
            destination: destination.into(),
            state,
            verifier,
            until_ms: now_ms.saturating_add(u64::from(asked.expires_in_seconds) * 1_000),
        })
    }

    /// Whether the browser comes back to a loopback address.
    #[must_use]
    pub fn is_on_loopback(&self) -> bool {
        self.on_loopback
    }

    /// Whether a policy that asks for this asks for the visit that is under way.
    #[must_use]
    pub fn is_for(&self, asked: &Visit) -> bool {
        (&self.asked.url, &self.asked.parameters, &self.asked.issuer) == (&asked.url, &asked.parameters, &asked.issuer)
    }

    /// The policy asked for the same visit again: it is good until then.
    pub fn prolong(&mut self, asked: &Visit, now_ms: u64) {
        self.until_ms = now_ms.saturating_add(u64::from(asked.expires_in_seconds) * 1_000);
        self.asked = asked.clone();
    }

    /// What a person sees: the device's own address and a code, or a link with both. Whoever can't see the panel does not
    /// know where to begin.
    #[must_use]
    pub fn prompt(&self) -> Prompt {
        Prompt {
            user_code: self.begin.clone(),
            url: self.address.clone(),
            complete_url: Some(format!("{}/{}", self.address, self.begin)),
            purpose: self.asked.purpose.clone(),
            expires_in_seconds: self.asked.expires_in_seconds,
        }
    }

    /// Where the browser is sent that begins with this code, in upper or lower case.
    ///
    /// # Errors
    /// When it is not this visit's code, or too late.
    pub fn begin(&self, code: &str, now_ms: u64) -> Result<&str, NoAnswer> {
        if !is_same(code.trim().to_ascii_uppercase().as_bytes(), self.begin.as_bytes()) {
            return Err(NoAnswer::Stranger);
        }
        if now_ms >= self.until_ms {
            return Err(NoAnswer::Late);
        }
        Ok(&self.destination)
    }

    /// The authorization request: where a browser is sent. It holds the visit's `state`, and is for the person alone.
    #[must_use]
    pub fn destination(&self) -> &str {
        &self.destination
    }

    /// What a person pasted: the address to which their browser was sent back, and where it reached nobody.
    ///
    /// # Errors
    /// When it is another address, or not the answer to this visit.
    pub fn parse_pasted(&self, text: &str, now_ms: u64) -> Result<Answer, NoAnswer> {
        let text = text.trim();
        let (address, query) = text.split_once('?').ok_or(NoAnswer::OtherAddress)?;
        // As text, for it is the host's own. A browser shows no more and no less, but for `http://`, which some leave out.
        let own = format!("{}{RETURN_PATH}", self.address);
        let is_own = address == own || own.strip_prefix("http://") == Some(address);
        if !is_own || text.len() > LONGEST_URL {
            return Err(NoAnswer::OtherAddress);
        }
        self.parse_answer(query.split('#').next().unwrap_or_default(), now_ms)
    }

    /// What a browser came back with: the query of its URL.
    ///
    /// # Errors
    /// When it is not the answer to this visit. Nothing of it is believed then, its `error` neither.
    pub fn parse_answer(&self, query: &str, now_ms: u64) -> Result<Answer, NoAnswer> {
        let state = find(query, "state")?.ok_or(NoAnswer::Stranger)?;
        if !is_same(state.as_bytes(), self.state.reveal().as_bytes()) {
            return Err(NoAnswer::Stranger);
        }
        if now_ms >= self.until_ms {
            return Err(NoAnswer::Late);
        }
        let issuer = find(query, "iss")?;
        if self.asked.issuer.is_some() && issuer != self.asked.issuer {
            return Err(NoAnswer::Issuer);
        }
        if let Some(error) = find(query, "error")? {
            let description = find(query, "error_description")?.map(|text| shown(&text));
            return Ok(Answer::TurnedAway(Refusal { error: shown(&error), description }));
        }
        let code = find(query, "code")?.filter(|code| !code.is_empty() && code.len() <= LONGEST_CODE);
        Ok(Answer::Code {
            code: Secret::new(code.ok_or(NoAnswer::Malformed("code"))?),
            verifier: self.verifier.clone(),
            redirect_uri: format!("{}{RETURN_PATH}", self.address),
        })
    }
}

/// The one value of this name (RFC 6749 §3.1: none may be included more than once).
fn find(query: &str, name: &'static str) -> Result<Option<String>, NoAnswer> {
    let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(found, _)| found == name);
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(|(_, value)| value.into_owned())),
        (_, Some(_)) => Err(NoAnswer::Malformed(name)),
    }
}

/// A server's words as a person may see them.
fn shown(text: &str) -> String {
    text.chars().filter(|character| !steers(*character) && !is_hidden(*character)).take(200).collect()
}

/// In a time that says nothing of where they differ.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differs, (one, other)| differs | (one ^ other)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Visit {
        Visit {
            url: "https://id.example/authorize?tenant=1".to_owned(),
            parameters: vec![("client_id".to_owned(), "door & co".to_owned()), ("scope".to_owned(), "rows".to_owned())],
            issuer: Some("https://id.example".to_owned()),
            purpose: "to write rows".to_owned(),
            expires_in_seconds: 600,
        }
    }

    fn plan(asked: &Visit) -> Result<OpenVisit, VisitError> {
        let reach = [("http://127.0.0.1:9000", true), ("https://id.example", false)]
            .map(|(url, is_private)| Prefix::parse(url, is_private).unwrap());
        let address = Url::parse("http://door.local:8737/").unwrap();
        OpenVisit::plan(asked, &address, &reach, [[1; 32], [2; 32], [3; 32]], 1_000)
    }

    const STATE: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI";

    #[test]
    fn the_host_adds_what_ties_the_answer_to_the_visit() {
        let visit = plan(&asked()).ok().unwrap();
        let prompt = visit.prompt();
        assert_eq!((prompt.user_code.as_str(), prompt.url.as_str()), ("33333333", "http://door.local:8737"));
        assert_eq!(prompt.complete_url.as_deref(), Some("http://door.local:8737/33333333"));
        // The challenge is that of RFC 7636 §4.2 over 43 letters of the verifier.
        assert_eq!(
            visit.begin(" 33333333", 600_999),
            Ok(&*format!(
                "https://id.example/authorize?tenant=1&client_id=door+%26+co&scope=rows&response_type=code\
                 &redirect_uri=http%3A%2F%2Fdoor.local%3A8737%2Freturn&state={STATE}\
                 &code_challenge={}&code_challenge_method=S256",
                URL_SAFE_NO_PAD.encode(Sha256::digest("AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM"))
            ))
        );
        assert_eq!(visit.begin("33333334", 0), Err(NoAnswer::Stranger));
        assert_eq!(visit.begin("", 0), Err(NoAnswer::Stranger));
        assert_eq!(visit.begin("33333333", 601_000), Err(NoAnswer::Late));
    }

    #[test]
    fn a_policy_names_nothing_that_is_the_hosts() {
        let mut table = vec![];
        for own in OWN {
            let parameters = vec![(own.to_owned(), "x".to_owned())];
            table.push((Visit { parameters, ..asked() }, format!("names the parameter `{own}`, which is the host's")));
            let url = format!("https://id.example/?{own}=x");
            table.push((Visit { url, ..asked() }, format!("names the parameter `{own}`, which is the host's")));
        }
        for (url, said) in [
            ("http://id.example/authorize", "goes to http://id.example, which is not within the grant's `reach`"),
            ("https://evil.example/authorize", "goes to https://evil.example, which is not within the grant's `reach`"),
            ("javascript:alert(1)", "goes to null, which is not within the grant's `reach`"),
            ("https://me:pw@id.example/", "names a user in its URL"),
            ("authorize", "needs a URL, and its own is none: relative URL without a base"),
        ] {
            table.push((Visit { url: url.to_owned(), ..asked() }, said.to_owned()));
        }
        let parameters = |count: usize, bytes: usize| vec![("a".to_owned(), "x".repeat(bytes)); count];
        table.push((
            Visit { parameters: parameters(33, 1), ..asked() },
            "has 33 parameters; at most 32 are sent".into(),
        ));
        let long = Visit { parameters: parameters(1, 8_192), ..asked() };
        table.push((long, "has a URL of more than 8192 bytes".into()));
        for (visit, said) in table {
            assert_eq!(plan(&visit).err().unwrap().to_string(), format!("a visit with the browser {said}"));
        }
        let near = Visit { url: "http://127.0.0.1:9000/authorize".to_owned(), ..asked() };
        assert!(plan(&near).is_ok(), "within reach");
    }

    #[test]
    fn only_the_answer_to_this_visit_is_taken() {
        let visit = plan(&asked()).ok().unwrap();
        let iss = "iss=https%3A%2F%2Fid.example";
        let code = |query: &str, now_ms: u64| match visit.parse_answer(query, now_ms) {
            Ok(Answer::Code { code, verifier, redirect_uri }) => {
                assert_eq!(verifier.reveal(), "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM");
                assert_eq!(redirect_uri, "http://door.local:8737/return");
                Ok(code.reveal().to_owned())
            }
            Ok(Answer::TurnedAway(refusal)) => Ok(format!("{refusal:?}")),
            Err(no_answer) => Err(no_answer),
        };
        let turned_away = r#"Refusal { error: "access_denied", description: Some("no [2J") }"#;
        let table = [
            (format!("state={STATE}&{iss}&code=a%2Fb"), Ok("a/b".to_owned())),
            (format!("code=c&state={STATE}&{iss}&more=1"), Ok("c".to_owned())),
            (
                format!("error=access_denied&error_description=no+%1b[2J&state={STATE}&{iss}"),
                Ok(turned_away.to_owned()),
            ),
            (format!("state={STATE}x&{iss}&code=c"), Err(NoAnswer::Stranger)),
            (format!("state=&{iss}&code=c"), Err(NoAnswer::Stranger)),
            (format!("{iss}&code=c"), Err(NoAnswer::Stranger)),
            (format!("{iss}&error=access_denied"), Err(NoAnswer::Stranger)),
            (String::new(), Err(NoAnswer::Stranger)),
            (format!("state={STATE}&state={STATE}&{iss}&code=c"), Err(NoAnswer::Malformed("state"))),
            (format!("state={STATE}&code=c"), Err(NoAnswer::Issuer)),
            (format!("state={STATE}&iss=https%3A%2F%2Fevil.example&code=c"), Err(NoAnswer::Issuer)),
            (format!("state={STATE}&iss=https%3A%2F%2Fid.example%2F&code=c"), Err(NoAnswer::Issuer)),
            (format!("state={STATE}&{iss}&{iss}&code=c"), Err(NoAnswer::Malformed("iss"))),
            (format!("state={STATE}&{iss}"), Err(NoAnswer::Malformed("code"))),
            (format!("state={STATE}&{iss}&code="), Err(NoAnswer::Malformed("code"))),
            (format!("state={STATE}&{iss}&code=a&code=b"), Err(NoAnswer::Malformed("code"))),
            (format!("state={STATE}&{iss}&code={}", "x".repeat(4_097)), Err(NoAnswer::Malformed("code"))),
        ];
        for (query, expected) in table {
            assert_eq!(code(&query, 600_999), expected, "{query}");
        }
        assert_eq!(code(&format!("state={STATE}&{iss}&code=c"), 601_000), Err(NoAnswer::Late));
        let without = plan(&Visit { issuer: None, ..asked() }).ok().unwrap();
        assert!(without.parse_answer(&format!("state={STATE}&code=c"), 2_000).is_ok());
    }

    #[test]
    fn a_pasted_address_is_taken_only_where_it_is_the_visit_s_own() {
        let visit = plan(&asked()).ok().unwrap();
        let answer = format!("state={STATE}&iss=https%3A%2F%2Fid.example&code=c");
        let is_taken = |text: &str| visit.parse_pasted(text, 2_000).map(drop);
        for text in [
            format!("http://door.local:8737/return?{answer}"),
            format!("  http://door.local:8737/return?{answer}#top\r\n"),
            format!("door.local:8737/return?{answer}"),
        ] {
            assert_eq!(is_taken(&text), Ok(()), "{text}");
        }
        for text in [
            String::new(),
            "c".to_owned(),
            answer.clone(),
            format!("?{answer}"),
            format!("http://evil.example/return?{answer}"),
            format!("http://door.local:8738/return?{answer}"),
            format!("https://door.local:8737/return?{answer}"),
            format!("http://door.local:8737/other?{answer}"),
            format!("http://door.local:8737@evil.example/return?{answer}"),
            format!("http://me@door.local:8737/return?{answer}"),
            format!("http://door.local:8737/return?{answer}&x={}", "x".repeat(8_192)),
        ] {
            assert_eq!(is_taken(&text), Err(NoAnswer::OtherAddress), "{text}");
        }
        let other = format!("http://door.local:8737/return?state={STATE}x&code=c");
        assert_eq!(is_taken(&other), Err(NoAnswer::Stranger));
    }

    #[test]
    fn a_visit_that_is_asked_for_again_stays_the_same_and_is_good_for_longer() {
        let mut visit = plan(&asked()).ok().unwrap();
        let again = Visit { purpose: "another purpose".to_owned(), expires_in_seconds: 60, ..asked() };
        assert!(visit.is_for(&again));
        visit.prolong(&again, 600_000);
        assert!(visit.begin("33333333", 601_000).is_ok());
        assert_eq!(visit.prompt().purpose, "another purpose");
        for other in [
            Visit { issuer: None, ..asked() },
            Visit { parameters: Vec::new(), ..asked() },
            Visit { url: "https://id.example/other".to_owned(), ..asked() },
        ] {
            assert!(!visit.is_for(&other));
        }
    }
}
