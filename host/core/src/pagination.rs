//! How the pages of a list are found, one after another, and what is in them.
//!
//! Deliberately unknown here: who fetches a page, and where it is printed. What always holds: a walk ends. It has a bound on
//! pages, and a page that was asked for before is not asked for again. Where a page may be fetched from is decided for each
//! of them by whoever sends the request.

mod link;

use std::collections::BTreeSet;

use serde_json::Value;
use thiserror::Error;
use url::Url;

use crate::http::Header;
use link::find_next_link;

/// Pages of a walk at most, whatever is asked for.
pub const MOST_PAGES: u32 = 10_000;

/// A way in which services say where the next page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageStyle {
    /// A token in a member of the body. It goes into a parameter of the first page's URL.
    Token {
        /// The member.
        member: &'static str,
        /// The parameter.
        parameter: &'static str,
    },
    /// The URL in a member of the body.
    Url {
        /// The member.
        member: &'static str,
    },
    /// The header `Link` with the relation `next` (RFC 8288 §3).
    Link,
}

/// The styles that are known, by the names under which a person asks for them.
pub const PAGE_STYLES: [(&str, PageStyle); 8] = [
    ("nextPageToken", PageStyle::Token { member: "nextPageToken", parameter: "pageToken" }),
    ("next_page_token", PageStyle::Token { member: "next_page_token", parameter: "page_token" }),
    ("next_cursor", PageStyle::Token { member: "next_cursor", parameter: "cursor" }),
    ("next", PageStyle::Url { member: "next" }),
    ("nextLink", PageStyle::Url { member: "nextLink" }),
    ("next_url", PageStyle::Url { member: "next_url" }),
    ("@odata.nextLink", PageStyle::Url { member: "@odata.nextLink" }),
    ("link", PageStyle::Link),
];

/// Why the pages can't be joined.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PageError {
    /// A page is no JSON.
    #[error("the page is no JSON, and only pages of JSON are joined; leave out --paginate")]
    NotJson,
    /// No list is in it.
    #[error("the page is neither a list nor an object with one; leave out --paginate")]
    NoList,
    /// It is not known which list is meant.
    #[error("the page has several lists ({}); say which with --items", .0.join(", "))]
    SeveralLists(Vec<String>),
    /// The member that was named is something else.
    #[error("`{0}` of the page is no list; --items names another member")]
    NotAList(String),
    /// What should say where the next page is says something else.
    #[error("`{0}` of the page does not say where the next one is: it is neither a text nor absent")]
    NotAText(&'static str),
    /// It is no URL.
    #[error("what the page says of the next one is no URL")]
    NotAUrl,
    /// It was there before.
    #[error("the next page is one that was fetched already: the service goes round in a circle")]
    Circle,
    /// There are more.
    #[error("there are more than {0} pages; --pages takes a larger bound")]
    TooMany(u32),
}

/// A walk over the pages of a list.
#[derive(Debug)]
pub struct Walk {
    style: PageStyle,
    first: Url,
    page: Url,
    items: Option<String>,
    seen: BTreeSet<String>,
    most: u32,
}

impl Walk {
    /// Begins one at this page. `items`: the member of each page that is the list; `most`: pages.
    #[must_use]
    pub fn new(style: PageStyle, first: Url, items: Option<String>, most: u32) -> Self {
        let seen = BTreeSet::from([first.to_string()]);
        Self { style, page: first.clone(), first, items, seen, most: most.min(MOST_PAGES) }
    }

    /// Takes a page: the items in it, and where the next one is. `None`: it was the last.
    ///
    /// # Errors
    /// When it can't be joined with the others. What it holds is not lost: the items come with an error of what is next.
    pub fn take(
        &mut self,
        headers: &[Header],
        body: &[u8],
    ) -> Result<(Vec<Value>, Result<Option<Url>, PageError>), PageError> {
        let body: Value = serde_json::from_slice(body).map_err(|_| PageError::NotJson)?;
        let next = self.plan_next(headers, &body);
        if self.items.is_none() {
            // Of the next pages it is the same member, also where one leaves it out and has another list.
            self.items = find_only_list(&body)?;
        }
        Ok((take_items(body, self.items.as_deref())?, next))
    }

    fn plan_next(&mut self, headers: &[Header], body: &Value) -> Result<Option<Url>, PageError> {
        let next = match self.style {
            PageStyle::Link => match find_next_link(headers) {
                Some(target) => self.page.join(&target).map_err(|_| PageError::NotAUrl)?,
                None => return Ok(None),
            },
            PageStyle::Url { member } => match text(body, member)? {
                Some(target) => self.page.join(target).map_err(|_| PageError::NotAUrl)?,
                None => return Ok(None),
            },
            PageStyle::Token { member, parameter } => match text(body, member)? {
                Some(token) => with_parameter(&self.first, parameter, token),
                None => return Ok(None),
            },
        };
        if !self.seen.insert(next.to_string()) {
            return Err(PageError::Circle);
        }
        if self.seen.len() > self.most as usize {
            return Err(PageError::TooMany(self.most));
        }
        self.page = next.clone();
        Ok(Some(next))
    }
}

/// A member that says where the next page is. What is empty says that there is none.
fn text<'a>(body: &'a Value, member: &'static str) -> Result<Option<&'a str>, PageError> {
    match body.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(PageError::NotAText(member)),
    }
}

/// The URL with one value for this parameter.
fn with_parameter(url: &Url, parameter: &str, value: &str) -> Url {
    let others: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| name != parameter)
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    let mut url = url.clone();
    url.query_pairs_mut().clear().extend_pairs(others).append_pair(parameter, value);
    url
}

/// The member of a page that is its only list. None: the page has none, or is a list itself.
fn find_only_list(body: &Value) -> Result<Option<String>, PageError> {
    let members = body.as_object().into_iter().flatten();
    let mut lists: Vec<String> = members.filter(|(_, value)| value.is_array()).map(|(name, _)| name.clone()).collect();
    if lists.len() > 1 {
        return Err(PageError::SeveralLists(lists));
    }
    Ok(lists.pop())
}

/// The list in a page. A service leaves out a list that is empty.
fn take_items(body: Value, member: Option<&str>) -> Result<Vec<Value>, PageError> {
    match (body, member) {
        (Value::Array(items), None) => Ok(items),
        (Value::Object(mut members), Some(member)) => match members.remove(member) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(PageError::NotAList(member.to_owned())),
        },
        (Value::Object(_), None) => Ok(Vec::new()),
        (Value::Array(_), Some(member)) => Err(PageError::NotAList(member.to_owned())),
        _ => Err(PageError::NoList),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "https://h.example/lists?showHidden=true&pageToken=old";

    fn style(name: &str) -> PageStyle {
        PAGE_STYLES.iter().find(|(known, _)| *known == name).unwrap().1
    }

    fn walk(name: &str, most: u32) -> Walk {
        Walk::new(style(name), Url::parse(FIRST).unwrap(), None, most)
    }

    #[test]
    fn the_list_is_the_same_member_on_every_page() {
        let mut walk = walk("nextPageToken", 9);
        let mut take = |body: &str| walk.take(&[], body.as_bytes()).map(|(items, _)| items);
        assert_eq!(take(r#"{"items":[1],"nextPageToken":"a"}"#), Ok(vec![1.into()]));
        assert_eq!(take(r#"{"warnings":["x"],"nextPageToken":"b"}"#), Ok(vec![]), "an empty list is left out");
        assert_eq!(take(r#"{"items":[2],"warnings":["x"]}"#), Ok(vec![2.into()]));
    }

    fn next(name: &str, header: Option<&str>, body: &str) -> Result<Option<String>, PageError> {
        let headers: Vec<Header> =
            header.into_iter().map(|value| Header { name: "Link".into(), value: value.into() }).collect();
        let (_, next) = walk(name, 9).take(&headers, body.as_bytes())?;
        next.map(|next| next.map(|url| url.to_string()))
    }

    #[test]
    fn the_next_page_is_found_in_each_style() {
        let table = [
            (
                "nextPageToken",
                None,
                r#"{"nextPageToken":"a b&c"}"#,
                Some("https://h.example/lists?showHidden=true&pageToken=a+b%26c"),
            ),
            ("nextPageToken", None, r#"{"nextPageToken":""}"#, None),
            ("nextPageToken", None, r#"{"nextPageToken":null}"#, None),
            ("nextPageToken", None, "{}", None),
            (
                "next_cursor",
                None,
                r#"{"next_cursor":"x"}"#,
                Some("https://h.example/lists?showHidden=true&pageToken=old&cursor=x"),
            ),
            ("next", None, r#"{"next":"/lists?page=2"}"#, Some("https://h.example/lists?page=2")),
            ("next", None, r#"{"next":"https://evil.example/"}"#, Some("https://evil.example/")),
            (
                "@odata.nextLink",
                None,
                r#"{"@odata.nextLink":"?skip=9","value":[]}"#,
                Some("https://h.example/lists?skip=9"),
            ),
            (
                "link",
                Some(r#"<?page=2>; rel="next", <?page=9>; rel="last""#),
                "[]",
                Some("https://h.example/lists?page=2"),
            ),
            ("link", Some(r#"<?page=1>; rel="prev""#), "[]", None),
            ("link", None, "[]", None),
        ];
        for (name, header, body, expected) in table {
            assert_eq!(next(name, header, body), Ok(expected.map(ToOwned::to_owned)), "{name} {header:?} {body}");
        }
        let wrong = [
            ("nextPageToken", r#"{"nextPageToken":7}"#, PageError::NotAText("nextPageToken")),
            ("next", r#"{"next":"http://["}"#, PageError::NotAUrl),
            ("next", "<html>", PageError::NotJson),
            ("next", "7", PageError::NoList),
        ];
        for (name, body, error) in wrong {
            assert_eq!(next(name, None, body), Err(error), "{body}");
        }
    }

    #[test]
    fn a_walk_ends_in_a_circle_and_at_its_bound() {
        let page = |token: u32| format!(r#"{{"items":[{token}],"nextPageToken":"{token}"}}"#).into_bytes();
        let mut circle = walk("nextPageToken", 9);
        assert!(matches!(circle.take(&[], &page(1)), Ok((_, Ok(Some(_))))));
        assert!(matches!(circle.take(&[], &page(2)), Ok((_, Ok(Some(_))))));
        let (items, next) = circle.take(&[], &page(1)).unwrap();
        assert_eq!((items, next), (vec![Value::from(1)], Err(PageError::Circle)), "what was fetched is not lost");
        let mut endless = walk("nextPageToken", 2);
        assert!(matches!(endless.take(&[], &page(1)), Ok((_, Ok(Some(_))))));
        assert_eq!(endless.take(&[], &page(2)).unwrap().1, Err(PageError::TooMany(2)));
    }

    #[test]
    fn the_items_are_the_only_list_or_the_one_that_is_named() {
        let items = |member: Option<&str>, body: &str| {
            let member = member.map(str::to_owned);
            let mut walk = Walk::new(style("nextPageToken"), Url::parse(FIRST).unwrap(), member, 9);
            walk.take(&[], body.as_bytes()).map(|(items, _)| items.len())
        };
        let several = PageError::SeveralLists(vec!["a".into(), "b".into()]);
        let table = [
            (None, "[1,2]", Ok(2)),
            (None, r#"{"kind":"tasks","items":[1,2,3]}"#, Ok(3)),
            (None, r#"{"kind":"tasks"}"#, Ok(0)),
            (None, r#"{"a":[1],"b":[]}"#, Err(several)),
            (Some("a"), r#"{"a":[1],"b":[]}"#, Ok(1)),
            (Some("c"), r#"{"a":[1]}"#, Ok(0)),
            (Some("a"), r#"{"a":1}"#, Err(PageError::NotAList("a".into()))),
            (Some("a"), "[1]", Err(PageError::NotAList("a".into()))),
        ];
        for (member, body, expected) in table {
            assert_eq!(items(member, body), expected, "{member:?} {body}");
        }
    }
}
