//! Grants, sinks and sensors: what each needs of the others.

use super::*;

#[test]
fn a_token_needs_somewhere_to_go() {
    let authorized = |reach: &str, audience: &str| {
        errors(&with(&format!(
            "[plugins]\np = \"p\"\n[grants.g]\nplugin = \"p\"\nreach = [\"https://r\"]\naudience = [{audience}]\n\
             [sinks.s]\nevents = [\"reading\"]\nformat.plugin = \"p\"\ndeliver.plugin = \"p\"\nreach = [{reach}]\n\
             authorize.grant = \"g\""
        )))
    };
    for (reach, audience, possible) in [
        ("'https://a/x'", "'https://a'", true),
        ("'https://a'", "'https://a/x'", true),
        ("'https://a/x'", "'https://a/x'", true),
        ("'https://b', 'https://a'", "'https://c', 'https://a/x'", true),
        ("'https://a/x'", "'https://a/y'", false),
        ("'https://a'", "'https://b'", false),
        ("'https://a'", "'https://a:8443'", false),
    ] {
        let found = authorized(reach, audience);
        assert_eq!(found.is_empty(), possible, "{reach} {audience}: {found:?}");
        assert!(found.iter().all(|error| error.contains("no token of `g` could ever be sent")), "{found:?}");
    }
}

#[test]
fn an_event_is_made_by_an_input_or_a_sensor() {
    let sink = |inputs: &str, events: &str| {
        errors(&with(&format!(
            "{inputs}\n[plugins]\np = \"p\"\n[sinks.s]\nevents = [{events}]\nformat.plugin = \"p\"\n\
             deliver.plugin = \"p\"\nreach = [\"https://a\"]"
        )))
    };
    let door = "[inputs.door]\ndriver = \"keyboard\"\nkey = \"a\"\npress.event = \"opened\"";
    assert_eq!(sink("", "'reading'"), Vec::<String>::new());
    assert_eq!(sink(door, "'opened', 'reading'"), Vec::<String>::new());
    assert!(sink("", "'punch'")[0].ends_with("no input makes the event `punch`"));
    assert!(sink(door, "'open'")[0].ends_with("no input makes the event `open`; did you mean `opened`?"));
    assert!(sink(door, "'readings'")[0].ends_with("; did you mean `reading`?"));
    // An input with an error may be the one that was to make it; but not where it said what it makes.
    assert_eq!(sink("inputs = 5", "'punch'").len(), 1);
    assert_eq!(sink("[inputs.door]\ndriver = \"keyboard\"\nkey = \"a\"\npres.event = \"x\"", "'punch'").len(), 1);
    let named = "[inputs.door]\ndriver = \"keyboard\"\nkey = \"abc\"\npress.event = \"opened\"";
    assert_eq!(sink(named, "'opened'").len(), 1);
    assert_eq!(sink(named, "'punch'").len(), 2);
    let turned = "[inputs.door]\ndriver = \"keyboard\"\nkey = \"a\"\nturn = 5";
    assert_eq!(sink(turned, "'punch'").len(), 2);

    // A sensor's plugin may have words of its own, unless they look like a misspelt one.
    let climate = "[sensors.climate]\nplugin = \"p\"\nevery = \"60s\"\nevent = \"climate\"";
    assert_eq!(sink(climate, "'climate', 'reading', 'alarm'"), Vec::<String>::new());
    assert!(
        sink(climate, "'climat'")[0]
            .ends_with("no input and no sensor makes the event `climat`; did you mean `climate`?")
    );
    assert_eq!(sink("sensors = 5", "'punch'").len(), 1);
    assert_eq!(sink("[sensors.climate]\nplugin = \"p\"\nevery = \"60\"", "'reading', 'punch'").len(), 1);
}

#[test]
fn a_sensor_is_read_now_and_then_and_lent_what_nobody_else_is() {
    let sensor = |lines: &str| errors(&with(&format!("plugins.p = \"p\"\n[sensors.a]\nplugin = \"p\"\n{lines}")));
    let usual = "every = \"60s\"\n";
    assert_eq!(sensor(usual), Vec::<String>::new());
    let read = parsed(&with(&format!("plugins.p = \"p\"\n[sensors.a]\nplugin = \"p\"\n{usual}")));
    let a = &read.sensors[&InputName::parse("a").unwrap()];
    assert_eq!((a.event.as_str(), a.share_commit_for), ("reading", Duration::from_secs(1)));
    let read = parsed(&with("plugins.p = \"p\"\nsensors.a = { plugin = \"p\", every = \"1s\" }"));
    let a = &read.sensors[&InputName::parse("a").unwrap()];
    assert_eq!(a.share_commit_for, Duration::from_millis(500));

    let taken = "is taken by `sensors.a.i2c.x`, in line 6";
    let table: [(&str, &[&str]); 19] = [
        ("", &["`every` is missing"]),
        ("every = \"60 s\"", &["found `60 s`; accepted is `1s` to `24h`, in `s`, `min` or `h`"]),
        ("every = \"0s\"", &["found `0s`"]),
        ("every = \"25h\"", &["found `25h`"]),
        ("every = 60", &["found the integer `60`"]),
        ("every = \"2s\"\nshare-commit-ms = 2000", &["accepted is less than `every`"]),
        ("every = \"2s\"\ni2c = { x = { address = 0x78 } }", &["found 0x78; accepted is 0x08 to 0x77"]),
        ("every = \"2s\"\ni2c = { x = { bus = \"/etc/passwd\", address = 0x76 } }", &["found `/etc/passwd`"]),
        ("every = \"2s\"\ni2c = { x = {} }", &["`address` is missing"]),
        ("every = \"2s\"\ni2c = { X = { address = 0x76 } }", &["`X` is not a name"]),
        ("every = \"2s\"\none-wire = { x = \"../../etc\" }", &["found `../../etc`; accepted is the name of a folder"]),
        ("every = \"2s\"\none-wire = { x = \"28-0316A2795CFF\" }", &["accepted is the name of a folder"]),
        (
            "every = \"2s\"\ni2c = { x = { address = 0x76 }, y = { bus = 1, address = 0x76 } }",
            &[&format!("address 0x76 of /dev/i2c-1 {taken}")],
        ),
        ("every = \"2s\"\nlines = { x = { line = 28 } }", &["found 28; accepted is 0 to 27"]),
        ("every = \"2s\"\nlines = { x = {} }", &["`line` is missing"]),
        ("every = \"2s\"\nlines = { x = { line = 4, direction = \"both\" } }", &["accepted are `in`, `out`"]),
        (
            "every = \"2s\"\nlines = { x = { line = 4, direction = \"out\", pull = \"up\" } }",
            &["the plugin says at what level the line is"],
        ),
        (
            "every = \"2s\"\nlines = { x = { line = 4 }, y = { line = 4, direction = \"out\" } }",
            &["the line 4 is taken by `sensors.a.lines.x.line`, in line 6"],
        ),
        (
            "every = \"2s\"\none-wire = { x = \"28-0316a2795cff\", y = \"28-0316a2795cff\" }",
            &["this device is taken by `sensors.a.one-wire.x`, in line 6"],
        ),
    ];
    for (lines, expected) in table {
        let said = sensor(lines);
        assert_eq!(said.len(), expected.len(), "{lines}: {said:?}");
        assert!(said.iter().zip(expected).all(|(said, expected)| said.contains(expected)), "{lines}: {said:?}");
    }
    let panel = "panel = { driver = \"ssd1306\" }\n";
    let text = with(&format!(
        "{panel}plugins.p = \"p\"\nsensors.a = {{ plugin = \"p\", every = \"1s\", i2c.x.address = 0x3c }}"
    ));
    assert!(errors(&text)[0].ends_with("address 0x3c of /dev/i2c-1 is taken by `panel`"), "{:?}", errors(&text));
    let reader =
        "inputs.door = { driver = \"pn532\", bus = 1, press = { event = \"e\", fields = { b = \"$badge\" } } }\n";
    let text = with(&format!(
        "{reader}plugins.p = \"p\"\nsensors.a = {{ plugin = \"p\", every = \"1s\", i2c.x.address = 0x24 }}"
    ));
    assert!(errors(&text)[0].ends_with("address 0x24 of /dev/i2c-1 is taken by `inputs.door`"), "{:?}", errors(&text));
    let input = "inputs.a = { driver = \"keyboard\", key = \"a\", press.event = \"punch\" }\n";
    let text = with(&format!("{input}plugins.p = \"p\"\nsensors.a = {{ plugin = \"p\", every = \"1s\" }}"));
    assert!(errors(&text)[0].contains("sensors.a: an input has the name `a`, too"), "{:?}", errors(&text));
    let (kept, _) = parse_what_is_valid(&text);
    assert_eq!((kept.inputs.len(), kept.sensors.len()), (1, 0));
}
