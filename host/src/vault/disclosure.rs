//! Every secret that is in the storage, for whoever takes them out of a text. Nothing is changed, repaired or set aside.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use punchcard_core::name::GrantName;
use punchcard_core::secret::Secret;
use zeroize::Zeroizing;

use super::seal::{Sealer, is_sealed};
use super::{LARGEST, Slots};

/// A shorter piece of a file that can't be read as slots is a key, a number or a mark.
const SHORTEST_PIECE: usize = 8;

/// The secrets in all files of the folder, also in those that were set aside. Of a file that is damaged, every piece that can
/// be one. A folder that is not there has none. Beside them, the names of the files that are sealed and could not be opened.
///
/// # Errors
/// When the folder or a file in it can't be read: then it is not known what to take out.
pub fn read_all_secrets(folder: &Path, sealer: Option<&Sealer>) -> io::Result<(Vec<Secret>, Vec<String>)> {
    let (mut secrets, mut unopened) = (Vec::new(), Vec::new());
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((secrets, unopened)),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if !entry.file_type()?.is_file() {
            continue;
        }
        let mut content = Zeroizing::new(Vec::new());
        File::open(entry.path())?.take(LARGEST).read_to_end(&mut content)?;
        if is_sealed(&content) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let grant = name.split_once(".json").and_then(|(grant, _)| GrantName::parse(grant).ok());
            match grant.zip(sealer).and_then(|(grant, sealer)| sealer.open(&grant, &content).ok()) {
                Some(opened) => content = opened,
                None => {
                    unopened.push(name);
                    continue;
                }
            }
        }
        match Slots::parse(&content) {
            Ok(slots) => secrets.extend(slots.secrets().cloned()),
            Err(_) => secrets.extend(pieces(&content)),
        }
    }
    Ok((secrets, unopened))
}

/// What stands between the marks of JSON, and between white space.
fn pieces(content: &[u8]) -> Vec<Secret> {
    let text = String::from_utf8_lossy(content);
    let ends = |character: char| character.is_whitespace() || matches!(character, '"' | '{' | '}' | ':' | ',' | '\0');
    let pieces = text.split(ends).filter(|piece| piece.len() >= SHORTEST_PIECE);
    pieces.map(|piece| Secret::new(piece.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use punchcard_core::name::SlotName;

    use super::super::{Sealing, Vault};
    use super::*;

    #[test]
    fn secrets_are_found_in_whole_and_in_damaged_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault");
        assert_eq!(read_all_secrets(&path, None).unwrap().0.len(), 0);
        let secret = |text: &str| Secret::new(text.to_owned());
        let slot = SlotName::parse("refresh-token").unwrap();
        let vault = Vault::open(&path).unwrap();
        vault.store(&GrantName::parse("google").unwrap(), vec![(slot, secret("1//refresh"))]).unwrap();
        fs::write(path.join("old.json.damaged-1"), r#"{"format":1,"slots":{"a":{"secret":"ya29.half-of-a-tok"#)
            .unwrap();
        fs::create_dir(path.join("folder")).unwrap();
        let (found, _) = read_all_secrets(&path, None).unwrap();
        let found: Vec<&str> = found.iter().map(Secret::reveal).collect();
        assert!(found.contains(&"1//refresh") && found.contains(&"ya29.half-of-a-tok"), "{found:?}");
        assert!(read_all_secrets(&path.join("google.json"), None).is_err());
    }

    #[test]
    fn secrets_in_sealed_files_are_found_with_the_key_and_named_without_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault");
        let sealer =
            || Sealer::new(Secret::new("correct horse battery".to_owned())).unwrap_or_else(|error| panic!("{error}"));
        let slot = SlotName::parse("refresh-token").unwrap();
        let vault = Vault::open_with(&path, Sealing::Sealed(sealer())).unwrap();
        let secret = Secret::new("1//refresh".to_owned());
        vault.store(&GrantName::parse("google").unwrap(), vec![(slot, secret.clone())]).unwrap();
        fs::copy(path.join("google.json"), path.join("google.json.damaged-1")).unwrap();
        let (found, unopened) = read_all_secrets(&path, Some(&sealer())).unwrap();
        assert!(found == vec![secret.clone(), secret] && unopened.is_empty());
        let (found, mut unopened) = read_all_secrets(&path, None).unwrap();
        unopened.sort();
        assert!(found.is_empty() && unopened == ["google.json", "google.json.damaged-1"]);
    }
}
