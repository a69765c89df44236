//! A frame as a picture in PNG that looks like the panel: pale blue on black glass.

use thiserror::Error;

use super::frame::Frame;

/// Red, green, blue.
const BEZEL: [u8; 3] = [0x2b, 0x2f, 0x36];
const GLASS: [u8; 3] = [0x05, 0x07, 0x0a];
const DARK: [u8; 3] = [0x0c, 0x10, 0x16];
const LIT: [u8; 3] = [0xc4, 0xec, 0xff];

/// Places in the palette.
const PALETTE: [[u8; 3]; 4] = [BEZEL, GLASS, DARK, LIT];
const BEZEL_INDEX: u8 = 0;
const GLASS_INDEX: u8 = 1;
const DARK_INDEX: u8 = 2;
const LIT_INDEX: u8 = 3;

/// Pixels of the panel from the picture's edge to the glass, and from there to the first pixel.
const BEZEL_WIDTH: u32 = 2;
const GLASS_WIDTH: u32 = 4;

/// Why there is no picture.
#[derive(Debug, Error)]
#[error("the panel's picture could not be encoded as PNG")]
pub struct PictureError(#[from] png::EncodingError);

/// The picture with its surroundings. `scale` is the side of a panel's pixel in pixels of the picture, 1 to 32: outside
/// of this the nearest is taken. From 4 on the gaps between the panel's pixels can be seen.
///
/// # Errors
/// When the encoder refuses.
pub fn render_png(frame: &Frame, scale: u32) -> Result<Vec<u8>, PictureError> {
    let scale = scale.clamp(1, 32);
    let around = BEZEL_WIDTH + GLASS_WIDTH;
    let width = (frame.size().width() + 2 * around) * scale;
    let height = (frame.size().height() + 2 * around) * scale;
    let pixels: Vec<u8> =
        (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| color(frame, scale, x, y)).collect();

    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(PALETTE.concat());
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(file)
}

/// The palette's place for a pixel of the picture.
fn color(frame: &Frame, scale: u32, x: u32, y: u32) -> u8 {
    let around = BEZEL_WIDTH + GLASS_WIDTH;
    let (column, row) = (x / scale, y / scale);
    let within = |margin: u32| {
        let columns = margin..frame.size().width() + 2 * around - margin;
        let rows = margin..frame.size().height() + 2 * around - margin;
        columns.contains(&column) && rows.contains(&row)
    };
    let gap = scale >= 4 && (x % scale == scale - 1 || y % scale == scale - 1);
    if !within(BEZEL_WIDTH) {
        BEZEL_INDEX
    } else if !within(around) || gap {
        GLASS_INDEX
    } else if frame.is_lit(column - around, row - around) {
        LIT_INDEX
    } else {
        DARK_INDEX
    }
}

#[cfg(test)]
mod tests {
    use embedded_graphics::Pixel;
    use embedded_graphics::draw_target::DrawTarget;
    use embedded_graphics::geometry::Point;
    use embedded_graphics::pixelcolor::BinaryColor;

    use super::*;
    use crate::frame::FrameSize;

    fn decoded(file: &[u8]) -> (u32, u32, Vec<u8>) {
        let decoder = png::Decoder::new(std::io::Cursor::new(file));
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width, info.height, pixels)
    }

    #[test]
    fn a_picture_shows_glass_and_bezel_around_the_pixels() {
        let mut frame = Frame::new(FrameSize::Low);
        let Ok(()) = frame.draw_iter([Pixel(Point::new(0, 0), BinaryColor::On)]);
        let (width, height, pixels) = decoded(&render_png(&frame, 1).unwrap());
        assert_eq!((width, height), (140, 44));
        let row = |y: usize| pixels[y * 140..y * 140 + 8].to_vec();
        assert_eq!(row(0), [0; 8]);
        assert_eq!(row(2), [0, 0, 1, 1, 1, 1, 1, 1]);
        assert_eq!(row(6), [0, 0, 1, 1, 1, 1, 3, 2]);
        assert_eq!(row(43), [0; 8]);
        assert_eq!(pixels.iter().filter(|pixel| **pixel == 3).count(), 1);
    }

    #[test]
    fn large_pixels_have_gaps() {
        let mut frame = Frame::new(FrameSize::High);
        let Ok(()) = frame.fill_solid(&frame_area(), BinaryColor::On);
        let lit = |scale| decoded(&render_png(&frame, scale).unwrap()).2.iter().filter(|pixel| **pixel == 3).count();
        assert_eq!(lit(3), 128 * 64 * 9);
        assert_eq!(lit(4), 128 * 64 * 9);
    }

    fn frame_area() -> embedded_graphics::primitives::Rectangle {
        embedded_graphics::primitives::Rectangle::new(Point::zero(), (128, 64).into())
    }

    #[test]
    fn a_scale_is_kept_within_bounds() {
        let frame = Frame::new(FrameSize::Low);
        assert_eq!(decoded(&render_png(&frame, 0).unwrap()).0, 140);
        assert_eq!(decoded(&render_png(&frame, u32::MAX).unwrap()).0, 140 * 32);
    }
}
