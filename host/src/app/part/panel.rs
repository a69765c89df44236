//! What the panel says of a part that runs, kept true while it does.

use std::sync::Arc;

use punchcard_core::name::SinkName;
use punchcard_core::plugin::Problem;
use punchcard_core::{delivery, grant};
use tokio::sync::watch;

use super::super::display::Display;
use super::super::formatting;
use super::super::grant::Grant;

/// Keeps the panel's word on a sink's formatter true.
pub(super) async fn show_formatting(
    part: String,
    mut standing: watch::Receiver<formatting::FormattingStatus>,
    display: Display,
) {
    use formatting::FormattingStatus;
    loop {
        let problem = match standing.borrow_and_update().clone() {
            FormattingStatus::Failing { reason } => {
                Some(Problem { headline: "formatting fails".into(), advice: reason })
            }
            FormattingStatus::Idle | FormattingStatus::Working | FormattingStatus::AwaitingTime => None,
        };
        display.note(|panel, now_ms| panel.set_problem(&part, problem.as_ref(), now_ms));
        if standing.changed().await.is_err() {
            return;
        }
    }
}

/// Keeps the panel's word on a grant true.
pub(super) async fn show_grant(grant: Arc<Grant>, display: Display) {
    let mut standing = grant.standing();
    loop {
        let now = standing.borrow_and_update().clone();
        let (prompt, problem) = match now {
            grant::GrantStatus::AwaitingPerson { prompt, .. } if grant.is_by_link(&prompt) => (None, None),
            grant::GrantStatus::AwaitingPerson { prompt, .. } => (Some(prompt), None),
            grant::GrantStatus::Blocked(problem) => (None, Some(problem)),
            grant::GrantStatus::Failing { reason } => {
                (None, Some(Problem { headline: "sign-in fails".into(), advice: reason }))
            }
            // It is no problem that nobody has wanted it yet; `status` says it.
            grant::GrantStatus::SignedOut if grant.is_on_request() => (None, None),
            grant::GrantStatus::SignedOut => {
                let advice = format!("`punchcard sign-in {}` signs in again", grant.name);
                (None, Some(Problem { headline: "signed out".into(), advice }))
            }
            grant::GrantStatus::Starting | grant::GrantStatus::Authorized { .. } | grant::GrantStatus::Renewing => {
                (None, None)
            }
        };
        let part = format!("grants.{}", grant.name);
        display.note(|panel, now_ms| {
            panel.set_prompt(&grant.name, prompt.as_ref(), now_ms);
            panel.set_problem(&part, problem.as_ref(), now_ms);
        });
        if standing.changed().await.is_err() {
            return;
        }
    }
}

/// Keeps the panel's word on a sink's delivery true.
pub(super) async fn show_delivery(
    sink: SinkName,
    mut standing: watch::Receiver<delivery::DeliveryStatus>,
    display: Display,
) {
    use delivery::DeliveryStatus;
    let part = format!("sinks.{sink}");
    loop {
        let problem = match standing.borrow_and_update().clone() {
            DeliveryStatus::Held { problem } => problem,
            DeliveryStatus::Paused => {
                let advice = format!("`punchcard sinks resume {sink}` goes on; until then its rows wait on the device");
                Some(Problem { headline: "delivery is paused".into(), advice })
            }
            DeliveryStatus::Failing { reason } => Some(Problem { headline: "delivery fails".into(), advice: reason }),
            // What is waited for heals by itself; `status` says it.
            DeliveryStatus::Idle | DeliveryStatus::Working | DeliveryStatus::Waiting { .. } => None,
        };
        display.note(|panel, now_ms| panel.set_problem(&part, problem.as_ref(), now_ms));
        if standing.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use punchcard_core::scene::PanelState;
    use tokio::task::JoinSet;
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::app::fixture::Fixture;

    /// Waits until the panel shows this problem, or none.
    async fn await_shown(fixture: &Fixture, expected: Option<&str>) {
        let shown = async {
            while fixture.shown_problem().as_deref() != expected {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(60), shown).await.unwrap_or_else(|_| panic!("not shown: {expected:?}"));
    }

    #[tokio::test]
    async fn the_panel_says_how_a_sink_stands_for_as_long_as_it_does() {
        let fixture = Fixture::new();
        fixture.display.note(PanelState::note_ready);
        let reason = "it trapped".to_owned();
        let (formatting, formats) = watch::channel(formatting::FormattingStatus::Idle);
        let (delivery, delivers) = watch::channel(delivery::DeliveryStatus::Idle);
        let sink = SinkName::parse("sheet").unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(show_formatting("sinks.sheet.format".to_owned(), formats, fixture.display.clone()));
        tasks.spawn(show_delivery(sink, delivers, fixture.display.clone()));
        formatting.send_replace(formatting::FormattingStatus::Failing { reason: reason.clone() });
        await_shown(&fixture, Some("formatting fails")).await;
        formatting.send_replace(formatting::FormattingStatus::Working);
        await_shown(&fixture, None).await;
        let held = Problem { headline: "tab was deleted".to_owned(), advice: "bring it back".to_owned() };
        for (standing, expected) in [
            (delivery::DeliveryStatus::Paused, Some("delivery is paused")),
            (delivery::DeliveryStatus::Working, None),
            (delivery::DeliveryStatus::Failing { reason }, Some("delivery fails")),
            (delivery::DeliveryStatus::Waiting { problem: Some(held.clone()) }, None),
            (delivery::DeliveryStatus::Held { problem: Some(held) }, Some("tab was deleted")),
            (delivery::DeliveryStatus::Idle, None),
        ] {
            delivery.send_replace(standing);
            await_shown(&fixture, expected).await;
        }
    }
}
