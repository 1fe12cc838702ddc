//! Names of keys: `<prefix>:{<partition>}:<kind>:…`.
//!
//! The braces are a hash tag (Redis Cluster specification, "Hash tags"): all keys of an operation share it and so live in one
//! slot. An address picks its partition by its tag.

use super::RedisCodes;
use crate::domain::{AddressTag, LimitTag, Slot};
use crate::ports::codes::ClientTags;

impl RedisCodes {
    pub(super) fn partition(&self, address: AddressTag) -> u16 {
        u16::from(address.0[0]) % self.settings.partitions
    }

    pub(super) fn key(&self, partition: u16, kind: &str, rest: &str) -> String {
        format!("{}:{{{partition}}}:{kind}:{rest}", self.settings.key_prefix)
    }

    pub(super) fn address_key(&self, kind: &str, address: AddressTag) -> String {
        self.key(self.partition(address), kind, &address.to_hex())
    }

    pub(super) fn challenge_key(&self, address: AddressTag, site: &str, slot: Slot) -> String {
        format!("{}:{site}:{}", self.address_key("code", address), slot.as_str())
    }

    pub(super) fn lease_key(&self, address: AddressTag, site: &str, slot: Slot) -> String {
        format!("{}:{site}:{}", self.address_key("lease", address), slot.as_str())
    }

    pub(super) fn mail_key(&self, partition: u16) -> String {
        self.partition_key(partition, "mail")
    }

    pub(super) fn partition_key(&self, partition: u16, kind: &str) -> String {
        format!("{}:{{{partition}}}:{kind}", self.settings.key_prefix)
    }
}

/// What the keys of a client and its network end in.
pub(super) fn client_tags(client: Option<ClientTags>) -> [String; 2] {
    client.map_or_else(Default::default, |client| [client.line, client.network].map(LimitTag::to_hex))
}
