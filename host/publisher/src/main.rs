//! `punchcard-publisher`.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match punchcard_publisher::run(std::env::args_os()).await {
        Ok(code) => code,
        Err(error) => match error.downcast::<clap::Error>() {
            // It has words and a status of its own, help among them.
            Ok(error) => error.exit(),
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}
