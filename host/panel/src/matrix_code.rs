//! A QR code that fits beside a text (ISO/IEC 18004), dark on a lit ground as readers expect it.

use embedded_graphics::Drawable;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::primitives::{Primitive, PrimitiveStyle, Rectangle};
use qrcode::{Color, EcLevel, QrCode};

use super::text::signed;

/// The quiet zone that the standard wants, in modules.
const QUIET_MODULES: u32 = 4;
/// The least quiet zone with which readers find a code, in pixels: around it is the panel's dark glass.
const LEAST_QUIET: u32 = 3;

/// A code and how it is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MatrixCode {
    /// Row by row; true is dark.
    modules: Vec<bool>,
    /// Modules from left to right.
    width: u32,
    /// Pixels from left to right of a module.
    scale: u32,
    /// Pixels around.
    quiet: u32,
}

impl MatrixCode {
    /// The code of an address that fits into a square of `side` pixels. Large modules come before what they say: the
    /// link that needs no typing only where its modules are not smaller than those of the plain address. None: neither
    /// fits.
    pub(super) fn plan(complete_url: Option<&str>, url: &str, side: u32) -> Option<Self> {
        let codes: Vec<_> = complete_url.into_iter().chain([url]).filter_map(encode).collect();
        [2, 1].into_iter().find_map(|scale| codes.iter().find_map(|code| Self::fit(code, scale, side)))
    }

    fn fit(code: &QrCode, scale: u32, side: u32) -> Option<Self> {
        let width = u32::try_from(code.width()).ok()?;
        let quiet = (side.checked_sub(width * scale)? / 2).min(QUIET_MODULES * scale);
        let modules = code.to_colors().into_iter().map(|color| color == Color::Dark).collect();
        (quiet >= LEAST_QUIET).then_some(Self { modules, width, scale, quiet })
    }

    /// Pixels from side to side, with the quiet zone.
    pub(super) fn side(&self) -> u32 {
        self.width * self.scale + 2 * self.quiet
    }

    pub(super) fn draw<D>(&self, target: &mut D, corner: Point) -> Result<(), D::Error>
    where
        D: DrawTarget<Color = BinaryColor>,
    {
        let square = |at, side, color| {
            Rectangle::new(corner + at, Size::new_equal(side)).into_styled(PrimitiveStyle::with_fill(color))
        };
        square(Point::zero(), self.side(), BinaryColor::On).draw(target)?;
        for (index, _) in (0_u32..).zip(&self.modules).filter(|(_, dark)| **dark) {
            let module = Point::new(signed(index % self.width), signed(index / self.width));
            let at = module * signed(self.scale) + Point::new_equal(signed(self.quiet));
            square(at, self.scale, BinaryColor::Off).draw(target)?;
        }
        Ok(())
    }
}

/// At the lowest level of correction: nothing dirties a panel's code, and it can be larger. None: too long for any code.
fn encode(text: &str) -> Option<QrCode> {
    QrCode::with_error_correction_level(text, EcLevel::L).ok()
}

#[cfg(test)]
mod tests {
    use punchcard_core::scene::{Scene, SignIn, View};

    use super::*;
    use crate::Painter;
    use crate::frame::{Frame, FrameSize};

    /// What a reader sees in the frame, magnified as a camera would.
    fn read(frame: &Frame) -> Option<String> {
        const ZOOM: usize = 4;
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(128 * ZOOM, 64 * ZOOM, |x, y| {
            let (x, y) = (u32::try_from(x / ZOOM).unwrap(), u32::try_from(y / ZOOM).unwrap());
            if frame.is_lit(x, y) { 255 } else { 0 }
        });
        image.detect_grids().first().and_then(|grid| grid.decode().ok()).map(|(_, text)| text)
    }

    #[test]
    fn a_reader_reads_what_is_drawn() {
        let google = "https://www.google.com/device";
        let complete = "https://www.google.com/device?user_code=GQVQ-JKEC";
        let long = format!("https://login.example.org/realms/workshop/device?user_code={}", "W".repeat(15));
        let table = [
            // The complete link, the address, what is read, pixels for a module, side.
            (None, "http://a.b/c", "http://a.b/c", 2, 58),
            (None, google, google, 2, 64),
            (Some(complete), google, complete, 2, 64),
            (Some(long.as_str()), google, google, 2, 64),
            (None, long.as_str(), long.as_str(), 1, 41),
        ];
        for (complete_url, url, expected, scale, side) in table {
            let code = MatrixCode::plan(complete_url, url, 64).unwrap();
            assert_eq!((code.scale, code.side()), (scale, side), "{expected}");
            let mut frame = Frame::new(FrameSize::High);
            let Ok(()) = code.draw(&mut frame, Point::new(1, 0));
            assert_eq!(read(&frame).as_deref(), Some(expected));
        }
    }

    #[test]
    fn point_06_the_high_panel_shows_the_code_to_type_and_the_qr_code_at_once() {
        let painted = |user_code: &str| {
            let sign_in = SignIn {
                user_code: user_code.to_owned(),
                url: "https://www.google.com/device".to_owned(),
                complete_url: None,
                purpose: "keep its own files in your Drive".to_owned(),
                seconds_left: 1_799,
            };
            let view = View { scene: Scene::SignIn(sign_in), shown_for_ms: 0 };
            Painter::new(FrameSize::High).paint(&view).frame
        };
        let frame = painted("GQVQ-JKEC");
        assert_eq!(read(&frame).as_deref(), Some("https://www.google.com/device"));
        // Where the code to type stands, another one looks different; the QR code beside it stays.
        let other = painted("WXYZ-ABCD");
        let differs = |columns: std::ops::Range<u32>| {
            columns.flat_map(|x| (0..64).map(move |y| (x, y))).any(|(x, y)| frame.is_lit(x, y) != other.is_lit(x, y))
        };
        assert!(!differs(0..64) && differs(64..128));
    }

    #[test]
    fn an_address_that_does_not_fit_has_no_code() {
        assert_eq!(MatrixCode::plan(None, &"x".repeat(1_000), 64), None);
        assert_eq!(MatrixCode::plan(Some(&"x".repeat(10_000)), &"x".repeat(10_000), 64), None);
        assert_eq!(MatrixCode::plan(None, "https://www.google.com/device", 20), None);
    }
}
