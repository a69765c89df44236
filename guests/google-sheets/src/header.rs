//! Header: a tab that a person made is taken over.
//!
//! Its columns are matched by the titles in its first row, once: from then on they are known by metadata, wherever a person moves
//! them and however they name them. What is missing is added right of everything that was seen, and nothing else is touched. The
//! column of the event ids is never matched: one of a person's may have its title.
//!
//! The request can't be carried out twice: it brings a guard whose id follows from what was seen, and is refused as a whole where
//! that is there. Whoever comes second looks again, and finds the tab taken over.

use punchcard_sdk::connector::Directive;
use punchcard_sdk::http::Request;
use punchcard_sdk::{Column, Problem};
use serde_json::Value;

use crate::answer::Answer;
use crate::call::{Call, Next};
use crate::member::list;
use crate::pause::unanswered;
use crate::state::{Asked, Look, State, Tab};
use crate::tab::{applied, column_range, metadata, not_applied, parse_applied, render_columns, render_format};
use crate::{Settings, columns, event_id, guard, pause, problem, request, tab};

/// Rows in which it is looked whether a column is in use. What stands only below them is not written over either, for rows are
/// appended behind all others.
const ROWS: u32 = 100;

/// Asks for the first rows of the tab, column by column.
pub(crate) fn request(settings: &Settings, spreadsheet: &str) -> Request {
    let title = settings.tab.replace('\'', "''");
    let range = request::encode(&format!("'{title}'!1:{ROWS}"));
    let rest = format!("/values/{range}?majorDimension=COLUMNS&valueRenderOption=FORMATTED_VALUE&fields=values");
    request::get(request::sheets_url(settings, spreadsheet, &rest))
}

/// Takes in what stands at the top, and takes the tab over.
pub(crate) fn absorb(state: &mut State, call: Call, answer: Answer) -> Next {
    // Unless all goes well, it is looked again: the tab may have been renamed, and a person may mend what is wrong.
    state.look_again(Look::Tabs);
    let Some(spreadsheet) = &state.spreadsheet else { return Next::Plan };
    let Some(tab) = &spreadsheet.tab else { return Next::Plan };
    let shown = match answer.only_list("values") {
        Ok(shown) => shown,
        Err(answer) => {
            return Next::Do(unanswered(&mut state.failures, answer, "to show the tab's titles", call.context));
        }
    };
    match render_adoption(tab, list(&shown, "values"), &spreadsheet.name, call) {
        Err(problem) => Next::Do(pause::hold(problem)),
        Ok(requests) => {
            let url = request::sheets_url(call.settings, &spreadsheet.id, ":batchUpdate");
            let body = format!(r#"{{"requests":[{}]}}"#, requests.join(",")).into_bytes();
            state.asked = Asked::Adoption;
            Next::Do(Directive::Send(request::post(url, body)))
        }
    }
}

/// Where each of our columns is, as far as it is there. `seen` has what stands in each column of the tab. The error is a title
/// that stands twice.
fn plan_places<'a>(seen: &[Value], columns: &'a [Column]) -> Result<Vec<Option<u32>>, &'a str> {
    let mut places = Vec::new();
    for column in columns {
        let wanted = column.title.trim();
        let mut place = None;
        for (at, cells) in (0..).zip(seen) {
            let is_it = cells[0].as_str().is_some_and(|title| title.trim() == wanted);
            if is_it && !wanted.is_empty() && column.key != event_id::KEY && place.replace(at).is_some() {
                return Err(wanted);
            }
        }
        // Of two of ours with one title the first has it.
        places.push(place.filter(|_| !places.contains(&place)));
    }
    Ok(places)
}

fn render_adoption(tab: &Tab, seen: &[Value], name: &str, call: Call) -> Result<Vec<String>, Problem> {
    let (id, used) = (tab.id, u32::try_from(seen.len()).unwrap_or(u32::MAX));
    let places = plan_places(seen, call.columns).map_err(|twice| problem::title_twice(twice, &tab.name, name))?;
    let mut added = Vec::new();
    let mut requests = vec![metadata(None, tab::KEY, &tab.name, &format!(r#"{{"sheetId":{id}}}"#))];
    let location = |at: u32| format!(r#"{{"dimensionRange":{}}}"#, column_range(id, at));
    for (column, place) in call.columns.iter().zip(&places) {
        if let Some(at) = place {
            requests.push(metadata(None, columns::KEY, &column.key, &location(*at)));
            requests.extend(render_format(id, *at, column.kind));
        } else {
            added.push(column);
        }
    }
    let width = used.saturating_add(u32::try_from(added.len()).unwrap_or(u32::MAX));
    if width > columns::WIDEST {
        return Err(problem::too_wide(&tab.name, name));
    }
    if width > tab.width {
        let length = width - tab.width;
        requests.push(format!(r#"{{"appendDimension":{{"sheetId":{id},"dimension":"COLUMNS","length":{length}}}}}"#));
    }
    if !added.is_empty() {
        requests.extend(render_columns(id, used, &added, None, call.settings));
    }
    let guarded = places.iter().flatten().next().unwrap_or(&used);
    requests.push(metadata(Some(tab.guard), guard::KEY, &tab.width.to_string(), &location(*guarded)));
    Ok(requests)
}

/// Takes in what became of that. Where its columns are then is seen by looking.
pub(crate) fn absorb_adoption(state: &mut State, call: Call, answer: Answer) -> Next {
    state.look_again(Look::Tabs);
    match parse_applied(answer) {
        Ok(()) => applied(state),
        Err(answer) => not_applied(state, call, answer, "to take over the tab"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tests::column;

    fn places<'a>(titles: &[&str], columns: &'a [Column]) -> Result<Vec<Option<u32>>, &'a str> {
        // A column in which nothing was seen is an empty list, or none.
        let cells = |title: &&str| if title.is_empty() { json!([]) } else { json!([format!(" {title}"), "x"]) };
        plan_places(&titles.iter().map(cells).collect::<Vec<_>>(), columns)
    }

    #[test]
    fn columns_are_matched_by_title() {
        let columns = [column("a"), column("b"), column("c"), column(event_id::KEY)];
        for (titles, expected) in [
            (&["C", "mine", "A"][..], [Some(2), None, Some(0), None]),
            (&[], [None; 4]),
            // Titles are compared as they stand: `a` is not `A`. The event ids are never matched.
            (&["a", "PUNCHCARD.EVENT"], [None; 4]),
            // Two of a title that nobody needs.
            (&["x", "x", "", "", "B"], [None, Some(4), None, None]),
        ] {
            assert_eq!(places(titles, &columns), Ok(expected.to_vec()), "{titles:?}");
        }
    }

    #[test]
    fn a_title_that_stands_twice_is_nobody_s_to_choose_from() {
        assert_eq!(places(&["A", "B", "A"], &[column("b"), column("a")]), Err("A"));
        let twins = [column("a"), Column { title: "A".into(), ..column("b") }];
        assert_eq!(places(&["A"], &twins), Ok(vec![Some(0), None]));
        let blank = Column { title: " ".into(), ..column("a") };
        assert_eq!(places(&["", ""], &[blank]), Ok(vec![None]));
    }
}
