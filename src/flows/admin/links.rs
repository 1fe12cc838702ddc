//! Invitations, and links that an administrator hands out: the proofs of a mailbox that come without their owner's asking.
//!
//! An invitation is mailed. A generated link is not: whoever generates one could sign in with it, and so it takes the
//! widest scope and a server that allows it, and is in the audit log.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde::Serialize;
use serde_json::Map;
use url::Url;

use super::{AdminCaller, AdminError, Flows, Request};
use crate::domain::keys::Sealed;
use crate::domain::{
    Account, AccountChange, AccountPlan, AppMetadata, ChallengeId, CodeKind, EmailAddress, Scope, SignInCode,
    Site, Slot, UserId, UserMetadata,
};
use crate::flows::change_email::EmailChangeContext;
use crate::flows::library::{LibraryMail, OutboxJob};
use crate::flows::sealed::{ChallengeContext, LinkToken, LinkWish};
use crate::flows::send_code::context_of;
use crate::flows::system_rng;
use crate::ports::PortError;
use crate::ports::codes::KeepProof;
use crate::ports::db::{ActError, InviteUser};

/// How long an invitation can be accepted. The account outlives it: its owner can sign in at any time.
const INVITATION_LIFE: Duration = Duration::from_secs(7 * 86_400);

/// What a generated link is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkKind {
    /// Using an account for the first time; it is made if there is none.
    SignUp,
    /// As [`Self::SignUp`], by invitation.
    Invite,
    /// Signing in; for an address without an account as [`Self::SignUp`].
    MagicLink,
    /// Signing in to an account that there is.
    Recovery,
    /// Letting the address of an account go, for this one.
    EmailChangeCurrent(EmailAddress),
    /// Taking this address for an account.
    EmailChangeNew(EmailAddress),
}

impl LinkKind {
    /// The word of the wire.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::SignUp => "signup",
            Self::Invite => "invite",
            Self::MagicLink => "magiclink",
            Self::Recovery => "recovery",
            Self::EmailChangeCurrent(_) => "email_change_current",
            Self::EmailChangeNew(_) => "email_change_new",
        }
    }

    /// What the link itself says: it does not tell the halves of a change apart.
    fn in_link(&self) -> &'static str {
        match self {
            Self::EmailChangeCurrent(_) | Self::EmailChangeNew(_) => "email_change",
            other => other.as_str(),
        }
    }
}

/// A wish for a link.
#[derive(Debug, Clone)]
pub struct GenerateLink {
    /// For what.
    pub kind: LinkKind,
    /// The account's address.
    pub email: EmailAddress,
    /// Metadata of a new account, or of one that nobody has used yet.
    pub metadata: UserMetadata,
    /// Where the link is to lead in the end. What the site does not list is taken for its home.
    pub redirect_to: Option<String>,
}

/// A code and a link that prove the same.
#[derive(Clone)]
pub struct GeneratedLink {
    /// The account.
    pub account: Account,
    /// For what it turned out to be.
    pub kind: LinkKind,
    /// The code, to be typed beside the address.
    pub code: String,
    /// The proof in the link.
    pub token: String,
    /// The whole link.
    pub link: String,
    /// Where it leads in the end.
    pub redirect_to: Url,
}

impl Flows {
    /// Makes a code and a link for an account and mails neither. Both live as long as any code.
    ///
    /// # Errors
    /// An [`AdminError`]; [`AdminError::LinksOff`] unless the server's owner allows it.
    pub async fn generate_link(
        &self,
        caller: &AdminCaller,
        site: &Arc<Site>,
        wish: &GenerateLink,
    ) -> Result<GeneratedLink, AdminError> {
        caller.require(Scope::Admin)?;
        if !self.may_generate_links {
            return Err(AdminError::LinksOff);
        }
        let (kind, account) = self.account_for_link(caller, site, wish).await?;
        self.db.note_link(&caller.actor(), account.user.id, &site.id, kind.as_str()).await?;
        let redirect_to = site.redirect_target(wish.redirect_to.as_deref().unwrap_or_default());
        let (code, token) = match &kind {
            LinkKind::EmailChangeCurrent(new) | LinkKind::EmailChangeNew(new) => {
                self.keep_change(caller, site, &kind, &account, new).await?
            }
            _ => {
                let wished = wish.redirect_to.as_ref().map(|_| redirect_to.to_string());
                let context = sign_in_context(&account.user.email, wished);
                self.keep_proof(site, Slot::SignIn, &account.user.email, &context, self.code_life).await?
            }
        };
        let link = action_link(site, &token, kind.in_link(), &redirect_to);
        let code = code.expose().to_owned();
        Ok(GeneratedLink { account, kind, code, token, link, redirect_to })
    }

    /// Invites somebody to an account: it is made if there is none, and a mail with a link goes out.
    ///
    /// # Errors
    /// An [`AdminError`]; [`AdminError::AccountExists`] if the account is used already.
    pub async fn invite_to_account(
        &self,
        caller: &AdminCaller,
        site: &Arc<Site>,
        email: &EmailAddress,
        metadata: &UserMetadata,
        redirect_to: Option<&str>,
    ) -> Result<Account, AdminError> {
        caller.require(Scope::Admin)?;
        let account = self.db.find_account_by_email(email).await?;
        if account.is_some_and(|account| account.user.email_confirmed_at.is_some()) {
            return Err(AdminError::AccountExists);
        }
        self.count_send(site, email, Slot::Invitation, None).await?;
        let wished = redirect_to.map(|wished| site.redirect_target(wished).to_string());
        let context = sign_in_context(email, wished);
        // Before the account: a mail whose link is not kept would lead nowhere, and a kept one without a mail hurts nobody.
        let (_, token) = self.keep_proof(site, Slot::Invitation, email, &context, INVITATION_LIFE).await?;
        let life = TimeDelta::from_std(INVITATION_LIFE).unwrap_or_default();
        let mail = LibraryMail::AccountInvitation {
            email: email.as_str().to_owned(),
            token,
            expires_at: self.now() + life,
        };
        let mail = self.seal_outbox_job(&OutboxJob { site: site.id.clone(), mail })?;
        let account = self.invite_account(caller, site, email, metadata, Some(&mail)).await?;
        self.outbox_filled.notify_one();
        Ok(account)
    }

    async fn invite_account(
        &self,
        caller: &AdminCaller,
        site: &Site,
        email: &EmailAddress,
        metadata: &UserMetadata,
        mail: Option<&[u8]>,
    ) -> Result<Account, AdminError> {
        let invite =
            InviteUser { id: UserId::new(), email, mark: self.mark(email), metadata, site: &site.id, mail };
        match self.db.invite_account(&caller.actor(), &invite).await? {
            Some(id) => self.account(id).await,
            None => Err(AdminError::AccountExists),
        }
    }

    /// The account that a link is for, made where there is none and one is wished for, and for what the link is then.
    async fn account_for_link(
        &self,
        caller: &AdminCaller,
        site: &Site,
        wish: &GenerateLink,
    ) -> Result<(LinkKind, Account), AdminError> {
        let account = self.db.find_account_by_email(&wish.email).await?;
        let is_used = account.as_ref().is_some_and(|account| account.user.email_confirmed_at.is_some());
        match (&wish.kind, account) {
            (LinkKind::SignUp | LinkKind::Invite, _) if is_used => Err(AdminError::AccountExists),
            (LinkKind::Invite, _) => {
                let account = self.invite_account(caller, site, &wish.email, &wish.metadata, None).await?;
                Ok((LinkKind::Invite, account))
            }
            (LinkKind::SignUp, Some(account)) => {
                let user_metadata = Some(wish.metadata.clone());
                let change = AccountChange { user_metadata, ..AccountChange::default() };
                let account = self.change_account_now(caller, account.user.id, &change).await?;
                Ok((LinkKind::SignUp, account))
            }
            (LinkKind::SignUp | LinkKind::MagicLink, None) => {
                let plan = AccountPlan {
                    id: None,
                    email: wish.email.clone(),
                    is_confirmed: false,
                    user_metadata: wish.metadata.clone(),
                    app_metadata: AppMetadata::default(),
                    banned_until: None,
                };
                let request = Request { operation: "generateLink", body: String::new(), key: None };
                Ok((LinkKind::SignUp, self.create_account(caller, &plan, &request).await?))
            }
            (kind, Some(account)) => Ok((kind.clone(), account)),
            (_, None) => Err(ActError::Missing.into()),
        }
    }

    /// Begins a change of address, or goes on with one, and keeps the proof of one of its halves.
    async fn keep_change(
        &self,
        caller: &AdminCaller,
        site: &Arc<Site>,
        kind: &LinkKind,
        account: &Account,
        new: &EmailAddress,
    ) -> Result<(SignInCode, String), AdminError> {
        let user = account.user.id;
        let actor = caller.actor();
        let begun = self.db.begin_email_change_for(&actor, user, &site.id, new, self.code_life).await?;
        let change = begun.ok_or(AdminError::AccountExists)?;
        let current = &account.user.email;
        let context = EmailChangeContext {
            change,
            user: user.0,
            current: current.as_str().to_owned(),
            new: new.as_str().to_owned(),
        };
        let (slot, address) = match kind {
            LinkKind::EmailChangeNew(_) => (Slot::EmailChangeNew, new),
            _ => (Slot::EmailChangeCurrent, current),
        };
        Ok(self.keep_proof(site, slot, address, &context, self.code_life).await?)
    }

    /// Keeps a proof of a mailbox that we do not mail as a code: its short code, and the proof for a link.
    async fn keep_proof<C: Serialize>(
        &self,
        site: &Site,
        slot: Slot,
        email: &EmailAddress,
        context: &C,
        life: Duration,
    ) -> Result<(SignInCode, String), PortError> {
        let mut rng = system_rng();
        let tag = self.keys.address_tag(email);
        let link = LinkToken::generate(tag, &mut rng);
        let code = SignInCode::generate(CodeKind::Short, &mut rng);
        let mac = self.keys.code_mac(&site.id, slot, email, None, &code);
        let keep = KeepProof {
            tag,
            site: &site.id,
            slot,
            challenge: ChallengeId::new(),
            link_mac: &self.keys.link_mac(&site.id, slot, &link.secret),
            // What lives long is proven by the link alone: six digits are for minutes.
            short_mac: (slot != Slot::Invitation).then_some(mac.as_str()),
            context: &self.seal(Sealed::Challenge, &context_of(site, slot), context)?,
            life,
            // The administrator's act is on record where it is done.
            witness: None,
        };
        self.codes.keep(&keep).await?;
        Ok((code, link.encode()))
    }
}

/// What a proof remembers that opens an account which there is.
fn sign_in_context(email: &EmailAddress, redirect_to: Option<String>) -> ChallengeContext {
    ChallengeContext {
        email: email.as_str().to_owned(),
        create: false,
        metadata: Map::new(),
        locale: None,
        link: LinkWish { redirect_to, challenge: None },
    }
}

/// A link as clients of the wire know it: the token first, the target encoded only where it could not be read otherwise.
fn action_link(site: &Site, token: &str, kind: &str, redirect_to: &Url) -> String {
    let target = redirect_to.as_str();
    let target = if target.contains(['&', '=', '#']) {
        url::form_urlencoded::byte_serialize(target.as_bytes()).collect()
    } else {
        target.to_owned()
    };
    format!("{}/verify?token={token}&type={kind}&redirect_to={target}", site.issuer())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{SiteKind, test_site};

    #[test]
    fn the_token_comes_first_and_the_target_is_encoded_only_where_it_must_be() {
        let site = test_site("reader", SiteKind::Reader);
        let link = |target: &str| action_link(&site, "abc", "signup", &target.parse().unwrap());
        assert_eq!(
            link("https://reader.example/welcome"),
            "http://reader.localhost:8080/auth/v1/verify?token=abc&type=signup&redirect_to=https://reader.example/welcome"
        );
        assert!(
            link("https://reader.example/?a=1&b=2")
                .ends_with("https%3A%2F%2Freader.example%2F%3Fa%3D1%26b%3D2")
        );
    }
}
