//! Sensors: a real plugin with a real driver reads a simulated chip, and what it reads arrives.

use std::fs;
use std::path::{Path, PathBuf};

use punchcard_rig::{Configuration, Key};
use serde_json::{Value, json};

use crate::bench::{Bench, guest, programs};

const CLIMATE: &str = r#"
[sensors.climate]
plugin = "bme280"
every = "1s"
i2c = { sensor = { address = 0x76 } }
"#;

/// A device with a sensor, whose readings go into a sheet, and a key; and what is connected to it.
async fn bench(sensors: &str, hardware: &Value) -> Bench {
    let mut bench = Bench::new().await;
    let keys = [Key { key: "1", fields: &[("project", "one")] }];
    let (formatter, settings) = ("readings", r#"{ columns = ["temperature", "humidity", "pressure"] }"#);
    let text = Configuration { device: "bench", keys: &keys, more: sensors, formatter, settings }
        .render(&programs(), &bench.sim.base_url());
    let plugins: String =
        ["bme280"].map(|name| format!("{name} = {:?}\n", guest(name).to_str().expect("a path of text"))).concat();
    let text = text.replace("[plugins]\n", &format!("[plugins]\n{plugins}"));
    bench.configure(&text.replace(r#"events = ["punch"]"#, r#"events = ["punch", "reading"]"#));
    connect(&bench, hardware);
    let file = hardware_file(&bench);
    bench.set_variable("PUNCHCARD_HARDWARE", format!("simulated:{}", file.display()));
    bench
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
    bench
        .until("the air has changed", |report| sensor(report)["last"]["fields"][0]["value"]["number"] == 26.5)
        .await;
    bench.until("rows are delivered", |report| report["sinks"][0]["rows-delivered"].as_u64() >= Some(2)).await;
    bench.stop().await;
    let rows = rows(&bench);
    assert_eq!(rows[0][0], "25.08");
    assert!(rows.iter().any(|row| row[0] == "26.5" && row[1].starts_with("41.") && row[2] == "998.25"), "{rows:?}");
}
