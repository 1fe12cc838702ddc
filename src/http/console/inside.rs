//! A request of somebody who administers: what they ask of the admin API, and the answer.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use poem::http::{Method, StatusCode};
use poem::{Error, FromRequest, Request, RequestBody, Response, Result};
use serde_json::Value;
use url::form_urlencoded;

use super::client::{Answer, Call};
use super::place::Cookie;
use super::view::{View, address};
use super::visit::Visit;
use crate::flows::ConsoleEntry;
use crate::http::Problem;
use crate::http::pages::{Fields, see_other};

/// A request of somebody who administers.
pub(super) struct Inside {
    visit: Visit,
    entry: ConsoleEntry,
}

/// A form that was sent from a page of the console, in the same browser, in the same stay.
pub(super) struct Posted {
    pub(super) inside: Inside,
    pub(super) fields: Fields,
}

impl<'a> FromRequest<'a> for Inside {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let visit = <Visit as FromRequest>::from_request(request, body).await?;
        match &visit.entry {
            Ok(Some(entry)) => Ok(Self { entry: entry.clone(), visit }),
            Ok(None) => {
                let back = Some(visit.here.as_str())
                    .filter(|here| *request.method() == Method::GET && *here != super::PATH);
                let way = address("/admin/sign-in", back.map(|here| ("back", here)));
                Err(Error::from_response(see_other(&way, &visit.cookies)))
            }
            Err(_) => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "not_an_administrator",
                "Your account has no part in administration. Somebody who administers can give it one, on its page",
            )
            .into()),
        }
    }
}

impl<'a> FromRequest<'a> for Posted {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let inside = <Inside as FromRequest>::from_request(request, body).await?;
        let fields = inside.visit.proven(request, body).await?;
        Ok(Self { inside, fields })
    }
}

impl Inside {
    /// Calls the admin API as whoever is here.
    ///
    /// # Errors
    /// What the API refuses, in its own words.
    pub(super) async fn call(&self, call: Call<'_>) -> Result<Answer, Problem> {
        self.visit.api.call(&self.entry.caller, &self.visit.settings, call).await
    }

    /// Reads something.
    ///
    /// # Errors
    /// What the API refuses, in its own words.
    pub(super) async fn read(&self, path: &str) -> Result<Value, Problem> {
        Ok(self.call(Call::new(Method::GET, path)).await?.body)
    }

    /// The value of a query parameter, if it has one.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.visit.query(name)
    }

    /// The query of the API with those of the named parameters that this request has.
    pub(super) fn pass_on(&self, names: &[&str]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for name in names {
            if let Some(value) = self.query(name) {
                query.append_pair(name, value);
            }
        }
        query.finish()
    }

    /// The address of the next part of this list, if there is one.
    pub(super) fn next_part(&self, list: &Value) -> Option<String> {
        let next = list["next"].as_str()?;
        let path = self.visit.here.split('?').next().unwrap_or_default();
        let same = self.visit.query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let same = same.filter(|(name, value)| !["after", "done"].contains(name) && !value.is_empty());
        Some(address(path, same.chain([("after", next)])))
    }

    /// The time.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.visit.flows.now()
    }

    /// Whether an instant of the API is still to come.
    pub(super) fn is_ahead(&self, instant: &str) -> bool {
        DateTime::parse_from_rfc3339(instant).is_ok_and(|at| at > self.now())
    }

    /// The instant that is so many days ahead.
    pub(super) fn in_days(&self, days: i64) -> String {
        let at = self.now() + TimeDelta::days(days.clamp(1, 36_500));
        at.to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    /// The page.
    pub(super) fn show(self, view: &View) -> Result<Response> {
        self.visit.show_as(StatusCode::OK, view)
    }

    /// The page, as the answer to what could not be done.
    pub(super) fn refuse(self, problem: &Problem, mut view: View) -> Result<Response> {
        if let Some(values) = view.values.as_object_mut() {
            values.insert("notice".to_owned(), problem.message.clone().into());
        }
        let mut response = self.visit.show_as(problem.status, &view)?;
        problem.write_headers(response.headers_mut());
        Ok(response)
    }

    /// Another page, which says what was done.
    pub(super) fn done(self, to: &str, what: &str) -> Response {
        self.visit.go(&address(to, [("done", what)]))
    }

    /// The request, of whoever leaves.
    pub(super) fn leave(mut self) -> Response {
        self.visit.cookies.extend(self.visit.place.clear(Cookie::Key));
        self.visit.go("/admin/sign-in?done=signed_out")
    }
}
