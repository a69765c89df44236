//! The Google client, and its secret.

use std::io::{BufRead, Write};

use punchcard_core::config::Configuration;
use punchcard_core::config::secret::SecretSource;
use punchcard_core::secret::{Secret, find_stranger};
use punchcard_core::setup::client::{Client, parse_client, parse_client_id};
use punchcard_core::setup::{GoogleAnswer, SECRET_FILE};

use super::super::conversation::{Conversation, ConversationError};
use super::Found;

pub(super) fn ask_google<R: BufRead, W: Write>(
    conversation: &mut Conversation<R, W>,
    found: &Found,
    client: Option<Client>,
) -> Result<(Option<GoogleAnswer>, Option<Secret>), ConversationError> {
    let answer = |client_id: String| GoogleAnswer { client_id, secret_file: SECRET_FILE.to_owned() };
    if let Some(client) = client {
        doubt(conversation, &client)?;
        return Ok((Some(answer(client.id)), Some(client.secret)));
    }
    let before = found.before.as_ref().and_then(google_of);
    let default = before.as_ref().map_or("none", |google| google.client_id.as_str());
    conversation
        .say("\nThe Google client, of the type TVs and Limited Input devices: the manual says how to make one.")?;
    loop {
        let question = "Its id, or the file of JSON that the console lets you download; none for now:";
        let said = conversation.ask(question, default, |text| Ok(text.to_owned()))?;
        if said.eq_ignore_ascii_case("none") {
            return Ok((None, None));
        }
        if let Some(before) = before.as_ref().filter(|before| before.client_id == said) {
            return Ok((Some(before.clone()), None));
        }
        if let Ok(id) = parse_client_id(&said) {
            let Some(secret) = ask_secret(conversation)? else {
                conversation.say("  Without its secret, Google lets no device in.")?;
                continue;
            };
            return Ok((Some(answer(id)), Some(secret)));
        }
        let read = std::fs::read_to_string(&said)
            .map_err(|error| format!("{said} is no id, and no file that can be read: {error}"));
        match read.and_then(|text| parse_client(&text).map_err(|error| error.to_string())) {
            Ok(client) => {
                conversation.say(format_args!("  ✓ the client {}", client.id))?;
                doubt(conversation, &client)?;
                return Ok((Some(answer(client.id)), Some(client.secret)));
            }
            Err(error) => conversation.say(format_args!("  ✗ {error}"))?,
        }
    }
}

/// Asks for the secret until it is one that the device will take. None: nothing was said.
fn ask_secret<R: BufRead, W: Write>(
    conversation: &mut Conversation<R, W>,
) -> Result<Option<Secret>, ConversationError> {
    loop {
        let secret = conversation.ask_secret("Its secret, which begins with GOCSPX-")?;
        let Some(stranger) = secret.as_ref().and_then(|secret| find_stranger(secret.reveal())) else {
            return Ok(secret);
        };
        conversation.say(format_args!("  ✗ it has {stranger}; give the secret, and nothing beside it"))?;
    }
}

fn doubt<R: BufRead, W: Write>(
    conversation: &mut Conversation<R, W>,
    client: &Client,
) -> Result<(), ConversationError> {
    if client.is_doubtful {
        conversation.say(
            "  It looks like one of the type Desktop app. Where signing in says `client id refused`, make one of the type TVs and \
             Limited Input devices.",
        )?;
    }
    Ok(())
}

/// The client of a configuration that is there already, with a secret in a file.
fn google_of(configuration: &Configuration) -> Option<GoogleAnswer> {
    configuration.grants.values().find_map(|grant| {
        let client_id = parse_client_id(grant.settings.text("client-id")?).ok()?;
        let secret_file = grant.secrets.values().find_map(|source| match source {
            SecretSource::File(path) => path.to_str().map(str::to_owned),
            SecretSource::Credential(_) => None,
        })?;
        Some(GoogleAnswer { client_id, secret_file })
    })
}
