//! 128×32: a small line above a large one.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::Point;
use embedded_graphics::pixelcolor::BinaryColor;
use punchcard_core::plugin::Problem;
use punchcard_core::scene::{Choosing, Idle, Scene, SignIn};

use super::{Brush, countdown};
use crate::icon::{self, Arrow};
use crate::text::{CODE, Field, LARGE, LINE, SMALL, SMALL_OR_TINY, without_scheme};

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

fn under_way<D>(brush: &mut Brush<'_, D>, above: &str, what: &str) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    brush.text(Field::new(0, 0, 128, 12, SMALL), above)?;
    brush.text(Field::new(0, 12, 104, 20, LARGE), what)?;
    brush.dots(110, 24)
}

/// The purpose is left out: the address and the code need the room.
fn draw_sign_in<D>(brush: &mut Brush<'_, D>, sign_in: &SignIn) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    brush.verbatim(Field::new(0, 0, 128, 12, SMALL), without_scheme(&sign_in.url))?;
    brush.verbatim(Field::new(0, 12, 96, 20, CODE), &sign_in.user_code)?;
    brush.verbatim(Field::new(98, 19, 30, 12, SMALL).right(), &countdown(sign_in.seconds_left))
}

fn draw_idle<D>(brush: &mut Brush<'_, D>, idle: &Idle) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    let standing = idle.standing.as_deref();
    let (small, large) = match &idle.chosen {
        Some(chosen) => (standing.unwrap_or(&idle.device), chosen.item.as_str()),
        None => (idle.device.as_str(), standing.unwrap_or("Ready")),
    };
    let left = brush.corner(idle.clock.as_deref(), idle.undelivered)?;
    brush.text(Field::new(0, 0, left, 12, SMALL_OR_TINY), small)?;
    brush.text(Field::new(0, 12, 128, 20, LARGE), large)
}

fn draw_choosing<D>(brush: &mut Brush<'_, D>, choosing: &Choosing) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    brush.text(Field::new(0, 0, 86, 12, SMALL), &choosing.label)?;
    let place = format!("{}/{}", choosing.index + 1, choosing.count);
    brush.verbatim(Field::new(86, 0, 42, 12, SMALL).right(), &place)?;
    icon::draw_arrow(brush.target, Point::new(0, 18), Arrow::Left)?;
    icon::draw_arrow(brush.target, Point::new(123, 18), Arrow::Right)?;
    brush.text(Field::new(10, 12, 108, 20, LARGE).centered(), &choosing.item)
}

fn draw_recorded<D>(brush: &mut Brush<'_, D>, notice: Option<&str>) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    icon::draw_tick(brush.target, Point::new(-2, 6))?;
    match notice {
        Some(notice) => {
            brush.text(Field::new(23, 0, 105, 12, SMALL), "Recorded")?;
            brush.text(Field::new(23, 12, 105, 20, LARGE), notice)
        }
        None => brush.text(Field::new(29, 0, 99, 32, LARGE), "Recorded"),
    }
}

fn draw_delivered<D>(brush: &mut Brush<'_, D>, undelivered: u64) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    icon::draw_double_tick(brush.target, Point::new(0, 6))?;
    if undelivered == 0 {
        return brush.text(Field::new(35, 0, 93, 32, LARGE), "Delivered");
    }
    brush.text(Field::new(35, 0, 93, 20, LARGE), "Delivered")?;
    brush.text(Field::new(35, 20, 93, 12, SMALL), &format!("{} waiting", super::count(undelivered)))
}

fn draw_problem<D>(brush: &mut Brush<'_, D>, problem: &Problem) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    brush.bar(0, 0, 128, 12)?;
    brush.text(Field::new(1, 0, 126, 12, SMALL).dark(), &problem.headline)?;
    brush.text(Field::new(0, 14, 128, 18, LINE), &problem.advice)
}
