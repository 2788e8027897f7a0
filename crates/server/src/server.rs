//! The service on an address.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;

use crate::access::OpenToAll;
use crate::metrics::BindError;
use crate::router::{router, watch};
use crate::service::Service;
use crate::tls::{Certificate, Peer, TlsListener, introduce};

/// Why a service cannot be had at an address.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be taken.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Others could reach it, and nothing would keep them out.
    #[error(transparent)]
    OpenToAll(#[from] OpenToAll),
}

/// A service with an address that was taken.
#[derive(Debug)]
pub struct Server {
    service: Arc<Service>,
    listener: TcpListener,
    address: SocketAddr,
    certificate: Option<Certificate>,
}

impl Server {
    /// Takes the address `host:port`; port 0 takes a free one.
    ///
    /// # Errors
    /// [`ServeError`]: it cannot be had, or it is open to others and there are no tokens.
    pub async fn bind(service: Arc<Service>, address: &str) -> Result<Self, ServeError> {
        let failed = |source| BindError::new(address, source);
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        service.access.check_address(address)?;
        Ok(Self { service, listener, address, certificate: None })
    }

    /// Lets nobody in but by TLS, where there is a certificate.
    #[must_use]
    pub fn with_tls(self, certificate: Option<Certificate>) -> Self {
        Self { certificate, ..self }
    }

    /// The address that was taken.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `over`; requests that have begun are answered to their end.
    ///
    /// # Errors
    /// When the listener breaks.
    pub async fn serve(
        self,
        over: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), std::io::Error> {
        let router = self.service.router();
        let Some(certificate) = self.certificate else {
            let make = router.into_make_service_with_connect_info::<SocketAddr>();
            return axum::serve(self.listener, make).with_graceful_shutdown(over).await;
        };
        let router = router.layer(axum::middleware::from_fn(introduce));
        let make = router.into_make_service_with_connect_info::<Peer>();
        let listener = TlsListener::new(self.listener, certificate);
        axum::serve(listener, make).with_graceful_shutdown(over).await
    }
}

impl Service {
    /// Every route of the service, for a server or for a test.
    pub fn router(self: &Arc<Self>) -> Router {
        router(self)
    }

    /// The service's layers around other routes: each request is named, told of, counted, bounded and
    /// let in as those of the service are.
    pub fn watch(self: &Arc<Self>, routes: Router) -> Router {
        watch(self, routes)
    }
}
