//! A secret that somebody pasted into plugins.toml, where none belongs, is in nothing that is said about it.

use punchcard_core::config::{Configuration, Diagnostic, Part, parse_what_is_valid, render_diagnostics};
use punchcard_core::name::GrantName;

const PASTED: &str = "GOCSPX-pasted";

const SOUND: &str = "device.name = \"x\"\nplugins.p = \"p\"\n";

/// All that is said about a text, in both forms.
fn said(text: &str) -> String {
    let (_, diagnostics) = parse_what_is_valid(text);
    assert!(!diagnostics.is_empty(), "{text}");
    let lines: Vec<String> = diagnostics.iter().map(Diagnostic::to_string).collect();
    format!("{}\n{}", render_diagnostics(text, "plugins.toml", &diagnostics), lines.join("\n"))
}

fn grant(rest: &str) -> String {
    format!(
        "{SOUND}[grants.g]\nplugin = \"p\"\nreach = [\"https://h.example\"]\naudience = [\"https://h.example\"]\n{rest}\n"
    )
}

fn sink(rest: &str) -> String {
    format!(
        "{SOUND}[sinks.s]\nevents = [\"reading\"]\nformat.plugin = \"p\"\ndeliver.plugin = \"p\"\n\
         reach = [\"https://h.example\"]\n{rest}\n"
    )
}

#[test]
fn a_pasted_secret_is_not_repeated() {
    for text in [
        // In place of the table that says where it is.
        grant("secrets = { client-secret = \"GOCSPX-pasted\" }"),
        grant("secrets = \"GOCSPX-pasted\""),
        grant("secrets = [\"GOCSPX-pasted\"]"),
        grant("secrets.other = \"GOCSPX-pasted\""),
        grant("secrets.other = { value = \"GOCSPX-pasted\" }"),
        grant("secrets.other = { credential = \"GOCSPX-pasted/+=\" }"),
        grant("secrets.other = { credential = 'a', file = 'GOCSPX-pasted' }"),
        grant("[grants.g.secrets]\nmine = \"GOCSPX-pasted\""),
        grant("[grants.g.secrets]\nmine = \"\"\"\nGOCSPX-pasted\n\"\"\""),
        sink("authorize = \"GOCSPX-pasted\""),
        sink("authorize = { header = \"X-Api-Key\", secret = \"GOCSPX-pasted\" }"),
        sink("authorize = { header = \"Authorization: Bearer GOCSPX-pasted\" }"),
        sink("authorize = { header = \"Proxy-Authorization: Bearer GOCSPX-pasted\" }"),
        sink("authorize = { bearer = \"GOCSPX-pasted\" }"),
        sink("[sinks.s.authorize]\nheader = \"X-Api-Key\"\nsecret = 'GOCSPX-pasted'"),
        // Under a key that nobody knows, whatever it is called.
        grant("client-secret = \"GOCSPX-pasted\""),
        grant("pat = \"GOCSPX-pasted\""),
        sink("key = \"GOCSPX-pasted\""),
        format!("{SOUND}grants.g = {{ pat = \"GOCSPX-pasted\", reach = 5, other = 7 }}"),
        format!("{SOUND}grants.g = {{ reach = 5, pat = \"GOCSPX-pasted\", audience = 5 }}"),
        format!("{SOUND}token = \"GOCSPX-pasted\"\n"),
        // In what is not TOML.
        grant("[grants.g.secrets]\nclient-secret = GOCSPX-pasted"),
        grant("[grants.g.secrets]\nGOCSPX-pasted"),
        grant("[grants.g.secrets]\nclient-secret = \"GOCSPX-pasted"),
        grant("pat = \"\"\"\nGOCSPX-pasted"),
        // In settings of which something else is wrong.
        grant("settings = { client-secret = \"GOCSPX-pasted\", at = 2026-01-01 }"),
        // In a URL.
        sink("").replace("https://h.example", "https://me:GOCSPX-pasted@h.example"),
        sink("").replace("https://h.example", "https://h.example/x?key=GOCSPX-pasted"),
        sink("").replace("https://h.example", "me:GOCSPX-pasted@h.example"),
    ] {
        let said = said(&text);
        assert!(!said.contains(PASTED), "{text}\n{said}");
        assert!(said.contains("--> plugins.toml:"), "it is still said where:\n{said}");
    }
}

#[test]
fn what_a_plugin_says_of_its_settings_does_not_show_their_secrets() {
    let text = grant("settings = { client-secret = \"GOCSPX-pasted\" }");
    let (read, _): (Configuration, _) = parse_what_is_valid(&text);
    let part = Part::GrantSettings(GrantName::parse("g").unwrap_or_else(|error| panic!("{error}")));
    let refused = Diagnostic::at(read.place_of(&part), part.to_string(), "`client-secret` is no setting");
    let picture = render_diagnostics(&text, "plugins.toml", &[refused]);
    assert_eq!(picture, "error: grants.g.settings: `client-secret` is no setting\n--> plugins.toml:7:12");
}

#[test]
fn an_unknown_key_is_shown_without_what_follows_it() {
    let text = format!("{SOUND}[panel]\ndrvier = \"GOCSPX-pasted\"\n");
    let (_, diagnostics) = parse_what_is_valid(&text);
    let picture = render_diagnostics(&text, "plugins.toml", &diagnostics);
    assert!(picture.contains("4 | drvier …\n  | ^^^^^^\n"), "{picture}");
}
