//! Files that are not what they should be, disks that are full, and hosts that are not alone.

use std::fs;

use super::super::{AcceptError, FILE_NAME, OpenError, Reader, StorageError, log_file::LogFile, schema};
use super::*;

fn log_of(ledger: &Path) -> std::path::PathBuf {
    LogFile::of(ledger).path().to_owned()
}

fn refused(folder: &Path) -> OpenError {
    Ledger::open(folder, setup("first")).err().unwrap()
}

async fn made(folder: &Path) {
    let ledger = open(folder);
    accept(&ledger, 1..=3).await;
    ledger.close().await;
}

#[tokio::test]
async fn a_second_host_is_refused_until_the_first_has_closed() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let error = refused(folder.path());
    assert!(matches!(&error, OpenError::InUse { pid, .. } if *pid == std::process::id().to_string()), "{error}");
    ledger.close().await;
    open(folder.path()).close().await;
}

#[tokio::test]
async fn a_copy_that_sqlite_made_is_opened_at_once() {
    let (folder, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    made(folder.path()).await;
    let connection = rusqlite::Connection::open(folder.path().join(FILE_NAME)).unwrap();
    let path = copy.path().join(FILE_NAME);
    connection.execute("VACUUM INTO ?1", [path.to_str().unwrap()]).unwrap();
    let ledger = open(copy.path());
    accept(&ledger, 4..=4).await;
    assert_eq!(ledger.events(None, 9).await.unwrap().events.len(), 4);
}

#[tokio::test]
async fn a_full_disk_refuses_the_press_keeps_what_was_there_and_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    accept(&ledger, 1..=1).await;
    let most_pages = |ledger: &Ledger, pages: i64| {
        let ledger = ledger.clone();
        async move {
            ledger
                .write(move |store| {
                    let least = store.connection.pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0))?;
                    // This pragma answers, unlike most that set something.
                    let set = format!("PRAGMA max_page_count = {}", least + pages);
                    Ok::<_, StorageError>(store.connection.query_row(&set, [], |_| Ok(()))?)
                })
                .await
                .unwrap();
        }
    };
    most_pages(&ledger, 0).await;
    let large = |number: u64| {
        let mut event = punch(number);
        event.fields[0].value = Value::Text("x".repeat(9_000));
        event
    };
    let mut watched = ledger.accepted();
    watched.mark_unchanged();
    let error = ledger.accept(large(2)).await.unwrap_err();
    assert!(matches!(error, AcceptError::Storage(StorageError::Full)), "{error:?}");
    assert!(!watched.has_changed().unwrap());
    assert_eq!(ledger.events(None, 9).await.unwrap().events.len(), 1);
    // Of two that share a commit, the one that still fits is kept.
    let (too_large, fits) = tokio::join!(ledger.accept(large(3)), ledger.accept(punch(4)));
    assert!(matches!(too_large, Err(AcceptError::Storage(StorageError::Full))));
    assert_eq!(fits.unwrap().sequence, Sequence(2));
    most_pages(&ledger, 1000).await;
    assert_eq!(ledger.accept(large(2)).await.unwrap().sequence, Sequence(3));
}

#[tokio::test]
async fn a_damaged_file_is_refused_with_advice_and_stays_as_it_is() {
    let cases: [(&str, fn(&mut Vec<u8>)); 6] = [
        ("empty", Vec::clear),
        ("cut in the header", |bytes| bytes.truncate(50)),
        ("cut in the first page", |bytes| bytes.truncate(2000)),
        ("no SQLite at all", |bytes| *bytes = b"hello, I am a text file of some length".repeat(100)),
        ("header overwritten", |bytes| bytes[..16].fill(0)),
        ("tables overwritten", |bytes| bytes[100..].fill(0x55)),
    ];
    for (case, damage) in cases {
        let folder = tempfile::tempdir().unwrap();
        made(folder.path()).await;
        let file = folder.path().join("ledger.sqlite");
        let mut bytes = fs::read(&file).unwrap();
        damage(&mut bytes);
        fs::write(&file, &bytes).unwrap();
        let log = fs::read(log_of(&file)).unwrap();
        let error = refused(folder.path());
        assert!(matches!(error, OpenError::Damaged { .. }), "{case}: {error:?}");
        let advice = error.to_string();
        assert!(advice.contains(".recover") && advice.contains("`-wal`"), "{case}: {advice}");
        assert!(
            Reader::open(folder.path(), TimeZone::UTC)
                .and_then(|mut reader| { reader.newest().map_err(|_| OpenError::Missing { path: file.clone() }) })
                .is_err(),
            "{case}"
        );
        assert_eq!(fs::read(&file).unwrap(), bytes, "{case}");
        assert!(fs::read(log_of(&file)).is_ok_and(|left| left == log), "{case}: its log");
    }
}

#[tokio::test]
async fn what_a_killed_host_has_left_in_its_log_is_not_moved_into_a_damaged_file() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path()).await;
    let ledger = open(folder.path());
    accept(&ledger, 4..=6).await;
    let from = folder.path().join(FILE_NAME);
    let (whole, log) = (fs::read(&from).unwrap(), fs::read(log_of(&from)).unwrap());
    // Two pages that are read at every start and that the log has not got: one at once, and one when it seems to be open.
    let root = "SELECT rootpage, page_size FROM sqlite_schema, pragma_page_size WHERE name = 'boot'";
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = rusqlite::Connection::open_with_flags(&from, flags).unwrap();
    let (page, size): (usize, usize) = connection.query_row(root, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    for damaged in [100..size, (page - 1) * size..page * size] {
        let card = tempfile::tempdir().unwrap();
        let file = card.path().join(FILE_NAME);
        let mut bytes = whole.clone();
        bytes[damaged.clone()].fill(0x55);
        fs::write(&file, &bytes).unwrap();
        fs::write(log_of(&file), &log).unwrap();
        let error = refused(card.path());
        assert!(matches!(error, OpenError::Damaged { .. }), "{damaged:?}: {error:?}");
        assert!(fs::read(&file).unwrap() == bytes, "{damaged:?}: something was moved into it");
        assert!(fs::read(log_of(&file)).unwrap() == log, "{damaged:?}: its log is another");
    }
}

#[tokio::test]
async fn damage_that_shows_up_later_is_told_from_other_trouble() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path()).await;
    let ledger = open(folder.path());
    // The pages of the events and of everything else but the schema.
    let file = folder.path().join("ledger.sqlite");
    let mut bytes = fs::read(&file).unwrap();
    let schema: i64 = ledger
        .read(|reader| {
            reader.snapshot(|snapshot, _| {
                let first = "SELECT min(rootpage) FROM sqlite_schema WHERE type = 'table'";
                Ok::<_, StorageError>(snapshot.query_row(first, [], |row| row.get(0))?)
            })
        })
        .await
        .unwrap();
    // A page's size stands in the header (SQLite's file format, section 1.3).
    let page = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    let pages = usize::try_from(schema - 1).unwrap() * page;
    assert!(pages < bytes.len());
    bytes[pages..].fill(0x55);
    fs::write(&file, bytes).unwrap();
    let error = Reader::open(folder.path(), TimeZone::UTC).unwrap().events(None, 9).unwrap_err();
    assert!(matches!(error, StorageError::Damaged(_)), "{error:?}");
}

#[tokio::test]
async fn a_ledger_that_is_gone_while_its_log_is_there_is_not_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ledger.sqlite-wal"), "something").unwrap();
    assert!(matches!(refused(folder.path()), OpenError::Damaged { .. }));
    assert!(!folder.path().join("ledger.sqlite").exists());
    fs::write(folder.path().join("ledger.sqlite-wal"), "").unwrap();
    open(folder.path()).close().await;
}

#[tokio::test]
async fn a_beginning_that_was_cut_short_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ledger.sqlite.new"), "half of a file").unwrap();
    made(folder.path()).await;
    assert!(!folder.path().join("ledger.sqlite.new").exists());
}

#[tokio::test]
async fn another_programs_file_and_a_newer_one_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path()).await;
    let set = |pragma: &str, value: i32| {
        let connection = rusqlite::Connection::open(folder.path().join("ledger.sqlite")).unwrap();
        connection.pragma_update(None, pragma, value).unwrap();
    };
    // One without anything in it, and one that is shorter than it usually is.
    let log = log_of(&folder.path().join("ledger.sqlite"));
    let refused = |folder: &Path| {
        let mut error = None;
        for left in [&b""[..], b"short"] {
            fs::write(&log, left).unwrap();
            error = Some(refused(folder));
            assert!(fs::read(&log).is_ok_and(|found| found == left), "its log");
        }
        fs::remove_file(&log).unwrap();
        error.unwrap()
    };
    let known = i32::try_from(schema::STEPS.len()).unwrap();
    set("user_version", known + 1);
    let error = refused(folder.path());
    assert!(matches!(error, OpenError::Newer { found, .. } if found == known.unsigned_abs() + 1), "{error}");
    assert!(error.to_string().contains("install the newer punchcard"), "{error}");
    assert!(matches!(Reader::open(folder.path(), TimeZone::UTC), Err(OpenError::Newer { .. })));
    set("user_version", known - 1);
    assert!(matches!(Reader::open(folder.path(), TimeZone::UTC), Err(OpenError::Older { .. })));
    set("user_version", -1);
    assert!(matches!(refused(folder.path()), OpenError::Damaged { .. }));
    set("application_id", 7);
    assert!(matches!(refused(folder.path()), OpenError::Foreign { .. }));
    assert!(matches!(Reader::open(folder.path(), TimeZone::UTC), Err(OpenError::Foreign { .. })));
}

#[test]
fn where_there_is_no_ledger_nothing_is_read_and_nothing_made() {
    let folder = tempfile::tempdir().unwrap();
    let error = Reader::open(folder.path(), TimeZone::UTC).err().unwrap();
    assert!(matches!(error, OpenError::Missing { .. }), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
