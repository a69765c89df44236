//! `punchcard plugin approve`.

use clap::Args;
use punchcard_core::config::{Configuration, Part, parse_configuration};
use punchcard_core::name::PluginName;
use punchcard_sandbox::read_component;

use super::super::exit::{Exit, Failure};
use super::super::output::print_line;
use super::super::question::confirm;
use super::super::status::unexpected;
use super::super::{DeviceArguments, printable, reload, small_runtime};
use super::edit::add_entry;
use super::file;
use super::inspection::inspect;
use crate::app::configuration::Source;
use crate::app::control::{Answer, Question, ask, may_run};

#[derive(Debug, Args)]
pub(super) struct ApproveArguments {
    /// The plugin.
    name: String,
    /// Do not ask whether it is meant.
    #[arg(long)]
    yes: bool,
}

pub(super) fn approve(device: &DeviceArguments, arguments: &ApproveArguments) -> Result<Exit, Failure> {
    let name = PluginName::parse(&arguments.name).map_err(Failure::general)?;
    let source = Source::read(&device.config).map_err(|error| Failure::with(Exit::Configuration, error))?;
    let parse = |source: &Source| {
        parse_configuration(&source.text)
            .map_err(|diagnostics| Failure::with(Exit::Configuration, source.render(&diagnostics)))
    };
    let configuration = parse(&source)?;
    let Some(plugin) = configuration.plugins.get(&name) else {
        return Err(Failure::general(format!("plugins.toml names no plugin `{name}`")));
    };
    let component = read_component(&source.folder().join(&plugin.path)).map_err(Failure::general)?;
    let unmet = inspect(device, &component, Some(&name))?.unmet;
    if unmet.is_empty() {
        print_line(format_args!("Nothing was to do: plugin `{name}` is granted all that it needs."))?;
        return Ok(Exit::Success);
    }
    let (mut text, mut by_hand) = (source.text.clone(), 0);
    for need in &unmet {
        print_line(printable(&need.message))?;
        match (&need.entry, whose(&configuration, &name, &need.part)) {
            (Some(entry), Whose::Own) => {
                text = add_entry(&text, &need.part, entry).map_err(Failure::general)?;
                print_line(format_args!("  {} gets {}", printable(&need.part), printable(entry)))?;
            }
            (Some(_), Whose::OfTokens) => {
                by_hand += 1;
                print_line("  This is written by hand: the token would go to another server.")?;
            }
            (Some(_), Whose::OfOthers) => {
                let part = printable(&need.part);
                return Err(Failure::general(format!("plugin `{name}` does not use {part}; nothing is added there")));
            }
            (None, _) => by_hand += 1,
        }
    }
    if text == source.text {
        return Err(Failure::general("what is needed can't be granted from here; write it into plugins.toml"));
    }
    if !arguments.yes && !confirm("Type `grant` if plugins.toml is to say so: ", &["grant"])? {
        print_line("Nothing was done.")?;
        return Ok(Exit::Failure);
    }
    parse(&Source { text: text.clone(), ..source.clone() })?;
    file::replace(&source.path, text.as_bytes()).map_err(Failure::general)?;
    if by_hand > 0 {
        print_line(format_args!("{by_hand} of these are still to be written by hand."))?;
    }
    if !small_runtime()?.block_on(may_run(&device.state)) {
        print_line("It is granted. No device runs; it counts from the next start on.")?;
        return Ok(Exit::Success);
    }
    match small_runtime()?.block_on(ask(&device.state, &Question::Reload))? {
        Answer::Reloaded(report) => reload::say(&report),
        other => Err(unexpected(other)),
    }
}

/// Whose a list of plugins.toml is, for a plugin that lacks something in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// Where requests of the plugin's own grants and sinks go. `approve` adds to nothing else.
    Own,
    /// Where the token of a grant goes that the plugin's own sinks use. That is for a person to write.
    OfTokens,
    /// None that the plugin has to do with.
    OfOthers,
}

fn whose(configuration: &Configuration, name: &PluginName, part: &str) -> Whose {
    let is_named = |named: Part| named.to_string() == part;
    let mut grants = configuration.grants.iter().filter(|(_, grant)| grant.plugin == *name);
    let sinks = || configuration.sinks.iter().filter(|(_, sink)| sink.deliver.plugin == *name);
    if grants.any(|(grant, _)| is_named(Part::GrantReach(grant.clone())))
        || sinks().any(|(sink, _)| is_named(Part::Reach(sink.clone())))
    {
        return Whose::Own;
    }
    let mut used = sinks().filter_map(|(_, sink)| sink.grant());
    if used.any(|grant| is_named(Part::GrantAudience(grant.clone()))) { Whose::OfTokens } else { Whose::OfOthers }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_reach_of_the_plugins_own_parts_is_added_to_and_where_tokens_go_is_for_a_person() {
        let text = r#"
[device]
name = "x"
[panel]
driver = "none"
[inputs.one]
driver = "keyboard"
key = "1"
press = { event = "punch" }
[plugins]
policy = "p.wasm"
other = "o.wasm"
rows = "r.wasm"
web = "w.wasm"
[grants.mine]
plugin = "policy"
reach = ["https://id.example/"]
audience = ["https://rows.example/"]
[grants.theirs]
plugin = "other"
reach = ["https://id.example/"]
audience = ["https://rows.example/"]
[sinks.sheet]
events = ["punch"]
format = { plugin = "rows" }
deliver = { plugin = "web" }
reach = ["https://rows.example/"]
authorize = { grant = "mine" }
"#;
        let configuration = parse_configuration(text).unwrap_or_else(|errors| panic!("{errors:?}"));
        let table = [
            ("policy", "grants.mine.reach", Whose::Own),
            ("policy", "grants.mine.audience", Whose::OfOthers),
            ("policy", "grants.theirs.reach", Whose::OfOthers),
            ("policy", "sinks.sheet.reach", Whose::OfOthers),
            ("web", "sinks.sheet.reach", Whose::Own),
            ("web", "grants.mine.audience", Whose::OfTokens),
            ("web", "grants.mine.reach", Whose::OfOthers),
            ("web", "grants.theirs.audience", Whose::OfOthers),
            ("rows", "sinks.sheet.reach", Whose::OfOthers),
            ("rows", "grants.mine.audience", Whose::OfOthers),
            ("web", "plugins", Whose::OfOthers),
        ];
        for (name, part, expected) in table {
            let name = PluginName::parse(name).unwrap();
            assert_eq!(whose(&configuration, &name, part), expected, "{name} {part}");
        }
    }
}
