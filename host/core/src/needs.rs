//! What a plugin needs under its settings, compared with what plugins.toml grants it, and with what its inputs send.
//!
//! Without this comparison a part that can never work would look well until its first request is refused, which may be
//! after somebody has signed in for it; and a field that nothing sends would be missed when the hours are added up.

mod scope;

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use crate::config::choice::Listing;
use crate::config::grant::Grant;
use crate::config::input::{Action, Press};
use crate::config::near::{did_you_mean, near};
use crate::config::sensor::Sensor;
use crate::config::sink::Sink;
use crate::config::{Configuration, Part};
use crate::name::{ChoiceName, EventKind, GrantName, InputName, LoanName, PluginName, SinkName, SlotName};
use crate::plugin::Needs;
use crate::plugin::sensor::Loans;
use crate::reach::{Prefix, covering, literal_address, without_query};
use crate::update::ReleaseNeeds;

/// A need that plugins.toml does not meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmetNeed {
    /// The key that lacks something.
    pub part: Part,
    /// What is needed, by which plugin, and what to write where.
    pub message: String,
    /// The URL that is to be added to that key, where that is all.
    pub entry: Option<String>,
}

/// What a grant's policy needs, and the grant does not give.
#[must_use]
pub fn unmet_by_grant(name: &GrantName, grant: &Grant, needs: &Needs) -> Vec<UnmetNeed> {
    let mut unmet = unmet_urls(&grant.plugin, needs, &grant.reach, &Part::GrantReach(name.clone()));
    unmet.extend(unmet_slots(&grant.plugin, needs, name, grant));
    unmet
}

/// What a sink's connector needs, and neither the sink nor the grant that authorises it gives.
#[must_use]
pub fn unmet_by_sink(
    name: &SinkName,
    sink: &Sink,
    grants: &BTreeMap<GrantName, Grant>,
    needs: &Needs,
) -> Vec<UnmetNeed> {
    let plugin = &sink.deliver.plugin;
    let mut unmet = unmet_urls(plugin, needs, &sink.reach, &Part::Reach(name.clone()));
    if needs.authorization && sink.authorize.is_none() {
        unmet.push(UnmetNeed {
            part: Part::Sink(name.clone()),
            message: format!(
                "plugin `{plugin}` sends requests that have to be authorized; add `authorize = {{ grant = \"{}\" }}` to \
                 sinks.{name}",
                grants.keys().next().map_or("NAME", GrantName::as_str)
            ),
            entry: None,
        });
    }
    let grant = sink.grant().and_then(|grant| Some((grant, grants.get(grant)?)));
    if let Some((grant_name, grant)) = grant {
        // Also where the connector could do without: what plugins.toml authorizes is authorized.
        unmet.extend(unmet_urls(plugin, needs, &grant.audience, &Part::GrantAudience(grant_name.clone())));
        unmet.extend(unmet_slots(plugin, needs, grant_name, grant));
        unmet.extend(scope::unmet_scope(name, sink, grant_name, grant));
    }
    unmet
}

/// What a choice's listing needs, and neither the choice nor the grant that authorises it gives.
#[must_use]
pub fn unmet_by_listing(
    name: &ChoiceName,
    listing: &Listing,
    grants: &BTreeMap<GrantName, Grant>,
    needs: &Needs,
) -> Vec<UnmetNeed> {
    let plugin = &listing.plugin;
    let mut unmet = unmet_urls(plugin, needs, &listing.reach, &Part::ListingReach(name.clone()));
    if needs.authorization && listing.authorize.is_none() {
        unmet.push(UnmetNeed {
            part: Part::Listing(name.clone()),
            message: format!(
                "plugin `{plugin}` sends requests that have to be authorized; add `authorize = {{ grant = \"{}\" }}` to \
                 choices.{name}.items",
                grants.keys().next().map_or("NAME", GrantName::as_str)
            ),
            entry: None,
        });
    }
    if let Some(grant_name) = listing.grant() {
        match grants.get(grant_name) {
            Some(grant) => {
                unmet.extend(unmet_urls(plugin, needs, &grant.audience, &Part::GrantAudience(grant_name.clone())));
                unmet.extend(unmet_slots(plugin, needs, grant_name, grant));
            }
            // It was left out, for it has an error of its own.
            None => unmet.push(UnmetNeed {
                part: Part::Listing(name.clone()),
                message: format!("grant `{grant_name}`, which authorizes it, has an error"),
                entry: None,
            }),
        }
    }
    unmet
}

/// What a version of a plugin needs, as its publisher says, and plugins.toml does not give where the plugin is used. Each is a
/// fragment such as `https://new.example` in `sinks.sheet.reach`. The component itself has the last word when it is admitted.
#[must_use]
pub fn unmet_by_release(plugin: &PluginName, needs: &ReleaseNeeds, configuration: &Configuration) -> Vec<String> {
    let mut unmet = Vec::new();
    let mut compare = |granted: &[Prefix], part: Part| {
        for needed in &needs.urls {
            if Url::parse(needed).is_ok_and(|url| covering(granted, &url).is_none()) {
                unmet.push(format!("`{needed}` in `{part}`"));
            }
        }
    };
    for (name, sink) in configuration.sinks.iter().filter(|(_, sink)| sink.deliver.plugin == *plugin) {
        compare(&sink.reach, Part::Reach(name.clone()));
    }
    for (name, listing) in configuration.choices.iter().filter_map(|(name, choice)| Some((name, choice.listing()?))) {
        if listing.plugin == *plugin {
            compare(&listing.reach, Part::ListingReach(name.clone()));
        }
    }
    for (name, grant) in configuration.grants.iter().filter(|(_, grant)| grant.plugin == *plugin) {
        compare(&grant.reach, Part::GrantReach(name.clone()));
    }
    for (name, grant) in configuration.grants.iter().filter(|(_, grant)| grant.plugin == *plugin) {
        let filled = |slot: &String| grant.secrets.keys().any(|filled| filled.as_str() == slot);
        for slot in needs.slots.iter().filter(|slot| !filled(slot)) {
            unmet.push(format!("the secret `{slot}` in `{}`", Part::GrantSecrets(name.clone())));
        }
    }
    unmet
}

/// What a sensor's plugin opens and is not lent, and what it is lent and never opens.
#[must_use]
pub fn unmet_by_sensor(name: &InputName, sensor: &Sensor, needs: &Loans) -> Vec<UnmetNeed> {
    let plugin = &sensor.plugin;
    let mut unmet = Vec::new();
    let i2c: Vec<&LoanName> = sensor.i2c.keys().collect();
    let lines: Vec<&LoanName> = sensor.lines.keys().collect();
    let one_wire: Vec<&LoanName> = sensor.one_wire.keys().collect();
    let kinds = [
        ("chip", "i2c", "{ address = 0x… }", &needs.i2c, i2c),
        ("GPIO line", "lines", "{ line = … }", &needs.lines, lines),
        ("1-Wire device", "one-wire", "\"28-…\"", &needs.one_wire, one_wire),
    ];
    for (what, key, example, opened, lent) in kinds {
        let spare: Vec<&LoanName> =
            lent.iter().copied().filter(|loan| !opened.iter().any(|name| name == loan.as_str())).collect();
        for wanted in opened.iter().filter(|wanted| !lent.iter().any(|loan| loan.as_str() == *wanted)) {
            let meant = near(wanted, spare.iter().map(|loan| loan.as_str()));
            let remedy = meant.map_or_else(
                || format!("add `{key} = {{ {wanted} = {example} }}` to sensors.{name}"),
                |meant| format!("rename `{key}.{meant}`"),
            );
            unmet.push(UnmetNeed {
                part: Part::Sensor(name.clone()),
                message: format!("plugin `{plugin}` opens the {what} `{wanted}`, which is not lent to it; {remedy}"),
                entry: None,
            });
        }
        for loan in spare {
            let known = if opened.is_empty() { "none".to_owned() } else { listed(opened.iter().map(String::as_str)) };
            let part = match key {
                "i2c" => Part::I2cLoan(name.clone(), loan.clone()),
                "lines" => Part::LineLoan(name.clone(), loan.clone()),
                _ => Part::OneWireLoan(name.clone(), loan.clone()),
            };
            let message = format!("plugin `{plugin}` opens no {what} `{loan}`; it opens {known}");
            unmet.push(UnmetNeed { part, message, entry: None });
        }
    }
    unmet
}

/// The fields that a sink's formatter needs, and no input sends with the sink's events.
///
/// Where a sensor makes one of its events, or none of its inputs, nobody can say: sensors have whatever fields their plugins
/// give them. A configuration that
/// is not whole may lack the very input that sends them.
#[must_use]
pub fn unmet_by_events(name: &SinkName, configuration: &Configuration, fields: &[String]) -> Vec<UnmetNeed> {
    let sink = &configuration.sinks[name];
    let senders: Vec<(&InputName, &Press)> = configuration
        .inputs
        .iter()
        .filter_map(|(input, made)| match &made.action {
            Action::Press(presses) => Some(presses.each().map(move |press| (input, press))),
            Action::Turn(_) | Action::SignIn(_) => None,
        })
        .flatten()
        .filter(|(_, press)| sink.events.contains(&press.event))
        .collect();
    let has_sender = |event: &EventKind| {
        let is_read = configuration.sensors.values().any(|sensor| sensor.event == *event);
        !is_read && senders.iter().any(|(_, press)| press.event == *event)
    };
    if !configuration.is_whole() || !sink.events.iter().all(has_sender) {
        return Vec::new();
    }
    let mut sent: Vec<&str> = Vec::new();
    for (name, _) in senders.iter().flat_map(|(_, press)| &press.fields) {
        if !sent.contains(&name.as_str()) {
            sent.push(name.as_str());
        }
    }
    let unmet = |field: &String| {
        let plugin = &sink.format.plugin;
        let inputs: BTreeSet<&str> = senders.iter().map(|(input, _)| input.as_str()).collect();
        let inputs = listed(inputs.into_iter());
        let fields = if sent.is_empty() { "no fields".to_owned() } else { listed(sent.iter().copied()) };
        let meant =
            near(field, sent.iter().copied()).map_or_else(String::new, |word| format!("; {}", did_you_mean(word)));
        UnmetNeed {
            part: Part::FormatSettings(name.clone()),
            message: format!(
                "plugin `{plugin}` needs the field `{field}`, but what makes this sink's events ({inputs}) sends {fields}{meant}"
            ),
            entry: None,
        }
    };
    fields.iter().filter(|field| !sent.contains(&field.as_str())).map(unmet).collect()
}

fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn unmet_urls(plugin: &PluginName, needs: &Needs, granted: &[Prefix], part: &Part) -> Vec<UnmetNeed> {
    let unmet = |needed: &String| {
        let (message, entry) = match Url::parse(needed) {
            // The prefixes themselves cover no address of the open internet without encryption.
            Ok(url) if covering(granted, &url).is_some() => return None,
            Ok(url) => match entry_for(&url) {
                Ok(entry) => {
                    let message = format!("plugin `{plugin}` needs {}; add {entry} to {part}", shown(&url));
                    // A name in one's own network is for a person to judge.
                    (message, entry.starts_with('"').then(|| shown(&url)))
                }
                Err(reason) => (format!("plugin `{plugin}` needs {}, but {reason}", shown(&url)), None),
            },
            Err(error) => (format!("plugin `{plugin}` needs an address that is none: {error}"), None),
        };
        Some(UnmetNeed { part: part.clone(), message, entry })
    };
    needs.urls.iter().filter_map(unmet).collect()
}

/// A URL as a person writes a prefix.
fn shown(url: &Url) -> String {
    let text = without_query(url);
    if url.path() == "/" { text.trim_end_matches('/').to_owned() } else { text }
}

/// The entry of `reach` or `audience` that covers a URL.
fn entry_for(url: &Url) -> Result<String, String> {
    let text = shown(url);
    let prefix = Prefix::parse(&text, false).map_err(|error| error.to_string())?;
    if url.scheme() == "https" || prefix.private() {
        return Ok(format!("\"{text}\""));
    }
    if literal_address(url).is_some() {
        return Err("it is not encrypted, and not in a private network; use https".to_owned());
    }
    Ok(format!("{{ url = \"{text}\", private = true }}, if it is in your own network,"))
}

fn unmet_slots(plugin: &PluginName, needs: &Needs, name: &GrantName, grant: &Grant) -> Vec<UnmetNeed> {
    let filled = |slot: &String| grant.secrets.keys().map(SlotName::as_str).any(|filled| filled == slot);
    let unmet = |slot: &String| UnmetNeed {
        part: Part::GrantSecrets(name.clone()),
        message: format!(
            "plugin `{plugin}` needs the secret `{slot}`; add `{slot} = {{ file = \"…\" }}` to grants.{name}.secrets"
        ),
        entry: None,
    };
    needs.slots.iter().filter(|slot| !filled(slot)).map(unmet).collect()
}

#[cfg(test)]
mod tests;
