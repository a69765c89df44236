//! `punchcard fetch`: a request to any API under a grant, by way of the running host, or without one under the ledger's lock.

mod body;
mod progress;

use std::io::{self, IsTerminal as _};

use clap::Args;
use punchcard_core::http::Header;
use punchcard_core::pagination::{MOST_PAGES, PAGE_STYLES, PageStyle, Walk};
use serde_json::{Value, json};
use url::Url;

use super::exit::{Exit, Failure};
use super::output::{print, print_bytes, print_line};
use super::status::unexpected;
use super::{DeviceArguments, printable, small_runtime};
use crate::app::control::{Answer, ControlError, FetchQuestion, Fetched, MethodName, Question, ask};
use crate::app::lone_grant::{FetchError, LoneGrant, LoneGrantError};
use body::read_body;
use progress::Progress;

/// Characters of an answer that are told in an error.
const LONGEST_TOLD: usize = 300;

#[derive(Debug, Args)]
pub(super) struct FetchArguments {
    /// The grant.
    #[arg(long, value_name = "GRANT")]
    grant: String,
    /// Absolute, and within the grant's `audience`.
    url: String,
    /// The method; when not given, GET, or with --data POST.
    #[arg(long, short = 'X', value_name = "METHOD", value_enum, ignore_case = true)]
    method: Option<MethodName>,
    /// The body: a text, `@FILE`, or `-` for the standard input; at most 8 MiB.
    #[arg(long, short, value_name = "BODY", allow_hyphen_values = true)]
    data: Option<String>,
    /// A header, such as `Accept: text/csv`. Content-Type is `application/json` when not given. Those that are the host's, such as
    /// Authorization, Cookie and Host, are refused.
    #[arg(long, short = 'H', value_name = "NAME: VALUE", value_parser = parse_header)]
    header: Vec<(String, String)>,
    /// Join the pages of a list, and print its items as one list of JSON. STYLE is where a page says which is next: the name of a
    /// member that holds a token (`nextPageToken`, `next_page_token`, `next_cursor`) or a URL (`next`, `nextLink`, `next_url`,
    /// `@odata.nextLink`), or `link` for the header.
    #[arg(long, value_name = "STYLE", value_parser = parse_style, conflicts_with_all = ["json", "data"])]
    paginate: Option<PageStyle>,
    /// The member of each page that is the list; when not given, its only list.
    #[arg(long, value_name = "MEMBER", requires = "paginate")]
    items: Option<String>,
    /// Pages at most.
    #[arg(long, value_name = "N", default_value_t = 100, requires = "paginate", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_PAGES)))]
    pages: u32,
    /// Print status, headers and body as JSON.
    #[arg(long)]
    json: bool,
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("it has no colon between name and value")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn parse_style(text: &str) -> Result<PageStyle, String> {
    let known = PAGE_STYLES.iter().find(|(name, _)| *name == text);
    known.map(|(_, style)| *style).ok_or_else(|| {
        let names: Vec<&str> = PAGE_STYLES.iter().map(|(name, _)| *name).collect();
        format!("it is none of {}", names.join(", "))
    })
}

pub(super) fn fetch(device: &DeviceArguments, arguments: &FetchArguments) -> Result<Exit, Failure> {
    let url = Url::parse(&arguments.url)
        .map_err(|error| Failure::general(format!("the address is no URL: {error}; it begins with https://")))?;
    let body = arguments.data.as_deref().map(read_body).transpose().map_err(Failure::general)?;
    let usual = if body.is_some() { MethodName::Post } else { MethodName::Get };
    let is_type = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("content-type");
    let media_type = arguments.header.iter().find(is_type).map_or("application/json", |(_, value)| value);
    let question = FetchQuestion {
        grant: arguments.grant.clone(),
        method: arguments.method.unwrap_or(usual),
        url: arguments.url.clone(),
        headers: arguments.header.iter().filter(|header| !is_type(header)).cloned().collect(),
        media_type: media_type.to_owned(),
        body,
    };
    small_runtime()?.block_on(async {
        let mut way = Way { device, alone: None, progress: Progress::new() };
        let ended = match arguments.paginate {
            Some(style) => {
                way.fetch_pages(question, Walk::new(style, url, arguments.items.clone(), arguments.pages)).await
            }
            None => way.fetch_one(&question, arguments.json).await,
        };
        if let Some(alone) = way.alone {
            alone.end().await;
        }
        ended
    })
}

/// The way to the grant.
struct Way<'a> {
    device: &'a DeviceArguments,
    /// Where no host runs.
    alone: Option<LoneGrant>,
    progress: Progress,
}

impl Way<'_> {
    async fn fetch_one(&mut self, question: &FetchQuestion, json: bool) -> Result<Exit, Failure> {
        let fetched = self.send(question).await?;
        if json {
            print_line(render_json(&fetched))?;
            return Ok(if fetched.status < 400 { Exit::Success } else { Exit::Status });
        }
        check(&fetched)?;
        if io::stdout().is_terminal() {
            print(render_for_terminal(&fetched.body.0)?)?;
        } else {
            print_bytes(&fetched.body.0)?;
        }
        Ok(Exit::Success)
    }

    /// Prints the items of each page as it comes. Where a page is missing the list has no end, so that nobody takes it for whole.
    async fn fetch_pages(&mut self, mut question: FetchQuestion, mut walk: Walk) -> Result<Exit, Failure> {
        let mut items_before = 0;
        for page in 1_u32.. {
            let at_page = |error: &dyn std::error::Error| Failure::general(format!("page {page}: {error}"));
            let fetched = self.send(&question).await?;
            check(&fetched)?;
            let header = |(name, value): &(String, String)| Header { name: name.clone(), value: value.clone() };
            let headers: Vec<Header> = fetched.headers.iter().map(header).collect();
            let (items, next) = walk.take(&headers, &fetched.body.0).map_err(|error| at_page(&error))?;
            self.progress.clear();
            let mut text = String::new();
            for item in items {
                text.push_str(if items_before == 0 { "[\n" } else { ",\n" });
                text.push_str(&printable_json(&item));
                items_before += 1;
            }
            print(text)?;
            self.progress.note(page, items_before);
            match next.map_err(|error| at_page(&error))? {
                Some(url) => question.url = url.into(),
                None => break,
            }
        }
        print(if items_before == 0 { "[]\n" } else { "\n]\n" })?;
        Ok(Exit::Success)
    }

    async fn send(&mut self, question: &FetchQuestion) -> Result<Fetched, Failure> {
        if self.alone.is_none() {
            let asked = Question::Fetch(question.clone());
            let answer = self.progress.during(ask(&self.device.state, &asked)).await;
            match answer {
                Ok(Answer::Fetched(fetched)) => return Ok(fetched),
                Ok(Answer::Unanswered { reason }) => return Err(Failure::general(printable(&reason))),
                Ok(other) => return Err(unexpected(other)),
                Err(ControlError::NoHost { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            let start = LoneGrant::start(&self.device.config, &self.device.state, &question.grant);
            self.alone = Some(self.progress.during(start).await?);
        }
        let Some(alone) = &self.alone else { return Err(Failure::general("no grant is at work")) };
        let answer = self.progress.during(alone.fetch(&question.request())).await;
        answer.map(Fetched::from).map_err(|error| match error {
            FetchError::Refused(reason) => Failure::with(Exit::Refused, printable(&reason)),
            FetchError::Unanswered(reason) => Failure::general(printable(&reason)),
        })
    }
}

impl From<LoneGrantError> for Failure {
    fn from(error: LoneGrantError) -> Self {
        let exit = match &error {
            LoneGrantError::Read(_) | LoneGrantError::Configuration(_) => Exit::Configuration,
            LoneGrantError::InUse => Exit::InUse,
            _ => Exit::Failure,
        };
        Self::with(exit, error)
    }
}

/// Whether a service did what it was asked for.
fn check(fetched: &Fetched) -> Result<(), Failure> {
    if fetched.status < 400 {
        return Ok(());
    }
    let told: String = String::from_utf8_lossy(&fetched.body.0).chars().take(LONGEST_TOLD).collect();
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    let what = if told.is_empty() { "nothing else".to_owned() } else { printable(&told) };
    let said = format!("the service answered with status {}, and said {what}", fetched.status);
    Err(Failure::with(Exit::Status, said))
}

/// An item of JSON, without a character that a terminal would obey: those have an escape in JSON, which means the same.
fn printable_json(item: &Value) -> String {
    let mut text = String::new();
    for character in item.to_string().chars() {
        if punchcard_core::printable::steers(character) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            text.push(character);
        }
    }
    text
}

/// A body for a person. Lines and tabs stay.
fn render_for_terminal(body: &[u8]) -> Result<String, Failure> {
    let text = std::str::from_utf8(body).map_err(|_| {
        Failure::general("the answer is no text, and would upset the terminal; send it into a file with `>`")
    })?;
    let shown: Vec<String> =
        text.split('\n').map(|line| line.split('\t').map(printable).collect::<Vec<_>>().join("\t")).collect();
    let shown = shown.join("\n");
    Ok(if shown.is_empty() || shown.ends_with('\n') { shown } else { shown + "\n" })
}

/// The body is JSON where it is, else a text, else base64.
fn render_json(fetched: &Fetched) -> String {
    let bytes = &fetched.body.0;
    let (name, body) = match (serde_json::from_slice::<Value>(bytes), std::str::from_utf8(bytes)) {
        (Ok(value), _) => ("body", value),
        (Err(_), Ok(text)) => ("text", Value::from(text)),
        (Err(_), Err(_)) => ("base64", serde_json::to_value(&fetched.body).unwrap_or_default()),
    };
    let headers: Vec<Value> =
        fetched.headers.iter().map(|(header, value)| json!({ "name": header, "value": value })).collect();
    printable_json(&json!({ "status": fetched.status, "headers": headers, name: body }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::control::Bytes;

    #[test]
    fn nothing_that_a_service_says_is_obeyed_by_a_terminal() {
        let evil = "a\u{1b}[2J\u{9b}x\u{202e}";
        let item = json!({ "title": evil });
        let shown = printable_json(&item);
        assert_eq!(shown, r#"{"title":"a\u001b[2J\u009bx\u202e"}"#);
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), item, "it means the same");
        let shown = render_for_terminal(format!("one\ttwo\n{evil}").as_bytes()).unwrap();
        assert!(shown.starts_with("one\ttwo\na") && !shown.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{shown:?}");
        assert!(render_for_terminal(&[0xff]).is_err());
        let refused = Fetched { status: 404, headers: Vec::new(), body: Bytes(evil.into()) };
        let failure = check(&refused).unwrap_err();
        assert_eq!(failure.exit, Exit::Status);
        assert!(!failure.error.to_string().contains('\u{1b}'), "{}", failure.error);
    }

    #[test]
    fn a_body_that_is_no_json_is_told_apart() {
        let body = |bytes: &[u8]| Fetched { status: 200, headers: Vec::new(), body: Bytes(bytes.to_vec()) };
        let table: [(&[u8], &str); 3] =
            [(b"{\"a\":1}", r#""body":{"a":1}"#), (b"hello", r#""text":"hello""#), (&[0xff], r#""base64":"/w==""#)];
        for (bytes, expected) in table {
            let shown = render_json(&body(bytes));
            assert!(shown.contains(expected), "{shown}");
        }
    }
}
