//! A person with a browser: follows redirects, keeps cookies, and fills in forms.

use std::collections::BTreeMap;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Method, StatusCode};
use url::Url;
use url::form_urlencoded::Serializer;

/// Redirects and forms on the way, at most.
const STEPS_MAX: usize = 24;

/// A browser, and what its person knows.
pub(crate) struct Person {
    client: reqwest::Client,
    cookies: BTreeMap<String, String>,
    /// What is entered where a form has a field or a button of this name.
    answers: Vec<(String, String)>,
}

impl Person {
    pub(crate) fn new(answers: &[(&str, &str)]) -> Self {
        let client = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        let answers = answers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { client, cookies: BTreeMap::new(), answers }
    }

    /// Goes to this address, and fills in forms until a page has none, or one that was filled in already. Returns that page.
    pub(crate) async fn visit(&mut self, address: &str) -> String {
        let server = Url::parse(address).unwrap();
        let (mut method, mut url, mut form) = (Method::GET, server.clone(), None);
        let mut filled_in = Vec::new();
        for _ in 0..STEPS_MAX {
            let mut request = self.client.request(method.clone(), url.clone());
            // Nobody else gets the server's cookies: the device's own page is on this machine as well.
            let is_server = url.origin() == server.origin();
            if is_server {
                let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
                request = request.header(COOKIE, cookies.join("; "));
            }
            if let Some(form) = form.take() {
                request = request.header("content-type", "application/x-www-form-urlencoded").body::<String>(form);
            }
            let answer = request.send().await.unwrap();
            if is_server {
                let set = answer.headers().get_all(SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok());
                for (name, value) in set.filter_map(|cookie| cookie.split(';').next()?.split_once('=')) {
                    self.cookies.insert(name.to_owned(), value.to_owned());
                }
            }
            if answer.status().is_redirection() {
                assert_ne!(answer.status(), StatusCode::NOT_MODIFIED);
                let location = answer.headers()[LOCATION].to_str().unwrap().to_owned();
                (method, url) = (Method::GET, url.join(&location).unwrap());
                continue;
            }
            let text = answer.text().await.unwrap();
            let Some((action, fields)) = self.fill_in(&text) else { return text };
            let action = action.map_or_else(|| url.clone(), |action| url.join(&action).unwrap());
            let names: Vec<_> = fields.iter().map(|(name, _)| name.clone()).collect();
            if filled_in.contains(&(action.clone(), names.clone())) {
                return text;
            }
            filled_in.push((action.clone(), names));
            form = Some(Serializer::new(String::new()).extend_pairs(fields).finish());
            (method, url) = (Method::POST, action);
        }
        panic!("no end of pages at {url}")
    }

    /// Where the form of a page goes, and with what.
    fn fill_in(&self, page: &str) -> Option<(Option<String>, Vec<(String, String)>)> {
        let mut tags = parse_tags(page).into_iter().skip_while(|tag| tag.name != "form");
        let action = tags.next()?.attributes.remove("action").filter(|action| !action.is_empty());
        let mut fields: Vec<(String, String)> = Vec::new();
        for Tag { name: tag, mut attributes } in tags.filter(|tag| ["input", "button"].contains(&tag.name.as_str())) {
            let Some(name) = attributes.remove("name") else { continue };
            let answer = self.answers.iter().find(|(known, _)| *known == name).map(|(_, answer)| answer.clone());
            // Of the buttons that have a name, the one that the person wants.
            let is_button = tag == "button" || attributes.get("type").is_some_and(|kind| kind == "submit");
            let value = attributes.remove("value").filter(|_| !is_button);
            if let Some(value) = answer.or(value)
                && !fields.iter().any(|(known, _)| *known == name)
            {
                fields.push((name, value));
            }
        }
        Some((action, fields))
    }
}

struct Tag {
    name: String,
    attributes: BTreeMap<String, String>,
}

/// The tags that open something, as far as these servers' pages need it.
fn parse_tags(page: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    for text in page.split('<').skip(1) {
        let name: String = text.chars().take_while(char::is_ascii_alphabetic).collect();
        let mut rest = text[name.len()..].trim_start();
        let mut attributes = BTreeMap::new();
        while !name.is_empty() && !rest.is_empty() && !rest.starts_with(['>', '/']) {
            let end = rest.find(|found: char| "=> /\n\t".contains(found)).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            let Some(after) = after.strip_prefix('=') else {
                attributes.insert(key.to_owned(), String::new());
                rest = after.trim_start();
                continue;
            };
            let quote = after.chars().next().filter(|first| "'\"".contains(*first));
            let value = &after[quote.map_or(0, char::len_utf8)..];
            let end = value.find(|found| quote.map_or(" >".contains(found), |quote| found == quote));
            let (value, after) = value.split_at(end.unwrap_or(value.len()));
            attributes
                .insert(key.to_owned(), value.replace("&amp;", "&").replace("&quot;", "\"").replace("&#x27;", "'"));
            rest = quote.map_or(after, |quote| after.trim_start_matches(quote)).trim_start();
        }
        tags.push(Tag { name, attributes });
    }
    tags
}

#[test]
fn a_form_is_filled_in_with_what_the_person_knows_and_no_button_is_pressed_that_is_not_wanted() {
    let page = r#"<p>Who?<form action="/in?a=b&amp;c" method="post"><input type="hidden" name="xsrf" value='a"b'/>
        <input required type="text" name="login"><input name=note value=""><button name="action" value="deny">No</button>
        <button name="action" value="accept">Yes</button><input type="submit" name="cancel" value="x"></form>"#;
    let person = Person::new(&[("login", "anna"), ("action", "accept"), ("elsewhere", "x")]);
    let (action, fields) = person.fill_in(page).unwrap();
    assert_eq!(action.unwrap(), "/in?a=b&c");
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(fields, [("xsrf", "a\"b"), ("login", "anna"), ("note", ""), ("action", "accept")]);
    assert!(person.fill_in("<p>Done.").is_none());
}
