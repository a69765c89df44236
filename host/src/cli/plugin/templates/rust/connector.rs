//! A connector: posts each batch of rows as JSON to the address in its settings.
//!
//! A step machine: it gets what happened and says what to do next. The host does it, once the state is safe.

use serde_json::{Value, json};

wit_bindgen::generate!({ path: "wit", world: "connector", generate_all });

use exports::punchcard::plugin::delivery::{
    Batch, Context, Directive, Error, Guest, Limits, Needs, Outcome, Pause, Problem, Receipt, Request, Signal,
};
use punchcard::plugin::http::{Content, Failure, Header, Method};
use punchcard::plugin::records::{Cell, Column, Row};

struct Plugin;

// What a component exports has names that no other linker takes: tests go without.
#[cfg(target_arch = "wasm32")]
export!(Plugin);

impl Guest for Plugin {
    fn check(settings: String, _columns: Vec<Column>) -> Result<Limits, Error> {
        url(&settings)?;
        Ok(Limits {
            rows_per_batch: 100,
            bytes_per_batch: 1_000_000,
            characters_per_cell: 10_000,
            requests_per_minute: 60,
            reads_back: false,
        })
    }

    fn fingerprint(_: String, _: Vec<Column>, _: Vec<Row>) -> Result<Vec<String>, Error> {
        Err(Error::Other("it does not read back".to_owned()))
    }

    fn step(settings: String, _state: Vec<u8>, batch: Batch, signal: Signal, _: Context) -> Result<Outcome, Error> {
        let next = match signal {
            // There is nothing to make ready.
            Signal::Prepare | Signal::CreateAnew => delivered(),
            // The receiver knows a batch that it has by its id: sending it again does no harm.
            Signal::Begin | Signal::Resumed | Signal::Elapsed | Signal::Retry => post(&url(&settings)?, &batch),
            Signal::Responded(answer) if (200..300).contains(&answer.status) => delivered(),
            Signal::Responded(answer) if answer.status == 429 || answer.status >= 500 => wait(answer.status.to_string()),
            Signal::Responded(answer) => hold(format!("it answered with status {}", answer.status)),
            Signal::Failed(Failure::Unsent(reason) | Failure::Interrupted(reason)) => wait(reason),
            Signal::Failed(failure) => hold(format!("{failure:?}")),
            Signal::ReadBack(_) => return Err(Error::Other("it does not read back".to_owned())),
        };
        Ok(Outcome { state: Vec::new(), next })
    }

    fn list_needs(settings: String) -> Result<Needs, Error> {
        Ok(Needs { urls: vec![url(&settings)?], slots: Vec::new(), authorization: false })
    }
}

fn url(settings: &str) -> Result<String, Error> {
    let settings: Value = serde_json::from_str(settings).map_err(|error| Error::Other(error.to_string()))?;
    match settings["url"].as_str() {
        Some(url) if url.starts_with("https://") || url.starts_with("http://") => Ok(url.to_owned()),
        _ => Err(Error::InvalidSettings("`url` is an address with https or http".to_owned())),
    }
}

fn post(url: &str, batch: &Batch) -> Directive {
    let rows: Vec<Value> = batch.rows.iter().map(|row| object(&batch.columns, row)).collect();
    let body = json!({ "batch": batch.id, "rows": rows }).to_string();
    Directive::Send(Request {
        method: Method::Post,
        url: url.to_owned(),
        headers: vec![Header { name: "idempotency-key".to_owned(), value: batch.id.clone() }],
        body: Some(Content { media_type: "application/json".to_owned(), bytes: body.into_bytes() }),
        // What plugins.toml configures for the sink is added, and never seen here.
        authorized: true,
        idempotent: true,
        timeout_ms: None,
    })
}

fn object(columns: &[Column], row: &Row) -> Value {
    let cells = columns.iter().zip(&row.cells).map(|(column, cell)| {
        let value = match cell {
            Cell::Empty => Value::Null,
            Cell::Text(text) => json!(text),
            Cell::Number(number) | Cell::Seconds(number) => json!(number),
            Cell::Flag(flag) => json!(flag),
            Cell::Moment(moment) | Cell::Estimated(moment) => json!(moment.unix_micros),
        };
        (column.key.clone(), value)
    });
    Value::Object(cells.chain([("key".to_owned(), json!(row.key))]).collect())
}

fn delivered() -> Directive {
    Directive::Delivered(Receipt { rejected: Vec::new(), link: None })
}

fn wait(reason: String) -> Directive {
    let problem = Problem { headline: "can't be reached".to_owned(), advice: reason };
    Directive::Wait(Pause { milliseconds: 10_000, problem: Some(problem) })
}

fn hold(reason: String) -> Directive {
    let problem = Problem { headline: "rows are refused".to_owned(), advice: reason };
    Directive::Hold(Pause { milliseconds: 600_000, problem: Some(problem) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use punchcard::plugin::http::Response;
    use punchcard::plugin::records::ColumnKind;
    use punchcard::plugin::types::Instant;

    fn step(signal: Signal) -> Directive {
        let column = Column { key: "project".to_owned(), title: "Project".to_owned(), kind: ColumnKind::Text };
        let row = Row { key: "01J/0".to_owned(), cells: vec![Cell::Text("Garden".to_owned())] };
        let batch = Batch { id: "id-1".to_owned(), columns: vec![column], rows: vec![row], corrections: Vec::new() };
        let now = Instant { unix_micros: 0, utc_offset_minutes: 0 };
        let context =
            Context { now, monotonic_ms: 0, boot: String::new(), entropy: vec![0; 32], device: "test".to_owned() };
        Plugin::step(r#"{"url":"https://rows.example/in"}"#.to_owned(), Vec::new(), batch, signal, context).unwrap().next
    }

    fn answered(status: u16) -> Signal {
        Signal::Responded(Response { status, headers: Vec::new(), body: Vec::new() })
    }

    #[test]
    fn a_batch_is_posted_and_delivered_once_the_receiver_has_it() {
        let Directive::Send(request) = step(Signal::Begin) else { panic!("nothing is sent") };
        let body: Value = serde_json::from_slice(&request.body.unwrap().bytes).unwrap();
        assert_eq!(body, json!({ "batch": "id-1", "rows": [{ "project": "Garden", "key": "01J/0" }] }));
        assert!(matches!(step(answered(201)), Directive::Delivered(_)));
        assert!(matches!(step(answered(503)), Directive::Wait(_)));
        assert!(matches!(step(answered(403)), Directive::Hold(_)));
        assert!(matches!(step(Signal::Failed(Failure::Unsent(String::new()))), Directive::Wait(_)));
    }
}
