//! `serve`: the server, until a signal.

use anyhow::Context as _;
use doorcode::app::App;
use doorcode::config::Config;
use doorcode::ports::clock::Clock;
use doorcode::telemetry;

use super::banner;

pub(super) async fn serve(config: Config) -> anyhow::Result<()> {
    telemetry::start(&config.log);
    banner::starting(&config);
    let app = App::start(&config, Clock::System).await?;
    banner::started(&config, &app);
    app.run(stop_signal()).await.context("the server stopped")?;
    println!("Stopped.");
    Ok(())
}

/// Resolves at Ctrl-C or SIGTERM. The second such signal ends the process at once.
async fn stop_signal() {
    wait_for_signal().await;
    eprintln!("Stopping: finishing what is under way. Once more stops at once.");
    tokio::spawn(async {
        wait_for_signal().await;
        std::process::exit(130);
    });
}

async fn wait_for_signal() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}
