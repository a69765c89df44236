//! A connector's dialogue with a server that answers by a script: what it is asked, what it does, and how that ends. Time passes
//! as it asks for; nothing is waited for.

use punchcard_core::http::{Failure as NoAnswer, Header, Request, Response};
use punchcard_core::plugin::Needs;
use punchcard_core::plugin::delivery::{Batch, Directive, Receipt, Signal};
use punchcard_core::reach::Prefix;
use punchcard_core::rehearsal::{Script, parse_rows, parse_script};
use punchcard_core::request::{Reach, plan_delivery};
use punchcard_core::row::{Column, Row};
use punchcard_sandbox::Connector;
use serde_json::{Value, json};

use super::super::super::exit::{Exit, Failure};
use super::super::super::output::print_line;
use super::super::super::printable;
use super::{NOW, TestArguments, TestError, Text, call_failed, context};

/// Steps of a batch, at most: more would be a connector that runs in circles.
const MOST_STEPS: usize = 200;
/// Characters of a body that are shown.
const SHOWN: usize = 400;

pub(super) async fn test(
    connector: &Connector,
    arguments: &TestArguments,
    settings: &str,
    table: &Text,
    script: Option<&Text>,
) -> Result<Exit, Failure> {
    let unusable =
        |path: &std::path::Path, reason: String| Failure::general(TestError::File { path: path.to_owned(), reason });
    let (columns, rows) = parse_rows(&table.text).map_err(|error| unusable(&table.path, error.to_string()))?;
    let parsed =
        script.map(|script| parse_script(&script.text).map_err(|error| unusable(&script.path, error.to_string())));
    let script = parsed.transpose()?;
    let limits = connector.check(settings, &columns).await.map_err(call_failed("check"))?;
    let needs = connector.needs(settings).await.map_err(call_failed("list-needs"))?;
    let mut dialogue = Dialogue::new(&needs, script);
    let batches = rows.chunks(usize::try_from(limits.rows_per_batch).unwrap_or(usize::MAX));
    dialogue.carry(connector, settings, &columns, &[], "prepare", Signal::Prepare).await?;
    for (number, rows) in batches.enumerate() {
        let name = format!("batch {}", number + 1);
        dialogue.carry(connector, settings, &columns, rows, &name, Signal::Begin).await?;
    }
    dialogue.say_what_is_left();
    let Dialogue { lines, steps, faults, rejected, .. } = dialogue;
    let delivered = faults.is_empty();
    if arguments.json {
        let report = json!({
            "world": "connector", "steps": steps, "faults": faults, "rejected": rejected, "rows": rows.len(),
            "delivered": delivered,
        });
        print_line(report)?;
    } else {
        for line in &lines {
            print_line(printable(line))?;
        }
        for fault in &faults {
            print_line(format_args!("wrong: {}", printable(fault)))?;
        }
        let count = rows.len() - rejected.len().min(rows.len());
        print_line(format_args!("{count} of {} rows delivered, {} rejected", rows.len(), rejected.len()))?;
    }
    Ok(if delivered { Exit::Success } else { Exit::Failure })
}

/// What was said so far.
struct Dialogue {
    reach: Vec<Prefix>,
    script: Option<Script>,
    answered: usize,
    state: Vec<u8>,
    now_ms: u64,
    lines: Vec<String>,
    steps: Vec<Value>,
    faults: Vec<String>,
    rejected: Vec<String>,
}

impl Dialogue {
    /// The connector may reach what it says it needs, and nothing else.
    fn new(needs: &Needs, script: Option<Script>) -> Self {
        Self {
            reach: needs.urls.iter().filter_map(|url| Prefix::parse(url, true).ok()).collect(),
            script,
            answered: 0,
            state: Vec::new(),
            now_ms: 0,
            lines: Vec::new(),
            steps: Vec::new(),
            faults: Vec::new(),
            rejected: Vec::new(),
        }
    }

    /// Has a batch carried to its end.
    async fn carry(
        &mut self,
        connector: &Connector,
        settings: &str,
        columns: &[Column],
        rows: &[Row],
        name: &str,
        first: Signal,
    ) -> Result<(), Failure> {
        let batch = Batch {
            id: format!("test-{name}"),
            columns: columns.to_vec(),
            rows: rows.to_vec(),
            corrections: Vec::new(),
        };
        let given = connector.give(batch);
        self.lines.push(format!("{name}: {} rows", rows.len()));
        let mut signal = first;
        for _ in 0..MOST_STEPS {
            let said = word(&signal);
            let context = context(NOW, self.now_ms);
            let outcome = given.step(connector.call_for(), settings, &self.state, signal, &context).await;
            let outcome = outcome.map_err(call_failed("step"))?;
            self.state = outcome.state;
            let mut step = json!({ "batch": name, "signal": said });
            signal = match outcome.next {
                Directive::Send(request) => {
                    step["sends"] = json!({ "method": method(&request), "url": request.url, "body": body(&request) });
                    self.answer(&request)
                }
                Directive::Wait(pause) => {
                    step["waits-ms"] = json!(pause.milliseconds);
                    self.now_ms = self.now_ms.saturating_add(pause.milliseconds);
                    let why = pause.problem.map(|problem| format!(": {}: {}", problem.headline, problem.advice));
                    self.lines.push(format!("  waits {} ms{}", pause.milliseconds, why.unwrap_or_default()));
                    Signal::Elapsed
                }
                Directive::Notice(notice) => {
                    let said = notice.map_or_else(|| "no notice".to_owned(), |notice| notice.advice);
                    self.lines.push(format!("  says: {said}"));
                    Signal::Elapsed
                }
                Directive::Delivered(receipt) => {
                    step["delivered"] = json!(receipt.rejected.len());
                    self.steps.push(step);
                    self.settle(&receipt, rows);
                    return Ok(());
                }
                Directive::Hold(pause) => {
                    let problem = pause.problem.map(|problem| format!("{}: {}", problem.headline, problem.advice));
                    let problem = problem.unwrap_or_else(|| "without a word".to_owned());
                    step["holds"] = json!(problem);
                    self.steps.push(step);
                    self.faults.push(format!("{name} is held for a person: {problem}"));
                    return Ok(());
                }
                Directive::Found(_) => {
                    self.faults.push(format!("{name}: it found rows, and was not asked for any"));
                    return Ok(());
                }
            };
            self.steps.push(step);
        }
        self.faults.push(format!("{name} was not delivered within {MOST_STEPS} steps"));
        Ok(())
    }

    /// What a request comes to: first whether the host would send it, then what the script says.
    fn answer(&mut self, request: &Request) -> Signal {
        let text = body(request);
        self.lines.push(format!("  {} {}", method(request), request.url));
        if !text.is_empty() {
            let shown: String = text.chars().take(SHOWN).collect();
            self.lines.push(format!("    {shown}{}", if text.chars().count() > SHOWN { "…" } else { "" }));
        }
        let reach = Reach { key: "list-needs", prefixes: &self.reach };
        if let Err(failure) = plan_delivery(request, reach, None) {
            self.faults.push(format!("the host does not send this: {failure}"));
            self.lines.push(format!("  not sent: {failure}"));
            return Signal::Failed(failure);
        }
        let answer = self.scripted(request);
        match answer {
            Ok(response) => {
                self.lines.push(format!("  answer: {}, {} bytes", response.status, response.body.len()));
                Signal::Responded(response)
            }
            Err(failure) => {
                self.lines.push(format!("  no answer: {failure}"));
                Signal::Failed(failure)
            }
        }
    }

    fn scripted(&mut self, request: &Request) -> Result<Response, NoAnswer> {
        let number = self.answered + 1;
        self.answered = number;
        let Some(script) = &self.script else {
            let headers = vec![Header { name: "content-type".to_owned(), value: "application/json".to_owned() }];
            return Ok(Response { status: 200, headers, body: b"{}".to_vec() });
        };
        let Some(answer) = script.answers.get(number - 1) else {
            self.faults.push(format!("request {number}: the script has no answer any more"));
            return Err(NoAnswer::Denied("the script has no answer any more".into()));
        };
        let misfits = answer.expect.find_misfits(request);
        self.faults.extend(misfits.into_iter().map(|misfit| format!("request {number}: {misfit}")));
        answer.give()
    }

    fn settle(&mut self, receipt: &Receipt, rows: &[Row]) {
        let link = receipt.link.as_ref().map(|link| format!(", at {link}")).unwrap_or_default();
        self.lines.push(format!("  delivered{link}"));
        for rejection in &receipt.rejected {
            let key = rows.get(rejection.row as usize).map_or("", |row| row.key.as_str());
            self.lines.push(format!("  rejected: {key}: {}", rejection.reason));
            self.rejected.push(format!("{key}: {}", rejection.reason));
        }
    }

    fn say_what_is_left(&mut self) {
        let left = self.script.as_ref().map_or(0, |script| script.answers.len().saturating_sub(self.answered));
        if left > 0 {
            self.faults.push(format!("{left} answers of the script were not asked for"));
        }
    }
}

fn method(request: &Request) -> String {
    format!("{:?}", request.method).to_uppercase()
}

fn body(request: &Request) -> String {
    request.body.as_ref().map(|body| String::from_utf8_lossy(&body.bytes).into_owned()).unwrap_or_default()
}

fn word(signal: &Signal) -> String {
    match signal {
        Signal::Responded(response) => format!("responded {}", response.status),
        Signal::Failed(failure) => format!("failed: {failure}"),
        other => format!("{other:?}").to_lowercase(),
    }
}
