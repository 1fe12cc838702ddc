//! Filling an empty database with people and libraries to try things on.

use sqlx::Connection as _;

use super::Owner;

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

impl Owner {
    /// Writes the reference set, all or nothing.
    ///
    /// # Errors
    /// A [`DemoError`]; then nothing was written.
    pub async fn fill_demo(&mut self) -> Result<(), DemoError> {
        let mut transaction = self.connection.begin().await.map_err(DemoError::Failed)?;
        let written = sqlx::raw_sql(include_str!("demo.sql")).execute(&mut *transaction).await;
        match written {
            Ok(_) => transaction.commit().await.map_err(DemoError::Failed),
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("DC002") => {
                Err(DemoError::NotEmpty)
            }
            Err(error) => Err(DemoError::Failed(error)),
        }
    }
}
