//! Sensors: a real plugin with a real driver reads a simulated chip, and what it reads arrives.

use std::fs;
use std::path::{Path, PathBuf};

use punchcard_rig::{Configuration, Key};
use serde_json::{Value, json};

use crate::bench::{Bench, guest, programs};

const PLUGINS: [&str; 5] = ["bme280", "scd4x-co2", "ds18b20", "contact", "for-tests/thermometer"];

const CLIMATE: &str = r#"
[sensors.climate]
plugin = "bme280"
every = "1s"
i2c = { sensor = { address = 0x76 } }
"#;

/// It reads how often it was read.
const COUNTER: &str = r#"
[sensors.climate]
plugin = "thermometer"
every = "1s"
share-commit-ms = 0
settings = { place = "shed", degrees = 1.0, rise = 1.0 }
"#;

/// A device with a sensor, whose readings go into a sheet, and a key; and what is connected to it.
async fn bench(sensors: &str, hardware: &Value) -> Bench {
    let mut bench = Bench::new().await;
    let keys = [Key { key: "1", fields: &[("project", "one")] }];
    let (formatter, settings) = ("readings", r#"{ columns = ["temperature", "humidity", "pressure"] }"#);
    let text = Configuration { device: "bench", keys: &keys, more: sensors, formatter, settings }
        .render(&programs(), &bench.sim.base_url());
    let plugins: String =
        PLUGINS.map(|name| format!("{} = {:?}\n", short(name), guest(name).to_str().expect("a path of text"))).concat();
    let text = text.replace("[plugins]\n", &format!("[plugins]\n{plugins}"));
    bench.configure(&text.replace(r#"events = ["punch"]"#, r#"events = ["punch", "reading"]"#));
    connect(&bench, hardware);
    let file = hardware_file(&bench);
    bench.set_variable("PUNCHCARD_HARDWARE", format!("simulated:{}", file.display()));
    bench
}

/// The name of a plugin, without its folder.
fn short(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn hardware_file(bench: &Bench) -> PathBuf {
    bench.folder().join("hardware.json")
}

/// Has this be connected from now on.
fn connect(bench: &Bench, hardware: &Value) {
    let file = hardware_file(bench);
    let new: &Path = &file.with_extension("new");
    fs::write(new, hardware.to_string()).unwrap();
    fs::rename(new, &file).unwrap();
}

/// A bus with a BME280 in this air.
fn bme280(temperature: f64) -> Value {
    let chip = json!({ "chip": "bme280", "temperature": temperature, "humidity": 41.5, "pressure": 998.25 });
    json!({ "i2c": { "/dev/i2c-1": { "chips": { "0x76": chip } } } })
}

/// The rows below the titles, without their time.
fn rows(bench: &Bench) -> Vec<Vec<String>> {
    let tables = bench.spreadsheets();
    let [table] = tables.as_slice() else { panic!("{tables:?}") };
    let tab = table.tabs.iter().find(|tab| tab.title == "Punches").expect("the tab");
    tab.rows.iter().skip(1).map(|row| row[1..4].to_vec()).collect()
}

fn sensor(report: &Value) -> &Value {
    &report["sensors"][0]
}

/// Waits until the sensor fails, and returns why.
async fn failure(bench: &mut Bench, with: &str) -> String {
    let report = bench
        .until(&format!("it fails with {with}"), |report| {
            let sensor = sensor(report);
            sensor["status"] == "failing" && sensor["reason"].as_str().is_some_and(|reason| reason.contains(with))
        })
        .await;
    sensor(&report)["reason"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_chip_measures_arrives_in_the_sheet() {
    let mut bench = bench(CLIMATE, &bme280(25.08)).await;
    bench.start().await;
    bench.sign_in().await;
    let report = bench.until("it is read", |report| sensor(report)["status"] == "reading").await;
    assert_eq!(report["simulated-hardware"], true);
    let fields = sensor(&report)["last"]["fields"].as_array().unwrap();
    assert_eq!(fields[0], json!({ "name": "temperature", "value": { "number": 25.08 } }));
    connect(&bench, &bme280(26.5));
    bench.until("the air has changed", |report| sensor(report)["last"]["fields"][0]["value"]["number"] == 26.5).await;
    bench.until("rows are delivered", |report| report["sinks"][0]["rows-delivered"].as_u64() >= Some(2)).await;
    bench.stop().await;
    let rows = rows(&bench);
    assert_eq!(rows[0][0], "25.08");
    assert!(rows.iter().any(|row| row[0] == "26.5" && row[1].starts_with("41.") && row[2] == "998.25"), "{rows:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_a_chip_is_said_and_the_rest_is_recorded() {
    let with = |bus: Value| json!({ "i2c": { "/dev/i2c-1": bus } });
    // Asked when the bus is opened.
    let mut bench = bench(CLIMATE, &with(json!({ "fault": "not-permitted" }))).await;
    bench.start_only();
    failure(&mut bench, "the group i2c").await;
    let doctor = bench.command(&["doctor", "--no-network", "--no-picture", "--json"]).await;
    let doctor: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let found = doctor["findings"].as_array().unwrap().iter().find(|found| found["check"] == "sensor climate");
    assert_eq!(found.map(|found| &found["verdict"]), Some(&json!("bad")), "{doctor:#}");
    connect(&bench, &bme280(20.0));
    let chip = |chip: Value| json!({ "0x76": chip });
    let at_another = json!({ "0x77": { "chip": "bme280" } });
    for (hardware, says) in [
        (json!({ "i2c": { "/dev/i2c-0": {} } }), "no such bus; turn I2C on"),
        (with(json!({ "chips": at_another })), "speaking to address 0x76: no answer; look whether the chip has power"),
        (with(json!({ "chips": chip(json!({ "chip": "bme280", "id": 0x58 })) })), "it is a BMP280"),
        (with(json!({ "chips": chip(json!({ "chip": "bme280", "stuck": 0xff })) })), "no chip at all"),
        (with(json!({ "chips": chip(json!({ "chip": "bme280", "temperature": 3_000.0 })) })), "answers nonsense"),
        (with(json!({ "fault": "stuck-low" })), "a line is stuck low"),
    ] {
        bench.until("it is read", |report| sensor(report)["status"] == "reading").await;
        connect(&bench, &hardware);
        let reason = failure(&mut bench, says).await;
        assert!(reason.contains(says), "{reason}");
        // What hands do goes on.
        let before = bench.until("it answers", |_| true).await["events"].as_u64();
        bench.press_only("one").await;
        bench.until("a press is recorded", |report| report["events"].as_u64() > before).await;
        connect(&bench, &bme280(20.0));
    }
    let status = bench.printed(&["status"]).await;
    assert!(status.contains("sensor climate") && status.contains("simulated"), "{status}");
    bench.until("it is read again", |report| sensor(report)["status"] == "reading").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_does_not_return_holds_up_its_own_sensors_alone() {
    let boiler =
        "[sensors.boiler]\nplugin = \"ds18b20\"\nevery = \"1s\"\none-wire = { sensor = \"28-0316a2795cff\" }\n";
    let mut bench = bench(&format!("{boiler}{CLIMATE}"), &json!({})).await;
    let hanging = json!({
        "i2c": { "/dev/i2c-1": { "fault": "hangs" } },
        "one-wire": { "28-0316a2795cff": 61.25 },
    });
    connect(&bench, &hanging);
    // A poll has ten times this.
    let plugin = format!("{:?}", guest("bme280").to_str().unwrap());
    bench.reconfigure(&format!("bme280 = {plugin}"), &format!("bme280 = {{ path = {plugin}, call-ms = 50 }}"));
    bench.start_only();
    let report = bench
        .until("it is said twice", |report| report["sensors"][1]["status"] == "failing" && report["events"] != 0)
        .await;
    let reason = report["sensors"][1]["reason"].as_str().unwrap();
    assert!(reason.contains("no answer has come yet") && reason.contains("/dev/i2c-1"), "{reason}");
    assert_eq!(report["sensors"][0]["last"]["fields"][0]["value"]["number"], 61.25);
    // However often it was tried, one thread waits.
    bench.until("it was tried again", |_| true).await;
    connect(&bench, &bme280(19.0));
    bench.until("it is read", |report| report["sensors"][1]["status"] == "reading").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_is_read_on_the_line_that_is_lent_with_power_from_another_one() {
    let door = r#"
[sensors.door]
plugin = "contact"
every = "1s"
settings = { only-changes = true, power-ms = 1 }
lines = { contact = { line = 22 }, power = { line = 23, direction = "out" } }
"#;
    let at = |level: &str| json!({ "lines": { "22": level, "23": "low" } });
    let mut bench = bench(door, &at("high")).await;
    bench.reconfigure(r#"columns = ["temperature""#, r#"columns = [{ field = "closed", kind = "flag" }"#);
    bench.start().await;
    bench.sign_in().await;
    let is_closed = |report: &Value, expected: bool| {
        sensor(report)["last"]["fields"][0]["value"] == json!({ "flag": expected })
            && sensor(report)["status"] == "reading"
    };
    bench.until("the door is open", |report| is_closed(report, false)).await;
    connect(&bench, &at("low"));
    bench.until("it is closed", |report| is_closed(report, true)).await;
    connect(&bench, &json!({ "lines": { "22": "low" } }));
    failure(&mut bench, "line 23 is not there").await;
    connect(&bench, &at("high"));
    bench.until("it is open again", |report| is_closed(report, false)).await;
    bench.until("rows are there", |report| report["sinks"][0]["rows-delivered"] == 3).await;
    bench.stop().await;
    let told: Vec<String> = rows(&bench).into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(told, ["FALSE", "TRUE", "FALSE"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_loses_and_doubles_no_reading_of_a_plugin_that_counts() {
    let mut bench = bench(COUNTER, &json!({})).await;
    for events in [2, 4, 6] {
        bench.start().await;
        bench.until("it is read", |report| report["events"].as_u64() >= Some(events)).await;
        bench.kill().await;
    }
    bench.start().await;
    bench.sign_in().await;
    bench.settle().await;
    bench.until("rows are there", |report| report["sinks"][0]["rows-delivered"].as_u64() >= Some(6)).await;
    bench.stop().await;
    let counts: Vec<u64> = rows(&bench).iter().map(|row| row[0].parse().unwrap()).collect();
    assert_eq!(counts, (1..=u64::try_from(counts.len()).unwrap()).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn several_sensors_share_a_bus_with_the_panel_and_are_replaced_one_by_one() {
    let sensors = r#"
[sensors.air]
plugin = "scd4x-co2"
every = "1s"
i2c = { sensor = { address = 0x62 } }
"#;
    let mut bench = bench(&format!("{sensors}{CLIMATE}"), &json!({})).await;
    bench.reconfigure("driver = \"none\"", "driver = \"ssd1306\"");
    let chips = |celsius: f64| {
        json!({ "i2c": { "/dev/i2c-1": { "chips": {
            "0x3c": { "chip": "ssd1306", "height": 32 },
            "0x62": { "chip": "scd4x", "co2": 812, "temperature": celsius },
            "0x76": { "chip": "bme280", "temperature": celsius },
        } } } })
    };
    connect(&bench, &chips(21.0));
    bench.start_only();
    let report = bench
        .until("both are read", |report| {
            let sensors = report["sensors"].as_array().unwrap();
            sensors.len() == 2 && sensors.iter().all(|sensor| sensor["status"] == "reading")
        })
        .await;
    assert_eq!(report["sensors"][0]["last"]["fields"][0], json!({ "name": "co2", "value": { "integer": 812 } }));
    assert_eq!(report["problems"], json!([]), "the panel is on");
    bench.reconfigure("address = 0x76", "address = 0x77");
    let reloaded = bench.printed(&["reload"]).await;
    assert!(reloaded.contains("sensors.climate") && reloaded.contains("its configuration changed"), "{reloaded}");
    let report = bench.until("it fails", |report| report["sensors"][1]["status"] == "failing").await;
    assert_eq!(report["sensors"][0]["status"], "reading");
    bench.reconfigure(sensors, "");
    bench.printed(&["reload"]).await;
    bench.until("one is gone", |report| report["sensors"].as_array().unwrap().len() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_knows_plugins_settings_and_what_is_lent() {
    let mut bench = bench(CLIMATE, &json!({})).await;
    // What it compiles is kept for `check`.
    bench.start().await;
    bench.stop().await;
    assert!(bench.printed(&["check"]).await.contains("1 inputs, 1 sensors, 1 sinks"));
    for (from, to, says) in [
        ("sensor = { address", "senser = { address", "rename `i2c.senser`"),
        ("plugin = \"bme280\"", "plugin = \"readings\"", "sensors.climate.plugin"),
        ("every = \"1s\"", "every = \"1s\"\nsettings = { temperature-offset = 99 }", "accepted is -20 to 20"),
        ("i2c = ", "one-wire = { sensor = \"28-0316a2795cff\" }\ni2c = ", "opens no 1-Wire device `sensor`"),
    ] {
        bench.reconfigure(from, to);
        let checked = bench.command(&["check"]).await;
        let said = String::from_utf8(checked.stderr).unwrap();
        assert!(!checked.status.success() && said.contains(says), "{said}");
        bench.reconfigure(to, from);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_a_full_card_refuses_is_said_and_not_counted() {
    let mut bench = bench(COUNTER, &json!({})).await;
    bench.start().await;
    bench.until("it is read", |report| report["events"].as_u64() >= Some(1)).await;
    bench.stop().await;
    bench.start_with_files_of_at_most(400).await;
    let mut presses = 0;
    while !bench.log().contains("not read meanwhile") {
        presses += 1;
        assert!(presses < 600, "the card is never full");
        bench.press_only("one").await;
    }
    let reason = failure(&mut bench, "not read meanwhile").await;
    assert!(reason.contains("the event was not recorded"), "{reason}");
    bench.stop().await;
    bench.start().await;
    bench.until("it is read again", |report| sensor(report)["status"] == "reading").await;
    bench.sign_in().await;
    bench.settle().await;
    bench.stop().await;
    let readings: Vec<u64> = rows(&bench).iter().filter_map(|row| row[0].parse().ok()).collect();
    assert_eq!(readings, (1..=u64::try_from(readings.len()).unwrap()).collect::<Vec<_>>());
}
