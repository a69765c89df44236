//! Names of files in a repository: flat, and the same in a URL, on a disk and in a log.

/// Whether a name is a bare one: 1 to 200 of `A-Z`, `a-z`, `0-9`, `.`, `_`, `-` and `+`, not starting with a dot.
#[must_use]
pub fn is_flat(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte);
    (1..=200).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::is_flat;

    #[test]
    fn a_flat_name_is_safe_wherever_it_stands() {
        let table = [
            ("timeclock-1.2.0.wasm", true),
            ("timeclock-1.2.0+nightly.wasm", true),
            ("a", true),
            ("", false),
            (".", false),
            ("..", false),
            (".hidden", false),
            ("path/to/it", false),
            ("/it", false),
            ("a%2fb", false),
            ("a b", false),
            ("a?b", false),
            ("ü", false),
            ("a\n", false),
        ];
        for (name, flat) in table {
            assert_eq!(is_flat(name), flat, "{name:?}");
        }
        assert!(is_flat(&"a".repeat(200)) && !is_flat(&"a".repeat(201)));
    }
}
