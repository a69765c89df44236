//! Drive's search query `q`, as far as an app with its own files needs it, and `orderBy`.
//!
//! Terms joined by `and`: `name`, `mimeType` and `trashed` compared with `=` or `!=`, and
//! `appProperties has { key='…' and value='…' }`. Anything else is refused, not ignored.

use std::cmp::Ordering;

use super::File;

/// All of the terms must hold.
#[derive(Debug, PartialEq)]
pub(crate) struct Query {
    terms: Vec<Term>,
}

#[derive(Debug, PartialEq)]
enum Term {
    Name { is: bool, name: String },
    MimeType { is: bool, mime_type: String },
    Trashed(bool),
    Property { key: String, value: String },
}

impl Query {
    /// `None` if it is no query. An empty one finds everything.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { tokens: tokenize(text)?.into_iter().peekable() };
        let mut terms = Vec::new();
        if reader.tokens.peek().is_none() {
            return Some(Self { terms });
        }
        loop {
            terms.push(reader.term()?);
            match reader.tokens.next() {
                None => return Some(Self { terms }),
                Some(Token::Word(word)) if word == "and" => {}
                Some(_) => return None,
            }
        }
    }

    pub(crate) fn matches(&self, file: &File) -> bool {
        self.terms.iter().all(|term| match term {
            Term::Name { is, name } => (file.name == *name) == *is,
            Term::MimeType { is, mime_type } => (file.mime_type == *mime_type) == *is,
            Term::Trashed(trashed) => file.trashed_at.is_some() == *trashed,
            Term::Property { key, value } => file.app_properties.get(key) == Some(value),
        })
    }
}

#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(&'static str),
}

struct Reader {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
}

impl Reader {
    fn term(&mut self) -> Option<Term> {
        let Token::Word(field) = self.tokens.next()? else { return None };
        match field.as_str() {
            "name" => Some(Term::Name { is: self.comparison()?, name: self.text()? }),
            "mimeType" => Some(Term::MimeType { is: self.comparison()?, mime_type: self.text()? }),
            "trashed" => {
                let is = self.comparison()?;
                match self.tokens.next()? {
                    Token::Word(word) if word == "true" => Some(Term::Trashed(is)),
                    Token::Word(word) if word == "false" => Some(Term::Trashed(!is)),
                    _ => None,
                }
            }
            "appProperties" => {
                self.word("has")?;
                self.sign("{")?;
                self.word("key")?;
                self.sign("=")?;
                let key = self.text()?;
                self.word("and")?;
                self.word("value")?;
                self.sign("=")?;
                let value = self.text()?;
                self.sign("}")?;
                Some(Term::Property { key, value })
            }
            _ => None,
        }
    }

    fn comparison(&mut self) -> Option<bool> {
        match self.tokens.next()? {
            Token::Sign("=") => Some(true),
            Token::Sign("!=") => Some(false),
            _ => None,
        }
    }

    fn text(&mut self) -> Option<String> {
        match self.tokens.next()? {
            Token::Text(text) => Some(text),
            _ => None,
        }
    }

    fn word(&mut self, expected: &str) -> Option<()> {
        (self.tokens.next()? == Token::Word(expected.to_owned())).then_some(())
    }

    fn sign(&mut self, expected: &'static str) -> Option<()> {
        (self.tokens.next()? == Token::Sign(expected)).then_some(())
    }
}

fn tokenize(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            letter if letter.is_whitespace() => {}
            '=' => tokens.push(Token::Sign("=")),
            '{' => tokens.push(Token::Sign("{")),
            '}' => tokens.push(Token::Sign("}")),
            '!' if letters.next() == Some('=') => tokens.push(Token::Sign("!=")),
            quote @ ('\'' | '"') => {
                let mut content = String::new();
                loop {
                    match letters.next()? {
                        '\\' => content.push(letters.next().filter(|letter| "'\"\\".contains(*letter))?),
                        letter if letter == quote => break,
                        letter => content.push(letter),
                    }
                }
                tokens.push(Token::Text(content));
            }
            letter if letter.is_ascii_alphabetic() => {
                let mut word = String::from(letter);
                while let Some(letter) = letters.next_if(char::is_ascii_alphabetic) {
                    word.push(letter);
                }
                tokens.push(Token::Word(word));
            }
            _ => return None,
        }
    }
    Some(tokens)
}

/// An order of files.
pub(crate) struct Order {
    /// Each with whether it is descending.
    keys: Vec<(Key, bool)>,
}

#[derive(Clone, Copy)]
enum Key {
    Created,
    Modified,
    Name,
}

impl Order {
    /// Reads `createdTime desc,name`; `None` for other keys.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let keys = text
            .split(',')
            .map(|part| {
                let mut words = part.split_whitespace();
                let key = match words.next()? {
                    "createdTime" => Key::Created,
                    "modifiedTime" => Key::Modified,
                    "name" => Key::Name,
                    _ => return None,
                };
                let is_descending = match words.next() {
                    None => false,
                    Some("desc") => true,
                    Some(_) => return None,
                };
                words.next().is_none().then_some((key, is_descending))
            })
            .collect::<Option<_>>()?;
        Some(Self { keys })
    }

    pub(crate) fn compare(&self, a: &File, b: &File) -> Ordering {
        let by = |key: Key| match key {
            Key::Created => a.created_at.cmp(&b.created_at),
            Key::Modified => a.modified_at.cmp(&b.modified_at),
            Key::Name => a.name.cmp(&b.name),
        };
        let chosen = self.keys.iter().map(|(key, is_descending)| {
            let ordering = by(*key);
            if *is_descending { ordering.reverse() } else { ordering }
        });
        chosen.fold(Ordering::Equal, Ordering::then).then_with(|| a.id.cmp(&b.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read() {
        let table = [
            ("", vec![]),
            ("trashed=false", vec![Term::Trashed(false)]),
            ("trashed != false", vec![Term::Trashed(true)]),
            (
                "mimeType=\"application/x\" and name = \"Don't\"",
                vec![
                    Term::MimeType { is: true, mime_type: "application/x".into() },
                    Term::Name { is: true, name: "Don't".into() },
                ],
            ),
            (
                r"appProperties has { key='a' and value='it\'s \\' } and trashed = true",
                vec![Term::Property { key: "a".into(), value: r"it's \".into() }, Term::Trashed(true)],
            ),
        ];
        for (text, terms) in table {
            assert_eq!(Query::parse(text), Some(Query { terms }), "{text}");
        }
    }

    #[test]
    fn what_is_no_query_is_refused() {
        for text in [
            "trashed",
            "trashed=maybe",
            "trashed='true'",
            "name='a",
            "name=a",
            "name>'a'",
            "size=1",
            "name='a' or name='b'",
            "name='a' and",
            "and",
            "appProperties has { key='a' }",
            "not trashed=true",
            "name='a' name='b'",
            "name='\\n'",
            "!name",
        ] {
            assert_eq!(Query::parse(text), None, "{text}");
        }
    }

    #[test]
    fn orders_are_read() {
        for text in ["createdTime", "name desc, modifiedTime"] {
            assert!(Order::parse(text).is_some(), "{text}");
        }
        for text in ["", "size", "name asc", "name desc desc"] {
            assert!(Order::parse(text).is_none(), "{text}");
        }
    }
}
