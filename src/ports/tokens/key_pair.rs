//! Signing key pairs: made, stored and published.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::domain::TokenAlgorithm;

/// A key pair in memory, ready to sign: reading the private key costs more than a signature does.
#[derive(Clone)]
pub struct KeyPair {
    algorithm: TokenAlgorithm,
    /// PKCS #8 (RFC 5958).
    private: Vec<u8>,
    signer: Arc<Signer>,
    public: Public,
}

enum Signer {
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

/// Base64url, as a JWK has it. EC: the coordinates of the point. RSA: modulus and exponent.
#[derive(Clone)]
enum Public {
    Ec { x: String, y: String },
    Rsa { n: String, e: String },
}

/// A key pair could not be made or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signing key cannot be made or read")]
pub struct KeyPairError;

impl KeyPair {
    /// A new pair: P-256, or RSA of 2048 bits (NIST SP 800-57 part 1: sound until 2030, and what clients expect).
    ///
    /// # Errors
    /// If the system has no randomness.
    pub fn generate(algorithm: TokenAlgorithm) -> Result<Self, KeyPairError> {
        let private = match algorithm {
            TokenAlgorithm::Es256 => {
                let pair =
                    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| KeyPairError)?;
                pair.to_pkcs8v1().map_err(|_| KeyPairError)?.as_ref().to_vec()
            }
            TokenAlgorithm::Rs256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyPairError)?;
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeyPairError)?;
                der.as_ref().to_vec()
            }
        };
        Self::from_pkcs8(algorithm, private)
    }

    /// A stored pair.
    ///
    /// # Errors
    /// If the bytes are no private key for the algorithm.
    pub fn from_pkcs8(algorithm: TokenAlgorithm, private: Vec<u8>) -> Result<Self, KeyPairError> {
        let base64url = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (signer, public) = match algorithm {
            TokenAlgorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &private)
                    .map_err(|_| KeyPairError)?;
                // 0x04, x, y (SEC 1 §2.3.3).
                let point = pair.public_key().as_ref();
                let (x, y) = point.get(1..33).zip(point.get(33..65)).ok_or(KeyPairError)?;
                let public = Public::Ec { x: base64url(x), y: base64url(y) };
                (Signer::Ec(pair), public)
            }
            TokenAlgorithm::Rs256 => {
                let pair = RsaKeyPair::from_pkcs8(&private).map_err(|_| KeyPairError)?;
                let parts = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                let public = Public::Rsa { n: base64url(&parts.n), e: base64url(&parts.e) };
                (Signer::Rsa(pair), public)
            }
        };
        Ok(Self { algorithm, private, signer: Arc::new(signer), public })
    }

    /// The signature of a token's first two parts (RFC 7518 §3.3, §3.4).
    ///
    /// # Errors
    /// If the system has no randomness.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyPairError> {
        let random = SystemRandom::new();
        match self.signer.as_ref() {
            Signer::Ec(pair) => pair
                .sign(&random, message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| KeyPairError),
            Signer::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map_err(|_| KeyPairError)?;
                Ok(signature)
            }
        }
    }

    /// How it signs.
    #[must_use]
    pub fn algorithm(&self) -> TokenAlgorithm {
        self.algorithm
    }

    /// The private key, PKCS #8, for wrapping.
    #[must_use]
    pub fn private_pkcs8(&self) -> &[u8] {
        &self.private
    }

    /// The public key as clients read it (RFC 7517, RFC 7518 §6).
    #[must_use]
    pub fn public_jwk(&self, kid: &str) -> Value {
        let mut jwk = match &self.public {
            Public::Ec { x, y } => json!({"kty": "EC", "crv": "P-256", "x": x, "y": y}),
            Public::Rsa { n, e } => json!({"kty": "RSA", "n": n, "e": e}),
        };
        jwk["kid"] = kid.into();
        jwk["alg"] = self.algorithm.as_str().into();
        jwk["use"] = "sig".into();
        jwk["key_ops"] = json!(["verify"]);
        jwk
    }

    /// A new id for a pair: random, and told apart at a glance by the site's name in front.
    #[must_use]
    pub fn new_kid(site: &str) -> String {
        format!("{site}-{}", Uuid::new_v4().simple())
    }

    pub(super) fn decoding_key(&self) -> Result<DecodingKey, KeyPairError> {
        match &self.public {
            Public::Ec { x, y } => DecodingKey::from_ec_components(x, y),
            Public::Rsa { n, e } => DecodingKey::from_rsa_components(n, e),
        }
        .map_err(|_| KeyPairError)
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({})", self.algorithm.as_str())
    }
}
