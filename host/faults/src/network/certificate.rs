//! The server's certificate is none that can be believed, until another is in its place.

use std::fs;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use google_sim::Config;
use punchcard_rig::stand_in;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::gate::{Gate, Passage};
use crate::headline::NO_ANSWER;
use crate::row::{Group, Row};
use crate::trial::{Surroundings, Trial};

/// What is wrong with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Nobody vouches for it.
    Unknown,
    Expired,
    AnotherName,
}

/// A row for a flaw.
pub(super) fn row(name: &'static str, what: &'static str, flaw: Flaw) -> Row {
    let script = async move |surroundings| try_out(&surroundings, flaw).await;
    Row::new(Group::Network, name, what, script).says(&[NO_ANSWER])
}

const NAME: &str = "127.0.0.1";

async fn try_out(surroundings: &Surroundings, flaw: Flaw) -> Result<Trial> {
    let (good, trusted) = certificate(None)?;
    let (bad, believed) = certificate(Some(flaw))?;
    let google = stand_in(Config::default()).await?;
    let gate = Gate::new(google.port(), Passage::Encrypted(Arc::clone(&good))).await?;
    let mut trial = Trial::at(surroundings, google, &format!("https://{}", gate.address))?;
    // But for its flaw, the bad one would be believed too.
    let believed = if flaw == Flaw::Unknown { String::new() } else { believed };
    let file = trial.device.rig.folder.path().join("certificates.pem");
    fs::write(&file, trusted + &believed).context("cannot write certificates")?;
    trial.device.rig.set_variable("SSL_CERT_FILE", file);
    trial.begin().await?;
    trial
        .run(async |trial| {
            gate.set(Passage::Encrypted(bad)).await?;
            trial.device.press_and_wait().await?;
            trial.device.wait_for(NO_ANSWER).await?;
            gate.set(Passage::Encrypted(good)).await?;
            trial.heal();
            Ok(())
        })
        .await?;
    Ok(trial)
}

/// A certificate that vouches for itself, and how a server shows it; and the same in PEM.
fn certificate(flaw: Option<Flaw>) -> Result<(Arc<ServerConfig>, String)> {
    let name = if flaw == Some(Flaw::AnotherName) { "another.example" } else { NAME };
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    if flaw == Some(Flaw::Expired) {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    }
    let key = KeyPair::generate()?;
    let own = params.self_signed(&key)?;
    // Named, because another crate may bring a second provider along, and then there is no default.
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))?;
    Ok((Arc::new(config), own.pem()))
}
