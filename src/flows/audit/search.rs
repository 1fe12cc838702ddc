//! An administrator looks for events.

use crate::domain::{AuditCursor, AuditFilter, AuditPart, MAX_PAGE};
use crate::flows::Flows;
use crate::ports::PortError;

impl Flows {
    /// Events that fit, newest first: at most `limit` of them (1 to [`MAX_PAGE`]), going on from a place.
    ///
    /// # Errors
    /// If the database is out of reach.
    pub async fn search_audit(
        &self,
        filter: &AuditFilter,
        limit: i64,
        after: Option<AuditCursor>,
    ) -> Result<AuditPart, PortError> {
        self.db.search_audit(filter, limit.clamp(1, MAX_PAGE), after).await
    }
}
