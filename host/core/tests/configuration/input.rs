//! Inputs, the people at them, and the ways of the device.

use super::*;

#[test]
fn a_key_is_a_character_or_has_a_name() {
    let key = |key: &str| {
        parse_configuration(&with(&format!("[inputs.a]\ndriver = \"keyboard\"\nkey = '{key}'\npress.event = \"e\"")))
            .map(|read| read.inputs.values().next().unwrap().trigger.clone())
    };
    for (text, expected) in [
        ("space", Key::SPACE),
        ("enter", Key::ENTER),
        ("tab", Key::TAB),
        ("left", Key::LEFT),
        ("right", Key::RIGHT),
        ("up", Key::UP),
        ("down", Key::DOWN),
        ("f1", Key::function(1).unwrap()),
        ("f9", Key::function(9).unwrap()),
        ("f12", Key::function(12).unwrap()),
        ("a", Key::character('a').unwrap()),
        ("A", Key::character('A').unwrap()),
        ("é", Key::character('é').unwrap()),
        ("+", Key::character('+').unwrap()),
    ] {
        assert_eq!(key(text), Ok(Trigger::Key(expected)), "{text}");
        assert_eq!(expected.to_string(), text);
    }
    for bad in ["", " ", "\t", "\u{a0}", "ab", "f0", "f13", "Space"] {
        assert!(key(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_a_press_or_a_lamp_can_not_be_is_said() {
    let input = |keys: &str| errors(&with(&format!("[inputs.a]\n{keys}\npress.event = \"e\"")));
    let key = "driver = \"keyboard\"\nkey = \"a\"\nlong-press = { event = \"f\" }";
    assert!(input(key)[0].contains("does not say when a key is let go"), "{:?}", input(key));
    let twice = "driver = \"keyboard\"\nkey = \"a\"\ndouble-press = { event = \"f\" }";
    assert!(input(twice)[0].contains("does not say when a key is let go"), "{:?}", input(twice));
    let soon = "driver = \"gpio\"\nline = 4\ndouble-press = { event = \"f\", within-ms = 99 }";
    assert!(input(soon)[0].ends_with("found 99; accepted is 100 to 10000"), "{:?}", input(soon));
    for (output, said) in [
        ("line = 4", "it never does anything"),
        ("line = 5\nrecorded = [100, 0]", "outputs.o.recorded[1]: found 0"),
        ("line = 5\nrecorded = []", "the list has 0 elements; accepted is 1 to 20"),
        ("line = 17\nproblem = \"on\"", "the line 17 is taken by `inputs.a.line`"),
        ("line = 5\nproblem = \"flash\"", "on"),
        ("pwm = 4\nrecorded = [9]", "found 4; accepted is 0 to 3"),
        ("pwm = 0\ntone-hz = 10\nrecorded = [9]", "found 10; accepted is 20 to 20000"),
        ("pwm = 0\ntone-hz = 440\nbrightness = 5\nrecorded = [9]", "a tone has no brightness"),
        ("pwm = 0\nline = 5\nrecorded = [9]", "unknown key"),
        ("line = 5\nrecorded = [9]\n[outputs.p]\nline = 5\nrecorded = [9]", "the line 5 is taken by `outputs.o.line`"),
    ] {
        let input = "[inputs.a]\ndriver = \"gpio\"\nline = 17\npress.event = \"e\"";
        let errors = errors(&with(&format!("{input}\n[outputs.o]\n{output}")));
        assert!(errors.len() == 1 && errors[0].contains(said), "{output}: {errors:?}");
    }
}

#[test]
fn what_a_reader_and_the_table_of_people_can_not_be_is_said() {
    let reader = |keys: &str, fields: &str| {
        errors(&with(&format!("[inputs.a]\n{keys}\npress = {{ event = \"e\", fields = {{ {fields} }} }}")))
    };
    let device = "driver = \"reader\"\ndevice = \"HID Reader\"";
    let on = |path: &str| format!("driver = \"reader\"\ndevice = \"{path}\"");
    let badge = "n = \"$badge\"";
    assert_eq!(reader(device, badge), Vec::<String>::new());
    assert_eq!(reader(&on("/dev/input/by-path/x-event-kbd"), "who = \"$person\""), Vec::<String>::new());
    for (keys, fields, said) in [
        (device.to_owned(), "n = 7", "inputs.a.press: no field takes the number that is read"),
        ("driver = \"reader\"".to_owned(), badge, "`device` is missing"),
        ("driver = \"pn532\"".to_owned(), badge, "`bus` is missing"),
        ("driver = \"pn532\"\nbus = 256".to_owned(), badge, "found 256; accepted is a number from 0 to 255"),
        (on("/dev/input/event3"), badge, "`/dev/input/event3` is another device after a restart"),
        (on("/dev/../etc/x"), badge, "is not in /dev"),
        (on("/etc/x"), badge, "is not in /dev"),
        (format!("{device}\nlong-press = {{ event = \"e\" }}"), badge, "inputs.a.long-press: unknown key"),
        (format!("{device}\nturn = {{ choice = \"c\" }}"), badge, "inputs.a.turn: unknown key"),
        ("driver = \"gpio\"\nline = 4".to_owned(), badge, "`$badge` is what a reader reads; this input is none"),
        ("driver = \"gpio\"\nline = 4".to_owned(), "n = \"$person\"", "`$person` is what a reader reads"),
    ] {
        let errors = reader(&keys, fields);
        assert!(errors.len() == 1 && errors[0].contains(said), "{keys}: {errors:?}");
    }
    let choice = "[choices.person]\nlabel = \"Who\"\nitems = [\"Anna\"]\n";
    let line = "[inputs.b]\ndriver = \"gpio\"\nline = 4\npress = { event = \"e\", fields = { n = \"$person\" } }\n";
    assert_eq!(errors(&with(&format!("{choice}{line}"))), Vec::<String>::new(), "a choice may have this name");
    let both = format!("{choice}[inputs.a]\n{device}\npress = {{ event = \"e\", fields = {{ n = \"$person\" }} }}");
    let both = errors(&with(&both));
    assert!(both.len() == 1 && both[0].contains("rename the choice"), "{both:?}");

    let people = |lines: &str| errors(&with(&format!("[people]\n{lines}")));
    assert_eq!(people("0012 = \"Anna\"\n0013 = \"Anna\""), Vec::<String>::new(), "two badges of one person");
    for (lines, said) in [
        ("a1 = \"Anna\"\nA1 = \"Ben\"", "people: this number is there already, in line 3"),
        ("\" 1\" = \"Anna\"", "starts or ends with a space"),
        ("\"\" = \"Anna\"", "people: this is no number of a badge: it is empty"),
        ("1 = 2", "people: found the integer `…`; accepted is a string"),
        ("1 = \"\"", "has 0 characters; accepted is 1 to 60"),
    ] {
        let errors = people(lines);
        assert!(errors.len() == 1 && errors[0].contains(said), "{lines}: {errors:?}");
    }
    // An error goes into the log, and a number opens what it is shown to.
    for lines in [
        "00777 = \"Annabel\"\n00777 = 1",
        "A0777 = \"Annabel\"\na0777 = \"Annabel\"",
        "00777 = \"Annabel \"",
        "\" 00777\" = \"Annabel\"",
        "00777 = [\"Annabel\"]",
        "00777 = { name = \"Annabel\" }",
        "00777 = \"Annabel\u{200b}\"",
        "00777 = \"Annabel",
        "00777 \"Annabel\"",
    ] {
        let text = with(&format!("[people]\n{lines}"));
        let diagnostics = parse_configuration(&text).unwrap_err();
        let said = format!("{}{diagnostics:?}", render_diagnostics(&text, "plugins.toml", &diagnostics));
        assert!(!said.contains("777") && !said.contains("Annabel"), "{lines}: {said}");
    }
}

#[test]
fn who_is_told_and_who_may_ask() {
    let notify = |keys: &str| errors(&with(&format!("[notify]\n{keys}")));
    let reach = "reach = [\"https://ntfy.sh/\"]";
    assert_eq!(notify(&format!("url = \"https://ntfy.sh/door\"\n{reach}")), Vec::<String>::new());
    assert_eq!(notify(&format!("url = {{ file = \"url\" }}\n{reach}\nafter = \"90s\"")), Vec::<String>::new());
    for (keys, said) in [
        ("url = \"https://example.org/door\"", "is not covered by `reach`"),
        ("url = \"ntfy.sh/door\"", "is not an absolute URL"),
        ("url = 5", "accepted is `{ credential"),
        ("url = \"https://ntfy.sh/door\"\nafter = \"9s\"", "found `9s`; accepted is `10s` to `24h`"),
        ("url = \"https://ntfy.sh/door\"\njson = \"\"", "has 0 characters"),
    ] {
        let errors = notify(&format!("{keys}\n{reach}"));
        assert!(errors.len() == 1 && errors[0].contains(said), "{keys}: {errors:?}");
        assert!(!errors[0].contains("/door"), "a URL may be a secret: {errors:?}");
    }
    let metrics = |listen: &str| errors(&with(&format!("[metrics]\nlisten = \"{listen}\"")));
    for good in ["127.0.0.1:9464", "[::1]:9464", "/run/punchcard/metrics.sock"] {
        assert_eq!(metrics(good), Vec::<String>::new());
    }
    for (bad, said) in
        [("0.0.0.0:9464", "is open to others"), ("9464", "found `9464`"), ("run/x.sock", "absolute path")]
    {
        assert!(metrics(bad)[0].contains(said), "{:?}", metrics(bad));
    }
}

#[test]
fn ways_of_the_device_are_words() {
    let read = |text: &str| parsed(&with(text));
    assert_eq!(read("").backend, Backend::Native);
    assert_eq!(read("runtime.backend = \"pulley\"").backend, Backend::Pulley);
    assert!(errors(&with("runtime.backend = \"jit\""))[0].contains("accepted are `native`, `pulley`"));
    let rppal = "hardware.adapter = \"rppal\"\n[inputs.a]\ndriver = \"gpio\"\nline = 4\npress.event = \"e\"";
    let trigger = &read(rppal).inputs[&InputName::parse("a").unwrap()].trigger;
    assert!(matches!(trigger, Trigger::Line { chip: Chip::Rppal, .. }), "{trigger:?}");
    let chip = errors(&with(&format!("{rppal}\nchip = \"pinctrl-rp1\"")));
    assert!(chip[0].contains("`rppal` knows the chip of the header alone"), "{chip:?}");
}

#[test]
fn inputs_share_neither_keys_nor_lines() {
    let gpio = |chip: &str, line: u8| format!("driver = \"gpio\"\n{chip}\nline = {line}\npress.event = \"e\"");
    let chip = "chip = \"9030000.pl061\"";
    let header = "chip = \"pinctrl-rp1\"";
    let knob = |lines: &str| format!("driver = \"encoder\"\nlines = {lines}\nturn.choice = \"c\"");
    let key = |key: &str| format!("driver = \"keyboard\"\nkey = \"{key}\"\npress.event = \"e\"");
    let on = |letter: &str, device: &str| format!("device = \"{device}\"\n{}", key(letter));
    let reader = |device: &str| {
        format!(
            "driver = \"reader\"\ndevice = \"{device}\"\npress = {{ event = \"e\", fields = {{ n = \"$badge\" }} }}"
        )
    };
    let pn532 = |bus: &str| {
        format!("driver = \"pn532\"\nbus = {bus}\npress = {{ event = \"e\", fields = {{ n = \"$badge\" }} }}")
    };
    for (one, other, said) in [
        (gpio("", 4), gpio("", 5), None),
        (gpio("", 4), gpio(chip, 4), None),
        (gpio("", 4), gpio("", 4), Some("the line 4 is taken by `inputs.a.line`, in line 8")),
        (gpio(chip, 4), gpio(chip, 4), Some("the line 4 is taken by `inputs.a.line`, in line 8")),
        (gpio(header, 4), gpio("", 4), Some("the line 4 is taken by `inputs.a.line`, in line 8")),
        (gpio("", 4), knob("[3, 5]"), None),
        (gpio("", 4), knob("[3, 4]"), Some("the line 4 is taken")),
        (knob("[3, 4]"), gpio("", 3), Some("the line 3 is taken by `inputs.a.lines`")),
        (knob("[3, 4]"), knob("[5, 6]"), None),
        (knob("[3, 4]"), knob("[4, 5]"), Some("the line 4 is taken")),
        (key("a"), key("b"), None),
        (key("a"), gpio("", 4), None),
        (key("a"), key("a"), Some("the key `a` is taken by `inputs.a.key`, in line 7")),
        (key("a"), on("a", "pad"), None),
        (on("a", "pad"), on("b", "pad"), None),
        (on("a", "pad"), on("a", "other"), None),
        (on("a", "pad"), on("a", "pad"), Some("the key `a` of `pad` is taken by `inputs.a.key`, in line")),
        (on("a", "pad"), reader("pad"), Some("the device `pad` is taken by `inputs.a.key`")),
        (reader("pad"), reader("pad"), Some("the device `pad` is taken by `inputs.a.device`")),
        (reader("pad"), reader("other"), None),
        (pn532("1"), pn532("3"), None),
        (pn532("1"), reader("pad"), None),
        (pn532("1"), pn532("\"/dev/i2c-1\""), Some("the PN532 on /dev/i2c-1 is taken by `inputs.a.bus`")),
    ] {
        let text =
            with(&format!("[choices.c]\nlabel = \"c\"\nitems = [\"1\"]\n[inputs.a]\n{one}\n[inputs.b]\n{other}"));
        let (read, diagnostics) = parse_what_is_valid(&text);
        match said {
            None => assert_eq!(diagnostics, [], "{text}"),
            Some(said) => {
                assert_eq!(diagnostics.len(), 1, "{text}");
                assert!(diagnostics[0].message.starts_with(said), "{}", diagnostics[0]);
                assert!(diagnostics[0].key.starts_with("inputs.b."), "{}", diagnostics[0]);
                assert_eq!(names(&read.inputs), ["a"], "the first in the text is kept");
            }
        }
    }
}
