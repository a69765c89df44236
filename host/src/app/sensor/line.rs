//! A GPIO line that is lent to a sensor's plugin, opened.
//!
//! Its direction is that of plugins.toml: a plugin can't turn a line round that something else drives.

use punchcard_core::config::sensor::{Direction, LineLoan};

use crate::app::error_chain::chain;
use crate::gpio::{Chips, Sense, Switch};
use crate::hardware::{Hardware, SimulatedLine};

/// An open line. It is given back when this is dropped.
pub(super) struct OpenLine {
    end: End,
    /// What is told of the level of a line that the plugin drives: nobody else does.
    is_set_high: bool,
}

enum End {
    In(Box<dyn Sense>),
    Out(Box<dyn Switch>),
    SimulatedIn(SimulatedLine),
    SimulatedOut(SimulatedLine),
}

/// What it powers is off when nobody reads it any more.
impl Drop for OpenLine {
    fn drop(&mut self) {
        if self.is_set_high
            && let Err(error) = self.set(false)
        {
            tracing::debug!(%error, "a line can't be made low any more; it is gone");
        }
    }
}

impl OpenLine {
    /// Asks for a line.
    ///
    /// # Errors
    /// Why it can't be had, with what to do.
    pub(super) fn open(hardware: &Hardware, loan: &LineLoan) -> Result<Self, String> {
        let end = match (hardware.simulated_line(loan.line), loan.direction) {
            (Some(line), Direction::In(_)) => End::SimulatedIn(line),
            (Some(line), Direction::Out) => End::SimulatedOut(line),
            // Looked for at each try: a chip may come later, and so may the permission to use it.
            (None, Direction::In(pull)) => End::In(Chips::find().sense(&loan.chip, loan.line, pull).map_err(chain)?),
            (None, Direction::Out) => End::Out(Chips::find().drive(&loan.chip, loan.line, false).map_err(chain)?),
        };
        Ok(Self { end, is_set_high: false })
    }

    /// Whether it is high.
    ///
    /// # Errors
    /// When it is gone.
    pub(super) fn is_high(&mut self) -> Result<bool, String> {
        match &mut self.end {
            End::In(line) => line.is_high().map_err(chain),
            End::SimulatedIn(line) => line.is_high().map_err(chain),
            End::Out(_) | End::SimulatedOut(_) => Ok(self.is_set_high),
        }
    }

    /// Makes it high or low.
    ///
    /// # Errors
    /// When it is gone, or is one that is read.
    pub(super) fn set(&mut self, is_high: bool) -> Result<(), String> {
        match &mut self.end {
            End::In(_) | End::SimulatedIn(_) => {
                return Err("the line is lent to be read; `direction = \"out\"` lends it to be set".to_owned());
            }
            End::Out(line) => line.switch(is_high).map_err(chain)?,
            // It is there or not.
            End::SimulatedOut(line) => line.is_high().map(drop).map_err(chain)?,
        }
        self.is_set_high = is_high;
        Ok(())
    }
}
