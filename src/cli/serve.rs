//! `serve`: the server, until a signal.

use anyhow::Context as _;
use doorcode::app::App;
use doorcode::config::Config;
use doorcode::ports::clock::Clock;
use doorcode::telemetry;

use super::banner;
use super::signals::Signals;

pub(super) async fn serve(config: Config) -> anyhow::Result<()> {
    let _telemetry = telemetry::start_with_traces(&config.log, &config.telemetry)?;
    // Before anything is said to be ready: from here on no signal ends the process in the middle of something.
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    banner::starting(&config);
    let app = tokio::select! {
        app = App::start(&config, Clock::System) => app?,
        () = signals.next() => {
            println!("Stopped before it was ready.");
            return Ok(());
        }
    };
    banner::started(&config, &app);
    app.run(signals.stop()).await;
    println!("Stopped.");
    Ok(())
}
