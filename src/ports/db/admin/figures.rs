//! Counting the audit log by hour, site and kind of event.

use crate::domain::{AuditAction, Figure, HourCount, Hours};
use crate::ports::PortError;
use crate::ports::db::Db;

impl Db {
    /// How many events there were of the kinds that are [figures](Figure), at all sites or one.
    pub async fn count_by_hour(&self, hours: Hours, site: Option<&str>) -> Result<Vec<HourCount>, PortError> {
        // An event that ended several sessions says how many; all others are counted by the index alone.
        let is_many =
            |action: &AuditAction| matches!(action, AuditAction::Logout | AuditAction::SessionsEnded);
        let counted = Figure::ALL.into_iter().flat_map(Figure::actions).filter(|action| !is_many(action));
        let counted: Vec<String> = counted.map(|action| action.as_str().to_owned()).collect();
        self.read(|sql| {
            let statement = sqlx::query_as!(
                HourCount,
                r#"select date_trunc('hour', created_at, 'UTC') as "hour!", site as "site!", action as "action!",
                          count(*) as "count!"
                     from auth.audit_log
                    where action = any($1) and created_at >= $2 and created_at < $3
                      and site is not null and ($4::text is null or site = $4)
                    group by 1, 2, 3
                   union all
                   select date_trunc('hour', created_at, 'UTC'), site, action,
                          sum(coalesce((details ->> 'ended')::integer, 1))
                     from auth.audit_log
                    where action = any(array['logout', 'sessions_ended']) and created_at >= $2 and created_at < $3
                      and site is not null and ($4::text is null or site = $4)
                    group by 1, 2, 3"#,
                &counted,
                hours.from,
                hours.until,
                site,
            );
            Box::pin(statement.fetch_all(sql))
        })
        .await
    }
}
