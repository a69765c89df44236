//! Which texts of a configuration the panel can't draw as they are written.

use super::diagnostic::Diagnostic;
use super::{Configuration, Part};

/// A warning for each label and item in which a letter is drawn as an empty box. `undrawable` names those letters of a text.
#[must_use]
pub fn warn_of_undrawable(configuration: &Configuration, undrawable: impl Fn(&str) -> Vec<String>) -> Vec<Diagnostic> {
    let mut texts = Vec::new();
    for (name, choice) in &configuration.choices {
        texts.push((Part::ChoiceLabel(name.clone()), choice.label.as_str()));
        let items = choice.items.fixed().iter().enumerate();
        texts.extend(items.map(|(position, item)| (Part::ChoiceItem(name.clone(), position), item.as_str())));
    }
    let warn = |(part, text): (Part, &str)| {
        let letters = undrawable(text);
        let message = format!("the panel has no letter for `{}`, and draws an empty box", letters.join("`, `"));
        (!letters.is_empty()).then(|| Diagnostic::warning(configuration.place_of(&part), part.to_string(), message))
    };
    texts.into_iter().filter_map(warn).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{parse_configuration, render_diagnostics};
    use super::*;

    #[test]
    fn a_warning_stands_at_the_text_that_can_not_be_drawn() {
        let text = "device.name = \"x\"\n[choices.project]\nlabel = \"庭\"\nitems = [\n  \"Garden\",\n  \"x庭y\",\n]\n";
        let read = parse_configuration(text).unwrap_or_else(|errors| panic!("{errors:?}"));
        let wide = |text: &str| text.chars().filter(|letter| !letter.is_ascii()).map(String::from).collect();
        let warnings = warn_of_undrawable(&read, wide);
        let picture = render_diagnostics(text, "plugins.toml", &warnings);
        let expected = "\
warning: choices.project.label: the panel has no letter for `庭`, and draws an empty box
 --> plugins.toml:3:9
  |
3 | label = \"庭\"
  |         ^^^^

warning: choices.project.items[1]: the panel has no letter for `庭`, and draws an empty box
 --> plugins.toml:6:3
  |
6 |   \"x庭y\",
  |   ^^^^^^";
        assert_eq!(picture, expected);
        assert_eq!(warn_of_undrawable(&read, |_| Vec::new()), []);
    }
}
