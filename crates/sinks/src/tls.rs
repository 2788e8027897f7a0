//! TLS by rustls, with `ring` as the only provider of cryptography, for the sinks that open a
//! connection of their own.

use std::path::Path;
use std::sync::Arc;

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

/// A connector that trusts the authorities of a PEM file, or those of the web.
pub(crate) fn connector(authorities: Option<&Path>) -> Result<TlsConnector, Fault> {
    let mut roots = RootCertStore::empty();
    match authorities {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let doing = || format!("reading the certificates of {}", path.display());
            let unreadable = |error| Fault::new(ErrorClass::Config, doing()).because(error);
            for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
                roots
                    .add(certificate.map_err(unreadable)?)
                    .map_err(|error| Fault::new(ErrorClass::Config, doing()).because(error))?;
            }
            if roots.is_empty() {
                let what = format!("there is no certificate in {}", path.display());
                return Err(Fault::new(ErrorClass::Config, what));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::new(ErrorClass::Internal, "setting up TLS").because(error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
