//! Signs that no font has.

use embedded_graphics::Drawable;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::image::{Image, ImageRaw};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::primitives::{Polyline, Primitive, PrimitiveStyle, Rectangle, Triangle};

/// Pixels from side to side of a tick.
pub(super) const TICK_WIDTH: u32 = 24;

/// A tick, [`TICK_WIDTH`] wide and 20 high: recorded.
pub(super) fn draw_tick<D>(target: &mut D, corner: Point) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    let corners = [Point::new(2, 10), Point::new(8, 16), Point::new(21, 3)];
    // Strokes side by side: a thick polyline has blunt ends that look like mistakes at this size.
    for shift in -2..=2 {
        let line = corners.map(|at| corner + at + Point::new(0, shift));
        Polyline::new(&line).into_styled(PrimitiveStyle::with_stroke(BinaryColor::On, 1)).draw(target)?;
    }
    Ok(())
}

/// Two ticks: recorded, and arrived. 30 wide and 20 high.
pub(super) fn draw_double_tick<D>(target: &mut D, corner: Point) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    draw_tick(target, corner)?;
    let second = [Point::new(14, 15), Point::new(16, 17), Point::new(29, 4)];
    for shift in -2..=1 {
        let line = second.map(|at| corner + at + Point::new(0, shift));
        Polyline::new(&line).into_styled(PrimitiveStyle::with_stroke(BinaryColor::On, 1)).draw(target)?;
    }
    Ok(())
}

/// Where a choice can be turned to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrow {
    Left,
    Right,
}

/// An arrowhead, 5 wide and 9 high.
pub(super) fn draw_arrow<D>(target: &mut D, corner: Point, arrow: Arrow) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    let (tip, edge) = match arrow {
        Arrow::Left => (0, 4),
        Arrow::Right => (4, 0),
    };
    let corners = [Point::new(tip, 4), Point::new(edge, 0), Point::new(edge, 8)].map(|at| corner + at);
    let [first, second, third] = corners;
    Triangle::new(first, second, third).into_styled(PrimitiveStyle::with_fill(BinaryColor::On)).draw(target)
}

/// An arrow up out of a tray, 7 by 8: what has not been delivered.
pub(super) fn draw_waiting<D>(target: &mut D, corner: Point) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    #[rustfmt::skip]
    const ROWS: [u8; 8] = [
        0b0001_0000,
        0b0011_1000,
        0b0111_1100,
        0b0001_0000,
        0b0001_0000,
        0b1001_0010,
        0b1000_0010,
        0b1111_1110,
    ];
    Image::new(&ImageRaw::<BinaryColor>::new(&ROWS, 8), corner).draw(target)
}

/// A lit bar.
pub(super) fn draw_bar<D>(target: &mut D, corner: Point, size: Size) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    Rectangle::new(corner, size).into_styled(PrimitiveStyle::with_fill(BinaryColor::On)).draw(target)
}
