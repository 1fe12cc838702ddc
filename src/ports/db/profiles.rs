//! `user_profiles` and `user_preferences`, in the name of whoever asks: the policies decide whose.

use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::caller::CallerTx;
use super::rules::ActError;
use crate::domain::{Change, Preferences, Profile, PublicProfile, UserId};

#[derive(Debug)]
struct ProfileRow {
    id: Uuid,
    email: String,
    display_name: Option<String>,
    avatar_url: Option<String>,
    bio: Option<String>,
    location: Value,
    social_links: Value,
    reading_stats: Value,
    version: i32,
    updated_at: chrono::DateTime<chrono::Utc>,
}

impl From<ProfileRow> for Profile {
    fn from(row: ProfileRow) -> Self {
        Self {
            id: UserId(row.id),
            email: row.email,
            display_name: row.display_name,
            avatar_url: row.avatar_url,
            bio: row.bio,
            location: row.location,
            social_links: row.social_links,
            reading_stats: row.reading_stats,
            version: row.version,
            updated_at: row.updated_at,
        }
    }
}

impl CallerTx {
    /// The caller's own profile.
    pub async fn own_profile(&mut self) -> Result<Profile, ActError> {
        sqlx::query_as!(
            ProfileRow,
            "select id, email, display_name, avatar_url, bio, location, social_links, reading_stats, version, updated_at
               from public.user_profiles where id = (select auth.uid())"
        )
        .fetch_optional(self.connection())
        .await?
        .map(Profile::from)
        .ok_or(ActError::Missing)
    }

    /// Changes the caller's own profile.
    pub async fn change_profile(&mut self, version: i32, change: &Change) -> Result<Profile, ActError> {
        let row = sqlx::query_as!(
            ProfileRow,
            "update public.user_profiles p
                set display_name = case when $2::jsonb ? 'display_name' then $2 ->> 'display_name' else p.display_name end,
                    avatar_url = case when $2 ? 'avatar_url' then $2 ->> 'avatar_url' else p.avatar_url end,
                    bio = case when $2 ? 'bio' then $2 ->> 'bio' else p.bio end,
                    location = p.location || coalesce($2 -> 'location', '{}'),
                    social_links = p.social_links || coalesce($2 -> 'social_links', '{}')
              where p.id = (select auth.uid()) and p.version = $1
          returning id, email, display_name, avatar_url, bio, location, social_links, reading_stats, version, updated_at",
            version,
            change.as_value(),
        )
        .fetch_optional(self.connection())
        .await?;
        match row {
            Some(row) => Ok(row.into()),
            None => self.own_profile().await.and(Err(ActError::Stale)),
        }
    }

    /// What the caller may see of somebody's profile.
    pub async fn public_profile(&mut self, id: UserId) -> Result<PublicProfile, ActError> {
        sqlx::query_scalar!(
            r#"select to_jsonb(p) as "profile!: Json<PublicProfile>" from public.find_profile($1) as p where p.id is not null"#,
            id.0,
        )
        .fetch_optional(self.connection())
        .await?
        .map(|Json(profile)| profile)
        .ok_or(ActError::Missing)
    }

    /// The caller's own preferences.
    pub async fn own_preferences(&mut self) -> Result<Preferences, ActError> {
        sqlx::query_as!(
            Preferences,
            "select notifications, privacy, interface, version, updated_at
               from public.user_preferences where id = (select auth.uid())"
        )
        .fetch_optional(self.connection())
        .await?
        .ok_or(ActError::Missing)
    }

    /// Changes the caller's own preferences.
    pub async fn change_preferences(
        &mut self,
        version: i32,
        change: &Change,
    ) -> Result<Preferences, ActError> {
        let row = sqlx::query_as!(
            Preferences,
            "update public.user_preferences p
                set notifications = p.notifications || coalesce($2::jsonb -> 'notifications', '{}'),
                    privacy = p.privacy || coalesce($2 -> 'privacy', '{}'),
                    interface = p.interface || coalesce($2 -> 'interface', '{}')
              where p.id = (select auth.uid()) and p.version = $1
          returning notifications, privacy, interface, version, updated_at",
            version,
            change.as_value(),
        )
        .fetch_optional(self.connection())
        .await?;
        match row {
            Some(preferences) => Ok(preferences),
            None => self.own_preferences().await.and(Err(ActError::Stale)),
        }
    }
}
