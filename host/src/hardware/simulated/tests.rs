use embedded_hal::i2c::I2c as _;

use super::super::Hardware;
use super::*;

const BUS: &str = "/dev/i2c-1";

fn id(bus: &mut super::super::I2cBus) -> Result<u8, String> {
    let mut id = [0];
    bus.write_read(0x76, &[0xd0], &mut id).map_err(|error| error.to_string())?;
    Ok(id[0])
}

#[test]
fn what_the_file_says_is_there_at_the_next_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hardware.json");
    let say = |text: &str| {
        let new = folder.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(&new, &file).unwrap();
    };
    let hardware = Hardware::simulated(Some(file.clone()));
    let path = BusPath::new(BUS.as_ref());
    say("{}");
    let refused = |hardware: &Hardware| hardware.open_i2c(&path).err().map(|error| error.to_string());
    assert!(refused(&hardware).unwrap().contains("no such bus"));
    say(r#"{"i2c":{"/dev/i2c-1":{"fault":"not-permitted"}}}"#);
    assert!(refused(&hardware).unwrap().contains("group i2c"));
    say(r#"{"i2c":{"/dev/i2c-1":{"chips":{"0x76":{"chip":"bme280"}}}}}"#);
    let mut bus = hardware.open_i2c(&path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(id(&mut bus), Ok(0x60));
    say(r#"{"i2c":{"/dev/i2c-1":{"chips":{"0x76":{"chip":"bme280","id":88}}}}}"#);
    assert_eq!(id(&mut bus), Ok(0x58));
    say(r#"{"i2c":{"/dev/i2c-1":{}}}"#);
    assert!(id(&mut bus).unwrap_err().contains("no answer"));
    say(r#"{"i2c":{"/dev/i2c-1":{"fault":"stuck-low"}}}"#);
    assert!(id(&mut bus).unwrap_err().contains("stuck low"));
    say("{}");
    assert!(id(&mut bus).unwrap_err().contains("bus is gone"));
    say(r#"{"i2c":{"/dev/i2c-1":{"chip":{}}}}"#);
    assert!(id(&mut bus).unwrap_err().contains("unknown field"));
}

#[test]
fn what_an_oled_shows_is_written_into_its_picture() {
    let folder = tempfile::tempdir().unwrap();
    let (file, shown) = (folder.path().join("hardware.json"), folder.path().join("shown"));
    let picture = shown.join("panel.json");
    fs::create_dir(&shown).unwrap();
    let chips = serde_json::json!({ "0x3c": { "chip": "ssd1306", "height": 32, "picture": picture } });
    fs::write(&file, serde_json::json!({ "i2c": { BUS: { "chips": chips } } }).to_string()).unwrap();
    let hardware = Hardware::simulated(Some(file));
    let mut bus = hardware.open_i2c(&BusPath::new(BUS.as_ref())).unwrap_or_else(|error| panic!("{error}"));
    let seen = || serde_json::from_str::<serde_json::Value>(&fs::read_to_string(&picture).unwrap()).unwrap();
    // Wired for this glass, upright, with the pump, on.
    bus.write(0x3c, &[0x00, 0xda, 0x02, 0xa8, 0x1f, 0xa1, 0xc8, 0x8d, 0x14, 0x20, 0x00, 0xaf]).unwrap();
    bus.write(0x3c, &[0x00, 0x21, 0, 127, 0x22, 0, 3]).unwrap();
    bus.write(0x3c, &[&[0x40][..], &[0; 512]].concat()).unwrap();
    let dark = vec![".".repeat(128); 32];
    assert_eq!(seen(), serde_json::json!({ "rows": dark, "is-on": true, "complaints": [] }));
    bus.write(0x3c, &[0x40, 0x01]).unwrap();
    let first = seen()["rows"][0].as_str().unwrap().to_owned();
    assert_eq!(first, format!("#{}", ".".repeat(127)));
    bus.write(0x3c, &[0x00, 0xfe]).unwrap();
    assert_eq!(seen()["complaints"].as_array().unwrap().len(), 1);
    fs::remove_dir_all(shown).unwrap();
    let error = bus.write(0x3c, &[0x40, 0x01]).unwrap_err();
    assert!(error.to_string().contains("panel.json"), "{error}");
}

#[test]
fn without_a_file_there_is_one_of_each_and_the_usual_temperature() {
    let hardware = Hardware::simulated(None);
    let mut bus = hardware.open_i2c(&BusPath::of_number(7)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(id(&mut bus), Ok(0x60));
    bus.write(0x3c, &[0x00, 0xe3]).unwrap();
    let answer = hardware.read_one_wire(&OneWireId::parse("28-0316a2795cff").unwrap()).unwrap();
    assert!(answer.ends_with("t=21000\n"), "{answer}");
}

#[test]
fn a_badge_comes_and_goes_with_the_file_and_has_the_bytes_of_one() {
    assert_eq!(parse_hexadecimal("04A1b2C3").unwrap(), [4, 0xa1, 0xb2, 0xc3]);
    for bad in ["", "04", "04A1B2C", "04A1B2C3C4", "04A1B2CX", "ä4A1B2C"] {
        assert!(parse_hexadecimal(bad).is_err(), "{bad}");
    }
    let bus = Bus::new();
    let attached = attach(&bus, 0x24, &ChipDescription::Pn532 { badge: None }).unwrap();
    assert!(attached.take(&ChipDescription::Pn532 { badge: Some("04A1B2C3".to_owned()) }).unwrap());
    assert!(attached.take(&ChipDescription::Pn532 { badge: Some("04".to_owned()) }).is_err());
    assert!(!attached.take(&ChipDescription::Ssd1306 { height: 32, picture: None }).unwrap(), "it is another chip");
}
