//! Tokens that are sealed: a card that was taken out gives none, and what a lost key costs is said.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::bench::{Bench, configuration};

const VAULT: &str = "[vault]\nkey = { file = \"vault-key\" }\n\n[plugins]";

impl Bench {
    fn write_key(&self, key: &str) {
        let path = self.folder().join("vault-key");
        fs::write(&path, key).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }

    /// What stands on the card of the grant's tokens.
    fn tokens_on_card(&self) -> String {
        fs::read_to_string(self.state().join("vault/google.json")).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_sealed_at_a_start_and_open_with_their_key_alone() {
    let mut bench = Bench::signed_in().await;
    bench.press("one").await;
    bench.settle().await;
    bench.stop().await;
    assert!(bench.tokens_on_card().contains("refresh-token"));

    // A person gives it a key: the next start seals, and signs in silently.
    bench.write_key("correct horse battery staple\n");
    let text = configuration(&bench.sim.base_url()).replace("[plugins]", VAULT);
    bench.configure(&text);
    bench.start().await;
    bench.press("two").await;
    bench.settle().await;
    let sealed = bench.tokens_on_card();
    assert!(!sealed.contains("token") && sealed.contains("\"sealed\":1"), "{sealed}");
    bench.stop().await;

    // Without the key nothing is delivered and nothing is lost, and what is wrong is said.
    bench.configure(&configuration(&bench.sim.base_url()));
    bench.start().await;
    bench.press("three").await;
    let report = bench.until("it says so", |report| report.to_string().contains("are sealed")).await;
    assert_eq!(report["sinks"][0]["rows-in-flight"], 0);
    bench.stop().await;
    bench.configure(&text);
    bench.write_key("another key, and a wrong one\n");
    bench.start().await;
    bench.until("it says so", |report| report.to_string().contains("another key")).await;
    bench.stop().await;
    bench.write_key("short\n");
    bench.start().await;
    bench.until("it says so", |report| report.to_string().contains("shorter than 16 characters")).await;
    bench.stop().await;
    assert_eq!(bench.tokens_on_card(), sealed);

    // With it everything goes on, and with `sealed = false` the card holds what it held at first.
    bench.write_key("correct horse battery staple\n");
    bench.configure(&text.replace("\"vault-key\" }", "\"vault-key\" }\nsealed = false"));
    bench.start().await;
    bench.settle().await;
    bench.stop().await;
    assert!(bench.tokens_on_card().contains("refresh-token"));
    bench.configure(&configuration(&bench.sim.base_url()));
    bench.start().await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two", "three"]);
    assert_eq!(bench.sim.count("oauth.deviceCode"), 1, "nobody was asked again");
}
