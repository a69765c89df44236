//! What servers answer, and how.

use punchcard_core::http::AuthRequest;
use punchcard_core::request::{Signing, plan_authentication};
use tokio::sync::oneshot;

use super::*;

const UNSIGNED: Signing<'static> = Signing { now: None, sign: &|_, _, _| Err(String::new()) };

#[tokio::test]
async fn half_an_answer_is_none() {
    let table = [
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", "interrupted: the answer broke off after 4 bytes: "),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            "interrupted: the answer broke off after 4 bytes: ",
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", "interrupted: the answer broke off after 0 bytes: "),
    ];
    for (answer, beginning) in table {
        let (outcome, _server) = met(vec![vec![Act::Read, send(answer)]], post).await;
        let said = said(outcome);
        assert!(said.starts_with(beginning), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
    // Without a length the end of the connection is the end of the answer (RFC 9112 §6.3).
    let (outcome, _server) = met(vec![vec![Act::Read, send("HTTP/1.1 200 OK\r\n\r\nok")]], post).await;
    assert_eq!(outcome, ok());
}

#[tokio::test]
async fn an_answer_has_to_be_whole_in_time() {
    let beginnings = [
        "",
        "HTTP/1.1 200 OK\r\ncontent-le",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
    ];
    for (place, beginning) in beginnings.into_iter().enumerate() {
        for request in [post, get] {
            let (tell, told) = oneshot::channel();
            let server = Server::start(
                vec![vec![Act::Read, send(beginning), Act::Tell(tell), Act::Hold], vec![Act::Read, send(OK)]],
                None,
            )
            .await;
            let deadline = async { told.await.unwrap() };
            let outcome = shown(http().perform_before(deadline, &prepared(&request(url(&server)))).await);
            let expected =
                if place < 2 { "no answer within 60000 ms" } else { "the answer was not whole within 60000 ms" };
            // The end of the deadline and the answer's head race; the first is never reported as success.
            let said = said(outcome);
            assert!(
                said == format!("interrupted: {expected}")
                    || (place >= 2 && said == "interrupted: no answer within 60000 ms"),
                "{said}"
            );
            assert_eq!(server.counts(), (1, 1));
        }
    }
}

#[tokio::test]
async fn an_endless_answer_ends() {
    let head = || send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    let (outcome, _server) = met(
        vec![vec![Act::Read, head(), Act::SendForEver(format!("400\r\n{}\r\n", "x".repeat(1_024)).repeat(100))]],
        post,
    )
    .await;
    assert_eq!(outcome, Err(Failure::TooLarge(8 * 1024 * 1024)));
}

#[tokio::test]
async fn an_answer_is_as_large_as_the_limit_at_most() {
    let limits = Limits { largest_answer: 4, ..Limits::default() };
    let http = Http::open(&limits, &Trust::only(vec![])).unwrap();
    let table = [
        ("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfour", Ok((200, "four".to_owned()))),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", Err(Failure::TooLarge(4))),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nfo\r\n2\r\nur\r\n0\r\n\r\n",
            Ok((200, "four".to_owned())),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nfo\r\n3\r\nurx\r\n0\r\n\r\n",
            Err(Failure::TooLarge(4)),
        ),
        ("HTTP/1.1 200 OK\r\n\r\nfour", Ok((200, "four".to_owned()))),
        ("HTTP/1.1 500 X\r\n\r\nfive!", Err(Failure::TooLarge(4))),
    ];
    for (answer, expected) in table {
        let server = Server::start(vec![vec![Act::Read, send(answer)]], None).await;
        assert_eq!(performed(&http, &post(url(&server))).await, expected, "{answer}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    for status in [301, 302, 303, 307, 308] {
        let answer = format!("HTTP/1.1 {status} X\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n");
        let (outcome, server) = met(vec![vec![Act::Read, Act::Send(answer), Act::Read, send(OK)]], get).await;
        assert_eq!((outcome, server.counts()), (Ok((status, String::new())), (1, 1)));
    }
}

#[tokio::test]
async fn a_cookie_is_not_sent_back() {
    let first = send("HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: 2\r\n\r\nok");
    let server = Server::start(vec![vec![Act::Read, first, Act::Read, send(OK)]], None).await;
    let http = http();
    let response = http.perform(&prepared(&get(url(&server)))).await.ok().unwrap().blank(&Blanker::new(&[]));
    assert!(response.headers.iter().all(|header| header.name != "set-cookie"));
    assert_eq!(performed(&http, &get(url(&server))).await, ok());
    assert!(server.requests().iter().all(|request| !request.contains("cookie")));
}

#[tokio::test]
async fn an_encoded_answer_is_not_read() {
    let answer = send("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nxx");
    let (outcome, _server) = met(vec![vec![Act::Read, answer]], post).await;
    assert_eq!(
        said(outcome),
        "interrupted: the answer is in the encoding `gzip`, which was not asked for and is not read"
    );
    let answer = send("HTTP/1.1 200 OK\r\ncontent-encoding: Identity, ,\r\ncontent-length: 2\r\n\r\nok");
    let (outcome, _server) = met(vec![vec![Act::Read, answer]], post).await;
    assert_eq!(outcome, ok());
}

#[tokio::test]
async fn an_encoding_that_echoes_a_secret_is_not_named() {
    for (headers, named) in [
        ("content-encoding: ya29.s3cret\r\n", "an encoding"),
        ("content-encoding: identity, ya29.s3cret\r\n", "an encoding"),
        ("content-encoding: identity\r\ncontent-encoding: \u{ff}s3cret\r\n", "an encoding"),
        ("content-encoding: identity\r\ncontent-encoding: GZIP, s3cret\r\n", "the encoding `gzip`"),
    ] {
        let answer = Act::Send(format!("HTTP/1.1 200 OK\r\n{headers}content-length: 2\r\n\r\nxx"));
        let (outcome, _server) = met(vec![vec![Act::Read, answer]], post).await;
        let expected = format!("interrupted: the answer is in {named}, which was not asked for and is not read");
        assert_eq!(said(outcome), expected);
    }
}

#[tokio::test]
async fn an_answer_to_a_policy_has_a_smaller_limit() {
    let answer = |length| {
        let body = "x".repeat(length);
        Act::Send(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"))
    };
    for (length, fits) in [(256 * 1024, true), (256 * 1024 + 1, false)] {
        let server = Server::start(vec![vec![Act::Read, answer(length)]], None).await;
        let url = url(&server);
        let prefixes = [Prefix::parse(&url[..url.find("/path").unwrap()], false).unwrap()];
        let reach = Reach { key: "grants.g.reach", prefixes: &prefixes };
        let prepared = plan_authentication(&AuthRequest::Get(url.clone()), reach, |_| None, UNSIGNED).ok().unwrap();
        let outcome = http().perform(&prepared).await.map(|answer| answer.body_length());
        assert_eq!(outcome, if fits { Ok(length) } else { Err(Failure::TooLarge(256 * 1024)) });
    }
}
