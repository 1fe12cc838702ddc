//! Who is behind a request, and what of it is only counted.

use std::net::IpAddr;
use std::time::Duration;

use crate::domain::{EmailAddress, SessionId, Site, UserId, client_line, client_network};
use crate::flows::{Flows, Visitor};
use crate::ports::codes::{ClientTags, Witness};
use crate::ports::limits::Act;
use crate::ports::refusals::Refusal;

/// Who asks for a code or presents one.
#[derive(Debug, Clone, Copy)]
pub(in crate::flows) struct By<'a> {
    pub visitor: &'a Visitor,
    /// Whose session asks, if one does.
    pub caller: Option<(UserId, SessionId)>,
}

impl<'a> By<'a> {
    /// Somebody without a session.
    pub(in crate::flows) fn visitor(visitor: &'a Visitor) -> Self {
        Self { visitor, caller: None }
    }
}

impl Flows {
    /// Who is behind a request, and whose mailbox it is about, for the record.
    pub(in crate::flows) fn witness<'a>(&self, by: By<'a>, email: Option<&'a EmailAddress>) -> Witness<'a> {
        Witness {
            ip: by.visitor.ip,
            agent: by.visitor.user_agent.as_deref(),
            caller: by.caller,
            address: email.map(|email| self.keys.address_tag(email)),
            domain: email.map(EmailAddress::domain),
        }
    }

    /// A client, as the limits know it that all replicas share.
    pub(in crate::flows) fn client_tags(&self, client: IpAddr) -> ClientTags {
        ClientTags {
            line: self.keys.network_tag(&client_line(client)),
            network: self.keys.network_tag(&client_network(client)),
            times: self.limits.times(client),
        }
    }

    /// Counts an act of a client against its share, and a refusal for the record.
    pub(in crate::flows) fn count_act(&self, act: Act, site: &Site, client: IpAddr) -> Result<(), Duration> {
        self.limits.count(act, client).inspect_err(|_| {
            self.refusals.count(Refusal::Limited(act), &site.id, client);
        })
    }

    /// Counts a text that cannot be a code or a link of ours, for the record.
    pub(in crate::flows) fn note_malformed(&self, site: &Site, visitor: &Visitor) {
        self.refusals.count(Refusal::MalformedCode, &site.id, visitor.ip);
    }
}
