//! 128×64: a heading, what matters in large letters, and a line below; a code's address also as a QR code.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::Point;
use embedded_graphics::pixelcolor::BinaryColor;
use punchcard_core::plugin::Problem;
use punchcard_core::scene::{Choosing, Idle, Scene, SignIn};
use textwrap::{Options, WordSplitter};

use super::{Brush, countdown};
use crate::icon::{self, Arrow};
use crate::matrix_code::MatrixCode;
use crate::text::{
    CODE, DENSE, Field, LARGE, LINE, NARROW_CODE, SMALL, SMALL_OR_TINY, TINY, plain, signed, without_scheme,
};

pub(crate) fn draw<D>(brush: &mut Brush<'_, D>, scene: &Scene, code: Option<&MatrixCode>) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    match scene {
        Scene::Starting { device } => under_way(brush, device, "Starting"),
        Scene::SignIn(sign_in) => match code {
            Some(code) => draw_sign_in_beside(brush, sign_in, code),
            None => draw_sign_in(brush, sign_in),
        },
        Scene::Idle(idle) => draw_idle(brush, idle),
        Scene::Choosing(choosing) => draw_choosing(brush, choosing),
        Scene::Saving => under_way(brush, "please wait", "Saving"),
        Scene::Recorded { notice } => draw_recorded(brush, notice.as_deref()),
        Scene::Delivered { undelivered } => draw_delivered(brush, *undelivered),
        Scene::Problem(problem) => draw_problem(brush, problem),
    }
}

fn under_way<D>(brush: &mut Brush<'_, D>, below: &str, what: &str) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    brush.text(Field::new(0, 8, 128, 20, LARGE).centered(), what)?;
    brush.dots(56, 33)?;
    brush.text(Field::new(0, 50, 128, 12, SMALL).centered(), below)
}

fn draw_sign_in_beside<D>(brush: &mut Brush<'_, D>, sign_in: &SignIn, code: &MatrixCode) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    let below = (64 - code.side()) / 2;
    code.draw(brush.target, Point::new(0, signed(below)))?;
    let x = signed(code.side()) + 1;
    let width = 127 - code.side();
    brush.verbatim(Field::new(x, 0, width, 12, SMALL), without_scheme(&sign_in.url))?;
    brush.verbatim(Field::new(x, 16, width, 18, NARROW_CODE), &sign_in.user_code)?;
    brush.text(Field::new(x, 39, width, 8, TINY), &sign_in.purpose)?;
    brush.verbatim(Field::new(x, 52, width, 12, SMALL), &format!("{} left", countdown(sign_in.seconds_left)))
}

fn draw_sign_in<D>(brush: &mut Brush<'_, D>, sign_in: &SignIn) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    heading(brush, "Sign in at", &countdown(sign_in.seconds_left))?;
    brush.verbatim(Field::new(0, 15, 128, 12, SMALL), without_scheme(&sign_in.url))?;
    brush.verbatim(Field::new(0, 28, 128, 20, CODE).centered(), &sign_in.user_code)?;
    brush.text(Field::new(0, 52, 128, 12, SMALL_OR_TINY), &sign_in.purpose)
}

fn draw_idle<D>(brush: &mut Brush<'_, D>, idle: &Idle) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    let left = brush.corner(idle.clock.as_deref(), idle.undelivered)?;
    brush.text(Field::new(0, 0, left, 12, SMALL), &idle.device)?;
    brush.bar(0, 13, 128, 1)?;
    match &idle.chosen {
        Some(chosen) => {
            brush.text(Field::new(0, 17, 128, 8, TINY), &chosen.label)?;
            brush.text(Field::new(0, 27, 128, 20, LARGE), &chosen.item)?;
            brush.text(Field::new(0, 52, 128, 12, SMALL_OR_TINY), idle.standing.as_deref().unwrap_or(""))
        }
        None => brush.text(Field::new(0, 28, 128, 20, LARGE).centered(), idle.standing.as_deref().unwrap_or("Ready")),
    }
}

fn draw_choosing<D>(brush: &mut Brush<'_, D>, choosing: &Choosing) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    heading(brush, &choosing.label, &format!("{}/{}", choosing.index + 1, choosing.count))?;
    icon::draw_arrow(brush.target, Point::new(0, 31), Arrow::Left)?;
    icon::draw_arrow(brush.target, Point::new(123, 31), Arrow::Right)?;
    brush.text(Field::new(10, 25, 108, 20, LARGE).centered(), &choosing.item)?;

    // A track with the item's place: as wide as its share, at least as wide as it can be seen.
    brush.bar(0, 59, 128, 1)?;
    let count = choosing.count.max(1);
    let width = (128 / count).max(4);
    let left = (128 - width) * choosing.index.min(count - 1) / (count - 1).max(1);
    brush.bar(i32::try_from(left).unwrap_or(0), 57, u32::try_from(width).unwrap_or(0), 5)
}

fn draw_recorded<D>(brush: &mut Brush<'_, D>, notice: Option<&str>) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    let y = if notice.is_some() { 6 } else { 22 };
    icon::draw_tick(brush.target, Point::new(8, y))?;
    brush.text(Field::new(8 + signed(icon::TICK_WIDTH) + 5, y, 90, 20, LARGE), "Recorded")?;
    brush.text(Field::new(0, 38, 128, 20, LARGE).centered(), notice.unwrap_or(""))
}

fn draw_delivered<D>(brush: &mut Brush<'_, D>, undelivered: u64) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    let y = if undelivered > 0 { 10 } else { 22 };
    icon::draw_double_tick(brush.target, Point::new(2, y))?;
    brush.text(Field::new(37, y, 91, 20, LARGE), "Delivered")?;
    if undelivered == 0 {
        return Ok(());
    }
    brush.text(Field::new(0, 42, 128, 14, LINE).centered(), &format!("{} waiting", super::count(undelivered)))
}

fn draw_problem<D>(brush: &mut Brush<'_, D>, problem: &Problem) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    brush.bar(0, 0, 128, 12)?;
    brush.text(Field::new(1, 0, 126, 12, SMALL).dark(), &problem.headline)?;
    let advice = plain(&problem.advice);
    // Columns, rows, pixels from line to line: standing still before moving, large before small.
    for (columns, rows, pitch, fonts) in [(18, 3, 16, LINE), (21, 5, 10, DENSE), (25, 6, 8, TINY)] {
        // A command must not be broken at its hyphens.
        let lines = textwrap::wrap(&advice, Options::new(columns).word_splitter(WordSplitter::NoHyphenation));
        if lines.len() > rows {
            continue;
        }
        for (row, line) in (0..).zip(&lines) {
            brush.verbatim(Field::new(0, 14 + row * pitch, 128, pitch.unsigned_abs(), fonts), line)?;
        }
        return Ok(());
    }
    brush.verbatim(Field::new(0, 30, 128, 18, LINE), &advice)
}

fn heading<D>(brush: &mut Brush<'_, D>, left: &str, right: &str) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    brush.text(Field::new(0, 0, 86, 12, SMALL), left)?;
    brush.verbatim(Field::new(86, 0, 42, 12, SMALL).right(), right)?;
    brush.bar(0, 13, 128, 1)
}
