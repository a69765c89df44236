//! Numbers, texts, lists and time zones have bounds.

use super::*;

#[test]
fn numbers_have_bounds() {
    for (section, key, least, most) in [
        ("limits", "call-ms", 10, 60_000),
        ("limits", "memory-mib", 1, 1024),
        ("limits", "state-kib", 1, 16_384),
        ("limits", "rows-per-event", 1, 100_000),
        ("limits", "answer-mib", 1, 256),
        ("limits", "log-lines-per-minute", 0, 60_000),
        ("history", "keep-days", 1, 36_500),
        ("history", "keep-mib", 1, 65_536),
        ("plugins", "p.path = \"p\"\np.call-ms", 10, 60_000),
        ("plugins", "p.path = \"p\"\np.memory-mib", 1, 1024),
        ("inputs.a", "driver = \"gpio\"\npress.event = \"e\"\nline", 0, 27),
        ("inputs.a", "driver = \"gpio\"\npress.event = \"e\"\nline = 1\ndebounce-ms", 0, 10_000),
        ("inputs.a", "driver = \"gpio\"\npress.event = \"e\"\nline = 1\npress.share-commit-ms", 0, 60_000),
    ] {
        let found = |number: i64| errors(&with(&format!("[{section}]\n{key} = {number}")));
        assert_eq!(found(least), Vec::<String>::new(), "{key}");
        assert_eq!(found(most), Vec::<String>::new(), "{key}");
        for outside in [least - 1, most + 1] {
            let said = format!("found {outside}; accepted is {least} to {most}");
            assert!(matches!(found(outside).as_slice(), [one] if one.ends_with(&said)), "{key}: {:?}", found(outside));
        }
    }
}

#[test]
fn texts_and_lists_have_bounds() {
    let text = |length: usize| "ä".repeat(length);
    let list = |length: usize| (0..length).map(|n| format!("\"e{n}\"")).collect::<Vec<_>>().join(",");
    let table = |length: usize| (0..length).map(|n| format!("e{n} = 1")).collect::<Vec<_>>().join(",");
    let press = |fields: &str| {
        with(&format!(
            "[inputs.a]\ndriver = \"keyboard\"\nkey = \"a\"\npress = {{ event = \"e\", fields = {{ {fields} }} }}"
        ))
    };
    let choice = |label: &str, items: &str| with(&format!("[choices.c]\nlabel = \"{label}\"\nitems = [{items}]"));
    let grant = |reach: &str, settings: &str, secrets: &str| {
        with(&format!(
            "[plugins]\np = \"p\"\n[grants.g]\nplugin = \"p\"\nreach = [{reach}]\naudience = [\"https://x\"]\n\
             settings = {{ {settings} }}\nsecrets = {{ {secrets} }}"
        ))
    };
    let one = "\"https://x\"";
    let sink = |events: &str| {
        with(&format!(
            "[inputs.a]\ndriver = 5\n[plugins]\np = \"p\"\n[sinks.s]\nevents = [{events}]\nformat = {{ plugin = \"p\" }}\n\
             deliver = {{ plugin = \"p\" }}\nreach = [\"https://x\"]"
        ))
    };
    let urls = |length: usize| (0..length).map(|n| format!("\"https://x{n}\"")).collect::<Vec<_>>().join(",");
    let secrets =
        |length: usize| (0..length).map(|n| format!("s{n} = {{ file = \"f\" }}")).collect::<Vec<_>>().join(",");
    let plugins = |length: usize| {
        with(&format!("[plugins]\n{}", (0..length).map(|n| format!("p{n} = \"p\"\n")).collect::<String>()))
    };
    let nested = |depth: usize| format!("x = {}{}", "[".repeat(depth), "]".repeat(depth));
    let nested_tables = |depth: usize| format!("x = {}{}", "{ x = ".repeat(depth) + "{", "}".repeat(depth + 1));
    for (what, accepted, refused) in [
        ("name", format!("device.name = \"{}\"", text(40)), format!("device.name = \"{}\"", text(41))),
        ("hidden", choice("a", "\"a\""), choice("a\u{200b}", "\"a\"")),
        ("steering", choice("a", "\"a\""), choice("a", "\"a\u{202e}b\"")),
        ("label", choice(&text(40), "\"a\""), choice(&text(41), "\"a\"")),
        ("item", choice("a", &format!("\"{}\"", text(100))), choice("a", &format!("\"{}\"", text(101)))),
        ("items", choice("a", &list(1000)), choice("a", &list(1001))),
        ("no items", choice("a", &list(1)), choice("a", "")),
        ("fields", press(&table(32)), press(&table(33))),
        ("field", press(&format!("t = \"{}\"", text(1000))), press(&format!("t = \"{}\"", text(1001)))),
        ("control", press("t = \"\""), press("t = \"\\t\"")),
        ("name of a field", press("a1 = 1"), press("1a = 1")),
        ("reach", grant(&urls(64), "", ""), grant(&urls(65), "", "")),
        ("settings", grant(one, &table(10_000), ""), grant(one, &table(10_001), "")),
        (
            "list of settings",
            grant(one, &format!("x = [{}]", list(10_000)), ""),
            grant(one, &format!("x = [{}]", list(10_001)), ""),
        ),
        ("depth of lists", grant(one, &nested(15), ""), grant(one, &nested(16), "")),
        ("depth of tables", grant(one, &nested_tables(14), ""), grant(one, &nested_tables(15), "")),
        ("secrets", grant(one, "", &secrets(16)), grant(one, "", &secrets(17))),
        (
            "path",
            with(&format!("plugins.p = \"{}\"", "p".repeat(1024))),
            with(&format!("plugins.p = \"{}\"", "p".repeat(1025))),
        ),
        ("path's characters", with("plugins.p = \"ä b\""), with("plugins.p = \"a\\u0000\"")),
        ("parts", plugins(64), plugins(65)),
    ] {
        let accepted = accepted.replace("device.name = \"x\"\ndevice", "device");
        assert_eq!(errors(&accepted), Vec::<String>::new(), "{what}");
        assert_eq!(errors(&refused).len(), 1, "{what}: {:?}", errors(&refused));
    }
    assert_eq!(errors(&sink(&list(32))).len(), errors(&sink(&list(33))).len() - 1);
}

#[test]
fn a_time_zone_is_known_by_its_iana_name() {
    let zone = |name: &str| errors(&format!("device = {{ name = \"x\", time-zone = \"{name}\" }}"));
    for good in ["UTC", "Europe/Berlin", "Etc/GMT+5", "America/Argentina/Buenos_Aires"] {
        assert_eq!(zone(good), Vec::<String>::new(), "{good}");
    }
    for (bad, help) in [
        ("Europe/Berln", "did you mean `Europe/Berlin`?"),
        ("Brisbane", "did you mean `Australia/Brisbane`?"),
        ("Buenos Aires", "did you mean `America/Argentina/Buenos_Aires`?"),
        ("Etc/Unknown", "such as `Europe/Berlin`"),
        ("", "such as `Europe/Berlin`"),
        ("Middle-earth/Shire", "such as `Europe/Berlin`"),
        // By their letters these resemble `EST`, on the other side of the world, and others.
        ("AEST", "used in `Australia/Brisbane`, `Australia/Canberra`, "),
        ("NZDT", "`Pacific/Auckland` uses this abbreviation"),
        ("PDT", "used in `America/Ensenada`, `America/Los_Angeles`, "),
        ("ist", "used in `Asia/Calcutta`, "),
    ] {
        assert!(matches!(zone(bad).as_slice(), [one] if one.contains(help)), "{bad}: {:?}", zone(bad));
    }
    for none in ["XST", "GTM", "AESTT"] {
        assert!(matches!(zone(none).as_slice(), [one] if one.ends_with("such as `Europe/Berlin`")), "{:?}", zone(none));
    }
}
