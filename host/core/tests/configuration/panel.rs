//! The panel on a bus.

use super::*;

/// What an SSD1306 is where only its driver is written.
pub(super) fn usual_oled() -> Oled {
    let (bus, care) = ("/dev/i2c-1".into(), Care::default());
    Oled { chip: OledChip::Ssd1306, bus, address: 0x3c, is_turned: false, care }
}

fn oled(lines: &str) -> Result<Oled, String> {
    let text = with(&format!("[panel]\ndriver = \"ssd1306\"\n{lines}"));
    match parse_configuration(&text).map(|read| read.panel.driver) {
        Ok(PanelDriver::Oled(oled)) => Ok(oled),
        Ok(other) => panic!("{other:?}"),
        Err(diagnostics) => Err(diagnostics[0].message.clone()),
    }
}

#[test]
fn a_bus_is_a_number_or_a_device_file() {
    let table = [
        ("0", "/dev/i2c-0"),
        ("255", "/dev/i2c-255"),
        ("\"/dev/i2c-20\"", "/dev/i2c-20"),
        ("\"/dev/i2c/panel\"", "/dev/i2c/panel"),
    ];
    for (good, path) in table {
        assert_eq!(oled(&format!("bus = {good}")).unwrap().bus, PathBuf::from(path));
    }
    for bad in ["-1", "256", "true", "\"\"", "\"/dev\"", "\"i2c-1\"", "\"/dev/i2c-1/../x\"", "\"/tmp/i2c-1\""] {
        assert!(oled(&format!("bus = {bad}")).is_err(), "{bad}");
    }
}

#[test]
fn how_an_oled_is_spared_is_read() {
    let night = |from_minute, to_minute, contrast| Some(Night { from_minute, to_minute, contrast });
    let usual = Care::default();
    let table = [
        ("contrast = 0", Care { contrast: 0, ..usual }),
        ("night = { from = \"22:00\", to = \"06:00\" }", Care { night: night(1320, 360, 1), ..usual }),
        ("night = { from = \"00:00\", to = \"23:59\", contrast = 0 }", Care { night: night(0, 1439, 0), ..usual }),
        ("blank-after = \"10s\"", Care { blank_after: Some(Duration::from_secs(10)), ..usual }),
        ("blank-after = \"24h\"", Care { blank_after: Some(Duration::from_secs(86_400)), ..usual }),
    ];
    for (line, care) in table {
        assert_eq!(oled(line), Ok(Oled { care, ..usual_oled() }), "{line}");
    }
    let table = [
        ("rotation = 90", "found 90; accepted are 0 and 180"),
        ("contrast = 256", "found 256; accepted is 0 to 255"),
        ("night = { from = \"22:00\" }", "`to` is missing"),
        ("night = { from = \"24:00\", to = \"06:00\" }", "found `24:00`; accepted is a time of day such as `22:00`"),
        ("night = { from = \"9:00\", to = \"06:00\" }", "found `9:00`; accepted is a time of day such as `22:00`"),
        ("night = { from = \"+9:00\", to = \"06:00\" }", "found `+9:00`; accepted is a time of day such as `22:00`"),
        ("night = { from = \"06:00\", to = \"06:00\" }", "`from` and `to` are the same"),
        ("blank-after = \"9s\"", "found `9s`; accepted is `10s` to `24h`, in `s`, `min` or `h`"),
        ("blank-after = \"25h\"", "found `25h`; accepted is `10s` to `24h`, in `s`, `min` or `h`"),
        ("blank-after = \"10\"", "found `10`; accepted is `10s` to `24h`, in `s`, `min` or `h`"),
        ("blank-after = \"99999999999999999999h\"", "found `99999999999999999999h`; accepted is"),
    ];
    for (line, said) in table {
        let message = oled(line).unwrap_err();
        assert!(message.starts_with(said), "{line}: {message}");
    }
}

#[test]
fn each_chip_has_its_sizes() {
    let size = |lines: &str| parse_configuration(&with(&format!("[panel]\n{lines}"))).map(|read| read.panel.size);
    let table = [
        ("driver = \"ssd1306\"", Some(PanelSize::W128H32)),
        ("driver = \"ssd1306\"\nsize = \"72x40\"", Some(PanelSize::W72H40)),
        ("driver = \"terminal\"\nsize = \"72x40\"", Some(PanelSize::W72H40)),
        ("driver = \"sh1106\"", Some(PanelSize::W128H64)),
        ("driver = \"sh1106\"\nsize = \"128x64\"", Some(PanelSize::W128H64)),
        ("driver = \"sh1106\"\nsize = \"128x32\"", None),
    ];
    for (lines, expected) in table {
        assert_eq!(size(lines).ok(), expected, "{lines}");
    }
    assert_eq!((PanelSize::W72H40.width(), PanelSize::W72H40.height()), (72, 40));
}
