//! The keys of rows, by which services and people know them: `EVENT/POSITION`, and of the corrections of such a row
//! `EVENT/POSITION/REVISION`.

use ulid::Ulid;

/// Renders the key of a row of an event: of the row as it was made first (revision 0), or of its `revision`-th correction.
pub(super) fn render_key(event: Ulid, position: u32, revision: u32) -> String {
    if revision == 0 { format!("{event}/{position}") } else { format!("{event}/{position}/{revision}") }
}

/// Reads what [`render_key`] rendered.
pub(super) fn parse_key(key: &str) -> Option<(Ulid, u32, u32)> {
    let mut parts = key.split('/');
    let event = Ulid::from_string(parts.next()?).ok()?;
    let position = parts.next()?.parse().ok()?;
    let revision = match parts.next() {
        // A key of revision 0 has no third part.
        Some(revision) => revision.parse().ok().filter(|revision| *revision > 0)?,
        None => 0,
    };
    parts.next().is_none().then_some((event, position, revision))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written_and_nothing_else_is_one() {
        for revision in [0, 1, 12] {
            let key = render_key(Ulid(7), 3, revision);
            assert_eq!(parse_key(&key), Some((Ulid(7), 3, revision)), "{key}");
        }
        let event = Ulid(7).to_string();
        let others = ["".to_owned(), "x/0".into(), event.clone(), format!("{event}/"), format!("{event}/x")];
        let more = [
            format!("{event}/0/"),
            format!("{event}/0/x"),
            format!("{event}/0/1/2"),
            format!("{event}/-1"),
            format!("{event}/0/0"),
        ];
        for other in others.iter().chain(&more) {
            assert_eq!(parse_key(other), None, "{other}");
        }
    }
}
