//! Random changes, cut at any moment: whatever the disk has lost, the storage holds what was acknowledged, or what was
//! being stored.

use power_cut::{Disk, Loss, Operation};

use super::super::replacement::temporary_name;
use super::*;

/// What a step does to the folder's files. `is_left`: a crash left something under the temporary name.
fn operation(step: Step, content: &[u8], is_left: bool) -> Option<Operation> {
    let (name, temporary) = ("google.json".to_owned(), temporary_name("google.json"));
    match step {
        Step::Clear => is_left.then_some(Operation::Remove { file: temporary }),
        Step::Create => Some(Operation::Create { file: temporary }),
        Step::Write => Some(Operation::Write { file: temporary, offset: 0, bytes: content.to_vec() }),
        Step::SyncFile => Some(Operation::Sync { file: temporary }),
        Step::Rename => Some(Operation::Rename { from: temporary, to: name }),
        Step::SyncFolder => Some(Operation::SyncFolder),
    }
}

/// A storage in a folder that holds what is left.
fn restored(disk: &Disk, loss: Loss) -> (TempDir, Vault) {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in disk.cut(loss) {
        fs::write(folder.path().join(&name), content).unwrap();
        fs::set_permissions(folder.path().join(name), Permissions::from_mode(0o600)).unwrap();
    }
    let vault = Vault::open(folder.path()).unwrap();
    (folder, vault)
}

fn losses() -> impl Iterator<Item = Loss> {
    let by_chance = (0..8).map(|seed| Loss::ByChance { seed, share: 128 });
    [Loss::Nothing, Loss::Everything].into_iter().chain(by_chance)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn point_31_a_power_cut_at_any_moment_leaves_the_old_or_the_new(
        // The second is long enough for several sectors.
        answers in prop::collection::vec((0_u8..3, 1_usize..1_500), 1..5),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::open(folder.path()).unwrap();
        let (mut operations, mut acknowledged) = (Vec::new(), vec![(0, held(&vault))]);
        for (which, length) in answers {
            let name = slot(&format!("slot-{which}"));
            if length % 5 == 0 {
                vault.forget(&grant(), &[name]).unwrap();
            } else {
                vault.store(&grant(), vec![(name, Secret::new("t".repeat(length)))]).unwrap();
            }
            let now = held(&vault);
            if now != acknowledged.last().unwrap().1 {
                let content = fs::read(folder.path().join("google.json")).unwrap();
                operations.extend(Replacement::STEPS.into_iter().filter_map(|step| operation(step, &content, false)));
                acknowledged.push((operations.len(), now));
            }
        }
        let mut disk = Disk::default();
        for at in 0..=operations.len() {
            let last = acknowledged.iter().rposition(|(length, _)| *length <= at).unwrap();
            let possible: Vec<_> = acknowledged[last..].iter().take(2).map(|(_, held)| held.clone()).collect();
            for loss in losses() {
                let (folder, vault) = restored(&disk, loss);
                let found = held(&vault);
                prop_assert!(possible.contains(&found), "after {} operations, {:?}: {:?}", at, loss, found);
                // It goes on from there, over what the crash left beside it; and so after another one meanwhile.
                let is_left = folder.path().join(temporary_name("google.json")).exists();
                let mut again = Disk::of_folder(folder.path()).unwrap();
                vault.store(&grant(), secrets(&[("slot-9", "new")])).unwrap();
                let now = held(&vault);
                prop_assert!(now.len() == found.len() + 1 && found.iter().all(|slot| now.contains(slot)));
                drop(vault);
                prop_assert_eq!(&held(&Vault::open(folder.path()).unwrap()), &now);
                if !is_left || !matches!(loss, Loss::Nothing | Loss::ByChance { seed: 0, .. }) {
                    continue;
                }
                let content = fs::read(folder.path().join("google.json")).unwrap();
                for step in Replacement::STEPS {
                    if let Some(operation) = operation(step, &content, is_left) {
                        again.perform(&operation);
                    }
                    for loss in [Loss::Everything, Loss::ByChance { seed: at as u64, share: 128 }] {
                        let left = held(&restored(&again, loss).1);
                        prop_assert!(left == found || left == now, "{:?}: {:?} instead of {:?}", step, left, now);
                        prop_assert!(left == now || step != Step::SyncFolder, "acknowledged, and lost: {:?}", left);
                    }
                }
            }
            if let Some(operation) = operations.get(at) {
                disk.perform(operation);
            }
        }
    }
}
