//! Who may do what: tokens that are refused, taken back, narrowed or replaced, and sign-ins that are left unfinished.

use std::time::Duration;

use anyhow::{Result, ensure};
use google_sim::{Action, Config, Decision, Effect, Fault, RefreshTokens};
use tokio::time::{sleep, timeout};

use crate::headline::{
    ACCESS_REFUSED, CODE, CODE_EXPIRED, CODE_NOT_ACCEPTED, PERMISSION_MISSING, SIGN_IN_NOT_ACCEPTED, SIGNED_OUT,
    TOKEN_REFUSED,
};
use crate::request::{UPDATE, error};
use crate::row::{Group, Row};
use crate::trial::{Surroundings, Trial};

/// For what takes a moment.
const PATIENCE: Duration = Duration::from_secs(60);

/// What servers do with tokens, and people with codes.
pub(crate) fn rows() -> Vec<Row> {
    use Group::Access;
    let crash = |name, what, refresh_tokens, is_stored| {
        let script = async move |surroundings| try_crash(&surroundings, refresh_tokens, is_stored).await;
        Row::new(Access, name, what, script).may_say(&[TOKEN_REFUSED])
    };
    vec![
        Row::new(Access, "token-refused", "401 once, though the token is new", refused_once).says(&[TOKEN_REFUSED]),
        Row::new(Access, "token-always-refused", "401 whatever the token", refused_always)
            .says(&[TOKEN_REFUSED])
            .may_say(&[SIGN_IN_NOT_ACCEPTED]),
        Row::new(Access, "revoked", "a person took the access back", revoked)
            .says(&[CODE])
            // The other one until the server has given it a code.
            .may_say(&[TOKEN_REFUSED, SIGNED_OUT]),
        Row::new(Access, "scope-missing", "the tokens do not allow files any more (403)", narrowed)
            .says(&[PERMISSION_MISSING])
            .may_say(&[CODE, SIGNED_OUT]),
        crash(
            "rotated-crash-before-stored",
            "SIGKILL before another refresh token was stored; the old one is invalid",
            RefreshTokens::Replaced,
            false,
        )
        .says(&[CODE])
        // Until the server has given it one.
        .may_say(&[SIGNED_OUT]),
        crash(
            "rotated-crash-old-stays-valid",
            "SIGKILL before another refresh token was stored; the old one stays valid",
            RefreshTokens::Added,
            false,
        ),
        crash(
            "rotated-crash-after-stored",
            "SIGKILL just after another refresh token was stored; the old one is invalid",
            RefreshTokens::Replaced,
            true,
        ),
        Row::new(Access, "sign-in-over-a-restart", "SIGKILL while a code is shown", unfinished)
            .says(&[CODE])
            .may_say(&[SIGNED_OUT]),
        Row::new(Access, "kill-while-signing-in", "SIGKILL again and again during the first sign-in", killed)
            .says(&[CODE])
            .may_say(&[CODE_NOT_ACCEPTED, SIGNED_OUT]),
        Row::new(Access, "consent-denied", "the person says no", denied)
            .says(&[CODE, ACCESS_REFUSED])
            .may_say(&[SIGNED_OUT]),
        Row::new(Access, "code-expired", "nobody enters the code in time", expired)
            .says(&[CODE, CODE_EXPIRED])
            .may_say(&[SIGNED_OUT]),
    ]
}

async fn refused_once(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    trial
        .run(async |trial| {
            // The token is a moment old.
            trial.arm(unauthenticated(UPDATE, 1));
            Ok(())
        })
        .await?;
    Ok(trial)
}

async fn refused_always(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    trial
        .run(async |trial| {
            trial.arm(unauthenticated("/v4/*", 1_000));
            trial.arm(unauthenticated("/drive/*", 1_000));
            trial.device.press_and_wait().await?;
            trial.device.wait_for(TOKEN_REFUSED).await?;
            let Trial { google, device, .. } = trial;
            let before = google.count("oauth.token");
            let renewed = |_: &serde_json::Value| (google.count("oauth.token") > before).then_some(());
            device.wait("it is given another token", renewed).await?;
            // That one is refused as well, and neither is sent again while the next has to wait.
            device.wait_for(TOKEN_REFUSED).await?;
            trial.asks_seldom().await?;
            trial.disarm();
            Ok(())
        })
        .await?;
    Ok(trial)
}

async fn revoked(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    trial
        .run(async |trial| {
            trial.google.act(Action::RevokeRefreshTokens);
            trial.google.act(Action::ExpireAccessTokens);
            trial.device.press_and_wait().await?;
            trial.device.wait_for(CODE).await?;
            trial.asks_only_for_the_code().await?;
            trial.sign_in(None).await
        })
        .await?;
    Ok(trial)
}

async fn narrowed(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    trial
        .run(async |trial| {
            trial.google.act(Action::NarrowTokens);
            trial.device.press_and_wait().await?;
            trial.device.wait_for(PERMISSION_MISSING).await?;
            trial.stays_quiet().await?;
            sign_in_anew(trial).await
        })
        .await?;
    Ok(trial)
}

/// Does what the problem's advice says.
async fn sign_in_anew(trial: &mut Trial) -> Result<()> {
    trial.device.command(&["sign-out", "google"]).await?;
    trial.device.wait_for(SIGNED_OUT).await?;
    sign_in_by_command(trial, None).await
}

/// `punchcard sign-in`, which waits until somebody has entered a code other than `old`.
async fn sign_in_by_command(trial: &mut Trial, old: Option<&str>) -> Result<()> {
    let command = trial.device.rig.spawn(&["sign-in", "google"])?;
    trial.sign_in(old).await?;
    let output = timeout(PATIENCE, command.wait_with_output()).await??;
    ensure!(output.status.success(), "sign-in failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The host is killed while a refresh brings another refresh token.
async fn try_crash(surroundings: &Surroundings, refresh_tokens: RefreshTokens, is_stored: bool) -> Result<Trial> {
    let mut trial = Trial::signed_in(surroundings).await?;
    trial.google.switch(|switches| switches.refresh_tokens = refresh_tokens);
    trial
        .run(async |trial| {
            let before = trial.google.count("oauth.token");
            let stored = trial.device.tokens()?;
            if !is_stored {
                trial.arm(Fault::on("/token", Effect::Silence { applied: true }));
            }
            trial.google.act(Action::ExpireAccessTokens);
            trial.device.press_and_wait().await?;
            let refreshed = async {
                while trial.google.count("oauth.token") == before || is_stored && trial.device.tokens()? == stored {
                    sleep(Duration::from_millis(1)).await;
                }
                anyhow::Ok(())
            };
            timeout(PATIENCE, refreshed).await??;
            trial.device.rig.kill().await?;
            ensure!((trial.device.tokens()? != stored) == is_stored, "it was killed at another moment");
            // The token that was stored before the crash is no longer valid at once.
            trial.google.act(Action::ExpireAccessTokens);
            trial.heal();
            trial.device.rig.start()?;
            trial.device.wait_until_ready().await?;
            if refresh_tokens == RefreshTokens::Replaced && !is_stored {
                trial.asks_only_for_the_code().await?;
                trial.sign_in(None).await?;
            }
            Ok(())
        })
        .await?;
    Ok(trial)
}

async fn unfinished(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::new(&surroundings, Config::default()).await?;
    trial.device.rig.start_and_wait().await?;
    trial
        .run(async |trial| {
            let code = trial.device.user_code(None).await?;
            trial.device.press_and_wait().await?;
            trial.device.rig.kill().await?;
            trial.device.rig.start()?;
            let again = trial.device.user_code(None).await?;
            ensure!(code == again, "another code is shown after a restart, while the first is valid");
            trial.asks_only_for_the_code().await?;
            trial.sign_in(None).await
        })
        .await?;
    ensure!(trial.google.count("oauth.deviceCode") == 1, "it asked for more than one code");
    Ok(trial)
}

async fn killed(surroundings: Surroundings) -> Result<Trial> {
    const KILLS: u64 = 12;
    let mut trial = Trial::new(&surroundings, Config::default()).await?;
    trial.device.rig.start_and_wait().await?;
    trial
        .run(async |trial| {
            trial.device.press_and_wait().await?;
            for kill in 0..KILLS {
                // Before the code, while it is shown, and while the tokens come.
                sleep(Duration::from_millis(kill * 150)).await;
                trial.device.rig.kill().await?;
                trial.device.rig.start()?;
                if kill == KILLS / 2 {
                    let code = trial.device.user_code(None).await?;
                    trial.asks_only_for_the_code().await?;
                    trial.google.consent(&code, Decision::Allow)?;
                }
            }
            trial.device.wait_until_ready().await?;
            // Where the answer with the tokens was lost, the code is spent: that is the protocol.
            let (authorized, spent) = ("authorized", "blocked");
            let standing = trial.device.wait("it is signed in, or the code is spent", |report| {
                let standing = report["grants"][0]["status"].as_str()?;
                (standing == authorized || standing == spent).then(|| standing.to_owned())
            });
            if standing.await? == spent {
                trial.stays_quiet().await?;
                sign_in_by_command(trial, None).await?;
            }
            trial.heal();
            Ok(())
        })
        .await?;
    Ok(trial)
}

async fn denied(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::new(&surroundings, Config::default()).await?;
    trial.device.rig.start_and_wait().await?;
    trial
        .run(async |trial| {
            let code = trial.device.user_code(None).await?;
            trial.google.consent(&code, Decision::Deny)?;
            trial.device.wait_for(ACCESS_REFUSED).await?;
            trial.device.press_and_wait().await?;
            trial.stays_quiet().await?;
            sign_in_by_command(trial, Some(&code)).await
        })
        .await?;
    Ok(trial)
}

async fn expired(surroundings: Surroundings) -> Result<Trial> {
    let google = Config { codes_live_for: Duration::from_secs(8), ..Config::default() };
    let mut trial = Trial::new(&surroundings, google).await?;
    trial.device.rig.start_and_wait().await?;
    trial
        .run(async |trial| {
            let code = trial.device.user_code(None).await?;
            trial.device.wait_for(CODE_EXPIRED).await?;
            trial.device.press_and_wait().await?;
            trial.stays_quiet().await?;
            sign_in_by_command(trial, Some(&code)).await
        })
        .await?;
    Ok(trial)
}

/// 401 to so many requests.
fn unauthenticated(path: &str, times: u32) -> Fault {
    let effect = error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.");
    Fault::on(path, effect).times(times)
}
