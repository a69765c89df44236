//! How the spreadsheet is found, created, given up and exchanged.

use google_sim::{ACCOUNT, FileAction};
use punchcard_sdk::connector::{Directive, Signal};
use punchcard_sdk::http::Failure;
use serde_json::json;

use super::{delivered, first_cells, held};
use crate::Settings;
use crate::rig::{Fault, Google, Host};
use crate::state::Intent;

/// Another account that the device may be signed in with.
const ANOTHER: &str = "another@example.com";

#[test]
fn a_new_device_creates_its_spreadsheet_with_the_tab_alone() {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    let empty = host.batch(0);
    assert_eq!(host.run(&mut google, &empty, Signal::Prepare), delivered("file1"));
    assert_eq!(google.log, ["files", "create", "files", "tabs", "setup"]);
    let file = google.file();
    assert_eq!((file.name.as_str(), file.tabs.len()), ("Time clock 2026", 1));
    assert_eq!(file.properties["punchcard"], "Time clock 2026");
    assert_eq!(file.properties["punchcard-volume"], "1");
    let tab = file.tab("Punches");
    assert_eq!(tab.rows, [["ROW", "AT"]]);
    assert_eq!((tab.row_count, tab.column_count), (2, 2));
}

#[test]
fn a_batch_that_comes_first_creates_it_too() {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    assert_eq!(google.log, ["files", "create", "files", "tabs", "setup", "append"]);
}

#[test]
fn a_tab_called_like_the_blank_one_takes_its_place() {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settings.tab = "sheet1".into();
    host.settle(&mut google);
    let titles: Vec<_> = google.file().tabs.into_iter().map(|tab| tab.title).collect();
    assert_eq!(titles, ["sheet1"]);
}

#[test]
fn what_a_person_wrote_into_the_blank_tab_stays() {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    let batch = host.batch(1);
    let steps = |host: &mut Host, google: &mut Google| {
        // Up to the moment at which the spreadsheet was just created.
        let mut signal = Signal::Begin;
        while google.files().is_empty() {
            signal = match host.step(google, &batch, signal.clone()) {
                Directive::Send(request) => match google.perform(&request) {
                    crate::rig::Reply::Response(response) => Signal::Responded(response),
                    _ => unreachable!(),
                },
                other => panic!("{other:?}"),
            };
        }
        host.step(google, &batch, signal);
    };
    steps(&mut host, &mut google);
    google.write("Sheet1", 0, 1, "mine");
    assert_eq!(host.run(&mut google, &batch, Signal::Resumed), delivered("file1"));
    assert_eq!(google.file().tabs.len(), 2);
    assert_eq!(first_cells(&google.rows("Punches")), ["row-1/0"]);
}

#[test]
fn preparing_again_looks_and_changes_nothing() {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settle(&mut google);
    let empty = host.batch(0);
    assert_eq!(host.run(&mut google, &empty, Signal::Prepare), delivered("file1"));
    assert_eq!(google.log, ["trashed", "tabs", "columns"]);
}

#[test]
fn a_device_whose_card_was_replaced_goes_on_in_its_spreadsheet() {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settle(&mut google);
    google.rename_tab("Punches", "Renamed by a person");
    google.act("file1", &FileAction::Rename { name: "Renamed as well".into() });
    let mut replaced = Host::new(2);
    let batch = replaced.batch(1);
    assert_eq!(replaced.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    assert_eq!(google.log, ["files", "tabs", "columns", "append"]);
    assert_eq!(google.files().len(), 1);
    assert_eq!(first_cells(&google.rows("Renamed by a person")), ["row-2/0", "row-2/1", "row-1/0"]);
}

#[test]
fn a_title_with_quotes_is_found_again() {
    let mut google = Google::default();
    for seed in [1, 2] {
        let mut host = Host::new(seed);
        host.settings.spreadsheet = r"Anna's \ clock".into();
        host.settle(&mut google);
    }
    assert_eq!(google.files().len(), 1);
}

#[test]
fn two_sinks_that_create_at_the_same_moment_agree_on_one_and_say_that_the_other_is_spare() {
    for lag_s in [0, 2, 3, 20, 60] {
        let mut google = Google::lagging(lag_s, []);
        let mut hosts = [Host::new(1), Host::new(2)];
        hosts[1].settings.tab = "Readings".into();
        let batches = hosts.each_mut().map(|host| host.batch(1));
        let mut signals = [Some(Signal::Begin), Some(Signal::Begin)];
        let mut said = vec![];
        for _ in 0..60 {
            for ((host, batch), signal) in hosts.iter_mut().zip(&batches).zip(&mut signals) {
                let Some(current) = signal.take() else { continue };
                *signal = match host.step(&google, batch, current) {
                    Directive::Delivered(_) => None,
                    Directive::Notice(problem) => {
                        said.push(problem.unwrap().advice);
                        Some(Signal::Elapsed)
                    }
                    Directive::Wait(pause) => {
                        google.advance(pause.milliseconds / 2 + 10);
                        Some(Signal::Elapsed)
                    }
                    Directive::Send(request) => match google.perform(&request) {
                        crate::rig::Reply::Response(response) => Some(Signal::Responded(response)),
                        _ => unreachable!(),
                    },
                    other => panic!("{other:?}"),
                };
                google.advance(20);
            }
        }
        assert_eq!(signals, [None, None], "{lag_s}");
        assert_eq!(google.files().len(), 2, "both created one");
        let ids: Vec<_> = hosts.iter().map(|host| host.state().spreadsheet.unwrap().id).collect();
        assert_eq!(ids, ["file1", "file1"], "{lag_s}");
        assert!(said.iter().all(|said| said.contains("https://docs.google.com/spreadsheets/d/file2/edit")), "{said:?}");
        assert!(!said.is_empty(), "{lag_s}");
    }
}

#[test]
fn a_spare_spreadsheet_is_said_at_each_start_until_it_is_gone() {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settle(&mut google);
    assert_eq!(host.notices, []);
    google.advance(1);
    let properties = google.file().properties;
    let mime_type = "application/vnd.google-apps.spreadsheet";
    let spare = json!({ "name": "Time clock 2026", "mimeType": mime_type, "appProperties": properties }).to_string();
    google.direct.call("POST", "/drive/v3/files", Some(spare.as_bytes()));
    let mut replaced = Host::new(2);
    for _ in 0..2 {
        let empty = replaced.batch(0);
        assert_eq!(replaced.run(&mut google, &empty, Signal::Prepare), delivered("file1"));
    }
    let said: Vec<_> = replaced.notices.iter().map(|said| said.as_ref().unwrap().headline.as_str()).collect();
    assert_eq!(said, ["a spare spreadsheet"; 2]);
    assert!(replaced.notices[0].as_ref().unwrap().advice.contains("https://docs.google.com/spreadsheets/d/file2/edit"));
    google.act("file2", &FileAction::Trash);
    google.log.clear();
    for _ in 0..2 {
        let empty = replaced.batch(0);
        assert_eq!(replaced.run(&mut google, &empty, Signal::Prepare), delivered("file1"));
    }
    assert_eq!(replaced.notices[2..], [None], "nothing is said any more");
    assert_eq!(google.log, ["files", "trashed", "tabs", "columns", "trashed", "tabs", "columns"]);
}

#[test]
fn a_doubtful_creation_is_looked_for_and_not_repeated() {
    // The listing shows what was created only after 40 s.
    for fault in [
        Fault::LostAfter,
        Fault::HtmlAfter(502),
        Fault::HtmlAfter(404),
        Fault::Garbled,
        Fault::TooLarge,
        Fault::CrashAfter { reboot: true },
        Fault::Late(30_000),
        Fault::Late(179_000),
    ] {
        let mut google = Google::lagging(40, [Fault::None, fault]);
        let mut host = Host::new(1);
        let batch = host.batch(1);
        assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"), "{fault:?}");
        assert_eq!(google.log.iter().filter(|asked| **asked == "create").count(), 1, "{fault:?}");
        assert_eq!(google.file().tabs.len(), 1, "its blank tab was taken away");
        assert_eq!(host.problems[0].headline, "creation is in doubt");
    }
}

#[test]
fn a_lost_creation_is_not_repeated_however_often_the_device_restarts() {
    for (lag_s, reboots) in [(20, false), (20, true), (59, false)] {
        let lost = Fault::CrashAfter { reboot: reboots };
        let mut google = Google::lagging(lag_s, [Fault::None, lost]);
        let mut host = Host::new(1);
        let empty = host.batch(0);
        let signal = host.run_until(&mut google, &empty, Signal::Prepare, "create");
        assert_eq!(signal, Signal::Resumed, "the host died");
        for _ in 0..30 {
            // Killed half a second after each start.
            if reboots {
                host.reboot(&google);
            }
            let Directive::Send(request) = host.step(&google, &empty, Signal::Prepare) else { panic!("it looks") };
            let crate::rig::Reply::Response(response) = google.perform(&request) else { panic!() };
            let next = host.step(&google, &empty, Signal::Responded(response));
            assert!(matches!(next, Directive::Wait(_)), "{next:?}");
            google.advance(500);
        }
        assert_eq!(host.run(&mut google, &empty, Signal::Prepare), delivered("file1"));
        assert_eq!(google.files().len(), 1);
    }
}

#[test]
fn a_creation_that_never_happened_is_repeated_with_the_same_nonce_once_it_never_can() {
    let mut google = Google::lagging(0, [Fault::None, Fault::LostBefore]);
    let mut host = Host::new(1);
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    let creations: Vec<_> = google.requests.iter().filter(|(kind, ..)| *kind == "create").collect();
    assert_eq!(creations.len(), 2);
    assert_eq!(creations[0], creations[1]);
    let waited: u64 = host.waited_ms.iter().sum();
    assert!((240_000..250_000).contains(&waited), "{:?}", host.waited_ms);
}

#[test]
fn a_creation_that_was_refused_for_the_moment_is_tried_again_where_nobody_else_was_faster() {
    for fault in [Fault::Status(429), Fault::Status(403), Fault::Unsent] {
        let mut google = Google::lagging(0, [Fault::None, fault]);
        let mut host = Host::new(1);
        let batch = host.batch(1);
        assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
        assert_eq!(google.log[..4], ["files", "create", "files", "create"], "{fault:?}");
        assert!(host.waited_ms[0] < 10_000, "nothing is in doubt");
    }
}

#[test]
fn a_listing_that_is_incomplete_is_asked_for_again() {
    let mut google = Google::default();
    google.scripted.push_back(("files", 200, r#"{"incompleteSearch":true,"files":[]}"#.into()));
    let mut host = Host::new(1);
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    assert_eq!(google.log[..3], ["files", "files", "create"]);
}

#[test]
fn each_year_has_its_spreadsheet() {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settle(&mut google);
    host.epoch_ms += 50 * 86_400_000;
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file2"));
    assert_eq!(google.files()[1].name, "Time clock 2027");
    assert_eq!(host.state().spent.len(), 1, "marks of the old spreadsheet are forgotten");
    // A clock that was wrong goes back: so do the rows.
    host.epoch_ms -= 50 * 86_400_000;
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    assert_eq!(google.files().len(), 2);
}

#[test]
fn without_years_there_is_one_spreadsheet() {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settings.yearly = Some(false);
    host.settle(&mut google);
    host.epoch_ms += 50 * 86_400_000;
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    assert_eq!(google.file().name, "Time clock");
}

#[test]
fn a_batch_in_doubt_is_finished_where_it_began_whatever_the_year_and_the_settings() {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settle(&mut google);
    let batch = host.batch(1);
    google.faults = [Fault::CrashAfter { reboot: true }].into();
    let mut crashed = false;
    // The crash is where the settings and the year change.
    let mut signal = Signal::Begin;
    while !crashed {
        use punchcard_sdk::connector::Directive;
        let Directive::Send(request) = host.step(&google, &batch, signal.clone()) else { panic!() };
        match google.perform(&request) {
            crate::rig::Reply::Crash { .. } => crashed = true,
            crate::rig::Reply::Response(response) => signal = Signal::Responded(response),
            crate::rig::Reply::Failure(failure) => signal = Signal::Failed(failure),
        }
    }
    host.reboot(&google);
    host.epoch_ms += 50 * 86_400_000;
    host.settings = Settings { spreadsheet: "Another".into(), ..host.settings };
    let empty = host.batch(0);
    assert_eq!(host.run(&mut google, &empty, Signal::Prepare), delivered("file1"), "preparing keeps what is in doubt");
    assert_eq!(host.run(&mut google, &batch, Signal::Resumed), delivered("file1"));
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file2"));
    assert_eq!(google.files()[1].name, "Another 2027");
    assert_eq!(first_cells(&google.rows("Punches")), ["row-2/0", "row-2/1", "row-3/0", "row-5/0"]);
}

#[test]
fn other_settings_mean_another_place_and_the_first_is_found_again() {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settle(&mut google);
    host.settings.spreadsheet = "Another".into();
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file2"));
    host.settings.spreadsheet = "Time clock".into();
    host.settings.tab = "Readings".into();
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    assert_eq!(google.file().tabs.len(), 2);
    host.settings.tab = "Punches".into();
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    assert_eq!(first_cells(&google.tab("Punches").rows), ["ROW", "row-2/0", "row-2/1", "row-5/0"]);
    assert_eq!(first_cells(&google.tab("Readings").rows), ["ROW", "row-4/0"]);
}

#[test]
fn a_spreadsheet_that_is_gone_is_never_made_again_by_itself() {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settle(&mut google);
    google.delete_files();
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), held("sheet was deleted"));
    assert_eq!(google.log, ["append", "trashed", "tabs"]);
    assert!(host.problems[0].advice.contains("`punchcard sinks create-anew SINK`"));
    for signal in [Signal::Retry, Signal::Resumed, Signal::Begin] {
        assert_eq!(host.run(&mut google, &batch, signal), held("sheet was deleted"));
    }
    let empty = host.batch(0);
    assert_eq!(host.run(&mut google, &empty, Signal::Prepare), held("sheet was deleted"));
    assert!(!google.log.contains(&"create"));
    // The grant was another account's: it is back.
    let (mut again, mut host) = (Google::default(), Host::new(1));
    host.settle(&mut again);
    again.direct.sign_in(ANOTHER).unwrap();
    assert_eq!(host.run(&mut again, &batch, Signal::Begin), held("sheet was deleted"));
    again.direct.sign_in(ACCOUNT).unwrap();
    assert_eq!(host.run(&mut again, &batch, Signal::Retry), delivered("file1"));
}

#[test]
fn a_person_has_another_one_made_and_the_waiting_batch_goes_there() {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settle(&mut google);
    google.delete_files();
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), held("sheet was deleted"));
    let anew = host.batch(0);
    assert_eq!(host.run(&mut google, &anew, Signal::CreateAnew), delivered("file2"));
    assert_eq!(google.file().name, "Time clock 2026 (2)");
    assert_eq!(google.file().properties["punchcard-volume"], "2");
    assert_eq!(host.run(&mut google, &batch, Signal::Resumed), delivered("file2"));
    assert_eq!(first_cells(&google.rows("Punches")), ["row-3/0"]);
}

#[test]
fn create_anew_makes_another_even_where_the_old_one_is_there_but_only_once_for_each_wish() {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settle(&mut google);
    let anew = host.batch(0);
    assert_eq!(host.run(&mut google, &anew, Signal::CreateAnew), delivered("file2"));
    assert_eq!(host.run(&mut google, &anew, Signal::CreateAnew), delivered("file2"), "the same wish, after a crash");
    assert_eq!(google.files().len(), 2);
    let anew = host.batch(0);
    assert_eq!(host.run(&mut google, &anew, Signal::CreateAnew), delivered("file3"));
    let nameless = punchcard_sdk::connector::Batch { id: String::new(), ..host.batch(0) };
    assert_eq!(host.run(&mut google, &nameless, Signal::CreateAnew), delivered("file4"));
    assert_eq!(host.run(&mut google, &nameless, Signal::CreateAnew), delivered("file5"));
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file5"));
    assert_eq!(google.files()[4].properties["punchcard-volume"], "5");
    let mut replaced = Host::new(2);
    assert_eq!(replaced.run(&mut google, &batch, Signal::Begin), delivered("file5"), "the last one is the one in use");
}

#[test]
fn create_anew_goes_on_after_a_crash() {
    for crash in [Fault::CrashBefore { reboot: false }, Fault::CrashAfter { reboot: true }] {
        for crash_at in 1..4 {
            let (mut google, mut host) = (Google::default(), Host::new(1));
            host.settle(&mut google);
            google.faults = vec![Fault::None; crash_at].into();
            google.faults.push_back(crash);
            let anew = host.batch(0);
            assert_eq!(host.run(&mut google, &anew, Signal::CreateAnew), delivered("file2"), "{crash:?} {crash_at}");
            assert_eq!(google.files().len(), 2);
            let batch = host.batch(1);
            assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file2"));
        }
    }
}

#[test]
fn the_same_wish_again_does_not_begin_anew_and_another_search_is_no_wish() {
    let (mut google, mut host, mut other) = (Google::default(), Host::new(1), Host::new(2));
    other.settle(&mut google);
    let empty = host.batch(0);
    let Directive::Send(_) = host.step(&google, &empty, Signal::Prepare) else {
        panic!("it looks for the spreadsheet")
    };
    let anew = host.batch(0);
    host.step(&google, &anew, Signal::CreateAnew);
    let finding = host.state().finding.unwrap();
    assert_eq!((finding.intent, finding.volume), (Intent::Create, 0));
    host.step(&google, &anew, Signal::CreateAnew);
    assert_eq!(host.state().finding.unwrap().nonce, finding.nonce);
    assert_eq!(host.run(&mut google, &anew, Signal::CreateAnew), delivered("file2"));
}

#[test]
fn settings_that_change_during_the_search_count_at_once() {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    let empty = host.batch(0);
    host.step(&google, &empty, Signal::Prepare);
    host.settings.spreadsheet = "Readings".into();
    assert_eq!(host.run(&mut google, &empty, Signal::Prepare), delivered("file1"));
    assert_eq!(google.files().len(), 1);
    assert_eq!(google.file().name, "Readings 2026");
}

#[test]
fn a_listing_that_never_shows_what_was_made_is_waited_for_two_minutes() {
    let mut google = Google::lagging(u64::MAX, []);
    let mut host = Host::new(1);
    let empty = host.batch(0);
    assert_eq!(host.run(&mut google, &empty, Signal::Prepare), delivered("file1"));
    let waited: u64 = host.waited_ms.iter().sum();
    assert!((120_000..200_000).contains(&waited), "{:?}", host.waited_ms);
    assert_eq!(google.files().len(), 1);
}

#[test]
fn what_a_person_wished_for_is_taken_without_another_look() {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settle(&mut google);
    let anew = host.batch(0);
    assert_eq!(host.run(&mut google, &anew, Signal::CreateAnew), delivered("file2"));
    assert_eq!(google.log, ["files", "create", "tabs", "setup"]);
}

#[test]
fn a_new_spreadsheet_that_somebody_filled_at_once_is_looked_at_without_its_content() {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settle(&mut google);
    let anew = host.batch(0);
    host.run_until(&mut google, &anew, Signal::CreateAnew, "tabs");
    let too_large = || Signal::Failed(Failure::TooLarge(8 << 20));
    let Directive::Send(request) = host.step(&google, &anew, too_large()) else { panic!("it does not look again") };
    assert!(!request.url.contains("userEnteredValue"), "{}", request.url);
    assert!(!matches!(host.step(&google, &anew, too_large()), Directive::Send(_)), "it would be too large for ever");
}

#[test]
fn create_anew_takes_its_own_whatever_others_created() {
    let (mut google, mut host, mut other) = (Google::default(), Host::new(1), Host::new(2));
    host.settle(&mut google);
    let anew = other.batch(0);
    assert_eq!(other.run(&mut google, &anew, Signal::CreateAnew), delivered("file2"));
    google.faults = [Fault::None, Fault::LostAfter].into();
    let anew = host.batch(0);
    assert_eq!(host.run(&mut google, &anew, Signal::CreateAnew), delivered("file3"));
    assert_eq!(google.files()[2].properties["punchcard-volume"], "3");
}

#[test]
fn what_another_sink_had_made_anew_is_followed_once_the_old_one_is_gone() {
    let (mut google, mut host, mut other) = (Google::default(), Host::new(1), Host::new(2));
    other.settings.tab = "Readings".into();
    host.settle(&mut google);
    other.settle(&mut google);
    google.delete_files();
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), held("sheet was deleted"));
    let anew = other.batch(0);
    assert_eq!(other.run(&mut google, &anew, Signal::CreateAnew), delivered("file2"));
    assert_eq!(host.run(&mut google, &batch, Signal::Retry), delivered("file2"));
}

#[test]
fn what_another_sink_had_made_anew_is_followed_from_the_bin_too() {
    let (mut google, mut host, mut other) = (Google::default(), Host::new(1), Host::new(2));
    other.settings.tab = "Readings".into();
    host.settle(&mut google);
    other.settle(&mut google);
    google.act("file1", &FileAction::Trash);
    let batch = host.batch(1);
    for signal in [Signal::Retry, Signal::Retry] {
        assert_eq!(host.run(&mut google, &batch, signal), held("sheet is in the bin"), "there is no other");
    }
    let anew = other.batch(0);
    assert_eq!(other.run(&mut google, &anew, Signal::CreateAnew), delivered("file2"));
    assert_eq!(host.run(&mut google, &batch, Signal::Retry), delivered("file2"));
    assert_eq!(first_cells(&google.files()[1].tab("Punches").rows), ["ROW", "row-3/0"]);
}

#[test]
fn back_at_the_first_of_two_accounts_its_own_spreadsheet_is_gone_on_in() {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settle(&mut google);
    // Signed in with another account, where there is none; a person has one made.
    google.direct.sign_in(ANOTHER).unwrap();
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), held("sheet was deleted"));
    let anew = host.batch(0);
    assert_eq!(host.run(&mut google, &anew, Signal::CreateAnew), delivered("file2"));
    assert_eq!(host.run(&mut google, &batch, Signal::Resumed), delivered("file2"));
    // And back, and forth, and back.
    for (account, file) in [(ACCOUNT, "file1"), (ANOTHER, "file2"), (ACCOUNT, "file1")] {
        google.direct.sign_in(account).unwrap();
        let batch = host.batch(1);
        assert_eq!(host.run(&mut google, &batch, Signal::Begin), held("sheet was deleted"));
        assert_eq!(host.run(&mut google, &batch, Signal::Retry), delivered(file));
    }
}

#[test]
fn a_spreadsheet_that_a_person_gave_up_is_not_gone_back_to() {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settle(&mut google);
    let anew = host.batch(0);
    assert_eq!(host.run(&mut google, &anew, Signal::CreateAnew), delivered("file2"));
    google.act("file2", &FileAction::Delete);
    let batch = host.batch(1);
    for signal in [Signal::Begin, Signal::Retry, Signal::Retry] {
        assert_eq!(host.run(&mut google, &batch, signal), held("sheet was deleted"));
    }
}

#[test]
fn rows_in_doubt_do_not_follow() {
    let (mut google, mut host, mut other) = (Google::default(), Host::new(1), Host::new(2));
    host.settle(&mut google);
    other.settle(&mut google);
    let batch = host.batch(1);
    google.faults = [Fault::LostAfter].into();
    let Directive::Send(request) = host.step(&google, &batch, Signal::Begin) else { panic!() };
    assert!(matches!(google.perform(&request), crate::rig::Reply::Failure(_)));
    google.direct.sign_in(ANOTHER).unwrap();
    let anew = other.batch(0);
    assert_eq!(other.run(&mut google, &anew, Signal::CreateAnew), delivered("file2"));
    for signal in [Signal::Resumed, Signal::Retry, Signal::Retry] {
        assert_eq!(host.run(&mut google, &batch, signal), held("sheet was deleted"));
    }
    google.direct.sign_in(ACCOUNT).unwrap();
    assert_eq!(host.run(&mut google, &batch, Signal::Retry), delivered("file1"));
}

/// A person adds a tab that leaves room for two cells.
fn fill(google: &mut Google) {
    let grid = json!({ "rowCount": 10_000_000 - 8, "columnCount": 1 });
    google.edit(&json!([{ "addSheet": { "properties": { "title": "Large", "gridProperties": grid } } }]));
}

#[test]
fn a_full_spreadsheet_is_followed_by_the_next_volume() {
    for is_only_said in [false, true] {
        let (mut google, mut host) = (Google::default(), Host::new(1));
        host.settle(&mut google);
        if is_only_said {
            // As a look does not show it: Google's words alone say so.
            let words =
                "This action would increase the number of cells in the workbook above the limit of 10000000 cells.";
            let message = format!("Invalid requests[1].appendCells: {words}");
            let body = json!({ "error": { "code": 400, "message": message, "status": "INVALID_ARGUMENT" } });
            google.scripted.push_back(("append", 400, body.to_string()));
        } else {
            fill(&mut google);
        }
        a_full_spreadsheet_is_left(&mut google, &mut host);
    }
}

fn a_full_spreadsheet_is_left(google: &mut Google, host: &mut Host) {
    let batch = host.batch(2);
    assert_eq!(host.run(google, &batch, Signal::Begin), delivered("file2"));
    assert_eq!(google.files()[1].name, "Time clock 2026 (2)");
    assert_eq!(
        google.log,
        ["append", "mark", "tabs", "columns", "files", "create", "files", "tabs", "setup", "append"]
    );
    assert_eq!(first_cells(&google.files()[1].tab("Punches").rows), ["ROW", "row-3/0", "row-3/1"]);
    let mut other = Host::new(2);
    let batch = other.batch(1);
    assert_eq!(other.run(google, &batch, Signal::Begin), delivered("file2"));
}

#[test]
fn a_batch_in_doubt_does_not_leave_a_full_spreadsheet_before_it_is_certain() {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settle(&mut google);
    fill(&mut google);
    google.faults = [Fault::LostBefore].into();
    let batch = host.batch(2);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file2"));
    assert!(host.waited_ms.iter().sum::<u64>() >= 600_000, "{:?}", host.waited_ms);
    let left = google.log.iter().position(|kind| *kind == "files").unwrap();
    assert_eq!(google.log[left - 3..left], ["mark", "tabs", "columns"], "asked once more after the wait");
}

#[test]
fn the_limit_is_kept_before_it_is_met() {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settle(&mut google);
    // 4,899,998 x 2 cells: two more rows of two are within 9.8 million, a third is not.
    google.resize("Punches", 4_899_998, 2);
    let empty = host.batch(0);
    host.run(&mut google, &empty, Signal::Prepare);
    let batch = host.batch(2);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file2"));
}
