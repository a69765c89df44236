//! From a view to a frame.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::pixelcolor::BinaryColor;
use punchcard_core::scene::{Scene, SignIn, View};

use super::frame::{Frame, FrameSize};
use super::layout::{Brush, high, low, small};
use super::matrix_code::MatrixCode;

/// Draws for a panel of one size.
#[derive(Debug, Clone)]
pub struct Painter {
    size: FrameSize,
    /// The last QR code: making it takes far longer than drawing it.
    code: Option<(Addresses, Option<MatrixCode>)>,
}

/// What a QR code is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Addresses {
    complete_url: Option<String>,
    url: String,
}

/// What was drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Painting {
    /// The picture.
    pub frame: Frame,
    /// Milliseconds until the same scene looks otherwise, because something in it moves. None: it stands still.
    pub moves_in_ms: Option<u64>,
}

impl Painter {
    /// For a panel of this size.
    #[must_use]
    pub fn new(size: FrameSize) -> Self {
        Self { size, code: None }
    }

    /// Draws a scene as it looks now.
    pub fn paint(&mut self, view: &View) -> Painting {
        let mut frame = Frame::new(self.size);
        let Ok(moves_in_ms) = self.paint_on(&mut frame, view);
        Painting { frame, moves_in_ms }
    }

    /// Draws on any target of the panel's size that is dark.
    pub(super) fn paint_on<D>(&mut self, target: &mut D, view: &View) -> Result<Option<u64>, D::Error>
    where
        D: DrawTarget<Color = BinaryColor>,
    {
        let mut brush = Brush::new(target, view.shown_for_ms);
        match self.size {
            FrameSize::Low => low::draw(&mut brush, &view.scene)?,
            FrameSize::Small => small::draw(&mut brush, &view.scene)?,
            FrameSize::High => {
                let code = if let Scene::SignIn(sign_in) = &view.scene { self.matrix_code(sign_in) } else { None };
                high::draw(&mut brush, &view.scene, code)?;
            }
        }
        Ok(brush.moves_in_ms())
    }

    fn matrix_code(&mut self, sign_in: &SignIn) -> Option<&MatrixCode> {
        let addresses = Addresses { complete_url: sign_in.complete_url.clone(), url: sign_in.url.clone() };
        if self.code.as_ref().is_none_or(|(made_from, _)| *made_from != addresses) {
            let code = MatrixCode::plan(addresses.complete_url.as_deref(), &addresses.url, self.size.height());
            self.code = Some((addresses, code));
        }
        self.code.as_ref().and_then(|(_, code)| code.as_ref())
    }
}

#[cfg(test)]
mod tests;
