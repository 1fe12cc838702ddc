//! `migrate` and `demo`: the database brought up to date, and filled to try things on.

use doorcode::app;
use doorcode::config::Config;
use doorcode::telemetry;

pub(super) async fn migrate(config: Config) -> anyhow::Result<()> {
    let _telemetry = telemetry::start(&config.log);
    app::migrate(&config).await?;
    println!("The database at {} is up to date.", config.database.redacted_url());
    Ok(())
}

pub(super) async fn fill_demo(config: Config) -> anyhow::Result<()> {
    let _telemetry = telemetry::start(&config.log);
    app::fill_demo(&config).await?;
    println!(
        "57 people and five libraries are there. Start the server and sign in on the management site as any of"
    );
    println!(
        "  owner-1@demo.example … owner-5, manager-1 … 8, librarian-1 … 12, volunteer-1 … 15, reader-1 … 15"
    );
    println!(
        "and read the code in the inbox. librarian-1 works at two libraries, librarian-8 and up at none."
    );
    Ok(())
}
