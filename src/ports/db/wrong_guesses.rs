//! `auth.wrong_guesses`: what the code store would forget.

use std::time::Duration;

use super::Db;
use crate::domain::{AddressTag, RememberedGuesses, SpentAddress, WrongGuess};
use crate::ports::{Dependency, PortError};

/// Addresses read at once.
const PAGE: i64 = 500;

impl Db {
    /// Remembers guesses, each once however often it is told, and says which of their addresses have made `most` of them
    /// within thirty days.
    pub async fn note_wrong_guesses(
        &self,
        guesses: &[WrongGuess],
        most: u32,
    ) -> Result<Vec<SpentAddress>, PortError> {
        let ids: Vec<_> = guesses.iter().map(|guess| guess.id).collect();
        let tags: Vec<_> = guesses.iter().map(|guess| guess.address.0.to_vec()).collect();
        let known: Vec<_> = guesses.iter().map(|guess| guess.by_known_device).collect();
        let times: Vec<_> = guesses.iter().map(|guess| guess.at).collect();
        let rows = self
            .run(|sql| {
                let statement = sqlx::query!(
                    r#"with told as (
                         select * from unnest($1::uuid[], $2::bytea[], $3::boolean[], $4::timestamptz[])
                             as told (id, address_tag, known, guessed_at)
                       ), noted as (
                         insert into auth.wrong_guesses (id, address_tag, known, guessed_at)
                         select id, address_tag, known, guessed_at from told
                             on conflict do nothing
                       ), there as (
                         select g.id, g.address_tag, g.guessed_at from auth.wrong_guesses g
                          where g.address_tag in (select told.address_tag from told)
                          union
                         select id, address_tag, guessed_at from told
                       ), placed as (
                         select address_tag, guessed_at + interval '30 days' as ends_at,
                                row_number() over (partition by address_tag order by guessed_at desc) as place
                           from there where guessed_at > now() - interval '30 days'
                       )
                       select address_tag as "address_tag!", extract(epoch from ends_at - now())::float8 as "left!"
                         from placed where place = $5"#,
                    &ids,
                    &tags,
                    &known,
                    &times,
                    i64::from(most),
                );
                Box::pin(statement.fetch_all(sql))
            })
            .await?;
        rows.into_iter()
            .map(|row| Ok(SpentAddress { address: tag(&row.address_tag)?, left: left(row.left) }))
            .collect()
    }

    /// What is remembered of the next addresses after one, in the order of their tags; none at the end.
    pub async fn remembered_guesses(
        &self,
        after: Option<AddressTag>,
        most: u32,
    ) -> Result<Vec<RememberedGuesses>, PortError> {
        let after = after.map_or_else(Vec::new, |tag| tag.0.to_vec());
        let rows = self
            .run(|sql| {
                let statement = sqlx::query!(
                    r#"with page as (
                         select distinct address_tag from auth.wrong_guesses where address_tag > $1
                          order by address_tag limit $2
                       )
                       select page.address_tag,
                              array(select g.guessed_at from auth.wrong_guesses g
                                     where g.address_tag = page.address_tag and not g.known
                                       and g.guessed_at > now() - interval '24 hours'
                                     order by g.guessed_at) as "by_strangers!",
                              array(select g.guessed_at from auth.wrong_guesses g
                                     where g.address_tag = page.address_tag and g.known
                                       and g.guessed_at > now() - interval '24 hours'
                                     order by g.guessed_at) as "by_known_devices!",
                              (select extract(epoch from g.guessed_at + interval '30 days' - now())::float8
                                 from auth.wrong_guesses g
                                where g.address_tag = page.address_tag
                                order by g.guessed_at desc offset $3 limit 1) as spent_for
                         from page order by page.address_tag"#,
                    after,
                    PAGE,
                    i64::from(most) - 1,
                );
                Box::pin(statement.fetch_all(sql))
            })
            .await?;
        rows.into_iter()
            .map(|row| {
                Ok(RememberedGuesses {
                    address: tag(&row.address_tag)?,
                    by_strangers: row.by_strangers,
                    by_known_devices: row.by_known_devices,
                    spent_for: left(row.spent_for.unwrap_or_default()),
                })
            })
            .collect()
    }

    /// Forgets guesses that count no more.
    pub async fn sweep_wrong_guesses(&self) -> Result<(), PortError> {
        self.run(|sql| {
            let statement = sqlx::query!(
                "delete from auth.wrong_guesses where id in (
                   select id from auth.wrong_guesses where guessed_at < now() - interval '30 days' limit 100000)"
            );
            Box::pin(statement.execute(sql))
        })
        .await
        .map(drop)
    }
}

fn tag(bytes: &[u8]) -> Result<AddressTag, PortError> {
    // The column is checked to hold sixteen.
    let tag = bytes.try_into().map_err(|error| PortError::unexpected(Dependency::Database, error))?;
    Ok(AddressTag(tag))
}

fn left(secs: f64) -> Duration {
    Duration::try_from_secs_f64(secs).unwrap_or_default()
}
