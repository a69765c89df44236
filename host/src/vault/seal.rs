//! Files of slots that nobody reads without a key: AES-256-GCM (NIST SP 800-38D) under a key that is derived from a text by
//! PBKDF2 with HMAC-SHA-512 (RFC 8018 §5.2), both from the library that TLS uses.
//!
//! A sealed file is JSON: the salt of its key, a check by which another key is told from damage, and the sealed content. It is
//! bound to its grant: in the place of another grant's file it counts as damaged.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::pbkdf2::{PBKDF2_HMAC_SHA512, derive};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use punchcard_core::name::GrantName;
use punchcard_core::secret::Secret;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

/// The form in which this version seals.
const FORMAT: u32 = 1;
/// As OWASP's Password Storage Cheat Sheet has it for PBKDF2 with HMAC-SHA-512. A start of the host derives one key.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(210_000).expect("not zero");
const SALT_BYTES: usize = 16;
const KEY_BYTES: usize = 32;
const CHECK_BYTES: usize = 8;
/// A shorter text is guessed, in characters.
const SHORTEST: usize = 16;

/// Why nothing can be sealed with a text.
#[derive(Debug, Error)]
#[error(
    "the key of the vault is shorter than {SHORTEST} characters; `head -c 32 /dev/urandom | base64` makes a good one"
)]
pub struct TooShort;

/// Why a sealed file can't be opened.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unopened {
    /// It was sealed with another key.
    OtherKey,
    /// It is not what was sealed: why, without a word of it.
    Damaged(String),
}

/// Seals and opens with one text, a key or a passphrase. It has no `Debug`.
pub struct Sealer {
    text: Secret,
    /// Deriving takes a good part of a second on a small board: once for each salt, of which a storage has one.
    derived: Mutex<Vec<Derived>>,
}

#[derive(Clone)]
struct Derived {
    salt: [u8; SALT_BYTES],
    key: Zeroizing<[u8; KEY_BYTES]>,
    check: [u8; CHECK_BYTES],
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawSealed {
    sealed: u32,
    salt: String,
    check: String,
    content: String,
}

/// Whether a file's content says that it is sealed.
pub(super) fn is_sealed(file: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Marked {
        #[serde(rename = "sealed")]
        _format: u32,
    }
    serde_json::from_slice::<Marked>(file).is_ok()
}

/// Whether a sealed file has the form in which this version seals.
///
/// # Errors
/// Why not, without a word of it.
pub(super) fn look(file: &[u8]) -> Result<(), String> {
    parse(file).map(drop)
}

impl Sealer {
    /// With this text.
    ///
    /// # Errors
    /// When it is too short.
    pub fn new(text: Secret) -> Result<Self, TooShort> {
        if text.reveal().chars().count() < SHORTEST {
            return Err(TooShort);
        }
        Ok(Self { text, derived: Mutex::default() })
    }

    /// Seals the content of a grant's file.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub(super) fn seal(&self, grant: &GrantName, content: &[u8]) -> Result<Vec<u8>, String> {
        let none = |_| "the system gives no random numbers".to_owned();
        let known = self.turn().last().cloned();
        let derived = match known {
            Some(derived) => derived,
            None => {
                let mut salt = [0; SALT_BYTES];
                rand::fill(&mut salt).map_err(none)?;
                self.derive(salt)
            }
        };
        // What is sealed stands here in the clear before.
        let mut sealed = Zeroizing::new(Vec::with_capacity(NONCE_LEN + content.len() + AES_256_GCM.tag_len()));
        sealed.extend_from_slice(content);
        let nonce = RandomizedNonceKey::new(&AES_256_GCM, derived.key.as_slice())
            .and_then(|key| key.seal_in_place_append_tag(aad(grant), &mut *sealed))
            .map_err(none)?;
        let raw = RawSealed {
            sealed: FORMAT,
            salt: STANDARD.encode(derived.salt),
            check: STANDARD.encode(derived.check),
            content: STANDARD.encode([nonce.as_ref().as_slice(), &sealed].concat()),
        };
        serde_json::to_vec(&raw).map_err(|error| error.to_string())
    }

    /// Opens a grant's file.
    ///
    /// # Errors
    /// When it was sealed with another key, or is damaged.
    pub(super) fn open(&self, grant: &GrantName, file: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        let Parsed { salt, check, mut content } = parse(file).map_err(Unopened::Damaged)?;
        let derived = self.derive(salt);
        if derived.check != check {
            return Err(Unopened::OtherKey);
        }
        let changed = || Unopened::Damaged("it is not what was sealed for this grant".to_owned());
        let sealed = content.split_off(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(&content).map_err(|_| changed())?;
        let mut opened = Zeroizing::new(sealed);
        let length = RandomizedNonceKey::new(&AES_256_GCM, derived.key.as_slice())
            .and_then(|key| key.open_in_place(nonce, aad(grant), &mut opened).map(|content| content.len()))
            .map_err(|_| changed())?;
        opened.truncate(length);
        Ok(opened)
    }

    fn derive(&self, salt: [u8; SALT_BYTES]) -> Derived {
        let mut known = self.turn();
        if let Some(derived) = known.iter().find(|derived| derived.salt == salt) {
            return derived.clone();
        }
        let mut bytes = Zeroizing::new([0; KEY_BYTES + CHECK_BYTES]);
        derive(PBKDF2_HMAC_SHA512, ITERATIONS, &salt, self.text.reveal().as_bytes(), bytes.as_mut_slice());
        let (mut key, mut check) = (Zeroizing::new([0; KEY_BYTES]), [0; CHECK_BYTES]);
        key.copy_from_slice(&bytes[..KEY_BYTES]);
        check.copy_from_slice(&bytes[KEY_BYTES..]);
        let derived = Derived { salt, key, check };
        known.push(derived.clone());
        derived
    }

    fn turn(&self) -> std::sync::MutexGuard<'_, Vec<Derived>> {
        self.derived.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Parsed {
    salt: [u8; SALT_BYTES],
    check: [u8; CHECK_BYTES],
    /// The nonce, and what is sealed with its tag.
    content: Vec<u8>,
}

fn parse(file: &[u8]) -> Result<Parsed, String> {
    let foreign = || "it is sealed in a form that this program does not write".to_owned();
    let raw: RawSealed = serde_json::from_slice(file).map_err(|_| foreign())?;
    if raw.sealed != FORMAT {
        return Err(format!("it is sealed in format {}, and this version reads {FORMAT}", raw.sealed));
    }
    let bytes = |text: &str| STANDARD.decode(text).map_err(|_| foreign());
    let content = bytes(&raw.content)?;
    if content.len() < NONCE_LEN + AES_256_GCM.tag_len() {
        return Err(foreign());
    }
    let salt = bytes(&raw.salt)?.try_into().map_err(|_| foreign())?;
    let check = bytes(&raw.check)?.try_into().map_err(|_| foreign())?;
    Ok(Parsed { salt, check, content })
}

fn aad(grant: &GrantName) -> Aad<Vec<u8>> {
    Aad::from(format!("punchcard tokens {FORMAT} {grant}").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(text: &str) -> Sealer {
        Sealer::new(Secret::new(text.to_owned())).unwrap_or_else(|error| panic!("{error}"))
    }

    fn grant(name: &str) -> GrantName {
        GrantName::parse(name).unwrap()
    }

    #[test]
    fn what_was_sealed_is_opened_with_its_key_and_for_its_grant_alone() {
        let (ours, google) = (sealer("correct horse battery"), grant("google"));
        let file = ours.seal(&google, b"1//refresh").unwrap();
        let text = String::from_utf8(file.clone()).unwrap();
        assert!(is_sealed(&file) && !text.contains("refresh") && !text.contains(&STANDARD.encode(b"1//refresh")));
        assert_ne!(file, ours.seal(&google, b"1//refresh").unwrap(), "a nonce is never used twice");
        // In another process the key is derived anew.
        let again = sealer("correct horse battery");
        assert_eq!(again.open(&google, &file).unwrap().as_slice(), b"1//refresh");
        assert_eq!(sealer("correct horse batteri").open(&google, &file).err(), Some(Unopened::OtherKey));
        assert!(matches!(again.open(&grant("other"), &file), Err(Unopened::Damaged(_))));
    }

    #[test]
    fn one_bit_that_changed_opens_nothing() {
        let (ours, google) = (sealer("correct horse battery"), grant("google"));
        let file = ours.seal(&google, b"1//refresh").unwrap();
        let raw: RawSealed = serde_json::from_slice(&file).unwrap();
        let content = STANDARD.decode(&raw.content).unwrap();
        for at in 0..content.len() * 8 {
            let mut changed = content.clone();
            changed[at / 8] ^= 1 << (at % 8);
            let raw = RawSealed {
                content: STANDARD.encode(&changed),
                salt: raw.salt.clone(),
                check: raw.check.clone(),
                ..raw
            };
            let file = serde_json::to_vec(&raw).unwrap();
            assert!(matches!(ours.open(&google, &file), Err(Unopened::Damaged(_))), "bit {at}");
        }
        for short in [b"{}".as_slice(), &file[..file.len() / 2], br#"{"sealed":1,"salt":"","check":"","content":""}"#] {
            assert!(matches!(ours.open(&google, short), Err(Unopened::Damaged(_))));
        }
    }

    #[test]
    fn a_key_that_is_guessed_is_refused() {
        assert!(Sealer::new(Secret::new("hunter2".to_owned())).is_err());
    }
}
