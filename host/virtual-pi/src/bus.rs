//! The process that is a bus: it plugs the adapter into the kernel and answers until the kernel lets go, or it is ended.

use std::fs;
use std::os::fd::{AsRawFd as _, IntoRawFd as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context as _, Result};
use punchcard_chips::{Air, Bme280, Bus, Glass, Ssd1306};

use crate::panel;
use crate::tiny_usb::TinyUsb;
use crate::usb_ip::{Request, answer_control, answer_unlink, read_request};

/// The controller that devices are plugged into without a plug (tools/usb/usbip/libsrc/vhci_driver.c).
const CONTROLLER: &str = "/sys/devices/platform/vhci_hcd.0";
/// `VDEV_ST_NULL`: nothing is plugged in there.
const FREE: &str = "004";
/// `USB_SPEED_HIGH`.
const SPEED: u32 = 3;
/// Bus 1, device 2 of the machine that it comes from, of which there is none.
const DEVICE: u32 = 0x0001_0002;

/// Where the panel is, and the sensor.
const PANEL: u8 = 0x3c;
const SENSOR: u8 = 0x76;

/// Is a bus. `socket`: where it tells what the panel on it shows.
pub(crate) fn run(socket: &Path) -> Result<()> {
    let bus = Bus::new();
    let chip = bus.attach(PANEL, Ssd1306::new(Glass::HIGH));
    let _sensor = bus.attach(SENSOR, Bme280::new(Air::default()));
    panel::serve(socket, chip)?;
    let mut kernel = plug_in()?;
    let mut adapter = TinyUsb::new(bus);
    while let Some(request) = read_request(&mut kernel).context("cannot read what the kernel asks")? {
        let answered = match request {
            Request::Control { number, is_to_host, length, setup, sent } => {
                let mut answer = adapter.answer(setup, &sent);
                if let Some(answer) = &mut answer {
                    answer.truncate(if is_to_host { length } else { 0 });
                }
                answer_control(&mut kernel, number, sent.len(), answer.as_deref())
            }
            Request::Unlink { number } => answer_unlink(&mut kernel, number),
        };
        answered.context("cannot answer the kernel")?;
    }
    Ok(())
}

/// Plugs a device in, and returns its end of the connection.
fn plug_in() -> Result<UnixStream> {
    let status = format!("{CONTROLLER}/status");
    let text = fs::read_to_string(&status).with_context(|| format!("cannot read {status}; is vhci-hcd loaded?"))?;
    let port = find_free_port(&text).with_context(|| format!("no port is free in {status}"))?;
    let (theirs, ours) = UnixStream::pair().context("cannot make a connection")?;
    let attach = format!("{CONTROLLER}/attach");
    fs::write(&attach, format!("{port} {} {DEVICE} {SPEED}", theirs.as_raw_fd()))
        .with_context(|| format!("cannot write {attach}"))?;
    // The kernel holds its end by itself from now on, and wants it open here as well until the process ends.
    let _kept_open = theirs.into_raw_fd();
    Ok(ours)
}

/// The first free port for devices of USB 2.0: `hs  0000 004 000 00000000 000000 0-0`.
fn find_free_port(status: &str) -> Option<u32> {
    status.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let (hub, port, state) = (words.next()?, words.next()?, words.next()?);
        (hub == "hs" && state == FREE).then(|| port.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_still_lets_go_of_its_last_device_is_left_alone() {
        let status = "hub port sta spd dev      sockfd local_busid\n\
                      hs  0000 006 003 00010002 000003 3-1\n\
                      hs  0001 004 000 00000000 000000 0-0\n\
                      ss  0008 004 000 00000000 000000 0-0\n";
        assert_eq!(find_free_port(status), Some(1));
        assert_eq!(find_free_port("hub port sta spd dev      sockfd local_busid\n"), None);
    }
}
