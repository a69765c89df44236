//! A picture in the form that an SSD1306 takes.

use std::convert::Infallible;

use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::pixelcolor::BinaryColor;
use ssd1306::size::{DisplaySize, DisplaySize72x40, DisplaySize128x32, DisplaySize128x64};
/// The panels that there are layouts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameSize {
    /// 128 pixels wide, 32 high.
    Low,
    /// 128 pixels wide, 64 high.
    High,
    /// 72 pixels wide, 40 high.
    Small,
}

impl FrameSize {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Low, Self::High, Self::Small];

    /// Pixels from left to right.
    #[must_use]
    pub const fn width(self) -> u32 {
        match self {
            Self::Low => DisplaySize128x32::WIDTH as u32,
            Self::High => DisplaySize128x64::WIDTH as u32,
            Self::Small => DisplaySize72x40::WIDTH as u32,
        }
    }

    /// Pixels from top to bottom. A multiple of 8.
    #[must_use]
    pub const fn height(self) -> u32 {
        match self {
            Self::Low => DisplaySize128x32::HEIGHT as u32,
            Self::High => DisplaySize128x64::HEIGHT as u32,
            Self::Small => DisplaySize72x40::HEIGHT as u32,
        }
    }
}

/// A picture of one bit a pixel, in the SSD1306's page order (data sheet, section 8.7): a byte is a column of eight
/// pixels, the uppermost in its lowest bit; the bytes of the upper eight rows come first, from left to right.
///
/// It is drawn on with `embedded-graphics`; what falls outside is left out. It starts dark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    size: FrameSize,
    bytes: Vec<u8>,
}

impl Frame {
    /// A dark picture.
    #[must_use]
    pub fn new(size: FrameSize) -> Self {
        let bytes = size.width() * size.height() / 8;
        Self { size, bytes: vec![0; bytes as usize] }
    }

    /// A picture from the bytes of another one. None where they are not those of a panel of this size.
    #[must_use]
    pub fn from_pages(width: u32, height: u32, bytes: &[u8]) -> Option<Self> {
        let size = FrameSize::ALL.into_iter().find(|size| (size.width(), size.height()) == (width, height))?;
        let frame = Self { size, bytes: bytes.to_vec() };
        (frame.bytes.len() == Self::new(size).bytes.len()).then_some(frame)
    }

    /// Its size.
    #[must_use]
    pub fn size(&self) -> FrameSize {
        self.size
    }

    /// The bytes, as the chip's memory holds them.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// So many bytes of a page, from a column on. What is outside is left out.
    #[must_use]
    pub fn page_bytes(&self, page: u8, column: u8, length: u8) -> &[u8] {
        let start = usize::from(page) * self.size.width() as usize + usize::from(column);
        self.bytes.get(start..start + usize::from(length)).unwrap_or_default()
    }

    /// The picture moved by so many pixels to the right and down. What comes to lie outside is left out.
    #[must_use]
    pub fn shifted(&self, (right, down): (u32, u32)) -> Self {
        let mut moved = self.clone();
        for y in 0..self.size.height() {
            for x in 0..self.size.width() {
                let from = x.checked_sub(right).zip(y.checked_sub(down));
                let is_lit = from.is_some_and(|(x, y)| self.is_lit(x, y));
                moved.put(x, y, is_lit);
            }
        }
        moved
    }

    /// Whether the pixel is lit. What is outside is dark.
    #[must_use]
    pub fn is_lit(&self, x: u32, y: u32) -> bool {
        let place = self.place(x, y);
        place.and_then(|(index, bit)| self.bytes.get(index).map(|byte| byte & bit != 0)).unwrap_or(false)
    }

    fn place(&self, x: u32, y: u32) -> Option<(usize, u8)> {
        let width = self.size.width();
        (x < width && y < self.size.height()).then_some(((y / 8 * width + x) as usize, 1 << (y % 8)))
    }

    fn set(&mut self, at: Point, color: BinaryColor) {
        if let (Ok(x), Ok(y)) = (u32::try_from(at.x), u32::try_from(at.y)) {
            self.put(x, y, color.is_on());
        }
    }

    fn put(&mut self, x: u32, y: u32, is_lit: bool) {
        if let Some((index, bit)) = self.place(x, y)
            && let Some(byte) = self.bytes.get_mut(index)
        {
            *byte = if is_lit { *byte | bit } else { *byte & !bit };
        }
    }
}

impl OriginDimensions for Frame {
    fn size(&self) -> Size {
        Size::new(self.size.width(), self.size.height())
    }
}

impl DrawTarget for Frame {
    type Color = BinaryColor;
    type Error = Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = Pixel<BinaryColor>>,
    {
        for Pixel(at, color) in pixels {
            self.set(at, color);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_falls_outside_is_left_out() {
        let mut frame = Frame::new(FrameSize::Low);
        let outside = [(-1, 0), (0, -1), (128, 0), (0, 32), (i32::MIN, i32::MAX)];
        let Ok(()) = frame.draw_iter(outside.map(|(x, y)| Pixel(Point::new(x, y), BinaryColor::On)));
        assert_eq!(frame, Frame::new(FrameSize::Low));
        assert!(!frame.is_lit(128, 0) && !frame.is_lit(0, 32));
    }

    #[test]
    fn a_picture_is_moved_and_what_falls_outside_is_left_out() {
        let mut frame = Frame::new(FrameSize::Small);
        let lit = [(0, 0), (5, 7), (71, 39)].map(|(x, y)| Pixel(Point::new(x, y), BinaryColor::On));
        let Ok(()) = frame.draw_iter(lit);
        let moved = frame.shifted((1, 1));
        let lit: Vec<(u32, u32)> =
            (0..40).flat_map(|y| (0..72).map(move |x| (x, y))).filter(|(x, y)| moved.is_lit(*x, *y)).collect();
        assert_eq!(lit, [(1, 1), (6, 8)]);
        assert_eq!(frame.shifted((0, 0)), frame);
    }

    #[test]
    fn a_pixel_is_lit_and_made_dark_again() {
        let mut frame = Frame::new(FrameSize::High);
        let Ok(()) = frame.draw_iter([Pixel(Point::new(3, 63), BinaryColor::On)]);
        assert!(frame.is_lit(3, 63));
        assert_eq!(frame.bytes()[7 * 128 + 3], 0x80);
        let Ok(()) = frame.draw_iter([Pixel(Point::new(3, 63), BinaryColor::Off)]);
        assert_eq!(frame, Frame::new(FrameSize::High));
    }
}
