//! The server's name has no address for a while. The device gets `/etc/hosts` and `/etc/resolv.conf` of its own, in a
//! namespace that needs no rights.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use google_sim::Config;
use punchcard_rig::stand_in;

use crate::headline::NO_ANSWER;
use crate::machine::probe;
use crate::trial::{Surroundings, Trial};

/// A name that nobody else has (RFC 6761, section 6.2).
const NAME: &str = "google.test";
/// Binds two files over the system's, and becomes what follows. Written to in place, they change for the device, too.
const BIND: &str =
    r#"mount --bind "$0/hosts" /etc/hosts && mount --bind "$0/resolv.conf" /etc/resolv.conf && exec "$@""#;

/// The row.
pub(super) async fn try_out(surroundings: Surroundings) -> Result<Trial> {
    let google = stand_in(Config::default()).await?;
    let origin = format!("http://{NAME}:{}", google.port());
    let mut trial = Trial::at(&surroundings, google, &origin)?;
    let folder = trial.device.rig.folder.path().to_owned();
    let hosts = folder.join("hosts");
    let known = format!("127.0.0.1 localhost\n127.0.0.1 {NAME}\n");
    fs::write(&hosts, &known).context("cannot write a file of hosts")?;
    // Nobody answers there.
    fs::write(folder.join("resolv.conf"), "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        .context("cannot write a resolv.conf")?;
    let wrapper = |folder: &Path| {
        let folder = folder.as_os_str().to_owned();
        ["unshare", "-Urm", "sh", "-c", BIND].map(Into::into).into_iter().chain([folder]).collect::<Vec<_>>()
    };
    let with_true = [wrapper(&folder), vec!["true".into()]].concat();
    probe(&with_true, "this system lends no namespaces").await?;
    trial.device.rig.set_wrapper(wrapper(&folder));
    trial.begin().await?;
    trial
        .run(async |trial| {
            fs::write(&hosts, "127.0.0.1 localhost\n").context("cannot write a file of hosts")?;
            trial.google.act(google_sim::Action::CloseIdleConnections);
            trial.device.press_and_wait().await?;
            trial.device.wait_for(NO_ANSWER).await?;
            fs::write(&hosts, &known).context("cannot write a file of hosts")?;
            trial.heal();
            Ok(())
        })
        .await?;
    Ok(trial)
}
