//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use jiff::Timestamp;
use punchcard_core::name::PluginName;
use punchcard_core::update::{Channel, Release, ReleaseNeeds, Rollout};
use semver::Version;
use tough::schema::RoleType;

use crate::component::read_world;
use crate::key::{KeyPlaces, parse_role};
use crate::signing::Lifetimes;
use crate::workshop::Workshop;
use crate::{checking, renewal, rotation, signing, staging};

/// Signs plugins and lays them out as plain files, for any web server or a USB stick
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Arguments {
    /// The publisher's folder: keys, what waits to be signed, and `repository`, which is served
    #[arg(long, short = 'C', global = true, default_value = ".", value_name = "DIR")]
    folder: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make keys and an empty repository
    Init {
        /// Days for which the root is valid; `sign-root` and `rotate-key` make a new one
        #[arg(long, default_value_t = 1095, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..))]
        root_days: u16,
        #[command(flatten)]
        lifetimes: Lifetimes,
        #[command(flatten)]
        keys: KeyPlaces,
    },
    /// Have the next `sign` publish a plugin; the same version again changes what is said of it, for instance its share
    Add(Add),
    /// Have the next `sign` offer a version no more; devices that run it go on
    Withdraw {
        /// The plugin
        plugin: String,
        /// The version
        version: Version,
    },
    /// Sign the list of plugins, with what waits
    Sign {
        #[command(flatten)]
        lifetimes: Lifetimes,
        #[command(flatten)]
        keys: KeyPlaces,
    },
    /// Sign the root anew with the same keys, before it expires
    SignRoot {
        /// Days for which the new root is valid
        #[arg(long, default_value_t = 1095, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..))]
        root_days: u16,
        #[command(flatten)]
        keys: KeyPlaces,
    },
    /// Give a role a new key, and sign everything anew
    RotateKey {
        /// root, targets, snapshot or timestamp
        #[arg(value_parser = parse_role)]
        role: RoleType,
        /// Days for which the new root is valid
        #[arg(long, default_value_t = 1095, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..))]
        root_days: u16,
        #[command(flatten)]
        lifetimes: Lifetimes,
        #[command(flatten)]
        keys: KeyPlaces,
    },
    /// Sign the timestamp anew, alone: for cron, where the files are served
    Refresh {
        /// Days for which the timestamp is valid
        #[arg(long, default_value_t = 14, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..))]
        timestamp_days: u16,
        #[command(flatten)]
        keys: KeyPlaces,
    },
    /// Look at the repository as a device does
    Check {
        /// For programs
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Add {
    /// The component
    file: PathBuf,
    /// Its name in `[plugins]`; without it, the file's
    #[arg(long)]
    plugin: Option<String>,
    /// Its version, such as 1.2.0; devices take the highest that fits
    #[arg(long)]
    version: Version,
    /// Who gets it
    #[arg(long, default_value = "stable")]
    channel: String,
    /// How many of the devices get it, in percent
    #[arg(long, default_value_t = 100, value_name = "PERCENT")]
    rollout: u64,
    /// A prefix of the URLs of its requests; may be repeated
    #[arg(long = "needs-url", value_name = "URL")]
    urls: Vec<String>,
    /// A slot that plugins.toml must fill; may be repeated
    #[arg(long = "needs-slot", value_name = "SLOT")]
    slots: Vec<String>,
    /// No older host can run it
    #[arg(long, value_name = "VERSION")]
    minimum_host: Option<Version>,
}

impl Arguments {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let now = Timestamp::now();
        if let Command::Init { root_days, lifetimes, keys } = &self.command {
            let workshop = Workshop::at(&self.folder);
            signing::init(&workshop, *root_days, lifetimes, keys, now).await?;
            println!("Serve {}, and nothing else.", workshop.repository().display());
            println!("Devices need {} as their root.", workshop.metadata().join("1.root.json").display());
            println!("Move {} to where no network reaches.", workshop.keys().join("root.pem").display());
            return Ok(ExitCode::SUCCESS);
        }
        let workshop = Workshop::open(&self.folder)?;
        match self.command {
            Command::Init { .. } => {}
            Command::Add(add) => add.run(&workshop)?,
            Command::Withdraw { plugin, version } => {
                let plugin = PluginName::parse(&plugin)?;
                staging::withdraw(&workshop, &format!("{plugin}-{version}.wasm"))?;
                println!("{plugin} {version} is withdrawn with the next `punchcard-publisher sign`.");
            }
            Command::Sign { lifetimes, keys } => {
                signing::sign(&workshop, &lifetimes, &keys, now).await?;
                println!("Signed. Upload {}.", workshop.repository().display());
            }
            Command::SignRoot { root_days, keys } => {
                rotation::renew_root(&workshop, root_days, &keys, now).await?;
                println!("Signed. Upload {}.", workshop.repository().display());
            }
            Command::RotateKey { role, root_days, lifetimes, keys } => {
                rotation::rotate(&workshop, role, root_days, &lifetimes, &keys, now).await?;
                println!("The key for {role} is a new one. Upload {}.", workshop.repository().display());
            }
            Command::Refresh { timestamp_days, keys } => {
                for note in renewal::refresh(&workshop, timestamp_days, &keys, now).await? {
                    eprintln!("warning: {note}");
                }
            }
            Command::Check { json } => return checking::check(&workshop, json, now).await,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Add {
    fn run(self, workshop: &Workshop) -> Result<()> {
        let file = self.file.display();
        let bytes = std::fs::read(&self.file).with_context(|| format!("can't read {file}"))?;
        let (world, contract) = read_world(&bytes).with_context(|| format!("{file} is no plugin"))?;
        let stem = self.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let plugin = PluginName::parse(self.plugin.as_deref().unwrap_or(&stem)).context("say --plugin NAME")?;
        let release = Release {
            plugin,
            version: self.version,
            contract,
            world,
            needs: ReleaseNeeds { urls: self.urls, slots: self.slots },
            channel: Channel::parse(&self.channel)?,
            rollout: Rollout::parse(self.rollout)?,
            minimum_host: self.minimum_host,
        };
        let name = staging::publish(workshop, &release, &bytes)?;
        println!("`{name}` is published with the next `punchcard-publisher sign`.");
        Ok(())
    }
}
