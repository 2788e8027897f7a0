//! Who sent a request, when, and that nothing in it was changed: Standard Webhooks' headers.
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The secret that both ends know.
#[derive(Clone)]
pub(super) struct Signer {
    key: Vec<u8>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Signer {
    /// From `whsec_` and Base64, or from any other text, whose bytes are the key.
    ///
    /// # Errors
    /// `config`, without the secret.
    pub(super) fn new(secret: &str) -> Result<Self, Fault> {
        let key = match secret.strip_prefix("whsec_") {
            Some(encoded) => STANDARD.decode(encoded).map_err(|_may_quote_it| {
                Fault::new(ErrorClass::Config, "the http sink's `secret` is no Base64")
            })?,
            None => secret.as_bytes().to_vec(),
        };
        if key.is_empty() {
            return Err(Fault::new(ErrorClass::Config, "the http sink's `secret` is empty"));
        }
        Ok(Self { key })
    }

    /// The header `webhook-signature` of a request with this identifier at this second since 1970.
    ///
    /// # Errors
    /// Never, for HMAC takes keys of any length.
    pub(super) fn signature(&self, id: &str, second: i64, body: &[u8]) -> Result<String, Fault> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).map_err(|error| {
            Fault::new(ErrorClass::Internal, "signing a request").because(error)
        })?;
        mac.update(format!("{id}.{second}.").as_bytes());
        mac.update(body);
        Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    }
}

/// The identifier of a request: the same for the same messages of the same sink, whoever sends them
/// and how often. It holds no full stop, which the signature sets between its parts.
pub(super) fn identifier(owner: &str, ids: &[u8]) -> String {
    let mut digest = Sha256::new();
    digest.update(owner.as_bytes());
    digest.update([0]);
    digest.update(ids);
    let mut id = "fg_".to_owned();
    for byte in digest.finalize().iter().take(16) {
        id.push_str(&format!("{byte:02x}"));
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that Standard Webhooks' own libraries are tested with.
    #[test]
    fn a_signature_is_that_of_the_specification() {
        let signer = Signer::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = signer.signature(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secrets_are_read_and_not_shown() {
        assert_eq!(Signer::new("plain").unwrap().key, b"plain");
        for bad in ["", "whsec_", "whsec_s3cret!"] {
            let fault = Signer::new(bad).unwrap_err();
            assert!(!fault.chain().contains("s3cret"));
        }
        assert_eq!(format!("{:?}", Signer::new("s3cret").unwrap()), "***");
    }

    #[test]
    fn identifiers_follow_from_what_they_name() {
        let id = identifier("s/a", b"0/1/2");
        assert_eq!(id, identifier("s/a", b"0/1/2"));
        assert_ne!(id, identifier("s/b", b"0/1/2"));
        assert!(id.len() == 35 && !id.contains('.'));
    }
}
