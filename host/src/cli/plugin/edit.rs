//! Changes of `[plugins]` in the text of plugins.toml. Everything else in it stays as it is: comments, order, spaces.

use punchcard_core::name::PluginName;
use thiserror::Error;
use toml_edit::{DocumentMut, Item, Table, TableLike, Value, value};

/// Why the text is not changed.
#[derive(Debug, Error)]
pub(super) enum EditError {
    /// It is no TOML.
    #[error("plugins.toml can't be changed while it has errors; `punchcard check` lists them")]
    Text(#[source] toml_edit::TomlError),
    /// Something else stands there.
    #[error("`{0}` in plugins.toml is no table; mend that first")]
    NoTable(&'static str),
    /// What is to be added to is not there.
    #[error("plugins.toml has no list `{0}`; write it by hand")]
    NoList(String),
}

/// Names a plugin's file. Its limits stay, where it has some; so do all comments.
pub(super) fn set_plugin(text: &str, name: &PluginName, path: &str) -> Result<String, EditError> {
    let mut document: DocumentMut = text.parse().map_err(EditError::Text)?;
    let plugins = plugins(&mut document)?;
    match plugins.get_mut(name.as_str()) {
        Some(item) => match item.as_table_like_mut() {
            Some(table) => set(table, "path", path),
            None => set(plugins, name.as_str(), path),
        },
        None => {
            plugins.insert(name.as_str(), value(path));
        }
    }
    Ok(document.to_string())
}

/// Takes a plugin out. None: it is not there.
pub(super) fn remove_plugin(text: &str, name: &PluginName) -> Result<Option<String>, EditError> {
    let mut document: DocumentMut = text.parse().map_err(EditError::Text)?;
    let removed = plugins(&mut document)?.remove(name.as_str()).is_some();
    Ok(removed.then(|| document.to_string()))
}

/// Adds a text to a list, such as `sinks.timesheet.reach`.
pub(super) fn add_entry(text: &str, list: &str, entry: &str) -> Result<String, EditError> {
    let mut document: DocumentMut = text.parse().map_err(EditError::Text)?;
    let mut item = Some(document.as_item_mut());
    for key in list.split('.') {
        item = item.and_then(|item| item.as_table_like_mut()?.get_mut(key));
    }
    let found = item.and_then(|item| item.as_array_mut()).ok_or_else(|| EditError::NoList(list.to_owned()))?;
    let mut new = Value::from(entry);
    // A list with a line for each entry gets another line.
    if let Some(last) = found.iter().last() {
        let prefix = last.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
        // What follows the last line's end is how far it is indented; what stands before that may be a comment.
        let indented = prefix.rsplit_once('\n').map(|(_, indented)| format!("\n{indented}"));
        new.decor_mut().set_prefix(indented.unwrap_or_else(|| " ".to_owned()));
    }
    found.push_formatted(new);
    Ok(document.to_string())
}

fn plugins(document: &mut DocumentMut) -> Result<&mut dyn TableLike, EditError> {
    let plugins = document.entry("plugins").or_insert_with(|| Item::Table(Table::new()));
    plugins.as_table_like_mut().ok_or(EditError::NoTable("plugins"))
}

/// Sets a value, with what stands around that which was there.
fn set(table: &mut dyn TableLike, key: &str, text: &str) {
    let mut new = Value::from(text);
    if let Some(old) = table.get(key).and_then(Item::as_value) {
        *new.decor_mut() = old.decor().clone();
    }
    match table.get_mut(key) {
        Some(item) => *item = Item::Value(new),
        None => {
            table.insert(key, Item::Value(new));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> PluginName {
        PluginName::parse("clock").unwrap()
    }

    #[test]
    fn a_file_is_named_and_all_else_stays() {
        let table = [
            ("", "[plugins]\nclock = \"new.wasm\"\n"),
            (
                "# mine\n[plugins]  # all\nother = 'o.wasm'\n\n[grants]\n",
                "# mine\n[plugins]  # all\nother = 'o.wasm'\nclock = \"new.wasm\"\n\n[grants]\n",
            ),
            (
                "[plugins]\nclock = 'old.wasm'   # the good one\nz = 'z'\n",
                "[plugins]\nclock = \"new.wasm\"   # the good one\nz = 'z'\n",
            ),
            (
                "[plugins]\nclock = { call-ms = 9, path = 'old.wasm' } # slow\n",
                "[plugins]\nclock = { call-ms = 9, path = \"new.wasm\" } # slow\n",
            ),
            ("[plugins.clock]\n# where\npath = 'old.wasm'\n", "[plugins.clock]\n# where\npath = \"new.wasm\"\n"),
            ("plugins.clock = 'old.wasm'\n", "plugins.clock = \"new.wasm\"\n"),
            ("plugins = { clock = 'old.wasm' }\n", "plugins = { clock = \"new.wasm\" }\n"),
        ];
        for (text, expected) in table {
            assert_eq!(set_plugin(text, &clock(), "new.wasm").unwrap(), expected, "{text}");
        }
        assert!(matches!(set_plugin("[plugins", &clock(), "x"), Err(EditError::Text(_))));
        assert!(matches!(set_plugin("plugins = 3", &clock(), "x"), Err(EditError::NoTable(_))));
    }

    #[test]
    fn an_entry_is_added_to_a_list_and_all_else_stays() {
        let table = [
            ("[sinks.x]\nreach = ['a']  # there\n", "[sinks.x]\nreach = ['a', \"new\"]  # there\n"),
            ("[sinks.x]\nreach = ['a', 'b']\n", "[sinks.x]\nreach = ['a', 'b', \"new\"]\n"),
            (
                "[sinks.x]\nreach = [\n  'a',  # mine\n  'b',\n]\n",
                "[sinks.x]\nreach = [\n  'a',  # mine\n  'b',\n  \"new\",\n]\n",
            ),
            ("sinks = { x = { reach = [] } }\n", "sinks = { x = { reach = [\"new\"] } }\n"),
        ];
        for (text, expected) in table {
            assert_eq!(add_entry(text, "sinks.x.reach", "new").unwrap(), expected, "{text}");
        }
        assert!(matches!(add_entry("[sinks.x]\n", "sinks.x.reach", "new"), Err(EditError::NoList(_))));
    }

    #[test]
    fn a_plugin_is_taken_out_and_all_else_stays() {
        let text = "[plugins]\n# of the sheet\nother = 'o.wasm'\nclock = 'c.wasm'  # mine\n\n# rest\n[grants]\n";
        let expected = "[plugins]\n# of the sheet\nother = 'o.wasm'\n\n# rest\n[grants]\n";
        assert_eq!(remove_plugin(text, &clock()).unwrap().as_deref(), Some(expected));
        assert_eq!(remove_plugin(expected, &clock()).unwrap(), None);
    }
}
