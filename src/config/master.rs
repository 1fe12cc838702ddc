//! What a master secret must look like: 32 random bytes in base64, and none that the world knows.
//!
//! Every key of the server is derived from it, so a guessable one opens everything. Randomness cannot be
//! proven from 32 bytes; what is refused here is what people do type in.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::zeroize::Zeroize as _;
use secrecy::{ExposeSecret as _, SecretBox};

/// Bytes of a master secret.
pub const MASTER_BYTES: usize = 32;

/// Least number of different bytes in it. Of 32 random bytes about 30 differ; fewer than 16 do less than once
/// in 10¹⁵ times.
const LEAST_DISTINCT: usize = 16;

/// Secrets that are varied enough and yet known: the ones that manuals, ours or others', print as examples.
const PRINTED: [&[u8; MASTER_BYTES]; 3] = [
    b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\
      \x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f",
    b"0123456789abcdef0123456789abcdef",
    b"doorcode-example-master-secret!!",
];

/// Padding may be left off: some tools do, and it carries nothing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a text is no master secret. Never says which text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MasterSecretError {
    /// Not base64 in the standard alphabet.
    #[error("it is not base64")]
    NotBase64,
    /// Base64 of that many bytes.
    #[error("it is base64 of {0} bytes, not of 32")]
    WrongLength(usize),
    /// Too few different bytes to be random.
    #[error("it is not random")]
    LowEntropy,
    /// Printed as an example somewhere.
    #[error("it is a published example")]
    Example,
}

/// The 32 bytes of a master secret in base64, white space around it ignored.
pub fn decode_master_secret(text: &str) -> Result<SecretBox<[u8; MASTER_BYTES]>, MasterSecretError> {
    let mut bytes = BASE64.decode(text.trim()).map_err(|_| MasterSecretError::NotBase64)?;
    let key = (bytes.len() == MASTER_BYTES)
        .then(|| SecretBox::init_with_mut(|key: &mut [u8; MASTER_BYTES]| key.copy_from_slice(&bytes)));
    let length = bytes.len();
    bytes.zeroize();
    let key = key.ok_or(MasterSecretError::WrongLength(length))?;
    judge(key.expose_secret())?;
    Ok(key)
}

fn judge(key: &[u8; MASTER_BYTES]) -> Result<(), MasterSecretError> {
    if PRINTED.contains(&key) {
        return Err(MasterSecretError::Example);
    }
    let mut seen = [false; 256];
    for byte in key {
        seen[usize::from(*byte)] = true;
    }
    if seen.iter().filter(|seen| **seen).count() < LEAST_DISTINCT {
        return Err(MasterSecretError::LowEntropy);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> Option<MasterSecretError> {
        decode_master_secret(&BASE64.encode(bytes)).err()
    }

    #[test]
    fn random_bytes_are_accepted_with_and_without_padding_and_line_end() {
        let text = "q3Jm0u8T1yCw7nXzE5aKbLh2PvRfDgSo9iYt4UkMxAc=";
        for text in [text, text.trim_end_matches('='), &format!(" {text}\n")] {
            assert_eq!(decode_master_secret(text).unwrap().expose_secret()[0], 0xab);
        }
    }

    #[test]
    fn another_length_is_refused() {
        assert_eq!(refusal(&[7; 31]), Some(MasterSecretError::WrongLength(31)));
        assert_eq!(refusal(&[]), Some(MasterSecretError::WrongLength(0)));
        assert_eq!(decode_master_secret("not base64!").err(), Some(MasterSecretError::NotBase64));
    }

    #[test]
    fn what_is_not_random_is_refused() {
        assert_eq!(refusal(&[0; 32]), Some(MasterSecretError::LowEntropy));
        assert_eq!(refusal(b"password-password-password-passw"), Some(MasterSecretError::LowEntropy));
        let fifteen: Vec<u8> = (0..32).map(|i| i % 15).collect();
        assert_eq!(refusal(&fifteen), Some(MasterSecretError::LowEntropy));
        let sixteen: Vec<u8> = (0..32).map(|i| i % 16).collect();
        assert_eq!(refusal(&sixteen), None);
    }

    #[test]
    fn what_is_printed_as_an_example_is_refused() {
        for printed in PRINTED {
            assert_eq!(refusal(printed), Some(MasterSecretError::Example));
        }
    }
}
