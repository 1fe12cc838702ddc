//! Figures for charts.

use chrono::{DateTime, Utc};

use super::{AdminError, Flows};
use crate::domain::fields::FieldError;
use crate::domain::{Hours, SiteFigures};

impl Flows {
    /// What happened at each site, or one, by the hour; without bounds in the last 24 hours.
    ///
    /// # Errors
    /// An [`AdminError`]; [`AdminError::Field`] if the time is longer than 31 days, or there is no such site.
    pub async fn figures(
        &self,
        from: Option<DateTime<Utc>>,
        until: Option<DateTime<Utc>>,
        site: Option<&str>,
    ) -> Result<(Hours, Vec<SiteFigures>), AdminError> {
        let hours = Hours::of(from, until, self.now())?;
        if site.is_some_and(|site| self.sites.find(site).is_none()) {
            return Err(FieldError { field: "site", rule: "must be the id of a site" }.into());
        }
        let counts = self.db.count_by_hour(hours, site).await?;
        let sites: Vec<_> = match site {
            Some(site) => vec![site],
            None => self.sites.iter().map(|site| site.id.as_str()).collect(),
        };
        Ok((hours, SiteFigures::of(hours, &sites, &counts)))
    }
}
