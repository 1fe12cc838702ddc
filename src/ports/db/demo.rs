//! Filling an empty database with people and libraries to try things on.

use sqlx::ConnectOptions;
use sqlx::Connection as _;

use secrecy::ExposeSecret;

use super::connect_options;

/// Why the database stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// There are people or libraries already.
    #[error("the database is not empty: the demonstration data goes into a new one only")]
    NotEmpty,
    /// The database did not answer, or refused.
    #[error("the demonstration data could not be written")]
    Failed(#[source] sqlx::Error),
}

/// Writes the reference set, all or nothing, as the owner of `owner_url`.
///
/// # Errors
/// A [`DemoError`]; then nothing was written.
pub async fn fill_demo(owner_url: &secrecy::SecretString) -> Result<(), DemoError> {
    let options = connect_options(owner_url.expose_secret())
        .map_err(|error| DemoError::Failed(sqlx::Error::Configuration(error.into())))?;
    let mut owner = options.connect().await.map_err(DemoError::Failed)?;
    let mut transaction = owner.begin().await.map_err(DemoError::Failed)?;
    let written = sqlx::raw_sql(include_str!("demo.sql")).execute(&mut *transaction).await;
    match written {
        Ok(_) => transaction.commit().await.map_err(DemoError::Failed)?,
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("DC002") => {
            return Err(DemoError::NotEmpty);
        }
        Err(error) => return Err(DemoError::Failed(error)),
    }
    // The work is done; a farewell that gets lost changes nothing.
    let _ = owner.close().await;
    Ok(())
}
