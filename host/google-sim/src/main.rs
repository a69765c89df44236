//! `google-sim`: the stand-in as a program.
//!
//! Its first line on standard output is `listening on http://ADDRESS:PORT`. It runs until it is interrupted, or, where
//! that is asked for, until its standard input ends.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use google_sim::{Config, GoogleSim, OauthClient};

/// A strict stand-in for Google's device flow, Drive and Sheets
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Address of this machine to listen on; whoever reaches it can do everything with the stand-in
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST)]
    address: Ipv4Addr,
    /// Port; 0 takes any that is free
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Whether 60 reads and 60 writes a minute are the limit, as at Google
    #[arg(long, value_enum, default_value_t = Toggle::On)]
    quota: Toggle,
    /// Seconds that a device waits between polls
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    interval: u64,
    /// Seconds that an access token lives
    #[arg(long, default_value_t = 3599, value_name = "SECONDS")]
    token_lifetime: u64,
    /// Another OAuth client for devices, besides the built-in one of the demonstration
    #[arg(long, value_name = "ID:SECRET", value_parser = parse_client)]
    client: Vec<OauthClient>,
    /// End when standard input does, as it does when the program that started this one is gone
    #[arg(long)]
    until_input_ends: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Toggle {
    Off,
    On,
}

fn parse_client(text: &str) -> Result<OauthClient, String> {
    match text.split_once(':') {
        Some((id, secret)) if !id.is_empty() && !secret.is_empty() => Ok(OauthClient::device(id, secret)),
        _ => Err("an id and a secret with a colon between them are needed".to_owned()),
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}: {}", error.source().map(ToString::to_string).unwrap_or_default());
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Runtime::new()?;
    let served = runtime.block_on(serve(arguments));
    // A thread that waits for input would hold the end up for ever.
    runtime.shutdown_background();
    served
}

async fn serve(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let mut clients = OauthClient::defaults();
    clients.extend(arguments.client);
    let sim = GoogleSim::start(Config {
        address: arguments.address,
        port: arguments.port,
        quota: arguments.quota == Toggle::On,
        interval: Duration::from_secs(arguments.interval),
        access_tokens_live_for: Duration::from_secs(arguments.token_lifetime),
        clients,
        ..Config::default()
    })
    .await?;
    let mut output = std::io::stdout();
    writeln!(output, "listening on {}", sim.base_url())?;
    output.flush()?;
    let input_ended = async {
        if arguments.until_input_ends {
            tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await.map(drop)
        } else {
            std::future::pending().await
        }
    };
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        ended = input_ended => ended?,
    }
    sim.stop().await;
    Ok(())
}
