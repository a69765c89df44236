//! The header `Link` (RFC 8288 §3), as far as the next page stands in it.

use crate::http::Header;

/// The target of the first link whose relation is `next`, as it was written: it may be relative. A link that names another
/// context (`anchor`, §3.2) says nothing of this page.
pub(super) fn find_next_link(headers: &[Header]) -> Option<String> {
    let fields = headers.iter().filter(|header| header.name.eq_ignore_ascii_case("link"));
    fields.flat_map(|header| parse_links(&header.value)).find(|link| link.is_next).map(|link| link.target)
}

struct Link {
    target: String,
    is_next: bool,
}

/// The links of a field, by the parser of RFC 8288 appendix B.2. What follows something that is none is left out.
fn parse_links(field: &str) -> Vec<Link> {
    let mut links = Vec::new();
    let mut rest = field;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let Some((target, after)) = rest.strip_prefix('<').and_then(|rest| rest.split_once('>')) else { return links };
        let mut relation: Option<String> = None;
        let mut is_of_other = false;
        rest = after.trim_start_matches([' ', '\t']);
        while let Some(parameter) = rest.strip_prefix(';') {
            let (name, value, after) = parse_parameter(parameter);
            // Of several relations the first counts (§3.3).
            if name.eq_ignore_ascii_case("rel") && relation.is_none() {
                relation = Some(value);
            } else if name.eq_ignore_ascii_case("anchor") {
                is_of_other = true;
            }
            rest = after;
        }
        let mut relations = relation.iter().flat_map(|value| value.split_ascii_whitespace());
        let is_next = !is_of_other && relations.any(|relation| relation.eq_ignore_ascii_case("next"));
        links.push(Link { target: target.trim().to_owned(), is_next });
    }
}

/// A parameter's name and value, and what follows it.
fn parse_parameter(text: &str) -> (&str, String, &str) {
    let text = text.trim_start_matches([' ', '\t']);
    let end = text.find(['=', ';', ',']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let (name, rest) = (name.trim_end_matches([' ', '\t']), rest.trim_start_matches([' ', '\t']));
    let Some(rest) = rest.strip_prefix('=') else { return (name, String::new(), rest) };
    let rest = rest.trim_start_matches([' ', '\t']);
    let Some(quoted) = rest.strip_prefix('"') else {
        let (value, rest) = rest.split_at(rest.find([';', ',']).unwrap_or(rest.len()));
        return (name, value.trim_end_matches([' ', '\t']).to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (name, value, quoted[at + 1..].trim_start_matches([' ', '\t'])),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (name, value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_link_is_found() {
        let table = [
            (r#"<https://h.example/2>; rel="next""#, Some("https://h.example/2")),
            ("<2>;rel=next", Some("2")),
            (r#"<0>; rel=prev , <2> ; title="a, \"b\"; rel=prev" ; REL = "start NEXT""#, Some("2")),
            (r#"<a,b;c>; rel="next""#, Some("a,b;c")),
            (r#"<1>; rel="prev"; rel="next""#, None),
            (r##"<1>; anchor="#part"; rel="next""##, None),
            (r#"<1>; rel="nextish""#, None),
            (r#"<1>; rel="next"#, Some("1")),
            ("<1>; rel", None),
            ("<1", None),
            ("no link", None),
            ("", None),
        ];
        for (value, expected) in table {
            let headers = [Header { name: "LINK".into(), value: value.into() }];
            assert_eq!(find_next_link(&headers).as_deref(), expected, "{value}");
        }
    }
}
