//! Keys: Ed25519 in PEM files, or what a command prints, so that a key can come from a password store.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::signature::Ed25519KeyPair;
use tough::key_source::KeySource;
use tough::schema::RoleType;
use tough::sign::{Sign, parse_keypair};

use crate::workshop::Workshop;

/// The roles, each with a key of its own.
pub(crate) const ROLES: [RoleType; 4] = [RoleType::Root, RoleType::Targets, RoleType::Snapshot, RoleType::Timestamp];

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Where a role's key is.
#[derive(Debug, Clone)]
pub(crate) enum KeyPlace {
    /// A PEM file.
    File(PathBuf),
    /// What a command of the shell prints.
    Command(String),
}

impl fmt::Display for KeyPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Command(command) => write!(formatter, "what `{command}` prints"),
        }
    }
}

/// Keys that are not at their usual place.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct KeyPlaces {
    /// A key that is elsewhere than in `keys/ROLE.pem`; may be repeated
    #[arg(long = "key", value_name = "ROLE=FILE", value_parser = parse_place)]
    files: Vec<(RoleType, String)>,
    /// A command that prints a key, for instance of a password store; may be repeated
    #[arg(long = "key-command", value_name = "ROLE=COMMAND", value_parser = parse_place)]
    commands: Vec<(RoleType, String)>,
}

/// `root`, `targets`, `snapshot` or `timestamp`.
pub(crate) fn parse_role(text: &str) -> Result<RoleType, String> {
    let known = ROLES.into_iter().find(|role| role.to_string() == text);
    known.ok_or_else(|| format!("`{text}` is no role; the roles are root, targets, snapshot and timestamp"))
}

fn parse_place(text: &str) -> Result<(RoleType, String), String> {
    let (role, place) = text.split_once('=').ok_or("write ROLE=…, for instance root=/media/stick/root.pem")?;
    Ok((parse_role(role)?, place.to_owned()))
}

impl KeyPlaces {
    /// Where the key of a role is.
    pub(crate) fn place(&self, workshop: &Workshop, role: RoleType) -> KeyPlace {
        let given = |places: &[(RoleType, String)]| {
            places.iter().rev().find(|(given, _)| *given == role).map(|(_, place)| place.clone())
        };
        if let Some(command) = given(&self.commands) {
            return KeyPlace::Command(command);
        }
        given(&self.files).map_or_else(|| KeyPlace::File(file_of(workshop, role)), |file| KeyPlace::File(file.into()))
    }

    /// With the key of a role in `file`.
    pub(crate) fn with_file(mut self, role: RoleType, file: &Path) -> Self {
        self.commands.retain(|(given, _)| *given != role);
        self.files.push((role, file.to_string_lossy().into_owned()));
        self
    }

    /// The keys of these roles, each tried once, so that what is wrong with one is said with its role and place.
    pub(crate) async fn sources(&self, workshop: &Workshop, roles: &[RoleType]) -> Result<Vec<Box<dyn KeySource>>> {
        let mut sources: Vec<Box<dyn KeySource>> = Vec::new();
        for role in roles {
            let place = self.place(workshop, *role);
            let key = Key::load(&place).with_context(|| {
                format!("the key for {role} can't be used; it is looked for in {place}, or say --key {role}=FILE")
            })?;
            sources.push(Box::new(key));
        }
        Ok(sources)
    }
}

/// The usual place of a role's key.
pub(crate) fn file_of(workshop: &Workshop, role: RoleType) -> PathBuf {
    workshop.keys().join(format!("{role}.pem"))
}

/// A key, in memory while a command runs.
pub(crate) struct Key {
    pem: Vec<u8>,
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Key")
    }
}

impl Key {
    pub(crate) fn load(place: &KeyPlace) -> Result<Self> {
        let pem = match place {
            KeyPlace::File(path) => fs::read(path)?,
            KeyPlace::Command(command) => {
                let output =
                    Command::new("sh").args(["-c", command]).stderr(std::process::Stdio::inherit()).output()?;
                if !output.status.success() {
                    bail!("the command ended with {}", output.status);
                }
                output.stdout
            }
        };
        let key = Self { pem };
        key.pair()?;
        Ok(key)
    }

    /// The key as tough uses it.
    pub(crate) fn pair(&self) -> Result<Box<dyn Sign>> {
        let parsed = pem::parse(&self.pem).context("it is no PEM file")?;
        match parse_keypair(parsed.contents()) {
            Ok(pair) => Ok(Box::new(pair)),
            // RSA is read from the text.
            Err(_) => match parse_keypair(&self.pem) {
                Ok(pair) => Ok(Box::new(pair)),
                Err(_) => bail!("it is no private key of the kinds Ed25519, ECDSA P-256 or RSA in PKCS#8"),
            },
        }
    }
}

#[async_trait]
impl KeySource for Key {
    async fn as_sign(&self) -> Result<Box<dyn Sign>, Failure> {
        Ok(self.pair()?)
    }

    async fn write(&self, _value: &str, _key_id_hex: &str) -> Result<(), Failure> {
        Err("keys are not written through here".into())
    }
}

/// Makes a key in a file of its own, which only its owner may read. One that is there is never overwritten.
pub(crate) fn make(path: &Path) -> Result<Key> {
    let failed = || format!("can't write the key {}", path.display());
    let pair = Ed25519KeyPair::generate().context("no key could be made")?;
    let der: Pkcs8V1Der<'_> = pair.as_der().context("no key could be made")?;
    let text = pem::encode(&pem::Pem::new("PRIVATE KEY", der.as_ref()));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).with_context(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(failed)?;
    Ok(Key { pem: text.into_bytes() })
}
