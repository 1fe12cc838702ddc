//! What the terminal shows at start: what runs, where, and what to try first.

use doorcode::app::App;
use doorcode::config::{Config, MailTransport};

/// Before anything can take time.
pub(super) fn starting(config: &Config) {
    println!("Doorcode {}: starting", env!("CARGO_PKG_VERSION"));
    if config.database.is_embedded() {
        println!("  database    embedded PostgreSQL, data in {}/", config.database.data_dir.display());
    } else {
        println!("  database    {}", config.database.redacted_url());
    }
    if config.redis.is_memory() {
        println!("  code store  in this process");
    } else {
        println!("  code store  {}", config.redis.redacted_url());
    }
    match config.mail.transport {
        MailTransport::Inbox => println!("  mail        kept in memory for you to read"),
        MailTransport::Smtp => println!("  mail        {}:{}", config.mail.smtp_host, config.mail.smtp_port),
    }
}

/// Once requests are taken.
pub(super) fn started(config: &Config, app: &App) {
    let address = app.local_addr().unwrap_or(config.server.listen);
    println!("\nReady at http://{address}   (API document: http://{address}/openapi.json)");
    for (id, site) in &config.sites {
        println!("  {id:<11} {:<32} publishable key {}", site.origin(), site.publishable_key);
    }
    if let Some(metrics) = app.metrics_addr() {
        println!("  metrics     http://{metrics}/metrics");
    }
    let Some(inbox) = app.inbox_addr() else { return };
    println!("  inbox       http://localhost:{}", inbox.port());
    if let Some(site) = config.sites.values().find(|site| site.sign_up) {
        println!("\nTry it:");
        println!("  curl {}/auth/v1/otp -d '{{\"email\":\"ada@example.com\"}}'", site.origin());
        println!("  then read the code at http://localhost:{} and trade it for a session:", inbox.port());
        println!(
            "  curl {}/auth/v1/verify -d '{{\"type\":\"email\",\"email\":\"ada@example.com\",\"token\":\"CODE\"}}'",
            site.origin()
        );
    }
    println!("\nCtrl-C stops.");
}
