//! What was kept long enough goes, and where the chain ends is told.

use crate::flows::Flows;
use crate::ports::PortError;
use crate::telemetry::causes;

impl Flows {
    /// Clears old addresses and drops old months; says in the log where the chain ends, for somebody to note elsewhere.
    pub async fn keep_audit(&self) {
        if let Err(error) = self.keep_audit_tidy().await {
            tracing::warn!(error = %causes(&error), "the audit log could not be tidied");
        }
    }

    async fn keep_audit_tidy(&self) -> Result<(), PortError> {
        self.sign_stragglers().await?;
        let cleared = self.db.clear_audit_addresses(self.audit.ip_days).await?;
        let dropped = self
            .db
            .drop_audit_months(self.audit.retention_days, |checkpoint| checkpoint.mac(&self.keys))
            .await?;
        if cleared > 0 || dropped > 0 {
            tracing::info!(cleared, dropped, "cleared old addresses and dropped old months of the audit log");
        }
        if let Some(head) = self.db.chain_head().await? {
            tracing::info!(audit.head = %head, "the audit chain ends here: doorcode audit verify --head proves it did");
        }
        Ok(())
    }
}
