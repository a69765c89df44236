//! Call: what a step is given, and what taking in an answer leads to.

use punchcard_sdk::connector::{Batch, Directive};
use punchcard_sdk::{Column, Context};

use crate::Settings;

/// What a step is given, beside the state.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) batch: &'a Batch,
    /// Of the sheet: the batch's, and the one of the event ids.
    pub(crate) columns: &'a [Column],
    pub(crate) context: &'a Context,
}

/// What taking in an answer, or planning for one subject, leads to.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// To whatever the state now calls for.
    Plan,
    /// To the batch's end: its rows are there.
    Finish,
    /// To this.
    Do(Directive),
}
