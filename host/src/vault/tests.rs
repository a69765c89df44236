//! What a person with a screwdriver and a power switch can do to the storage.

mod cut;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use proptest::prelude::*;
use tempfile::TempDir;

use super::replacement::Replacement;
use super::*;

fn grant() -> GrantName {
    GrantName::parse("google").unwrap()
}

fn slot(name: &str) -> SlotName {
    SlotName::parse(name).unwrap()
}

fn secrets(secrets: &[(&str, &str)]) -> Vec<(SlotName, Secret)> {
    secrets.iter().map(|(name, text)| (slot(name), Secret::new((*text).to_owned()))).collect()
}

/// Name, version and content of every filled slot.
fn holding(slots: &Slots) -> Vec<(String, u64, String)> {
    let content = |name: &str| slots.get(&slot(name)).unwrap().reveal().to_owned();
    slots.filled().into_iter().map(|filled| (filled.name.clone(), filled.version, content(&filled.name))).collect()
}

fn held(vault: &Vault) -> Vec<(String, u64, String)> {
    let Loaded { slots, damage } = vault.load(&grant()).unwrap();
    assert_eq!(damage, None);
    holding(&slots)
}

fn expected(slots: &[(&str, u64, &str)]) -> Vec<(String, u64, String)> {
    slots.iter().map(|(name, version, text)| ((*name).to_owned(), *version, (*text).to_owned())).collect()
}

/// A folder whose vault holds an access token and a refresh token, of versions 1 and 2.
fn filled() -> (TempDir, Vault) {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::open(&folder.path().join("tokens")).unwrap();
    vault.store(&grant(), secrets(&[("access-token", "A1"), ("refresh-token", "R1")])).unwrap();
    (folder, vault)
}

fn path(folder: &TempDir, name: &str) -> PathBuf {
    folder.path().join("tokens").join(name)
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn names(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path().join("tokens")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_stored_is_there_after_a_restart() {
    let (folder, vault) = filled();
    let both = expected(&[("access-token", 1, "A1"), ("refresh-token", 2, "R1")]);
    assert_eq!(held(&vault), both);
    drop(vault);
    let vault = Vault::open(&folder.path().join("tokens")).unwrap();
    assert_eq!(held(&vault), both);
    let versions: Vec<_> = vault.filled(&grant()).unwrap().into_iter().map(|slot| (slot.name, slot.version)).collect();
    assert_eq!(versions, [("access-token".to_owned(), 1), ("refresh-token".to_owned(), 2)]);
    let other = vault.load(&GrantName::parse("other").unwrap()).unwrap();
    assert_eq!((holding(&other.slots), other.damage), (vec![], None));
    assert!(other.slots.get(&slot("access-token")).is_none());
}

#[test]
fn point_31_a_file_of_tokens_has_mode_0600_in_a_folder_of_0700() {
    let (folder, _vault) = filled();
    assert_eq!(mode(&folder.path().join("tokens")), 0o700);
    assert_eq!(names(&folder), ["google.json"]);
    assert_eq!(mode(&path(&folder, "google.json")), 0o600);
}

#[test]
fn a_version_is_never_used_again() {
    let (_folder, vault) = filled();
    vault.store(&grant(), secrets(&[("access-token", "A2"), ("refresh-token", "R1")])).unwrap();
    assert_eq!(held(&vault), expected(&[("access-token", 3, "A2"), ("refresh-token", 2, "R1")]));
    vault.forget(&grant(), &[slot("access-token"), slot("refresh-token"), slot("id-token")]).unwrap();
    assert_eq!(held(&vault), vec![]);
    let loaded = vault.store(&grant(), secrets(&[("access-token", "A2")])).unwrap();
    assert_eq!(holding(&loaded.slots), expected(&[("access-token", 4, "A2")]));
    let secrets: Vec<_> = loaded.slots.secrets().map(Secret::reveal).collect();
    assert_eq!(secrets, ["A2"]);
}

#[test]
fn nothing_new_is_not_written() {
    let (folder, vault) = filled();
    let inode = || fs::metadata(path(&folder, "google.json")).unwrap().ino();
    let before = inode();
    vault.store(&grant(), vec![]).unwrap();
    vault.store(&grant(), secrets(&[("access-token", "A1")])).unwrap();
    vault.forget(&grant(), &[slot("device-code")]).unwrap();
    vault.forget(&grant(), &[]).unwrap();
    assert_eq!(inode(), before);
    vault.forget(&grant(), &[slot("access-token")]).unwrap();
    assert_ne!(inode(), before);
}

#[test]
fn point_31_a_crash_at_any_moment_leaves_the_old_or_the_new() {
    let old = expected(&[("access-token", 1, "A1"), ("refresh-token", 2, "R1")]);
    let new = expected(&[("access-token", 3, "A2"), ("refresh-token", 4, "R2")]);
    for done in 0..=Replacement::STEPS.len() {
        for written in [None, Some(0), Some(1), Some(40)] {
            let (folder, vault) = filled();
            let mut slots = vault.load(&grant()).unwrap().slots;
            slots.fill(secrets(&[("access-token", "A2"), ("refresh-token", "R2")]));
            let content = slots.render();
            // A crash in the midst of writing leaves any part of the content.
            let content = &content[..written.filter(|_| done == 3).unwrap_or(content.len())];
            let mut replacement = Replacement::new(&vault.folder, "google.json", content);
            for step in &Replacement::STEPS[..done] {
                replacement.perform(*step).unwrap();
            }
            drop(vault);

            let vault = Vault::open(&folder.path().join("tokens")).unwrap();
            assert_eq!(held(&vault), if done < 5 { old.clone() } else { new.clone() }, "after {done} steps");
            assert_eq!(names(&folder), ["google.json"], "after {done} steps");
            vault.store(&grant(), secrets(&[("access-token", "A3")])).unwrap();
            let version = if done < 5 { 3 } else { 5 };
            assert!(held(&vault).contains(&("access-token".to_owned(), version, "A3".to_owned())));
        }
    }
}

#[test]
fn point_31_the_file_is_durable_before_it_has_its_name_and_the_name_before_it_is_said() {
    let place = |step| Replacement::STEPS.iter().position(|other| *other == step).unwrap();
    let order = [Step::Create, Step::Write, Step::SyncFile, Step::Rename, Step::SyncFolder].map(place);
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(Replacement::STEPS.last(), Some(&Step::SyncFolder));
}

#[test]
fn point_31_what_may_not_be_durable_is_written_again_when_it_is_stored_again() {
    let (folder, vault) = filled();
    let inode = || fs::metadata(path(&folder, "google.json")).unwrap().ino();
    let again = || vault.store(&grant(), secrets(&[("access-token", "A1")])).unwrap();
    let before = inode();
    again();
    assert_eq!(inode(), before);
    // As a folder leaves it that could not be made durable.
    vault.take_turn().doubtful.insert(grant());
    let loaded = again();
    assert_ne!(inode(), before);
    assert_eq!(holding(&loaded.slots), expected(&[("access-token", 1, "A1"), ("refresh-token", 2, "R1")]));
    let once = inode();
    again();
    assert_eq!(inode(), once, "it is durable now");
    vault.take_turn().doubtful.insert(grant());
    vault.forget(&grant(), &[]).unwrap();
    assert_ne!(inode(), once);
}

#[test]
fn a_folder_is_made_with_all_that_leads_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state").join("tokens");
    Vault::open(&path).unwrap();
    assert_eq!(mode(&path), 0o700);
}

#[test]
fn what_a_crash_left_does_not_stand_in_the_way() {
    let (folder, vault) = filled();
    fs::write(path(&folder, "google.json.new"), "half").unwrap();
    vault.store(&grant(), secrets(&[("access-token", "A2")])).unwrap();
    assert_eq!(names(&folder), ["google.json"]);
    assert_eq!(mode(&path(&folder, "google.json")), 0o600);
}

#[test]
fn a_step_that_fails_is_named_and_the_old_content_stays() {
    let (folder, vault) = filled();
    fs::create_dir(path(&folder, "google.json.new")).unwrap();
    let error = vault.store(&grant(), secrets(&[("access-token", "A2")])).err().unwrap();
    assert_eq!(error.to_string(), "the tokens of grant `google` can't be stored: removing a half-written file failed");
    assert_eq!(held(&vault), expected(&[("access-token", 1, "A1"), ("refresh-token", 2, "R1")]));
}

#[test]
fn what_is_too_large_is_not_stored() {
    let (_folder, vault) = filled();
    let large = "x".repeat(1024 * 1024);
    let error = vault.store(&grant(), secrets(&[("access-token", &large)])).err().unwrap();
    assert_eq!(error.to_string(), "the tokens of grant `google` are longer than 1048576 bytes together");
    assert_eq!(held(&vault), expected(&[("access-token", 1, "A1"), ("refresh-token", 2, "R1")]));
}

#[test]
fn a_file_cut_short_anywhere_is_set_aside_once() {
    let (folder, vault) = filled();
    let content = fs::read(path(&folder, "google.json")).unwrap();
    for length in 0..content.len() {
        let (folder, vault) = filled();
        fs::write(path(&folder, "google.json"), &content[..length]).unwrap();
        let Loaded { slots, damage } = vault.load(&grant()).unwrap();
        assert_eq!(holding(&slots), vec![], "cut to {length}");
        let damage = damage.unwrap();
        assert_eq!((damage.file.as_str(), damage.set_aside_as.as_str()), ("google.json", "google.json.damaged-1"));
        assert_eq!(names(&folder), ["google.json.damaged-1"]);
        assert_eq!(fs::read(path(&folder, "google.json.damaged-1")).unwrap(), &content[..length]);
        assert_eq!(held(&vault), vec![]);
    }
    assert_eq!(held(&vault).len(), 2);
}

#[test]
fn versions_go_on_above_those_of_a_lost_file() {
    let (folder, vault) = filled();
    fs::write(path(&folder, "google.json"), "not JSON").unwrap();
    let Loaded { slots, damage } = vault.store(&grant(), secrets(&[("access-token", "A2")])).unwrap();
    assert_eq!(holding(&slots), expected(&[("access-token", (1 << 32) + 1, "A2")]));
    assert_eq!(
        damage.unwrap().to_string(),
        "the token file `google.json` could not be used: what stands in line 1, column 2 was not written by this program; \
         it is kept as `google.json.damaged-1`; sign in again"
    );
    assert_eq!(names(&folder), ["google.json", "google.json.damaged-1"]);
    fs::write(path(&folder, "google.json"), "not JSON").unwrap();
    assert!(vault.load(&grant()).unwrap().damage.is_some());
    vault.store(&grant(), secrets(&[("access-token", "A3")])).unwrap();
    assert_eq!(held(&vault), expected(&[("access-token", (2 << 32) + 1, "A3")]));
}

#[test]
fn damaged_files_do_not_fill_the_disk() {
    let (folder, vault) = filled();
    for _ in 0..8 {
        fs::write(path(&folder, "google.json"), "not JSON").unwrap();
        fs::set_permissions(path(&folder, "google.json"), Permissions::from_mode(0o600)).unwrap();
        assert!(vault.load(&grant()).unwrap().damage.is_some());
    }
    let kept: Vec<_> = (4..=8).map(|number| format!("google.json.damaged-{number}")).collect();
    assert_eq!(names(&folder), kept);
}

#[test]
fn point_31_a_file_that_others_could_read_is_closed_and_set_aside() {
    for open in [0o640, 0o604, 0o666] {
        let (folder, vault) = filled();
        fs::set_permissions(path(&folder, "google.json"), Permissions::from_mode(open)).unwrap();
        let Loaded { slots, damage } = vault.load(&grant()).unwrap();
        assert_eq!(holding(&slots), vec![]);
        assert!(damage.unwrap().reason.starts_with(&format!("its mode is {open:04o}")));
        assert_eq!(mode(&path(&folder, "google.json.damaged-1")), 0o600);
    }
}

#[test]
fn a_link_is_never_followed() {
    let (folder, vault) = filled();
    let elsewhere = folder.path().join("elsewhere.json");
    fs::rename(path(&folder, "google.json"), &elsewhere).unwrap();
    let inside = path(&folder, "inside.json");
    fs::copy(&elsewhere, &inside).unwrap();
    for target in [elsewhere.as_path(), Path::new("inside.json"), Path::new("nowhere")] {
        symlink(target, path(&folder, "google.json")).unwrap();
        let Loaded { slots, damage } = vault.load(&grant()).unwrap();
        assert_eq!(holding(&slots), vec![], "{}", target.display());
        assert_eq!(damage.unwrap().reason, "it is no regular file");
    }
    assert_eq!(fs::read(&elsewhere).unwrap(), fs::read(&inside).unwrap());
    // Nor is one at the place of the half-written file.
    symlink(&elsewhere, path(&folder, "google.json.new")).unwrap();
    vault.store(&grant(), secrets(&[("access-token", "A2")])).unwrap();
    assert_eq!(fs::read(&elsewhere).unwrap(), fs::read(&inside).unwrap());
}

#[test]
fn a_folder_that_others_could_enter_is_closed() {
    let (folder, vault) = filled();
    drop(vault);
    fs::set_permissions(folder.path().join("tokens"), Permissions::from_mode(0o755)).unwrap();
    let vault = Vault::open(&folder.path().join("tokens")).unwrap();
    assert_eq!(mode(&folder.path().join("tokens")), 0o700);
    assert_eq!(held(&vault).len(), 2);
}

#[test]
fn a_folder_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(Vault::open(&file).err(), Some(VaultError::Folder { .. })));
    let link = folder.path().join("link");
    symlink(folder.path(), &link).unwrap();
    assert!(matches!(Vault::open(&link).err(), Some(VaultError::NotOwn { .. })));
}

#[test]
fn writers_take_turns() {
    let (_folder, vault) = filled();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let vault = &vault;
            scope.spawn(move || {
                for round in 0..5 {
                    vault
                        .store(&grant(), secrets(&[(&format!("slot-{writer}"), &format!("content {round}"))]))
                        .unwrap();
                }
            });
        }
    });
    let held = held(&vault);
    assert_eq!(held.len(), 6);
    assert_eq!(held.iter().map(|(_, version, _)| *version).max(), Some(22));
}

/// What can be asked of the storage.
#[derive(Debug, Clone)]
enum Wish {
    Store(Vec<(u8, u8)>),
    Forget(Vec<u8>),
    Crash(usize, Vec<(u8, u8)>),
}

fn wish() -> impl Strategy<Value = Wish> {
    let answer = || prop::collection::vec((0_u8..3, 0_u8..4), 0..4);
    prop_oneof![
        answer().prop_map(Wish::Store),
        prop::collection::vec(0_u8..3, 0..3).prop_map(Wish::Forget),
        (0..=Replacement::STEPS.len(), answer()).prop_map(|(done, answer)| Wish::Crash(done, answer)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_behaves_like_a_map_that_counts(wishes in prop::collection::vec(wish(), 0..12)) {
        let folder = tempfile::tempdir().unwrap();
        let mut vault = Vault::open(folder.path()).unwrap();
        let mut model: std::collections::BTreeMap<String, (u64, String)> = std::collections::BTreeMap::new();
        let mut last = 0;
        let named = |answer: &[(u8, u8)]| -> Vec<(String, String)> {
            answer.iter().map(|(slot, text)| (format!("slot-{slot}"), format!("text {text}"))).collect()
        };
        let mut fill = |model: &mut std::collections::BTreeMap<String, (u64, String)>, answer: &[(String, String)]| {
            for (name, text) in answer {
                if model.get(name).is_none_or(|(_, old)| old != text) {
                    last += 1;
                    model.insert(name.clone(), (last, text.clone()));
                }
            }
        };
        for wish in wishes {
            match wish {
                Wish::Store(answer) => {
                    let answer = named(&answer);
                    let pairs: Vec<_> = answer.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
                    vault.store(&grant(), secrets(&pairs)).unwrap();
                    fill(&mut model, &answer);
                }
                Wish::Forget(names) => {
                    let names: Vec<_> = names.iter().map(|name| slot(&format!("slot-{name}"))).collect();
                    vault.forget(&grant(), &names).unwrap();
                    model.retain(|name, _| !names.contains(&slot(name)));
                }
                Wish::Crash(done, answer) => {
                    let answer = named(&answer);
                    let pairs: Vec<_> = answer.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
                    let mut slots = vault.load(&grant()).unwrap().slots;
                    if slots.fill(secrets(&pairs)) {
                        let content = slots.render();
                        let mut replacement = Replacement::new(&vault.folder, "google.json", &content);
                        for step in &Replacement::STEPS[..done] {
                            replacement.perform(*step).unwrap();
                        }
                        if done >= 5 {
                            fill(&mut model, &answer);
                        }
                    }
                    vault = Vault::open(folder.path()).unwrap();
                }
            }
            let expected: Vec<_> = model.iter().map(|(name, (version, text))| (name.clone(), *version, text.clone())).collect();
            prop_assert_eq!(held(&vault), expected);
        }
    }
}

fn sealer(text: &str) -> Sealer {
    Sealer::new(Secret::new(text.to_owned())).unwrap_or_else(|error| panic!("{error}"))
}

fn open(folder: &TempDir, sealing: Sealing) -> Vault {
    Vault::open_with(&folder.path().join("tokens"), sealing).unwrap()
}

const OURS: &str = "correct horse battery";

#[test]
fn tokens_are_sealed_and_unsealed_and_stay_what_they_are() {
    let (folder, vault) = filled();
    let before = held(&vault);
    let file = path(&folder, "google.json");
    let sealed = open(&folder, Sealing::Sealed(sealer(OURS)));
    assert_eq!(held(&sealed), before);
    let content = fs::read_to_string(&file).unwrap();
    assert!(!content.contains("R1") && !content.contains("refresh-token") && mode(&file) == 0o600, "{content}");
    sealed.store(&grant(), secrets(&[("refresh-token", "R2")])).unwrap();
    let again = open(&folder, Sealing::Sealed(sealer(OURS)));
    assert_eq!(held(&again), expected(&[("access-token", 1, "A1"), ("refresh-token", 3, "R2")]));
    let opened = open(&folder, Sealing::Unsealed(sealer(OURS)));
    assert_eq!(held(&opened), held(&open(&folder, Sealing::None)));
    assert!(fs::read_to_string(&file).unwrap().contains("R2"));
}

#[test]
fn tokens_whose_key_is_missing_are_left_alone() {
    let (folder, _) = filled();
    let before = held(&open(&folder, Sealing::Sealed(sealer(OURS))));
    let file = path(&folder, "google.json");
    let content = fs::read(&file).unwrap();
    let said = |sealing| open(&folder, sealing).load(&grant()).err().unwrap().to_string();
    let other = || sealer("another key altogether");
    assert!(said(Sealing::None).contains("names no key"));
    for sealing in [Sealing::Sealed(other()), Sealing::Unsealed(other())] {
        assert!(said(sealing).contains("another key"));
    }
    let vault = open(&folder, Sealing::Sealed(other()));
    assert!(vault.store(&grant(), secrets(&[("refresh-token", "R2")])).is_err(), "they would be lost");
    assert!(vault.forget(&grant(), &[slot("refresh-token")]).is_err());
    assert_eq!(fs::read(&file).unwrap(), content);
    assert_eq!(held(&open(&folder, Sealing::Sealed(sealer(OURS)))), before);
}

#[test]
fn what_was_set_aside_in_the_clear_is_emptied_and_counted_on() {
    let (folder, vault) = filled();
    fs::write(path(&folder, "google.json"), "1//half-of-a-token").unwrap();
    assert!(vault.load(&grant()).unwrap().damage.is_some());
    let sealed = open(&folder, Sealing::Sealed(sealer(OURS)));
    assert_eq!(fs::read(path(&folder, "google.json.damaged-1")).unwrap(), b"");
    sealed.store(&grant(), secrets(&[("refresh-token", "R2")])).unwrap();
    assert_eq!(held(&sealed), expected(&[("refresh-token", (1 << 32) + 1, "R2")]));
    // A sealed file that is damaged is set aside like any other.
    let content = fs::read_to_string(path(&folder, "google.json")).unwrap();
    let at = content.find("content").unwrap() + 30;
    fs::write(path(&folder, "google.json"), [&content[..at], "AAAA", &content[at + 4..]].concat()).unwrap();
    let damage = sealed.load(&grant()).unwrap().damage.unwrap();
    assert!(damage.reason.contains("not what was sealed"), "{}", damage.reason);
}
