//! Lists in parts, newest first.

use poem_openapi::Object;
use poem_openapi::param::Query;
use poem_openapi::types::{ParseFromJSON, ToJSON, Type};
use uuid::Uuid;

use crate::domain::fields::FieldError;
use crate::domain::{MAX_PAGE, Page};
use crate::flows::Part;

/// A part of a list.
#[derive(Debug, Object)]
pub(in crate::http) struct List<T: Type + ParseFromJSON + ToJSON> {
    /// Newest first.
    items: Vec<T>,
    /// Send it back as `after` for what comes next; null at the end.
    next: Option<Uuid>,
}

impl<T: Type + ParseFromJSON + ToJSON> List<T> {
    pub(in crate::http) fn of<U>(part: Part<U>, write: impl Fn(U) -> T) -> Self {
        Self { items: part.items.into_iter().map(write).collect(), next: part.next }
    }

    /// A list that is always whole.
    pub(super) fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}

/// Reads the two parameters of a list.
pub(in crate::http) fn page(
    limit: &Query<Option<i64>>,
    after: &Query<Option<Uuid>>,
) -> Result<Page, FieldError> {
    let limit = limit.0.unwrap_or(50);
    if (1..=MAX_PAGE).contains(&limit) {
        Ok(Page { limit, after: after.0 })
    } else {
        Err(FieldError { field: "limit", rule: "must be 1 to 100" })
    }
}
