//! Charts, drawn on the server: bars over time as shapes with numbers, and the same numbers as a table.

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, Utc};
use serde::Serialize;

/// The drawing's width and height, in its own units.
const SIZE: (f64, f64) = (480.0, 150.0);
/// Room for the numbers on the left, and below.
const MARGIN: (f64, f64) = (34.0, 18.0);
/// Past so many hours a bar is a day.
const MOST_HOURS: usize = 72;

/// How much there was in an hour.
pub(super) type Hour = (DateTime<Utc>, u64);

/// A chart, ready to be written into a page.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Chart {
    /// Names it in the page.
    id: &'static str,
    title: &'static str,
    /// How the bars are meant: `good`, `bad` or nothing.
    kind: &'static str,
    sum: u64,
    /// What the whole height stands for.
    top: u64,
    bars: Vec<Bar>,
    /// Where each label of time stands, and its words.
    labels: Vec<(f64, String)>,
    /// From when to when, in words, for who cannot see the bars.
    about: String,
}

#[derive(Debug, PartialEq, Serialize)]
struct Bar {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    /// Its time and number, in words.
    words: String,
}

/// Hours as they are, or as days where there are many.
pub(super) fn steps(hours: &[Hour]) -> Vec<Hour> {
    if hours.len() <= MOST_HOURS {
        return hours.to_vec();
    }
    let mut days: Vec<(NaiveDate, u64)> = Vec::new();
    for (at, count) in hours {
        match days.last_mut() {
            Some((day, sum)) if *day == at.date_naive() => *sum += count,
            _ => days.push((at.date_naive(), *count)),
        }
    }
    days.into_iter().map(|(day, sum)| (day.and_time(NaiveTime::MIN).and_utc(), sum)).collect()
}

/// The words for a step: its hour, or its day.
pub(super) fn words(at: DateTime<Utc>, is_day: bool) -> String {
    at.format(if is_day { "%Y-%m-%d" } else { "%Y-%m-%d %H:%M" }).to_string()
}

/// An instant as the API takes it.
pub(super) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

impl Chart {
    /// Draws hours.
    #[expect(clippy::cast_precision_loss, reason = "a drawing is not exact to the last of 2^53 events")]
    pub(super) fn of(id: &'static str, title: &'static str, kind: &'static str, hours: &[Hour]) -> Self {
        let steps = steps(hours);
        let is_day = steps.len() != hours.len();
        let top = round_up(steps.iter().map(|(_, count)| *count).max().unwrap_or_default());
        let (width, height) = (SIZE.0 - MARGIN.0, SIZE.1 - MARGIN.1);
        let room = width / steps.len().max(1) as f64;
        let bars = steps.iter().enumerate().filter(|(_, (_, count))| *count > 0);
        let bars = bars.map(|(place, (at, count))| {
            // What is there is seen, however little it is.
            let tall = (*count as f64 / top as f64 * height).max(1.5);
            Bar {
                x: tenths(MARGIN.0 + place as f64 * room + room * 0.1),
                y: tenths(height - tall),
                width: tenths(room * 0.8),
                height: tenths(tall),
                words: format!("{}: {count}", words(*at, is_day)),
            }
        });
        let every = steps.len().div_ceil(4).max(1);
        let labels = steps.iter().enumerate().step_by(every).map(|(place, (at, _))| {
            let pattern = if is_day { "%d %b" } else { "%H:%M" };
            (tenths(MARGIN.0 + place as f64 * room), at.format(pattern).to_string())
        });
        let sum = steps.iter().map(|(_, count)| count).sum();
        let about = match (steps.first(), steps.last()) {
            (Some((first, _)), Some((last, _))) => {
                let step = if is_day { "day" } else { "hour" };
                format!("{sum} by {step}, from {} to {}", words(*first, is_day), words(*last, is_day))
            }
            _ => "none".to_owned(),
        };
        Self { id, title, kind, sum, top, bars: bars.collect(), labels: labels.collect(), about }
    }
}

/// The next number of one digit and zeros, so that the scale has a round end. A few look like few.
fn round_up(most: u64) -> u64 {
    let mut unit = 1;
    while most > unit * 10 {
        unit *= 10;
    }
    (most.div_ceil(unit) * unit).max(5)
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn at(hour: i64) -> DateTime<Utc> {
        "2026-11-21T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::hours(hour)
    }

    #[test]
    fn a_bar_is_as_tall_as_its_number_and_nothing_has_none() {
        let chart = Chart::of("sign-ins", "Sign-ins", "good", &[(at(0), 0), (at(1), 10), (at(2), 5)]);
        assert_eq!((chart.sum, chart.top, chart.bars.len()), (15, 10, 2));
        let [tall, half] = &chart.bars[..] else { panic!("{chart:?}") };
        assert!((tall.height - 2.0 * half.height).abs() < 0.2, "{chart:?}");
        assert!(tall.y.abs() < 0.1 && tall.x < half.x && half.x + half.width <= SIZE.0, "{chart:?}");
        assert_eq!(tall.words, "2026-11-21 01:00: 10");
        assert_eq!(chart.about, "15 by hour, from 2026-11-21 00:00 to 2026-11-21 02:00");
        assert_eq!(Chart::of("x", "X", "", &[]).about, "none");
    }

    #[test]
    fn many_hours_are_told_by_the_day() {
        let week: Vec<_> = (0..168).map(|hour| (at(hour), 1)).collect();
        let days = steps(&week);
        assert_eq!((week.len(), days.len(), days[0]), (168, 7, (at(0), 24)));
        let chart = Chart::of("sign-ins", "Sign-ins", "", &week);
        assert_eq!((chart.sum, chart.top), (168, 30));
        assert_eq!(chart.about, "168 by day, from 2026-11-21 to 2026-11-27");
    }

    #[test]
    fn a_scale_ends_at_a_round_number() {
        for (most, end) in [(0, 5), (1, 5), (7, 7), (10, 10), (11, 20), (99, 100), (101, 200), (4_321, 5_000)]
        {
            assert_eq!(round_up(most), end, "{most}");
        }
    }
}
