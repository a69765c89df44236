//! `[notify]`: where the device says that something has been wrong for a while, and that it works again.

use std::time::Duration;

use toml::de::DeValue;
use url::Url;

use super::node::Node;
use super::prefix::parse_prefixes;
use super::secret::{SecretSource, parse_secret_source};
use crate::reach::{Prefix, covering};

/// `after`, where it is left out.
const USUAL_AFTER: Duration = Duration::from_mins(10);
const DAY_SECONDS: u64 = 24 * 60 * 60;
/// The longest name of a member, in bytes.
const LONGEST_MEMBER: usize = 64;

/// Where and when the device says that something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// `url`: where it is posted.
    pub url: NotifyUrl,
    /// `reach`: what covers that.
    pub reach: Vec<Prefix>,
    /// `after`: how long something must have been wrong; 10 minutes where it is left out.
    pub after: Duration,
    /// `json`: the member of a JSON object that carries the text. None: the text is the whole body.
    pub json: Option<String>,
}

/// The URL of `[notify]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotifyUrl {
    /// As it stands in plugins.toml.
    Plain(String),
    /// From a file or a credential: whoever knows the URL of a chat's webhook can write there.
    Secret(SecretSource),
}

pub(super) fn parse_notify(node: &Node<'_, '_>) -> Option<Notify> {
    let mut table = node.table()?;
    let reach = table.required("reach", parse_prefixes);
    let url = table.required("url", |node| parse_notify_url(node, reach.as_deref()));
    let after = table.optional("after", USUAL_AFTER, |node| node.span(10..=DAY_SECONDS));
    let json = table.optional("json", None, |node| Some(Some(node.printable(LONGEST_MEMBER)?.to_owned())));
    table.finish()?;
    Some(Notify { url: url?, reach: reach?, after: after?, json: json? })
}

/// `reach`, where that is valid. What stands in the URL is not repeated: it may hold a secret.
fn parse_notify_url(node: &Node<'_, '_>, reach: Option<&[Prefix]>) -> Option<NotifyUrl> {
    if !matches!(node.value().get_ref(), DeValue::String(_)) {
        return parse_secret_source(node).map(NotifyUrl::Secret);
    }
    let text = node.text()?;
    let Some(url) = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http")) else {
        return node.refuse_unseen("is not an absolute URL such as `https://ntfy.sh/the-name-of-a-topic`".to_owned());
    };
    if reach.is_some_and(|reach| covering(reach, &url).is_none()) {
        return node.refuse_unseen("is not covered by `reach`: nothing could ever be posted".to_owned());
    }
    Some(NotifyUrl::Plain(text.to_owned()))
}
