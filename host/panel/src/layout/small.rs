//! 72×40: three lines, of which the one in the middle is large. There is no room for a QR code beside a code.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::Point;
use embedded_graphics::pixelcolor::BinaryColor;
use punchcard_core::plugin::Problem;
use punchcard_core::scene::{Choosing, Idle, Scene, SignIn};

use super::{Brush, count, countdown};
use crate::icon::{self, Arrow};
use crate::text::{CODE, Field, LARGE, LINE, SMALL, without_scheme};

/// The line in the middle is this high, and begins at this row; the others are twelve rows.
const LARGE_TOP: i32 = 11;
const LARGE_HEIGHT: u32 = 18;
const LAST_TOP: i32 = 28;
const WIDTH: u32 = 72;

pub(crate) fn draw<D>(brush: &mut Brush<'_, D>, scene: &Scene) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    match scene {
        Scene::Starting { device } => under_way(brush, device, "Starting"),
        Scene::SignIn(sign_in) => draw_sign_in(brush, sign_in),
        Scene::Idle(idle) => draw_idle(brush, idle),
        Scene::Choosing(choosing) => draw_choosing(brush, choosing),
        Scene::Saving => under_way(brush, "please wait", "Saving"),
        Scene::Recorded { notice } => draw_recorded(brush, notice.as_deref()),
        Scene::Delivered { undelivered } => draw_delivered(brush, *undelivered),
        Scene::Problem(problem) => draw_problem(brush, problem),
    }
}

fn line(top: i32) -> Field {
    Field::new(0, top, WIDTH, 12, SMALL)
}

fn large() -> Field {
    Field::new(0, LARGE_TOP, WIDTH, LARGE_HEIGHT, LARGE)
}

fn under_way<D>(brush: &mut Brush<'_, D>, above: &str, what: &str) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    brush.text(line(0), above)?;
    brush.text(large(), what)?;
    brush.dots(0, 34)
}

fn draw_sign_in<D>(brush: &mut Brush<'_, D>, sign_in: &SignIn) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    brush.verbatim(line(0), without_scheme(&sign_in.url))?;
    brush.verbatim(Field::new(0, LARGE_TOP, WIDTH, LARGE_HEIGHT, CODE), &sign_in.user_code)?;
    brush.verbatim(line(LAST_TOP).right(), &countdown(sign_in.seconds_left))
}

fn draw_idle<D>(brush: &mut Brush<'_, D>, idle: &Idle) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    let standing = idle.standing.as_deref();
    let (small, middle) = match &idle.chosen {
        Some(chosen) => (standing.unwrap_or(&idle.device), chosen.item.as_str()),
        None => (idle.device.as_str(), standing.unwrap_or("Ready")),
    };
    brush.text(line(0), small)?;
    brush.text(large(), middle)?;
    if idle.undelivered > 0 {
        icon::draw_waiting(brush.target, Point::new(0, LAST_TOP + 2))?;
        brush.verbatim(Field::new(9, LAST_TOP, 24, 12, SMALL), &count(idle.undelivered))?;
    }
    match &idle.clock {
        Some(clock) => brush.verbatim(line(LAST_TOP).right(), clock),
        None => Ok(()),
    }
}

fn draw_choosing<D>(brush: &mut Brush<'_, D>, choosing: &Choosing) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    brush.text(line(0), &choosing.label)?;
    brush.text(large().centered(), &choosing.item)?;
    icon::draw_arrow(brush.target, Point::new(0, 30), Arrow::Left)?;
    icon::draw_arrow(brush.target, Point::new(67, 30), Arrow::Right)?;
    let place = format!("{}/{}", choosing.index + 1, choosing.count);
    brush.verbatim(Field::new(10, LAST_TOP, 52, 12, SMALL).centered(), &place)
}

fn draw_recorded<D>(brush: &mut Brush<'_, D>, notice: Option<&str>) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    icon::draw_tick(brush.target, Point::new(24, 0))?;
    match notice {
        Some(notice) => brush.text(Field::new(0, 22, WIDTH, LARGE_HEIGHT, LINE), notice),
        None => brush.text(Field::new(0, 22, WIDTH, LARGE_HEIGHT, LARGE).centered(), "Recorded"),
    }
}

fn draw_delivered<D>(brush: &mut Brush<'_, D>, undelivered: u64) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    icon::draw_double_tick(brush.target, Point::new(20, 0))?;
    if undelivered == 0 {
        return brush.text(Field::new(0, 22, WIDTH, LARGE_HEIGHT, LARGE).centered(), "Delivered");
    }
    brush.text(Field::new(0, 18, WIDTH, 12, SMALL).centered(), "Delivered")?;
    brush.text(line(LAST_TOP).centered(), &format!("{} waiting", count(undelivered)))
}

fn draw_problem<D>(brush: &mut Brush<'_, D>, problem: &Problem) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    brush.bar(0, 0, WIDTH, 12)?;
    brush.text(Field::new(1, 0, WIDTH - 2, 12, SMALL).dark(), &problem.headline)?;
    brush.text(Field::new(0, 17, WIDTH, 18, LINE), &problem.advice)
}
