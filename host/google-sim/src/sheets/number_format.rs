//! How a number looks under a number format: enough of Google's patterns for dates, times, durations, plain numbers and
//! percentages in English.
//!
//! A serial date counts days since 1899-12-30; its fraction is the time of day. Neither has a zone.

use std::fmt::Write as _;

use jiff::ToSpan as _;
use jiff::civil::{DateTime, date};
use serde_json::Value;

/// A parsed `NumberFormat`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct NumberFormat {
    tokens: Vec<Token>,
    is_moment: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Literal(String),
    Year(usize),
    Month(usize),
    Day(usize),
    Hour(usize),
    Minute(usize),
    Second(usize),
    /// Digits of a second's fraction.
    Fraction(usize),
    /// Whole hours, minutes or seconds that do not start again at 24 or 60.
    Elapsed {
        unit_millis: i64,
        width: usize,
    },
    HalfDay,
    Digits {
        least_whole: usize,
        decimals: usize,
        least_decimals: usize,
        is_grouped: bool,
    },
    Percent,
    Text,
}

const MILLIS_A_DAY: f64 = 86_400_000.0;

impl NumberFormat {
    /// Reads a `NumberFormat` message; what is none is the general format.
    pub(crate) fn parse(format: &Value) -> Self {
        let kind = format["type"].as_str().unwrap_or_default();
        let pattern = format["pattern"].as_str().filter(|pattern| !pattern.is_empty()).unwrap_or(match kind {
            "DATE" => "M/d/yyyy",
            "TIME" => "h:mm:ss am/pm",
            "DATE_TIME" => "M/d/yyyy H:mm:ss",
            "NUMBER" => "#,##0.00",
            "PERCENT" => "0.00%",
            "CURRENCY" => "$#,##0.00",
            _ => "",
        });
        let is_moment = ["DATE", "TIME", "DATE_TIME"].contains(&kind);
        // Sections after a semicolon are for negative numbers, zero and text.
        let section = pattern.split(';').next().unwrap_or_default();
        Self { tokens: if is_moment { parse_moment(section) } else { parse_number(section) }, is_moment }
    }

    /// Whether it shows a date, a time or a duration.
    pub(crate) fn is_moment(&self) -> bool {
        self.is_moment
    }

    pub(crate) fn render(&self, number: f64) -> String {
        let is_general = self.tokens.is_empty() || self.tokens == [Token::Text];
        match (is_general, self.is_moment) {
            (true, _) => render_general(number),
            (false, true) => self.render_moment(number).unwrap_or_else(|| render_general(number)),
            (false, false) => self.render_number(number),
        }
    }

    /// `None` beyond the dates that there are.
    fn render_moment(&self, serial: f64) -> Option<String> {
        let millis = (serial * MILLIS_A_DAY).round();
        if millis.is_nan() || millis.abs() >= 1e15 {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 1e15")]
        let millis = millis as i64;
        let moment: DateTime = date(1899, 12, 30).at(0, 0, 0, 0).checked_add(millis.milliseconds()).ok()?;
        let mut text = String::new();
        let is_half_days = self.tokens.contains(&Token::HalfDay);
        let is_elapsed = self.tokens.iter().any(|token| matches!(token, Token::Elapsed { .. }));
        if is_elapsed && millis < 0 {
            text.push('-');
        }
        let shows_fraction = self.tokens.iter().any(|token| matches!(token, Token::Fraction(_)));
        // A duration is rounded to the second before it is split, so that 59.6 s are a minute; what is smaller than what the
        // pattern shows is then left out.
        let span = match (is_elapsed, shows_fraction) {
            (true, false) => (millis.abs() + 500) / 1_000 * 1_000,
            (true, true) => millis.abs(),
            (false, _) => millis,
        };
        for token in &self.tokens {
            let written = match token {
                Token::Literal(literal) => write!(text, "{literal}"),
                Token::Year(2 | 1) => write!(text, "{:02}", moment.year().rem_euclid(100)),
                Token::Year(_) => write!(text, "{:04}", moment.year()),
                Token::Month(3) => write!(text, "{}", moment.strftime("%b")),
                Token::Month(4..) => write!(text, "{}", moment.strftime("%B")),
                Token::Month(width) => write!(text, "{:01$}", moment.month(), width),
                Token::Day(3) => write!(text, "{}", moment.strftime("%a")),
                Token::Day(4..) => write!(text, "{}", moment.strftime("%A")),
                Token::Day(width) => write!(text, "{:01$}", moment.day(), width),
                Token::Hour(width) if is_half_days => write!(text, "{:01$}", (moment.hour() + 11) % 12 + 1, width),
                Token::Hour(width) => write!(text, "{:01$}", moment.hour(), width),
                Token::Minute(width) if is_elapsed => write!(text, "{:01$}", span / 60_000 % 60, width),
                Token::Second(width) if is_elapsed => write!(text, "{:01$}", span / 1000 % 60, width),
                Token::Minute(width) => write!(text, "{:01$}", moment.minute(), width),
                Token::Second(width) => write!(text, "{:01$}", moment.second(), width),
                Token::Fraction(width) => {
                    let digits = format!("{:03}", span.rem_euclid(1000));
                    write!(text, "{}", digits.get(..*width).unwrap_or(&digits))
                }
                Token::Elapsed { unit_millis, width } => write!(text, "{:01$}", span / unit_millis, width),
                Token::HalfDay => write!(text, "{}", if moment.hour() < 12 { "AM" } else { "PM" }),
                Token::Digits { .. } | Token::Percent | Token::Text => Ok(()),
            };
            written.ok()?;
        }
        Some(text)
    }

    fn render_number(&self, number: f64) -> String {
        let is_percent = self.tokens.contains(&Token::Percent);
        let shown = if is_percent { number * 100.0 } else { number };
        let mut text = String::new();
        if shown < 0.0 {
            text.push('-');
        }
        for token in &self.tokens {
            match token {
                Token::Literal(literal) => text.push_str(literal),
                Token::Percent => text.push('%'),
                Token::Text => text.push_str(&render_general(shown.abs())),
                Token::Digits { least_whole, decimals, least_decimals, is_grouped } => {
                    // Halves are rounded away from zero, which formatting alone does not do.
                    let scale = 10_f64.powi(i32::try_from(*decimals).unwrap_or(0));
                    let rounded = (shown.abs() * scale).round() / scale;
                    let digits = format!("{rounded:.*}", *decimals);
                    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
                    let whole = format!("{:0>width$}", whole.trim_start_matches('0'), width = *least_whole);
                    text.push_str(&if *is_grouped { group(&whole) } else { whole });
                    let mut fraction = fraction;
                    while fraction.len() > *least_decimals && fraction.ends_with('0') {
                        fraction = &fraction[..fraction.len() - 1];
                    }
                    if !fraction.is_empty() {
                        text.push('.');
                        text.push_str(fraction);
                    }
                }
                _ => {}
            }
        }
        text
    }
}

fn group(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Up to ten significant decimals, and none that are zero at the end.
fn render_general(number: f64) -> String {
    if number != 0.0 && !(1e-9..1e15).contains(&number.abs()) {
        return format!("{number:E}");
    }
    let text = format!("{number:.10}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn parse_moment(pattern: &str) -> Vec<Token> {
    let letters: Vec<char> = pattern.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&letter) = letters.get(at) {
        let run = letters[at..].iter().take_while(|other| other.eq_ignore_ascii_case(&letter)).count();
        let rest: String = letters[at..].iter().take(5).collect::<String>().to_ascii_lowercase();
        let (token, length) = match letter.to_ascii_lowercase() {
            'y' => (Token::Year(run), run),
            'd' => (Token::Day(run), run),
            'h' => (Token::Hour(run), run),
            's' => (Token::Second(run), run),
            'm' if is_minute(&tokens, &letters[at + run..]) => (Token::Minute(run), run),
            'm' => (Token::Month(run), run),
            'a' if rest.starts_with("am/pm") => (Token::HalfDay, 5),
            '0' => (Token::Fraction(run), run),
            '[' => match parse_elapsed(&letters[at..]) {
                Some((token, length)) => (token, length),
                None => (Token::Literal("[".to_owned()), 1),
            },
            _ => parse_literal(&letters[at..]),
        };
        tokens.push(token);
        at += length;
    }
    tokens
}

/// `m` means minutes after hours and before seconds.
fn is_minute(before: &[Token], after: &[char]) -> bool {
    let last = before.iter().rev().find(|token| !matches!(token, Token::Literal(_)));
    let next = after.iter().find(|letter| letter.is_ascii_alphabetic());
    matches!(last, Some(Token::Hour(_) | Token::Elapsed { .. })) || matches!(next, Some('s' | 'S'))
}

fn parse_elapsed(letters: &[char]) -> Option<(Token, usize)> {
    let width = letters.iter().position(|letter| *letter == ']')?.checked_sub(1)?;
    let unit_millis = match letters.get(1)?.to_ascii_lowercase() {
        'h' => 3_600_000,
        'm' => 60_000,
        's' => 1000,
        _ => return None,
    };
    Some((Token::Elapsed { unit_millis, width }, width + 2))
}

/// A quoted text, an escaped letter, or a letter that stands for itself.
fn parse_literal(letters: &[char]) -> (Token, usize) {
    match letters {
        ['"', rest @ ..] => {
            let length = rest.iter().position(|letter| *letter == '"').unwrap_or(rest.len());
            (Token::Literal(rest.iter().take(length).collect()), (length + 2).min(letters.len()))
        }
        ['\\', escaped, ..] => (Token::Literal(escaped.to_string()), 2),
        [letter, ..] => (Token::Literal(letter.to_string()), 1),
        [] => (Token::Literal(String::new()), 1),
    }
}

fn parse_number(pattern: &str) -> Vec<Token> {
    let letters: Vec<char> = pattern.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&letter) = letters.get(at) {
        let (token, length) = match letter {
            '0' | '#' | '.' => {
                let digits: String = letters[at..].iter().take_while(|other| "0#.,?".contains(**other)).collect();
                let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
                let token = Token::Digits {
                    least_whole: whole.matches('0').count(),
                    decimals: fraction.len(),
                    least_decimals: fraction.matches('0').count(),
                    is_grouped: whole.contains(','),
                };
                (token, digits.len())
            }
            '%' => (Token::Percent, 1),
            '@' => (Token::Text, 1),
            _ => parse_literal(&letters[at..]),
        };
        tokens.push(token);
        at += length;
    }
    tokens
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_look_as_in_a_sheet() {
        let table = [
            ("DATE", "yyyy-mm-dd", 46347.0, "2026-11-21"),
            ("DATE", "", 46347.0, "11/21/2026"),
            ("DATE", "ddd d mmm yy", 46347.0, "Sat 21 Nov 26"),
            ("DATE", "dddd, mmmm d", 46347.0, "Saturday, November 21"),
            ("DATE_TIME", "yyyy-mm-dd hh:mm:ss", 46347.75, "2026-11-21 18:00:00"),
            ("DATE_TIME", "", 46347.25, "11/21/2026 6:00:00"),
            ("DATE_TIME", "\"~\"yyyy-mm-dd hh:mm:ss", 46347.75, "~2026-11-21 18:00:00"),
            ("DATE", "\"~\"yyyy-mm-dd", 46347.0, "~2026-11-21"),
            ("TIME", "\"~\"hh:mm:ss", 0.75, "~18:00:00"),
            ("DATE_TIME", "hh:mm:ss.000", 1.000_001, "00:00:00.086"),
            ("TIME", "h:mm am/pm", 0.5, "12:00 PM"),
            ("TIME", "", 0.0, "12:00:00 AM"),
            ("TIME", "[h]:mm:ss", 1.5, "36:00:00"),
            ("TIME", "[h]:mm:ss", 0.1 + 0.2, "7:12:00"),
            ("TIME", "[h]:mm:ss", 5.499 / 86_400.0, "0:00:05"),
            ("TIME", "[h]:mm:ss", 5.5 / 86_400.0, "0:00:06"),
            ("TIME", "[h]:mm:ss", 3_599.6 / 86_400.0, "1:00:00"),
            ("TIME", "[h]:mm:ss", -59.6 / 86_400.0, "-0:01:00"),
            ("TIME", "[h]:mm:ss.0", 5.55 / 86_400.0, "0:00:05.5"),
            ("TIME", "[h]:mm", 59.4 / 86_400.0, "0:00"),
            ("TIME", "[hh]:mm", -0.25, "-06:00"),
            ("TIME", "[m]:ss", 0.5, "720:00"),
            ("TIME", "h\"h\" mm\\m", 0.5, "12h 00m"),
            ("NUMBER", "", 1_234_567.891, "1,234,567.89"),
            ("NUMBER", "0", 2.5, "3"),
            ("NUMBER", "000.0#", 1.25, "001.25"),
            ("NUMBER", "#.##", 0.5, ".5"),
            ("NUMBER", "0.0\" °C\"", 21.44, "21.4 °C"),
            ("NUMBER", "0.00;(0.00)", -3.0, "-3.00"),
            ("PERCENT", "", 0.5, "50.00%"),
            ("CURRENCY", "", 5.0, "$5.00"),
            ("TEXT", "@", 5.5, "5.5"),
            ("", "", 0.1 + 0.2, "0.3"),
            ("", "", -0.0, "0"),
            ("", "", 1e300, "1E300"),
            ("DATE", "", 1e300, "1E300"),
        ];
        for (kind, pattern, number, expected) in table {
            let format = NumberFormat::parse(&json!({ "type": kind, "pattern": pattern }));
            assert_eq!(format.render(number), expected, "{kind} {pattern} {number}");
        }
        assert_eq!(NumberFormat::parse(&Value::Null).render(12.0), "12");
    }
}
