//! Who may do what: tokens that are refused, taken back, narrowed or replaced, and sign-ins that are left unfinished.

use std::time::Duration;

use anyhow::{Result, ensure};
use google_sim::{Action, Config, Decision, Effect, Fault, RefreshTokens};
use tokio::time::{sleep, timeout};

use crate::request::TOKEN_REFUSED;
use crate::row::{Group, Row};
use crate::trial::{Surroundings, Trial};

/// While it waits for a person, it is watched for so long.
const WATCH: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(60);

const CODE: &str = "a code is shown";
const REFUSED: &str = "access was refused";

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
            .says(&[REFUSED])
            .may_say(&[TOKEN_REFUSED, CODE, "signed-out"])
            .by_hand(),
        Row::new(Access, "revoked", "a person took the access back", revoked)
            .says(&[CODE])
            .may_say(&[TOKEN_REFUSED])
            .by_hand(),
        Row::new(Access, "scope-missing", "the tokens do not allow files any more (403)", narrowed)
            .says(&["permission is missing"])
            .may_say(&[CODE, "signed-out"])
            .by_hand(),
        crash(
            "rotated-crash-before-stored",
            "SIGKILL before another refresh token was stored; the old one is invalid",
            RefreshTokens::Replaced,
            false,
        )
        .says(&[CODE])
        .by_hand(),
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
            .may_say(&["signed-out"])
            .by_hand(),
        Row::new(Access, "kill-while-signing-in", "SIGKILL again and again during the first sign-in", killed)
            .says(&[CODE])
            .may_say(&["code not accepted", "signed-out"])
            .by_hand(),
        Row::new(Access, "consent-denied", "the person says no", denied)
            .says(&[CODE, REFUSED])
            .may_say(&["signed-out"])
            .by_hand(),
        Row::new(Access, "code-expired", "nobody enters the code in time", expired)
            .says(&[CODE, "code expired"])
            .may_say(&["signed-out"])
            .by_hand(),
    ]
}

async fn refused_once(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    trial
        .run(async |trial| {
            // The token is a moment old.
            trial.arm(unauthenticated("*:batchUpdate", 1));
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
            trial.device.wait_for(REFUSED).await?;
            trial.stays_quiet(WATCH, 0).await?;
            trial.disarm();
            sign_in_anew(trial).await
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
            // It asks each second whether the code was entered.
            trial.stays_quiet(WATCH, WATCH.as_secs() + 1).await?;
            trial.sign_in(None).await?;
            trial.heal();
            Ok(())
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
            trial.device.wait_for("permission is missing").await?;
            trial.stays_quiet(WATCH, 0).await?;
            sign_in_anew(trial).await
        })
        .await?;
    Ok(trial)
}

/// Does what the problem's advice says.
async fn sign_in_anew(trial: &mut Trial) -> Result<()> {
    trial.device.command(&["sign-out", "google"]).await?;
    trial.device.wait_for("signed-out").await?;
    sign_in_by_command(trial, None).await?;
    trial.heal();
    Ok(())
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
                trial.sign_in(None).await?;
                trial.heal();
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
            trial.sign_in(None).await?;
            trial.heal();
            Ok(())
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
            trial.device.wait_for(REFUSED).await?;
            trial.device.press_and_wait().await?;
            trial.stays_quiet(WATCH, 0).await?;
            sign_in_by_command(trial, Some(&code)).await?;
            trial.heal();
            Ok(())
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
            trial.device.wait_for("code expired").await?;
            trial.device.press_and_wait().await?;
            trial.stays_quiet(WATCH, 0).await?;
            sign_in_by_command(trial, Some(&code)).await?;
            trial.heal();
            Ok(())
        })
        .await?;
    Ok(trial)
}

/// 401 to so many requests.
fn unauthenticated(path: &str, times: u32) -> Fault {
    let body = r#"{"error":{"code":401,"message":"Request had invalid authentication credentials.","status":"UNAUTHENTICATED"}}"#;
    let effect = Effect::Answer {
        status: 401,
        content_type: "application/json; charset=UTF-8".to_owned(),
        body: body.to_owned(),
    };
    Fault::on(path, effect).times(times)
}
