//! Listing: which spreadsheets of a name there are, as Drive shows them.
//!
//! Those in shared drives are listed too: a person may move a spreadsheet there. A listing may lag behind a creation.

use punchcard_sdk::http::Request;

use crate::answer::{Answer, Trouble};
use crate::call::Call;
use crate::destination::{self, File};
use crate::member::list;
use crate::request;

/// Asks for them.
pub(crate) fn request(call: Call, name: &str) -> Request {
    // In a query string `\` and `'` are escaped by a `\`.
    let value = name.replace('\\', "\\\\").replace('\'', "\\'");
    let key = destination::NAME;
    let query = format!("appProperties has {{ key='{key}' and value='{value}' }} and trashed=false");
    let fields = "incompleteSearch,files(id,createdTime,trashed,appProperties,webViewLink)";
    let drives = "corpora=allDrives&includeItemsFromAllDrives=true&supportsAllDrives=true";
    let rest = format!(
        "?q={}&fields={}&pageSize=100&orderBy={}&{drives}",
        request::encode(&query),
        request::encode(fields),
        request::encode("createdTime desc")
    );
    request::get(request::drive_url(call.settings, &rest))
}

/// Those of that name.
pub(crate) fn parse(answer: Answer, name: &str) -> Result<Vec<File>, Answer> {
    let listing = answer.object()?;
    if !listing["files"].is_array() {
        return Err(Answer::unreadable());
    }
    if listing["incompleteSearch"] == true {
        return Err(Answer::Busy(Trouble::google("Google could not list all files of this device")));
    }
    Ok(list(&listing, "files").iter().filter_map(|entry| File::parse(entry, name)).collect())
}
