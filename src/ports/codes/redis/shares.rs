//! What one partition may count of a limit that all of them share.

use super::RedisCodes;
use crate::ports::codes::{ClientTags, NetworkLimits};

impl RedisCodes {
    /// Addresses spread evenly over the partitions, and so does a site's budget.
    pub(super) fn partition_share(&self, budget: u32) -> u32 {
        budget.div_ceil(u32::from(self.settings.partitions))
    }

    /// A partition's part of a limit that counts events which have an address, whatever the limit is of: the part that is
    /// fair, and three standard deviations more, so that chance refuses nobody. With one partition it is the limit itself.
    pub(super) fn fair_share(&self, limit: u32) -> u32 {
        let fair = self.partition_share(limit);
        fair.saturating_add(3 * fair.isqrt()).min(limit)
    }

    /// What a client may do in a partition; nothing is counted where there is none.
    pub(super) fn network_limits(&self, client: Option<ClientTags>) -> NetworkLimits {
        let all = self.settings.limits.networks.times(client.map_or(0, |client| client.times));
        NetworkLimits {
            client_sends_per_ten_minutes: self.fair_share(all.client_sends_per_ten_minutes),
            client_sends_per_hour: self.fair_share(all.client_sends_per_hour),
            network_sends_per_hour: self.fair_share(all.network_sends_per_hour),
            client_wrong_per_ten_minutes: self.fair_share(all.client_wrong_per_ten_minutes),
            network_wrong_per_hour: self.fair_share(all.network_wrong_per_hour),
        }
    }
}
