//! What an author of a Punchcard plugin uses.
