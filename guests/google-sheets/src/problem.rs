//! Problems: what a person has to mend, said so that they can.

use punchcard_sdk::Problem;
use punchcard_sdk::quote::{fragment, sentence};

use crate::Settings;
use crate::state::Loss;

/// Google's own words are quoted up to here.
pub(crate) const QUOTE_CHARACTERS: usize = 600;

/// Of a spreadsheet of this title that is not there, or not where it can stay.
pub(crate) fn lost(loss: Loss, title: &str) -> Problem {
    match loss {
        Loss::Binned => in_the_bin(title),
        Loss::Deleted => deleted(title),
    }
}

/// Of a spreadsheet of a person's that Google does not show.
pub(crate) fn not_shown(settings: &Settings) -> Problem {
    problem(
        "sheet is not there",
        format!(
            "Google does not show the spreadsheet. Restore it if it was deleted, or compare what plugins.toml names with the \
             browser's address. {}",
            share(settings)
        ),
    )
}

/// How to let the device into a spreadsheet.
fn share(settings: &Settings) -> String {
    let whom = settings.account.as_deref().unwrap_or("the account of the grant");
    format!(
        "Share it with {whom}, as an editor. Then `punchcard sinks retry SINK`, or wait some minutes. The rows wait on the device."
    )
}

/// Of a spreadsheet of a person's that has no room.
pub(crate) fn full(title: &str) -> Problem {
    problem(
        "sheet is full",
        format!(
            "{title} has as many cells as Google allows. Delete what nobody needs, or name another one in plugins.toml. The rows \
             wait on the device."
        ),
    )
}

pub(crate) fn not_made_here(title: &str) -> Problem {
    problem(
        "sheet is a person's",
        format!("The device makes no other in the place of {title}. Make one, share it, and name it in plugins.toml."),
    )
}

/// Of a tab with two columns of one title.
pub(crate) fn title_twice(column: &str, tab: &str, title: &str) -> Problem {
    problem(
        "title stands twice",
        format!(
            "Two columns of the tab \"{tab}\" of the spreadsheet \"{title}\" have the title \"{}\". Give one of them another \
             one.",
            fragment(column, 100)
        ),
    )
}

fn deleted(name: &str) -> Problem {
    problem(
        "sheet was deleted",
        format!(
            "Google does not show the spreadsheet \"{name}\" any more: it was deleted, or the device is signed in with \
             another account. Restore it or sign in with its account; or let the device make another with `punchcard \
             sinks create-anew SINK`. The rows wait on the device."
        ),
    )
}

fn in_the_bin(name: &str) -> Problem {
    problem(
        "sheet is in the bin",
        format!(
            "The spreadsheet \"{name}\" is in the bin of Google Drive. Restore it there; or let the device make another \
             with `punchcard sinks create-anew SINK`. The rows wait on the device."
        ),
    )
}

/// Of spreadsheets that nothing is written to.
pub(crate) fn stray(title: &str, links: &[String]) -> Problem {
    problem(
        "a spare spreadsheet",
        format!(
            "There are more spreadsheets called \"{title}\" than the one that rows go into. Look whether somebody needs what \
             is in them, and delete them if not: {} .",
            links.join(" , ")
        ),
    )
}

pub(crate) fn changed_while_read() -> Problem {
    problem(
        "sheet was changed",
        "Somebody moved, added or deleted columns of the sheet while its rows were read, so that what was read may be wrong. \
         Compare once more."
            .to_owned(),
    )
}

pub(crate) fn tab_deleted(tab: &str, name: &str) -> Problem {
    problem(
        "tab was deleted",
        format!(
            "The tab \"{tab}\" of the spreadsheet \"{name}\" was deleted. Bring it back with File, Version history; or let \
             the device make another spreadsheet with `punchcard sinks create-anew SINK`; or name another `tab` in \
             plugins.toml. The rows wait on the device."
        ),
    )
}

pub(crate) fn tab_taken(tab: &str, name: &str) -> Problem {
    problem(
        "tab name is taken",
        format!(
            "The spreadsheet \"{name}\" has a tab \"{tab}\" that no device made. Rename that tab, or name another `tab` in \
             plugins.toml."
        ),
    )
}

pub(crate) fn too_wide(tab: &str, name: &str) -> Problem {
    problem(
        "sheet is too wide",
        format!(
            "The tab \"{tab}\" of the spreadsheet \"{name}\" has more than 1,000 columns up to those that the device \
             writes. Delete columns that nobody needs."
        ),
    )
}

pub(crate) fn refused(what: &str, said: &str) -> Problem {
    problem(
        "refused by Google",
        format!(
            "Google refused {what}: \"{}\". It is tried again by itself now and then; `punchcard sinks retry SINK` tries \
             at once.",
            fragment(said, QUOTE_CHARACTERS)
        ),
    )
}

pub(crate) fn ids_missing() -> Problem {
    problem(
        "event ids are missing",
        "The column of the event ids is not in the sheet, so that its rows can't be told apart. If somebody deleted it, the \
         spreadsheet's version history has it; otherwise the next rows bring one, and are told apart from then on."
            .to_owned(),
    )
}

pub(crate) fn passing(headline: &str, why: &str) -> Problem {
    problem(headline, format!("{} It is tried again by itself.", sentence(why, QUOTE_CHARACTERS)))
}

pub(crate) fn creation_in_doubt(title: &str) -> Problem {
    problem(
        "creation is in doubt",
        format!(
            "Whether Google created the spreadsheet \"{title}\" is not known, for no answer came. It is looked for during \
             some minutes, and then created again. That happens by itself."
        ),
    )
}

pub(crate) fn in_doubt() -> Problem {
    problem(
        "rows are in doubt",
        "What an earlier request with these rows came to is not known, and Google may carry it out for some minutes yet. \
         They are sent another way when that is certain, at the latest ten minutes after it. That happens by itself."
            .to_owned(),
    )
}

pub(crate) fn api_disabled(said: &str) -> Problem {
    let headline = if said.split(' ').any(|word| word == "Drive") { "Drive API is off" } else { "Sheets API is off" };
    problem(
        headline,
        format!(
            "The Google Cloud project of the OAuth client has not enabled this API. Google says: \"{}\". The Sheets API \
             and the Drive API both have to be enabled.",
            fragment(said, QUOTE_CHARACTERS)
        ),
    )
}

pub(crate) fn scope_missing(settings: &Settings) -> Problem {
    if settings.existing().is_some() {
        return problem(
            "permission is missing",
            "The grant's `scopes` in plugins.toml need `https://www.googleapis.com/auth/spreadsheets`, which Google's device flow \
             does not give."
                .to_owned(),
        );
    }
    problem(
        "permission is missing",
        "The sign-in did not include the permission to keep files in Google Drive. Sign out with `punchcard \
         sign-out`, then in again, and tick its box; \
         `scopes` of the grant in plugins.toml needs `https://www.googleapis.com/auth/drive.file`."
            .to_owned(),
    )
}

pub(crate) fn storage_full() -> Problem {
    problem(
        "Google Drive is full",
        "The storage of the Google account is used up. Make room in it. The rows wait on the device.".to_owned(),
    )
}

pub(crate) fn forbidden(said: &str, settings: &Settings) -> Problem {
    if settings.existing().is_some() {
        return problem(
            "sheet is not shared",
            format!("Google says: \"{}\". {}", fragment(said, QUOTE_CHARACTERS), share(settings)),
        );
    }
    problem(
        "access was refused",
        format!(
            "Google says: \"{}\". Look whether the account may still edit the spreadsheet.",
            fragment(said, QUOTE_CHARACTERS)
        ),
    )
}

pub(crate) fn out_of_reach(said: &str, settings: &Settings) -> Problem {
    problem(
        "address not granted",
        format!(
            "{} The sink's `reach` in plugins.toml needs \"{}\"{}, and so does the `audience` of its grant.",
            sentence(said, QUOTE_CHARACTERS),
            settings.sheets_url,
            match settings.existing() {
                Some(_) => String::new(),
                None => format!(" and \"{}\"", settings.drive_url),
            }
        ),
    )
}

pub(crate) fn unsendable(said: &str) -> Problem {
    problem(
        "request was refused",
        format!(
            "The device could not send a request of this connector: {} That is a defect of one of them.",
            sentence(said, QUOTE_CHARACTERS)
        ),
    )
}

pub(crate) fn secret_missing(said: &str) -> Problem {
    problem(
        "secret is missing",
        format!("{} Look at the sink's `authorize` in plugins.toml.", sentence(said, QUOTE_CHARACTERS)),
    )
}

fn problem(headline: &str, advice: String) -> Problem {
    Problem { headline: headline.to_owned(), advice }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headlines_fit_a_panel_of_one_line() {
        let settings = crate::tests::settings();
        let existing = Settings { spreadsheet_id: Some("1A".to_owned()), ..settings.clone() };
        for problem in [
            deleted("a"),
            in_the_bin("a"),
            tab_deleted("a", "b"),
            tab_taken("a", "b"),
            too_wide("a", "b"),
            refused("rows", "a"),
            ids_missing(),
            passing("no answer from Google", "a"),
            creation_in_doubt("a"),
            stray("a", &["https://a".to_owned()]),
            changed_while_read(),
            in_doubt(),
            api_disabled("Google Drive API has not been used"),
            api_disabled("Google Sheets API has not been used"),
            scope_missing(&settings),
            scope_missing(&existing),
            storage_full(),
            forbidden("a", &settings),
            forbidden("a", &existing),
            not_shown(&existing),
            full("a"),
            not_made_here("a"),
            title_twice("a", "b", "c"),
            out_of_reach("a", &settings),
            unsendable("a"),
            secret_missing("a"),
        ] {
            assert!(problem.headline.chars().count() <= 21, "{}", problem.headline);
            assert!(problem.advice.ends_with('.'), "{}", problem.advice);
        }
        assert_eq!(api_disabled("Google Drive API has not been used").headline, "Drive API is off");
        assert_eq!(api_disabled("Google Sheets API has not been used").headline, "Sheets API is off");
    }
}
