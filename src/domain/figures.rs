//! Figures of what happens at each site, by the hour, counted from the audit log.

use std::collections::BTreeMap;

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};

use super::AuditAction;
use super::fields::FieldError;

/// The longest time that figures are given for.
const MOST_DAYS: i64 = 31;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// Sessions that were opened.
    SignIns,
    /// Codes and links that were refused.
    RefusedCodes,
    /// Mails with codes that were queued.
    Sends,
    /// Accounts that were made by a first sign-in.
    NewAccounts,
    /// Sessions that somebody ended.
    SessionsEnded,
}

impl Figure {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::SignIns, Self::RefusedCodes, Self::Sends, Self::NewAccounts, Self::SessionsEnded];

    /// The events that are counted as such. One event may count twice: a first sign-in also makes an account.
    #[must_use]
    pub fn actions(self) -> &'static [AuditAction] {
        match self {
            Self::SignIns => &[AuditAction::Login, AuditAction::UserSignedUp],
            Self::RefusedCodes => &[AuditAction::CodeRefused],
            Self::Sends => &[AuditAction::CodeAsked],
            Self::NewAccounts => &[AuditAction::UserSignedUp],
            Self::SessionsEnded => &[
                AuditAction::Logout,
                AuditAction::SessionsEnded,
                AuditAction::SessionRevoked,
                AuditAction::RefreshTokenReused,
            ],
        }
    }
}

/// A time in whole hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// The beginning of the first hour.
    pub from: DateTime<Utc>,
    /// The end of the last.
    pub until: DateTime<Utc>,
}

impl Hours {
    /// The hours that a time touches; without bounds, the last 24.
    ///
    /// # Errors
    /// If the time runs backwards or is longer than 31 days.
    pub fn of(
        from: Option<DateTime<Utc>>,
        until: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<Self, FieldError> {
        let unfit = || FieldError { field: "from", rule: "must be before `to`, by at most 31 days" };
        let hour = TimeDelta::hours(1);
        let until = until.unwrap_or(now);
        let first = from.unwrap_or(until - TimeDelta::hours(24));
        let from = first.duration_trunc(hour).map_err(|_| unfit())?;
        let begun = until.duration_trunc(hour).map_err(|_| unfit())?;
        let until = if begun == until { until } else { begun + hour };
        if from < until && until - from <= TimeDelta::days(MOST_DAYS) + hour {
            Ok(Self { from, until })
        } else {
            Err(unfit())
        }
    }

    /// The beginning of each.
    pub fn iter(self) -> impl Iterator<Item = DateTime<Utc>> {
        std::iter::successors(Some(self.from), |hour| Some(*hour + TimeDelta::hours(1)))
            .take_while(move |hour| *hour < self.until)
    }

    fn place(self, hour: DateTime<Utc>) -> Option<usize> {
        usize::try_from((hour - self.from).num_hours()).ok()
    }
}

/// Events of one kind in an hour at a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HourCount {
    /// The beginning of the hour.
    pub hour: DateTime<Utc>,
    /// Where.
    pub site: String,
    /// What: a word of [`AuditAction`].
    pub action: String,
    /// How many.
    pub count: i64,
}

/// A site's figures: a number for each hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteFigures {
    /// The site.
    pub site: String,
    /// The series.
    pub series: BTreeMap<Figure, Vec<i64>>,
}

impl SiteFigures {
    /// The figures of these sites, in their order, and after them of those that only the log still knows.
    #[must_use]
    pub fn of(hours: Hours, sites: &[&str], counts: &[HourCount]) -> Vec<Self> {
        let length = hours.iter().count();
        let empty = |site: &str| Self {
            site: site.to_owned(),
            series: Figure::ALL.map(|figure| (figure, vec![0; length])).into(),
        };
        let mut all: Vec<_> = sites.iter().map(|site| empty(site)).collect();
        for count in counts {
            let known = all.iter().position(|figures| figures.site == count.site);
            let place = known.unwrap_or_else(|| {
                all.push(empty(&count.site));
                all.len() - 1
            });
            let Some(action) = AuditAction::parse(&count.action) else { continue };
            for (figure, numbers) in &mut all[place].series {
                let number = hours.place(count.hour).and_then(|hour| numbers.get_mut(hour));
                if let Some(number) = number.filter(|_| figure.actions().contains(&action)) {
                    *number += count.count;
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_time_is_widened_to_whole_hours_and_bounded() {
        let now = at("2026-11-21T05:30:00Z");
        let day = Hours::of(None, None, now).unwrap();
        assert_eq!((day.from, day.until), (at("2026-11-20T05:00:00Z"), at("2026-11-21T06:00:00Z")));
        assert_eq!(day.iter().count(), 25);
        let hour =
            Hours::of(Some(at("2026-11-21T04:00:00Z")), Some(at("2026-11-21T05:00:00Z")), now).unwrap();
        assert_eq!(hour.iter().collect::<Vec<_>>(), [at("2026-11-21T04:00:00Z")]);
        let month = Some(now - TimeDelta::days(31));
        assert!(Hours::of(month, None, now).is_ok());
        assert!(Hours::of(month.map(|at| at - TimeDelta::hours(2)), None, now).is_err());
        assert!(Hours::of(Some(now + TimeDelta::hours(2)), Some(now), now).is_err());
    }

    #[test]
    fn a_first_sign_in_counts_as_one_and_as_an_account() {
        let now = at("2026-11-21T05:00:00Z");
        let hours = Hours::of(Some(now - TimeDelta::hours(2)), None, now).unwrap();
        let count = |hour: i64, site: &str, action: AuditAction, count| HourCount {
            hour: now - TimeDelta::hours(hour),
            site: site.to_owned(),
            action: action.as_str().to_owned(),
            count,
        };
        let counts = [
            count(2, "reader", AuditAction::Login, 3),
            count(2, "reader", AuditAction::UserSignedUp, 2),
            count(1, "gone", AuditAction::Logout, 4),
            count(1, "reader", AuditAction::LibraryAdded, 9),
        ];
        let figures = SiteFigures::of(hours, &["reader"], &counts);
        assert_eq!(figures.iter().map(|one| one.site.as_str()).collect::<Vec<_>>(), ["reader", "gone"]);
        assert_eq!(figures[0].series[&Figure::SignIns], [5, 0]);
        assert_eq!(figures[0].series[&Figure::NewAccounts], [2, 0]);
        assert_eq!(figures[1].series[&Figure::SessionsEnded], [0, 4]);
        assert_eq!(figures[0].series.values().flatten().sum::<i64>(), 7);
    }
}
