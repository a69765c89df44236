//! One column of one tab of a Google spreadsheet, for a choice: projects that are kept in a sheet.
//!
//! What a person sees in a cell is the item. It has no id: a cell that is edited is another item.

mod settings;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use punchcard_sdk::listing::service::{Service, Tries, get};
use punchcard_sdk::listing::{Directive, Item, Listing, Signal};
use punchcard_sdk::quote::quote;
use punchcard_sdk::{Context, Error, Needs, export_listing};
use serde::Deserialize;

pub use settings::Settings;

/// The listing.
#[derive(Debug)]
pub struct SheetColumn;

/// Characters of a cell that are handed over: one more than the host shows, so that it can mark what is cut.
const CELL_CHARACTERS: usize = 101;
/// Cells that are handed over: a few more than the host turns through, so that it can tell that there are more.
const MOST_CELLS: usize = 10_000;

const GOOGLE: Service = Service {
    name: "Google",
    not_found: "the spreadsheet is not there, or this account may not see it; check `spreadsheet-id`, and share the \
                spreadsheet with the account",
    forbidden: "Google does not let this account's token read the spreadsheet; share it with the account, or sign in with the \
                scope https://www.googleapis.com/auth/spreadsheets.readonly",
};

impl Listing for SheetColumn {
    type Settings = Settings;
    type State = Tries;

    fn check(settings: &Settings) -> Result<(), Error> {
        settings.check()
    }

    fn needs(settings: &Settings) -> Needs {
        Needs { urls: vec![settings.sheets_url.clone()], slots: Vec::new(), authorization: true }
    }

    fn step(settings: &Settings, tries: &mut Tries, signal: Signal, context: &Context) -> Directive {
        match signal {
            Signal::Started | Signal::Elapsed => ask(settings),
            Signal::Failed(failure) => GOOGLE.fail(&failure, tries, context),
            Signal::Responded(response) => match GOOGLE.read(&response, tries, context) {
                Ok(body) => parse_column(body).map_or_else(|| GOOGLE.unreadable(&response), Directive::Done),
                Err(next) => next,
            },
        }
    }
}

/// Asks for the column (`sheets.spreadsheets.values.get`), as a person sees it.
fn ask(settings: &Settings) -> Directive {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let (column, first) = (&settings.column, settings.skip_rows + 1);
    // In A1 notation a quotation mark is doubled.
    let range = format!("'{}'!{column}{first}:{column}", settings.tab.replace('\'', "''"));
    Directive::Send(get(format!(
        "{}/v4/spreadsheets/{}/values/{}?majorDimension=COLUMNS&fields=values",
        settings.sheets_url,
        encode(&settings.spreadsheet_id),
        encode(&range)
    )))
}

/// Reads the column. None: the answer is of another form.
fn parse_column(body: &[u8]) -> Option<Vec<Item>> {
    #[derive(Deserialize)]
    struct Range {
        #[serde(default)]
        values: Vec<Vec<String>>,
    }
    let range: Range = serde_json::from_slice(body).ok()?;
    let cells = range.values.into_iter().next().unwrap_or_default();
    let item = |cell: String| Item { id: None, text: quote(&cell, CELL_CHARACTERS) };
    let items = cells.into_iter().map(item).filter(|item| !item.text.is_empty());
    Some(items.take(MOST_CELLS).collect())
}

export_listing!(SheetColumn);

#[cfg(test)]
mod tests {
    use punchcard_sdk::Instant;
    use punchcard_sdk::http::Response;
    use punchcard_sdk::settings::parse_settings;

    use super::*;

    const SETTINGS: &str = r#"{"spreadsheet-id":"1AbC-d_e","tab":"Bob's","column":"C"}"#;

    fn step(signal: Signal) -> Directive {
        let context = Context {
            now: Instant { unix_micros: 0, utc_offset_minutes: 0 },
            monotonic_ms: 0,
            boot: "b".into(),
            entropy: vec![0; 32],
            device: "d".into(),
        };
        let settings = parse_settings(SETTINGS).expect("settings");
        SheetColumn::step(&settings, &mut Tries::default(), signal, &context)
    }

    fn answered(status: u16, body: &str) -> Directive {
        step(Signal::Responded(Response { status, headers: Vec::new(), body: body.into() }))
    }

    #[test]
    fn the_column_below_its_title_is_asked_for() {
        let Directive::Send(request) = step(Signal::Started) else { panic!("no request") };
        assert!(request.authorized && request.body.is_none());
        assert_eq!(
            request.url,
            "https://sheets.googleapis.com/v4/spreadsheets/1AbC%2Dd%5Fe/values/%27Bob%27%27s%27%21C2%3AC\
             ?majorDimension=COLUMNS&fields=values"
        );
    }

    #[test]
    fn cells_with_text_are_items() {
        let item = |text: &str| Item { id: None, text: text.to_owned() };
        let cells = r#"{"values":[["Paint","","  ","Oil\nit"]]}"#;
        assert_eq!(answered(200, cells), Directive::Done(vec![item("Paint"), item("Oil it")]));
        assert_eq!(answered(200, "{}"), Directive::Done(Vec::new()), "an empty column");
        for (status, body) in [(200, r#"{"values":7}"#), (200, r#"{"values":[[7]]}"#), (404, "{}"), (400, "{}")] {
            assert!(matches!(answered(status, body), Directive::Unavailable(_)), "{status} {body}");
        }
    }

    #[test]
    fn settings_name_a_column() {
        let with = |change: &str| SETTINGS.replace(r#""column":"C""#, change);
        for (json, is_good) in [
            (SETTINGS.to_owned(), true),
            (with(r#""column":"AZ","skip-rows":0"#), true),
            (with(r#""column":"c""#), false),
            (with(r#""column":"C1""#), false),
            (with(r#""column":"ABCD""#), false),
            (with(r#""column":"C","skip-rows":-1"#), false),
            (with(r#""column":"C","skip-rows":100001"#), false),
            (with(r#""colum":"C""#), false),
            (SETTINGS.replace("1AbC-d_e", "https://docs.google.com/spreadsheets/d/1AbC"), false),
            (SETTINGS.replace("Bob's", ""), false),
            (SETTINGS.replace("Bob's", r"a\nb"), false),
        ] {
            let found = parse_settings::<Settings>(&json).and_then(|settings| settings.check());
            assert_eq!(found.is_ok(), is_good, "{json}");
        }
    }
}
