//! Repositories that updates come from.

use super::*;

#[test]
fn repositories_are_read() {
    let read = parsed(FULL);
    let repository = |name: &str| &read.repositories[&RepositoryName::parse(name).unwrap()];
    let workshop = repository("workshop");
    let RepositorySource::Url(url) = &workshop.source else { panic!("it is a URL") };
    assert_eq!((url.to_string(), url.private()), ("http://updates.example:8080/punchcard".to_owned(), true));
    assert_eq!(workshop.root, Path::new("workshop.root.json"));
    assert_eq!(workshop.plugins.iter().map(PluginName::as_str).collect::<Vec<_>>(), ["timeclock", "webhook"]);
    assert_eq!((workshop.channel.as_str(), workshop.check_every), ("trial", Duration::from_secs(3600)));
    let window = Window { from_minute: 22 * 60, to_minute: 5 * 60 + 30 };
    assert_eq!((workshop.updates, workshop.window), (Updates::Automatic, Some(window)));
    let stick = repository("stick");
    assert_eq!(stick.source, RepositorySource::Folder("/media/stick/repository".into()));
    assert_eq!((stick.channel.as_str(), stick.check_every), ("stable", Duration::from_secs(6 * 3600)));
    assert_eq!((stick.updates, stick.window), (Updates::Ask, None));
}

#[test]
fn a_repository_that_makes_no_sense_is_refused() {
    let good = ["folder = \"f\"", "root = \"r\"", "plugins = [\"a\"]"];
    let table = [
        ("folder", "url = \"ftp://x.example\"", "ftp"),
        ("folder", "", "one of `url`, `folder` is missing"),
        ("", "url = \"https://x.example\"", "exclude each other"),
        ("root", "", "`root` is missing"),
        ("plugins", "plugins = []", "accepted is 1 to 64"),
        ("plugins", "plugins = [\"c\"]", "`c`"),
        ("plugins", "plugins = [\"b\"]", "comes from the repository of line 5 already"),
        ("", "channel = \"Trial\"", "is no channel"),
        ("", "check-every = \"5min\"", "accepted is `10min` to"),
        ("", "updates = \"always\"", "`automatic`, `ask`, `off`"),
        ("", "window = { from = \"02:00\", to = \"02:00\" }", "are the same"),
        ("", "window = { from = \"2\", to = \"03:00\" }", "a time of day"),
        ("", "mirror = \"x\"", "unknown key"),
    ];
    for (without, instead, message) in table {
        let kept = good.iter().filter(|line| without.is_empty() || !line.starts_with(without));
        let lines: Vec<&str> = kept.copied().chain([instead]).collect();
        let first = "[repositories.first]\nfolder = \"g\"\nroot = \"r\"\nplugins = [\"b\"]";
        let text = with(&format!(
            "{first}\n[repositories.second]\n{}\n[plugins]\na = \"a.wasm\"\nb = \"b.wasm\"",
            lines.join("\n")
        ));
        let found = errors(&text);
        assert!(found.iter().any(|error| error.contains(message)), "{instead}: {found:?}");
    }
}
