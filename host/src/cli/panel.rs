//! `punchcard panel`.

use std::path::Path;

use super::exit::{Exit, Failure};
use super::output::print_line;
use super::status::unexpected;
use super::{DeviceArguments, small_runtime};
use crate::app::control::{Answer, Question, ask};
use punchcard_panel::Frame;
use punchcard_panel::blocks::{render_ascii_halves, render_half_blocks};
use punchcard_panel::charset::Charset;
use punchcard_panel::picture::render_png;

pub(super) fn panel(device: &DeviceArguments, png: Option<&Path>, scale: u32) -> Result<Exit, Failure> {
    let frame = match small_runtime()?.block_on(ask(&device.state, &Question::Frame))? {
        Answer::Frame { width, height, pages } => Frame::from_pages(width, height, &pages)
            .ok_or_else(|| Failure::general("the running host's panel has a size that is not known here"))?,
        other => return Err(unexpected(other)),
    };
    match png {
        Some(path) => {
            let picture = render_png(&frame, scale).map_err(Failure::general)?;
            std::fs::write(path, picture)
                .map_err(|error| Failure::general(format!("can't write {}: {error}", path.display())))?;
        }
        None => {
            let render = match Charset::of_environment() {
                Charset::Unicode | Charset::HalfBlocks => render_half_blocks,
                Charset::Ascii => render_ascii_halves,
            };
            print_line(render(&frame))?;
        }
    }
    Ok(Exit::Success)
}
