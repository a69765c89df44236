//! A backup that is put in the ledger's place, and what keeps its rows from coming twice.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use punchcard_core::plugin::delivery::CorrectionKind;
use tempfile::TempDir;

use super::super::open_swapped;
use super::super::restore::Swap;
use super::super::{
    BackedUpSecret, BackupLabel, BootTimes, CompareFirst, Compared, CorrectedRow, CorrectionCommit, Delivery, Keep,
    OpenError, Ordinal, Reader, RestoreError, RowOwner, StagedRestore, Undo, perform_undo, plan_undo,
};
use super::*;

const SINK: &str = "sheet";
const BY: &str = "settings";

fn label() -> BackupLabel {
    BackupLabel {
        device: "front-door".to_owned(),
        version: "0.1.0".to_owned(),
        made_at: 7,
        configuration: Some("[device]\n".to_owned()),
    }
}

/// Backs up the ledger of a folder. Returns the file.
fn back_up(folder: &Path, secrets: &[BackedUpSecret]) -> PathBuf {
    let file = folder.join("backup");
    fs::write(&file, "").unwrap();
    Reader::open(folder, TimeZone::UTC).unwrap().back_up(&file, &label(), secrets).unwrap();
    file
}

fn stage(folder: &Path, file: &Path) -> Result<StagedRestore, RestoreError> {
    StagedRestore::begin(folder)?.fill(&mut File::open(file).unwrap(), None)
}

fn restore(folder: &Path, file: &Path) {
    stage(folder, file).unwrap().commit().unwrap();
}

/// What a service has: how often each key came.
type Sheet = BTreeMap<String, u32>;

/// Which rows that wait are in the sheet, as reading it back tells.
async fn there_already(ledger: &Ledger, sheet: &Sheet) -> Vec<Ordinal> {
    let rows = ledger.delivered_rows(&sink(SINK), BY, None, 10_000).await.unwrap();
    let found = rows.into_iter().filter(|row| row.delivery == Delivery::Pending && sheet.contains_key(&row.key));
    found.map(|row| row.ordinal).collect()
}

async fn compare(ledger: &Ledger, sheet: &Sheet) -> Compared {
    let compared = look(ledger, sheet, None).await;
    assert!(ledger.end_comparison(&sink(SINK)).await.unwrap());
    compared
}

/// Looks in one place.
async fn look(ledger: &Ledger, sheet: &Sheet, link: Option<&str>) -> Compared {
    let there = there_already(ledger, sheet).await;
    ledger.settle_found(&sink(SINK), BY, there, Some(at(9)), link.map(ToOwned::to_owned)).await.unwrap()
}

/// Delivers what waits, in batches of so many rows at most. A batch that was tried before is not looked for: a service that
/// forgot its mark, or a restored ledger that gave it another id, has it once more.
async fn deliver(ledger: &Ledger, sheet: &mut Sheet, rows: u32) {
    deliver_of(ledger, SINK, sheet, rows).await;
}

async fn deliver_of(ledger: &Ledger, name: &str, sheet: &mut Sheet, rows: u32) {
    while let Some(open) = open_batch(ledger, name, rows, 7).await {
        for row in &open.batch.rows {
            *sheet.entry(row.key.clone()).or_default() += 1;
        }
        ledger.complete_batch(&sink(name), &open.batch.id, Vec::new(), arrived(), None).await.unwrap();
    }
}

async fn press_and_format(ledger: &Ledger, numbers: impl IntoIterator<Item = u64>) {
    accept(ledger, numbers).await;
    format_all(ledger, SINK).await;
}

async fn close(ledger: Ledger) {
    ledger.close().await;
}

/// A folder in which two rows have arrived and three wait, one of which is on its way; its backup; and the sheet when all of
/// them and two more have arrived.
async fn delivered_since() -> (TempDir, PathBuf, Sheet) {
    let folder = tempfile::tempdir().unwrap();
    let mut sheet = Sheet::new();
    let ledger = open(folder.path());
    declare(&ledger, &[SINK]).await;
    press_and_format(&ledger, 1..=2).await;
    deliver(&ledger, &mut sheet, 1).await;
    press_and_format(&ledger, 3..=4).await;
    open_batch(&ledger, SINK, 1, 7).await.unwrap();
    ledger.store_connector_state(&sink(SINK), b"sent".to_vec(), true).await.unwrap();
    // Not formatted yet.
    accept(&ledger, [5]).await;
    let file = back_up(folder.path(), &[]);
    format_all(&ledger, SINK).await;
    press_and_format(&ledger, 6..=7).await;
    deliver(&ledger, &mut sheet, 2).await;
    assert_eq!(sheet.len(), 7);
    close(ledger).await;
    (folder, file, sheet)
}

#[tokio::test]
async fn rows_that_arrived_since_the_backup_count_as_delivered() {
    let (folder, file, mut sheet) = delivered_since().await;
    restore(folder.path(), &file);
    let (ledger, opened) = Ledger::open(folder.path(), setup("first")).unwrap();
    assert!(opened.restored && opened.newest == Sequence(5), "{opened:?}");
    declare(&ledger, &[SINK]).await;
    let stands = ledger.compare_first(&sink(SINK)).await.unwrap();
    assert_eq!(stands, Some(CompareFirst { newest: Sequence(5), formatted: false, waiting: 2, in_doubt: false }));
    // Something happens before it has compared.
    accept(&ledger, [8]).await;
    format_all(&ledger, SINK).await;
    let stands = ledger.compare_first(&sink(SINK)).await.unwrap();
    // The row of what happened since is at no service.
    assert_eq!(stands, Some(CompareFirst { newest: Sequence(5), formatted: true, waiting: 3, in_doubt: false }));
    assert_eq!(compare(&ledger, &sheet).await, Compared { there: 3, waiting: 1 });
    assert_eq!(ledger.compare_first(&sink(SINK)).await.unwrap(), None);
    deliver(&ledger, &mut sheet, 2).await;
    assert!(sheet.len() == 8 && sheet.values().all(|count| *count == 1), "{sheet:?}");
    let rows = ledger.delivered_rows(&sink(SINK), BY, None, 100).await.unwrap();
    let identified = rows.iter().map(|row| matches!(row.delivery, Delivery::Delivered { identified: true, .. }));
    assert_eq!(identified.collect::<Vec<_>>(), [false, false, true, true, true, true], "{rows:?}");
    assert_eq!(ledger.sinks().await.unwrap()[0].rows_delivered, 6);
    close(ledger).await;
    // It is restored once.
    let (ledger, opened) = Ledger::open(folder.path(), setup("first")).unwrap();
    assert!(!opened.restored && ledger.compare_first(&sink(SINK)).await.unwrap().is_none());
}

#[tokio::test]
async fn what_was_sent_and_not_answered_before_a_restore_may_still_arrive() {
    let (folder, file, _) = delivered_since().await;
    let ledger = open(folder.path());
    press_and_format(&ledger, [8]).await;
    open_batch(&ledger, SINK, 1, 7).await.unwrap();
    ledger.store_connector_state(&sink(SINK), b"sent".to_vec(), true).await.unwrap();
    close(ledger).await;
    for in_doubt in [true, false] {
        restore(folder.path(), &file);
        let ledger = open(folder.path());
        assert_eq!(ledger.compare_first(&sink(SINK)).await.unwrap().map(|stands| stands.in_doubt), Some(in_doubt));
        // The batch that the backup itself had sent is answered or found before the next one.
        ledger.settle_found(&sink(SINK), BY, Vec::new(), None, None).await.unwrap();
        ledger.end_comparison(&sink(SINK)).await.unwrap();
        close(ledger).await;
    }
    // What can't be read may have sent anything.
    restore(folder.path(), &file);
    fs::write(folder.path().join("ledger.sqlite"), vec![7; 4096]).unwrap();
    let ledger = open(folder.path());
    assert!(ledger.compare_first(&sink(SINK)).await.unwrap().unwrap().in_doubt);
}

#[tokio::test]
async fn what_may_still_arrive_may_do_so_whichever_ledger_comes_next() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &[SINK]).await;
    press_and_format(&ledger, 1..=2).await;
    let file = back_up(folder.path(), &[]);
    open_batch(&ledger, SINK, 1, 7).await.unwrap();
    ledger.store_connector_state(&sink(SINK), b"sent".to_vec(), true).await.unwrap();
    close(ledger).await;
    restore(folder.path(), &file);
    assert!(is_in_doubt(folder.path()).await);
    // This one has sent nothing, and has not compared.
    restore(folder.path(), &file);
    assert!(is_in_doubt(folder.path()).await, "restored twice");
    assert_eq!(perform_undo(folder.path()).unwrap(), Undo::PutBack);
    assert!(is_in_doubt(folder.path()).await, "back again");
    restore(folder.path(), &file);
    // The card has lost a part of it since it was checked; another one is restored in its place.
    fs::write(folder.path().join("restore/ledger.sqlite"), "short").unwrap();
    assert!(Ledger::open(folder.path(), setup("first")).is_err());
    restore(folder.path(), &file);
    assert!(is_in_doubt(folder.path()).await, "restored in the place of one that can't be opened");
}

#[tokio::test]
async fn rows_of_what_happened_since_are_not_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &[SINK]).await;
    press_and_format(&ledger, 1..=2).await;
    deliver(&ledger, &mut Sheet::new(), 2).await;
    let file = back_up(folder.path(), &[]);
    close(ledger).await;
    restore(folder.path(), &file);
    let ledger = open(folder.path());
    declare(&ledger, &[SINK]).await;
    press_and_format(&ledger, [3]).await;
    let stands = ledger.compare_first(&sink(SINK)).await.unwrap();
    assert_eq!(stands, Some(CompareFirst { newest: Sequence(2), formatted: true, waiting: 0, in_doubt: false }));
}

#[tokio::test]
async fn what_was_found_in_the_first_place_stays_found_and_was_delivered_there() {
    let (folder, file, sheet) = delivered_since().await;
    restore(folder.path(), &file);
    let ledger = open(folder.path());
    declare(&ledger, &[SINK]).await;
    format_all(&ledger, SINK).await;
    // The year turned between the rows 3 and 4.
    let in_old = |key: &str| [1, 2, 3].iter().any(|number| key.starts_with(&punch(*number).id.to_string()));
    let (old, new): (Sheet, Sheet) = sheet.into_iter().partition(|(key, _)| in_old(key));
    assert_eq!(look(&ledger, &old, Some("2026")).await, Compared { there: 1, waiting: 2 });
    close(ledger).await;
    let ledger = open(folder.path());
    assert_eq!(ledger.compare_first(&sink(SINK)).await.unwrap().unwrap().waiting, 2, "it goes on comparing");
    assert_eq!(look(&ledger, &new, Some("2027")).await, Compared { there: 2, waiting: 0 });
    let rows = ledger.delivered_rows(&sink(SINK), BY, None, 100).await.unwrap();
    let links = rows.iter().map(|row| match &row.delivery {
        Delivery::Delivered { link, .. } => link.as_deref(),
        other => panic!("{other:?}"),
    });
    // Of the others this ledger never knew where they went.
    assert_eq!(links.collect::<Vec<_>>(), [None, None, Some("2026"), Some("2027"), Some("2027")]);
    assert_eq!(ledger.sinks().await.unwrap()[0].link.as_deref(), Some("2027"));
}

#[tokio::test]
async fn rows_whose_event_was_pruned_while_no_one_wanted_the_sink_do_not_come_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut sheet = Sheet::new();
    let ledger = open(folder.path());
    declare(&ledger, &[SINK, "other"]).await;
    press_and_format(&ledger, 1..=2).await;
    declare(&ledger, &["other"]).await;
    format_all(&ledger, "other").await;
    deliver_of(&ledger, "other", &mut Sheet::new(), 2).await;
    accept(&ledger, [3]).await;
    let keep = Keep { keep_for: Duration::from_secs(1), bytes: u64::MAX };
    assert_eq!(ledger.prune(keep, at(1_003_500_000)).await.unwrap().events, 2);
    declare(&ledger, &[SINK, "other"]).await;
    let file = back_up(folder.path(), &[]);
    deliver(&ledger, &mut sheet, 2).await;
    close(ledger).await;
    restore(folder.path(), &file);
    let ledger = open(folder.path());
    declare(&ledger, &[SINK, "other"]).await;
    format_all(&ledger, SINK).await;
    let index = Arc::new(ledger.event_index().await.unwrap());
    let owners = ledger.row_owners(&sink(SINK), &index, sheet.keys().cloned().collect()).await.unwrap();
    assert!(owners.iter().all(|owner| matches!(owner, RowOwner::Known { .. })), "{owners:?}");
    assert_eq!(compare(&ledger, &sheet).await.there, 2);
    deliver(&ledger, &mut sheet, 2).await;
    assert!(sheet.len() == 3 && sheet.values().all(|count| *count == 1), "{sheet:?}");
}

#[tokio::test]
async fn without_comparing_rows_come_twice() {
    let (folder, file, mut sheet) = delivered_since().await;
    restore(folder.path(), &file);
    let ledger = open(folder.path());
    declare(&ledger, &[SINK]).await;
    assert!(ledger.end_comparison(&sink(SINK)).await.unwrap());
    assert!(!ledger.end_comparison(&sink(SINK)).await.unwrap());
    format_all(&ledger, SINK).await;
    deliver(&ledger, &mut sheet, 2).await;
    assert_eq!(sheet.values().filter(|count| **count == 2).count(), 3, "{sheet:?}");
}

#[tokio::test]
async fn a_row_that_is_not_there_goes_behind_those_that_are_and_keeps_its_place_among_the_others() {
    let (folder, file, mut sheet) = delivered_since().await;
    restore(folder.path(), &file);
    let ledger = open(folder.path());
    declare(&ledger, &[SINK]).await;
    format_all(&ledger, SINK).await;
    press_and_format(&ledger, [8]).await;
    // Of the rows 3, 4, 5 and 8 that wait, 4 alone is there.
    let is_there = |key: &str| !key.starts_with(&punch(3).id.to_string()) && !key.starts_with(&punch(5).id.to_string());
    sheet.retain(|key, _| is_there(key));
    assert_eq!(compare(&ledger, &sheet).await, Compared { there: 1, waiting: 3 });
    let open = open_batch(&ledger, SINK, 10, 9).await.unwrap();
    let expected: Vec<_> = [3, 5, 8].map(|number| format!("{}/0", punch(number).id)).into();
    assert_eq!(keys(&open), expected);
    assert_eq!(ledger.sinks().await.unwrap()[0].rows_in_flight, 3);
}

#[tokio::test]
async fn a_sink_that_the_backup_does_not_know_compares_where_it_begins_with_its_history() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    accept(&ledger, 1..=3).await;
    let file = back_up(folder.path(), &[]);
    close(ledger).await;
    restore(folder.path(), &file);
    let ledger = open(folder.path());
    declare(&ledger, &[SINK]).await;
    let stands = ledger.compare_first(&sink(SINK)).await.unwrap();
    assert_eq!(stands, Some(CompareFirst { newest: Sequence(3), formatted: false, waiting: 0, in_doubt: false }));
    // A later one begins with what happens from now on.
    declare(&ledger, &[SINK, "later"]).await;
    assert_eq!(ledger.compare_first(&sink("later")).await.unwrap(), None);
    // What is forgotten compares no more.
    declare(&ledger, &["later"]).await;
    ledger.forget_sink(&sink(SINK)).await.unwrap();
    assert_eq!(ledger.compare_first(&sink(SINK)).await.unwrap(), None);
}

#[tokio::test]
async fn a_backup_says_what_it_is_and_no_host_goes_on_with_it_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &[SINK]).await;
    press_and_format(&ledger, 1..=2).await;
    let secret = || BackedUpSecret { name: "google.json".to_owned(), content: b"1//the-token".to_vec() };
    let holds = |file: &Path| fs::read(file).unwrap().windows(12).any(|bytes| bytes == b"1//the-token");
    assert!(!holds(&back_up(folder.path(), &[])));
    let file = back_up(folder.path(), &[secret()]);
    assert!(holds(&file));

    let staged = stage(folder.path(), &file).unwrap();
    assert_eq!(staged.label, Some(label()));
    assert_eq!((staged.summary.events, staged.summary.waiting.clone()), (2, vec![(SINK.to_owned(), 2)]));
    let newest_at = punch(2).at.map(|at| at.unix_micros);
    assert_eq!(staged.summary.newest_at, newest_at);
    let secrets: Vec<_> = staged.secrets.iter().map(|secret| (secret.name.as_str(), &secret.content[..])).collect();
    assert_eq!(secrets, [("google.json", b"1//the-token".as_slice())]);
    for entry in fs::read_dir(staged.folder()).unwrap() {
        assert!(!holds(&entry.unwrap().path()), "no token is in the ledger that is made of it");
    }
    // Looked at and left alone.
    drop(staged);
    assert!(!folder.path().join("restore.new").exists() && plan_undo(folder.path()).is_none());

    close(ledger).await;
    let by_hand = tempfile::tempdir().unwrap();
    fs::copy(&file, by_hand.path().join("ledger.sqlite")).unwrap();
    let refused = Ledger::open(by_hand.path(), setup("first")).err().unwrap();
    assert!(
        matches!(refused, OpenError::Backup { .. }) && refused.to_string().contains("punchcard restore"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_plain_copy_of_a_ledger_with_its_log_is_restored_too() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ledger = open(folder.path());
    accept(&ledger, 1..=3).await;
    // All of it is still in the log.
    power_cut(folder.path(), other.path());
    close(ledger).await;
    let open_file = |name: &str| File::open(other.path().join(name)).unwrap();
    let (mut file, mut log) = (open_file("ledger.sqlite"), open_file("ledger.sqlite-wal"));
    let staged = StagedRestore::begin(folder.path()).unwrap().fill(&mut file, Some(&mut log)).unwrap();
    assert_eq!((staged.label.clone(), staged.summary.events), (None, 3));
    staged.commit().unwrap();
    let (_ledger, opened) = Ledger::open(folder.path(), setup("first")).unwrap();
    assert!(opened.restored && opened.newest == Sequence(3), "{opened:?}");
}

#[tokio::test]
async fn what_is_no_sound_backup_is_refused_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    accept(&ledger, 1..=200).await;
    let file = back_up(folder.path(), &[]);
    let good = fs::read(&file).unwrap();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        bytes
    };
    let refused = |bytes: &[u8]| {
        let path = folder.path().join("bad");
        fs::write(&path, bytes).unwrap();
        let refused = stage(folder.path(), &path).err().map(|error| error.to_string());
        assert!(!folder.path().join("restore.new").exists());
        refused.unwrap_or_default()
    };
    assert!(refused(b"").contains("neither"));
    assert!(refused(b"[device]").contains("neither"));
    // The header's fields for the application and the version of its tables (SQLite file format §1.3).
    assert!(refused(&with(&|bytes| bytes[68..72].fill(1))).contains("neither"));
    assert!(refused(&with(&|bytes| bytes[63] = 99)).contains("version 99"));
    let damaged = with(&|bytes| {
        let half = bytes.len() / 2;
        bytes[half..half + 4096].fill(0x55);
    });
    assert!(refused(&damaged).contains("damaged"), "{}", refused(&damaged));
    assert!(refused(&good[..good.len() / 2]).contains("damaged"));
    restore(folder.path(), &file);
    assert!(matches!(stage(folder.path(), &file), Err(RestoreError::Pending)));
}

#[tokio::test]
async fn one_restores_at_a_time_and_what_a_killed_one_left_goes_with_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    accept(&ledger, [1]).await;
    let file = back_up(folder.path(), &[]);
    close(ledger).await;
    let staged = stage(folder.path(), &file).unwrap();
    assert!(matches!(stage(folder.path(), &file), Err(RestoreError::AtWork)));
    assert!(matches!(perform_undo(folder.path()), Err(RestoreError::AtWork)));
    // A start meanwhile goes on with what is there, and leaves it alone.
    close(open(folder.path())).await;
    assert!(staged.folder().join("ledger.sqlite").exists());
    staged.commit().unwrap();
    assert_eq!(perform_undo(folder.path()).unwrap(), Undo::TakeBack);

    let draft = folder.path().join("restore.new");
    fs::create_dir(&draft).unwrap();
    fs::write(draft.join("ledger.sqlite"), "half").unwrap();
    close(open(folder.path())).await;
    assert!(!draft.exists());
}

/// A state folder with tokens and four events, and what is put aside for its next start: two events, with other tokens.
async fn about_to_restore(brings_tokens: bool) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &[SINK]).await;
    press_and_format(&ledger, 1..=2).await;
    ledger.declare_grant(&grant(), &plugin("device-flow")).await.unwrap();
    let file = back_up(folder.path(), &[]);
    press_and_format(&ledger, 3..=4).await;
    open_batch(&ledger, SINK, 1, 7).await.unwrap();
    ledger.store_connector_state(&sink(SINK), b"sent".to_vec(), true).await.unwrap();
    // It was killed: its last events are in the log alone.
    let killed = tempfile::tempdir().unwrap();
    power_cut(folder.path(), killed.path());
    close(ledger).await;
    fs::create_dir(killed.path().join("vault")).unwrap();
    fs::write(killed.path().join("vault/google.json"), "old").unwrap();
    let staged = stage(killed.path(), &file).unwrap();
    if brings_tokens {
        fs::create_dir(staged.folder().join("vault")).unwrap();
        fs::write(staged.folder().join("vault/google.json"), "new").unwrap();
    }
    staged.commit().unwrap();
    killed
}

fn tokens(folder: &Path) -> String {
    fs::read_to_string(folder.join("vault/google.json")).unwrap()
}

/// How many events there are, whether the sink compares, and whether the grant's policy remembers.
async fn stands(folder: &Path) -> (u64, bool, bool) {
    let (ledger, opened) = Ledger::open(folder, setup("first")).unwrap();
    let compares = ledger.compare_first(&sink(SINK)).await.unwrap().is_some();
    let grants: u64 = ledger
        .read(|reader| {
            reader.snapshot(|snapshot, _| {
                Ok::<_, super::super::StorageError>(snapshot.query_row(
                    "SELECT count(*) FROM grant_state",
                    [],
                    |row| row.get(0),
                )?)
            })
        })
        .await
        .unwrap();
    close(ledger).await;
    (opened.newest.0, compares, grants > 0)
}

/// Whether the sink waits for what may still arrive.
async fn is_in_doubt(folder: &Path) -> bool {
    let ledger = open(folder);
    let in_doubt = ledger.compare_first(&sink(SINK)).await.unwrap().unwrap().in_doubt;
    close(ledger).await;
    in_doubt
}

#[tokio::test]
async fn a_swap_that_a_power_cut_ends_at_any_step_is_gone_on_with() {
    for brings_tokens in [false, true] {
        let mut cuts = 0;
        loop {
            let folder = about_to_restore(brings_tokens).await;
            let path = folder.path().join("ledger.sqlite");
            if open_swapped(&path, &Swap::cut_after(folder.path(), cuts)).is_ok() {
                break;
            }
            cuts += 1;
            // Somebody reads what is there meanwhile.
            drop(Reader::open(folder.path(), TimeZone::UTC).map(|mut reader| reader.sinks()));
            // And once more a step later, before the start that is whole.
            let _cut = Swap::cut_after(folder.path(), 1).perform();
            let (events, compares, remembers) = stands(folder.path()).await;
            assert_eq!((events, compares, remembers), (2, true, brings_tokens), "after {cuts} steps");
            assert_eq!(tokens(folder.path()), if brings_tokens { "new" } else { "old" });
            for gone in ["restore", "restoring", "replaced", "restored"] {
                assert!(!folder.path().join(gone).exists(), "{gone} after {cuts} steps");
            }
            assert!(is_in_doubt(folder.path()).await, "what was sent before may still arrive, after {cuts} steps");
            // What was there is kept whole, and comes back whole.
            assert_eq!(perform_undo(folder.path()).unwrap(), Undo::PutBack);
            assert_eq!(stands(folder.path()).await.0, 4, "after {cuts} steps");
            assert_eq!(tokens(folder.path()), "old");
        }
        assert!(cuts > 17, "{cuts}");
    }
}

#[tokio::test]
async fn a_restore_is_taken_back_before_it_is_done_and_put_back_after_it() {
    let folder = about_to_restore(true).await;
    assert_eq!(perform_undo(folder.path()).unwrap(), Undo::TakeBack);
    assert_eq!(stands(folder.path()).await, (4, false, true));
    assert!(matches!(perform_undo(folder.path()), Err(RestoreError::NothingToUndo)));

    let folder = about_to_restore(true).await;
    assert_eq!(stands(folder.path()).await, (2, true, true));
    assert_eq!(perform_undo(folder.path()).unwrap(), Undo::PutBack);
    // Thought better of it.
    assert_eq!(perform_undo(folder.path()).unwrap(), Undo::TakeBack);
    assert_eq!(stands(folder.path()).await, (2, true, true));
    assert_eq!(perform_undo(folder.path()).unwrap(), Undo::PutBack);
    // It may have been delivered by the other one since: it compares too.
    assert_eq!(stands(folder.path()).await, (4, true, true));
    assert_eq!(tokens(folder.path()), "old");
    // And back again.
    assert_eq!(perform_undo(folder.path()).unwrap(), Undo::PutBack);
    assert_eq!((stands(folder.path()).await.0, tokens(folder.path())), (2, "new".to_owned()));
}

#[tokio::test]
async fn one_that_can_not_be_opened_is_taken_out_again() {
    let folder = about_to_restore(false).await;
    // The card has lost a part of it since it was checked.
    fs::write(folder.path().join("restore/ledger.sqlite"), "short").unwrap();
    assert!(matches!(Ledger::open(folder.path(), setup("first")), Err(OpenError::Damaged { .. })));
    assert!(matches!(Ledger::open(folder.path(), setup("first")), Err(OpenError::Damaged { .. })));
    assert_eq!(perform_undo(folder.path()).unwrap(), Undo::PutBack);
    assert_eq!(stands(folder.path()).await.0, 4);

    // Or another one is restored in its place.
    let folder = about_to_restore(false).await;
    let other = about_to_restore(false).await;
    fs::write(folder.path().join("restore/ledger.sqlite"), "short").unwrap();
    assert!(Ledger::open(folder.path(), setup("first")).is_err());
    fs::rename(other.path().join("restore"), folder.path().join("restore")).unwrap();
    assert_eq!(stands(folder.path()).await.0, 2);
    assert_eq!(perform_undo(folder.path()).unwrap(), Undo::PutBack);
    assert_eq!(stands(folder.path()).await.0, 4, "what was there first is kept");
}

/// What a device does before or after its backup.
#[derive(Debug, Clone)]
enum Deed {
    Press,
    Format,
    /// A batch of so many rows goes: it arrives and that is kept; or it arrives and that is not known; or it does not leave.
    Go {
        rows: u32,
        arrives: bool,
        known: bool,
    },
    /// A row that arrived is gone from the sheet, and is delivered again.
    LoseAndRedeliver {
        which: usize,
    },
    /// The row of an event is corrected.
    Correct {
        which: usize,
    },
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        4 => Just(Deed::Press),
        3 => Just(Deed::Format),
        4 => (1..4_u32, any::<bool>(), any::<bool>())
            .prop_map(|(rows, arrives, known)| Deed::Go { rows, arrives: arrives || known, known }),
        1 => any::<usize>().prop_map(|which| Deed::LoseAndRedeliver { which }),
        1 => any::<usize>().prop_map(|which| Deed::Correct { which }),
    ];
    prop::collection::vec(deed, 0..25)
}

async fn act(ledger: &Ledger, sheet: &mut Sheet, pressed: &mut u64, deed: &Deed) {
    let name = sink(SINK);
    match *deed {
        Deed::Press => {
            *pressed += 1;
            accept(ledger, [*pressed]).await;
        }
        Deed::Format => format_all(ledger, SINK).await,
        Deed::Go { rows, arrives, known } => {
            let Some(open) = open_batch(ledger, SINK, rows, u128::from(*pressed) + 100).await else { return };
            ledger.store_connector_state(&name, Vec::new(), true).await.unwrap();
            if arrives {
                for row in &open.batch.rows {
                    // The service takes a batch that it has for the same.
                    sheet.entry(row.key.clone()).or_insert(1);
                }
            }
            if known {
                ledger.complete_batch(&name, &open.batch.id, Vec::new(), arrived(), None).await.unwrap();
            }
        }
        Deed::LoseAndRedeliver { which } => {
            let rows = ledger.delivered_rows(&name, BY, None, 10_000).await.unwrap();
            let arrived = rows.iter().filter(|row| matches!(row.delivery, Delivery::Delivered { .. }) && !row.replaced);
            let arrived: Vec<_> = arrived.collect();
            let Some(row) = arrived.get(which % arrived.len().max(1)) else { return };
            sheet.remove(&row.key);
            ledger.redeliver(&name, vec![row.ordinal]).await.unwrap();
        }
        Deed::Correct { which } => {
            let read = ledger.read_unformatted(&name, 0).await.unwrap();
            let made = ledger.delivered_rows(&name, BY, None, 10_000).await.unwrap();
            let Some(row) = made.get(which % made.len().max(1)) else { return };
            if row.replaced {
                return;
            }
            let revision = row.key.split('/').nth(2).map_or(0, |revision| revision.parse().unwrap());
            let kind = CorrectionKind::Changed;
            let cells = vec![Cell::Text("mended".to_owned())];
            let commit = CorrectionCommit {
                at: read.cursor,
                boots: BootTimes::default(),
                state: read.state,
                states: Vec::new(),
                plugin_sha256: [2; 32],
                settings: "{}".to_owned(),
                standing: None,
                columns: columns(2),
                rows: vec![CorrectedRow { event: row.event, position: 0, revision, kind, cells }],
                set_aside: Vec::new(),
            };
            ledger.correct(&name, commit).await.unwrap();
        }
    }
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn every_row_of_a_restored_ledger_is_in_a_sheet_once(
        before in deeds(), after in deeds(), in_new_year in deeds(), later in 0..3_u64, cut in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let (mut sheet, mut pressed) = (Sheet::new(), 0);
            let ledger = open(folder.path());
            declare(&ledger, &[SINK]).await;
            for deed in &before {
                act(&ledger, &mut sheet, &mut pressed, deed).await;
            }
            let file = back_up(folder.path(), &[]);
            for deed in &after {
                act(&ledger, &mut sheet, &mut pressed, deed).await;
            }
            // What goes from here on goes into another sheet. A batch that was tried is finished where it began.
            if let Some(open) = open_batch(&ledger, SINK, 3, 99).await {
                for row in &open.batch.rows {
                    sheet.entry(row.key.clone()).or_insert(1);
                }
                ledger.complete_batch(&sink(SINK), &open.batch.id, Vec::new(), arrived(), None).await.unwrap();
            }
            let mut new_sheet = Sheet::new();
            // What is lost from the old one is not missed in the new one.
            for deed in in_new_year.iter().filter(|deed| !matches!(deed, Deed::LoseAndRedeliver { .. })) {
                act(&ledger, &mut new_sheet, &mut pressed, deed).await;
            }
            close(ledger).await;
            restore(folder.path(), &file);
            let ledger = open(folder.path());
            declare(&ledger, &[SINK]).await;
            // Rows of events that this ledger does not know are those of presses since the backup.
            for number in 0..later {
                accept(&ledger, [1_000 + number]).await;
            }
            format_all(&ledger, SINK).await;
            let stands = ledger.compare_first(&sink(SINK)).await.unwrap().unwrap();
            assert!(stands.formatted);
            let waited = there_already(&ledger, &sheet).await.len() as u64;
            let compared = look(&ledger, &sheet, Some("old")).await;
            assert_eq!(compared.there, waited);
            let ledger = if cut {
                close(ledger).await;
                open(folder.path())
            } else {
                ledger
            };
            let waited = there_already(&ledger, &new_sheet).await.len() as u64;
            let compared = look(&ledger, &new_sheet, Some("new")).await;
            assert_eq!(compared.there, waited);
            assert!(ledger.end_comparison(&sink(SINK)).await.unwrap());
            let counts = &ledger.sinks().await.unwrap()[0];
            assert_eq!(counts.rows_waiting, compared.waiting);
            deliver(&ledger, &mut new_sheet, 2).await;
            for (key, count) in new_sheet {
                *sheet.entry(key).or_default() += count;
            }
            for row in ledger.delivered_rows(&sink(SINK), BY, None, 10_000).await.unwrap() {
                assert!(matches!(row.delivery, Delivery::Delivered { .. }), "{row:?}");
                let count = sheet.get(&row.key).copied().unwrap_or(0);
                // One that the ledger knew as delivered, and that was lost since, is for `reconcile` to find.
                assert!(count == 1 || (count == 0 && after.iter().any(|deed| matches!(deed, Deed::LoseAndRedeliver { .. }))),
                    "{row:?} came {count} times");
            }
            assert!(sheet.values().all(|count| *count == 1), "{sheet:?}");
            close(ledger).await;
        });
    }
}
