//! The text of a device's plugins.toml: keys, one grant, and one sink whose rows a formatter makes.

use google_sim::OauthClient;
use serde_json::Value;

use crate::Programs;

/// A key, and what it records.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    /// As in `key = "…"`.
    pub key: &'a str,
    /// The fields of its events, as text.
    pub fields: &'a [(&'a str, &'a str)],
}

/// What devices for trials have different from one another.
#[derive(Debug, Clone, Copy)]
pub struct Configuration<'a> {
    /// What it is called.
    pub device: &'a str,
    /// The keys, each of which records an event `punch`.
    pub keys: &'a [Key<'a>],
    /// What else stands before the plugins.
    pub more: &'a str,
    /// The component that makes rows, by its name without `.wasm`.
    pub formatter: &'a str,
    /// Its settings, as a table of TOML.
    pub settings: &'a str,
}

impl Configuration<'_> {
    /// The whole text. `stand_in` is the origin of the stand-in for Google, or of what stands before it.
    #[must_use]
    pub fn render(&self, programs: &Programs, stand_in: &str) -> String {
        let plugin = |name: &str| quote(&programs.guest(name).to_string_lossy());
        let inputs: String = self.keys.iter().map(render_key).collect();
        let formatter = self.formatter.rsplit('/').next().unwrap_or(self.formatter);
        let format = format!(r#"{{ plugin = "{formatter}", settings = {} }}"#, self.settings);
        format!(
            r#"[device]
name = {device}
time-zone = "Australia/Brisbane"
trust-clock = true

[panel]
driver = "none"
size = "128x32"
{more}{inputs}
[plugins]
device-flow = {device_flow}
google-sheets = {google_sheets}
{formatter} = {of_formatter}

{google}"#,
            device = quote(self.device),
            more = self.more,
            device_flow = plugin("device-flow"),
            google_sheets = plugin("google-sheets"),
            of_formatter = plugin(self.formatter),
            google = OauthClient::device_toml(stand_in, &format),
        )
    }
}

fn render_key(key: &Key<'_>) -> String {
    let name = key.key;
    let fields: Vec<_> = key.fields.iter().map(|(name, value)| format!("{name} = {}", quote(value))).collect();
    // Short enough to press again at once; a terminal repeats a key that is held.
    format!(
        r#"
[inputs.key-{name}]
driver = "keyboard"
key = "{name}"
press = {{ event = "punch", fields = {{ {fields} }} }}
debounce-ms = 20
"#,
        fields = fields.join(", ")
    )
}

/// A basic string of TOML, whose escapes for what a path may hold are those of JSON.
fn quote(text: &str) -> String {
    Value::from(text).to_string()
}
