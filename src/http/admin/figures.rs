//! Figures, as arrays ready for a chart.

use chrono::{DateTime, Utc};
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi, Tags};

use super::caller::{By, Read};
use super::errors::AdminProblem;
use crate::domain::{Figure, Hours, SiteFigures};
use crate::flows::SharedFlows;
use crate::http::timestamp::Timestamp;

/// See the module.
pub(super) struct FiguresApi {
    pub(super) flows: SharedFlows,
}

/// Groups of operations.
#[derive(Tags)]
enum Group {
    /// What happens, in numbers.
    Figures,
}

#[OpenApi]
impl FiguresApi {
    /// What happened by the hour
    ///
    /// A number for each hour and site, in the order of `hours`, counted from the audit log. Without bounds, the last 24
    /// hours; at most 31 days.
    #[oai(path = "/figures", method = "get", operation_id = "getFigures", tag = "Group::Figures")]
    async fn show(
        &self,
        _by: By<Read>,
        /// From the hour of this moment.
        from: Query<Option<DateTime<Utc>>>,
        /// To the hour of this moment.
        to: Query<Option<DateTime<Utc>>>,
        /// Only at this site, by its id.
        site: Query<Option<String>>,
    ) -> Result<Json<FiguresObject>, AdminProblem> {
        let (hours, sites) = self.flows.figures(from.0, to.0, site.0.as_deref()).await?;
        Ok(Json(FiguresObject::of(hours, sites)))
    }
}

/// What happened by the hour.
#[derive(Debug, Object)]
#[oai(rename = "Figures")]
struct FiguresObject {
    /// The beginning of each hour.
    hours: Vec<Timestamp>,
    /// The figures of each site.
    sites: Vec<SiteFiguresObject>,
}

/// A site's figures: a number for each hour.
#[derive(Debug, Object)]
#[oai(rename = "SiteFigures")]
struct SiteFiguresObject {
    /// The site.
    site: String,
    /// Sessions that were opened.
    sign_ins: Vec<i64>,
    /// Codes and links that were refused.
    refused_codes: Vec<i64>,
    /// Mails with codes that were queued.
    sends: Vec<i64>,
    /// Accounts that were made by a first sign-in.
    new_accounts: Vec<i64>,
    /// Sessions that somebody ended.
    sessions_ended: Vec<i64>,
}

impl FiguresObject {
    fn of(hours: Hours, sites: Vec<SiteFigures>) -> Self {
        let site = |mut figures: SiteFigures| {
            let mut take = |figure| figures.series.remove(&figure).unwrap_or_default();
            SiteFiguresObject {
                sign_ins: take(Figure::SignIns),
                refused_codes: take(Figure::RefusedCodes),
                sends: take(Figure::Sends),
                new_accounts: take(Figure::NewAccounts),
                sessions_ended: take(Figure::SessionsEnded),
                site: figures.site,
            }
        };
        Self {
            hours: hours.iter().map(Timestamp::from).collect(),
            sites: sites.into_iter().map(site).collect(),
        }
    }
}
