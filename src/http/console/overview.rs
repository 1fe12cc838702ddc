//! The first page: how the server is doing, as charts and as a table.

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use poem::{Response, Result, handler};
use serde_json::{Value, json};

use super::charts::{Chart, Hour, instant, steps, words};
use super::inside::Inside;
use super::view::{View, address};

/// What is shown: the name in the API, the title, how it is meant.
const SERIES: [(&str, &str, &str); 5] = [
    ("sign_ins", "Sign-ins", "good"),
    ("refused_codes", "Refused codes", "bad"),
    ("sends", "Codes sent", ""),
    ("new_accounts", "New accounts", ""),
    ("sessions_ended", "Sessions ended", ""),
];

/// The figures of the last day, week or month.
#[handler]
pub(super) async fn show(inside: Inside) -> Result<Response> {
    let (span, length) = match inside.query("span") {
        Some("week") => ("week", TimeDelta::days(7)),
        Some("month") => ("month", TimeDelta::days(30)),
        _ => ("day", TimeDelta::hours(24)),
    };
    let to = next_hour(inside.now());
    let (since, until) = (instant(to - length), instant(to));
    // Of all sites: one that is chosen is picked out here, as the others are still offered.
    let figures =
        inside.read(&address("/figures", [("from", since.as_str()), ("to", until.as_str())])).await?;
    let all = SERIES.map(|(name, ..)| series(&figures, name, inside.query("site")));
    let charts: Vec<_> = SERIES
        .iter()
        .zip(&all)
        .map(|((name, title, kind), hours)| Chart::of(name, title, kind, hours))
        .collect();
    let sites: Vec<_> = figures["sites"].as_array().into_iter().flatten().map(|one| &one["site"]).collect();
    let values = json!({
        "span": span, "site": inside.query("site"), "sites": sites, "charts": charts, "rows": rows(&all),
        "by_day": span != "day",
    });
    inside.show(&View { template: "overview", title: "Overview".to_owned(), values })
}

/// A number for each hour, over all sites or of one.
fn series(figures: &Value, name: &str, site: Option<&str>) -> Vec<Hour> {
    let hours = figures["hours"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let hours = hours.filter_map(|hour| hour.parse::<DateTime<Utc>>().ok());
    let counted: Vec<_> = figures["sites"].as_array().into_iter().flatten().collect();
    let counted = || counted.iter().filter(|one| site.is_none_or(|site| one["site"] == site));
    let sum = |place: usize| counted().filter_map(|one| one[name][place].as_u64()).sum();
    hours.enumerate().map(|(place, hour)| (hour, sum(place))).collect()
}

/// The end of the hour that has begun.
fn next_hour(now: DateTime<Utc>) -> DateTime<Utc> {
    let begun = now.with_minute(0).and_then(|at| at.with_second(0)).and_then(|at| at.with_nanosecond(0));
    begun.unwrap_or(now) + TimeDelta::hours(1)
}

/// The steps in which anything happened, the newest first.
fn rows(all: &[Vec<Hour>]) -> Vec<Value> {
    let all: Vec<_> = all.iter().map(|hours| (steps(hours), hours.len())).collect();
    let Some((first, hours)) = all.first() else { return Vec::new() };
    let is_day = first.len() != *hours;
    let row = |place: usize| {
        let counts: Vec<_> = all.iter().map(|(steps, _)| steps[place].1).collect();
        let is_empty = counts.iter().all(|count| *count == 0);
        (!is_empty).then(|| json!({"at": words(first[place].0, is_day), "counts": counts}))
    };
    (0..first.len()).rev().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_sites_are_added_up_or_one_is_picked_out() {
        let figures = json!({
            "hours": ["2026-11-21T04:00:00Z", "2026-11-21T05:00:00Z"],
            "sites": [{"site": "reader", "sends": [1, 0]}, {"site": "management", "sends": [2, 0]}],
        });
        let counts =
            |site| series(&figures, "sends", site).iter().map(|(_, count)| *count).collect::<Vec<_>>();
        assert_eq!((counts(None), counts(Some("reader"))), (vec![3, 0], vec![1, 0]));
        assert_eq!(counts(Some("nowhere")), [0, 0]);
        let rows = rows(&[series(&figures, "sends", None), series(&figures, "sends", Some("reader"))]);
        assert_eq!(rows, [json!({"at": "2026-11-21 04:00", "counts": [3, 1]})]);
    }
}
