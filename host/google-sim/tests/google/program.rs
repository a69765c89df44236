//! The program `google-sim`.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_google-sim");

#[tokio::test]
async fn its_first_line_says_where_it_listens() {
    let mut program = Command::new(PROGRAM)
        .args(["--quota", "off", "--interval", "1", "--client", "mine:secret"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let port = line.strip_prefix("listening on http://127.0.0.1:").unwrap_or_else(|| panic!("{line}"));
    TcpStream::connect(("127.0.0.1", port.parse().unwrap())).await.unwrap();
    program.kill().await.unwrap();
}

#[tokio::test]
async fn it_ends_with_its_input_where_that_is_asked_for() {
    let mut program = Command::new(PROGRAM)
        .args(["--until-input-ends"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    lines.next_line().await.unwrap().unwrap();
    assert_eq!(program.try_wait().unwrap(), None);
    drop(program.stdin.take());
    assert!(program.wait().await.unwrap().success());
}

#[tokio::test]
async fn wrong_arguments_are_refused() {
    for arguments in [&["--client", "no-secret"][..], &["--quota", "maybe"], &["--port", "99999"]] {
        let output = Command::new(PROGRAM).args(arguments).output().await.unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}
