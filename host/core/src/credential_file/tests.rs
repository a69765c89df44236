use super::*;

/// What a file of oauth2client holds, with values of no account.
const OAUTH2CLIENT: &str = r#"{"access_token": "ya29.s3cret", "client_id": "me.apps.googleusercontent.com", "client_secret": "s3cret",
    "refresh_token": "1//s3cret", "token_expiry": "2020-07-29T16:47:41Z", "token_uri": "https://oauth2.googleapis.com/token",
    "user_agent": null, "revoke_uri": "https://oauth2.googleapis.com/revoke", "id_token": {"email": "me@example.org", "sub": "1"},
    "id_token_jwt": null, "token_response": {"access_token": "ya29.s3cret", "expires_in": 3599,
    "scope": "https://www.googleapis.com/auth/drive", "token_type": "Bearer"},
    "scopes": ["https://www.googleapis.com/auth/drive"], "token_info_uri": "https://oauth2.googleapis.com/tokeninfo",
    "invalid": false, "_class": "OAuth2Credentials", "_module": "oauth2client.client"}"#;

/// `entry|client|token|scopes|account` of each sign-in; `client ID`; or the error.
fn told(content: &[u8]) -> String {
    match parse_credential_file(content) {
        Ok(CredentialFile::Client { client_id, client_secret }) => {
            format!("client {client_id}|{}", client_secret.as_ref().map_or("-", Secret::reveal))
        }
        Ok(CredentialFile::SignIns(sign_ins)) => {
            let tell = |sign_in: &ImportedSignIn| {
                let (client, account) = (sign_in.client_id.as_deref(), sign_in.account.as_deref());
                [
                    sign_in.entry.as_str(),
                    client.unwrap_or("-"),
                    sign_in.refresh_token.reveal(),
                    &sign_in.scopes.join(" "),
                    account.unwrap_or("-"),
                ]
                .join("|")
            };
            sign_ins.iter().map(tell).collect::<Vec<_>>().join("\n")
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn each_program_s_file_is_read() {
    const ME: &str = "me.apps.googleusercontent.com";
    const DRIVE: &str = "https://www.googleapis.com/auth/drive";
    let encoded = STANDARD.encode(OAUTH2CLIENT);
    let table = [
        (
            format!(
                r#"{{"installed":{{"client_id":"{ME}","project_id":"p","auth_uri":"https://accounts.google.com/o/oauth2/auth",
                "token_uri":"https://oauth2.googleapis.com/token","client_secret":"GOCSPX-s3cret",
                "redirect_uris":["http://localhost"]}}}}"#
            ),
            format!("client {ME}|GOCSPX-s3cret"),
        ),
        (
            format!(r#"{{"web":{{"client_id":"{ME}","client_secret":"GOCSPX-s3cret"}}}}"#),
            format!("client {ME}|GOCSPX-s3cret"),
        ),
        // Google shows the secret only once; and what is none is none.
        (format!(r#"{{"installed":{{"client_id":"{ME}"}}}}"#), format!("client {ME}|-")),
        (format!(r#"{{"installed":{{"client_id":"{ME}","client_secret":"a b"}}}}"#), format!("client {ME}|-")),
        // gcloud auth application-default login.
        (
            format!(
                r#"{{"account":"","client_id":"{ME}","client_secret":"s3cret","quota_project_id":"p",
                "refresh_token":"1//s3cret","type":"authorized_user","universe_domain":"googleapis.com"}}"#
            ),
            format!("|{ME}|1//s3cret||-"),
        ),
        // google-auth's `Credentials.to_json()`, as in the token.json of Google's own examples.
        (
            format!(
                r#"{{"token":"ya29.s3cret","refresh_token":"1//s3cret","token_uri":"https://oauth2.googleapis.com/token",
                "client_id":"{ME}","client_secret":"s3cret","scopes":["{DRIVE}"],"universe_domain":"googleapis.com",
                "account":"me@example.org","expiry":"2024-01-01T00:00:00.000000Z"}}"#
            ),
            format!("|{ME}|1//s3cret|{DRIVE}|me@example.org"),
        ),
        // gspread's authorized_user.json: the same without the access token.
        (
            format!(
                "\u{feff}{}",
                format_args!(
                    r#"{{"refresh_token":"1//s3cret","token_uri":"https://oauth2.googleapis.com/token","client_id":"{ME}",
                    "client_secret":"s3cret","scopes":["https://spreadsheets.google.com/feeds","{DRIVE}"],
                    "expiry":"2024-01-01T00:00:00.000000Z"}}"#
                )
            ),
            format!("|{ME}|1//s3cret|https://spreadsheets.google.com/feeds {DRIVE}|-"),
        ),
        (OAUTH2CLIENT.to_owned(), format!("|{ME}|1//s3cret|{DRIVE}|me@example.org")),
        (
            format!(
                r#"{{"file_version":1,"data":[{{"key":{{"clientId":"{ME}","scope":"{DRIVE}","userAgent":"x"}},
                "credential":{OAUTH2CLIENT}}}]}}"#
            ),
            format!("{ME}/{DRIVE}/x|{ME}|1//s3cret|{DRIVE}|me@example.org"),
        ),
        (
            format!(r#"{{"file_version":2,"credentials":{{"mine":"{encoded}","broken":"?"}}}}"#),
            format!("mine|{ME}|1//s3cret|{DRIVE}|me@example.org"),
        ),
        // yup-oauth2's tokencache.json; the second is the first under fewer scopes.
        (
            format!(
                r#"[{{"scopes":["{DRIVE}","email"],"token":{{"access_token":"ya29.s3cret","refresh_token":"1//s3cret",
                "expires_at":[2024,1,0,0,0,0,0,0,0],"id_token":null}}}},
                {{"scopes":["{DRIVE}"],"token":{{"access_token":"ya29.s3cret","refresh_token":"1//s3cret"}}}}]"#
            ),
            format!("{DRIVE} email|-|1//s3cret|{DRIVE} email|-"),
        ),
    ];
    for (content, expected) in table {
        assert_eq!(told(content.as_bytes()), expected, "{content}");
    }
}

#[test]
fn what_is_of_no_use_is_refused_without_a_word_of_it() {
    let table: [(&[u8], CredentialFileError); 15] = [
        (b"", CredentialFileError::NotJson { line: 1, column: 0 }),
        (b"1//s3cret", CredentialFileError::NotJson { line: 1, column: 2 }),
        (b"{\"refresh_token\": \"s3cret\xff\"}", CredentialFileError::NotJson { line: 1, column: 26 }),
        (b"7", CredentialFileError::Unknown),
        (b"{}", CredentialFileError::Unknown),
        (br#"{"refresh_token":"s3cret"}"#, CredentialFileError::Unknown),
        (br#"{"file_version":3}"#, CredentialFileError::Unknown),
        (br#"{"file_version":2}"#, CredentialFileError::Unknown),
        (br#"[{"s3cret":1}]"#, CredentialFileError::Unknown),
        (br#"{"type":"service_account","private_key":"s3cret"}"#, CredentialFileError::ServiceAccount),
        (
            br#"{"_class":"ServiceAccountCredentials","_private_key_pkcs8_pem":"s3cret"}"#,
            CredentialFileError::ServiceAccount,
        ),
        (br#"{"_class":"AccessTokenCredentials","access_token":"s3cret"}"#, CredentialFileError::NoRefreshToken),
        (br#"{"client_id":"x","token":"s3cret","refresh_token":null}"#, CredentialFileError::NoRefreshToken),
        (br#"{"client_id":"x","refresh_token":"s3cret\u001b[2J"}"#, CredentialFileError::NotAToken),
        (br#"{"file_version":2,"credentials":{"a":"s3cret"}}"#, CredentialFileError::NoRefreshToken),
    ];
    for (content, error) in table {
        let said = told(content);
        assert_eq!(said, error.to_string(), "{}", String::from_utf8_lossy(content));
        assert!(!said.contains("s3cret"), "{said}");
    }
    assert_eq!(told(&vec![b' '; LARGEST_CREDENTIAL_FILE + 1]), CredentialFileError::TooLarge.to_string());
}

#[test]
fn the_sign_in_that_is_meant_is_the_only_one_of_the_client() {
    let sign_in = |entry: &str, client: Option<&str>| ImportedSignIn {
        entry: entry.into(),
        client_id: client.map(Into::into),
        refresh_token: Secret::new("t".into()),
        scopes: Vec::new(),
        account: None,
    };
    let table = [
        (vec![sign_in("", Some("me"))], Some("me"), None, Ok("")),
        (vec![sign_in("a", None)], Some("me"), None, Ok("a")),
        (vec![sign_in("a", Some("other")), sign_in("b", Some("me"))], Some("me"), None, Ok("b")),
        (vec![sign_in("a", Some("me")), sign_in("b", Some("me"))], Some("me"), Some("a"), Ok("a")),
        (vec![sign_in("a", None), sign_in("b", None)], None, None, Err(ChoiceError::Several("`a`, `b`".into()))),
        (vec![sign_in("a", None)], None, Some("c"), Err(ChoiceError::NoSuchEntry("c".into(), "`a`".into()))),
        (
            vec![sign_in("a", Some("other"))],
            Some("me"),
            None,
            Err(ChoiceError::OtherClient { found: "other".into(), configured: "me".into() }),
        ),
    ];
    for (sign_ins, configured, entry, expected) in table {
        let chosen = choose_sign_in(sign_ins, configured, entry).map(|chosen| chosen.entry);
        assert_eq!(chosen, expected.map(ToOwned::to_owned), "{configured:?} {entry:?}");
    }
}
