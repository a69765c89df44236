//! What a person looks at: the list of spreadsheets, and a spreadsheet that shows rows as they come.
//!
//! The pages load nothing from elsewhere. Without scripts they reload themselves.

use hyper::StatusCode;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::call::{Answer, Call};
use crate::drive::File;
use crate::sheets::TabTable;
use crate::world::World;

/// Rows of a tab that the page shows: the newest.
const MOST_ROWS: usize = 500;

// A phone makes text smaller than 16 px unreadable and zooms into a field with less; a finger needs 44 px.
const STYLE: &str = "
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; -webkit-text-size-adjust: 100%; }
body { margin: 1rem auto; max-width: 70rem; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; line-height: 1.25; } h2 { font-size: 1.1rem; margin-top: 2rem; }
ul { padding-left: 1.2rem; }
.table { overflow-x: auto; overflow-wrap: normal; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { border: 1px solid #8886; padding: .2rem .6rem; text-align: left; white-space: pre-wrap; }
th { color: #767676; font-weight: normal; text-align: right; }
tr:first-child td { font-weight: bold; }
label { display: block; margin: 1rem 0; } input { display: block; width: 100%; max-width: 24rem; box-sizing: border-box; }
button, input { font: inherit; min-height: 44px; padding: .3rem 1rem; }
.problem { color: #c22; } .quiet { color: #767676; }
@media (max-width: 30rem) { td, th { padding: .2rem .35rem; } button { width: 100%; margin: .3rem 0; } }
";

/// Fetches the changing part every second and shows it if it changed.
const SCRIPT: &str = "
setInterval(async () => {
  try {
    const answer = await fetch('?part=content');
    if (!answer.ok) return;
    const text = await answer.text();
    const content = document.getElementById('content');
    if (content.dataset.text !== text) { content.dataset.text = text; content.innerHTML = text; }
  } catch (error) { /* the next try may find the server again */ }
}, 1000);
";

/// A whole page.
pub(crate) fn render_page(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    }
}

/// Answers `GET /` and `GET /sheets/{id}`; `None` for another path.
pub(crate) fn perform(world: &World, call: &Call) -> Option<Answer> {
    let (title, content) = match call.path.strip_prefix("/sheets/") {
        Some(id) => match world.drive.file(id) {
            Some(file) => (file.name.as_str(), render_sheet(file)),
            None => {
                let page = render_page("No such sheet", &html! { h1 { "No such sheet" } a href="/" { "All sheets" } });
                return Some(Answer::html(StatusCode::NOT_FOUND, page));
            }
        },
        None if call.path == "/" => ("Stand-in for Google", render_list(world)),
        None => return None,
    };
    if call.query("part") == Some("content") {
        return Some(Answer::html(StatusCode::OK, content));
    }
    let body = html! {
        div #content { (content) }
        noscript { meta http-equiv="refresh" content="2"; }
        script { (PreEscaped(SCRIPT)) }
    };
    Some(Answer::html(StatusCode::OK, render_page(title, &body)))
}

fn render_list(world: &World) -> Markup {
    let mut files: Vec<&File> = world.drive.files().filter(|file| file.spreadsheet.is_some()).collect();
    files.sort_by_key(|file| (file.created_at, &file.id));
    html! {
        h1 { "Spreadsheets" }
        @if files.is_empty() { p.quiet { "There is none yet. A device creates its own when it is signed in." } }
        ul {
            @for file in files {
                li {
                    a href={ "/sheets/" (file.id) } { (file.name) }
                    @if file.trashed_at.is_some() { " (in the bin)" }
                }
            }
        }
        p { a href="/device" { "Connect a device" } }
    }
}

fn render_sheet(file: &File) -> Markup {
    let tabs = file.spreadsheet.as_ref().map(|spreadsheet| spreadsheet.to_tables(MOST_ROWS)).unwrap_or_default();
    html! {
        p { a href="/" { "All spreadsheets" } }
        h1 { (file.name) @if file.trashed_at.is_some() { " (in the bin)" } }
        @for tab in &tabs { (render_tab(tab)) }
    }
}

fn render_tab(tab: &TabTable) -> Markup {
    html! {
        h2 { (tab.title) }
        @if tab.rows.is_empty() { p.quiet { "No rows yet." } }
        // Wider than a phone, it scrolls by itself and the page stays.
        div.table {
            table {
                @for (index, row) in tab.seen().into_iter().enumerate() {
                    tr {
                        th { (index + 1 + if index > 0 { tab.skipped } else { 0 }) }
                        @for text in &row { td { (text) } }
                    }
                    @if index == 0 && tab.skipped > 0 {
                        tr { th { "…" } td.quiet colspan=(row.len()) { (tab.skipped) " rows are not shown" } }
                    }
                }
            }
        }
    }
}
