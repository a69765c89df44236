//! `cargo xtask`: what people who work on Punchcard do often.

fn main() {}
