use super::*;
use crate::config::{parse_configuration, parse_what_is_valid};

const TEXT: &str = r#"
    device.name = "door"
    inputs.clock = { driver = "keyboard", key = "space", press = { event = "punch" } }
    [plugins]
    flow = "flow.wasm"
    rows = "rows.wasm"
    carry = "carry.wasm"
    [grants.google]
    plugin = "flow"
    reach = ["https://oauth2.example"]
    audience = ["https://sheets.example", "https://www.example/drive"]
    secrets = { client-secret = { file = "x" } }
    [sinks.sheet]
    events = ["punch"]
    format = { plugin = "rows" }
    deliver = { plugin = "carry" }
    reach = ["https://sheets.example", "https://www.example", "http://192.168.0.7"]
    authorize = { grant = "google" }
    [sinks.hook]
    events = ["punch"]
    format = { plugin = "rows" }
    deliver = { plugin = "carry" }
    reach = ["https://hook.example/rows"]
"#;

#[test]
fn what_a_release_needs_is_compared_where_the_plugin_is_used() {
    let configuration = parse_configuration(TEXT).unwrap();
    let unmet = |plugin: &str, urls: &[&str], slots: &[&str]| {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let needs = ReleaseNeeds { urls: texts(urls), slots: texts(slots) };
        unmet_by_release(&PluginName::parse(plugin).unwrap(), &needs, &configuration)
    };
    assert_eq!(unmet("carry", &[], &[]), [] as [&str; 0]);
    assert_eq!(unmet("rows", &["https://anything.example"], &["slot"]), [] as [&str; 0]);
    assert_eq!(
        unmet("carry", &["https://sheets.example/v4"], &[]),
        ["`https://sheets.example/v4` in `sinks.hook.reach`"]
    );
    assert_eq!(unmet("flow", &["https://oauth2.example/token"], &["client-secret"]), [] as [&str; 0]);
    assert_eq!(
        unmet("flow", &["https://other.example"], &["client-secret", "key"]),
        ["`https://other.example` in `grants.google.reach`", "the secret `key` in `grants.google.secrets`"]
    );
}

fn configuration() -> Configuration {
    parse_configuration(TEXT).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn needs(urls: &[&str], slots: &[&str], authorization: bool) -> Needs {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Needs { urls: owned(urls), slots: owned(slots), authorization }
}

fn said(unmet: Vec<UnmetNeed>) -> Vec<String> {
    unmet.into_iter().map(|unmet| format!("{}: {}", unmet.part, unmet.message)).collect()
}

#[test]
fn a_connector_needs_reach_audience_and_authorization() {
    let configuration = configuration();
    let reach = "sinks.sheet.reach: plugin `carry` needs";
    let audience = "grants.google.audience: plugin `carry` needs";
    let table: [(&str, Needs, &[&str]); 12] = [
        ("sheet", needs(&[], &[], false), &[]),
        ("sheet", needs(&["https://sheets.example"], &[], true), &[]),
        ("sheet", needs(&["https://sheets.example/v4?x#y"], &[], false), &[]),
        (
            "sheet",
            needs(&["http://192.168.0.7/x"], &[], false),
            &["grants.google.audience: plugin `carry` needs http://192.168.0.7/x; add \"http://192.168.0.7/x\" to \
               grants.google.audience"],
        ),
        (
            "sheet",
            needs(&["https://other.example"], &[], true),
            &[
                &format!("{reach} https://other.example; add \"https://other.example\" to sinks.sheet.reach"),
                &format!("{audience} https://other.example; add \"https://other.example\" to grants.google.audience"),
            ],
        ),
        // What plugins.toml authorizes is authorized, also where the connector could do without.
        (
            "sheet",
            needs(&["https://www.example/upload?key=k"], &[], false),
            &[&format!(
                "{audience} https://www.example/upload; add \"https://www.example/upload\" to grants.google.audience"
            )],
        ),
        ("hook", needs(&["https://hook.example/rows/1"], &[], false), &[]),
        (
            "hook",
            needs(&["https://hook.example"], &[], false),
            &["sinks.hook.reach: plugin `carry` needs https://hook.example; add \"https://hook.example\" to \
               sinks.hook.reach"],
        ),
        (
            "hook",
            needs(&["http://nas.example/rows"], &[], false),
            &[
                "sinks.hook.reach: plugin `carry` needs http://nas.example/rows; add { url = \"http://nas.example/rows\", \
               private = true }, if it is in your own network, to sinks.hook.reach",
            ],
        ),
        (
            "hook",
            needs(&["http://8.8.8.8/", "ftp://x.example", "nonsense"], &[], false),
            &[
                "sinks.hook.reach: plugin `carry` needs http://8.8.8.8, but it is not encrypted, and not in a private \
                 network; use https",
                "sinks.hook.reach: plugin `carry` needs ftp://x.example, but `ftp://x.example` is neither https nor http",
                "sinks.hook.reach: plugin `carry` needs an address that is none: relative URL without a base",
            ],
        ),
        (
            "hook",
            needs(&[], &[], true),
            &["sinks.hook: plugin `carry` sends requests that have to be authorized; add `authorize = { grant = \
               \"google\" }` to sinks.hook"],
        ),
        (
            "sheet",
            needs(&[], &["client-secret", "pin"], true),
            &["grants.google.secrets: plugin `carry` needs the secret `pin`; add `pin = { file = \"…\" }` to \
               grants.google.secrets"],
        ),
    ];
    for (name, needs, expected) in table {
        let name = SinkName::parse(name).unwrap();
        let unmet = unmet_by_sink(&name, &configuration.sinks[&name], &configuration.grants, &needs);
        assert_eq!(said(unmet), expected, "{needs:?}");
    }
}

#[test]
fn a_policy_needs_reach_and_secrets() {
    let configuration = configuration();
    let name = GrantName::parse("google").unwrap();
    let unmet = |needs: &Needs| said(unmet_by_grant(&name, &configuration.grants[&name], needs));
    assert_eq!(unmet(&needs(&["https://oauth2.example/token"], &["client-secret"], true)), Vec::<String>::new());
    // Its audience is for others.
    let expected = [
        "grants.google.reach: plugin `flow` needs https://sheets.example; add \"https://sheets.example\" to \
         grants.google.reach",
        "grants.google.secrets: plugin `flow` needs the secret `pin`; add `pin = { file = \"…\" }` to \
         grants.google.secrets",
    ];
    assert_eq!(unmet(&needs(&["https://sheets.example"], &["pin"], false)), expected);
}

#[test]
fn a_sensor_is_lent_exactly_what_its_plugin_opens() {
    let id = "28-0316a2795cff";
    let loans = |i2c: &[&str], lines: &[&str], one_wire: &[&str]| {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Loans { i2c: owned(i2c), lines: owned(lines), one_wire: owned(one_wire) }
    };
    let chip = "i2c.sensor.address = 0x76";
    let opens = "plugin `rows` opens";
    let missing = format!(
        "sensors.s: {opens} the chip `sensor`, which is not lent to it; add `i2c = {{ sensor = {{ address = 0x… }} }}` to \
         sensors.s"
    );
    let table: [(&str, Loans, &[&str]); 10] = [
        ("", loans(&[], &[], &[]), &[]),
        (chip, loans(&["sensor"], &[], &[]), &[]),
        ("", loans(&["sensor"], &[], &[]), &[&missing]),
        (
            "i2c.senser.address = 0x76",
            loans(&["sensor"], &[], &[]),
            &[
                &format!("sensors.s: {opens} the chip `sensor`, which is not lent to it; rename `i2c.senser`"),
                &format!("sensors.s.i2c.senser: {opens} no chip `senser`; it opens `sensor`"),
            ],
        ),
        (chip, loans(&[], &[], &[]), &[&format!("sensors.s.i2c.sensor: {opens} no chip `sensor`; it opens none")]),
        (
            &format!("one-wire.a = '{id}'"),
            loans(&["sensor"], &[], &[]),
            &[&missing, &format!("sensors.s.one-wire.a: {opens} no 1-Wire device `a`; it opens none")],
        ),
        (
            "",
            loans(&[], &[], &["sensor"]),
            &[&format!(
                "sensors.s: {opens} the 1-Wire device `sensor`, which is not lent to it; add `one-wire = {{ sensor = \
                 \"28-…\" }}` to sensors.s"
            )],
        ),
        (
            "",
            loans(&[], &["reset"], &[]),
            &[&format!(
                "sensors.s: {opens} the GPIO line `reset`, which is not lent to it; add `lines = {{ reset = {{ line = … }} \
                 }}` to sensors.s"
            )],
        ),
        ("lines.reset.line = 4", loans(&[], &["reset"], &[]), &[]),
        (
            "lines.reset.line = 4",
            loans(&[], &[], &[]),
            &[&format!("sensors.s.lines.reset: {opens} no GPIO line `reset`; it opens none")],
        ),
    ];
    for (lines, needs, expected) in table {
        let text = format!(
            "device.name = 'door'\nplugins.rows = 'rows.wasm'\n[sensors.s]\nplugin = 'rows'\nevery = '60s'\n{lines}\n"
        );
        let configuration = parse_configuration(&text).unwrap_or_else(|errors| panic!("{errors:?}"));
        let (name, sensor) = configuration.sensors.first_key_value().unwrap();
        assert_eq!(said(unmet_by_sensor(name, sensor, &needs)), expected, "{lines}");
    }
}

#[test]
fn a_formatter_needs_fields_that_an_input_sends() {
    let press = |name: &str, key: char, press: &str| {
        format!("inputs.{name} = {{ driver = \"keyboard\", key = \"{key}\", press = {{ {press} }} }}\n")
    };
    let clock = press("clock", '1', "event = \"punch\", fields = { project = \"a\", shift = 1 }");
    let bare = press("bare", '2', "event = \"punch\"");
    let door = press("door", '3', "event = \"opened\", fields = { door = \"a\" }");
    let reading = press("climate", '4', "event = \"reading\", fields = { humidity = 1 }");
    let said_of = |field: &str, inputs: &str, sent: &str| {
        format!(
            "sinks.s.format.settings: plugin `rows` needs the field `{field}`, but what makes this sink's events \
             ({inputs}) sends {sent}"
        )
    };
    // Inputs, the sink's events, the fields that are needed, and what is said.
    let table: [(&[&String], &str, &[&str], &[&str]); 12] = [
        (&[&clock], "'punch'", &[], &[]),
        (&[&clock], "'punch'", &["project", "shift"], &[]),
        (
            &[&clock],
            "'punch'",
            &["projekt"],
            &[&said_of("projekt", "`clock`", "`project`, `shift`; did you mean `project`?")],
        ),
        (&[&clock, &bare], "'punch'", &["project"], &[]),
        (&[&bare], "'punch'", &["project"], &[&said_of("project", "`bare`", "no fields")]),
        // An input counts where it sends one of the sink's events.
        (&[&clock, &bare, &door], "'punch'", &["door"], &[&said_of("door", "`bare`, `clock`", "`project`, `shift`")]),
        (&[&clock, &door], "'punch', 'opened'", &["door", "project"], &[]),
        (
            &[&clock, &door],
            "'punch', 'opened'",
            &["Door", "job"],
            &[
                &said_of("Door", "`clock`, `door`", "`project`, `shift`, `door`; did you mean `door`?"),
                &said_of("job", "`clock`, `door`", "`project`, `shift`, `door`"),
            ],
        ),
        // A sensor may send it.
        (&[], "'reading'", &["temperature"], &[]),
        (&[&clock], "'reading'", &["temperature"], &[]),
        (&[&clock], "'punch', 'reading'", &["temperature"], &[]),
        (&[&reading], "'reading'", &["temperature"], &[&said_of("temperature", "`climate`", "`humidity`")]),
    ];
    let text = |inputs: &[&String], events: &str| {
        let inputs: String = inputs.iter().map(|input| input.as_str()).collect();
        format!(
            "device.name = 'door'\n{inputs}[plugins]\nrows = 'rows.wasm'\n[sinks.s]\nevents = [{events}]\n\
             format = {{ plugin = 'rows' }}\ndeliver = {{ plugin = 'rows' }}\nreach = ['https://h.example']\n"
        )
    };
    let name = SinkName::parse("s").unwrap();
    let unmet = |configuration: &Configuration, fields: &[&str]| {
        let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
        said(unmet_by_events(&name, configuration, &fields))
    };
    for (inputs, events, fields, expected) in table {
        let configuration = parse_configuration(&text(inputs, events)).unwrap_or_else(|errors| panic!("{errors:?}"));
        assert_eq!(unmet(&configuration, fields), expected, "{events} {fields:?}");
    }
    // The input that sends it may be the one that is left out.
    let wrong = press("wrong", '9', "event = \"punch\", fields = { projekt = \"a\" }, hare-ms = 1");
    let (configuration, errors) = parse_what_is_valid(&text(&[&clock, &wrong], "'punch'"));
    assert_eq!((configuration.inputs.len(), errors.len()), (1, 1));
    assert_eq!(unmet(&configuration, &["projekt"]), Vec::<String>::new());
}
