//! What SCRAM binds a password exchange to: the hash of the server's certificate, so that somebody
//! in the middle with another certificate cannot pass the exchange on.
//!
//! `tls-server-end-point` of RFC 5929: the hash that the certificate's own signature uses, with
//! SHA-256 in place of MD5 and SHA-1. Only the signature's algorithm is read out of the DER.

use sha2::{Digest, Sha256, Sha384, Sha512};

const SEQUENCE: u8 = 0x30;
const OBJECT: u8 = 0x06;

/// `sha1WithRSAEncryption`, and the three of SHA-2 (RFC 8017).
const RSA: [u8; 8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
/// `ecdsa-with-SHA2` (RFC 5758).
const ECDSA: [u8; 7] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];

/// The binding of a certificate in DER; `None` where its signature has no hash of its own.
pub(super) fn server_end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let (tag, outer, _) = element(certificate)?;
    let (_, _, behind) = element(outer).filter(|_| tag == SEQUENCE)?;
    let (tag, algorithm, _) = element(behind)?;
    let (inner, object, _) = element(algorithm).filter(|_| tag == SEQUENCE)?;
    let (last, family) = object.split_last().filter(|_| inner == OBJECT)?;
    match (family == RSA, family == ECDSA, *last) {
        (true, _, 5 | 11) | (_, true, 2) => Some(Sha256::digest(certificate).to_vec()),
        (true, _, 12) | (_, true, 3) => Some(Sha384::digest(certificate).to_vec()),
        (true, _, 13) | (_, true, 4) => Some(Sha512::digest(certificate).to_vec()),
        _ => None,
    }
}

/// The first element: its tag, its contents and what comes behind it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(*first & 0x7f))?;
        if digits.len() > 4 {
            return None;
        }
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
    };
    let (contents, behind) = rest.split_at_checked(length)?;
    Some((*tag, contents, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate's outline: something signed, the algorithm, a signature.
    fn outline(object: &[u8]) -> Vec<u8> {
        let algorithm = [&[OBJECT, object.len().try_into().unwrap()], object].concat();
        let inside = [
            &[SEQUENCE, 2, 5, 0, SEQUENCE, algorithm.len().try_into().unwrap()],
            &algorithm[..],
            &[3, 1, 0],
        ]
        .concat();
        [&[SEQUENCE, 0x81, inside.len().try_into().unwrap()], &inside[..]].concat()
    }

    #[test]
    fn the_hash_is_that_of_the_signature() {
        let length = |family: &[u8], last: u8| {
            server_end_point(&outline(&[family, &[last]].concat())).map(|hash| hash.len())
        };
        assert_eq!(length(&RSA, 5), Some(32));
        assert_eq!(length(&RSA, 11), Some(32));
        assert_eq!(length(&RSA, 12), Some(48));
        assert_eq!(length(&RSA, 13), Some(64));
        assert_eq!(length(&ECDSA, 2), Some(32));
        assert_eq!(length(&ECDSA, 4), Some(64));
        assert_eq!(length(&[0x2b, 0x65], 0x70), None);
        assert_eq!(server_end_point(b"\x30\x84\xff\xff\xff\xff"), None);
        assert_eq!(server_end_point(b""), None);
    }
}
