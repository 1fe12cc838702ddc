//! The two ways to become staff: an owner invites an address, or a person asks and somebody decides.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::Rng as _;
use uuid::Uuid;

use super::library::{LibraryMail, Part};
use super::{Caller, Flows, LibraryError, system_rng};
use crate::domain::{AccessRequest, EmailAddress, Invitation, Offer, Page, Role};
use crate::ports::db::{ActError, NewInvitation};

/// The proof in an invitation's link: 256 random bits, of which only the hash is stored.
struct InvitationToken([u8; 32]);

impl InvitationToken {
    fn generate() -> Self {
        let mut bytes = [0; 32];
        system_rng().fill_bytes(&mut bytes);
        Self(bytes)
    }

    fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What cannot be a token is as unknown as one that is none.
    fn parse(text: &str) -> Result<Self, LibraryError> {
        let mut bytes = [0; 32 + 2];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(32) if text.len() == 43 => {
                bytes.first_chunk().copied().map(Self).ok_or(LibraryError::Act(ActError::Missing))
            }
            _ => Err(LibraryError::Act(ActError::Missing)),
        }
    }

    fn hash(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, &self.0).as_ref());
        hash
    }
}

impl Flows {
    /// Invites an address to work at a library; the mail carries the one link to accept.
    ///
    /// # Errors
    /// A [`LibraryError`]; then nothing was made or sent.
    pub async fn invite(
        &self,
        caller: &Caller,
        code: &str,
        email: &EmailAddress,
        role: Role,
        message: Option<&str>,
    ) -> Result<Invitation, LibraryError> {
        let token = InvitationToken::generate();
        let mut transaction = self.admit(caller).await?;
        let library = transaction.library(code).await?;
        let invitation = transaction
            .invite(&NewInvitation { library: library.id, email, role, message, token_hash: &token.hash() })
            .await?;
        let inviter = transaction.own_profile().await?.display_name;
        let mail = LibraryMail::Invitation {
            email: email.as_str().to_owned(),
            token: token.encode(),
            library: library.name,
            role,
            inviter,
            message: message.map(str::to_owned),
            expires_at: invitation.expires_at,
        };
        self.keep_and_mail(caller, transaction, mail).await?;
        Ok(invitation)
    }

    /// A library's invitations, as far as the caller may see them.
    ///
    /// # Errors
    /// A [`LibraryError`].
    pub async fn invitations(
        &self,
        caller: &Caller,
        code: &str,
        page: Page,
    ) -> Result<Part<Invitation>, LibraryError> {
        let mut transaction = self.admit(caller).await?;
        let library = transaction.library(code).await?;
        Ok(Part::of(transaction.invitations(library.id, page).await?, page, |invitation| invitation.id))
    }

    /// Cancels an invitation that is still pending.
    ///
    /// # Errors
    /// A [`LibraryError`]; then nothing changed.
    pub async fn cancel_invitation(
        &self,
        caller: &Caller,
        code: &str,
        id: Uuid,
        version: i32,
    ) -> Result<(), LibraryError> {
        let mut transaction = self.admit(caller).await?;
        let library = transaction.library(code).await?;
        transaction.cancel_invitation(library.id, id, version).await?;
        Ok(transaction.commit().await?)
    }

    /// What the holder of a link is offered.
    ///
    /// # Errors
    /// A [`LibraryError`].
    pub async fn offer(&self, caller: &Caller, token: &str) -> Result<Offer, LibraryError> {
        let token = InvitationToken::parse(token)?;
        Ok(self.admit(caller).await?.offer(&token.hash()).await?)
    }

    /// Accepts an invitation to the caller's own address; answers the library's code.
    ///
    /// # Errors
    /// A [`LibraryError`]; somebody else's invitation is missing.
    pub async fn accept_invitation(&self, caller: &Caller, token: &str) -> Result<String, LibraryError> {
        let token = InvitationToken::parse(token)?;
        let mut transaction = self.admit(caller).await?;
        let code = transaction.accept_invitation(&token.hash()).await?;
        transaction.commit().await?;
        Ok(code)
    }

    /// Declines an invitation to the caller's own address.
    ///
    /// # Errors
    /// A [`LibraryError`]; somebody else's invitation is missing.
    pub async fn decline_invitation(&self, caller: &Caller, token: &str) -> Result<(), LibraryError> {
        let token = InvitationToken::parse(token)?;
        let mut transaction = self.admit(caller).await?;
        transaction.decline_invitation(&token.hash()).await?;
        Ok(transaction.commit().await?)
    }

    /// Asks a library for access; its owners and managers are told.
    ///
    /// # Errors
    /// A [`LibraryError`]; then nothing was made or sent.
    pub async fn request_access(
        &self,
        caller: &Caller,
        code: &str,
        message: Option<&str>,
    ) -> Result<AccessRequest, LibraryError> {
        let mut transaction = self.admit(caller).await?;
        let library = transaction.library(code).await?;
        let id = transaction.request_access(library.id, message).await?;
        let request = transaction.access_request(id).await?;
        let requester = transaction.own_profile().await?.display_name;
        let mail = LibraryMail::AccessRequested {
            to: None,
            library_id: library.id,
            library: library.name,
            requester,
            requester_email: caller.claims.email.clone(),
            message: message.map(str::to_owned),
        };
        self.keep_and_mail(caller, transaction, mail).await?;
        Ok(request)
    }

    /// Requests that the caller may see: those at a library, or their own.
    ///
    /// # Errors
    /// A [`LibraryError`].
    pub async fn access_requests(
        &self,
        caller: &Caller,
        code: Option<&str>,
        page: Page,
    ) -> Result<Part<AccessRequest>, LibraryError> {
        let mut transaction = self.admit(caller).await?;
        let library = match code {
            Some(code) => Some(transaction.library(code).await?.id),
            None => None,
        };
        Ok(Part::of(transaction.access_requests(library, page).await?, page, |request| request.id))
    }

    /// What waits for a decision of the caller, over all libraries, the oldest first.
    ///
    /// # Errors
    /// A [`LibraryError`].
    pub async fn open_access_requests(&self, caller: &Caller) -> Result<Vec<AccessRequest>, LibraryError> {
        Ok(self.admit(caller).await?.open_access_requests().await?)
    }

    /// Approves a request with a role, or declines it without one; the person is told.
    ///
    /// # Errors
    /// A [`LibraryError`]; then nothing changed.
    pub async fn decide_access_request(
        &self,
        caller: &Caller,
        id: Uuid,
        version: i32,
        role: Option<Role>,
        note: Option<&str>,
    ) -> Result<AccessRequest, LibraryError> {
        let mut transaction = self.admit(caller).await?;
        transaction.decide_access_request(id, version, role, note).await?;
        let request = transaction.access_request(id).await?;
        let mail = LibraryMail::AccessDecided {
            user: request.user_id,
            library: request.library_name.clone(),
            role,
            note: note.map(str::to_owned),
        };
        self.keep_and_mail(caller, transaction, mail).await?;
        Ok(request)
    }

    /// Withdraws the caller's own request.
    ///
    /// # Errors
    /// A [`LibraryError`]; then nothing changed.
    pub async fn withdraw_access_request(
        &self,
        caller: &Caller,
        id: Uuid,
        version: i32,
    ) -> Result<AccessRequest, LibraryError> {
        let mut transaction = self.admit(caller).await?;
        transaction.withdraw_access_request(id, version).await?;
        let request = transaction.access_request(id).await?;
        transaction.commit().await?;
        Ok(request)
    }
}
