//! TLS by rustls, with `ring` as the only provider of cryptography: two providers in one process
//! make rustls panic at the first connection that does not name one.

use std::path::PathBuf;
use std::sync::Arc;

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Whether the connection is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TlsMode {
    /// Never.
    Disable,
    /// When the server can; its certificate is not checked.
    Prefer,
    /// Always, with a server that we trust.
    Require(Trust),
}

/// Which certificates are good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trust {
    /// Any at all: against listeners, not against impostors.
    Anyone,
    /// Those signed by the web's certificate authorities, for this host's name.
    WebRoots,
    /// Those signed by the authorities of a PEM file, for this host's name.
    File(PathBuf),
    /// The same for any host name.
    AnyNameOf(Box<Trust>),
}

/// The connector for a mode; `None` without TLS.
pub(super) fn connector(mode: &TlsMode) -> Result<Option<MakeRustlsConnect>, Fault> {
    Ok(client_config(mode)?.map(MakeRustlsConnect::new))
}

/// The settings of rustls for a mode; `None` without TLS.
pub(super) fn client_config(mode: &TlsMode) -> Result<Option<ClientConfig>, Fault> {
    let trust = match mode {
        TlsMode::Disable => return Ok(None),
        TlsMode::Prefer => &Trust::Anyone,
        TlsMode::Require(trust) => trust,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = verifier(trust, &provider)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::new(ErrorClass::Internal, "setting up TLS").because(error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(Some(config))
}

fn verifier(
    trust: &Trust,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, Fault> {
    let (inner, strictness) = match trust {
        Trust::Anyone => (None, Strictness::None),
        Trust::AnyNameOf(trust) => (Some(roots(trust)?), Strictness::Chain),
        Trust::WebRoots | Trust::File(_) => (Some(roots(trust)?), Strictness::Full),
    };
    let Some(roots) = inner else {
        return Ok(Arc::new(Lenient { inner: None, strictness, provider: Arc::clone(provider) }));
    };
    let full = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| {
            Fault::new(ErrorClass::Config, "using the root certificates").because(error)
        })?;
    if strictness == Strictness::Full {
        return Ok(full);
    }
    Ok(Arc::new(Lenient { inner: Some(full), strictness, provider: Arc::clone(provider) }))
}

fn roots(trust: &Trust) -> Result<RootCertStore, Fault> {
    let mut store = RootCertStore::empty();
    match trust {
        Trust::File(path) => {
            let doing = || format!("reading the root certificates of {}", path.display());
            let unreadable = |error| Fault::new(ErrorClass::Config, doing()).because(error);
            for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
                store
                    .add(certificate.map_err(unreadable)?)
                    .map_err(|error| Fault::new(ErrorClass::Config, doing()).because(error))?;
            }
            if store.is_empty() {
                return Err(Fault::new(
                    ErrorClass::Config,
                    format!("there is no certificate in {}", path.display()),
                ));
            }
        }
        Trust::WebRoots | Trust::Anyone => {
            store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        Trust::AnyNameOf(trust) => return roots(trust),
    }
    Ok(store)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strictness {
    None,
    Chain,
    Full,
}

/// Lets pass what libpq's weaker modes let pass. Signatures of the handshake are always checked.
#[derive(Debug)]
struct Lenient {
    inner: Option<Arc<WebPkiServerVerifier>>,
    strictness: Strictness,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(inner) = &self.inner else {
            return Ok(ServerCertVerified::assertion());
        };
        let verdict =
            inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verdict {
            // The chain is checked before the name.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.strictness == Strictness::Chain => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
