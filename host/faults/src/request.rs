//! One request that goes wrong, on the way there or back, while rows are being delivered.

use std::time::Duration;

use anyhow::Result;
use google_sim::{Action, Effect, Fault};
use serde_json::json;

use crate::headline::TOKEN_REFUSED;
use crate::row::{Group, Row};
use crate::trial::{Surroundings, Trial};

/// What happens to it.
#[derive(Clone)]
enum Mishap {
    /// To so many requests that bring rows, one after the other.
    Rows(Effect, u32),
    /// To so many requests of any kind.
    Any(Effect, u32),
    /// It is carried out when the next ones have long been answered.
    Late,
    /// The connection that was kept for it is closed.
    Closed,
    /// Before it.
    Action(Action),
}

/// What Google may take for a request whose connection broke.
const LATE_BY: Duration = Duration::from_mins(3);
/// The path of requests that bring rows, and of others that change a spreadsheet.
pub(crate) const UPDATE: &str = "*:batchUpdate";
/// Once is luck.
const RUNS: u32 = 3;

/// An error as Google tells it.
pub(crate) fn error(status: u16, name: &str, message: &str) -> Effect {
    let body = json!({ "error": { "code": status, "message": message, "status": name } }).to_string();
    Effect::Answer { status, content_type: "application/json; charset=UTF-8".to_owned(), body }
}

/// The requests that go wrong.
pub(crate) fn rows() -> Vec<Row> {
    use Group::{Access, Network, Sheet};
    let page = |status| Effect::Answer {
        status,
        content_type: "text/html".to_owned(),
        body: "<html><body>Not what was asked for.</body></html>".to_owned(),
    };
    let trouble = |status, applied| Effect::ServerError { status, applied };
    let elsewhere = Effect::Redirect { to: "http://login.invalid/".to_owned() };
    let row = |group, name, what, mishap: Mishap| {
        Row::new(group, name, what, async move |surroundings| try_out(&surroundings, &mishap).await)
    };
    vec![
        row(
            Network,
            "reset-before",
            "the connection breaks before the rows are taken",
            Mishap::Rows(Effect::DropRequest, 1),
        ),
        row(
            Network,
            "reset-after",
            "the connection breaks after the rows were taken",
            Mishap::Rows(Effect::DropAnswer, 1),
        ),
        row(
            Network,
            "reset-after-five-times",
            "the answers of five requests in a row are lost",
            Mishap::Any(Effect::DropAnswer, 5),
        ),
        row(Sheet, "applied-late", "the connection breaks, and the rows are taken three minutes later", Mishap::Late),
        row(
            Network,
            "half-an-answer",
            "the connection breaks in the midst of the answer",
            Mishap::Rows(Effect::HalfAnswer, 1),
        ),
        row(Network, "html-for-json", "a page with status 200 instead of an answer", Mishap::Rows(page(200), 1)),
        row(Network, "html-not-found", "a page with status 404 instead of an answer", Mishap::Rows(page(404), 1)),
        row(Network, "too-many-requests", "429, three times in a row", Mishap::Rows(Effect::TooManyRequests, 3)),
        row(Network, "error-500-before", "500, and the rows were not taken", Mishap::Rows(trouble(500, false), 1)),
        row(Network, "error-500-after", "500, and the rows were taken", Mishap::Rows(trouble(500, true), 1)),
        row(Network, "error-503", "503, three times in a row", Mishap::Rows(trouble(503, false), 3)),
        row(
            Network,
            "answer-over-the-limit",
            "an answer of 9 MB",
            Mishap::Rows(Effect::Oversized { bytes: 9 << 20 }, 1),
        ),
        row(Network, "endless-answer", "an answer that does not end", Mishap::Rows(Effect::Endless, 1)),
        row(Network, "redirect-elsewhere", "a redirect to another host", Mishap::Rows(elsewhere, 1)),
        row(Network, "closed-connection", "the server closed the connection that was kept", Mishap::Closed),
        row(Access, "token-expired", "the access token ends early", Mishap::Action(Action::ExpireAccessTokens))
            .says(&[TOKEN_REFUSED]),
        row(
            Access,
            "token-expired-in-a-batch",
            "the access token ends while rows are on their way",
            Mishap::Rows(Effect::ExpireAccessTokens, 1),
        )
        .says(&[TOKEN_REFUSED]),
    ]
}

async fn try_out(surroundings: &Surroundings, mishap: &Mishap) -> Result<Trial> {
    let mut trial = Trial::signed_in(surroundings).await?;
    for _ in 0..RUNS {
        trial
            .run(async |trial| {
                match mishap {
                    Mishap::Rows(effect, times) => trial.arm(Fault::on(UPDATE, effect.clone()).times(*times)),
                    Mishap::Any(effect, times) => trial.arm(Fault::on("*", effect.clone()).times(*times)),
                    Mishap::Late => {
                        let after_seconds = LATE_BY.as_secs();
                        trial.arm(Fault::on(UPDATE, Effect::ApplyLate { after_seconds }));
                    }
                    Mishap::Closed => trial.close_kept_connections().await?,
                    Mishap::Action(action) => trial.google.act(*action),
                }
                Ok(())
            })
            .await?;
        if matches!(mishap, Mishap::Late) {
            trial.google.advance(LATE_BY);
        }
    }
    Ok(trial)
}
